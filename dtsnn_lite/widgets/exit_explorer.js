// Stop when sure: what an exit threshold does to accuracy, timesteps, energy, delay and EDP.
//
// Python ships, for each score, image and t < T, one byte: the first slider position at
// which the image has left by step t. So whether an image leaves is decided by
// comparing two whole numbers, and the page and Python can never disagree.

import {
  bytesOf, change, dot, explorer, fixed, furnish, html, line, numberTable, plot,
  quantity, ratio, signed, svg, text, unitFor,
} from "./core.js";

// --- arithmetic -----------------------------------------------------------------

// left[j * T + t] images leave at step t + 1 when the slider stands at j; right[...] of them are right.
function exitTables(set, score) {
  const { right, timesteps: T, images: N, positions } = set, codes = set.codes[score];
  const gone = new Int32Array(T * (positions + 1)), goneRight = new Int32Array(gone.length), late = new Int32Array(gone.length);
  for (let t = 0; t < T; t++) {
    const now = t * (positions + 1), code = t * N, before = code - N;
    for (let n = 0; n < N; n++) {
      const hit = right[code + n];
      if (t < T - 1) { gone[now + codes[code + n]]++; goneRight[now + codes[code + n]] += hit; }
      if (t > 0) late[now + codes[before + n]] += hit;      // right at t, but gone before
    }
  }
  const left = new Int32Array(positions * T), leftRight = new Int32Array(positions * T);
  for (let t = 0, before = new Int32Array(positions); t < T; t++) {
    let out = 0, outRight = 0, gaveUp = 0;
    const hits = t === T - 1 ? right.subarray(t * N).reduce((a, b) => a + b, 0) : 0;
    for (let j = 0; j < positions; j++) {
      const at = t * (positions + 1) + j;
      out += gone[at]; outRight += goneRight[at]; gaveUp += late[at];
      left[j * T + t] = (t === T - 1 ? N : out) - before[j];
      leftRight[j * T + t] = (t === T - 1 ? hits : outRight) - gaveUp;
      before[j] = t === T - 1 ? N : out;
    }
  }
  return { left, right: leftRight };
}

// Slider position of a threshold: more images leave as it rises, whether a sure image has a low score or a high one.
function positionOf(theta, { falls }, positions) {
  const j = Math.round(theta * (positions - 1));
  return falls ? j : positions - 1 - j;
}

// The whole move of a slider: T multiplications a number.
function exitNumbers(tables, chip, j, T, N) {
  let right = 0, steps = 0, energy = 0, delay = 0, edp = 0;
  for (let t = 0; t < T; t++) {
    const n = tables.left[j * T + t];
    right += tables.right[j * T + t];
    steps += n * (t + 1);
    energy += n * chip.energy_pj[t];
    delay += n * chip.latency_ns[t];
    edp += n * chip.edp_pj_ns[t];
  }
  return { accuracy: right / N, timesteps: steps / N, energy_pj: energy / N, latency_ns: delay / N, edp_pj_ns: edp / N };
}

function unpackBits(bytes, count) {
  const bits = new Uint8Array(count);
  for (let i = 0; i < count; i++) bits[i] = (bytes[i >> 3] >> (i & 7)) & 1;
  return bits;
}

function unpack(model) {
  const bytes = bytesOf(model.get("bytes"));
  const cut = ([from, size]) => bytes.subarray(from, from + size);
  return model.get("data").sets.map((set) => ({
    ...set,
    right: unpackBits(cut(set.right), set.timesteps * set.images),
    codes: Object.fromEntries(Object.entries(set.codes).map(([score, where]) => [score, cut(where)])),
    pixels: set.pictures && cut(set.pictures.pixels),
    tables: {},
  }));
}

function tablesOf(set, score) {
  return set.tables[score] ??= exitTables(set, score);
}

// Exit step, 1-based, of one image.
function exitStep(set, score, j, n) {
  const codes = set.codes[score];
  for (let t = 0; t < set.timesteps - 1; t++) if (codes[t * set.images + n] <= j) return t + 1;
  return set.timesteps;
}

