// The form: tabs, conditions, dialogs, uploads, the warning about unsaved changes, Ctrl+S.

import { holds } from "./conditions.js";
import { comeBack, placeBefore } from "./create.js";
import { startDrafts } from "./drafts.js";
import { startTables } from "./grid.js";
import { rememberFolds, rememberTab } from "./places.js";
import { startBeginnings, startPresets } from "./presets.js";
import { formScope } from "./scope.js";
import { ensureSession } from "./session.js";
import { startSide } from "./side.js";
import { t } from "./text.js";

const form = document.querySelector("[data-form]");
const context = JSON.parse(form.dataset.context);
const $$ = (selector, root = form) => [...root.querySelectorAll(selector)];

// ── Conditions ──────────────────────────────────────────────────────────────

const { startFormulas } = context.formulas ? await import("./formulas.js") : {};
const formulas = startFormulas?.(form, context, () => applyConditions());
const { scope, rowScope } = formScope(form, context, formulas && { value: formulas.value });

function applyField(element, conditions, where) {
  const shown = holds(conditions.show, where, true);
  const target = element.classList.contains("cell") ? element.querySelector(".cell-control") : element;
  target.hidden = !shown;
  if (conditions.require) {
    const required = holds(conditions.require, where, false);
    const label = element.querySelector(".label");
    let mark = label?.querySelector(".required");
    if (required && label && !mark) {
      mark = document.createElement("span");
      mark.className = "required";
      mark.title = t("Required");
      mark.textContent = "*";
      label.append(mark);
    }
    if (mark) mark.hidden = !required;
    const input = element.querySelector("input:not([type=hidden]), select, textarea");
    input?.setAttribute("aria-required", String(required));
  }
  if (conditions.fix) {
    const fixed = holds(conditions.fix, where, false);
    for (const input of element.querySelectorAll("input:not([type=hidden]), textarea, select")) {
      if (input.matches("select, [type=checkbox], [type=radio], [type=file]")) input.inert = fixed;
      else input.readOnly = fixed;
    }
  }
}

function applyConditions() {
  formulas?.computeAll();
  for (const element of $$("[data-conditions]")) {
    if (element.closest("template")) continue;
    const conditions = (element.parsedConditions ||= JSON.parse(element.dataset.conditions));
    const row = element.closest("[data-row], [data-rest]");
    const grid = row?.closest("[data-grid]");
    if (element.matches("[data-section], [data-tab]")) {
      element.ownHidden = !holds(conditions.show, scope, true);
      if (conditions.open && element.matches("details") && !element.touched && holds(conditions.open, scope, false)) element.open = true;
    } else if (grid) {
      const name = element.querySelector("[name]")?.name || "";
      applyField(element, conditions, rowScope(name.split(".").slice(0, 2).join(".")));
    } else {
      applyField(element, conditions, scope);
    }
  }
  for (const section of $$("[data-section]")) {
    section.hidden = section.ownHidden || !section.querySelector(":scope > .columns > .column > .field:not([hidden])");
  }
  for (const tab of $$("[data-tab]")) {
    tab.gone = tab.ownHidden || !tab.querySelector("[data-section]:not([hidden])");
  }
  showTabs();
}

// ── Tabs ────────────────────────────────────────────────────────────────────

const tablist = form.querySelector("[data-tabs]");
const tabs = $$("[data-tab]");
const lastTab = rememberTab(context);
let current = tabs.find((tab) => tab.id === lastTab.last) ?? null;

function buttonOf(tab) { return document.getElementById(`${tab.id}-button`); }

function showTabs() {
  if (!tablist) {
    for (const tab of tabs) tab.hidden = Boolean(tab.gone);
    return;
  }
  const open = tabs.filter((tab) => !tab.gone);
  if (!open.includes(current)) current = open[0];
  for (const tab of tabs) {
    const button = buttonOf(tab);
    const chosen = tab === current;
    button.hidden = Boolean(tab.gone);
    button.setAttribute("aria-selected", String(chosen));
    button.tabIndex = chosen ? 0 : -1;
    tab.hidden = !chosen;
  }
}

