//! Changes DocType files in place: what a change does not touch stays as somebody wrote it, comments, order and quotes included.
//!
//! [`change`] says what has to become of a file, this file does it. Pure, like the loader: it gets text and returns text, and
//! whoever calls it reads the result again and compares.

pub(crate) mod change;
mod marks;
#[cfg(test)]
mod tests;
mod write;

use std::ops::Range;

use serde_json::{Map, Value as Json};

use crate::meta::load::{is_json, parse};
use marks::{Node, Pair, Shape, column, end_of_line, start_of_line};

/// What becomes of keys, in order: set, or taken out.
pub(crate) type Keys = Vec<(String, Option<Json>)>;

/// What becomes of a file. Values are in the form in which they are written.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct FileChange {
    /// The keys beside the lists.
    pub base: Keys,
    /// The entries of `fields` in their new order; `None` leaves the list as it is.
    pub fields: Option<Vec<Entry>>,
    /// The same of `permissions`.
    pub permissions: Option<Vec<Entry>>,
}

/// An entry of a list.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Entry {
    /// Which entry of the file it was; `None` for a new one.
    pub from: Option<usize>,
    /// What becomes of its keys.
    pub keys: Keys,
}

/// A part of the text that is replaced.
type Edit = (Range<usize>, String);

/// Makes a change in the text of a file, or says why it has to be made by hand.
pub(crate) fn rewrite(path: &str, text: &str, change: &FileChange) -> Result<String, String> {
    if let Some(text) = text.strip_prefix('\u{feff}') {
        return Ok(format!("\u{feff}{}", rewrite(path, text, change)?));
    }
    if text.contains("\r\n") {
        return Ok(rewrite(path, &text.replace("\r\n", "\n"), change)?.replace('\n', "\r\n"));
    }
    let lenient = is_json(path);
    let written = match parse(text, lenient) {
        Ok(Json::Object(written)) => written,
        Ok(_) => return Err("the file does not hold one DocType".to_owned()),
        Err((_, message)) => return Err(format!("the file {message}")),
    };
    if lenient {
        return rewrite_json(written, change);
    }
    let root = marks::read(text)?;
    let Shape::Mapping { pairs, is_flow: false } = &root.shape else {
        return Err("the file is written as `{…}`".to_owned());
    };
    let file = File { text, pairs, written: &written };
    let mut edits = file.base(&change.base)?;
    for (key, entries) in [("fields", &change.fields), ("permissions", &change.permissions)] {
        if let Some(entries) = entries {
            edits.push(file.list(key, entries)?);
        }
    }
    let mut new = apply(text, 0, edits);
    if !new.ends_with('\n') {
        new.push('\n');
    }
    Ok(new)
}

/// A new file with these keys.
pub(crate) fn new_file(keys: &Map<String, Json>) -> String {
    format!("{}\n", write::mapping(keys, 0))
}

/// Replaces parts of a text that begins at `offset` of the file.
fn apply(text: &str, offset: usize, mut edits: Vec<Edit>) -> String {
    edits.sort_by_key(|(range, _)| (range.start, range.end));
    let mut out = String::with_capacity(text.len() + 64);
    let mut at = 0;
    for (range, new) in edits {
        out.push_str(&text[at..range.start - offset]);
        out.push_str(&new);
        at = range.end - offset;
    }
    out.push_str(&text[at..]);
    out
}

fn set(map: &mut Map<String, Json>, keys: &Keys) {
    for (key, value) in keys {
        match value {
            Some(value) => {
                map.insert(key.clone(), value.clone());
            }
            None => {
                map.shift_remove(key);
            }
        }
    }
}

