//! Connections: those that write and those that only read, in pools of their own, behind [`Executor`].

use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::Instant;

use anyhow::Context as _;
use async_trait::async_trait;
use futures_util::stream::{self, BoxStream};
use futures_util::{FutureExt as _, StreamExt as _};
use sea_orm::{
    ConnectionTrait, DatabaseConnection, DbBackend, DbErr, QueryResult, RuntimeErr, Statement, StreamTrait,
    TransactionTrait, Values,
};
use tokio::sync::Semaphore;
use tracing::Instrument as _;

use crate::database::contention::{Contention, WAIT_BRIEFLY};
use crate::database::fault::{Fault, fault};
use crate::database::format;
use crate::database::nodes::Nodes;
use crate::database::outage::Outage;
use crate::database::pools::{self, Pool, Use};
use crate::database::replicas::Replicas;
use crate::database::row::{self, Param};
use crate::database::servers::servers;
use crate::database::slow::Slow;
use crate::database::sqlite::Writer;
use crate::database::writable::Writable;
use crate::meta::Value;
use crate::meta::fieldtype::Shape;
use crate::metrics::Metrics;
use crate::pace;
use crate::secret::private;
use crate::traces;

/// Which database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Backend {
    /// Embedded, a file.
    Sqlite,
    /// PostgreSQL.
    Postgres,
}

impl Backend {
    /// What OpenTelemetry calls it.
    pub(super) fn system(self) -> &'static str {
        match self {
            Self::Sqlite => "sqlite",
            Self::Postgres => "postgresql",
        }
    }
}

/// The pools of one site.
///
/// Transactions never share a pool with single reads: one that holds a lock may still look something up while every
/// other connection that writes waits for that lock.
#[derive(Clone, Debug)]
pub struct Database {
    backend: Backend,
    readers: Readers,
    pub(super) writer: Writers,
    url: Arc<str>,
    pub(super) outage: Arc<Outage>,
    pub(super) contention: Arc<Contention>,
    pub(super) writable: Arc<Writable>,
    pub(super) nodes: Arc<Nodes>,
    pub(super) metrics: Arc<Metrics>,
    pub(super) replicas: Arc<OnceLock<Arc<Replicas>>>,
    pub(super) slow: Arc<Slow>,
    /// Places for long reads, fewer than there are readers: while one is read, others still find a reader.
    long_reads: Arc<Semaphore>,
}

/// The connections that write.
#[derive(Clone, Debug)]
pub(super) enum Writers {
    Sqlite(Writer),
    Postgres(Arc<Pool>),
}

/// The connections that only read.
#[derive(Clone, Debug)]
enum Readers {
    Sqlite(DatabaseConnection),
    Postgres(Arc<Pool>),
}

