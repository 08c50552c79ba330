// Stop when sure: what an exit threshold does to accuracy, timesteps, energy, delay and EDP, and how far looks add up.
//
// Python ships, for each score and each gamma, what every step of the slider changes: how many images have left by
// each t < T, and how many answers are right. All are whole numbers, so the page and Python can never disagree,
// and ten thousand images weigh no more than a thousand.

import {
  bytesOf, change, dot, explorer, fixed, furnish, html, imports, line, nameDots, numberTable, plot,
  quantity, ratio, signed, svg, text, unitFor,
} from "./core.js";

// --- arithmetic -----------------------------------------------------------------

// left[j * T + t] images leave at step t + 1 when the slider stands at j, and right[j] are right in all.
function exitTables(set, score, gamma) {
  const { timesteps: T, images: N, positions } = set, counts = wholeNumbers(set.bytes, set.counts[score][set.gammas.indexOf(gamma)]);
  const sums = (row, start) => counts.slice(row * (positions + 1), row * (positions + 1) + positions).map((each) => (start += each));
  const gone = [new Int32Array(positions), ...set.steps.slice(1).map((_, t) => sums(t, 0)), new Int32Array(positions).fill(N)];
  const left = new Int32Array(positions * T);
  for (let t = 0; t < T; t++) for (let j = 0; j < positions; j++) left[j * T + t] = gone[t + 1][j] - gone[t][j];
  return { left, right: sums(T - 1, set.right[T - 1]) };
}

// The exact curve, from never to always, thinned to what a plot can show: [mean timesteps, share of images right].
function curveOf(set, score, gamma) {
  const moves = wholeNumbers(set.bytes, set.curves[score][set.gammas.indexOf(gamma)]), M = moves.length / 2;
  let steps = set.timesteps * set.images, right = set.right[set.timesteps - 1];
  return Array.from({ length: M }, (_, k) => [(steps += moves[k]) / set.images, (right += moves[M + k]) / set.images]);
}

// Slider position of a threshold: more images leave as it rises, whether a sure image has a low score or a high one.
function positionOf(theta, { falls }, positions) {
  const j = Math.round(theta * (positions - 1));
  return falls ? j : positions - 1 - j;
}

// The whole move of a slider: T multiplications a number.
function exitNumbers(tables, chip, j, T, N) {
  let steps = 0, energy = 0, delay = 0, edp = 0;
  for (let t = 0; t < T; t++) {
    const n = tables.left[j * T + t];
    steps += n * (t + 1);
    energy += n * chip.energy_pj[t];
    delay += n * chip.latency_ns[t];
    edp += n * chip.edp_pj_ns[t];
  }
  return { accuracy: tables.right[j] / N, timesteps: steps / N, energy_pj: energy / N, latency_ns: delay / N, edp_pj_ns: edp / N };
}

// Signed whole numbers, the low bytes of all before the next bytes.
function wholeNumbers(bytes, [from, count, width]) {
  const spare = 32 - 8 * width;
  return Int32Array.from({ length: count }, (_, i) => {
    let number = 0;
    for (let k = 0; k < width; k++) number |= bytes[from + k * count + i] << (8 * k);
    return (number << spare) >> spare;
  });
}

function unpack(model) {
  const bytes = bytesOf(model.get("bytes"));
  return model.get("data").sets.map((set) => ({ ...set, bytes, accuracy: set.right.at(-1) / set.images, tables: {} }));
}

function tablesOf(set, score, gamma) {
  return set.tables[`${score} ${gamma}`] ??= exitTables(set, score, gamma);
}

// Exit step, 1-based, of one of the images kept in the page.
function exitStep(set, { score, gamma }, j, m) {
  const [from] = set.pictures.codes[score][set.gammas.indexOf(gamma)];
  for (let t = 0; t < set.timesteps - 1; t++) if (set.bytes[from + t * set.pictures.count + m] <= j) return t + 1;
  return set.timesteps;
}

