// Code, JSON, HTML and Markdown in CodeMirror. Escape, then Tab leaves it.

import {
  Compartment, EditorState, EditorView, HighlightStyle, bracketMatching, defaultKeymap, drawSelection, highlightActiveLine,
  highlightActiveLineGutter, highlightSpecialChars, history, historyKeymap, indentOnInput, indentUnit, indentWithTab, jsonLinter, keymap,
  languages, lineNumbers, lintGutter, linter, search, searchKeymap, syntaxHighlighting, tags,
} from "../vendor/codemirror.js";
import { follow, standIn, write } from "./editors.js";
import { button } from "./rows.js";
import { t } from "./text.js";

const theme = EditorView.theme({
  "&": { fontSize: "0.8438rem", maxHeight: "36rem", backgroundColor: "var(--surface)", color: "var(--text)" },
  "&.cm-focused": { outline: "none" },
  ".cm-scroller": { fontFamily: "var(--mono)", lineHeight: "1.55", overflow: "auto" },
  ".cm-content": { caretColor: "var(--text)", padding: "0.4rem 0" },
  ".cm-cursor": { borderLeftColor: "var(--text)" },
  ".cm-gutters": { backgroundColor: "var(--sunken)", color: "var(--faint)", border: "0", borderInlineEnd: "1px solid var(--line)" },
  ".cm-activeLine": { backgroundColor: "color-mix(in srgb, var(--accent-soft) 45%, transparent)" },
  ".cm-activeLineGutter": { backgroundColor: "var(--accent-soft)", color: "var(--text)" },
  "&.cm-focused > .cm-scroller > .cm-selectionLayer .cm-selectionBackground, .cm-selectionBackground": { backgroundColor: "color-mix(in srgb, var(--accent) 30%, transparent)" },
  ".cm-panels": { backgroundColor: "var(--sunken)", color: "var(--text)", borderColor: "var(--line)" },
  ".cm-tooltip": { backgroundColor: "var(--raised)", color: "var(--text)", border: "1px solid var(--line)", borderRadius: "6px" },
  "&.cm-focused .cm-matchingBracket": { backgroundColor: "var(--accent-soft)", outline: "1px solid var(--line-strong)" },
});

const colours = HighlightStyle.define([
  { tag: [tags.keyword, tags.operatorKeyword, tags.modifier], color: "var(--purple)" },
  { tag: [tags.string, tags.special(tags.string), tags.regexp], color: "var(--green)" },
  { tag: [tags.number, tags.bool, tags.null, tags.atom], color: "var(--orange)" },
  { tag: [tags.comment, tags.meta], color: "var(--faint)", fontStyle: "italic" },
  { tag: [tags.tagName, tags.function(tags.variableName), tags.definition(tags.variableName)], color: "var(--blue)" },
  { tag: [tags.propertyName, tags.attributeName, tags.className, tags.typeName], color: "var(--accent)" },
  { tag: tags.heading, fontWeight: "700" },
  { tag: tags.strong, fontWeight: "700" },
  { tag: tags.emphasis, fontStyle: "italic" },
  { tag: [tags.link, tags.url], color: "var(--accent)", textDecoration: "underline" },
  { tag: tags.invalid, color: "var(--red)" },
]);

/** Puts an editor in the place of a text area. */
export async function mount(input) {
  const { language } = input.dataset;
  const isText = language === "markdown";
  const [speaks, lint] = await Promise.all([languages[language]?.() ?? [], language === "json" ? jsonLinter() : null]);
  const access = new Compartment();
  const fixed = () => [EditorState.readOnly.of(input.readOnly), EditorView.editable.of(!input.readOnly)];
  // An empty text is no faulty JSON.
  const check = lint && [linter((view) => (view.state.doc.toString().trim() ? lint(view) : [])), lintGutter()];
  const view = new EditorView({
    doc: input.value,
    extensions: [
      isText ? [] : [lineNumbers(), highlightActiveLineGutter()],
      highlightSpecialChars(), highlightActiveLine(), drawSelection(), history(), bracketMatching(), indentOnInput(), search({ top: true }),
      EditorView.lineWrapping, indentUnit.of(language === "python" ? "    " : "  "), syntaxHighlighting(colours), theme, speaks, check ?? [], access.of(fixed()),
      keymap.of([...searchKeymap, ...historyKeymap, ...defaultKeymap, ...(isText ? [] : [indentWithTab])]),
      EditorView.contentAttributes.of({ spellcheck: String(isText), autocapitalize: isText ? "sentences" : "off" }),
      EditorView.updateListener.of((update) => { if (update.docChanged) write(input, update.state.doc.toString()); }),
    ],
  });
  const box = document.createElement("div");
  const pane = document.createElement("div");
  pane.append(view.dom);
  box.append(pane);
  standIn(input, box, view.contentDOM, () => view.focus());
  if (!isText) {
    const hint = document.createElement("span");
    hint.className = "visually-hidden";
    hint.id = `${input.id}-keys`;
    hint.textContent = t("Tab indents. Escape, then Tab, leaves the editor.");
    box.append(hint);
    view.contentDOM.setAttribute("aria-describedby", `${view.contentDOM.getAttribute("aria-describedby") ?? ""} ${hint.id}`.trim());
  }
  follow(input, () => {
    view.dispatch({ effects: access.reconfigure(fixed()) });
    const text = view.state.doc.toString();
    if (text !== input.value) view.dispatch({ changes: { from: 0, to: text.length, insert: input.value } });
  });
  if (isText) addPreview(input, box, pane, view);
}

// What is written, as people will read it: the server renders it, as it would anywhere.
function addPreview(input, box, pane, view) {
  const shown = document.createElement("div");
  shown.className = "prose editor-preview";
  shown.tabIndex = 0;
  shown.setAttribute("role", "region");
  shown.setAttribute("aria-label", t("Preview"));
  shown.hidden = true;
  const toggle = button(t("Preview"), null, async () => {
    if (!shown.hidden) return turn(false);
    const body = new URLSearchParams({ text: input.value, csrf_token: input.form.elements.csrf_token.value });
    try {
      const answer = await fetch("/app/_markdown", { method: "POST", body });
      if (!answer.ok) throw new Error(answer.statusText);
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      shown.replaceChildren(...page.body.childNodes);
    } catch {
      shown.textContent = t("There is no preview: the site cannot be reached.");
    }
    turn(true);
  });
  toggle.dataset.preview = "";
  const turn = (on) => {
    shown.hidden = !on;
    pane.hidden = on;
    toggle.setAttribute("aria-pressed", String(on));
    toggle.textContent = on ? t("Edit") : t("Preview");
    if (!on) view.focus();
  };
  toggle.setAttribute("aria-pressed", "false");
  const bar = document.createElement("div");
  bar.className = "editor-bar";
  bar.append(toggle);
  box.prepend(bar);
  box.append(shown);
}
