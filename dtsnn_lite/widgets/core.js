// The core that every explorer shares: elements, numbers, plots, controls, links.
//
// An explorer imports from here what it needs. Python hands both files to the browser as
// one module, this one in a scope of its own where the import stood (explorer.py: `module`),
// since a page opened from a folder cannot import a second one.
// An explorer brings its fields, a `draw` function and its mathematics; `explorer`
// below makes the controls, keeps kernel, page and link in step, and cleans up.
// What it exports stands at the end.
//
// Nothing here sets innerHTML: a link is untrusted, so text is only ever text.

// --- elements ---------------------------------------------------------------

const SVG_NAMESPACE = "http://www.w3.org/2000/svg";

function furnish(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes ?? {})) {
    if (value === null || value === undefined || value === false) continue;
    if (typeof value === "function") node.addEventListener(name, value);
    else node.setAttribute(name, value === true ? "" : String(value));
  }
  node.append(...children.flat().filter((child) => child !== null && child !== undefined));
  return node;
}

function html(tag, attributes, ...children) {
  return furnish(document.createElement(tag), attributes, children);
}

function svg(tag, attributes, ...children) {
  return furnish(document.createElementNS(SVG_NAMESPACE, tag), attributes, children);
}

// --- numbers: the same strings as Python ---------------------------------------

// f"{x:.{digits}f}": toFixed, but an exact tie goes to the even digit.
function fixed(x, digits) {
  const rounded = x.toFixed(digits);
  const exact = x.toFixed(digits + 40);
  if (!exact.endsWith("5" + "0".repeat(39))) return rounded;
  const cut = exact.slice(0, digits ? -40 : -41);
  return "02468".includes(cut.at(-1)) ? cut : rounded;
}

const PREFIXES = {
  pJ: ["pJ", "nJ", "\u00b5J", "mJ", "J"],
  ns: ["ns", "\u00b5s", "ms", "s"],
  "pJ ns": ["pJ ns", "nJ ns", "nJ \u00b5s", "\u00b5J \u00b5s", "\u00b5J ms", "mJ ms"],
};

// The prefix that fits `like`, and the decimals that leave three digits: { scale, digits, unit }.
function unitFor(value, unit, like = value) {
  const names = PREFIXES[unit];
  let k = 0;
  while (k + 1 < names.length && Math.abs(like) >= 999.5 * Number(`1e${3 * k}`)) k++;
  const scale = Number(`1e${3 * k}`);
  return { scale, digits: decimals(Math.abs(value) / scale), unit: names[k] };
}

function decimals(size) {
  return size < 0.9995 ? 3 : size < 9.995 ? 2 : size < 99.95 ? 1 : 0;
}

function quantity(value, unit, like = value) {
  const { scale, digits, unit: name } = unitFor(value, unit, like);
  return `${fixed(value / scale, digits)} ${name}`;
}

function ratio(value) {
  return `${fixed(value, value < 0.0995 ? 3 : value < 9.995 ? 2 : 1)}\u00d7`;
}

// "+0.3", "-1.2", "0.0"
function signed(value, digits) {
  const words = fixed(Math.abs(value), digits);
  return Number(words) === 0 ? words : `${value < 0 ? "\u2212" : "+"}${words}`;
}

// "92 % less", "3 % more", "0.4 % less"; a trifle is not nothing: "less than 0.1 % more"
function change(value) {
  const percent = Math.abs(100 * (value - 1)), way = value > 1 ? "more" : "less";
  if (percent < 1e-9) return "no more";
  if (percent < 0.1) return `less than 0.1 % ${way}`;
  return `${fixed(percent, percent < 0.95 ? 1 : 0)} % ${way}`;
}

// The multiples of 1, 2 or 5 times a power of ten that cover [low, high] in at most `count` steps.
function ticks(low, high, count) {
  for (let k = -9; k < 13; k++) {
    for (const m of [1, 2, 5]) {
      const step = Number(`${m}e${k}`);
      const first = Math.floor(low / step + 1e-9);
      const last = Math.ceil(high / step - 1e-9);
      if (last - first > count) continue;
      const digits = Math.max(0, -k);
      return Array.from({ length: last - first + 1 }, (_, i) => Number(((first + i) * step).toFixed(digits)));
    }
  }
  return [low, high];
}

