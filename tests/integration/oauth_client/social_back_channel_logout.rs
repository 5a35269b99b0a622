//! A provider says that somebody has logged out there: their sessions that began with it end here, and no others.

use doctyped::testing::jwt::SigningKey;
use doctyped::testing::secret::SigningAlgorithm;
use serde_json::{Value as Json, json};

use super::site;
use super::social_login::Provider;
use crate::support::client::Response;
use crate::support::{Client, PASSWORD, TestSite};

const ALICE: &str = "alice@example.com";
const RECEIVER: &str = "/api/method/frappe.integrations.oauth2_logins.backchannel_logout/example_login";
const EVENT: &str = "http://schemas.openid.net/event/backchannel-logout";

struct LoggedIn {
    provider: Provider,
    site: TestSite,
    /// A browser in which she came from the provider.
    browser: Client,
    /// Another one.
    other: Client,
    /// One in which she typed her password.
    by_password: Client,
}

impl LoggedIn {
    async fn new() -> Self {
        let (provider, site) = (Provider::start().await, site().await);
        provider.key(&site, json!({})).await;
        let account = json!({"provider": "example_login", "userid": "alice-there"});
        site.db_user(ALICE, json!({"social_logins": [account], "simultaneous_sessions": 5})).await;
        let (browser, other, by_password) = (site.guest(), site.guest(), site.guest());
        for (browser, sid) in [(&browser, "s1"), (&other, "s2")] {
            let back = provider.begin(&site, browser, json!({"sid": sid})).await;
            assert_eq!(browser.get(&back).await.redirect(), "/app/todo");
        }
        by_password.log_in(ALICE, PASSWORD).await.ok();
        Self { provider, site, browser, other, by_password }
    }

    /// A logout token with changes; null leaves a claim out.
    fn claims(&self, change: &Json) -> Json {
        let now = self.site.clock.now().timestamp();
        let mut claims = json!({
            "iss": self.provider.server.uri(), "aud": "me", "iat": now, "exp": now + 120,
            "jti": doctyped::testing::secret::random_id(), "events": {EVENT: {}},
        });
        claims.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        claims.as_object_mut().unwrap().retain(|_, value| !value.is_null());
        claims
    }

    async fn tell(&self, token: &str) -> Response {
        self.site.guest().form(RECEIVER, &[("logout_token", token)]).await
    }

    /// Who is still logged in, of the three browsers.
    async fn logged_in(&self) -> [bool; 3] {
        let is = async |browser: &Client| browser.logged_user().await == ALICE;
        [is(&self.browser).await, is(&self.other).await, is(&self.by_password).await]
    }
}

#[tokio::test]
async fn a_session_at_the_provider_ends_the_session_that_began_with_it() {
    let alice = LoggedIn::new().await;
    let token = alice.provider.key.sign("logout+jwt", &alice.claims(&json!({"sid": "s1", "sub": "alice-there"})));
    let _ = alice.tell(&token).await.status(200);
    assert_eq!(alice.logged_in().await, [false, true, true]);
    assert_eq!(alice.site.db_names("Security Event", json!({"event": "Session Ended"})).await.len(), 1);
    let _ = alice.tell(&token).await.status(400);
}

#[tokio::test]
async fn a_person_at_the_provider_ends_all_sessions_that_began_there() {
    let alice = LoggedIn::new().await;
    let token = alice.provider.key.sign("logout+jwt", &alice.claims(&json!({"sub": "alice-there"})));
    let _ = alice.tell(&token).await.status(200);
    assert_eq!(alice.logged_in().await, [false, false, true]);
}

#[tokio::test]
async fn what_is_no_logout_token_of_the_provider_logs_nobody_out() {
    let alice = LoggedIn::new().await;
    let foreign = SigningKey::generate(SigningAlgorithm::Es256);
    let about = json!({"sid": "s1", "sub": "alice-there"});
    let now = alice.site.clock.now().timestamp();
    let mut tokens = vec![
        ("foreign key", foreign.sign("logout+jwt", &alice.claims(&about))),
        ("nonsense", "a.b.c".to_owned()),
        ("access token", alice.provider.key.sign("at+jwt", &alice.claims(&about))),
    ];
    for (what, change) in [
        ("issuer", json!({"iss": "https://evil.example"})),
        ("audience", json!({"aud": "another"})),
        ("id token", json!({"nonce": "n"})),
        ("no event", json!({"events": null})),
        ("other event", json!({"events": {"https://example.com/event": {}}})),
        ("nobody", json!({"sid": null, "sub": null})),
        ("no jti", json!({"jti": null})),
        ("no iat", json!({"iat": null})),
        ("old", json!({"iat": now - 3600, "exp": now + 60})),
        ("expired", json!({"exp": now - 600})),
    ] {
        let mut claims = about.clone();
        claims.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        tokens.push((what, alice.provider.key.sign("logout+jwt", &alice.claims(&claims))));
    }
    for (what, token) in &tokens {
        let answer = alice.tell(token).await;
        assert_eq!((answer.status.as_u16(), &answer.json()["error"]), (400, &json!("invalid_request")), "{what}");
        assert_eq!(alice.logged_in().await, [true; 3], "{what}");
    }
    let unknown = RECEIVER.replace("example_login", "unknown");
    let good = alice.provider.key.sign("logout+jwt", &alice.claims(&about));
    let _ = alice.site.guest().form(&unknown, &[("logout_token", &good)]).await.status(400);
    assert_eq!(alice.logged_in().await, [true; 3]);
}
