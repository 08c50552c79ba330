// Two leaky integrate-and-fire neurons side by side, on one input that the reader makes.

import { bar, dot, explorer, fixed, html, line, note, numberTable, plot, svg, ticks } from "./core.js";
import { clock, switched, switches } from "./machine.js";

const PHASES = ["leak", "input", "reset"];      // of a timestep: one tick of the clock each
const TICK_MS = 260;
const PAPERS = { beta: 0.5, v_th: 1, reset: "hard" };      // what LIF() is: copied lines leave it out
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

// What the vessel holds at each tick of the clock: at first nothing, then of each step beta u, h and u.
function levelsOf({ h, u }, { beta }) {
  return [0, ...h.flatMap((potential, t) => [beta * (t ? u[t - 1] : 0), potential, u[t]])];
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
  const python = ({ name, beta, v_th, reset }) => {
    const own = [...(beta === PAPERS.beta ? [] : [`beta=${beta}`]), ...(v_th === PAPERS.v_th ? [] : [`v_th=${v_th}`]),
      ...(reset === PAPERS.reset ? [] : ["hard_reset=False"])];
    return `    "${name}": LIF(${own.join(", ")}),`;
  };
  return ["import torch", "from dtsnn_lite.neurons import LIF, lif_loop", "",
    `current = torch.full((${steps},), ${state.current}, dtype=torch.float64)`,
    ...(state.spikes.length ? [`current[[${state.spikes.join(", ")}]] += ${state.weight}`] : []),
    "for name, lif in {", ...neurons(state).map(python), "}.items():",
    "    s, _ = lif_loop(current, lif)",
    '    print(f"{name}: {int(s.sum())} spikes, rate {s.mean():.3f}")', ""].join("\n");
}

// --- pictures ---------------------------------------------------------------------

const COLOURS = { A: "", B: " third" };

// A vessel that leaks, fills and is emptied, and beside it, on the same axis, what has happened so far:
// dots for h, before the reset, and a line of steps for u, after it.
function membrane(neuron, trace, tick) {
  const { name, beta, v_th, reset } = neuron, steps = trace.h.length, marks = ticks(0, 1.1 * Math.max(v_th, ...trace.h), 4), high = marks.at(-1);
  const picture = plot({ title: `Neuron ${name}: \u03b2 = ${beta}, ${reset} reset`, label: membraneWords(neuron, trace, tick), height: TALL,
    x: { low: -VESSEL.room, high: steps, ticks: ticks(0, steps, 3), label: "timestep" },
    y: { low: 0, high, ticks: marks, label: "dots: h, before reset; line: u, after; dashed: threshold" } });
  const reached = Math.floor(tick / 3), seen = Math.floor((tick + 1) / 3);       // steps that are over; steps whose h is known
  const path = trace.u.slice(0, reached).flatMap((u, t) => [[t, u], [t + 1, u]]), fired = trace.s.slice(0, reached).flatMap((s, t) => (s ? [t] : []));
  picture.under.append(line(picture, [[-VESSEL.room, v_th], [steps, v_th]], { class: "line other" }),
    ...fired.map((t) => line(picture, [[t, trace.h[t]], [t, trace.u[t]]], { class: "line fall" })),
    line(picture, path, { class: `line${COLOURS[name]}` }),
    ...trace.h.slice(0, seen).map((h, t) => dot(picture, t, h, { class: trace.s[t] ? "dot now" : `dot${COLOURS[name]}`, r: 2.6 })));
  picture.over.append(...fired.map((t) => spark(picture, t)), ...vessel(picture, neuron, trace, tick, high));
  return picture.root;
}

const TALL = 172, VESSEL = { room: 7, left: -5.6, right: -1.4 };

function spark(picture, t) {
  const x = picture.x(t), y = picture.box.top;
  return svg("line", { class: "line warn", x1: fixed(x, 1), x2: fixed(x, 1), y1: fixed(y - 8, 1), y2: fixed(y, 1) });
}

// What is in it, what it has just lost (pale) or been given (bright), and the word for it.
function vessel(picture, neuron, trace, tick, high) {
  const levels = levelsOf(trace, neuron), now = levels[tick], before = levels[Math.max(0, tick - 1)], phase = tick ? PHASES[(tick - 1) % 3] : "";
  const fires = phase === "reset" && trace.s[Math.ceil(tick / 3) - 1] === 1, block = (low, top, kind) => bar(picture, VESSEL.left, VESSEL.right, low, top, { class: kind });
  const words = { "": "empty", leak: "leaks", input: "fills: h", reset: fires ? "fires" : "u" }[phase];
  return [svg("rect", { class: "vessel", x: fixed(picture.x(VESSEL.left), 1), width: fixed(picture.x(VESSEL.right) - picture.x(VESSEL.left), 1),
    y: fixed(picture.y(high), 1), height: fixed(picture.y(0) - picture.y(high), 1) }),
    now < before ? block(now, before, fires ? "bar lost fires" : "bar lost") : null,
    block(0, Math.min(now, before), `bar${COLOURS[neuron.name]}`),
    now > before ? block(before, now, "bar given") : null,
    line(picture, [[VESSEL.left, neuron.v_th], [VESSEL.right, neuron.v_th]], { class: "line bar-top" }),
    note(picture, (VESSEL.left + VESSEL.right) / 2, 0, words, { dy: 15, "text-anchor": "middle", class: fires ? "note now" : "note" })].filter(Boolean);
}