/// Frappe's own files: an indentation of one space, flags as numbers, no comments that could be lost.
fn rewrite_json(mut written: Map<String, Json>, change: &FileChange) -> Result<String, String> {
    let as_frappe = |keys: &Keys| -> Keys {
        keys.iter().map(|(key, value)| (key.clone(), value.clone().map(|value| frappes(key, value)))).collect()
    };
    set(&mut written, &as_frappe(&change.base));
    for (key, entries) in [("fields", &change.fields), ("permissions", &change.permissions)] {
        let Some(entries) = entries else { continue };
        let old = written.get(key).and_then(Json::as_array).cloned().unwrap_or_default();
        let mut new = Vec::with_capacity(entries.len());
        for entry in entries {
            let mut map = match entry.from {
                Some(from) => old.get(from).and_then(Json::as_object).cloned().ok_or("the file was changed")?,
                None => Map::new(),
            };
            set(&mut map, &as_frappe(&entry.keys));
            new.push(Json::Object(map));
        }
        written.insert(key.to_owned(), Json::Array(new));
    }
    let mut out = Vec::new();
    let mut serializer =
        serde_json::Serializer::with_formatter(&mut out, serde_json::ser::PrettyFormatter::with_indent(b" "));
    serde::Serialize::serialize(&written, &mut serializer).map_err(|error| error.to_string())?;
    out.push(b'\n');
    String::from_utf8(out).map_err(|error| error.to_string())
}

fn frappes(key: &str, value: Json) -> Json {
    match value {
        Json::Bool(on) => Json::from(u8::from(on)),
        Json::Array(lines) if key != "field_order" && lines.iter().all(Json::is_string) => {
            Json::from(lines.iter().filter_map(Json::as_str).collect::<Vec<_>>().join("\n"))
        }
        other => other,
    }
}

/// A YAML file.
struct File<'a> {
    text: &'a str,
    pairs: &'a [Pair],
    written: &'a Map<String, Json>,
}

impl File<'_> {
    fn base(&self, keys: &Keys) -> Result<Vec<Edit>, String> {
        // New keys stand before the fields, which are long.
        let before_fields = self.pairs.iter().position(|pair| pair.key == "fields").filter(|at| *at > 0);
        let last = before_fields.map_or(self.pairs.len() - 1, |at| at - 1);
        mapping_edits(self.text, self.pairs, keys, 0, last)
            .ok_or_else(|| "the first key of the file cannot be taken out".to_owned())
    }

    /// The edit that brings a list in its new order.
    fn list(&self, key: &str, entries: &[Entry]) -> Result<Edit, String> {
        let text = self.text;
        let written = self.written.get(key).and_then(Json::as_array).map_or(&[][..], Vec::as_slice);
        let pair = self.pairs.iter().find(|pair| pair.key == key);
        let items = match pair.map(|pair| &pair.value.shape) {
            Some(Shape::List { items, is_flow: false }) => items.as_slice(),
            _ => &[],
        };
        let whole = |entry: &Entry| -> Result<Map<String, Json>, String> {
            let mut map = match entry.from {
                Some(from) => {
                    written.get(from).and_then(Json::as_object).cloned().ok_or("the file was changed meanwhile")?
                }
                None => Map::new(),
            };
            set(&mut map, &entry.keys);
            Ok(map)
        };
        let Some(pair) = pair.filter(|_| !items.is_empty() && !entries.is_empty()) else {
            let all = entries.iter().map(|entry| whole(entry).map(Json::Object)).collect::<Result<Vec<_>, _>>()?;
            let new = write::pair(key, &Json::Array(all), 0);
            let end = if text.ends_with('\n') { "" } else { "\n" };
            return Ok(pair.map_or_else(
                || (text.len()..text.len(), format!("{end}\n{new}\n")),
                |pair| (pair.start..pair.end(text), new.clone()),
            ));
        };
        let first = end_of_line(text, pair.start);
        let mut chunks = Vec::with_capacity(items.len());
        let mut from = (first + 1).min(text.len());
        for item in items {
            let to = (end_of_line(text, item.span.end) + 1).min(text.len());
            chunks.push(from..to);
            from = to;
        }
        let dash = chunks.first().map_or(0, |chunk| column(text, dash(text, chunk)));
        let is_spaced = chunks.iter().skip(1).any(|chunk| text[chunk.clone()].starts_with('\n'));
        let mut out = String::new();
        for (at, entry) in entries.iter().enumerate() {
            let chunk = if let Some(from) = entry.from {
                let (chunk, item) = (chunks.get(from).cloned(), items.get(from));
                let (chunk, item) = chunk.zip(item).ok_or("the file was changed meanwhile")?;
                item_text(text, &chunk, item, entry, dash, || whole(entry))?
            } else {
                let map = whole(entry)?;
                let kind = map.get("fieldtype").and_then(Json::as_str).unwrap_or_default();
                let space = if is_spaced && matches!(kind, "Section Break" | "Tab Break") { "\n" } else { "" };
                format!("{space}{}{}\n", " ".repeat(dash), write::entry(&Json::Object(map), dash))
            };
            out.push_str(if at == 0 && entry.from != Some(0) { chunk.trim_start_matches('\n') } else { &chunk });
            if !out.ends_with('\n') {
                out.push('\n');
            }
        }
        let range = chunks.first().map_or(first, |chunk| chunk.start)..chunks.last().map_or(first, |chunk| chunk.end);
        Ok((range, out))
    }
}

