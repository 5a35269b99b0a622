//! Introspection: which tables, columns and indexes a database has.

pub(super) mod ddl;
pub(crate) mod names;
pub(crate) mod sql_type;
pub(crate) mod trigrams;
pub(crate) mod wanted;
pub(in crate::database) mod words;

use std::collections::{BTreeMap, BTreeSet};

use sea_orm::DbErr;

use crate::database::connect::{Backend, Executor};
use crate::meta::Value;
use crate::meta::fieldtype::Shape;

pub(crate) use sql_type::{ColumnDefault, SqlType};

/// What is there.
#[derive(Clone, Debug)]
pub(crate) struct Snapshot {
    /// Whose names and types these are.
    pub backend: Backend,
    /// The tables by [`names::key`].
    pub tables: BTreeMap<String, Table>,
    /// The operator class for indexes of trigrams; `None` where PostgreSQL has no extension for them.
    pub trigrams: Option<String>,
    /// The stored fields of each Single, from `tabSingles`.
    pub singles: BTreeMap<String, BTreeSet<String>>,
}

/// A table as the database reports it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Table {
    /// The name.
    pub name: String,
    /// In the table's order.
    pub columns: Vec<Column>,
    /// The columns of the primary key, in its order.
    pub primary_key: Vec<String>,
    /// The constraint behind the primary key, where it has a name.
    pub primary_key_name: Option<String>,
    /// `INTEGER PRIMARY KEY AUTOINCREMENT` on SQLite.
    pub autoincrement: bool,
    /// By name, without those that the database made for keys and constraints.
    pub indexes: BTreeMap<String, Index>,
}

/// A column as the database reports it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Column {
    /// The name.
    pub name: String,
    /// The type.
    pub sql_type: SqlType,
    /// The type as the database writes it.
    pub declared: String,
    /// Refuses nulls; columns of a primary key always count as such.
    pub not_null: bool,
    /// The default.
    pub default: Option<ColumnDefault>,
    /// The default as the database writes it.
    pub default_text: Option<String>,
}

/// An index as the database reports it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Index {
    /// The columns; empty text stands for an expression.
    pub columns: Vec<String>,
    /// Refuses duplicates.
    pub unique: bool,
}

impl Snapshot {
    /// A database without tables.
    pub(crate) fn empty(backend: Backend) -> Self {
        let trigrams = Some(wanted::TRIGRAM_CLASS.to_owned());
        Self { backend, tables: BTreeMap::new(), trigrams, singles: BTreeMap::new() }
    }

    /// The table that this name reaches.
    pub(crate) fn table(&self, name: &str) -> Option<&Table> {
        self.tables.get(&names::key(self.backend, name))
    }
}

impl Table {
    /// The column that this name reaches.
    pub(crate) fn column(&self, backend: Backend, name: &str) -> Option<&Column> {
        let key = names::key(backend, name);
        self.columns.iter().find(|column| names::key(backend, &column.name) == key)
    }
}

/// Reads what is there: some statements for any number of tables, and one for `tabSingles` if it exists.
pub(crate) async fn introspect(executor: &dyn Executor) -> Result<Snapshot, DbErr> {
    let backend = executor.backend();
    let mut snapshot = Snapshot::empty(backend);
    snapshot.trigrams = trigrams::class(executor).await?;
    read_columns(executor, &mut snapshot).await?;
    read_indexes(executor, &mut snapshot).await?;
    if snapshot.table("tabSingles").is_some() {
        let rows = executor.fetch(SINGLES, Vec::new(), &[Shape::Text; 2]).await?;
        for row in rows {
            snapshot.singles.entry(row[0].text().to_owned()).or_default().insert(row[1].text().to_owned());
        }
    }
    Ok(snapshot)
}

const SINGLES: &str = r#"SELECT "doctype", "field" FROM "tabSingles""#;

// Table, column, type, not null, default, position in the primary key, autoincrement.
const SQLITE_COLUMNS: &str = r#"
SELECT t.name, c.name, c.type, c."notnull", c.dflt_value, c.pk, t.sql LIKE '%PRIMARY KEY AUTOINCREMENT%'
FROM sqlite_schema t JOIN pragma_table_info(t.name) c
WHERE t.type = 'table' AND substr(t.name, 1, 7) <> 'sqlite_' AND substr(t.name, 1, 6) NOT IN ('tx tab', 'wx tab')
ORDER BY t.name, c.cid"#;

// Table, index, unique, belongs to the primary key, column.
const SQLITE_INDEXES: &str = r#"
SELECT "table", name, "unique", "primary", "column" FROM (
SELECT t.name AS "table", i.name, i."unique", i.origin = 'pk' AS "primary", x.name AS "column", x.seqno
FROM sqlite_schema t JOIN pragma_index_list(t.name) i JOIN pragma_index_info(i.name) x
WHERE t.type = 'table' AND i.origin = 'c'
UNION ALL
SELECT tbl_name, name, 0, 0, '', 0 FROM sqlite_schema
WHERE type = 'trigger' AND (name LIKE 'tx tab%' OR name LIKE 'wx tab%') AND sql LIKE '% AFTER INSERT ON %'
) ORDER BY "table", name, seqno"#;

