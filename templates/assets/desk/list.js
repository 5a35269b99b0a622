// Lists: choosing rows, deleting them after a question, filters that apply at once.

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
      button.querySelector("span").textContent = chosen ? `Delete ${chosen} selected` : "Delete selected";
    }
    if (all) {
      all.checked = chosen > 0 && chosen === boxes.length;
      all.indeterminate = chosen > 0 && chosen < boxes.length;
    }
    const count = list.querySelector("[data-selected-count]");
    if (count) count.textContent = chosen === 1 ? "1 document" : `${chosen} documents`;
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
  button?.addEventListener("click", (event) => { event.preventDefault(); dialog.showModal(); });
  dialog?.querySelector("[data-close]").addEventListener("click", (event) => { event.preventDefault(); dialog.close(); });
  if (dialog?.open) { dialog.close(); dialog.showModal(); }
  update();
}

for (const select of document.querySelectorAll("[data-filters] select")) {
  select.addEventListener("change", () => select.form.requestSubmit());
}
// Empty parameters would only make the address long.
document.querySelector("[data-filters]")?.addEventListener("formdata", (event) => {
  for (const [name, value] of [...event.formData.entries()]) if (value === "") event.formData.delete(name);
});