// --- words ------------------------------------------------------------------------

// What an exit reads: z_t = f_t t^gamma.
function evidenceWords(gamma) {
  return gamma === 0 ? "the mean" : gamma === 1 ? "the sum" : `mean \u00d7 t^${gamma}`;
}

// The answer to "do looks add up?".
function addingUp(gamma) {
  const words = gamma === 0 ? "mean" : gamma === 1 ? "sum" : gamma < 1 ? "between mean and sum" : "more than the sum";
  return `${words}, \u03b3 = ${gamma}`;
}

function thresholdWords({ falls, name, letter }, gamma) {
  const when = `${name} of ${evidenceWords(gamma)} ${falls ? "<" : ">"}`;
  return letter ? `threshold ${letter}: leave when ${when} ${letter}` : `threshold: leave when the ${when} it`;
}

function percent(fraction, images) {
  return `${fixed(100 * fraction, images > 2000 ? 2 : 1)} %`;
}

// [row head, stops when sure, always T, ratio], as on the static page.
function exitRows(set, chip, now) {
  const still = chip.static, T = set.timesteps;
  const cost = (name, field, unit) =>
    [name, quantity(now[field], unit, still[field]), quantity(still[field], unit), ratio(now[field] / still[field])];
  return [
    ["accuracy", percent(now.accuracy, set.images), percent(set.accuracy, set.images),
      `${signed(100 * (now.accuracy - set.accuracy), set.images > 2000 ? 2 : 1)} pt`],
    ["timesteps", fixed(now.timesteps, 3), fixed(T, 3), ratio(now.timesteps / T)],
    cost("energy", "energy_pj", "pJ"), cost("delay", "latency_ns", "ns"), cost("EDP", "edp_pj_ns", "pJ ns"),
  ];
}

function edpRows(set, chip, now) {
  const still = chip.static, T = set.timesteps;
  return [
    ["E[E\u00d7D]: each image's own product, then the mean (reported)", ratio(now.edp_pj_ns / still.edp_pj_ns)],
    ["E[E]\u00d7E[D]: product of the two means", ratio((now.energy_pj * now.latency_ns) / (still.energy_pj * still.latency_ns))],
    ["(mean timesteps / T)\u00b2: energy in proportion to T", ratio((now.timesteps / T) ** 2)],
  ];
}

function exitPython(set, chip, state, now) {
  const { policy, symbol } = set.rules[state.score], { names, lines } = chip.python, found = set.calibrated[`${state.score} ${state.gamma}`];
  const said = state.gamma === 0 ? "" : `, gamma=${state.gamma}`, named = found?.theta === state.theta;
  const rule = named ? `calibrate(${found.held_out}, ${policy}, max_drop=0.0${said})` : `${policy}(${symbol}=${state.theta}${said})`;
  const digits = set.images > 2000 ? 2 : 1;
  const money = (name, expression, field, unit) => {
    const { scale, digits, unit: symbol } = unitFor(now[field], unit, chip.static[field]);
    return `print(f"${name} {${expression}${scale > 1 ? ` / ${scale}` : ""}:.${digits}f} ${symbol.replaceAll("\u00b5", "u")}")`;
  };
  return [
    ...new Set([...imports([...names, "dtsnn_lite.cost inference_cost", `dtsnn_lite.exits ${policy}`, "dtsnn_lite.exits replay",
      ...(named ? ["dtsnn_lite.exits calibrate", "dtsnn_lite.recording shipped"] : [])]), ...set.python.imports]), "",
    `seen = ${set.python.recording}`,
    `run = replay(seen, ${rule})`,
    ...lines,
    "bill = inference_cost(run.t_hat, step, check)",
    `print(f"accuracy {100 * run.accuracy:.${digits}f} %")`,
    'print(f"timesteps {run.mean_timesteps:.3f}")',
    money("energy", "bill.energy_pj.mean()", "energy_pj", "pJ"),
    money("delay", "bill.latency_ns.mean()", "latency_ns", "ns"),
    money("EDP", "bill.edp_pj_ns.mean()", "edp_pj_ns", "pJ ns"),
    "",
  ].join("\n");
}

