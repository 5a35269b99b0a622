//! The whole way of every kind of client, on a site as it is shipped: from the first refusal over registration, consent
//! and tokens to the step up that a refusal asks for, and two renewals. What the site announces, it does not refuse.

use chrono::Duration;
use doctyped::testing::pkce::challenge_of;
use serde_json::{Value as Json, json};

use super::described_program::{Answer, Page};
use super::device_rfc8628::{consent, poll, press};
use super::registration_rfc7591::register;
use super::support::{BASE, Program, VERIFIER, answer, bearer, parameter};
use crate::support::client::Response;
use crate::support::{Client, TestSite};

const DATA: &str = "/api/resource/User";
const MORE: &str = "/api/resource/Role";
const METHOD: &str = "/api/method/frappe.client.get_count?doctype=User";
const WEB: &str = "https://app.example/callback";
/// Where a program on this computer listens this time; it registered no port, or another one.
const LOOPBACK: &str = "http://127.0.0.1:49731/callback";

/// Where a client comes from.
enum Origin {
    /// An administrator made it, with these values and nothing else.
    Made(Json),
    /// It registered itself.
    Registered(Json),
    /// A page describes it.
    Described(Json),
}

/// What it asks for at first.
#[derive(Clone, Copy)]
enum Asks {
    /// What the challenge of the refusal names.
    Challenged,
    /// All that the metadata of the resource announces.
    OfResource,
    /// All that the metadata of the server announces.
    OfServer,
    /// Something of its own.
    For(&'static str),
}

struct Kind {
    name: &'static str,
    origin: Origin,
    redirect_uri: &'static str,
    asks: Asks,
    /// What it is granted, where that is not what it asked for.
    granted: Option<&'static str>,
}

/// What stands in a challenge.
fn inside(answer: &Response, name: &str) -> Option<String> {
    let (_, rest) = answer.header("www-authenticate").split_once(&format!("{name}=\""))?;
    Some(rest.split('"').next().unwrap().to_owned())
}

fn words(list: &Json) -> String {
    list.as_array().unwrap().iter().map(|word| word.as_str().unwrap()).collect::<Vec<_>>().join(" ")
}

fn kinds() -> Vec<Kind> {
    let both = json!(["authorization_code", "refresh_token"]);
    let native = |changes: Json| {
        let mut metadata = json!({
            "client_name": "Terminal", "redirect_uris": ["http://127.0.0.1/callback"], "grant_types": both,
            "token_endpoint_auth_method": "none", "application_type": "native",
        });
        metadata.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
        Origin::Registered(metadata)
    };
    let kind = |name, origin, redirect_uri, asks| Kind { name, origin, redirect_uri, asks, granted: None };
    let mut kinds = vec![
        kind("confidential", Origin::Made(json!({})), WEB, Asks::For("openid profile email offline_access")),
        kind(
            "public",
            Origin::Made(json!({"token_endpoint_auth_method": "None"})),
            WEB,
            Asks::For("openid profile email"),
        ),
        kind(
            "registered, with a secret",
            Origin::Registered(json!({"client_name": "Planner", "redirect_uris": [WEB], "grant_types": both})),
            WEB,
            Asks::Challenged,
        ),
        kind(
            "registered for the announced scopes",
            Origin::Registered(json!({
                "client_name": "Planner", "redirect_uris": [WEB], "grant_types": both,
                "scope": "openid profile email roles read offline_access",
            })),
            WEB,
            Asks::OfServer,
        ),
        kind(
            "registered, signs with its secret",
            Origin::Registered(json!({
                "client_name": "Planner", "redirect_uris": [WEB], "grant_types": both,
                "token_endpoint_auth_method": "client_secret_post",
            })),
            WEB,
            Asks::OfResource,
        ),
        kind("like an MCP SDK", native(json!({})), LOOPBACK, Asks::Challenged),
        kind("an SDK that reads the metadata of the resource", native(json!({})), LOOPBACK, Asks::OfResource),
        kind("an SDK that reads the metadata of the server", native(json!({})), LOOPBACK, Asks::OfServer),
        kind("described by a page", Origin::Described(json!({})), LOOPBACK, Asks::Challenged),
        kind(
            "described, with a scope of its own",
            Origin::Described(json!({"scope": "openid of.another.server"})),
            LOOPBACK,
            Asks::OfResource,
        ),
    ];
    // It asks for what every Frappe site has, and is told that it got less (RFC 6749 §3.3).
    kinds.push(Kind {
        granted: Some("openid read"),
        ..kind("like frappectl", native(json!({"scope": "openid all"})), LOOPBACK, Asks::For("openid all"))
    });
    kinds
}

/// A client that has arrived, and knows where everything is.
struct Traveller<'s> {
    site: &'s TestSite,
    alice: &'s Client,
    program: Program,
    redirect_uri: &'static str,
    resource: String,
    authorize: String,
    post: bool,
    /// It names this scope at each renewal, as at the beginning.
    renews_for: Option<String>,
}

