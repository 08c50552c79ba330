// The digits network itself: write a digit, watch it stop.
//
// All timesteps of a digit are computed first and shown then: what moves is a clock over finished states.
// Time runs from left to right: a column a timestep, the layers one below the other, then the opinions, then the score.

import { bytesOf, change, explorer, fixed, furnish, html, imports, numberTable, quantity, ratio, svg } from "./core.js";
import { GRID, SHEET, mapsGround, mapsPicture, opinions, picture, sheet } from "./drawing.js";
import { centred, moved, networkOf, run, runCalmly, stroke, verdict } from "./network.js";

const OWN = "own", TICK_MS = 260;

// --- arithmetic -----------------------------------------------------------------------

// What the network sees: a given digit, or the drawing as MNIST's digits were made; then turned, moved and dimmed.
function inputOf(state, given, ink) {
  return moved(state.digit === OWN ? centred(ink, SHEET) : given[Number(state.digit)], state);
}

// [row head, stops when sure, always T, ratio], as live_rows in Python.
function liveRows({ steps, exit }, chip) {
  const T = steps.length, still = chip.static;
  const cost = (name, field, unit) => [name, quantity(chip[field][exit - 1], unit, still[field]), quantity(still[field], unit),
    ratio(chip[field][exit - 1] / still[field])];
  return [["answer", String(steps[exit - 1].answer), String(steps[T - 1].answer), ""], ["timesteps", String(exit), String(T), ratio(exit / T)],
    cost("energy", "energy_pj", "pJ"), cost("delay", "latency_ns", "ns"), cost("EDP", "edp_pj_ns", "pJ ns")];
}

function livePython(pixels, state, { python: { names, lines: prices } }, T) {
  const hex = Array.from(pixels, (pixel) => pixel.toString(16).padStart(2, "0"));
  const lines = Array.from({ length: GRID }, (_, y) => `    ${hex.slice(y * GRID, (y + 1) * GRID).join("")}`);
  return ["import numpy as np", ...imports([...names, "dtsnn_lite.widgets.folded folded", "dtsnn_lite.widgets.live_explorer live_rows"]), "", 'image = np.frombuffer(bytes.fromhex("""', ...lines, '"""), np.uint8).reshape(1, 28, 28)',
    `f, spikes = folded("digits").run(image, timesteps=${T})`,
    ...prices,
    `for row in live_rows(f[:, 0], ${state.theta}, ${state.gamma}, step, check):`, "    print(*row)", ""].join("\n");
}

// --- words ------------------------------------------------------------------------------

function counted(n) {
  return String(n).replace(/\B(?=(\d{3})+$)/g, ",");
}

function sum(numbers) {
  let total = 0;
  for (let n = 0; n < numbers.length; n++) total += numbers[n];
  return total;
}

// Spikes of one channel, of all neurons of its map.
function channelCount(spikes, channels, c) {
  let count = 0;
  for (let n = c; n < spikes.length; n += channels) count += spikes[n];
  return count;
}

function mapsWords(spikes, l, t) {
  return `Spikes of layer ${l + 1} at timestep ${t}: ${counted(sum(spikes))} of ${counted(spikes.length)} neurons fire.`;
}

function channelWords({ spikes }, { outputs, side }, l, t, c) {
  const count = channelCount(spikes[l], outputs, c), all = side * side;
  return `Layer ${l + 1}, map ${c + 1} of ${outputs}, t = ${t}: ${count} of ${all} neurons fire (${fixed((100 * count) / all, 0)} %).`;
}

// A sum of logits leaves no entropy at all: it is below every bar that is drawn.
function entropyWords(value) {
  return value < 0.0005 ? "below 0.001" : fixed(value, 3);
}

function sentenceOf(state, labels, { steps, exit }, chip, isBlank) {
  const T = steps.length, answer = steps[exit - 1].answer, truth = labels[Number(state.digit)];
  const read = state.digit === OWN ? `${isBlank ? "The empty sheet" : "Your digit"} is read as ${answer}`
    : truth === answer ? `A ${truth}, read as ${answer}` : `A ${truth}, read as ${answer}, which is wrong`;
  const score = entropyWords(steps[exit - 1].entropy);
  const sure = steps[exit - 1].entropy < state.theta ? `sure at timestep ${exit} of ${T} (entropy ${score} is below the bar, ${state.theta})`
    : `never sure: all ${T} timesteps (entropy ${score}, the bar is ${state.theta})`;
  const paid = `${change(chip.energy_pj[exit - 1] / chip.static.energy_pj)} energy, ${change(chip.latency_ns[exit - 1] / chip.static.latency_ns)} delay `
    + `than always running ${T}`;
  const rest = steps.slice(exit).map((step) => step.answer);
  const later = !state.further || !rest.length ? "" : rest.every((each) => each === answer)
    ? ` The next ${rest.length === 1 ? "step" : "steps"} would have said the same.` : ` The next steps would have said ${rest.join(", ")}.`;
  return `${read}; ${sure}. ${paid[0].toUpperCase()}${paid.slice(1)}.${later}`;
}

