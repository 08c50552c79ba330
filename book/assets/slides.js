/*
 * A chapter as slides: page.html?slides, or ?slides=7 for the seventh.
 *
 * Nothing is written twice. A slide takes its heading from the section, its points from the paragraphs (of each the
 * first sentence), and the equations, figures, tables, predictions and explorers themselves, which stay alive.
 * The whole text stands below as the speaker's notes. Leaving the slides loads the page as it was.
 */
(() => {
  "use strict";

  const PARAMETER = "slides";
  const MOST_POINTS = 5;         // a slide with more is two
  const LONGEST_PRINT = 14;      // lines of a printed result that can be read from the last row
  const SMALLEST = 0.55;         // how far the type of a full slide shrinks before the slide scrolls
  const LEFT_OUT = new Set(["exercises", "sources", "what-next"]);
  // A cell's drawing, explorer, table or printed lines; a question before a result; a table or figure of the text.
  const SHOWN = ".afm, .cell_output img, .cell_output svg, .cell_output table, .cell_output pre, form.question-predict, table, figure";

  const element = (name, properties = {}, ...children) => {
    const made = Object.assign(document.createElement(name), properties);
    made.append(...children);
    return made;
  };

  function withoutNames(node) { // a copy: one name stands once in a page
    for (const named of [node, ...node.querySelectorAll("[id]")]) named.removeAttribute("id");
    for (const tool of node.querySelectorAll(".headerlink, .copybtn")) tool.remove();
    return node;
  }

  /** The first sentence of a paragraph: the text has one sentence a line. */
  function firstSentence(paragraph) {
    const range = document.createRange();
    range.setStart(paragraph, 0);
    const broken = [...paragraph.childNodes].find((node) => node.nodeType === Node.TEXT_NODE && node.data.includes("\n"));
    if (broken) range.setEnd(broken, broken.data.indexOf("\n"));
    else range.setEnd(paragraph, paragraph.childNodes.length);
    return withoutNames(element("div", {}, range.cloneContents()));
  }

  function isShown(block) {
    if (block.matches("details")) return false;
    const found = block.matches(SHOWN) ? block : block.querySelector(SHOWN);
    if (!found) return false;
    const printed = found.localName === "pre" ? found.textContent.trim().split("\n") : block.querySelectorAll(".printed tr, .printed-words");
    return printed.length <= LONGEST_PRINT;
  }

  /** What a cell shows without its code. */
  function picture(block) {
    for (const tool of block.querySelectorAll(".copybtn")) tool.remove();
    return block.querySelector(":scope > .cell_output") ?? block;
  }

  const contentful = (slide) => slide.points.length > 0 || slide.shown !== null;

  /** A section's slides, subsections in their places: {title, points, shown, notes}. */
  function slidesOf(section) {
    const heading = section.querySelector(":scope > h1, :scope > h2, :scope > h3");
    const title = heading ? withoutNames(heading.cloneNode(true)).innerHTML : "";
    const slides = [];
    let slide;
    const begin = () => {
      slide = { title, points: [], shown: null, notes: [] };
      slides.push(slide);
    };
    const say = (point) => {
      if (slide.shown || slide.points.length >= MOST_POINTS) begin();
      slide.points.push(point);
    };
    begin();
    for (const block of [...section.children]) {
      if (block === heading) continue;
      if (block.matches("section")) {
        if (LEFT_OUT.has(block.id)) continue;
        slides.push(...slidesOf(block));
        begin();
      } else if (block.matches("p")) {
        say(firstSentence(block));
        slide.notes.push(withoutNames(block.cloneNode(true)));
      } else if (block.matches("div.math")) {
        say(block);
      } else if (block.matches("ul, ol, .admonition")) {
        const entries = block.querySelectorAll(":scope > li, :scope > ul > li, :scope > ol > li");
        for (const entry of entries) say(firstSentence(entry.querySelector(":scope > p") ?? entry));
        slide.notes.push(withoutNames(block.cloneNode(true)));
      } else if (block.matches("aside.margin")) {
        slide.notes.push(...[...block.children].map((words) => withoutNames(words.cloneNode(true)))); // said, not shown
      } else if (isShown(block)) {
        if (slide.shown) begin();
        slide.shown = picture(block);
      } else if (block.matches("details.question-reveal") && slide.shown) {
        slide.shown = element("div", {}, slide.shown, block); // the answer stays with its question
      }
    }
    return slides.filter(contentful);
  }

  function drawn(slide, place, title) {
    const body = element("div", { className: "slide-body" });
    if (slide.points.length) body.append(element("div", { className: "slide-points" }, ...slide.points));
    if (slide.shown) body.append(element("div", { className: "slide-shown" }, slide.shown));
    const notes = element("aside", { className: "slide-notes", hidden: true }, ...slide.notes);
    notes.setAttribute("aria-label", "Notes");
    const section = element("section", { className: "slide", hidden: true, tabIndex: -1 },
      element("h2", { innerHTML: slide.title || title }), body, notes);
    section.setAttribute("aria-label", `Slide ${place + 1}`);
    return section;
  }

  function overflows(section) {
    const isCut = (box) => box.scrollWidth > box.clientWidth + 1;
    return section.scrollHeight > section.clientHeight || [...section.querySelectorAll("div.math, pre, .pst-scrollable-table-container")].some(isCut);
  }

  /** The largest type with which a slide fits its window; an explorer has type of its own, and scrolls. */
  function fit(section) {
    let scale = 1;
    const set = () => section.style.setProperty("--slide-scale", scale.toFixed(2));
    set();
    while (scale > SMALLEST && !section.querySelector(".afm") && overflows(section)) {
      scale -= 0.05;
      set();
    }
    section.tabIndex = section.scrollHeight > section.clientHeight ? 0 : -1; // what scrolls is reached by keyboard
  }

  function build(article) {
    const chapter = article.querySelector("h1")?.cloneNode(true);
    const title = chapter ? withoutNames(chapter).textContent.trim() : document.title;
    const top = article.querySelector("section");
    const slides = top ? slidesOf(top) : [];
    return { title, sections: slides.map((slide, place) => drawn(slide, place, title)) };
  }

  function present({ title, sections }) {
    const style = document.querySelectorAll("article > style, article section > style");
    const count = element("span", { className: "deck-count" });
    count.setAttribute("role", "status");
    const button = (label, key, act) => {
      const made = element("button", { type: "button", textContent: label, onclick: act, title: `Key: ${key}` });
      return made;
    };
    const away = new URL(location.href);
    away.searchParams.delete(PARAMETER);
    let now = 0;
    let isNoted = false;

    function show(place) {
      sections[now].hidden = true;
      now = Math.min(Math.max(place, 0), sections.length - 1);
      const section = sections[now];
      section.hidden = false;
      section.querySelector(".slide-notes").hidden = !isNoted;
      section.scrollTop = 0;
      fit(section);
      count.textContent = `${now + 1} of ${sections.length}`;
      const here = new URL(location.href);
      here.searchParams.set(PARAMETER, String(now + 1));
      try {
        history.replaceState(history.state, "", here);
      } catch { /* a page from a folder may not rename itself */ }
      dispatchEvent(new Event("resize")); // what measures itself could not while it was hidden
    }
    const step = (by) => () => show(now + by);
    const note = () => {
      isNoted = !isNoted;
      show(now);
    };
    const leave = () => location.replace(away);
    const whole = () => (document.fullscreenElement ? document.exitFullscreen() : document.documentElement.requestFullscreen());
    const keys = {
      ArrowRight: step(1), PageDown: step(1), " ": step(1), ArrowLeft: step(-1), PageUp: step(-1),
      Home: () => show(0), End: () => show(sections.length - 1), n: note, f: whole, Escape: leave,
    };
    const bar = element("nav", { className: "deck-bar" },
      element("span", { className: "deck-title", textContent: title }), count,
      button("Back", "left arrow", step(-1)), button("Next", "right arrow", step(1)),
      button("Notes", "n", note), button("Whole screen", "f", whole), button("Leave", "Escape", leave));
    bar.setAttribute("aria-label", "Slides");
    const deck = element("main", { className: "deck" }, ...style, ...sections, bar);
    addEventListener("keydown", (event) => {
      const isTaken = event.defaultPrevented && event.key !== "Escape"; // the theme takes that one, for a search that is not open
      const isElsewhere = isTaken || event.ctrlKey || event.metaKey || event.altKey;
      const isControl = event.target.closest?.("input, select, textarea, button, summary, a, [role], .afm");
      const act = keys[event.key];
      if (isElsewhere || !act || (isControl && event.key !== "Escape" && !event.target.closest(".deck-bar"))) return;
      if (event.key === " " && event.target.closest("button")) return;
      event.preventDefault();
      act();
    });
    addEventListener("resize", (event) => event.isTrusted && fit(sections[now]));
    document.documentElement.classList.add("presents");
    document.body.append(deck);
    document.title = `Slides: ${document.title}`;
    show((Number(new URLSearchParams(location.search).get(PARAMETER)) || 1) - 1);
  }

  if (!new URLSearchParams(location.search).has(PARAMETER)) return;
  addEventListener("load", () => {
    const article = document.querySelector("article.bd-article");
    const deck = article && build(article);
    if (deck?.sections.length) present(deck);
  });
})();
