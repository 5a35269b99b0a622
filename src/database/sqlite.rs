//! The one connection that writes to SQLite, and transactions on it with as few turns to its thread as can be: each turn
//! costs more than most statements do.
//!
//! sqlx keeps a thread for every connection of SQLite and lets it do one thing at a time. Its pool asks a connection
//! whether it is alive whenever it comes back, and a transaction of it takes turns of its own to begin. Here whoever writes
//! is lent the connection itself, and `BEGIN` goes along with the first statement.

use std::sync::Arc;
use std::time::Duration;

use futures_util::TryStreamExt as _;
use sea_orm::{ConnAcquireErr, DbErr, RuntimeErr};
use sqlx::sqlite::{SqliteArguments, SqliteConnectOptions, SqliteRow};
use sqlx::{Arguments as _, AssertSqlSafe, Connection as _, Either, Executor as _, SqliteConnection};
use tokio::sync::{Mutex, OwnedMutexGuard};
use tokio::time::timeout;

use crate::database::row::Param;

/// What the first statement of a transaction brings along: the lock that writers need, at once.
const BEGIN: &str = "BEGIN IMMEDIATE;";

/// The connection while somebody has it; `None`: it is to be opened again.
type Held = OwnedMutexGuard<Option<SqliteConnection>>;

/// The connection that writes, for one at a time, in the order of asking.
#[derive(Clone, Debug)]
pub(super) struct Writer {
    options: Arc<SqliteConnectOptions>,
    patience: Duration,
    place: Arc<Mutex<Option<SqliteConnection>>>,
}

impl Writer {
    /// Opens it; `patience` is how long each waits for those before.
    pub(super) async fn open(options: SqliteConnectOptions, patience: Duration) -> Result<Self, sqlx::Error> {
        let connection = SqliteConnection::connect_with(&options).await?;
        Ok(Self { options: Arc::new(options), patience, place: Arc::new(Mutex::new(Some(connection))) })
    }

    /// A transaction, which begins with its first statement. Nobody else writes until it ends.
    pub(super) async fn begin(&self) -> Result<Writing, DbErr> {
        Ok(Writing(Mutex::new(Turn { held: Some(self.lend().await?), state: State::Fresh })))
    }

    /// Runs statements outside a transaction, which take no parameters.
    pub(super) async fn execute_script(&self, sql: &str) -> Result<(), DbErr> {
        let mut held = self.lend().await?;
        let connection = held.as_mut().ok_or_else(closed)?;
        (&mut *connection).execute(sqlx::raw_sql(AssertSqlSafe(sql))).await.map(drop).map_err(failed)
    }

    /// Closes it once whoever writes has ended; it opens again for who asks after that.
    pub(super) async fn close(&self) -> Result<(), DbErr> {
        match self.place.lock().await.take() {
            Some(connection) => connection.close().await.map_err(failed),
            None => Ok(()),
        }
    }

    async fn lend(&self) -> Result<Held, DbErr> {
        let waiting = timeout(self.patience, Arc::clone(&self.place).lock_owned());
        let mut held = waiting.await.map_err(|_| DbErr::ConnectionAcquire(ConnAcquireErr::Timeout))?;
        if held.is_none() {
            let opened = Box::pin(SqliteConnection::connect_with(&self.options)).await;
            *held = Some(opened.map_err(|error| DbErr::Conn(RuntimeErr::SqlxError(error.into())))?);
        }
        Ok(held)
    }
}

/// A transaction; dropping it rolls back.
#[derive(Debug)]
pub(super) struct Writing(Mutex<Turn>);

#[derive(Debug)]
struct Turn {
    /// Gone once it has ended.
    held: Option<Held>,
    state: State,
}

/// How far a transaction has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Nothing has been said to the database.
    Fresh,
    /// It has begun, and every statement so far was answered.
    Open,
    /// A statement is under way, or nobody waited for its answer: what comes next cannot be known.
    Asking,
    /// It has ended.
    Over,
}