// 1, 2 and 5 of each decade, from the last one below `low` to the first one above `high`.
function decadeTicks(low, high) {
  const marks = [];
  for (let k = Math.floor(Math.log10(low)); k <= Math.ceil(Math.log10(high)); k++) marks.push(...[1, 2, 5].map((m) => Number(`${m}e${k}`)));
  return marks.filter((mark, i) => (marks[i + 1] ?? Infinity) > low && (marks[i - 1] ?? 0) < high);
}

// --- plots --------------------------------------------------------------------

const WIDTH = 340, HEIGHT = 240, MARGIN = { left: 40, right: 14, top: 44, bottom: 38 };

// A linear scale, or one of decades.
function scale({ low, high, log = false }, from, to) {
  const place = log ? Math.log10 : (value) => value;
  return (value) => from + ((place(value) - place(low)) / (place(high) - place(low))) * (to - from);
}

function text(x, y, words, attributes) {
  return svg("text", { x: fixed(x, 1), y: fixed(y, 1), ...attributes }, words);
}

// The words of a tick: the minus sign is as wide as the plus.
function tickWords({ format = String }, tick) {
  return format(tick).replace("-", "\u2212");
}

// A picture with two axes, `height` to its WIDTH. x and y: { low, high, ticks, label, format?, log? }.
// Returns { root, x, y, under, over, box }: two scales, a layer below and one above, the drawing area.
function plot({ title, label, x, y, height = HEIGHT }) {
  const box = { left: MARGIN.left, right: WIDTH - MARGIN.right, top: MARGIN.top, bottom: height - MARGIN.bottom };
  const toX = scale(x, box.left, box.right);
  const toY = scale(y, box.bottom, box.top);
  const root = svg("svg", { viewBox: `0 0 ${WIDTH} ${height}`, role: "img", "aria-label": label });
  root.append(text(0, 13, title, { class: "title" }), text(0, 31, y.label, { class: "axis" }),
    text(box.right, height - 4, x.label, { class: "axis", "text-anchor": "end" }));
  for (const tick of y.ticks) {
    const at = fixed(toY(tick), 1);
    root.append(svg("line", { class: "grid", x1: box.left, x2: box.right, y1: at, y2: at }),
      text(box.left - 6, toY(tick) + 4, tickWords(y, tick), { class: "tick", "text-anchor": "end" }));
  }
  for (const tick of x.ticks) {
    root.append(text(toX(tick), box.bottom + 16, tickWords(x, tick),
      { class: "tick", "text-anchor": "middle" }));
  }
  const under = svg("g", {}), over = svg("g", {});
  root.append(under, svg("line", { class: "base", x1: box.left, x2: box.right, y1: box.bottom, y2: box.bottom }), over);
  return { root, x: toX, y: toY, under, over, box };
}

function points(plotted, pairs) {
  return pairs.map(([a, b]) => `${plotted.x(a).toFixed(1)},${plotted.y(b).toFixed(1)}`).join(" ");      // hundreds: `fixed` is slow
}

function line(plotted, pairs, attributes) {
  return svg("polyline", { class: "line", points: points(plotted, pairs), ...attributes });
}

// A bar from `low` to `high` of y, between two values of x.
function bar(plotted, left, right, low, high, attributes) {
  const x = plotted.x(left), y = plotted.y(high);
  return svg("rect", { class: "bar", x: fixed(x, 1), width: fixed(plotted.x(right) - x, 1),
    y: fixed(y, 1), height: fixed(plotted.y(low) - y, 1), ...attributes });
}

function dot(plotted, a, b, attributes) {
  return svg("circle", { class: "dot", cx: fixed(plotted.x(a), 1), cy: fixed(plotted.y(b), 1), r: 5, ...attributes });
}

// Dots that say who they are where a pointer comes near or a finger lands, and to the arrow keys: each [x, y, words].
const POINTED = " Pointed at: ";