function openTab(tab, focus) {
  current = tab;
  lastTab.keep(tab.id);
  showTabs();
  history.replaceState(history.state, "", `#${tab.id}`);
  if (focus) buttonOf(tab).focus();
}

if (tablist) {
  for (const tab of tabs) {
    const button = buttonOf(tab);
    tab.setAttribute("role", "tabpanel");
    tab.setAttribute("aria-labelledby", button.id);
    button.addEventListener("click", () => openTab(tab, false));
  }
  tablist.addEventListener("keydown", (event) => {
    const open = tabs.filter((tab) => !tab.gone);
    const at = open.indexOf(current);
    const next = { ArrowRight: (at + 1) % open.length, ArrowLeft: (at + open.length - 1) % open.length, Home: 0, End: open.length - 1 }[event.key];
    if (next === undefined) return;
    event.preventDefault();
    openTab(open[next], true);
  });
}

// Brings a field to view wherever it is: other tab, folded section, folded row.
function reveal(target) {
  const tab = target.closest("[data-tab]");
  if (tab && tablist && tab !== current) { current = tab; showTabs(); }
  const section = target.closest("details[data-section]");
  if (section) section.open = true;
  const rest = target.closest("[data-rest]");
  if (rest) rest.setAttribute("data-open", "");
  // A grid turns to the page of the row.
  target.dispatchEvent(new Event("reveal", { bubbles: true }));
  target.scrollIntoView({ block: "center" });
  target.focus({ preventScroll: true });
}

function revealHash() {
  const id = decodeURIComponent(location.hash.slice(1));
  const target = id && document.getElementById(id);
  if (!target || !form.contains(target)) return;
  if (target.matches("[data-tab]")) { current = target; showTabs(); } else reveal(target);
}
for (const link of $$('.notice a[href^="#"]')) {
  link.addEventListener("click", (event) => {
    const target = document.getElementById(link.hash.slice(1));
    if (!target) return;
    event.preventDefault();
    reveal(target);
  });
}

// ── Unsaved changes ─────────────────────────────────────────────────────────

const mark = form.querySelector("[data-dirty]");
let dirty = Boolean(form.querySelector("[data-focus].notice-red, [data-focus].notice-orange, [data-again]"));
let leaving = false;

function setDirty() {
  dirty = true;
  // What was said about the last save holds no longer.
  for (const flash of document.querySelectorAll(".flash-green")) flash.remove();
  if (mark && !context.new) mark.hidden = false;
}
function changed() { setDirty(); applyConditions(); }

const isField = (input) => input.name && !input.closest("[data-side]");
form.addEventListener("input", (event) => { if (isField(event.target)) changed(); });
form.addEventListener("change", (event) => { if (isField(event.target)) changed(); });
addEventListener("beforeunload", (event) => { if (dirty && !leaving) event.preventDefault(); });

// Before a form goes, its session is asked for: what was typed never goes where it is refused.
const PLACE = "form-place";
const unreachable = form.querySelector("[data-unreachable]");
let asking = false;
let mayGo = false;
form.addEventListener("submit", async (event) => {
  if (leaving || asking) { event.preventDefault(); return; }
  if (mayGo) {
    mayGo = false;
    leaving = true;
    try {
      sessionStorage.setItem(PLACE, JSON.stringify({ doctype: context.doctype, tab: current?.id, y: scrollY, at: Date.now() }));
    } catch { /* No storage: the page begins at its top. */ }
    // Whoever comes back with the browser's button can save again.
    addEventListener("pageshow", () => { leaving = false; }, { once: true });
    return;
  }
  event.preventDefault();
  event.stopImmediatePropagation();
  const button = event.submitter;
  asking = true;
  unreachable.hidden = true;
  try {
    mayGo = Boolean(await ensureSession(context.user));
  } catch {
    unreachable.hidden = false;
    unreachable.scrollIntoView({ block: "center" });
  } finally {
    asking = false;
  }
  if (mayGo) form.requestSubmit(button);
});

