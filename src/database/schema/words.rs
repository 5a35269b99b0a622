//! Indexes of words, by which the search over everything finds documents, kept by triggers in the transaction of every write.
//!
//! On SQLite each is a table of FTS5, and a table beside it numbers the rows (see [`super::trigrams`]); on PostgreSQL all have
//! their rows in the one table [`TABLE`]. An index that is made for a table with rows is empty at first, and marked; a job
//! fills it ([`crate::database::words`]), from the newest document to the oldest, with numbers below those that are there.
//! Meanwhile triggers add every row that is touched.

use sea_orm::DbErr;

use crate::database::connect::{Backend, Database, Executor as _};
use crate::database::schema::sql_type::quote_text;
use crate::database::schema::trigrams::names_table;
use crate::database::schema::wanted::{IndexSpec, STATE_TABLE};
use crate::database::sql::quote;
use crate::database::state;

/// PostgreSQL: the words of every document, a row each.
pub(in crate::database) const TABLE: &str = "__Search";
/// How the engine remembers that an index is not filled yet: this and its name.
pub(in crate::database) const UNFILLED: &str = "unfilled ";
/// How the engine remembers that the rows of an index are to be removed: this and its name.
pub(in crate::database) const REMOVED: &str = "removed ";
/// So many letters of each field are read: a few megabytes in one document would keep every other writer waiting.
const MOST_LETTERS: usize = 10_000;
/// So many of each document, for PostgreSQL puts no more than a megabyte into a value.
const MOST_OF_DOCUMENT: usize = 100_000;
/// What stands between words although PostgreSQL's parser would read more into it: numbers with a sign, addresses, hosts.
const PUNCTUATION: &str = "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~\u{a0}«»“”„‘’–—…·";

/// Makes the table of PostgreSQL.
pub(in crate::database) async fn prepare(database: &Database) -> Result<(), DbErr> {
    if database.backend() == Backend::Sqlite || state::has_table(database, TABLE).await? {
        return Ok(());
    }
    let table = quote(TABLE);
    // The list of what was written lately, which GIN would keep otherwise, makes some writes wait for all of it.
    let script = format!(
        "CREATE TABLE IF NOT EXISTS {table} (\"id\" bigserial PRIMARY KEY, \"index\" text NOT NULL, \"name\" text NOT NULL, \
         \"words\" tsvector NOT NULL, UNIQUE (\"index\", \"name\"));\n\
         CREATE INDEX IF NOT EXISTS \"__Search words\" ON {table} USING gin (\"words\") WITH (fastupdate = off);\n"
    );
    match database.execute_script(&script).await {
        // Another node may have been faster.
        Err(error) if !state::has_table(database, TABLE).await? => Err(error),
        _ => Ok(()),
    }
}

/// The triggers of an index, and on SQLite its tables; nothing in it yet.
pub(super) fn create(backend: Backend, table: &str, index: &IndexSpec, heads: usize) -> String {
    match backend {
        Backend::Sqlite => create_sqlite(table, index, heads),
        Backend::Postgres => create_postgres(table, index, heads),
    }
}

/// Takes them away.
pub(super) fn remove(backend: Backend, index: &str) -> String {
    let forget = forget(UNFILLED, index);
    match backend {
        Backend::Sqlite => {
            let [inserted, updated, deleted] = triggers(index);
            format!(
                "DROP TRIGGER IF EXISTS {inserted};\nDROP TRIGGER IF EXISTS {updated};\nDROP TRIGGER IF EXISTS {deleted};\n\
                 DROP TABLE IF EXISTS {};\nDROP TABLE IF EXISTS {};\n{forget}",
                names_table(index),
                quote(index)
            )
        }
        // The trigger goes with its function, whatever its table is called by now.
        Backend::Postgres => {
            format!("DROP FUNCTION IF EXISTS {}() CASCADE;\n{forget}{}", quote(index), remember(REMOVED, index))
        }
    }
}

/// Notes that an index of a table with rows is to be filled.
pub(in crate::database) fn mark_unfilled(index: &str) -> String {
    remember(UNFILLED, index)
}

fn remember(what: &str, index: &str) -> String {
    let (table, key) = (quote(STATE_TABLE), quote_text(&format!("{what}{index}")));
    format!("INSERT INTO {table} (\"key\", \"value\") VALUES ({key}, '') ON CONFLICT (\"key\") DO NOTHING;\n")
}

fn forget(what: &str, index: &str) -> String {
    format!("DELETE FROM {} WHERE \"key\" = {};\n", quote(STATE_TABLE), quote_text(&format!("{what}{index}")))
}

/// What names a document, and the rest, as two expressions over a row.
pub(in crate::database) fn texts(backend: Backend, row: &str, columns: &[String], heads: usize) -> [String; 2] {
    let text = |columns: &[String]| {
        let parts: Vec<String> = columns
            .iter()
            .map(|name| match (backend, name.as_str()) {
                // Numbers are names, too.
                (_, "name") => format!("CAST({row}.\"name\" AS text)"),
                (Backend::Sqlite, name) => format!("substr(coalesce({row}.{}, ''), 1, {MOST_LETTERS})", quote(name)),
                (Backend::Postgres, name) => format!("left(coalesce({row}.{}, ''), {MOST_LETTERS})", quote(name)),
            })
            .collect();
        if parts.is_empty() { "''".to_owned() } else { parts.join(" || ' ' || ") }
    };
    [text(&columns[..heads]), text(&columns[heads..])]
}

