// One layer on crossbars: inputs, bit planes, partial sums, read-out, and the error that is left.

import { bar, bytesOf, dot, explorer, fixed, html, line, note, numberTable, plot, ticks } from "./core.js";

const ROWS = 128, OUTPUTS = 16, INPUTS = 32, PLANES = 3;
// Each read-out: key, name, and what it makes of one tile's planes. A new one is a line here.
const READOUTS = [["ideal", "ideal", (planes) => ({ read: planes, saturated: 0 })],
  ...[6, 5, 4, 3, 2].map((bits) => [String(bits), `${bits}-bit ADC`, (planes) => converted(planes, bits)]),
  ["ternary", "two comparators (ternary)", (planes) => compared(planes, (p, scale) => (Math.abs(p) > scale / 2 ? Math.sign(p) * scale : 0))],
  ["sa", "sense amplifier (1 bit)", (planes) => compared(planes, (p, scale) => (p > 0 ? scale : -scale))]];
const SIZES = ["16", "32", "64", "128"];

// --- the arrays: the same whole numbers as Python's -------------------------------------

// weights (R, O) in -7..7 and draws (M, R) in 0..255; a row spikes where its draw < 256 density
function layer(bytes) {
  const weights = Array.from(bytes.slice(0, ROWS * OUTPUTS), (byte) => byte - 7);
  const draws = bytes.slice(ROWS * OUTPUTS);
  const cells = Array.from({ length: PLANES }, (_, k) => weights.map((q) => Math.sign(q) * ((Math.abs(q) >> k) & 1)));
  return { weights, draws, cells };
}

function spikesOf(made, density) {
  const level = Math.round(256 * density);
  return Array.from(made.draws, (draw) => (draw < level ? 1 : 0));
}

// Partial sums [tile][plane][m * OUTPUTS + o]
function partialSums(made, spikes, rows) {
  const tiles = ROWS / rows;
  return Array.from({ length: tiles }, (_, i) => made.cells.map((cells) => {
    const sums = new Array(INPUTS * OUTPUTS).fill(0);
    for (let m = 0; m < INPUTS; m++) {
      for (let r = i * rows; r < (i + 1) * rows; r++) {
        if (!spikes[m * ROWS + r]) continue;
        for (let o = 0; o < OUTPUTS; o++) sums[m * OUTPUTS + o] += cells[r * OUTPUTS + o];
      }
    }
    return sums;
  }));
}

function adcCode(p, step, bits) {
  return Math.min(2 ** (bits - 1) - 1, Math.max(-(2 ** (bits - 1)), Math.floor(p / step + 0.5)));
}

// The power of two with the least squared error on a tile's sums.
function bestStep(sums, bits) {
  let best = 1, least = Infinity;
  for (let step = 1; step <= 2048; step *= 2) {
    const error = sums.reduce((all, p) => all + (p - step * adcCode(p, step, bits)) ** 2, 0);
    if (error < least) { least = error; best = step; }
  }
  return best;
}

// What comparators make of one tile: [plane][m * OUTPUTS + o]; each column's scale is the mean size of its sums.
function compared(planes, level) {
  const read = planes.map((sums) => {
    const scales = Array.from({ length: OUTPUTS }, (_, o) => {
      let total = 0;
      for (let m = 0; m < INPUTS; m++) total += Math.abs(sums[m * OUTPUTS + o]);
      return total / INPUTS;
    });
    return sums.map((p, n) => level(p, scales[n % OUTPUTS]));
  });
  return { read, saturated: 0 };
}

// What a converter makes of one tile, and how many sums were out of range.
function converted(planes, bits) {
  const step = bestStep(planes.flat(), bits);
  const out = (p) => { const code = Math.floor(p / step + 0.5); return code < -(2 ** (bits - 1)) || code > 2 ** (bits - 1) - 1; };
  return { read: planes.map((sums) => sums.map((p) => step * adcCode(p, step, bits))),
    saturated: planes.flat().filter(out).length };
}

function readLayer(made, { readout, rows, density }) {
  const spikes = spikesOf(made, density), sums = partialSums(made, spikes, Number(rows));
  const readTile = READOUTS.find(([key]) => key === readout)[2], tiles = sums.map((planes) => readTile(planes));
  const add = (parts) => parts[0][0].map((_, n) =>
    parts.reduce((all, planes) => all + planes.reduce((y, plane, k) => y + 2 ** k * plane[n], 0), 0));
  const exact = add(sums), found = add(tiles.map(({ read }) => read));
  return { spikes, sums, read: tiles.map(({ read }) => read), exact, found,
    saturated: tiles.reduce((all, tile) => all + tile.saturated, 0) };
}

function minus(number) {
  return number.replace("-", "\u2212");
}

