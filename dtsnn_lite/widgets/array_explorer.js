// Eight rows of a crossbar: rows light up with spikes, columns add up, and a read-out makes something of each sum.

import { explorer, fixed, furnish, html, numberTable, svg, text } from "./core.js";
import { clock, switched, switches } from "./machine.js";

const TICK_MS = 1100;

// What each read-out makes of a current p. A new one is a line here.
const READERS = {
  ideal: (p) => p,
  adc: (p, { step, bits }) => adcRead(p, step, bits),
  sa: (p, { scale, reference }) => (p > reference ? scale : -scale),
  ternary: (p, { scale }) => (Math.abs(p) > scale / 2 ? Math.sign(p) * scale : 0),
};

// --- the array: the same numbers as Python's ----------------------------------------------

// Columns from left to right: output by output, the plane of the largest place first. cells: -1, 0 or 1, a row each.
function columnsOf({ weights, planes: P }) {
  const outputs = weights[0].map((_, o) => o), order = Array.from({ length: P }, (_, k) => P - 1 - k);
  return outputs.flatMap((o) => order.map((k) => ({ output: o, place: 2 ** k, cells: weights.map((row) => Math.sign(row[o]) * ((Math.abs(row[o]) >> k) & 1)) })));
}

function sumOf(cells, on) {
  return cells.reduce((sum, cell, r) => sum + (on(r) ? cell : 0), 0);
}

// The column's sums over all inputs that the rows can have.
function everySum(cells) {
  return Array.from({ length: 2 ** cells.length }, (_, pattern) => sumOf(cells, (r) => (pattern >> r) & 1));
}

// Codes of an even step lie half a cell beside its multiples: their thresholds lie between whole sums.
function adcRead(p, step, bits) {
  const middle = step % 2 === 0 ? 0.5 : 0, code = Math.floor((p - middle) / step + 0.5);
  return step * Math.min(2 ** (bits - 1) - 1, Math.max(-(2 ** (bits - 1)), code)) + middle;
}

// The step with the least squared error.
function bestStep(sums, bits, steps) {
  const errors = steps.map((step) => sums.reduce((all, p) => all + (p - adcRead(p, step, bits)) ** 2, 0));
  return steps[errors.indexOf(Math.min(...errors))];
}

function readArray(data, { spikes, readout, bits, offset, reference }) {
  const columns = columnsOf(data), fitted = columns.map(({ cells }) => everySum(cells)), step = bestStep(fitted.flat(), bits, data.steps);
  const read = columns.map((column, j) => {
    const sum = sumOf(column.cells, (r) => spikes.includes(r)), scale = Math.max(fitted[j].reduce((all, p) => all + Math.abs(p), 0) / fitted[j].length, 1e-3);
    // No spike, no read.
    const isAwake = spikes.length > 0 || readout === "ideal";
    return { ...column, sum, current: sum + offset, read: isAwake ? READERS[readout](sum + offset, { step, bits, scale, reference }) : 0 };
  });
  const outputs = data.weights[0].map((_, o) => {
    const own = read.filter(({ output }) => output === o).reverse(), add = (field) => own.reduce((y, each) => y + each.place * each[field], 0);
    return { exact: add("sum"), found: add("read") };
  });
  return { columns: read, outputs, step };
}

// --- words ---------------------------------------------------------------------------------

// A whole number as it is, another with two decimals.
function short(value) {
  return (Number.isInteger(value) ? String(value) : fixed(value, 2)).replace("-", "\u2212");
}

// [name, current, as read], as array_rows in Python.
function arrayRows({ columns, outputs }) {
  return [...columns.map(({ output, place, sum, read }) => [`output ${output + 1}, plane of ${place}`, short(sum), short(read)]),
    ...outputs.map(({ exact, found }, o) => [`output ${o + 1}`, short(exact), short(found)])];
}

function listed(rows) {
  const names = rows.map((r) => String(r + 1));
  return names.length < 2 ? names.join("") : `${names.slice(0, -1).join(", ")} and ${names.at(-1)}`;
}

function rowsWords(spikes) {
  return spikes.length === 0 ? "No row carries a spike" : spikes.length === 1 ? `Row ${listed(spikes)} carries a spike` : `Rows ${listed(spikes)} carry a spike each`;
}

function arraySentence({ readouts }, { spikes, readout }, { outputs }) {
  const said = outputs.map(({ exact, found }, o) => `output ${o + 1} is ${short(exact)}, read as ${short(found)}`);
  return `${rowsWords(spikes)}: read ${readouts.find(([key]) => key === readout)[1]}, ${said.join("; ")}.`;
}

