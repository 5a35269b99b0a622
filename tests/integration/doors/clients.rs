//! What belongs to one client (its registration, its tokens, its pushed requests) is changed by that client alone: not by
//! guests, other clients, people, other sites, or an Administrator who does not hold its credentials.

use doctyped::testing::client_authentication::basic_header;
use poem::http::Method;
use serde_json::{Value as Json, json};

use crate::oauth::registration_rfc7591::register;
use crate::oauth::support::{BASE, Program, bearer};
use crate::support::{Client, TestSite};

const ALICE: &str = "alice@example.com";
const FORM: &str = "application/x-www-form-urlencoded";

/// A door of a client: HTTP method, path, what is sent.
type Door = (Method, String, String, &'static str);

/// Everything that the doors could change.
async fn state(admin: &Client) -> Vec<Json> {
    let mut state = Vec::new();
    for (doctype, fields) in [
        ("OAuth Client", r#"["name","app_name","redirect_uris","scopes","enabled"]"#),
        ("OAuth Bearer Token", r#"["name","status"]"#),
        ("OAuth Authorization Request", r#"["name","status"]"#),
        ("OAuth Device Code", r#"["name","status"]"#),
    ] {
        let query = format!("fields={fields}&limit_page_length=0&order_by=name asc");
        state.push(admin.list(doctype, &query).await.ok());
    }
    state
}

fn manager(site: &TestSite, made: &Json) -> Client {
    let token = made["registration_access_token"].as_str().expect("a registration access token");
    site.guest().with_header("authorization", &format!("Bearer {token}"))
}

#[tokio::test]
async fn what_belongs_to_one_client_is_changed_by_that_client_alone() {
    let site = TestSite::new().await;
    let admin = site.administrator().await;
    let alice = site.user(ALICE, &[]).await;
    let metadata = json!({
        "client_name": "Planner",
        "redirect_uris": ["https://app.example/callback"],
        "grant_types": ["authorization_code", "refresh_token"],
        "token_endpoint_auth_method": "client_secret_basic",
    });
    let made = register(&site.guest(), metadata.clone()).await.status(201).json();
    let other = register(&site.guest(), metadata).await.status(201).json();
    let (id, secret) = (made["client_id"].as_str().unwrap(), made["client_secret"].as_str().unwrap());
    let stranger = Program::new(&site, json!({"app_name": "Stranger"})).await;
    let planner = Program::registered(&site, &made, "openid");
    let tokens = planner.tokens(&alice).await;
    let refresh = tokens["refresh_token"].as_str().unwrap();

    let own = format!("{BASE}register_client/{id}");
    let renamed = json!({
        "client_id": id,
        "client_name": "Taken",
        "redirect_uris": ["https://evil.example/callback"],
        "token_endpoint_auth_method": "client_secret_basic",
    });
    let basic = |id: &str, secret: &str| site.guest().with_header("authorization", &basic_header(id, secret));
    let pushed = "redirect_uri=https://app.example/callback&response_type=code&scope=openid\
                  &code_challenge=E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM&code_challenge_method=S256";
    let doors: [Door; 4] = [
        (Method::POST, format!("{BASE}par"), pushed.to_owned(), FORM),
        (Method::POST, format!("{BASE}revoke_token"), format!("token={refresh}"), FORM),
        (Method::PUT, own.clone(), renamed.to_string(), "application/json"),
        (Method::DELETE, own, String::new(), ""),
    ];
    let abroad = alice.with_header("origin", "https://evil.example").with_header("sec-fetch-site", "cross-site");
    let mut wrong = Vec::new();
    let before = state(&admin).await;
    for (method, path, body, content_type) in &doors {
        for (who, client) in [
            ("a guest", &site.guest()),
            ("a guest who guesses", &basic(id, "guessed")),
            ("another client in its name", &basic(id, &stranger.secret)),
            ("another client", &basic(&stranger.id, &stranger.secret)),
            ("the registration of another", &manager(&site, &other)),
            ("its own access token", &bearer(&site, &tokens)),
            ("the person who uses it", &alice),
            ("another site", &abroad),
            ("Administrator", &admin),
        ] {
            // A stranger may push a request of its own: that changes nothing of the planner's.
            if who == "another client" && path.ends_with("par") {
                continue;
            }
            // Whoever has no header of a client says in the body which one they mean.
            let named = if *content_type == FORM { format!("{body}&client_id={id}") } else { body.clone() };
            let is_client = who.ends_with("guesses") || who.starts_with("another client");
            let body = if is_client { body.clone() } else { named };
            let answer = client.send(method.clone(), path, content_type, body).await;
            if state(&admin).await != before {
                wrong.push(format!("{method} {path} for {who} changed something: {} {}", answer.status, answer.body));
            }
            // Revoking what is not one's own is answered as if it were gone (RFC 7009 §2.2).
            let is_silent = who == "another client" && path.ends_with("revoke_token");
            if answer.status.is_success() != is_silent || answer.status.is_server_error() {
                wrong.push(format!("{method} {path} for {who}: {} {}", answer.status, answer.body));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    // And all of it by the client itself.
    for (method, path, body, content_type) in &doors {
        let before = state(&admin).await;
        let client = if path.contains("register_client") { manager(&site, &made) } else { basic(id, secret) };
        let answer = client.send(method.clone(), path, content_type, body.clone()).await;
        if !answer.status.is_success() || state(&admin).await == before {
            wrong.push(format!("{method} {path} for the client itself: {} {}", answer.status, answer.body));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
