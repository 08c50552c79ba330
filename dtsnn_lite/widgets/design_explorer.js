// One network on the chip that a reader assembles: accuracy, energy by part, delay, area and EDP.

import {
  bar, bytesOf, change, decadeTicks, dot, explorer, fixed, html, line, nameDots, note, numberTable,
  plot, quantity, ratio, signed, ticks, unitFor,
} from "./core.js";

// --- the 65 nm bill as built: dtsnn_lite/floorplan.py, circuits.py and cost.py again, formula by formula ---------

// chip: { converter, first, mux, rows, planes, speedUp, several, leakage }, converter: { kind, bits, comparators }, first one with its mux;
// shape: { rows, channels, positions, height, kernel, inputs, neurons }
const CORE_BITS = 1024, LINE_BITS = 32, BUS_BITS = 2048, GLOBAL_CORE_BITS = 16384, GLOBAL_LINE_BITS = 128;
const { ceil, floor, max, min, sqrt, log2 } = Math;
const sum = (numbers) => numbers.reduce((all, each) => all + each, 0);

function place(shape, chip) {
  const columns = shape.channels * chip.planes, rowTiles = ceil(shape.rows / chip.rows);
  return { ...shape, columns, rowTiles, conversions: columns * rowTiles * shape.positions, outputs: shape.channels * shape.positions };
}

// The chip as layer n sees it: the first keeps a converter of its own.
function ofLayer(chip, n) {
  return n === 0 ? { ...chip, converter: chip.first, mux: chip.first.mux } : chip;
}

function tileSide(layers, chip) {
  const widest = max(2 ** ceil(log2(max(...layers.map(({ columns }) => columns)))), 4 * chip.rows), sides = [widest];
  while (sides.at(-1) > 8 * chip.rows) sides.push(floor(sides.at(-1) / 2));
  const cells = (s) => sum(layers.map(({ rows, columns }) => ceil(rows / s) * ceil(columns / s) * s * s));
  return sides.reduce((best, s) => (cells(s) < cells(best) ? s : best));
}

function fits(layer, outer, cells) {
  if (layer.rows > outer && layer.columns > outer) return [1, 1];
  return [layer.rows, layer.columns].map((side) => max(1, floor(floor(outer / cells) / ceil(side / cells))));
}

function wantedCopies(shape, shapes, chip) {
  const maps = shapes.filter(({ kernel }) => kernel > 1).map(({ height }) => height), sizes = maps.length ? maps : [1];
  const slowest = ceil(shapes[0].height / min(chip.speedUp, floor(max(...sizes) / min(...sizes))));
  return ceil((shape.height / slowest) ** 2);
}

function floorPlan(shapes, chip) {
  const layers = shapes.map((shape) => place(shape, chip)), tile = tileSide(layers, chip);
  return layers.map((layer, n) => {
    const pes = fits(layer, tile, floor(tile / 2)), arrays = fits(layer, floor(tile / 2), chip.rows);
    const inside = pes[0] * arrays[0], across = pes[1] * arrays[1], groups = ceil(wantedCopies(layer, shapes, chip) / (inside * across));
    const down = inside * groups, rowTiles = ceil(layer.rows / tile), colTiles = ceil(layer.columns / tile), tiles = rowTiles * colTiles * groups;
    return { layer, tile, copies: down * across, rowTiles, colTiles, tiles, arrays: tiles * ceil(tile / chip.rows) ** 2,
      inEachPe: down >= 2 && across >= 2, pooled: n + 1 < shapes.length && shapes[n + 1].inputs < layer.neurons ? 4 : 1 };
  });
}

const channels = (chip) => chip.rows / chip.mux;
const sumBits = (chip) => chip.converter.bits + 1 + chip.planes + 1;

function areaMm2(plans, chip, p) {
  return 1e-6 * sum(plans.map((plan, n) => {
    const own = ofLayer(chip, n), { kind, bits, comparators } = own.converter;
    const converter = comparators * p.comparator_area + (kind === "SARADC" ? bits * p.sar_area : 0);
    const array = chip.rows * p.row_area + channels(own) * (converter + p.channel_area);
    return plan.arrays * array + plan.tiles * 6 * (chip.rows + channels(own) * (sumBits(own) + 1)) * p.buffer_area;
  }));
}