const POSTGRES_COLUMNS: &str = r"
SELECT CAST(t.relname AS text), CAST(c.attname AS text), format_type(c.atttypid, c.atttypmod),
       CAST(CAST(c.attnotnull AS integer) AS bigint), pg_get_expr(d.adbin, d.adrelid), CAST(0 AS bigint), CAST(0 AS bigint)
FROM pg_class t
JOIN pg_attribute c ON c.attrelid = t.oid AND c.attnum > 0 AND NOT c.attisdropped
LEFT JOIN pg_attrdef d ON d.adrelid = t.oid AND d.adnum = c.attnum
WHERE t.relnamespace = CAST(current_schema() AS regnamespace) AND t.relkind IN ('r', 'p')
ORDER BY t.relname, c.attnum";

const POSTGRES_INDEXES: &str = r"
SELECT CAST(t.relname AS text), CAST(i.relname AS text), CAST(CAST(x.indisunique AS integer) AS bigint),
       CAST(CAST(x.indisprimary AS integer) AS bigint), CAST(coalesce(c.attname, '') AS text), CAST(k.position AS bigint)
FROM pg_index x
JOIN pg_class i ON i.oid = x.indexrelid
JOIN pg_class t ON t.oid = x.indrelid
CROSS JOIN LATERAL generate_series(1, x.indnkeyatts) AS k(position)
LEFT JOIN pg_attribute c ON c.attrelid = t.oid AND c.attnum = x.indkey[k.position - 1]
WHERE t.relnamespace = CAST(current_schema() AS regnamespace) AND t.relkind IN ('r', 'p')
UNION ALL
SELECT CAST(t.relname AS text), CAST(g.tgname AS text), CAST(0 AS bigint), CAST(0 AS bigint), '', CAST(0 AS bigint)
FROM pg_trigger g JOIN pg_class t ON t.oid = g.tgrelid
WHERE t.relnamespace = CAST(current_schema() AS regnamespace) AND g.tgname LIKE 'wx tab%'
ORDER BY 1, 2, 6";

async fn read_columns(executor: &dyn Executor, snapshot: &mut Snapshot) -> Result<(), DbErr> {
    let backend = snapshot.backend;
    let sql = match backend {
        Backend::Sqlite => SQLITE_COLUMNS,
        Backend::Postgres => POSTGRES_COLUMNS,
    };
    let shapes = [Shape::Text, Shape::Text, Shape::Text, Shape::Int, Shape::Text, Shape::Int, Shape::Int];
    let mut keys: Vec<(i64, String, String)> = Vec::new();
    for row in executor.fetch(sql, Vec::new(), &shapes).await? {
        let [table_name, name, declared, not_null, default_text, position, autoincrement] = row.as_slice() else {
            continue;
        };
        let table_key = names::key(backend, table_name.text());
        let table = snapshot.tables.entry(table_key.clone()).or_insert_with(|| Table {
            name: table_name.text().to_owned(),
            columns: Vec::new(),
            primary_key: Vec::new(),
            primary_key_name: None,
            autoincrement: autoincrement.is_truthy(),
            indexes: BTreeMap::new(),
        });
        let in_key = position.as_int().filter(|position| *position > 0);
        if let Some(position) = in_key {
            keys.push((position, table_key, name.text().to_owned()));
        }
        table.columns.push(Column {
            name: name.text().to_owned(),
            sql_type: SqlType::parse(backend, declared.text()),
            declared: declared.text().to_owned(),
            not_null: not_null.is_truthy() || in_key.is_some(),
            default: default_text.as_str().and_then(ColumnDefault::parse),
            default_text: default_text.as_str().map(ToOwned::to_owned),
        });
    }
    keys.sort();
    for (_, table_key, column) in keys {
        if let Some(table) = snapshot.tables.get_mut(&table_key) {
            table.primary_key.push(column);
        }
    }
    Ok(())
}

async fn read_indexes(executor: &dyn Executor, snapshot: &mut Snapshot) -> Result<(), DbErr> {
    let backend = snapshot.backend;
    let sql = match backend {
        Backend::Sqlite => SQLITE_INDEXES,
        Backend::Postgres => POSTGRES_INDEXES,
    };
    let shapes = [Shape::Text, Shape::Text, Shape::Int, Shape::Int, Shape::Text];
    for row in executor.fetch(sql, Vec::new(), &shapes).await? {
        let [table_name, name, unique, primary, column] = row.as_slice() else { continue };
        let Some(table) = snapshot.tables.get_mut(&names::key(backend, table_name.text())) else { continue };
        let column_name = column.text().to_owned();
        if primary.is_truthy() {
            table.primary_key_name = Some(name.text().to_owned());
            table.primary_key.push(column_name);
            continue;
        }
        let index = table
            .indexes
            .entry(name.text().to_owned())
            .or_insert_with(|| Index { columns: Vec::new(), unique: *unique == Value::Int(1) });
        index.columns.push(column_name);
    }
    Ok(())
}
