//! `/app/_health`: how this node did in the last hour, and which nodes there are; for System Managers.

use chrono::{DateTime, Utc};
use poem::Response;
use poem::http::StatusCode;
use serde::Serialize;
use serde_json::Value as Json;

use crate::clock::format_datetime;
use crate::database::replicas::ReplicaState;
use crate::desk::shell;
use crate::error::{Error, Result};
use crate::metrics::{Metrics, TimesNow};
use crate::permissions::session::ROLE_SYSTEM_MANAGER;
use crate::web::history::Sample;
use crate::web::metrics::resident_memory;
use crate::web::templates::html;
use crate::web::{Exchange, Site};

/// How many of the slowest routes are shown.
const ROUTES: usize = 12;
/// How many slow statements are shown.
const STATEMENTS: usize = 12;
/// The size of a chart in its own units: so many minutes of so much width, and the height.
const MINUTES: usize = 60;
const BAR: u64 = 10;
const HEIGHT: u64 = 100;

/// Everything that `desk/health.hbs` places.
#[derive(Clone, Debug, Serialize)]
struct HealthView {
    lead: String,
    figures: Vec<Figure>,
    charts: Vec<Chart>,
    routes: Vec<RouteView>,
    statements: Vec<StatementView>,
    replicas: Vec<ReplicaView>,
    nodes: Vec<NodeView>,
}

/// A number with what it is.
#[derive(Clone, Debug, Serialize)]
struct Figure {
    label: &'static str,
    value: String,
    note: String,
}

/// Bars, one per minute, the last at the right.
#[derive(Clone, Debug, Serialize)]
struct Chart {
    title: &'static str,
    /// What the highest bar stands for.
    most: String,
    /// The whole in a sentence, for whoever does not see it.
    summary: String,
    bars: Vec<Bar>,
}

#[derive(Clone, Debug, Serialize)]
struct Bar {
    x: u64,
    y: u64,
    height: u64,
    /// The minute that it stands for.
    when: String,
    /// How much it was.
    value: String,
}

#[derive(Clone, Debug, Serialize)]
struct RouteView {
    route: String,
    count: u64,
    mean: String,
    p95: String,
    sum: String,
}

#[derive(Clone, Debug, Serialize)]
struct StatementView {
    ago: String,
    time: String,
    rows: u64,
    sql: String,
    plan: String,
}

#[derive(Clone, Debug, Default, Serialize)]
struct NodeView {
    name: String,
    is_this: bool,
    version: String,
    definitions: String,
    since: String,
    seen: String,
    /// Why it does not run what is in force; empty: it does.
    behind: String,
}

#[derive(Clone, Debug, Serialize)]
struct ReplicaView {
    name: String,
    reads: u64,
    behind: String,
    /// Why it is not used; empty: it is.
    why_not: String,
}

/// GET `/app/_health`
pub(crate) async fn get(exchange: Exchange) -> Result<Response> {
    shell::require_desk(&exchange)?;
    if !exchange.session().has_role(ROLE_SYSTEM_MANAGER) {
        return Err(Error::Permission("This page is for System Managers".to_owned()));
    }
    let view = view(&exchange.site).await?;
    Ok(html(StatusCode::OK, shell::render(&exchange, "desk/health", &exchange.say("Health"), Vec::new(), view).await?))
}

async fn view(site: &Site) -> Result<HealthView> {
    let metrics = site.documents.database().metrics();
    let (minutes, hour) = site.history.minutes(metrics);
    let span = match minutes.len() {
        1 => "since it started, less than a minute ago".to_owned(),
        MINUTES.. => "in the last hour".to_owned(),
        count => format!("in the last {count} minutes"),
    };
    Ok(HealthView {
        lead: format!("What this node did {span}. A restart clears it; keep it longer with Prometheus."),
        figures: figures(site, &hour, minutes.len() as u64).await?,
        charts: vec![
            chart("Requests per minute", &minutes, |minute| minute.times.count(), |count| count.to_string()),
            chart(
                "Response time, 95th percentile",
                &minutes,
                |minute| minute.times.quantile(950).unwrap_or(0),
                duration,
            ),
            chart("Refused (4xx) per minute", &minutes, |minute| minute.statuses[3], |count| count.to_string()),
            chart("Failed (5xx) per minute", &minutes, |minute| minute.statuses[4], |count| count.to_string()),
        ],
        routes: routes(metrics, &hour),
        statements: statements(metrics),
        replicas: replicas(site),
        nodes: nodes(site).await?,
    })
}

