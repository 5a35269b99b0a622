// Child tables: rows are added, chosen, dragged, duplicated, removed and brought back; cells come from spreadsheets and
// CSV files and go there; numbers are added up; many rows are shown page by page.

import { cellText, control, pastedCells, readCsv, setCell, writeCsv } from "./cells.js";
import { chips } from "./chips.js";
import { dragRows } from "./drag.js";
import { startLinks } from "./link.js";
import { button, freshRow, icon, tool } from "./rows.js";
import { t } from "./text.js";
import { sum } from "./totals.js";

/** Rows on a page. */
const PAGE = 50;
/** Problems that are named; of more, only the number. */
const TOLD = 5;


class Grid {
  constructor(table, changed) {
    this.table = table;
    this.form = table.closest("form");
    this.body = table.querySelector("[data-rows]");
    this.next = Number(table.dataset.count);
    this.prefix = table.dataset.grid;
    this.editable = Boolean(table.querySelector("template[data-blank-row]"));
    this.page = 0;
    this.heads = [...table.querySelectorAll("th[data-column]")];
    this.changed = () => {
      this.refresh();
      changed();
      // Drafts are kept at a change.
      table.dispatchEvent(new Event("change", { bubbles: true }));
    };
    for (const row of this.body.querySelectorAll(".spare")) row.remove();
    for (const row of this.rows()) this.equip(row);
    this.furnish();
    table.addEventListener("input", () => this.showTotals());
    table.addEventListener("change", () => this.showTotals());
    table.addEventListener("computed", () => this.showTotals());
    // Whoever is led to a row sees its page.
    table.addEventListener("reveal", ({ target }) => { const row = this.rowOf(target); if (row) this.showPageOf(row); });
    const faulty = this.body.querySelector(".invalid, .grid-errors, .grid-rest .errors");
    if (faulty) this.page = Math.floor(this.rows().indexOf(this.rowOf(faulty)) / PAGE);
    this.refresh();
  }

  rows() { return [...this.body.querySelectorAll(":scope > [data-row]")]; }

  // A row with what hangs below it: further fields, problems.
  parts(row) {
    const parts = [row];
    for (let next = row.nextElementSibling; next && !next.hasAttribute("data-row"); next = next.nextElementSibling) parts.push(next);
    return parts;
  }

  rowOf(element) {
    let part = element.closest("tr");
    while (part && !part.hasAttribute("data-row")) part = part.previousElementSibling;
    return part;
  }

  cells(row) { return [...row.querySelectorAll(":scope > .cell")]; }

  /** Every field of a row: its columns, then what hangs below. */
  fields(row) { return this.parts(row).flatMap((part) => [...part.querySelectorAll(":scope > .cell[data-field], .field[data-field]")]); }

  // ── What stands around the rows ───────────────────────────────────────────

  furnish() {
    const foot = document.createElement("div");
    foot.className = "grid-foot";
    this.pager = document.createElement("div");
    this.pager.className = "grid-pager";
    this.pageText = document.createElement("span");
    this.pager.append(tool("left", t("Previous rows"), () => this.turn(-1)), this.pageText, tool("right", t("Next rows"), () => this.turn(1)));
    this.said = document.createElement("p");
    this.said.className = "grid-said";
    this.said.setAttribute("role", "status");
    this.bulk = document.createElement("div");
    this.bulk.className = "grid-bulk";
    this.removeButton = button("", "trash", () => this.remove(this.selected()));
    this.removeButton.dataset.removeSelected = "";
    this.copyButton = button("", "copy", () => this.duplicate(this.selected()));
    this.copyButton.dataset.copySelected = "";
    this.bulk.append(this.removeButton, this.copyButton);
    const csv = document.createElement("div");
    csv.className = "grid-csv";
    this.download = button(t("CSV"), "download", () => this.save());
    this.download.title = t("Download the rows as CSV");
    this.download.dataset.csvDownload = "";
    csv.append(this.download);
    const add = this.table.querySelector(":scope > [data-add-row]");
    if (this.editable) {
      const file = document.createElement("input");
      file.type = "file";
      file.accept = ".csv,.tsv,.txt,text/csv";
      file.hidden = true;
      file.dataset.csvFile = "";
      file.addEventListener("change", async () => {
        const chosen = file.files[0];
        file.value = "";
        if (chosen) this.fill(readCsv(await chosen.text()), null, 0);
      });
      const pick = button(t("Add from CSV"), "upload", () => file.click());
      pick.title = t("Add rows from a CSV file; its first line may name the columns");
      csv.append(pick, file);
      add.addEventListener("click", () => this.add());
      this.body.addEventListener("paste", (event) => this.paste(event));
      const all = document.createElement("input");
      all.type = "checkbox";
      all.className = "select-all";
      all.setAttribute("aria-label", t("Select all rows"));
      all.addEventListener("change", () => {
        for (const box of this.boxes()) box.checked = all.checked;
        this.refresh();
      });
      this.all = all;
      this.table.querySelector("thead .grid-number").append(all);
    }
    foot.append(...(add ? [add] : []), this.bulk, this.pager, csv);
    this.table.append(this.said, foot);
    this.totals = this.heads.some((head) => "total" in head.dataset) ? this.totalRow() : null;
  }

