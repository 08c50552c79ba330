/*
 * The words that a reader has searched for, marked in the page that was chosen (?found=words); Escape takes the marks away.
 * They are painted, not written into the text, so that nothing moves.
 */
(() => {
  "use strict";

  const NAME = "found";
  const asked = new URLSearchParams(location.search).get(NAME);
  if (!asked || !globalThis.CSS?.highlights) return;

  const words = (asked.toLowerCase().match(/[\p{L}\p{N}_]+/gu) ?? []).map((word) => (word.length > 4 ? word.replace(/(?:ies|s|ing|ed)$/, "") : word));

  function ranges(article) {
    const any = new RegExp(`(?<![\\p{L}\\p{N}])(?:${words.join("|")})[\\p{L}\\p{N}]*`, "giu");
    const walker = document.createTreeWalker(article, NodeFilter.SHOW_TEXT);
    const found = [];
    while (walker.nextNode()) {
      const node = walker.currentNode;
      if (node.parentElement.closest("script, style, svg, .sourced-note, .headerlink")) continue;
      for (const match of node.data.matchAll(any)) {
        const range = document.createRange();
        range.setStart(node, match.index);
        range.setEnd(node, match.index + match[0].length);
        found.push(range);
      }
    }
    return found;
  }

  addEventListener("DOMContentLoaded", () => {
    const article = document.querySelector("article.bd-article");
    if (!article || !words.length) return;
    document.documentElement.classList.add("has-found"); // a rule for highlights costs every element a style, so it holds here only
    CSS.highlights.set(NAME, new Highlight(...ranges(article)));
  });
  addEventListener("keydown", (event) => event.key === "Escape" && CSS.highlights.delete(NAME));
})();