function tickWords({ spikes, readout, bits, reference }, { step }, tick) {
  const compares = `Each comparator asks: is the current above ${short(reference)}? Its column's own size is the answer, with that sign.`;
  const reads = { ideal: "An ideal read-out returns each current; no circuit does.", sa: compares,
    adc: `An ADC of ${bits} ${bits === 1 ? "bit" : "bits"} rounds each current to one of ${2 ** bits} codes, ${step} apart.`,
    ternary: "Two comparators a column: minus its size, nothing, or plus its size." }[readout];
  const isAsleep = spikes.length === 0 && readout !== "ideal";
  return ["Weights sit in the cells; no row carries anything.", `${rowsWords(spikes)}, and their cells conduct.`,
    "Each column adds up its cells: + and \u2212 are the two columns of a pair.",
    isAsleep ? "No row carries a spike, so no column is read." : reads,
    "The digital side multiplies by 4, 2 and 1, and adds."][tick];
}

function arrayPython({ spikes, readout, bits, offset, reference }) {
  return ["from dtsnn_lite.widgets.array_explorer import Column, array_rows, read_array, some_weights", "",
    `column = Column("${readout}", bits=${bits}, offset=${offset}, reference=${reference})`,
    `for name, current, read in array_rows(read_array(some_weights(), [${spikes.join(", ")}], column)):`,
    "    print(name, current, read)", ""].join("\n");
}

// --- the picture -----------------------------------------------------------------------------

const WIDTH = 340, HEIGHT = 330, LEFT = 46, TOP = 50, PITCH = 23, CELL = 25;

const columnX = (j, planes) => 84 + 42 * j + 18 * Math.floor(j / planes);
const rowY = (r) => TOP + PITCH * r;

function centred(x, y, words, kind) {
  return text(x, y, words, { class: kind, "text-anchor": "middle" });
}

// A box for what converts, a triangle for what compares.
function symbol(x, y, readout, bits) {
  const triangle = (at) => svg("path", { class: "symbol", d: `M ${at - 10} ${y} L ${at + 10} ${y} L ${at} ${y + 17} Z` });
  const line = svg("line", { class: "wire", x1: x, x2: x, y1: y, y2: y + 18 });
  if (readout === "ideal") return [line];
  if (readout === "adc") return [svg("rect", { class: "symbol", x: x - 16, y, width: 32, height: 18, rx: 3 }), centred(x, y + 13, `${bits} bit`, "tick")];
  return readout === "sa" ? [triangle(x)] : [triangle(x - 7), triangle(x + 7)];
}

function readClass({ sum, read }) {
  return sum === read ? "note accent" : sum * read <= 0 ? "note now" : "note third";
}

function arrayPicture(data, state, out, tick) {
  const { spikes, readout, bits, offset } = state, { columns, outputs } = out, P = data.planes, rows = data.weights.length, foot = rowY(rows - 1);
  const on = (r) => tick >= 1 && spikes.includes(r), label = (y, words) => text(0, y, words, { class: "axis" });
  const root = svg("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img", "aria-label": `A crossbar of ${rows} rows and ${columns.length} columns. ${tickWords(state, out, tick)}`
    + `${tick >= 2 ? ` The columns carry ${columns.map(({ current }) => short(current)).join(", ")}.` : ""}` });
  root.append(...outputs.map((_, o) => centred(columnX(o * P + 1, P), 13, `output ${o + 1}`, "title")),
    ...columns.map(({ place }, j) => centred(columnX(j, P), 30, `\u00d7${place}`, "axis")), label(30, "plane"));
  for (let r = 0; r < rows; r++) root.append(svg("line", { class: on(r) ? "wire on" : "wire", x1: LEFT, x2: columnX(columns.length - 1, P) + 22, y1: rowY(r), y2: rowY(r) }));
  columns.forEach((column, j) => {
    const x = columnX(j, P);
    root.append(svg("line", { class: tick >= 2 ? "wire carries" : "wire", x1: x, x2: x, y1: TOP - 14, y2: foot + 18 }));
    column.cells.forEach((cell, r) => {
      const kind = `cell ${cell > 0 ? "plus" : cell < 0 ? "minus" : "none"}${on(r) ? " conducts" : ""}`;
      root.append(svg("rect", { class: kind, x: x - CELL / 2, y: rowY(r) - 8, width: CELL, height: 16, rx: 3 }));
      if (cell) root.append(centred(x, rowY(r) + 4, cell > 0 ? "+" : "\u2212", on(r) ? "sign on" : "sign"));
    });
    if (tick >= 2) root.append(centred(x, foot + 33, short(column.sum), "note"));
    if (tick >= 2 && offset) root.append(centred(x, foot + 47, `${offset > 0 ? "+" : "\u2212"}${Math.abs(offset)}`, "tick"));
    root.append(...symbol(x, foot + 53, readout, bits));
    if (tick >= 3) root.append(centred(x, foot + 87, short(column.read), readClass(column)));
  });
  if (tick >= 4) {
    outputs.forEach(({ exact, found }, o) => root.append(
      svg("path", { class: "base bracket", d: `M ${columnX(o * P, P) - 16} ${foot + 93} v 4 H ${columnX(o * P + P - 1, P) + 16} v -4` }),
      centred(columnX(o * P + 1, P), foot + 113, exact === found ? `= ${short(found)}` : `= ${short(found)}, not ${short(exact)}`, exact === found ? "note accent" : "note now")));
  }
  return furnish(root, {}, [label(foot + 33, "sum"), offset ? label(foot + 47, "offset") : null, label(foot + 66, "read-out"), label(foot + 87, "reads"), label(foot + 113, "output")]);
}