// What happens at a tick of the clock, to neuron A.
function tickWords({ name, beta, v_th, reset }, trace, currents, tick) {
  const t = Math.ceil(tick / 3), number = (value) => fixed(value, 3);
  if (!tick) return "At first nothing is in either vessel: u = 0.";
  const before = t > 1 ? trace.u[t - 2] : 0, h = trace.h[t - 1], u = trace.u[t - 1], start = `t = ${t}, neuron ${name}`;
  switch (PHASES[(tick - 1) % 3]) {
    case "leak": return `${start} leaks: of ${number(before)}, ${number(beta * before)} is left.`;
    case "input": return `${start} takes in ${number(currents[t - 1])}: h = ${number(h)}.`;
    default: return trace.s[t - 1] ? `${start}: h = ${number(h)} is above ${v_th}, so it fires; ${reset === "hard" ? "u falls to 0" : `u keeps ${number(u)}`}.`
      : `${start}: h is not above ${v_th}, so it is silent; u = ${number(u)}.`;
  }
}

function membraneWords({ name, beta, v_th, reset }, { s }, tick) {
  const over = Math.floor(tick / 3), fired = s.slice(0, over).flatMap((spike, t) => (spike ? [t + 1] : []));
  return `Membrane potential of neuron ${name} with beta ${beta}, threshold ${v_th} and ${reset} reset, up to step ${over} of ${s.length}: `
    + `${fired.length ? `it fires at ${fired.join(", ")}` : "it has not fired"}.`;
}

function ratePicture(state, both) {
  const words = both.map(({ name, curve }) => `neuron ${name} ${startWords(curve)}`).join(", ");
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

function startWords(curve) {
  const silent = curve.filter(([, rate]) => rate === 0).at(-1), [strongest] = curve.at(-1);
  if (silent?.[0] === strongest) return `never fires, at most at ${fixed(strongest, 3)}`;
  return `starts to fire above ${silent ? fixed(silent[0], 3) : "0"}`;
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
  const steps = model.get("steps"), panels = html("div", { class: "panels" }), rates = html("div", { class: "panel" }), numbers = html("div", { class: "panel numbers" });
  const strip = switches({ length: steps, name: "Your own input spikes, one cell a step", label: (t) => `input spike at step ${t + 1}`,
    cell: () => html("button", { class: "cell" }), changed: (t) => shown.set({ spikes: switched(shown.state().spikes, t) }) });
  const time = clock({ ticks: 3 * steps, tick_ms: TICK_MS, shown: reveal, settled: (at) => shown.set({ clock: at }) });
  const a = html("div", { class: "panel" }), b = html("div", { class: "panel" }), stage = html("div", { class: "machine" }, time.root, html("div", { class: "panels" }, a, b));
  const own = html("div", {}, html("p", { class: "head" }, "Your own spikes: click, or walk with the arrow keys and press Space"), strip.root);
  const view = html("div", { class: "view" }, own, panels);
  strip.root.setAttribute("class", "strip");
  panels.append(rates, numbers);
  let table, now;

  // The picture at a tick: the clock's own hand moves this, and nothing else.
  function reveal(tick) {
    const { pair, traces, currents } = now;
    a.replaceChildren(membrane(pair[0], traces[0], tick));
    b.replaceChildren(membrane(pair[1], traces[1], tick));
    time.put(tick, tickWords(pair[0], traces[0], currents, tick));
  }

  function draw(state) {
    const pair = neurons(state), currents = inputOf(state, steps), traces = pair.map((neuron) => lifTrace(currents, neuron));
    const rows = lifRows(traces);
    now = { pair, currents, traces };
    reveal(time.running() ? time.at() : state.clock);
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
  const fields = { ...FIELDS, spikes: { kind: "marks", label: "your spikes", length: steps, row: own },
    clock: { kind: "number", label: "the clock", low: 0, high: 3 * steps, step: 1, row: time.root } };
  const shown = explorer({ model, el, title: model.get("heading"), fields, stage, view, draw, row, python: (state) => lifPython(state, steps) });
  return () => { time.halt(); shown.close(); };
}

function fires(n) {
  return n === 1 ? "fires once" : n === 0 ? "never fires" : `fires ${n} times`;
}

export { levelsOf, lifTrace };
export default { render };