// --- the film: a column a timestep --------------------------------------------------------------

// The score over time against the bar: the dots of steps that are shown.
function gauge(T) {
  const across = (t) => (100 * (t - 0.5)) / T, up = (score) => 100 * (1 - score);
  const path = svg("polyline", { class: "line", "vector-effect": "non-scaling-stroke" });
  const drawing = svg("svg", { viewBox: "0 0 100 100", preserveAspectRatio: "none", role: "img" }, path);
  const bar = html("div", { class: "bar-line" }), named = html("b", {}, "");
  const dots = Array.from({ length: T }, () => html("div", { class: "score" }, html("span", {}, "")));
  const root = html("div", { class: "gauge" }, drawing, bar, dots, html("span", { class: "end top" }, "clueless"), html("span", { class: "end" }, "sure"));
  return { root, named, show({ steps, exit }, theta, shown, label) {
    bar.setAttribute("style", `top: ${fixed(up(theta), 1)}%`);
    named.textContent = `the bar at ${theta}`;
    path.setAttribute("points", steps.slice(0, shown).map((step, i) => `${fixed(across(i + 1), 2)},${fixed(up(step.entropy), 2)}`).join(" "));
    dots.forEach((dot, i) => {
      const below = steps[i].entropy < theta;
      dot.setAttribute("class", `score${below ? " below" : ""}${i + 1 > exit ? " later" : ""}${steps[i].entropy > 0.8 ? " high" : ""}`);
      dot.setAttribute("style", `left: ${fixed(across(i + 1), 2)}%; top: ${fixed(up(steps[i].entropy), 2)}%`);
      dot.children[0].textContent = steps[i].entropy < 0.005 ? "0.00" : fixed(steps[i].entropy, 2);
      dot.hidden = i >= shown;
    });
    drawing.setAttribute("aria-label", label);
  } };
}

function meter(name, field, unit) {
  const fill = html("i", {}), value = html("span", { class: "amount" });
  const root = html("div", { class: "meter" }, html("span", {}, name), html("span", { class: "track" }, fill), value);
  return { root, show(chip, t) {
    const still = chip.static[field], now = t ? chip[field][t - 1] : 0;
    fill.setAttribute("style", `transform: scaleX(${fixed(Math.min(1, now / still), 3)})`);
    value.textContent = `${fixed((100 * now) / still, 0)} % of ${quantity(still, unit)}`;
  } };
}

function film(layers, T, jump) {
  const heads = Array.from({ length: T }, (_, i) => html("button", { type: "button", class: "tick", click: () => jump(i + 1) }, `t = ${i + 1}`));
  const maps = layers.map(mapsGround).map((ground) => Array.from({ length: T }, () => mapsPicture(ground)));
  const says = Array.from({ length: T }, opinions), score = gauge(T);
  const line = (label, cells) => [html("p", { class: "label" }, label), html("div", { class: "columns" }, cells)];
  const cloak = html("div", { class: "unrun", hidden: true }, html("span", {}, ""));
  const hint = html("p", { class: "hint", "aria-live": "polite" });
  const grid = html("div", { class: "grid" }, html("div", { class: "columns heads" }, heads),
    maps.flatMap((row, l) => line(`layer ${l + 1}: ${layers[l].outputs} maps of ${layers[l].side} \u00d7 ${layers[l].side} neurons`, row.map(({ canvas }) => canvas))),
    line("opinion: how likely is each digit?", says.map(({ root }) => root)),
    html("p", { class: "label" }, "how unsure? the entropy, and ", score.named), score.root, cloak);
  return { root: grid, hint, heads, maps, says, score, cloak };
}

// --- the view ---------------------------------------------------------------------------------

