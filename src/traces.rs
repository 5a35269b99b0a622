//! Traces of what a node does, for a collector of OpenTelemetry: a span for each request, statement, request to another
//! server and job. They are spans of `tracing` under a target and a level of their own, so that they cost nothing while
//! nobody wants them and stay out of the log. Names and attributes are those of OpenTelemetry's semantic conventions.

use std::collections::HashMap;
use std::net::IpAddr;

use opentelemetry::propagation::TextMapPropagator as _;
use opentelemetry::trace::{TraceContextExt as _, TracerProvider as _};
use opentelemetry_http::HttpClient;
use opentelemetry_otlp::{SpanExporter, WithExportConfig as _, WithHttpConfig as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::{SdkTracerProvider, Tracer};
use tracing::field::{Empty, display};
use tracing::{Span, Subscriber, trace_span};
use tracing_opentelemetry::{OpenTelemetryLayer, OpenTelemetrySpanExt as _};
use tracing_subscriber::Layer;
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::registry::LookupSpan;
use url::Url;

/// What these spans are filtered by.
const TARGET: &str = "doctyped::traces";
/// How much of a statement is sent, in bytes.
const LONGEST_STATEMENT: usize = 2_000;
/// What the service is called where `OTEL_SERVICE_NAME` does not say.
const SERVICE: &str = "doctyped";

/// What sends traces while the program runs.
pub(crate) struct Traces {
    provider: SdkTracerProvider,
}

impl Traces {
    /// Sends to `collector`, an address of OTLP over HTTP, by `client`. Fails if OpenTelemetry's variables make no sense.
    pub(crate) fn start(collector: &Url, client: impl HttpClient + 'static) -> anyhow::Result<Self> {
        let exporter = SpanExporter::builder().with_http().with_http_client(client).with_endpoint(collector.as_str());
        // `OTEL_RESOURCE_ATTRIBUTES` and `OTEL_SERVICE_NAME` are read behind it.
        let mut resource = Resource::builder();
        if std::env::var_os("OTEL_SERVICE_NAME").is_none() {
            resource = resource.with_service_name(SERVICE);
        }
        let resource =
            resource.with_attribute(opentelemetry::KeyValue::new("service.version", env!("CARGO_PKG_VERSION")));
        let provider =
            SdkTracerProvider::builder().with_resource(resource.build()).with_batch_exporter(exporter.build()?).build();
        Ok(Self { provider })
    }

    /// What hands the spans over.
    pub(crate) fn layer<S>(&self) -> impl Layer<S> + use<S>
    where
        S: Subscriber + for<'span> LookupSpan<'span> + Send + Sync,
    {
        let layer: OpenTelemetryLayer<S, Tracer> = OpenTelemetryLayer::new(self.provider.tracer(SERVICE));
        let layer = layer.with_location(false).with_threads(false).with_target(false).with_tracked_inactivity(false);
        layer.with_filter(filter_fn(|span| span.target() == TARGET))
    }

    /// Sends what is left, for as long as the exporter waits at most.
    pub(crate) fn stop(&self) {
        if let Err(error) = self.provider.shutdown() {
            tracing::warn!(%error, "the last traces did not reach their collector");
        }
    }
}

/// A request that is answered. Behind a proxy of one's own it belongs to the trace that `parent`, the header
/// `traceparent`, names (W3C Trace Context); from anybody else that is a link alone, for strangers decide neither what is sampled nor in whose trace it stands.
pub(crate) fn request(id: &str, method: &str, path: &str, parent: Option<&str>, is_trusted: bool) -> Span {
    let span = trace_span!(
        target: TARGET,
        "request",
        otel.kind = "server",
        otel.name = method,
        otel.status_code = Empty,
        request.id = id,
        http.request.method = method,
        url.path = path,
        http.route = Empty,
        http.response.status_code = Empty,
        client.address = Empty,
        user.name = Empty,
    );
    if let (false, Some(parent)) = (span.is_disabled(), parent) {
        let carrier = HashMap::from([("traceparent".to_owned(), parent.to_owned())]);
        let parent = TraceContextPropagator::new().extract(&carrier);
        let sender = parent.span().span_context().clone();
        if is_trusted {
            // Fails of spans alone that nobody wants.
            drop(span.set_parent(parent));
        } else if sender.is_valid() {
            span.add_link(sender);
        }
    }
    span
}

/// What came of a request: its route as a template, such as `/api/resource/:doctype`.
pub(crate) fn answered(span: &Span, method: &str, route: Option<&str>, status: u16, address: IpAddr, user: &str) {
    if span.is_disabled() {
        return;
    }
    if let Some(route) = route {
        // A span that has begun takes no other name by its field.
        span.context().span().update_name(format!("{method} {route}"));
        span.record("http.route", route);
    }
    note_status(span, status, status >= 500);
    span.record("client.address", display(address)).record("user.name", user);
}

/// A statement of the database; its text has placeholders for values. `None` of a script, whose text may hold some.
pub(crate) fn statement(system: &'static str, sql: Option<&str>) -> Span {
    let span = trace_span!(
        target: TARGET,
        "statement",
        otel.kind = "client",
        otel.name = Empty,
        otel.status_code = Empty,
        db.system.name = system,
        db.operation.name = Empty,
        db.query.text = Empty,
    );
    if let (false, Some(sql)) = (span.is_disabled(), sql) {
        let sql = sql.trim_start();
        let operation = sql.split_whitespace().next().unwrap_or_default();
        span.record("otel.name", operation).record("db.operation.name", operation);
        span.record("db.query.text", &sql[..sql.floor_char_boundary(LONGEST_STATEMENT)]);
    }
    span
}

/// A request to another server. Its path stays here: it may name what only that server and this site should know.
pub(crate) fn outgoing(method: &str, host: &str) -> Span {
    trace_span!(
        target: TARGET,
        "outgoing",
        otel.kind = "client",
        otel.name = method,
        otel.status_code = Empty,
        http.request.method = method,
        server.address = host,
        http.response.status_code = Empty,
    )
}

/// What came of a request to another server; `None`: no answer.
pub(crate) fn fetched(span: &Span, status: Option<u16>) {
    match status {
        Some(status) => note_status(span, status, status >= 400),
        None => failed(span),
    }
}

/// An attempt at a background job.
pub(crate) fn job(method: &str, name: &str, attempt: i64) -> Span {
    trace_span!(
        target: TARGET,
        "job",
        otel.kind = "consumer",
        otel.name = %format_args!("job {method}"),
        otel.status_code = Empty,
        job.method = method,
        job.name = name,
        job.attempt = attempt,
    )
}

/// What a span stands for went wrong.
pub(crate) fn failed(span: &Span) {
    span.record("otel.status_code", "ERROR");
}

fn note_status(span: &Span, status: u16, is_error: bool) {
    span.record("http.response.status_code", status);
    if is_error {
        failed(span);
    }
}
