//! The statements of single documents: read, insert, update, delete a row and its child rows; written once per DocType.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::sync::{Arc, OnceLock};

use sea_orm::DbErr;

use crate::database::auth;
use crate::database::connect::{Backend, Executor};
use crate::database::row::Param;
use crate::database::sql::{NAMES_AT_ONCE, Sql, push_ident, push_names, push_placeholder, push_select};
use crate::meta::doctype::slot;
use crate::meta::fieldtype::{ColumnType, Shape};
use crate::meta::{DocType, Document, Value};

/// Parameters at most in one statement. Connections keep prepared statements, so large ones cost memory for long.
pub(super) const MAX_PARAMS: usize = 8_000;
/// Up to how many rows are inserted by one statement whatever their number; more come in powers of two, so that there are
/// few different statements.
const FEW_ROWS: usize = 32;

/// The first half of the advisory lock of a Single; any number that nobody else uses.
const SINGLES: i32 = 0x646f_6373;

/// What is derived from a DocType once, for each database.
#[derive(Default)]
struct Compiled {
    sqlite: OnceLock<TableSql>,
    postgres: OnceLock<TableSql>,
}

/// The statements of one DocType's table.
pub(super) struct TableSql {
    /// The shapes of what is selected: every column, in order.
    pub shapes: Vec<Shape>,
    by_name: String,
    by_name_for_update: String,
    children: String,
    insert_head: String,
    update: String,
    delete: String,
    delete_children: String,
}

/// The statements of a DocType, made on first use.
pub(super) fn sql_of(doctype: &DocType, backend: Backend) -> &TableSql {
    let compiled = doctype.compiled(|_| Compiled::default());
    let cell = match backend {
        Backend::Sqlite => &compiled.sqlite,
        Backend::Postgres => &compiled.postgres,
    };
    cell.get_or_init(|| TableSql::new(doctype, backend))
}

impl TableSql {
    fn new(doctype: &DocType, backend: Backend) -> Self {
        let mut table = String::new();
        push_ident(&mut table, &doctype.table_name());
        let mut select_list = String::new();
        let mut names = String::new();
        for (index, column) in doctype.columns.iter().enumerate() {
            if index > 0 {
                select_list.push(',');
                names.push(',');
            }
            push_select(&mut select_list, backend, "", &column.name, column.column_type);
            push_ident(&mut names, &column.name);
        }
        let placeholder = |n: usize, column_type| {
            let mut text = String::new();
            push_placeholder(&mut text, backend, n, column_type);
            text
        };
        let name = placeholder(1, doctype.columns[slot::NAME].column_type);
        let by_name = format!("SELECT {select_list} FROM {table} WHERE \"name\" = {name}");
        let for_update = match backend {
            Backend::Sqlite => "",
            Backend::Postgres => " FOR UPDATE",
        };
        let text = |n| placeholder(n, ColumnType::Text);
        let children = format!(
            "SELECT {select_list} FROM {table} WHERE \"parent\" = {} AND \"parenttype\" = {} ORDER BY \"parentfield\", \"idx\"",
            text(1),
            text(2)
        );
        let mut update = format!("UPDATE {table} SET ");
        let mut n = 0;
        for (index, column) in doctype.columns.iter().enumerate() {
            if is_updated(index) {
                if n > 0 {
                    update.push(',');
                }
                n += 1;
                push_ident(&mut update, &column.name);
                update.push('=');
                push_placeholder(&mut update, backend, n, column.column_type);
            }
        }
        update.push_str(" WHERE \"name\" = ");
        push_placeholder(&mut update, backend, n + 1, doctype.columns[slot::NAME].column_type);
        Self {
            shapes: doctype.columns.iter().map(|column| column.column_type.shape()).collect(),
            by_name_for_update: format!("{by_name}{for_update}"),
            children,
            insert_head: format!("INSERT INTO {table} ({names}) VALUES "),
            update,
            delete: format!("DELETE FROM {table} WHERE \"name\" = {name}"),
            delete_children: format!(
                "DELETE FROM {table} WHERE \"parent\" = {} AND \"parenttype\" = {}",
                text(1),
                text(2)
            ),
            by_name,
        }
    }
}

/// Columns that an update writes: `name`, `owner` and `creation` stay as they were inserted.
fn is_updated(column: usize) -> bool {
    !matches!(column, slot::NAME | slot::OWNER | slot::CREATION)
}

fn name_param(doctype: &DocType, name: &str) -> Param {
    Param::new(doctype.columns[slot::NAME].column_type.shape(), Value::Text(name.to_owned()))
}

