// The theme decides what "auto" means only after the first paint: a dark reader would see a white flash,
// and every border and italic that hangs on the decision would move the page. So it is decided here, in the head.
{
  const root = document.documentElement;
  if (root.dataset.mode === "auto") {
    root.dataset.theme = matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light";
  }
}
