// What expressions see of a form while somebody types: inputs, what has none, rows, and other documents.

import { rows } from "./conditions.js";

/** Thrown where a value is not known here: the server will know it. */
export class Unknown extends Error {}

/** The value of the input of a name, as the server would store it; undefined if there is no such input. */
function inputValue(form, name) {
  const found = form.elements[name];
  if (!found) return undefined;
  const inputs = found instanceof RadioNodeList ? [...found] : [found];
  const box = inputs.find((input) => input.type === "checkbox");
  if (box) return box.checked ? 1 : 0;
  const radio = inputs.find((input) => input.type === "radio");
  if (radio) return Number(inputs.find((input) => input.checked)?.value || 0);
  const input = inputs.at(-1);
  const numeric = input.inputMode === "numeric" || input.inputMode === "decimal";
  if (numeric && input.value.trim() !== "" && !Number.isNaN(Number(input.value))) return Number(input.value);
  if (numeric && input.value.trim() === "") return 0;
  if (["date", "time", "datetime-local"].includes(input.type)) return moment(input);
  return input.value;
}

/** A moment as it is stored: seconds are written, and nothing is nothing. */
function moment({ type, value }) {
  if (value === "" || type === "date") return value || null;
  const [date, clock] = type === "time" ? ["", value] : value.split("T");
  const [time, fraction = ""] = (clock.length === 5 ? `${clock}:00` : clock).split(".");
  const exact = type === "time" ? fraction && `.${fraction.padEnd(6, "0")}` : `.${fraction.padEnd(6, "0")}`;
  return `${date && `${date} `}${time}${exact}`;
}

const rowsOf = (form, table) =>
  [...form.querySelectorAll(`:is([data-grid="${table}"], [data-chips="${table}"]) [data-rows] > [data-row]:not(.spare)`)];

/** What the names of the inputs of a row begin with: `items.0`. */
function prefixOf(row) {
  const named = row.querySelector("[name]") || row.nextElementSibling?.querySelector("[name]");
  return named ? named.name.split(".").slice(0, 2).join(".") : null;
}

/** The scope of a form; `others` knows what is computed and what other documents hold, if there are formulas. A strict one
 * tells what is not known from what is empty. */
export function formScope(form, context, others = null) {
  // Tables come with the page; looking for one at every value would cost as much as the page is long.
  const tables = new Set([...form.querySelectorAll("[data-grid], [data-chips]")].map(({ dataset }) => dataset.grid ?? dataset.chips));
  const scope = {
    parent: null,
    user: context.user,
    isNew: () => context.new,
    hasRole: (role) => context.administrator || context.roles.includes(role),
    now: () => context.now,
    value(fieldname) {
      if (tables.has(fieldname)) return rows(rowsOf(form, fieldname).length);
      const known = others?.value(scope, "", fieldname);
      if (known !== undefined) return known;
      const typed = inputValue(form, fieldname);
      if (typed !== undefined) return typed;
      if (others?.strict && !(fieldname in context.doc)) throw new Unknown(fieldname);
      return context.doc[fieldname] ?? null;
    },
    linked: (link, fieldname) => others.linked(link, scope.value(link), fieldname),
    single: (doctype, fieldname) => others.single(doctype, fieldname),
    eachRow: (table) => rowsOf(form, table).map((row) => rowScope(prefixOf(row))),
  };

  function rowScope(prefix) {
    const table = prefix?.split(".")[0];
    const row = {
      ...scope,
      parent: scope,
      prefix,
      value(fieldname) {
        const known = others?.value(row, `${prefix}.`, fieldname);
        if (known !== undefined) return known;
        const typed = inputValue(form, `${prefix}.${fieldname}`);
        if (typed === undefined && others?.strict) throw new Unknown(fieldname);
        return typed ?? null;
      },
      linked: (link, fieldname) => others.linked(`${table}.${link}`, row.value(link), fieldname),
      eachRow: () => [],
    };
    return row;
  }

  return { scope, rowScope, rowsOf: (table) => rowsOf(form, table), prefixOf };
}
