//! When a request is sent, what it says, and what a webhook may be.

use doctyped::testing::jobs::run_due;
use serde_json::{Value as Json, json};

use super::{Told, body, header};
use crate::support::PASSWORD;

#[tokio::test]
async fn each_event_is_told_when_it_happens_and_no_other() {
    let told = Told::new().await;
    let events =
        ["after_insert", "on_update", "on_submit", "on_update_after_submit", "on_cancel", "on_trash", "on_change"];
    for event in events {
        told.hook(event, json!({"webhook_docevent": event, "webhook_json": "{\"event\": \"{{ event }}\"}"})).await;
    }
    let administrator = &told.administrator;
    let steps: [(&str, &[&str]); 6] = [
        ("insert", &["after_insert", "on_update"]),
        ("save", &["on_update", "on_change"]),
        ("submit", &["on_update", "on_submit", "on_change"]),
        ("save submitted", &["on_update_after_submit", "on_change"]),
        ("cancel", &["on_cancel", "on_change"]),
        ("delete", &["on_trash"]),
    ];
    for (step, expected) in steps {
        told.server.reset().await;
        told.answers(wiremock::ResponseTemplate::new(200)).await;
        match step {
            "insert" => administrator.create("Order", json!({"title": "A", "total": 3.5})).await.ok(),
            "save" => administrator.update("Order", "A", json!({"total": 4})).await.ok(),
            "submit" => administrator.update("Order", "A", json!({"docstatus": 1})).await.ok(),
            "save submitted" => administrator.update("Order", "A", json!({"note": "late"})).await.ok(),
            "cancel" => administrator.call("frappe.client.cancel", json!({"doctype": "Order", "name": "A"})).await.ok(),
            _ => administrator.remove("Order", "A").await.ok(),
        };
        let mut events: Vec<String> =
            told.sent().await.iter().map(|sent| body(sent)["event"].as_str().unwrap().to_owned()).collect();
        events.sort();
        let mut expected: Vec<&str> = expected.to_vec();
        expected.sort_unstable();
        assert_eq!(events, expected, "{step}");
    }
}

#[tokio::test]
async fn a_request_says_the_whole_document_without_its_secrets() {
    let told = Told::new().await;
    told.hook("All", json!({})).await;
    let order = json!({"title": "A", "total": 3.5, "pin": "0815", "due": "2026-01-02 03:04:05"});
    let stored = told.administrator.create("Order", order).await.ok();
    let sent = told.sent().await;
    assert_eq!((sent.len(), sent[0].url.path()), (1, "/hook"));
    assert_eq!(header(&sent[0], "content-type"), "application/json");
    let body = body(&sent[0]);
    assert_eq!((&body["doctype"], &body["name"], &body["total"]), (&json!("Order"), &json!("A"), &json!(3.5)));
    assert_eq!(body["due"], stored["due"], "in the zone in which the API speaks");
    assert!(!body.to_string().contains("0815"), "{body}");
    let log = told.log().await;
    assert_eq!((&log[0]["status"], &log[0]["attempts"]), (&json!("Delivered"), &json!(1)), "{log:?}");
    assert_eq!((&log[0]["user"], &log[0]["response"]), (&json!("Administrator"), &json!("thanks")));
    assert_eq!(log[0]["name"], header(&sent[0], "webhook-id"));
}

#[tokio::test]
async fn a_secret_that_is_shown_once_is_not_sent() {
    let told = Told::new().await;
    let hook = json!({"webhook_doctype": "OAuth Client", "webhook_docevent": "after_insert"});
    told.hook("Clients", hook).await;
    let client = json!({"app_name": "App", "default_redirect_uri": "https://app.example.com/cb", "scopes": "openid"});
    let client = told.administrator.create("OAuth Client", client).await.ok();
    let secret = client["client_secret"].as_str().unwrap();
    assert!(secret.len() > 20, "{client}");
    let sent = told.sent().await;
    assert_eq!(sent.len(), 1);
    assert!(!String::from_utf8_lossy(&sent[0].body).contains(secret));
    assert!(!Json::from(told.log().await).to_string().contains(secret));
}

#[tokio::test]
async fn conditions_choose_and_see_what_was_before() {
    let told = Told::new().await;
    told.hook("Large", json!({"condition": "doc.total > 40 and doc.total != before.total"})).await;
    told.hook("Due", json!({"condition": "doc.due and doc.due[:10] == nowdate()", "webhook_docevent": "after_insert"}))
        .await;
    let administrator = &told.administrator;
    administrator.create("Order", json!({"title": "A", "total": 10})).await.ok();
    assert_eq!(told.sent().await.len(), 0);
    administrator.update("Order", "A", json!({"total": 50})).await.ok();
    administrator.update("Order", "A", json!({"note": "the same total"})).await.ok();
    assert_eq!(told.sent().await.len(), 1);
    assert_eq!(told.log().await.len(), 1, "what does not count is not logged either");
    let today = administrator.read("Order", "A").await.ok()["modified"].clone();
    administrator.create("Order", json!({"title": "B", "due": today})).await.ok();
    assert_eq!(told.sent().await.len(), 2);
}

