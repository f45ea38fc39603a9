"use strict";
const root = document.documentElement;
const byId = (id) => document.getElementById(id);
const all = (selector, from = document) => [...from.querySelectorAll(selector)];
const make = (tag, text = "", attributes = {}) => {
  const one = document.createElement(tag);
  one.textContent = text;
  for (const [name, value] of Object.entries(attributes)) one.setAttribute(name, value);
  return one;
};
const unpack = (text) => {
  const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  return new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"))).text();
};

// ---------------------------------------------------------------- theme

const themeButton = byId("theme");
const dark = () => root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
const nameTheme = () => { themeButton.textContent = dark() ? "Light theme" : "Dark theme"; };
themeButton.addEventListener("click", () => { root.dataset.theme = dark() ? "light" : "dark"; nameTheme(); });
nameTheme();

// ---------------------------------------------------------------- tables: columns and views

class Shown {
  constructor(table) {
    this.table = table;
    this.scroll = table.closest(".scroll");
    this.section = table.closest("section");
    this.heads = all("thead tr:last-child th", table);
    this.groups = table.tHead.rows.length > 1 ? [...table.tHead.rows[0].cells].slice(1) : [];
    this.spans = this.groups.map((cell) => cell.colSpan);
    this.rows = all("tbody tr[id]", table);
    this.views = [...new Set(this.heads.map((head) => head.dataset.view).filter(Boolean))];
    this.view = this.views[0];
    this.chosen = new Map();
    for (const row of this.rows) {
      // Each cell's id is its row's and its column's key; written out, they were an eighth of the page.
      [...row.cells].slice(1).forEach((cell, index) => {
        cell.id = `${row.id}.${this.heads[index + 1].dataset.key}`;
        cell.dataset.label = this.name(index + 1);
      });
      row.words = `${this.table.dataset.name} ${this.block(row)} ${row.dataset.model} ${row.cells[0].textContent}`.toLowerCase();
    }
    this.menu();
    this.update();
  }
  block(row) { return row.parentElement.querySelector(".block")?.textContent ?? ""; }
  group(place) {
    let end = 1;
    return this.groups.find((cell, index) => place < (end += this.spans[index]))?.textContent ?? "";
  }
  part(place, name) { return this.heads[place].querySelector(name)?.textContent ?? ""; }
  name(place) {
    const view = this.part(place, ".view");
    const words = [this.group(place), this.part(place, "button"), view && `(${view})`, this.part(place, ".unit") && `[${this.part(place, ".unit")}]`];
    return words.filter(Boolean).join(" ");
  }
  visible(place) {
    const { view, detail } = this.heads[place].dataset;
    return this.chosen.get(place) ?? (detail === undefined && (!view || view === this.view));
  }
  places() { return this.heads.map((_, place) => place).filter((place) => !place || this.visible(place)); }
  show(view) {
    if (!this.views.includes(view)) return;
    this.view = view;
    this.heads.forEach((head, place) => { if (head.dataset.view) this.chosen.delete(place); });
    this.update();
  }
  choose(place, visible) { this.chosen.set(place, visible); this.update(); }
  menu() {
    const list = this.section.querySelector(".columns div");
    this.boxes = this.heads.map((_, place) => {
      if (!place) return null;
      const box = make("input", "", { type: "checkbox" });
      const label = make("label");
      label.append(box, this.name(place));
      list.append(label);
      box.addEventListener("change", () => this.choose(place, box.checked));
      return box;
    });
  }
  update() {
    const shown = this.heads.map((_, place) => !place || this.visible(place));
    this.heads.forEach((head, place) => { head.hidden = !shown[place]; if (place) this.boxes[place].checked = shown[place]; });
    for (const row of this.rows) [...row.cells].forEach((cell, place) => { cell.hidden = !shown[place]; });
    let start = 1;
    this.groups.forEach((cell, index) => {
      const width = shown.slice(start, start + this.spans[index]).filter(Boolean).length;
      cell.hidden = !width;
      if (width) cell.colSpan = width;
      start += this.spans[index];
    });
    this.table.classList.toggle("dense", shown.filter(Boolean).length > 11);
    for (const cell of all(".block th", this.table)) cell.colSpan = shown.filter(Boolean).length;
    this.fit();
  }
  fit() {
    this.scroll.classList.remove("fits");
    const fits = this.scroll.scrollWidth <= this.scroll.clientWidth;
    this.scroll.classList.toggle("fits", fits);
    if (fits) this.scroll.removeAttribute("tabindex"); else this.scroll.tabIndex = 0;
  }
}
const tables = all("table[data-name]").map((table) => new Shown(table));
const tools = byId("tools");
const measure = () => {
  root.style.setProperty("--top", getComputedStyle(tools).position === "sticky" ? `${tools.offsetHeight}px` : "0px");
  for (const table of tables) table.fit();
};
addEventListener("resize", measure);
measure();
const setView = (view) => {
  for (const radio of all("input[name=view]")) radio.checked = radio.value === view;
  for (const table of tables) table.show(view);
};
for (const radio of all("input[name=view]")) radio.addEventListener("change", () => { setView(radio.value); filter(); });
addEventListener("click", (event) => {
  for (const menu of all(".columns[open]")) if (!menu.contains(event.target)) menu.open = false;
});
addEventListener("keydown", (event) => {
  const menu = event.key === "Escape" && document.querySelector(".columns[open]");
  if (menu) { menu.open = false; menu.querySelector("summary").focus(); }
});

