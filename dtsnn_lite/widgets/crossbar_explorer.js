// One layer on crossbars: inputs, bit planes, partial sums, read-out, and the error that is left.

import { bar, bytesOf, dot, explorer, fixed, html, line, note, numberTable, plot, ticks } from "./core.js";

// What each kind of read-out makes of one tile's planes. A new one is a line here.
const READERS = {
  Ideal: (planes) => ({ read: planes, saturated: 0 }),
  HPADC: (planes, { codes }, { steps }) => converted(planes, codes, steps),
  Ternary: (planes, _, { outputs }) => compared(planes, outputs, (p, scale) => (Math.abs(p) > scale / 2 ? Math.sign(p) * scale : 0)),
  SenseAmp: (planes, { reference }, { outputs }) => compared(planes, outputs, (p, scale) => (p > reference ? scale : -scale)),
};

// --- the arrays: the same whole numbers as Python's -------------------------------------

// weights (R, O) as bytes from 0, and draws (M, R) in 0..255; a row spikes where its draw < 256 density
function layer(data, bytes) {
  const { rows: R, outputs: O, planes: P } = data, largest = 2 ** P - 1;
  const weights = Array.from(bytes.slice(0, R * O), (byte) => byte - largest), draws = bytes.slice(R * O);
  const cells = Array.from({ length: P }, (_, k) => weights.map((q) => Math.sign(q) * ((Math.abs(q) >> k) & 1)));
  return { ...data, weights, draws, cells };
}

function spikesOf(made, density) {
  const level = Math.round(256 * density);
  return Array.from(made.draws, (draw) => (draw < level ? 1 : 0));
}

// Partial sums [tile][plane][m * O + o]
function partialSums({ rows: R, outputs: O, inputs: M, cells: all }, spikes, rows) {
  return Array.from({ length: R / rows }, (_, i) => all.map((cells) => {
    const sums = new Array(M * O).fill(0);
    for (let m = 0; m < M; m++) {
      for (let r = i * rows; r < (i + 1) * rows; r++) {
        if (!spikes[m * R + r]) continue;
        for (let o = 0; o < O; o++) sums[m * O + o] += cells[r * O + o];
      }
    }
    return sums;
  }));
}

// Where the codes of a converter lie: half a cell beside the multiples of an even step.
function middle(step) {
  return step % 2 === 0 ? 0.5 : 0;
}

// The code of a sum, if a converter had codes without end, and what one of so many codes reads.
function adcCode(p, step) {
  return Math.floor((p - middle(step)) / step + 0.5);
}

function adcRead(p, step, [lowest, highest]) {
  return step * Math.min(highest, Math.max(lowest, adcCode(p, step))) + middle(step);
}

// The step with the least squared error on a tile's sums.
function bestStep(sums, codes, steps) {
  let best = steps[0], least = Infinity;
  for (const step of steps) {
    const error = sums.reduce((all, p) => all + (p - adcRead(p, step, codes)) ** 2, 0);
    if (error < least) { least = error; best = step; }
  }
  return best;
}

// What comparators make of one tile: [plane][m * O + o]; each column's scale is the mean size of its sums.
function compared(planes, O, level) {
  const read = planes.map((sums) => {
    const M = sums.length / O;
    const scales = Array.from({ length: O }, (_, o) => {
      let total = 0;
      for (let m = 0; m < M; m++) total += Math.abs(sums[m * O + o]);
      return total / M;
    });
    return sums.map((p, n) => level(p, scales[n % O]));
  });
  return { read, saturated: 0 };
}

// What a converter makes of one tile, and how many sums were out of range.
function converted(planes, codes, steps) {
  const step = bestStep(planes.flat(), codes, steps), [lowest, highest] = codes;
  const out = (p) => adcCode(p, step) < lowest || adcCode(p, step) > highest;
  return { read: planes.map((sums) => sums.map((p) => adcRead(p, step, codes))), saturated: planes.flat().filter(out).length };
}

function readoutOf({ readouts }, key) {
  return readouts.find(([each]) => each === key)[1];
}