function crossbarRows(state, out) {
  const { exact, found } = out, n = (state.input - 1) * OUTPUTS + state.column - 1;
  const error = found.reduce((all, y, i) => all + (y - exact[i]) ** 2, 0), power = exact.reduce((all, y) => all + y ** 2, 0);
  const tiles = ROWS / Number(state.rows), count = exact.length * tiles * PLANES;
  return [["this output, exact", minus(fixed(exact[n], 0))], ["this output, as read", minus(fixed(found[n], 2))],
    [`relative error of all ${exact.length} outputs`, fixed(Math.sqrt(error / Math.max(power, 1)), 3)],
    ["read-outs an output", String(tiles * PLANES)],
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
  const { input, column } = state, tiles = ROWS / Number(state.rows);
  const label = `The ${ROWS} rows of one output: which spike, and what the three planes hold.`;
  const picture = plot({ title: "Rows: spikes and planes", label, x: { low: 0, high: ROWS, ticks: [0, 32, 64, 96, 128], label: "row" },
    y: { low: 0, high: 4, ticks: [], label: "spikes, and the planes of 4, 2, 1: blue +1, orange \u22121" } });
  const strip = (r, level, kind) => bar(picture, r, r + 1, level + 0.1, level + 0.85, { class: kind });
  for (let r = 0; r < ROWS; r++) {
    if (out.spikes[(input - 1) * ROWS + r]) picture.under.append(strip(r, 3, "bar other"));
    made.cells.forEach((cells, k) => {
      const cell = cells[r * OUTPUTS + column - 1];
      if (cell) picture.under.append(strip(r, k, cell > 0 ? "bar" : "bar warn"));
    });
  }
  for (let i = 1; i < tiles; i++) picture.over.append(line(picture, [[i * ROWS / tiles, 0], [i * ROWS / tiles, 4]], { class: "line other" }));
  ["1", "2", "4", "spikes"].forEach((name, level) => picture.over.append(note(picture, 0, level + 0.475, name, { dx: -4, dy: 4, class: "tick", "text-anchor": "end" })));
  return picture.root;
}

function sumsPicture(state, out) {
  const n = (state.input - 1) * OUTPUTS + state.column - 1, tiles = out.sums.length;
  const exact = out.sums.flatMap((planes) => planes.map((sums) => sums[n])), read = out.read.flatMap((planes) => planes.map((sums) => sums[n]));
  const top = Math.max(1, ...exact.map(Math.abs), ...read.map(Math.abs)), marks = ticks(-top, top, 6);
  const picture = plot({ title: "Partial sums, and what is read", label: `${exact.length} partial sums of one output: bars exact, dots as read.`,
    x: { low: 0, high: exact.length, ticks: [0, exact.length], label: `${tiles} ${tiles === 1 ? "tile" : "tiles"} of 3 planes` },
    y: { low: marks[0], high: marks.at(-1), ticks: marks, label: "bars: exact; dots: as read (on-cell currents)" } });
  exact.forEach((p, j) => picture.under.append(bar(picture, j + 0.2, j + 0.8, Math.min(0, p), Math.max(0, p))));
  read.forEach((p, j) => picture.over.append(dot(picture, j + 0.5, p, { class: "dot now", r: 3.5 })));
  for (let i = 1; i < tiles; i++) picture.over.append(line(picture, [[3 * i, marks[0]], [3 * i, marks.at(-1)]], { class: "line other" }));
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

const FIELDS = {
  readout: { kind: "choice", label: "read-out of a column", options: () => READOUTS.map(([key, name]) => [key, name]) },
  rows: { kind: "choice", label: "rows of an array", options: () => SIZES.map((size) => [size, size]) },
  density: { kind: "number", label: "share of rows that spike", low: 0.05, high: 1, step: 0.05 },
  input: { kind: "number", label: "which input", low: 1, high: INPUTS, step: 1, more: true },
  column: { kind: "number", label: "which output", low: 1, high: OUTPUTS, step: 1, more: true },
};

function crossbarSentence(state, rows) {
  const name = READOUTS.find(([key]) => key === state.readout)[1];
  return `With ${state.rows} rows an array and the read-out "${name}", the outputs are off by ${rows[2][1]} of their size.`;
}

function render({ model, el }) {
  const made = layer(bytesOf(model.get("bytes")));
  const cells = html("div", { class: "panel" }), sums = html("div", { class: "panel" }), errors = html("div", { class: "panel" });
  const numbers = html("div", { class: "panel numbers" }), view = html("div", { class: "panels" }, cells, sums, errors, numbers);
  let table;

  function draw(state) {
    const out = readLayer(made, state), rows = crossbarRows(state, out);
    cells.replaceChildren(cellsPicture(made, state, out));
    sums.replaceChildren(sumsPicture(state, out));
    errors.replaceChildren(errorPicture(out));
    if (!table) numbers.append((table = numberTable(TABLE, ["", "value"], rows)).root);
    table.set(rows);
    return { brief: `relative error ${rows[2][1]}`, sentence: crossbarSentence(state, rows) };
  }

  const row = (state) => [["read-out", "rows", "density", "relative error"],
    [state.readout, state.rows, state.density, crossbarRows(state, readLayer(made, state))[2][1]]];
  return explorer({ model, el, title: model.get("heading"), fields: FIELDS, view, draw, row, python: crossbarPython }).close;
}

const TABLE = "128 rows, 16 outputs of 4-bit weights, 32 inputs";

export { crossbarRows, layer, readLayer };
export default { render };
