//! Whole tables in and out: every row of a site as of one moment, and rows into the tables of an empty one. What travels are
//! [`Value`]s, so that either database reads what the other wrote.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures_util::StreamExt as _;
use futures_util::stream::BoxStream;
use sea_orm::{
    AccessMode, ConnectionTrait as _, DatabaseTransaction, DbErr, IsolationLevel, StreamTrait as _, TransactionOptions,
    TransactionTrait as _,
};

use crate::database::Transaction;
use crate::database::connect::{Backend, Database, Executor, statement};
use crate::database::documents::MAX_PARAMS;
use crate::database::schema::names;
use crate::database::schema::wanted::{DEFINITION_TABLE, ENGINE_TABLES, STATE_TABLE};
use crate::database::sql::{Sql, push_placeholder, push_select, quote};
use crate::database::{definitions, row};
use crate::meta::fieldtype::{ColumnType, Shape};
use crate::meta::in_force::{Kept, stand_for_themselves};
use crate::meta::naming_rule::NamingRule;
use crate::meta::{Registry, Value};

/// What PostgreSQL must not end while a large table is read.
const NO_TIMEOUTS: &str = "SET LOCAL statement_timeout = 0; SET LOCAL idle_in_transaction_session_timeout = 0";

/// A table as it travels.
#[derive(Clone, Debug)]
pub(crate) struct Table {
    /// Its name, the same on both databases.
    pub name: String,
    /// Its columns.
    pub columns: Vec<(String, ColumnType)>,
    /// The name of the sequence on PostgreSQL, where its rows are numbered.
    sequence: Option<String>,
}

/// The tables of a site: the engine's own, but for what belongs to one database, and those of the DocTypes.
pub(crate) fn tables(registry: &Registry) -> Vec<Table> {
    let engine = ENGINE_TABLES.iter().filter(|(name, ..)| *name != STATE_TABLE).map(|(name, columns, _)| Table {
        name: (*name).to_owned(),
        columns: columns.iter().map(|(name, column_type)| ((*name).to_owned(), *column_type)).collect(),
        sequence: None,
    });
    let of_doctypes = registry.iter().filter(|doctype| doctype.has_table()).map(|doctype| Table {
        name: doctype.table_name(),
        columns: doctype.columns.iter().map(|column| (column.name.clone(), column.column_type)).collect(),
        sequence: (doctype.naming_rule == NamingRule::Autoincrement).then(|| names::sequence(&doctype.name)),
    });
    engine.chain(of_doctypes).collect()
}

impl Table {
    /// The shapes of its columns.
    pub(crate) fn shapes(&self) -> Vec<Shape> {
        self.columns.iter().map(|(_, column_type)| column_type.shape()).collect()
    }

    fn physical(&self, backend: Backend) -> String {
        quote(names::physical(backend, &self.name))
    }
}

/// A site as of one moment, whatever is written meanwhile.
#[derive(Debug)]
pub(crate) struct Snapshot {
    backend: Backend,
    transaction: DatabaseTransaction,
}

impl Snapshot {
    /// The site as it is now.
    pub(crate) async fn take(database: &Database) -> Result<Self, DbErr> {
        let backend = database.backend();
        let options = match backend {
            Backend::Sqlite => TransactionOptions::default(),
            Backend::Postgres => TransactionOptions {
                isolation_level: Some(IsolationLevel::RepeatableRead),
                access_mode: Some(AccessMode::ReadOnly),
                ..TransactionOptions::default()
            },
        };
        let transaction = database.readers().begin_with_options(options).await?;
        let first = match backend {
            // The moment is that of the first read.
            Backend::Sqlite => "SELECT count(*) FROM sqlite_schema",
            Backend::Postgres => NO_TIMEOUTS,
        };
        transaction.execute_unprepared(first).await?;
        Ok(Self { backend, transaction })
    }

    /// Every row of a table, in no order that counts.
    pub(crate) async fn rows(&self, table: &Table) -> Result<BoxStream<'_, Result<Vec<Value>, DbErr>>, DbErr> {
        let mut sql = "SELECT ".to_owned();
        for (index, (name, column_type)) in table.columns.iter().enumerate() {
            sql.push_str(if index > 0 { ", " } else { "" });
            push_select(&mut sql, self.backend, "", names::physical(self.backend, name), *column_type);
        }
        sql.push_str(" FROM ");
        sql.push_str(&table.physical(self.backend));
        let shapes = table.shapes();
        let rows = self.transaction.stream_raw(statement(self.backend, &sql, Vec::new())).await?;
        Ok(rows.map(move |found| row::decode(&found?, &shapes)).boxed())
    }

    /// The last number of a table whose rows are numbered; `None` if there was none yet.
    pub(crate) async fn counter(&self, table: &Table) -> Result<Option<i64>, DbErr> {
        let sql = match (self.backend, &table.sequence) {
            (_, None) => return Ok(None),
            (Backend::Sqlite, _) => {
                format!("SELECT seq FROM sqlite_sequence WHERE name = '{}'", table.name.replace('\'', "''"))
            }
            (Backend::Postgres, Some(sequence)) => {
                format!("SELECT CASE WHEN is_called THEN last_value END FROM {}", quote(sequence))
            }
        };
        let row = self.transaction.query_one_raw(statement(self.backend, &sql, Vec::new())).await?;
        row.map_or(Ok(None), |row| row.try_get_by_index(0))
    }
}

