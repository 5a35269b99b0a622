//! The statements of the queue of jobs: put one in, take the next, look when that will be.

use std::sync::Arc;

use sea_orm::DbErr;

use crate::database::connect::{Backend, Executor};
use crate::database::sql::{Sql, push_select_expression};
use crate::meta::fieldtype::{ColumnType, Shape};
use crate::meta::{DocType, Document};

/// What may be taken: jobs of these methods in these queues, the first queue first.
#[derive(Clone, Debug)]
pub(crate) struct Takes<'a> {
    /// The DocType of jobs.
    pub doctype: &'a Arc<DocType>,
    /// The methods that are known here.
    pub methods: &'a [&'static str],
    /// The queues in the order of their turn.
    pub queues: &'a [&'static str],
}

/// Inserts a job, unless one with the same value in the column `unique` is there; says whether it did.
///
/// Where another transaction has just inserted one, its end is waited for.
pub(crate) async fn insert_unless_there(exec: &dyn Executor, job: &Document, unique: &str) -> Result<bool, DbErr> {
    let doctype = &job.doctype;
    let mut sql = Sql::new(exec.backend());
    sql.push("INSERT INTO ").ident(&doctype.table_name()).push(" (");
    for (index, column) in doctype.columns.iter().enumerate() {
        sql.push(if index > 0 { "," } else { "" }).ident(&column.name);
    }
    sql.push(") VALUES (");
    for (index, (column, value)) in doctype.columns.iter().zip(&job.values).enumerate() {
        sql.push(if index > 0 { "," } else { "" }).bind(column.column_type, value.clone());
    }
    sql.push(") ON CONFLICT (").ident(unique).push(") DO NOTHING");
    Ok(exec.execute(&sql.text, sql.params).await? > 0)
}

impl Takes<'_> {
    /// Takes the job whose turn it is: `Started` for one more attempt, until `lease`. Of several nodes one alone gets it.
    ///
    /// Its turn has come where it is `Queued` and may run, or where whoever started it has let the lease end.
    pub(crate) async fn take(&self, exec: &dyn Executor, now: &str, lease: &str) -> Result<Option<String>, DbErr> {
        let mut sql = Sql::new(exec.backend());
        // Materialized: the planner of PostgreSQL could look for the next one again for every row it compares.
        let is_postgres = exec.backend() == Backend::Postgres;
        sql.push(if is_postgres { "WITH next AS MATERIALIZED (" } else { "WITH next AS (" });
        sql.push("SELECT \"name\" FROM ").ident(&self.doctype.table_name()).push(" WHERE ((\"status\" = 'Queued' AND ");
        sql.push("\"run_after\" <= ").bind(ColumnType::Datetime, now);
        sql.push(") OR (\"status\" = 'Started' AND \"lease_until\" <= ").bind(ColumnType::Datetime, now).push("))");
        self.narrow(&mut sql);
        sql.push(" ORDER BY CASE \"queue\"");
        for (turn, queue) in self.queues.iter().enumerate() {
            sql.push(" WHEN ").bind_text(*queue).push(&format!(" THEN {turn}"));
        }
        sql.push(" END, \"run_after\", \"creation\" LIMIT 1");
        sql.push(if is_postgres { " FOR UPDATE SKIP LOCKED)" } else { ")" });
        sql.push(" UPDATE ").ident(&self.doctype.table_name()).push(" SET \"status\" = 'Started'");
        sql.push(", \"attempts\" = \"attempts\" + 1, \"started_at\" = ").bind(ColumnType::Datetime, now);
        sql.push(", \"modified\" = ").bind(ColumnType::Datetime, now);
        sql.push(", \"lease_until\" = ").bind(ColumnType::Datetime, lease);
        sql.push(" WHERE \"name\" IN (SELECT \"name\" FROM next) RETURNING CAST(\"name\" AS text)");
        let rows = exec.fetch(&sql.text, sql.params, &[Shape::Text]).await?;
        Ok(rows.into_iter().next().map(|row| row[0].to_string()))
    }

    /// When the next turn comes, by what is stored now; `None` if nothing waits.
    pub(crate) async fn next_turn(&self, exec: &dyn Executor) -> Result<Option<String>, DbErr> {
        let mut sql = Sql::new(exec.backend());
        sql.push("SELECT ");
        let turn = "min(CASE WHEN \"status\" = 'Queued' THEN \"run_after\" ELSE \"lease_until\" END)";
        push_select_expression(&mut sql.text, exec.backend(), turn, ColumnType::Datetime);
        sql.push(" FROM ").ident(&self.doctype.table_name()).push(" WHERE \"status\" IN ('Queued', 'Started')");
        self.narrow(&mut sql);
        let rows = exec.fetch(&sql.text, sql.params, &[Shape::Text]).await?;
        Ok(rows.first().and_then(|row| row[0].as_str().map(ToOwned::to_owned)))
    }

    fn narrow(&self, sql: &mut Sql) {
        for (column, among) in [("method", self.methods), ("queue", self.queues)] {
            sql.push(" AND ").ident(column).push(" IN (");
            for (index, value) in among.iter().enumerate() {
                sql.push(if index > 0 { "," } else { "" }).bind_text(*value);
            }
            sql.push(")");
        }
    }
}
