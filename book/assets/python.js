/*
 * Code cells that run in the page. Nothing is loaded before the first click on Run; then Python starts in a worker, from
 * scripts that lie beside the page, so that it runs from a server and from a folder, with no network.
 *
 * The cells of a page share one namespace, as in a notebook: those above that have not run yet are run first.
 */
(() => {
  "use strict";

  const STORE = "stop-when-sure/python"; // a key for each edited cell
  const STOPPED = Symbol("stopped");
  const LACKS = "NotInThePage"; // the error of a cell that draws, or needs torch
  const told = JSON.parse(document.getElementById("python-page").textContent);
  const all = (selector) => [...document.querySelectorAll(selector)];

  function element(tag, attributes = {}, ...inside) {
    const made = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
    made.append(...inside);
    return made;
  }

  function button(words, label, act) {
    const made = element("button", { type: "button", "aria-label": label }, words);
    made.addEventListener("click", act);
    return made;
  }

  // --- what is kept of the reader's work ----------------------------------------------

  const keyOf = (name) => `${STORE}/${told.page}/${name}`;

  function kept(name) {
    try {
      return localStorage.getItem(keyOf(name));
    } catch {
      return null;
    }
  }

  // Whether it could be kept; null forgets.
  function keep(name, text) {
    try {
      if (text === null) localStorage.removeItem(keyOf(name));
      else localStorage.setItem(keyOf(name), text);
      return true;
    } catch {
      return false;
    }
  }

  // --- the parts, each a script that fills a table --------------------------------------

  const table = new Map();
  let list = null; // {always: [name], bytes: {name: bytes}, packed: [ending]}
  self.pythonParts = (given) => { list = given; };
  self.pythonPart = (name, base64) => table.set(name, base64);

  function load(name) {
    return new Promise((done, fail) => {
      const script = element("script", { src: `${told.parts}${name}.js` });
      script.onload = () => { script.remove(); done(); };
      script.onerror = () => { script.remove(); fail(new Error(`${name} cannot be loaded: is the book's folder whole?`)); };
      document.head.append(script);
    });
  }

  const megabytes = (names) => (names.reduce((total, name) => total + list.bytes[name], 0) / 1e6).toFixed(1);

  async function fetchParts(names) {
    const lacking = names.filter((name) => !table.has(name));
    for (const name of lacking) {
      say(`loading: ${megabytes(lacking.filter((it) => table.has(it)))} of ${megabytes(lacking)} MB`);
      await load(name);
    }
  }

  async function textOf(name) {
    const bytes = Uint8Array.from(atob(table.get(name)), (letter) => letter.charCodeAt(0));
    return new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"))).text();
  }

  // --- Python, in a worker ----------------------------------------------------------------

  let worker = null;
  let started = null; // a promise: Python is ready
  let answer = null; // what to do with the next message of the cell that runs
  let given = new Set(); // recordings that this worker has

  async function startPython() {
    if (list === null) await load("parts");
    await fetchParts(list.always);
    const address = URL.createObjectURL(new Blob([await textOf("worker.js")], { type: "text/javascript" }));
    worker = new Worker(address);
    given = new Set();
    await new Promise((done, fail) => {
      answer = { take: (message) => message.ready && done(), fail };
      worker.onmessage = ({ data }) => {
        if (data.step) say(data.step);
        else if (data.broken) answer.fail(new Error(data.broken));
        else answer.take(data);
      };
      worker.onerror = (event) => answer.fail(new Error(event.message || "the worker does not start"));
      worker.postMessage({ start: Object.fromEntries(list.always.map((name) => [name, table.get(name)])), packed: list.packed });
    });
    URL.revokeObjectURL(address);
  }

  function endPython(why) {
    worker?.terminate();
    worker = started = null;
    for (const cell of cells) cell.ran = null;
    answer?.fail(why);
  }

  // The recordings that a cell opens: those that it was seen to open, and those that its text names.
  function filesOf(cell, source) {
    const named = Object.keys(list.bytes).filter((path) => {
      const name = path.replace(/^assets\/|\.npz$/g, "");
      return path.startsWith("assets/") && (source.includes(`"${name}"`) || source.includes(`'${name}'`));
    });
    const seen = (told.assets[cell.name] ?? []).map((name) => `assets/${name}`).filter((path) => path in list.bytes);
    return [...new Set([...seen, ...named])].filter((path) => !given.has(path));
  }

  async function runOne(cell, shows) {
    const source = sourceOf(cell);
    const files = filesOf(cell, source);
    await fetchParts(files);
    if (files.length) worker.postMessage({ files: Object.fromEntries(files.map((path) => [path, table.get(path)])) });
    for (const path of files) given.add(path);
    clearOutput(cell);
    const error = await new Promise((done, fail) => {
      answer = {
        take: (message) => {
          if ("ran" in message) done(message.error);
          else if (shows || message.kind === "error") showOutput(cell, message.kind, message.text);
        },
        fail,
      };
      worker.postMessage({ run: cell.name, label: `cell ${cell.title}`, source });
    });
    cell.ran = source;
    return error;
  }

  // --- what a cell prints --------------------------------------------------------------------

  function clearOutput(cell) {
    cell.output?.remove();
    cell.output = null;
  }

  function showOutput(cell, kind, text) {
    if (cell.output === null) {
      cell.output = element("div", { class: "python-output", role: "group", tabindex: "0", "aria-label": `Output of cell ${cell.title}` });
      cell.place.after(cell.output);
    }
    if (kind === "markdown") return cell.output.append(...markdown(text));
    const last = cell.output.lastElementChild;
    if (last?.matches(`pre.python-${kind}`)) last.append(text);
    else cell.output.append(element(kind === "note" ? "p" : "pre", { class: `python-${kind}` }, text));
  }

  // As much of Markdown as the book's cells print: tables, paragraphs, code, bold, and links as their words.
  function inline(text) {
    const plain = text.replace(/\[([^\]]*)\]\([^)]*\)/g, "$1").replace(/\{\w+\}`([^`]*)`/g, "$1");
    return plain.split(/(`[^`]+`|\*\*[^*]+\*\*)/).map((part) => {
      if (/^`.+`$/.test(part)) return element("code", {}, part.slice(1, -1));
      if (/^\*\*.+\*\*$/.test(part)) return element("strong", {}, part.slice(2, -2));
      return part.replace(/\\([\\`*_|$^])/g, "$1");
    });
  }

  const row = (line, tag) => element("tr", {}, ...line.replace(/^\||\|$/g, "").split(/(?<!\\)\|/).map((cell) =>
    element(tag, tag === "th" ? { scope: "col" } : {}, ...inline(cell.trim()))));

  function markdown(text) {
    return text.trim().split(/\n{2,}/).map((block) => {
      const lines = block.trim().split("\n");
      if (!lines[0].startsWith("|")) return element("p", {}, ...inline(lines.join(" ")));
      const rows = lines.filter((line) => !/^\|[\s:|-]+\|?$/.test(line));
      return element("table", { class: "table" }, element("thead", {}, row(rows[0], "th")),
        element("tbody", {}, ...rows.slice(1).map((line) => row(line, "td"))));
    });
  }

  // --- the cells ---------------------------------------------------------------------------

  let busy = null; // the cell whose Run was pressed

  const sourceOf = (cell) => cell.area?.value ?? cell.original;
  const isEdited = (cell) => cell.area !== null && cell.area.value !== cell.original;

  function say(words) {
    if (busy) busy.said.textContent = words;
  }

  async function press(cell) {
    if (busy) return;
    busy = cell;
    for (const each of cells) each.run?.toggleAttribute("disabled", each !== cell);
    cell.run.textContent = "Stop";
    cell.run.setAttribute("aria-label", `Stop cell ${cell.title}`);
    try {
      started ??= startPython();
      await started;
      const before = cells.slice(0, cells.indexOf(cell)).filter((it) => it.ran !== sourceOf(it));
      let failed = 0;
      for (const [number, each] of before.entries()) {
        say(`first the cells above: ${number + 1} of ${before.length}`);
        const shows = each.how === "run" && (told.lab !== undefined || isEdited(each));
        const error = await runOne(each, shows);
        failed += error !== "" && error !== LACKS;
      }
      say("running");
      const error = await runOne(cell, true);
      const above = failed ? `; ${failed} cell${failed > 1 ? "s" : ""} above ended with an error` : "";
      say((error === LACKS ? "done, as far as it goes here" : error ? `ended with ${error}` : "done") + above);
    } catch (error) {
      if (error !== STOPPED) endPython(error);
      say(error === STOPPED ? "stopped; Python starts anew with the next Run" : `Python does not run here: ${error.message}`);
    } finally {
      answer = null;
      for (const each of cells) each.run?.removeAttribute("disabled");
      cell.run.textContent = "Run";
      cell.run.setAttribute("aria-label", `Run cell ${cell.title}`);
      cell.again?.removeAttribute("hidden");
      busy = null;
    }
  }

  function startAgain() {
    const edited = [...cells, ...texts].filter(isEdited);
    if (edited.length && !confirm("Forget what you wrote on this page?")) return;
    for (const cell of edited) {
      cell.area.value = cell.original;
      keep(cell.name, null);
      fit(cell.area);
    }
    endPython(STOPPED);
    for (const cell of cells) {
      clearOutput(cell);
      if (cell.said) cell.said.textContent = "";
      cell.again?.setAttribute("hidden", "");
    }
  }

  // --- writing ---------------------------------------------------------------------------

  const fit = (area) => { area.rows = Math.max(2, area.value.split("\n").length); };

  function watch(cell) {
    const { area } = cell;
    const before = area.readOnly ? null : kept(cell.name);
    if (before !== null) area.value = before;
    fit(area);
    area.addEventListener("input", () => {
      fit(area);
      cell.again?.removeAttribute("hidden");
      const done = keep(cell.name, isEdited(cell) ? area.value : null);
      if (!done && cell.said) cell.said.textContent = "this browser keeps nothing: save your work before you leave";
    });
    area.addEventListener("keydown", (event) => {
      if (event.key !== "Enter" || cell.place === undefined) return;
      if (event.ctrlKey || event.metaKey || event.shiftKey) {
        event.preventDefault();
        press(cell);
      } else if (!event.isComposing && !area.readOnly) {
        const line = area.value.slice(0, area.selectionStart).split("\n").pop();
        const indent = line.match(/^ */)[0] + (line.trimEnd().endsWith(":") ? "    " : "");
        if (indent && document.execCommand("insertText", false, `\n${indent}`)) event.preventDefault(); // as typed, so that undo knows it
      }
    });
  }

  // A text field in the place of a chapter's coloured code.
  function openEditor(cell) {
    if (cell.area === null) {
      cell.area = element("textarea", { class: "python-code", "aria-label": `Code of cell ${cell.title}`, spellcheck: "false",
        autocapitalize: "off", autocomplete: "off" });
      cell.area.value = cell.original;
      cell.code.replaceChildren(cell.area);
      watch(cell);
    }
  }

  function makeCell(place, number) {
    const code = place.previousElementSibling;
    const area = code.matches("textarea") ? code : null;
    const original = area ? area.defaultValue : code.querySelector("pre").textContent.replace(/\n$/, "");
    const cell = { name: place.dataset.cell, how: place.dataset.how, title: area ? place.dataset.cell : String(number + 1),
      place, code, area, original, ran: null, output: null };
    if (cell.how !== "run") return cell;
    cell.run = button("Run", `Run cell ${cell.title}`, () => (busy === cell ? endPython(STOPPED) : press(cell)));
    cell.again = button("Start again", `Start again, with the page as it was`, startAgain);
    cell.again.setAttribute("hidden", "");
    cell.said = element("span", { class: "python-said", role: "status" });
    place.append(cell.run);
    if (area === null) {
      place.append(button("Edit", `Edit cell ${cell.title}`, () => { openEditor(cell); cell.area.focus(); }), cell.again);
    }
    place.append(cell.said);
    if (area) watch(cell);
    else if (kept(cell.name) !== null) openEditor(cell);
    return cell;
  }

  const cells = all(".python-place").map(makeCell);
  const texts = all(".python-words > textarea").map((area) => ({ name: area.name, area, original: area.defaultValue }));
  for (const text of texts) watch(text);
  const first = cells.find((cell) => cell.how === "run");
  if (first && told.lab === undefined) first.said.textContent = "runs in this page; the first run loads about 10 MB";

  // --- a lab: its download ---------------------------------------------------------------------

  function notebook() {
    const made = JSON.parse(document.getElementById("python-notebook").textContent);
    const areas = new Map([...cells, ...texts].map(({ name, area }) => [name, area]));
    made.cells.forEach((cell, number) => {
      const area = areas.get(told.names[number]);
      const before = [cell.source].flat().join("");
      const isPrediction = cell.cell_type === "markdown" && !cell.metadata.nbgrader;
      const after = area === undefined || (cell.cell_type === "markdown" && area.value.trim() === "") ? before
        : isPrediction ? `${before} ${area.value}` : area.value;
      cell.source = after.split(/(?<=\n)/);
    });
    return JSON.stringify(made, null, 1);
  }

  function download() {
    const address = URL.createObjectURL(new Blob([notebook()], { type: "application/x-ipynb+json" }));
    element("a", { href: address, download: `${told.lab}.ipynb` }).click();
    setTimeout(() => URL.revokeObjectURL(address), 10_000);
  }

  for (const tools of all(".python-tools")) {
    const last = () => cells.at(-1);
    tools.append(
      button("Run all", "Run all cells", () => press(last())),
      button(`Download ${told.lab}.ipynb`, `Download ${told.lab}.ipynb with your work`, download),
      button("Start again", "Start again, with the page as it was", startAgain),
    );
  }
})();
