// Rich text in ProseMirror. A text with anything that the editor does not know is edited as HTML, until somebody says that
// it may go: opening a form never changes a text, and neither does saving it.

import {
  DOMParser as Reader, DOMSerializer, EditorState, EditorView, Selection, baseKeymap, chainCommands, dropCursor, exitCode, gapCursor, history,
  inputRules, keymap, lift, liftListItem, redo, setBlockType, sinkListItem, splitListItem, textblockTypeInputRule, toggleMark, undo,
  wrapIn, wrapInList, wrappingInputRule,
} from "../vendor/prosemirror.js";
import { follow, standIn, write } from "./editors.js";
import { lost, schema } from "./rich_schema.js";
import { button, tool } from "./rows.js";
import { t } from "./text.js";

const { nodes, marks } = schema;

const page = (html) => new DOMParser().parseFromString(html, "text/html").body;
const read = (html) => Reader.fromSchema(schema).parse(page(html));

/** The document as HTML; empty if there is nothing in it. */
function html(doc) {
  if (doc.childCount === 1 && doc.firstChild.isTextblock && doc.firstChild.content.size === 0) return "";
  const box = document.createElement("div");
  box.append(DOMSerializer.fromSchema(schema).serializeFragment(doc.content));
  // An item with one line has no paragraph around it, as people and other programs write lists.
  for (const { firstElementChild: first, children } of box.querySelectorAll("li")) {
    if (first?.tagName === "P" && [...children].slice(1).every(({ tagName }) => tagName === "UL" || tagName === "OL")) first.replaceWith(...first.childNodes);
  }
  return box.innerHTML;
}

const insert = (node) => (state, dispatch) => {
  dispatch?.(state.tr.replaceSelectionWith(node).scrollIntoView());
  return true;
};
const lineBreak = chainCommands(exitCode, insert(nodes.hard_break.create()));
// A line, and the cursor behind it.
function rule(state, dispatch) {
  const change = state.tr.replaceSelectionWith(nodes.horizontal_rule.create());
  const at = change.mapping.map(state.selection.to);
  const behind = () => Selection.findFrom(change.doc.resolve(at), 1, true);
  if (!behind()) change.insert(change.doc.content.size, nodes.paragraph.create());
  dispatch?.(change.setSelection(behind()).scrollIntoView());
  return true;
}

function has(state, mark) {
  const { from, $from, to, empty } = state.selection;
  return Boolean(empty ? mark.isInSet(state.storedMarks || $from.marks()) : state.doc.rangeHasMark(from, to, mark));
}
function within(state, type, attrs = {}) {
  const { $from } = state.selection;
  for (let depth = $from.depth; depth > 0; depth -= 1) if ($from.node(depth).hasMarkup?.(type, { ...$from.node(depth).attrs, ...attrs })) return true;
  return false;
}
// The same button makes a list or quote, and ends it.
const toggled = (type, wrap, unwrap) => (state, dispatch) => (within(state, type) ? unwrap(state, dispatch) : wrap(state, dispatch));

const KEYS = {
  "Mod-z": undo, "Mod-y": redo, "Mod-Shift-z": redo,
  "Mod-b": toggleMark(marks.strong), "Mod-i": toggleMark(marks.em), "Mod-u": toggleMark(marks.underline), "Mod-e": toggleMark(marks.code),
  "Mod-Shift-7": wrapInList(nodes.ordered_list), "Mod-Shift-8": wrapInList(nodes.bullet_list), "Mod-Shift-9": wrapIn(nodes.blockquote),
  "Mod-]": sinkListItem(nodes.list_item), "Mod-[": liftListItem(nodes.list_item),
  "Shift-Enter": lineBreak, "Enter": splitListItem(nodes.list_item),
};