async fn figures(site: &Site, hour: &Sample, minutes: u64) -> Result<Vec<Figure>> {
    let database = site.documents.database();
    let metrics = database.metrics();
    let time = |of_thousand| hour.times.quantile(of_thousand).map_or_else(|| "–".to_owned(), duration);
    let figure = |label, value: String, note: String| Figure { label, value, note };
    let count = hour.times.count();
    let [hits, misses] = hour.cache;
    let rate = (hits * 100).checked_div(hits + misses).map_or_else(|| "–".to_owned(), |rate| format!("{rate} %"));
    let (readers, writers) = database.connections();
    let busy = metrics.reads.now().min(readers) + metrics.transactions.now().min(writers);
    let jobs = site.documents.jobs_by_status().await?;
    let jobs_of = |status: &str| jobs.iter().find(|(known, _)| *known == status).map_or(0, |(_, count)| *count);
    let memory = resident_memory().map_or_else(|| "–".to_owned(), |bytes| format!("{} MB", bytes / 1_000_000));
    Ok(vec![
        figure(
            "Requests",
            count.to_string(),
            format!("{} per minute, {} under way", count / minutes.max(1), metrics.requests.now()),
        ),
        figure("Median response time", time(500), format!("95th percentile {}, 99th {}", time(950), time(990))),
        figure(
            "Refused (4xx)",
            hour.statuses[3].to_string(),
            format!("{} by limits and as failed logins", hour.refused),
        ),
        figure("Failed (5xx)", hour.statuses[4].to_string(), String::new()),
        figure(
            "Database connections",
            format!("{busy} of {} busy", readers + writers),
            format!("{} requests waiting for one", database.waiting()),
        ),
        figure(
            "Database statements",
            hour.statements.count().to_string(),
            format!("95th percentile {}", hour.statements.quantile(950).map_or_else(|| "–".to_owned(), duration)),
        ),
        figure("Cache hits", rate, format!("{} documents cached", site.documents.cached_documents())),
        figure(
            "Background Jobs",
            format!("{} waiting", jobs_of("Queued")),
            format!("{} running, {} failed", jobs_of("Started"), jobs_of("Failed")),
        ),
        figure("Memory", memory, String::new()),
    ])
}

fn chart(
    title: &'static str,
    minutes: &[Sample],
    value: impl Fn(&Sample) -> u64,
    say: impl Fn(u64) -> String,
) -> Chart {
    let values: Vec<u64> = minutes.iter().rev().take(MINUTES).map(value).collect();
    let most = values.iter().copied().max().unwrap_or(0);
    let bar = |(ago, value): (usize, &u64)| {
        let height = (value * HEIGHT).div_ceil(most.max(1));
        let when = if ago == 0 { "this minute".to_owned() } else { format!("{ago} min ago") };
        let x = (MINUTES - 1 - ago) as u64 * BAR;
        Bar { x, y: HEIGHT - height, height, when, value: say(*value) }
    };
    let summary = format!("{title}: at most {}, now {}", say(most), say(values.first().copied().unwrap_or(0)));
    Chart {
        title,
        most: say(most),
        summary,
        bars: values.iter().enumerate().filter(|(_, value)| **value > 0).map(bar).collect(),
    }
}

fn routes(metrics: &Metrics, hour: &Sample) -> Vec<RouteView> {
    let mut routes: Vec<&(usize, TimesNow)> = hour.routes.iter().collect();
    routes.sort_by_key(|(_, times)| std::cmp::Reverse(times.quantile(950)));
    let view = |(place, times): &(usize, TimesNow)| {
        let count = times.count();
        Some(RouteView {
            route: metrics.routes().get(*place)?.template.clone(),
            count,
            mean: duration(times.microseconds.checked_div(count)?),
            p95: duration(times.quantile(950)?),
            sum: duration(times.microseconds),
        })
    };
    routes.into_iter().take(ROUTES).filter_map(view).collect()
}

