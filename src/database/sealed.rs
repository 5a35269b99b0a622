//! Texts that are sealed with another key than the current one, wherever they are stored.

use sea_orm::DbErr;

use crate::database::connect::{Backend, Database, Executor};
use crate::database::sql::Sql;
use crate::meta::fieldtype::Shape;

/// Where sealed texts may stand.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place<'a> {
    /// The table.
    pub table: &'a str,
    /// Its key, texts all of them.
    pub key: &'a [&'a str],
    /// The column of the texts.
    pub column: &'a str,
}

/// The next rows whose text begins with `sealed`, but not with `current`: their keys, with the text behind them. They are in
/// the order of the keys, and begin behind the key of `after`.
pub(crate) async fn next(
    exec: &dyn Executor,
    place: Place<'_>,
    (sealed, current): (&str, &str),
    after: Option<&[String]>,
    limit: usize,
) -> Result<Vec<Vec<String>>, DbErr> {
    let mut sql = Sql::new(exec.backend());
    sql.push("SELECT ");
    for column in place.key {
        sql.push("CAST(").ident(column).push(" AS text), ");
    }
    sql.push("CAST(").ident(place.column).push(" AS text) FROM ").ident(place.table);
    for (text, comparison) in [(sealed, " = "), (current, " <> ")] {
        sql.push(if comparison == " = " { " WHERE substr(" } else { " AND substr(" }).ident(place.column);
        sql.push(&format!(", 1, {})", text.len())).push(comparison).bind_text(text);
    }
    if let Some(after) = after {
        push_list(sql.push(" AND ("), place.key).push(") > (");
        for (index, value) in after.iter().enumerate() {
            if index > 0 {
                sql.push(", ");
            }
            sql.bind_text(value.as_str());
        }
        sql.push(")");
    }
    push_list(sql.push(" ORDER BY "), place.key).push(&format!(" LIMIT {limit}"));
    let rows = exec.fetch(&sql.text, sql.params, &vec![Shape::Text; place.key.len() + 1]).await?;
    Ok(rows.iter().map(|row| row.iter().map(ToString::to_string).collect()).collect())
}

fn push_list<'s>(sql: &'s mut Sql, columns: &[&str]) -> &'s mut Sql {
    for (index, column) in columns.iter().enumerate() {
        if index > 0 {
            sql.push(", ");
        }
        sql.ident(column);
    }
    sql
}

impl Database {
    /// A moment, as [`Database::has_writes_since_before`] takes it.
    pub(crate) async fn moment(&self) -> Result<String, DbErr> {
        if self.backend() == Backend::Sqlite {
            return Ok(String::new());
        }
        let rows = self.fetch("SELECT CAST(clock_timestamp() AS text)", Vec::new(), &[Shape::Text]).await?;
        Ok(rows.first().map(|row| row[0].to_string()).unwrap_or_default())
    }

    /// Whether a transaction that writes is still open that began before a moment. On SQLite it waits for those.
    pub(crate) async fn has_writes_since_before(&self, moment: &str) -> Result<bool, DbErr> {
        if self.backend() == Backend::Sqlite {
            // There is one writer at a time.
            let transaction = self.begin().await?;
            transaction.fetch("SELECT 1", Vec::new(), &[Shape::Int]).await?;
            transaction.rollback().await?;
            return Ok(false);
        }
        let mut sql = Sql::new(self.backend());
        sql.push(
            "SELECT CAST(1 AS bigint) FROM pg_stat_activity WHERE datname = current_database() AND backend_xid IS NOT NULL \
             AND pid <> pg_backend_pid() AND xact_start < CAST(",
        );
        sql.bind_text(moment).push(" AS timestamptz) LIMIT 1");
        Ok(!self.fetch(&sql.text, sql.params, &[Shape::Int]).await?.is_empty())
    }
}