function wayMm(plans, area) {
  const tiles = sum(plans.map((plan) => plan.tiles)), grid = 2 ** ceil(log2(ceil(sqrt(tiles))));
  return (2 * (grid - 1) + 3) * sqrt(area / tiles);
}

function leakageUw(plans, chip, p) {
  return 1e-3 * sum(plans.map((plan, n) => {
    const own = ofLayer(chip, n), channel = p.channel_leakage + p.comparator_leakage * own.converter.comparators;
    return plan.arrays * (chip.rows * (p.row_leakage + p.bit_leakage) + channels(own) * channel);
  }));
}

function clockNs(chip, p) {
  const { kind, bits } = chip.converter, base = p.clock_register + (chip.mux > 1 ? p.clock_mux : 0);
  if (kind === "HPADC") return base + p.flash_time + p.clock_encoder * 2 ** bits * chip.rows;
  return base + p.sense_time + (kind === "SARADC" ? bits * p.clock_sar : 0);
}

function conversionPj(rows, density, chip, p) {
  const { kind, bits, comparators } = chip.converter, awake = 1 - (1 - density) ** rows;
  if (awake === 0) return 0;
  const on = rows * (density / awake) * p.on_cells;
  let time = p.sense_time;
  if (kind === "HPADC") time = max(p.sense_time, p.flash_time * min(1, ((on + 2.4 * sqrt(on)) / p.weak_column) ** 5));
  else if (kind === "SARADC") time = bits * p.sar_time;
  return awake * (comparators * p.comparator_power + p.column_power + on * p.cell_power) * time * 1e-3;
}

function converterPj(layer, density, chip, p) {
  const full = floor(layer.rows / chip.rows), rest = layer.rows % chip.rows;
  const column = (full ? full * conversionPj(chip.rows, density, chip, p) : 0) + (rest ? conversionPj(rest, density, chip, p) : 0);
  return layer.columns * layer.positions * column;
}

// A tree of adders: [ticks, one-bit additions].
function tree(inputs, bits, tick, p) {
  let cycles = 0, additions = 0, left = inputs;
  for (let level = 0; level < (inputs > 1 ? ceil(log2(inputs)) : 0); level++) {
    left = floor(left / 2);
    cycles += ceil(((bits + level) * p.adder_time) / tick);
    additions += left * (bits + level);
  }
  return [cycles, additions];
}

const turns = (chip) => max(1, floor(chip.mux / chip.planes));

function trees(plan, chip, p, layers, tick) {
  const { layer, tile } = plan, bits = sumBits(chip), pe = floor(tile / 2), reads = layer.positions * turns(chip), rows = min(layer.rows, tile);
  const block = plan.inEachPe ? rows : min(rows, pe), blocks = plan.rowTiles * plan.colTiles * ceil(rows / block) * ceil(min(layer.columns, tile) / pe);
  let [cycles, additions] = tree(ceil(block / chip.rows), bits, tick, p);
  cycles *= reads / plan.copies;
  additions *= reads * blocks * ceil(pe / chip.mux);
  if (!plan.inEachPe) {
    const [more, adds] = tree(plan.copies > 1 ? ceil(rows / pe) : 2, bits + ceil(log2(pe / chip.rows)), tick, p);
    cycles += reads * more;
    additions += reads * adds * plan.rowTiles * plan.colTiles * ceil(2 * channels(chip));
  }
  if (plan.rowTiles > 1) {
    const side = max(1, floor(tile / chip.mux)), merges = ceil((plan.colTiles * layer.outputs) / side);
    const [more, adds] = tree(plan.rowTiles, bits + ceil(log2((tile / chip.rows) * (layers + 1))), tick, p);
    cycles += merges * more;
    additions += merges * adds * side;
  }
  return [cycles, additions];
}

function busBits(plans, chip) {
  let width = (plans[0].tile + plans[0].tile / chip.mux) * sum(plans.map(({ tiles }) => tiles));
  while (width > BUS_BITS) width /= 2;
  return width;
}

