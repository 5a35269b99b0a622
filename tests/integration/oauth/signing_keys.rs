//! Signing keys: made once, published, renewed without anybody noticing, sealed, and removed when nothing needs them.

use std::collections::BTreeSet;

use chrono::Duration;
use doctyped::testing::jwk::JwkSet;
use doctyped::testing::jwt::Unverified;
use doctyped::testing::secret::SigningAlgorithm;
use doctyped::testing::signing_keys::SigningKeys;
use serde_json::json;

use super::support::BASE;
use crate::support::TestSite;

const KEY: &str = "OAuth Signing Key";
const WELL_KNOWN: &str = "/.well-known/jwks.json";
const ES256: SigningAlgorithm = SigningAlgorithm::Es256;

/// The names of the keys that everybody can see.
async fn published(site: &TestSite) -> BTreeSet<String> {
    let set = site.guest().get(WELL_KNOWN).await.status(200).json();
    set["keys"].as_array().unwrap().iter().map(|key| key["kid"].as_str().unwrap().to_owned()).collect()
}

async fn names(site: &TestSite, alg: &str, state: &str) -> Vec<String> {
    site.db_names(KEY, json!({"alg": alg, "state": state})).await
}

#[tokio::test]
async fn everybody_can_read_the_public_keys_and_nobody_the_private_ones() {
    let site = TestSite::new().await;
    let answer = site.guest().with_header("origin", "https://app.example").get(WELL_KNOWN).await.status(200);
    assert_eq!(answer.header("content-type"), "application/jwk-set+json");
    assert_eq!(answer.header("access-control-allow-origin"), "*");
    assert_eq!(answer.header("access-control-allow-credentials"), "");
    assert!(answer.header("cache-control").contains("max-age=900"));
    let same = site.guest().get(&format!("{BASE}jwks")).await.status(200);
    assert_eq!(same.body, answer.body);
    let set = answer.json();
    let mut algorithms: Vec<&str> =
        set["keys"].as_array().unwrap().iter().map(|key| key["alg"].as_str().unwrap()).collect();
    algorithms.sort_unstable();
    assert_eq!(algorithms, ["ES256", "RS256"]);
    for key in set["keys"].as_array().unwrap() {
        assert_eq!(key["use"], "sig");
        for private in ["d", "p", "q", "dp", "dq", "qi", "k"] {
            assert!(key.get(private).is_none());
        }
    }
    let administrator = site.administrator().await;
    for kid in published(&site).await {
        let document = administrator.read(KEY, &kid).await.ok();
        assert!(document.get("private_key").is_none_or(|stars| stars.as_str().unwrap().trim_matches('*').is_empty()));
        administrator.update(KEY, &kid, json!({"state": "Retired"})).await.error(403, "PermissionError");
    }
    site.guest().read(KEY, "x").await.error(401, "AuthenticationError");
}

#[tokio::test]
async fn the_keys_stay_the_same_over_a_restart_and_sign_what_the_public_half_verifies() {
    let site = TestSite::new().await;
    let before = published(&site).await;
    let site = site.restart().await;
    assert_eq!(published(&site).await, before);
    let keys = SigningKeys::default();
    for algorithm in [ES256, SigningAlgorithm::Rs256] {
        let key = keys.current(site.documents(), algorithm).await.unwrap();
        assert!(before.contains(key.kid()));
        let token = key.sign("JWT", &json!({"sub": "x"}));
        let set = JwkSet::parse(&site.guest().get(WELL_KNOWN).await.json()).unwrap();
        let verified = Unverified::parse(&token).unwrap().verify(&set, &[algorithm]).unwrap();
        assert_eq!(verified.claims.text("sub"), Some("x"));
    }
}

#[tokio::test]
async fn many_that_need_the_first_key_at_once_make_one() {
    let site = TestSite::new().await;
    // Each has a cache of its own, as servers on one database have.
    let servers: Vec<_> = (0..4).map(|_| SigningKeys::default()).collect();
    let asked = servers.iter().cycle().take(20).map(|keys| keys.current(site.documents(), ES256));
    let keys = futures_util::future::try_join_all(asked).await.unwrap();
    let kids: BTreeSet<&str> = keys.iter().map(|key| key.kid()).collect();
    assert_eq!(kids.len(), 1);
    assert_eq!(names(&site, "ES256", "Current").await.len(), 1);
}

