"use strict";
const root = document.documentElement;
const themeButton = document.getElementById("theme");
const dark = () => root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
const nameTheme = () => { themeButton.textContent = dark() ? "Light theme" : "Dark theme"; };
themeButton.addEventListener("click", () => { root.dataset.theme = dark() ? "light" : "dark"; nameTheme(); });
nameTheme();

// Sorting: by number where a cell has one, else by its text; in either direction cells without a number come last.
const key = (row, column) => {
  const cell = row.cells[column];
  return cell.dataset.value !== undefined ? Number(cell.dataset.value) : cell.textContent.trim();
};
const order = (a, b, sign) => {
  if (typeof a !== typeof b) return typeof a === "number" ? -1 : 1;
  return sign * (typeof a === "number" ? a - b : a.localeCompare(b, "en", { numeric: true }));
};
for (const button of document.querySelectorAll("thead button")) {
  button.addEventListener("click", () => {
    const head = button.closest("th");
    const table = button.closest("table");
    const column = Number(head.dataset.column);
    const down = head.getAttribute("aria-sort") === "ascending";
    for (const other of table.querySelectorAll("th[aria-sort]")) other.removeAttribute("aria-sort");
    head.setAttribute("aria-sort", down ? "descending" : "ascending");
    const body = table.tBodies[0];
    const rows = [...body.rows].sort((a, b) => order(key(a, column), key(b, column), down ? -1 : 1));
    body.append(...rows);
  });
}

// Where a number comes from.
const records = JSON.parse(document.getElementById("records").textContent);
const dialog = document.getElementById("provenance");
const list = dialog.querySelector("dl");
const add = (name, value) => {
  if (value === null || value === undefined || value === "") return;
  const term = document.createElement("dt");
  const text = document.createElement("dd");
  term.textContent = name;
  text.textContent = value;
  list.append(term, text);
};
for (const button of document.querySelectorAll("button[data-records]")) {
  button.addEventListener("click", () => {
    list.replaceChildren();
    for (const [name, value] of Object.entries(JSON.parse(button.dataset.facts))) add(name, value);
    for (const id of button.dataset.records.split(" ").filter(Boolean)) {
      const record = records[id];
      add("record", id);
      if (record) for (const [name, value] of Object.entries(record)) add(name, value);
    }
    dialog.showModal();
  });
}
