//! Again until it is accepted, in the order of the changes, and by hand.

use chrono::Duration;
use serde_json::{Value as Json, json};
use wiremock::ResponseTemplate;

use super::{Told, body, header};
use crate::support::Client;
use crate::support::client::Response;

async fn press(client: &Client, doctype: &str, name: &str, method: &str) -> Response {
    let doctype = doctype.replace(' ', "%20");
    client.post(&format!("/api/v2/document/{doctype}/{name}/method/{method}"), json!({})).await
}

#[tokio::test]
async fn what_is_rolled_back_is_not_told() {
    let told = Told::new().await;
    told.hook("A", json!({"webhook_docevent": "on_trash"})).await;
    told.administrator.create("Order", json!({"title": "A"})).await.ok();
    let link = json!({"reference_doctype": "Order", "reference_name": "A", "comment_type": "Comment", "content": "x"});
    told.administrator.create("Comment", link).await.ok();
    told.administrator.update("Order", "A", json!({"docstatus": 1})).await.ok();
    told.administrator.remove("Order", "A").await.error(417, "ValidationError");
    assert_eq!(told.sent().await.len(), 0);
    assert!(told.log().await.is_empty());
}

#[tokio::test]
async fn what_is_not_accepted_is_sent_again_after_growing_pauses_and_then_given_up() {
    let told = Told::new().await;
    told.answers(ResponseTemplate::new(500).set_body_string("no")).await;
    told.hook("A", json!({})).await;
    told.administrator.create("Order", json!({"title": "A"})).await.ok();
    for (attempt, pause) in [5, 300, 1800, 7200, 18000, 36000, 36000].into_iter().enumerate() {
        assert_eq!(told.sent().await.len(), attempt + 1);
        let log = told.log().await.remove(0);
        assert_eq!((&log["status"], &log["response_status"]), (&json!("Retrying"), &json!(500)), "{log}");
        told.site.clock.advance(Duration::seconds(pause - 2));
        assert_eq!(told.sent().await.len(), attempt + 1, "its pause is not over");
        told.site.clock.advance(Duration::seconds(3));
    }
    let sent = told.sent().await;
    assert_eq!(sent.len(), 8);
    let ids: std::collections::BTreeSet<&str> = sent.iter().map(|request| header(request, "webhook-id")).collect();
    assert_eq!(ids.len(), 1, "it is the same request each time");
    assert_ne!(header(&sent[0], "webhook-timestamp"), header(&sent[7], "webhook-timestamp"));
    let log = told.log().await.remove(0);
    assert_eq!((&log["status"], &log["attempts"]), (&json!("Exhausted"), &json!(8)), "{log}");
    told.site.clock.advance(Duration::days(3));
    assert_eq!(told.sent().await.len(), 8);
    // By hand it is sent once more, and accepted.
    told.answers(ResponseTemplate::new(204)).await;
    let name = log["name"].as_str().unwrap();
    press(&told.administrator, "Webhook Request Log", name, "send_again").await.ok();
    let sent = told.sent().await;
    assert_eq!((sent.len(), header(&sent[0], "webhook-id")), (1, name));
    assert_eq!(told.log().await[0]["status"], "Delivered");
}

#[tokio::test]
async fn one_that_waits_is_sent_at_once_by_hand() {
    let told = Told::new().await;
    told.answers(ResponseTemplate::new(503).insert_header("retry-after", "3600")).await;
    told.hook("A", json!({})).await;
    told.administrator.create("Order", json!({"title": "A"})).await.ok();
    assert_eq!(told.sent().await.len(), 1);
    told.site.clock.advance(Duration::minutes(59));
    assert_eq!(told.sent().await.len(), 1, "the application said when");
    let name = told.log().await[0]["name"].as_str().unwrap().to_owned();
    press(&told.administrator, "Webhook Request Log", &name, "send_again").await.ok();
    told.answers(ResponseTemplate::new(200)).await;
    assert_eq!(told.sent().await.len(), 1);
    assert_eq!(told.log().await[0]["status"], "Delivered");
}

