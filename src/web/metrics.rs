//! [`Exposition`]: `/metrics`, what a node counts of itself as Prometheus reads it (`OpenMetrics` 1.0).

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use poem::http::{Method, StatusCode};
use poem::{Endpoint, Request, Response};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::text::encode;
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet, MetricEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::Registry;

use crate::database::replicas::ReplicaState;
use crate::error::{Error, Result};
use crate::metrics::{CLASSES, METHODS, Metrics, STATUSES, TimesNow};
use crate::web::serve::open_connections;
use crate::web::site::Site;

/// What is sent: `OpenMetrics`.
const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Answers `GET /metrics` and nothing else.
pub(crate) struct Exposition(Site);

impl Exposition {
    /// Of a site.
    pub(crate) fn of(site: &Site) -> Self {
        Self(site.clone())
    }
}

impl Endpoint for Exposition {
    type Output = Response;

    async fn call(&self, request: Request) -> poem::Result<Response> {
        let status = match (request.method(), request.uri().path()) {
            (&Method::GET | &Method::HEAD, "/metrics") => StatusCode::OK,
            (_, "/metrics") => StatusCode::METHOD_NOT_ALLOWED,
            _ => StatusCode::NOT_FOUND,
        };
        if status != StatusCode::OK {
            return Ok(Response::builder().status(status).finish());
        }
        Ok(Response::builder().content_type(CONTENT_TYPE).body(text(&self.0).await?))
    }
}

/// Everything that is told.
async fn text(site: &Site) -> Result<String> {
    let documents = &site.documents;
    // While the database does not answer, what else there is may be what matters.
    let jobs = documents.jobs_by_status().await.unwrap_or_default();
    let (readers, writers) = documents.database().connections();
    let state = State {
        metrics: Arc::clone(documents.database().metrics()),
        jobs,
        connections: [("reading", readers), ("writing", writers)],
        waiting: documents.database().waiting(),
        replicas: documents.database().replica_states(),
        cached: documents.cached_documents(),
        memory: resident_memory(),
    };
    let mut registry = Registry::with_prefix("doctyped");
    registry.register_collector(Box::new(state));
    let mut text = String::new();
    encode(&mut text, &registry).map_err(Error::internal)?;
    Ok(text)
}

/// What there is to tell at a moment.
struct State {
    metrics: Arc<Metrics>,
    jobs: Vec<(&'static str, u64)>,
    connections: [(&'static str, usize); 2],
    waiting: usize,
    replicas: Vec<ReplicaState>,
    cached: u64,
    memory: Option<u64>,
}

impl fmt::Debug for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("State")
    }
}

/// Writes metrics, one after the other.
struct Writer<'e>(DescriptorEncoder<'e>);

impl Writer<'_> {
    fn counter<S: EncodeLabelSet>(
        &mut self,
        name: &str,
        help: &str,
        values: impl IntoIterator<Item = (S, u64)>,
    ) -> fmt::Result {
        let mut metric = self.0.encode_descriptor(name, help, None, MetricType::Counter)?;
        values.into_iter().try_for_each(|(labels, value)| {
            metric.encode_family(&labels)?.encode_counter::<NoLabelSet, _, u64>(&value, None)
        })
    }

    fn gauge<S: EncodeLabelSet>(
        &mut self,
        name: &str,
        help: &str,
        values: impl IntoIterator<Item = (S, u64)>,
    ) -> fmt::Result {
        let mut metric = self.0.encode_descriptor(name, help, None, MetricType::Gauge)?;
        values.into_iter().try_for_each(|(labels, value)| {
            metric.encode_family(&labels)?.encode_gauge(&i64::try_from(value).unwrap_or(i64::MAX))
        })
    }

    fn histogram<S: EncodeLabelSet>(
        &mut self,
        name: &str,
        help: &str,
        values: impl IntoIterator<Item = (S, TimesNow)>,
    ) -> fmt::Result {
        let mut metric = self.0.encode_descriptor(name, help, None, MetricType::Histogram)?;
        values.into_iter().try_for_each(|(labels, times)| histogram(&mut metric.encode_family(&labels)?, &times))
    }
}

/// Seconds.
#[expect(clippy::cast_precision_loss, reason = "285 years are exact enough")]
fn seconds(microseconds: u64) -> f64 {
    microseconds as f64 / 1e6
}

