/* Paper is white: a page that is read in the dark prints in the light colours. */
(() => {
  "use strict";

  const page = document.documentElement;
  const paper = matchMedia("print");
  let onScreen = "";

  paper.addEventListener("change", () => {
    if (paper.matches) {
      onScreen = page.dataset.theme;
      page.dataset.theme = "light";
    } else {
      page.dataset.theme = onScreen;
    }
  });
})();