/// Statements that only read, each for itself: what [`Executor`] is where nothing is to be written.
#[derive(Clone, Debug)]
pub(crate) struct Reading(pub Database);

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
    /// Connects; on SQLite the file and its folder are made if missing, for nobody else to read. Fails as well where a later
    /// program has written in a format that this one does not know.
    pub async fn open(url: &str) -> anyhow::Result<Self> {
        let (backend, outage) = if url.starts_with("sqlite:") {
            if let Some(path) = sqlite_path(url) {
                private::own_file(&path)?;
                for ending in ["-wal", "-shm"] {
                    private::keep_to_owner(&with_ending(&path, ending));
                }
            }
            (Backend::Sqlite, Outage::new(Vec::new()))
        } else {
            anyhow::ensure!(
                url.starts_with("postgres:") || url.starts_with("postgresql:"),
                "DOCTYPED_DATABASE_URL must start with sqlite: or postgres:"
            );
            (Backend::Postgres, Outage::new(servers(url).context("DOCTYPED_DATABASE_URL")?))
        };
        let (writer, readers) = match backend {
            Backend::Sqlite => {
                let writer = pools::sqlite_writer(url).await?;
                let readers = sea_orm::Database::connect(pools::sqlite_readers(url)).await?;
                (Writers::Sqlite(writer), Readers::Sqlite(readers))
            }
            Backend::Postgres => {
                outage.find_first().await?;
                let pool = |usage| Ok::<_, DbErr>(Arc::new(Pool::new(usage, &outage)?));
                (Writers::Postgres(pool(Use::Writing)?), Readers::Postgres(pool(Use::Reading)?))
            }
        };
        let schema = match &readers {
            Readers::Sqlite(_) => None,
            Readers::Postgres(pool) => Some(current_schema(&pool.current()).await?),
        };
        let (contention, writable, nodes) = (Arc::default(), Arc::default(), Nodes::new(schema.as_deref()));
        let most = if backend == Backend::Sqlite { pools::SQLITE_READERS } else { pools::POSTGRES_CONNECTIONS };
        let long_reads = Arc::new(Semaphore::new((most / 2).max(1) as usize));
        let (url, metrics, slow, replicas) = (url.into(), Arc::default(), Arc::default(), Arc::default());
        let database = Self {
            backend,
            readers,
            writer,
            url,
            outage,
            contention,
            writable,
            nodes,
            metrics,
            replicas,
            slow,
            long_reads,
        };
        format::check(&database).await?;
        Ok(database)
    }

    /// The connections that only read.
    pub(super) fn readers(&self) -> DatabaseConnection {
        match &self.readers {
            Readers::Sqlite(readers) => readers.clone(),
            Readers::Postgres(pool) => pool.current(),
        }
    }

    /// The URL it was opened with; may hold a password, so never log it.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// What the site counts of itself.
    pub(crate) fn metrics(&self) -> &Arc<Metrics> {
        &self.metrics
    }

    /// How many connections there are at most, to read and to write.
    pub(crate) fn connections(&self) -> (usize, usize) {
        match self.backend {
            Backend::Sqlite => (pools::SQLITE_READERS as usize, 1),
            Backend::Postgres => (pools::POSTGRES_CONNECTIONS as usize, pools::POSTGRES_CONNECTIONS as usize),
        }
    }

    /// How many wait for a connection.
    pub(crate) fn waiting(&self) -> usize {
        self.metrics.begins.now() + self.metrics.reads.now().saturating_sub(self.connections().0)
    }

    /// Runs a query whose rows are too many for memory: they come as they are taken, all of one moment.
    pub(super) async fn stream(
        &self,
        sql: &str,
        params: Vec<Param>,
        shapes: Vec<Shape>,
    ) -> Result<BoxStream<'_, Result<Vec<Value>, DbErr>>, DbErr> {
        self.stream_from((&self.outage, &self.long_reads, || self.readers()), sql, params, shapes).await
    }

    /// The same from connections to a server that may be gone, at which so many long reads have their place.
    pub(super) async fn stream_from<'d>(
        &'d self,
        (outage, long_reads, readers): (&'d Arc<Outage>, &Arc<Semaphore>, impl Fn() -> DatabaseConnection),
        sql: &str,
        params: Vec<Param>,
        shapes: Vec<Shape>,
    ) -> Result<BoxStream<'d, Result<Vec<Value>, DbErr>>, DbErr> {
        let place = Arc::clone(long_reads).acquire_owned().await;
        let begun = async {
            let taken = Instant::now();
            let rows = readers().stream_raw(statement(self.backend, sql, params)).await?;
            Ok((rows, taken))
        };
        let (rows, taken) = outage.guard(begun).await.inspect_err(|error| self.note(error, sql))?;
        let sql = sql.to_owned();
        let decoded = stream::try_unfold(rows, move |mut rows| async move {
            let next = outage.guard_since(taken, None, rows.next().map(Option::transpose)).await?;
            Ok(next.map(|row| (row, rows)))
        });
        let decoded = decoded.map(move |found: Result<_, DbErr>| {
            let _held = &place;
            row::decode(&found.inspect_err(|error| self.note(error, &sql))?, &shapes)
        });
        Ok(decoded.boxed())
    }

    /// Closes the pools once requests under way are done. SQLite's file is complete by itself then.
    pub async fn close(&self) {
        self.stop_listening().await;
        if let Err(error) = self.readers().close().await {
            tracing::warn!(%error, "closing the readers");
        }
        let closed = match &self.writer {
            Writers::Sqlite(writer) => {
                if let Err(error) = writer.execute_script("PRAGMA wal_checkpoint(TRUNCATE)").await
                    && fault(&error) != Some(Fault::Gone)
                {
                    tracing::warn!(%error, "the write-ahead log was not taken over into the database file");
                }
                writer.close().await
            }
            Writers::Postgres(pool) => pool.current().close().await,
        };
        if let Err(error) = closed {
            tracing::warn!(%error, "closing the writer");
        }
    }

    /// Has SQLite look again at how many rows have which values where that has changed much, by samples, so that it goes on
    /// choosing the right index as tables grow. PostgreSQL does so by itself.
    pub async fn refresh_statistics(&self) -> Result<(), DbErr> {
        match &self.writer {
            // Every table counts (0x10000), not only those that this connection has read.
            Writers::Sqlite(writer) => {
                writer.execute_script("PRAGMA analysis_limit = 400; PRAGMA optimize = 0x10002").await
            }
            Writers::Postgres(_) => Ok(()),
        }
    }

    /// Takes note of what an error says about the database.
    pub(super) fn note(&self, error: &DbErr, sql: &str) {
        match fault(error) {
            Some(found @ (Fault::Full | Fault::ReadOnly)) => {
                self.writable.note(found);
                if found == Fault::ReadOnly {
                    self.outage.note_read_only();
                }
            }
            Some(Fault::Gone) => self.outage.note(),
            Some(Fault::Locked) => self.contention.note(sql),
            _ => {}
        }
    }

    async fn query(&self, sql: &str, params: Vec<Param>) -> Result<Vec<QueryResult>, DbErr> {
        let statement = statement(self.backend, sql, params);
        let _reading = self.metrics.reads.one_more();
        if !self.contention.concerns(sql) {
            return self.readers().query_all_raw(statement).await;
        }
        let transaction = self.readers().begin().await?;
        transaction.execute_unprepared(WAIT_BRIEFLY).await?;
        transaction.query_all_raw(statement).await
    }
}

