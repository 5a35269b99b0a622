// The search in the bar: go to any DocType by its name (Ctrl+K).

import { combobox } from "./combobox.js";

let known;

async function doctypes() {
  known ||= fetch("/app/_doctypes", { headers: { accept: "application/json" } }).then((answer) => answer.json());
  return known;
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
      const all = await doctypes();
      return all
        .map((entry) => ({ ...entry, fit: fit(entry.name, wanted) }))
        .filter((entry) => entry.fit > 0 || !wanted)
        .sort((a, b) => b.fit - a.fit || a.name.localeCompare(b.name))
        .slice(0, 12)
        .map((entry) => ({ value: entry.name, hint: entry.module, href: entry.href }));
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
