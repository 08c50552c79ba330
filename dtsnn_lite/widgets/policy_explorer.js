// Look first, then choose: what a price of errors makes a learned policy do, against thresholds.
//
// Python ships, for each training and price, how many images the policy sends to each step and
// how many answers are right, and the same for the threshold rules of equal accuracy.

import {
  bar, bytesOf, change, dot, explorer, fixed, html, imports, line, nameDots, note, numberTable,
  plot, quantity, ratio, signed, svg,
} from "./core.js";

// --- arithmetic -----------------------------------------------------------------

// Means over images of something that depends on the step alone, in the order of the steps.
function meanOver(counts, each, images) {
  let sum = 0;
  for (let t = 0; t < counts.length; t++) sum += counts[t] * each[t];
  return sum / images;
}

// { counts, right } and a bill by step -> accuracy, timesteps, energy, delay, EDP.
function billed({ counts, right }, bill, images) {
  const mean = (each) => meanOver(counts, each, images);
  return { accuracy: right / images, timesteps: mean(counts.map((_, t) => t + 1)),
    energy_pj: mean(bill.energy_pj), latency_ns: mean(bill.latency_ns), edp_pj_ns: mean(bill.edp_pj_ns) };
}

// The trained policy whose price is nearest, as prices are compared: by their ratio.
function nearest(policies, beta) {
  const gap = ({ beta: trained }) => Math.abs(Math.log(trained / beta));
  return policies.reduce((best, policy) => (gap(policy) < gap(best) ? policy : best));
}

function policyNumbers(data, { beta, method, rival, chip, look }) {
  const policy = nearest(data.methods[method], beta), rule = policy.rivals[rival];
  const prices = data.chips.find(({ name }) => name === chip);
  return { policy, rule, ours: billed(policy, look ? prices.looked : prices.free, data.images),
    theirs: billed(rule, prices.checked, data.images) };
}

// --- words ------------------------------------------------------------------------

function policyRows(data, { ours, theirs }) {
  const cost = (name, field, unit) => [name, quantity(ours[field], unit, theirs[field]), quantity(theirs[field], unit),
    ratio(ours[field] / theirs[field])];
  return [
    ["accuracy", `${fixed(100 * ours.accuracy, 1)} %`, `${fixed(100 * theirs.accuracy, 1)} %`,
      `${signed(100 * (ours.accuracy - theirs.accuracy), 1)} pt`],
    ["timesteps", fixed(ours.timesteps, 3), fixed(theirs.timesteps, 3), ratio(ours.timesteps / theirs.timesteps)],
    cost("energy", "energy_pj", "pJ"), cost("delay", "latency_ns", "ns"), cost("EDP", "edp_pj_ns", "pJ ns"),
  ];
}

function policySentence({ policy, rule, ours, theirs }, state) {
  const against = rule.as_good ? `the threshold on ${state.rival} of equal accuracy` : `the most accurate threshold on ${state.rival}`;
  return `The policy trained at a price of ${policy.beta} answers ${fixed(100 * ours.accuracy, 1)} % right in ${fixed(ours.timesteps, 2)} timesteps, `
    + `with ${change(ours.energy_pj / theirs.energy_pj)} energy than ${against}, its look ${state.look ? "billed" : "left out"}.`;
}

function policyPython(data, state, { policy, rule }) {
  const { names, lines, looked_names: looks, looked } = data.chips.find(({ name }) => name === state.chip).python;
  return [
    ...imports([...names, ...(state.look ? looks : []), "dtsnn_lite.cost chosen_cost", "dtsnn_lite.cost inference_cost",
      `dtsnn_lite.exits ${rule.policy}`, "dtsnn_lite.exits replay"]),
    ...data.python.imports, "",
    `seen, sweep = ${data.python.recording}, ${data.python.sweeps}["${state.method}"]`,
    `row = list(sweep.prices).index(${policy.beta})`,
    `rival = replay(seen, ${rule.policy}(${rule.threshold}${rule.gamma ? `, gamma=${rule.gamma}` : ""}))`,
    ...lines, ...(state.look ? looked : []),
    `ours = chosen_cost(sweep.t_hat[row], step, ${state.look ? "look" : "None"})`,
    "theirs = inference_cost(rival.t_hat, step, check)",
    'print(f"accuracy {100 * sweep.accuracy[row]:.1f} % {100 * rival.accuracy:.1f} %")',
    'print(f"timesteps {sweep.mean_timesteps[row]:.3f} {rival.mean_timesteps:.3f}")',
    'print(f"energy ratio {ours.energy_pj.mean() / theirs.energy_pj.mean():.2f}")',
    'print(f"EDP ratio {ours.edp_pj_ns.mean() / theirs.edp_pj_ns.mean():.2f}")',
    "",
  ].join("\n");
}

