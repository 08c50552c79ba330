/*
 * Asks for the state of a page's widgets and their host, in one script beside the page, when the first words are painted: its
 * recordings are larger than the text, and a phone would read them before it shows a word. What is below the window may still be on
 * its way then. A page that paints nothing, in a tab behind, asks soon too.
 *
 * Painted is what a reader sees: Chrome may hold the first frame back for a second, and what a page computes for it is no sign.
 */
(() => {
  "use strict";

  const LOST = "This interactive figure did not arrive; its default state is shown. Load the page again to try once more.";
  const SOON_MS = 1000, LATEST_MS = 3000;
  const { address } = document.currentScript.dataset;
  let isAsked = false;

  function say(box) {
    const note = document.createElement("p");
    note.className = "afm-error";
    note.setAttribute("role", "alert");
    note.textContent = LOST;
    box.append(note);
    box.dataset.view = "failed";
  }

  // The page may still be on its way.
  function tell() {
    if (document.readyState === "loading") addEventListener("DOMContentLoaded", tell);
    else document.querySelectorAll(".afm").forEach(say);
  }

  function ask() {
    if (isAsked) return;
    isAsked = true;
    const script = document.createElement("script");
    script.src = address;
    script.addEventListener("error", tell);
    document.body.append(script);
  }

  if (window.PerformanceObserver?.supportedEntryTypes?.includes("paint")) {
    const watcher = new PerformanceObserver((seen) => {
      if (!seen.getEntriesByName("first-contentful-paint").length) return;
      watcher.disconnect();
      ask();
    });
    watcher.observe({ type: "paint", buffered: true });
    setTimeout(ask, document.hidden ? SOON_MS : LATEST_MS);
  } else {
    requestAnimationFrame(() => setTimeout(ask));
    setTimeout(ask, SOON_MS);
  }
})();