/// PostgreSQL: the words of two texts, those of the first in front of the others.
pub(in crate::database) fn vector([head, rest]: &[String; 2]) -> String {
    let spaces = " ".repeat(PUNCTUATION.chars().count());
    let words = |text: &str| {
        // Put together again where the marks are part of a letter, as in Korean and Japanese.
        let folded =
            format!("normalize(regexp_replace(normalize(lower({text}), NFKD), '[\\u0300-\\u036f]', '', 'g'), NFC)");
        format!(
            "to_tsvector('simple', translate(left({folded}, {MOST_OF_DOCUMENT}), {}, '{spaces}'))",
            quote_text(PUNCTUATION)
        )
    };
    format!("setweight({}, 'A') || {}", words(head), words(rest))
}

fn create_sqlite(table: &str, index: &IndexSpec, heads: usize) -> String {
    let (names, fts, of) = (names_table(&index.name), quote(&index.name), quote(table));
    let values = |row: &str| texts(Backend::Sqlite, row, &index.columns, heads).join(", ");
    let add = format!(
        "INSERT INTO {fts} (rowid, head, rest) SELECT id, {} FROM {names} WHERE name = new.name;",
        values("new")
    );
    let take = format!(
        "INSERT INTO {fts} ({fts}, rowid, head, rest) SELECT 'delete', id, {} FROM {names} WHERE name = old.name;",
        values("old")
    );
    let [inserted, updated, deleted] = triggers(&index.name);
    let columns: Vec<String> = index.columns.iter().map(|name| quote(name)).collect();
    let changed: Vec<String> =
        columns.iter().map(|name| format!("coalesce(new.{name}, '') <> coalesce(old.{name}, '')")).collect();
    let clear = remove(Backend::Sqlite, &index.name);
    format!(
        "{clear}CREATE VIRTUAL TABLE {fts} USING fts5(head, rest, content = '', columnsize = 0, prefix = '2 3 4', \
         tokenize = 'unicode61 remove_diacritics 2');\n\
         CREATE TABLE {names} (id INTEGER PRIMARY KEY, name NOT NULL UNIQUE);\n\
         CREATE TRIGGER {inserted} AFTER INSERT ON {of} BEGIN \
         INSERT INTO {names} (name) VALUES (new.name); {add} END;\n\
         CREATE TRIGGER {updated} AFTER UPDATE OF {} ON {of} WHEN {} BEGIN \
         {take} UPDATE {names} SET name = new.name WHERE name = old.name; \
         INSERT OR IGNORE INTO {names} (name) VALUES (new.name); {add} END;\n\
         CREATE TRIGGER {deleted} AFTER DELETE ON {of} BEGIN {take} DELETE FROM {names} WHERE name = old.name; END;\n",
        columns.join(", "),
        changed.join(" OR "),
    )
}

fn create_postgres(table: &str, index: &IndexSpec, heads: usize) -> String {
    let (search, function, of, key) = (quote(TABLE), quote(&index.name), quote(table), quote_text(&index.name));
    let vector = vector(&texts(Backend::Postgres, "new", &index.columns, heads));
    let same: Vec<String> =
        index.columns.iter().map(|name| quote(name)).map(|c| format!("old.{c} IS NOT DISTINCT FROM new.{c}")).collect();
    let (old, new) = ("CAST(old.\"name\" AS text)", "CAST(new.\"name\" AS text)");
    format!(
        "DELETE FROM {search} WHERE \"index\" = {key};\n{}{}\
         CREATE OR REPLACE FUNCTION {function}() RETURNS trigger LANGUAGE plpgsql AS $doctyped$\nBEGIN\n\
         IF TG_OP = 'DELETE' THEN DELETE FROM {search} WHERE \"index\" = {key} AND \"name\" = {old}; RETURN NULL; END IF;\n\
         IF TG_OP = 'UPDATE' THEN\n\
         IF {} THEN RETURN NULL; END IF;\n\
         UPDATE {search} SET \"name\" = {new}, \"words\" = {vector} WHERE \"index\" = {key} AND \"name\" = {old};\n\
         IF FOUND THEN RETURN NULL; END IF;\nEND IF;\n\
         INSERT INTO {search} (\"index\", \"name\", \"words\") VALUES ({key}, {new}, {vector}) \
         ON CONFLICT (\"index\", \"name\") DO UPDATE SET \"words\" = excluded.\"words\";\n\
         RETURN NULL;\nEND $doctyped$;\n\
         CREATE OR REPLACE TRIGGER {function} AFTER INSERT OR UPDATE OR DELETE ON {of} FOR EACH ROW EXECUTE FUNCTION {function}();\n",
        forget(REMOVED, &index.name),
        forget(UNFILLED, &index.name),
        same.join(" AND "),
    )
}

/// SQLite: the triggers, by what happens to a row; the first is called like the index.
fn triggers(index: &str) -> [String; 3] {
    ["", " update", " delete"].map(|what| quote(&format!("{index}{what}")))
}
