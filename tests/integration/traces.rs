//! Traces of what a node does, as a collector of OpenTelemetry receives them.

use std::collections::BTreeMap;
use std::time::Duration;

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::trace::v1::Span;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use prost::Message as _;
use serde_json::json;
use wiremock::matchers::{method, path};
use wiremock::{Mock, MockServer, ResponseTemplate};

use crate::support::{Client, ServerProcess};

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const PARENT: &str = "b7ad6b7169203331";
const SECRET: &str = "kept-to-ourselves";

/// A span, with the attributes as text.
#[derive(Clone, Debug)]
struct Told {
    span: Span,
    attributes: BTreeMap<String, String>,
}

impl Told {
    fn is(&self, key: &str, value: &str) -> bool {
        self.attributes.get(key).is_some_and(|is| is == value)
    }

    fn trace(&self) -> String {
        format!("{:032x}", u128::from_be_bytes(self.span.trace_id.as_slice().try_into().unwrap()))
    }
}

fn attributes(all: &[opentelemetry_proto::tonic::common::v1::KeyValue]) -> BTreeMap<String, String> {
    let text = |value: Option<Value>| match value {
        Some(Value::StringValue(text)) => text,
        Some(Value::IntValue(number)) => number.to_string(),
        other => format!("{other:?}"),
    };
    all.iter().map(|pair| (pair.key.clone(), text(pair.value.clone().and_then(|value| value.value)))).collect()
}

/// A collector, and a server that sends its traces there.
async fn traced(settings: &[(&'static str, &'static str)]) -> (MockServer, ServerProcess) {
    let collector = MockServer::start().await;
    let answer = ResponseTemplate::new(200).insert_header("content-type", "application/x-protobuf");
    Mock::given(method("POST")).and(path("/v1/traces")).respond_with(answer).mount(&collector).await;
    let address: &'static str = format!("{}/v1/traces", collector.uri()).leak();
    let all = [&[("DOCTYPED_TRACES", address), ("OTEL_BSP_SCHEDULE_DELAY", "100")], settings].concat();
    let server = ServerProcess::start(&all).await;
    (collector, server)
}

/// What the collector has.
async fn received(collector: &MockServer) -> Vec<Told> {
    let requests = collector.received_requests().await.unwrap();
    let told = |span: Span| Told { attributes: attributes(&span.attributes), span };
    let mut spans = Vec::new();
    for request in requests {
        let sent = ExportTraceServiceRequest::decode(request.body.as_slice()).unwrap();
        for resource in sent.resource_spans {
            let of = attributes(&resource.resource.unwrap().attributes);
            assert_eq!((of["service.name"].as_str(), of["service.version"].as_str()), ("doctyped", "0.1.0"));
            spans.extend(resource.scope_spans.into_iter().flat_map(|scope| scope.spans).map(told));
        }
    }
    spans
}

/// The span of the request with this id, once it is there, and all spans by then.
async fn request(collector: &MockServer, id: &str) -> (Told, Vec<Told>) {
    for _ in 0..300 {
        let spans = received(collector).await;
        if let Some(found) = spans.iter().find(|told| told.is("request.id", id)) {
            return (found.clone(), spans);
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("no trace of the request {id}");
}

/// A request as somebody sends it who has a trace already.
async fn asked(client: &Client) -> String {
    let parent = format!("00-{TRACE}-{PARENT}-01");
    client
        .with_header("traceparent", &parent)
        .get("/api/resource/ToDo")
        .await
        .status(200)
        .header("x-request-id")
        .to_owned()
}

#[tokio::test]
async fn a_request_is_traced_with_its_statements_and_without_what_it_carries() {
    let (collector, mut server) = traced(&[]).await;
    let administrator = server.administrator().await;
    let created = administrator.create("ToDo", json!({"description": SECRET})).await;
    let id = created.status(200).header("x-request-id").to_owned();
    let (span, spans) = request(&collector, &id).await;
    assert_eq!(span.span.name, "POST /api/resource/*path");
    assert_eq!(span.span.kind(), SpanKind::Server);
    for (key, value) in [
        ("http.request.method", "POST"),
        ("http.response.status_code", "200"),
        ("url.path", "/api/resource/ToDo"),
        ("user.name", "Administrator"),
        ("client.address", "127.0.0.1"),
    ] {
        assert!(span.is(key, value), "{key}: {span:#?}");
    }
    let inside: Vec<&Told> = spans.iter().filter(|told| told.span.parent_span_id == span.span.span_id).collect();
    let operations: Vec<&str> = inside.iter().map(|told| told.span.name.as_str()).collect();
    assert!(operations.contains(&"INSERT") && operations.contains(&"COMMIT"), "{operations:?}");
    for told in inside {
        assert!(told.trace() == span.trace() && told.attributes.contains_key("db.system.name"), "{told:#?}");
    }
    // What is under way when the server ends is sent all the same.
    let id = administrator.get("/api/resource/ToDo/no-such").await.status(404).header("x-request-id").to_owned();
    server.ask_to_end();
    server.ended().await;
    request(&collector, &id).await;
    let bodies: Vec<u8> = collector.received_requests().await.unwrap().into_iter().flat_map(|sent| sent.body).collect();
    assert!(!bodies.windows(SECRET.len()).any(|part| part == SECRET.as_bytes()), "values have stayed here");
}

#[tokio::test]
async fn only_behind_a_proxy_of_ones_own_a_request_joins_the_trace_that_it_names() {
    let (collector, server) = traced(&[]).await;
    let (stranger, _) = request(&collector, &asked(&server.administrator().await).await).await;
    assert!(stranger.trace() != TRACE && stranger.span.parent_span_id.is_empty(), "{stranger:#?}");
    assert_eq!(stranger.span.links.len(), 1, "it is a link");
    let (collector, server) = traced(&[("DOCTYPED_TRUSTED_PROXIES", "1")]).await;
    let (of_proxy, _) = request(&collector, &asked(&server.administrator().await).await).await;
    let parent = format!("{:016x}", u64::from_be_bytes(of_proxy.span.parent_span_id.as_slice().try_into().unwrap()));
    assert_eq!((of_proxy.trace().as_str(), parent.as_str()), (TRACE, PARENT));
}

#[tokio::test]
async fn a_collector_that_is_away_holds_up_nobody() {
    let server = ServerProcess::start(&[
        ("DOCTYPED_TRACES", "http://127.0.0.1:9/v1/traces"),
        ("OTEL_BSP_SCHEDULE_DELAY", "100"),
    ])
    .await;
    let administrator = server.administrator().await;
    for _ in 0..20 {
        administrator.create("ToDo", json!({"description": "x"})).await.ok();
    }
    let said = || server.log().matches("traces do not reach their collector").count();
    for look in 0.. {
        if said() > 0 {
            break;
        }
        assert!(look < 300, "nothing is said: {}", server.log());
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    administrator.create("ToDo", json!({"description": "x"})).await.ok();
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_eq!(said(), 1, "{}", server.log());
}
