//! `ETag`, `If-None-Match` and `If-Match` of documents; `docs/frappe/rest.md`: Versions.

use poem::http::Method;
use serde_json::json;

use crate::resource::{READER, library_with_books};

const DUNE: [&str; 2] = ["/api/resource/Book/Dune", "/api/v2/document/Book/Dune"];

#[tokio::test]
async fn what_a_client_has_is_not_sent_again_until_it_changes() {
    let (site, alice) = library_with_books().await;
    for path in DUNE {
        let first = alice.get(path).await.status(200);
        let tag = first.header("etag").to_owned();
        let again = alice.with_header("if-none-match", &tag).get(path).await.status(304);
        assert!(again.body.is_empty() && again.header("etag") == tag);
        assert_eq!(
            alice.with_header("if-none-match", &format!("W/{tag}, \"other\"")).get(path).await.status.as_u16(),
            304
        );
        let saved = alice.json(Method::PUT, path, json!({"pages": tag.len() + path.len()})).await.status(200);
        assert_ne!(saved.header("etag"), tag);
        assert_eq!(alice.get(path).await.header("etag"), saved.header("etag"), "what was answered is what is read");
        alice.with_header("if-none-match", &tag).get(path).await.status(200);
    }
    // Who sees other fields has another answer, so that nobody keeps what they may not see any more.
    let reader = site.user("reader@example.com", &[READER]).await;
    let tag = alice.get(DUNE[0]).await.header("etag").to_owned();
    let seen = reader.get(DUNE[0]).await.header("etag").to_owned();
    assert_ne!(tag, seen);
    assert_eq!(tag.rsplit_once('-').unwrap().0, seen.rsplit_once('-').unwrap().0);
}

#[tokio::test]
async fn nobody_overwrites_or_deletes_what_somebody_else_has_changed_meanwhile() {
    let (_site, alice) = library_with_books().await;
    for (path, verb) in DUNE.into_iter().zip([Method::PUT, Method::PATCH]) {
        let read = alice.get(path).await.header("etag").to_owned();
        let guarded = alice.with_header("if-match", &read);
        let saved = guarded.json(verb.clone(), path, json!({"pages": 500})).await.status(200);
        let newest = saved.header("etag").to_owned();
        for late in [
            guarded.json(verb.clone(), path, json!({"pages": 600})).await,
            guarded.json(Method::DELETE, path, json!({})).await,
        ] {
            assert!(late.status(412).body.contains("has been changed since"), "{path}");
        }
        assert_eq!(alice.get("/api/resource/Book/Dune").await.json()["data"]["pages"], 500);
        // A proxy that compresses marks the tag as weak; several tags are several answers that would do.
        let marked = alice.with_header("if-match", &format!("\"x-y\", W/{newest}"));
        marked.json(verb.clone(), path, json!({"pages": 700})).await.status(200);
        alice.with_header("if-match", "*").json(verb.clone(), path, json!({"pages": 800})).await.status(200);
        let wrong = alice.with_header("if-match", "yesterday").json(verb, path, json!({"pages": 900})).await;
        assert!(wrong.status(400).body.contains("If-Match takes the ETag"), "{path}");
    }
    let tag = alice.get(DUNE[0]).await.header("etag").to_owned();
    alice.with_header("if-match", &tag).json(Method::DELETE, DUNE[0], json!({})).await.status(202);
    alice.get(DUNE[0]).await.status(404);
}