#[tokio::test]
async fn an_application_that_is_gone_is_not_asked_again() {
    let told = Told::new().await;
    told.answers(ResponseTemplate::new(410)).await;
    told.hook("A", json!({})).await;
    told.administrator.create("Order", json!({"title": "A"})).await.ok();
    assert_eq!(told.sent().await.len(), 1);
    assert_eq!(told.log().await[0]["status"], "Exhausted");
    told.answers(ResponseTemplate::new(302).insert_header("location", "https://example.com/")).await;
    told.administrator.create("Order", json!({"title": "B"})).await.ok();
    told.sent().await;
    let log = told.log().await;
    assert_eq!(log[1]["error"], "It answered 302: redirects are not followed");
}

#[tokio::test]
async fn changes_of_one_document_arrive_in_order_also_after_refusals() {
    let told = Told::new().await;
    told.hook("A", json!({})).await;
    told.answers(ResponseTemplate::new(500)).await;
    told.administrator.create("Order", json!({"title": "A", "total": 1})).await.ok();
    assert_eq!(told.sent().await.len(), 1);
    told.answers(ResponseTemplate::new(200)).await;
    for total in 2..=4 {
        told.administrator.update("Order", "A", json!({"total": total})).await.ok();
    }
    // Also where the clock goes back in between.
    told.site.clock.advance(-Duration::hours(1));
    told.administrator.update("Order", "A", json!({"total": 5})).await.ok();
    told.site.clock.advance(Duration::hours(1));
    told.administrator.create("Order", json!({"title": "B", "total": 9})).await.ok();
    let totals = |sent: Vec<wiremock::Request>| -> Vec<Json> {
        sent.iter().map(|request| body(request)["total"].clone()).collect()
    };
    assert_eq!(totals(told.sent().await), [json!(9.0)], "another document does not wait");
    for _ in 0..20 {
        told.site.clock.advance(Duration::seconds(2));
        told.sent().await;
    }
    assert_eq!(totals(told.sent().await), [9.0, 1.0, 2.0, 3.0, 4.0, 5.0].map(Json::from));
}

#[tokio::test]
async fn a_sample_is_sent_at_once_and_leaves_nothing() {
    let told = Told::new().await;
    told.hook("A", json!({"condition": "doc.total > 1000"})).await;
    press(&told.administrator, "Webhook", "A", "send_sample").await.error(417, "ValidationError");
    told.administrator.create("Order", json!({"title": "A", "total": 3})).await.ok();
    let answer = press(&told.administrator, "Webhook", "A", "send_sample").await.ok();
    assert!(answer.to_string().contains("It answered 200"), "{answer}");
    let sent = told.sent().await;
    assert_eq!((sent.len(), header(&sent[0], "webhook-sample"), &body(&sent[0])["title"]), (1, "true", &json!("A")));
    assert!(told.log().await.is_empty());
    told.answers(ResponseTemplate::new(404).set_body_string("nobody here")).await;
    let refused = press(&told.administrator, "Webhook", "A", "send_sample").await;
    assert!(refused.body.contains("404 Not Found") && refused.body.contains("nobody here"), "{}", refused.body);
    refused.error(417, "ValidationError");
}

#[tokio::test]
async fn requests_are_written_by_the_site_alone_and_go_by_log_settings() {
    let told = Told::new().await;
    told.hook("A", json!({})).await;
    told.administrator.create("Order", json!({"title": "A"})).await.ok();
    told.sent().await;
    let name = told.log().await[0]["name"].as_str().unwrap().to_owned();
    let log = "Webhook Request Log";
    told.administrator.update(log, &name, json!({"data": "{}"})).await.error(403, "PermissionError");
    told.administrator.create(log, json!({"webhook": "A"})).await.error(403, "PermissionError");
    told.site.clock.advance(Duration::days(31));
    told.site.run_scheduled("clear old logs").await;
    assert!(told.site.db_names(log, json!([])).await.is_empty());
}