#[tokio::test]
async fn a_body_is_chosen_by_fields_or_made_by_a_template() {
    let told = Told::new().await;
    let rows = json!([{"fieldname": "title", "key": "subject"}, {"fieldname": "total", "key": "amount"}]);
    told.hook("1 form", json!({"request_structure": "Form URL-Encoded", "webhook_data": rows})).await;
    told.hook("2 json", json!({"webhook_data": rows})).await;
    let template = "{\"text\": \"New: {{ doc.title }}\", \"by\": {{ doc.owner | tojson }}, \"pin\": {{ doc.pin }}}";
    let address = format!("{}/orders/{{{{ doc.name }}}}", told.server.uri());
    let values = json!({"request_structure": "JSON", "webhook_json": template, "is_dynamic_url": 1,
        "request_url": address, "request_method": "PUT"});
    told.hook("3 template", values).await;
    told.administrator.create("Order", json!({"title": "A \"b\" & c/d", "total": 2})).await.ok();
    let mut sent = told.sent().await;
    sent.sort_by_key(|request| header(request, "webhook-id").to_owned());
    assert_eq!(header(&sent[0], "content-type"), "application/x-www-form-urlencoded");
    assert_eq!(String::from_utf8_lossy(&sent[0].body), "subject=A+%22b%22+%26+c%2Fd&amount=2.0");
    assert_eq!(body(&sent[1]), json!({"subject": "A \"b\" & c/d", "amount": 2.0}));
    assert_eq!((sent[2].method.as_str(), sent[2].url.path()), ("PUT", "/orders/A%20%22b%22%20%26%20c%2Fd"));
    assert_eq!(body(&sent[2]), json!({"text": "New: A \"b\" & c/d", "by": "Administrator", "pin": null}));
}

#[tokio::test]
async fn what_cannot_work_is_refused_at_its_field() {
    let told = Told::new().await;
    let table: [(Json, &str); 13] = [
        (json!({"request_url": "http://example.com/"}), "https"),
        (json!({"request_url": "https://10.0.0.1/"}), "10.0.0.1"),
        (
            json!({"request_url": "https://{{ doc.title }}.example.com/", "is_dynamic_url": 1}),
            "may only follow the host",
        ),
        (json!({"condition": "doc.totl > 4"}), "Order has no field `totl`"),
        (json!({"condition": "doc.total >"}), "unexpected end"),
        (json!({"condition": "frappe.utils.now()"}), "Unknown name `frappe`"),
        (json!({"request_structure": "JSON", "webhook_json": "{\"a\": {{ doc.totl }}}"}), "Order has no field `totl`"),
        (json!({"webhook_data": [{"fieldname": "totl", "key": "a"}]}), "Order has no field `totl`"),
        (json!({"webhook_headers": [{"key": "Content-Length", "value": "3"}]}), "is set by the site itself"),
        (json!({"webhook_headers": [{"key": "X Y", "value": "3"}]}), "is not a valid header name"),
        (json!({"enable_security": 1, "webhook_secret": "whsec_???"}), "must be Base64"),
        (json!({"timeout": 600}), "from 1 to 60 seconds"),
        (json!({"webhook_doctype": "Webhook Request Log"}), "cannot be watched"),
    ];
    for (values, complaint) in table {
        let refused = told.administrator.create("Webhook", told.values("X", &values)).await;
        let said = refused.server_messages().join(" ");
        refused.error(417, "ValidationError");
        assert!(said.contains(complaint), "{values}: {said}");
    }
    assert!(told.site.db_names("Webhook", json!([])).await.is_empty());
}

