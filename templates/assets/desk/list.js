// Lists: choosing rows, deleting them after a question, filters that apply at once.

import { t } from "./text.js";

const list = document.querySelector("[data-list]");
if (list) {
  const all = list.querySelector("[data-select-all]");
  const boxes = [...list.querySelectorAll('input[name="names"]')];
  const button = list.querySelector("[data-bulk-delete]");
  const dialog = list.querySelector('[data-dialog="bulk-delete"]');
  const update = () => {
    const chosen = boxes.filter((box) => box.checked).length;
    if (button) {
      button.disabled = chosen === 0;
      const all = list.querySelector("[data-bulk-all]:checked")?.dataset.bulkAll;
      button.querySelector("span").textContent = all ? t("Delete all {count}", { count: all }) : chosen ? t("Delete {count} selected", { count: chosen }) : t("Delete selected");
    }
    const bulk = list.querySelector("[data-bulk]");
    if (bulk) {
      bulk.hidden = chosen === 0;
      const all = bulk.querySelector("[data-bulk-all]:checked")?.dataset.bulkAll;
      bulk.querySelector("[data-bulk-count]").textContent = all ? t("{count} documents", { count: all }) : chosen === 1 ? t("document") : t("{count} documents", { count: chosen });
    }
    if (all) {
      all.checked = chosen > 0 && chosen === boxes.length;
      all.indeterminate = chosen > 0 && chosen < boxes.length;
    }
    const count = list.querySelector("[data-selected-count]");
    if (count) count.textContent = (chosen === 1 ? t("1 document") : t("{count} documents", { count: chosen }));
  };
  all?.addEventListener("change", () => { for (const box of boxes) box.checked = all.checked; update(); });
  let last = null;
  for (const box of boxes) {
    box.addEventListener("click", (event) => {
      if (event.shiftKey && last) {
        const [from, to] = [boxes.indexOf(last), boxes.indexOf(box)].sort((a, b) => a - b);
        for (const between of boxes.slice(from, to + 1)) between.checked = box.checked;
      }
      last = box;
      update();
    });
  }
  // What is done with all that match is asked by the server, which knows how many they are.
  const everything = list.querySelector("[data-bulk-all]");
  everything?.addEventListener("change", update);
  button?.addEventListener("click", (event) => {
    if (everything?.checked) return;
    event.preventDefault();
    dialog.showModal();
  });
  list.addEventListener("desk:select", (event) => {
    const box = event.target.closest("tr")?.querySelector('input[name="names"]');
    if (box) { box.checked = !box.checked; update(); }
  });
  dialog?.querySelector("[data-close]").addEventListener("click", (event) => { event.preventDefault(); dialog.close(); });
  if (dialog?.open) { dialog.close(); dialog.showModal(); }
  update();
}

document.querySelector(".page.list [data-focus]")?.focus();
for (const select of document.querySelectorAll("[data-filters] > .filter select")) {
  select.addEventListener("change", () => select.form.requestSubmit());
}
// Empty parameters would only make the address long.
document.querySelector("[data-filters]")?.addEventListener("formdata", (event) => {
  for (const [name, value] of [...event.formData.entries()]) if (value === "") event.formData.delete(name);
});

// Another row of the builder is a copy of the last, empty one.
document.querySelector("[data-add-where]")?.addEventListener("click", ({ currentTarget: button }) => {
  const rows = [...button.closest("[data-builder]").querySelectorAll("[data-where]")];
  const last = rows.at(-1);
  const row = last.cloneNode(true);
  const number = Number(last.dataset.where) + 1;
  row.dataset.where = number;
  for (const input of row.querySelectorAll("[name]")) {
    input.name = input.name.replace(/\d+/, number);
    if (input.matches("input")) input.value = "";
    else input.selectedIndex = 0;
  }
  const join = row.querySelector("[name$='.join']");
  join.className = "";
  join.removeAttribute("aria-hidden");
  join.tabIndex = 0;
  last.after(row);
  row.querySelector("[name$='.field']").focus();
});
// Columns are moved by two buttons; what is ticked is shown in that order.
for (const item of document.querySelectorAll("[data-columns] li")) {
  for (const [label, move] of [[t("up"), (li) => li.previousElementSibling?.before(li)], [t("down"), (li) => li.nextElementSibling?.after(li)]]) {
    const button = document.createElement("button");
    button.type = "button";
    button.className = "icon-button";
    button.title = button.ariaLabel = t("Move {item} {label}", { item: item.textContent.trim(), label });
    const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
    svg.setAttribute("class", "icon");
    svg.setAttribute("aria-hidden", "true");
    const use = document.createElementNS("http://www.w3.org/2000/svg", "use");
    use.setAttribute("href", `/assets/desk/icons.svg#${label}`);
    svg.append(use);
    button.append(svg);
    button.addEventListener("click", () => { move(item); button.focus(); });
    item.append(button);
  }
}
// A card is moved by dragging it onto another column: its own form does it, as its menu would.
const board = document.querySelector("[data-board]");
if (board) {
  let dragged = null;
  const columns = [...board.querySelectorAll("[data-column]")];
  for (const card of board.querySelectorAll("[data-card]")) {
    card.draggable = true;
    card.addEventListener("dragstart", (event) => {
      dragged = card;
      card.classList.add("dragged");
      event.dataTransfer.effectAllowed = "move";
      event.dataTransfer.setData("text/plain", card.querySelector(".row-link").textContent);
    });
    card.addEventListener("dragend", () => {
      card.classList.remove("dragged");
      dragged = null;
      for (const column of columns) column.classList.remove("over");
    });
  }
  const takes = (column) => dragged && [...dragged.querySelector("[name=__to]").options].some((option) => option.value === column.dataset.column);
  for (const column of columns) {
    column.addEventListener("dragover", (event) => {
      if (!takes(column)) return;
      event.preventDefault();
      column.classList.add("over");
    });
    column.addEventListener("dragleave", (event) => { if (!column.contains(event.relatedTarget)) column.classList.remove("over"); });
    column.addEventListener("drop", (event) => {
      if (!takes(column)) return;
      event.preventDefault();
      const form = dragged.querySelector("form");
      form.elements.__to.value = column.dataset.column;
      column.querySelector("ul").append(dragged);
      form.requestSubmit(form.querySelector("[name=__action]"));
    });
  }
  // The card that was moved keeps the focus.
  if (location.hash.startsWith("#card-")) document.getElementById(decodeURIComponent(location.hash.slice(1)))?.querySelector(".row-link").focus();
}
