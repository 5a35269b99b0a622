//! [`Transaction`]: statements that become durable together or not at all.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use async_trait::async_trait;
use sea_orm::{ConnectionTrait as _, DatabaseTransaction, DbErr, TransactionTrait as _};
use tracing::Instrument as _;

use crate::database::connect::{Backend, Database, Executor, Writers, decode, statement};
use crate::database::contention::WAIT_BRIEFLY;
use crate::database::fault::{Fault, fault};
use crate::database::outage::{DEADLINE, Outage};
use crate::database::pools::Pool;
use crate::database::row::{self, Param};
use crate::database::sqlite::Writing;
use crate::database::written::Written;
use crate::meta::Value;
use crate::meta::fieldtype::Shape;
use crate::metrics::Gauged;
use crate::traces;

/// One open transaction; dropping it rolls back. After the first statement that fails it takes no more, and is not committed:
/// SQLite may have rolled back by itself, and PostgreSQL would answer a commit as if it had happened.
#[derive(Debug)]
pub struct Transaction {
    database: Database,
    inner: Inner,
    failed: AtomicBool,
    waits_briefly: AtomicBool,
    /// When its connection was taken.
    taken: Instant,
    /// Its statements take as long as they take.
    takes_time: AtomicBool,
    _open: Gauged,
}

/// What it runs on.
#[derive(Debug)]
enum Inner {
    Sqlite(Writing),
    Postgres(DatabaseTransaction),
}

impl Database {
    /// Begins a transaction that may write. On SQLite it holds the one writer until it ends.
    pub async fn begin(&self) -> Result<Transaction, DbErr> {
        let beginning = self.metrics.begins.one_more();
        let (inner, taken) = match &self.writer {
            Writers::Sqlite(writer) => (Inner::Sqlite(writer.begin().await?), Instant::now()),
            Writers::Postgres(pool) => {
                let (pool, outage) = (pool.clone(), Arc::clone(&self.outage));
                // In a task of its own: whoever stops waiting in the middle would leave a connection in a transaction that
                // nobody ends.
                let beginning = tokio::spawn(async move {
                    match begin_at_once(&pool, &outage).await {
                        // Nothing has happened yet, so that nothing happens twice; the next connection is tested first.
                        Err(error) if fault(&error) == Some(Fault::Gone) => begin_at_once(&pool, &outage).await,
                        other => other,
                    }
                });
                let begun = beginning.await;
                let begun =
                    begun.unwrap_or_else(|error| Err(DbErr::Custom(format!("a transaction did not begin: {error}"))));
                let (transaction, taken) = begun?;
                (Inner::Postgres(transaction), taken)
            }
        };
        drop(beginning);
        Ok(Transaction {
            database: self.clone(),
            inner,
            failed: AtomicBool::new(false),
            waits_briefly: AtomicBool::new(false),
            taken,
            takes_time: AtomicBool::new(false),
            _open: self.metrics().transactions.one_more(),
        })
    }
}

/// Begins one on a connection of PostgreSQL, and says when that was taken.
async fn begin_at_once(pool: &Pool, outage: &Arc<Outage>) -> Result<(DatabaseTransaction, Instant), DbErr> {
    let begun = async {
        let taken = Instant::now();
        Ok((pool.current().begin().await?, taken))
    };
    outage.guard(begun).await
}

impl Transaction {
    /// Has its statements take as long as they take, on PostgreSQL: it tells the server so by a script.
    pub(crate) async fn take_time(&self, script: &str) -> Result<(), DbErr> {
        self.takes_time.store(true, Ordering::Relaxed);
        self.execute_script(script).await
    }

    /// Waits for the server, as long as there is one at the other end.
    async fn guard<T>(&self, work: impl Future<Output = Result<T, DbErr>>) -> Result<T, DbErr> {
        let deadline = (!self.takes_time.load(Ordering::Relaxed)).then_some(DEADLINE);
        self.database.outage.guard_since(self.taken, deadline, work).await
    }

    /// Makes everything durable.
    pub async fn commit(self) -> Result<(), DbErr> {
        if self.failed.load(Ordering::Relaxed) {
            return Err(over());
        }
        let span = traces::statement(self.database.backend().system(), Some("COMMIT"));
        let done = match self.inner {
            Inner::Sqlite(transaction) => transaction.commit().instrument(span).await,
            Inner::Postgres(transaction) => {
                let (outage, taken) = (&self.database.outage, self.taken);
                outage.guard_since(taken, Some(DEADLINE), transaction.commit()).instrument(span).await
            }
        };
        if let Err(error) = &done {
            self.database.note(error, "");
        }
        done
    }

