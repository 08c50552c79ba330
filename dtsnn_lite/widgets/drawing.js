// What explorers of digits draw with: small pictures of bytes, a sheet to write on, bars of opinions.

import { fixed, html } from "./core.js";
import { stroke } from "./network.js";

const SHEET = 112, GRID = 28, PEN = 5.2;       // a sheet of 112 x 112 points, four to a pixel of the network's input
const SPIKE = [20, 140, 235], CHARGE = [104, 134, 164], EVEN = [128, 136, 148, 26];        // seen on light and on dark pages

// --- pictures of bytes --------------------------------------------------------------------

// Black ink of 0 to 255 at each pixel; style sheets turn it white on dark pages.
function picture(width, height) {
  const canvas = html("canvas", { width, height, role: "img", class: "ink" });
  return { canvas, show(words, inkAt) {
    const context = canvas.getContext("2d"), image = context.createImageData(width, height);
    for (let n = 0; n < width * height; n++) image.data[4 * n + 3] = inkAt(n);
    context.putImageData(image, 0, 0);
    canvas.setAttribute("aria-label", words);
  } };
}

// The maps of one layer side by side, a pixel a neuron: as many in a row as make 112 pixels.
function mapsPicture({ outputs, side }) {
  const across = Math.min(outputs, Math.floor(SHEET / side)), down = Math.ceil(outputs / across), width = across * side, height = down * side;
  const canvas = html("canvas", { width, height, role: "img", class: "maps" });
  const channelAt = (x, y) => Math.floor(y / side) * across + Math.floor(x / side);
  const ground = new Uint8ClampedArray(4 * width * height), pixelOf = new Int32Array(side * side * outputs);
  for (let y = 0, pixel = 0; y < height; y++) {
    for (let x = 0; x < width; x++, pixel++) {
      const c = channelAt(x, y);
      if (c >= outputs) continue;
      pixelOf[((y % side) * side + (x % side)) * outputs + c] = pixel;
      if ((Math.floor(x / side) + Math.floor(y / side)) % 2 === 0) ground.set(EVEN, 4 * pixel);
    }
  }
  const show = (words, spikes = [], u = []) => {
    const context = canvas.getContext("2d"), image = context.createImageData(width, height), { data } = image;
    const set = (pixel, [r, g, b], alpha) => { data[pixel] = r; data[pixel + 1] = g; data[pixel + 2] = b; data[pixel + 3] = alpha; };
    data.set(ground);
    for (let n = 0; n < spikes.length; n++) {
      if (spikes[n]) set(4 * pixelOf[n], SPIKE, 255);
      else if (u[n] > 0.15) set(4 * pixelOf[n], CHARGE, Math.min(110, Math.round(110 * u[n])));
    }
    context.putImageData(image, 0, 0);
    canvas.setAttribute("aria-label", words);
  };
  return { canvas, show, clear: (words) => show(words),
    at: (x, y) => Math.min(outputs - 1, channelAt(Math.floor(x * width), Math.floor(y * height))) };
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
      shown.show(words, pixels === own ? (n) => own[n] : enlarged(pixels));
      here.hidden = pixels !== own || own.some(Boolean);
    } };
}

// The pixel of a 28 x 28 digit under a point of the sheet.
function enlarged(pixels) {
  const zoom = SHEET / GRID;
  return (n) => pixels[Math.floor(n / SHEET / zoom) * GRID + Math.floor((n % SHEET) / zoom)];
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

export { GRID, SHEET, mapsPicture, opinions, picture, sheet };
