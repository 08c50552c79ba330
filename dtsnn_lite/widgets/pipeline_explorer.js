// Timesteps of images on their way through the layers of a chip: every layer waits for the slowest, and a look at the score is worth a whole way.

import { change, explorer, fixed, html, imports, numberTable, quantity, ratio, svg, text, ticks, unitFor } from "./core.js";
import { clock } from "./machine.js";

const FRAMES = 60, TICK_MS = 130;

// --- the pipeline: the same sums and maxima as Python's --------------------------------------

// Everything that passes, in the order in which it enters: { image, step, steps, starts, ends }.
function passes({ exits, timesteps: T }, { times_ns, check_ns }, order, stopping) {
  const free = times_ns.map(() => 0), done = [], lengths = exits.map((t) => (stopping ? t : T));
  const sent = (image, step, steps, ready) => {
    const starts = [], ends = [];
    times_ns.forEach((time, l) => {
      starts.push(Math.max(l ? ends[l - 1] : ready, free[l]));
      ends.push((free[l] = starts[l] + steps * time));
    });
    done.push({ image, step, steps, starts, ends });
    return stopping ? ends.at(-1) + check_ns : ends[0];      // when the image's next step is ready
  };
  if (order === "layer") {
    exits.forEach((_, image) => sent(image, 1, T, 0));
    return done;
  }
  if (order === "timestep") {
    let ready = 0;
    lengths.forEach((length, image) => { for (let step = 1; step <= length; step++) ready = sent(image, step, 1, ready); });
    return done;
  }
  const waiting = new Map(exits.map((_, image) => [image, [1, 0]]));
  while (waiting.size) {
    const now = Math.max(free[0], Math.min(...[...waiting.values()].map(([, ready]) => ready)));
    const image = Math.min(...[...waiting].filter(([, [, ready]]) => ready <= now).map(([each]) => each)), [step, ready] = waiting.get(image);
    waiting.delete(image);
    const next = sent(image, step, 1, ready);
    if (step < lengths[image]) waiting.set(image, [step + 1, next]);
  }
  return done;
}

function timing(data, chip, order, stopping) {
  const looked = stopping && order !== "layer" ? chip.check_ns : 0, done = passes(data, chip, order, stopping);
  const of = (image) => done.filter((each) => each.image === image);
  const left = data.exits.map((_, image) => Math.max(...of(image).map(({ ends }) => ends.at(-1))) + looked);
  const delays = left.map((end, image) => end - Math.min(...of(image).map(({ starts }) => starts[0])));
  const total = Math.max(...left), steps = done.reduce((all, each) => all + each.steps, 0);
  return { done, left, looked, delays, total, steps, busy: (steps * Math.max(...chip.times_ns)) / total };
}

// [row head, stops when sure, always T, ratio], as pipeline_rows in Python.
function pipelineRows(data, chip, order) {
  const [now, then] = [true, false].map((stopping) => timing(data, chip, order, stopping)), mean = ({ delays }) => delays.reduce((a, b) => a + b, 0) / delays.length;
  const cost = (name, of) => [name, quantity(of(now), "ns", of(then)), quantity(of(then), "ns"), ratio(of(now) / of(then))];
  return [cost("all images", ({ total }) => total), cost("an image (1 / throughput)", ({ total, delays }) => total / delays.length), cost("mean delay of an image", mean),
    ["slowest layer works", `${fixed(100 * now.busy, 0)} %`, `${fixed(100 * then.busy, 0)} %`, ""],
    ["timesteps computed", String(now.steps), String(then.steps), ratio(now.steps / then.steps)]];
}

// --- words -----------------------------------------------------------------------------------

const letter = (image) => "ABCDEF"[image];
const nameOf = ({ image, step, steps }) => `${letter(image)}${step}${steps > 1 ? `\u2013${step + steps - 1}` : ""}`;

function slowest({ names, times_ns }) {
  return names[times_ns.indexOf(Math.max(...times_ns))];
}

function pipelineSentence(data, chip, { order }, rows) {
  const now = timing(data, chip, order, true), then = timing(data, chip, order, false);
  if (order === "layer") return `Layer first, an exit saves nothing: before the last layer speaks for the first time, the others have done all ${data.timesteps} timesteps.`;
  return `Leaving when sure, ${data.exits.length} images take ${change(now.total / then.total)} time than always running ${data.timesteps}; `
    + `the slowest layer, ${slowest(chip)}, works ${rows[3][1]} of it.`;
}

// --- the picture -------------------------------------------------------------------------------

const WIDTH = 340, LEFT = 46, RIGHT = 34, BOX = 40, ROW = 22;
const NOTES = [" accent", " warn", " third", " fourth", " other", " fifth"];
const KINDS = ["", " warn", " third", " fourth", " other", " fifth"];

