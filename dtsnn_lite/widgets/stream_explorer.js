// Digits in a stream: each arrives, waits until the lane is free, runs, and leaves through its own exit.
//
// As in the exit explorer, Python ships for each digit and t < T the first slider position at which it has left by t.

import { bytesOf, change, explorer, fixed, html, numberTable, quantity, ratio, svg, text, ticks } from "./core.js";

const POSITIONS = 201;

// --- arithmetic -----------------------------------------------------------------------

// Exit step, 1-based, of each digit.
function exitSteps({ labels, timesteps: T }, codes, theta) {
  const j = Math.round(theta * (POSITIONS - 1));
  return labels.map((_, n) => {
    for (let t = 0; t < T - 1; t++) if (codes[t * labels.length + n] <= j) return t + 1;
    return T;
  });
}

// First come, first served: start_n = max(n spacing, leave_{n-1}), leave_n = start_n + run_n.
function lane(runs, spacing) {
  let free = 0;
  return runs.map((run, n) => {
    const arrives = spacing * n, starts = Math.max(arrives, free);
    free = starts + run;
    return { arrives, starts, leaves: free };
  });
}

function mean(numbers) {
  return numbers.reduce((a, b) => a + b, 0) / numbers.length;
}

function stream(data, codes, { theta, spacing }) {
  const exits = exitSteps(data, codes, theta), T = data.timesteps;
  const lanes = [exits.map((t) => data.latency_ns[t - 1]), exits.map(() => data.static.latency_ns)].map((runs) => lane(runs, spacing * data.step_ns));
  const right = (steps) => data.labels.filter((label, n) => data.said[n][steps[n] - 1] === label).length;
  const delays = lanes.map((each) => each.map(({ arrives, leaves }) => leaves - arrives));
  return { exits, lanes, right: [right(exits), right(exits.map(() => T))], last: lanes.map((each) => each.at(-1).leaves / each.length),
    mean: delays.map(mean), worst: delays.map((each) => Math.max(...each)),
    energy: [mean(exits.map((t) => data.energy_pj[t - 1])), data.static.energy_pj] };
}

// [row head, stops when sure, always T, ratio], as stream_rows in Python.
function streamRows({ labels }, { right, last, mean: average, worst, energy }) {
  const cost = (name, unit, [now, then]) => [name, quantity(now, unit, then), quantity(then, unit), ratio(now / then)];
  return [["right answers", ...right.map((count) => `${count} of ${labels.length}`), ""], cost("time a digit", "ns", last),
    cost("mean delay", "ns", average), cost("worst delay", "ns", worst), cost("energy a digit", "pJ", energy)];
}

// --- the picture ------------------------------------------------------------------------

const WIDTH = 340, LEFT = 22, ROW = 19, TOP = 44;

// Two bars a digit: above it stops when sure, below it always runs T; pale is waiting.
function timetable(data, { exits, lanes }) {
  const N = data.labels.length, T = data.timesteps, end = Math.max(...lanes.flat().map(({ leaves }) => leaves)), floor = TOP + N * ROW;
  const x = (ns) => LEFT + (ns / end) * (WIDTH - LEFT - 4), steps = end / data.step_ns;
  const box = (from, to, y, height, attributes) => svg("rect", { x: fixed(x(from), 1), width: fixed(Math.max(0, x(to) - x(from)), 1), y, height, ...attributes });
  const bars = data.labels.flatMap((label, n) => lanes.flatMap((each, k) => {
    const { arrives, starts, leaves } = each[n], y = TOP + n * ROW + 8 * k, wrong = !k && data.said[n][exits[n] - 1] !== label;
    return [box(arrives, starts, y + 2, 3, { class: "bar waits" }), box(starts, leaves, y, 7, { class: k ? "bar other" : wrong ? "bar warn" : "bar" })];
  }));
  const marks = ticks(0, steps, 5).filter((tick) => tick <= steps);
  const words = exits.map((t, n) => `${data.labels[n]} after ${t}`).join(", ");
  return svg("svg", { viewBox: `0 0 ${WIDTH} ${floor + 36}`, role: "img", "aria-label": `Timetable of the stream: the digits leave after so many timesteps of their own, ${words}.` },
    text(0, 13, "Who runs when", { class: "title" }), text(0, 31, `above: stops when sure; grey: always ${T}; thin: waits`, { class: "axis" }),
    marks.map((tick) => [svg("line", { class: "grid", x1: fixed(x(tick * data.step_ns), 1), x2: fixed(x(tick * data.step_ns), 1), y1: TOP - 4, y2: floor }),
      text(x(tick * data.step_ns), floor + 14, String(tick), { class: "tick", "text-anchor": "middle" })]).flat(),
    text(WIDTH, floor + 30, "time, in timesteps of the chip", { class: "axis", "text-anchor": "end" }),
    data.labels.map((label, n) => text(12, TOP + n * ROW + 11, String(label), { class: "note", "text-anchor": "end" })), bars);
}

function render({ model, el }) {
  const data = model.get("data"), codes = bytesOf(model.get("bytes")), T = data.timesteps;
  const panel = html("div", { class: "panel" }), numbers = html("div", { class: "panel numbers" });
  const view = html("div", { class: "panels" }, panel, numbers);
  let table;
  const fields = {
    theta: { kind: "number", label: "the bar \u03b8: stop once entropy is below", low: 0, high: 1, step: 1 / (POSITIONS - 1) },
    spacing: { kind: "number", label: "timesteps between two arrivals", low: 0.5, high: 4, step: 0.1 },
  };

  function draw(state) {
    const now = stream(data, codes, state), rows = streamRows(data, now);
    panel.replaceChildren(timetable(data, now));
    if (!table) numbers.append((table = numberTable(`${data.labels.length} digits, one after the other`, ["", "stops when sure", `always ${T}`, "ratio"], rows)).root);
    table.set(rows);
    return { brief: `mean delay ${rows[2][1]}, always ${T}: ${rows[2][2]}`,
      sentence: `The stream takes ${change(now.last[0] / now.last[1])} time a digit than always running ${T}, ${change(now.energy[0] / now.energy[1])} energy, `
        + `and its mean delay is ${ratio(now.mean[0] / now.mean[1])}; ${rows[0][1]} answers are right.` };
  }

  const row = (state) => {
    const rows = streamRows(data, stream(data, codes, state));
    return [["theta", "spacing", ...rows.map(([head]) => head)], [state.theta, state.spacing, ...rows.map((cells) => cells[1])]];
  };
  return explorer({ model, el, title: model.get("heading"), fields, view, draw, row }).close;
}

export { stream, streamRows };
export default { render };
