//! Which process serves a database: one for now, and another that does too is told so at its start.

use std::fs::{File, OpenOptions, TryLockError};

use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{ConnectOptions as _, Connection as _, Row as _};

use crate::database::connect::{Backend, Database, Executor as _, sqlite_path, with_ending};

/// The advisory lock of PostgreSQL that whoever serves holds; any number that nobody else uses.
const SERVING: i64 = 0x0064_6f63_7365_7276;

/// The claim of the process that serves; it ends with this value, or with the process.
#[derive(Debug)]
pub enum Claim {
    /// On a file of SQLite.
    File(File),
    /// On a database of PostgreSQL.
    Session(Box<PgConnection>),
    /// It could not be made.
    None,
}

impl Database {
    /// Claims the database for this process, which is about to serve it. Warns if another one has.
    pub async fn claim(&self) -> Claim {
        let claimed = match self.backend() {
            Backend::Sqlite => self.claim_file(),
            Backend::Postgres => self.claim_session().await,
        };
        match claimed {
            Ok(Some(claim)) => return claim,
            Ok(None) => tracing::warn!(
                "another process serves this database already: run one for now. What one changes (rights, sessions, \
                 revoked tokens, settings, documents) the other learns late or not at all"
            ),
            Err(error) => tracing::warn!(%error, "it is not known whether another process serves this database"),
        }
        Claim::None
    }

    fn claim_file(&self) -> anyhow::Result<Option<Claim>> {
        let Some(path) = sqlite_path(self.url()) else { return Ok(Some(Claim::None)) };
        let path = with_ending(&path, "-serving");
        crate::secret::private::own_file(&path)?;
        let file = OpenOptions::new().write(true).open(&path)?;
        match file.try_lock() {
            Ok(()) => Ok(Some(Claim::File(file))),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(error.into()),
        }
    }

    async fn claim_session(&self) -> anyhow::Result<Option<Claim>> {
        let options = self.url().parse::<PgConnectOptions>()?.disable_statement_logging();
        let mut connection = PgConnection::connect_with(&options).await?;
        let row = sqlx::query("SELECT pg_try_advisory_lock($1)").bind(SERVING).fetch_one(&mut connection).await?;
        Ok(row.try_get::<bool, _>(0)?.then(|| Claim::Session(Box::new(connection))))
    }
}