/// A name that no document of this DocType can have (text where names are integers).
fn is_impossible_name(doctype: &DocType, name: &str) -> bool {
    doctype.columns[slot::NAME].column_type.shape() == Shape::Int && name.parse::<i64>().is_err() || name.contains('\0')
}

/// The document's own row, without its child rows.
pub(crate) async fn find(
    exec: &dyn Executor,
    doctype: &Arc<DocType>,
    name: &str,
    for_update: bool,
) -> Result<Option<Document>, DbErr> {
    if is_impossible_name(doctype, name) {
        return Ok(None);
    }
    let sql = sql_of(doctype, exec.backend());
    let text = if for_update { &sql.by_name_for_update } else { &sql.by_name };
    let rows = exec.fetch(text, vec![name_param(doctype, name)], &sql.shapes).await?;
    Ok(rows.into_iter().next().map(|values| Document::from_row(Arc::clone(doctype), values)))
}

/// The child rows of one parent in one child DocType, ordered by table field and idx.
pub(crate) async fn children(
    exec: &dyn Executor,
    child: &Arc<DocType>,
    parenttype: &str,
    parent: &str,
) -> Result<Vec<Document>, DbErr> {
    let sql = sql_of(child, exec.backend());
    let params = vec![Param::text(parent), Param::text(parenttype)];
    let rows = exec.fetch(&sql.children, params, &sql.shapes).await?;
    Ok(rows.into_iter().map(|values| Document::from_row(Arc::clone(child), values)).collect())
}

/// Inserts rows, those of one DocType beside each other. A document and a few child rows reach the database as one message.
pub(crate) async fn insert(exec: &dyn Executor, rows: &[&Document]) -> Result<(), DbErr> {
    let backend = exec.backend();
    let mut message = Inserts::default();
    for of_one in rows.chunk_by(|one, next| Arc::ptr_eq(&one.doctype, &next.doctype)) {
        let most = (MAX_PARAMS / of_one[0].values.len()).max(1);
        let mut rest = of_one;
        while !rest.is_empty() {
            let at_once = rest.len().min(most);
            let at_once = if at_once > FEW_ROWS { 1 << at_once.ilog2() } else { at_once };
            let (chunk, others) = rest.split_at(at_once);
            rest = others;
            if !message.has_room_for(chunk) {
                std::mem::take(&mut message).run(exec).await?;
            }
            message.add(chunk, backend);
        }
    }
    message.run(exec).await
}

/// Inserts that travel together.
#[derive(Default)]
struct Inserts {
    statements: Vec<String>,
    params: Vec<Param>,
}

impl Inserts {
    fn has_room_for(&self, rows: &[&Document]) -> bool {
        let params = self.params.len() + rows.len() * rows[0].values.len();
        self.statements.is_empty() || rows.len() <= FEW_ROWS && params <= MAX_PARAMS
    }

    fn add(&mut self, rows: &[&Document], backend: Backend) {
        let doctype = &rows[0].doctype;
        let table = sql_of(doctype, backend);
        let mut text = String::with_capacity(table.insert_head.len() + rows.len() * doctype.columns.len() * 4);
        text.push_str(&table.insert_head);
        for (index, row) in rows.iter().enumerate() {
            text.push_str(if index > 0 { ",(" } else { "(" });
            for (position, (column, value)) in doctype.columns.iter().zip(&row.values).enumerate() {
                if position > 0 {
                    text.push(',');
                }
                self.params.push(Param::new(column.column_type.shape(), value.clone()));
                push_placeholder(&mut text, backend, self.params.len(), column.column_type);
            }
            text.push(')');
        }
        self.statements.push(text);
    }

    async fn run(mut self, exec: &dyn Executor) -> Result<(), DbErr> {
        let Some(last) = self.statements.pop() else { return Ok(()) };
        let mut text = String::with_capacity(self.statements.iter().map(String::len).sum::<usize>() + last.len() + 64);
        match exec.backend() {
            Backend::Sqlite => self.statements.iter().for_each(|statement| text.extend([statement, ";"])),
            // It prepares single statements: the others are parts of the last.
            Backend::Postgres => {
                for (index, statement) in self.statements.iter().enumerate() {
                    let between = if index == 0 { "WITH" } else { "," };
                    let _ = write!(text, "{between} \"i{index}\" AS ({statement}) ");
                }
            }
        }
        text.push_str(&last);
        exec.execute(&text, self.params).await.map(drop)
    }
}