// After saving, the form is where it was: same tab, same place.
function returnToPlace() {
  let place = null;
  try {
    place = JSON.parse(sessionStorage.getItem(PLACE));
    sessionStorage.removeItem(PLACE);
  } catch { /* No storage. */ }
  if (!place || place.doctype !== context.doctype || Date.now() - place.at > 60_000) return;
  const tab = tabs.find((known) => known.id === place.tab && !known.gone);
  if (tab && tablist && !location.hash) { current = tab; showTabs(); }
  if (!form.querySelector("[data-focus]")) scrollTo(0, place.y);
}
form.addEventListener("leave", () => { leaving = true; });
for (const link of $$("[data-leave]")) link.addEventListener("click", () => { leaving = true; });

document.addEventListener("keydown", (event) => {
  if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "s") {
    event.preventDefault();
    const save = form.querySelector("[data-save]");
    if (save) form.requestSubmit(save);
  }
});
// Enter in a field saves, whatever button stands first in the page.
form.addEventListener("keydown", (event) => {
  if (event.key !== "Enter" || event.defaultPrevented || !event.target.matches("input:not([type=checkbox], [type=radio], [type=file])")) return;
  event.preventDefault();
  if (event.target.id === "new-name") form.requestSubmit(event.target.closest("dialog").querySelector("button"));
  else if (!event.target.closest("[data-grid]") && event.target.name) form.requestSubmit(form.querySelector("[data-save]"));
});

// ── Dialogs ─────────────────────────────────────────────────────────────────

for (const opener of $$("[data-open]").filter((element) => element.matches("a"))) {
  opener.addEventListener("click", (event) => {
    const dialog = form.querySelector(`[data-dialog="${opener.dataset.open}"]`);
    if (!dialog) return;
    event.preventDefault();
    opener.closest("details")?.removeAttribute("open");
    dialog.showModal();
  });
}
for (const dialog of $$("dialog")) {
  dialog.querySelector("[data-close]").addEventListener("click", (event) => { event.preventDefault(); dialog.close(); });
  if (dialog.open) { dialog.close(); dialog.showModal(); }
}

// ── Uploads and colours ─────────────────────────────────────────────────────

/** What was just uploaded, above its picker: its name, and the picture if it is one. */
function showFile(input, { file_url: url, file_name: name }) {
  const box = input.closest("[data-attach]");
  let link = box.querySelector(".file");
  if (!link) {
    link = document.createElement("a");
    link.className = "file";
    link.target = "_blank";
    link.rel = "noopener";
    box.prepend(link);
  }
  link.href = url;
  const text = document.createElement("span");
  text.textContent = name || url.split("/").pop();
  if (input.accept === "image/*") {
    const image = document.createElement("img");
    image.src = url;
    image.alt = "";
    link.replaceChildren(image, text);
  } else {
    link.replaceChildren(text);
  }
}