const RULES = [
  wrappingInputRule(/^\s*>\s$/, nodes.blockquote),
  wrappingInputRule(/^(\d+)\.\s$/, nodes.ordered_list, ([, start]) => ({ start: start === "1" ? null : start })),
  wrappingInputRule(/^\s*([-*])\s$/, nodes.bullet_list),
  textblockTypeInputRule(/^```$/, nodes.code_block),
  textblockTypeInputRule(/^(#{1,6})\s$/, nodes.heading, ([, signs]) => ({ level: signs.length })),
];

const isAddress = (text) => /^(https?:|mailto:|tel:|\/|#)/i.test(text);

/** Puts an editor in the place of a text area. */
export function mount(input) {
  const doc = read(input.value);
  const gone = input.value ? lost(page(input.value), page(html(doc))) : [];
  if (gone.length > 0) offer(input, gone);
  else start(input, doc);
}

// The text holds more than the editor knows: it stays as it is, as HTML.
function offer(input, gone) {
  const note = document.createElement("p");
  note.className = "help";
  note.dataset.asHtml = "";
  const what = gone.includes("text") ? t("parts") : gone.map((tag) => `<${tag}>`).join(", ");
  const use = button(t("Edit as rich text"), null, () => {
    note.remove();
    start(input, read(input.value)).focus();
  });
  note.append(t("This text has {what} that the editor for rich text would lose, so it is shown as HTML.", { what }), " ", use);
  input.after(note);
}

function start(input, doc) {
  const box = document.createElement("div");
  const content = document.createElement("div");
  content.className = "prose rich";
  let view = null;
  const bar = toolbar(() => view, input);
  box.append(bar.element, bar.address, content);
  view = new EditorView({ mount: content }, {
    state: EditorState.create({
      doc,
      plugins: [
        inputRules({ rules: RULES }), keymap(KEYS), keymap(baseKeymap), history(), dropCursor(), gapCursor(),
      ],
    }),
    editable: () => !input.readOnly,
    attributes: { role: "textbox", "aria-multiline": "true" },
    dispatchTransaction(transaction) {
      const state = view.state.apply(transaction);
      view.updateState(state);
      bar.update(state);
      if (transaction.docChanged && !transaction.getMeta("outside")) write(input, html(state.doc));
    },
  });
  standIn(input, box, content, () => view.focus());
  follow(input, () => {
    const { state } = view;
    if (html(state.doc) !== input.value && input.value !== html(read(html(state.doc)))) {
      view.dispatch(state.tr.replaceWith(0, state.doc.content.size, read(input.value).content).setMeta("outside", true));
    }
    view.setProps({});
    box.classList.toggle("fixed", input.readOnly);
  });
  bar.update(view.state);
  return view;
}

function toolbar(view, input) {
  const element = document.createElement("div");
  element.className = "editor-bar";
  element.setAttribute("role", "toolbar");
  element.setAttribute("aria-label", t("Formatting"));
  const states = [];
  const run = (command) => () => { command(view().state, view().dispatch); view().focus(); };
  const add = (name, label, command, isOn) => {
    const made = tool(name, label, run(command));
    // The selection stays where it is.
    made.addEventListener("mousedown", (event) => event.preventDefault());
    made.dataset.format = name;
    if (isOn) { made.setAttribute("aria-pressed", "false"); states.push((state) => made.setAttribute("aria-pressed", String(isOn(state)))); }
    element.append(made);
    return made;
  };

  const blocks = document.createElement("select");
  blocks.setAttribute("aria-label", t("Kind of paragraph"));
  const kinds = [[t("Text"), nodes.paragraph, {}], ...[1, 2, 3, 4].map((level) => [t("Heading {level}", { level }), nodes.heading, { level }]), [t("Code"), nodes.code_block, {}]];
  for (const [at, [label]] of kinds.entries()) blocks.add(new Option(label, at));
  blocks.addEventListener("change", (event) => {
    event.stopPropagation();
    const [, type, attrs] = kinds[blocks.value];
    run(setBlockType(type, attrs))();
  });
  states.push((state) => { blocks.selectedIndex = kinds.findIndex(([, type, attrs]) => within(state, type, attrs)); });
  element.append(blocks);
  add("bold", t("Bold (Ctrl+B)"), toggleMark(marks.strong), (state) => has(state, marks.strong));
  add("italic", t("Italic (Ctrl+I)"), toggleMark(marks.em), (state) => has(state, marks.em));
  add("underline", t("Underline (Ctrl+U)"), toggleMark(marks.underline), (state) => has(state, marks.underline));
  add("strike", t("Strike through"), toggleMark(marks.strike), (state) => has(state, marks.strike));
  add("code", t("Code (Ctrl+E)"), toggleMark(marks.code), (state) => has(state, marks.code));
  add("bullets", t("List (Ctrl+Shift+8)"), toggled(nodes.bullet_list, wrapInList(nodes.bullet_list), liftListItem(nodes.list_item)), (state) => within(state, nodes.bullet_list));
  add("numbers", t("Numbered list (Ctrl+Shift+7)"), toggled(nodes.ordered_list, wrapInList(nodes.ordered_list), liftListItem(nodes.list_item)), (state) => within(state, nodes.ordered_list));
  add("quote", t("Quote (Ctrl+Shift+9)"), toggled(nodes.blockquote, wrapIn(nodes.blockquote), lift), (state) => within(state, nodes.blockquote));
  const address = addressBar(view, input);
  add("link", t("Link"), () => address.open("link"), (state) => has(state, marks.link));
  add("image", t("Picture"), () => address.open("image"));
  add("rule", "Line", rule);
  add("undo", t("Undo (Ctrl+Z)"), undo);
  add("redo", t("Redo (Ctrl+Y)"), redo);

  // One stop for Tab; the arrow keys go from button to button.
  const stops = () => [...element.querySelectorAll("select, button")];
  const stop = (chosen) => { for (const item of stops()) item.tabIndex = item === chosen ? 0 : -1; };
  stop(blocks);
  element.addEventListener("keydown", (event) => {
    const all = stops();
    const at = all.indexOf(document.activeElement);
    const next = { ArrowRight: at + 1, ArrowLeft: at - 1, Home: 0, End: all.length - 1 }[event.key];
    if (next === undefined) return;
    event.preventDefault();
    const item = all[(next + all.length) % all.length];
    stop(item);
    item.focus();
  });
  return { element, address: address.element, update: (state) => { for (const show of states) show(state); } };
}

// A line for the address of a link or picture.
function addressBar(view) {
  const element = document.createElement("div");
  element.className = "editor-bar editor-address";
  element.hidden = true;
  const text = document.createElement("input");
  text.type = "text";
  text.inputMode = "url";
  text.autocomplete = "off";
  let kind = "link";
  const close = () => { element.hidden = true; view().focus(); };
  const apply = (value) => {
    const { state, dispatch } = view();
    if (value && !isAddress(value)) {
      text.setCustomValidity(t("Begin with https://, mailto: or /"));
      text.reportValidity();
      return;
    }
    if (kind === "image") {
      if (value) dispatch(state.tr.replaceSelectionWith(nodes.image.create({ src: value }), false));
      return close();
    }
    const { from, to } = span(state);
    let change = state.tr.removeMark(from, to, marks.link);
    if (value && from === to) change = change.replaceSelectionWith(schema.text(value, [marks.link.create({ href: value })]), false);
    else if (value) change = change.addMark(from, to, marks.link.create({ href: value }));
    dispatch(change);
    close();
  };
  const set = button(t("Set"), null, () => apply(text.value.trim()));
  const unset = button("Remove", null, () => apply(""));
  const open = (what) => {
    kind = what;
    const { state } = view();
    const { from } = span(state);
    const now = state.doc.nodeAt(from)?.marks.find(({ type }) => type === marks.link);
    text.value = what === "link" ? now?.attrs.href ?? "" : "";
    text.placeholder = what === "link" ? "https://example.com" : "/files/picture.png";
    text.setAttribute("aria-label", what === "link" ? t("Address of the link") : t("Address of the picture"));
    unset.hidden = what !== "link" || !now;
    element.hidden = false;
    setTimeout(() => text.focus());
    return true;
  };
  text.addEventListener("input", (event) => { event.stopPropagation(); text.setCustomValidity(""); });
  text.addEventListener("change", (event) => event.stopPropagation());
  text.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" && event.key !== "Escape") return;
    event.preventDefault();
    event.stopPropagation();
    if (event.key === "Enter") apply(text.value.trim());
    else close();
  });
  element.append(text, set, unset);
  return { element, open };
}

/** What a link is set on: the selection, or the whole link that the cursor stands in. */
function span(state) {
  const { from, to, empty, $from } = state.selection;
  if (!empty || !has(state, marks.link)) return { from, to };
  const parent = $from.parent;
  const start = $from.start();
  let range = null;
  parent.forEach((child, offset) => {
    const [begin, end] = [start + offset, start + offset + child.nodeSize];
    if (marks.link.isInSet(child.marks) && begin <= from && from <= end) range = { from: begin, to: end };
  });
  return range ?? { from, to };
}