fn statements(metrics: &Metrics) -> Vec<StatementView> {
    let view = |slow: crate::metrics::SlowStatement| StatementView {
        ago: match slow.at.elapsed().as_secs() / 60 {
            0 => "just now".to_owned(),
            minutes => format!("{minutes} min ago"),
        },
        time: duration(u64::try_from(slow.time.as_micros()).unwrap_or(u64::MAX)),
        rows: slow.rows,
        sql: slow.sql.to_string(),
        plan: slow.plan,
    };
    metrics.slow().into_iter().take(STATEMENTS).map(view).collect()
}

/// The read replicas of the database, as this node knows them.
fn replicas(site: &Site) -> Vec<ReplicaView> {
    let view = |replica: ReplicaState| ReplicaView {
        name: replica.name,
        reads: replica.reads,
        behind: replica
            .behind
            .map_or_else(|| "–".to_owned(), |behind| duration(u64::try_from(behind.as_micros()).unwrap_or(u64::MAX))),
        why_not: replica.why_not.unwrap_or_default(),
    };
    site.documents.database().replica_states().into_iter().map(view).collect()
}

/// The nodes of the site, this one first.
async fn nodes(site: &Site) -> Result<Vec<NodeView>> {
    let now = site.documents.clock().now();
    let own = describe(&site.documents.database().about(), now);
    let mut nodes = vec![NodeView { is_this: true, seen: "now".to_owned(), ..own }];
    for node in site.documents.database().other_nodes().await? {
        let seen = shell::ago(&node.seen, now.naive_utc());
        nodes.push(NodeView { name: node.name, seen, ..describe(&node.about, now) });
    }
    Ok(nodes)
}

/// What a node says of itself; see `reload::describe`.
fn describe(about: &str, now: DateTime<Utc>) -> NodeView {
    let about: Json = serde_json::from_str(about).unwrap_or_default();
    let text = |key: &str| about[key].as_str().unwrap_or_default().to_owned();
    let since = DateTime::from_timestamp(about["since"].as_i64().unwrap_or_default(), 0).unwrap_or(now);
    NodeView {
        version: text("version"),
        definitions: text("definitions").chars().take(12).collect(),
        since: shell::ago(&format_datetime(since.naive_utc()), now.naive_utc()),
        behind: text("behind"),
        ..NodeView::default()
    }
}

/// Microseconds, as people say it.
fn duration(microseconds: u64) -> String {
    match microseconds {
        0..1_000 => format!("{microseconds} µs"),
        1_000..10_000 => format!("{}.{} ms", microseconds / 1_000, microseconds % 1_000 / 100),
        10_000..1_000_000 => format!("{} ms", microseconds / 1_000),
        _ => format!("{}.{} s", microseconds / 1_000_000, microseconds % 1_000_000 / 100_000),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_said_as_people_do() {
        for (microseconds, expected) in
            [(0, "0 µs"), (999, "999 µs"), (1_250, "1.2 ms"), (45_600, "45 ms"), (2_340_000, "2.3 s")]
        {
            assert_eq!(duration(microseconds), expected);
        }
    }

    #[test]
    fn the_last_minute_stands_at_the_right_and_the_highest_bar_fills_the_height() {
        let minute = |count| Sample { statuses: [0, count, 0, 0, 0], ..Sample::default() };
        let minutes = [minute(5), minute(0), minute(10)];
        let chart = chart("Requests", &minutes, |minute| minute.statuses[1], |count| count.to_string());
        let bars: Vec<_> =
            chart.bars.iter().map(|bar| (bar.x, bar.y, bar.height, bar.when.as_str(), bar.value.as_str())).collect();
        assert_eq!(bars, [(590, 0, 100, "this minute", "10"), (570, 50, 50, "2 min ago", "5")]);
        assert_eq!(chart.summary, "Requests: at most 10, now 10");
    }
}
