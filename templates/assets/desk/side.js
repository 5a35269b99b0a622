// What stands beside a form (comments, tags, assignments, shares) is written at once, without leaving the form.

import { startLinks } from "./link.js";
import { ensureSession } from "./session.js";
import { t } from "./text.js";

const PLACES = "[data-side]";

/** Starts the buttons beside a form. */
export function startSide(form, context) {
  const note = `note:${context.user}:${location.pathname}`;
  const storage = (action) => { try { return action(localStorage); } catch { return null; } };
  // A comment that was begun is kept until it is sent.
  const remember = () => {
    const box = form.querySelector("[data-comment]");
    if (!box) return;
    box.value ||= storage((kept) => kept.getItem(note)) || "";
    box.addEventListener("input", () => storage((kept) => (box.value ? kept.setItem(note, box.value) : kept.removeItem(note))));
  };
  const tell = (place, text, failed) => {
    let line = place.querySelector("[data-side-said]");
    if (!line) {
      line = document.createElement("p");
      line.dataset.sideSaid = "";
      line.setAttribute("role", "status");
      place.append(line);
    }
    line.className = failed ? "notice notice-red" : "muted";
    line.textContent = text;
  };
  /** Puts what the server says now in the places of what was there. */
  const renew = (page) => {
    for (const place of form.querySelectorAll(PLACES)) {
      const fresh = page.getElementById(place.id);
      if (!fresh) continue;
      place.replaceChildren(...fresh.childNodes);
      startLinks(place);
    }
    remember();
  };
  const press = async (button) => {
    const place = button.closest(PLACES);
    const body = new URLSearchParams({ __action: button.value });
    for (const input of place.querySelectorAll("input, textarea, select")) {
      if (input.name && (input.type !== "checkbox" || input.checked)) body.set(input.name, input.value);
    }
    button.disabled = true;
    try {
      const token = await ensureSession(context.user);
      if (!token) return;
      body.set("csrf_token", token);
      const answer = await fetch(form.action, { method: "POST", body, headers: { accept: "text/html" } });
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      const problem = page.querySelector(".notice-red li, .notice-red p, .error-page p, main p");
      if (!answer.ok) throw new Error(problem?.textContent.trim() || answer.statusText);
      if (button.value === "side:comment") storage((kept) => kept.removeItem(note));
      renew(page);
      const said = page.querySelector(".flash span")?.textContent;
      if (said) tell(form.querySelector(`#${place.id}`), said, false);
    } catch (error) {
      tell(place, error.message, true);
    } finally {
      button.disabled = false;
    }
  };
  form.addEventListener("click", (event) => {
    const button = event.target.closest('button[name="__action"]');
    if (!button?.value.startsWith("side:")) return;
    event.preventDefault();
    press(button);
  });
  form.addEventListener("keydown", (event) => {
    const place = event.target.closest?.(PLACES);
    if (!place || event.key !== "Enter" || event.defaultPrevented) return;
    const inText = event.target.matches("textarea");
    if (inText ? !(event.ctrlKey || event.metaKey) : !event.target.matches("input:not([type=checkbox])")) return;
    event.preventDefault();
    event.stopImmediatePropagation();
    const button = place.querySelector(inText && event.target.matches("[data-comment]") ? '[value="side:comment"]' : "[data-side-default]");
    if (button) press(button);
  }, true);
  remember();

  form.querySelector("[data-print]")?.addEventListener("click", () => { closeMenus(); print(); });
  form.querySelector("[data-copy-link]")?.addEventListener("click", async ({ currentTarget: button }) => {
    await navigator.clipboard.writeText(location.origin + location.pathname);
    button.lastChild.textContent = t("Copied");
    setTimeout(() => { button.lastChild.textContent = t("Copy link"); closeMenus(); }, 900);
  });
  function closeMenus() {
    for (const menu of document.querySelectorAll("details.menu[open]")) menu.open = false;
  }
  // Folded sections are printed, too.
  let folded = [];
  addEventListener("beforeprint", () => {
    folded = [...form.querySelectorAll("details[data-section]:not([open])")];
    for (const section of folded) section.open = true;
  });
  addEventListener("afterprint", () => { for (const section of folded) section.open = false; });
}
