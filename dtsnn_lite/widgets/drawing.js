// What explorers of digits draw with: small pictures of bytes, a sheet to write on, bars of opinions.

import { html } from "./core.js";
import { stroke } from "./network.js";

const SHEET = 112, GRID = 28, PEN = 5.2;       // a sheet of 112 x 112 points, four to a pixel of the network's input
const SPIKE = [20, 140, 235], CHARGE = [104, 134, 164], EVEN = [128, 136, 148, 26];        // seen on light and on dark pages

// --- pictures of bytes --------------------------------------------------------------------

function picture(width, height, attributes) {
  const canvas = html("canvas", { width, height, role: "img", ...attributes });
  return { canvas, show(words, colour) {
    const context = canvas.getContext("2d"), image = context.createImageData(width, height);
    for (let n = 0; n < width * height; n++) image.data.set(colour(n), 4 * n);
    context.putImageData(image, 0, 0);
    canvas.setAttribute("aria-label", words);
  } };
}

const ink = (value) => [0, 0, 0, value];

// The maps of one layer side by side, a pixel a neuron: as many in a row as make 112 pixels.
function mapsPicture({ outputs, side }) {
  const across = Math.min(outputs, Math.floor(SHEET / side)), down = Math.ceil(outputs / across);
  const shown = picture(across * side, down * side, { class: "maps" });
  const channelAt = (x, y) => Math.floor(y / side) * across + Math.floor(x / side);
  const colours = (of) => (n) => {
    const x = n % (across * side), y = Math.floor(n / (across * side)), c = channelAt(x, y);
    const ground = (Math.floor(x / side) + Math.floor(y / side)) % 2 ? [0, 0, 0, 0] : EVEN;
    return c < outputs ? of(((y % side) * side + (x % side)) * outputs + c) ?? ground : [0, 0, 0, 0];
  };
  return { canvas: shown.canvas,
    at: (x, y) => Math.min(outputs - 1, channelAt(Math.floor(x * across * side), Math.floor(y * down * side))),
    clear: (words) => shown.show(words, colours(() => undefined)),
    show: (words, spikes, u) => shown.show(words, colours((n) =>
      (spikes[n] ? [...SPIKE, 255] : u[n] > 0.15 ? [...CHARGE, Math.min(110, Math.round(110 * u[n]))] : undefined))) };
}

// --- the sheet that one writes on ------------------------------------------------------------

// changed(written): the ink is another one, and `written` says that the pen has left the sheet; locked(): nobody may write.
function sheet(changed, locked) {
  const own = new Uint8Array(SHEET * SHEET), shown = picture(SHEET, SHEET, { class: "ink" });
  const cursor = html("span", { class: "cursor", hidden: true }), here = html("span", { class: "here", hidden: true }, "write a digit here"), said = html("span", { class: "said where", role: "status" });
  let last = null, cell = { x: 13, y: 13 }, down = false, blank = true;

  const begin = () => { if (blank) own.fill(0); blank = false; };
  const mark = (to) => { begin(); stroke(own, SHEET, last ?? to, to, PEN); last = to; };
  const place = ({ clientX, clientY }) => {
    const box = root.getBoundingClientRect();
    return [((clientX - box.left) / box.width) * SHEET, ((clientY - box.top) / box.height) * SHEET];
  };
  const walk = () => {
    cursor.hidden = false;
    cursor.setAttribute("style", `left: ${(100 * cell.x) / GRID}%; top: ${(100 * cell.y) / GRID}%`);
    said.textContent = `column ${cell.x + 1}, row ${cell.y + 1}, pen ${down ? "down" : "up"}`;
    if (down) { mark([4 * cell.x + 2, 4 * cell.y + 2]); changed(false); }
  };
  const clear = () => { own.fill(0); blank = false; down = false; last = null; changed(true); };
  const keys = { ArrowLeft: () => { cell.x = Math.max(0, cell.x - 1); }, ArrowRight: () => { cell.x = Math.min(GRID - 1, cell.x + 1); },
    ArrowUp: () => { cell.y = Math.max(0, cell.y - 1); }, ArrowDown: () => { cell.y = Math.min(GRID - 1, cell.y + 1); },
    " ": () => { down = !down; last = null; if (!down) changed(true); }, Delete: clear, Backspace: clear };
  const root = html("div", { class: "sheet", tabindex: 0, role: "application", "data-lm-suppress-shortcuts": "true",
    "aria-label": "Sheet to write a digit on: arrow keys move the pen, Space puts it down and lifts it, Delete clears the sheet",
    pointerdown: (event) => {
      if (event.button || locked()) return;
      event.preventDefault();
      root.setPointerCapture(event.pointerId);
      cursor.hidden = true;
      down = false;
      last = null;
      mark(place(event));
      changed(false);
    },
    pointermove: (event) => {
      if (!last || !root.hasPointerCapture(event.pointerId)) return;
      for (const each of event.getCoalescedEvents?.() ?? [event]) mark(place(each));
      changed(false);
    },
    pointerup: () => { if (last) { last = null; changed(true); } },
    pointercancel: () => { if (last) { last = null; changed(true); } },
    keydown: (event) => {
      const act = keys[event.key];
      if (!act || locked() || event.ctrlKey || event.metaKey || event.altKey) return;
      event.preventDefault();
      event.stopPropagation();
      act();
      walk();
    } }, shown.canvas, here, cursor);
  return { root, said, clear, ink: own, leave: () => { blank = true; },
    show(words, pixels) {
      shown.show(words, pixels === own ? (n) => ink(own[n]) : enlarged(pixels));
      here.hidden = pixels !== own || own.some(Boolean);
    } };
}

// The pixel of a 28 x 28 digit under a point of the sheet.
function enlarged(pixels) {
  const zoom = SHEET / GRID;
  return (n) => ink(pixels[Math.floor(n / SHEET / zoom) * GRID + Math.floor((n % SHEET) / zoom)]);
}

// --- opinions ---------------------------------------------------------------------------------

function opinions() {
  const bars = Array.from({ length: 10 }, () => html("i", {}));
  const cells = bars.map((bar, k) => html("span", {}, html("span", { class: "stick" }, bar), html("b", {}, String(k))));
  const root = html("div", { class: "opinions", role: "img" }, cells);
  return { root, show(step, words) {
    bars.forEach((bar, k) => {
      bar.setAttribute("style", `height: ${step ? fixed(Math.max(2, 100 * step.p[k]), 1) : 0}%`);
      cells[k].setAttribute("class", step && k === step.answer ? "best" : "");
    });
    root.setAttribute("aria-label", words);
  } };
}

export { GRID, SHEET, ink, mapsPicture, opinions, picture, sheet };
