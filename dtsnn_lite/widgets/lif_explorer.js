// Two leaky integrate-and-fire neurons side by side, on one input that the reader makes.

import { explorer, fixed, html, line, note, numberTable, plot, ticks } from "./core.js";

const CURRENTS = Array.from({ length: 61 }, (_, k) => Number((0.025 * k).toFixed(3)));
const LONG = 200;                              // steps of the rate curve

// --- the neuron -------------------------------------------------------------------

// h = beta u + i;  s = 1[h > v_th];  u = h (1 - s)  or  h - s v_th
function lifTrace(currents, { beta, v_th, reset }) {
  const h = [], u = [], s = [];
  let before = 0;
  for (const current of currents) {
    const potential = beta * before + current, fires = potential > v_th;
    before = !fires ? potential : reset === "hard" ? 0 : potential - v_th;
    h.push(potential);
    u.push(before);
    s.push(fires ? 1 : 0);
  }
  return { h, u, s };
}

function inputOf(state, steps) {
  const marked = new Set(state.spikes);
  return Array.from({ length: steps }, (_, t) => state.current + (marked.has(t) ? state.weight : 0));
}

function neurons(state) {
  return [{ name: "A", beta: state.beta, v_th: state.v_th, reset: state.reset },
    { name: "B", beta: state.beta_b, v_th: state.v_th_b, reset: state.reset_b }];
}

function count(spikes) {
  return spikes.reduce((sum, s) => sum + s, 0);
}

// Spikes a step under a constant current.
function rateCurve(neuron) {
  return CURRENTS.map((current) => [current, count(lifTrace(new Array(LONG).fill(current), neuron).s) / LONG]);
}

function lifRows(traces) {
  const first = ({ s }) => (s.includes(1) ? String(s.indexOf(1) + 1) : "none");
  return [["spikes", ...traces.map(({ s }) => String(count(s)))],
    ["rate (spikes a step)", ...traces.map(({ s }) => fixed(count(s) / s.length, 3))],
    ["first spike at step", ...traces.map(first)],
    ["highest potential", ...traces.map(({ h }) => fixed(Math.max(...h), 3))]];
}

function lifPython(state, steps) {
  const python = ({ name, beta, v_th, reset }) =>
    `    "${name}": LIF(beta=${beta}, v_th=${v_th}, hard_reset=${reset === "hard" ? "True" : "False"}),`;
  return ["import torch", "from dtsnn_lite.neurons import LIF, lif_loop", "",
    `current = torch.full((${steps},), ${state.current}, dtype=torch.float64)`,
    ...(state.spikes.length ? [`current[[${state.spikes.join(", ")}]] += ${state.weight}`] : []),
    "for name, lif in {", ...neurons(state).map(python), "}.items():",
    "    s, _ = lif_loop(current, lif)",
    '    print(f"{name}: {int(s.sum())} spikes, rate {s.mean():.3f}")', ""].join("\n");
}

// --- pictures ---------------------------------------------------------------------

const COLOURS = { A: "", B: " third" };

// u climbs to h, and where h passes the threshold a spike leaves and u drops.
function membrane(neuron, trace) {
  const { name, beta, v_th, reset } = neuron, steps = trace.h.length, marks = ticks(0, 1.1 * Math.max(v_th, ...trace.h), 5), high = marks.at(-1);
  const picture = plot({ title: `Neuron ${name}: \u03b2 = ${beta}, ${reset} reset`, label: membraneWords(neuron, trace),
    x: { low: 0, high: steps, ticks: ticks(0, steps, 3), label: "timestep" }, y: { low: 0, high, ticks: marks, label: "potential u (dashed: threshold; marks: spikes)" } });
  const path = [[0, 0], ...trace.h.flatMap((h, t) => [[t + 1, h], [t + 1, trace.u[t]]])];
  const fired = trace.s.flatMap((s, t) => (s ? [t + 1] : []));
  picture.under.append(line(picture, [[0, v_th], [steps, v_th]], { class: "line other" }),
    ...fired.map((t) => line(picture, [[t, high * 0.93], [t, high]], { class: "line warn" })),
    line(picture, path, { class: `line${COLOURS[name]}` }));
  return picture.root;
}

function membraneWords({ name, beta, v_th, reset }, { s }) {
  return `Membrane potential of neuron ${name} with beta ${beta}, threshold ${v_th} and ${reset} reset: ${count(s)} spikes in ${s.length} steps.`;
}

function ratePicture(state, both) {
  const words = both.map(({ name, curve }) => `neuron ${name} starts to fire above ${threshold(curve)}`).join(", ");
  const picture = plot({ title: "Rate against constant current", label: `Firing rate against constant current: ${words}.`,
    x: { low: 0, high: 1.5, ticks: [0, 0.5, 1, 1.5], label: "input current i" }, y: { low: 0, high: 1, ticks: [0, 0.25, 0.5, 0.75, 1], label: "spikes a step" } });
  picture.under.append(line(picture, [[state.current, 0], [state.current, 1]], { class: "line other" }));
  both.forEach(({ name, curve }, k) => {
    const [a, b] = curve.find(([, rate]) => rate >= 0.2) ?? curve.at(-1);
    picture.under.append(line(picture, curve, { class: `line${COLOURS[name]}` }));
    const left = k || b < 0.2;      // A stands to the right of its curve, where there is one
    picture.over.append(note(picture, a, b, name, { dx: k ? -8 : left ? -24 : 8, dy: left ? -4 : 8,
      class: k ? "note third" : "note accent", "text-anchor": left ? "end" : "start" }));
  });
  return picture.root;
}