  totalRow() {
    const foot = document.createElement("tfoot");
    const row = foot.insertRow();
    const name = document.createElement("th");
    name.scope = "row";
    name.className = "grid-number";
    name.textContent = "Σ";
    name.setAttribute("aria-label", t("Total"));
    row.append(name);
    for (const head of this.heads) {
      const cell = row.insertCell();
      if (!("total" in head.dataset)) continue;
      cell.dataset.totalOf = head.dataset.column;
      cell.dataset.label = head.dataset.label;
    }
    row.insertCell();
    this.table.querySelector("table").append(foot);
    return foot;
  }

  showTotals() {
    if (!this.totals) return;
    const rows = this.rows();
    this.totals.hidden = rows.length === 0;
    for (const cell of this.totals.querySelectorAll("[data-total-of]")) {
      const of = cell.dataset.totalOf;
      const total = sum(rows.map((row) => { const field = row.querySelector(`:scope > .cell[data-field="${of}"]`); return field ? cellText(field) : ""; }));
      cell.textContent = total ?? "–";
      cell.title = total === null ? t("One of these is not a number") : "";
    }
  }

  // ── Pages ─────────────────────────────────────────────────────────────────

  turn(by) {
    this.page += by;
    this.refresh();
    this.table.scrollIntoView({ block: "start" });
  }

  showPageOf(row) {
    const page = Math.floor(this.rows().indexOf(row) / PAGE);
    if (page !== this.page) { this.page = page; this.refresh(); }
  }

  /** Numbers, pages, totals and the buttons, as they are for the rows there are now. */
  refresh() {
    const rows = this.rows();
    const pages = Math.max(1, Math.ceil(rows.length / PAGE));
    this.page = Math.min(Math.max(this.page, 0), pages - 1);
    const [from, to] = [this.page * PAGE, Math.min(rows.length, (this.page + 1) * PAGE)];
    rows.forEach((row, position) => {
      const off = position < from || position >= to;
      for (const part of this.parts(row)) part.hidden = off;
    });
    this.pager.hidden = pages === 1;
    this.pageText.textContent = t("{from}–{to} of {total}", { from: from + 1, to, total: rows.length });
    this.pager.querySelector('[data-tool="left"]').disabled = this.page === 0;
    this.pager.querySelector('[data-tool="right"]').disabled = this.page === pages - 1;
    this.renumber(rows);
    this.showTotals();
    this.download.hidden = rows.length === 0;
    const chosen = this.selected().length;
    this.bulk.hidden = chosen === 0;
    this.removeButton.lastChild.textContent = t("Remove {count}", { count: chosen });
    this.copyButton.lastChild.textContent = t("Duplicate {count}", { count: chosen });
    if (!this.all) return;
    this.all.hidden = rows.length === 0;
    this.all.checked = chosen > 0 && chosen === rows.length;
    this.all.indeterminate = chosen > 0 && chosen < rows.length;
  }

