//! OAuth Replay Guard: a signed message is used once, whoever comes with copies of it.

use chrono::Duration;
use doctyped::testing::oauth_replay_guard::{Purpose, remember};
use serde_json::json;

use crate::support::TestSite;

#[tokio::test]
async fn of_a_hundred_uses_of_one_message_at_once_exactly_one_passes() {
    let site = TestSite::new().await;
    let expires_at = site.clock.now() + Duration::minutes(1);
    let uses = (0..100).map(|_| remember(site.documents(), Purpose::DpopProof, "key", "1", expires_at));
    let passed = futures_util::future::join_all(uses).await.into_iter().map(Result::unwrap);
    assert_eq!(passed.filter(|passed| *passed).count(), 1);
    assert!(!remember(site.documents(), Purpose::DpopProof, "key", "1", expires_at).await.unwrap());
    for (purpose, sender, id) in
        [(Purpose::ClientAssertion, "key", "1"), (Purpose::DpopProof, "other", "1"), (Purpose::DpopProof, "key", "2")]
    {
        assert!(remember(site.documents(), purpose, sender, id, expires_at).await.unwrap());
    }
}

#[tokio::test]
async fn used_messages_are_forgotten_once_they_are_refused_for_their_age_however_many() {
    let site = TestSite::new().await;
    let expires_at = site.clock.now() + Duration::minutes(1);
    for id in 0..130 {
        assert!(remember(site.documents(), Purpose::RequestObject, "app", &id.to_string(), expires_at).await.unwrap());
    }
    site.clock.advance(Duration::seconds(80));
    doctyped::testing::jobs::remove_expired(site.documents()).await.unwrap();
    assert_eq!(site.db_names("OAuth Replay Guard", json!({})).await.len(), 130);
    site.clock.advance(Duration::seconds(20));
    doctyped::testing::jobs::remove_expired(site.documents()).await.unwrap();
    assert!(site.db_names("OAuth Replay Guard", json!({})).await.is_empty());
}