impl Traveller<'_> {
    /// Consent, code and tokens for a scope.
    async fn tokens(&self, scope: &str) -> Json {
        let challenge = challenge_of(VERIFIER);
        let query = url::form_urlencoded::Serializer::new(String::new())
            .extend_pairs([
                ("response_type", "code"),
                ("client_id", &self.program.id),
                ("redirect_uri", self.redirect_uri),
                ("scope", scope),
                ("state", "of this attempt"),
                ("code_challenge", &challenge),
                ("code_challenge_method", "S256"),
                ("resource", &self.resource),
            ])
            .finish();
        let to = self.alice.get(&format!("{}?{query}", self.authorize)).await.redirect();
        assert!(to.starts_with(BASE), "{scope} is refused: {to}");
        let page = self.alice.get(&to).await.status(200);
        let back = answer(self.alice, &page, "allow").await.redirect();
        let code = parameter(&back, "code").unwrap_or_else(|| panic!("{back}"));
        let fields = [
            ("grant_type", "authorization_code"),
            ("code", code.as_str()),
            ("redirect_uri", self.redirect_uri),
            ("code_verifier", VERIFIER),
            ("resource", &self.resource),
        ];
        self.send("get_token", &fields).await.status(200).json()
    }

    async fn send(&self, endpoint: &str, fields: &[(&str, &str)]) -> Response {
        if !self.post {
            return self.program.post(endpoint, fields).await;
        }
        let mut fields = fields.to_vec();
        fields.extend([("client_id", self.program.id.as_str()), ("client_secret", self.program.secret.as_str())]);
        self.site.guest().form(&format!("{BASE}{endpoint}"), &fields).await
    }

    async fn renewed(&self, tokens: &Json) -> Json {
        let token = tokens["refresh_token"].as_str().unwrap_or_else(|| panic!("no refresh token in {tokens}"));
        let mut fields = vec![("grant_type", "refresh_token"), ("refresh_token", token)];
        fields.extend(self.renews_for.as_deref().map(|scope| ("scope", scope)));
        self.send("get_token", &fields).await.status(200).json()
    }

    /// Where it is refused, it asks for what the refusal names, beside what it has; and is let in.
    async fn step_up(&self, tokens: &Json, path: &str) -> Json {
        let refused = bearer(self.site, tokens).get(path).await.status(403);
        assert_eq!(inside(&refused, "error").as_deref(), Some("insufficient_scope"), "{path}");
        let needed = inside(&refused, "scope").unwrap_or_else(|| panic!("no scope for {path}"));
        let tokens = self.tokens(&format!("{} {needed}", tokens["scope"].as_str().unwrap())).await;
        bearer(self.site, &tokens).get(path).await.status(200);
        tokens
    }
}

