// The first view of each widget of a page, drawn by the widget's own script: node stills.mjs < models.json
//
// In: { id: { state, buffers }, ... }, the models as Jupyter embeds them. Out: { id: { html } or { error }, ... }.
// The document that the scripts draw on knows what our explorers ask of one and writes itself down: a canvas
// as an image, and every control disabled, since nothing answers it yet.

import { readFileSync } from "node:fs";
import { crc32, deflateSync } from "node:zlib";

// --- a document that is only ever written ------------------------------------------

const CONTROLS = ["button", "input", "select", "textarea"], VOID = ["img", "input"];
const ESCAPES = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" };

const escaped = (words) => String(words).replace(/[&<>"]/g, (letter) => ESCAPES[letter]);
const written = (node) => node.outerHTML ?? escaped(node);

class Element {
  attributes = new Map();
  children = [];

  constructor(tag) { this.tag = tag; }

  getAttribute(name) { return this.attributes.get(name) ?? null; }
  setAttribute(name, value) { this.attributes.set(name, String(value)); }
  removeAttribute(name) { this.attributes.delete(name); }
  addEventListener() {}
  append(...nodes) { this.children.push(...nodes); }
  replaceChildren(...nodes) { this.children = nodes; }

  get textContent() { return this.children.map((child) => child.textContent ?? child).join(""); }
  set textContent(words) { this.children = [String(words)]; }
  get value() { return this.getAttribute("value") ?? ""; }
  set value(now) { this.setAttribute("value", now); }

  get outerHTML() {
    const all = new Map(this.attributes);
    if (CONTROLS.includes(this.tag)) all.set("disabled", "");
    if (this.tag === "select") {        // its value is the option that it shows
      all.delete("value");
      for (const option of this.children) option.selected = option.value === this.value;
    }
    const attributes = [...all].map(([name, value]) => (value === "" ? ` ${name}` : ` ${name}="${escaped(value)}"`)).join("");
    return `<${this.tag}${attributes}>${VOID.includes(this.tag) ? "" : `${this.children.map(written).join("")}</${this.tag}>`}`;
  }
}

for (const name of ["checked", "disabled", "hidden", "selected"]) {
  Object.defineProperty(Element.prototype, name, {
    get() { return this.attributes.has(name); },
    set(on) { if (on) this.setAttribute(name, ""); else this.removeAttribute(name); },
  });
}

class Canvas extends Element {
  getContext() {
    return { createImageData: (width, height) => ({ width, height, data: new Uint8ClampedArray(4 * width * height) }),
      putImageData: (image) => { this.image = image; } };
  }

  get outerHTML() {
    const image = new Element("img");
    for (const name of ["class", "width", "height"]) image.setAttribute(name, this.getAttribute(name));
    image.setAttribute("alt", this.getAttribute("aria-label"));
    image.setAttribute("src", `data:image/png;base64,${png(this.image).toString("base64")}`);
    return image.outerHTML;
  }
}

function png({ width, height, data }) {
  const rows = Buffer.alloc(height * (4 * width + 1));        // each begins with a 0: no filter
  for (let y = 0; y < height; y++) rows.set(data.subarray(4 * width * y, 4 * width * (y + 1)), (4 * width + 1) * y + 1);
  const size = Buffer.alloc(13);
  size.writeUInt32BE(width, 0);
  size.writeUInt32BE(height, 4);
  size.set([8, 6], 8);                                        // 8 bits, red, green, blue and alpha
  return Buffer.concat([Buffer.from("\x89PNG\r\n\x1a\n", "latin1"), chunk("IHDR", size), chunk("IDAT", deflateSync(rows, { level: 9 })), chunk("IEND")]);
}

function chunk(kind, body = Buffer.alloc(0)) {
  const named = Buffer.concat([Buffer.from(kind), body]), ends = Buffer.alloc(8);
  ends.writeUInt32BE(body.length, 0);
  ends.writeUInt32BE(crc32(named), 4);
  return Buffer.concat([ends.subarray(0, 4), named, ends.subarray(4)]);
}

const made = (tag) => (tag === "canvas" ? new Canvas(tag) : new Element(tag));
const body = Object.assign(made("body"), { dataset: {}, classList: { contains: () => false } });
Object.assign(globalThis, {
  document: { body, createElement: made, createElementNS: (space, tag) => made(tag), querySelectorAll: () => [], addEventListener() {} },
  location: { hash: "", href: "" },
  addEventListener() {},
});

// --- drawing -----------------------------------------------------------------------

// The binary traits back where they were cut out, as DataViews.
function stateOf({ state, buffers = [] }) {
  for (const { path, data } of buffers) {
    const bytes = Uint8Array.from(Buffer.from(data, "base64"));
    path.slice(0, -1).reduce((place, key) => place[key], state)[path.at(-1)] = new DataView(bytes.buffer);
  }
  return state;
}

async function still(model) {
  const state = stateOf(model), el = made("div");
  const { default: widget } = await import(`data:text/javascript;base64,${Buffer.from(state._esm).toString("base64")}`);
  await widget.render({ model: { get: (name) => state[name], set() {}, save_changes() {}, on() {}, off() {} }, el });
  return el.children.map(written).join("");
}

const views = {};
for (const [id, model] of Object.entries(JSON.parse(readFileSync(0, "utf8")))) {
  views[id] = await still(model).then((html) => ({ html }), ({ message }) => ({ error: message }));
}
console.log(JSON.stringify(views));
