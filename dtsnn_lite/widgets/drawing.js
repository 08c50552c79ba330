// What explorers of digits draw with: small pictures of bytes, a sheet to write on, bars of opinions.

import { fixed, html } from "./core.js";
import { stroke } from "./network.js";

const SHEET = 112, GRID = 28, PEN = 5.2;       // a sheet of 112 x 112 points, four to a pixel of the network's input
const SPIKE = [20, 140, 235], CHARGE = [104, 134, 164], EVEN = [128, 136, 148], EVEN_ALPHA = 26;        // seen on light and on dark pages

// --- pictures of bytes --------------------------------------------------------------------

// Black ink of 0 to 255 at each pixel; style sheets turn it white on dark pages.
function picture(width, height) {
  const canvas = html("canvas", { width, height, role: "img", class: "ink" });
  return { canvas, show(words, ink) {
    const context = canvas.getContext("2d"), image = context.createImageData(width, height);
    for (let n = 0; n < width * height; n++) image.data[4 * n + 3] = ink[n];
    context.putImageData(image, 0, 0);
    canvas.setAttribute("aria-label", words);
  } };
}

// A colour as canvases keep it: one number a pixel.
function inked([r, g, b], alpha) {
  return new Uint32Array(Uint8Array.of(r, g, b, alpha).buffer)[0];
}

const FIRED = inked(SPIKE, 255), CHARGED = Array.from({ length: 111 }, (_, alpha) => inked(CHARGE, alpha));

// The maps of one layer side by side, a pixel a neuron: as many in a row as make 112 pixels. All pictures of a layer share it.
function mapsGround({ outputs, side }) {
  const across = Math.min(outputs, Math.floor(SHEET / side)), down = Math.ceil(outputs / across), width = across * side, height = down * side;
  const channelAt = (x, y) => Math.floor(y / side) * across + Math.floor(x / side);
  const empty = new Uint32Array(width * height), pixelOf = new Int32Array(side * side * outputs), even = inked(EVEN, EVEN_ALPHA);
  for (let y = 0, pixel = 0; y < height; y++) {
    for (let x = 0; x < width; x++, pixel++) {
      const c = channelAt(x, y);
      if (c >= outputs) continue;
      pixelOf[((y % side) * side + (x % side)) * outputs + c] = pixel;
      if ((Math.floor(x / side) + Math.floor(y / side)) % 2 === 0) empty[pixel] = even;
    }
  }
  return { width, height, empty, pixelOf, at: (x, y) => Math.min(outputs - 1, channelAt(Math.floor(x * width), Math.floor(y * height))) };
}

function mapsPicture({ width, height, empty, pixelOf, at }) {
  const canvas = html("canvas", { width, height, role: "img", class: "maps" });
  const show = (words, spikes = [], u = []) => {
    const context = canvas.getContext("2d"), image = context.createImageData(width, height), pixels = new Uint32Array(image.data.buffer);
    pixels.set(empty);
    for (let n = 0; n < spikes.length; n++) {
      if (spikes[n]) pixels[pixelOf[n]] = FIRED;
      else if (u[n] > 0.15) pixels[pixelOf[n]] = CHARGED[Math.min(110, Math.round(110 * u[n]))];
    }
    context.putImageData(image, 0, 0);
    canvas.setAttribute("aria-label", words);
  };
  return { canvas, show, clear: (words) => show(words), at };
}

// --- the sheet that one writes on ------------------------------------------------------------

// changed(written): the ink is another one, and `written` says that the pen has left the sheet; locked(): nobody may write.
function sheet(changed, locked) {
  const own = new Uint8Array(SHEET * SHEET), shown = picture(SHEET, SHEET);
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
      shown.show(words, pixels === own ? own : enlarged(pixels));
      here.hidden = pixels !== own || own.some(Boolean);
    } };
}

// A 28 x 28 digit, a pixel as many points of the sheet as it covers.
function enlarged(pixels) {
  const zoom = SHEET / GRID, points = new Uint8Array(SHEET * SHEET);
  for (let y = 0, n = 0; y < SHEET; y++) for (let x = 0; x < SHEET; x++, n++) points[n] = pixels[Math.floor(y / zoom) * GRID + Math.floor(x / zoom)];
  return points;
}

// --- opinions ---------------------------------------------------------------------------------

function opinions() {
  const bars = Array.from({ length: 10 }, () => html("i", {}));
  const cells = bars.map((bar, k) => html("span", {}, html("span", { class: "stick" }, bar), html("b", {}, String(k))));
  const root = html("div", { class: "opinions", role: "img" }, cells);
  return { root, show(step, words) {
    bars.forEach((bar, k) => {
      bar.setAttribute("style", `transform: scaleY(${step ? fixed(Math.max(0.02, step.p[k]), 3) : 0})`);
      cells[k].setAttribute("class", step && k === step.answer ? "best" : "");
    });
    root.setAttribute("aria-label", words);
  } };
}

export { GRID, SHEET, mapsGround, mapsPicture, opinions, picture, sheet };