function fieldsOf({ given, chips }, choice, asking) {
  const fields = {
    theta: { kind: "number", label: "the bar \u03b8: stop once entropy is below", low: 0, high: 1, step: 0.005 },
    digit: { kind: "choice", label: "digit", row: choice, options: () => [...given.labels.map((label, m) => [String(m), String(label)]), [OWN, "your own"]] },
    further: { kind: "flag", label: "the steps after the exit", row: asking },
    gamma: { kind: "choice", label: "how looks add up", more: true, options: () => [["0", "mean of the logits (\u03b3 = 0)"], ["1", "sum of the logits (\u03b3 = 1)"]] },
    chip: { kind: "choice", label: "hardware", more: true, options: () => chips.map(({ name }) => [name, name]) },
    turn: { kind: "number", label: "turn (degrees)", low: -60, high: 60, step: 1, more: true },
    dim: { kind: "number", label: "dim: share of the ink taken away", low: 0, high: 0.9, step: 0.05, more: true },
    right: { kind: "number", label: "shift to the right (pixels)", low: -8, high: 8, step: 1, more: true },
    down: { kind: "number", label: "shift down (pixels)", low: -8, high: 8, step: 1, more: true },
  };
  if (chips.length === 1) delete fields.chip;
  return fields;
}

function still() {
  return globalThis.matchMedia?.("(prefers-reduced-motion: reduce)").matches ?? true;
}

const prepared = new WeakMap(); // a model's bytes -> what it computes with, and { key, steps } of the digit that it begins with

function partsOf(model) {
  const data = model.get("data"), bytes = bytesOf(model.get("bytes")), size = GRID * GRID, { labels, pixels: [from] } = data.given;
  const digits = labels.map((_, m) => bytes.subarray(from + m * size, from + (m + 1) * size));
  return { network: networkOf(data.network, bytes), digits };
}

// The first run, before anything is drawn: render() finds what it needs, or where a link says another digit, computes it.
async function initialize({ model }) {
  const parts = partsOf(model), state = Object.fromEntries(["digit", "turn", "dim", "right", "down"].map((name) => [name, model.get(name)]));
  if (state.digit === OWN) return;
  const pixels = inputOf(state, parts.digits, null);
  prepared.set(model.get("bytes"), { ...parts, first: { key: pixels.join(), steps: await runCalmly(parts.network, pixels) } });
}

