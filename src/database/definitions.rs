//! The definitions that were last in force, kept in the database itself: so that a file which breaks takes nothing out of force,
//! not even over a restart.

use std::collections::{BTreeMap, BTreeSet};

use sea_orm::DbErr;

use crate::database::connect::{Backend, Database, Executor};
use crate::database::schema::wanted::DEFINITION_TABLE;
use crate::database::sql::{Sql, quote};
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

/// Keeps some definitions, and forgets others, together.
pub(crate) async fn write(
    database: &Database,
    kept: &BTreeMap<String, Kept>,
    forgotten: &BTreeSet<String>,
) -> Result<(), DbErr> {
    if kept.is_empty() && forgotten.is_empty() {
        return Ok(());
    }
    let transaction = database.begin().await?;
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
    transaction.commit().await
}