// ---------------------------------------------------------------- what is folded: tables without a number, deviations

const folds = all(".fold");
// The width of what is folded is known once it is open.
const fit = (fold) => { for (const one of tables) if (fold.contains(one.table)) one.fit(); };
const unfold = (fold) => { fold.open = true; fit(fold); };
for (const fold of folds) fold.addEventListener("toggle", () => fit(fold));
// What was opened for a search or for paper is closed after it; what the reader opened stays.
const reach = (fold, reached) => {
  if (reached && !fold.open) { fold.dataset.reached = ""; unfold(fold); }
  if (!reached && fold.dataset.reached !== undefined) { delete fold.dataset.reached; fold.open = false; }
};
addEventListener("beforeprint", () => { for (const fold of folds) reach(fold, true); });
addEventListener("afterprint", () => { for (const fold of folds) reach(fold, false); filter(); });

// ---------------------------------------------------------------- search and verdicts

const search = byId("search");
const verdict = byId("verdict");
const nothing = byId("nothing");
const claims = all(".claim");
const deviations = byId("deviations")?.closest("section");
const counted = (count, one) => `${count} ${one}${count === 1 ? "" : "s"}`;
const clear = () => {
  search.value = "";
  if (verdict) verdict.value = "";
  filter();
};
// A search leaves those places in the deviations that have its words, but none where a verdict is wanted; how many.
const filterProse = (words, wanted, said) => {
  if (!deviations) return 0;
  const parts = all(".prose :is(tbody tr, p, li)", deviations);
  for (const part of parts) part.hidden = !said(part.textContent.toLowerCase());
  for (const table of all("table", deviations)) table.hidden = all("tbody tr", table).every((row) => row.hidden);
  for (const heading of all(".prose :is(h3, h4, h5, h6)", deviations)) heading.hidden = words.length > 0;
  const found = words.length && !wanted ? parts.filter((part) => !part.hidden).length : 0;
  deviations.hidden = words.length > 0 && !found;
  reach(deviations.querySelector(".fold"), found > 0);
  return found;
};
const tellNothing = (words, wanted) => {
  const both = (one, other) => [words.length && one, wanted && other].filter(Boolean);
  const what = both(`“${search.value.trim()}”`, `the verdict “${verdict?.selectedOptions[0].textContent}”`).join(" and ");
  const button = make("button", `clear the ${both("search", "verdict").join(" and the ")}`, { type: "button" });
  button.addEventListener("click", () => { clear(); search.focus(); });
  nothing.replaceChildren(`Nothing has ${what}; `, button);
};
const filter = () => {
  const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
  const wanted = verdict?.value ?? "";
  const asked = words.length > 0 || wanted !== "";
  const said = (text) => words.every((word) => text.includes(word));
  for (const claim of claims) {
    claim.hidden = (wanted && claim.dataset.verdict !== wanted) || !said(claim.textContent.toLowerCase());
  }
  let rows = 0;
  for (const { table, rows: own, section } of tables) {
    for (const row of own) {
      const cells = [...row.cells].slice(1).filter((cell) => !cell.hidden);
      row.hidden = !said(row.words) || (wanted && !cells.some((cell) => cell.classList.contains(wanted)));
      for (const cell of cells) cell.classList.toggle("dim", Boolean(wanted) && !cell.classList.contains(wanted));
    }
    for (const block of table.tBodies) block.hidden = own.filter((row) => row.parentElement === block).every((row) => row.hidden);
    const left = own.filter((row) => !row.hidden).length;
    section.hidden = !left && asked;
    for (const fold of all(":scope > .fold", section)) reach(fold, asked && left > 0);
    rows += left;
  }
  const shown = claims.filter((claim) => !claim.hidden).length;
  if (claims.length) claims[0].closest("section").hidden = !shown;
  const others = filterProse(words, wanted, said);
  const counts = [claims.length && counted(shown, "claim"), counted(rows, "row"), others && `${counted(others, "place")} in the deviations`];
  byId("found").textContent = counts.filter(Boolean).join(", ");
  if (asked && !shown && !rows && !others) tellNothing(words, wanted); else nothing.replaceChildren();
};
search.addEventListener("input", filter);
verdict?.addEventListener("change", filter);
tools.addEventListener("submit", (event) => event.preventDefault());
filter();