// --- pictures ---------------------------------------------------------------------

// The exact curve, that of another gamma as its shadow, the static network at fixed numbers of steps, and a point that moves.
// Where the curves are flat from early on, the axis ends early and the point waits at its end.
function curvePanel() {
  const root = html("div", { class: "panel" });
  let shown = "", picture, point, tag;
  return { root, draw(set, { score, gamma }, now) {
    const end = set.xticks.at(-1);
    if (shown !== `${set.name} ${score} ${gamma}`) {
      shown = `${set.name} ${score} ${gamma}`;
      const [low, high] = [set.ticks[0], set.ticks.at(-1)];
      picture = plot({ title: "Accuracy against mean timesteps", label: "",
        x: { low: 1, high: end, ticks: set.xticks, label: `mean timesteps, of at most ${set.timesteps}` },
        y: { low, high, ticks: set.ticks, label: "images right (%); grey: without stopping early" } });
      const drawn = (at) => upTo(end, curveOf(set, score, at).map(([steps, right]) => [steps, 100 * right]));
      const still = set.right.map((right, t) => [t + 1, (100 * right) / set.images]).filter(([t]) => t <= end), at = 100 * set.accuracy;
      picture.under.append(line(picture, [[1, at], [end, at]], { class: "line other" }),
        line(picture, drawn(shadowOf(gamma)), { class: "line shadow" }), line(picture, drawn(gamma)),
        ...still.map(([t, a]) => dot(picture, t, a, { class: "dot other", r: 3.5 })));
      point = dot(picture, 1, low, { class: "dot now" });
      tag = text(0, 0, "", { class: "note now", "text-anchor": "middle" });
      picture.over.append(...curveKey(picture, gamma), point, tag);
      nameDots(picture, still.map(([t, a]) => [t, a, `always ${t}: ${percent(a / 100, set.images)}`]));
      root.replaceChildren(picture.root);
    }
    const beyond = now.timesteps > end, x = picture.x(beyond ? end : now.timesteps), y = picture.y(100 * now.accuracy), { right, bottom } = picture.box;
    furnish(point, { cx: fixed(x, 1), cy: fixed(y, 1) }, []);
    const below = y + 34 < bottom;      // below the point, or beside it where it lies low
    furnish(tag, { x: fixed(Math.min(right - 66, x + (below ? 64 : 74)), 1), y: fixed(below ? y + 34 : y + 4, 1) }, []);
    tag.textContent = `${fixed(now.timesteps, 2)} steps, ${percent(now.accuracy, set.images)}${beyond ? " \u2192" : ""}`;
    picture.root.setAttribute("aria-label", curveWords(set, gamma, now));
  } };
}

// The part of a falling row of points at or below `end`, cut there.
function upTo(end, pairs) {
  const k = pairs.findIndex(([x]) => x <= end);
  if (k < 1) return pairs;
  const [[x0, y0], [x1, y1]] = [pairs[k - 1], pairs[k]];
  return [[end, y1 + ((y0 - y1) * (end - x1)) / (x0 - x1)], ...pairs.slice(k)];
}

// The mean stands behind every other gamma, and the sum behind the mean.
function shadowOf(gamma) {
  return gamma === 0 ? 1 : 0;
}

// Which line is which, in the corner where no curve that rises and levels off can be.
function curveKey({ box: { right, bottom } }, gamma) {
  const name = (at) => (at === 0 ? "mean" : at === 1 ? "sum" : `\u03b3 = ${at}`);
  const entry = (y, at, kind) => [svg("line", { class: `line ${kind}`, x1: right - 78, x2: right - 58, y1: y - 4, y2: y - 4 }),
    text(right - 53, y, name(at), { class: `note ${kind}` })];
  return [...entry(bottom - 24, gamma, "accent"), ...entry(bottom - 8, shadowOf(gamma), "shadow")];
}

