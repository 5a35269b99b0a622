//! A [`Select`] as SQL.

use crate::database::connect::{Backend, Executor};
use crate::database::query::condition;
use crate::database::query::{ColumnRef, Expression, Function, Join, JoinOn, MAIN, Select};
use crate::database::sql::{Sql, push_column as push_plain_column, push_select_expression};
use crate::meta::DocType;
use crate::meta::doctype::{Order, slot};
use crate::meta::fieldtype::{ColumnType, Shape};

impl Select<'_> {
    /// The statement for the rows.
    pub(crate) fn sql(&self, backend: Backend) -> Sql {
        let mut sql = Sql::new(backend);
        sql.push("SELECT ");
        let mut text = String::new();
        for (index, item) in self.items.iter().enumerate() {
            if index > 0 {
                sql.push(", ");
            }
            text.clear();
            expression(&mut text, backend, item);
            push_select_expression(&mut sql.text, backend, &text, selected_type(item));
        }
        self.push_tables(&mut sql);
        self.push_groups(&mut sql);
        for (index, (key, order)) in self.order_by.iter().enumerate() {
            sql.push(if index > 0 { ", " } else { " ORDER BY " });
            expression(&mut sql.text, backend, key);
            push_order(&mut sql, key, *order);
        }
        self.push_page(&mut sql);
        sql
    }

    /// The statement for the number of rows; of more than `most` it counts no further.
    pub(crate) fn count_sql(&self, backend: Backend, most: Option<u64>) -> Sql {
        let mut sql = Sql::new(backend);
        let children = self.joins.iter().any(|join| matches!(join.on, JoinOn::Child { .. }));
        let aggregates = self.items.iter().any(Expression::is_aggregate);
        let is_plain = self.group_by.is_empty() && !aggregates;
        if let (true, Some(most)) = (is_plain, most) {
            sql.push("SELECT ");
            push_select_expression(&mut sql.text, backend, "COUNT(*)", ColumnType::BigInt);
            sql.push(if children { " FROM (SELECT DISTINCT \"t0\".\"name\"" } else { " FROM (SELECT 1 AS \"one\"" });
            self.push_tables(&mut sql);
            sql.push(" LIMIT ").bind_int(number(most)).push(") AS \"rows\"");
        } else if is_plain {
            sql.push("SELECT ");
            let text = if children { "COUNT(DISTINCT \"t0\".\"name\")" } else { "COUNT(*)" };
            push_select_expression(&mut sql.text, backend, text, ColumnType::BigInt);
            self.push_tables(&mut sql);
        } else {
            sql.push("SELECT ");
            push_select_expression(&mut sql.text, backend, "COUNT(*)", ColumnType::BigInt);
            // An aggregate, so that without groups there is one row, as in the list.
            sql.push(" FROM (SELECT COUNT(*)");
            self.push_tables(&mut sql);
            self.push_groups(&mut sql);
            sql.push(") AS \"groups\"");
        }
        sql
    }

    fn push_tables(&self, sql: &mut Sql) {
        if !self.once {
            return self.push_narrowed(sql);
        }
        self.push_from(sql, |join| matches!(join.on, JoinOn::Link(_)));
        sql.push(" WHERE \"t0\".\"name\" IN (SELECT \"t0\".\"name\"");
        self.push_narrowed(sql);
        sql.push(")");
    }

    fn push_narrowed(&self, sql: &mut Sql) {
        self.push_from(sql, |_| true);
        if !self.condition.is_always() {
            sql.push(" WHERE ");
            condition::push(sql, &self.condition, false);
        }
    }

    fn push_from(&self, sql: &mut Sql, wanted: impl Fn(&Join<'_>) -> bool) {
        sql.push(" FROM \"tab").push(&self.from.name.replace('"', "\"\"")).push("\" AS \"t0\"");
        for join in self.joins.iter().filter(|join| wanted(join)) {
            push_join(sql, self.from, join);
        }
    }

    fn push_groups(&self, sql: &mut Sql) {
        for (index, column) in self.group_by.iter().enumerate() {
            sql.push(if index > 0 { ", " } else { " GROUP BY " });
            push_column(sql, column);
        }
    }

    fn push_page(&self, sql: &mut Sql) {
        match (self.limit, self.offset, sql.backend) {
            (Some(limit), _, _) => {
                sql.push(" LIMIT ").bind_int(number(limit));
            }
            // SQLite has no OFFSET without LIMIT.
            (None, 1.., Backend::Sqlite) => {
                sql.push(" LIMIT -1");
            }
            (None, _, _) => {}
        }
        if self.offset > 0 {
            sql.push(" OFFSET ").bind_int(number(self.offset));
        }
    }
}

fn number(n: u64) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}

/// Whether any document of a DocType is shared with a user.
pub(crate) async fn has_shares(
    exec: &dyn Executor,
    doctype: &str,
    user: &str,
    everyone: bool,
) -> Result<bool, sea_orm::DbErr> {
    let mut sql = Sql::new(exec.backend());
    condition::push_shares(&mut sql, doctype, user, everyone);
    sql.push(" LIMIT 1");
    Ok(!exec.fetch(&sql.text, sql.params, &[Shape::Text]).await?.is_empty())
}

