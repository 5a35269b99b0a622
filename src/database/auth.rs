//! The table `__Auth`: the secrets of documents, sealed or hashed, apart from the rows they belong to.

use sea_orm::DbErr;

use crate::database::connect::Executor;
use crate::database::sql::{NAMES_AT_ONCE, Sql, push_names, push_select};
use crate::meta::fieldtype::{ColumnType, Shape};

/// The stored text of `__Auth` (sealed or hashed) and whether it is sealed.
pub(crate) async fn find(
    exec: &dyn Executor,
    doctype: &str,
    name: &str,
    fieldname: &str,
) -> Result<Option<(String, bool)>, DbErr> {
    let mut sql = Sql::new(exec.backend());
    sql.push("SELECT \"password\", ");
    push_select(&mut sql.text, exec.backend(), "", "encrypted", ColumnType::SmallInt);
    sql.push(" FROM \"__Auth\" WHERE \"doctype\" = ").bind_text(doctype).push(" AND \"name\" = ").bind_text(name);
    sql.push(" AND \"fieldname\" = ").bind_text(fieldname);
    let rows = exec.fetch(&sql.text, sql.params, &[Shape::Text, Shape::Int]).await?;
    Ok(rows.into_iter().next().map(|row| (row[0].to_string(), row[1].is_truthy())))
}

/// Stores a secret of a document: sealed (`encrypted`) or hashed.
pub(crate) async fn set(
    exec: &dyn Executor,
    (doctype, name, fieldname): (&str, &str, &str),
    stored: &str,
    encrypted: bool,
) -> Result<(), DbErr> {
    let mut sql = Sql::new(exec.backend());
    sql.push("INSERT INTO \"__Auth\" (\"doctype\", \"name\", \"fieldname\", \"password\", \"encrypted\") VALUES (");
    sql.bind_text(doctype).push(",").bind_text(name).push(",").bind_text(fieldname).push(",").bind_text(stored);
    sql.push(",").bind_int(i64::from(encrypted));
    sql.push(") ON CONFLICT (\"doctype\", \"name\", \"fieldname\") DO UPDATE SET ");
    sql.push("\"password\" = excluded.\"password\", \"encrypted\" = excluded.\"encrypted\"");
    exec.execute(&sql.text, sql.params).await.map(|_| ())
}

/// Puts another text in place of one that is still stored; says whether it was.
pub(crate) async fn replace(
    exec: &dyn Executor,
    (doctype, name, fieldname): (&str, &str, &str),
    old: &str,
    new: &str,
) -> Result<bool, DbErr> {
    let mut sql = Sql::new(exec.backend());
    sql.push("UPDATE \"__Auth\" SET \"password\" = ").bind_text(new);
    sql.push(" WHERE \"doctype\" = ").bind_text(doctype).push(" AND \"name\" = ").bind_text(name);
    sql.push(" AND \"fieldname\" = ").bind_text(fieldname).push(" AND \"password\" = ").bind_text(old);
    Ok(exec.execute(&sql.text, sql.params).await? > 0)
}

/// Removes the secrets of a document, or of one of its fields.
pub(crate) async fn delete(
    exec: &dyn Executor,
    doctype: &str,
    name: &str,
    fieldname: Option<&str>,
) -> Result<(), DbErr> {
    let mut sql = Sql::new(exec.backend());
    sql.push("DELETE FROM \"__Auth\" WHERE \"doctype\" = ").bind_text(doctype).push(" AND \"name\" = ").bind_text(name);
    if let Some(fieldname) = fieldname {
        sql.push(" AND \"fieldname\" = ").bind_text(fieldname);
    }
    exec.execute(&sql.text, sql.params).await.map(|_| ())
}

/// Deletes the secrets of several documents of one DocType.
pub(crate) async fn delete_all(exec: &dyn Executor, doctype: &str, names: &[String]) -> Result<(), DbErr> {
    for together in names.chunks(NAMES_AT_ONCE) {
        let mut sql = Sql::new(exec.backend());
        sql.push("DELETE FROM \"__Auth\" WHERE \"doctype\" = ").bind_text(doctype).push(" AND \"name\" IN (");
        push_names(&mut sql, ColumnType::Text, together);
        exec.execute(&sql.text, sql.params).await?;
    }
    Ok(())
}
