/*
 * Long tables that one can narrow down: the facts by words, the comparisons with the papers by verdict.
 * The controls stand in the page; without scripts they are hidden, and all rows stand there.
 */
(() => {
  "use strict";

  const rowsOf = (tables) => tables.flatMap((table) => [...table.tBodies[0].rows]);

  // A control and how many rows are left; `keeps` says of a row whether it stays.
  function narrowDown(filter, rows, keeps) {
    const control = filter.querySelector("input, select");
    const told = filter.querySelector(".filter-told");
    const narrow = () => {
      for (const row of rows) row.hidden = !keeps(row, control.value);
      told.textContent = `${rows.filter((row) => !row.hidden).length} of ${rows.length} rows`;
    };
    control.addEventListener("input", narrow);
    narrow(); // a browser may have kept what was typed
  }

  const has = (row, words) => words.toLowerCase().split(/\s+/).every((word) => row.textContent.toLowerCase().includes(word));

  const verdictColumn = (table) => [...(table.tHead?.rows[0]?.cells ?? [])].findIndex((cell) => cell.textContent.trim() === "verdict");
  const verdictOf = (row) => row.cells[verdictColumn(row.closest("table"))].textContent.trim();

  const narrows = {
    facts(filter) {
      narrowDown(filter, rowsOf([...document.querySelectorAll("table.facts")]), has);
      // A link to a row shows it, whatever is typed.
      addEventListener("hashchange", () => document.getElementById(location.hash.slice(1))?.removeAttribute("hidden"));
    },
    verdicts(filter) {
      const compared = [...document.querySelectorAll("article table")].filter((table) => verdictColumn(table) >= 0);
      narrowDown(filter, rowsOf(compared), (row, verdict) => !verdict || verdictOf(row) === verdict);
    },
  };
  for (const filter of document.querySelectorAll(".filter")) narrows[filter.dataset.narrows](filter);
})();
