//! One file, read and brought into Frappe's form: flags are 0 or 1, lists of lines are text, every field has its name.

use std::collections::HashMap;

use serde_json::{Map, Value as Json};
use serde_yaml::Value as Yaml;

use super::outline::Outline;
use super::{Place, Reporter, Severity, Source, is_json};
use crate::meta::check::At;
use crate::meta::docfield::FIELD;
use crate::meta::doctype::DOCTYPE;
use crate::meta::fieldtype::Fieldtype;
use crate::meta::keys::{self, Key, Kind};

/// A mapping whose lines are known.
#[derive(Clone, Debug, Default)]
pub(super) struct Section {
    /// The keys with their values, in Frappe's form.
    pub(super) map: Map<String, Json>,
    /// Where it begins.
    pub(super) place: Place,
    /// Where each key stands.
    pub(super) places: HashMap<String, Place>,
}

/// A DocType before anything is derived from it.
#[derive(Clone, Debug)]
pub(super) struct Draft {
    pub(super) name: String,
    /// Everything but fields and permissions.
    pub(super) base: Section,
    pub(super) fields: Vec<Section>,
    pub(super) permissions: Vec<Section>,
    /// The sources, the defining one first.
    pub(super) sources: Vec<usize>,
}

/// What a file holds.
pub(super) enum Read {
    DocType(Draft),
    /// Changes to the DocType of that name, which is defined elsewhere.
    Overlay(Draft),
}

impl Section {
    /// The text of a key; empty if it is missing.
    pub(super) fn text(&self, key: &str) -> &str {
        self.map.get(key).and_then(Json::as_str).unwrap_or("")
    }

    /// Whether a flag is on.
    pub(super) fn flag(&self, key: &str) -> bool {
        self.map.get(key).is_some_and(|value| value.as_i64().unwrap_or(0) != 0)
    }

    /// A whole number.
    pub(super) fn whole(&self, key: &str) -> Option<i64> {
        self.map.get(key).and_then(Json::as_i64)
    }

    /// Where a key stands, or the mapping if it has no such key.
    pub(super) fn place_of(&self, key: &str) -> Place {
        self.places.get(key).copied().unwrap_or(self.place)
    }

    /// Takes over every key of `other`.
    pub(super) fn merge(&mut self, other: Self) {
        self.map.extend(other.map);
        self.places.extend(other.places);
    }
}

impl Draft {
    /// Where something of it stands.
    pub(super) fn place(&self, at: At<'_>) -> Place {
        let in_section = |section: Option<&Section>, key: Option<&str>| {
            section.map_or(self.base.place, |section| key.map_or(section.place, |key| section.place_of(key)))
        };
        match at {
            At::DocType => self.base.place_of("name"),
            At::Key(key) => self.base.place_of(key),
            At::Field(index, key) => in_section(self.fields.get(index), key),
            At::Permission(index, key) => in_section(self.permissions.get(index), key),
        }
    }
}

/// Reads one source; `None` if it holds nothing to use, which is then reported.
pub(super) fn read(source: usize, reporter: &mut Reporter<'_>) -> Option<Read> {
    let Source { path, text } = &reporter.sources[source];
    let text = text.trim_start_matches('\u{feff}');
    let lenient = is_json(path);
    let outline = Outline::new(text, lenient);
    let content = match parse(text, lenient) {
        Ok(content) => content,
        Err((line, message)) => {
            let line = line.unwrap_or(1);
            reporter.error(Place { source, line }, &written_name(text), None, message);
            return None;
        }
    };
    let start = Place { source, line: 1 };
    let Json::Object(content) = content else {
        let (severity, message) = match content {
            // Half a save, or a removal that was not meant: only a file that is gone takes its DocType along.
            Json::Null => (Severity::Error, "is empty: define a DocType in it, or remove the file"),
            _ if lenient => (Severity::Warning, "holds no DocType and is skipped"),
            _ => (Severity::Error, "must be one DocType: `name: …` and its other keys from the first column on"),
        };
        reporter.report(severity, start, "", None, message.to_owned());
        return None;
    };
    let named = |key: &str| content.get(key).map(text_of).map(|text| text.trim().to_owned()).unwrap_or_default();
    let kind = named("doctype");
    if !kind.is_empty() && kind != "DocType" {
        let place = Place { source, line: outline.line("doctype") };
        let severity = if lenient { Severity::Warning } else { Severity::Error };
        reporter.report(severity, place, "", None, format!("holds a {kind}, not a DocType, and is skipped"));
        return None;
    }
    let is_overlay = content.contains_key("extends");
    let name = named(if is_overlay { "extends" } else { "name" });
    if name.is_empty() {
        let key = if is_overlay { "extends" } else { "name" };
        let place = Place { source, line: outline.line(key) };
        reporter.error(place, "", None, format!("needs `{key}`, the name of a DocType such as Library Book"));
        return None;
    }
    let mut reader = Reader { source, lenient, outline: &outline, doctype: &name, is_overlay, reporter };
    let draft = reader.draft(content);
    Some(if is_overlay { Read::Overlay(draft) } else { Read::DocType(draft) })
}