function readLayer(made, { readout, rows, density }) {
  const spikes = spikesOf(made, density), sums = partialSums(made, spikes, Number(rows)), by = readoutOf(made, readout);
  const tiles = sums.map((planes) => READERS[by.kind](planes, by, made));
  const add = (parts) => parts[0][0].map((_, n) =>
    parts.reduce((all, planes) => all + planes.reduce((y, plane, k) => y + 2 ** k * plane[n], 0), 0));
  const exact = add(sums), found = add(tiles.map(({ read }) => read));
  return { spikes, sums, read: tiles.map(({ read }) => read), exact, found,
    saturated: tiles.reduce((all, tile) => all + tile.saturated, 0) };
}

function minus(number) {
  return number.replace("-", "\u2212");
}

function crossbarRows({ rows: R, outputs: O, planes: P }, state, out) {
  const { exact, found } = out, n = (state.input - 1) * O + state.column - 1;
  const error = found.reduce((all, y, i) => all + (y - exact[i]) ** 2, 0), power = exact.reduce((all, y) => all + y ** 2, 0);
  const tiles = R / Number(state.rows), count = exact.length * tiles * P;
  return [["this output, exact", minus(fixed(exact[n], 0))], ["this output, as read", minus(fixed(found[n], 2))],
    [`relative error of all ${exact.length} outputs`, fixed(Math.sqrt(error / Math.max(power, 1)), 3)],
    ["read-outs an output", String(tiles * P)],
    ["partial sums out of range", `${fixed(100 * out.saturated / count, 2)} %`]];
}

function crossbarPython({ readout, rows, density, input, column }) {
  return [
    "from dtsnn_lite.widgets.crossbar_explorer import a_layer, crossbar_rows, read_layer", "",
    `out = read_layer(a_layer(), readout="${readout}", rows=${rows}, density=${density})`,
    `for name, value in crossbar_rows(out, rows=${rows}, input_=${input}, column=${column}):`,
    "    print(name, value)",
    "",
  ].join("\n");
}

// --- pictures -----------------------------------------------------------------------

function cellsPicture(made, state, out) {
  const { rows: R, outputs: O, planes: P } = made, { input, column } = state, tiles = R / Number(state.rows);
  const places = made.cells.map((_, k) => 2 ** k), label = `The ${R} rows of one output: which spike, and what the ${P} planes hold.`;
  const picture = plot({ title: "Rows: spikes and planes", label, x: { low: 0, high: R, ticks: [0, 1, 2, 3, 4].map((k) => (k * R) / 4), label: "row" },
    y: { low: 0, high: P + 1, ticks: [], label: `spikes, and the planes of ${[...places].reverse().join(", ")}: blue +1, orange \u22121` } });
  const strip = (r, level, kind) => bar(picture, r, r + 1, level + 0.1, level + 0.85, { class: kind });
  for (let r = 0; r < R; r++) {
    if (out.spikes[(input - 1) * R + r]) picture.under.append(strip(r, P, "bar other"));
    made.cells.forEach((cells, k) => {
      const cell = cells[r * O + column - 1];
      if (cell) picture.under.append(strip(r, k, cell > 0 ? "bar" : "bar warn"));
    });
  }
  for (let i = 1; i < tiles; i++) picture.over.append(line(picture, [[i * R / tiles, 0], [i * R / tiles, P + 1]], { class: "line other" }));
  [...places, "spikes"].forEach((name, level) => picture.over.append(note(picture, 0, level + 0.475, String(name), { dx: -4, dy: 4, class: "tick", "text-anchor": "end" })));
  return picture.root;
}

