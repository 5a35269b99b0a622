//! The whole way of an assistant that knows one address: refusal, discovery, registration, login, consent, tools, a step
//! up, a renewal; in both revisions.

use doctyped::testing::pkce::challenge_of;
use serde_json::{Value as Json, json};

use super::support::{Assistant, library};
use crate::oauth::support::{VERIFIER, answer, bearer, parameter};
use crate::support::{Client, TestSite};

const LISTENS_AT: &str = "http://127.0.0.1:49731/callback";

/// A parameter of a challenge.
fn inside(challenge: &str, name: &str) -> Option<String> {
    let (_, rest) = challenge.split_once(&format!("{name}=\""))?;
    rest.split('"').next().map(str::to_owned)
}

fn local<'u>(site: &TestSite, uri: &'u str) -> &'u str {
    uri.strip_prefix(site.documents().site_url()).unwrap_or_else(|| panic!("{uri} is not of this site"))
}

/// What an assistant knows of the site.
struct Known {
    resource: String,
    server: Json,
    client_id: String,
}

impl Known {
    async fn connect(&self, site: &TestSite, person: &Client, scope: &str) -> Json {
        let challenge = challenge_of(VERIFIER);
        let query = url::form_urlencoded::Serializer::new(String::new())
            .extend_pairs([
                ("response_type", "code"),
                ("client_id", &self.client_id),
                ("redirect_uri", LISTENS_AT),
                ("scope", scope),
                ("code_challenge", &challenge),
                ("code_challenge_method", "S256"),
                ("resource", &self.resource),
            ])
            .finish();
        let authorize = local(site, self.server["authorization_endpoint"].as_str().unwrap());
        let consent = person.get(&format!("{authorize}?{query}")).await.redirect();
        let consent = person.get(&consent).await.status(200);
        let back = answer(person, &consent, "allow").await.redirect();
        let code = parameter(&back, "code").unwrap_or_else(|| panic!("{back}"));
        self.token(
            site,
            &[
                ("grant_type", "authorization_code"),
                ("code", &code),
                ("redirect_uri", LISTENS_AT),
                ("code_verifier", VERIFIER),
            ],
        )
        .await
    }

    async fn token(&self, site: &TestSite, fields: &[(&str, &str)]) -> Json {
        let mut fields = fields.to_vec();
        fields.extend([("client_id", self.client_id.as_str()), ("resource", self.resource.as_str())]);
        site.guest()
            .form(local(site, self.server["token_endpoint"].as_str().unwrap()), &fields)
            .await
            .status(200)
            .json()
    }
}

/// Calls without a token, and follows where the refusal leads.
async fn discover(site: &TestSite) -> (Known, String) {
    let stranger = site.guest();
    let refused = Assistant::with(&stranger).send("initialize", json!({})).await.status(401);
    let challenge = refused.header("www-authenticate").to_owned();
    let metadata = inside(&challenge, "resource_metadata").unwrap_or_else(|| panic!("{challenge}"));
    let resource = stranger.get(local(site, &metadata)).await.status(200).json();
    assert_eq!(resource["resource"], format!("{}/mcp", site.documents().site_url()));
    let issuer = resource["authorization_servers"][0].as_str().unwrap();
    let server = stranger.get(local(site, &format!("{issuer}/.well-known/oauth-authorization-server"))).await;
    let server = server.status(200).json();
    let metadata = json!({
        "client_name": "Assistant",
        "redirect_uris": [LISTENS_AT],
        "grant_types": ["authorization_code", "refresh_token"],
        "token_endpoint_auth_method": "none",
        "application_type": "native",
    });
    let made = stranger.post(local(site, server["registration_endpoint"].as_str().unwrap()), metadata).await;
    let client_id = made.status(201).json()["client_id"].as_str().unwrap().to_owned();
    let scope = inside(&challenge, "scope").unwrap_or_default();
    (Known { resource: resource["resource"].as_str().unwrap().to_owned(), server, client_id }, scope)
}

async fn walk(revise: fn(Assistant) -> Assistant) {
    let site = library().await;
    let alice = site.user("alice@example.com", &["System Manager"]).await;
    site.db_insert("Loan", json!({"title": "Emma"})).await;
    let (known, scope) = discover(&site).await;
    let tokens = known.connect(&site, &alice, &format!("{scope} offline_access")).await;
    let assistant = revise(Assistant::with(&bearer(&site, &tokens)));
    assistant.result("tools/list", json!({})).await;
    let emma = json!({"doctype": "Loan", "name": "Emma"});
    // What was allowed to begin with speaks of the person only, or of reading.
    let mut wanted = format!("{scope} offline_access");
    let mut assistant = assistant;
    let mut tokens = tokens;
    let mut steps = 0;
    let change = json!({"doctype": "Loan", "name": "Emma", "values": {"status": "Closed"}});
    for (tool, arguments) in [("get", &emma), ("update", &change)] {
        let tried = assistant.send("tools/call", json!({"name": tool, "arguments": arguments})).await;
        if tried.status.as_u16() == 200 {
            continue;
        }
        let challenge = tried.status(403).header("www-authenticate").to_owned();
        let more = inside(&challenge, "scope").unwrap_or_else(|| panic!("{challenge}"));
        steps += 1;
        assert!(more.split(' ').count() > 1, "what it has is named too: {more}");
        wanted = format!("{more} offline_access");
        tokens = known.connect(&site, &alice, &wanted).await;
        assistant = revise(Assistant::with(&bearer(&site, &tokens)));
        assistant.json(tool, arguments.clone()).await;
    }
    assert!(steps > 0, "writing was not allowed to begin with");
    assert_eq!(assistant.json("get", emma.clone()).await["status"], "Closed");
    site.clock.advance(chrono::Duration::hours(2));
    let expired = assistant.send("tools/list", json!({})).await.status(401);
    assert!(expired.header("www-authenticate").contains("error=\"invalid_token\""));
    let refresh = tokens["refresh_token"].as_str().unwrap();
    let renewed = known.token(&site, &[("grant_type", "refresh_token"), ("refresh_token", refresh)]).await;
    let assistant = revise(Assistant::with(&bearer(&site, &renewed)));
    assert_eq!(assistant.json("get", emma).await["status"], "Closed");
    bearer(&site, &renewed).get("/api/resource/Loan").await.status(401);
}

#[tokio::test]
async fn an_assistant_with_a_handshake_comes_all_the_way() {
    walk(|assistant| assistant).await;
}

#[tokio::test]
async fn an_assistant_without_a_handshake_comes_all_the_way() {
    walk(Assistant::stateless).await;
}
