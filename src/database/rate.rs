//! How often something happened within a minute, counted for all nodes together in the table `__Rate`.

use sea_orm::DbErr;

use crate::database::connect::{Database, Executor as _};
use crate::database::row::Param;
use crate::database::schema::wanted::RATE_TABLE;
use crate::database::sql::quote;
use crate::meta::fieldtype::Shape;

/// How long something counts, in seconds.
const WINDOW: i64 = 60;
/// How many old counts go with each new one.
const OLD_AT_ONCE: u32 = 10;

/// Counts one more under a key at a time in seconds; says for how many seconds no more may come, if there were `limit`
/// in its minute already. The minute begins with the first.
///
/// Only where several processes share the database; and a crash of the database may forget the last ones.
pub(crate) async fn count(database: &Database, key: &str, limit: i64, now: i64) -> Result<Option<i64>, DbErr> {
    if !database.is_shared() {
        return Ok(None);
    }
    let table = quote(RATE_TABLE);
    let transaction = database.begin().await?;
    let forget = format!(
        "SET LOCAL synchronous_commit = off; DELETE FROM {table} WHERE \"key\" IN (SELECT \"key\" FROM {table} \
         WHERE \"ends\" < {now} LIMIT {OLD_AT_ONCE} FOR UPDATE SKIP LOCKED)"
    );
    transaction.execute_script(&forget).await?;
    let sql = format!(
        "INSERT INTO {table} AS r (\"key\", \"ends\", \"count\") VALUES ($1, $2 + {WINDOW}, 1) \
         ON CONFLICT (\"key\") DO UPDATE SET \
         \"count\" = CASE WHEN r.\"ends\" <= $2 THEN 1 ELSE r.\"count\" + 1 END, \
         \"ends\" = CASE WHEN r.\"ends\" <= $2 THEN excluded.\"ends\" ELSE r.\"ends\" END \
         WHERE r.\"ends\" <= $2 OR r.\"count\" < $3 RETURNING r.\"ends\""
    );
    let counted = transaction.fetch(&sql, vec![Param::text(key), Param::int(now), Param::int(limit)], &[Shape::Int]);
    if !counted.await?.is_empty() {
        transaction.commit().await?;
        return Ok(None);
    }
    let sql = format!("SELECT \"ends\" FROM {table} WHERE \"key\" = $1");
    let ends = transaction.fetch(&sql, vec![Param::text(key)], &[Shape::Int]).await?;
    transaction.rollback().await?;
    Ok(Some(ends.first().and_then(|row| row[0].as_int()).map_or(1, |ends| ends - now).max(1)))
}