// --- the view ----------------------------------------------------------------------------------

const fieldsOf = ({ readouts, bits, offset, reference, weights }, own, time) => ({
  readout: { kind: "choice", label: "the columns are read", options: () => readouts },
  bits: { kind: "number", label: "bits of the ADC", low: bits[0], high: bits[1], step: 1, short: true, needs: (state) => state.readout === "adc" },
  offset: { kind: "number", label: "offset of the columns (cells)", low: offset[0], high: offset[1], step: 0.1 },
  reference: { kind: "number", label: "the comparator's reference (cells)", low: reference[0], high: reference[1], step: 0.1, short: true, needs: (state) => state.readout === "sa" },
  spikes: { kind: "marks", label: "rows that carry a spike", length: weights.length, row: own },
  clock: { kind: "number", label: "the clock", low: 0, high: 4, step: 1, row: time },
});

function render({ model, el }) {
  const data = model.get("data"), rows = data.weights.length, numbers = html("div", {});
  const place = (r) => `top: ${fixed((100 * (rowY(r) - PITCH / 2)) / HEIGHT, 2)}%; height: ${fixed((100 * (PITCH - 1)) / HEIGHT, 2)}%; width: ${fixed((100 * (LEFT - 4)) / WIDTH, 2)}%`;
  const ports = switches({ length: rows, name: "Rows that carry a spike", label: (r) => `spike on row ${r + 1}`,
    cell: (r) => html("button", { class: "port", style: place(r) }, String(r + 1)), changed: (r) => shown.set({ spikes: switched(shown.state().spikes, r) }) });
  const time = clock({ ticks: 4, tick_ms: TICK_MS, shown: reveal, settled: (at) => shown.set({ clock: at }) });
  const drawing = html("div", {}), board = html("div", { class: "board" }, drawing, ports.root);
  const hint = html("p", { class: "hint" }, "Click a row to give it a spike. Blue: +1, orange: \u22121. As read: blue exactly, green with the right sign, orange not.");
  const stage = html("div", { class: "machine beside-it" }, html("div", { class: "side" }, time.root), board);
  const view = html("div", { class: "view" }, hint, html("details", { class: "fold" }, html("summary", {}, "The numbers"), html("div", { class: "numbers" }, numbers)));
  let table, now;

  function reveal(tick) {
    drawing.replaceChildren(arrayPicture(data, now.state, now.out, tick));
    time.put(tick, tickWords(now.state, now.out, tick));
  }

  function draw(state) {
    const out = readArray(data, state), lines = arrayRows(out);
    now = { state, out };
    reveal(time.running() ? time.at() : state.clock);
    ports.show(state.spikes);
    if (!table) numbers.append((table = numberTable("Currents in cells that conduct", ["", "exactly", "as read"], lines)).root);
    table.set(lines);
    return { brief: out.outputs.map(({ found }, o) => `output ${o + 1} reads ${short(found)}`).join(", "), sentence: arraySentence(data, state, out) };
  }

  const row = (state) => {
    const { outputs } = readArray(data, state);
    return [["rows", "read-out", "bits", "offset", "reference", ...outputs.flatMap((_, o) => [`output ${o + 1}`, "as read"])],
      [state.spikes.map((r) => r + 1).join(" "), state.readout, state.bits, state.offset, state.reference, ...outputs.flatMap(({ exact, found }) => [short(exact), short(found)])]];
  };
  const shown = explorer({ model, el, title: model.get("heading"), fields: fieldsOf(data, board, time.root), stage, view, draw, row, python: arrayPython });
  return () => { time.halt(); shown.close(); };
}

export { arrayRows, readArray };
export default { render };
