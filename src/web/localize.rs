//! A template in another language: its words are replaced once, when it is compiled, and nothing is looked up per request.
//!
//! A message is what stands between two blocks of HTML or of Handlebars, with white space folded: `{{count}} documents` is
//! `{count} documents`, and inline markup is numbered (`Your key is <1>{api_key}</1>.`), so that a language may order words
//! as it needs. Attributes that people read are messages of their own. What has no translation stays English.

use std::collections::HashMap;
use std::sync::LazyLock;

use regex::Regex;

/// Elements that stand within a sentence.
const INLINE: [&str; 9] = ["a", "b", "code", "em", "i", "kbd", "small", "span", "strong"];

/// Values that are texts of definitions wherever they stand in a sentence.
const TEXTS: [&str; 1] = ["doctype"];

static TOKEN: LazyLock<Regex> =
    LazyLock::new(|| regex(r"(?s)\{\{!--.*?--\}\}|\{\{.*?\}\}|<!--.*?-->|<(?:[^<>{]|\{\{.*?\}\})*>"));
static TAG: LazyLock<Regex> = LazyLock::new(|| regex(r"^<(/?)([a-zA-Z0-9]+)"));
static ATTRIBUTE: LazyLock<Regex> =
    LazyLock::new(|| regex(r#"(?s)(\s(?:title|placeholder|aria-label|alt|data-label)=")((?:[^"{]|\{\{.*?\}\})*)(")"#));
static TITLE_OF_PARTIAL: LazyLock<Regex> = LazyLock::new(|| regex(r#"(\stitle=")([^"]*)(")"#));
static VALUE: LazyLock<Regex> = LazyLock::new(|| regex(r"\{\{.*?\}\}"));
/// What is not part of a sentence: blocks, partials, and helpers that make something else than words.
static BREAK: LazyLock<Regex> =
    LazyLock::new(|| regex(r"^\{\{\{?~?\s*(?:[#/^>!]|else\b|include\b|icon\b|asset\b|safe_html\b)"));
static NO_WORDS: LazyLock<Regex> = LazyLock::new(|| regex(r"\{\w+\}|</?\d+>|&\w+;"));
static SPACE: LazyLock<Regex> = LazyLock::new(|| regex(r"\s+"));
static PLACE: LazyLock<Regex> = LazyLock::new(|| regex(r"\{(\w+)\}|<(/?)(\d+)>"));

fn regex(pattern: &str) -> Regex {
    Regex::new(pattern).expect("a pattern of the program is valid")
}

/// Finds the translation of a message.
type Translate<'t> = dyn FnMut(&str) -> Option<String> + 't;

/// The source of a template with its messages replaced; `html` goes into the tag of that name.
pub fn localize(source: &str, html: &str, translate: &mut Translate<'_>) -> String {
    let mut writer = Writer { out: String::with_capacity(source.len() + source.len() / 4), translate };
    let mut items: Vec<Item<'_>> = Vec::new();
    let (mut position, mut inside) = (0, None::<String>);
    for token in TOKEN.find_iter(source) {
        let (before, token) = (&source[position..token.start()], token.as_str());
        position += before.len() + token.len();
        items.push(Item::Text(before));
        if inside.is_none() && token.starts_with("{{") && !BREAK.is_match(token) {
            items.push(name_of(token).map_or(Item::Text(token), |name| Item::Value(name, token)));
            continue;
        }
        let tag = TAG.captures(token).filter(|_| !token.starts_with("{{"));
        let (closes, name) = tag.map_or((false, String::new()), |tag| (&tag[1] == "/", tag[2].to_lowercase()));
        if let Some(element) = &inside {
            // Scripts and styles hold no sentences.
            items.push(Item::Text(token));
            if closes && name == *element {
                inside = None;
                items.drain(..).for_each(|item| writer.out.push_str(item.source()));
            }
        } else if INLINE.contains(&name.as_str()) {
            items.push(if closes { Item::Close(token) } else { Item::Open(token) });
        } else {
            writer.flush(&items);
            items.clear();
            if name == "html" && !closes {
                writer.out.push_str(&token.replace(" lang=\"en\"", html));
            } else if token.starts_with("{{#>") {
                writer.replaced(token, &TITLE_OF_PARTIAL);
            } else {
                writer.tag(token);
            }
            inside = (!closes && matches!(name.as_str(), "script" | "style")).then_some(name);
        }
    }
    items.push(Item::Text(&source[position..]));
    writer.flush(&items);
    writer.out
}

/// A piece of a sentence.
#[derive(Clone, Debug)]
enum Item<'s> {
    Text(&'s str),
    Value(String, &'s str),
    Open(&'s str),
    Close(&'s str),
}

impl<'s> Item<'s> {
    fn source(&self) -> &'s str {
        match self {
            Self::Text(source) | Self::Value(_, source) | Self::Open(source) | Self::Close(source) => source,
        }
    }

    fn is_blank(&self) -> bool {
        matches!(self, Self::Text(text) if text.trim().is_empty())
    }
}

/// What a value is called in a message: `{{../page.full_name}}` is `full_name`, `{{t title}}` is `title`.
fn name_of(expression: &str) -> Option<String> {
    let inner = expression.trim_matches(['{', '}', ' ', '~']);
    if inner.starts_with('"') {
        return None;
    }
    let last = if inner.starts_with("lookup") { inner } else { inner.split_whitespace().next_back()? };
    let last = last.trim_matches(['(', ')']);
    Some(last.rsplit(['.', '/']).next()?.trim_matches(['[', ']', '@']).to_owned())
}

struct Writer<'t, 'f> {
    out: String,
    translate: &'t mut Translate<'f>,
}

impl Writer<'_, '_> {
    /// A tag with the attributes that people read.
    fn tag(&mut self, tag: &str) {
        if tag.starts_with('<') && !tag.starts_with("</") {
            self.replaced(tag, &ATTRIBUTE);
        } else {
            self.out.push_str(tag);
        }
    }

    /// What stands in the second group of a pattern, as messages.
    fn replaced(&mut self, source: &str, pattern: &Regex) {
        let mut position = 0;
        for found in pattern.captures_iter(source) {
            let value = found.get(2).expect("the pattern has three groups");
            self.out.push_str(&source[position..value.start()]);
            self.attribute(value.as_str());
            position = value.end();
        }
        self.out.push_str(&source[position..]);
    }

    fn attribute(&mut self, value: &str) {
        let (mut position, mut items) = (0, Vec::new());
        for token in VALUE.find_iter(value) {
            items.push(Item::Text(&value[position..token.start()]));
            position = token.end();
            if BREAK.is_match(token.as_str()) {
                self.message(&items, true);
                items.clear();
                self.out.push_str(token.as_str());
            } else {
                let source = token.as_str();
                items.push(name_of(source).map_or(Item::Text(source), |name| Item::Value(name, source)));
            }
        }
        items.push(Item::Text(&value[position..]));
        self.message(&items, true);
    }

    /// What stood between two blocks: as one message, if its markup is whole.
    fn flush(&mut self, items: &[Item<'_>]) {
        let start = items.iter().position(|item| !item.is_blank()).unwrap_or(items.len());
        let end = items.iter().rposition(|item| !item.is_blank()).map_or(start, |last| last + 1);
        items[..start].iter().for_each(|item| self.out.push_str(item.source()));
        self.whole(&items[start..end]);
        items[end..].iter().for_each(|item| self.out.push_str(item.source()));
    }

    fn whole(&mut self, items: &[Item<'_>]) {
        let (mut open, mut pairs) = (Vec::new(), HashMap::new());
        for (at, item) in items.iter().enumerate() {
            match item {
                Item::Open(_) => open.push(at),
                Item::Close(_) => {
                    if let Some(other) = open.pop() {
                        pairs.insert(other, at);
                        pairs.insert(at, other);
                    }
                }
                Item::Text(_) | Item::Value(..) => {}
            }
        }
        let is_tag = |item: &Item<'_>| matches!(item, Item::Open(_) | Item::Close(_));
        if let Some(alone) = (0..items.len()).find(|at| is_tag(&items[*at]) && !pairs.contains_key(at)) {
            self.flush(&items[..alone]);
            self.tag(items[alone].source());
            return self.flush(&items[alone + 1..]);
        }
        if items.len() > 1 && matches!(items[0], Item::Open(_)) && pairs.get(&0) == Some(&(items.len() - 1)) {
            self.tag(items[0].source());
            self.flush(&items[1..items.len() - 1]);
            return self.out.push_str(items[items.len() - 1].source());
        }
        self.message(items, false);
    }

    fn message(&mut self, items: &[Item<'_>], in_attribute: bool) {
        let (mut text, mut open, mut tags) = (String::new(), Vec::new(), Vec::new());
        for item in items {
            match item {
                Item::Text(words) => text.push_str(words),
                Item::Value(name, _) => text.extend(["{", name, "}"]),
                Item::Open(source) => {
                    tags.push((*source, ""));
                    open.push(tags.len());
                    text.extend(["<", &tags.len().to_string(), ">"]);
                }
                Item::Close(source) => {
                    let number = open.pop().unwrap_or_default();
                    tags[number - 1].1 = source;
                    text.extend(["</", &number.to_string(), ">"]);
                }
            }
        }
        let folded = SPACE.replace_all(text.trim(), " ").into_owned();
        let has_words = NO_WORDS.replace_all(&folded, "").chars().any(char::is_alphabetic);
        let translated = if has_words { (self.translate)(&folded) } else { None };
        let shown = translated.unwrap_or(folded);
        let blank = |text: &str| text.trim().is_empty();
        if blank(&text) {
            return items.iter().for_each(|item| self.out.push_str(item.source()));
        }
        self.out.push_str(&text[..text.len() - text.trim_start().len()]);
        let mut values: HashMap<&str, Vec<&str>> = HashMap::new();
        for item in items {
            if let Item::Value(name, source) = item {
                values.entry(name).or_default().push(source);
            }
        }
        let mut position = 0;
        for found in PLACE.captures_iter(&shown) {
            let place = found.get(0).expect("the whole");
            self.words(&shown[position..place.start()], in_attribute);
            position = place.end();
            if let Some(name) = found.get(1) {
                match values.get_mut(name.as_str()) {
                    // The last one stands for all that follow.
                    Some(left) => {
                        let source = if left.len() > 1 { left.remove(0) } else { left[0] };
                        self.value(name.as_str(), source);
                    }
                    // A brace in front of it must not make it Handlebars.
                    None => self.out.push_str(&place.as_str().replace('{', "&#123;")),
                }
            } else if let Some((open, close)) = found[3].parse().ok().and_then(|n: usize| tags.get(n.wrapping_sub(1))) {
                if found[2].is_empty() { self.tag(open) } else { self.out.push_str(close) }
            }
        }
        self.words(&shown[position..], in_attribute);
        self.out.push_str(&text[text.trim_end().len()..]);
    }

    fn value(&mut self, name: &str, source: &str) {
        let is_path = !source.contains(' ');
        if TEXTS.contains(&name) && is_path {
            self.out.extend(["{{t ", source.trim_matches(['{', '}']), "}}"]);
        } else {
            self.out.push_str(source);
        }
    }

    /// Words of a translation: they cannot become Handlebars, nor end an attribute.
    fn words(&mut self, words: &str, in_attribute: bool) {
        let words = words.replace("{{", "&#123;&#123;");
        self.out.push_str(&if in_attribute { words.replace('"', "&quot;") } else { words });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn german(source: &str) -> (String, Vec<String>) {
        let mut messages = Vec::new();
        let out = localize(source, " lang=\"de\" dir=\"ltr\"", &mut |message| {
            messages.push(message.to_owned());
            let known = [
                ("Save", "Speichern"),
                ("{count} documents", "{count} Dokumente"),
                (
                    "You are logged in as <1>{full_name}</1> ({user}).",
                    "Sie sind als <1>{full_name}</1> ({user}) \"da\".",
                ),
                ("Move<1> {title}</1>", "<1>{title} </1>bewegen"),
                ("New {doctype}", "{doctype} anlegen"),
                ("Remove {label}", "{label} \"weg\" {{x}}"),
            ];
            known.iter().find(|(source, _)| *source == message).map(|(_, text)| (*text).to_owned())
        });
        (out, messages)
    }

    #[test]
    fn words_are_replaced_and_all_else_stays() {
        for (source, expected) in [
            ("<html lang=\"en\">", "<html lang=\"de\" dir=\"ltr\">"),
            ("<p>\n  Save </p>", "<p>\n  Speichern </p>"),
            (
                "{{#if a}}Save{{else}}{{count}}  documents{{/if}}",
                "{{#if a}}Speichern{{else}}{{count}} Dokumente{{/if}}",
            ),
            (
                "<p>You are logged in as <strong>{{page.full_name}}</strong> ({{page.user}}).</p>",
                "<p>Sie sind als <strong>{{page.full_name}}</strong> ({{page.user}}) \"da\".</p>",
            ),
            (
                "<summary>Move<span class=\"x\"> {{title}}</span></summary>",
                "<summary><span class=\"x\">{{title}} </span>bewegen</summary>",
            ),
            (
                "<a href=\"{{url}}\" title=\"New {{doctype}}\">{{doctype}}</a>",
                "<a href=\"{{url}}\" title=\"{{t doctype}} anlegen\">{{t doctype}}</a>",
            ),
            ("<b title=\"Remove {{label}}\">x</b>", "<b title=\"{{label}} &quot;weg&quot; {&#123;x}}\">x</b>"),
            ("<script>Save</script><p>Save</p>", "<script>Save</script><p>Speichern</p>"),
            (
                "{{#> frame title=\"Save\" refresh=\"\"}}Nobody knows this{{/frame}}",
                "{{#> frame title=\"Speichern\" refresh=\"\"}}Nobody knows this{{/frame}}",
            ),
            (
                "<input value=\"Save\" placeholder=\"{{#if a}}Save{{/if}}\">",
                "<input value=\"Save\" placeholder=\"{{#if a}}Speichern{{/if}}\">",
            ),
            ("{{icon \"plus\"}}Save", "{{icon \"plus\"}}Speichern"),
        ] {
            assert_eq!(german(source).0, expected, "{source}");
        }
        assert_eq!(german("<p>One <b>two</b> {{#if x}}three{{/if}}</p>").1, ["One <1>two</1>", "three"]);
    }
}