/// Where the `-` of an entry stands, behind the blank lines and comments before it.
fn dash(text: &str, chunk: &Range<usize>) -> usize {
    let mut at = chunk.start;
    loop {
        let end = end_of_line(text, at).min(chunk.end);
        let line = &text[at..end];
        let content = line.trim_start_matches(' ');
        if content.starts_with('-') || end >= chunk.end {
            return at + line.len() - content.len();
        }
        at = end + 1;
    }
}

/// The lines of an entry, with what stands before it, as they become.
fn item_text(
    text: &str,
    chunk: &Range<usize>,
    item: &Node,
    entry: &Entry,
    indent: usize,
    whole: impl FnOnce() -> Result<Map<String, Json>, String>,
) -> Result<String, String> {
    let old = &text[chunk.clone()];
    if entry.keys.is_empty() {
        return Ok(old.to_owned());
    }
    if let Shape::Mapping { pairs, is_flow: false } = &item.shape
        && !item.is_shared
        && !pairs.is_empty()
    {
        let edits = mapping_edits(text, pairs, &entry.keys, column(text, pairs[0].start), pairs.len() - 1);
        if let Some(edits) = edits {
            return Ok(apply(old, chunk.start, edits));
        }
    }
    if item.is_shared {
        return Err("the entry uses anchors, aliases or tags of YAML".to_owned());
    }
    let start = start_of_line(text, dash(text, chunk));
    let map = Json::Object(whole()?);
    let margin = " ".repeat(indent);
    let is_flow = matches!(item.shape, Shape::Mapping { is_flow: true, .. });
    let flow = format!("{margin}- {}\n", write::flow(&map));
    let new =
        if is_flow && flow.chars().count() <= 121 { flow } else { format!("{margin}{}\n", write::entry(&map, indent)) };
    Ok(format!("{}{new}", &text[chunk.start..start.max(chunk.start)]))
}

/// What changes in a mapping; `None` if its first key would have to go. New keys stand behind the pair `last`.
fn mapping_edits(text: &str, pairs: &[Pair], keys: &Keys, indent: usize, last: usize) -> Option<Vec<Edit>> {
    let mut edits = Vec::new();
    let mut added = String::new();
    for (key, value) in keys {
        let at = pairs.iter().position(|pair| pair.key == *key);
        match (at, value) {
            (Some(0), None) => return None,
            (Some(at), None) => {
                let start = start_of_line(text, pairs[at].start);
                edits.push((start..(pairs[at].end(text) + 1).min(text.len()), String::new()));
            }
            (Some(at), Some(value)) => edits.push(pair_edit(text, &pairs[at], value, indent)),
            (None, Some(value)) => {
                added.extend(["\n", &" ".repeat(indent), &write::pair(key, value, indent)]);
            }
            (None, None) => {}
        }
    }
    if !added.is_empty() {
        let is_gone = |pair: &Pair| keys.iter().any(|(key, value)| *key == pair.key && value.is_none());
        let stays = pairs[..=last].iter().rfind(|pair| !is_gone(pair))?;
        let end = stays.end(text);
        edits.push((end..end, added));
    }
    Some(edits)
}

/// A value in place of another: within its line if both fit one, so that a comment behind it stays.
fn pair_edit(text: &str, pair: &Pair, value: &Json, indent: usize) -> Edit {
    let new = write::pair(&pair.key, value, indent);
    let old = &pair.value;
    let is_inline =
        matches!(old.shape, Shape::Scalar) && !old.span.is_empty() && !text[old.span.clone()].contains('\n');
    if is_inline && !new.contains('\n') {
        return (old.span.clone(), write::inline(value));
    }
    (pair.start..pair.end(text), new)
}