function sumsPicture({ outputs: O, planes: P }, state, out) {
  const n = (state.input - 1) * O + state.column - 1, tiles = out.sums.length;
  const exact = out.sums.flatMap((planes) => planes.map((sums) => sums[n])), read = out.read.flatMap((planes) => planes.map((sums) => sums[n]));
  const top = Math.max(1, ...exact.map(Math.abs), ...read.map(Math.abs)), marks = ticks(-top, top, 6);
  const picture = plot({ title: "Partial sums, and what is read", label: `${exact.length} partial sums of one output: bars exact, dots as read.`,
    x: { low: 0, high: exact.length, ticks: [0, exact.length], label: `${tiles} ${tiles === 1 ? "tile" : "tiles"} of ${P} planes` },
    y: { low: marks[0], high: marks.at(-1), ticks: marks, label: "bars: exact; dots: as read (on-cell currents)" } });
  exact.forEach((p, j) => picture.under.append(bar(picture, j + 0.2, j + 0.8, Math.min(0, p), Math.max(0, p))));
  read.forEach((p, j) => picture.over.append(dot(picture, j + 0.5, p, { class: "dot now", r: 3.5 })));
  for (let i = 1; i < tiles; i++) picture.over.append(line(picture, [[P * i, marks[0]], [P * i, marks.at(-1)]], { class: "line other" }));
  return picture.root;
}

const BINS = 21;

function histogram(errors, top) {
  const counts = new Array(BINS).fill(0);
  for (const error of errors) counts[Math.min(BINS - 1, Math.max(0, Math.floor((error + top) / (2 * top) * BINS)))] += 1;
  return counts;
}

function errorPicture(out) {
  const errors = out.found.map((y, n) => y - out.exact[n]), marks = ticks(-Math.max(1, ...errors.map(Math.abs)), Math.max(1, ...errors.map(Math.abs)), 6);
  const top = Math.max(-marks[0], marks.at(-1)), counts = histogram(errors, top), width = 2 * top / BINS;
  const picture = plot({ title: "Error of the output", label: `Histogram of the errors of ${errors.length} outputs; ${counts[10]} lie in the middle bin.`,
    x: { low: -top, high: top, ticks: [-top, 0, top], label: "output as read \u2212 exact" },
    y: { low: 0, high: 100, ticks: [0, 25, 50, 75, 100], label: "outputs (%)" } });
  counts.forEach((count, j) => {
    if (count) picture.under.append(bar(picture, -top + j * width, -top + (j + 0.92) * width, 0, 100 * count / errors.length));
  });
  return picture.root;
}

// --- the view -------------------------------------------------------------------------

const fieldsOf = ({ readouts, sizes, density, inputs, outputs }) => ({
  readout: { kind: "choice", label: "read-out of a column", options: () => readouts.map(([key, { name }]) => [key, name]) },
  rows: { kind: "choice", label: "rows of an array", options: () => sizes.map((size) => [size, size]) },
  density: { kind: "number", label: "share of rows that spike", ...density },
  input: { kind: "number", label: "which input", low: 1, high: inputs, step: 1, more: true },
  column: { kind: "number", label: "which output", low: 1, high: outputs, step: 1, more: true },
});

function crossbarSentence(made, state, rows) {
  return `With ${state.rows} rows an array and the read-out "${readoutOf(made, state.readout).name}", the outputs are off by ${rows[2][1]} of their size.`;
}

function render({ model, el }) {
  const made = layer(model.get("data"), bytesOf(model.get("bytes")));
  const cells = html("div", { class: "panel" }), sums = html("div", { class: "panel" }), errors = html("div", { class: "panel" });
  const numbers = html("div", { class: "panel numbers" }), view = html("div", { class: "panels" }, cells, sums, errors, numbers);
  let table;

  function draw(state) {
    const out = readLayer(made, state), rows = crossbarRows(made, state, out);
    cells.replaceChildren(cellsPicture(made, state, out));
    sums.replaceChildren(sumsPicture(made, state, out));
    errors.replaceChildren(errorPicture(out));
    if (!table) numbers.append((table = numberTable(made.caption, ["", "value"], rows)).root);
    table.set(rows);
    return { brief: `relative error ${rows[2][1]}`, sentence: crossbarSentence(made, state, rows) };
  }

  const row = (state) => [["read-out", "rows", "density", "relative error"],
    [state.readout, state.rows, state.density, crossbarRows(made, state, readLayer(made, state))[2][1]]];
  return explorer({ model, el, title: model.get("heading"), fields: fieldsOf(made), view, draw, row, python: crossbarPython }).close;
}

export { crossbarRows, layer, readLayer };
export default { render };
