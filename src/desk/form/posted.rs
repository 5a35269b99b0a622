//! What a form sends: pairs of names and texts become fields, rows and an action, and then the JSON of a document.

use std::collections::{BTreeMap, HashMap};

use serde_json::{Map, Value as Json};

use crate::meta::naming_rule::NamingRule;
use crate::meta::{DocField, DocType, Document, Fieldtype, Registry, Value};

/// Behind a field's name: the exact value that a native date input cannot hold.
pub(crate) const WAS: &str = ".__was";
/// Behind a Password field's name: take the stored secret away.
pub(crate) const REMOVE: &str = ".__remove";
/// In a row: take the row out (without JavaScript).
pub(crate) const DELETE_ROW: &str = "__delete";
/// In a row: one that was offered empty.
pub(crate) const SPARE_ROW: &str = "__spare";
/// In a table: the table was on the form, even if no row came.
const ROWS: &str = "__rows";

/// The values of one document or row, as typed.
pub(crate) type Typed = HashMap<String, String>;

/// A form as it came.
#[derive(Clone, Debug, Default)]
pub(crate) struct Posted {
    /// Field values, and what stands beside them (`field.__was`).
    pub fields: Typed,
    /// The rows of every table that was on the form, in the order of their numbers.
    pub tables: BTreeMap<String, Vec<PostedRow>>,
    /// Which button was pressed.
    pub action: String,
}

/// A row as it came.
#[derive(Clone, Debug, Default)]
pub(crate) struct PostedRow {
    /// The name of the stored row; empty for a new one.
    pub name: String,
    /// Its values.
    pub values: Typed,
}

impl Posted {
    /// Reads the pairs of a form; of several pairs of one name the last counts.
    pub(crate) fn new(pairs: impl IntoIterator<Item = (String, String)>) -> Self {
        let mut posted = Self::default();
        let mut rows: BTreeMap<String, BTreeMap<usize, PostedRow>> = BTreeMap::new();
        for (name, text) in pairs {
            let text = if text.contains('\r') { text.replace("\r\n", "\n") } else { text };
            if name == "__action" {
                posted.action = text;
                continue;
            }
            let Some((table, rest)) = name.split_once('.') else {
                posted.fields.insert(name, text);
                continue;
            };
            if rest == ROWS {
                rows.entry(table.to_owned()).or_default();
            } else if let Some((index, key)) = rest.split_once('.')
                && let Ok(index) = index.parse::<usize>()
            {
                let row = rows.entry(table.to_owned()).or_default().entry(index).or_default();
                if key == "name" {
                    row.name = text;
                } else {
                    row.values.insert(key.to_owned(), text);
                }
            } else {
                posted.fields.insert(name, text);
            }
        }
        posted.tables = rows.into_iter().map(|(table, rows)| (table, rows.into_values().collect())).collect();
        posted
    }

    /// The text under a name, empty if none came.
    pub(crate) fn text(&self, name: &str) -> &str {
        self.fields.get(name).map_or("", String::as_str)
    }

    /// Puts a text under a name of a field or a row's field (`table.0.field`), as if it had been typed.
    pub(crate) fn set(&mut self, name: &str, text: &str) {
        let mut parts = name.splitn(3, '.');
        match (parts.next(), parts.next().and_then(|index| index.parse::<usize>().ok()), parts.next()) {
            (Some(table), Some(index), Some(fieldname)) => {
                if let Some(row) = self.tables.get_mut(table).and_then(|rows| rows.get_mut(index)) {
                    row.values.insert(fieldname.to_owned(), text.to_owned());
                }
            }
            _ => {
                self.fields.insert(name.to_owned(), text.to_owned());
            }
        }
    }

    /// Leaves out the rows that were ticked for removal and the spare ones that nobody filled in, so that what is shown again and
    /// what is saved have the same rows.
    pub(crate) fn settle(&mut self, registry: &Registry, doctype: &DocType) {
        for (table, rows) in &mut self.tables {
            let child = doctype.field(table).and_then(|field| registry.get(&field.options));
            rows.retain(|row| {
                let gone = row.values.get(DELETE_ROW).is_some_and(|value| value == "1");
                let spare = row.values.contains_key(SPARE_ROW) && row.name.is_empty();
                !(gone || spare && child.is_none_or(|child| is_untouched(child, &row.values)))
            });
            for row in rows {
                row.values.remove(SPARE_ROW);
                row.values.remove(DELETE_ROW);
            }
        }
    }

    /// The document's values for the engine; `stored` supplies what the rows hold beyond the form.
    pub(crate) fn to_values(
        &self,
        registry: &Registry,
        doctype: &DocType,
        stored: Option<&Document>,
    ) -> Map<String, Json> {
        let mut values = Map::new();
        if doctype.naming_rule == NamingRule::Prompt && stored.is_none() {
            values.insert("__newname".to_owned(), Json::from(self.text("name")));
        }
        for field in &doctype.fields {
            if field.fieldtype.is_table() {
                if let (Some(rows), Some(child)) = (self.tables.get(&field.fieldname), registry.get(&field.options)) {
                    let stored = stored.map_or(&[][..], |document| document.rows(&field.fieldname));
                    let stored: HashMap<String, &Document> = stored.iter().map(|row| (row.name(), row)).collect();
                    let rows = rows.iter().map(|row| row_values(row, child, stored.get(&row.name).copied())).collect();
                    values.insert(field.fieldname.clone(), Json::Array(rows));
                }
            } else if let Some(value) = typed_value(field, &self.fields, stored) {
                values.insert(field.fieldname.clone(), value);
            }
        }
        values
    }
}