// --- words ------------------------------------------------------------------------

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
  const { policy, symbol } = set.rules[state.score], { step, check } = chip;
  const digits = set.images > 2000 ? 2 : 1;
  const money = (name, expression, field, unit) => {
    const { scale, digits, unit: symbol } = unitFor(now[field], unit, chip.static[field]);
    return `print(f"${name} {${expression}${scale > 1 ? ` / ${scale}` : ""}:.${digits}f} ${symbol.replaceAll("\u00b5", "u")}")`;
  };
  return [
    "from dtsnn_lite.cost import ExitCheckCost, StepCost, inference_cost",
    `from dtsnn_lite.exits import ${policy}, replay`,
    ...set.python.imports, "",
    `seen = ${set.python.recording}`,
    `run = replay(seen, ${policy}(${symbol}=${state.theta}))`,
    `step = StepCost(fixed_pj=${step.fixed_pj}, step_pj=${step.step_pj}, fixed_ns=${step.fixed_ns}, step_ns=${step.step_ns})`,
    `check = ExitCheckCost(energy_pj=${check.energy_pj}, latency_ns=${check.latency_ns})   # ${chip.name}`,
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

// The exact curve, the static network at fixed numbers of steps, and a point that moves.
// Where the curve is flat from early on, the axis ends early and the point waits at its end.
function curvePanel() {
  const root = html("div", { class: "panel" });
  let shown = "", picture, point, tag;
  return { root, draw(set, score, now) {
    if (shown !== `${set.name} ${score}`) {
      shown = `${set.name} ${score}`;
      const [low, high] = [set.ticks[0], set.ticks.at(-1)];
      picture = plot({ title: "Accuracy against mean timesteps", label: "",
        x: { low: 1, high: set.xticks.at(-1), ticks: set.xticks, label: `mean timesteps, of at most ${set.timesteps}` },
        y: { low, high, ticks: set.ticks, label: "images right (%); grey: without stopping early" } });
      const inside = ([steps]) => steps <= set.xticks.at(-1);
      const pairs = set.curves[score].map(([steps, right]) => [steps / set.images, (100 * right) / set.images]).filter(inside);
      const still = set.static.map((a, t) => [t + 1, 100 * a]).filter(inside), at = 100 * set.accuracy;
      picture.under.append(line(picture, [[1, at], [set.xticks.at(-1), at]], { class: "line other" }), line(picture, pairs),
        ...still.map(([t, a]) => dot(picture, t, a, { class: "dot other", r: 3.5 })));
      point = dot(picture, 1, low, { class: "dot now" });
      tag = text(0, 0, "", { class: "note now", "text-anchor": "middle" });
      picture.over.append(point, tag);
      root.replaceChildren(picture.root);
    }
    const beyond = now.timesteps > set.xticks.at(-1), x = picture.x(beyond ? set.xticks.at(-1) : now.timesteps), y = picture.y(100 * now.accuracy), { right, bottom } = picture.box;
    furnish(point, { cx: fixed(x, 1), cy: fixed(y, 1) }, []);
    const below = y + 34 < bottom;      // below the point, or beside it where it lies low
    furnish(tag, { x: fixed(Math.min(right - 66, x + (below ? 64 : 74)), 1), y: fixed(below ? y + 34 : y + 4, 1) }, []);
    tag.textContent = `${fixed(now.timesteps, 2)} steps, ${percent(now.accuracy, set.images)}${beyond ? " \u2192" : ""}`;
    picture.root.setAttribute("aria-label", curveWords(set, now));
  } };
}

function curveWords(set, now) {
  return `Accuracy against mean timesteps. The point stands at ${fixed(now.timesteps, 2)} timesteps and `
    + `${percent(now.accuracy, set.images)}; the static network needs ${set.timesteps} for ${percent(set.accuracy, set.images)}.`;
}

// 1..T, or 1, every fourth and T where there are many.
function stepTicks(T) {
  return Array.from({ length: T }, (_, t) => t + 1).filter((t) => T <= 8 || t === 1 || t === T || (t % 4 === 0 && T - t > 1));
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
        x: { low: 0.5, high: T + 0.5, ticks: stepTicks(T), label: "timestep" },
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

// Some of the images that leave first and last, with what the network said.
function picturesPanel(limit = 8) {
  const root = html("div", { class: "pictures" });
  let shown = "";
  return { root, draw(set, score, tables, j) {
    root.hidden = !set.pictures;
    if (!set.pictures) return;
    const exits = set.pictures.index.map((n) => exitStep(set, score, j, n));
    const used = set.steps.filter((t) => tables.left[j * set.timesteps + t - 1] > 0);
    const ends = [...new Set([used[0], used.at(-1)])];
    const rows = ends.map((t) => exits.flatMap((at, m) => (at === t ? [m] : [])).slice(0, limit));
    const wanted = `${set.name} ${JSON.stringify([ends, rows])}`;
    if (wanted === shown) return;
    shown = wanted;
    root.replaceChildren(...rows.map((row, i) => pictureRow(set, row, ends[i], ends.length === 1 ? "All leave" : i ? "Leave last" : "Leave first")));
  } };
}

function pictureRow(set, row, step, head) {
  const named = (label) => set.pictures.names[label] ?? String(label);
  const tiles = row.map((m) => {
    const truth = named(set.pictures.label[m]), said = named(set.pictures.said[m][step - 1]);
    const words = said === truth ? `${truth}` : `${truth}\u2192${said}`;
    return html("li", { class: said === truth ? "tile" : "tile wrong" }, tile(set, m, `a ${truth}, read as ${said}`), html("span", {}, words));
  });
  return html("div", {}, html("p", { class: "head" }, `${head}, at t = ${step}`),
    row.length ? html("ul", {}, tiles) : html("p", { class: "none" }, "None of the images kept in this page."));
}

function tile(set, m, words) {
  const { height, width, channels } = set.pictures, size = height * width;
  const canvas = html("canvas", { width, height, role: "img", "aria-label": words, class: channels === 1 ? "ink" : "photo" });
  const context = canvas.getContext("2d"), image = context.createImageData(width, height);
  for (let i = 0; i < size; i++) {
    const from = (m * size + i) * channels;
    if (channels === 1) image.data[4 * i + 3] = set.pixels[from];       // ink: black, as opaque as the pen pressed
    else image.data.set([set.pixels[from], set.pixels[from + 1], set.pixels[from + 2], 255], 4 * i);
  }
  context.putImageData(image, 0, 0);
  return html("span", { class: "frame" }, canvas);
}

// --- the view -----------------------------------------------------------------------

function fieldsOf(sets) {
  const named = (state) => sets.find((set) => set.name === state.recording) ?? sets[0];
  const fields = {
    recording: { kind: "choice", label: "network and images", options: () => sets.map((set) => [set.name, set.name]) },
    score: { kind: "choice", label: "how sure?", options: (state) => Object.keys(named(state).codes).map((score) => [score, score]) },
    chip: { kind: "choice", label: "hardware", options: (state) => named(state).chips.map((chip) => [chip.name, chip.name]) },
    theta: { kind: "number", label: (state) => named(state).rules[state.score].label, low: 0, high: 1, step: 1 / (sets[0].positions - 1) },
  };
  if (sets.length === 1) delete fields.recording;
  return { fields, named };
}

// Changing the score keeps the mean timesteps as near as a threshold can.
function sameTimesteps(set, chip, state, score) {
  const { timesteps: T, images: N, positions } = set;
  const wanted = exitNumbers(tablesOf(set, state.score), chip, positionOf(state.theta, set.rules[state.score], positions), T, N).timesteps;
  let best = 0, gap = Infinity;
  for (let i = 0; i < positions; i++) {
    const theta = i / (positions - 1), j = positionOf(theta, set.rules[score], positions);
    const off = Math.abs(exitNumbers(tablesOf(set, score), chip, j, T, N).timesteps - wanted);
    if (off < gap) { gap = off; best = theta; }
  }
  return { score, theta: best };
}

function render({ model, el }) {
  const sets = unpack(model), { fields, named } = fieldsOf(sets);
  const at = (state) => {
    const set = named(state), chip = set.chips.find(({ name }) => name === state.chip) ?? set.chips[0];
    const tables = tablesOf(set, state.score), j = positionOf(state.theta, set.rules[state.score], set.positions);
    return { set, chip, tables, j, now: exitNumbers(tables, chip, j, set.timesteps, set.images) };
  };
  const curve = curvePanel(), exits = exitsPanel(), pictures = picturesPanel();
  const numbers = html("div", { class: "numbers" }), edp = html("div", {});
  const view = html("div", { class: "view" }, numbers, html("div", { class: "panels" }, curve.root, exits.root),
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
    curve.draw(set, state.score, now);
    exits.draw(set, tables, j);
    pictures.draw(set, state.score, tables, j);
    const brief = `accuracy ${fixed(100 * now.accuracy, 1)} percent, ${fixed(now.timesteps, 2)} timesteps`;
    return { brief, sentence: `Stopping when sure answers ${rows[0][1]} right in ${fixed(now.timesteps, 2)} timesteps on average, with `
      + `${change(now.energy_pj / chip.static.energy_pj)} energy and ${change(now.edp_pj_ns / chip.static.edp_pj_ns)} EDP than always running ${set.timesteps}.` };
  }

  const row = (state) => {
    const { set, chip, now } = at(state), rows = exitRows(set, chip, now);
    return [["images", "score", "threshold", "hardware", ...rows.map(([head]) => head), "EDP ratio"],
      [set.name, state.score, state.theta, chip.name, ...rows.map((cells) => cells[1]), rows[4][3]]];
  };
  const adjust = (name, value, state) =>
    (name === "score" ? sameTimesteps(at(state).set, at(state).chip, state, value) : { [name]: value });
  const python = (state) => { const { set, chip, now } = at(state); return exitPython(set, chip, state, now); };
  const shownExplorer = explorer({ model, el, title: model.get("heading"), fields, view, draw, row, adjust,
    python: sets.every((set) => set.python.recording) ? python : undefined });
  return shownExplorer.close;
}

export { edpRows, exitNumbers, exitRows, exitTables, positionOf, unpack };
export default { render };
