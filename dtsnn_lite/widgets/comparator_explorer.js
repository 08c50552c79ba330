// A comparator with a reference: where a layer's partial sums lie, and how many answers survive an offset or noise.

import { bar, dot, explorer, fixed, html, line, numberTable, plot, svg, ticks } from "./core.js";

// --- arithmetic: counts recorded by Python --------------------------------------------

function share(counts, wanted) {
  const all = counts.reduce((a, b) => a + b, 0);
  return counts.reduce((sum, count, n) => (wanted(n) ? sum + count : sum), 0) / all;
}

// Right answers at every reference, for one flaw and size.
function answers({ kinds, grid }, { kind, level }) {
  return grid[kinds.indexOf(kind)][level];
}

function comparatorRows(data, state) {
  const { references, sizes, images, sums, layers, reach } = data, at = references.indexOf(state.reference);
  const counts = sums[layers.indexOf(state.layer)], size = sizes[state.level], percent = (part) => `${fixed(100 * part, 1)} %`;
  const zero = percent(share(counts, (n) => n === reach)), close = share(counts, (n) => Math.abs(n - reach - state.reference) < size);
  return [["right answers", `${answers(data, state)[at]} of ${images}`, `${answers(data, { ...state, level: 0 })[at]} of ${images}`],
    ["sums of this layer that are exactly 0", zero, zero],
    ["closer to the reference than one deviation", percent(close), "0.0 %"]];
}

// --- pictures -------------------------------------------------------------------------

function sumsPicture({ sums, layers, reach, sizes }, { layer, reference, level }) {
  const counts = sums[layers.indexOf(layer)], all = counts.reduce((a, b) => a + b, 0), shares = counts.map((count) => (100 * count) / all);
  const marks = ticks(0, Math.max(...shares), 5), size = sizes[level];
  const picture = plot({ title: `Partial sums of layer ${layer}`, label: `${fixed(shares[reach], 0)} % of the partial sums of layer ${layer} are exactly 0; the reference lies at ${reference}.`,
    x: { low: -reach - 0.5, high: reach + 0.5, ticks: [-8, -4, 0, 4, 8], label: "partial sum, in on-cell currents (ends: and beyond)" },
    y: { low: 0, high: marks.at(-1), ticks: marks, label: "share of the sums (%); line: the reference" } });
  shares.forEach((part, n) => picture.under.append(bar(picture, n - reach - 0.4, n - reach + 0.4, 0, part, { class: n === reach ? "bar warn" : "bar" })));
  const x = picture.x(reference), { top, bottom } = picture.box, half = picture.x(reference + size) - x;
  if (half > 0.5) picture.over.append(svg("rect", { class: "bar waits", x: fixed(x - half, 1), width: fixed(2 * half, 1), y: top, height: bottom - top }));
  picture.over.append(line(picture, [[reference, 0], [reference, marks.at(-1)]], {}));
  return picture.root;
}

function answersPicture(data, state) {
  const { references, images, sizes } = data, here = answers(data, state), ideal = answers(data, { ...state, level: 0 });
  const right = (counts) => references.map((reference, n) => [reference, (100 * counts[n]) / images]), at = references.indexOf(state.reference);
  const picture = plot({ title: `Right answers, ${state.kind} of ${sizes[state.level]} cell`,
    label: `At a reference of ${state.reference}, ${here[at]} of ${images} digits are right; without a flaw ${ideal[at]}.`,
    x: { low: references[0], high: references.at(-1), ticks: [0, 0.5, 1], label: "reference, in on-cell currents" },
    y: { low: 0, high: 100, ticks: [0, 25, 50, 75, 100], label: "right (%); grey: without a flaw" } });
  picture.under.append(line(picture, right(ideal), { class: "line other" }), line(picture, right(here)));
  picture.over.append(dot(picture, state.reference, (100 * here[at]) / images, { class: "dot now" }));
  return picture.root;
}

// --- the view -------------------------------------------------------------------------

function render({ model, el }) {
  const data = model.get("data"), { kinds, sizes, references, layers } = data;
  const left = html("div", { class: "panel" }), right = html("div", { class: "panel" }), numbers = html("div", { class: "numbers" });
  const view = html("div", { class: "view" }, html("div", { class: "panels" }, left, right), numbers);
  let table;
  const fields = {
    kind: { kind: "choice", label: "flaw of a column", options: () => kinds.map((kind) => [kind, kind === "offset" ? "offset (a column keeps it)" : "noise (new at each read)"]) },
    level: { kind: "number", label: "its standard deviation", low: 0, high: sizes.length - 1, step: 1, say: (value) => `${sizes[value]} cell` },
    reference: { kind: "number", label: "reference of the comparators", low: references[0], high: references.at(-1), step: 0.25 },
    layer: { kind: "choice", label: "layer of the picture", options: () => layers.map((layer) => [layer, layer]) },
  };

  function draw(state) {
    const rows = comparatorRows(data, state);
    left.replaceChildren(sumsPicture(data, state));
    right.replaceChildren(answersPicture(data, state));
    if (!table) numbers.append((table = numberTable(`${data.images} test digits, flaws in all layers`, ["", "with the flaw", "without"], rows)).root);
    table.set(rows);
    return { brief: `${rows[0][1]} right`,
      sentence: `With a reference of ${state.reference} and ${state.kind} of ${sizes[state.level]} cell, ${rows[0][1]} digits are right; without a flaw ${rows[0][2]}.` };
  }

  const row = (state) => [["flaw", "size", "reference", "right"], [state.kind, sizes[state.level], state.reference, comparatorRows(data, state)[0][1]]];
  return explorer({ model, el, title: model.get("heading"), fields, view, draw, row }).close;
}

export { comparatorRows };
export default { render };