function curveWords(set, gamma, now) {
  return `Accuracy against mean timesteps, reading ${evidenceWords(gamma)}; its shadow reads ${evidenceWords(shadowOf(gamma))}. `
    + `The point stands at ${fixed(now.timesteps, 2)} timesteps and ${percent(now.accuracy, set.images)}; `
    + `the static network needs ${set.timesteps} for ${percent(set.accuracy, set.images)}.`;
}

// How many images leave at each step, and how many of them are right.
function exitsPanel() {
  const root = html("div", { class: "panel" });
  let shown = "", picture, bars;
  return { root, draw(set, tables, j) {
    const T = set.timesteps;
    if (shown !== set.name) {
      shown = set.name;
      picture = plot({ title: "When images leave", label: "",
        x: { low: 0.5, high: T + 0.5, ticks: set.stepticks, label: "timestep" },
        y: { low: 0, high: 112, ticks: [0, 25, 50, 75, 100], label: "images that leave (%)" } });
      bars = set.steps.map((t) => [svg("rect", { class: "bar" }), text(picture.x(t), 0, "", { class: T > 8 ? "note small" : "note", "text-anchor": "middle" })]);
      picture.over.append(...bars.flat());
      root.replaceChildren(picture.root);
    }
    const counts = set.steps.map((t) => tables.left[j * T + t - 1]);
    counts.forEach((count, i) => {
      const top = picture.y((100 * count) / set.images), [bar, words] = bars[i];
      furnish(bar, { x: fixed(picture.x(i + 0.65), 1), width: fixed(picture.x(i + 1.35) - picture.x(i + 0.65), 1),
        y: fixed(top, 1), height: fixed(picture.box.bottom - top, 1) }, []);
      words.setAttribute("y", fixed(top - 5, 1));
      words.textContent = String(count);
    });
    picture.root.setAttribute("aria-label", `Images that leave at each timestep: ${counts.map((c, i) => `${c} at ${i + 1}`).join(", ")}.`);
  } };
}

// Some of the images that leave first and last, with what the network said; where there are no pictures, how the opinion moved.
function picturesPanel() {
  const root = html("div", { class: "pictures" });
  let shown = "";
  return { root, draw(set, state, tables, j) {
    root.hidden = !set.pictures;
    if (!set.pictures) return;
    const exits = set.pictures.label.map((_, m) => exitStep(set, state, j, m));
    const used = set.steps.filter((t) => tables.left[j * set.timesteps + t - 1] > 0);
    const ends = [...new Set([used[0], used.at(-1)])];
    const { pixels, absent } = set.pictures, limit = pixels ? 8 : 4;
    const rows = ends.map((t) => exits.flatMap((at, m) => (at === t ? [m] : [])).slice(0, limit));
    const wanted = `${set.name} ${pixels ? "" : state.gamma} ${JSON.stringify([ends, rows])}`;
    if (wanted === shown) return;
    shown = wanted;
    root.replaceChildren(...(pixels ? [] : [html("p", { class: "none" }, `${absent} In their place, for some: what each is, and below the line what the network thought at each timestep, and how sure it was.`)]),
      ...rows.map((row, i) => pictureRow(set, state, row, ends[i], ends.length === 1 ? "All leave" : i ? "Leave last" : "Leave first")));
  } };
}

function pictureRow(set, state, row, step, head) {
  const named = (label) => set.pictures.names[label] ?? String(label);
  const tiles = row.map((m) => {
    const truth = named(set.pictures.label[m]), said = named(set.pictures.said[m][step - 1]);
    const words = said === truth ? `${truth}` : `${truth}\u2192${said}`;
    const shown = set.pictures.pixels ? [tile(set, m, `a ${truth}, read as ${said}`), html("span", {}, words)] : [opinionTile(set, state, m, step, truth, named)];
    return html("li", { class: said === truth ? "tile" : "tile wrong" }, shown);
  });
  return html("div", {}, html("p", { class: "head" }, `${head}, at t = ${step}`),
    row.length ? html("ul", { class: set.pictures.pixels ? null : "opinion-tiles" }, tiles) : html("p", { class: "none" }, "None of the images kept in this page."));
}