/// Inserts a document of an autoincrement DocType and returns the number that became its name.
pub(crate) async fn insert_numbered(exec: &dyn Executor, row: &Document) -> Result<i64, DbErr> {
    let doctype = &row.doctype;
    let mut sql = Sql::new(exec.backend());
    sql.push("INSERT INTO ").ident(&doctype.table_name()).push(" (");
    let columns = || doctype.columns.iter().zip(&row.values).skip(1);
    for (index, (column, _)) in columns().enumerate() {
        if index > 0 {
            sql.push(",");
        }
        sql.ident(&column.name);
    }
    sql.push(") VALUES (");
    for (index, (column, value)) in columns().enumerate() {
        if index > 0 {
            sql.push(",");
        }
        sql.bind(column.column_type, value.clone());
    }
    sql.push(") RETURNING \"name\"");
    let rows = exec.fetch(&sql.text, sql.params, &[Shape::Int]).await?;
    rows.first().and_then(|row| row[0].as_int()).ok_or_else(|| DbErr::RecordNotInserted)
}

/// Writes every column of a stored row but name, owner and creation.
pub(crate) async fn update(exec: &dyn Executor, row: &Document) -> Result<(), DbErr> {
    let doctype = &row.doctype;
    let mut params: Vec<Param> = doctype
        .columns
        .iter()
        .zip(&row.values)
        .enumerate()
        .filter(|(index, _)| is_updated(*index))
        .map(|(_, (column, value))| Param::new(column.column_type.shape(), value.clone()))
        .collect();
    params.push(name_param(doctype, &row.name()));
    exec.execute(&sql_of(doctype, exec.backend()).update, params).await?;
    Ok(())
}

/// Writes some columns of a stored row.
pub(crate) async fn set(
    exec: &dyn Executor,
    doctype: &DocType,
    name: &str,
    values: &[(&str, Value)],
) -> Result<u64, DbErr> {
    let mut sql = Sql::new(exec.backend());
    sql.push("UPDATE ").ident(&doctype.table_name()).push(" SET ");
    let known = values.iter().filter_map(|(column, value)| Some((&doctype.columns[doctype.column(column)?], value)));
    for (index, (column, value)) in known.enumerate() {
        if index > 0 {
            sql.push(",");
        }
        sql.ident(&column.name).push("=").bind(column.column_type, value.clone());
    }
    if sql.params.is_empty() {
        return Ok(0);
    }
    sql.push(" WHERE \"name\" = ").bind(doctype.columns[slot::NAME].column_type, name);
    exec.execute(&sql.text, sql.params).await
}

/// Writes some columns of a stored row if others still hold what is expected; says whether they did.
///
/// Of several writers at once, one alone succeeds: the database decides, on every node.
pub(crate) async fn set_if(
    exec: &dyn Executor,
    doctype: &DocType,
    name: &str,
    expected: &[(&str, &Value)],
    values: &[(&str, Value)],
) -> Result<bool, DbErr> {
    let mut sql = Sql::new(exec.backend());
    sql.push("UPDATE ").ident(&doctype.table_name()).push(" SET ");
    let known = values.iter().filter_map(|(column, value)| Some((&doctype.columns[doctype.column(column)?], value)));
    for (index, (column, value)) in known.enumerate() {
        if index > 0 {
            sql.push(",");
        }
        sql.ident(&column.name).push("=").bind(column.column_type, value.clone());
    }
    sql.push(" WHERE \"name\" = ").bind(doctype.columns[slot::NAME].column_type, name);
    for (column, value) in expected {
        let Some(column) = doctype.column(column).map(|column| &doctype.columns[column]) else { return Ok(false) };
        sql.push(" AND ").ident(&column.name);
        match value {
            Value::Null => sql.push(" IS NULL"),
            value => sql.push(" = ").bind(column.column_type, (*value).clone()),
        };
    }
    Ok(exec.execute(&sql.text, sql.params).await? > 0)
}

/// The name of the first document whose column holds this value; quick where the column has an index.
pub(crate) async fn name_by(
    exec: &dyn Executor,
    doctype: &DocType,
    column: &str,
    value: &str,
) -> Result<Option<String>, DbErr> {
    let Some(column) = doctype.column(column).map(|column| &doctype.columns[column]) else { return Ok(None) };
    let mut sql = Sql::new(exec.backend());
    sql.push("SELECT CAST(\"name\" AS text) FROM ").ident(&doctype.table_name());
    sql.push(" WHERE ").ident(&column.name).push(" = ").bind(column.column_type, value).push(" LIMIT 1");
    let rows = exec.fetch(&sql.text, sql.params, &[Shape::Text]).await?;
    Ok(rows.into_iter().next().map(|row| row[0].to_string()))
}