// Where everything is at a time: { where: layer, share } of what runs, the layer that it waits for, or "check".
function placesAt({ done, looked }, time) {
  return done.flatMap((each) => {
    const { starts, ends } = each, last = ends.length - 1;
    if (time < starts[0] || time >= ends[last] + looked) return [];
    if (time >= ends[last]) return [{ ...each, at: "check" }];
    const layer = ends.findIndex((end) => time < end);
    return [time >= starts[layer] ? { ...each, at: layer, share: (time - starts[layer]) / (ends[layer] - starts[layer]) } : { ...each, at: layer, share: null }];
  });
}

function token(x, y, each) {
  const wide = each.steps > 1;
  return svg("g", {}, svg("rect", { class: `bar${KINDS[each.image]}`, x: fixed(x - (wide ? 15 : 10), 1), y: fixed(y - 8, 1), width: wide ? 30 : 20, height: 16, rx: 8 }),
    text(x, y + 4, nameOf(each), { class: "token", "text-anchor": "middle" }));
}

function strip(data, chip, now, time) {
  const L = chip.names.length, wide = (WIDTH - LEFT - RIGHT) / L, x = (l) => LEFT + wide * l, top = 34, bottom = top + BOX, slow = chip.names.indexOf(slowest(chip));
  const here = placesAt(now, time), out = data.exits.map((_, image) => time >= now.left[image]), inside = new Set(here.map(({ image }) => image));
  const queue = data.exits.flatMap((_, image) => {
    if (out[image] || inside.has(image)) return [];
    return [now.done.find((each) => each.image === image && each.starts[0] >= time) ?? now.done.find((each) => each.image === image)];
  });
  const waits = here.filter(({ share }) => share === null), stacked = (each) => waits.filter(({ at }) => at === each.at).indexOf(each);
  const boxes = chip.names.map((name, l) => [svg("rect", { class: l === slow ? "stage slow" : "stage", x: fixed(x(l) + 3, 1), y: top, width: fixed(wide - 6, 1), height: BOX, rx: 5 }),
    text(x(l) + wide / 2, bottom + 14, name, { class: "axis", "text-anchor": "middle" }), text(x(l) + wide / 2, bottom + 28, quantity(chip.times_ns[l], "ns"), { class: l === slow ? "note now" : "axis", "text-anchor": "middle" })]);
  return svg("svg", { viewBox: `0 0 ${WIDTH} ${bottom + 34}`, role: "img", "aria-label": `The layers as a pipeline, after ${timeWords(chip, now, time, data)}` },
    text(0, 13, "Where everybody is", { class: "title" }), ...boxes.flat(),
    text(0, bottom + 14, "waiting", { class: "axis" }), text(WIDTH, bottom + 14, "left", { class: "axis", "text-anchor": "end" }),
    ...queue.map((each, n) => token(12 + 7 * (n % 3), top + 8 + 8 * n, each)),
    ...here.map((each) => (each.at === "check" ? token(WIDTH - RIGHT - 4, top - 4, each)
      : each.share === null ? token(x(each.at) + 2, bottom - 8 - 9 * stacked(each), each) : token(x(each.at) + 14 + (wide - 28) * each.share, top + BOX / 2, each))),
    ...data.exits.flatMap((_, image) => (out[image] ? [text(WIDTH, top + 6 + 11 * [...out.keys()].filter((n) => out[n] && n < image).length, letter(image), { class: `note${NOTES[image]}`, "text-anchor": "end" })] : [])));
}

// Who is where when, a row a layer, pale where it is still to come; the axis is the chip's, whatever the order.
function timetable(data, chip, now, time, end) {
  const x = (ns) => LEFT + (ns / end) * (WIDTH - LEFT - 6), top = 50, L = chip.names.length, floor = top + ROW * L;
  const { scale, unit } = unitFor(end, "ns"), marks = ticks(0, end / scale, 5).filter((mark) => mark * scale <= end);
  const bars = now.done.flatMap((each) => each.starts.flatMap((start, l) => {
    const from = x(start), wide = x(each.ends[l]) - from, over = x(Math.min(each.ends[l], Math.max(start, time))) - from, y = top + ROW * l + 2;
    const piece = (width, kind) => svg("rect", { class: `bar piece${KINDS[each.image]}${kind}`, x: fixed(from, 1), y, width: fixed(width, 1), height: ROW - 5, rx: 2 });
    return [over < wide ? piece(wide, " later") : null, over > 0 ? piece(over, "") : null,
      over === wide && wide > (each.steps > 1 ? 32 : 13) ? text(from + wide / 2, y + 12.5, nameOf(each), { class: wide > 19 ? "token" : "token small", "text-anchor": "middle" }) : null];
  }));
  const leaves = now.left.flatMap((at, image) => (at <= time ? [svg("line", { class: `line${KINDS[image]}`, x1: fixed(x(at), 1), x2: fixed(x(at), 1), y1: top - 4, y2: floor }),
    text(x(at), top - 7, letter(image), { class: `note${NOTES[image]}`, "text-anchor": "middle" })] : []));
  const words = now.left.map((at, image) => `${letter(image)} after ${quantity(at, "ns", end)}`).join(", ");
  return svg("svg", { viewBox: `0 0 ${WIDTH} ${floor + 34}`, role: "img", "aria-label": `Timetable of the layers; the images leave, ${words}.` },
    text(0, 13, "Who is where when", { class: "title" }), text(WIDTH, 13, "a letter above: it leaves", { class: "axis", "text-anchor": "end" }),
    ...marks.flatMap((mark) => [svg("line", { class: "grid", x1: fixed(x(mark * scale), 1), x2: fixed(x(mark * scale), 1), y1: top, y2: floor }),
      text(x(mark * scale), floor + 15, String(mark), { class: "tick", "text-anchor": "middle" })]),
    text(WIDTH, floor + 30, `time (${unit})`, { class: "axis", "text-anchor": "end" }),
    ...chip.names.map((name, l) => text(LEFT - 6, top + ROW * l + 15, name, { class: "axis", "text-anchor": "end" })), ...bars, ...leaves,
    svg("line", { class: "base", x1: fixed(x(time), 1), x2: fixed(x(time), 1), y1: top - 4, y2: floor }));
}