function nameDots(picture, named) {
  const { root, over, box } = picture, sorted = [...named].sort(([a], [b]) => a - b), places = sorted.map(([a, b]) => [picture.x(a), picture.y(b)]);
  const ring = svg("circle", { class: "ring", r: 7, visibility: "hidden" }), tag = svg("text", { class: "note", visibility: "hidden" });
  let at = -1;
  const show = (k) => {
    at = k;
    for (const each of [ring, tag]) each.setAttribute("visibility", k < 0 ? "hidden" : "visible");
    if (k < 0) return;
    const [x, y] = places[k], half = 3.3 * sorted[k][2].length;
    furnish(ring, { cx: fixed(x, 1), cy: fixed(y, 1) }, []);
    furnish(tag, { x: fixed(Math.max(half, Math.min(WIDTH - half, x)), 1), y: fixed(y > box.top + 24 ? y - 12 : y + 22, 1), "text-anchor": "middle" }, []);
    tag.textContent = sorted[k][2];
    root.setAttribute("aria-label", `${root.getAttribute("aria-label").split(POINTED)[0]}${POINTED}${sorted[k][2]}.`);
  };
  const near = ({ clientX, clientY }) => {
    const { left, top, width } = root.getBoundingClientRect(), zoom = WIDTH / width, x = (clientX - left) * zoom, y = (clientY - top) * zoom;
    const gaps = places.map(([a, b]) => Math.hypot(a - x, b - y)), least = Math.min(...gaps);
    show(least < 24 ? gaps.indexOf(least) : -1);
  };
  over.append(ring, tag);
  furnish(root, { tabindex: 0, "data-lm-suppress-shortcuts": "true", pointermove: near, pointerdown: near, pointerleave: () => show(-1), blur: () => show(-1),
    keydown: (event) => {
      const step = { ArrowRight: 1, ArrowUp: 1, ArrowLeft: -1, ArrowDown: -1 }[event.key];
      if (!step) return;
      event.preventDefault();
      event.stopPropagation();
      show(Math.min(sorted.length - 1, Math.max(0, at + step)));
    } }, []);
}

// A direct label beside a point.
function note(plotted, a, b, words, { dx = 0, dy = 0, ...attributes } = {}) {
  return text(plotted.x(a) + dx, plotted.y(b) + dy, words, { class: "note", ...attributes });
}

// --- tables -------------------------------------------------------------------

// rows: [[row head, cell, cell, ...], ...]; returns { root, set(rows) } that changes only the cells.
function numberTable(caption, heads, rows) {
  const cells = rows.map((row) => row.slice(1).map((value) => html("td", {}, value)));
  const root = html("table", {}, html("caption", {}, caption),
    html("thead", {}, html("tr", {}, heads.map((head) => (head ? html("th", { scope: "col" }, head) : html("td", {}))))),
    html("tbody", {}, rows.map((row, i) => html("tr", {}, html("th", { scope: "row" }, row[0]), cells[i]))));
  const set = (next) => next.forEach((row, i) => row.slice(1).forEach((value, k) => { cells[i][k].textContent = value; }));
  return { root, set };
}

// --- fields: what a control may hold --------------------------------------------
//
// { kind: "number", label, low, high, step, say?, short? }   a slider; `say(value)` is its value in words,
//                                and a short one shares a row with the control before it, where that has half of one
// { kind: "choice", ..., wide? }              its words are long: on a phone it has a row to itself
// { kind: "number", ..., stops: (state) => [value, ...] }   a slider over these values alone; the nearest by its ratio is the value
// { kind: "choice", label, options: (state) => [[value, words], ...] }   a list
// { kind: "flag", label }                                  a check box
// { kind: "marks", label, length, row }   whole numbers below length
// `row`: the element in which the explorer itself draws the control, as it does for marks;
// `more: true` puts a control behind the fold; `label` may be a function of the state;
// `needs(state)` says when the control does anything, and is off otherwise.

function digitsOf(step) {
  return (String(step).split(".")[1] ?? "").length;
}