for (const input of $$("[data-upload-for]")) {
  input.addEventListener("change", async () => {
    const file = input.files[0];
    if (!file) return;
    const target = document.getElementById(input.dataset.uploadFor);
    const body = new FormData();
    body.set("file", file);
    body.set("is_private", "1");
    body.set("doctype", context.doctype);
    if (!context.new) body.set("docname", context.name);
    body.set("fieldname", target.name);
    input.setCustomValidity("");
    input.disabled = true;
    try {
      if (!await ensureSession(context.user)) throw new Error(t("log in again"));
      const answer = await fetch("/api/method/upload_file", {
        method: "POST", body,
        headers: { accept: "application/json", "X-Frappe-CSRF-Token": form.elements.csrf_token.value },
      });
      const { message, _error_message: problem } = await answer.json();
      if (!answer.ok) throw new Error(problem || message || answer.statusText);
      target.value = message.file_url;
      target.dispatchEvent(new Event("filled"));
      showFile(input, message);
      changed();
      // Sent already: the form must not send it again.
      input.value = "";
    } catch (error) {
      input.setCustomValidity(t("Not uploaded: {message}", error));
      input.reportValidity();
    } finally {
      input.disabled = false;
    }
  });
}
// Attachments come and go at once; the rest of the form waits.
const attachments = document.querySelector("[data-attachments]");
async function change(address, options) {
  const token = await ensureSession(context.user);
  if (!token) throw new Error(t("log in again"));
  const answer = await fetch(address, { ...options, headers: { accept: "application/json", "X-Frappe-CSRF-Token": token } });
  const { message, _error_message: problem, _server_messages: messages } = await answer.json();
  if (!answer.ok) throw new Error(problem || (messages ? JSON.parse(JSON.parse(messages)[0]).message : answer.statusText));
  return message;
}
attachments?.querySelector("[data-attach-upload]")?.addEventListener("change", async ({ target: input }) => {
  if (!input.files[0]) return;
  const body = new FormData();
  for (const [name, value] of Object.entries({ file: input.files[0], is_private: "1", doctype: context.doctype, docname: context.name })) body.set(name, value);
  input.setCustomValidity("");
  try {
    const file = await change("/api/method/upload_file", { method: "POST", body });
    const link = document.createElement("a");
    link.href = file.file_url;
    link.textContent = file.file_name;
    const item = document.createElement("li");
    item.append(link);
    attachments.querySelector("ul").append(item);
    input.value = "";
  } catch (error) {
    input.setCustomValidity(t("Not attached: {message}", error));
    input.reportValidity();
  }
});
for (const remove of $$("[data-detach]")) {
  remove.addEventListener("click", async (event) => {
    event.preventDefault();
    const item = remove.closest("li");
    if (!confirm(`${remove.title}?`)) return;
    try {
      await change(`/api/resource/File/${encodeURIComponent(remove.dataset.detach)}`, { method: "DELETE" });
      item.remove();
    } catch (error) {
      alert(t("Not removed: {message}", error));
    }
  });
}

for (const picker of $$("[data-color-for]")) {
  const target = document.getElementById(picker.dataset.colorFor);
  const follow = () => { if (/^#[0-9a-f]{6}$/i.test(target.value)) picker.value = target.value; };
  picker.addEventListener("input", () => { target.value = picker.value.toUpperCase(); changed(); });
  target.addEventListener("input", follow);
  follow();
}

rememberFolds(form, context);

startTables(form, changed);
startPresets(form, changed);
startBeginnings(form, changed);
applyConditions();
returnToPlace();
revealHash();
leaving = comeBack(form, context);
startDrafts(form, context, () => dirty);
if (!context.new) startSide(form, context);
const first = form.querySelector("[data-focus]");
if (first) {
  const faulty = tabs.find((tab) => tab.querySelector(".errors"));
  if (faulty && tablist) { current = faulty; showTabs(); }
  first.focus({ preventScroll: true });
  scrollTo(0, 0);
}
// On a new form people begin to type; on phones the keyboard would hide it.
if (context.new && !first && !location.hash && matchMedia("(hover: hover)").matches) {
  const inputs = $$(".tab:not([hidden]) .field:not([hidden]) :is(input:not([type=hidden], [type=file], [type=checkbox], [type=radio]), select, textarea)");
  inputs.find((input) => input.checkVisibility() && !input.readOnly && !input.inert && !input.value)?.focus({ preventScroll: true });
}
const before = form.querySelector('[data-again="back"]') && placeBefore();
if (before) {
  const tab = tabs.find((known) => buttonOf(known)?.id === before.tab && !known.gone);
  if (tab && tablist) { current = tab; showTabs(); }
  const field = form.elements[before.name];
  if (field?.focus) reveal(field);
  scrollTo(0, before.y);
}
form.dataset.ready = "yes";
if (form.querySelector("[data-editor]")) {
  const { startEditors } = await import("./editors.js");
  form.addEventListener("opened", ({ target }) => startEditors(target));
  await startEditors(form);
  form.dataset.editors = "ready";
}
