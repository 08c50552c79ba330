/*
 * Focus that is never lost: the theme takes it from its own buttons, and forgets who opened a panel.
 */
(() => {
  "use strict";

  let opener = null; // the button that was pressed last

  const isLost = () => document.activeElement === document.body && !document.querySelector("dialog[open]");

  function giveBack() {
    if (isLost() && opener?.isConnected) opener.focus({ preventScroll: true });
  }

  addEventListener("click", (event) => {
    const button = event.target.closest("button");
    if (!button || button.closest("dialog")) return;
    opener = button;
    setTimeout(giveBack);
  }, true);
  addEventListener("DOMContentLoaded", () => {
    for (const panel of document.querySelectorAll("dialog")) panel.addEventListener("close", () => setTimeout(giveBack));
  });
})();
