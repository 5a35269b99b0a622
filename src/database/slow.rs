//! Statements that take long: logged with their text, which has placeholders for values, and with the shape of their plan.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use sea_orm::{ConnectionTrait as _, DbErr, TransactionTrait as _};
use serde_json::Value as Json;

use crate::database::connect::{Backend, Database, Executor as _, statement};
use crate::database::row;
use crate::meta::fieldtype::Shape;
use crate::metrics::SlowStatement;

/// How many are logged per minute, each text once, with a plan that the database is asked for; the others are counted.
const LOGGED_PER_MINUTE: usize = 20;
const MINUTE: Duration = Duration::from_mins(1);
/// How long the database may take to say how it goes about it.
const PATIENCE: Duration = Duration::from_secs(2);

/// From when on a statement is slow, and which were logged lately.
#[derive(Debug, Default)]
pub(super) struct Slow {
    /// In milliseconds; 0: none is.
    after: AtomicU64,
    logged: Mutex<HashMap<Arc<str>, Instant>>,
}

impl Slow {
    fn is_slow(&self, time: Duration) -> bool {
        let after = self.after.load(Ordering::Relaxed);
        after > 0 && time >= Duration::from_millis(after)
    }

    /// Whether a statement may be logged in this minute.
    fn may_log(&self, sql: &Arc<str>, now: Instant) -> bool {
        let mut logged = self.logged.lock().unwrap_or_else(PoisonError::into_inner);
        logged.retain(|_, at| now - *at < MINUTE);
        logged.len() < LOGGED_PER_MINUTE && logged.insert(Arc::clone(sql), now).is_none()
    }
}

impl Database {
    /// From how many milliseconds on a statement is logged; 0: none is.
    pub(crate) fn log_slow_statements(&self, after: u64) {
        self.slow.after.store(after, Ordering::Relaxed);
    }

    /// Notes how long a statement took, by the way of whoever waited for it: what is said of it is said later.
    pub(super) fn note_time(&self, sql: &str, time: Duration, rows: u64) {
        if !self.slow.is_slow(time) {
            return;
        }
        self.metrics().slow_statements.count();
        let (at, sql): (_, Arc<str>) = (Instant::now(), sql.into());
        if !self.slow.may_log(&sql, at) {
            return;
        }
        let database = self.clone();
        tokio::spawn(async move {
            let plan = tokio::time::timeout(PATIENCE, Box::pin(plan(&database, &sql))).await;
            let plan = plan.ok().and_then(Result::ok).unwrap_or_default();
            let milliseconds = u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
            tracing::warn!(milliseconds, rows, sql = &*sql, plan, "slow statement");
            database.metrics().note_slow(SlowStatement { at, sql, time, rows, plan });
        });
    }
}

/// How the database goes about a statement, whatever the values: which tables it reads and how, without conditions.
async fn plan(database: &Database, sql: &str) -> Result<String, DbErr> {
    let readers = database.readers();
    if database.backend() == Backend::Sqlite {
        let explain = statement(Backend::Sqlite, &format!("EXPLAIN QUERY PLAN {sql}"), Vec::new());
        let rows = readers.query_all_raw(explain).await?;
        let shapes = [Shape::Int, Shape::Int, Shape::Int, Shape::Text];
        let details = rows.iter().map(|row| Ok(row::decode(row, &shapes)?[3].text().to_owned()));
        return Ok(details.collect::<Result<Vec<String>, DbErr>>()?.join("; "));
    }
    let transaction = readers.begin().await?;
    let prepare = format!("SET LOCAL plan_cache_mode = force_generic_plan; PREPARE explained AS {sql}");
    transaction.execute_unprepared(&prepare).await?;
    let values = vec!["NULL"; parameters(sql)].join(", ");
    let values = if values.is_empty() { values } else { format!("({values})") };
    let explain = statement(Backend::Postgres, &format!("EXPLAIN (FORMAT JSON) EXECUTE explained{values}"), Vec::new());
    let rows = transaction.query_all_raw(explain).await;
    transaction.execute_unprepared("DEALLOCATE explained").await?;
    transaction.rollback().await?;
    let plan: Option<Json> = rows?.first().and_then(|row| row.try_get_by_index(0).ok());
    Ok(plan.map(|plan| shape(&plan[0]["Plan"])).unwrap_or_default())
}

/// How many parameters a statement for PostgreSQL has: the highest number behind a `$`.
fn parameters(sql: &str) -> usize {
    let number = |part: &str| {
        let end = part.find(|c: char| !c.is_ascii_digit()).unwrap_or(part.len());
        part[..end].parse().unwrap_or(0)
    };
    sql.split('$').skip(1).map(number).max().unwrap_or(0)
}

/// A plan of PostgreSQL in a line: what is done, with what, out of what.
fn shape(node: &Json) -> String {
    let text = |key: &str| node[key].as_str().unwrap_or_default();
    let mut line = text("Node Type").to_owned();
    for (word, key) in [(" on ", "Relation Name"), (" by ", "Index Name")] {
        if !text(key).is_empty() {
            line.push_str(word);
            line.push_str(text(key));
        }
    }
    let parts: Vec<String> = node["Plans"].as_array().into_iter().flatten().map(shape).collect();
    match parts.as_slice() {
        [] => line,
        [one] => format!("{line} < {one}"),
        several => format!("{line} < ({})", several.join("; ")),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_shape_of_a_plan_has_no_conditions() {
        let scan = json!({"Node Type": "Seq Scan", "Relation Name": "tabNote", "Filter": "(title = 'secret'::text)"});
        let index = json!({"Node Type": "Index Scan", "Relation Name": "tabUser", "Index Name": "tabUser_pkey"});
        let plan = json!({"Node Type": "Limit", "Plans": [{"Node Type": "Hash Join", "Plans": [scan, index]}]});
        let expected = "Limit < Hash Join < (Seq Scan on tabNote; Index Scan on tabUser by tabUser_pkey)";
        assert_eq!(shape(&plan), expected);
    }

    #[test]
    fn parameters_are_counted_by_the_highest_number() {
        for (sql, expected) in [("SELECT 1", 0), ("a = $1 AND b = $12 OR c = $2", 12), ("price = '$'", 0)] {
            assert_eq!(parameters(sql), expected, "{sql}");
        }
    }

    #[test]
    fn each_text_is_logged_once_in_a_minute_and_so_many_of_them() {
        let (slow, now) = (Slow::default(), Instant::now());
        assert!(!slow.is_slow(Duration::from_hours(1)), "0 switches it off");
        let may_log = |n: usize, at: Instant| slow.may_log(&format!("SELECT {n}").into(), at);
        assert_eq!((0..30).filter(|_| may_log(0, now)).count(), 1);
        assert_eq!((0..30).filter(|n| may_log(*n, now)).count(), LOGGED_PER_MINUTE - 1);
        assert!(may_log(0, now + MINUTE));
    }
}
