// The event player: a camera's events as they come, opinions that firm up, and the moment at which a network leaves.
//
// Python ships, for each place of the bar, who has left by when: whole numbers, so that the page and Python can never
// disagree. The running means f_t are there to draw opinions and entropies with.

import { bytesOf, change, dot, explorer, fixed, html, imports, line, note, numberTable, plot, quantity, ratio, signed, svg, text, ticks, unitFor } from "./core.js";
import { clock } from "./machine.js";
import { verdict } from "./network.js";

const CELL = 10, TICK_MS = 60, LOW = 1e-12, PLOT_HEIGHT = 172;

// --- arithmetic -----------------------------------------------------------------------

// Where the ones of an array stand, from the zeros before each; 255 zeros go on in the next byte.
function places(bytes) {
  const found = [];
  let at = -1;
  for (const byte of bytes) {
    at += byte;
    if (byte < 255) found.push((at += 1));
  }
  return found;
}

// A set with its events by clip and slice: numbers (side H + y) W + x.
function unpacked(set, slices, bytes) {
  const part = ([start, length]) => bytes.subarray(start, start + length), pixels = 2 * set.size[0] * set.size[1], T = set.timesteps;
  const spoke = set.labels.map(() => Array.from({ length: T * slices }, () => []));
  for (const place of places(part(set.gaps))) {
    const slice = Math.floor(place / pixels);
    spoke[Math.floor(slice / (T * slices))][slice % (T * slices)].push(place % pixels);
  }
  const counts = (where) => { const from = part(where); return Array.from({ length: from.length / 2 }, (_, n) => from[2 * n] | (from[2 * n + 1] << 8)); };
  const f = new Float32Array(part(set.f).slice().buffer), K = set.classes.length;
  return { ...set, spoke, means: (clip) => Array.from({ length: T }, (_, t) => f.subarray((clip * T + t) * K, (clip * T + t + 1) * K)),
    codes: Object.fromEntries(Object.entries(set.codes).map(([gamma, where]) => [gamma, part(where)])),
    left: Object.fromEntries(Object.entries(set.left).map(([gamma, where]) => [gamma, counts(where)])) };
}

// Exit step of a clip, 1-based, as exit_steps in Python.
function exitStep({ codes, labels, timesteps: T }, gamma, place, clip) {
  for (let t = 0; t < T - 1; t++) if (codes[gamma][t * labels.length + clip] > place) return t + 1;
  return T;
}

const placeOf = (bar) => Math.round(10 * bar);
const named = (each, name) => each.find((one) => one.name === name) ?? each[0];

// [row head, leaves when sure, sees all windows, ratio]: of the clip, then of the whole set, as player_rows in Python; clip counts from 0.
function playerRows(set, { clip, gamma, bar, chip }) {
  const T = set.timesteps, N = set.images, place = placeOf(bar), t = exitStep(set, gamma, place, clip), bill = named(set.chips, chip);
  const left = set.left[gamma].slice(place * T, (place + 1) * T), full = bill.static.energy_pj, right = set.rights[gamma][place];
  const word = (step) => (set.said[clip][step - 1] === set.labels[clip] ? "right" : "wrong"), percent = (count) => `${fixed((100 * count) / N, 1)} %`;
  const cost = (steps, energy) => [["waited", `${fixed(steps * set.window_ms, 0)} ms`, `${fixed(T * set.window_ms, 0)} ms`, ratio(steps / T)],
    ["energy", quantity(energy, "pJ", full), quantity(full, "pJ"), ratio(energy / full)]];
  const total = (of) => left.reduce((sum, count, n) => sum + count * of(n), 0) / N;
  return [["answer", word(t), word(T), ""], ...cost(t, bill.energy_pj[t - 1]),
    ["accuracy", percent(right), percent(set.right), `${signed((100 * (right - set.right)) / N, 1)} pt`],
    ...cost(total((n) => n + 1), total((n) => bill.energy_pj[n]))];
}

// --- words ------------------------------------------------------------------------------

