//! Finding and rewriting what refers to a document: Links, Dynamic Links, child rows, secrets.

use sea_orm::DbErr;

use crate::database::connect::Executor;
use crate::database::sql::Sql;
use crate::meta::fieldtype::{ColumnType, Shape};
use crate::meta::{DocType, Value};

/// A document that refers to another one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Referrer {
    /// The document's name, or the parent's where the link sits in a child row.
    pub name: String,
    /// The parent DocType, for child rows.
    pub parenttype: Option<String>,
    /// Its docstatus.
    pub docstatus: i64,
    /// The 1-based row, for child rows.
    pub idx: i64,
}

/// Documents of a DocType whose field is `name` (with `type_field` equal to `target`, for Dynamic Links), `limit` at most.
///
/// `except` is a document of the same DocType that does not count: the one being deleted.
pub(crate) async fn some_referrers(
    exec: &dyn Executor,
    (doctype, fieldname): (&DocType, &str),
    type_field: Option<(&str, &str)>,
    name: &str,
    except: Option<&str>,
    submitted_only: bool,
    limit: usize,
) -> Result<Vec<Referrer>, DbErr> {
    let mut sql = Sql::new(exec.backend());
    sql.push("SELECT ");
    let (name_column, is_child) = if doctype.istable { ("parent", true) } else { ("name", false) };
    sql.push("CAST(").ident(name_column).push(" AS text), ");
    if is_child {
        sql.push("\"parenttype\"");
    } else {
        sql.push("''");
    }
    sql.push(", CAST(\"docstatus\" AS bigint), CAST(\"idx\" AS bigint) FROM ").ident(&doctype.table_name());
    sql.push(" WHERE ").ident(fieldname).push(" = ").bind(column_type(doctype, fieldname), name);
    if let Some((field, target)) = type_field {
        sql.push(" AND ").ident(field).push(" = ").bind_text(target);
    }
    if submitted_only {
        sql.push(" AND \"docstatus\" = 1");
    } else {
        sql.push(" AND \"docstatus\" < 2");
    }
    if let Some(except) = except {
        sql.push(" AND CAST(").ident(name_column).push(" AS text) <> ").bind_text(except);
    }
    sql.push(&format!(" LIMIT {limit}"));
    let rows = exec.fetch(&sql.text, sql.params, &[Shape::Text, Shape::Text, Shape::Int, Shape::Int]).await?;
    let referrer = |row: Vec<Value>| Referrer {
        name: row[0].to_string(),
        parenttype: Some(row[1].to_string()).filter(|parenttype| !parenttype.is_empty()),
        docstatus: row[2].as_int().unwrap_or(0),
        idx: row[3].as_int().unwrap_or(0),
    };
    Ok(rows.into_iter().map(referrer).collect())
}

/// The names of all documents of `doctype` whose `fieldname` is `name` (with `type_field` equal to the target's DocType).
pub(crate) async fn referrers(
    exec: &dyn Executor,
    doctype: &DocType,
    fieldname: &str,
    type_field: Option<(&str, &str)>,
    name: &str,
) -> Result<Vec<String>, DbErr> {
    let mut sql = Sql::new(exec.backend());
    sql.push("SELECT CAST(\"name\" AS text) FROM ").ident(&doctype.table_name()).push(" WHERE ");
    sql.ident(fieldname).push(" = ").bind(column_type(doctype, fieldname), name);
    if let Some((field, target)) = type_field {
        sql.push(" AND ").ident(field).push(" = ").bind_text(target);
    }
    let rows = exec.fetch(&sql.text, sql.params, &[Shape::Text]).await?;
    Ok(rows.into_iter().map(|row| row[0].to_string()).collect())
}

/// The Single DocTypes whose `field` has that value (of those given as doctype, field pairs).
pub(crate) async fn single_refers(exec: &dyn Executor, doctype: &str, field: &str, value: &str) -> Result<bool, DbErr> {
    let mut sql = Sql::new(exec.backend());
    sql.push("SELECT CAST(1 AS bigint) FROM \"tabSingles\" WHERE \"doctype\" = ").bind_text(doctype);
    sql.push(" AND \"field\" = ").bind_text(field).push(" AND \"value\" = ").bind_text(value);
    Ok(!exec.fetch(&sql.text, sql.params, &[Shape::Int]).await?.is_empty())
}

/// Rewrites a column from one value to another, optionally only where another column has a value.
pub(crate) async fn rewrite(
    exec: &dyn Executor,
    table: &str,
    column: &str,
    (old, new): (&str, &str),
    only_where: Option<(&str, &str)>,
) -> Result<u64, DbErr> {
    let mut sql = Sql::new(exec.backend());
    sql.push("UPDATE ").ident(table).push(" SET ").ident(column).push(" = ").bind_text(new);
    sql.push(" WHERE ").ident(column).push(" = ").bind_text(old);
    if let Some((field, value)) = only_where {
        sql.push(" AND ").ident(field).push(" = ").bind_text(value);
    }
    exec.execute(&sql.text, sql.params).await
}

/// Rewrites a Link in a Single.
pub(crate) async fn rewrite_single(
    exec: &dyn Executor,
    doctype: &str,
    field: &str,
    (old, new): (&str, &str),
) -> Result<u64, DbErr> {
    let mut sql = Sql::new(exec.backend());
    sql.push("UPDATE \"tabSingles\" SET \"value\" = ").bind_text(new).push(" WHERE \"doctype\" = ").bind_text(doctype);
    sql.push(" AND \"field\" = ").bind_text(field).push(" AND \"value\" = ").bind_text(old);
    exec.execute(&sql.text, sql.params).await
}

/// Changes a document's primary key.
pub(crate) async fn rename_row(exec: &dyn Executor, doctype: &DocType, old: &str, new: &str) -> Result<u64, DbErr> {
    let name = doctype.columns[0].column_type;
    let mut sql = Sql::new(exec.backend());
    sql.push("UPDATE ").ident(&doctype.table_name()).push(" SET \"name\" = ").bind(name, Value::from(new));
    sql.push(" WHERE \"name\" = ").bind(name, Value::from(old));
    exec.execute(&sql.text, sql.params).await
}

/// The names of shared documents' rights: the `DocShare` row of a user (or of everyone) for one document.
pub(crate) async fn share(
    exec: &dyn Executor,
    user: &str,
    doctype: &str,
    name: &str,
    right: &str,
) -> Result<bool, DbErr> {
    let mut sql = Sql::new(exec.backend());
    sql.push("SELECT CAST(1 AS bigint) FROM \"tabDocShare\" WHERE \"share_doctype\" = ").bind_text(doctype);
    sql.push(" AND \"share_name\" = ").bind_text(name).push(" AND (\"user\" = ").bind_text(user);
    sql.push(" OR \"everyone\" = 1) AND ").ident(right).push(" = 1 LIMIT 1");
    Ok(!exec.fetch(&sql.text, sql.params, &[Shape::Int]).await?.is_empty())
}

fn column_type(doctype: &DocType, fieldname: &str) -> ColumnType {
    doctype.column(fieldname).map_or(ColumnType::Text, |column| doctype.columns[column].column_type)
}