#[tokio::test]
async fn a_new_key_is_published_before_it_signs_and_an_old_one_until_nothing_needs_it() {
    let site = TestSite::new().await;
    let keys = SigningKeys::default();
    assert_eq!(keys.maintain(site.documents()).await.unwrap(), "2 made");
    let first = keys.current(site.documents(), ES256).await.unwrap();
    let next = names(&site, "ES256", "Next").await;
    assert_eq!(published(&site).await.len(), 4);
    assert!(published(&site).await.contains(&next[0]));
    assert_eq!(keys.maintain(site.documents()).await.unwrap(), "", "nothing is due");

    site.clock.advance(Duration::days(30));
    assert_eq!(keys.maintain(site.documents()).await.unwrap(), "2 renewed");
    let second = keys.current(site.documents(), ES256).await.unwrap();
    assert_eq!([second.kid()], *next);
    assert!(published(&site).await.contains(first.kid()), "what it signed can still be checked");
    assert_eq!(names(&site, "ES256", "Retired").await, [first.kid()]);
    assert_eq!(site.db_names("Security Event", json!({"event": "Signing Key Rotated"})).await.len(), 2);

    site.clock.advance(Duration::hours(24));
    assert_eq!(keys.maintain(site.documents()).await.unwrap(), "", "a token of the last moment is still valid");
    site.clock.advance(Duration::hours(2));
    assert_eq!(keys.maintain(site.documents()).await.unwrap(), "2 removed");
    assert!(!published(&site).await.contains(first.kid()));
}

#[tokio::test]
async fn a_retired_key_stays_as_long_as_the_longest_access_token() {
    let site = TestSite::new().await;
    let week = json!({
        "app_name": "Slow",
        "default_redirect_uri": "https://app.example/callback",
        "access_token_lifetime": 7 * 86_400,
    });
    site.db_insert("OAuth Client", week).await;
    let keys = SigningKeys::default();
    let old = keys.current(site.documents(), ES256).await.unwrap();
    keys.rotate(site.documents(), "").await.unwrap();
    site.clock.advance(Duration::days(7));
    keys.maintain(site.documents()).await.unwrap();
    assert!(published(&site).await.contains(old.kid()));
    site.clock.advance(Duration::days(2));
    keys.maintain(site.documents()).await.unwrap();
    assert!(!published(&site).await.contains(old.kid()));
}

#[tokio::test]
async fn servers_that_renew_at_once_renew_once() {
    let site = TestSite::new().await;
    let servers: Vec<_> = (0..4).map(|_| SigningKeys::default()).collect();
    servers[0].maintain(site.documents()).await.unwrap();
    for keys in &servers {
        keys.current(site.documents(), ES256).await.unwrap();
    }
    let renewed = servers.iter().map(|keys| keys.rotate(site.documents(), ""));
    futures_util::future::try_join_all(renewed).await.unwrap();
    for algorithm in ["ES256", "RS256"] {
        for state in ["Current", "Next", "Retired"] {
            assert_eq!(names(&site, algorithm, state).await.len(), 1, "{algorithm} {state}");
        }
    }
}

#[tokio::test]
async fn keys_are_renewed_on_demand_by_those_who_may_change_the_settings() {
    let site = TestSite::new().await;
    let before = published(&site).await;
    let rotate = "/api/v2/document/OAuth%20Settings/OAuth%20Settings/method/rotate_signing_keys";
    let somebody = site.user("bob@example.com", &[]).await;
    somebody.post(rotate, json!({})).await.status(403);
    assert_eq!(published(&site).await, before);
    let manager = site.user("alice@example.com", &["System Manager"]).await;
    manager.post(rotate, json!({})).await.status(200);
    let after = published(&site).await;
    assert!(after.is_superset(&before));
    for kid in &before {
        assert_eq!(manager.read(KEY, kid).await.ok()["state"], "Retired");
    }
    let events = site.db_names("Security Event", json!({"event": "Signing Key Rotated"})).await;
    assert_eq!(events.len(), 2);
    assert_eq!(manager.read("Security Event", &events[0]).await.ok()["user"], "alice@example.com");
}

#[tokio::test]
async fn a_key_in_use_cannot_be_deleted_and_a_retired_one_can() {
    let site = TestSite::new().await;
    let keys = SigningKeys::default();
    let old = keys.current(site.documents(), ES256).await.unwrap();
    let manager = site.user("alice@example.com", &["System Manager"]).await;
    let refused = manager.remove(KEY, old.kid()).await.error(417, "ValidationError");
    assert!(refused.to_string().contains("Renew Signing Keys Now"));
    keys.rotate(site.documents(), "").await.unwrap();
    manager.remove(KEY, old.kid()).await.ok();
    assert!(!published(&site).await.contains(old.kid()));
}

#[tokio::test]
async fn a_key_for_eddsa_is_published_where_the_settings_choose_it() {
    let site = TestSite::new().await;
    assert_eq!(published(&site).await.len(), 2);
    site.db_update("OAuth Settings", "OAuth Settings", json!({"id_token_signing_alg": "EdDSA"})).await;
    let set = site.guest().get(WELL_KNOWN).await.json();
    assert!(set["keys"].as_array().unwrap().iter().any(|key| key["alg"] == "EdDSA" && key["crv"] == "Ed25519"));
}