const raised = (number) => [...String(number)].map((sign) => (sign === "-" ? "\u207b" : "\u2070\u00b9\u00b2\u00b3\u2074\u2075\u2076\u2077\u2078\u2079"[sign])).join("");

// Two digits: 0.037, or 6.3 x 10^-10
function small(value) {
  if (value >= 0.000995) return fixed(value, value >= 0.0995 ? 2 : value >= 0.00995 ? 3 : 4);
  const [digits, power] = value.toExponential(1).split("e");
  return `${digits} \u00d7 10${raised(Number(power))}`;
}

const scoreWords = { 0: "mean", 1: "sum" };
const ms = (set, steps) => `${fixed(steps * set.window_ms, 0)} ms`;
const judged = (set, clip, t) => `${set.classes[set.said[clip][t - 1]]}, which is ${set.said[clip][t - 1] === set.labels[clip] ? "right" : "wrong"}`;

// What happens at a moment: `at` slices have passed.
function momentWords(set, slices, { clip, gamma }, now, at) {
  const seen = Math.floor(at / slices), time = `${fixed((at * set.window_ms) / slices, 0)} ms`;
  if (at > now.exit * slices) return `${time}: it left after ${ms(set, now.exit)}. What is grey it never sees.`;
  if (at === now.exit * slices) return `${time}: ${now.sure ? "sure enough to leave" : "no window is left"}. It says ${judged(set, clip, now.exit)}.`;
  if (!seen) return `${time}: the first window, of ${ms(set, 1)}, is not over yet.`;
  const { p, entropy } = now.steps[gamma][seen - 1], answer = set.said[clip][seen - 1];
  return `${time}: ${set.classes[answer]}, ${fixed(100 * p[answer], 0)} %; entropy ${small(entropy)}, above the bar.`;
}

function playerSentence(set, { clip, gamma }, now, rows) {
  const waits = now.sure ? `is sure after ${rows[1][1]} of ${rows[1][2]}` : `is not sure in ${rows[1][1]}`;
  const cost = now.exit === set.timesteps ? "" : `, for ${change(now.energy)} energy`;
  return `The ${scoreWords[gamma]} ${waits} and says ${judged(set, clip, now.exit)}${cost}. Of all ${set.images} recordings ${rows[3][1]} are right, after ${rows[4][1]} on average.`;
}

function playerPython(set, { clip, gamma, bar, chip }) {
  const { names, lines } = named(set.chips, chip).python, full = named(set.chips, chip).static.energy_pj, n = set.numbers[clip];
  const paid = (expression, value) => {
    const { scale, digits, unit } = unitFor(value, "pJ", full);
    return `{${expression} / ${scale}:.${digits}f} ${unit.replaceAll("\u00b5", "u")}`;
  };
  const t = exitStep(set, gamma, placeOf(bar), clip), left = set.left[gamma].slice(placeOf(bar) * set.timesteps, (placeOf(bar) + 1) * set.timesteps);
  const mean = left.reduce((sum, count, k) => sum + count * named(set.chips, chip).energy_pj[k], 0) / set.images;
  return [...imports([...names, "dtsnn_lite.cost inference_cost", "dtsnn_lite.exits EntropyExit", "dtsnn_lite.exits replay"]), ...set.python.imports, "",
    `seen = ${set.python.recording}`, `run = replay(seen, EntropyExit(theta=10 ** -${bar}${gamma === "0" ? "" : `, gamma=${gamma}`}))`, ...lines,
    "bill = inference_cost(run.t_hat, step, check)", `clip, window_ms = ${n}, ${set.window_ms}`,
    'print("answer", "right" if run.correct[clip] else "wrong")', 'print(f"waited {run.t_hat[clip] * window_ms:.0f} ms")',
    `print(f"energy ${paid("bill.energy_pj[clip]", named(set.chips, chip).energy_pj[t - 1])}")`, 'print(f"accuracy {100 * run.accuracy:.1f} %")',
    'print(f"waited {run.t_hat.mean() * window_ms:.0f} ms")', `print(f"energy ${paid("bill.energy_pj.mean()", mean)}")`, ""].join("\n");
}

// --- pictures ---------------------------------------------------------------------------