// ---------------------------------------------------------------- links to cells and claims

const reveal = () => {
  const target = byId(decodeURIComponent(location.hash.slice(1)));
  if (!target) return;
  if (target.closest("[hidden]") && target.closest(".claim, tr, section")) {
    const own = tables.find(({ table }) => table.contains(target));
    const place = target.cellIndex;
    if (own && place > 0 && !own.visible(place)) {
      const { view } = own.heads[place].dataset;
      if (view) setView(view);
      if (!own.visible(place)) own.choose(place, true);
    }
    if (target.closest("[hidden]")) clear(); else filter();
  }
  const around = target.matches("h2") ? all(":scope > .fold", target.parentElement) : [];
  for (let one = target; one; one = one.parentElement) if (one.tagName === "DETAILS") around.push(one);
  for (const one of around) { delete one.dataset.reached; unfold(one); }
  if (target.matches(".claim")) target.querySelector("details").open = true;
  target.scrollIntoView({ block: target.matches("td, tr") ? "center" : "start", inline: "nearest" });
};
addEventListener("hashchange", reveal);

// ---------------------------------------------------------------- sorting, each block by itself

const order = (a, b, sign) => {
  if (typeof a !== typeof b) return typeof a === "number" ? -1 : 1;
  return sign * (typeof a === "number" ? a - b : a.localeCompare(b, "en", { numeric: true }));
};
const sort = (table, place, data) => {
  const head = table.heads[place];
  const down = head.getAttribute("aria-sort") === "ascending";
  for (const other of table.heads) other.removeAttribute("aria-sort");
  head.setAttribute("aria-sort", down ? "descending" : "ascending");
  // By number where a cell has one, else by its text; in either direction cells without a number come last.
  const key = (row) => data.cells[row.cells[place].id]?.sort ?? row.cells[place].textContent.trim();
  for (const block of table.table.tBodies) {
    const rows = [...block.rows].filter((row) => row.id);
    block.append(...rows.sort((a, b) => order(key(a), key(b), down ? -1 : 1)));
  }
};

// ---------------------------------------------------------------- copying