async fn travel(kind: &Kind) {
    let page = match &kind.origin {
        Origin::Described(_) => Some(Page::start().await),
        _ => None,
    };
    let site = match &page {
        Some(page) => page.site().await,
        None => TestSite::new().await,
    };
    let alice = site.user("alice@example.com", &["System Manager"]).await;
    let guest = site.guest();
    let local = |uri: &str| uri.strip_prefix(site.documents().site_url()).unwrap().to_owned();

    let refused = guest.get(DATA).await.status(401);
    let resource = guest.get(&local(&inside(&refused, "resource_metadata").unwrap())).await.status(200).json();
    let issuer = resource["authorization_servers"][0].as_str().unwrap();
    let server = guest.get(&format!("{}/.well-known/oauth-authorization-server", local(issuer))).await;
    let server = server.status(200).json();
    let announced = match kind.asks {
        Asks::Challenged => inside(&refused, "scope").unwrap(),
        Asks::OfResource => words(&resource["scopes_supported"]),
        Asks::OfServer => words(&server["scopes_supported"]),
        Asks::For(scope) => scope.to_owned(),
    };

    let mut post = false;
    let program = match &kind.origin {
        Origin::Made(values) => {
            let mut made = json!({"app_name": "Planner", "default_redirect_uri": WEB});
            made.as_object_mut().unwrap().extend(values.as_object().unwrap().clone());
            let made = site.administrator().await.post("/api/resource/OAuth%20Client", made).await.ok();
            Program::registered(&site, &made, "")
        }
        Origin::Registered(metadata) => {
            assert!(server["registration_endpoint"].as_str().unwrap().ends_with("register_client"));
            let made = register(&guest, metadata.clone()).await.status(201).json();
            post = made["token_endpoint_auth_method"] == "client_secret_post";
            Program::registered(&site, &made, "")
        }
        Origin::Described(changes) => {
            assert_eq!(server["client_id_metadata_document_supported"], true);
            let page = page.as_ref().unwrap();
            page.serve("/assistant", Answer::ok(&page.document("/assistant", changes)));
            Program::registered(&site, &json!({"client_id": page.uri("/assistant")}), "")
        }
    };
    let traveller = Traveller {
        site: &site,
        alice: &alice,
        program,
        redirect_uri: kind.redirect_uri,
        resource: resource["resource"].as_str().unwrap().to_owned(),
        authorize: local(server["authorization_endpoint"].as_str().unwrap()),
        post,
        renews_for: kind.granted.map(|_| announced.clone()),
    };

    let mut tokens = traveller.tokens(&announced).await;
    assert_eq!(tokens["scope"], kind.granted.unwrap_or(&announced));
    let may_read = |tokens: &Json| tokens["scope"].as_str().unwrap().contains("read");
    if may_read(&tokens) {
        bearer(&site, &tokens).get(DATA).await.status(200);
    }
    if matches!(kind.origin, Origin::Made(_)) {
        // What an administrator decided holds: nobody is led to ask for more.
        let refused = bearer(&site, &tokens).get(DATA).await.status(403);
        assert_eq!(inside(&refused, "scope"), None);
    } else {
        for path in [DATA, MORE, METHOD] {
            if bearer(&site, &tokens).get(path).await.status != 200 {
                tokens = traveller.step_up(&tokens, path).await;
            }
        }
        // What only `all` opens, no program that came by itself is led to ask for.
        let guarded = bearer(&site, &tokens).post(DATA, json!({"email": "bob@example.com"})).await.status(403);
        assert!(!inside(&guarded, "scope").is_some_and(|scope| scope.contains("all")));
    }
    for version in ["", "v2/"] {
        let who = format!("/api/{version}method/frappe.auth.get_logged_user");
        bearer(&site, &tokens).get(&who).await.status(200);
    }
    let first = traveller.renewed(&tokens).await;
    let again = traveller.renewed(&tokens).await;
    assert_eq!(first["refresh_token"], again["refresh_token"]);
    let second = traveller.renewed(&first).await;
    for tokens in [&first, &second] {
        assert_eq!(tokens["scope"], second["scope"]);
        if may_read(tokens) {
            bearer(&site, tokens).get(DATA).await.status(200);
        }
        bearer(&site, tokens)
            .get(&format!("{BASE}openid_profile"))
            .await
            .status(if tokens["scope"].as_str().unwrap().contains("openid") { 200 } else { 403 });
    }
}

#[tokio::test]
async fn every_kind_of_client_gets_all_the_way_on_a_site_as_it_is_shipped() {
    for kind in kinds() {
        eprintln!("{}", kind.name);
        travel(&kind).await;
    }
}

#[tokio::test]
async fn a_device_that_registered_itself_gets_all_the_way_as_well() {
    let site = TestSite::new().await;
    let alice = site.user("alice@example.com", &["System Manager"]).await;
    let metadata = json!({
        "client_name": "Television", "grant_types": ["urn:ietf:params:oauth:grant-type:device_code", "refresh_token"],
        "response_types": [], "token_endpoint_auth_method": "none",
    });
    let made = register(&site.guest(), metadata).await.status(201).json();
    let device = Program::registered(&site, &made, "");
    let refused = site.guest().get(DATA).await.status(401);
    let mut scope = inside(&refused, "scope").unwrap();
    let mut tokens = Json::Null;
    for path in [DATA, MORE] {
        let codes = device.post("device_authorization", &[("scope", &scope)]).await.status(200).json();
        press(&alice, &consent(&alice, &codes).await, "allow").await.status(200);
        site.clock.advance(Duration::seconds(6));
        tokens = poll(&device, &codes).await.status(200).json();
        bearer(&site, &tokens).get(path).await.status(200);
        let refused = bearer(&site, &tokens).get(MORE).await;
        if refused.status == 403 {
            scope = format!("{scope} {}", inside(&refused, "scope").unwrap());
        }
    }
    for _ in 0..2 {
        tokens = device.refresh(tokens["refresh_token"].as_str().unwrap()).await.status(200).json();
        bearer(&site, &tokens).get(MORE).await.status(200);
    }
}