// --- pictures ---------------------------------------------------------------------

// All policies of one training, the curve of the rule, the oracles, and the two points compared.
function planePicture(data, state, { policy, ours, theirs }) {
  const { x, y } = data.axes;
  const picture = plot({ title: "Accuracy against mean timesteps",
    label: `The policy stands at ${fixed(ours.timesteps, 2)} timesteps and ${fixed(100 * ours.accuracy, 1)} percent, the threshold on ${state.rival} `
      + `at ${fixed(theirs.timesteps, 2)} and ${fixed(100 * theirs.accuracy, 1)} percent.`,
    x: { low: x[0], high: x.at(-1), ticks: x, label: "mean timesteps" }, y: { low: y[0], high: y.at(-1), ticks: y, label: "images right (%)" } });
  const at = ({ counts, right }) => [meanOver(counts, counts.map((_, t) => t + 1), data.images), (100 * right) / data.images];
  picture.under.append(line(picture, data.curves[state.rival].map(([steps, right]) => [steps / data.images, (100 * right) / data.images])),
    line(picture, data.methods[state.method].map(at), { class: "line third" }),
    ...data.methods[state.method].map((each) => dot(picture, ...at(each), { class: "dot third", r: 3 })),
    ...data.oracles.map((oracle) => dot(picture, ...at(oracle), { class: "dot other", r: 3.5 })));
  const [policyX, policyY] = at(policy);
  const leader = (oracle) => {
    const [x, y] = [picture.x(at(oracle)[0]), picture.y(at(oracle)[1])];
    return svg("line", { class: "base", x1: fixed(x, 1), x2: fixed(x, 1), y1: fixed(y - 5, 1), y2: fixed(y + oracle.dy + 3, 1) });
  };
  picture.over.append(...data.oracles.flatMap((oracle) => [leader(oracle), note(picture, ...at(oracle), oracle.name, { dx: -2, dy: oracle.dy, class: "note other" })]),
    dot(picture, theirs.timesteps, 100 * theirs.accuracy), dot(picture, policyX, policyY, { class: "dot now" }),
    note(picture, theirs.timesteps, 100 * theirs.accuracy, state.rival, { dx: 4, dy: 18, class: "note accent" }),
    note(picture, policyX, policyY, "policy", { dx: 8, dy: -9, class: "note now" }));
  const percent = (right) => `${fixed(right, 1)} %`;
  nameDots(picture, [...data.methods[state.method].map((each) => [...at(each), `beta = ${each.beta}: ${percent(at(each)[1])}`]),
    ...data.oracles.map((each) => [...at(each), `${each.name}: ${percent(at(each)[1])}`]),
    [theirs.timesteps, 100 * theirs.accuracy, `${state.rival}: ${percent(100 * theirs.accuracy)}`]]);
  return picture.root;
}

// Where policy and threshold let the images stop, side by side.
function stopsPicture(data, state, { policy, rule }) {
  const list = ({ counts }) => counts.map((count, i) => `${count} at ${i + 1}`).join(", ");
  const picture = plot({ title: "Steps that the images get", label: `Policy: ${list(policy)}. Threshold: ${list(rule)}.`,
    x: { low: 0.5, high: data.timesteps + 0.5, ticks: data.steps, label: "timesteps; left bar policy, right bar threshold" },
    y: { low: 0, high: 112, ticks: [0, 25, 50, 75, 100], label: "images (%)" } });
  const share = (count) => (100 * count) / data.images;
  policy.counts.forEach((count, i) => picture.over.append(
    bar(picture, i + 0.64, i + 0.98, 0, share(count), { class: "bar warn" }), bar(picture, i + 1.02, i + 1.36, 0, share(rule.counts[i])),
    note(picture, i + 0.81, share(count), String(count), { dy: -5, "text-anchor": "middle" }),
    note(picture, i + 1.19, share(rule.counts[i]), String(rule.counts[i]), { dy: -5, "text-anchor": "middle" })));
  return picture.root;
}

