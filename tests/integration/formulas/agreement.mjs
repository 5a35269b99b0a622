// Evaluates expressions with the scripts of the desk: reads cases as JSON, writes what comes out of each.

import { readFileSync, writeFileSync } from "node:fs";
import { evaluate, fit, rows } from "./conditions.js";

const [, , input, output] = process.argv;
const { documents, cases } = JSON.parse(readFileSync(input, "utf8"));

function scopeOf(document) {
  const scope = {
    parent: null,
    user: "ada@example.com",
    isNew: () => false,
    hasRole: (role) => role === "Librarian",
    now: () => "2024-02-29 13:37:05.250000",
    value: (name) => (name === "items" ? rows(document.rows.length) : document.values[name] ?? null),
    linked: (link, name) => document.linked[name] ?? null,
    single: (doctype, name) => document.linked[name] ?? null,
    eachRow: (table) => (table === "items" ? document.rows : []).map((row) => ({
      ...scope,
      parent: scope,
      value: (name) => row[name] ?? null,
      linked: (link, name) => document.linked[name] ?? null,
      eachRow: () => [],
    })),
  };
  return scope;
}

const scopes = documents.map(scopeOf);
const results = cases.map(({ tree, document, fits }) => {
  const value = evaluate(tree, scopes[document]);
  // Numbers as text, which loses nothing on the way.
  const written = (result) => (typeof result === "number" ? { number: String(result) } : result);
  return fits.map((wanted) => written(fit(wanted, value)));
});
writeFileSync(output, JSON.stringify(results));
