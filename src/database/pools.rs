//! How connections to either database are made, kept and tested before they are used again.

use std::sync::Arc;
use std::time::Duration;

use sea_orm::ConnectOptions;
use sqlx::postgres::PgConnectOptions;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous};
use sqlx::{ConnectOptions as _, Connection as _};

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

/// Connections to PostgreSQL.
pub(super) fn postgres(url: &str, usage: Use, outage: &Arc<Outage>) -> ConnectOptions {
    let mut options = ConnectOptions::new(url);
    let outage = Arc::clone(outage);
    options
        .max_connections(POSTGRES_CONNECTIONS)
        .acquire_timeout(ACQUIRE_TIMEOUT)
        .sqlx_logging(false)
        .record_stmt_in_spans(false)
        .test_before_acquire(false)
        .map_sqlx_postgres_before_acquire(move |connection, metadata| {
            let is_doubtful = metadata.idle_for >= TEST_AFTER || outage.since_last() <= metadata.idle_for;
            Box::pin(async move {
                if is_doubtful {
                    connection.ping().await?;
                }
                Ok(!connection.is_in_transaction())
            })
        })
        .map_sqlx_postgres_opts(move |options| postgres_session(options, usage));
    options
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
