// The list that somebody came from: its order leads from one document to the next, and its filters stay.

import { icon } from "./rows.js";
import { t } from "./text.js";

const KEY = "came-from";
const HOURS = 12;

const keep = (value) => { try { sessionStorage.setItem(KEY, JSON.stringify(value)); } catch { /* No storage: no steps. */ } };
const read = () => { try { return JSON.parse(sessionStorage.getItem(KEY)); } catch { return null; } };

const path = (link) => new URL(link.getAttribute("href"), location.href).pathname;

/** What a page of a list leads to: its documents in their order, and the pages before and behind it. */
function listed(page, address) {
  const neighbour = (rel) => page.querySelector(`.pages a[rel="${rel}"]`)?.getAttribute("href") ?? null;
  return { list: address, paths: [...page.querySelectorAll(".documents .row-link")].map(path), prev: neighbour("prev"), next: neighbour("next") };
}

/** On a list: whoever opens a document of it can go on from there. */
export function noteList() {
  const list = document.querySelector(".documents");
  if (!list) return;
  const note = () => keep({ ...listed(document, location.pathname + location.search), at: Date.now() });
  // Also by the middle button, or into a new tab, which begins with what this one keeps.
  for (const name of ["click", "auxclick"]) list.addEventListener(name, ({ target }) => { if (target.closest(".row-link")) note(); }, true);
}

async function across(from, rel) {
  const address = from[rel];
  const answer = await fetch(address, { headers: { accept: "text/html" } });
  if (!answer.ok) throw new Error(answer.statusText);
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  const found = listed(page, address);
  if (found.paths.length === 0) throw new Error(t("Nothing is left there"));
  keep({ ...found, at: Date.now() });
  return rel === "next" ? found.paths[0] : found.paths.at(-1);
}

/** On a form: the ways to the document before and behind it, and back to the list as it was. */
export function startSteps() {
  const form = document.querySelector("[data-form]");
  const from = form && read();
  if (!from || Date.now() - from.at > HOURS * 3_600_000) return;
  const listPath = from.list.split("?")[0];
  if (!location.pathname.startsWith(`${listPath}/`)) return;
  // The way back leads to the list with its filters.
  for (const crumb of document.querySelectorAll(".crumbs a")) if (crumb.getAttribute("href") === listPath) crumb.href = from.list;
  const at = from.paths.indexOf(location.pathname);
  if (at < 0) return;
  const steps = document.createElement("nav");
  steps.className = "steps";
  steps.setAttribute("aria-label", t("Documents of the list"));
  const add = (rel, name, label, key) => {
    const beside = from.paths[at + (rel === "next" ? 1 : -1)];
    if (!beside && !from[rel]) return;
    const link = document.createElement("a");
    link.className = "icon-button";
    link.rel = rel;
    link.href = beside ?? from[rel];
    link.title = `${label} (${key})`;
    link.setAttribute("aria-label", label);
    link.dataset.step = rel;
    link.append(icon(name));
    if (!beside) {
      link.addEventListener("click", async (event) => {
        if (event.ctrlKey || event.metaKey || event.shiftKey) return;
        event.preventDefault();
        location.assign(await across(from, rel).catch(() => link.href));
      });
    }
    steps.append(link);
  };
  add("prev", "left", t("Previous document"), "K");
  add("next", "right", t("Next document"), "J");
  form.querySelector(".page-actions").prepend(steps);
}
