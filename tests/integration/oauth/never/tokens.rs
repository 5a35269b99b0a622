//! How far a token reaches, how long it lives, and that nobody reads it back.

use chrono::Duration;
use poem::http::Method;
use serde_json::{Value as Json, json};

use crate::oauth::support::{Program, bearer};
use crate::support::TestSite;

const ALICE: &str = "alice@example.com";
const WHO: &str = "/api/method/frappe.auth.get_logged_user";

#[tokio::test]
async fn a_sign_in_ends_after_a_year_however_often_it_was_renewed() {
    let site = TestSite::new().await;
    let alice = site.user(ALICE, &[]).await;
    let program = Program::public(&site).await;
    let mut tokens = program.tokens(&alice).await;
    let mut days = 0;
    loop {
        site.clock.advance(Duration::days(29));
        days += 29;
        let answer = program.refresh(tokens["refresh_token"].as_str().unwrap()).await;
        if days > 365 {
            answer.oauth_error(400, "invalid_grant");
            break;
        }
        tokens = answer.status(200).json();
    }
}

/// Every operation of the OpenAPI document, asked by a token that says who the person is and no more.
#[tokio::test]
async fn no_address_of_the_site_forgets_the_scopes() {
    let site = TestSite::new().await;
    let administrator = site.administrator().await;
    let mut program = Program::public(&site).await;
    program.scope = "openid".to_owned();
    // Administrator may do everything, so whatever is refused is refused because of the scope.
    let token = bearer(&site, &program.tokens(&administrator).await);
    let document = site.administrator().await.get("/api/openapi.json").await.status(200).json();
    let (mut asked, mut open) = (0, Vec::new());
    for (path, operations) in document["paths"].as_object().unwrap() {
        for verb in operations.as_object().unwrap().keys() {
            let Ok(method) = Method::from_bytes(verb.to_uppercase().as_bytes()) else { continue };
            let guest = site.guest();
            let address = filled(path);
            let answer = token.json(method.clone(), &address, json!({})).await;
            asked += 1;
            // What anybody may do needs no scope.
            if answer.status.is_success() && !guest.json(method, &address, json!({})).await.status.is_success() {
                open.push(format!("{verb} {path}"));
            }
        }
    }
    assert!(asked > 100, "only {asked} operations were asked");
    let about_the_person = [
        "get /api/method/frappe.auth.get_logged_user",
        "post /api/method/frappe.auth.get_logged_user",
        "get /api/v2/method/frappe.auth.get_logged_user",
        "post /api/v2/method/frappe.auth.get_logged_user",
        "get /api/method/frappe.integrations.oauth2.openid_profile",
        "post /api/method/frappe.integrations.oauth2.openid_profile",
    ];
    open.retain(|operation| !about_the_person.contains(&operation.as_str()));
    assert!(open.is_empty(), "{open:#?}");
    // Nor do pages and files open.
    for path in ["/app/user", "/app/user/Administrator", "/private/files/x.txt", "/third_party_apps"] {
        let answer = token.get(path).await;
        assert!(!answer.status.is_success(), "{path}: {}", answer.status);
    }
}

/// A path of the OpenAPI document with something in the place of its parameters.
fn filled(path: &str) -> String {
    let mut parts: Vec<String> = Vec::new();
    for part in path.split('/') {
        let is_parameter = part.contains('{');
        parts.push(if is_parameter { "Administrator".to_owned() } else { part.to_owned() });
    }
    parts.join("/")
}

#[tokio::test]
async fn no_credentials_of_programs_open_a_page() {
    let site = TestSite::new().await;
    let administrator = site.administrator().await;
    let made = administrator.call("frappe.core.doctype.user.user.generate_keys", json!({"user": ALICE}));
    site.user(ALICE, &["System Manager"]).await;
    let made = made.await.ok();
    let key = format!("token {}:{}", made["api_key"].as_str().unwrap(), made["api_secret"].as_str().unwrap());
    let mut program = Program::public(&site).await;
    let mut callers = vec![site.guest().with_header("authorization", &key)];
    for scope in ["openid read", "openid write", "openid all"] {
        program.scope = scope.to_owned();
        callers.push(bearer(&site, &program.tokens(&administrator).await));
    }
    for caller in &callers {
        for path in [
            "/app",
            "/app/user",
            "/app/user/Administrator",
            "/third_party_apps",
            "/connected-apps",
            "/device",
            "/login",
        ] {
            let answer = caller.get(path).await;
            assert_eq!(answer.status, 403, "{path}: {}", answer.body);
        }
        caller.get(WHO).await.ok();
    }
}

