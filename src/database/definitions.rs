//! The definitions that were last in force, kept in the database itself: so that a file which breaks takes nothing out of force,
//! not even over a restart.

use std::collections::{BTreeMap, BTreeSet};

use sea_orm::DbErr;

use crate::database::connect::{Backend, Database, Executor};
use crate::database::schema::wanted::DEFINITION_TABLE;
use crate::database::sql::{Sql, quote};
use crate::database::state;
use crate::database::written::Written;
use crate::meta::Value;
use crate::meta::fieldtype::Shape;
use crate::meta::in_force::Kept;

/// What was last in force, by DocType; nothing before the first start.
pub(crate) async fn read(database: &dyn Executor) -> Result<BTreeMap<String, Kept>, DbErr> {
    let exists = match database.backend() {
        Backend::Sqlite => "SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND name = ",
        Backend::Postgres => {
            "SELECT count(*) FROM pg_class WHERE relnamespace = CAST(current_schema() AS regnamespace) AND relname = "
        }
    };
    let exists = database.fetch(&format!("{exists}'{DEFINITION_TABLE}'"), Vec::new(), &[Shape::Int]).await?;
    if !exists.first().is_some_and(|row| row[0].is_truthy()) {
        return Ok(BTreeMap::new());
    }
    let sql = format!("SELECT \"doctype\", \"definition\", \"files\" FROM {}", quote(DEFINITION_TABLE));
    let rows = database.fetch(&sql, Vec::new(), &[Shape::Text; 3]).await?;
    Ok(kept(rows))
}

/// What the rows of the table say.
pub(crate) fn kept(rows: Vec<Vec<Value>>) -> BTreeMap<String, Kept> {
    let kept = |row: Vec<Value>| {
        let files = row[2].text().lines().map(str::to_owned).collect();
        (row[0].text().to_owned(), Kept { definition: row[1].text().to_owned(), files })
    };
    rows.into_iter().map(kept).collect()
}

/// Under which key it is remembered which definitions were in force before, by their versions, the last first.
const BEFORE: &str = "definitions before";
/// How many of them.
const MOST_BEFORE: usize = 200;

/// The versions of definitions that were in force before those that are.
pub(crate) async fn versions_before(database: &Database) -> Result<Vec<String>, DbErr> {
    let before = state::get(database, BEFORE).await?.unwrap_or_default();
    Ok(before.lines().map(str::to_owned).collect())
}

/// Keeps some definitions, and forgets others, together; `before` is the version of those that were in force until now.
/// The other nodes are told.
pub(crate) async fn write(
    database: &Database,
    kept: &BTreeMap<String, Kept>,
    forgotten: &BTreeSet<String>,
    before: &str,
) -> Result<(), DbErr> {
    if kept.is_empty() && forgotten.is_empty() {
        return Ok(());
    }
    let transaction = database.begin().await?;
    let mut versions = state::get(&transaction, BEFORE).await?.unwrap_or_default();
    versions = versions
        .lines()
        .filter(|version| *version != before)
        .take(MOST_BEFORE - 1)
        .fold(before.to_owned(), |versions, version| versions + "\n" + version);
    state::set(&transaction, BEFORE, &versions).await?;
    let table = quote(DEFINITION_TABLE);
    for (doctype, kept) in kept {
        let mut sql = Sql::new(database.backend());
        sql.push("INSERT INTO ").push(&table).push(" (\"doctype\", \"definition\", \"files\") VALUES (");
        sql.bind_text(doctype).push(", ").bind_text(&kept.definition).push(", ").bind_text(kept.files.join("\n"));
        sql.push(") ON CONFLICT (\"doctype\") DO UPDATE SET \"definition\" = excluded.\"definition\", \"files\" = excluded.\"files\"");
        transaction.execute(&sql.text, sql.params).await?;
    }
    for doctype in forgotten {
        let mut sql = Sql::new(database.backend());
        sql.push("DELETE FROM ").push(&table).push(" WHERE \"doctype\" = ").bind_text(doctype);
        transaction.execute(&sql.text, sql.params).await?;
    }
    transaction.commit_and_tell(&Written::definitions()).await
}
