//! What a set of DocTypes wants to find in the database: pure (`docs/frappe/model.md`: Columns, Singles and secrets).

use crate::database::connect::{Backend, UniqueViolation};
use crate::database::schema::names;
use crate::database::schema::sql_type::{ColumnDefault, SqlType};
use crate::meta::doctype::{Column, DocType, slot};
use crate::meta::fieldtype::{ColumnType, Fieldtype};
use crate::meta::naming_rule::NamingRule;
use crate::meta::{DocField, Value};

/// Where the engine keeps what it must remember about a database.
pub(crate) const STATE_TABLE: &str = "__doctyped";
/// Where the engine keeps the definitions that were last in force.
pub(crate) const DEFINITION_TABLE: &str = "__DocType";
/// Where nodes count together how often something happened within a minute.
pub(crate) const RATE_TABLE: &str = "__Rate";
/// Where the nodes of a site that share a database of PostgreSQL are listed.
pub(crate) const NODE_TABLE: &str = "__Node";
/// What each of them says of itself.
const NODE_COLUMNS: [(&str, ColumnType); 3] =
    [("node", KEY), ("seen", ColumnType::Datetime), ("about", ColumnType::Text)];
/// PostgreSQL's B-tree entries hold 2,704 bytes: longer text is indexed by its digest, or not at all.
const POSTGRES_INDEXED_LENGTH: u32 = 600;
/// The operator class of PostgreSQL for trigrams, of the extension `pg_trgm`.
pub(super) const TRIGRAM_CLASS: &str = "gin_trgm_ops";
/// Defaults that depend on who asks and when; they are not constants.
const SHORTCUTS: [&str; 9] = ["_login", "__user", "user", "_full name", "today", "__today", "now", "now()", "uuid"];

/// A table that must be there.
#[derive(Clone, Debug, Hash)]
pub(crate) struct TableSpec {
    /// The DocType; `None` for the engine's own tables.
    pub doctype: Option<String>,
    /// The DocType's name before a rename.
    pub renamed_from: Option<String>,
    /// The name, as the database stores it.
    pub name: String,
    /// In the order of a new table.
    pub columns: Vec<ColumnSpec>,
    /// The columns of the primary key.
    pub primary_key: Vec<String>,
    /// Names count up by themselves.
    pub autoincrement: bool,
    /// The sequence behind `name` on PostgreSQL.
    pub sequence: Option<String>,
    /// The indexes beside the primary key.
    pub indexes: Vec<IndexSpec>,
}

/// A column that must be there.
#[derive(Clone, Debug, Hash)]
pub(crate) struct ColumnSpec {
    /// The name, as the database stores it.
    pub name: String,
    /// The name before a rename.
    pub renamed_from: Option<String>,
    /// The type.
    pub sql_type: SqlType,
    /// Refuses nulls.
    pub not_null: bool,
    /// The default.
    pub default: Option<ColumnDefault>,
    /// Values of existing rows come from the document that a Link names.
    pub fetch: Option<Fetch>,
}

/// `fetch_from`, resolved as far as one DocType can.
#[derive(Clone, Debug, Hash)]
pub(crate) struct Fetch {
    /// The Link field.
    pub link: String,
    /// The DocType it points at.
    pub target: String,
    /// The field there.
    pub source: String,
}

/// An index that must be there; the name says which columns it is on.
#[derive(Clone, Debug, Hash)]
pub(crate) struct IndexSpec {
    /// The name.
    pub name: String,
    /// The columns.
    pub columns: Vec<String>,
    /// Refuses duplicates.
    pub unique: bool,
    /// On the digest of the one column, whose text may be too long for an index.
    pub digest: bool,
    /// On the trigrams of text, for searching parts of it: the operator class on PostgreSQL.
    pub trigrams: Option<String>,
    /// On the words of text, for the search over everything: how many of the columns say what a document is called.
    pub words: Option<usize>,
}

impl TableSpec {
    /// The column that this name reaches.
    pub(crate) fn column(&self, backend: Backend, name: &str) -> Option<&ColumnSpec> {
        let key = names::key(backend, name);
        self.columns.iter().find(|column| names::key(backend, &column.name) == key)
    }