// The nearest value that the control can show: numbers clamped and on the grid, choices on the list.
function clean(field, value, state) {
  if (field.stops) {
    const stops = field.stops(state), wanted = Number.isFinite(value) ? Math.max(value, stops[0]) : stops[0], gap = (stop) => Math.abs(Math.log(stop / wanted));
    return stops.reduce((best, stop) => (gap(stop) < gap(best) ? stop : best));
  }
  if (field.kind === "number") {
    const number = Number.isFinite(value) ? Math.min(field.high, Math.max(field.low, value)) : field.low;
    const snapped = field.low + Math.round((number - field.low) / field.step) * field.step;
    return Number(Math.min(field.high, snapped).toFixed(digitsOf(field.step)));
  }
  if (field.kind === "choice") {
    const values = field.options(state).map(([option]) => option);
    return values.includes(value) ? value : values[0];
  }
  if (field.kind === "flag") return value === true;
  const marks = Array.isArray(value) ? value.filter((mark) => Number.isInteger(mark) && mark >= 0 && mark < field.length) : [];
  return [...new Set(marks)].sort((a, b) => a - b);
}

function toText(field, value) {
  if (field.kind === "flag") return value ? "1" : "0";
  return field.kind === "marks" ? value.join(".") : String(value);
}

function fromText(field, words) {
  if (field.kind === "number") return /^-?\d{1,9}(\.\d{1,9})?$/.test(words) ? Number(words) : undefined;
  if (field.kind === "flag") return words === "1" ? true : words === "0" ? false : undefined;
  if (field.kind === "marks") return /^[\d.]{0,400}$/.test(words) ? words.split(".").filter(Boolean).map(Number) : undefined;
  return words.length <= 200 ? words : undefined;
}

// --- links: #exit?v=1&theta=0.35&score=entropy ----------------------------------

const LINK_VERSION = "1";
// Where the package may not be there yet: the first line of what a reader copies; in a notebook it installs.
const INSTALL = "# %pip install -q \"git+https://github.com/stop-when-sure/stop-when-sure\"";

// Lines of imports, one a module, of names that are each given as "module name".
function imports(names) {
  const modules = {};
  for (const [module, name] of [...new Set(names)].sort().map((each) => each.split(" "))) (modules[module] ??= []).push(name);
  return Object.entries(modules).map(([module, found]) => `from ${module} import ${found.join(", ")}`);
}

const NO_LESSON = { hide: [], fix: [], question: "" };

function formatHash(key, fields, state, lesson = NO_LESSON) {
  const query = new URLSearchParams({ v: LINK_VERSION });
  for (const [name, field] of Object.entries(fields)) query.set(name, toText(field, state[name]));
  if (lesson.hide.length) query.set("hide", lesson.hide.join(","));
  if (lesson.fix.length) query.set("fix", lesson.fix.join(","));
  if (lesson.question) query.set("q", lesson.question);
  return `#${key}?${query}`;
}

// { patch, lesson } from a link of this explorer, else null. Values are not yet on the grid: `clean` follows.
function readHash(hash, key, fields) {
  if (typeof hash !== "string" || hash.length > 4000 || !hash.startsWith(`#${key}?`)) return null;
  const query = new URLSearchParams(hash.slice(key.length + 2));
  if (query.get("v") !== LINK_VERSION) return null;
  const patch = {};
  for (const [name, field] of Object.entries(fields)) {
    const value = query.has(name) ? fromText(field, query.get(name)) : undefined;
    if (value !== undefined) patch[name] = value;
  }
  const names = (which) => (query.get(which) ?? "").split(",").filter((name) => Object.hasOwn(fields, name));
  return { patch, lesson: { hide: names("hide"), fix: names("fix"), question: (query.get("q") ?? "").slice(0, 300) } };
}

// Whether a link is meant for this explorer, but written by an edition whose links it does not know.
function isForeign(hash, key) {
  return typeof hash === "string" && hash.startsWith(`#${key}?`) && new URLSearchParams(hash.slice(key.length + 2)).get("v") !== LINK_VERSION;
}

// --- controls -------------------------------------------------------------------

function words(field, state) {
  return typeof field.label === "function" ? field.label(state) : field.label;
}

