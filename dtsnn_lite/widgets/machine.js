// What machines that are drawn in the page have in common: a clock that the reader moves, and rows of cells that he switches.

import { furnish, html } from "./core.js";

// --- the clock ----------------------------------------------------------------------
//
// Ticks from 0 to `ticks`, played one after the other when asked and never by themselves, stepped, or dragged.
//   shown(at)     the picture of a tick
//   settled(at)   the clock came to rest there: what a link keeps
// { root, put(at, words), at() }: `put` moves it and says in words what happens there.

function clock({ ticks, tick_ms, shown, settled }) {
  let at = ticks, timer = 0;
  const caption = html("p", { class: "caption", "aria-live": "polite" });
  const play = html("button", { type: "button", class: "play", click: () => (timer ? rest(at) : run()) }, "Play");
  const step = html("button", { type: "button", click: () => rest(at < ticks ? at + 1 : 1) }, "Step");
  const time = html("input", { type: "range", min: 0, max: ticks, step: 1, "aria-label": "the clock", "data-lm-suppress-shortcuts": "true",
    input: () => rest(Number(time.value)) });
  const root = html("div", {}, html("div", { class: "clock" }, play, step, time), caption);

  function halt() {
    clearInterval(timer);
    timer = 0;
    play.textContent = "Play";
    caption.setAttribute("aria-live", "polite");
  }

  function rest(tick) {
    halt();
    at = tick;
    shown(at);
    settled(at);
  }

  function run() {
    if (at >= ticks) at = 0;
    play.textContent = "Pause";
    caption.setAttribute("aria-live", "off");      // a screen reader hears where it comes to rest
    shown(at);
    timer = setInterval(() => {
      at += 1;
      if (at >= ticks) rest(ticks);
      else shown(at);
    }, tick_ms);
  }

  function put(tick, words) {
    if (!timer) at = tick;
    caption.textContent = words;
    if (time.value !== String(at)) time.value = at;
    time.setAttribute("aria-valuetext", words);
  }

  return { root, put, halt, at: () => at, running: () => timer !== 0 };
}

// --- switches -------------------------------------------------------------------------

// One stop for the Tab key; arrows, Home and End walk; Space, Enter or a click switches a cell.
function switches({ length, name, label, cell, changed }) {
  const walk = (to) => {
    cells.forEach((each, n) => each.setAttribute("tabindex", n === to ? 0 : -1));
    cells[to].focus();
  };
  const cells = Array.from({ length }, (_, n) => furnish(cell(n), { type: "button", tabindex: n ? -1 : 0, "aria-pressed": "false",
    "aria-label": label(n), "data-lm-suppress-shortcuts": "true", click: () => { walk(n); changed(n); } }, []));
  const root = html("div", { role: "group", "aria-label": name, keydown: (event) => {
    const at = cells.indexOf(event.target), next = { ArrowRight: at + 1, ArrowDown: at + 1, ArrowLeft: at - 1, ArrowUp: at - 1, Home: 0, End: length - 1 };
    const to = next[event.key];
    if (to === undefined) return;
    event.preventDefault();
    event.stopPropagation();
    walk(Math.min(length - 1, Math.max(0, to)));
  } }, cells);
  return { root, show: (on) => cells.forEach((each, n) => each.setAttribute("aria-pressed", String(on.includes(n)))) };
}

function switched(on, n) {
  return on.includes(n) ? on.filter((other) => other !== n) : [...on, n];
}

export { clock, switched, switches };
