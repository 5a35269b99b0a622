//! Names that count up: the numbers of DocTypes with `autoname: autoincrement`.

use sea_orm::DbErr;

use crate::database::connect::{Backend, Executor};
use crate::database::schema::names;
use crate::database::sql::{Sql, quote};
use crate::meta::DocType;
use crate::meta::fieldtype::Shape;

/// The next numbers of a DocType, in order; nobody else gets them, and those of a transaction that fails may be lost.
pub(crate) async fn next(exec: &dyn Executor, doctype: &DocType, count: usize) -> Result<Vec<i64>, DbErr> {
    let many = i64::try_from(count).unwrap_or(i64::MAX);
    let mut sql = Sql::new(exec.backend());
    if exec.backend() == Backend::Postgres {
        let sequence = quote(&names::sequence(&doctype.name)).replace('\'', "''");
        sql.push(&format!("SELECT nextval('{sequence}') FROM generate_series(1, ")).bind_int(many).push(")");
        let rows = exec.fetch(&sql.text, sql.params, &[Shape::Int]).await?;
        return Ok(rows.iter().filter_map(|row| row[0].as_int()).collect());
    }
    // SQLite counts here, and makes the row with the first document.
    let table = doctype.table_name();
    let mut first = Sql::new(Backend::Sqlite);
    first.push("INSERT INTO sqlite_sequence (name, seq) SELECT ").bind_text(&table).push(", 0 WHERE NOT EXISTS ");
    first.push("(SELECT 1 FROM sqlite_sequence WHERE name = ").bind_text(&table).push(")");
    exec.execute(&first.text, first.params).await?;
    sql.push("UPDATE sqlite_sequence SET seq = seq + ").bind_int(many).push(" WHERE name = ").bind_text(&table);
    sql.push(" RETURNING seq");
    let rows = exec.fetch(&sql.text, sql.params, &[Shape::Int]).await?;
    let last = rows.first().and_then(|row| row[0].as_int()).ok_or(DbErr::RecordNotUpdated)?;
    Ok((last - many + 1..=last).collect())
}
