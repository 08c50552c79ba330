// On which hardware? One digit, three read-outs, each with the network that was trained for it; and one neuron's partial sums.

import { bytesOf, explorer, fixed, furnish, html, numberTable, quantity, svg } from "./core.js";
import { arrayNetOf, neuron, runOnArrays } from "./arrays.js";
import { GRID, SHEET, mapsGround, mapsPicture, opinions, picture, sheet } from "./drawing.js";
import { centred, verdict } from "./network.js";

const OWN = "own";

// --- words ------------------------------------------------------------------------------

function minus(number) {
  return number.replace("-", "\u2212");
}

// A whole number as it is, another with two decimals.
function short(value) {
  return minus(Number.isInteger(value) ? String(value) : fixed(value, 2));
}

// [name, a network each], as hardware_rows in Python; no price for what no circuit does.
function hardwareRows(verdicts, chips) {
  const columns = verdicts.map(({ steps, exit }, m) => {
    const chip = chips[m], cost = (name, unit) => (chip ? quantity(chip[name][exit - 1], unit) : "-");
    return [String(steps[exit - 1].answer), `${exit} of ${steps.length}`, cost("energy_pj", "pJ"), cost("latency_ns", "ns"), cost("edp_pj_ns", "pJ ns")];
  });
  return ["answer", "leaves after", "energy", "delay", "EDP"].map((name, n) => [name, ...columns.map((column) => column[n])]);
}

function sentenceOf(state, labels, names, verdicts, isBlank) {
  const digit = state.digit === OWN ? (isBlank ? "The empty sheet" : "Your digit") : `A ${labels[Number(state.digit)]}`;
  const said = names.map((name, m) => `${verdicts[m].steps[verdicts[m].exit - 1].answer} after ${verdicts[m].exit} (${name})`);
  return `${digit} is read as ${said.slice(0, -1).join(", as ")} and as ${said.at(-1)}, of at most ${verdicts[0].steps.length} timesteps each.`;
}

// --- one network's column ---------------------------------------------------------------------

// [tile][plane] cells: the partial sum, and below it what the read-out makes of it.
function sumsGrid(tiles, planes) {
  const cells = Array.from({ length: tiles * planes }, () => html("span", {}, html("b", {}, ""), html("i", {}, "")));
  const root = html("div", { class: "sums", role: "img", style: `grid-template-columns: repeat(${planes}, minmax(0, 1fr))` }, cells);
  return { root, show(parts, words) {
    parts.flat().forEach(([sum, read], n) => {
      cells[n].children[0].textContent = short(sum);
      cells[n].children[1].textContent = short(read);
      cells[n].setAttribute("class", sum === read ? "" : sum * read < 0 || sum === 0 ? "lost" : "bent");
    });
    root.setAttribute("aria-label", words);
  } };
}

// The entropy at each timestep, the bar, and the step that is looked at.
function track(T) {
  const across = (t) => fixed((100 * (t - 0.5)) / T, 2), up = (score) => fixed(4 + 32 * (1 - score), 2);
  const root = svg("svg", { viewBox: "0 0 100 40", role: "img" });
  return { root, show({ steps }, theta, now, words) {
    root.replaceChildren(svg("line", { class: "line warn", x1: 0, x2: 100, y1: up(theta), y2: up(theta), "stroke-dasharray": "4 3" }),
      svg("polyline", { class: "line other", points: steps.map(({ entropy }, i) => `${across(i + 1)},${up(entropy)}`).join(" ") }),
      ...steps.map(({ entropy }, i) => svg("circle", { class: i + 1 === now ? "dot" : "dot other", cx: across(i + 1), cy: up(entropy), r: i + 1 === now ? 4 : 2.5 })));
    root.setAttribute("aria-label", words);
  } };
}

