//! Connections: those that write and those that only read, in pools of their own, behind [`Executor`].

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use sea_orm::{
    ConnectOptions, ConnectionTrait, DatabaseConnection, DatabaseTransaction, DbBackend, DbErr, QueryResult,
    SqliteTransactionMode, Statement, TransactionOptions, TransactionTrait, Values,
};
use sqlx::sqlite::{SqliteJournalMode, SqliteSynchronous};

use crate::database::row::{self, Param};
use crate::meta::Value;
use crate::meta::fieldtype::Shape;

/// Page cache of one SQLite connection, in KiB; counts once per connection.
const SQLITE_CACHE_KIB: u32 = 4096;
/// How many SQLite connections read at once.
const SQLITE_READERS: u32 = 4;
/// How many transactions run at once on PostgreSQL.
const POSTGRES_WRITERS: u32 = 8;
/// How many PostgreSQL connections read at once.
const POSTGRES_READERS: u32 = 8;
/// How long a statement waits for another process's write on SQLite.
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a request waits for a connection.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(30);

/// Which database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Backend {
    /// Embedded, a file.
    Sqlite,
    /// PostgreSQL.
    Postgres,
}

/// The pools of one site.
///
/// Transactions never share a pool with single reads: one that holds a lock may still look something up while every
/// other connection that writes waits for that lock.
#[derive(Clone, Debug)]
pub struct Database {
    backend: Backend,
    readers: DatabaseConnection,
    writer: DatabaseConnection,
    url: Arc<str>,
}

/// One open transaction; dropping it rolls back.
#[derive(Debug)]
pub struct Transaction {
    backend: Backend,
    inner: DatabaseTransaction,
}

/// Something that runs statements: the pools (each statement for itself) or a transaction.
///
/// Parameters are `?` on SQLite and `$1`, … on PostgreSQL; [`crate::database::sql::Sql`] writes either.
#[async_trait]
pub trait Executor: Send + Sync {
    /// Which database this is.
    fn backend(&self) -> Backend;
    /// Runs a statement that changes something; returns the number of rows.
    async fn execute(&self, sql: &str, params: Vec<Param>) -> Result<u64, DbErr>;
    /// Runs a query and decodes every row by `shapes`.
    async fn fetch(&self, sql: &str, params: Vec<Param>, shapes: &[Shape]) -> Result<Vec<Vec<Value>>, DbErr>;
    /// Runs statements that take no parameters and cannot be prepared, such as DDL.
    async fn execute_script(&self, sql: &str) -> Result<(), DbErr>;
}

impl Database {
    /// Connects; on SQLite the file and its folder are made if missing.
    pub async fn open(url: &str) -> anyhow::Result<Self> {
        if let Some(path) = url.strip_prefix("sqlite:") {
            let path = path.trim_start_matches("//").split('?').next().unwrap_or_default();
            if let Some(folder) = std::path::Path::new(path).parent().filter(|folder| !folder.as_os_str().is_empty()) {
                std::fs::create_dir_all(folder)?;
            }
            let writer = sea_orm::Database::connect(sqlite_options(url, 1)).await?;
            let readers = sea_orm::Database::connect(sqlite_options(url, SQLITE_READERS)).await?;
            return Ok(Self { backend: Backend::Sqlite, readers, writer, url: url.into() });
        }
        anyhow::ensure!(
            url.starts_with("postgres:") || url.starts_with("postgresql:"),
            "DOCTYPED_DATABASE_URL must start with sqlite: or postgres:"
        );
        let writer = sea_orm::Database::connect(postgres_options(url, POSTGRES_WRITERS)).await?;
        let readers = sea_orm::Database::connect(postgres_options(url, POSTGRES_READERS)).await?;
        Ok(Self { backend: Backend::Postgres, readers, writer, url: url.into() })
    }

    /// The URL it was opened with; may hold a password, so never log it.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Begins a transaction that may write. On SQLite it holds the one writer until it ends.
    pub async fn begin(&self) -> Result<Transaction, DbErr> {
        let inner = match self.backend {
            Backend::Sqlite => {
                let options = TransactionOptions {
                    sqlite_transaction_mode: Some(SqliteTransactionMode::Immediate),
                    ..TransactionOptions::default()
                };
                self.writer.begin_with_options(options).await?
            }
            Backend::Postgres => self.writer.begin().await?,
        };
        Ok(Transaction { backend: self.backend, inner })
    }