// Triangles, upwards for brighter and downwards for darker: one path for all of a kind.
function triangles([height, width], spoke, side) {
  const path = [];
  for (const place of spoke) {
    if (Math.floor(place / (height * width)) !== side) continue;
    const x = (place % width) * CELL, y = Math.floor((place % (height * width)) / width) * CELL;
    path.push(side ? `M${x} ${y + 1}h10l-5 9z` : `M${x} ${y + 9}h10l-5 -9z`);
  }
  return path.join("");
}

// The events of the last `width` slices before `at`; grey what came after the exit.
function scene(set, slices, width, { clip }, now, at) {
  const [height, wide] = set.size, seen = new Set(), late = new Set();
  for (let slice = Math.max(0, at - width); slice < at; slice++) for (const place of set.spoke[clip][slice]) (slice < now.exit * slices ? seen : late).add(place);
  const label = `The camera's last ${fixed((width * set.window_ms) / slices, 0)} ms: ${seen.size} pixels and sides that spoke${late.size ? `, and ${late.size} after the network left` : ""}.`;
  const path = (kind, from, side) => svg("path", { class: kind, d: triangles(set.size, from, side) });
  return svg("svg", { viewBox: `-2 -2 ${wide * CELL + 4} ${height * CELL + 4}`, role: "img", "aria-label": label, class: "field events" },
    svg("rect", { class: "ground", x: 0, y: 0, width: wide * CELL, height: height * CELL }),
    path("late", late, 0), path("late", late, 1), path("on", seen, 0), path("off", seen, 1));
}

// A bar a class; what it says is bold, the truth is underlined.
function opinions(set, { clip, gamma }, now, seen) {
  const step = seen ? now.steps[gamma][Math.min(seen, now.exit) - 1] : null, answer = step ? set.said[clip][Math.min(seen, now.exit) - 1] : -1;
  const words = step ? `Opinions after ${Math.min(seen, now.exit)} windows: ${set.classes[answer]} ${fixed(100 * step.p[answer], 0)} %.` : "No opinion yet.";
  return html("div", { class: "classes", role: "img", "aria-label": `${words} The truth is ${set.classes[set.labels[clip]]}.` }, set.classes.map((name, k) =>
    html("span", { class: `${k === answer ? "best" : ""}${k === set.labels[clip] ? " truth" : ""}` }, html("b", {}, name), html("i", { class: "track" },
      html("i", { style: `width: ${step ? fixed(100 * step.p[k], 1) : 0}%` })))));
}

// The names of the curves at their ends, where neither meets the other, the bar or the word above the exit.
function curveNames({ x, y, box }, mean, sum, [meanKind, sumKind]) {
  const late = ([at]) => x(at) > box.right - 40, high = y(mean[1]), low = y(sum[1]);
  const above = late(mean) ? high + 15 : high - 6, below = low - high < 24 ? Math.max(low, high) + (late(sum) ? 28 : 15) : low + 15 < box.bottom ? low + 15 : low + 4;
  const place = (end, height, words, kind) => text(x(end[0]) + (late(end) ? -8 : 8), height, words, { "text-anchor": late(end) ? "end" : "start", class: `note ${kind}` });
  return [place(mean, above, scoreWords[0], meanKind), place(sum, below, scoreWords[1], sumKind)];
}

// Where the network leaves, or where the recording ends before it is sure.
function exitMark(picture, [x, y], sure) {
  const right = picture.x(x) < picture.box.left + 50;
  return [line(picture, [[x, LOW], [x, 1]], { class: "line fall" }), dot(picture, x, y, { class: "dot now" }),
    note(picture, x, 1, sure ? "leaves" : "ends", { dx: right ? 4 : -4, dy: -4, "text-anchor": right ? "start" : "end", class: "note now" })];
}