function column(net, l, name, pick) {
  const layer = net.layers[l], maps = mapsPicture(mapsGround(layer)), says = opinions(), unsure = track(net.timesteps), sums = sumsGrid(layer.tiles, layer.planes);
  const answer = html("span", { class: "answer" }), after = html("p", { class: "after" }), result = html("p", { class: "label" });
  const root = html("div", { class: "read-out" }, html("p", { class: "head" }, name), html("div", { class: "reading" }, answer, after), says.root,
    html("p", { class: "label" }, `how unsure? t = 1 to ${net.timesteps}`), unsure.root,
    html("p", { class: "label" }, `layer ${l + 1}, its spikes`), html("div", { class: "pick" }, maps.canvas), sums.root, result);
  furnish(maps.canvas, { click: ({ clientX, clientY }) => {
    const box = maps.canvas.getBoundingClientRect(), x = (clientX - box.left) / box.width, y = (clientY - box.top) / box.height;
    const place = (share, size) => Math.floor(share * size) % layer.side;
    pick({ map: maps.at(x, y) + 1, row: place(y, layer.side * Math.ceil(layer.outputs / Math.floor(SHEET / layer.side))) + 1, column: place(x, SHEET) + 1 });
  } }, []);
  return { root, show(steps, said, state) {
    const step = steps[state.t - 1], seen = said.steps[state.t - 1], place = (state.row - 1) * layer.side + state.column - 1;
    const found = neuron(layer, step.sums[l], place, state.map - 1), fires = step.spikes[l][place * layer.outputs + state.map - 1];
    answer.textContent = String(seen.answer);
    answer.setAttribute("class", state.t >= said.exit ? "answer sure" : "answer");
    after.textContent = state.t > said.exit ? `left at t = ${said.exit}` : state.t === said.exit ? "leaves now" : "not sure";
    says.show(seen, `${name} at timestep ${state.t}: a ${seen.answer}, with ${fixed(100 * seen.p[seen.answer], 1)} percent; the entropy is ${fixed(seen.entropy, 3)}.`);
    unsure.show(said, state.theta, state.t, `Entropy with ${name} by timestep, ${said.steps.map((each) => fixed(each.entropy, 2)).join(", ")}; the bar stands at ${state.theta}.`);
    const count = step.spikes[l].reduce((a, b) => a + b, 0);
    maps.show(`Spikes of layer ${l + 1} with ${name} at timestep ${state.t}: ${count} of ${step.spikes[l].length} neurons fire.`, step.spikes[l], step.potentials[l]);
    sums.show(found.parts, `Partial sums of one neuron with ${name}, as read: ${found.parts.flat().map(([sum, read]) => `${short(sum)} as ${short(read)}`).join(", ")}.`);
    result.textContent = `adds up to ${short(found.exact)}, read as ${short(found.read)}: current ${minus(fixed(found.current, 2))}, ${fires ? "fires" : "silent"}`;
  } };
}

// --- the view ---------------------------------------------------------------------------------

function fieldsOf(given, net, l, choice) {
  const { outputs, side } = net.layers[l];
  return {
    t: { kind: "number", label: "timestep", low: 1, high: net.timesteps, step: 1 },
    digit: { kind: "choice", label: "digit", row: choice, options: () => [...given.labels.map((label, m) => [String(m), String(label)]), [OWN, "your own"]] },
    theta: { kind: "number", label: "the bar \u03b8: stop once entropy is below", low: 0, high: 1, step: 0.005, more: true },
    map: { kind: "number", label: `the neuron that is looked into: map of layer ${l + 1}`, low: 1, high: outputs, step: 1, more: true },
    row: { kind: "number", label: "its row", low: 1, high: side, step: 1, more: true },
    column: { kind: "number", label: "its column", low: 1, high: side, step: 1, more: true },
  };
}