fn histogram(metric: &mut MetricEncoder<'_>, times: &TimesNow) -> fmt::Result {
    let ends = CLASSES.iter().map(|end| seconds(*end)).chain([f64::INFINITY]);
    let classes: Vec<(f64, u64)> = ends.zip(times.classes).collect();
    metric.encode_histogram::<NoLabelSet>(seconds(times.microseconds), times.count(), &classes, None)
}

const NONE: [(&str, &str); 0] = [];

impl Collector for State {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let (metrics, mut to) = (&self.metrics, Writer(encoder));
        let one = |value: usize| [(NONE, value as u64)];
        let labelled = |label: &'static str, values: std::collections::BTreeMap<&'static str, u64>| {
            values.into_iter().map(move |(value, count)| ([(label, value)], count))
        };
        let answers = metrics.routes().iter().flat_map(|route| {
            METHODS.iter().zip(&route.answers).flat_map(move |(method, classes)| {
                STATUSES.iter().zip(classes).map(move |(status, count)| {
                    let labels = [("method", *method), ("route", route.template.as_str()), ("status", *status)];
                    (labels, count.load(Ordering::Relaxed))
                })
            })
        });
        to.counter("http_requests", "Answers", answers.filter(|(_, count)| *count > 0))?;
        let times = metrics.routes().iter().map(|route| ([("route", route.template.as_str())], route.times.now()));
        let times = times.filter(|(_, times)| times.count() > 0);
        to.histogram("http_request_seconds", "How long answers took", times)?;
        to.gauge("http_requests_under_way", "Requests that are being answered", one(metrics.requests.now()))?;
        to.gauge("connections_open", "Connections of clients that are open", one(open_connections()))?;
        to.counter("refused", "What was refused", labelled("reason", metrics.refused.now()))?;
        let busy = [metrics.reads.now(), metrics.transactions.now()];
        let pool = self.connections.iter().zip(busy).flat_map(|((kind, most), busy)| {
            let busy = busy.min(*most);
            [("busy", busy), ("idle", most - busy)].map(|(state, n)| ([("kind", *kind), ("state", state)], n as u64))
        });
        to.gauge("database_connections", "Connections to the database, or places for them", pool)?;
        to.gauge("database_waiting", "Who waits for a connection to the database", one(self.waiting))?;
        let statements = [(NONE, metrics.statements.now())];
        to.histogram("database_statement_seconds", "How long statements took", statements)?;
        let each = || self.replicas.iter().map(|replica| ([("replica", replica.name.as_str())], replica));
        let reads = each().map(|(labels, replica)| (labels, replica.reads));
        to.counter("database_replica_statements", "Statements that were read at a replica", reads)?;
        let used = each().map(|(labels, replica)| (labels, u64::from(replica.why_not.is_none())));
        to.gauge("database_replica_used", "Whether lists are read at a replica", used)?;
        let slow = [(NONE, metrics.slow_statements.now())];
        to.counter("database_slow_statements", "Statements that took too long", slow)?;
        to.counter("document_cache_hits", "Documents found in memory", [(NONE, metrics.cache_hits.now())])?;
        to.counter("document_cache_misses", "Documents not in memory", [(NONE, metrics.cache_misses.now())])?;
        to.gauge("document_cache_entries", "Documents in memory", [(NONE, self.cached)])?;
        let jobs = self.jobs.iter().map(|(status, count)| ([("status", *status)], *count));
        to.gauge("jobs", "Background Jobs of the site", jobs)?;
        to.counter("job_attempts", "Attempts at Background Jobs", labelled("outcome", metrics.jobs.now()))?;
        to.counter("tokens_issued", "Access tokens issued", labelled("grant", metrics.tokens.now()))?;
        let reloads = [(NONE, metrics.reloads.now())];
        to.counter("definitions_reloads", "How often definitions were put in force", reloads)?;
        let memory = self.memory.map(|bytes| (NONE, bytes));
        to.gauge("process_resident_memory_bytes", "Memory of the process", memory)
    }
}

/// How much memory the process has, in bytes; `None` where the system does not say.
pub(crate) fn resident_memory() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    Some(line.split_whitespace().next()?.parse::<u64>().ok()? * 1024)
}