// One row with a native input: { row, show(state, value, spoken), lock(fixed, hidden, state) }.
function control(fieldName, field, changed) {
  const title = html("span"), name = html("span", { class: "name" }, title), mark = html("span", {}, " (fixed)");
  const value = html("span", { class: "value", "aria-hidden": "true" });
  const input = html(field.kind === "choice" ? "select" : "input", { "data-lm-suppress-shortcuts": "true" });
  if (field.kind === "number") furnish(input, { type: "range", min: field.low, max: field.high, step: field.step }, []);
  if (field.kind === "flag") furnish(input, { type: "checkbox" }, []);
  let stops = null, listed = "", held = false;
  const isOff = (now) => held || (field.needs ? !field.needs(now) : false);
  const read = { number: () => (stops ? stops[Number(input.value)] : Number(input.value)), choice: () => input.value, flag: () => input.checked }[field.kind];
  input.addEventListener("input", () => changed(read()));
  const row = html("label", { class: `control ${field.kind}${field.short ? " short" : ""}${field.wide ? " wide" : ""}`, "data-field": fieldName },
    field.kind === "flag" ? [input, name] : [name, input, field.kind === "number" ? value : null]);
  const show = (now, at, spoken) => {
    title.textContent = words(field, now);
    stops = field.stops ? field.stops(now) : null;
    if (stops) furnish(input, { min: 0, max: stops.length - 1, step: 1 }, []);
    input.disabled = isOff(now);
    if (field.kind === "flag") input.checked = at;
    if (field.kind === "choice") {
      const options = field.options(now);
      if (JSON.stringify(options) !== listed) {
        listed = JSON.stringify(options);
        input.replaceChildren(...options.map(([option, label]) => html("option", { value: option }, label)));
      }
      input.value = at;
    }
    if (field.kind === "number") {
      value.textContent = field.say ? field.say(at) : fixed(at, digitsOf(field.step));
      const place = String(stops ? stops.indexOf(at) : at);
      if (input.value !== place) input.value = place;
      input.setAttribute("aria-valuetext", `${field.say ? field.say(at) : at}, ${spoken}`);
    }
  };
  const lock = (fixedNow, hidden, now) => {
    held = fixedNow;
    if (held) name.append(mark); else mark.remove();        // a control that is off may also be of no use in this state
    input.disabled = isOff(now);
    row.hidden = hidden;
  };
  return { row, show, lock };
}

// --- copying --------------------------------------------------------------------

async function copy(words, shelf) {
  try {
    await navigator.clipboard.writeText(words);
    return true;
  } catch {
    shelf.hidden = false;
    shelf.value = words;
    shelf.focus();
    shelf.select();
    return document.execCommand("copy");
  }
}

function toolbar(tools) {
  const said = html("span", { class: "said", role: "status" });
  const shelf = html("textarea", { class: "shelf", hidden: true, readonly: true, rows: 6, "aria-label": "text to copy",
    "data-lm-suppress-shortcuts": "true" });
  const button = ([label, make, left = () => ""]) => html("button", { type: "button", click: async () => {
    const made = make();
    if (made === undefined) return;
    said.textContent = (await copy(made, shelf)) ? `Copied${left()}.` : `Select the text below and copy it${left()}.`;
  } }, label);
  return html("div", { class: "tools" }, tools.map(button), said, shelf);
}

// --- a lesson: what a teacher hides, fixes and asks -------------------------------

// { root, show(lesson) }: a link that was opened shows in the form as well.
function lessonForm(fields, state, lesson, changed) {
  const boxes = [];
  const box = (which, name) => {
    const input = html("input", { type: "checkbox", "data-lm-suppress-shortcuts": "true", change: () => {
      const others = lesson()[which].filter((other) => other !== name);
      changed({ ...lesson(), [which]: input.checked ? [...others, name] : others });
    } });
    boxes.push((now) => { input.checked = now[which].includes(name); });
    return html("label", {}, input, words(fields[name], state()));
  };
  const group = (title, which) => html("fieldset", {}, html("legend", {}, title), Object.keys(fields).map((name) => box(which, name)));
  const question = html("input", { type: "text", maxlength: 300, "data-lm-suppress-shortcuts": "true",
    input: () => changed({ ...lesson(), question: question.value }) });
  const root = html("details", { class: "fold lesson" }, html("summary", {}, "For teachers"),
    html("p", {}, "Set the explorer as your class should meet it, then use Copy link: the link carries all of this."),
    html("label", { class: "ask" }, "Question shown above ", question), group("Hide", "hide"), group("Fix", "fix"));
  const show = (now) => {
    boxes.forEach((each) => each(now));
    if (question.value !== now.question) question.value = now.question;
  };
  return { root, show };
}

