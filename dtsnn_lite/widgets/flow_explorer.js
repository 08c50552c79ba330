// The flow viewer: events of a clip, where the network says that they go, and where they really go.
//
// Python ships the flows as bytes, an eighth of a pixel each, a mean of 2 x 2 pixels: those of every clip and bin, then the
// truths, then the events as bits.

import { bytesOf, explorer, fixed, html, numberTable, signed, svg } from "./core.js";

const SCALE = 8, CELL = 10;

// --- arithmetic -----------------------------------------------------------------------

// { said(clip, t), truth(clip): (x, y) -> [right, down] in pixels, spoke(clip, t, side, x, y): an event in bin t }
function unpacked({ timesteps: T, clips: M, side, pixels }, bytes) {
  const size = 2 * side * side, fields = new Int8Array(bytes.buffer, bytes.byteOffset, (T + 1) * M * size), start = fields.length;
  const field = (n) => (x, y) => [0, 1].map((part) => fields[n * size + (part * side + y) * side + x] / SCALE);
  const spoke = (clip, t, which, x, y) => {
    const bit = (((clip * T + t) * 2 + which) * pixels + y) * pixels + x;
    return (bytes[start + (bit >> 3)] >> (7 - (bit & 7))) & 1;
  };
  return { said: (clip, t) => field(clip * T + t), truth: (clip) => field(M * T + clip), spoke };
}

const words = (pixels) => (Math.abs(pixels) >= 0.005 ? signed(pixels, 2) : "0.00");

// As flow_rows in Python; clip counts from 0 here and there, t from 1.
function flowRows(data, of, { clip, t, x, y }) {
  const errors = [["the network so far", fixed(data.errors[clip][t - 1], 2)],
    ...Object.entries(data.baselines).map(([name, values]) => [name, fixed(values[clip], 2)])];
  const under = (name, field) => [name, ...field(x, y).map(words)];
  return [...errors, under("the network says", of.said(clip, t - 1)), under("the truth", of.truth(clip))];
}

// --- the picture ------------------------------------------------------------------------

// One path for all pixels of a kind.
function pixelsPath(data, chosen) {
  const path = [];
  for (let y = 0; y < data.pixels; y++) {
    for (let x = 0; x < data.pixels; x++) if (chosen(x, y)) path.push(`M${x * CELL} ${y * CELL}h${CELL}v${CELL}h${-CELL}z`);
  }
  return path.join("");
}

function arrow([fromX, fromY], [right, down], attributes) {
  const toX = fromX + right * CELL, toY = fromY + down * CELL, length = Math.hypot(right, down) * CELL;
  if (length < 1) return svg("circle", { cx: fixed(fromX, 1), cy: fixed(fromY, 1), r: 1.5, ...attributes });
  const [ux, uy] = [(right * CELL) / length, (down * CELL) / length], head = Math.min(7, length / 2);
  const wing = (turn) => `${fixed(toX - head * (ux - 0.5 * turn * uy), 1)} ${fixed(toY - head * (uy + 0.5 * turn * ux), 1)}`;
  return svg("path", { d: `M${fixed(fromX, 1)} ${fixed(fromY, 1)}L${fixed(toX, 1)} ${fixed(toY, 1)}M${wing(1)}L${fixed(toX, 1)} ${fixed(toY, 1)}L${wing(-1)}`, ...attributes });
}

// Events of the last bin seen, arrows of the truth and of the network on every second block, and the block under the cursor.
function scene(data, of, { clip, t, x: cursorX, y: cursorY }, label) {
  const extent = data.pixels * CELL, middle = (n) => (2 * n + 1) * CELL;
  const on = (x, y) => of.spoke(clip, t - 1, 0, x, y), off = (x, y) => of.spoke(clip, t - 1, 1, x, y);
  const arrows = (field, name) => {
    const group = svg("g", { class: `flow ${name}` });
    for (let y = 1; y < data.side; y += 3) for (let x = 1; x < data.side; x += 3) group.append(arrow([middle(x), middle(y)], field(x, y), {}));
    return group;
  };
  const at = [middle(cursorX), middle(cursorY)];
  return svg("svg", { viewBox: `-4 -4 ${extent + 8} ${extent + 8}`, role: "img", "aria-label": label, class: "field" },
    svg("rect", { class: "ground", x: 0, y: 0, width: extent, height: extent }),
    svg("path", { class: "on", d: pixelsPath(data, (x, y) => on(x, y) && !off(x, y)) }), svg("path", { class: "off", d: pixelsPath(data, off) }),
    arrows(of.truth(clip), "truth"), arrows(of.said(clip, t - 1), "said"),
    svg("rect", { class: "here", x: 2 * cursorX * CELL, y: 2 * cursorY * CELL, width: 2 * CELL, height: 2 * CELL }),
    svg("g", { class: "flow truth now" }, arrow(at, of.truth(clip)(cursorX, cursorY), {})), svg("g", { class: "flow said now" }, arrow(at, of.said(clip, t - 1)(cursorX, cursorY), {})));
}

