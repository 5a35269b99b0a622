//! Userinfo: what a token's scopes tell about its person, and nothing beyond them.

use serde_json::json;

use super::support::{BASE, Program, bearer};
use crate::support::TestSite;

#[tokio::test]
async fn the_scopes_decide_what_is_told() {
    let site = TestSite::new().await;
    let alice = site.user("alice@example.com", &["System Manager"]).await;
    let mut program = Program::public(&site).await;
    let uri = format!("{BASE}openid_profile");
    program.scope = "openid".to_owned();
    let who = bearer(&site, &program.tokens(&alice).await).get(&uri).await.status(200).json();
    assert_eq!(who.as_object().unwrap().keys().collect::<Vec<_>>(), ["sub"]);
    program.scope = "openid profile email roles".to_owned();
    let more = bearer(&site, &program.tokens(&alice).await).get(&uri).await.status(200).json();
    assert_eq!(more["sub"], who["sub"], "the subject is stable");
    assert_eq!(more["email"], "alice@example.com");
    assert_eq!(more["name"], "alice");
    assert!(more["roles"].as_array().unwrap().contains(&json!("System Manager")));
    program.scope = "all".to_owned();
    let refused = bearer(&site, &program.tokens(&alice).await).get(&uri).await.status(403);
    assert!(refused.header("www-authenticate").contains("error=\"insufficient_scope\""));
    let nobody = site.guest().get(&uri).await.status(401);
    assert!(!nobody.header("www-authenticate").contains("error="));
}
