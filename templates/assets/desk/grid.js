// Child tables: add, duplicate, move, remove rows; chips for Table MultiSelect.

import { combobox } from "./combobox.js";
import { searchLink, startLinks } from "./link.js";

function icon(name) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("class", "icon");
  svg.setAttribute("aria-hidden", "true");
  const use = document.createElementNS("http://www.w3.org/2000/svg", "use");
  use.setAttribute("href", `/assets/desk/icons.svg#${name}`);
  svg.append(use);
  return svg;
}

function tool(name, label, act) {
  const button = document.createElement("button");
  button.type = "button";
  button.className = "icon-button";
  button.title = label;
  button.setAttribute("aria-label", label);
  button.dataset.tool = name;
  button.append(icon(name));
  button.addEventListener("click", act);
  return button;
}

// A row copied from the template, with its number in every name and id.
function freshRow(table, index) {
  const fragment = table.querySelector("template[data-blank-row]").content.cloneNode(true);
  for (const element of fragment.querySelectorAll("*")) {
    for (const { name, value } of [...element.attributes]) {
      if (value.includes("__idx__")) element.setAttribute(name, value.replaceAll("__idx__", index));
    }
  }
  return fragment;
}

class Grid {
  constructor(table, changed) {
    this.table = table;
    this.changed = changed;
    this.body = table.querySelector("[data-rows]");
    this.next = Number(table.dataset.count);
    this.prefix = table.dataset.grid;
    for (const row of this.body.querySelectorAll(".spare")) row.remove();
    for (const row of this.rows()) this.equip(row);
    table.querySelector(":scope > [data-add-row]")?.addEventListener("click", () => this.add());
    this.renumber();
  }

  rows() { return [...this.body.querySelectorAll(":scope > [data-row]")]; }

  // A row with what hangs below it: further fields, problems.
  parts(row) {
    const parts = [row];
    for (let next = row.nextElementSibling; next && !next.hasAttribute("data-row"); next = next.nextElementSibling) parts.push(next);
    return parts;
  }

  equip(row) {
    const tools = row.querySelector("[data-tools]");
    if (tools) {
      tools.append(
        tool("up", "Move up", () => this.move(row, -1)),
        tool("down", "Move down", () => this.move(row, 1)),
        tool("copy", "Duplicate row", () => this.duplicate(row)),
        tool("trash", "Remove row", () => this.remove(row)),
      );
    }
    const expand = row.querySelector("[data-expand]");
    const rest = this.parts(row).find((part) => part.hasAttribute("data-rest"));
    if (rest) {
      expand.addEventListener("click", () => {
        const open = rest.toggleAttribute("data-open");
        expand.setAttribute("aria-expanded", String(open));
      });
    }
    row.addEventListener("keydown", (event) => {
      if (event.altKey && (event.key === "ArrowUp" || event.key === "ArrowDown") && event.target.getAttribute("role") !== "combobox") {
        event.preventDefault();
        this.move(row, event.key === "ArrowUp" ? -1 : 1);
      } else if (event.key === "Enter" && (event.ctrlKey || event.metaKey) && this.table.querySelector("[data-add-row]")) {
        event.preventDefault();
        this.add(row);
      }
    });
  }

  add(after = null, focus = true) {
    const fragment = freshRow(this.table, this.next++);
    const row = fragment.querySelector("[data-row]");
    const parts = after ? this.parts(after) : [];
    if (after) parts.at(-1).after(fragment);
    else this.body.append(fragment);
    this.equip(row);
    for (const part of this.parts(row)) startLinks(part);
    this.renumber();
    this.changed();
    if (focus) row.querySelector(".cell input:not([type=hidden]), .cell select, .cell textarea")?.focus();
    return row;
  }

  duplicate(row) {
    const copy = this.add(row, false);
    const values = new Map();
    for (const part of this.parts(row)) {
      for (const input of part.querySelectorAll("input, select, textarea")) {
        if (input.name && input.type !== "password" && input.type !== "file") values.set(`${input.name.split(".").slice(2).join(".")}/${input.type}/${input.type === "radio" ? input.value : ""}`, input);
      }
    }
    for (const part of this.parts(copy)) {
      for (const input of part.querySelectorAll("input, select, textarea")) {
        const from = values.get(`${input.name.split(".").slice(2).join(".")}/${input.type}/${input.type === "radio" ? input.value : ""}`);
        if (!from) continue;
        if (input.type === "checkbox" || input.type === "radio") input.checked = from.checked;
        else if (input.type !== "hidden") input.value = from.value;
      }
    }
    this.changed();
    copy.querySelector(".cell input:not([type=hidden]), .cell select, .cell textarea")?.focus();
  }

