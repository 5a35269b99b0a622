// The HTML of rich texts: what the server keeps of it when a document is saved, and nothing else.

import { Schema } from "../vendor/prosemirror.js";

const REL = "noopener noreferrer";
const given = (attributes) => Object.fromEntries(Object.entries(attributes).filter(([, value]) => value !== null && value !== ""));
const read = (names) => (element) => Object.fromEntries(names.map((name) => [name, element.getAttribute(name)]));
const optional = (names) => Object.fromEntries(names.map((name) => [name, { default: null }]));

const IMAGE = ["src", "alt", "title", "width", "height"];
const headings = [1, 2, 3, 4, 5, 6];

export const schema = new Schema({
  nodes: {
    doc: { content: "block+" },
    paragraph: { content: "inline*", group: "block", parseDOM: [{ tag: "p" }], toDOM: () => ["p", 0] },
    heading: {
      content: "inline*", group: "block", defining: true, attrs: { level: { default: 2 } },
      parseDOM: headings.map((level) => ({ tag: `h${level}`, attrs: { level } })),
      toDOM: (node) => [`h${node.attrs.level}`, 0],
    },
    blockquote: { content: "block+", group: "block", defining: true, parseDOM: [{ tag: "blockquote" }], toDOM: () => ["blockquote", 0] },
    bullet_list: { content: "list_item+", group: "block", parseDOM: [{ tag: "ul" }], toDOM: () => ["ul", 0] },
    ordered_list: {
      content: "list_item+", group: "block", attrs: optional(["start"]),
      parseDOM: [{ tag: "ol", getAttrs: read(["start"]) }], toDOM: (node) => ["ol", given(node.attrs), 0],
    },
    list_item: { content: "paragraph block*", defining: true, parseDOM: [{ tag: "li" }], toDOM: () => ["li", 0] },
    code_block: { content: "text*", marks: "", group: "block", code: true, defining: true, parseDOM: [{ tag: "pre", preserveWhitespace: "full" }], toDOM: () => ["pre", ["code", 0]] },
    horizontal_rule: { group: "block", parseDOM: [{ tag: "hr" }], toDOM: () => ["hr"] },
    image: {
      inline: true, group: "inline", draggable: true, attrs: { ...optional(IMAGE), src: {} },
      // Pictures within the text itself are not kept by the server.
      parseDOM: [{ tag: "img[src]", getAttrs: (element) => !/^\s*data:/i.test(element.getAttribute("src")) && read(IMAGE)(element) }], toDOM: (node) => ["img", given(node.attrs)],
    },
    hard_break: { inline: true, group: "inline", selectable: false, parseDOM: [{ tag: "br" }], toDOM: () => ["br"] },
    text: { group: "inline" },
  },
  marks: {
    link: {
      attrs: { href: {}, title: { default: null } }, inclusive: false,
      parseDOM: [{ tag: "a[href]", getAttrs: read(["href", "title"]) }],
      toDOM: (mark) => ["a", { ...given(mark.attrs), rel: REL }, 0],
    },
    em: { parseDOM: [{ tag: "em" }, { tag: "i" }], toDOM: () => ["em", 0] },
    strong: { parseDOM: [{ tag: "strong" }, { tag: "b" }], toDOM: () => ["strong", 0] },
    underline: { parseDOM: [{ tag: "u" }, { tag: "ins" }], toDOM: () => ["u", 0] },
    strike: { parseDOM: [{ tag: "s" }, { tag: "del" }, { tag: "strike" }], toDOM: () => ["s", 0] },
    sub: { excludes: "sup", parseDOM: [{ tag: "sub" }], toDOM: () => ["sub", 0] },
    sup: { excludes: "sub", parseDOM: [{ tag: "sup" }], toDOM: () => ["sup", 0] },
    code: { parseDOM: [{ tag: "code" }], toDOM: () => ["code", 0] },
  },
});

// One formatting, two tags.
const SAME = { B: "STRONG", I: "EM", INS: "U", DEL: "S", STRIKE: "S" };
// What stands for nothing but itself, or is around everything.
const AROUND = ["P", "DIV", "SPAN", "TBODY", "BODY"];
// What the server takes away from a rich text whenever it is saved.
const DROPPED = /^(class|style|id|rel|target|data-.*|on.*)$/;

function features(root) {
  const found = new Set();
  for (const element of root.querySelectorAll("*")) {
    const tag = SAME[element.tagName] ?? element.tagName;
    if (!AROUND.includes(tag)) found.add(tag);
    for (const { name, value } of element.attributes) if (!DROPPED.test(name) && value) found.add(`${tag} ${name}=${value}`);
  }
  return found;
}

const words = (root) => root.textContent.replace(/\s+/g, "");

/** Which tags of a text are lost in another; nothing if that says the same. */
export function lost(before, after) {
  if (words(before) !== words(after)) return ["text"];
  const kept = features(after);
  const gone = [...features(before)].filter((feature) => !kept.has(feature)).map((feature) => feature.split(" ")[0].toLowerCase());
  return [...new Set(gone)];
}
