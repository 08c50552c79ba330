/*
 * Equations that neither push the text about nor trap the keyboard; on pages with equations only.
 *
 * An equation takes another height once MathJax has set it. Until all are set, book.css hides the first
 * paragraph with one and all that follows; MathJax is deferred, so it is there when the document is ready.
 */
(() => {
  "use strict";

  const PATIENCE_MS = 3000; // a reader waits no longer, and without this script nothing is ever hidden
  const page = document.documentElement.classList;
  const show = () => page.remove("setting-mathematics");

  // An equation wider than a phone scrolls sideways: with the arrow keys, too.
  function letScroll() {
    for (const equation of document.querySelectorAll("mjx-container[display]")) {
      const isWide = equation.scrollWidth > equation.clientWidth;
      if (isWide) equation.tabIndex = 0;
      else equation.removeAttribute("tabindex");
    }
  }

  page.add("setting-mathematics");
  setTimeout(show, PATIENCE_MS);
  addEventListener("DOMContentLoaded", async () => {
    try {
      await window.MathJax?.startup?.promise;
    } finally {
      show();
      letScroll();
    }
  });
  addEventListener("resize", letScroll);
})();
