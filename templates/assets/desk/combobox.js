// A combobox by the ARIA pattern: an input with a list of suggestions below it, usable by keyboard alone.

import { t } from "./text.js";

let counter = 0;

/**
 * Turns an input into a combobox.
 * `suggest(text)` resolves to options `{ value, label, hint, href, create }`; `choose(option)` is told what was chosen.
 */
export function combobox(input, { suggest, choose, openOnFocus = true }) {
  const list = document.createElement("div");
  list.className = "listbox";
  list.id = `listbox-${++counter}`;
  list.hidden = true;
  list.setAttribute("role", "listbox");
  list.setAttribute("aria-label", input.getAttribute("aria-label") || t("Suggestions"));
  input.after(list);
  input.setAttribute("role", "combobox");
  input.setAttribute("aria-autocomplete", "list");
  input.setAttribute("aria-controls", list.id);
  input.setAttribute("aria-expanded", "false");

  let options = [];
  let active = -1;
  let round = 0;
  let timer;

  const close = () => {
    round += 1;
    clearTimeout(timer);
    list.hidden = true;
    active = -1;
    input.setAttribute("aria-expanded", "false");
    input.removeAttribute("aria-activedescendant");
  };

  const mark = (index) => {
    active = index;
    [...list.querySelectorAll('[role="option"]')].forEach((element, position) => {
      const on = position === index;
      element.setAttribute("aria-selected", String(on));
      if (on) {
        input.setAttribute("aria-activedescendant", element.id);
        element.scrollIntoView({ block: "nearest" });
      }
    });
    if (index < 0) input.removeAttribute("aria-activedescendant");
  };

  const pick = (option) => {
    close();
    choose(option);
  };

  const show = (found, typed) => {
    options = found;
    list.replaceChildren();
    found.forEach((option, index) => {
      const element = document.createElement("div");
      element.id = `${list.id}-${index}`;
      element.setAttribute("role", "option");
      element.setAttribute("aria-selected", "false");
      if (option.create) element.className = "create";
      const label = document.createElement("span");
      label.textContent = option.label || option.value;
      element.append(label);
      if (option.hint) {
        const hint = document.createElement("span");
        hint.className = "option-hint";
        hint.textContent = option.hint;
        element.append(hint);
      }
      // The focus stays in the input, and the choice comes before it would leave.
      element.addEventListener("mousedown", (event) => { event.preventDefault(); pick(option); });
      list.append(element);
    });
    if (!found.some((option) => !option.create)) {
      const nothing = document.createElement("div");
      nothing.className = "nothing";
      nothing.textContent = typed ? t("Nothing matches") : t("Nothing here yet");
      list.prepend(nothing);
    }
    list.hidden = false;
    input.setAttribute("aria-expanded", "true");
    mark(typed && found.length && !found[0].create ? 0 : -1);
  };

  const ask = (delay, typed) => {
    const mine = ++round;
    clearTimeout(timer);
    timer = setTimeout(async () => {
      const found = await suggest(typed).catch(() => null);
      if (mine !== round || document.activeElement !== input) return;
      if (found) show(found, typed);
      else close();
    }, delay);
  };

  input.addEventListener("input", () => ask(130, input.value.trim()));
  input.addEventListener("click", () => { if (list.hidden && openOnFocus) ask(0, ""); });
  input.addEventListener("blur", close);
  input.addEventListener("keydown", (event) => {
    if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      event.preventDefault();
      if (list.hidden) return ask(0, event.altKey ? "" : input.value.trim());
      const count = options.length;
      if (count) mark(event.key === "ArrowDown" ? (active + 1) % count : (active + count - (active < 0 ? 0 : 1)) % count);
    } else if (event.key === "Enter" && !list.hidden && active >= 0) {
      event.preventDefault();
      pick(options[active]);
    } else if (event.key === "Tab" && !list.hidden && active >= 0 && input.value.trim() && !options[active].create) {
      pick(options[active]);
    } else if (event.key === "Escape" && !list.hidden) {
      event.preventDefault();
      event.stopPropagation();
      close();
    }
  });
  return { close };
}
