/*
 * Long tables that one can narrow down: the facts by words, the comparisons with the papers by verdict.
 * Without scripts all rows stand there.
 */
(() => {
  "use strict";

  const MANY_TABLES = 3;
  const make = (tag, given, ...children) => {
    const element = Object.assign(document.createElement(tag), given);
    element.append(...children);
    return element;
  };

  // A control and how many rows are left, before a table; `keeps` says of a row whether it stays.
  function offer(before, label, control, rows, keeps) {
    const told = make("span", { className: "filter-told" });
    told.setAttribute("role", "status");
    const narrow = () => {
      for (const row of rows) row.hidden = !keeps(row, control.value);
      told.textContent = `${rows.filter((row) => !row.hidden).length} of ${rows.length} rows`;
    };
    control.addEventListener("input", narrow);
    before.before(make("p", { className: "filter" }, make("label", {}, label, " ", control), " ", told));
    narrow();
  }

  const boxOf = (table) => table.closest(".pst-scrollable-table-container") ?? table;

  function offerFacts(table) {
    const rows = [...table.tBodies[0].rows];
    const has = (row, words) => words.toLowerCase().split(/\s+/).every((word) => row.textContent.toLowerCase().includes(word));
    offer(boxOf(table), "Show facts with", make("input", { type: "search", autocomplete: "off" }), rows, has);
    // A link to a row shows it, whatever is typed.
    addEventListener("hashchange", () => document.getElementById(location.hash.slice(1))?.removeAttribute("hidden"));
  }

  function verdictColumn(table) {
    return [...(table.tHead?.rows[0]?.cells ?? [])].findIndex((cell) => cell.textContent.trim() === "verdict");
  }

  function offerVerdicts(tables) {
    const rows = tables.flatMap((table) => [...table.tBodies[0].rows]);
    const verdictOf = (row) => row.cells[verdictColumn(row.closest("table"))].textContent.trim();
    const known = [...new Set(rows.map(verdictOf))];
    const options = known.map((verdict) => make("option", { value: verdict }, `${verdict} (${rows.filter((row) => verdictOf(row) === verdict).length})`));
    const choice = make("select", {}, make("option", { value: "" }, `all (${rows.length})`), ...options);
    offer(boxOf(tables[0]), "Show verdicts", choice, rows, (row, verdict) => !verdict || verdictOf(row) === verdict);
  }

  for (const table of document.querySelectorAll("table.facts")) offerFacts(table);
  const compared = [...document.querySelectorAll("article table")].filter((table) => verdictColumn(table) >= 0);
  if (compared.length >= MANY_TABLES) offerVerdicts(compared);
})();