const drivenBits = ({ layer, pooled }, bus) => bus * ceil((layer.rows * layer.positions + layer.outputs / pooled) / bus);

const sumsOut = (plan, chip) => sumBits(chip) + 1 + ceil(log2(floor(plan.tile / 2) / chip.rows));

function tileBits(plan, chip) {
  const { layer, tile } = plan;
  return min(layer.rows, tile) * layer.positions + (min(layer.columns, tile) / chip.planes) * layer.positions * (1 + sumsOut(plan, chip));
}

function bufferCycles(plan, plans, chip, bus) {
  const { layer, tile } = plan, held = floor(sum(plans.map((each) => each.layer.inputs)) / 2), half = plan.inEachPe ? tile : floor(tile / 2);
  const cores = min(max(1, ceil(held / GLOBAL_CORE_BITS)), ceil(bus / GLOBAL_LINE_BITS)), waits = ceil(sum(plans.map(({ tiles }) => tiles)) / plan.tiles);
  const shared = ((layer.rows * layer.positions + layer.outputs / plan.pooled) / GLOBAL_LINE_BITS / cores) * waits;
  const line = 2 * chip.rows < CORE_BITS ? 2 * chip.rows : LINE_BITS * min(ceil((2 * chip.rows) / CORE_BITS), ceil((2 * chip.rows) / LINE_BITS));
  const rows = min(layer.rows, half), columns = min(layer.columns, half);
  const inPes = ((rows / chip.rows + columns / chip.planes / channels(chip)) * layer.positions) / (plan.inEachPe ? 4 : plan.copies);
  return shared + (2 * tileBits(plan, chip)) / line + inPes;
}

// { step_pj, step_ns, area_mm2, parts } of one image on a chip; densities: [timestep][layer]
function stepCost(shapes, chip, p, densities) {
  const plans = floorPlan(shapes, chip), area = areaMm2(plans, chip, p), way = wayMm(plans, area);
  const slow = max(...plans.map((_, n) => clockNs(ofLayer(chip, n), p))), clock = chip.several ? min(slow, p.clock_register + p.sense_time) : slow;
  const hop = max(1, (way * p.hop_time) / clock), parts = { converters: 0, accumulation: 0, "buffers and wires": 0 };
  let slowest = 0;
  plans.forEach((plan, n) => {
    const own = ofLayer(chip, n), { layer } = plan, shared = own.mux > 1 ? 1 : 0, bus = busBits(plans, own), driven = drivenBits(plan, bus);
    const [cycles, additions] = trees(plan, own, p, plans.length, clock);
    const shifted = ceil(layer.columns / chip.rows) * chip.rows * layer.rowTiles * layer.positions;
    parts.converters += sum(densities.map((at) => converterPj(layer, at[n], own, p))) / densities.length;
    parts.accumulation += shifted * (p.shift_add * own.converter.bits + p.latch + shared * p.mux_latch) + additions * p.bit_add;
    parts["buffers and wires"] += driven * way * p.wire + layer.conversions * (p.line + shared * p.mux_line);
    const sense = ((layer.positions * own.mux) / plan.copies) * ceil(clockNs(own, p) / clock - 1e-9);
    slowest = max(slowest, clock * (sense + (layer.positions * (own.mux + turns(own))) / plan.copies + cycles + bufferCycles(plan, plans, own, bus)
      + (driven / bus) * hop + tileBits(plan, own) / (2 * chip.rows) + layer.outputs / (plan.tile / own.mux)));
  });
  if (chip.leakage) parts.leakage = leakageUw(plans, chip, p) * slowest * 1e-3;
  return { step_pj: sum(Object.values(parts)), step_ns: slowest, area_mm2: area, parts };
}

// --- stopping: tables of one design, as the exit explorer ships them --------------------------

// left[j * T + t]: images that leave at step t + 1 at slider position j; right[j]: of them, how many are right
function tablesOf({ start }, bytes, positions, T) {
  const numbers = new Uint16Array(bytes.buffer.slice(start, start + 2 * positions * (T + 1)));
  return { left: numbers.subarray(0, positions * T), right: numbers.subarray(positions * T) };
}

