/*
 * Questions that are answered in the page: checks, which say whether an answer is right, and predictions, which
 * are locked before their reveal opens and are then set against what came out. answers.js keeps them.
 * Classic script: it runs at the end of the text, from a server and from a folder.
 */
(() => {
  "use strict";

  const { Answers, Seals, Typed } = globalThis;
  const all = (place, selector) => [...place.querySelectorAll(selector)];

  // --- reading and setting a form -----------------------------------------------------

  const isTyped = (kind) => kind === "number" || kind === "text";
  const optionsIn = (form) => all(form, ".question-options > li");

  // What stands in a form, as texts: what was typed, the letters that are ticked, or all letters in their order.
  function rawIn(form, kind) {
    if (kind === "order") return optionsIn(form).map((item) => item.dataset.letter);
    if (isTyped(kind)) return all(form, "input[type=text]").map((input) => input.value.trim());
    return all(form, "input:checked").map((input) => input.value);
  }

  function setIn(form, kind, raw) {
    if (isTyped(kind)) all(form, "input[type=text]").forEach((input, i) => (input.value = raw[i] ?? ""));
    else if (kind === "order") {
      const items = new Map(optionsIn(form).map((item) => [item.dataset.letter, item]));
      if (raw.length === items.size && raw.every((letter) => items.has(letter))) {
        for (const letter of raw) items.get(letter).parentElement.append(items.get(letter));
      }
    } else for (const input of all(form, "input")) input.checked = raw.includes(input.value);
  }

  const isEmpty = (raw) => raw.every((text) => text === "");
  const isSame = (raw, other) => JSON.stringify(raw) === JSON.stringify(other);

  // The words of a question and of its options, equations as their TeX.
  function wordsIn(place) {
    const copy = place.cloneNode(true);
    for (const equation of all(copy, "[data-tex]")) equation.replaceWith(`\\(${equation.dataset.tex}\\)`);
    for (const note of all(copy, ".sourced-note")) note.remove();
    return copy.textContent.replace(/\s+/g, " ").trim();
  }

  // Made when they are asked for: a page has many questions, and its reader has not answered one yet.
  function once(make) {
    const made = new Map();
    return (place) => {
      if (!made.has(place)) made.set(place, make(place));
      return made.get(place);
    };
  }

  const textOf = once((form) => {
    const parts = all(form, "fieldset > p:not(.question-verdict), fieldset > :is(ol, ul):not(.question-options), fieldset > .math");
    return parts.map(wordsIn).join(" ");
  });
  const wordsOf = once((item) => wordsIn(item.querySelector(".question-words")));
  const fieldsOf = (form) => all(form, ".question-controls > label").map((label) => label.firstChild.textContent.trim());

  // What is shown and saved: words, not letters.
  function inWords(form, kind, raw) {
    if (isTyped(kind)) {
      const names = fieldsOf(form);
      return raw.length > 1 ? raw.map((part, i) => `${names[i]}: ${part}`).join("; ") : raw[0];
    }
    return raw.map((letter) => wordsOf(optionsIn(form).find((item) => item.dataset.letter === letter))).join(kind === "order" ? " > " : "; ");
  }

  function say(form, mood, text) {
    const place = form.querySelector(".question-verdict");
    place.dataset.mood = mood;
    place.textContent = text;
  }

  // --- checks ---------------------------------------------------------------------------

  const OPENINGS = { right: "Right.", wrong: "Not yet." };
  const verdictOf = (right, said) => `${OPENINGS[right ? "right" : "wrong"]} ${said}`.trim();

  function answerCheck(form, question) {
    const raw = rawIn(form, question.kind);
    if (isEmpty(raw)) return say(form, "wrong", "Choose or type an answer first.");
    const verdict = Seals.check(question, raw.join(","));
    const hint = form.querySelector(".question-hint");
    const said = verdict.reply || (!verdict.right && hint && !hint.open ? "There is a hint below." : "");
    const given = inWords(form, question.kind, raw);
    const before = Answers.get(question.salt);
    Answers.keep(question.salt, { role: "check", question: textOf(form), given, raw, right: verdict.right, said });
    const keeps = before?.right && !verdict.right ? ` (Your right answer, ${before.given}, is kept.)` : "";
    say(form, verdict.right ? "right" : "wrong", verdictOf(verdict.right, said) + keeps);
  }

  function showCheck(form, question) {
    const entry = Answers.get(question.salt);
    if (!entry) return say(form, "", "");
    const isShown = isSame(rawIn(form, question.kind), entry.raw);
    say(form, entry.right ? "right" : "wrong", (isShown ? "" : `You answered ${entry.given}. `) + verdictOf(entry.right, entry.said ?? ""));
  }

  // --- an order, by buttons ----------------------------------------------------------------

  function move(form, button) {
    const item = button.closest("li"), step = Number(button.dataset.move);
    const other = step < 0 ? item.previousElementSibling : item.nextElementSibling;
    if (!other) return say(form, "", `${wordsOf(item)} is ${step < 0 ? "first" : "last"} already.`);
    if (step < 0) other.before(item);
    else other.after(item);
    button.focus(); // moving an element takes the focus from it
    const place = [...item.parentElement.children].indexOf(item) + 1;
    say(form, "", `${wordsOf(item)}: now number ${place} of ${item.parentElement.children.length}.`);
  }

  // --- predictions -----------------------------------------------------------------------------

  const revealOf = (form) => document.querySelector(`[data-reveals="${form.id}"]`);
  const english = new Intl.NumberFormat("en", { maximumSignificantDigits: 6 });

  // A predicted number in the unit that its field asks for; what is no number stays as it was typed.
  function inUnit(text, unit) {
    const [value] = Typed.readings(text, unit);
    return value === undefined ? text : english.format(value) + (unit ? ` ${unit}` : "");
  }

  // "You: 930. The network: 971.", a line for each field.
  function against(form, question, entry) {
    const { kind, results = [], whose, units } = question;
    if (!results.length) return [];
    if (!isTyped(kind)) return [`${entry.given ? `You: ${entry.given}. ` : ""}${whose}: ${inWords(form, kind, results)}.`];
    const names = fieldsOf(form);
    return results.map((result, i) => {
      const mine = entry.raw?.[i] ? `You: ${inUnit(entry.raw[i], units[i])}. ` : "";
      return `${results.length > 1 ? `${names[i]}. ` : ""}${mine}${whose}: ${result}${units[i] ? ` ${units[i]}` : ""}.`;
    });
  }

  function showPrediction(form, question) {
    const entry = Answers.get(question.salt), reveal = revealOf(form);
    for (const control of all(form, "input, button")) control.disabled = Boolean(entry);
    form.toggleAttribute("data-locked", Boolean(entry));
    say(form, "", entry ? (entry.given ? `You predicted: ${entry.given}.` : "You skipped this one.") : "");
    if (!reveal) return;
    reveal.toggleAttribute("data-waiting", !entry);
    if (!entry) reveal.open = false;
    reveal.querySelector(".prediction-against")?.remove();
    const lines = entry ? against(form, question, entry) : [];
    if (!lines.length) return;
    const place = Object.assign(document.createElement("div"), { className: "prediction-against" });
    for (const line of lines) place.append(Object.assign(document.createElement("p"), { textContent: line }));
    reveal.querySelector("summary").after(place);
  }

  function lock(form, question, raw) {
    const given = raw.length ? inWords(form, question.kind, raw) : "";
    const result = question.results?.length ? inWords(form, question.kind, question.results) : undefined;
    const done = Answers.keep(question.salt, { role: "predict", question: textOf(form), given, raw, right: null, result });
    show(form, question);
    const reveal = revealOf(form);
    if (reveal) reveal.open = true;
    reveal?.querySelector("summary").focus();
    if (!done) say(form, "", `${form.querySelector(".question-verdict").textContent} (This browser does not let the page keep it.)`);
  }

  function answerPrediction(form, question) {
    const raw = rawIn(form, question.kind);
    if (isEmpty(raw)) return say(form, "wrong", "Predict something first: a guess is enough.");
    lock(form, question, raw);
  }

  function guard(form) {
    const reveal = revealOf(form);
    reveal?.querySelector("summary").addEventListener("click", (event) => {
      if (!("waiting" in reveal.dataset)) return;
      event.preventDefault();
      say(form, "wrong", "Lock a prediction first, or skip this one.");
      form.querySelector("input, button")?.focus();
    });
  }

  // --- one form -------------------------------------------------------------------------------

  const shown = new Map(); // form -> the answer that it shows
  const empty = new Map(); // form -> how it stands before anything is answered

  // A form as the reader left it, with what was said to it.
  function show(form, question) {
    const entry = Answers.get(question.salt);
    const typed = entry && !entry.raw && question.kind === "number" && question.role === "check" ? [entry.given] : undefined; // of version 1
    setIn(form, question.kind, (entry?.role === "predict" ? undefined : Answers.draft(question.salt)) ?? entry?.raw ?? typed ?? empty.get(form));
    (question.role === "check" ? showCheck : showPrediction)(form, question);
    shown.set(form, JSON.stringify(entry));
  }

  function start(form, question) {
    const isCheck = question.role === "check";
    empty.set(form, rawIn(form, question.kind));
    const begin = () => {
      const raw = rawIn(form, question.kind);
      Answers.begin(question.salt, isSame(raw, Answers.get(question.salt)?.raw ?? empty.get(form)) ? undefined : raw);
    };
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      (isCheck ? answerCheck : answerPrediction)(form, question);
      shown.set(form, JSON.stringify(Answers.get(question.salt)));
      showCount();
    });
    form.addEventListener("input", begin);
    for (const button of all(form, "[data-move]")) {
      button.addEventListener("click", () => {
        move(form, button);
        begin();
      });
    }
    if (!isCheck) {
      guard(form);
      form.querySelector("[data-do=skip]").addEventListener("click", () => {
        lock(form, question, []);
        showCount();
      });
    }
    show(form, question);
  }

  // --- your answers ---------------------------------------------------------------------------

  function save(name, type, text) {
    const address = URL.createObjectURL(new Blob([text], { type }));
    const link = Object.assign(document.createElement("a"), { href: address, download: name });
    link.click();
    setTimeout(() => URL.revokeObjectURL(address), 1000);
  }

  const panel = document.querySelector(".your-answers");
  const actions = {
    markdown: () => save("my-answers.md", "text/markdown", Answers.markdown()),
    json: () => save("my-answers.json", "application/json", Answers.json()),
    forget() {
      Answers.forget();
      for (const [form, question] of questions) show(form, question);
      say(panel, "", "Forgotten. You can answer afresh.");
    },
  };

  function showCount() {
    if (panel) panel.querySelector("summary").textContent = `Your answers (${Answers.count()})`;
  }

  // --- start ------------------------------------------------------------------------------------

  const questions = new Map(all(document, "form.question").map((form) => [form, JSON.parse(form.dataset.question)]));
  for (const [form, question] of questions) start(form, question);
  for (const button of panel ? all(panel, "[data-do]") : []) button.addEventListener("click", actions[button.dataset.do]);
  // Another tab has answered, or all was forgotten: only what changed is shown anew, so that nobody's typing is lost.
  Answers.whenChanged(() => {
    for (const [form, question] of questions) {
      if (shown.get(form) !== JSON.stringify(Answers.get(question.salt))) show(form, question);
    }
    showCount();
  });
  showCount();
})();