const copy = async (text, button) => {
  try {
    await navigator.clipboard.writeText(text);
    const name = button.textContent;
    button.textContent = "Copied";
    setTimeout(() => { button.textContent = name; }, 1500);
  } catch {
    const area = byId("copied").querySelector("textarea");
    area.value = text;
    byId("copied").showModal();
    area.select();
  }
};
const paperOf = (cell) => /^paper (\S+)/.exec(cell.querySelector("small")?.textContent ?? "")?.[1] ?? "";
const wordOf = (cell) => (cell.querySelector("small b")?.textContent ?? "").replace(/^\S+ /, "");
const asCsv = (table, data) => {
  const quoted = (value) => /[",\n]/.test(value) ? `"${value.replaceAll('"', '""')}"` : String(value);
  const places = table.places().slice(1);
  const head = ["block", "method", "model", ...places.flatMap((place) => ["", " paper", " verdict"].map((end) => table.name(place) + end))];
  const lines = table.rows.filter((row) => !row.hidden).map((row) => [
    table.block(row), row.cells[0].firstChild.textContent, row.dataset.model,
    ...places.flatMap((place) => {
      const cell = row.cells[place];
      return [String(data.cells[cell.id]?.sort ?? ""), paperOf(cell), wordOf(cell)];
    }),
  ]);
  return [head, ...lines].map((line) => line.map(quoted).join(",")).join("\n");
};
const asLatex = (table) => {
  const special = { "\\": "\\textbackslash{}", "~": "\\textasciitilde{}", "^": "\\textasciicircum{}", "±": "$\\pm$", "–": "--" };
  const tex = (text) => text.replace(/[\\~^±–]|[{}%_&#$]/g, (one) => special[one] ?? `\\${one}`);
  const places = table.places().slice(1);
  const groups = [];
  for (const place of places) {
    const name = table.group(place);
    if (groups.at(-1)?.name === name) groups.at(-1).width += 1; else groups.push({ name, width: 1 });
  }
  const titles = places.map((place) => tex([table.part(place, "button"), table.part(place, ".view")].filter(Boolean).join(", ")));
  const units = places.map((place) => tex(table.part(place, ".unit") && `(${table.part(place, ".unit")})`));
  const value = (cell) => {
    const [own, paper] = [tex(cell.querySelector("button")?.textContent ?? ""), paperOf(cell)];
    const shown = cell.querySelector(".best") ? `\\textbf{${own}}` : own;
    return paper ? `${shown} (\\textit{${tex(paper)}})` : shown;
  };
  const line = (first, rest) => `${[first, ...rest].join(" & ")} \\\\`;
  const body = [...table.table.tBodies].filter((block) => !block.hidden).flatMap((block) => [
    "\\midrule",
    ...all(".block", block).map((row) => `\\multicolumn{${places.length + 1}}{l}{${tex(row.textContent.trim())}} \\\\`),
    ...table.rows.filter((row) => row.parentElement === block && !row.hidden)
      .sort((a, b) => a.rowIndex - b.rowIndex)
      .map((row) => line(tex(row.cells[0].firstChild.textContent), places.map((place) => value(row.cells[place])))),
  ]);
  const above = groups.some(({ name }) => name)
    ? [line("", groups.map(({ name, width }) => `\\multicolumn{${width}}{c}{${tex(name)}}`))] : [];
  return [
    "% needs booktabs; the paper's numbers in brackets",
    `\\begin{tabular}{l${"r".repeat(places.length)}}`, "\\toprule", ...above, line("", titles), line("", units), ...body,
    "\\bottomrule", "\\end{tabular}",
  ].join("\n");
};
const asBibtex = (table, data) => {
  const models = table.rows.filter((row) => !row.hidden).map((row) => row.dataset.model);
  return [...new Set(models.map((model) => data.bibtex[model]).filter(Boolean))].join("\n\n");
};
const formats = { LaTeX: asLatex, CSV: asCsv, BibTeX: asBibtex };

// ---------------------------------------------------------------- where a number comes from

const dialog = byId("provenance");
const command = (text) => {
  const code = make("code");
  code.append(...text.split(" ").flatMap((word, place) => [place ? " " : "", make("span", word)]));
  return code;
};
const prose = (text) => text.split("`").map((part, place) => place % 2 ? command(part) : part);
const listed = (pairs) => {
  const list = make("dl");
  for (const [name, value] of pairs) {
    if (value === undefined || value === "" || value.length === 0) continue;
    const told = make("dd");
    told.append(...(typeof value === "string" ? prose(value) : value));
    list.append(make("dt", name), told);
  }
  return list;
};
const tell = (id, data) => {
  const facts = data.cells[id];
  byId("provenance-title").textContent = facts.what;
  const links = (facts.claims ?? []).flatMap((number, place) => [place ? ", " : "", make("a", `claim ${number}`, { href: `#claim-${number}` })]);
  const button = make("button", "Copy", { type: "button" });
  button.addEventListener("click", () => copy(facts.command, button));
  const records = make("details", "", { class: "records" });
  records.append(make("summary", counted((facts.records ?? []).length, "record")));
  for (const one of facts.records ?? []) {
    records.append(listed(Object.entries(data.records[one])));
  }
  const parts = [
    facts.value && make("p", facts.value, { class: "value" }),
    listed([
      ["not measured", facts.missing], ["paper", facts.paper], ["verdict", facts.verdict],
      ["the plain network's own number", facts.plain && `would have earned ${facts.plain}`], ["note", facts.note],
      ["seeds", facts.seeds], ["command", facts.command && [command(facts.command), " ", button]],
      ["claims that rest on it", links],
    ]),
    facts.records && records,
  ];
  dialog.querySelector("div").replaceChildren(...parts.filter(Boolean));
  byId("permalink").href = `#${id}`;
  dialog.showModal();
};
dialog.addEventListener("click", (event) => { if (event.target.matches("a")) dialog.close(); });

// ---------------------------------------------------------------- what claims rest on

const evidence = (part) => {
  const item = make("li");
  const word = make("b", "", { class: `word ${part.verdict.class}` });
  word.append(make("span", part.verdict.sign, { "aria-hidden": "true" }), ` ${part.verdict.word}`);
  const measured = make("span", "", { id: part.id });
  measured.append(...prose(part.measured));
  item.append(word, ` ${part.says}${part.rule && ` [${part.rule}]`}: `, measured);
  if (part.test) item.append(`; ${part.test}`);
  if (part.p) item.append(`, p=${part.p}`);
  if (part.why && part.why !== part.measured) item.append("; ", ...prose(part.why));
  if (part.links.length) {
    const links = part.links.flatMap(({ cell, what }, place) => [place ? ", " : " ", make("a", what, { href: `#${cell}` })]);
    const rests = make("span", "rests on", { class: "notes" });
    rests.append(...links);
    item.append(make("br"), rests);
  }
  return item;
};

// ---------------------------------------------------------------- image by image

const hitsOf = (hits, place) => hits.map((hex) => (parseInt(hex[place >> 2], 16) >> (3 - place % 4)) & 1);
const compare = (flips) => {
  const [first, second, seeds, out] = ["flip-a", "flip-b", "flip-seed", "flip-out"].map(byId);
  const rows = Object.fromEntries(flips.rows.map((row) => [row.model, row]));
  for (const list of [first, second]) list.append(...flips.rows.map((row) => make("option", row.label, { value: row.model })));
  [first.value, second.value] = [flips.first, flips.second];
  const picture = (place) => {
    const [position, id, label] = flips.pictures[place];
    const [x, y] = [place % flips.across, Math.floor(place / flips.across)].map((step) => -step * flips.side);
    const item = make("li");
    const image = make("span", "", { class: "picture", role: "img", "aria-label": `image ${id}, class ${label}` });
    image.style.cssText = `width:${flips.side}px;height:${flips.side}px;background:url(${flips.sheet}) ${x}px ${y}px`;
    item.append(image, `class ${label}`, make("br"), make("span", id, { class: "notes" }));
    return [position, item];
  };
  const group = (title, places) => {
    const known = flips.pictures.map((_, place) => place).filter((place) => places.includes(flips.pictures[place][0]));
    const list = make("ul", "", { class: "pictures" });
    list.append(...known.map((place) => picture(place)[1]));
    const numbers = make("details");
    numbers.append(make("summary", "The places of all, counted from 0"), make("p", places.join(", "), { class: "notes" }));
    return [make("h3", title), ...(known.length ? [list] : []), ...(places.length ? [numbers] : [])];
  };
  const update = () => {
    const [a, b] = [first, second].map((list) => rows[list.value].seeds);
    const common = Object.keys(a).filter((seed) => seed in b);
    const kept = common.includes(seeds.value) ? seeds.value : common[0];
    seeds.replaceChildren(...common.map((seed) => make("option", seed, { value: seed })));
    if (kept === undefined) { out.replaceChildren(make("p", "These two have no seed in common.")); return; }
    seeds.value = kept;
    const [own, other] = [a, b].map((row) => hitsOf(flips.hits, row[kept]));
    const where = (x, y) => own.flatMap((hit, place) => hit === x && other[place] === y ? [place] : []);
    const [won, lost, both, none] = [where(1, 0), where(0, 1), where(1, 1), where(0, 0)];
    out.replaceChildren(
      make("p", `Both right ${both.length}, neither ${none.length}.`),
      ...group(`${won.length} right with ${rows[first.value].label} only`, won),
      ...group(`${lost.length} right with ${rows[second.value].label} only`, lost),
    );
  };
  for (const list of [first, second, seeds]) list.addEventListener("change", update);
  update();
};

// ---------------------------------------------------------------- once what is packed is unpacked

(async () => {
  const data = JSON.parse(await unpack(byId("data").textContent));
  for (const table of tables) {
    table.heads.forEach((head, place) => head.querySelector("button").addEventListener("click", () => sort(table, place, data)));
    table.table.addEventListener("click", (event) => {
      const cell = event.target.closest("td button")?.closest("td");
      if (cell) tell(cell.id, data);
    });
    for (const button of all("[data-copy]", table.section)) {
      const make = formats[button.dataset.copy];
      if (button.dataset.copy === "BibTeX" && !table.rows.some((row) => data.bibtex[row.dataset.model])) button.hidden = true;
      button.addEventListener("click", () => copy(make(table, data), button));
    }
  }
  for (const claim of claims) claim.querySelector("ul").append(...data.parts[claim.id].map(evidence));
  if (data.flips) compare(data.flips);
  await Promise.all(all("img[data-svg]").map(async (image) => {
    image.src = `data:image/svg+xml,${encodeURIComponent(await unpack(image.dataset.svg))}`;
    await image.decode();
  }));
  measure();
  filter();
  reveal();
  root.dataset.ready = "yes";
})();