/// Text → JSON, or the line and what is wrong with it.
pub(in crate::meta) fn parse(text: &str, is_json: bool) -> Result<Json, (Option<usize>, String)> {
    if is_json {
        return serde_json::from_str(text).map_err(|error| {
            (Some(error.line()), format!("is not valid JSON: {}", without_place(&error.to_string())))
        });
    }
    let fault = |error: &serde_yaml::Error| {
        let line = error.location().map(|location| location.line());
        (line, format!("is not valid YAML: {}", without_place(&error.to_string())))
    };
    let mut yaml: Yaml = serde_yaml::from_str(text).map_err(|error| fault(&error))?;
    yaml.apply_merge().map_err(|error| fault(&error))?;
    to_json(yaml).map_err(|message| (None, message))
}

/// The parsers end their messages with the place, which we say in front.
fn without_place(message: &str) -> &str {
    message.rfind(" at line ").map_or(message, |end| &message[..end])
}

fn to_json(yaml: Yaml) -> Result<Json, String> {
    Ok(match yaml {
        Yaml::Null => Json::Null,
        Yaml::Bool(on) => Json::Bool(on),
        Yaml::Number(number) => match (number.as_i64(), number.as_u64(), number.as_f64()) {
            (Some(number), ..) => Json::from(number),
            (_, Some(number), _) => Json::from(number),
            (_, _, Some(number)) if number.is_finite() => Json::from(number),
            _ => Json::String(number.to_string()),
        },
        Yaml::String(text) => Json::String(text),
        Yaml::Sequence(items) => Json::Array(items.into_iter().map(to_json).collect::<Result<_, _>>()?),
        Yaml::Mapping(mapping) => {
            let mut map = Map::with_capacity(mapping.len());
            for (key, value) in mapping {
                let key = match key {
                    Yaml::String(key) => key,
                    Yaml::Number(number) => number.to_string(),
                    Yaml::Bool(on) => on.to_string(),
                    _ => return Err("has a key that is not text: write keys such as `name:`".to_owned()),
                };
                map.insert(key, to_json(value)?);
            }
            Json::Object(map)
        }
        Yaml::Tagged(tagged) => return Err(format!("has the tag `{}`: write plain values without tags", tagged.tag)),
    })
}

/// The DocType that a file which does not parse defines or extends, so that its problem is known to be that DocType's.
fn written_name(text: &str) -> String {
    let named = |line: &str| -> Option<(usize, String)> {
        let rest = line.trim_start();
        let key = ["name:", "extends:", "\"name\":", "\"extends\":"].into_iter().find(|key| rest.starts_with(key))?;
        let name = rest[key.len()..].trim().trim_end_matches(',').trim_matches(['"', '\'']);
        (!name.is_empty() && name.len() < 80).then(|| (line.len() - rest.len(), name.to_owned()))
    };
    // The outermost one: deeper ones are names of something else.
    text.lines().filter_map(named).min_by_key(|(indent, _)| *indent).map(|(_, name)| name).unwrap_or_default()
}

/// A number or flag as it would be written, text as it is.
fn text_of(value: &Json) -> String {
    match value {
        Json::String(text) => text.clone(),
        Json::Null => String::new(),
        other => other.to_string(),
    }
}

struct Reader<'r, 's> {
    source: usize,
    lenient: bool,
    outline: &'r Outline,
    doctype: &'r str,
    is_overlay: bool,
    reporter: &'r mut Reporter<'s>,
}

impl Reader<'_, '_> {
    fn place(&self, path: &str) -> Place {
        Place { source: self.source, line: self.outline.line(path) }
    }

    fn error(&mut self, path: &str, field: Option<&str>, message: impl Into<String>) {
        self.reporter.error(self.place(path), self.doctype, field, message);
    }