function timeWords(chip, now, time, data) {
  const here = placesAt(now, time).map((each) => `${nameOf(each)} ${each.at === "check" ? "is looked at" : each.share === null ? `waits for ${chip.names[each.at]}` : `in ${chip.names[each.at]}`}`);
  const gone = data.exits.flatMap((_, image) => (time >= now.left[image] ? [letter(image)] : []));
  return `${quantity(time, "ns", now.total)}: ${gone.length === data.exits.length ? "all have left" : [here.join(", ") || "nothing runs", gone.length ? `left: ${gone.join(", ")}` : ""].filter(Boolean).join("; ")}.`;
}

// --- the view --------------------------------------------------------------------------------------

function render({ model, el }) {
  const data = model.get("data"), drawing = html("div", { class: "panels" }), numbers = html("div", { class: "numbers" });
  const time = clock({ ticks: FRAMES, tick_ms: TICK_MS, shown: reveal, settled: (at) => shown.set({ clock: at }) });
  const stage = html("div", { class: "machine" }, time.root, drawing);
  const note = html("p", { class: "hint" }, "A letter is an image, a number its timestep. The layer with the orange time is the slowest: no two timesteps leave the pipeline in less.");
  const view = html("div", { class: "view" }, note, numbers), named = (state) => data.chips.find(({ name }) => name === state.chip) ?? data.chips[0];
  const fields = {
    order: { kind: "choice", label: "what goes next?", options: () => data.orders, wide: true },
    chip: { kind: "choice", label: "hardware", options: () => data.chips.map(({ name }) => [name, name]) },
    stopping: { kind: "flag", label: "images leave when sure", needs: (state) => state.order !== "layer" },
    clock: { kind: "number", label: "the clock", low: 0, high: FRAMES, step: 1, row: time.root },
  };
  let table, now;

  function reveal(tick) {
    const { chip, run, end } = now, at = (run.total * tick) / FRAMES;
    drawing.replaceChildren(html("div", { class: "panel" }, strip(data, chip, run, at)), html("div", { class: "panel" }, timetable(data, chip, run, at, end)));
    time.put(tick, `After ${timeWords(chip, run, at, data)}`);
  }

  function draw(state) {
    const chip = named(state), rows = pipelineRows(data, chip, state.order);
    const end = Math.max(...data.orders.flatMap(([order]) => [true, false].map((stopping) => timing(data, chip, order, stopping).total)));
    now = { chip, end, run: timing(data, chip, state.order, state.stopping) };
    reveal(time.running() ? time.at() : state.clock);
    if (!table) numbers.append((table = numberTable(`${data.exits.length} images, all there from the start`, ["", "stops when sure", `always ${data.timesteps}`, "ratio"], rows)).root);
    table.set(rows);
    return { brief: `${data.exits.length} images take ${rows[0][1]}, always ${data.timesteps}: ${rows[0][2]}`, sentence: pipelineSentence(data, chip, state, rows) };
  }

  const row = (state) => {
    const rows = pipelineRows(data, named(state), state.order);
    return [["order", "hardware", ...rows.map(([head]) => head)], [state.order, named(state).name, ...rows.map((cells) => cells[1])]];
  };
  const python = (state) => {
    const { names, lines } = named(state).python;
    return [...imports([...names, "dtsnn_lite.widgets.pipeline_explorer Stages", "dtsnn_lite.widgets.pipeline_explorer pipeline_rows"]), "", ...lines,
      `for row in pipeline_rows(stages, [${data.exits.join(", ")}], ${data.timesteps}, "${state.order}"):`, "    print(*row)", ""].join("\n");
  };
  const shown = explorer({ model, el, title: model.get("heading"), fields, stage, view, draw, row, python });
  return () => { time.halt(); shown.close(); };
}

export { passes, pipelineRows };
export default { render };