// What the network says of an image at t = 1, ..., step, and how likely it holds that to be: softmax of z_t = f_t t^gamma.
function opinionOf(set, m, step, gamma) {
  const { f: [from, length], said, classes } = set.pictures, f = new Float32Array(set.bytes.slice(from, from + length).buffer);
  return Array.from({ length: step }, (_, k) => {
    const at = classes * (m * set.timesteps + k), z = Array.from(f.subarray(at, at + classes), (value) => value * (k + 1) ** gamma), top = Math.max(...z);
    const odds = z.map((value) => Math.exp(value - top));
    return { says: said[m][k], p: odds[said[m][k]] / odds.reduce((sum, each) => sum + each, 0) };
  });
}

// An opinion as it moved, a line for each timestep; those after the exit are left empty.
function opinionTile(set, { gamma }, m, step, truth, named) {
  const held = opinionOf(set, m, step, gamma).map(({ says, p }) => ({ says: named(says), sure: fixed(100 * p, 0) }));
  const lines = set.steps.map((t) => {
    const { says, sure } = held[t - 1] ?? {};
    return says === undefined ? html("span", { class: "thought" }, "\u00a0")
      : html("span", { class: says === truth ? "thought right" : "thought" }, says, html("span", { class: "track" }, html("i", { style: `width: ${sure}%` })));
  });
  const words = held.map(({ says, sure }, k) => `${k ? "" : "at t = "}${k + 1} ${says}, ${sure} percent`).join("; ");
  return html("span", { class: "opinion", role: "img", "aria-label": `${truth}: ${words}` }, html("b", {}, truth), lines);
}

function tile(set, m, words) {
  const { height, width, channels, pixels: [first] } = set.pictures, size = height * width, pixels = set.bytes.subarray(first);
  const canvas = html("canvas", { width, height, role: "img", "aria-label": words, class: channels === 1 ? "ink" : "photo" });
  const context = canvas.getContext("2d"), image = context.createImageData(width, height);
  for (let i = 0; i < size; i++) {
    const from = (m * size + i) * channels;
    if (channels === 1) image.data[4 * i + 3] = pixels[from];       // ink: black, as opaque as the pen pressed
    else image.data.set([pixels[from], pixels[from + 1], pixels[from + 2], 255], 4 * i);
  }
  context.putImageData(image, 0, 0);
  return html("span", { class: "frame" }, canvas);
}

// --- the view -----------------------------------------------------------------------

function fieldsOf(sets) {
  const named = (state) => sets.find((set) => set.name === state.recording) ?? sets[0], { gammas, positions } = sets[0];
  const fields = {
    recording: { kind: "choice", label: "network and images", options: () => sets.map((set) => [set.name, set.name]) },
    score: { kind: "choice", label: "how sure?", options: (state) => Object.keys(named(state).rules).map((score) => [score, score]) },
    chip: { kind: "choice", label: "hardware", options: (state) => named(state).chips.map((chip) => [chip.name, chip.name]) },
    gamma: { kind: "number", label: "do looks add up?", low: gammas[0], high: gammas.at(-1), step: gammas[1] - gammas[0],
      short: true, say: addingUp },
    theta: { kind: "number", label: (state) => thresholdWords(named(state).rules[state.score], state.gamma), low: 0, high: 1, step: 1 / (positions - 1) },
  };
  if (sets.length === 1) delete fields.recording;
  return { fields, named };
}

