/*
 * Focus that is never lost: the theme takes it from its own buttons, and forgets who opened a panel.
 * And focus where one is needed: a drawing or an equation that is wider than a phone scrolls in its box, by keyboard too.
 */
(() => {
  "use strict";

  let opener = null; // the button that was pressed last

  const isLost = () => document.activeElement === document.body && !document.querySelector("dialog[open]");

  function giveBack() {
    if (isLost() && opener?.isConnected) opener.focus({ preventScroll: true });
  }

  const WIDE = [[".cell_output:has(> .wide-drawing)", "Drawing that scrolls sideways"], ["article div.math", "Equation that scrolls sideways"]];

  // All boxes are measured before any is changed: a change between two measures would lay the page out anew each time.
  function reachWide() {
    const boxes = WIDE.flatMap(([selector, label]) => [...document.querySelectorAll(selector)].map((box) => [box, label, box.scrollWidth > box.clientWidth]));
    for (const [box, label, scrolls] of boxes) {
      for (const [name, value] of Object.entries({ tabindex: "0", role: "group", "aria-label": label })) {
        if (scrolls) box.setAttribute(name, value);
        else if (box.hasAttribute(name)) box.removeAttribute(name);
      }
    }
  }

  addEventListener("click", (event) => {
    const button = event.target.closest("button");
    if (!button || button.closest("dialog")) return;
    opener = button;
    setTimeout(giveBack);
  }, true);
  addEventListener("DOMContentLoaded", () => {
    for (const panel of document.querySelectorAll("dialog")) panel.addEventListener("close", () => setTimeout(giveBack));
    reachWide();
  });
  addEventListener("resize", reachWide);
})();
