//! How often something happened within a minute, counted for all nodes together in the table `__Rate`.

use sea_orm::DbErr;
use serde::Serialize;

use crate::database::connect::{Database, Executor as _};
use crate::database::row::Param;
use crate::database::schema::wanted::RATE_TABLE;
use crate::database::sql::quote;
use crate::meta::fieldtype::Shape;

/// How many old counts go with each message, besides as many as it brings.
const OLD_AT_ONCE: usize = 10;

/// How often something happened in a minute.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Count {
    /// What is counted, in at most 140 characters.
    pub key: String,
    /// When its minute ends, in seconds since 1970.
    pub ends: i64,
    /// How often.
    pub times: i64,
}

/// Adds counts, each key once, at a time in seconds; returns how often it was at all nodes together, and when that minute
/// ends: it began with the first of them.
///
/// Only where several processes share the database; and a crash of the database may forget the last ones.
pub(crate) async fn add(database: &Database, counts: &[Count], now: i64) -> Result<Vec<Count>, DbErr> {
    let table = quote(RATE_TABLE);
    let transaction = database.begin().await?;
    let old = OLD_AT_ONCE + counts.len();
    let forget = format!(
        "SET LOCAL synchronous_commit = off; DELETE FROM {table} WHERE \"key\" IN (SELECT \"key\" FROM {table} \
         WHERE \"ends\" < {now} LIMIT {old} FOR UPDATE SKIP LOCKED)"
    );
    transaction.execute_script(&forget).await?;
    // In one order, so that no two nodes wait for each other.
    let sql = format!(
        "INSERT INTO {table} AS r (\"key\", \"ends\", \"count\") SELECT t.\"key\", t.\"ends\", t.\"times\" \
         FROM json_to_recordset(CAST($1 AS json)) AS t(\"key\" text, \"ends\" bigint, \"times\" bigint) \
         ORDER BY t.\"key\" ON CONFLICT (\"key\") DO UPDATE SET \
         \"count\" = CASE WHEN r.\"ends\" <= $2 THEN excluded.\"count\" ELSE r.\"count\" + excluded.\"count\" END, \
         \"ends\" = CASE WHEN r.\"ends\" <= $2 THEN excluded.\"ends\" ELSE r.\"ends\" END \
         RETURNING r.\"key\", r.\"ends\", r.\"count\""
    );
    let text = serde_json::to_string(counts).map_err(|error| DbErr::Json(error.to_string()))?;
    let shapes = [Shape::Text, Shape::Int, Shape::Int];
    let rows = transaction.fetch(&sql, vec![Param::text(&text), Param::int(now)], &shapes).await?;
    transaction.commit().await?;
    let count = |row: &Vec<crate::meta::Value>| {
        Some(Count { key: row[0].as_str()?.to_owned(), ends: row[1].as_int()?, times: row[2].as_int()? })
    };
    Ok(rows.iter().filter_map(count).collect())
}
