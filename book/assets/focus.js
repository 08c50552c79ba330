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

  function reachWide() {
    for (const [selector, label] of WIDE) {
      for (const box of document.querySelectorAll(selector)) {
        const scrolls = box.scrollWidth > box.clientWidth;
        for (const [name, value] of Object.entries({ tabindex: "0", role: "group", "aria-label": label })) {
          if (scrolls) box.setAttribute(name, value);
          else box.removeAttribute(name);
        }
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