// How long the missing arrow is, block by block: a square of an area that grows with it.
function misses(data, of, { clip, t }, label) {
  const extent = data.pixels * CELL, said = of.said(clip, t - 1), truth = of.truth(clip), most = 4;
  const squares = [];
  for (let y = 0; y < data.side; y++) {
    for (let x = 0; x < data.side; x++) {
      const [a, b] = said(x, y), [c, d] = truth(x, y), wide = 2 * CELL * Math.sqrt(Math.min(1, Math.hypot(a - c, b - d) / most));
      squares.push(`M${fixed((2 * x + 1) * CELL - wide / 2, 1)} ${fixed((2 * y + 1) * CELL - wide / 2, 1)}h${fixed(wide, 1)}v${fixed(wide, 1)}h${fixed(-wide, 1)}z`);
    }
  }
  return svg("svg", { viewBox: `-4 -4 ${extent + 8} ${extent + 8}`, role: "img", "aria-label": label, class: "field" },
    svg("rect", { class: "ground", x: 0, y: 0, width: extent, height: extent }), svg("path", { class: "miss", d: squares.join("") }));
}

function render({ model, el }) {
  const data = model.get("data"), of = unpacked(data, bytesOf(model.get("bytes"))), T = data.timesteps;
  const head = (said) => html("p", { class: "head" }, said), left = html("div", { class: "panel pointed" }), right = html("div", { class: "panel" });
  const stage = html("div", { class: "first-picture" }, head("Events of the last bin, and arrows: network solid, truth dashed"), left);
  const second = html("div", { class: "second-picture" }, head("What is missing: a full square is 4 pixels or more"), right);
  const numbers = html("div", { class: "numbers" }), vectors = html("div", { class: "numbers" });
  const view = html("div", { class: "panels" }, second, numbers, vectors);
  let errors, under;
  const most = data.side - 1;
  const fields = {
    t: { kind: "number", label: "bins of 20 ms that the network has seen", low: 1, high: T, step: 1 },
    clip: { kind: "number", label: "clip", low: 1, high: data.clips, step: 1 },
    x: { kind: "number", label: "cursor, from the left", low: 0, high: most, step: 1, short: true, more: true },
    y: { kind: "number", label: "cursor, from the top", low: 0, high: most, step: 1, short: true, more: true },
  };

  function draw(state) {
    const now = { ...state, clip: state.clip - 1 }, rows = flowRows(data, of, now), cut = rows.length - 2;
    const zero = data.baselines["zero flow"]?.[now.clip], error = data.errors[now.clip][now.t - 1];
    left.replaceChildren(scene(data, of, now, `Clip ${state.clip} after ${state.t} bins: events, and arrows of the network and of the truth. Under the cursor the network says ${rows[cut][1]} to the right and ${rows[cut][2]} down, the truth is ${rows[cut + 1][1]} and ${rows[cut + 1][2]}.`));
    right.replaceChildren(misses(data, of, now, `How far the network is from the truth, block by block; ${fixed(error, 2)} pixels on average where a pixel spoke.`));
    if (!errors) {
      errors = numberTable("AEE of this clip, in pixels, where a pixel spoke", ["", "error"], rows.slice(0, cut));
      under = numberTable("Under the cursor, in pixels", ["", "to the right", "down"], rows.slice(cut));
      numbers.append(errors.root);
      vectors.append(under.root);
    }
    errors.set(rows.slice(0, cut));
    under.set(rows.slice(cut));
    return { brief: `error ${fixed(error, 2)} pixels`,
      sentence: `After ${state.t} of ${T} bins the network is ${fixed(error, 2)} pixels off in clip ${state.clip}${zero === undefined ? "" : `; saying that nothing moves is ${fixed(zero, 2)} off`}. Point at the picture for one place.` };
  }

  const row = (state) => [["clip", "t", "AEE [px]"], [state.clip, state.t, fixed(data.errors[state.clip - 1][state.t - 1], 2)]];
  const made = explorer({ model, el, title: model.get("heading"), fields, stage, view, draw, row });
  const point = (event) => {
    const box = left.getBoundingClientRect(), place = (at, from, size) => Math.max(0, Math.min(most, Math.floor(((at - from) / size) * data.side)));
    made.set({ x: place(event.clientX, box.left, box.width), y: place(event.clientY, box.top, box.height) });
  };
  const follow = (event) => { if (event.buttons || event.pointerType === "mouse") point(event); };
  left.addEventListener("pointerdown", point);
  left.addEventListener("pointermove", follow);
  return made.close;
}

export { flowRows, unpacked };
export default { render };