/// How a table is called inside the statement.
pub(super) fn alias(table: usize) -> String {
    format!("t{table}")
}

/// The column; PostgreSQL compares, groups and sorts its JSON only as text.
pub(super) fn push_column(sql: &mut Sql, column: &ColumnRef<'_>) {
    if sql.backend == Backend::Postgres && column.column_type == ColumnType::Json {
        sql.push("CAST(");
        column_text(&mut sql.text, column);
        sql.push(" AS text)");
    } else {
        column_text(&mut sql.text, column);
    }
}

/// `"t0"."name"`.
pub(super) fn column_text(text: &mut String, column: &ColumnRef<'_>) {
    if column.table == MAIN {
        push_plain_column(text, "t0", column.name);
    } else {
        push_plain_column(text, &alias(column.table), column.name);
    }
}

fn push_join(sql: &mut Sql, from: &DocType, join: &Join<'_>) {
    let own = alias(join.table);
    sql.push(" LEFT JOIN ").ident(&join.doctype.table_name()).push(" AS ").ident(&own).push(" ON ");
    match &join.on {
        JoinOn::Link(column) => {
            let name_type = join.doctype.columns[slot::NAME].column_type;
            // PostgreSQL compares no number with text; SQLite does, and its index serves.
            if sql.backend == Backend::Postgres && name_type.shape() == Shape::Int {
                sql.push("CAST(").column(&own, "name").push(" AS text)");
            } else {
                sql.column(&own, "name");
            }
            sql.push(" = ");
            push_column(sql, column);
        }
        JoinOn::Child { parenttype, parentfields } => {
            sql.column(&own, "parent").push(" = ");
            if from.columns[slot::NAME].column_type.shape() == Shape::Int {
                sql.push("CAST(").column("t0", "name").push(" AS text) AND ");
            } else {
                sql.column("t0", "name").push(" AND ");
            }
            sql.column(&own, "parenttype").push(" = ").bind_text(*parenttype).push(" AND ");
            sql.column(&own, "parentfield").push(" IN (");
            for (index, parentfield) in parentfields.iter().enumerate() {
                if index > 0 {
                    sql.push(", ");
                }
                sql.bind_text(*parentfield);
            }
            sql.push(")");
        }
    }
    if !join.condition.is_always() {
        sql.push(" AND ");
        condition::push(sql, &join.condition, true);
    }
}

fn expression(text: &mut String, backend: Backend, item: &Expression<'_>) {
    let as_text = |text: &mut String, column: &ColumnRef<'_>| {
        if backend == Backend::Postgres && column.column_type == ColumnType::Json {
            text.push_str("CAST(");
            column_text(text, column);
            text.push_str(" AS text)");
        } else {
            column_text(text, column);
        }
    };
    let (before, column, after) = match item {
        Expression::CountAll => return text.push_str("COUNT(*)"),
        Expression::Column(column) => return as_text(text, column),
        Expression::Function(Function::Count, column) => ("COUNT(", column, ")"),
        Expression::Function(Function::CountDistinct, column) => ("COUNT(DISTINCT ", column, ")"),
        Expression::Function(Function::Min, column) => ("MIN(", column, ")"),
        Expression::Function(Function::Max, column) => ("MAX(", column, ")"),
        // Decimal columns keep nine places; floats would show more that are none.
        Expression::Function(Function::Sum, column) => match backend {
            Backend::Sqlite => ("ROUND(SUM(CAST(", column, " AS REAL)), 9)"),
            Backend::Postgres => ("ROUND(SUM(CAST(", column, " AS numeric)), 9)"),
        },
        Expression::Function(Function::Avg, column) => match backend {
            Backend::Sqlite => ("ROUND(AVG(", column, "), 9)"),
            Backend::Postgres => ("ROUND(AVG(CAST(", column, " AS numeric)), 9)"),
        },
    };
    text.push_str(before);
    as_text(text, column);
    text.push_str(after);
}

/// JSON is text already by then.
fn selected_type(item: &Expression<'_>) -> ColumnType {
    match item.column_type() {
        ColumnType::Json => ColumnType::LongText,
        other => other,
    }
}

/// NULL sorts before everything, as on SQLite and MariaDB. PostgreSQL is told so only where NULL can occur, because its
/// indexes put NULL last.
fn push_order(sql: &mut Sql, key: &Expression<'_>, order: Order) {
    let nullable = match key {
        Expression::CountAll | Expression::Function(Function::Count | Function::CountDistinct, _) => false,
        Expression::Column(column) | Expression::Function(_, column) => column.nullable || column.table != MAIN,
    };
    sql.push(match (order, nullable && sql.backend == Backend::Postgres) {
        (Order::Asc, false) => " ASC",
        (Order::Desc, false) => " DESC",
        (Order::Asc, true) => " ASC NULLS FIRST",
        (Order::Desc, true) => " DESC NULLS LAST",
    });
}
