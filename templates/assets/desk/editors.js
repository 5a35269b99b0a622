// Editors in the place of plain text areas. The text area stays: it is what is sent, kept as a draft and compared, and
// what forms have without scripts.

const EDITORS = {
  code: () => import("./code.js"),
  rich: () => import("./rich.js"),
  map: () => import("./map.js"),
  signature: () => import("./signature.js"),
};

/** Where an editor stands for an input: named and described as that was, shown where it was, focused when it is. */
export function standIn(input, box, target, focus) {
  const label = document.querySelector(`label[for="${CSS.escape(input.id)}"]`);
  if (label) {
    label.id ||= `${input.id}-label`;
    target.setAttribute("aria-labelledby", label.id);
    label.addEventListener("click", (event) => { event.preventDefault(); focus(); });
  }
  for (const name of ["aria-describedby", "aria-invalid", "aria-required", "aria-label"]) {
    const value = input.getAttribute(name);
    if (value) target.setAttribute(name, value);
  }
  box.classList.add("editor");
  const focused = document.activeElement === input;
  input.hidden = true;
  input.after(box);
  input.focus = () => focus();
  input.scrollIntoView = (options) => box.scrollIntoView(options);
  if (focused) focus();
}

/** Writes what an editor holds into its input. */
export function write(input, text) {
  if (input.value === text) return;
  input.writing = true;
  input.value = text;
  input.dispatchEvent(new Event("input", { bubbles: true }));
  input.writing = false;
}

/** Tells an editor when others change its input: its text, or whether it may be changed. */
export function follow(input, changed) {
  for (const event of ["filled", "input", "change"]) input.addEventListener(event, () => { if (!input.writing) changed(); });
  new MutationObserver(changed).observe(input, { attributeFilter: ["readonly"] });
}

/** Starts the editors below an element, as far as they show and have none yet. */
export function startEditors(root) {
  const started = [...root.querySelectorAll("[data-editor]")].map(async (input) => {
    if (input.closest("template") || input.dataset.editing || (input.closest("[data-rest]") && !input.closest("[data-open]"))) return;
    input.dataset.editing = "yes";
    try {
      const { mount } = await EDITORS[input.dataset.editor]();
      await mount(input);
    } catch (error) {
      // The text area does, too.
      console.warn(error);
      input.hidden = false;
    }
  });
  return Promise.all(started);
}