/// Deletes a row.
pub(crate) async fn delete(exec: &dyn Executor, doctype: &DocType, name: &str) -> Result<u64, DbErr> {
    exec.execute(&sql_of(doctype, exec.backend()).delete, vec![name_param(doctype, name)]).await
}

/// Deletes rows with their secrets.
pub(crate) async fn delete_all(exec: &dyn Executor, doctype: &DocType, names: &[String]) -> Result<(), DbErr> {
    let column_type = doctype.columns[slot::NAME].column_type;
    for together in names.chunks(NAMES_AT_ONCE) {
        let mut sql = Sql::new(exec.backend());
        sql.push("DELETE FROM ").ident(&doctype.table_name()).push(" WHERE \"name\" IN (");
        push_names(&mut sql, column_type, together);
        exec.execute(&sql.text, sql.params).await?;
    }
    auth::delete_all(exec, &doctype.name, names).await
}

/// Deletes every child row of a parent in one child DocType.
pub(crate) async fn delete_children(
    exec: &dyn Executor,
    child: &DocType,
    parenttype: &str,
    parent: &str,
) -> Result<(), DbErr> {
    let params = vec![Param::text(parent), Param::text(parenttype)];
    exec.execute(&sql_of(child, exec.backend()).delete_children, params).await.map(|_| ())
}

/// The stored name (in its own case) and docstatus of a document, looked up by name; without case if there is no exact one.
pub(crate) async fn exists(exec: &dyn Executor, doctype: &DocType, name: &str) -> Result<Option<(String, i64)>, DbErr> {
    if is_impossible_name(doctype, name) {
        return Ok(None);
    }
    let name_column = &doctype.columns[slot::NAME];
    let mut head = String::from("SELECT ");
    push_select(&mut head, exec.backend(), "", "name", ColumnType::Text);
    let is_number = name_column.column_type.shape() == Shape::Int;
    let head = match (exec.backend(), is_number) {
        (_, true) => "SELECT CAST(\"name\" AS text)".to_owned(),
        _ => head,
    };
    let mut sql = Sql::new(exec.backend());
    sql.push(&head).push(", ");
    push_select(&mut sql.text, exec.backend(), "", "docstatus", ColumnType::SmallInt);
    sql.push(" FROM ").ident(&doctype.table_name()).push(" WHERE \"name\" = ").bind(name_column.column_type, name);
    let rows = exec.fetch(&sql.text, sql.params, &[Shape::Text, Shape::Int]).await?;
    Ok(rows.into_iter().next().map(|row| (row[0].to_string(), row[1].as_int().unwrap_or(0))))
}

/// The docstatus of documents by name, in one statement and in the order asked; `None` for those that do not exist.
pub(crate) async fn docstatuses(
    exec: &dyn Executor,
    wanted: &[(Arc<DocType>, String)],
) -> Result<Vec<Option<i64>>, DbErr> {
    let backend = exec.backend();
    let mut sql = Sql::new(backend);
    for (index, (doctype, name)) in wanted.iter().enumerate() {
        sql.push(if index == 0 { "SELECT " } else { ", " });
        if is_impossible_name(doctype, name) {
            sql.push("CAST(NULL AS bigint)");
            continue;
        }
        sql.push("(SELECT ");
        push_select(&mut sql.text, backend, "", "docstatus", ColumnType::SmallInt);
        sql.push(" FROM ").ident(&doctype.table_name()).push(" WHERE \"name\" = ");
        sql.bind(doctype.columns[slot::NAME].column_type, name.as_str()).push(")");
    }
    let rows = exec.fetch(&sql.text, sql.params, &vec![Shape::Int; wanted.len()]).await?;
    Ok(rows.into_iter().flatten().map(|value| value.as_int()).collect())
}

/// Reads a Single's rows of `tabSingles`, by field.
pub(crate) async fn single(exec: &dyn Executor, doctype: &str) -> Result<HashMap<String, Value>, DbErr> {
    let mut sql = Sql::new(exec.backend());
    sql.push("SELECT \"field\", \"value\" FROM \"tabSingles\" WHERE \"doctype\" = ").bind_text(doctype);
    let rows = exec.fetch(&sql.text, sql.params, &[Shape::Text, Shape::Text]).await?;
    Ok(rows
        .into_iter()
        .filter_map(|mut row| {
            let value = row.pop()?;
            Some((row.pop()?.to_string(), value))
        })
        .collect())
}