// Some images of each choice that was made.
function choiceRows(data, pixels, policy, limit = 8) {
  if (!data.pictures) return [];
  return data.steps.filter((t) => policy.counts[t - 1] > 0).map((t) => {
    const shown = policy.shown.flatMap((steps, m) => (steps === t ? [m] : [])).slice(0, limit);
    return html("div", {}, html("p", { class: "head" }, `Sent to ${t} ${t === 1 ? "step" : "steps"}`),
      shown.length ? html("ul", {}, shown.map((m) => choiceTile(data.pictures, pixels, m))) : html("p", { class: "none" }, "None of the images kept in this page."));
  });
}

function choiceTile({ height, width, label }, pixels, m) {
  const canvas = html("canvas", { width, height, role: "img", "aria-label": `a ${label[m]}`, class: "ink" });
  const context = canvas.getContext("2d"), image = context.createImageData(width, height);
  for (let i = 0; i < height * width; i++) image.data[4 * i + 3] = pixels[m * height * width + i];
  context.putImageData(image, 0, 0);
  return html("li", { class: "tile" }, html("span", { class: "frame" }, canvas), html("span", {}, String(label[m])));
}

// --- the view -----------------------------------------------------------------------

function render({ model, el }) {
  const data = model.get("data"), pixels = bytesOf(model.get("bytes"));
  const names = (list) => () => list.map((name) => [name, name]);
  const fields = {
    rival: { kind: "choice", label: "against the threshold on", options: names(Object.keys(data.curves)) },
    look: { kind: "flag", label: "the policy's look is in the bill" },
    method: { kind: "choice", label: "trained by", options: names(Object.keys(data.methods)), more: true },      // before beta, whose stops it has
    beta: { kind: "number", label: "price of an error, beta", low: 1, high: data.highest, step: 1,
      stops: ({ method }) => data.methods[method].map(({ beta }) => beta), say: String },
    chip: { kind: "choice", label: "hardware", options: names(data.chips.map(({ name }) => name)), more: true },
  };
  const numbers = html("div", { class: "numbers" }), plane = html("div", { class: "panel" }), stops = html("div", { class: "panel" });
  const pictures = html("div", { class: "pictures" });
  const view = html("div", { class: "view" }, html("div", { class: "panels" }, plane, stops), numbers, pictures);
  let table, shown;

  function draw(state) {
    const now = policyNumbers(data, state), rows = policyRows(data, now);
    if (!table) numbers.append((table = numberTable(data.caption, ["", "policy", "threshold", "ratio"], rows)).root);
    table.set(rows);
    plane.replaceChildren(planePicture(data, state, now));
    stops.replaceChildren(stopsPicture(data, state, now));
    if (shown !== now.policy) pictures.replaceChildren(...choiceRows(data, pixels, (shown = now.policy)));
    return { brief: `accuracy ${fixed(100 * now.ours.accuracy, 1)} percent, ${fixed(now.ours.timesteps, 2)} timesteps`,
      sentence: policySentence(now, state) };
  }

  const row = (state) => {
    const now = policyNumbers(data, state), rows = policyRows(data, now);
    return [["beta", "trained by", "against", "hardware", "look billed", ...rows.map(([head]) => head), "energy ratio", "EDP ratio"],
      [now.policy.beta, state.method, state.rival, state.chip, state.look ? "yes" : "no", ...rows.map((cells) => cells[1]), rows[2][3], rows[4][3]]];
  };
  return explorer({ model, el, title: model.get("heading"), fields, view, draw, row,
    python: (state) => policyPython(data, state, policyNumbers(data, state)) }).close;
}

export { policyNumbers, policyRows };
export default { render };