#[tokio::test]
async fn not_even_an_administrator_reads_a_secret_back() {
    let site = TestSite::new().await;
    let administrator = site.administrator().await;
    let alice = site.user(ALICE, &[]).await;
    let program = Program::new(&site, json!({})).await;
    let code = program.code(&alice).await;
    let tokens = program.exchange(&code).await.status(200).json();
    let secrets = [
        code.as_str(),
        program.secret.as_str(),
        tokens["access_token"].as_str().unwrap(),
        tokens["refresh_token"].as_str().unwrap(),
    ];
    for (doctype, fields) in [
        ("OAuth Bearer Token", &["access_token", "refresh_token"][..]),
        ("OAuth Authorization Code", &["authorization_code"]),
        ("OAuth Authorization Request", &["request_digest", "session_digest"]),
        ("OAuth Client", &["client_secret", "previous_client_secret"]),
    ] {
        let listed = administrator.list(doctype, r#"fields=["*"]"#).await.ok();
        let rows = listed.as_array().unwrap();
        assert!(!rows.is_empty(), "{doctype}");
        let slug = doctype.to_lowercase().replace(' ', "-");
        let name = rows[0]["name"].as_str().unwrap();
        let mut shown = vec![
            listed.to_string(),
            administrator.read(doctype, name).await.status(200).body,
            administrator.get(&format!("/app/{slug}")).await.status(200).body,
            administrator.get(&format!("/app/{slug}/{name}")).await.status(200).body,
        ];
        for field in fields {
            let fields = format!(r#"fields=["name","{field}","{field} as x","max({field}) as y"]"#);
            let asked = administrator.list(doctype, &fields).await.ok();
            for row in rows.iter().chain(asked.as_array().unwrap()) {
                assert!([field, "x", "y"].iter().all(|key| row.get(key).is_none()), "{doctype} lists {field}: {row}");
            }
            // What cannot be seen cannot be guessed letter by letter either.
            for query in [format!(r#"filters=[["{field}","like","%a%"]]"#), format!("order_by={field} asc")] {
                let answer = administrator.list(doctype, &query).await;
                assert!(!answer.status.is_success(), "{doctype} {query}: {}", answer.body);
                shown.push(answer.body);
            }
        }
        for text in &shown {
            assert!(secrets.iter().all(|secret| !text.contains(secret)), "{doctype} shows a secret");
        }
        assert!(secrets.iter().all(|secret| !name.contains(secret)), "{doctype} is named by its secret");
    }
}

#[tokio::test]
async fn nothing_is_left_of_a_deleted_person() {
    let site = TestSite::new().await;
    let administrator = site.administrator().await;
    let alice = site.user(ALICE, &[]).await;
    let program = Program::public(&site).await;
    let tokens = program.tokens(&alice).await;
    let code = program.code(&alice).await;
    bearer(&site, &tokens).get(WHO).await.ok();
    administrator.remove("User", ALICE).await.ok();
    bearer(&site, &tokens).get(WHO).await.error(401, "AuthenticationError");
    program.refresh(tokens["refresh_token"].as_str().unwrap()).await.oauth_error(400, "invalid_grant");
    program.exchange(&code).await.oauth_error(400, "invalid_grant");
    for doctype in ["OAuth Bearer Token", "OAuth Authorization Code", "OAuth Grant", "Session"] {
        let left = site.db_names(doctype, json!({"user": ALICE})).await;
        assert!(left.is_empty(), "{doctype}: {left:?}");
    }
    // Whoever gets the address next starts with nothing.
    site.user(ALICE, &[]).await;
    bearer(&site, &tokens).get(WHO).await.error(401, "AuthenticationError");
}

#[tokio::test]
async fn a_narrow_token_cannot_give_itself_more() {
    let site = TestSite::new().await;
    let administrator = site.administrator().await;
    let mut program = Program::public(&site).await;
    program.scope = "openid doctype:User:read".to_owned();
    let tokens = program.tokens(&administrator).await;
    let token = bearer(&site, &tokens);
    let secret = token.call("frappe.core.doctype.user.user.generate_keys", json!({"user": "Administrator"})).await;
    secret.status(403);
    let name = site.db_names("OAuth Bearer Token", json!({})).await.remove(0);
    for (doctype, name, values) in [
        ("OAuth Bearer Token", name.as_str(), json!({"scopes": "all"})),
        ("OAuth Client", program.id.as_str(), json!({"scopes": "all", "skip_authorization": 1, "trusted": 1})),
        ("OAuth Settings", "OAuth Settings", json!({"default_scopes": "all"})),
        ("User", "Administrator", json!({"first_name": "Mallory"})),
    ] {
        token.update(doctype, name, values).await.status(403);
    }
    let minted = json!({"client": program.id, "user": "Administrator", "scopes": "all", "access_token": "dt_at_x"});
    token.create("OAuth Bearer Token", minted).await.status(403);
    let renewed: Json = program.refresh(tokens["refresh_token"].as_str().unwrap()).await.status(200).json();
    assert_eq!(renewed["scope"], "openid doctype:User:read");
}
