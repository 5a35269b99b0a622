//! Tables on which somebody else holds a lock: whoever wants to write there waits briefly, so that the others get their turn.

use std::collections::HashMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// For how long a table counts as locked after a lock on it was not given up in time.
const FOR: Duration = Duration::from_secs(5);
/// How a transaction is told to wait briefly for the rest of its life.
pub(super) const WAIT_BRIEFLY: &str = "SET LOCAL lock_timeout = '100ms'";

/// The tables where a lock was waited for in vain, and when that was.
#[derive(Debug, Default)]
pub(super) struct Contention {
    is_any: AtomicBool,
    tables: Mutex<HashMap<String, Instant>>,
}

impl Contention {
    /// A statement waited in vain.
    pub(super) fn note(&self, sql: &str) {
        let Some(table) = table(sql) else { return };
        let mut tables = self.tables.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        tables.insert(table.to_owned(), Instant::now());
        self.is_any.store(true, Ordering::Release);
    }

    /// Whether a statement is about a table where others wait in vain.
    pub(super) fn concerns(&self, sql: &str) -> bool {
        if !self.is_any.load(Ordering::Acquire) {
            return false;
        }
        let mut tables = self.tables.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        tables.retain(|_, at| at.elapsed() < FOR);
        self.is_any.store(!tables.is_empty(), Ordering::Release);
        table(sql).is_some_and(|table| tables.contains_key(table))
    }
}

/// The table that one of our statements is about: what is quoted first after the word that leads to it.
fn table(sql: &str) -> Option<&str> {
    let rest = ["UPDATE ", "INTO ", "FROM "].iter().filter_map(|word| sql.split_once(word)).map(|(_, rest)| rest);
    let rest = rest.min_by_key(|rest| sql.len() - rest.len())?;
    rest.split('"').nth(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_of_a_statement_is_found() {
        for (sql, expected) in [
            ("UPDATE \"tabToDo\" SET \"a\"=$1 WHERE \"name\" = $2", Some("tabToDo")),
            ("INSERT INTO \"tabNote\" (\"name\") VALUES ($1)", Some("tabNote")),
            ("DELETE FROM \"tabNote\" WHERE \"name\" = $1", Some("tabNote")),
            ("SELECT \"name\" FROM \"tabUser\" WHERE \"name\" = $1 FOR UPDATE", Some("tabUser")),
            ("SELECT pg_advisory_xact_lock(1)", None),
        ] {
            assert_eq!(table(sql), expected, "{sql}");
        }
    }

    #[test]
    fn only_the_table_that_is_locked_is_waited_for_briefly() {
        let contention = Contention::default();
        assert!(!contention.concerns("UPDATE \"tabToDo\" SET"));
        contention.note("UPDATE \"tabToDo\" SET");
        assert!(contention.concerns("DELETE FROM \"tabToDo\""));
        assert!(!contention.concerns("UPDATE \"tabNote\" SET"));
    }
}
