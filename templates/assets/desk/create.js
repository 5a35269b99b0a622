// A link's new document is made in this tab: what is typed meanwhile waits in this browser, and comes back with the new
// one chosen.

import { showAgain, typedFields } from "./drafts.js";

const WAITING = "waiting:";
/** How the server names what was made, in the address that it leads back to. */
const MADE = "__created";
/** Where to look after coming back. */
const BACK = "back-at";
const HOURS = 12;

/** This page's address without what was made. */
function here() {
  const address = new URL(location.href);
  address.searchParams.delete(MADE);
  return address.pathname + address.search;
}

/** Goes to the form for a new document, whose name the field `name` gets. */
export function createInPlace(form, create, createField, typed, name) {
  const query = new URLSearchParams();
  if (createField && typed) query.set(createField, typed);
  query.set("return", here());
  const tab = form.querySelector('[role="tab"][aria-selected="true"]')?.id;
  const waiting = { at: Date.now(), user: JSON.parse(form.dataset.context).user, modified: form.elements.modified.value, fields: typedFields(form), name, tab, y: scrollY };
  try {
    sessionStorage.setItem(WAITING + here(), JSON.stringify(waiting));
  } catch {
    // Nowhere to keep what is typed: the new one is made beside it.
    open(`${create}?${query}`, "_blank", "noopener");
    return;
  }
  form.dispatchEvent(new Event("leave"));
  location.assign(`${create}?${query}`);
}

/** Whoever comes back finds what was typed; `true` if the page is about to be shown anew with it. */
export function comeBack(form, context) {
  const made = new URLSearchParams(location.search).get(MADE);
  const key = WAITING + here();
  let waiting = null;
  try {
    waiting = JSON.parse(sessionStorage.getItem(key));
    sessionStorage.removeItem(key);
  } catch { /* No storage: nothing waits. */ }
  if (made !== null) history.replaceState(history.state, "", here());
  if (!waiting || waiting.user !== context.user || Date.now() - waiting.at > HOURS * 3_600_000 || form.querySelector("[data-again]")) return false;
  const fields = made === null ? waiting.fields : [...waiting.fields.filter(([name]) => name !== waiting.name), [waiting.name, made]];
  sessionStorage.setItem(BACK, JSON.stringify({ name: waiting.name, tab: waiting.tab, y: waiting.y }));
  showAgain(form, fields, waiting.modified, "back");
  return true;
}

/** The place from which somebody went and has come back: the name of the field, the tab's button, how far down. */
export function placeBefore() {
  try {
    const place = JSON.parse(sessionStorage.getItem(BACK));
    sessionStorage.removeItem(BACK);
    return place;
  } catch {
    return null;
  }
}
