//! What the error of a database means: its disk is full, it is busy, it is gone, or the fault is ours.

use sea_orm::{ConnAcquireErr, DbErr, RuntimeErr};
use sqlx::sqlite::SqliteError;

use crate::error::Error;

/// Why a database did not do what it was asked, as far as another try may help.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// There is no room for what was to be written.
    Full,
    /// It takes too long: everybody else is at it, or somebody holds a lock.
    Busy,
    /// A lock that somebody else holds was not given up in time.
    Locked,
    /// It does not answer: the connection ended, or none can be made.
    Gone,
    /// It may be read but not written.
    ReadOnly,
    /// Two changes got in each other's way, and this one was undone.
    Conflict,
}

/// What an error means; `None`: nothing that passes by itself.
pub(crate) fn fault(error: &DbErr) -> Option<Fault> {
    match error {
        DbErr::ConnectionAcquire(ConnAcquireErr::Timeout) => Some(Fault::Busy),
        DbErr::Conn(RuntimeErr::SqlxError(error))
        | DbErr::Exec(RuntimeErr::SqlxError(error))
        | DbErr::Query(RuntimeErr::SqlxError(error)) => fault_of(error),
        DbErr::ConnectionAcquire(ConnAcquireErr::ConnectionClosed) | DbErr::Conn(RuntimeErr::Internal(_)) => {
            Some(Fault::Gone)
        }
        _ => None,
    }
}

/// The same of an error of sqlx itself.
pub(super) fn fault_of(error: &sqlx::Error) -> Option<Fault> {
    match error {
        sqlx::Error::Database(error) => {
            let code = error.code()?;
            match error.try_downcast_ref::<SqliteError>() {
                Some(_) => of_sqlite(code.parse().ok()?),
                None => of_postgres(&code),
            }
        }
        sqlx::Error::PoolTimedOut => Some(Fault::Busy),
        sqlx::Error::Io(error) if error.kind() == std::io::ErrorKind::StorageFull => Some(Fault::Full),
        sqlx::Error::Io(_)
        | sqlx::Error::Tls(_)
        | sqlx::Error::Protocol(_)
        | sqlx::Error::PoolClosed
        | sqlx::Error::WorkerCrashed
        | sqlx::Error::BeginFailed
        | sqlx::Error::InvalidSavePointStatement => Some(Fault::Gone),
        _ => None,
    }
}

/// By the result code of SQLite, extended or not (sqlite.org/rescode.html).
fn of_sqlite(code: u32) -> Option<Fault> {
    Some(match code & 0xff {
        5 | 6 | 9 => Fault::Busy,
        13 => Fault::Full,
        8 => Fault::ReadOnly,
        // Out of memory, input and output, the file cannot be opened, the locking protocol.
        7 | 10 | 14 | 15 => Fault::Gone,
        _ => return None,
    })
}

/// By SQLSTATE (PostgreSQL, appendix A).
fn of_postgres(code: &str) -> Option<Fault> {
    Some(match code {
        "53100" => Fault::Full,
        "55P03" => Fault::Locked,
        "57014" | "53000" | "53200" | "53300" | "53400" => Fault::Busy,
        "25006" => Fault::ReadOnly,
        "40001" | "40P01" => Fault::Conflict,
        // The server stops, starts, ended a session that idled in a transaction, or cannot read its files.
        "57P01" | "57P02" | "57P03" | "57P05" | "25P03" | "25P04" | "58030" => Fault::Gone,
        code if code.starts_with("08") => Fault::Gone,
        _ => return None,
    })
}

impl From<DbErr> for Error {
    fn from(error: DbErr) -> Self {
        let text = match fault(&error) {
            None => return Self::internal(error),
            Some(Fault::Full) => {
                tracing::error!(cause = %error, "the disk of the database is full");
                return Self::StorageFull("The disk is full: nothing can be stored until there is room".to_owned());
            }
            Some(Fault::Busy) => "The database is busy: try again in some seconds",
            Some(Fault::Locked) => "Somebody else is changing the same: try again in some seconds",
            Some(Fault::Gone) => "The database does not answer: try again in some seconds",
            Some(Fault::ReadOnly) => "The database takes no changes at the moment: try again later",
            Some(Fault::Conflict) => "Somebody else changed the same at the same moment: try again",
        };
        tracing::warn!(cause = %error, "the database did not do what it was asked");
        Self::Unavailable(text.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_codes_of_both_databases_say_what_another_try_may_help() {
        for (code, expected) in [
            (5, Some(Fault::Busy)),
            (261, Some(Fault::Busy)),
            (517, Some(Fault::Busy)),
            (13, Some(Fault::Full)),
            (1032, Some(Fault::ReadOnly)),
            (778, Some(Fault::Gone)),
            (4874, Some(Fault::Gone)),
            (2067, None),
            (1, None),
        ] {
            assert_eq!(of_sqlite(code), expected, "{code}");
        }
        for (code, expected) in [
            ("53100", Some(Fault::Full)),
            ("40001", Some(Fault::Conflict)),
            ("40P01", Some(Fault::Conflict)),
            ("55P03", Some(Fault::Locked)),
            ("57P01", Some(Fault::Gone)),
            ("08006", Some(Fault::Gone)),
            ("23505", None),
            ("42P01", None),
        ] {
            assert_eq!(of_postgres(code), expected, "{code}");
        }
    }
}
