//! One process at a time puts definitions in force: the others wait and then find what it did.

use sqlx::Connection as _;
use sqlx::postgres::PgConnection;

use crate::database::connect::Database;

/// The advisory lock of whoever puts definitions in force; any number that nobody else uses.
const PUTTING: i64 = 0x0064_6f63_6465_6673;

/// Held while definitions are put in force. It ends with this value, or with the process.
#[derive(Debug)]
#[must_use = "it is held as long as this value is there"]
pub(crate) struct DefinitionsLock(Option<Box<PgConnection>>);

impl Database {
    /// Waits until no other process puts definitions in force, and keeps others waiting. On SQLite there is one process.
    pub(crate) async fn lock_definitions(&self) -> anyhow::Result<DefinitionsLock> {
        let Some(server) = self.outage.server() else { return Ok(DefinitionsLock(None)) };
        let mut connection = PgConnection::connect_with(&server).await?;
        sqlx::query("SELECT pg_advisory_lock($1)").bind(PUTTING).execute(&mut connection).await?;
        Ok(DefinitionsLock(Some(Box::new(connection))))
    }
}

impl DefinitionsLock {
    /// Lets the next one go on.
    pub(crate) async fn release(self) {
        if let Some(connection) = self.0 {
            // Whatever becomes of the farewell, the connection ends, and the lock with it.
            drop(connection.close().await);
        }
    }
}
