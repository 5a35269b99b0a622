// Evaluates the trees of conditions that the server parsed (depends_on and its kin). No eval: a tree is an array, see
// src/meta/expression/mod.rs for what each means.

const ROWS = Symbol("rows");

function text(value) {
  if (value && value[ROWS]) return "[object Object]";
  return String(value);
}

function toNumber(value) {
  if (value && value[ROWS]) return NaN;
  if (typeof value === "string") {
    const trimmed = value.trim();
    if (trimmed === "") return 0;
    return /^[0-9+\-.eE]+$/.test(trimmed) ? Number(trimmed) : NaN;
  }
  return Number(value);
}

// `cint` and `flt`: the number that a text starts with.
function leadingNumber(value, fraction) {
  const number = typeof value === "string" ? parseFloat(value) : typeof value === "number" || typeof value === "boolean" ? Number(value) : 0;
  if (!Number.isFinite(number)) return 0;
  return fraction ? number : Math.trunc(number);
}

function includes(list, value) {
  if (Array.isArray(list)) return list.some((item) => item === value);
  return typeof list === "string" && list.includes(text(value));
}

const calls = {
  in_list: includes,
  includes,
  startsWith: (a, b) => typeof a === "string" && a.startsWith(text(b)),
  endsWith: (a, b) => typeof a === "string" && a.endsWith(text(b)),
  length: (a) => (a && a[ROWS] ? a.count : typeof a === "string" || Array.isArray(a) ? a.length : undefined),
  cint: (a) => leadingNumber(a, false),
  flt: (a) => leadingNumber(a, true),
  cstr: (a) => (a === null || a === undefined ? "" : text(a)),
  toLowerCase: (a) => (typeof a === "string" ? a.toLowerCase() : undefined),
  toUpperCase: (a) => (typeof a === "string" ? a.toUpperCase() : undefined),
  trim: (a) => (typeof a === "string" ? a.trim() : undefined),
  indexOf: (a, b) => (Array.isArray(a) ? a.indexOf(b) : typeof a === "string" ? a.indexOf(text(b)) : -1),
  split: (a, b) => (typeof a === "string" ? a.split(text(b)) : undefined),
  keys: (a) => rows(a && a[ROWS] ? a.count : typeof a === "string" || Array.isArray(a) ? a.length : 0),
  has_common: (a, b) => Array.isArray(a) && Array.isArray(b) && a.some((item) => b.includes(item)),
  parseNumber: (a) => (typeof a === "string" ? parseFloat(a) : typeof a === "number" ? a : NaN),
};

const operators = {
  "==": (a, b) => a == b,
  "!=": (a, b) => a != b,
  "===": (a, b) => a === b,
  "!==": (a, b) => a !== b,
  "<": (a, b) => a < b,
  ">": (a, b) => a > b,
  "<=": (a, b) => a <= b,
  ">=": (a, b) => a >= b,
  "+": (a, b) => a + b,
  "-": (a, b) => toNumber(a) - toNumber(b),
  "*": (a, b) => toNumber(a) * toNumber(b),
  "/": (a, b) => toNumber(a) / toNumber(b),
  "%": (a, b) => toNumber(a) % toNumber(b),
  "&": (a, b) => toNumber(a) & toNumber(b),
  "|": (a, b) => toNumber(a) | toNumber(b),
};

function evaluate(node, scope) {
  const [head, ...rest] = node;
  switch (head) {
    case "lit": return rest[0];
    case "undefined": return undefined;
    case "arr": return rest.map((item) => evaluate(item, scope));
    case "bare": {
      const value = scope.value(rest[0]);
      return value && value[ROWS] ? value.count > 0 : Boolean(value);
    }
    case "doc": return scope.value(rest[0]);
    case "parent": return scope.parent ? scope.parent.value(rest[0]) : null;
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
      return left === null || left === undefined ? evaluate(rest[1], scope) : left;
    }
    case "?:": return evaluate(evaluate(rest[0], scope) ? rest[1] : rest[2], scope);
    case "call": return calls[rest[0]](...rest.slice(1).map((item) => evaluate(item, scope)));
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