    /// Closes the pools once requests under way are done.
    pub async fn close(&self) {
        if let Err(error) = self.readers.clone().close().await {
            tracing::warn!(%error, "closing the readers");
        }
        if let Err(error) = self.writer.clone().close().await {
            tracing::warn!(%error, "closing the writer");
        }
    }
}

impl Transaction {
    /// Makes everything durable.
    pub async fn commit(self) -> Result<(), DbErr> {
        self.inner.commit().await
    }

    /// Undoes everything.
    pub async fn rollback(self) -> Result<(), DbErr> {
        self.inner.rollback().await
    }
}

#[async_trait]
impl Executor for Database {
    fn backend(&self) -> Backend {
        self.backend
    }

    async fn execute(&self, sql: &str, params: Vec<Param>) -> Result<u64, DbErr> {
        Ok(self.writer.execute_raw(statement(self.backend, sql, params)).await?.rows_affected())
    }

    async fn fetch(&self, sql: &str, params: Vec<Param>, shapes: &[Shape]) -> Result<Vec<Vec<Value>>, DbErr> {
        decode(&self.readers.query_all_raw(statement(self.backend, sql, params)).await?, shapes)
    }

    async fn execute_script(&self, sql: &str) -> Result<(), DbErr> {
        self.writer.execute_unprepared(sql).await.map(|_| ())
    }
}

#[async_trait]
impl Executor for Transaction {
    fn backend(&self) -> Backend {
        self.backend
    }

    async fn execute(&self, sql: &str, params: Vec<Param>) -> Result<u64, DbErr> {
        Ok(self.inner.execute_raw(statement(self.backend, sql, params)).await?.rows_affected())
    }

    async fn fetch(&self, sql: &str, params: Vec<Param>, shapes: &[Shape]) -> Result<Vec<Vec<Value>>, DbErr> {
        decode(&self.inner.query_all_raw(statement(self.backend, sql, params)).await?, shapes)
    }

    async fn execute_script(&self, sql: &str) -> Result<(), DbErr> {
        self.inner.execute_unprepared(sql).await.map(|_| ())
    }
}

/// The column or constraint named by a unique violation; `None` for every other error.
///
/// SQLite says `table.column`, PostgreSQL the constraint's name.
pub fn unique_violation(error: &DbErr) -> Option<String> {
    match error.sql_err()? {
        sea_orm::SqlErr::UniqueConstraintViolation(text) => Some(text),
        _ => None,
    }
}

fn sqlite_options(url: &str, connections: u32) -> ConnectOptions {
    let mut options = ConnectOptions::new(url);
    options
        .max_connections(connections)
        .min_connections(1)
        .acquire_timeout(ACQUIRE_TIMEOUT)
        .idle_timeout(None)
        .max_lifetime(None)
        .test_before_acquire(false)
        .sqlx_logging(false)
        .record_stmt_in_spans(false)
        .map_sqlx_sqlite_opts(|options| {
            options
                .create_if_missing(true)
                .journal_mode(SqliteJournalMode::Wal)
                .synchronous(SqliteSynchronous::Normal)
                .busy_timeout(BUSY_TIMEOUT)
                .foreign_keys(true)
                .statement_cache_capacity(256)
                // The operator `regex`; linear in time, whatever the pattern.
                .with_regexp()
                .pragma("cache_size", format!("-{SQLITE_CACHE_KIB}"))
                .pragma("temp_store", "memory")
        });
    options
}

fn postgres_options(url: &str, connections: u32) -> ConnectOptions {
    let mut options = ConnectOptions::new(url);
    options
        .max_connections(connections)
        .acquire_timeout(ACQUIRE_TIMEOUT)
        .sqlx_logging(false)
        .record_stmt_in_spans(false)
        .test_before_acquire_if_idle_for(Duration::from_secs(30))
        // A generic plan chosen early can be thousands of times too slow once the data is skewed.
        .map_sqlx_postgres_opts(|options| {
            options.options([("plan_cache_mode", "force_custom_plan"), ("TimeZone", "UTC")])
        });
    options
}

fn statement(backend: Backend, sql: &str, params: Vec<Param>) -> Statement {
    let backend = match backend {
        Backend::Sqlite => DbBackend::Sqlite,
        Backend::Postgres => DbBackend::Postgres,
    };
    Statement {
        sql: sql.to_owned(),
        values: Some(Values(params.into_iter().map(|param| param.0).collect())),
        db_backend: backend,
    }
}

fn decode(rows: &[QueryResult], shapes: &[Shape]) -> Result<Vec<Vec<Value>>, DbErr> {
    rows.iter().map(|found| row::decode(found, shapes)).collect()
}