#[tokio::test]
async fn what_an_administrator_narrows_is_neither_announced_nor_granted() {
    let site = TestSite::new().await;
    let alice = site.user("alice@example.com", &["System Manager"]).await;
    let administrator = site.administrator().await;
    let narrow = json!({"scopes_supported": "openid profile doctype:User:read"});
    administrator.update("OAuth Settings", "OAuth Settings", narrow).await.ok();
    let metadata = json!({"client_name": "Planner", "redirect_uris": [WEB], "token_endpoint_auth_method": "none"});
    let made = register(&site.guest(), metadata).await.status(201).json();
    let program = Program::registered(&site, &made, "openid doctype:User:read");
    let tokens = program.tokens(&alice).await;
    bearer(&site, &tokens).get(DATA).await.status(200);
    let refused = bearer(&site, &tokens).get(MORE).await.status(403);
    assert_eq!(inside(&refused, "error").as_deref(), Some("insufficient_scope"));
    assert_eq!(inside(&refused, "scope"), None);
    let ask = async |scope: &str| {
        let to = alice.get(&program.authorize_uri(&[("scope", scope)])).await.redirect();
        parameter(&to.replace("/api", "https://x.example/api"), "error")
    };
    assert_eq!(ask("doctype:Role:read").await.as_deref(), Some("invalid_scope"));
    // One client alone can be narrowed, and widened, by changing its scopes.
    for (scopes, asked, error) in [
        ("openid", "doctype:User:read", Some("invalid_scope")),
        ("openid doctype:Role:read", "doctype:Role:read", None),
        ("all", "all", None),
    ] {
        administrator.update("OAuth Client", &program.id, json!({"scopes": scopes})).await.ok();
        assert_eq!(ask(asked).await.as_deref(), error, "{scopes}");
    }
}

/// Nothing defines these, whoever asks.
const UNDEFINED: [&str; 5] =
    ["nosuch", "openid admin:everything", "doctype:No_Such:read", "method:no.such.method", "all nosuch"];

#[tokio::test]
async fn a_scope_that_nothing_defines_is_refused_by_every_grant_and_request() {
    let site = TestSite::new().await;
    let alice = site.user("alice@example.com", &["System Manager"]).await;
    let values = json!({
        "scopes": "all openid profile email", "allow_client_credentials": 1, "user": "alice@example.com",
        "allow_device_code": 1, "allow_token_exchange": 1,
    });
    site.db_update("OAuth Settings", "OAuth Settings", json!({"enable_token_exchange": 1})).await;
    let program = Program::new(&site, values).await;
    let tokens = program.tokens(&alice).await;
    let (access, refresh) = (tokens["access_token"].as_str().unwrap(), tokens["refresh_token"].as_str().unwrap());
    let challenge = challenge_of(VERIFIER);
    for scope in UNDEFINED {
        let to = alice.get(&program.authorize_uri(&[("scope", scope)])).await.redirect();
        assert_eq!(parameter(&to, "error").as_deref(), Some("invalid_scope"), "{scope}");
        let pushed = [
            ("response_type", "code"),
            ("client_id", program.id.as_str()),
            ("redirect_uri", WEB),
            ("scope", scope),
            ("code_challenge", challenge.as_str()),
            ("code_challenge_method", "S256"),
        ];
        program.post("par", &pushed).await.oauth_error(400, "invalid_scope");
        program.post("device_authorization", &[("scope", scope)]).await.oauth_error(400, "invalid_scope");
        for grant in [
            vec![("grant_type", "client_credentials")],
            vec![("grant_type", "refresh_token"), ("refresh_token", refresh)],
            vec![
                ("grant_type", "urn:ietf:params:oauth:grant-type:token-exchange"),
                ("subject_token", access),
                ("subject_token_type", "urn:ietf:params:oauth:token-type:access_token"),
            ],
        ] {
            let fields: Vec<_> = grant.into_iter().chain([("scope", scope)]).collect();
            program.post("get_token", &fields).await.oauth_error(400, "invalid_scope");
        }
        let metadata = json!({"client_name": "Planner", "redirect_uris": [WEB], "scope": scope});
        register(&site.guest(), metadata).await.oauth_error(400, "invalid_scope");
    }
    // None of this used anything up.
    program.refresh(refresh).await.status(200);
    let administrator = site.administrator().await;
    let undefined = json!({"scopes": "openid nosuch"});
    administrator.update("OAuth Client", &program.id, undefined).await.error(417, "ValidationError");
    let definition = json!({"scope": "nosuch", "description_for_people": "Do what there was not"});
    administrator.create("OAuth Scope Definition", definition).await.ok();
    let to = alice.get(&program.authorize_uri(&[("scope", "nosuch")])).await.redirect();
    assert!(to.starts_with(BASE), "{to}");
}