#[tokio::test]
async fn nobody_watches_what_they_may_not_read() {
    let told = Told::new().await;
    let diary = "name: Diary
module: Test
fields:
  - { fieldname: title, fieldtype: Data, label: Title }
  - { fieldname: salary, fieldtype: Currency, label: Salary, permlevel: 1 }
permissions:
  - { role: System Manager, read: true, write: true, create: true }
";
    let own = diary
        .replace("Diary", "Own Diary")
        .replace(", permlevel: 1", "")
        .replace("create: true", "create: true, if_owner: true");
    let hidden = diary.replace("Diary", "Hidden Diary").replace("System Manager", "Guest");
    let site = crate::support::TestSite::new().with_doctype(diary).with_doctype(&own).with_doctype(&hidden).await;
    let manager = site.user("manager@example.com", &["System Manager"]).await;
    for doctype in ["Diary", "Own Diary", "Hidden Diary"] {
        let mut values = told.values(doctype, &json!({"webhook_doctype": doctype}));
        values["request_url"] = json!("https://hooks.example.com/");
        let refused = manager.create("Webhook", values).await;
        assert_eq!(refused.status.as_u16(), 403, "{doctype}: {}", refused.body);
    }
    // Nor do they turn to themselves, or try, what somebody else watches.
    let theirs = json!({"name": "Theirs", "webhook_doctype": "Diary", "request_url": "https://hooks.example.com/"});
    site.administrator().await.create("Webhook", theirs).await.ok();
    let own = json!({"request_url": "https://elsewhere.example.com/"});
    manager.update("Webhook", "Theirs", own).await.error(403, "PermissionError");
    let sample = manager.post("/api/v2/document/Webhook/Theirs/method/send_sample", json!({})).await;
    assert_eq!(sample.status.as_u16(), 403, "{}", sample.body);
    let nobody = site.user("nobody@example.com", &[]).await;
    nobody.list("Webhook", "").await.error(403, "PermissionError");
}

#[tokio::test]
async fn headers_and_secret_are_kept_like_passwords_and_sent() {
    let told = Told::new().await;
    let values = json!({
        "webhook_headers": [{"key": "Authorization", "value": "token abc:def"}, {"key": "Content-Type", "value": "application/json; charset=utf-8"}],
        "request_structure": "Form URL-Encoded",
        "enable_security": 1,
        "webhook_secret": PASSWORD,
    });
    let stored = told.hook("Signed", values).await;
    assert_eq!(stored["request_structure"], "JSON", "its header says so");
    for secret in [PASSWORD, "abc:def"] {
        assert!(!told.administrator.read("Webhook", "Signed").await.ok().to_string().contains(secret));
        assert!(!told.site.database().dump().await.contains(secret));
    }
    told.administrator.create("Order", json!({"title": "A"})).await.ok();
    let sent = told.sent().await;
    assert_eq!(header(&sent[0], "authorization"), "token abc:def");
    assert_eq!(header(&sent[0], "content-type"), "application/json; charset=utf-8");
    // Both signatures, made again from what arrived.
    let (id, seconds) = (header(&sent[0], "webhook-id"), header(&sent[0], "webhook-timestamp"));
    let message = [format!("{id}.{seconds}.").as_bytes(), &sent[0].body].concat();
    assert_eq!(header(&sent[0], "webhook-signature"), format!("v1,{}", mac(&message)));
    assert_eq!(header(&sent[0], "x-frappe-webhook-signature"), mac(&sent[0].body));
    let log = Json::from(told.log().await).to_string();
    assert!(!log.contains("abc:def") && !log.contains("v1,"), "{log}");
}

fn mac(message: &[u8]) -> String {
    use base64::Engine as _;
    let key = aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA256, PASSWORD.as_bytes());
    base64::prelude::BASE64_STANDARD.encode(aws_lc_rs::hmac::sign(&key, message))
}

#[tokio::test]
async fn a_template_that_fails_on_a_document_is_told_in_the_log_and_not_to_its_author() {
    let told = Told::new().await;
    let template = "{\"total\": {{ doc.total * 2 }}, \"note\": {{ doc.note * 2 }}}";
    told.hook("Fails", json!({"request_structure": "JSON", "webhook_json": template})).await;
    told.administrator.create("Order", json!({"title": "A", "total": 2})).await.ok();
    assert_eq!(told.sent().await.len(), 0);
    let log = told.log().await;
    assert_eq!(log[0]["status"], "Exhausted");
    assert!(!log[0]["error"].as_str().unwrap().is_empty());
    let home = told.administrator.get("/app").await;
    assert!(home.body.contains("request was given up"), "administrators are told");
}

#[tokio::test]
async fn a_webhook_that_changes_counts_at_once_and_one_that_goes_takes_its_requests_along() {
    let told = Told::new().await;
    told.hook("A", json!({})).await;
    told.administrator.create("Order", json!({"title": "A"})).await.ok();
    told.administrator.update("Webhook", "A", json!({"enabled": 0})).await.ok();
    told.administrator.create("Order", json!({"title": "B"})).await.ok();
    told.administrator.update("Webhook", "A", json!({"enabled": 1})).await.ok();
    told.administrator.create("Order", json!({"title": "C"})).await.ok();
    // Those about different documents come in any order.
    let mut titles: Vec<String> = told.sent().await.iter().map(|sent| body(sent)["title"].to_string()).collect();
    titles.sort();
    assert_eq!(titles, ["\"A\"", "\"C\""]);
    told.administrator.create("Order", json!({"title": "D"})).await.ok();
    told.administrator.remove("Webhook", "A").await.ok();
    assert_eq!(told.sent().await.len(), 2);
    run_due(&told.site.site).await.unwrap();
    assert_eq!(told.log().await.last().unwrap()["error"], "Its webhook is gone");
}
