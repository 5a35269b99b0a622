//! Statements that make tables, columns and indexes.

use std::fmt::Write;

use crate::database::connect::Backend;
use crate::database::schema::wanted::{ColumnSpec, IndexSpec, TableSpec};
use crate::database::schema::{names, trigrams, words};
use crate::database::sql::quote;

/// A column's definition in CREATE TABLE or ADD COLUMN.
pub(crate) fn column(backend: Backend, column: &ColumnSpec, autoincrement: bool) -> String {
    let name = quote(&column.name);
    if autoincrement && backend == Backend::Sqlite {
        return format!("{name} INTEGER PRIMARY KEY AUTOINCREMENT");
    }
    let not_null = if column.not_null { " NOT NULL" } else { "" };
    let default = column
        .default
        .as_ref()
        .map_or_else(String::new, |default| format!(" DEFAULT {}", default.ddl(&column.sql_type)));
    format!("{name} {}{not_null}{default}", column.sql_type.ddl(backend))
}

/// A new table with its indexes.
pub(crate) fn create_table(backend: Backend, table: &TableSpec) -> String {
    let name = quote(&table.name);
    let mut script = String::with_capacity(1024);
    if let Some(sequence) = &table.sequence {
        script.push_str(&create_sequence(sequence));
    }
    let mut parts: Vec<String> =
        table.columns.iter().map(|spec| column(backend, spec, table.autoincrement && spec.name == "name")).collect();
    if !(table.autoincrement && backend == Backend::Sqlite) {
        parts.push(format!("PRIMARY KEY ({})", list(&table.primary_key)));
    }
    let _ = writeln!(script, "CREATE TABLE {name} ({});", parts.join(", "));
    if let Some(sequence) = &table.sequence {
        script.push_str(&own_sequence(sequence, &table.name));
    }
    for index in &table.indexes {
        script.push_str(&create_index(backend, &table.name, index));
    }
    script
}

/// An index.
pub(crate) fn create_index(backend: Backend, table: &str, index: &IndexSpec) -> String {
    if let Some(heads) = index.words {
        return words::create(backend, table, index, heads);
    }
    match (&index.trigrams, backend) {
        (None, _) => {}
        (Some(_), Backend::Sqlite) => return trigrams::create(table, index),
        (Some(class), Backend::Postgres) => {
            let columns: Vec<String> = index.columns.iter().map(|name| format!("{} {class}", quote(name))).collect();
            let (name, table, columns) = (quote(&index.name), quote(table), columns.join(", "));
            // Otherwise searches would read a list of what was written lately, and some writes put it in order for seconds.
            return format!("CREATE INDEX {name} ON {table} USING gin ({columns}) WITH (fastupdate = off);\n");
        }
    }
    let unique = if index.unique { "UNIQUE " } else { "" };
    let columns = list(&index.columns);
    let on = if index.digest { format!("md5(CAST({columns} AS text))") } else { columns };
    format!("CREATE {unique}INDEX {} ON {} ({on});\n", quote(&index.name), quote(table))
}

/// Takes an index away.
pub(crate) fn drop_index(backend: Backend, name: &str) -> String {
    match backend {
        _ if names::is_words(name) => words::remove(backend, name),
        Backend::Sqlite if names::is_trigrams(name) => trigrams::remove(name),
        _ => format!("DROP INDEX IF EXISTS {};\n", quote(name)),
    }
}

/// PostgreSQL: a sequence for names that count up.
pub(crate) fn create_sequence(sequence: &str) -> String {
    format!("CREATE SEQUENCE IF NOT EXISTS {};\n", quote(sequence))
}

/// PostgreSQL: the sequence goes with the table.
pub(crate) fn own_sequence(sequence: &str, table: &str) -> String {
    format!("ALTER SEQUENCE {} OWNED BY {}.\"name\";\n", quote(sequence), quote(table))
}

/// Quoted names, separated by commas.
pub(crate) fn list(columns: &[String]) -> String {
    columns.iter().map(|name| quote(name)).collect::<Vec<_>>().join(", ")
}
