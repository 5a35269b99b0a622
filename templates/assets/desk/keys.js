// Keys for the whole desk: / to search, ? for this list, j and k through a list, x to select, N for a new document.

import { t } from "./text.js";

const KEYS = [
  [t("Ctrl K"), t("Search everything")], ["/", t("Search")], ["N", t("New document")], ["J, K", t("Next, previous document, in a list and in the form of one of it")],
  ["X", t("Select the document in a list")], [t("Enter"), t("Open the chosen document")], [t("Ctrl S"), t("Save")], [t("Escape, Tab"), t("Leave a code editor")], [t("Ctrl Enter"), t("New row in a table")],
  [t("Alt ↑, Alt ↓"), t("Move a row")], [t("Ctrl V"), t("Paste cells of a spreadsheet into a table")], ["?", t("This list")],
];
let dialog;

function help() {
  if (!dialog) {
    dialog = document.createElement("dialog");
    dialog.className = "dialog keys";
    dialog.setAttribute("aria-labelledby", "keys-title");
    const title = document.createElement("h2");
    title.id = "keys-title";
    title.textContent = t("Keys");
    const list = document.createElement("dl");
    for (const [keys, what] of KEYS) {
      const term = document.createElement("dt");
      const key = document.createElement("kbd");
      key.textContent = keys;
      term.append(key);
      const text = document.createElement("dd");
      text.textContent = what;
      list.append(term, text);
    }
    const close = document.createElement("form");
    close.method = "dialog";
    close.className = "dialog-buttons";
    const button = document.createElement("button");
    button.className = "button";
    button.textContent = t("Close");
    close.append(button);
    dialog.append(title, list, close);
    document.body.append(dialog);
  }
  if (!dialog.open) dialog.showModal();
}

function step(by) {
  const beside = document.querySelector(`[data-step="${by > 0 ? "next" : "prev"}"]`);
  if (beside) return beside.click();
  const links = [...document.querySelectorAll(".documents .row-link, [data-tile]:not([hidden]) .tile-link")].filter((link) => link.offsetParent);
  const at = links.indexOf(document.activeElement);
  links[Math.min(links.length - 1, Math.max(0, at < 0 ? (by > 0 ? 0 : links.length - 1) : at + by))]?.focus();
}

/** Starts them. */
export function startKeys() {
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest("input, select, textarea, dialog, [contenteditable]")) return;
    const action = {
      "/": () => (document.querySelector("#q, [data-home-search]") || document.querySelector("[data-jump]"))?.focus(),
      "?": help,
      j: () => step(1),
      k: () => step(-1),
      x: () => document.activeElement.closest(".documents tr")?.dispatchEvent(new Event("desk:select", { bubbles: true })),
      n: () => document.querySelector('[data-key="n"]')?.click(),
    }[event.key];
    if (!action) return;
    event.preventDefault();
    action();
  });
}
