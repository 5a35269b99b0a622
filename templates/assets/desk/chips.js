// Table MultiSelect: rows are chips, and one picker adds more.

import { combobox } from "./combobox.js";
import { createInPlace } from "./create.js";
import { searchLink, withNew } from "./link.js";
import { freshRow, tool } from "./rows.js";
import { t } from "./text.js";

/** Makes chips of the rows in a box; `changed` is told whenever some come or go. */
export function chips(box, changed) {
  const list = box.querySelector("[data-rows]");
  let next = Number(box.dataset.count);
  const template = box.querySelector("template[data-blank-row]");
  for (const chip of list.querySelectorAll(".spare")) chip.remove();

  const dress = (chip, label) => {
    const input = chip.querySelector("input[data-link]");
    if (!input) { chip.classList.add("fixed"); return; }
    const words = document.createElement("span");
    words.textContent = label || chip.querySelector("[data-link-title]")?.textContent || input.value;
    words.title = input.value;
    chip.prepend(words);
    chip.append(tool("x", t("Remove {words}", { words: words.textContent }), () => {
      chip.remove();
      changed();
      picker?.focus();
    }));
  };

  let picker = null;
  for (const chip of list.children) dress(chip);
  if (!template) return;
  const blank = template.content.querySelector("input[data-link]");
  const doctype = blank.dataset.link;
  const item = document.createElement("li");
  item.className = "chip-add";
  picker = document.createElement("input");
  picker.type = "text";
  picker.autocomplete = "off";
  picker.placeholder = t("Add {doctype}", { doctype });
  picker.setAttribute("aria-label", t("Add {doctype}", { doctype }));
  item.append(picker);
  list.append(item);
  const values = () => [...list.querySelectorAll("input[data-link]")].map((input) => input.value);
  combobox(picker, {
    suggest: async (typed) => withNew((await searchLink(doctype, typed)).filter((option) => !values().includes(option.value)), blank, typed),
    choose(option) {
      if (option.create) {
        createInPlace(box.closest("form"), option.create, blank.dataset.linkCreateField, option.typed, blank.name.replace("__idx__", next));
        return;
      }
      const fragment = freshRow(box, next++);
      const chip = fragment.querySelector("[data-row]");
      chip.querySelector("input[data-link]").value = option.value;
      item.before(fragment);
      dress(chip, option.label);
      picker.value = "";
      changed();
      picker.focus();
    },
  });
  picker.addEventListener("keydown", (event) => {
    if (event.key === "Backspace" && !picker.value) item.previousElementSibling?.querySelector("[data-tool]")?.click();
  });
}
