// Choosing an option fills in what is known of it, as saving would. What somebody typed stays.

export function startPresets(form, changed) {
  if (!form.dataset.presets) return;
  const { field, options } = JSON.parse(form.dataset.presets);
  const choice = form.elements[field];
  let filled = options[choice?.value] ?? {};
  choice?.addEventListener("change", () => {
    const known = options[choice.value] ?? {};
    for (const name of Object.keys({ ...filled, ...known })) {
      const input = form.elements[name];
      if (input && !input.readOnly && ["", filled[name]].includes(input.value)) input.value = known[name] ?? "";
    }
    filled = known;
    changed();
  });
}

/** The question above a new document: an answer fills in what its kind needs, and leaves what somebody typed. */
export function startBeginnings(form, changed) {
  const ways = [...form.querySelectorAll("[data-beginnings] a")];
  // What stands in a text now is a default, or what an answer filled in.
  const ours = new Map();
  const control = (name) => {
    const found = form.elements[name];
    return found instanceof RadioNodeList ? [...found].find((input) => input.type === "checkbox") : found;
  };
  for (const way of ways) {
    const values = Object.entries(JSON.parse(way.dataset.values));
    for (const [name] of values) ours.set(name, new Set([control(name)?.value]));
    way.addEventListener("click", (event) => {
      if (event.ctrlKey || event.metaKey || event.shiftKey) return;
      event.preventDefault();
      for (const [name, value] of values) {
        const input = control(name);
        if (!input) continue;
        if (input.type === "checkbox") input.checked = value === "1";
        else if (input.matches("select") || ours.get(name).has(input.value)) input.value = value;
        ours.get(name).add(value);
      }
      for (const other of ways) other.removeAttribute("aria-current");
      way.setAttribute("aria-current", "true");
      form.action = way.getAttribute("href");
      changed();
      [...form.querySelectorAll(".tab:not([hidden]) .field:not([hidden]) :is(input:not([type=hidden], [type=checkbox]), textarea)")].find((input) => input.checkVisibility() && !input.value)?.focus();
    });
  }
}