function designNumbers(data, bytes, state) {
  const { rows, converter } = state, { positions, timesteps: T } = data;
  const { left, right } = tablesOf(data.designs[`${converter}-${rows}`], bytes, positions, T), j = Math.round(state.theta * (positions - 1));
  const chip = { converter: data.converters[converter], first: data.first, mux: Number(state.mux), rows: Number(rows),
    planes: data.planes, speedUp: data.speed_up, several: state.several, leakage: state.leakage };
  const densities = data.densities.map((at) => at.map((d, n) => (n === 0 ? 1 : Math.min(1, d * state.spikes))));
  const step = stepCost(data.shapes, chip, data.prices, densities), checked = j > 0 ? 1 : 0;
  let energy = 0, delay = 0, edp = 0, mean = 0;
  for (let t = 1; t <= T; t++) {
    const share = left[j * T + t - 1] / data.images;
    const e = (step.step_pj + checked * data.check.energy_pj) * t, d = (step.step_ns + checked * data.check.latency_ns) * t;
    energy += share * e;
    delay += share * d;
    edp += share * e * d;
    mean += share * t;
  }
  const { trained } = data.designs[`${converter}-${rows}`];
  return { trained, accuracy: right[j] / data.images, mean, energy, delay, edp, area: step.area_mm2, parts: partsOf(step, checked * data.check.energy_pj, mean) };
}

// The energy of the mean image by part; the parts add up to all of it.
function partsOf(step, check, mean) {
  const parts = Object.fromEntries(Object.entries(step.parts).map(([name, pj]) => [name, pj * mean]));
  return { ...parts, ...(check ? { "exit checks": check * mean } : {}) };
}

function designRows(now, then) {
  const costs = [["energy", now.energy, then.energy, "pJ"], ["delay", now.delay, then.delay, "ns"], ["EDP", now.edp, then.edp, "pJ ns"]];
  return [["accuracy", `${fixed(100 * now.accuracy, 1)} %`, `${fixed(100 * then.accuracy, 1)} %`, `${signed(100 * (now.accuracy - then.accuracy), 1)} pt`],
    ["timesteps", fixed(now.mean, 3), fixed(then.mean, 3), ratio(now.mean / then.mean)],
    ...costs.map(([name, a, b, unit]) => [name, quantity(a, unit, b), quantity(b, unit), ratio(a / b)]),
    ["area", `${fixed(now.area, 1)} mm\u00b2`, `${fixed(then.area, 1)} mm\u00b2`, ratio(now.area / then.area)]];
}

// --- pictures -----------------------------------------------------------------------

const PART_CLASSES = { converters: "bar", accumulation: "bar warn", "buffers and wires": "bar third", leakage: "bar other",
  "exit checks": "bar fifth" };

function splitPicture(now, then) {
  const marks = ticks(0, 100 * Math.max(1, now.energy / then.energy), 5);
  const words = Object.entries(now.parts).map(([name, pj]) => `${name} ${fixed((100 * pj) / now.energy, 0)} %`).join(", ");
  const picture = plot({ title: "Energy by part", label: `Energy of this chip by part: ${words}.`,
    x: { low: 0, high: 2, ticks: [], label: "left: this chip; right: the static HP-ADC chip" },
    y: { low: 0, high: marks.at(-1), ticks: marks, label: "energy, static HP-ADC chip = 100" } });
  [now, then].forEach(({ parts }, k) => {
    let from = 0;
    Object.entries(parts).forEach(([name, pj]) => {
      const to = from + (100 * pj) / then.energy;
      picture.under.append(bar(picture, k + 0.03, k + 0.28, from, to, { class: PART_CLASSES[name] }));
      if (to - from > 0.07 * marks.at(-1)) picture.over.append(note(picture, k + 0.31, (from + to) / 2, name, { dy: 4, class: "note other" }));
      from = to;
    });
  });
  return picture.root;
}

// Designs far below the best stand on the floor of the picture, with their accuracy beside them.
const FAR_BELOW = 0.1, PAUSE_MS = 600;