#[async_trait::async_trait]
impl Executor for Snapshot {
    fn backend(&self) -> Backend {
        self.backend
    }

    async fn execute(&self, _sql: &str, _params: Vec<row::Param>) -> Result<u64, DbErr> {
        Err(DbErr::Custom("a snapshot is only read".to_owned()))
    }

    async fn fetch(&self, sql: &str, params: Vec<row::Param>, shapes: &[Shape]) -> Result<Vec<Vec<Value>>, DbErr> {
        let rows = self.transaction.query_all_raw(statement(self.backend, sql, params)).await?;
        rows.iter().map(|row| row::decode(row, shapes)).collect()
    }

    async fn execute_script(&self, sql: &str) -> Result<(), DbErr> {
        self.execute(sql, Vec::new()).await.map(|_| ())
    }
}

/// Takes the definitions out of force that `migrate` has put there in a site without documents: those that come in their
/// place bring their own.
pub(crate) async fn forget_definitions(transaction: &Transaction) -> Result<(), DbErr> {
    transaction.execute(&format!("DELETE FROM {}", quote(DEFINITION_TABLE)), Vec::new()).await.map(drop)
}

/// How many rows of a table go into one statement.
pub(crate) fn rows_at_once(table: &Table) -> usize {
    (MAX_PARAMS / table.columns.len().max(1)).max(1)
}

/// Writes rows into a table.
pub(crate) async fn load(transaction: &Transaction, table: &Table, rows: &[Vec<Value>]) -> Result<(), DbErr> {
    let backend = transaction.backend();
    for chunk in rows.chunks(rows_at_once(table)) {
        let mut sql = format!("INSERT INTO {} (", table.physical(backend));
        for (index, (name, _)) in table.columns.iter().enumerate() {
            sql.push_str(if index > 0 { ", " } else { "" });
            sql.push_str(&quote(names::physical(backend, name)));
        }
        sql.push_str(") VALUES ");
        let mut params = Vec::with_capacity(chunk.len() * table.columns.len());
        for (index, row) in chunk.iter().enumerate() {
            sql.push_str(if index > 0 { ", (" } else { "(" });
            for (position, (value, (_, column_type))) in row.iter().zip(&table.columns).enumerate() {
                sql.push_str(if position > 0 { ", " } else { "" });
                params.push(row::Param::new(column_type.shape(), value.clone()));
                push_placeholder(&mut sql, backend, params.len(), *column_type);
            }
            sql.push(')');
        }
        transaction.execute(&sql, params).await?;
    }
    Ok(())
}

/// Lets the numbers of a table go on behind `last`.
pub(crate) async fn set_counter(transaction: &Transaction, table: &Table, last: i64) -> Result<(), DbErr> {
    let mut sql = Sql::new(transaction.backend());
    match (transaction.backend(), &table.sequence) {
        (_, None) => return Ok(()),
        (Backend::Sqlite, _) => {
            let mut clear = Sql::new(Backend::Sqlite);
            clear.push("DELETE FROM sqlite_sequence WHERE name = ").bind_text(&table.name);
            transaction.execute(&clear.text, clear.params).await?;
            sql.push("INSERT INTO sqlite_sequence (name, seq) VALUES (").bind_text(&table.name).push(", ");
            sql.bind_int(last).push(")");
            transaction.execute(&sql.text, sql.params).await?;
        }
        (Backend::Postgres, Some(sequence)) => {
            sql.push("SELECT setval('").push(&quote(sequence).replace('\'', "''")).push("', ").bind_int(last).push(")");
            transaction.fetch(&sql.text, sql.params, &[Shape::Int]).await?;
        }
    }
    Ok(())
}

/// The definitions in force in that site.
pub(crate) async fn registry(snapshot: &Snapshot) -> anyhow::Result<Registry> {
    registry_of(&definitions::read(snapshot).await?)
}

/// The DocTypes of these definitions.
pub(crate) fn registry_of(kept: &BTreeMap<String, Kept>) -> anyhow::Result<Registry> {
    let loaded = stand_for_themselves(kept);
    anyhow::ensure!(!loaded.is_empty(), "this database has no definitions in force, so it does not hold a site");
    Ok(Registry::new(loaded.iter().map(Arc::clone), 1))
}
