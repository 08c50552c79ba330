/*
 * What a reader answered and has begun to answer, kept in this browser and sent nowhere.
 * The store is read anew before each change, so that two tabs add to each other; a browser that refuses it
 * (blocked cookies, a frame without rights) keeps everything until the page is left.
 */
(() => {
  "use strict";

  const LONGEST = 500; // characters of one kept answer
  const MOST_FIELDS = 26;

  const isText = (value) => typeof value === "string";
  const isOr = (test) => (value) => value === undefined || test(value);
  const isCount = (value) => Number.isInteger(value) && value >= 0;
  const isRaw = (value) => Array.isArray(value) && value.length <= MOST_FIELDS && value.every(isText);

  // A store may hold anything: what is no answer is passed over.
  const isEntry = (entry) =>
    entry !== null && typeof entry === "object" && ["question", "given", "at"].every((name) => isText(entry[name])) &&
    ["check", "predict"].includes(entry.role) && [true, false, null].includes(entry.right) && isCount(entry.tries) &&
    ["said", "first", "result"].every((name) => isOr(isText)(entry[name])) && isOr(isRaw)(entry.raw) && isOr(isCount)(entry.slips);

  const answers = { name: "stop-when-sure/answers", isGood: isEntry, now: new Map() };
  const drafts = { name: "stop-when-sure/drafts", isGood: isRaw, now: new Map() };

  function read(store) {
    let text;
    try {
      text = localStorage.getItem(store.name);
    } catch {
      return store.now; // refused: what this page knows is all there is
    }
    try {
      return new Map(Object.entries(JSON.parse(text ?? "{}")).filter(([, value]) => store.isGood(value)));
    } catch {
      return new Map();
    }
  }

  // Whether the browser keeps it.
  function change(store, key, value) {
    store.now = new Map(read(store));
    if (value === undefined) store.now.delete(key);
    else store.now.set(key, value);
    try {
      localStorage.setItem(store.name, JSON.stringify(Object.fromEntries(store.now)));
      return !localStorage.forgets; // stopwhensure/pages.py: a stand-in where the browser refuses
    } catch {
      return false;
    }
  }

  // What stands after one more attempt: a right answer and a prediction stay, whatever is tried later.
  function after(before, attempt) {
    if (before?.role === "predict") return before;
    if (before?.right) return attempt.right ? before : { ...before, slips: (before.slips ?? 0) + 1 };
    const given = attempt.given.slice(0, LONGEST);
    const first = before ? before.first ?? before.given : given;
    return { ...attempt, given, first, tries: (before?.tries ?? 0) + 1, at: new Date().toISOString() };
  }

  const listeners = [];
  const tell = () => listeners.forEach((listener) => listener());

  function refresh() {
    for (const store of [answers, drafts]) store.now = read(store);
    tell();
  }

  addEventListener("storage", (event) => {
    if ([answers.name, drafts.name, null].includes(event.key)) refresh();
  });
  addEventListener("pageshow", (event) => event.persisted && refresh()); // a page kept for the way back heard nothing

  // --- as files ---------------------------------------------------------------------

  function verdict({ role, right, tries, first, given, slips, result }) {
    if (role === "predict") return result ? `predicted; it is ${result}` : "predicted";
    const begun = tries > 1 && first !== given ? ` (first: ${first})` : "";
    const later = slips ? `; ${slips} later ${slips === 1 ? "try" : "tries"} not right` : "";
    return right ? `right at try ${tries}${begun}${later}` : `not yet, after ${tries} ${tries === 1 ? "try" : "tries"}${begun}`;
  }

  const oneLine = (text) => text.replace(/\s+/g, " ").replaceAll("\\", "\\\\").replaceAll("|", "\\|");

  function markdown() {
    const rows = [...answers.now].map(([key, entry]) =>
      `| ${[key, entry.question, entry.given || "(skipped)", verdict(entry), entry.said ?? "", entry.at].map(oneLine).join(" | ")} |`);
    return ["# My answers", "", "| where | question | answer | what happened | what the page said | when |", "|---|---|---|---|---|---|",
      ...rows, ""].join("\n");
  }

  const json = () => `${JSON.stringify({ version: 2, answers: Object.fromEntries(answers.now) }, null, 1)}\n`;

  for (const store of [answers, drafts]) store.now = read(store);

  globalThis.Answers = {
    get: (key) => answers.now.get(key),
    count: () => answers.now.size,
    keep(key, attempt) {
      answers.now = read(answers);
      change(drafts, key);
      return change(answers, key, after(answers.now.get(key), attempt));
    },
    draft: (key) => drafts.now.get(key),
    begin: (key, raw) => change(drafts, key, raw?.map((text) => text.slice(0, LONGEST))),
    forget() {
      for (const store of [answers, drafts]) {
        store.now = new Map();
        try {
          localStorage.removeItem(store.name);
        } catch {
          // nothing was kept
        }
      }
      tell();
    },
    whenChanged: (listener) => listeners.push(listener),
    markdown,
    json,
  };
})();