// Axes that hold every design at any threshold, whatever else is set: a dot that moves has moved.
function axesOf(data, bytes) {
  const { low, high } = data.spikes, thetas = Array.from({ length: 11 }, (_, k) => k / 10), flags = [false, true];
  const cheap = { spikes: low, leakage: false }, dear = { spikes: high, leakage: true };
  const ends = [cheap, dear].flatMap((bill) => Object.keys(data.converters).flatMap((converter) => data.sizes.flatMap((rows) =>
    data.muxes.flatMap((mux) => flags.flatMap((several) => [0, 1].map((theta) =>
      designNumbers(data, bytes, { ...bill, converter, rows, mux, several, theta })))))));
  const right = thetas.flatMap((theta) => allDesigns(data, bytes, { ...data.reference, theta })).map(({ accuracy }) => accuracy), best = Math.max(...right);
  const edps = ends.map(({ edp }) => edp);
  return { decades: decadeTicks(Math.min(...edps), Math.max(...edps)),
    marks: ticks(100 * Math.min(...right.filter((accuracy) => accuracy >= best - FAR_BELOW)) - 0.2, Math.min(100, 100 * best + 0.2), 5) };
}

// `before` is where the reader's chip stood when he last paused.
function frontPicture(points, at, then, { decades, marks }, before) {
  const own = points[at], floor = marks[0], { scale: size, unit } = unitFor(then.edp, "pJ ns"), front = paretoFront(points);
  const untrained = points.filter(({ trained }) => !trained).length;
  const picture = plot({ title: "All converters and sizes, this threshold",
    label: `Accuracy against EDP of ${points.length} designs: this chip at ${fixed(100 * own.accuracy, 1)} % and ${quantity(own.edp, "pJ ns", then.edp)}; ${front.length} are on the Pareto front${untrained ? `, from which ${untrained} are left out that were not trained for their arrays` : ""}.`,
    x: { low: decades[0], high: decades.at(-1), ticks: decades.filter((_, k) => k % 2 === 0), label: `EDP (${unit})`, log: true, format: (value) => String(value / size) },
    y: { low: floor, high: marks.at(-1), ticks: marks, label: `right (%); dashed: Pareto front${untrained ? "; grey: untrained" : ""}` } });
  const place = ({ edp, accuracy }) => [edp, Math.max(floor, 100 * accuracy)];
  if (front.length > 1) picture.under.append(line(picture, front.map((k) => place(points[k])), { class: "line other" }));
  points.forEach((each, k) => {
    const low = 100 * each.accuracy < floor;
    if (k !== at) picture.over.append(dot(picture, ...place(each), { class: low || !each.trained ? "dot other" : "dot", r: 3.5 }));
    if (low) picture.over.append(note(picture, ...place(each), `${fixed(100 * each.accuracy, 0)} %`, { dy: -9, "text-anchor": "middle", class: "note other" }));
  });
  if (before) picture.under.append(line(picture, [place(before), place(own)], { class: "line ghost" }), dot(picture, ...place(before), { class: "ghost" }));
  picture.over.append(dot(picture, ...place(own), { class: "dot now" }));
  nameDots(picture, points.map((each) => [...place(each), `${each.name}: ${fixed(100 * each.accuracy, 1)} %${each.trained ? "" : ", untrained"}`]));
  return picture.root;
}

// Designs that no other beats in both accuracy and EDP, by rising EDP; those that nobody trained are no choice.
function paretoFront(points) {
  const order = points.map((_, k) => k).filter((k) => points[k].trained !== false).sort((a, b) => points[a].edp - points[b].edp || points[b].accuracy - points[a].accuracy);
  let best = -1;
  return order.filter((k) => points[k].accuracy > best && ((best = points[k].accuracy), true));
}

// --- the view -------------------------------------------------------------------------