// Both entropies up to now, the bar, and where the network leaves.
function entropies(set, slices, { gamma, bar }, now, at) {
  const end = set.timesteps * set.window_ms, seen = Math.floor(at / slices), stops = Math.min(seen, now.exit), theta = 10 ** -bar, other = gamma === "1" ? "0" : "1";
  const picture = plot({ title: "How unsure it is", label: `Entropy of the mean and of the sum against milliseconds; the bar stands at ${small(theta)}.`, height: PLOT_HEIGHT,
    x: { low: 0, high: end, ticks: ticks(0, end, 6).filter((tick) => tick <= end), label: "milliseconds" },
    y: { low: LOW, high: 1, log: true, ticks: [1e-12, 1e-9, 1e-6, 1e-3, 1], label: "entropy", format: (tick) => (tick === 1 ? "1" : `10${raised(Math.round(Math.log10(tick)))}`) } });
  const points = (which, from, to) => now.steps[which].slice(from, to).map(({ entropy }, n) => [(from + n + 1) * set.window_ms, Math.max(LOW, entropy)]);
  const { x, y, box, under, over } = picture, left = x(now.exit * set.window_ms), gone = x((at * set.window_ms) / slices) - left;
  if (gone > 0) under.append(svg("rect", { class: "gone", x: fixed(left, 1), y: box.top, width: fixed(gone, 1), height: box.bottom - box.top }));
  over.append(line(picture, [[0, theta], [end, theta]], { class: "line bar-top" }));
  if (seen) {
    const reads = points(gamma, 0, stops), ends = { [gamma]: reads.at(-1), [other]: points(other, seen - 1, seen)[0] };
    over.append(line(picture, points(other, 0, seen), { class: "line shadow" }), line(picture, points(gamma, stops - 1, seen), { class: "line other" }),
      line(picture, reads, {}), ...reads.map(([a, b]) => dot(picture, a, b, { r: 2.5 })), ...(gone < 0 ? [] : exitMark(picture, reads.at(-1), now.sure)),
      ...curveNames(picture, ends[0], ends[1], gamma === "1" ? ["third", "accent"] : ["accent", "third"]));
  }
  over.append(svg("rect", { class: "handle", x: box.left, y: fixed(y(theta) - 12, 1), width: box.right - box.left, height: 24 }));
  return picture;
}

// --- the view ---------------------------------------------------------------------------

