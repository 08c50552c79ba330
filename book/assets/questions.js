/*
 * Questions that are answered in the page: checks, which say whether an answer is right, and predictions, which
 * are locked before their reveal opens. Answers stay in this browser; the reader may save or forget them.
 * Classic script: it runs at the end of the text, from a server and from a folder.
 */
(() => {
  "use strict";

  const STORE = "stop-when-sure/answers";
  const LONGEST = 500; // characters of one kept answer

  // --- what is kept -----------------------------------------------------------------

  // Storage may be refused (private windows, blocked cookies) and may hold anything: then we start empty.
  const isEntry = (entry) =>
    entry !== null && typeof entry === "object" &&
    ["question", "given", "at"].every((name) => typeof entry[name] === "string") &&
    ["check", "predict"].includes(entry.role) && [true, false, null].includes(entry.right) && Number.isInteger(entry.tries);

  function readAll() {
    try {
      const kept = JSON.parse(localStorage.getItem(STORE) ?? "{}");
      return new Map(Object.entries(kept).filter(([, entry]) => isEntry(entry)));
    } catch {
      return new Map();
    }
  }

  const kept = readAll();

  function write() {
    try {
      localStorage.setItem(STORE, JSON.stringify(Object.fromEntries(kept)));
      return true;
    } catch {
      return false;
    }
  }

  function keep(key, entry) {
    const tries = (kept.get(key)?.tries ?? 0) + 1;
    kept.set(key, { ...entry, given: entry.given.slice(0, LONGEST), tries, at: new Date().toISOString() });
    const done = write();
    showCount();
    return done;
  }

  // --- reading and setting a form -----------------------------------------------------

  const all = (place, selector) => [...place.querySelectorAll(selector)];
  const lettersOf = (form) => all(form, ".question-options > li").map((item) => item.dataset.letter);

  function givenIn(form, kind) {
    if (kind === "order") return lettersOf(form).join(",");
    if (kind === "choice" || kind === "several") return all(form, "input:checked").map((input) => input.value).join(",");
    return all(form, "input[type=text]").map((input) => input.value.trim()).join("; ");
  }

  const isEmpty = (given) => given.replaceAll(";", "").trim() === "";

  // The words of a question and of its options, read before MathJax sets their equations.
  function wordsIn(place) {
    const copy = place.cloneNode(true);
    for (const note of all(copy, ".sourced-note")) note.remove();
    return copy.textContent.replace(/\s+/g, " ").trim();
  }

  function textOf(form) {
    const parts = all(form, "fieldset > p:not(.question-verdict), fieldset > :is(ol, ul):not(.question-options), fieldset > .math");
    return parts.map(wordsIn).join(" ");
  }

  const texts = new Map(all(document, "form.question").map((form) => [form, textOf(form)]));
  const words = new Map(all(document, ".question-options > li").map((item) => [item, wordsIn(item.querySelector(".question-words"))]));

  // What stands in the saved file: words, not letters.
  function inWords(form, kind, given) {
    if (kind === "number" || kind === "text") {
      const names = all(form, "label").map((label) => label.firstChild.textContent.trim());
      const parts = given.split("; ");
      return parts.length > 1 ? parts.map((part, i) => `${names[i]}: ${part}`).join("; ") : given;
    }
    const items = all(form, ".question-options > li");
    const named = (letter) => words.get(items.find((item) => item.dataset.letter === letter));
    return given.split(",").map(named).join(kind === "order" ? " > " : "; ");
  }

  function say(form, mood, text) {
    const place = form.querySelector(".question-verdict");
    place.dataset.mood = mood;
    place.textContent = text;
  }

  // --- checks ---------------------------------------------------------------------------

  const OPENINGS = { right: "Right.", wrong: "Not yet." };

  function answerCheck(form, question) {
    const given = givenIn(form, question.kind);
    if (isEmpty(given)) return say(form, "wrong", "Choose or type an answer first.");
    const verdict = globalThis.Seals.check(question, given);
    const mood = verdict.right ? "right" : "wrong";
    const hint = form.querySelector(".question-hint");
    const fallback = hint && !hint.open ? "There is a hint below." : "";
    say(form, mood, `${OPENINGS[mood]} ${verdict.reply || fallback}`.trim());
    keep(question.salt, { role: "check", question: texts.get(form), given: inWords(form, question.kind, given), right: verdict.right });
  }

  function startCheck(form, question) {
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      answerCheck(form, question);
    });
    const before = kept.get(question.salt);
    if (before?.right) say(form, "right", "You have answered this one.");
  }

  // --- an order, by buttons ----------------------------------------------------------------

  function move(form, button) {
    const item = button.closest("li"), step = Number(button.dataset.move);
    const other = step < 0 ? item.previousElementSibling : item.nextElementSibling;
    if (!other) return say(form, "", `${words.get(item)} is ${step < 0 ? "first" : "last"} already.`);
    if (step < 0) other.before(item);
    else other.after(item);
    button.focus(); // moving an element takes the focus from it
    const place = [...item.parentElement.children].indexOf(item) + 1;
    say(form, "", `${words.get(item)}: now number ${place} of ${item.parentElement.children.length}.`);
  }

  // --- predictions -----------------------------------------------------------------------------

  function lock(form, entry, opens) {
    for (const control of all(form, "input, button")) control.disabled = true;
    form.dataset.locked = "true";
    say(form, "", entry.given ? `You predicted: ${entry.given}.` : "You skipped this one.");
    const reveal = document.querySelector(`[data-reveals="${form.id}"]`);
    if (!reveal) return;
    delete reveal.dataset.waiting;
    if (opens) reveal.open = true;
  }

  function startPrediction(form, question) {
    const reveal = document.querySelector(`[data-reveals="${form.id}"]`);
    const before = kept.get(question.salt);
    const finish = (given) => {
      const entry = { role: "predict", question: texts.get(form), given, right: null };
      const done = keep(question.salt, entry);
      lock(form, entry, true);
      reveal?.querySelector("summary").focus();
      if (!done) say(form, "", `${form.querySelector(".question-verdict").textContent} (This browser does not let the page keep it.)`);
    };
    if (reveal) {
      reveal.dataset.waiting = "true";
      reveal.querySelector("summary").addEventListener("click", (event) => {
        if (!("waiting" in reveal.dataset)) return;
        event.preventDefault();
        say(form, "wrong", "Lock a prediction first, or skip this one.");
        form.querySelector("input, button")?.focus();
      });
    }
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      const given = givenIn(form, question.kind);
      if (isEmpty(given)) return say(form, "wrong", "Predict something first: a guess is enough.");
      finish(inWords(form, question.kind, given));
    });
    form.querySelector("[data-do=skip]").addEventListener("click", () => finish(""));
    if (before) lock(form, before, false);
  }

  // --- your answers ---------------------------------------------------------------------------

  const mark = { true: "right", false: "not yet", null: "prediction" };
  const oneLine = (text) => text.replace(/\s+/g, " ").replaceAll("|", "\\|");

  function markdown() {
    const rows = [...kept].map(([key, entry]) =>
      `| ${[key, entry.question, entry.given || "(skipped)", mark[entry.right], String(entry.tries), entry.at].map(oneLine).join(" | ")} |`);
    return ["# My answers", "", "| where | question | answer | verdict | tries | last |", "|---|---|---|---|---|---|", ...rows, ""].join("\n");
  }

  const json = () => `${JSON.stringify({ version: 1, answers: Object.fromEntries(kept) }, null, 1)}\n`;

  function save(name, type, text) {
    const address = URL.createObjectURL(new Blob([text], { type }));
    const link = Object.assign(document.createElement("a"), { href: address, download: name });
    link.click();
    setTimeout(() => URL.revokeObjectURL(address), 1000);
  }

  function forget() {
    kept.clear();
    try {
      localStorage.removeItem(STORE);
    } catch {
      // nothing was kept
    }
    showCount();
    say(panel, "", "Forgotten. Load the page again to answer afresh.");
  }

  const panel = document.querySelector(".your-answers");
  const actions = {
    markdown: () => save("my-answers.md", "text/markdown", markdown()),
    json: () => save("my-answers.json", "application/json", json()),
    forget,
  };

  function showCount() {
    if (panel) panel.querySelector("summary").textContent = `Your answers (${kept.size})`;
  }

  // --- start ------------------------------------------------------------------------------------

  for (const form of all(document, "form.question")) {
    const question = JSON.parse(form.dataset.question);
    (question.role === "check" ? startCheck : startPrediction)(form, question);
    for (const button of all(form, "[data-move]")) button.addEventListener("click", () => move(form, button));
  }
  for (const button of panel ? all(panel, "[data-do]") : []) button.addEventListener("click", actions[button.dataset.do]);
  showCount();
})();
