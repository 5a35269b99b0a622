//! Deleting documents.

use serde_json::json;

use super::{READER, library_with_books};

#[tokio::test]
async fn a_delete_is_a_202_with_ok() {
    let (_site, alice) = library_with_books().await;
    let answer = alice.remove("Book", "Dune").await.status(202);
    assert_eq!(answer.json(), json!({"data": "ok"}));
    alice.read("Book", "Dune").await.error(404, "DoesNotExistError");
    alice.remove("Book", "Dune").await.error(404, "DoesNotExistError");
}

#[tokio::test]
async fn what_others_link_to_stays() {
    let (_site, alice) = library_with_books().await;
    alice.remove("Shelf", "S1").await.error(417, "LinkExistsError");
}

#[tokio::test]
async fn the_right_is_needed() {
    let (site, _alice) = library_with_books().await;
    let reader = site.user("rita@example.com", &[READER]).await;
    reader.remove("Book", "Dune").await.error(403, "PermissionError");
    reader.update("Book", "Dune", json!({"pages": 1})).await.error(403, "PermissionError");
    reader.create("Book", json!({"title": "X"})).await.error(403, "PermissionError");
}
