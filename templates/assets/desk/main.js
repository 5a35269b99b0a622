// What every page of the desk needs; the parts of forms and lists are loaded only where they are.

import { tidyDrafts } from "./drafts.js";
import { startJump } from "./jump.js";
import { startKeys } from "./keys.js";
import { startLinks } from "./link.js";
import { noteList, startSteps } from "./steps.js";
import { t } from "./text.js";

const $$ = (selector, root = document) => [...root.querySelectorAll(selector)];

// Light and dark: the first click leaves the scheme of the device. The choice belongs to the person; pages without one
// keep to this device.
for (const button of $$("[data-theme-toggle]")) {
  button.addEventListener("click", () => {
    const root = document.documentElement;
    const dark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
    root.dataset.theme = dark ? "light" : "dark";
    fetch("/api/method/frappe.core.doctype.user.user.switch_theme", {
      method: "POST",
      headers: { "Content-Type": "application/json", "X-Frappe-CSRF-Token": document.querySelector('[name="csrf_token"]').value },
      body: JSON.stringify({ theme: dark ? "Light" : "Dark" }),
    }).catch(() => { /* It holds for this page. */ });
    try { localStorage.setItem("theme", root.dataset.theme); } catch { /* No storage: it holds for this page. */ }
  });
}

// Menus close on Escape, on a click elsewhere, and when the focus leaves them.
document.addEventListener("click", (event) => {
  for (const menu of $$("details.menu[open]")) if (!menu.contains(event.target)) menu.open = false;
});
document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape") return;
  for (const menu of $$("details.menu[open]")) {
    menu.open = false;
    menu.querySelector("summary").focus();
  }
});
for (const menu of $$("details.menu")) {
  menu.addEventListener("focusout", (event) => {
    if (event.relatedTarget && !menu.contains(event.relatedTarget)) menu.open = false;
  });
}

// Good news goes by itself; what went wrong stays until it was read.
for (const flash of $$(".flash-green")) setTimeout(() => { if (!flash.matches(":hover, :focus-within")) flash.remove(); }, 8000);
for (const button of $$("[data-dismiss]")) button.addEventListener("click", () => button.parentElement.remove());

// A value that people copy gets a button for it.
for (const value of $$("[data-copy]")) {
  const button = document.createElement("button");
  button.type = "button";
  button.className = "icon-button copy";
  button.setAttribute("aria-label", t("Copy"));
  button.title = t("Copy");
  const icon = (name) => {
    const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
    svg.setAttribute("class", "icon");
    svg.setAttribute("aria-hidden", "true");
    const use = document.createElementNS("http://www.w3.org/2000/svg", "use");
    use.setAttribute("href", `/assets/desk/icons.svg#${name}`);
    svg.append(use);
    return svg;
  };
  button.append(icon("copy"));
  button.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(value.textContent);
    } catch {
      const range = document.createRange();
      range.selectNodeContents(value);
      getSelection().removeAllRanges();
      getSelection().addRange(range);
      return;
    }
    button.replaceChildren(icon("check"));
    button.classList.add("copied");
    setTimeout(() => { button.replaceChildren(icon("copy")); button.classList.remove("copied"); }, 1600);
  });
  value.after(button);
}

// Numbers of documents come after the page, in one request, for what is on the screen.
const wanted = new Map();
let timer;
async function loadCounts() {
  const entries = [...wanted.entries()];
  wanted.clear();
  for (let start = 0; start < entries.length; start += 50) {
    const part = entries.slice(start, start + 50);
    const query = new URLSearchParams({ of: JSON.stringify(part.map(([, key]) => JSON.parse(key))) });
    const answer = await fetch(`/app/_counts?${query}`, { headers: { accept: "application/json" } });
    if (!answer.ok) return;
    const counts = await answer.json();
    part.forEach(([element], index) => {
      if (counts[index] !== null) element.textContent = counts[index].toLocaleString();
    });
  }
}
const seen = new IntersectionObserver((entries, observer) => {
  for (const { isIntersecting, target } of entries) {
    if (!isIntersecting) continue;
    observer.unobserve(target);
    wanted.set(target, target.dataset.count);
  }
  clearTimeout(timer);
  if (wanted.size) timer = setTimeout(() => loadCounts().catch(() => {}), 30);
});
for (const element of $$("[data-count]:not([data-grid], [data-chips])")) seen.observe(element);

// Home: the search narrows the tiles while one types.
const search = document.querySelector("[data-home-search]");
if (search) {
  const narrow = () => {
    const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
    let any = false;
    for (const module of $$("[data-module]")) {
      let shown = 0;
      for (const tile of $$("[data-tile]", module)) {
        const found = words.every((word) => tile.textContent.toLowerCase().includes(word));
        tile.hidden = !found;
        shown += found;
      }
      module.hidden = shown === 0;
      if (module.matches("[data-system]")) module.open = words.length > 0 && shown > 0;
      any ||= shown > 0;
    }
    document.querySelector("[data-nothing]").hidden = any;
  };
  search.addEventListener("input", narrow);
  search.addEventListener("keydown", (event) => {
    if (event.key !== "Enter") return;
    const first = document.querySelector("[data-tile]:not([hidden]) a");
    if (!first || !search.value) return;
    event.preventDefault();
    location.href = first.href;
  });
  search.focus({ preventScroll: true });
}

// The line under a heading appears once something scrolls below it.
for (const head of $$(".page-head.sticky")) {
  const update = () => head.classList.toggle("stuck", scrollY > 8);
  addEventListener("scroll", update, { passive: true });
  update();
}

// Frappe's oldest addresses stand behind a #.
if (location.pathname === "/app" && /^#(Form|List)\//.test(location.hash)) location.replace(`/app/${location.hash.slice(1)}`);

tidyDrafts();
startJump();
startKeys();
startLinks(document);
noteList();
startSteps();
if (document.querySelector("[data-form]")) import("./form.js");
if (document.querySelector("[data-list], [data-filters]")) import("./list.js");