function render({ model, el }) {
  const data = model.get("data"), bytes = bytesOf(model.get("bytes")), { slices } = data, sets = data.sets.map((set) => unpacked(set, slices, bytes));
  const ends = sets[0].timesteps * slices, most = (data.bars - 1) / 10;
  const head = (...said) => html("p", { class: "head" }, ...said), film = html("div", { class: "panel" }), minds = html("div", { class: "panel" }), curves = html("div", { class: "panel curves" });
  const legend = head(html("span", { class: "brighter" }, "\u25b2 brighter"), " ", html("span", { class: "darker" }, "\u25bc darker"));
  const time = clock({ ticks: ends, tick_ms: TICK_MS, shown: reveal, settled: (at) => shown.set({ clock: at }) });
  const stage = html("div", { class: "machine panel" }, time.root, html("div", { class: "player" }, html("div", { class: "film" }, legend, film),
    html("div", { class: "minds" }, head(html("b", {}, "what it says"), ", ", html("u", {}, "the truth")), minds), curves));
  const one = html("div", { class: "numbers" }), all = html("div", { class: "numbers" }), view = html("div", { class: "panels" }, one, all);
  const setOf = (state) => named(sets, state.recording);
  const fields = {
    recording: { kind: "choice", label: "recordings", options: () => sets.map(({ name }) => [name, name]), wide: true },
    clip: { kind: "choice", label: "clip", options: (state) => setOf(state).labels.map((label, n) => [String(n + 1), `${n + 1}: ${setOf(state).classes[label]}`]) },
    gamma: { kind: "choice", label: "the exit reads", options: () => [["1", "sum of outputs"], ["0", "mean of outputs"]] },
    bar: { kind: "number", label: "the bar \u03b8: leave below this entropy", low: 0, high: most, step: 0.1, say: (bar) => small(10 ** -bar) },
    width: { kind: "choice", label: "a picture shows the last", options: (state) => data.widths.map((width) =>
      [String(width), `${fixed((width * setOf(state).window_ms) / slices, 0)} ms${width === slices ? ", a window of the network" : ""}`]), more: true },
    chip: { kind: "choice", label: "hardware", options: (state) => setOf(state).chips.map(({ name }) => [name, name]), more: true },
    clock: { kind: "number", label: "the clock", low: 0, high: ends, step: 1, row: time.root },
  };
  if (sets.length === 1) delete fields.recording;
  const tables = {};
  let now, picture;

  function reveal(at) {
    const { set, state } = now;
    film.replaceChildren(scene(set, slices, Number(state.width), state, now, at));
    minds.replaceChildren(opinions(set, state, now, Math.floor(at / slices)));
    picture = entropies(set, slices, state, now, at);
    curves.replaceChildren(picture.root);
    time.put(at, momentWords(set, slices, state, now, at));
  }

  function draw(given) {
    const set = setOf(given), state = { ...given, clip: Number(given.clip) - 1 }, exit = exitStep(set, state.gamma, placeOf(state.bar), state.clip);
    const means = set.means(state.clip), steps = Object.fromEntries([0, 1].map((gamma) => [gamma, verdict(means, 0, gamma).steps]));
    const bill = named(set.chips, state.chip), energy = bill.energy_pj[exit - 1] / bill.static.energy_pj;
    now = { set, state, exit, steps, energy, sure: exit < set.timesteps || steps[state.gamma].at(-1).entropy < 10 ** -state.bar };
    reveal(time.running() ? time.at() : state.clock);
    const rows = playerRows(set, state), heads = ["", "leaves when sure", `all ${set.timesteps} windows`, "ratio"];
    for (const [name, place, caption, part] of [["one", one, "This clip", rows.slice(0, 3)], ["all", all, `All ${set.images} recordings of the set, on average`, rows.slice(3)]]) {
      if (tables[name]?.caption !== caption) place.replaceChildren((tables[name] = { ...numberTable(caption, heads, part), caption }).root);
      tables[name].set(part);
    }
    return { brief: `leaves after ${rows[1][1]}, ${rows[0][1]}`, sentence: playerSentence(set, state, now, rows) };
  }

  const begins = (patch) => setOf({ recording: patch.recording ?? model.get("recording") }).begins;
  const adjust = (name, value, state) => (name === "recording" ? { recording: value, clip: "1", bar: begins({ recording: value })[state.gamma] }
    : name === "gamma" ? { gamma: value, bar: begins(state)[value] } : { [name]: value });
  const complete = (patch) => (patch.gamma in sets[0].begins && !("bar" in patch) ? { ...patch, bar: begins(patch)[patch.gamma] } : patch);
  const counted = (state) => ({ ...state, clip: Number(state.clip) - 1 });
  const row = (state) => {
    const rows = playerRows(setOf(state), counted(state));
    return [["clip", "exit reads", "theta", ...rows.map(([name], n) => `${name}${n < 3 ? "" : ", all"}`)],
      [setOf(state).classes[setOf(state).labels[Number(state.clip) - 1]], scoreWords[state.gamma], small(10 ** -state.bar), ...rows.map((cells) => cells[1])]];
  };
  const python = sets.every((set) => set.python.recording) ? (state) => playerPython(setOf(state), counted(state)) : undefined;
  const shown = explorer({ model, el, title: model.get("heading"), fields, stage, view, draw, python, row, adjust, complete });

  // The bar follows a finger that took hold of it.
  const lift = ({ clientY }) => {
    const { top, height } = picture.root.getBoundingClientRect(), { box } = picture, y = ((clientY - top) / height) * PLOT_HEIGHT;
    shown.set({ bar: (most * (y - box.top)) / (box.bottom - box.top) });
  };
  curves.addEventListener("pointerdown", (event) => {
    if (event.button || !event.target.matches(".handle")) return;
    event.preventDefault();
    curves.setPointerCapture(event.pointerId);
    lift(event);
  });
  curves.addEventListener("pointermove", (event) => { if (curves.hasPointerCapture(event.pointerId)) lift(event); });
  return () => { time.halt(); shown.close(); };
}

export { places, playerRows, small, unpacked };
export default { render };
