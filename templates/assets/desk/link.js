// Link fields: suggestions from frappe.desk.search.search_link, the title of what was chosen, and the way to it.

import { combobox } from "./combobox.js";
import { createInPlace } from "./create.js";
import { t } from "./text.js";

const slug = (doctype) => doctype.toLowerCase().replace(/[ _]/g, "-");

/** Documents of a DocType that match, as options of a combobox. */
export async function searchLink(doctype, typed, { filters = "", reference = "" } = {}) {
  const query = new URLSearchParams({ doctype, txt: typed, page_length: "10" });
  if (filters) query.set("filters", filters);
  if (reference) query.set("reference_doctype", reference);
  const answer = await fetch(`/api/method/frappe.desk.search.search_link?${query}`, { headers: { accept: "application/json" } });
  if (!answer.ok) throw new Error(`search_link: ${answer.status}`);
  const { message } = await answer.json();
  return message.map(({ value, label, description }) => ({
    value,
    label: label || value,
    hint: [label && label !== value ? value : "", description || ""].filter(Boolean).join(" · "),
    title: label && label !== value ? label : "",
  }));
}

function target(input) {
  if (!input.dataset.linkField) return input.dataset.link;
  // Of a Dynamic Link: the DocType stands in another field, in a row first.
  const row = input.name.split(".").slice(0, -1).join(".");
  const form = input.form;
  const other = (row && form.elements[`${row}.${input.dataset.linkField}`]) || form.elements[input.dataset.linkField];
  return other ? other.value : input.dataset.link;
}

function showTarget(input, option) {
  const box = input.closest("[data-link-box]");
  if (!box) return;
  const doctype = target(input);
  let open = box.querySelector(".link-open");
  if (open) open.hidden = !input.value;
  if (open && input.value) open.href = `/app/${slug(doctype)}/${encodeURIComponent(input.value)}`;
  let title = box.nextElementSibling?.matches("[data-link-title]") ? box.nextElementSibling : null;
  if (!title && option?.title) {
    title = document.createElement("p");
    title.className = "link-title";
    title.dataset.linkTitle = "";
    box.after(title);
  }
  if (title) {
    title.textContent = option?.title || "";
    title.hidden = !title.textContent;
  }
}

/** The options with that of a new document, if there may be one; `input` says so. */
export function withNew(found, input, typed) {
  const { link, linkCreate: create } = input.dataset;
  if (!create) return found;
  return [...found, { value: "", label: typed ? t("New {link} “{typed}”…", { link, typed }) : t("New {link}…", { link }), create, typed }];
}

/** Makes every Link input below `root` a picker. */
export function startLinks(root) {
  for (const input of root.querySelectorAll("input[data-link]")) {
    if (input.readOnly || input.dataset.linkReady || input.closest("template")) continue;
    input.dataset.linkReady = "1";
    const reference = input.closest("[data-form]") ? JSON.parse(input.closest("[data-form]").dataset.context).doctype : "";
    combobox(input, {
      async suggest(typed) {
        const doctype = target(input);
        if (!doctype) return null;
        const found = await searchLink(doctype, typed, { filters: input.dataset.linkFilters, reference });
        return withNew(found, input, typed);
      },
      choose(option) {
        if (option.create) {
          createInPlace(input.form, option.create, input.dataset.linkCreateField, option.typed, input.name);
          return;
        }
        input.value = option.value;
        showTarget(input, option);
        input.dispatchEvent(new Event("change", { bubbles: true }));
        if ("linkPlain" in input.dataset) input.form.requestSubmit();
      },
    });
    for (const event of ["input", "filled"]) input.addEventListener(event, () => showTarget(input, null));
  }
}
