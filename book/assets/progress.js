/*
 * The contents beside the text say how many of a page's questions are answered: "3/7", and a tick when all are.
 * What was answered is read from where answers.js keeps it.
 */
(() => {
  "use strict";

  const STORE = "stop-when-sure/answers";

  // How many questions of each page have a right answer, or a prediction.
  function done() {
    const counts = new Map();
    try {
      for (const [key, entry] of Object.entries(JSON.parse(localStorage.getItem(STORE) ?? "{}"))) {
        const page = key.split("/")[0];
        if (entry?.right || entry?.role === "predict") counts.set(page, (counts.get(page) ?? 0) + 1);
      }
    } catch {
      // nothing is kept, or rubbish is
    }
    return counts;
  }

  function mark() {
    const counts = done();
    for (const link of document.querySelectorAll(".bd-links a.reference.internal")) {
      const page = link.pathname.split("/").at(-1).replace(/\.html$/, "");
      const answered = counts.get(page) ?? 0, asked = globalThis.QuestionsOf?.[page];
      if (!asked || !answered) delete link.dataset.progress;
      else {
        link.dataset.progress = answered >= asked ? "\u2713" : `${answered}/${asked}`;
        link.title = `${answered} of ${asked} questions answered`;
      }
    }
  }

  mark();
  addEventListener("storage", mark);
  addEventListener("submit", () => setTimeout(mark));
  addEventListener("click", () => setTimeout(mark));
})();
