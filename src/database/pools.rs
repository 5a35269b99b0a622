//! How connections to either database are made, kept and tested before they are used again.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use futures_util::FutureExt as _;
use sea_orm::{ConnectOptions, DatabaseConnection, DbErr, RuntimeErr};
use sqlx::postgres::PgConnectOptions;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous};
use sqlx::{ConnectOptions as _, Connection as _};
use tokio::time::timeout;

use crate::database::outage::Outage;
use crate::database::sqlite::Writer;

/// Page cache of one SQLite connection, in KiB; counts once per connection.
const SQLITE_CACHE_KIB: u32 = 4096;
/// How many SQLite connections read at once.
pub(super) const SQLITE_READERS: u32 = 4;
/// How many transactions run at once on PostgreSQL, and how many connections read beside them.
pub(super) const POSTGRES_CONNECTIONS: u32 = 8;
/// How long a statement waits for another process's write on SQLite.
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a request waits for a connection.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(12);
/// A connection that idled longer is tested before it is used.
const TEST_AFTER: Duration = Duration::from_secs(30);
/// How long that test may take.
const TEST_TIMEOUT: Duration = Duration::from_secs(2);
/// For how long whoever still works in a pool that was left behind may do so.
const LEFT_BEHIND: Duration = Duration::from_mins(2);
/// How long one statement may take on PostgreSQL, how long it may wait for a lock, and how long a transaction may idle.
const POSTGRES_TIMEOUTS: [(&str, &str); 3] =
    [("statement_timeout", "60s"), ("lock_timeout", "5s"), ("idle_in_transaction_session_timeout", "120s")];

/// Who uses the connections of a pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Use {
    /// Single statements that only read; the database holds them to that.
    Reading,
    /// Transactions.
    Writing,
}

/// The connections that read a file of SQLite.
pub(super) fn sqlite_readers(url: &str) -> ConnectOptions {
    let mut options = ConnectOptions::new(url);
    options
        .max_connections(SQLITE_READERS)
        .min_connections(1)
        .acquire_timeout(ACQUIRE_TIMEOUT)
        .idle_timeout(None)
        .max_lifetime(None)
        .test_before_acquire(false)
        .sqlx_logging(false)
        .record_stmt_in_spans(false)
        // After the end of a transaction that failed, the connection still counts as being in one.
        .map_sqlx_sqlite_before_acquire(|connection, _| Box::pin(async { Ok(!connection.is_in_transaction()) }))
        .map_sqlx_sqlite_opts(|options| sqlite_session(options, Use::Reading));
    options
}

/// The connection that writes to a file of SQLite, which is made if missing.
pub(super) async fn sqlite_writer(url: &str) -> Result<Writer, sqlx::Error> {
    let options = sqlite_session(url.parse()?, Use::Writing).disable_statement_logging();
    Writer::open(options, ACQUIRE_TIMEOUT).await
}

/// What holds for a connection to SQLite.
fn sqlite_session(options: SqliteConnectOptions, usage: Use) -> SqliteConnectOptions {
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
        .pragma("query_only", if usage == Use::Reading { "on" } else { "off" })
}

/// A pool of connections to PostgreSQL that is left behind whole, with whatever hangs in it, when its server is gone without
/// a word or another server takes its place.
#[derive(Debug)]
pub(super) struct Pool {
    usage: Use,
    outage: Arc<Outage>,
    made: ArcSwap<Made>,
    making: Mutex<()>,
}

/// The pool itself, of one generation.
#[derive(Debug)]
struct Made {
    generation: u64,
    connections: DatabaseConnection,
}

impl Pool {
    /// A pool, which connects when it is used.
    pub(super) fn new(usage: Use, outage: &Arc<Outage>) -> Result<Self, DbErr> {
        let made = ArcSwap::from_pointee(Made { generation: outage.generation(), connections: make(usage, outage)? });
        Ok(Self { usage, outage: Arc::clone(outage), made, making: Mutex::default() })
    }

    /// The connections that count now.
    pub(super) fn current(&self) -> DatabaseConnection {
        let made = self.made.load();
        if made.generation == self.outage.generation() {
            return made.connections.clone();
        }
        let _one = self.making.lock().unwrap_or_else(PoisonError::into_inner);
        let (made, generation) = (self.made.load(), self.outage.generation());
        if made.generation != generation
            && let Ok(connections) = make(self.usage, &self.outage)
        {
            let before = self.made.swap(Arc::new(Made { generation, connections }));
            // Whoever waits there learns it, and what comes back there is closed.
            tokio::spawn(async move { drop(timeout(LEFT_BEHIND, before.connections.clone().close()).await) });
        }
        self.made.load().connections.clone()
    }
}

/// Connections to the server of PostgreSQL that is used.
fn make(usage: Use, outage: &Arc<Outage>) -> Result<DatabaseConnection, DbErr> {
    let nowhere = || DbErr::Conn(RuntimeErr::Internal("no PostgreSQL server is configured".to_owned()));
    let server = outage.server().ok_or_else(nowhere)?;
    // sea-orm wants a URL; the options that count are those of the server.
    let mut options = ConnectOptions::new("postgres://localhost");
    let outage = Arc::clone(outage);
    options
        .max_connections(POSTGRES_CONNECTIONS)
        .acquire_timeout(ACQUIRE_TIMEOUT)
        .connect_lazy(true)
        .sqlx_logging(false)
        .record_stmt_in_spans(false)
        .test_before_acquire(false)
        .map_sqlx_postgres_before_acquire(move |connection, metadata| {
            let is_doubtful = metadata.idle_for >= TEST_AFTER || outage.since_last() <= metadata.idle_for;
            let outage = Arc::clone(&outage);
            Box::pin(async move {
                if is_doubtful {
                    let Ok(answered) = timeout(TEST_TIMEOUT, connection.ping()).await else {
                        // Those that idled with it are no better.
                        outage.renew();
                        return Ok(false);
                    };
                    answered?;
                }
                Ok(!connection.is_in_transaction())
            })
        })
        .map_sqlx_postgres_opts(move |_| postgres_session(server.clone(), usage));
    // Nothing is waited for, because nothing connects yet.
    sea_orm::Database::connect(options).now_or_never().unwrap_or_else(|| Err(nowhere()))
}

/// What holds for a session at PostgreSQL.
fn postgres_session(options: PgConnectOptions, usage: Use) -> PgConnectOptions {
    // A generic plan chosen early can be thousands of times too slow once the data is skewed.
    let options = options.options([("plan_cache_mode", "force_custom_plan"), ("TimeZone", "UTC")]);
    let options = options.options(POSTGRES_TIMEOUTS);
    match usage {
        Use::Reading => options.options([("default_transaction_read_only", "on")]),
        Use::Writing => options,
    }
}