function render({ model, el }) {
  const data = model.get("data"), bytes = bytesOf(model.get("bytes")), { given, layer: l } = data, size = GRID * GRID;
  const nets = data.networks.map((network) => arrayNetOf(network, bytes)), names = data.networks.map(({ name }) => name);
  const chips = data.networks.map(({ chip }) => chip);
  const digits = given.labels.map((_, m) => bytes.subarray(given.pixels[0] + m * size, given.pixels[0] + (m + 1) * size));
  let waiting = 0, seen = "", runs = [], table;

  const pad = sheet(() => { cancelAnimationFrame(waiting); waiting = requestAnimationFrame(() => { seen = ""; shell.set({ digit: OWN }); }); }, () => thumbs[0].disabled);
  const thumbs = given.labels.map((label, m) => {
    const shown = picture(GRID, GRID);
    shown.show(`a ${label}`, digits[m]);
    return html("button", { type: "button", class: "thumb", click: () => { pad.leave(); shell.set({ digit: String(m) }); } }, shown.canvas);
  });
  const strip = html("div", { class: "thumbs", role: "group", "aria-label": "Ten test digits" }, thumbs);
  const clear = html("button", { type: "button", click: () => pad.clear() }, "Write your own");
  const choice = html("div", { class: "which" }, strip, html("div", { class: "actions" }, clear, pad.said));
  const columns = nets.map((net, m) => column(net, l, names[m], (patch) => shell.set(patch)));
  const stage = html("div", { class: "live hardware" },
    html("div", { class: "writing" }, pad.root, html("div", { class: "beside" }, choice)),
    html("div", { class: "watching" }, html("div", { class: "read-outs" }, columns.map(({ root }) => root))));
  const numbers = html("div", { class: "numbers" }), where = html("p", { class: "hint" });
  const view = html("div", { class: "view" }, where, numbers);

  function draw(state) {
    const pixels = state.digit === OWN ? centred(pad.ink, SHEET) : digits[Number(state.digit)], key = pixels.join();
    if (key !== seen) runs = nets.map((net) => runOnArrays(net, pixels));
    seen = key;
    const verdicts = runs.map((steps) => verdict(steps.map(({ f }) => f), state.theta, 0));
    columns.forEach((each, m) => each.show(runs[m], verdicts[m], state));
    thumbs.forEach((thumb, m) => thumb.setAttribute("aria-pressed", String(state.digit === String(m))));
    if (state.digit === OWN) pad.show("the digit that you wrote", pad.ink);
    else pad.show(`a ${given.labels[Number(state.digit)]}, test digit ${given.numbers[Number(state.digit)]}`, pixels);
    const { tiles, planes } = nets[0].layers[l];
    where.textContent = `The numbers: neuron (row ${state.row}, column ${state.column}) of map ${state.map} of layer ${l + 1}, in ${tiles} tiles (rows) and ${planes} planes (columns: 1, 2, 4); `
      + "above the partial sum, below what the read-out makes of it. Click on a map to look into another neuron.";
    const rows = hardwareRows(verdicts, chips);
    if (!table) numbers.append((table = numberTable("One digit, each network with its own weights", ["", ...names], rows)).root);
    table.set(rows);
    const answers = verdicts.map(({ steps }, m) => `${names[m]} says ${steps[state.t - 1].answer}`).join(", ");
    return { brief: answers, sentence: sentenceOf(state, given.labels, names, verdicts, !pad.ink.some(Boolean)) };
  }

  const row = (state) => {
    const rows = hardwareRows(runs.map((steps) => verdict(steps.map(({ f }) => f), state.theta, 0)), chips);
    return [["digit", "theta", ...names.map((name) => `${name}: answer`), ...names.map((name) => `${name}: leaves after`)],
      [state.digit, state.theta, ...rows[0].slice(1), ...rows[1].slice(1)]];
  };
  const shell = explorer({ model, el, title: model.get("heading"), fields: fieldsOf(given, nets[0], l, choice), stage, view, draw, row,
    left: (state) => (state.digit === OWN && pad.ink.some(Boolean) ? ", without your drawing" : "") });
  return () => { cancelAnimationFrame(waiting); shell.close(); };
}

export { arrayNetOf, hardwareRows, neuron, runOnArrays, verdict };
export default { render };