// A threshold belongs to its score and its gamma: where one of these changes, the mean timesteps stay as near as a threshold can.
// Moves that follow each other aim at the timesteps from which the first set out, so that going back leads back.
function timestepsKeeper(at) {
  let last = {}, wanted = 0;
  return (patch, state) => {
    const { set, now } = at(state), next = { ...state, ...patch };
    if (Object.keys(state).some((name) => state[name] !== last[name])) wanted = now.timesteps;
    let gap = Infinity;
    for (let i = 0; i < set.positions; i++) {
      const theta = i / (set.positions - 1), off = Math.abs(at({ ...next, theta }).now.timesteps - wanted);
      if (off < gap) { gap = off; last = { ...next, theta }; }
    }
    return { ...patch, theta: last.theta };
  };
}

// A link that names a threshold and no gamma is from before there was one: it reads the mean.
function withGamma(patch) {
  return "theta" in patch && !("gamma" in patch) ? { ...patch, gamma: 0 } : patch;
}

function render({ model, el }) {
  const sets = unpack(model), { fields, named } = fieldsOf(sets);
  const at = (state) => {
    const set = named(state), chip = set.chips.find(({ name }) => name === state.chip) ?? set.chips[0];
    const tables = tablesOf(set, state.score, state.gamma), j = positionOf(state.theta, set.rules[state.score], set.positions);
    return { set, chip, tables, j, now: exitNumbers(tables, chip, j, set.timesteps, set.images) };
  };
  const curve = curvePanel(), exits = exitsPanel(), pictures = picturesPanel();
  const numbers = html("div", { class: "numbers" }), edp = html("div", {});
  const view = html("div", { class: "view" }, html("div", { class: "panels" }, curve.root, exits.root), numbers,
    html("details", { class: "fold" }, html("summary", {}, "EDP in three ways"), edp), pictures.root);
  let shown = "", table, ways;

  function draw(state) {
    const { set, chip, tables, j, now } = at(state), rows = exitRows(set, chip, now), ways3 = edpRows(set, chip, now);
    if (shown !== set.name) {
      shown = set.name;
      table = numberTable(set.caption, ["", "stops when sure", `always ${set.timesteps}`, "ratio"], rows);
      ways = numberTable(`EDP against always ${set.timesteps} steps`, ["", "ratio"], ways3);
      numbers.replaceChildren(table.root);
      edp.replaceChildren(ways.root);
    }
    table.set(rows);
    ways.set(ways3);
    curve.draw(set, state, now);
    exits.draw(set, tables, j);
    pictures.draw(set, state, tables, j);
    const brief = `accuracy ${fixed(100 * now.accuracy, 1)} percent, ${fixed(now.timesteps, 2)} timesteps`;
    return { brief, sentence: `Reading ${evidenceWords(state.gamma)} (\u03b3 = ${state.gamma}), stopping when sure answers ${rows[0][1]} right in ${fixed(now.timesteps, 2)} timesteps on average, with `
      + `${change(now.energy_pj / chip.static.energy_pj)} energy and ${change(now.edp_pj_ns / chip.static.edp_pj_ns)} EDP than always running ${set.timesteps}.` };
  }

  const row = (state) => {
    const { set, chip, now } = at(state), rows = exitRows(set, chip, now);
    return [["images", "score", "gamma", "threshold", "hardware", ...rows.map(([head]) => head), "EDP ratio"],
      [set.name, state.score, state.gamma, state.theta, chip.name, ...rows.map((cells) => cells[1]), rows[4][3]]];
  };
  const keepTimesteps = timestepsKeeper(at);
  const adjust = (name, value, state) => (name === "score" || name === "gamma" ? keepTimesteps({ [name]: value }, state) : { [name]: value });
  const python = (state) => { const { set, chip, now } = at(state); return exitPython(set, chip, state, now); };
  const shownExplorer = explorer({ model, el, title: model.get("heading"), fields, view, draw, row, adjust, complete: withGamma,
    python: sets.every((set) => set.python.recording) ? python : undefined });
  return shownExplorer.close;
}

export { curveOf, edpRows, exitNumbers, exitRows, exitTables, positionOf, unpack };
export default { render };
