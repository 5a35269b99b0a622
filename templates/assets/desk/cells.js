// Cells as text: what spreadsheets put on the clipboard and into CSV files, and what it means in a grid's inputs.

import { t } from "./text.js";

/** The control of a cell or field that holds its value. */
export const control = (cell) =>
  cell.querySelector('[name]:is(input:not([type="hidden"], [type="file"]), select, textarea)');

/** Rows of cells: separated by tabs, or as CSV by `separator`; a quoted cell may hold anything, `""` in it is a quote. */
export function parseCells(text, separator) {
  const rows = [[]];
  let at = 0;
  while (at < text.length) {
    let cell = "";
    if (text[at] === '"') {
      for (at += 1; at < text.length; at += 1) {
        if (text[at] !== '"') cell += text[at];
        else if (text[at + 1] === '"') { cell += '"'; at += 1; } else break;
      }
      at += 1;
    }
    for (; at < text.length && text[at] !== separator && text[at] !== "\n" && text[at] !== "\r"; at += 1) cell += text[at];
    rows.at(-1).push(cell.replace(/\r\n?/g, "\n"));
    if (text[at] === separator) {
      at += 1;
      // A separator at the very end has an empty cell behind it.
      if (at === text.length) rows.at(-1).push("");
      continue;
    }
    if (text[at] === "\r" && text[at + 1] === "\n") at += 1;
    at += 1;
    if (at < text.length) rows.push([]);
  }
  for (const row of rows) if (row.length === 0) row.push("");
  return text ? rows : [];
}

/** The separator of a CSV file: the one that stands most often in its first line, outside quotes. */
export function separatorOf(text) {
  const line = text.replace(/"(?:[^"]|"")*"/g, "").split(/[\r\n]/, 1)[0];
  const count = (mark) => line.split(mark).length;
  return ["\t", ";", ","].reduce((best, mark) => (count(mark) > count(best) ? mark : best), ",");
}

/** The cells of what was pasted; `null` if it is one text. CSV counts if all of several lines have as many separators. */
export function pastedCells(text, intoLines, isTable) {
  const plain = text.replace(/\r?\n$/, "");
  if (plain.includes("\t")) return parseCells(plain, "\t");
  if (!/[\r\n]/.test(plain) || (intoLines && !isTable)) return null;
  if (!isTable) {
    const separator = separatorOf(plain);
    const rows = parseCells(plain, separator);
    if (rows[0].length > 1 && rows.every((row) => row.length === rows[0].length)) return rows;
  }
  return parseCells(plain, "\t");
}

const isFormula = (text) => /^[=+\-@\t\r]/.test(text) && !/^[+-]?[\d.,]+%?$/.test(text);

/** Rows as CSV that no spreadsheet takes for formulas, as exports write it. */
export function writeCsv(rows) {
  const cell = (text) => {
    const safe = isFormula(text.replace(/^'+/, "")) ? `'${text}` : text;
    return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
  };
  return `\uFEFF${rows.map((row) => row.map(cell).join(",")).join("\r\n")}\r\n`;
}

/** The rows of a CSV file. */
export function readCsv(text) {
  const plain = text.replace(/^\uFEFF/, "");
  const bare = (cell) => (cell.startsWith("'") && isFormula(cell.replace(/^'+/, "")) ? cell.slice(1) : cell);
  return parseCells(plain, separatorOf(plain)).map((row) => row.map(bare)).filter((row) => row.some((cell) => cell.trim()));
}

/** The text of a cell. */
export function cellText(cell) {
  const input = control(cell);
  if (!input) return cell.querySelector(".none") ? "" : (cell.querySelector(".value")?.textContent.trim() ?? "");
  if (input.type === "checkbox") return input.checked ? "1" : "0";
  if (input.type === "radio") return cell.querySelector("input:checked")?.value ?? "";
  return input.value;
}

const two = (number) => String(number).padStart(2, "0");

// A day as native inputs take it: 2026-03-31, 31.3.2026, and with slashes where only one order is possible.
function day(text) {
  let match = /^(\d{4})-(\d{1,2})-(\d{1,2})$/.exec(text);
  if (match) return `${match[1]}-${two(match[2])}-${two(match[3])}`;
  match = /^(\d{1,2})([./])(\d{1,2})\2(\d{4})$/.exec(text);
  if (!match) return null;
  let [, first, mark, second, year] = match;
  if (mark === "/") {
    if (Number(first) <= 12 && Number(second) <= 12 && Number(first) !== Number(second)) return null;
    if (Number(second) > 12) [first, second] = [second, first];
  }
  return `${year}-${two(second)}-${two(first)}`;
}

function moment(type, text) {
  if (type === "date") return day(text.replace(/[ T]00:00(:00)?$/, ""));
  if (type === "time") return /^\d{1,2}:\d\d(:\d\d)?(\.\d+)?$/.test(text) ? text.replace(/\..*/, "").padStart(text.indexOf(":") === 1 ? text.length + 1 : 0, "0") : null;
  const [date, time = "00:00"] = text.split(/[ T]/);
  const [on, at] = [day(date), moment("time", time)];
  return on && at && `${on}T${at}`;
}

const ON = ["1", "true", "yes", "on", "x", "✓", "✔"];
const OFF = ["", "0", "false", "no", "off"];

/** Puts a text into a cell, as if it had been typed. What an input cannot hold is a problem: its words are returned. */
export function setCell(cell, text) {
  const input = control(cell);
  if (!input || input.readOnly || input.inert) return t("cannot be changed");
  const plain = text.trim();
  const lower = plain.toLowerCase();
  if (input.type === "checkbox") {
    if (!ON.includes(lower) && !OFF.includes(lower)) return t("must be 1 or 0, not “{plain}”", { plain });
    input.checked = ON.includes(lower);
  } else if (input.type === "radio") {
    const choice = [...cell.querySelectorAll("input[type=radio]")].find(({ value }) => value === plain || (plain && Number(value) === Number(plain)));
    if (!choice) return t("has no choice “{plain}”", { plain });
    choice.checked = true;
  } else if (input.matches("select")) {
    const options = [...input.options];
    const option = options.find(({ value }) => value === plain) || options.find(({ value, label }) => [value, label].some((known) => known.toLowerCase() === lower));
    if (!option) return t("has no option “{plain}”", { plain });
    input.value = option.value;
  } else if (["date", "time", "datetime-local"].includes(input.type)) {
    const value = plain && moment(input.type, plain);
    if (value !== null) input.value = value;
    if (value === null || (plain && !input.value)) return input.type === "time" ? t("is not a time such as 14:30: “{plain}”", { plain }) : t("is not a date such as 2026-03-31: “{plain}”", { plain });
  } else {
    input.value = input.matches("textarea") ? text : plain.replace(/\s*\n\s*/g, " ");
    // Pickers show the title and the way to what they hold.
    input.dispatchEvent(new Event("filled"));
  }
  return null;
}
