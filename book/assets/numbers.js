/* Escape closes the note of a number, until pointer or focus comes back. */
(() => {
  "use strict";
  addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    for (const number of document.querySelectorAll(".sourced:is(:hover, :focus-within)")) {
      number.dataset.closed = "true";
      for (const leaving of ["mouseenter", "mouseleave", "focusout"]) {
        number.addEventListener(leaving, () => delete number.dataset.closed, { once: true });
      }
    }
  });
})();