  // The numbers in names follow the order: the server reads rows by them.
  renumber(rows) {
    const pattern = new RegExp(`^${this.prefix}\\.\\d+\\.`);
    rows.forEach((row, position) => {
      const number = row.querySelector("[data-number]");
      if (number.textContent === String(position + 1)) return;
      const was = number.textContent ? t("row {row}", { row: number.textContent }) : t("new row");
      const now = t("row {row}", { row: position + 1 });
      number.textContent = position + 1;
      for (const part of this.parts(row)) {
        for (const input of part.querySelectorAll("[name]")) input.name = input.name.replace(pattern, `${this.prefix}.${position}.`);
        for (const input of part.querySelectorAll("[aria-label]")) {
          const label = input.getAttribute("aria-label");
          if ("select" in input.dataset) input.setAttribute("aria-label", t("Select row {row}", { row: position + 1 }));
          else if (label.endsWith(was)) input.setAttribute("aria-label", label.slice(0, -was.length) + now);
        }
      }
    });
    this.table.querySelector("[data-grid-empty]").hidden = rows.length > 0;
  }

  // ── Choosing ──────────────────────────────────────────────────────────────

  boxes() { return this.rows().map((row) => row.querySelector("[data-select]")).filter(Boolean); }
  selected() { return this.rows().filter((row) => row.querySelector("[data-select]")?.checked); }

  choose(box, event) {
    if (event.shiftKey && this.last?.isConnected) {
      const boxes = this.boxes();
      const [from, to] = [boxes.indexOf(this.last), boxes.indexOf(box)].sort((a, b) => a - b);
      for (const between of boxes.slice(from, to + 1)) between.checked = box.checked;
    }
    this.last = box;
    this.refresh();
  }

  equip(row) {
    const tools = row.querySelector("[data-tools]");
    if (tools) {
      tools.append(
        tool("up", t("Move up"), () => this.move(row, -1)),
        tool("down", t("Move down"), () => this.move(row, 1)),
        tool("copy", t("Duplicate row"), () => this.duplicate([row])),
        tool("trash", t("Remove row"), () => this.remove([row])),
      );
      const box = document.createElement("input");
      box.type = "checkbox";
      box.dataset.select = "";
      box.setAttribute("aria-label", t("Select new row"));
      box.addEventListener("click", (event) => this.choose(box, event));
      // For the pointer alone: the keyboard has Alt with the arrows, and buttons.
      const handle = document.createElement("span");
      handle.className = "grid-handle";
      handle.title = t("Drag to move");
      handle.dataset.handle = "";
      handle.append(icon("grip"));
      handle.addEventListener("pointerdown", (event) => this.drag(row, event));
      const cell = row.querySelector(".grid-number");
      cell.prepend(handle, box);
      // Numbers and names are set anew, with the label of the box.
      row.querySelector("[data-number]").textContent = "";
    }
    const expand = row.querySelector("[data-expand]");
    const rest = this.parts(row).find((part) => part.hasAttribute("data-rest"));
    if (rest) {
      expand.addEventListener("click", () => {
        const open = rest.toggleAttribute("data-open");
        expand.setAttribute("aria-expanded", String(open));
        // Editors come when there is something to see of them.
        if (open) rest.dispatchEvent(new Event("opened", { bubbles: true }));
      });
    }
    row.addEventListener("keydown", (event) => {
      if (event.altKey && (event.key === "ArrowUp" || event.key === "ArrowDown") && event.target.getAttribute("role") !== "combobox") {
        event.preventDefault();
        this.move(row, event.key === "ArrowUp" ? -1 : 1);
      } else if (event.key === "Enter" && (event.ctrlKey || event.metaKey) && this.editable) {
        event.preventDefault();
        this.add(row);
      }
    });
  }

  // ── Rows come, go and move ────────────────────────────────────────────────

  /** A new row behind another, or at the end; nothing is told yet. */
  insert(after = null) {
    const fragment = freshRow(this.table, this.next++);
    const row = fragment.querySelector("[data-row]");
    if (after) this.parts(after).at(-1).after(fragment);
    else this.body.append(fragment);
    this.equip(row);
    for (const part of this.parts(row)) startLinks(part);
    return row;
  }