/// The value of a field for the engine; `None` if the form did not hold it or it stays as it is.
fn typed_value(field: &DocField, typed: &Typed, stored: Option<&Document>) -> Option<Json> {
    let text = typed.get(&field.fieldname)?;
    let beside = |suffix: &str| typed.get(&format!("{}{suffix}", field.fieldname));
    match field.fieldtype {
        _ if !field.has_column() => None,
        // An input that was empty and still is says nothing: null stays null.
        _ if text.is_empty() && stored.is_some_and(|stored| *stored.get(&field.fieldname) == Value::Null) => None,
        Fieldtype::Password if !text.is_empty() => Some(Json::from(text.as_str())),
        Fieldtype::Password => beside(REMOVE).is_some_and(|on| on == "1").then(|| Json::from("")),
        Fieldtype::Datetime | Fieldtype::Time => {
            // A native input knows no microseconds: what was not touched keeps them.
            let untouched = beside(WAS).filter(|was| native_moment(was) == native_moment(text));
            Some(Json::from(untouched.unwrap_or(text).as_str()))
        }
        _ => Some(Json::from(text.as_str())),
    }
}

/// What the form does not show of a stored row stays: the engine takes rows whole.
fn row_values(row: &PostedRow, child: &DocType, known: Option<&Document>) -> Json {
    let mut values = known.map(Document::to_json_whole).unwrap_or_default();
    for key in [
        "doctype",
        "idx",
        "owner",
        "creation",
        "modified",
        "modified_by",
        "docstatus",
        "parent",
        "parentfield",
        "parenttype",
    ] {
        values.remove(key);
    }
    for field in &child.fields {
        if let Some(value) = typed_value(field, &row.values, known) {
            values.insert(field.fieldname.clone(), value);
        }
    }
    if known.is_some() {
        values.insert("name".to_owned(), Json::from(row.name.as_str()));
    }
    Json::Object(values)
}

/// Whether a spare row is as it was offered: empty, or with the defaults.
fn is_untouched(child: &DocType, typed: &Typed) -> bool {
    child.fields.iter().filter(|field| field.has_column()).all(|field| {
        let text = typed.get(&field.fieldname).map_or("", |text| text.trim());
        let default = field.default.as_deref().unwrap_or("");
        let first = || field.select_options().next().unwrap_or("");
        match field.fieldtype {
            Fieldtype::Check => (text == "1") == (default == "1"),
            Fieldtype::Select => text.is_empty() || text == default || (default.is_empty() && text == first()),
            _ => text.is_empty() || text == default || text == "0",
        }
    })
}

/// A stored datetime or time as native inputs hold it: to the second, with `T`.
pub(crate) fn native_moment(text: &str) -> String {
    let mut native = text.split('.').next().unwrap_or(text).replacen(' ', "T", 1);
    if native.find(':') == Some(1) {
        native.insert(0, '0');
    }
    // Browsers leave out seconds that are 0.
    if native.matches(':').count() == 1 {
        native.push_str(":00");
    }
    native
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(body: &str) -> Posted {
        Posted::new(url::form_urlencoded::parse(body.as_bytes()).into_owned())
    }

    #[test]
    fn rows_come_in_the_order_of_their_numbers() {
        let posted = parse(
            "title=A%0D%0AB&lines.10.item=b&lines.2.item=a&lines.2.name=r1&on=0&on=1&__action=save&more.__rows=1",
        );
        assert_eq!(posted.action, "save");
        assert_eq!(posted.text("title"), "A\nB");
        assert_eq!(posted.text("on"), "1", "the last of several counts");
        let items: Vec<_> =
            posted.tables["lines"].iter().map(|row| (row.name.as_str(), row.values["item"].as_str())).collect();
        assert_eq!(items, [("r1", "a"), ("", "b")]);
        assert!(posted.tables["more"].is_empty());
    }

    #[test]
    fn moments_that_were_not_touched_keep_their_microseconds() {
        let field = DocField { fieldname: "at".into(), fieldtype: Fieldtype::Datetime, ..DocField::default() };
        let typed = |text: &str| {
            let typed = Typed::from([
                ("at".to_owned(), text.to_owned()),
                ("at.__was".to_owned(), "2026-03-31 08:30:00.123456".to_owned()),
            ]);
            typed_value(&field, &typed, None)
        };
        assert_eq!(typed("2026-03-31T08:30"), Some(Json::from("2026-03-31 08:30:00.123456")));
        assert_eq!(typed("2026-03-31T08:31"), Some(Json::from("2026-03-31T08:31")));
        assert_eq!(native_moment("8:05:09"), "08:05:09");
    }
}