  remove(row) {
    const rows = this.rows();
    const neighbour = rows[rows.indexOf(row) + 1] || rows[rows.indexOf(row) - 1];
    for (const part of this.parts(row)) part.remove();
    this.renumber();
    this.changed();
    (neighbour?.querySelector('[data-tool="trash"]') || this.table.querySelector("[data-add-row]"))?.focus();
  }

  move(row, by) {
    const rows = this.rows();
    const other = rows[rows.indexOf(row) + by];
    if (!other) return;
    const focused = document.activeElement;
    const parts = this.parts(row);
    if (by < 0) other.before(...parts);
    else this.parts(other).at(-1).after(...parts);
    row.classList.add("moved");
    setTimeout(() => row.classList.remove("moved"), 600);
    focused?.focus();
    this.renumber();
    this.changed();
  }

  // The numbers in names follow the order: the server reads rows by them.
  renumber() {
    const rows = this.rows();
    rows.forEach((row, position) => {
      const number = row.querySelector("[data-number]");
      if (number) number.textContent = position + 1;
      const pattern = new RegExp(`^${this.prefix}\\.\\d+\\.`);
      for (const part of this.parts(row)) {
        for (const input of part.querySelectorAll("[name]")) input.name = input.name.replace(pattern, `${this.prefix}.${position}.`);
        for (const input of part.querySelectorAll("[aria-label]")) {
          input.setAttribute("aria-label", input.getAttribute("aria-label").replace(/(, |of )(row \d+|new row)$/, `$1row ${position + 1}`));
        }
      }
    });
    this.table.querySelector("[data-grid-empty]").hidden = rows.length > 0;
  }
}

// Table MultiSelect: rows are chips, and one picker adds more.
function chips(box, changed) {
  const list = box.querySelector("[data-rows]");
  let next = Number(box.dataset.count);
  const template = box.querySelector("template[data-blank-row]");
  for (const chip of list.querySelectorAll(".spare")) chip.remove();

  const dress = (chip, label) => {
    const input = chip.querySelector("input[data-link]");
    if (!input) { chip.classList.add("fixed"); return; }
    const words = document.createElement("span");
    words.textContent = label || chip.querySelector("[data-link-title]")?.textContent || input.value;
    words.title = input.value;
    chip.prepend(words);
    chip.append(tool("x", `Remove ${words.textContent}`, () => {
      chip.remove();
      changed();
      picker?.focus();
    }));
  };

  let picker = null;
  for (const chip of list.children) dress(chip);
  if (!template) return;
  const doctype = template.content.querySelector("input[data-link]").dataset.link;
  const item = document.createElement("li");
  item.className = "chip-add";
  picker = document.createElement("input");
  picker.type = "text";
  picker.autocomplete = "off";
  picker.placeholder = `Add ${doctype}`;
  picker.setAttribute("aria-label", `Add ${doctype}`);
  item.append(picker);
  list.append(item);
  const values = () => [...list.querySelectorAll("input[data-link]")].map((input) => input.value);
  combobox(picker, {
    suggest: async (typed) => (await searchLink(doctype, typed)).filter((option) => !values().includes(option.value)),
    choose(option) {
      const fragment = freshRow(box, next++);
      const chip = fragment.querySelector("[data-row]");
      chip.querySelector("input[data-link]").value = option.value;
      item.before(fragment);
      dress(chip, option.label);
      picker.value = "";
      changed();
      picker.focus();
    },
  });
  picker.addEventListener("keydown", (event) => {
    if (event.key === "Backspace" && !picker.value) item.previousElementSibling?.querySelector("[data-tool]")?.click();
  });
}

/** Starts the grids and chips of a form; `changed` is told whenever rows come, go or move. */
export function startTables(form, changed) {
  for (const table of form.querySelectorAll("[data-grid]")) new Grid(table, changed);
  for (const box of form.querySelectorAll("[data-chips]")) chips(box, changed);
}
