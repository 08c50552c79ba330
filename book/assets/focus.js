/*
 * Focus that is never lost: the theme takes it from its own buttons, and forgets who opened a panel.
 * And focus where one is needed: what is wider than a phone, a drawing, an equation, code, scrolls in its box, by keyboard too.
 */
(() => {
  "use strict";

  let opener = null; // the button that was pressed last

  const isLost = () => document.activeElement === document.body && !document.querySelector("dialog[open]");

  function giveBack() {
    if (isLost() && opener?.isConnected) opener.focus({ preventScroll: true });
  }

  // Boxes that scroll where what is in them is wider or higher, and what they are then called; code and tables say themselves what they are.
  const BOXES = [
    [".cell_output:has(> .wide-drawing)", "Drawing that scrolls sideways"],
    ["article div.math", "Equation that scrolls sideways"],
    ["pre, .cell_output > .output, .jp-RenderedHTMLCommon, .pst-scrollable-table-container", ""],
  ];
  const waiting = new Map(); // box -> its name: to be measured when it comes near the window, or before the focus goes on to it
  const near = new IntersectionObserver(
    (entries) => measure(entries.filter((entry) => entry.isIntersecting).map((entry) => entry.target)), { rootMargin: "50% 0px" });

  function scrolls(box) {
    return box.scrollWidth > box.clientWidth || box.scrollHeight > box.clientHeight;
  }

  function reach(box, name, isScrolling) {
    if (isScrolling === ("reached" in box.dataset)) return;
    box.toggleAttribute("data-reached", isScrolling);
    for (const [attribute, value] of Object.entries({ tabindex: "0", ...(name && { role: "group", "aria-label": name }) })) {
      if (isScrolling) box.setAttribute(attribute, value);
      else box.removeAttribute(attribute);
    }
  }

  // What is far from the window is not laid out yet (book.css). What is in a box that waits is laid out for being measured, but the
  // box itself would say what it is without its contents. All are asked before one is changed: each change costs a layout.
  function measure(boxes) {
    const asked = boxes.filter((box) => waiting.has(box));
    for (const box of asked) box.style.contentVisibility = "visible";
    const answers = asked.map((box) => box.isConnected && scrolls(box));
    asked.forEach((box, i) => {
      box.style.removeProperty("content-visibility");
      if (!box.getAttribute("style")) box.removeAttribute("style");
      reach(box, waiting.get(box), answers[i]);
      waiting.delete(box);
      near.unobserve(box);
    });
  }

  function measureIn(places) {
    for (const place of places) {
      for (const [selector, name] of BOXES) {
        if (place.matches(selector)) waiting.set(place, name);
        for (const box of place.querySelectorAll(selector)) waiting.set(box, name);
      }
    }
    for (const box of waiting.keys()) {
      if (box.hasAttribute("tabindex") && !("reached" in box.dataset)) waiting.delete(box); // it scrolls always
      near.unobserve(box); // who is observed anew is told again
      if (waiting.has(box)) near.observe(box);
    }
  }

  // Outputs that came later; explorers look after their own.
  function measureNew(changes) {
    const added = changes.flatMap((change) => (change.target.closest(".afm") ? [] : [...change.addedNodes]));
    const places = added.filter((it) => it instanceof Element);
    if (places.length) measureIn(places);
  }

  addEventListener("click", (event) => {
    const button = event.target.closest("button");
    if (!button || button.closest("dialog")) return;
    opener = button;
    setTimeout(giveBack);
  }, true);
  addEventListener("DOMContentLoaded", () => {
    for (const panel of document.querySelectorAll("dialog")) panel.addEventListener("close", () => setTimeout(giveBack));
    measureIn([document.body]);
    new MutationObserver(measureNew).observe(document.body, { subtree: true, childList: true });
  });
  addEventListener("resize", () => measureIn([document.body]));
  addEventListener("keydown", (event) => event.key === "Tab" && measure([...waiting.keys()]), true);
})();