impl Writing {
    /// Runs a statement; returns the number of rows that it changed.
    pub(super) async fn execute(&self, sql: &str, params: Vec<Param>) -> Result<u64, DbErr> {
        let arguments = arguments(params)?;
        let mut turn = self.0.lock().await;
        let (connection, sql) = turn.ask(sql)?;
        let mut results = connection.fetch_many(sqlx::query_with(AssertSqlSafe(sql), arguments));
        let mut changed = 0;
        // The last result counts: of a BEGIN, SQLite says again what the statement before it changed.
        while let Some(result) = results.try_next().await.map_err(failed)? {
            if let Either::Left(done) = result {
                changed = done.rows_affected();
            }
        }
        drop(results);
        turn.state = State::Open;
        Ok(changed)
    }

    /// Runs a query.
    pub(super) async fn fetch(&self, sql: &str, params: Vec<Param>) -> Result<Vec<SqliteRow>, DbErr> {
        let arguments = arguments(params)?;
        let mut turn = self.0.lock().await;
        let (connection, sql) = turn.ask(sql)?;
        let rows = connection.fetch_all(sqlx::query_with(AssertSqlSafe(sql), arguments)).await;
        let rows = rows.map_err(|error| DbErr::Query(RuntimeErr::SqlxError(error.into())))?;
        turn.state = State::Open;
        Ok(rows)
    }

    /// Runs statements that take no parameters.
    pub(super) async fn execute_script(&self, sql: &str) -> Result<(), DbErr> {
        let mut turn = self.0.lock().await;
        let (connection, sql) = turn.ask(sql)?;
        connection.execute(sqlx::raw_sql(AssertSqlSafe(sql))).await.map_err(failed)?;
        turn.state = State::Open;
        Ok(())
    }

    /// Makes everything durable.
    pub(super) async fn commit(self) -> Result<(), DbErr> {
        self.end("COMMIT").await
    }

    /// Undoes everything.
    pub(super) async fn rollback(self) -> Result<(), DbErr> {
        self.end("ROLLBACK").await
    }

    async fn end(self, sql: &str) -> Result<(), DbErr> {
        let mut turn = self.0.into_inner();
        if turn.state != State::Fresh {
            Box::pin(turn.ask(sql)?.0.execute(sqlx::raw_sql(AssertSqlSafe(sql)))).await.map_err(failed)?;
        }
        turn.state = State::Over;
        Ok(())
    }
}

impl Turn {
    /// The connection and what to say to it.
    fn ask(&mut self, sql: &str) -> Result<(&mut SqliteConnection, String), DbErr> {
        let sql = match self.state {
            State::Fresh => [BEGIN, sql].concat(),
            State::Open => sql.to_owned(),
            State::Asking | State::Over => {
                return Err(DbErr::Custom("nobody waited for a statement of this transaction, which ended it".into()));
            }
        };
        self.state = State::Asking;
        let connection = self.held.as_mut().and_then(|held| held.as_mut()).ok_or_else(closed)?;
        Ok((connection, sql))
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let Some(mut held) = self.held.take() else { return };
        if matches!(self.state, State::Fresh | State::Over) {
            return;
        }
        // Closing a connection undoes its transaction, too: that is left where the rollback fails, because SQLite has undone
        // it by itself, and where there is nothing to run it on.
        let Ok(runtime) = tokio::runtime::Handle::try_current() else {
            *held = None;
            return;
        };
        runtime.spawn(async move {
            let Some(connection) = held.as_mut() else { return };
            if connection.execute("ROLLBACK").await.is_err() {
                *held = None;
            }
        });
    }
}

fn arguments(params: Vec<Param>) -> Result<SqliteArguments, DbErr> {
    let mut arguments = SqliteArguments::default();
    for Param(value) in params {
        let added = match value {
            sea_orm::Value::BigInt(number) => arguments.add(number),
            sea_orm::Value::Double(number) => arguments.add(number),
            sea_orm::Value::String(text) => arguments.add(text),
            other => return Err(DbErr::Type(format!("no parameter of SQLite: {other:?}"))),
        };
        added.map_err(|error| DbErr::Type(error.to_string()))?;
    }
    Ok(arguments)
}

fn failed(error: sqlx::Error) -> DbErr {
    DbErr::Exec(RuntimeErr::SqlxError(error.into()))
}

fn closed() -> DbErr {
    DbErr::ConnectionAcquire(ConnAcquireErr::ConnectionClosed)
}
