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
