// Tables that are sorted by a click on a heading, and the cells of a study, filtered.

function sortKey(row, column) {
  const cell = row.cells[column];
  const text = (cell?.dataset.v ?? cell?.textContent ?? "").trim();
  const number = parseFloat(text);
  return { text, number, blank: text === "" };
}

function sortTable(table, column, direction) {
  const body = table.tBodies[0];
  const rows = [...body.rows];
  rows.forEach((row, place) => (row.dataset.place ??= place));
  const keys = new Map(rows.map((row) => [row, sortKey(row, column)]));
  const numeric = [...keys.values()].every((key) => key.blank || !Number.isNaN(key.number));
  const compare = (a, b) => {
    const [one, two] = [keys.get(a), keys.get(b)];
    if (one.blank !== two.blank) return one.blank - two.blank; // what was not measured comes last
    const order = numeric && !one.blank ? one.number - two.number : one.text.localeCompare(two.text);
    return direction * order || a.dataset.place - b.dataset.place;
  };
  rows.sort(direction ? compare : (a, b) => a.dataset.place - b.dataset.place);
  body.append(...rows);
}

function makeSortable(table) {
  const heads = [...table.tHead.rows[0].cells];
  heads.forEach((head, column) => {
    if ("plain" in head.dataset) return;
    const button = element("button", { type: "button", title: "sort; a third click undoes it" });
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => {
      const next = { ascending: "descending", descending: "none" }[head.getAttribute("aria-sort")] ?? "ascending";
      heads.forEach((each) => each.removeAttribute("aria-sort"));
      if (next !== "none") head.setAttribute("aria-sort", next);
      sortTable(table, column, { ascending: 1, descending: -1, none: 0 }[next]);
    });
  });
}

function makeFilters(section) {
  const table = section.querySelector("table");
  const rows = [...table.tBodies[0].rows];
  const heads = [...table.tHead.rows[0].cells];
  const filters = element("form", { class: "filters", role: "search", "aria-label": "which cells are shown" });
  filters.addEventListener("submit", (event) => event.preventDefault());
  const search = element("input", { type: "search", placeholder: "any words", "aria-label": "cells that have these words" });
  const count = element("output");
  const selects = heads.flatMap((head, column) => {
    if (!("filter" in head.dataset)) return [];
    const values = [...new Set(rows.map((row) => row.cells[column].textContent))];
    if (values.length < 2) return [];
    const name = head.textContent;
    const select = element("select", { "aria-label": name }, element("option", { value: "" }, `${name}: all`));
    values.forEach((value, number) => select.append(element("option", { value: String(number + 1) }, value)));
    return [{ select, column, values }];
  });
  const apply = () => {
    const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
    let seen = 0;
    for (const row of rows) {
      const text = row.textContent.toLowerCase();
      const chosen = selects.every(({ select, column, values }) =>
        !select.value || row.cells[column].textContent === values[select.value - 1]);
      row.hidden = !(chosen && words.every((word) => text.includes(word)));
      seen += !row.hidden;
    }
    count.textContent = `${seen} of ${rows.length} cells`;
  };
  filters.append(search, ...selects.map(({ select }) => select), count);
  filters.addEventListener("input", apply);
  section.querySelector(".scroll").before(filters, makeColumns(table, heads));
  apply();
}

function makeColumns(table, heads) {
  const box = element("div", { class: "columns", role: "group", "aria-label": "measures that are shown" });
  const measures = heads.map((head, column) => ({ head, column })).filter(({ head }) => "measure" in head.dataset);
  if (measures.length < 2) return box;
  for (const { head, column } of measures) {
    const button = element("button", { type: "button", "aria-pressed": "true" }, head.textContent);
    button.addEventListener("click", () => {
      const on = button.getAttribute("aria-pressed") !== "true";
      button.setAttribute("aria-pressed", on);
      for (const row of table.rows) row.cells[column].hidden = !on;
    });
    box.append(button);
  }
  return box;
}