/// The schema that a connection to PostgreSQL works in.
async fn current_schema(connection: &DatabaseConnection) -> Result<String, DbErr> {
    let statement = statement(Backend::Postgres, "SELECT CAST(current_schema() AS text)", Vec::new());
    let row = connection.query_one_raw(statement).await?;
    Ok(row.and_then(|row| row.try_get_by_index(0).ok()).unwrap_or_default())
}

/// The file of a SQLite URL; `None`: another database, or none on the disk.
pub(crate) fn sqlite_path(url: &str) -> Option<PathBuf> {
    let path = url.strip_prefix("sqlite:")?.trim_start_matches("//").split('?').next().unwrap_or_default();
    let path = percent_encoding::percent_decode_str(path).decode_utf8().ok()?;
    let is_file = !path.is_empty() && !path.starts_with(':') && !url.contains("mode=memory");
    is_file.then(|| PathBuf::from(path.as_ref()))
}

/// The path of a file that lies beside another under the same name and an ending.
pub(super) fn with_ending(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    name.into()
}

#[async_trait]
impl Executor for Database {
    fn backend(&self) -> Backend {
        self.backend
    }

    async fn execute(&self, sql: &str, params: Vec<Param>) -> Result<u64, DbErr> {
        let transaction = self.begin().await?;
        let rows = transaction.execute(sql, params).await?;
        transaction.commit().await?;
        Ok(rows)
    }

    async fn fetch(&self, sql: &str, params: Vec<Param>, shapes: &[Shape]) -> Result<Vec<Vec<Value>>, DbErr> {
        // Who waits for a connection says nothing of the statement.
        let waits = self.metrics.reads.now() >= self.connections().0;
        let began = Instant::now();
        let span = traces::statement(self.backend.system(), Some(sql));
        let query = async {
            match self.outage.guard(self.query(sql, params.clone())).await {
                Err(error) if fault(&error) == Some(Fault::Gone) => self.outage.guard(self.query(sql, params)).await,
                other => other,
            }
        };
        let found = query.instrument(span.clone()).await;
        let time = began.elapsed();
        self.metrics.statements.count(time);
        match &found {
            Ok(rows) if !waits => self.note_time(sql, time, rows.len() as u64),
            Ok(_) => {}
            Err(error) => {
                traces::failed(&span);
                self.note(error, sql);
            }
        }
        decode(&found?, |row| row::decode(row, shapes))
    }

    async fn execute_script(&self, sql: &str) -> Result<(), DbErr> {
        match &self.writer {
            Writers::Sqlite(writer) => writer.execute_script(sql).await,
            Writers::Postgres(pool) => pool.current().execute_unprepared(sql).await.map(drop),
        }
    }
}

#[async_trait]
impl Executor for Reading {
    fn backend(&self) -> Backend {
        self.0.backend
    }

    async fn execute(&self, _sql: &str, _params: Vec<Param>) -> Result<u64, DbErr> {
        Err(DbErr::Custom("what only reads was about to write".to_owned()))
    }

    async fn fetch(&self, sql: &str, params: Vec<Param>, shapes: &[Shape]) -> Result<Vec<Vec<Value>>, DbErr> {
        self.0.fetch(sql, params, shapes).await
    }

    async fn execute_script(&self, sql: &str) -> Result<(), DbErr> {
        self.execute(sql, Vec::new()).await.map(|_| ())
    }
}

/// What a row would have had in common with another one, though it must not.
#[derive(Debug)]
pub(crate) struct UniqueViolation {
    /// The table, as the database stores its name.
    pub table: String,
    /// What the database said: SQLite names `table.column`, PostgreSQL the constraint.
    pub text: String,
}

/// The unique violation that an error tells of; `None` for every other error.
pub(crate) fn unique_violation(error: &DbErr) -> Option<UniqueViolation> {
    let Some(sea_orm::SqlErr::UniqueConstraintViolation(text)) = error.sql_err() else { return None };
    let (DbErr::Exec(RuntimeErr::SqlxError(source)) | DbErr::Query(RuntimeErr::SqlxError(source))) = error else {
        return None;
    };
    let table = match source.as_database_error().and_then(sqlx::error::DatabaseError::table) {
        Some(table) => table.to_owned(),
        None => text.rsplit(": ").next().and_then(|columns| columns.split('.').next()).unwrap_or_default().to_owned(),
    };
    Some(UniqueViolation { table, text })
}

pub(super) fn statement(backend: Backend, sql: &str, params: Vec<Param>) -> Statement {
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

pub(super) fn decode<R>(
    rows: &[R],
    decoded: impl Fn(&R) -> Result<Vec<Value>, DbErr>,
) -> Result<Vec<Vec<Value>>, DbErr> {
    pace::aside(rows.len() > pace::MANY_ROWS, || rows.iter().map(decoded).collect())
}
