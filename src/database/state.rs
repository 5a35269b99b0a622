//! What the engine remembers about a database: one text a key.

use chrono::{DateTime, Utc};
use sea_orm::DbErr;

use crate::database::connect::{Backend, Executor};
use crate::database::row::Param;
use crate::database::schema::wanted::STATE_TABLE;
use crate::database::sql::{Sql, quote};
use crate::meta::fieldtype::Shape;

/// What is remembered under a key; also `None` where there is no schema yet.
pub(crate) async fn get(executor: &dyn Executor, key: &str) -> Result<Option<String>, DbErr> {
    if !has_table(executor, STATE_TABLE).await? {
        return Ok(None);
    }
    let mut sql = Sql::new(executor.backend());
    sql.push("SELECT \"value\" FROM ").ident(STATE_TABLE).push(" WHERE \"key\" = ").bind_text(key);
    let rows = executor.fetch(&sql.text, sql.params, &[Shape::Text]).await?;
    Ok(rows.first().and_then(|row| row[0].as_str().map(ToOwned::to_owned)))
}

/// What is remembered under several keys, in their order; the schema is there.
pub(crate) async fn get_all<const N: usize>(
    executor: &dyn Executor,
    keys: [&str; N],
) -> Result<[Option<String>; N], DbErr> {
    let mut sql = Sql::new(executor.backend());
    sql.push("SELECT \"key\", \"value\" FROM ").ident(STATE_TABLE).push(" WHERE \"key\" IN (");
    for (index, key) in keys.iter().enumerate() {
        sql.push(if index > 0 { ", " } else { "" }).bind_text(*key);
    }
    let rows = executor.fetch(&sql.push(")").text.clone(), sql.params, &[Shape::Text; 2]).await?;
    let value = |key: &str| rows.iter().find(|row| row[0].text() == key)?[1].as_str().map(ToOwned::to_owned);
    Ok(keys.map(value))
}

/// Remembers a text under a key.
pub(crate) async fn set(executor: &dyn Executor, key: &str, value: &str) -> Result<(), DbErr> {
    let mut sql = Sql::new(executor.backend());
    sql.push("INSERT INTO ").ident(STATE_TABLE).push(" (\"key\", \"value\") VALUES (").bind_text(key).push(", ");
    sql.bind_text(value).push(") ON CONFLICT (\"key\") DO UPDATE SET \"value\" = excluded.\"value\"");
    executor.execute(&sql.text, sql.params).await.map(|_| ())
}

/// Whether a table holds anything; false as well if there is no such table.
pub(crate) async fn has_rows(executor: &dyn Executor, table: &str) -> Result<bool, DbErr> {
    if !has_table(executor, table).await? {
        return Ok(false);
    }
    let sql = format!("SELECT CAST(1 AS bigint) FROM {} LIMIT 1", quote(table));
    Ok(!executor.fetch(&sql, Vec::new(), &[Shape::Int]).await?.is_empty())
}

pub(crate) async fn has_table(executor: &dyn Executor, table: &str) -> Result<bool, DbErr> {
    let sql = match executor.backend() {
        Backend::Sqlite => "SELECT name FROM sqlite_schema WHERE type = 'table' AND name = ?",
        Backend::Postgres => {
            "SELECT CAST(tablename AS text) FROM pg_tables WHERE schemaname = current_schema() AND tablename = $1"
        }
    };
    Ok(!executor.fetch(sql, vec![Param::text(table)], &[Shape::Text]).await?.is_empty())
}

/// What the clock of the database shows; `None` on SQLite, which has none of its own.
pub(crate) async fn time(executor: &dyn Executor) -> Result<Option<DateTime<Utc>>, DbErr> {
    if executor.backend() == Backend::Sqlite {
        return Ok(None);
    }
    let sql = "SELECT CAST(extract(epoch FROM clock_timestamp()) * 1000000 AS bigint)";
    let rows = executor.fetch(sql, Vec::new(), &[Shape::Int]).await?;
    Ok(rows.first().and_then(|row| row[0].as_int()).and_then(DateTime::from_timestamp_micros))
}
