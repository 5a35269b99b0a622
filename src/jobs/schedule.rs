//! Scheduled Job Type: what is put into the queue by the clock, once for all nodes.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use croner::parser::{CronParser, Seconds};
use serde_json::{Map, Value as Json, json};

use crate::clock::{Zone, format_datetime};
use crate::document::queue::{NewJob, Queue};
use crate::document::view::{View as _, options, time_value, view};
use crate::document::{Controller, Documents, ListRequest, Work};
use crate::error::{Conflict, Error, FieldProblem, Invalid, ProblemKind, Result};
use crate::meta::{Document, Value};
use crate::permissions::Session;
use crate::web::Site;

/// The name of the DocType.
pub(super) const SCHEDULED_JOB_TYPE: &str = crate::document::queue::SCHEDULED_JOB_TYPE;
/// Where administrators see what was done.
const SCHEDULED_JOB_LOG: &str = "Scheduled Job Log";
/// How many are put into the queue in one go.
const AT_ONCE: u64 = 50;

options! {
    /// How often something runs.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    pub(super) enum Frequency {
        /// At the full hour.
        Hourly = "Hourly",
        /// At midnight.
        Daily = "Daily",
        /// On Sunday at midnight.
        Weekly = "Weekly",
        /// On the first, at midnight.
        Monthly = "Monthly",
        /// On the first of January, at midnight.
        Yearly = "Yearly",
        /// As a pattern says.
        #[default]
        Cron = "Cron",
    }
}

impl Frequency {
    const NAMED: [Self; 5] = [Self::Hourly, Self::Daily, Self::Weekly, Self::Monthly, Self::Yearly];

    /// The pattern that it stands for; `cron` if it stands for none.
    fn pattern(self, cron: &str) -> &str {
        match self {
            Self::Hourly => "0 * * * *",
            Self::Daily => "0 0 * * *",
            Self::Weekly => "0 0 * * 0",
            Self::Monthly => "0 0 1 * *",
            Self::Yearly => "0 0 1 1 *",
            Self::Cron => cron,
        }
    }

    /// The one that a pattern stands for.
    fn of(pattern: &str) -> Self {
        Self::NAMED.into_iter().find(|named| named.pattern("") == pattern).unwrap_or_default()
    }
}

view! {
    /// Something that runs by the clock.
    #[derive(Clone, Debug, Default)]
    pub(super) struct ScheduledJobType of SCHEDULED_JOB_TYPE {
        /// The kind of job.
        pub method: String,
        /// How often.
        pub frequency: Frequency,
        /// The pattern, where the frequency is none of the named ones.
        pub cron_format: String,
        /// It does not run by the clock.
        pub stopped: bool,
        /// When it last did.
        pub last_execution: Option<DateTime<Utc>>,
        /// When it will.
        pub next_execution: Option<DateTime<Utc>>,
    }
}

impl ScheduledJobType {
    /// When it runs next after a moment; the reason if the pattern has no such time.
    fn next(&self, after: DateTime<Utc>, zone: Zone) -> Result<DateTime<Utc>, String> {
        next(self.frequency.pattern(&self.cron_format), after, zone)
    }
}

/// The first time after a moment that a cron pattern of five or six parts means on the clocks of a zone.
fn next(pattern: &str, after: DateTime<Utc>, zone: Zone) -> Result<DateTime<Utc>, String> {
    let parsed = CronParser::builder().seconds(Seconds::Optional).build().parse(pattern);
    let parsed = parsed.map_err(|error| format!("`{pattern}` is not a schedule: {error}"))?;
    let found = parsed.find_next_occurrence(&zone.clocks_at(after.naive_utc()), false);
    found.map(|found| found.to_utc()).map_err(|_| format!("`{pattern}` never comes"))
}

/// The id of the job that the clock or a person puts into the queue: one at a time.
fn job_id(method: &str) -> String {
    format!("scheduled: {method}")
}

/// A run of it, of which there is one at a time, whatever causes it.
pub(crate) fn new_job(method: &str) -> NewJob {
    NewJob::new(method).queue(Queue::Long).job_id(job_id(method)).about(SCHEDULED_JOB_TYPE, method)
}

