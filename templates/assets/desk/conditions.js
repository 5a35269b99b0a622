// Evaluates the trees of expressions that the server parsed (depends_on, formula and their kin). No eval: a tree is an
// array, see src/meta/expression/mod.rs for what each means; both sides always agree.

import * as dates from "./dates.js";
import { add, divide, multiply, remainder, round, subtract } from "./decimal.js";

const ROWS = Symbol("rows");

const isRows = (value) => Boolean(value && value[ROWS]);
const isNothing = (value) => value === null || value === undefined;
const isBlank = (value) => isNothing(value) || value === "";
const isTextual = (value) => typeof value === "string" || Array.isArray(value) || isRows(value);

function text(value) {
  return isRows(value) ? "[object Object]" : Array.isArray(value) ? value.map((item) => (isNothing(item) ? "" : text(item))).join() : String(value);
}

/** What a value adds to a text. */
const words = (value) => (isNothing(value) ? "" : text(value));

// Spaces as JavaScript has them.
const trim = (value) => value.trim();

export function toNumber(value) {
  if (isTextual(value)) {
    const trimmed = trim(text(value));
    if (trimmed === "") return 0;
    return /^[0-9+\-.eE]+$/.test(trimmed) ? Number(trimmed) : NaN;
  }
  return Number(value);
}

// `cint` and `flt`: the number that a text starts with.
function leadingNumber(value, fraction) {
  let number = 0;
  if (typeof value === "string") {
    const pattern = fraction ? /^[+-]?\d*(?:\.\d*)?/ : /^[+-]?\d*/;
    number = Number(pattern.exec(trim(value).replaceAll(",", ""))[0]);
  } else if (typeof value === "number" || typeof value === "boolean") {
    number = Number(value);
  }
  if (!Number.isFinite(number)) return 0;
  return fraction ? number : Math.trunc(number);
}

function same(a, b) {
  return !Array.isArray(a) && !isRows(a) && a === b;
}

function equal(a, b) {
  if (isNothing(a) || isNothing(b)) return isNothing(a) && isNothing(b);
  const isObject = (value) => Array.isArray(value) || isRows(value);
  if (isObject(a) && isObject(b)) return false;
  if (isTextual(a) && isTextual(b)) return text(a) === text(b);
  return toNumber(a) === toNumber(b);
}

/** -1, 0 or 1; NaN where there is no order. */
function compare(a, b) {
  const [one, other] = isTextual(a) && isTextual(b) ? [text(a), text(b)] : [toNumber(a), toNumber(b)];
  return one < other ? -1 : one > other ? 1 : one === other ? 0 : NaN;
}

function includes(list, value) {
  if (Array.isArray(list)) return list.some((item) => same(item, value));
  return typeof list === "string" && list.includes(text(value));
}

function extreme(values, sign) {
  let best = null;
  for (const value of values) {
    if (!isBlank(value) && (isBlank(best) || compare(value, best) === sign)) best = value;
  }
  return best;
}

function rounded(value, places) {
  const wanted = places === undefined ? 0 : toNumber(places);
  return round(toNumber(value), Number.isNaN(wanted) ? 0 : Math.max(-9, Math.min(9, Math.trunc(wanted))));
}

const ofText = (change) => (value, ...rest) => (typeof value === "string" ? change(value, ...rest) : undefined);

const calls = {
  in_list: includes,
  includes,
  startsWith: (a, b) => typeof a === "string" && a.startsWith(text(b)),
  endsWith: (a, b) => typeof a === "string" && a.endsWith(text(b)),
  length: (a) => (isRows(a) ? a.count : typeof a === "string" || Array.isArray(a) ? a.length : undefined),
  cint: (a) => leadingNumber(a, false),
  flt: (a, ...places) => (places.length ? rounded(leadingNumber(a, true), places[0]) : leadingNumber(a, true)),
  cstr: words,
  toLowerCase: ofText((a) => a.toLowerCase()),
  toUpperCase: ofText((a) => a.toUpperCase()),
  trim: ofText(trim),
  indexOf: (a, b) => (Array.isArray(a) ? a.findIndex((item) => same(item, b)) : typeof a === "string" ? a.indexOf(text(b)) : -1),
  split: ofText((a, b) => (text(b) === "" ? [...a] : a.split(text(b)))),
  slice: ofText((a, from, ...to) => a.slice(toNumber(from), to.length ? toNumber(to[0]) : undefined).toWellFormed()),
  replaceAll: ofText((a, b, c) => (text(b) === "" ? a : a.split(text(b)).join(text(c)))),
  padStart(a, length, ...filled) {
    const value = isBlank(a) ? "" : text(a);
    const filling = [...(filled.length ? text(filled[0]) : " ")];
    const wanted = Math.trunc(Math.max(0, Math.min(140, toNumber(length) || 0)));
    const missing = filling.length ? Math.max(0, wanted - [...value].length) : 0;
    return Array.from({ length: missing }, (_, at) => filling[at % filling.length]).join("") + value;
  },
  keys: (a) => rows(isRows(a) ? a.count : typeof a === "string" || Array.isArray(a) ? a.length : 0),
  has_common: (a, b) => Array.isArray(a) && Array.isArray(b) && a.some((item) => b.some((found) => same(item, found))),
  parseNumber(a) {
    if (typeof a === "string") return /^[ +-]*[0-9.]/.test(a) ? leadingNumber(a, true) : NaN;
    return typeof a === "number" ? leadingNumber(a, true) : NaN;
  },
  round: rounded,
  abs: (a) => Math.abs(toNumber(a)),
  floor: (a) => Math.floor(toNumber(a)) + 0,
  ceil: (a) => Math.ceil(toNumber(a)) + 0,
  min: (...all) => extreme(all, -1),
  max: (...all) => extreme(all, 1),
  join: (separator, ...parts) => parts.filter((part) => !isBlank(part)).map(text).join(text(separator)),
  date: dates.date,
  year: dates.year,
  month: dates.month,
  day: dates.day,
  weekday: dates.weekday,
  add_days: (a, b) => dates.addDays(a, toNumber(b)),
  add_months: (a, b) => dates.addMonths(a, toNumber(b)),
  add_years: (a, b) => dates.addMonths(a, Math.trunc(toNumber(b)) * 12),
  date_diff: dates.dateDiff,
  time_diff: dates.timeDiff,
  months_between: dates.monthsBetween,
  years_between: dates.yearsBetween,
  month_start: dates.monthStart,
  month_end: dates.monthEnd,
};