  enter(row) {
    this.showPageOf(row);
    row.querySelector(".cell :is(input:not([type=hidden]), select, textarea)")?.focus();
  }

  add(after = null) {
    const row = this.insert(after);
    this.changed();
    this.enter(row);
  }

  duplicate(rows) {
    let last = rows.at(-1);
    const copies = rows.map((row) => {
      last = this.insert(last);
      this.copyValues(row, last);
      return last;
    });
    this.changed();
    this.enter(copies[0]);
  }

  copyValues(row, copy) {
    const key = (input) => `${input.name.split(".").slice(2).join(".")}/${input.type}/${input.type === "radio" ? input.value : ""}`;
    const inputs = (of) => this.parts(of).flatMap((part) => [...part.querySelectorAll("[name]:is(input, select, textarea)")]);
    const values = new Map(inputs(row).filter(({ type }) => type !== "password" && type !== "file").map((input) => [key(input), input]));
    for (const input of inputs(copy)) {
      const from = values.get(key(input));
      if (!from) continue;
      if (input.type === "checkbox" || input.type === "radio") input.checked = from.checked;
      else if (input.type !== "hidden") input.value = from.value;
    }
  }

  remove(rows) {
    const all = this.rows();
    const last = all.indexOf(rows.at(-1));
    const gone = rows.map((row) => ({ parts: this.parts(row), before: row.previousElementSibling }));
    for (const { parts } of gone) for (const part of parts) part.remove();
    const neighbour = all.slice(last + 1).concat(all.slice(0, last).reverse()).find((row) => row.isConnected);
    this.changed();
    if (neighbour) this.showPageOf(neighbour);
    (neighbour?.querySelector('[data-tool="trash"]') || this.table.querySelector("[data-add-row]"))?.focus();
    this.say((rows.length === 1 ? t("Removed 1 row.") : t("Removed {count} rows.", { count: rows.length })), [], () => {
      for (const { parts, before } of gone) {
        if (before?.isConnected) before.after(...parts);
        else this.body.prepend(...parts);
        parts[0].querySelector("[data-select]").checked = false;
      }
      this.changed();
      this.enter(gone[0].parts[0]);
    });
  }

  move(row, by) {
    const rows = this.rows();
    const other = rows[rows.indexOf(row) + by];
    if (!other) return;
    const focused = document.activeElement;
    const parts = this.parts(row);
    if (by < 0) other.before(...parts);
    else this.parts(other).at(-1).after(...parts);
    this.mark([row]);
    this.changed();
    this.showPageOf(row);
    focused?.focus();
  }

  mark(rows) {
    for (const row of rows) row.classList.add("moved");
    setTimeout(() => { for (const row of rows) row.classList.remove("moved"); }, 600);
  }

  /** A row is dragged, or all that are chosen if it is one of them. */
  drag(row, event) {
    const chosen = this.selected();
    const rows = chosen.includes(row) ? chosen : [row];
    const others = this.rows().filter((other) => !rows.includes(other) && !other.hidden);
    dragRows(this.body, event, rows, rows.flatMap((moved) => this.parts(moved)), others, () => {
      this.mark(rows);
      this.changed();
    });
  }

  // ── Spreadsheets ──────────────────────────────────────────────────────────

  paste(event) {
    const cell = event.target.closest?.(".cell");
    const data = event.clipboardData;
    if (!cell || !data || cell.closest("[data-grid]") !== this.table) return;
    const rows = pastedCells(data.getData("text/plain"), event.target.matches("textarea"), data.getData("text/html").includes("<table"));
    if (!rows) return;
    event.preventDefault();
    const row = this.rowOf(cell);
    this.fill(rows, row, this.cells(row).indexOf(cell));
  }

  /** The fieldnames that a first line names; `null` if it names none. */
  named(line) {
    const known = new Map();
    const fields = this.editable ? [...this.table.querySelectorAll("template[data-blank-row]")].flatMap(({ content }) => [...content.querySelectorAll("[data-field]")]) : [];
    for (const field of fields) {
      const name = field.dataset.field;
      const head = this.heads.find(({ dataset }) => dataset.column === name);
      const label = head?.dataset.label || field.querySelector(".label")?.firstChild.textContent || name;
      for (const key of [name, label]) known.set(key.trim().toLowerCase(), name);
    }
    const names = line.map((cell) => known.get(cell.trim().toLowerCase()) ?? null);
    const found = names.filter(Boolean).length;
    return found > 0 && (found === line.length || found > 1) ? names : null;
  }

