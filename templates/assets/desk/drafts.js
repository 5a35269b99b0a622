// What is typed into a form is kept in this browser, by person and document, until it is saved; and offered again.

import { t } from "./text.js";

const PREFIX = "draft:";
const SENT = "draft-sent";
/** How long a draft is kept. */
const DAYS = 14;

const storage = (action) => { try { return action(localStorage, sessionStorage); } catch { return null; } };

/** Forgets the draft that was just saved, and old ones; on logging out, all. */
export function tidyDrafts() {
  storage((kept, tab) => {
    const sent = tab.getItem(SENT);
    // What was sent is looked at once more before it counts.
    if (document.querySelector("[data-underway]")) return;
    if (sent && document.querySelector(".flash-green, .once")) kept.removeItem(sent);
    tab.removeItem(SENT);
    for (const key of Object.keys(kept).filter((name) => name.startsWith(PREFIX))) {
      if (Date.now() - (JSON.parse(kept.getItem(key)).at || 0) > DAYS * 86_400_000) kept.removeItem(key);
    }
  });
  document.querySelector('form[action="/logout"]')?.addEventListener("submit", () => {
    storage((kept) => { for (const key of Object.keys(kept)) if (key.startsWith(PREFIX)) kept.removeItem(key); });
  });
}

/** What is typed into a form, as pairs of names and texts: all but passwords and files. */
export function typedFields(form) {
  const secret = new Set([...form.querySelectorAll("input[type=password]")].map((input) => input.name));
  return [...new FormData(form)].filter(([name, value]) =>
    typeof value === "string" && !["csrf_token", "modified"].includes(name) && (name === "__base" || !name.startsWith("__")) && !secret.has(name));
}

/** Has the server make the form of what was typed, tables and all; it saves nothing. `action` says why. */
export function showAgain(form, fields, modified, action) {
  const sender = document.createElement("form");
  sender.method = "post";
  sender.action = form.action;
  sender.enctype = form.enctype;
  const values = [...fields, ["modified", modified], ["csrf_token", form.elements.csrf_token.value], ["__action", action]];
  for (const [name, value] of values) {
    const input = document.createElement("textarea");
    input.name = name;
    input.value = value;
    sender.append(input);
  }
  sender.hidden = true;
  document.body.append(sender);
  sender.submit();
}

/** Keeps the drafts of a form; `isDirty` says whether there is anything to keep. */
export function startDrafts(form, context, isDirty) {
  const key = `${PREFIX}${context.user}:${location.pathname}${context.new ? location.search : ""}`;
  const fields = () => typedFields(form);
  // The base says what the document was, not what was typed.
  const typed = (pairs) => JSON.stringify(pairs.filter(([name]) => name !== "__base"));
  const before = typed(fields());
  const modified = form.elements.modified.value;
  const keep = () => {
    if (!isDirty()) return;
    storage((kept) => kept.setItem(key, JSON.stringify({ at: Date.now(), modified, fields: fields() })));
  };
  let timer;
  form.addEventListener("input", () => { clearTimeout(timer); timer = setTimeout(keep, 250); });
  form.addEventListener("change", keep);
  addEventListener("pagehide", keep);
  document.addEventListener("visibilitychange", keep);
  form.addEventListener("submit", () => storage((_, tab) => tab.setItem(SENT, key)));

  const notice = form.querySelector("[data-draft]");
  const draft = storage((kept) => JSON.parse(kept.getItem(key)));
  if (!draft || isDirty() || !notice) return;
  if (typed(draft.fields) === before) { storage((kept) => kept.removeItem(key)); return; }
  const when = new Date(draft.at).toLocaleString(document.documentElement.lang, { dateStyle: "medium", timeStyle: "short" });
  const kept = [t("This browser kept them on {when}.", { when })];
  if (draft.modified !== modified) kept.push(t("The document was changed after that: restored changes are compared with it when you save."));
  notice.querySelector("[data-draft-when]").textContent = kept.join(" ");
  notice.hidden = false;
  notice.querySelector("[data-draft-discard]").addEventListener("click", () => {
    storage((kept) => kept.removeItem(key));
    notice.hidden = true;
  });
  notice.querySelector("[data-draft-restore]").addEventListener("click", () => {
    showAgain(form, draft.fields, draft.modified, "draft");
  });
}