function render({ model, el }) {
  const data = model.get("data"), { given, chips } = data, { network, digits, first } = prepared.get(model.get("bytes")) ?? partsOf(model);
  const { layers, timesteps: T } = network, phases = layers.length + 2;

  // What is shown: everything up to `clock`, counted in phases of a timestep: each layer, the opinions, the score.
  let now = null, clock = 0, timer = 0, seenPixels = "", table, waiting = 0;
  const pad = sheet((written) => { cancelAnimationFrame(waiting); waiting = requestAnimationFrame(() => drawn(written)); }, () => thumbs[0].disabled);
  const sees = picture(GRID, GRID), answer = html("span", { class: "answer" }), after = html("span", { class: "after" });
  const thumbs = given.labels.map((label, m) => {
    const shown = picture(GRID, GRID);
    shown.show(`a ${label}`, digits[m]);
    return html("button", { type: "button", class: "thumb", click: () => { pad.leave(); shell.set({ digit: String(m) }); play(); } }, shown.canvas);
  });
  const strip = html("div", { class: "thumbs", role: "group", "aria-label": "Ten test digits" }, thumbs);
  const clear = html("button", { type: "button", click: () => pad.clear() }, "Write your own");
  const choice = html("div", { class: "which" }, strip, html("div", { class: "actions" }, clear, pad.said));
  const playing = html("button", { type: "button", class: "play", click: () => (timer ? pause() : play(clock)) }, "Play");
  const step = html("button", { type: "button", click: () => jump(Math.floor(clock / phases) % last() + 1) }, "Step");
  const later = html("button", { type: "button", class: "later", "aria-pressed": "false", click: () => {
    if (later.getAttribute("aria-disabled") === "false") shell.set({ further: !shell.state().further });
  } }, "What would the next steps have said?");
  const asking = html("div", { class: "actions" }, later);
  const caption = html("p", { class: "caption" });
  const frames = film(layers, T, (t) => jump(t)), meters = [meter("energy", "energy_pj", "pJ"), meter("delay", "latency_ns", "ns")];
  const maps = html("div", { class: "film", tabindex: 0, role: "group", "data-lm-suppress-shortcuts": "true",
    "aria-label": "Spikes of each layer and timestep; arrow keys walk from map to map" }, frames.root);
  const stage = html("div", { class: "live" },
    html("div", { class: "writing" }, pad.root, html("div", { class: "beside" },
      html("div", { class: "reading" }, answer, after, html("span", { class: "frame" }, sees.canvas)), choice)),
    html("div", { class: "watching" }, html("div", { class: "clock" }, playing, step, caption), maps,
      html("div", { class: "meters" }, meters.map(({ root }) => root))));
  const numbers = html("div", { class: "numbers" }), view = html("div", { class: "view" }, asking, frames.hint, numbers);

  const last = () => (now.state.further ? T : now.said.exit);
  const phaseOf = (t) => Math.min(phases, Math.max(0, clock - (t - 1) * phases));

  function pause() {
    clearInterval(timer);
    timer = 0;
    playing.textContent = "Play";
  }

  function jump(t) {
    pause();
    clock = t * phases;
    if (t > last()) shell.set({ further: true });
    clock = Math.min(t, last()) * phases;       // not further, where a teacher fixed that
    reveal();
  }

  // From the first spikes, or from where a film was paused.
  function play(from = 0) {
    pause();
    if (still()) return;
    clock = from < last() * phases ? from : 0;
    reveal();
    playing.textContent = "Pause";
    timer = setInterval(() => {
      clock += 1;
      reveal();
      if (clock >= last() * phases) pause();
    }, TICK_MS);
  }

  function drawn(written) {
    pause();
    seenPixels = "";
    shell.set({ digit: OWN });
    if (written) play();
  }

  // The clock's picture: what it has not reached is empty. Maps that show already what they shall are left alone.
  const shownOf = layers.map(() => Array(T).fill(null));
  function reveal() {
    const { state, steps, said, chip } = now, { exit } = said, done = Math.floor(clock / phases), ends = done >= exit;
    for (let t = 1; t <= T; t++) {
      const phase = phaseOf(t), runs = t <= last();
      layers.forEach((_, l) => {
        const what = phase > l ? steps : runs ? "to come" : "never computed";
        if (shownOf[l][t - 1] === what) return;
        shownOf[l][t - 1] = what;
        if (phase > l) frames.maps[l][t - 1].show(mapsWords(steps[t - 1].spikes[l], l, t), steps[t - 1].spikes[l], steps[t - 1].potentials[l]);
        else frames.maps[l][t - 1].clear(runs ? `Layer ${l + 1} at timestep ${t} is empty: the clock has not come to it.`
          : `Layer ${l + 1} at timestep ${t} is empty: the network had stopped before.`);
      });
      const { p, answer: best } = said.steps[t - 1];
      frames.says[t - 1].show(phase > layers.length ? said.steps[t - 1] : null, phase > layers.length
        ? `Opinion at timestep ${t}: a ${best}, with ${fixed(100 * p[best], 1)} percent.` : `Opinion at timestep ${t}: none, the clock has not come to it.`);
      const ended = t === exit && phase === phases;
      frames.heads[t - 1].textContent = ended ? `t = ${t}, stop` : `t = ${t}`;
      frames.heads[t - 1].setAttribute("class", `tick${ended ? " stop" : ""}${t > exit ? " later" : ""}`);
      frames.heads[t - 1].setAttribute("aria-pressed", String(t === Math.ceil(clock / phases)));
    }
    frames.score.show(said, state.theta, done, `Entropy by timestep, ${said.steps.slice(0, done).map((each) => fixed(each.entropy, 2)).join(", ") || "none yet"}; `
      + `the bar stands at ${state.theta}${ends ? `, and the digit leaves at timestep ${exit}` : ""}.`);
    frames.cloak.hidden = !(ends && exit < T && !state.further);
    frames.cloak.setAttribute("style", `left: ${fixed((100 * exit) / T, 2)}%`);
    frames.cloak.children[0].textContent = exit === T - 1 ? "never computed" : `${T - exit} steps never computed`;
    for (const each of meters) each.show(chip, Math.min(done, exit));
    answer.textContent = done ? String(said.steps[Math.min(done, exit) - 1].answer) : "?";
    answer.setAttribute("class", ends ? "answer sure" : "answer");
    after.textContent = ends ? (said.steps[exit - 1].entropy < state.theta ? `sure after ${exit} of ${T} timesteps` : `all ${T} timesteps, never sure`)
      : done ? "so far; not sure yet" : "looking";
    caption.textContent = captionOf(done, said, state);
  }

  function captionOf(done, { steps, exit }, { theta }) {
    if (!done) return "t = 1: spikes run through the layers.";
    const at = Math.min(done, T), score = entropyWords(steps[at - 1].entropy), below = steps[at - 1].entropy < theta;
    if (at > exit) return `t = ${at}: it would have said ${steps[at - 1].answer}.`;
    if (below) return `t = ${at}: ${score} is below the bar. Sure: stop.`;
    return `t = ${at}: ${score} is not below the bar. ${at < T ? "Look again." : "Time is up."}`;
  }

  function draw(state) {
    const pixels = inputOf(state, digits, pad.ink), key = pixels.join();
    const steps = key === seenPixels ? now.steps : key === first?.key ? first.steps : run(network, pixels);
    const said = verdict(steps.map(({ f }) => f), state.theta, Number(state.gamma)), chip = chips.find(({ name }) => name === state.chip) ?? chips[0];
    const end = (state.further ? T : said.exit) * phases;
    if (key !== seenPixels || now.state.further !== state.further || clock > end) pause();
    if (!timer) clock = end;
    seenPixels = key;
    now = { state, pixels, steps, said, chip };
    thumbs.forEach((thumb, m) => thumb.setAttribute("aria-pressed", String(state.digit === String(m))));
    if (state.digit === OWN) pad.show("the digit that you wrote", pad.ink);
    else pad.show(`a ${given.labels[Number(state.digit)]}, test digit ${given.numbers[Number(state.digit)]}`, pixels);
    sees.show("what the network sees, 28 by 28 pixels", pixels);
    later.setAttribute("aria-pressed", String(state.further));
    later.setAttribute("aria-disabled", String(said.exit === T));      // `disabled` is a teacher's
    frames.hint.textContent = "Blue: a spike. Pale: a neuron that is charging. Point at a map to name it.";
    const rows = liveRows(said, chip);
    if (!table) numbers.append((table = numberTable("One digit; the exit check is billed", ["", "stops when sure", `always ${T}`, "ratio"], rows)).root);
    table.set(rows);
    reveal();
    return { brief: `read as ${said.steps[said.exit - 1].answer} after ${said.exit} of ${T} timesteps`, sentence: sentenceOf(state, given.labels, said, chip, !pad.ink.some(Boolean)) };
  }

  // --- which map is it? ---
  let at = { t: 0, l: 0, c: 0 };
  const name = () => { if (phaseOf(at.t + 1) > at.l) frames.hint.textContent = channelWords(now.steps[at.t], layers[at.l], at.l, at.t + 1, at.c); };
  frames.maps.forEach((row, l) => row.forEach((each, t) => furnish(each.canvas, { pointermove: ({ clientX, clientY }) => {
    const box = each.canvas.getBoundingClientRect();
    at = { t, l, c: each.at((clientX - box.left) / box.width, (clientY - box.top) / box.height) };
    name();
  } }, [])));
  furnish(maps, { keydown: (event) => {
    if (event.target !== maps) return;
    const along = { ArrowRight: 1, ArrowLeft: -1 }[event.key], down = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (!along && !down) return;
    event.preventDefault();
    event.stopPropagation();
    const l = Math.min(layers.length - 1, Math.max(0, at.l + (down ?? 0))), wide = layers[l].outputs, reached = Math.max(1, Math.ceil(clock / phases));
    const flat = Math.min(reached * wide - 1, Math.max(0, at.t * wide + Math.min(at.c, wide - 1) + (along ?? 0)));
    at = { l, t: Math.floor(flat / wide), c: flat % wide };
    name();
  } }, []);

  const row = (state) => {
    const rows = liveRows(now.said, now.chip);
    return [["digit", "theta", "gamma", "hardware", ...rows.map(([head]) => head), "EDP ratio"],
      [state.digit, state.theta, state.gamma, now.chip.name, ...rows.map((cells) => cells[1]), rows[4][3]]];
  };
  const shell = explorer({ model, el, title: model.get("heading"), fields: fieldsOf(data, choice, asking), stage, view, draw, row,
    python: (state) => livePython(now.pixels, state, now.chip, T),
    left: (state) => (state.digit === OWN && pad.ink.some(Boolean) ? ", without your drawing" : "") });
  const opening = model.get("plays") && !still() ? setTimeout(() => { if (shell.state().digit !== OWN) play(); }, 900) : 0;
  return () => { clearTimeout(opening); cancelAnimationFrame(waiting); pause(); shell.close(); };
}

export { centred, inputOf, liveRows, networkOf, run, runCalmly, stroke, verdict };
export default { initialize, render };