    fn draft(&mut self, mut content: Map<String, Json>) -> Draft {
        if self.is_overlay {
            if content.remove("name").is_some() {
                self.error(
                    "name",
                    None,
                    "an overlay cannot have a `name`: remove it, `extends` says which DocType it changes",
                );
            }
            content.remove("extends");
        }
        let fields = content.remove("fields");
        let permissions = content.remove("permissions");
        let base = self.section(content, "", DOCTYPE, None);
        let mut draft = Draft {
            name: self.doctype.to_owned(),
            base,
            fields: Vec::new(),
            permissions: Vec::new(),
            sources: vec![self.source],
        };
        if !self.is_overlay {
            draft.base.map.insert("name".to_owned(), Json::from(self.doctype));
            draft.base.map.insert("doctype".to_owned(), Json::from("DocType"));
        }
        for (path, row) in self.rows("fields", fields) {
            if let Some(field) = self.field(&path, row) {
                draft.fields.push(field);
            }
        }
        for (path, row) in self.rows("permissions", permissions) {
            let mut permission = self.section(row, &path, keys::PERMISSION, None);
            if permission.map.contains_key("remove") && !self.is_overlay {
                self.error(&format!("{path}/remove"), None, "`remove` works in overlays only: delete the row instead");
                permission.map.remove("remove");
            }
            draft.permissions.push(permission);
        }
        draft
    }

    /// The mappings of a list, each with its path.
    fn rows(&mut self, key: &str, value: Option<Json>) -> Vec<(String, Map<String, Json>)> {
        let items = match value {
            None | Some(Json::Null) => return Vec::new(),
            Some(Json::Array(items)) => items,
            Some(_) => {
                self.error(key, None, format!("`{key}` must be a list: begin each entry with `- `"));
                return Vec::new();
            }
        };
        let mut rows = Vec::with_capacity(items.len());
        for (index, item) in items.into_iter().enumerate() {
            let path = format!("{key}/{index}");
            match item {
                Json::Object(map) => rows.push((path, map)),
                _ => self.error(
                    &path,
                    None,
                    format!("entry {} of `{key}` must be a mapping of keys and values", index + 1),
                ),
            }
        }
        rows
    }

    fn field(&mut self, path: &str, mut row: Map<String, Json>) -> Option<Section> {
        let written =
            |row: &Map<String, Json>, key: &str| row.get(key).map(text_of).unwrap_or_default().trim().to_owned();
        let fieldname = match written(&row, "fieldname") {
            given if !given.is_empty() => given,
            _ => {
                let position = path.rsplit('/').next().unwrap_or_default();
                let Some(derived) = derive_fieldname(&written(&row, "label"), &written(&row, "fieldtype"), position)
                else {
                    self.error(path, None, "a field needs a `fieldname` or a `label` to make one from");
                    return None;
                };
                derived
            }
        };
        row.insert("fieldname".to_owned(), Json::from(fieldname.clone()));
        if row.remove("remove").is_some() {
            let message = if self.is_overlay {
                "fields cannot be removed, because their columns hold data: write `hidden: true` instead"
            } else {
                "`remove` works on permissions only: delete the field instead"
            };
            self.error(&format!("{path}/remove"), Some(&fieldname), message);
        }
        Some(self.section(row, path, FIELD, Some(&fieldname)))
    }

    /// Checks every key of a mapping and brings its value into Frappe's form.
    fn section(&mut self, row: Map<String, Json>, path: &str, keys: &'static [Key], field: Option<&str>) -> Section {
        let mut section = Section { place: self.place(path), ..Section::default() };
        for (key, value) in row {
            let key_path = if path.is_empty() { key.clone() } else { format!("{path}/{key}") };
            let place = self.place(&key_path);
            let value = match keys::find(keys, &key) {
                _ if value.is_null() => continue,
                Some(known) => match normalise(known, value) {
                    Ok(Some(value)) => value,
                    Ok(None) => continue,
                    Err(message) => {
                        self.reporter.error(place, self.doctype, field, format!("`{key}` {message}"));
                        continue;
                    }
                },
                None if keys::is_stored(&key) => value,
                None => {
                    let suggestion = keys::suggestion(keys::nearest_key(keys, &key));
                    let message = format!("`{key}` is not a known key{suggestion}");
                    let severity = if self.lenient { Severity::Warning } else { Severity::Error };
                    self.reporter.report(severity, place, self.doctype, field, message);
                    value
                }
            };
            section.places.insert(key.clone(), place);
            section.map.insert(key, value);
        }
        section
    }
}