    /// The table of a DocType; `None` for Singles and virtual ones.
    pub(crate) fn of(backend: Backend, doctype: &DocType) -> Option<Self> {
        if !doctype.has_table() {
            return None;
        }
        let autoincrement = doctype.naming_rule == NamingRule::Autoincrement;
        let sequence = (autoincrement && backend == Backend::Postgres).then(|| names::sequence(&doctype.name));
        let mut columns: Vec<ColumnSpec> =
            doctype.columns.iter().map(|column| column_spec(backend, doctype, column)).collect();
        columns[slot::NAME].not_null = true;
        columns[slot::NAME].default =
            sequence.as_deref().map(|name| ColumnDefault::Expression(format!("nextval('\"{name}\"'::regclass)")));
        let name = names::physical(backend, &doctype.table_name()).to_owned();
        let indexes = indexes(backend, doctype, &name);
        Some(Self {
            doctype: Some(doctype.name.clone()),
            renamed_from: doctype.renamed_from.clone().filter(|old| *old != doctype.name),
            name,
            columns,
            primary_key: vec!["name".to_owned()],
            autoincrement,
            sequence,
            indexes,
        })
    }
}

/// A name in one of the engine's own tables.
const KEY: ColumnType = ColumnType::Varchar(140);

/// A table of the engine: its name, its columns, and how many of them make the primary key.
type EngineTable = (&'static str, &'static [(&'static str, ColumnType)], usize);

/// The tables that every site has.
pub(crate) const ENGINE_TABLES: [EngineTable; 5] = [
    ("tabSingles", &[("doctype", KEY), ("field", KEY), ("value", ColumnType::LongText)], 2),
    ("tabSeries", &[("name", ColumnType::Varchar(255)), ("current", ColumnType::BigInt)], 1),
    (
        "__Auth",
        &[
            ("doctype", KEY),
            ("name", KEY),
            ("fieldname", KEY),
            ("password", ColumnType::Text),
            ("encrypted", ColumnType::SmallInt),
        ],
        3,
    ),
    (STATE_TABLE, &[("key", KEY), ("value", ColumnType::Text)], 1),
    (DEFINITION_TABLE, &[("doctype", KEY), ("definition", ColumnType::LongText), ("files", ColumnType::Text)], 1),
];

/// The engine's own tables.
pub(crate) fn engine_tables(backend: Backend) -> Vec<TableSpec> {
    let table = |name: &str, columns: &[(&str, ColumnType)], keys: usize| TableSpec {
        doctype: None,
        renamed_from: None,
        name: name.to_owned(),
        columns: columns
            .iter()
            .enumerate()
            .map(|(position, (name, column_type))| ColumnSpec {
                name: (*name).to_owned(),
                renamed_from: None,
                sql_type: SqlType::wanted(backend, *column_type),
                not_null: position < keys || *column_type == ColumnType::SmallInt,
                default: (*column_type == ColumnType::SmallInt).then(|| ColumnDefault::Literal("0".to_owned())),
                fetch: None,
            })
            .collect(),
        primary_key: columns[..keys].iter().map(|(name, _)| (*name).to_owned()).collect(),
        autoincrement: false,
        sequence: None,
        indexes: Vec::new(),
    };
    let mut tables: Vec<TableSpec> =
        ENGINE_TABLES.iter().map(|(name, columns, keys)| table(name, columns, *keys)).collect();
    if backend == Backend::Postgres {
        tables.push(table(NODE_TABLE, &NODE_COLUMNS, 1));
        let count = [("key", KEY), ("ends", ColumnType::BigInt), ("count", ColumnType::BigInt)];
        tables.push(table(RATE_TABLE, &count, 1));
    }
    tables
}

/// What must be written instead of a null, because the column refuses nulls; `None` where nulls are welcome.
pub(crate) fn value_for_null(doctype: &DocType, column: usize) -> Option<Value> {
    let column = &doctype.columns[column];
    match column.field.map(|index| &doctype.fields[index]) {
        Some(field) => empty_value(field, column.column_type),
        None if matches!(column.name.as_str(), "docstatus" | "idx") => Some(Value::Int(0)),
        None => None,
    }
}

/// The unique field that a unique violation is about, as [`crate::database::unique_violation`] reported it; `None` if it is the name.
pub(crate) fn unique_field<'a>(
    backend: Backend,
    doctype: &'a DocType,
    violation: &UniqueViolation,
) -> Option<&'a DocField> {
    let table = names::physical(backend, &doctype.table_name()).to_owned();
    doctype.fields.iter().filter(|field| field.unique && field.has_column()).find(|field| match backend {
        Backend::Sqlite => violation.text.ends_with(&format!("{table}.{}", field.fieldname)),
        Backend::Postgres => {
            let column = names::physical(backend, &field.fieldname).to_owned();
            violation.text.contains(&format!("\"{}\"", names::index(&table, &[column], true)))
        }
    })
}

fn column_spec(backend: Backend, doctype: &DocType, column: &Column) -> ColumnSpec {
    let spec = |not_null, default| ColumnSpec {
        name: names::physical(backend, &column.name).to_owned(),
        renamed_from: None,
        sql_type: SqlType::wanted(backend, column.column_type),
        not_null,
        default,
        fetch: None,
    };
    let Some(field) = column.field.map(|index| &doctype.fields[index]) else {
        let counts = matches!(column.name.as_str(), "docstatus" | "idx");
        return spec(counts, counts.then(|| ColumnDefault::Literal("0".to_owned())));
    };
    let empty = empty_value(field, column.column_type);
    // A default would give the same value to every row.
    let default = if field.unique { None } else { static_default(doctype, field, column.column_type) }
        .or_else(|| empty.as_ref().map(|value| ColumnDefault::Literal(value.to_string())));
    ColumnSpec {
        renamed_from: field.renamed_from.clone().filter(|old| *old != field.fieldname),
        fetch: fetch(doctype, field),
        ..spec(empty.is_some(), default)
    }
}

/// What stands for "nothing" in a column that refuses nulls.
fn empty_value(field: &DocField, column_type: ColumnType) -> Option<Value> {
    // Any number of documents may leave a unique field empty: only nulls do not collide.
    if field.unique {
        return None;
    }
    let number = matches!(
        field.fieldtype,
        Fieldtype::Check | Fieldtype::Int | Fieldtype::Currency | Fieldtype::Float | Fieldtype::Percent
    );
    match column_type {
        ColumnType::Int | ColumnType::BigInt | ColumnType::SmallInt | ColumnType::Decimal | ColumnType::Rating => {
            (number || field.not_nullable).then_some(Value::Int(0))
        }
        ColumnType::Varchar(_) | ColumnType::Text | ColumnType::LongText => {
            field.not_nullable.then(|| Value::Text(String::new()))
        }
        // There is no empty date, and no empty JSON: not_nullable is the validation's business.
        ColumnType::Date | ColumnType::Datetime | ColumnType::Time | ColumnType::Json => None,
    }
}

fn static_default(doctype: &DocType, field: &DocField, column_type: ColumnType) -> Option<ColumnDefault> {
    let default = field.default.as_deref().filter(|default| !default.is_empty())?;
    let is_shortcut = default.starts_with(':') || SHORTCUTS.contains(&default.to_ascii_lowercase().as_str());
    let is_template = doctype.title_field.as_deref() == Some(&field.fieldname) && default.contains('{');
    if is_shortcut || is_template || field.fieldtype == Fieldtype::Password {
        return None;
    }
    ColumnDefault::literal(column_type, default)
}

fn fetch(doctype: &DocType, field: &DocField) -> Option<Fetch> {
    let (link, source) = field.fetch_from.as_ref()?;
    let link_field = doctype.field(link).filter(|link| link.fieldtype == Fieldtype::Link && link.has_column())?;
    Some(Fetch { link: link.clone(), target: link_field.link_target()?.to_owned(), source: source.clone() })
}

fn indexes(backend: Backend, doctype: &DocType, table: &str) -> Vec<IndexSpec> {
    let mut wanted: Vec<(Vec<String>, bool)> = Vec::new();
    let mut add = |columns: &[&str], unique: bool| {
        let columns = columns.iter().map(|name| names::physical(backend, name).to_owned()).collect();
        if !wanted.iter().any(|(present, _)| *present == columns) {
            wanted.push((columns, unique));
        }
    };
    if doctype.istable {
        add(&["parent", "parenttype", "parentfield", "idx"], false);
    }
    // Uniques first, so that nothing below hides one.
    for field in doctype.fields.iter().filter(|field| field.unique && field.has_column()) {
        add(&[&field.fieldname], true);
    }
    // With the name behind it, equal times still have one order.
    add(&["creation", "name"], false);
    if let Some(sorted) = sort_index(doctype) {
        add(&sorted, false);
    }
    add(&["modified"], false);
    for field in doctype.fields.iter().filter(|field| field.has_column()) {
        let looked_up = field.search_index
            || field.in_standard_filter
            // Checks before a delete and renames look for them.
            || matches!(field.fieldtype, Fieldtype::Link | Fieldtype::DynamicLink);
        if !looked_up || field.unique {
            continue;
        }
        // Many rows may have one value: lists are filtered by it, and connections list what links here.
        let shared = matches!(field.fieldtype, Fieldtype::Select | Fieldtype::Check | Fieldtype::Link);
        let sorted = sort_index(doctype).filter(|sorted| {
            (field.in_standard_filter || shared)
                && !sorted.contains(&field.fieldname.as_str())
                && sorted.iter().all(|name| fits_index(backend, doctype, name))
        });
        // Behind the field, the default order: a list filtered by it reads one page and sorts nothing. An index of the field
        // alone would be chosen and its every row sorted, however many have the value.
        let columns: Vec<&str> =
            std::iter::once(field.fieldname.as_str()).chain(sorted.into_iter().flatten()).collect();
        add(&columns, false);
    }
    let starts = wanted.clone();
    let is_covered = |columns: &[String], unique: bool| {
        !unique && starts.iter().any(|(longer, _)| longer.len() > columns.len() && longer.starts_with(columns))
    };
    wanted
        .into_iter()
        .filter(|(columns, unique)| !is_covered(columns, *unique))
        .filter_map(|(columns, unique)| {
            let fits = columns.iter().all(|name| fits_index(backend, doctype, name));
            let digest = !fits && backend == Backend::Postgres;
            let name = names::index(table, &columns, unique);
            (fits || unique).then_some(IndexSpec { name, columns, unique, digest, trigrams: None, words: None })
        })
        .chain(trigram_index(backend, doctype, table))
        .chain(word_index(backend, doctype, table))
        .collect()
}

/// The index for searching parts of texts.
fn trigram_index(backend: Backend, doctype: &DocType, table: &str) -> Option<IndexSpec> {
    let columns: Vec<String> =
        doctype.trigram_columns().iter().map(|column| names::physical(backend, &column.name).to_owned()).collect();
    let name = names::trigrams(table, columns.iter().map(String::as_str));
    let trigrams = Some(TRIGRAM_CLASS.to_owned());
    (!columns.is_empty()).then_some(IndexSpec { name, columns, unique: false, digest: false, trigrams, words: None })
}

/// The index of words.
pub(in crate::database) fn word_index(backend: Backend, doctype: &DocType, table: &str) -> Option<IndexSpec> {
    let (heads, others) = doctype.word_columns();
    let physical = |columns: Vec<&Column>| -> Vec<String> {
        columns.iter().map(|column| names::physical(backend, &column.name).to_owned()).collect()
    };
    let (mut columns, others) = (physical(heads), physical(others));
    let (name, words) = (names::words(table, &columns, &others), Some(columns.len()));
    columns.extend(others);
    (!columns.is_empty()).then_some(IndexSpec { name, columns, unique: false, digest: false, trigrams: None, words })
}

/// The columns of the default order with the name behind them, where one scan of an index gives that order.
fn sort_index(doctype: &DocType) -> Option<Vec<&str>> {
    let (_, first) = doctype.sort.first()?;
    if doctype.sort.iter().any(|(field, order)| order != first || field == "name" || doctype.column(field).is_none()) {
        return None;
    }
    Some(doctype.sort.iter().map(|(field, _)| field.as_str()).chain(["name"]).collect())
}

fn fits_index(backend: Backend, doctype: &DocType, name: &str) -> bool {
    let column = doctype.columns.iter().find(|column| names::physical(backend, &column.name) == name);
    match column.map(|column| column.column_type) {
        None | Some(ColumnType::Text | ColumnType::LongText | ColumnType::Json) => false,
        Some(ColumnType::Varchar(length)) => backend == Backend::Sqlite || u32::from(length) <= POSTGRES_INDEXED_LENGTH,
        Some(_) => true,
    }
}
