// Computes the formulas of a form while somebody types, in the order that the server sent. What is not known here, such as
// a document that one may not read, is left to the server, which computes everything when the form is saved.

import { evaluate, fit } from "./conditions.js";
import { icon } from "./rows.js";
import { formScope, Unknown } from "./scope.js";
import { t } from "./text.js";

/** What other documents hold, asked for once; `changed` is called when an answer has come. */
function otherDocuments(links, changed) {
  const known = new Map();

  function ask(key, method, parameters, read) {
    if (!known.has(key)) {
      known.set(key, undefined);
      fetch(`/api/method/${method}?${new URLSearchParams(parameters)}`, { headers: { accept: "application/json" } })
        .then(async (answer) => {
          if (!answer.ok) return;
          const value = read((await answer.json()).message);
          if (value === undefined) return;
          known.set(key, value);
          changed();
        })
        .catch(() => known.delete(key));
    }
    const value = known.get(key);
    if (value === undefined) throw new Unknown(key);
    return value;
  }

  return {
    linked(link, name, fieldname) {
      const doctype = links[link];
      if (!name) return null;
      if (!doctype) throw new Unknown(link);
      const parameters = { doctype, filters: JSON.stringify({ name }), fieldname };
      return ask(`${doctype}/${name}/${fieldname}`, "frappe.client.get_value", parameters, (message) => message?.[fieldname]);
    },
    single: (doctype, field) => ask(`${doctype}//${field}`, "frappe.client.get_single_value", { doctype, field }, (message) => message),
  };
}

function show(element, step, value) {
  const box = element?.querySelector(".value");
  if (!box || !step.show) return;
  if (step.show === "check") {
    box.replaceChildren(...(value ? [icon("check"), t("Yes")] : [t("No")]));
    return;
  }
  const text = value === null || value === "" ? "" : step.kind === "datetime" ? value.replace(/\.000000$/, "") : String(value);
  const span = document.createElement(text && box.matches("div") ? "pre" : "span");
  if (text === "") span.className = "none";
  else span.dataset.copy = "";
  span.textContent = text === "" ? "—" : step.show === "percent" ? `${text}%` : text;
  if (box.textContent !== span.textContent) box.replaceChildren(span);
}

/** Starts the formulas of a form: returns what computes them all, and what conditions see of them. */
export function startFormulas(form, context, changed) {
  const { steps, links, fetched } = context.formulas;
  const computed = new Map();
  const names = new Set(steps.map(({ table, field }) => (table ? `${table}.${field}` : field)));
  const documents = otherDocuments(links, changed);
  const { scope, rowScope, rowsOf, prefixOf } = formScope(form, context, {
    ...documents,
    strict: true,
    value(of, prefix, fieldname) {
      const name = prefix + fieldname;
      const kind = prefix ? `${prefix.split(".")[0]}.${fieldname}` : fieldname;
      if (names.has(kind)) {
        if (!computed.has(name)) throw new Unknown(name);
        return computed.get(name);
      }
      return kind in fetched ? of.linked(...fetched[kind]) : undefined;
    },
  });

  function compute(step, where, name, element) {
    try {
      const value = fit(step, evaluate(step.tree, where));
      computed.set(name, value);
      show(element, step, value);
    } catch (error) {
      if (!(error instanceof Unknown)) throw error;
    }
  }

  function computeAll() {
    computed.clear();
    for (const step of steps) {
      const { table, field } = step;
      if (!table) {
        const element = [...form.querySelectorAll(`.field[data-field="${field}"]`)].find((found) => !found.closest("[data-grid]"));
        compute(step, scope, field, element);
        continue;
      }
      for (const row of rowsOf(table)) {
        const prefix = prefixOf(row);
        if (!prefix) continue;
        const rest = row.nextElementSibling?.matches("[data-rest]") ? row.nextElementSibling : null;
        const element = row.querySelector(`:scope > [data-field="${field}"]`) || rest?.querySelector(`[data-field="${field}"]`);
        compute(step, rowScope(prefix), `${prefix}.${field}`, element);
      }
    }
    for (const grid of form.querySelectorAll("[data-grid]")) grid.dispatchEvent(new Event("computed"));
  }
  return { computeAll, value: (_, prefix, fieldname) => computed.get(prefix + fieldname) };
}