/// The value as Frappe would have written it; `None` if that is the same as leaving it out.
pub(in crate::meta) fn normalise(key: &Key, value: Json) -> Result<Option<Json>, String> {
    let one_line = |value: &Json| -> Result<String, String> {
        match value {
            Json::String(text) => Ok(text.clone()),
            Json::Number(number) => Ok(number.to_string()),
            Json::Bool(on) => Ok(u8::from(*on).to_string()),
            Json::Null => Ok(String::new()),
            Json::Array(_) | Json::Object(_) => Err("must be text".to_owned()),
        }
    };
    let lines = |items: &[Json], separator: &str| -> Result<String, String> {
        let mut lines = Vec::with_capacity(items.len());
        for item in items {
            lines.push(match item {
                Json::Bool(on) => {
                    return Err(format!("has the line `{on}`, which YAML takes for a flag: put it in quotes"));
                }
                item => one_line(item).map_err(|_| "must be text, or a list of lines".to_owned())?,
            });
        }
        Ok(lines.join(separator))
    };
    Ok(Some(match (key.kind, &value) {
        (Kind::Any, _) => value,
        (Kind::Flag, _) => Json::from(u8::from(flag(&value)?)),
        (Kind::Whole, Json::String(text)) if text.trim().is_empty() => return Ok(None),
        (Kind::Whole, _) => Json::from(whole(&value)?),
        (Kind::Lines, Json::Array(items)) => Json::from(lines(items, "\n")?),
        (Kind::Names, Json::Array(items)) => Json::from(lines(items, ", ")?),
        (Kind::Filters, Json::Array(_) | Json::Object(_)) => Json::from(value.to_string()),
        (Kind::Rows, Json::Array(items)) if items.iter().all(Json::is_object) => value,
        (Kind::Rows, _) => return Err("must be a list of mappings".to_owned()),
        (Kind::Translations, _) => translations(value)?,
        (Kind::Text, Json::Bool(_)) if key.name != "default" => return Err("must be text: put it in quotes".to_owned()),
        (Kind::Text | Kind::Lines | Kind::Names | Kind::Condition | Kind::Filters, _) => Json::from(one_line(&value)?),
    }))
}

/// Languages with their texts.
fn translations(value: Json) -> Result<Json, String> {
    let Json::Object(languages) = &value else {
        return Err("must name languages, each with texts: `de: {Title: Titel}`".to_owned());
    };
    for (code, texts) in languages {
        let is_code = code.split(['-', '_']).next().is_some_and(|language| {
            (2..=3).contains(&language.len()) && language.bytes().all(|byte| byte.is_ascii_alphabetic())
        });
        if !is_code {
            return Err(format!("names `{code}`, which is not a code of a language such as `de` or `pt-BR`"));
        }
        let Some(texts) = texts.as_object() else {
            return Err(format!("must have texts for `{code}`, each with its translation: `Title: Titel`"));
        };
        if let Some((text, _)) = texts.iter().find(|(_, translation)| !translation.is_string()) {
            return Err(format!("must have a text for `{text}` in `{code}`: put it in quotes"));
        }
    }
    Ok(value)
}

fn flag(value: &Json) -> Result<bool, String> {
    match value {
        Json::Bool(on) => Ok(*on),
        Json::Number(number) if number.as_i64() == Some(0) => Ok(false),
        Json::Number(number) if number.as_i64() == Some(1) => Ok(true),
        Json::String(text) if matches!(text.trim(), "" | "0") => Ok(false),
        Json::String(text) if text.trim() == "1" => Ok(true),
        other => Err(format!("must be true or false, not `{}`", text_of(other))),
    }
}

fn whole(value: &Json) -> Result<i64, String> {
    let number = match value {
        Json::Number(number) => number.as_i64(),
        Json::String(text) => text.trim().parse().ok(),
        Json::Bool(on) => Some(i64::from(*on)),
        Json::Null | Json::Array(_) | Json::Object(_) => None,
    };
    number.ok_or_else(|| format!("must be a whole number, not `{}`", text_of(value)))
}

/// The fieldname that Frappe makes from a label; parts of the layout need none.
pub(in crate::meta) fn derive_fieldname(label: &str, fieldtype: &str, position: &str) -> Option<String> {
    let suffix = match Fieldtype::parse(fieldtype) {
        Some(Fieldtype::SectionBreak) => "_section",
        Some(Fieldtype::ColumnBreak) => "_column",
        Some(Fieldtype::TabBreak) => "_tab",
        _ => "",
    };
    let made: String = label
        .trim()
        .to_lowercase()
        .replace(' ', "_")
        .trim_matches('?')
        .chars()
        .filter(|c| !"'\",./%@()<>{}".contains(*c))
        .collect();
    if !made.is_empty() {
        // A restricted name gets a digit, as in Frappe.
        let digit = if crate::meta::check::is_restricted(&made) { "1" } else { "" };
        return Some(format!("{made}{digit}{suffix}"));
    }
    (!suffix.is_empty()).then(|| format!("{}_{position}", fieldtype.to_lowercase().replace(' ', "_")))
}