    /// Makes everything durable, and tells the other nodes what was written, in one message to the database.
    pub(crate) async fn commit_and_tell(self, written: &Written) -> Result<(), DbErr> {
        let Some(script) = self.database.nodes.commit_and_tell(written) else { return self.commit().await };
        if self.failed.load(Ordering::Relaxed) {
            return Err(over());
        }
        // What follows the commit is an empty transaction, whose end goes along with what tests the connection for its next
        // user: nobody waits for that.
        let span = traces::statement(self.database.backend().system(), Some("COMMIT"));
        Box::pin(self.guard(self.inner.execute_script(&script)).instrument(span))
            .await
            .inspect_err(|error| self.database.note(error, ""))
    }

    /// Undoes everything.
    pub async fn rollback(self) -> Result<(), DbErr> {
        match self.inner {
            Inner::Sqlite(transaction) => transaction.rollback().await,
            Inner::Postgres(transaction) => {
                let (outage, taken) = (&self.database.outage, self.taken);
                outage.guard_since(taken, Some(DEADLINE), transaction.rollback()).await
            }
        }
    }

    /// Runs a statement, unless one failed before. `rows`: how many it returned or changed; `None` of a script, whose text
    /// may hold values.
    async fn run<T>(
        &self,
        sql: &str,
        statement: impl Future<Output = Result<T, DbErr>>,
        rows: Option<fn(&T) -> usize>,
    ) -> Result<T, DbErr> {
        if self.failed.load(Ordering::Relaxed) {
            return Err(over());
        }
        if self.database.contention.concerns(sql) && !self.waits_briefly.swap(true, Ordering::Relaxed) {
            Box::pin(self.guard(self.inner.execute_script(WAIT_BRIEFLY))).await?;
        }
        let began = Instant::now();
        let span = traces::statement(self.database.backend().system(), rows.is_some().then_some(sql));
        let done = self.guard(statement).instrument(span.clone()).await;
        let time = began.elapsed();
        self.database.metrics().statements.count(time);
        if let (Some(rows), Ok(done)) = (rows, &done) {
            self.database.note_time(sql, time, rows(done) as u64);
        }
        if let Err(error) = &done {
            self.failed.store(true, Ordering::Relaxed);
            traces::failed(&span);
            self.database.note(error, sql);
        }
        done
    }
}

impl Inner {
    async fn execute(&self, sql: &str, params: Vec<Param>) -> Result<u64, DbErr> {
        match self {
            Self::Sqlite(transaction) => transaction.execute(sql, params).await,
            Self::Postgres(transaction) => {
                let done = transaction.execute_raw(statement(Backend::Postgres, sql, params)).await?;
                Ok(done.rows_affected())
            }
        }
    }

    async fn fetch(&self, sql: &str, params: Vec<Param>, shapes: &[Shape]) -> Result<Vec<Vec<Value>>, DbErr> {
        match self {
            Self::Sqlite(transaction) => {
                let rows = transaction.fetch(sql, params).await?;
                decode(&rows, |row| row::decode_sqlite(row, shapes))
            }
            Self::Postgres(transaction) => {
                let rows = transaction.query_all_raw(statement(Backend::Postgres, sql, params)).await?;
                decode(&rows, |row| row::decode(row, shapes))
            }
        }
    }

    async fn execute_script(&self, sql: &str) -> Result<(), DbErr> {
        match self {
            Self::Sqlite(transaction) => transaction.execute_script(sql).await,
            Self::Postgres(transaction) => transaction.execute_unprepared(sql).await.map(drop),
        }
    }
}

fn over() -> DbErr {
    DbErr::Custom("a statement of this transaction has failed, which ended it".to_owned())
}

#[async_trait]
impl Executor for Transaction {
    fn backend(&self) -> Backend {
        self.database.backend()
    }

    async fn execute(&self, sql: &str, params: Vec<Param>) -> Result<u64, DbErr> {
        self.run(sql, self.inner.execute(sql, params), Some(|rows| usize::try_from(*rows).unwrap_or(usize::MAX))).await
    }

    async fn fetch(&self, sql: &str, params: Vec<Param>, shapes: &[Shape]) -> Result<Vec<Vec<Value>>, DbErr> {
        self.run(sql, self.inner.fetch(sql, params, shapes), Some(Vec::len)).await
    }

    async fn execute_script(&self, sql: &str) -> Result<(), DbErr> {
        self.run(sql, self.inner.execute_script(sql), None).await
    }
}
