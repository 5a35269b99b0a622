//! `Idempotency-Key`: what is sent again is not done again; `docs/frappe/rest.md`: Sending again.

use poem::http::Method;
use serde_json::json;

use crate::api_key::pair;
use crate::resource::library_with_books;
use crate::support::TestSite;

const KEY: &str = "idempotency-key";
const LOG: &str = "Idempotent Request";

#[tokio::test]
async fn what_is_sent_again_with_its_key_is_answered_again_and_not_done_again() {
    let (site, alice) = library_with_books().await;
    let order = json!({"book": "Dune"});
    let sender = alice.with_header(KEY, "\"8e03978e-40d5-43dd-bc93-6894a57f9324\"");
    let first = sender.json(Method::POST, "/api/resource/Purchase%20Order", order.clone()).await.status(200);
    let again = sender.json(Method::POST, "/api/resource/Purchase%20Order", order.clone()).await.status(200);
    assert_eq!((&again.body, again.header("etag")), (&first.body, first.header("etag")));
    assert_eq!((again.header("idempotent-replayed"), first.header("idempotent-replayed")), ("true", ""));
    assert_eq!(site.db_names("Purchase Order", json!({})).await.len(), 1);
    // Each way to write: a change, a method, a deletion.
    let name = first.json()["data"]["name"].as_str().unwrap().to_owned();
    let comment = json!({"reference_doctype": "Book", "reference_name": "Dune", "content": "Good",
        "comment_email": "alice@example.com", "comment_by": "Alice"});
    for (key, verb, path, body) in [
        ("k-change", Method::PUT, "/api/resource/Book/Dune".to_owned(), json!({"pages": 7})),
        ("k-method", Method::POST, "/api/method/frappe.desk.form.utils.add_comment".to_owned(), comment),
        ("k-delete", Method::DELETE, format!("/api/v2/document/Purchase%20Order/{name}"), json!({})),
    ] {
        let sender = alice.with_header(KEY, key);
        let first = sender.json(verb.clone(), &path, body.clone()).await;
        assert!(first.status.is_success(), "{path}: {}", first.body);
        let again = sender.json(verb, &path, body).await;
        assert_eq!((again.status, &again.body), (first.status, &first.body), "{path}");
        assert_eq!(again.header("idempotent-replayed"), "true", "{path}");
    }
    let comments = site.db_names("Comment", json!({"reference_name": "Dune", "comment_type": "Comment"})).await;
    assert_eq!(comments.len(), 1);
}

#[tokio::test]
async fn a_key_stands_for_one_request_of_one_user() {
    let (site, alice) = library_with_books().await;
    let sender = alice.with_header(KEY, "one");
    let path = "/api/resource/Purchase%20Order";
    sender.json(Method::POST, path, json!({"book": "Dune"})).await.status(200);
    for (path, body) in
        [(path, json!({"book": "Dune", "docstatus": 0})), ("/api/resource/ToDo", json!({"book": "Dune"}))]
    {
        let other = sender.json(Method::POST, path, body).await.status(422);
        assert!(other.body.contains("was used for another request"), "{}", other.body);
    }
    let bob = site.user("bob@example.com", &["System Manager"]).await;
    bob.with_header(KEY, "one").json(Method::POST, path, json!({"book": "Dune"})).await.status(200);
    assert_eq!(site.db_names("Purchase Order", json!({})).await.len(), 2);
    for bad in ["", "two words", &"x".repeat(256)] {
        let refused = alice.with_header(KEY, bad).json(Method::POST, path, json!({"book": "Dune"})).await.status(400);
        assert!(refused.body.contains("Idempotency-Key must be"), "{}", refused.body);
    }
    // Reading changes nothing, so that a key says nothing.
    sender.get("/api/resource/Book/Dune").await.status(200);
}

#[tokio::test]
async fn an_application_gets_no_answer_of_another_one_of_the_same_user() {
    let (site, alice) = library_with_books().await;
    let (key, secret) = pair(&alice, "alice@example.com").await;
    let robot = site.guest().with_header("authorization", &format!("token {key}:{secret}"));
    let order = json!({"book": "Dune"});
    let mut names = std::collections::BTreeSet::new();
    for client in [&alice, &robot] {
        let path = "/api/resource/Purchase%20Order";
        let made = client.with_header(KEY, "one").json(Method::POST, path, order.clone()).await.status(200);
        assert_eq!(made.header("idempotent-replayed"), "");
        names.insert(made.json()["data"]["name"].as_str().unwrap().to_owned());
    }
    assert_eq!(names.len(), 2);
}

#[tokio::test]
async fn what_failed_may_be_tried_again_with_the_same_key() {
    let (site, alice) = library_with_books().await;
    let sender = alice.with_header(KEY, "failed");
    sender.json(Method::POST, "/api/resource/Purchase%20Order", json!({"book": "Persuasion"})).await.status(417);
    assert_eq!(site.db_names(LOG, json!({})).await.len(), 0);
    alice.create("Book", json!({"title": "Persuasion"})).await.ok();
    sender.json(Method::POST, "/api/resource/Purchase%20Order", json!({"book": "Persuasion"})).await.status(200);
}

#[tokio::test]
async fn of_many_that_are_sent_at_once_one_is_done() {
    let (site, alice) = library_with_books().await;
    let sender = alice.with_header(KEY, "at-once");
    let send = || sender.json(Method::POST, "/api/resource/Purchase%20Order", json!({"book": "Dune"}));
    let answers = futures_util::future::join_all((0..8).map(|_| send())).await;
    assert_eq!(site.db_names("Purchase Order", json!({})).await.len(), 1);
    let done: Vec<_> = answers.iter().filter(|answer| answer.status.as_u16() == 200).collect();
    assert!(!done.is_empty() && done.iter().all(|answer| answer.body == done[0].body));
    for answer in answers.iter().filter(|answer| answer.status.as_u16() != 200) {
        assert_eq!(answer.status.as_u16(), 409, "{}", answer.body);
        assert!(answer.body.contains("is being carried out"), "{}", answer.body);
    }
}

#[tokio::test]
async fn a_secret_that_is_shown_once_is_kept_sealed_and_for_a_day() {
    let site = TestSite::new().await;
    let administrator = site.administrator().await;
    let app = json!({"app_name": "Robot", "user": "Administrator", "scopes": "read", "allow_client_credentials": 1});
    let sender = administrator.with_header(KEY, "client");
    let first = sender.json(Method::POST, "/api/resource/OAuth%20Client", app.clone()).await.status(200);
    let secret = first.json()["data"]["client_secret"].as_str().unwrap().to_owned();
    assert!(!secret.is_empty());
    let again = sender.json(Method::POST, "/api/resource/OAuth%20Client", app.clone()).await.status(200);
    assert_eq!(again.json()["data"]["client_secret"], json!(secret));
    let logged = administrator.list(LOG, "fields=[\"*\"]").await.ok();
    assert!(!logged.to_string().contains(&secret), "{logged}");
    assert!(logged[0].get("answer").is_none() && logged[0].get("fingerprint").is_none(), "{logged}");
    assert_eq!(
        (&logged[0]["status"], &logged[0]["request"]),
        (&json!(200), &json!("POST /api/resource/OAuth%20Client"))
    );
    site.clock.advance(chrono::Duration::hours(50));
    assert!(site.run_scheduled("clear old logs").await.contains("1 of Idempotent Request"));
}