  /** Puts rows of cells into the grid: from a row and column on, or into new rows at the end. */
  fill(lines, start, column) {
    if (lines.length === 0) { this.say(t("There are no rows in it."), []); return; }
    const names = this.named(lines[0]);
    const body = names ? lines.slice(1) : lines;
    const present = start ? this.rows().slice(this.rows().indexOf(start)) : [];
    const undo = [];
    const problems = [];
    const added = [];
    let left = names ? lines[0].filter((_, at) => !names[at]).length : 0;
    for (const [at, line] of body.entries()) {
      let row = present[at];
      if (!row) { row = this.insert(); added.push(row); }
      const cells = this.cells(row);
      const fields = names && this.fields(row);
      line.forEach((text, offset) => {
        const field = names ? fields.find(({ dataset }) => dataset.field === names[offset]) : cells[column + offset];
        if (!field) { if (!names) left = Math.max(left, line.length - cells.length + column); return; }
        const was = cellText(field);
        const problem = setCell(field, text);
        if (problem) problems.push([row, field, problem]);
        else undo.push(() => setCell(field, was));
      });
    }
    this.changed();
    const number = (row) => row.querySelector("[data-number]").textContent;
    const label = (field) => this.heads.find(({ dataset }) => dataset.column === field.dataset.field)?.dataset.label || field.dataset.field;
    const told = problems.slice(0, TOLD).map(([row, field, problem]) => t("Row {row}: {label} {problem}.", { row: number(row), label: label(field), problem }));
    if (problems.length > TOLD) told.push((problems.length - TOLD === 1 ? t("And 1 more cell.") : t("And {count} more cells.", { count: problems.length - TOLD })));
    if (left > 0) told.push((left === 1 ? t("1 column of it has no place here.") : t("{count} columns of it have no place here.", { count: left })));
    const filled = added.length && body.length > 1
      ? t("Filled in {count} rows, {added} of them new.", { count: body.length, added: added.length })
      : (body.length === 1 ? t("Filled in 1 row.") : t("Filled in {count} rows.", { count: body.length }));
    this.say(filled, told, () => {
      for (const step of undo.reverse()) step();
      for (const row of added) for (const part of this.parts(row)) part.remove();
      this.changed();
    });
    const first = present[0] || added[0];
    if (first) this.showPageOf(first);
  }

  save() {
    const rows = this.rows();
    const fields = this.fields(rows[0]);
    const label = (field) => this.heads.find(({ dataset }) => dataset.column === field.dataset.field)?.dataset.label
      || field.querySelector(".label")?.firstChild.textContent.trim() || field.dataset.field;
    const lines = rows.map((row) => this.fields(row).map((field) => (control(field)?.type === "password" ? "" : cellText(field))));
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([writeCsv([fields.map(label), ...lines])], { type: "text/csv" }));
    link.download = `${document.querySelector("h1").firstChild.textContent.trim()} ${this.prefix}.csv`.replace(/[/\\:]/g, "-");
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
  }

  /** Tells what was done, and offers to undo it. */
  say(text, problems, undo = null) {
    const line = document.createElement("span");
    line.textContent = text;
    const told = problems.map((problem) => {
      const item = document.createElement("span");
      item.className = "grid-problem";
      item.textContent = problem;
      return item;
    });
    const parts = [line, ...told];
    if (undo) {
      const back = button(t("Undo"), null, () => { this.said.replaceChildren(); undo(); });
      back.dataset.undo = "";
      parts.push(back);
    }
    this.said.replaceChildren(...parts);
  }
}

/** Starts the grids and chips of a form; `changed` is told whenever rows come, go or move. */
export function startTables(form, changed) {
  for (const table of form.querySelectorAll("[data-grid]")) new Grid(table, changed);
  for (const box of form.querySelectorAll("[data-chips]")) chips(box, changed);
}