function threshold(curve) {
  const silent = curve.filter(([, rate]) => rate === 0).at(-1);
  return silent ? fixed(silent[0], 3) : "0";
}

// --- the reader's own spikes ---------------------------------------------------------

// One stop for the Tab key; arrows, Home and End walk; Space, Enter or a click makes or takes a spike.
function spikeStrip(steps, changed) {
  const cell = (t) => html("button", { type: "button", class: "cell", tabindex: t ? -1 : 0, "aria-pressed": "false",
    "aria-label": `input spike at step ${t + 1}`, "data-lm-suppress-shortcuts": "true", click: () => { walk(t); changed(t); } });
  const cells = Array.from({ length: steps }, (_, t) => cell(t));
  const walk = (to) => {
    cells.forEach((each, t) => each.setAttribute("tabindex", t === to ? 0 : -1));
    cells[to].focus();
  };
  const root = html("div", { class: "strip", role: "group", "aria-label": "Your own input spikes, one cell a step", keydown: (event) => {
    const at = cells.indexOf(event.target);
    const to = { ArrowRight: at + 1, ArrowLeft: at - 1, Home: 0, End: steps - 1 }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    event.stopPropagation();
    walk(Math.min(steps - 1, Math.max(0, to)));
  } }, cells);
  return { root, show: (spikes) => cells.forEach((each, t) => each.setAttribute("aria-pressed", String(spikes.includes(t)))) };
}

// --- the view -------------------------------------------------------------------------

const RESETS = () => [["hard", "hard: u becomes 0"], ["soft", "soft: u loses the threshold"]];
const FIELDS = {
  current: { kind: "number", label: "input current i", low: 0, high: 1.5, step: 0.025 },
  beta: { kind: "number", label: "\u03b2 of neuron A: fraction of u kept each step", low: 0, high: 1, step: 0.01 },
  v_th: { kind: "number", label: "threshold of neuron A", low: 0.2, high: 2, step: 0.05 },
  reset: { kind: "choice", label: "reset of neuron A", options: RESETS, more: true },
  reset_b: { kind: "choice", label: "reset of neuron B", options: RESETS, more: true },
  beta_b: { kind: "number", label: "\u03b2 of neuron B", low: 0, high: 1, step: 0.01, more: true },
  v_th_b: { kind: "number", label: "threshold of neuron B", low: 0.2, high: 2, step: 0.05, more: true },
  weight: { kind: "number", label: "current of one of your spikes", needs: (state) => state.spikes.length > 0, low: 0, high: 1.5, step: 0.025, more: true },
};

function render({ model, el }) {
  const steps = model.get("steps"), strip = spikeStrip(steps, (t) => shown.set({ spikes: toggled(shown.state().spikes, t) }));
  const panels = html("div", { class: "panels" }), a = html("div", { class: "panel" }), b = html("div", { class: "panel" });
  const rates = html("div", { class: "panel" }), numbers = html("div", { class: "panel numbers" });
  panels.append(a, b, rates, numbers);
  const own = html("div", {}, html("p", { class: "head" }, "Your own spikes: click, or walk with the arrow keys and press Space"), strip.root);
  const view = html("div", { class: "view" }, own, panels);
  let table;

  function draw(state) {
    const pair = neurons(state), currents = inputOf(state, steps), traces = pair.map((neuron) => lifTrace(currents, neuron));
    const rows = lifRows(traces);
    a.replaceChildren(membrane(pair[0], traces[0]));
    b.replaceChildren(membrane(pair[1], traces[1]));
    rates.replaceChildren(ratePicture(state, pair.map((neuron) => ({ name: neuron.name, curve: rateCurve(neuron) }))));
    if (!table) numbers.append((table = numberTable(`In ${steps} steps, one input for both`, ["", "neuron A", "neuron B"], rows)).root);
    table.set(rows);
    strip.show(state.spikes);
    const [spikesA, spikesB] = traces.map(({ s }) => count(s));
    return { brief: `neuron A ${spikesA} spikes, neuron B ${spikesB} spikes`,
      sentence: `In ${steps} steps neuron A ${fires(spikesA)} and neuron B ${fires(spikesB)}.` };
  }

  const row = (state) => {
    const rows = lifRows(neurons(state).map((neuron) => lifTrace(inputOf(state, steps), neuron)));
    const cells = neurons(state).flatMap(({ name, beta, v_th, reset }, k) =>
      [[`${name}: beta`, beta], [`${name}: threshold`, v_th], [`${name}: reset`, reset], [`${name}: rate`, rows[1][k + 1]]]);
    return [["current", ...cells.map(([head]) => head)], [state.current, ...cells.map(([, value]) => value)]];
  };
  const fields = { ...FIELDS, spikes: { kind: "marks", label: "your spikes", length: steps, row: own } };
  const shown = explorer({ model, el, title: model.get("heading"), fields, view, draw, row, python: (state) => lifPython(state, steps) });
  return shown.close;
}

function fires(n) {
  return n === 1 ? "fires once" : n === 0 ? "never fires" : `fires ${n} times`;
}

function toggled(spikes, t) {
  return spikes.includes(t) ? spikes.filter((mark) => mark !== t) : [...spikes, t];
}

export { lifTrace };
export default { render };