const fieldsOf = ({ converters, sizes, muxes, spikes, positions }) => ({
  converter: { kind: "choice", label: "converter of a column", options: () => Object.entries(converters).map(([key, { name }]) => [key, name]) },
  rows: { kind: "choice", label: "rows of an array", options: () => sizes.map((size) => [size, size]) },
  theta: { kind: "number", label: "exit threshold \u03b8 (0: never stop early)", low: 0, high: 1, step: 1 / (positions - 1) },
  mux: { kind: "choice", label: "columns that share a converter", options: () => muxes.map((mux) => [mux, mux]), more: true },
  spikes: { kind: "number", label: "spikes, times the recorded rate", ...spikes, more: true },
  several: { kind: "flag", label: "a conversion may take several clock cycles", more: true },
  leakage: { kind: "flag", label: "bill leakage as well", more: true },
});

// Every converter and size at this threshold, each with the mux its chip is built with.
function allDesigns(data, bytes, state) {
  return Object.entries(data.converters).flatMap(([converter, { mux }]) => data.sizes.map((rows) => {
    const own = converter === state.converter && rows === state.rows;
    return { own, name: `${data.converters[converter].name}, ${rows} rows`, ...designNumbers(data, bytes, { ...state, converter, rows, mux: own ? state.mux : mux }) };
  }));
}

function designSentence(now, then) {
  return `This chip answers ${fixed(100 * now.accuracy, 1)} % right with ${change(now.energy / then.energy)} energy, `
    + `${change(now.delay / then.delay)} delay and ${change(now.edp / then.edp)} EDP than the static HP-ADC chip.`
    + (now.trained ? "" : " Its network was only calibrated for these arrays, not trained: no design to choose.");
}

function designPython({ python: recipe, reference }, state) {
  const settings = Object.entries(state).filter(([name, value]) => value !== reference[name]).map(([name, value]) => `"${name}": ${typeof value === "boolean" ? (value ? "True" : "False") : JSON.stringify(value)}`);
  return [
    ...recipe.imports,
    "from dtsnn_lite.widgets.design_explorer import REFERENCE, design_numbers, design_rows", "",
    `designs = ${recipe.designs}`,
    settings.length ? `chip = {**REFERENCE, ${settings.join(", ")}}` : "chip = REFERENCE",
    "for name, now, then, ratio in design_rows(design_numbers(designs, chip), design_numbers(designs, REFERENCE)):",
    "    print(name, now, then, ratio)",
    "",
  ].join("\n");
}

function render({ model, el }) {
  const data = model.get("data"), bytes = bytesOf(model.get("bytes")), then = designNumbers(data, bytes, data.reference);
  const numbers = html("div", { class: "numbers" }), split = html("div", { class: "panel" }), front = html("div", { class: "panel" });
  const view = html("div", { class: "view" }, html("div", { class: "panels" }, front, split), numbers), axes = axesOf(data, bytes);
  let table, drawn = null, before = null, moved = 0;

  function draw(state) {
    const now = designNumbers(data, bytes, state), rows = designRows(now, then), points = allDesigns(data, bytes, state);
    split.replaceChildren(splitPicture(now, then));
    if (drawn && performance.now() - moved > PAUSE_MS) before = drawn;
    drawn = now;
    moved = performance.now();
    front.replaceChildren(frontPicture(points, points.findIndex(({ own }) => own), then, axes, before));
    if (!table) numbers.append((table = numberTable(data.caption, ["", "this chip", "static HP-ADC", "ratio"], rows)).root);
    table.set(rows);
    return { brief: `accuracy ${fixed(100 * now.accuracy, 1)} percent, EDP ${fixed(now.edp / then.edp, 3)} times`, sentence: designSentence(now, then) };
  }

  const row = (state) => {
    const rows = designRows(designNumbers(data, bytes, state), then);
    return [["converter", "rows", "theta", ...rows.map(([head]) => head)], [state.converter, state.rows, state.theta, ...rows.map((cells) => cells[1])]];
  };
  const adjust = (name, value) => (name === "converter" ? { converter: value, mux: data.converters[value].mux } : { [name]: value });
  return explorer({ model, el, title: model.get("heading"), fields: fieldsOf(data), view, draw, row, adjust,
    python: data.python ? (state) => designPython(data, state) : undefined }).close;
}

export { allDesigns, designNumbers, designRows, paretoFront, stepCost };
export default { render };
