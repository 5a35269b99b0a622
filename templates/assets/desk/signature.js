// A signature is drawn with finger, pen or mouse, and kept as a picture in the field. A file can be uploaded instead.

import SignaturePad from "../vendor/signature_pad.js";
import { follow, standIn, write } from "./editors.js";
import { button } from "./rows.js";
import { t } from "./text.js";

/** Ink and paper are the same in light and dark: the picture is printed. */
const INK = "#14213d";

/** Puts a place to sign in the place of an input. */
export function mount(input) {
  const box = document.createElement("div");
  const canvas = document.createElement("canvas");
  canvas.className = "signature-pad";
  canvas.tabIndex = -1;
  canvas.setAttribute("role", "img");
  const bar = document.createElement("div");
  bar.className = "editor-bar";
  const pad = new SignaturePad(canvas, { penColor: INK });
  const shown = input.closest("[data-attach]")?.querySelector(".signature");
  const save = () => {
    write(input, pad.isEmpty() ? "" : pad.toDataURL());
    // What is drawn takes the place of what was there.
    if (shown) shown.hidden = true;
    tell();
  };
  const undo = button("Undo", null, () => {
    pad.fromData(pad.toData().slice(0, -1));
    save();
  });
  const clear = button(t("Clear"), null, () => {
    pad.clear();
    save();
  });
  clear.dataset.signatureClear = "";
  const hint = document.createElement("span");
  hint.className = "muted";
  bar.append(hint, undo, clear);
  box.append(canvas, bar);
  const tell = () => {
    hint.textContent = input.readOnly ? "" : input.value ? t("Signed") : t("Sign here");
    undo.disabled = input.readOnly || pad.toData().length === 0;
    clear.disabled = input.readOnly || !input.value;
  };
  const access = () => { if (input.readOnly) pad.off(); else pad.on(); tell(); };
  pad.addEventListener("endStroke", save);
  standIn(input, box, canvas, () => canvas.focus());
  // A canvas has pixels of its own: as many as the screen has.
  const fit = () => {
    const strokes = pad.toData();
    const ratio = Math.max(devicePixelRatio || 1, 1);
    canvas.width = canvas.offsetWidth * ratio;
    canvas.height = canvas.offsetHeight * ratio;
    canvas.getContext("2d").scale(ratio, ratio);
    pad.clear();
    pad.fromData(strokes);
  };
  let width = 0;
  new ResizeObserver(() => { if (canvas.offsetWidth && canvas.offsetWidth !== width) { width = canvas.offsetWidth; fit(); } }).observe(canvas);
  follow(input, () => {
    // Something else took its place: an uploaded file, or nothing.
    if (!input.value || !input.value.startsWith("data:")) pad.clear();
    if (shown && !input.value) shown.hidden = true;
    access();
  });
  access();
}
