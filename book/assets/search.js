/*
 * The book's search: sections that hold what one looks for, the best first, with the sentence and the words marked.
 * search-text.js (made by stopwhensure/search.py) holds the text; nothing is fetched, so it works from a folder.
 */
(() => {
  "use strict";

  const MOST_HITS = 40, SNIPPET = 240, SOON_MS = 150;
  const REFERENCE = 0.6; // a page of the reference counts less, unless one looks for a name

  const plain = (text) => text.normalize("NFKD").replace(/[\u0300-\u036f]/g, "").toLowerCase();
  const escaped = (text) => text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");

  // "thresholds" is looked for as "threshold", "stopping" as "stop".
  function stem(word) {
    if (word.length < 5 || /[^a-z]/.test(word)) return word;
    return word.replace(/(?:ies)$/, "i").replace(/(?<=..[^s])s$/, "").replace(/(?:ing|ed)$/, "").replace(/([bdgmnprt])\1$/, "$1");
  }

  // The words of a query, and what stood in quotation marks.
  function terms(query) {
    const phrases = [...query.matchAll(/["\u201c\u201d]([^"\u201c\u201d]+)["\u201c\u201d]/g)].map((found) => plain(found[1]).trim());
    const words = plain(query).match(/[\p{L}\p{N}_]+(?:[.-][\p{L}\p{N}_]+)*/gu) ?? [];
    return { phrases: phrases.filter(Boolean), words: [...new Set(words)] };
  }

  const pattern = (word) => new RegExp(`(?<![\\p{L}\\p{N}])${escaped(stem(word))}[\\p{L}\\p{N}]*`, "gu");

  // Each section once, in plain letters; "text" is what is shown.
  const sections = (globalThis.BookText ?? []).flatMap(([page, pageTitle, rows]) =>
    rows.map(([anchor, title, text], place) =>
      ({ page, pageTitle, anchor, title, text, isTop: place === 0, low: plain(text), lowTitle: plain(title), lowPage: plain(pageTitle) })));

  const count = (text, word) => (text.match(pattern(word)) ?? []).length;

  function find(query) {
    const { phrases, words } = terms(query);
    if (!words.length) return [];
    const whole = words.length > 1 ? plain(query).replace(/["\u201c\u201d]/g, "").replace(/\s+/g, " ").trim() : null;
    const isName = /[_.]/.test(query.trim().slice(0, -1));
    const found = sections.map((section) => ({ section, counts: words.map((word) => count(section.low, word)),
      titles: words.map((word) => count(section.lowTitle, word)), pages: words.map((word) => count(section.lowPage, word)) }));
    // A word that few sections have says more.
    const weights = words.map((_, i) => Math.log(1 + sections.length / (1 + found.filter((it) => it.counts[i] + it.titles[i]).length)));
    const isIn = ({ counts, titles, pages }) => (_, i) => counts[i] + titles[i] + pages[i] > 0;
    const score = (it) => {
      const { section } = it;
      const length = 1 + section.low.length / 4000; // a long section has any word
      let total = words.reduce((sum, _, i) =>
        sum + weights[i] * (Math.min(it.counts[i], 4) / length + 6 * Math.min(it.titles[i], 1) + Math.min(it.pages[i], 1)), 0);
      if (whole && section.low.includes(whole)) total += 30;
      const isReference = section.page.includes("/api");
      if (section.lowTitle === (whole ?? words[0]) && !isReference) total += 60;
      // A function by its name: "replay" is exits.replay, but "threshold" no property of a class.
      if (words.length === 1 && section.lowTitle.endsWith(`.${words[0]}`) && (isName || section.lowTitle.split(".").length === 2)) total += 15;
      if (isReference && !isName) total *= REFERENCE;
      return total;
    };
    const holdsPhrases = ({ section }) => phrases.every((phrase) => section.low.includes(phrase) || section.lowTitle.includes(phrase));
    let hits = found.filter((it) => words.every(isIn(it)) && holdsPhrases(it));
    // No section has all: those that have the most of them.
    if (!hits.length && !phrases.length) {
      const most = Math.max(...found.map((it) => words.filter(isIn(it)).length));
      hits = most ? found.filter((it) => words.filter(isIn(it)).length === most) : [];
    }
    return hits.map((it) => ({ ...it.section, score: score(it) })).sort((a, b) => b.score - a.score).slice(0, MOST_HITS);
  }

  // The sentence with most of the words, the rarest counting most by being longest.
  function snippet(text, { words }) {
    const sentences = text.match(/[^.!?]+(?:[.!?]+(?!\s)[^.!?]*)*[.!?]*/g) ?? [text];
    const worth = (sentence) => words.reduce((sum, word) => sum + (count(plain(sentence), word) ? word.length : 0), 0);
    const worths = sentences.map(worth), best = worths.indexOf(Math.max(...worths));
    let shown = sentences.slice(best, best + 2).join(" ").trim();
    const first = Math.max(0, Math.min(...words.map((word) => plain(shown).search(pattern(word))).filter((at) => at >= 0), shown.length));
    if (first > SNIPPET / 2) shown = `\u2026 ${shown.slice(first - SNIPPET / 4)}`;
    return shown.length > SNIPPET ? `${shown.slice(0, SNIPPET).replace(/\s\S*$/, "")} \u2026` : shown;
  }

  // Text with the words in <mark>; never as HTML.
  function marked(place, text, { words }) {
    const any = new RegExp(words.map((word) => pattern(word).source).join("|"), "giu");
    let from = 0;
    for (const found of text.matchAll(any)) {
      place.append(text.slice(from, found.index), Object.assign(document.createElement("mark"), { textContent: found[0] }));
      from = found.index + found[0].length;
    }
    place.append(text.slice(from));
    return place;
  }

  function item(hit, query) {
    const asked = terms(query);
    const link = document.createElement("a");
    link.href = `${hit.page}.html?found=${encodeURIComponent(query)}${hit.isTop ? "" : `#${hit.anchor}`}`;
    marked(link, hit.title, asked);
    const line = document.createElement("li");
    line.append(link);
    if (!hit.isTop) line.append(Object.assign(document.createElement("span"), { className: "search-page", textContent: ` ${hit.pageTitle}` }));
    line.append(marked(document.createElement("p"), snippet(hit.text, asked), asked));
    return line;
  }

  function show(query) {
    const place = document.getElementById("search-results");
    const hits = find(query);
    const told = Object.assign(document.createElement("p"), { textContent: !query.trim() ? "" :
      hits.length ? `${hits.length === MOST_HITS ? "The best" : ""} ${hits.length} ${hits.length === 1 ? "place" : "places"}`.trim() + ", the best first." :
      "Nothing found. Fewer words find more." });
    told.setAttribute("role", "status");
    const list = Object.assign(document.createElement("ol"), { className: "search-hits" });
    list.append(...hits.map((hit) => item(hit, query)));
    place.replaceChildren(told, list);
  }

  function start() {
    const field = document.querySelector(".bd-search-container input[type=search]");
    const query = new URLSearchParams(location.search).get("q") ?? "";
    let waiting;
    if (field) {
      field.value = query;
      field.addEventListener("input", () => {
        clearTimeout(waiting);
        waiting = setTimeout(() => show(field.value), SOON_MS);
      });
    }
    show(query);
  }

  globalThis.BookSearch = { find, snippet, terms, stem };
  if (globalThis.document) start();
})();
