// The search in the bar (Ctrl+K): documents, DocTypes, settings and things to do; before anything is typed what is pinned and
// what was opened last.

import { combobox } from "./combobox.js";
import { t } from "./text.js";

let known;

async function doctypes() {
  known ||= fetch("/app/_doctypes", { headers: { accept: "application/json" } }).then((answer) => answer.json());
  return known;
}

/** What matches besides DocTypes; nothing where the site cannot be asked. */
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

const RECENT = "recent:";
const KEPT = 12;
const storage = (action) => { try { return action(localStorage); } catch { return null; } };

/** The lists and documents that a person has opened last in this browser, this page not among them. */
export function recents(user) {
  const kept = storage((local) => JSON.parse(local.getItem(RECENT + user))) || [];
  return kept.filter((entry) => entry.href !== location.pathname);
}

/** Remembers a list or a document that is open. */
function remember(user) {
  const [, , slug, name] = location.pathname.split("/");
  const heading = document.querySelector("main h1");
  if (!slug || slug.startsWith("_") || name === "new" || !heading) return;
  const parent = [...document.querySelectorAll(".crumbs a")].at(-1)?.textContent.trim();
  const entry = { title: (heading.firstChild?.textContent || "").trim(), hint: name ? parent : t("List"), href: location.pathname };
  storage((local) => local.setItem(RECENT + user, JSON.stringify([entry, ...recents(user)].slice(0, KEPT))));
}

/** What is pinned, as the page says. */
const pins = () => [...document.querySelectorAll("[data-pins] option")].map((option) => ({ title: option.textContent, hint: t("Pinned"), href: option.value }));

/** Home shows what was opened last. */
function showRecents(user) {
  const section = document.querySelector("[data-recents]");
  const found = recents(user).slice(0, 8);
  if (!section || !found.length) return;
  for (const { title, hint, href } of found) {
    const [item, link, what] = [document.createElement("li"), document.createElement("a"), document.createElement("span")];
    link.className = "row-link";
    link.href = href;
    link.textContent = title;
    what.className = "muted";
    what.textContent = ` ${hint || ""}`;
    item.append(link, what);
    section.querySelector("ul").append(item);
  }
  section.hidden = false;
}

/** Starts the search in the bar. */
export function startJump() {
  const input = document.querySelector("[data-jump]");
  if (!input) return;
  const user = input.dataset.jump;
  remember(user);
  showRecents(user);
  document.querySelector('form[action="/logout"]')?.addEventListener("submit", () => {
    storage((local) => { for (const key of Object.keys(local)) if (key.startsWith(RECENT)) local.removeItem(key); });
  });
  const option = ({ title, hint, href }) => ({ value: title, hint, href });
  combobox(input, {
    async suggest(typed) {
      const wanted = typed.toLowerCase();
      if (!wanted) {
        const pinned = pins();
        const opened = recents(user).filter((entry) => !pinned.some((pin) => pin.href === entry.href));
        const start = [...pinned.slice(0, 8), ...opened.slice(0, 8)];
        if (start.length) return start.map(option);
      }
      const [all, found] = await Promise.all([doctypes(), find(typed.trim())]);
      const of = (kind) => found.filter((entry) => entry.kind === kind);
      const documents = of("document");
      const named = all
        .map((entry) => ({ ...entry, fit: Math.max(fit(entry.title, wanted), fit(entry.name, wanted)) }))
        .filter((entry) => entry.fit > 0 || !wanted)
        .sort((a, b) => b.fit - a.fit || a.title.localeCompare(b.title, document.documentElement.lang))
        .slice(0, found.length ? 6 : 12);
      // "new loan" begins one: whoever types a verb wants to do something.
      const actions = of("action").slice(0, 5).map((entry) => option({ ...entry, hint: entry.context }));
      const isVerb = /^(new|add|create|import|export|log|change|make)\s/.test(`${wanted} `);
      return [
        ...(isVerb ? actions : []),
        ...named.map((entry) => ({ value: entry.title, hint: entry.module, href: entry.href })),
        ...documents.slice(0, 8).map((entry) => ({ value: entry.title, hint: [entry.doctype, entry.name, entry.context].filter(Boolean).join(" · "), href: entry.href })),
        ...(isVerb ? [] : actions),
        ...of("setting").slice(0, 5).map((entry) => option({ ...entry, hint: t("Setting · {context}", entry) })),
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
