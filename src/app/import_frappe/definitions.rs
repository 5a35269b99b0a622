//! The definitions of a Frappe site: its tables DocType, `DocField` and DocPerm, and what was customized, as DocType files.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde_json::{Map, Value as Json, json};

use crate::database::frappe_source::FrappeSource;
use crate::meta::check::is_restricted;
use crate::meta::docfield::FIELD;
use crate::meta::doctype::{DOCTYPE, scrub};
use crate::meta::keys::{Key, Kind, PERMISSION};
use crate::meta::load::Source;
use crate::meta::{DocType, Fieldtype};

/// A row, without what holds nothing.
pub(super) type Row = BTreeMap<String, String>;

/// Keys that say something about Frappe's storage, or nothing where they are as they come.
const LEFT_OUT: [&str; 8] = [
    "engine",
    "row_format",
    "migration_hash",
    "app",
    "index_web_pages_for_search",
    "grid_page_length",
    "editable_grid",
    "version",
];
/// What Frappe's code says of who sees which documents, where the shipped definition does not.
const LIMITS: [(&str, &str); 3] = [
    ("Note", r#"[["public","=",1],["owner","=","__user"]]"#),
    ("Event", r#"[["event_type","=","Public"],["owner","=","__user"]]"#),
    ("File", r#"[["is_private","=",0],["owner","=","__user"],["attached_to_doctype","in","__readable"]]"#),
];
/// How a file of the import begins.
const HEAD: &str = "# yaml-language-server: $schema=../doctype.schema.json\n# From a Frappe site.\n";

/// Everything that a Frappe site says about its DocTypes.
#[derive(Debug, Default)]
pub(super) struct Definitions {
    /// By name.
    pub doctypes: BTreeMap<String, Row>,
    fields: BTreeMap<String, Vec<Row>>,
    permissions: BTreeMap<String, Vec<Row>>,
    /// Custom DocPerm: in place of the permissions.
    custom_permissions: BTreeMap<String, Vec<Row>>,
    custom_fields: BTreeMap<String, Vec<Row>>,
    setters: BTreeMap<String, Vec<Row>>,
    /// `links`, `actions` and `states`.
    lists: [(&'static str, BTreeMap<String, Vec<Row>>); 3],
}

impl Definitions {
    /// Reads them.
    pub(super) async fn read(source: &mut FrappeSource) -> anyhow::Result<Self> {
        let by_parent = |rows| by(rows, "parent");
        Ok(Self {
            doctypes: rows(source, "tabDocType", &[])
                .await?
                .into_iter()
                .filter_map(|row| Some((row.get("name")?.clone(), row)))
                .collect(),
            fields: by_parent(rows(source, "tabDocField", &["parent", "idx"]).await?),
            permissions: by_parent(rows(source, "tabDocPerm", &["parent", "idx"]).await?),
            custom_permissions: by_parent(rows(source, "tabCustom DocPerm", &["parent", "creation", "name"]).await?),
            custom_fields: by(rows(source, "tabCustom Field", &["dt", "idx", "creation", "name"]).await?, "dt"),
            setters: by(rows(source, "tabProperty Setter", &["doc_type", "creation", "name"]).await?, "doc_type"),
            lists: [
                ("links", by_parent(rows(source, "tabDocType Link", &["parent", "idx"]).await?)),
                ("actions", by_parent(rows(source, "tabDocType Action", &["parent", "idx"]).await?)),
                ("states", by_parent(rows(source, "tabDocType State", &["parent", "idx"]).await?)),
            ],
        })
    }

    /// Whether a Check of the DocType is on.
    pub(super) fn is(&self, doctype: &str, key: &str) -> bool {
        self.doctypes.get(doctype).is_some_and(|row| row.get(key).is_some_and(|value| value == "1"))
    }

    /// The fields of a DocType, those that were added included.
    pub(super) fn fields(&self, doctype: &str) -> impl Iterator<Item = &Row> {
        let own = self.fields.get(doctype).into_iter().flatten();
        own.chain(self.custom_fields.get(doctype).into_iter().flatten())
    }

    /// The child tables of a DocType.
    pub(super) fn child_tables(&self, doctype: &str) -> BTreeSet<String> {
        child_tables(self.fields(doctype))
    }

    /// Those of them that were added.
    pub(super) fn added_child_tables(&self, doctype: &str) -> BTreeSet<String> {
        child_tables(self.custom_fields.get(doctype).into_iter().flatten())
    }

    /// The file of a DocType, without what was customized.
    pub(super) fn file(&self, folder: &str, doctype: &str) -> anyhow::Result<Source> {
        let mut file = self.doctypes.get(doctype).map(|row| keys(row, DOCTYPE)).unwrap_or_default();
        for key in LEFT_OUT {
            file.remove(key);
        }
        file.remove("custom");
        let own = self.fields.get(doctype).into_iter().flatten();
        // A column of every document, with or without a field.
        let own = own.filter(|row| !is_restricted(text(row, "fieldname")));
        let fields = own.map(|row| Json::Object(field_keys(row)));
        file.insert("fields".to_owned(), fields.collect());
        let permissions = self.permissions.get(doctype).into_iter().flatten().map(|row| keys(row, PERMISSION));
        let permissions: Vec<Json> = permissions.map(Json::Object).collect();
        if !permissions.is_empty() {
            file.insert("permissions".to_owned(), permissions.into());
        }
        for (key, rows) in &self.lists {
            let rows: Vec<Json> = rows.get(doctype).into_iter().flatten().map(|row| json!(plain(row))).collect();
            if !rows.is_empty() {
                file.insert((*key).to_owned(), rows.into());
            }
        }
        self.source(folder, doctype, "", file)
    }

    /// The same in Frappe's own form, which may break rules that hold for others.
    pub(super) fn file_in_json(&self, folder: &str, doctype: &str) -> anyhow::Result<Source> {
        let Source { path, text } = self.file(folder, doctype)?;
        let file: Json = serde_yaml::from_str(&text)?;
        Ok(Source { path: Path::new(&path).with_extension("json").display().to_string(), text: format!("{file:#}\n") })
    }

    /// The overlay that says what was customized on top of `base`, if anything was, with a line for each thing that an
    /// overlay cannot say.
    pub(super) fn overlay(&self, folder: &str, base: &DocType) -> anyhow::Result<(Option<Source>, Vec<String>)> {
        let doctype = &base.name;
        let mut unsaid = Vec::new();
        let mut file = Map::new();
        file.insert("extends".to_owned(), Json::from(doctype.as_str()));
        if let Some((_, limits)) = LIMITS.iter().find(|(limited, _)| limited == doctype) {
            file.insert("limited_to".to_owned(), serde_json::from_str(limits).unwrap_or_default());
        }
        let mut fields: Vec<Map<String, Json>> = Vec::new();
        let mut known: BTreeSet<&str> = base.fields.iter().map(|field| field.fieldname.as_str()).collect();
        let mut waiting: Vec<&Row> = self.custom_fields.get(doctype).into_iter().flatten().collect();
        while !waiting.is_empty() {
            let ready = |row: &&Row| {
                let after = text(row, "insert_after");
                after.is_empty() || known.contains(after)
            };
            // What stands behind a field that is not here goes to the end.
            let at = waiting.iter().position(ready);
            let row = waiting.remove(at.unwrap_or(0));
            let mut field = field_keys(row);
            let after = text(row, "insert_after");
            if at.is_some() && !after.is_empty() {
                field.insert("insert_after".to_owned(), Json::from(after));
            }
            known.insert(text(row, "fieldname"));
            fields.push(field);
        }
        for setter in self.setters.get(doctype).into_iter().flatten() {
            let (property, value) = (text(setter, "property"), text(setter, "value"));
            let told = |what: &str| format!("{doctype}: Property Setter {what}{property}");
            match text(setter, "doctype_or_field") {
                "DocType" => match key_of(DOCTYPE, property) {
                    Some(key) => drop(file.insert(property.to_owned(), set_value(key, value))),
                    None => unsaid.push(told("")),
                },
                "DocField" => {
                    let fieldname = text(setter, "field_name");
                    let key = key_of(FIELD, property).filter(|_| known.contains(fieldname));
                    let Some(key) = key else {
                        unsaid.push(told(&format!("{fieldname}.")));
                        continue;
                    };
                    let present = fields.iter().position(|field| field["fieldname"] == fieldname);
                    let at = present.unwrap_or_else(|| {
                        fields.push(Map::from_iter([("fieldname".to_owned(), Json::from(fieldname))]));
                        fields.len() - 1
                    });
                    fields[at].insert(property.to_owned(), set_value(key, value));
                }
                other => unsaid.push(told(&format!("{other} {}.", text(setter, "row_name")))),
            }
        }
        if !fields.is_empty() {
            file.insert("fields".to_owned(), fields.into_iter().map(Json::Object).collect());
        }
        if let Some(wanted) = self.custom_permissions.get(doctype) {
            let wanted: Vec<Map<String, Json>> = wanted.iter().map(|row| keys(row, PERMISSION)).collect();
            file.insert("permissions".to_owned(), permission_changes(base, &wanted).into());
        } else if doctype == "File" {
            // Other people's files are shown to people of the desk alone.
            file.insert("permissions".to_owned(), json!([{"role": "Desk User", "read": true}]));
        }
        let says = file.len() > 1;
        let overlay = says.then(|| self.source(folder, doctype, "_overlay", file)).transpose()?;
        Ok((overlay, unsaid))
    }

    fn source(&self, folder: &str, doctype: &str, ending: &str, file: Map<String, Json>) -> anyhow::Result<Source> {
        let module = self.doctypes.get(doctype).map_or("", |row| text(row, "module"));
        let yaml = serde_yaml::to_string(&Json::Object(file))?;
        let path = format!("{folder}/{}/{}{ending}.yaml", scrub(module), scrub(doctype));
        Ok(Source { path, text: format!("{HEAD}{yaml}") })
    }
}

fn child_tables<'r>(fields: impl Iterator<Item = &'r Row>) -> BTreeSet<String> {
    let is_table = |row: &&Row| text(row, "fieldtype").starts_with("Table");
    fields.filter(is_table).map(|row| text(row, "options").to_owned()).collect()
}

/// Rows of an overlay that make the permissions of `base` those that are wanted.
fn permission_changes(base: &DocType, wanted: &[Map<String, Json>]) -> Vec<Json> {
    let identity = |row: &Map<String, Json>| {
        let number = |key: &str| row.get(key).and_then(Json::as_i64).unwrap_or(0);
        let if_owner = row.get("if_owner").is_some_and(|value| value == &Json::from(true) || value == &Json::from(1));
        (row.get("role").and_then(Json::as_str).unwrap_or_default().to_owned(), number("permlevel"), if_owner)
    };
    let is_wanted = |present: &Map<String, Json>| wanted.iter().any(|row| identity(row) == identity(present));
    let mut changes = Vec::new();
    for row in &base.permissions {
        let mut present = Map::from_iter([("role".to_owned(), Json::from(row.role.as_str()))]);
        present.insert("permlevel".to_owned(), Json::from(row.permlevel));
        present.insert("if_owner".to_owned(), Json::from(row.if_owner));
        if !is_wanted(&present) {
            present.insert("remove".to_owned(), Json::from(true));
            changes.push(Json::Object(present));
        }
    }
    for row in wanted {
        let (role, permlevel, if_owner) = identity(row);
        let present = base.permissions.iter().find(|present| {
            (&present.role, i64::from(present.permlevel), present.if_owner) == (&role, permlevel, if_owner)
        });
        let mut row = row.clone();
        // A right that the row of the base gives goes only if it is said.
        for right in present.into_iter().flat_map(|present| present.rights.iter()) {
            row.entry(right.as_str()).or_insert(Json::from(false));
        }
        changes.push(Json::Object(row));
    }
    changes
}

/// All rows of a table.
pub(super) async fn rows(source: &mut FrappeSource, table: &str, order: &[&str]) -> anyhow::Result<Vec<Row>> {
    let columns: Vec<String> = source.columns(table).to_vec();
    let names: Vec<&str> = columns.iter().map(String::as_str).collect();
    let found = source.all(table, &names, order).await?;
    let row = |values: Vec<Option<String>>| -> Row {
        let cells = columns.iter().zip(values);
        cells.filter_map(|(name, cell)| Some((name.clone(), cell?))).filter(|(_, cell)| !cell.is_empty()).collect()
    };
    Ok(found.into_iter().map(row).collect())
}

fn by(rows: Vec<Row>, key: &str) -> BTreeMap<String, Vec<Row>> {
    let mut grouped: BTreeMap<String, Vec<Row>> = BTreeMap::new();
    for row in rows {
        grouped.entry(text(&row, key).to_owned()).or_default().push(row);
    }
    grouped
}

/// The text of a column, empty if there is none.
pub(super) fn text<'r>(row: &'r Row, key: &str) -> &'r str {
    row.get(key).map_or("", String::as_str)
}

fn key_of(table: &'static [Key], name: &str) -> Option<&'static Key> {
    table.iter().find(|key| key.name == name)
}

/// What a row says of the keys of a file; what is off, 0 or empty is left out.
fn keys(row: &Row, table: &'static [Key]) -> Map<String, Json> {
    let said = table.iter().filter_map(|key| Some((key.name.to_owned(), value(key, row.get(key.name)?)?)));
    said.collect()
}

fn field_keys(row: &Row) -> Map<String, Json> {
    let mut field = keys(row, FIELD);
    let fieldtype = Fieldtype::parse(text(row, "fieldtype")).unwrap_or_default();
    if fieldtype != Fieldtype::Select
        && let Some(Json::Array(lines)) = field.get("options")
        && !lines.is_empty()
    {
        // Lists are for choices; other options are one text.
        field.insert("options".to_owned(), Json::from(text(row, "options")));
    }
    field
}

fn value(key: &Key, text: &str) -> Option<Json> {
    Some(match key.kind {
        Kind::Flag => (text == "1").then_some(Json::from(true))?,
        Kind::Whole => Json::from(text.parse::<i64>().ok().filter(|number| *number != 0)?),
        Kind::Lines if text.contains('\n') => text.split('\n').map(Json::from).collect(),
        Kind::Rows => return None,
        _ => Json::from(text),
    })
}

/// The value that a Property Setter gives, which may be off or empty.
fn set_value(key: &Key, text: &str) -> Json {
    match key.kind {
        Kind::Flag => Json::from(text == "1"),
        Kind::Whole => Json::from(text.parse::<i64>().unwrap_or(0)),
        Kind::Any | Kind::Rows => serde_json::from_str(text).unwrap_or_else(|_| Json::from(text)),
        _ => value(key, text).unwrap_or_else(|| Json::from("")),
    }
}

/// A row of a list, without what every row has.
fn plain(row: &Row) -> Map<String, Json> {
    const STANDARD: [&str; 10] = [
        "name",
        "creation",
        "modified",
        "modified_by",
        "owner",
        "docstatus",
        "idx",
        "parent",
        "parentfield",
        "parenttype",
    ];
    let own = row.iter().filter(|(key, value)| !STANDARD.contains(&key.as_str()) && *value != "0");
    own.map(|(key, value)| (key.clone(), Json::from(value.as_str()))).collect()
}