const operators = {
  "==": equal,
  "!=": (a, b) => !equal(a, b),
  "===": same,
  "!==": (a, b) => !same(a, b),
  "<": (a, b) => compare(a, b) < 0,
  ">": (a, b) => compare(a, b) > 0,
  "<=": (a, b) => compare(a, b) <= 0,
  ">=": (a, b) => compare(a, b) >= 0,
  "+": (a, b) => (isTextual(a) || isTextual(b) ? words(a) + words(b) : add(toNumber(a), toNumber(b))),
  "-": (a, b) => subtract(toNumber(a), toNumber(b)),
  "*": (a, b) => multiply(toNumber(a), toNumber(b)),
  "/": (a, b) => divide(toNumber(a), toNumber(b)),
  "%": (a, b) => remainder(toNumber(a), toNumber(b)),
  "&": (a, b) => toNumber(a) & toNumber(b),
  "|": (a, b) => toNumber(a) | toNumber(b),
};

const sum = (values) => values.reduce((total, value) => add(total, toNumber(value)), 0);

const aggregates = {
  sum,
  count: (values) => values.filter(Boolean).length,
  avg(values) {
    const filled = values.filter((value) => !isBlank(value));
    return filled.length ? divide(sum(filled), filled.length) : null;
  },
  min: (values) => extreme(values, -1),
  max: (values) => extreme(values, 1),
};

function call(name, scope, values) {
  if (name === "today") return scope.now().slice(0, 10);
  if (name === "now") return scope.now();
  return calls[name](...values);
}

/** The value of a tree; what is not there is null. */
export function evaluate(node, scope) {
  const [head, ...rest] = node;
  switch (head) {
    case "lit": return rest[0];
    case "undefined": return undefined;
    case "arr": return rest.map((item) => evaluate(item, scope));
    case "bare": {
      const value = scope.value(rest[0]);
      return isRows(value) ? value.count > 0 : Boolean(value);
    }
    case "doc": return scope.value(rest[0]);
    case "parent": return scope.parent ? scope.parent.value(rest[0]) : null;
    case "linked": return scope.linked(rest[0], rest[1]);
    case "parent_linked": return scope.parent ? scope.parent.linked(rest[0], rest[1]) : null;
    case "single": return scope.single(rest[0], rest[1]);
    case "each": {
      const [name, table, of] = rest;
      return aggregates[name](scope.eachRow(table).map((row) => (of ? evaluate(of, row) : true)));
    }
    case "new": return scope.isNew();
    case "user": return scope.user;
    case "role": return [evaluate(rest[0], scope)].flat().some((role) => scope.hasRole(text(role)));
    case "!": return !evaluate(rest[0], scope);
    case "neg": return -toNumber(evaluate(rest[0], scope));
    case "typeof": return typeof evaluate(rest[0], scope);
    case "num": return toNumber(evaluate(rest[0], scope));
    case "&&": case "||": {
      let value;
      for (const operand of rest) {
        value = evaluate(operand, scope);
        if (Boolean(value) === (head === "||")) break;
      }
      return value;
    }
    case "??": {
      const left = evaluate(rest[0], scope);
      return isNothing(left) ? evaluate(rest[1], scope) : left;
    }
    case "?:": return evaluate(evaluate(rest[0], scope) ? rest[1] : rest[2], scope);
    case "call": return call(rest[0], scope, rest.slice(1).map((item) => evaluate(item, scope)));
    default: return operators[head](evaluate(rest[0], scope), evaluate(rest[1], scope));
  }
}

/** The rows of a table field, of which only the number matters. */
export function rows(count) {
  return { [ROWS]: true, count };
}

/** Whether the tree holds; `otherwise` if there is no tree. */
export function holds(tree, scope, otherwise) {
  return tree ? Boolean(evaluate(tree, scope)) : otherwise;
}

/** What a field of a kind makes of a value, as `Fit` in src/meta/formula.rs; `null` where there is none. */
export function fit({ kind, places = 0, filled = false }, value) {
  const number = isBlank(value) ? NaN : toNumber(value);
  const known = Number.isFinite(number);
  const empty = filled ? 0 : null;
  switch (kind) {
    case "number": return known ? round(number, places) : empty;
    case "share": return known ? round(Math.max(0, Math.min(1, number)), 2) : empty;
    case "whole": return known && Math.abs(number) < 9007199254740992 ? Math.trunc(number) + 0 : empty;
    case "flag": return value ? 1 : 0;
    case "text": return isNothing(value) || isRows(value) ? null : text(value);
    default: return dates.fitting(kind, value);
  }
}