/// Has whoever else wants to change a Single wait until this transaction ends. It has no row that could be locked before it
/// is saved for the first time. SQLite's transactions wait for each other anyway.
pub(crate) async fn lock_single(exec: &dyn Executor, doctype: &DocType) -> Result<(), DbErr> {
    if exec.backend() == Backend::Sqlite {
        return Ok(());
    }
    let mut sql = Sql::new(exec.backend());
    sql.push(&format!("SELECT CAST(pg_advisory_xact_lock({SINGLES}, hashtext(")).bind_text(&doctype.name);
    sql.push(")) AS text)");
    exec.fetch(&sql.text, sql.params, &[Shape::Text]).await.map(drop)
}

/// Replaces a Single's rows: all go, then all come (`docs/frappe/model.md`: Singles and secrets).
pub(crate) async fn save_single(exec: &dyn Executor, document: &Document) -> Result<(), DbErr> {
    let doctype = &document.doctype;
    let mut delete = Sql::new(exec.backend());
    delete.push("DELETE FROM \"tabSingles\" WHERE \"doctype\" = ").bind_text(&doctype.name);
    exec.execute(&delete.text, delete.params).await?;
    insert_single_rows(
        exec,
        &doctype.name,
        doctype.columns.iter().zip(&document.values).map(|(column, value)| (column.name.as_str(), value)),
    )
    .await
}

/// Writes some rows of a Single.
pub(crate) async fn set_single(exec: &dyn Executor, doctype: &DocType, values: &[(&str, Value)]) -> Result<(), DbErr> {
    insert_single_rows(exec, &doctype.name, values.iter().map(|(field, value)| (*field, value))).await
}

async fn insert_single_rows<'v>(
    exec: &dyn Executor,
    doctype: &str,
    values: impl Iterator<Item = (&'v str, &'v Value)> + Send,
) -> Result<(), DbErr> {
    let mut sql = Sql::new(exec.backend());
    sql.push("INSERT INTO \"tabSingles\" (\"doctype\", \"field\", \"value\") VALUES ");
    for (index, (field, value)) in values.enumerate() {
        sql.push(if index > 0 { ",(" } else { "(" }).bind_text(doctype).push(",").bind_text(field).push(",");
        sql.bind(ColumnType::LongText, value.clone()).push(")");
    }
    if sql.params.is_empty() {
        return Ok(());
    }
    sql.push(" ON CONFLICT (\"doctype\", \"field\") DO UPDATE SET \"value\" = excluded.\"value\"");
    exec.execute(&sql.text, sql.params).await.map(|_| ())
}

/// Takes the next number of a series, in the transaction: no gaps, no two the same.
pub(crate) async fn next_in_series(exec: &dyn Executor, prefix: &str) -> Result<i64, DbErr> {
    let mut sql = Sql::new(exec.backend());
    sql.push("INSERT INTO \"tabSeries\" (\"name\", \"current\") VALUES (").bind_text(prefix);
    sql.push(", 1) ON CONFLICT (\"name\") DO UPDATE SET \"current\" = \"tabSeries\".\"current\" + 1 RETURNING ");
    push_select(&mut sql.text, exec.backend(), "tabSeries", "current", ColumnType::BigInt);
    let rows = exec.fetch(&sql.text, sql.params, &[Shape::Int]).await?;
    rows.first().and_then(|row| row[0].as_int()).ok_or(DbErr::RecordNotInserted)
}

/// Gives a number back if it was the last one taken.
pub(crate) async fn revert_series(exec: &dyn Executor, prefix: &str, number: i64) -> Result<(), DbErr> {
    let mut sql = Sql::new(exec.backend());
    sql.push("UPDATE \"tabSeries\" SET \"current\" = \"current\" - 1 WHERE \"name\" = ").bind_text(prefix);
    sql.push(" AND \"current\" = ").bind_int(number);
    exec.execute(&sql.text, sql.params).await.map(|_| ())
}

/// Goes on behind a number that is in use, if the series has not come so far.
pub(crate) async fn advance_series(exec: &dyn Executor, prefix: &str, number: i64) -> Result<(), DbErr> {
    let mut sql = Sql::new(exec.backend());
    sql.push("UPDATE \"tabSeries\" SET \"current\" = ").bind_int(number);
    sql.push(" WHERE \"name\" = ").bind_text(prefix).push(" AND \"current\" < ").bind_int(number);
    exec.execute(&sql.text, sql.params).await.map(|_| ())
}