// --- an explorer ------------------------------------------------------------------

// In a notebook the address belongs to the application, so links stay out of it there.
function inBook() {
  const { dataset, classList } = document.body;
  return dataset.jpThemeLight === undefined && !classList.contains("vscode-body") && !globalThis.google?.colab;
}

// Everything around the picture. Returns the clean-up function.
//   fields          see above, in the order of the page; each is also a trait of the model
//   view            the node that `draw` paints into; `stage` is another, above the controls, where the picture comes first
//   draw(state)     paints, and returns { brief, sentence }: the result as a slider speaks it, and as a line of text
//   python(state)   optional: lines that print the same numbers
//   row(state)      optional: [heads, cells] of the state as a table row
//   adjust(name, value, state)   optional: a patch to make when a reader moves one control
//   complete(patch)  optional: what a link means by what it leaves out
//   left(state)     optional: what a link to this state cannot carry, ", without your drawing"
function explorer({ model, el, title, fields, stage, view, draw, python, row, adjust, complete = (patch) => patch, left = () => "" }) {
  const key = model.get("hash_key"), names = Object.keys(fields), start = {};
  const state = {};
  let lesson = NO_LESSON, timer = 0, moved = false;

  const controls = {};
  for (const name of names) {
    start[name] = state[name] = clean(fields[name], model.get(name), state);
    if (fields[name].row) continue;
    controls[name] = control(name, fields[name], (value) =>
      move(adjust ? adjust(name, value, { ...state }) : { [name]: value }));
  }

  const shown = names.filter((name) => controls[name] && !fields[name].more);
  const folded = names.filter((name) => controls[name] && fields[name].more);
  const question = html("p", { class: "question", hidden: true });
  const warning = html("p", { class: "warning", role: "status", hidden: true });
  const sentence = html("output", { class: "sentence", "aria-live": "polite" });
  const tools = toolbar([
    ...(inBook() ? [["Copy link", () => location.href.split("#")[0] + formatHash(key, fields, state, lesson), () => left({ ...state })]] : []),
    ...(python ? [["Copy as Python", () => `${INSTALL}\n${python({ ...state })}`]] : []),
    ...(row ? [["Copy as table row", () => tableRow(row({ ...state }))]] : []),
    ["Reset", () => move(start)],
  ]);
  const form = inBook() ? lessonForm(fields, () => state, () => lesson, (next) => { teach(next); settle(); }) : null;
  const root = html("div", { class: "dtsnn", role: "group", "aria-label": title, "data-lm-suppress-shortcuts": "true" }, warning, question, stage,
    html("div", { class: "controls" }, shown.map((name) => controls[name].row)),
    folded.length ? html("details", { class: "fold" }, html("summary", {}, "More controls"),
      html("div", { class: "controls" }, folded.map((name) => controls[name].row))) : null,
    sentence, view, tools,
    form?.root ?? null);

  function paint() {
    const said = draw({ ...state });
    for (const name of Object.keys(controls)) controls[name].show(state, state[name], said.brief);
    clearTimeout(timer);
    if (!sentence.textContent) settle(said);      // at first there is nobody to interrupt, and the text below stays put
    else timer = setTimeout(() => settle(said), 200);
  }

  // What may wait until the reader pauses: the live region, phrases in the text, the address.
  function settle(said) {
    if (said) sentence.textContent = said.sentence;
    for (const link of phrases()) {
      const found = readHash(link.getAttribute("href"), key, fields), patch = found && complete(found.patch);
      const same = patch && Object.keys(patch).length > 0 && names.every((name) => !(name in patch)
        || toText(fields[name], clean(fields[name], patch[name], state)) === toText(fields[name], state[name]));
      link.classList.add("dtsnn-phrase");
      if (same) link.setAttribute("aria-current", "true");
      else link.removeAttribute("aria-current");
    }
    if (inBook() && said && moved) {
      try { history.replaceState(history.state, "", formatHash(key, fields, state, lesson)); } catch { /* a sandboxed page */ }
    }
  }

  function phrases() {
    return [...document.querySelectorAll("a[href]")].filter((link) => link.getAttribute("href").startsWith(`#${key}?`));
  }

  function set(patch, tell = true) {
    for (const name of names) {
      const value = clean(fields[name], name in patch ? patch[name] : state[name], state);
      if (toText(fields[name], value) === toText(fields[name], state[name])) continue;
      state[name] = value;
      if (tell) model.set(name, value);
    }
    if (tell) { moved = true; model.save_changes(); }
    paint();
  }

  // What a reader does, by a control, in the picture or by Reset: what a teacher fixed stays where the link put it.
  function move(patch) {
    set(Object.fromEntries(Object.entries(patch).filter(([name]) => !lesson.fix.includes(name))));
  }

  function teach(next) {
    lesson = next;
    question.textContent = lesson.question;
    question.hidden = !lesson.question;
    form?.show(lesson);
    for (const name of Object.keys(controls)) controls[name].lock(lesson.fix.includes(name), lesson.hide.includes(name), state);
    for (const name of names.filter((each) => fields[each].row)) {
      fields[name].row.hidden = lesson.hide.includes(name);
      for (const each of fields[name].row.querySelectorAll("button, input")) each.disabled = lesson.fix.includes(name);
    }
  }

  function follow(hash) {
    const found = readHash(hash, key, fields);
    if (!found) {
      if (!isForeign(hash, key)) return false;
      warning.textContent = "This link was made for another edition of the book. Its settings are not known here; the figure shows its own.";
      warning.hidden = false;
      return true;
    }
    warning.hidden = true;
    if (found.lesson.hide.length || found.lesson.fix.length || found.lesson.question) teach(found.lesson);
    set(complete(found.patch));
    return true;
  }

  // The picture that a phrase speaks of, not only the controls above it; what is seen already stays where it is.
  function bringIntoView() {
    (root.querySelector(".board, .watching, .panel") ?? root).scrollIntoView({ block: "nearest" });
  }

  // The way back to the page without a link leads back to how it was.
  function restore() {
    warning.hidden = true;
    teach(NO_LESSON);
    set(start);
    moved = false;
  }

  const onHash = () => {
    if (inBook() && location.hash === "") restore();
    else if (follow(location.hash)) bringIntoView();
  };
  const onClick = (event) => {
    const link = event.target.closest?.(`a[href^="#${key}?"]`);
    if (link && follow(link.getAttribute("href"))) bringIntoView();
  };
  const onModel = Object.fromEntries(names.map((name) => [name, () => {
    const value = clean(fields[name], model.get(name), state);
    if (toText(fields[name], value) !== toText(fields[name], state[name])) set({ [name]: value }, false);
  }]));
  for (const name of names) model.on(`change:${name}`, onModel[name]);
  addEventListener("hashchange", onHash);
  document.addEventListener("click", onClick, true);      // before a notebook application takes the click

  el.append(root);
  paint();
  if (inBook() && follow(location.hash)) requestAnimationFrame(bringIntoView);
  const close = () => {
    clearTimeout(timer);
    for (const name of names) model.off(`change:${name}`, onModel[name]);
    removeEventListener("hashchange", onHash);
    document.removeEventListener("click", onClick, true);
    root.remove();
  };
  return { close, set: move, state: () => ({ ...state }) };
}

// A Markdown table of one row.
function tableRow([heads, cells]) {
  const line = (values) => `| ${values.map((value) => String(value).replace(/\|/g, "\\|")).join(" | ")} |`;
  return [line(heads), line(heads.map(() => "---")), line(cells)].join("\n");
}

// --- bytes ------------------------------------------------------------------------

// A Bytes trait arrives as a DataView that may start at an odd offset: copy it first.
function bytesOf(view) {
  return new Uint8Array(view.buffer.slice(view.byteOffset, view.byteOffset + view.byteLength));
}

export {
  bar, bytesOf, change, decadeTicks, dot, explorer, fixed, furnish, html, imports, line,
  nameDots, note, numberTable, plot, quantity, ratio, signed, svg, text, ticks, unitFor,
};
