//! Places of entries in the change feed.
//!
//! An entry is written by the transaction of its change, without a place. Whoever reads the feed gives places to entries
//! that are committed, one reader after the other. So an entry whose transaction ends late comes behind all that have a
//! place already, and never between them: no reader who has gone by misses it, whatever ends when.

use sea_orm::DbErr;

use crate::database::connect::Executor;
use crate::database::sql::Sql;
use crate::meta::DocType;
use crate::meta::fieldtype::Shape;

/// The counter among the series.
const COUNTER: &str = "__changes";
/// How many entries get their places in one transaction.
const AT_ONCE: i64 = 5000;

/// Gives places to entries that have none, in the order in which they were written; says whether more may wait.
pub(crate) async fn place(exec: &dyn Executor, entries: &DocType) -> Result<bool, DbErr> {
    // The row of the counter keeps other readers waiting until this is committed.
    let mut sql = Sql::new(exec.backend());
    sql.push("INSERT INTO \"tabSeries\" (\"name\", \"current\") VALUES (").bind_text(COUNTER);
    sql.push(", 0) ON CONFLICT (\"name\") DO UPDATE SET \"current\" = \"tabSeries\".\"current\"");
    exec.execute(&sql.text, sql.params).await?;
    let last = last(exec).await?;
    let table = entries.table_name();
    let mut sql = Sql::new(exec.backend());
    sql.push("UPDATE ")
        .ident(&table)
        .push(" SET \"position\" = \"found\".\"place\" FROM (SELECT \"name\" AS \"entry\", ");
    sql.bind_int(last).push(" + row_number() OVER (ORDER BY \"creation\", \"name\") AS \"place\" FROM ").ident(&table);
    sql.push(" WHERE \"position\" = 0 ORDER BY \"creation\", \"name\" LIMIT ").bind_int(AT_ONCE);
    sql.push(") AS \"found\" WHERE ").ident(&table).push(".\"name\" = \"found\".\"entry\"");
    let placed = i64::try_from(exec.execute(&sql.text, sql.params).await?).unwrap_or(i64::MAX);
    let mut sql = Sql::new(exec.backend());
    sql.push("UPDATE \"tabSeries\" SET \"current\" = ").bind_int(last + placed);
    sql.push(" WHERE \"name\" = ").bind_text(COUNTER);
    exec.execute(&sql.text, sql.params).await?;
    Ok(placed == AT_ONCE)
}

/// The last place that was given, whether or not its entry is still there.
pub(crate) async fn last(exec: &dyn Executor) -> Result<i64, DbErr> {
    let mut sql = Sql::new(exec.backend());
    sql.push("SELECT CAST(\"current\" AS bigint) FROM \"tabSeries\" WHERE \"name\" = ").bind_text(COUNTER);
    let rows = exec.fetch(&sql.text, sql.params, &[Shape::Int]).await?;
    Ok(rows.first().and_then(|row| row[0].as_int()).unwrap_or(0))
}