/// What this program does by the clock: methods with their patterns.
fn scheduled(site: &Site) -> impl Iterator<Item = (&'static str, &'static str)> {
    site.job_kinds.values().filter_map(|kind| Some((kind.method, kind.schedule?)))
}

/// Adds what this program does by the clock and is not there yet; what is there stays as administrators have it.
pub(super) async fn ensure(site: Site) -> Result<()> {
    let (documents, system) = (&site.documents, Session::system());
    let known = documents.list(&system, &ListRequest::new(SCHEDULED_JOB_TYPE).all()).await?;
    let known: Vec<&str> = (0..known.rows.len()).map(|row| known.text(row, "name")).collect();
    for (method, pattern) in scheduled(&site).filter(|(method, _)| !known.contains(method)) {
        let frequency = Frequency::of(pattern);
        let cron_format = if frequency == Frequency::Cron { pattern } else { "" };
        let job = ScheduledJobType {
            method: method.to_owned(),
            frequency,
            cron_format: cron_format.to_owned(),
            ..ScheduledJobType::default()
        };
        let mut work = documents.begin(&system).await?;
        let document = job.new_document(&work)?;
        match work.insert(document).await {
            Ok(_) => work.commit().await?,
            // Another node that starts too was first.
            Err(Error::Conflict(Conflict::DuplicateName { .. })) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Puts into the queue what is due by the clock; says when the next is. Of several nodes one alone does each.
pub(super) async fn enqueue_due(site: &Site) -> Result<Option<DateTime<Utc>>> {
    let documents = &site.documents;
    let methods: Vec<&str> = scheduled(site).map(|(method, _)| method).collect();
    let waiting = json!([["stopped", "=", 0], ["method", "in", methods], ["next_execution", "is", "set"]]);
    let mut request = ListRequest::new(SCHEDULED_JOB_TYPE)
        .fields(&["name", "next_execution"])
        .filters(waiting)
        .order_by("next_execution asc");
    request.limit = Some(AT_ONCE);
    let list = documents.list(&Session::system(), &request).await?;
    let now = documents.clock().now();
    for row in 0..list.rows.len() {
        let (name, due) = (list.text(row, "name"), list.text(row, "next_execution"));
        if due > format_datetime(now.naive_utc()).as_str() {
            return Ok(crate::document::view::parse_time(due));
        }
        put(documents, name, due, now).await?;
    }
    // What has just run may be the next again.
    Ok(if list.rows.is_empty() { None } else { Some(now) })
}

/// Puts one into the queue and notes when its next turn is, if nobody else has.
async fn put(documents: &Documents, name: &str, due: &str, now: DateTime<Utc>) -> Result<()> {
    let mut work = documents.begin(&Session::system()).await?;
    let Some(stored) = work.find(SCHEDULED_JOB_TYPE, name).await? else { return Ok(()) };
    let job = ScheduledJobType::from(&stored);
    let next = job.next(now, documents.site_zone());
    if let Err(reason) = &next {
        tracing::error!(job = name, reason, "a scheduled job has no next time");
    }
    let values = [("last_execution", time_value(now)), ("next_execution", next.map_or(Value::Null, time_value))];
    if !work.set_values_if(SCHEDULED_JOB_TYPE, name, ("next_execution", &Value::from(due)), &values).await? {
        return Ok(());
    }
    if work.enqueue(new_job(&job.method)).await?.is_none() {
        tracing::debug!(job = name, "a scheduled job waits or runs still, and is not put into the queue again");
    }
    work.commit().await
}

/// Notes how a run went; within the transaction that ends it.
pub(super) async fn note(work: &mut Work<'_>, method: &str, status: &str, details: &str) -> Result<()> {
    let mut line = work.new_document(SCHEDULED_JOB_LOG)?;
    line.set("scheduled_job_type", method);
    line.set("status", status);
    line.set("details", details);
    work.insert(line).await.map(drop)
}

/// Behaviour of the DocType Scheduled Job Type.
pub(super) struct ScheduledJobTypeController;

#[async_trait]
impl Controller for ScheduledJobTypeController {
    async fn validate(&self, work: &mut Work<'_>, document: &mut Document, before: Option<&Document>) -> Result<()> {
        let job = ScheduledJobType::from(&*document);
        if job.frequency != Frequency::Cron {
            document.set("cron_format", Value::Null);
        }
        for field in ["last_execution", "next_execution"] {
            document.set(field, before.map_or(Value::Null, |before| before.get(field).clone()));
        }
        let next = job.next(work.documents.clock().now(), work.documents.site_zone()).map_err(|reason| {
            let problem = FieldProblem::at(ProblemKind::Validation, "cron_format", "Cron Format", reason);
            Error::Validation(Invalid { problems: vec![problem] })
        })?;
        let is_changed = before.is_none_or(|before| {
            let before = ScheduledJobType::from(before);
            (before.frequency, &before.cron_format, before.stopped) != (job.frequency, &job.cron_format, job.stopped)
        });
        if is_changed {
            document.set("next_execution", if job.stopped { Value::Null } else { time_value(next) });
        }
        Ok(())
    }

    async fn call(
        &self,
        work: &mut Work<'_>,
        document: &mut Document,
        method: &str,
        _: &Map<String, Json>,
    ) -> Option<Result<Json>> {
        if method != "execute_event" {
            return None;
        }
        let put = work.enqueue(new_job(document.text("method"))).await;
        Some(put.map(|put| Json::from(if put.is_some() { "It is in the queue" } else { "It waits or runs already" })))
    }

    fn methods(&self) -> Vec<(&'static str, &'static str)> {
        vec![("execute_event", "Puts the job into the queue at once, unless it waits or runs already")]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::view::parse_time;

    #[test]
    fn patterns_mean_the_clocks_of_the_zone() {
        let vienna = Zone::parse("Europe/Vienna").unwrap();
        // pattern, zone, after, next
        for (pattern, zone, after, expected) in [
            ("0 * * * *", Zone::UTC, "2026-03-01 10:00:00.000000", "2026-03-01 11:00:00.000000"),
            ("*/30 * * * * *", Zone::UTC, "2026-03-01 10:00:00.500000", "2026-03-01 10:00:30.000000"),
            ("0 0 * * *", vienna, "2026-07-01 10:00:00.000000", "2026-07-01 22:00:00.000000"),
            ("0 0 * * 0", vienna, "2026-01-05 10:00:00.000000", "2026-01-10 23:00:00.000000"),
            ("30 3 * * 1-5", Zone::UTC, "2026-03-06 04:00:00.000000", "2026-03-09 03:30:00.000000"),
            // The clocks are turned back at three: what they show twice comes for either, one after the other.
            ("*/15 * * * *", vienna, "2026-10-25 01:10:00.000000", "2026-10-25 01:15:00.000000"),
            ("0 3 * * *", vienna, "2026-10-25 00:30:00.000000", "2026-10-25 02:00:00.000000"),
        ] {
            let next = next(pattern, parse_time(after).unwrap(), zone).unwrap();
            assert_eq!(format_datetime(next.naive_utc()), expected, "{pattern} after {after} in {}", zone.name());
        }
        // Where they leave out an hour, what lies in it comes once, and later than before.
        let gap = next("30 2 * * *", parse_time("2026-03-28 12:00:00.000000").unwrap(), vienna).unwrap();
        assert!(gap > parse_time("2026-03-28 23:00:00.000000").unwrap(), "{gap}");
    }

    #[test]
    fn what_is_no_schedule_or_never_comes_is_said() {
        let now = parse_time("2026-03-01 10:00:00.000000").unwrap();
        for pattern in ["", "61 * * * *", "daily please", "* * * *"] {
            assert!(next(pattern, now, Zone::UTC).unwrap_err().contains("is not a schedule"), "{pattern}");
        }
        assert!(next("0 0 30 2 *", now, Zone::UTC).is_err());
    }

    #[test]
    fn named_frequencies_are_found_by_their_pattern() {
        for named in Frequency::NAMED {
            assert_eq!(Frequency::of(named.pattern("")), named);
        }
        assert_eq!(Frequency::of("*/15 * * * *"), Frequency::Cron);
    }
}
