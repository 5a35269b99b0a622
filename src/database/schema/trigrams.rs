//! Indexes of trigrams, by which parts of texts are found among millions of rows: those of the extension `pg_trgm` on
//! PostgreSQL, tables of FTS5 that triggers keep on SQLite.
//!
//! Rows of a table are numbered by a table beside it, because SQLite may give rows with a textual key new numbers (`VACUUM`).
//! The texts of a row are one text, each behind [`START`], so that what they begin with is found as well.

use sea_orm::DbErr;

use crate::database::connect::{Backend, Database, Executor};
use crate::database::schema::wanted::{IndexSpec, TRIGRAM_CLASS};
use crate::database::sql::quote;
use crate::meta::fieldtype::Shape;

/// What stands before each text in an index of SQLite.
pub(in crate::database) const START: char = '\u{2}';

/// The operator class for indexes of trigrams; `None` where there is none.
pub(crate) async fn class(executor: &dyn Executor) -> Result<Option<String>, DbErr> {
    if executor.backend() == Backend::Sqlite {
        return Ok(Some(TRIGRAM_CLASS.to_owned()));
    }
    let sql = format!(
        "SELECT CAST(format('%I.%I', n.nspname, c.opcname) AS text) FROM pg_opclass c \
         JOIN pg_namespace n ON n.oid = c.opcnamespace \
         WHERE c.opcname = '{TRIGRAM_CLASS}' AND has_schema_privilege(n.oid, 'USAGE')"
    );
    let rows = executor.fetch(&sql, Vec::new(), &[Shape::Text]).await?;
    Ok(rows.first().map(|row| row[0].text().to_owned()))
}

/// Makes the extension of PostgreSQL, which whoever may make schemas in a database may do; searches go without it.
pub(in crate::database) async fn prepare(database: &Database) -> Result<(), DbErr> {
    if class(database).await?.is_some() {
        return Ok(());
    }
    if let Err(error) = database.execute_script("CREATE EXTENSION IF NOT EXISTS pg_trgm").await
        // Another node may have been faster.
        && class(database).await?.is_none()
    {
        tracing::warn!(%error, "searching reads whole tables, because the extension pg_trgm is missing: {}", advice());
    }
    Ok(())
}

/// What to do where the extension is missing.
pub(crate) fn advice() -> &'static str {
    "have an administrator of the database run CREATE EXTENSION pg_trgm in it, then start again"
}

/// SQLite: the table that numbers the rows.
pub(in crate::database) fn names_table(index: &str) -> String {
    quote(&format!("{index} names"))
}

/// SQLite: the tables and triggers of an index, filled.
pub(super) fn create(table: &str, index: &IndexSpec) -> String {
    let (names, fts, of) = (names_table(&index.name), quote(&index.name), quote(table));
    let text = |row: &str| {
        let texts =
            index.columns.iter().map(|name| format!("char({}) || coalesce({row}.{}, '')", START as u32, quote(name)));
        texts.collect::<Vec<_>>().join(" || ")
    };
    let add = format!("INSERT INTO {fts} (rowid, text) SELECT id, {} FROM {names} WHERE name = new.name;", text("new"));
    let take = format!(
        "INSERT INTO {fts} ({fts}, rowid, text) SELECT 'delete', id, {} FROM {names} WHERE name = old.name;",
        text("old")
    );
    let [inserted, updated, deleted] = triggers(&index.name);
    let others = index.columns.iter().filter(|name| *name != "name");
    let columns =
        std::iter::once("name".to_owned()).chain(others.map(|name| quote(name))).collect::<Vec<_>>().join(", ");
    // A table that somebody made anew by hand has lost its triggers alone.
    let clear = remove(&index.name);
    format!(
        "{clear}CREATE VIRTUAL TABLE {fts} USING fts5(text, content = '', columnsize = 0, detail = none, tokenize = 'trigram');\n\
         CREATE TABLE {names} (id INTEGER PRIMARY KEY, name NOT NULL UNIQUE);\n\
         INSERT INTO {names} (name) SELECT name FROM {of} ORDER BY creation;\n\
         INSERT INTO {fts} (rowid, text) SELECT n.id, {} FROM {names} n CROSS JOIN {of} t ON t.name = n.name ORDER BY n.id;\n\
         CREATE TRIGGER {inserted} AFTER INSERT ON {of} BEGIN \
         INSERT INTO {names} (name) VALUES (new.name); {add} END;\n\
         CREATE TRIGGER {updated} AFTER UPDATE OF {columns} ON {of} \
         WHEN new.name <> old.name OR {} <> {} BEGIN \
         {take} UPDATE {names} SET name = new.name WHERE name = old.name; {add} END;\n\
         CREATE TRIGGER {deleted} AFTER DELETE ON {of} BEGIN {take} DELETE FROM {names} WHERE name = old.name; END;\n",
        text("t"),
        text("new"),
        text("old"),
    )
}

/// SQLite: takes them away.
pub(super) fn remove(index: &str) -> String {
    let [inserted, updated, deleted] = triggers(index);
    format!(
        "DROP TRIGGER IF EXISTS {inserted};\nDROP TRIGGER IF EXISTS {updated};\nDROP TRIGGER IF EXISTS {deleted};\n\
         DROP TABLE IF EXISTS {};\nDROP TABLE IF EXISTS {};\n",
        names_table(index),
        quote(index)
    )
}

/// The triggers, by what happens to a row; the first is called like the index.
fn triggers(index: &str) -> [String; 3] {
    ["", " update", " delete"].map(|what| quote(&format!("{index}{what}")))
}
