// The search in the bar (Ctrl+K): go to any DocType or document by its name, or begin a new one.

import { combobox } from "./combobox.js";

let known;

async function doctypes() {
  known ||= fetch("/app/_doctypes", { headers: { accept: "application/json" } }).then((answer) => answer.json());
  return known;
}

/** Documents that match; none where the site cannot be asked. */
async function find(typed) {
  if (typed.length < 2) return [];
  try {
    const answer = await fetch(`/app/_find?${new URLSearchParams({ q: typed })}`, { headers: { accept: "application/json" } });
    return answer.ok ? await answer.json() : [];
  } catch {
    return [];
  }
}

/** How well a name fits: words that begin with what was typed come first; negative means not at all. */
function fit(name, typed) {
  const lower = name.toLowerCase();
  if (lower.startsWith(typed)) return 3;
  if (lower.split(/[\s-]/).some((word) => word.startsWith(typed))) return 2;
  return lower.includes(typed) ? 1 : -1;
}

/** Starts the search in the bar. */
export function startJump() {
  const input = document.querySelector("[data-jump]");
  if (!input) return;
  combobox(input, {
    async suggest(typed) {
      const wanted = typed.toLowerCase();
      const [all, documents] = await Promise.all([doctypes(), find(typed.trim())]);
      // "new loan" begins a loan.
      const begun = /^new\s+(.+)/.exec(wanted)?.[1];
      const fresh = begun ? all.filter((entry) => entry.create && fit(entry.name, begun) > 0).slice(0, 5) : [];
      const named = all
        .map((entry) => ({ ...entry, fit: fit(entry.name, wanted) }))
        .filter((entry) => entry.fit > 0 || !wanted)
        .sort((a, b) => b.fit - a.fit || a.name.localeCompare(b.name))
        .slice(0, documents.length ? 6 : 12);
      return [
        ...fresh.map((entry) => ({ value: `New ${entry.name}`, hint: entry.module, href: entry.create })),
        ...named.map((entry) => ({ value: entry.name, hint: entry.module, href: entry.href })),
        ...documents.slice(0, 8).map((entry) => ({ value: entry.title, hint: [entry.doctype, entry.name].filter(Boolean).join(" · "), href: entry.href })),
      ];
    },
    choose(option) { location.href = option.href; },
  });
  document.addEventListener("keydown", (event) => {
    if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "k") {
      event.preventDefault();
      input.focus();
      input.select();
    }
  });
}
