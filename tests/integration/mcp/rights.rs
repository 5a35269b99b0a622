//! What an assistant may do: the rights of the person, what the scopes leave of them, and the tools of the client.

use serde_json::json;

use super::support::{Assistant, library};
use crate::oauth::dpop_rfc9449::Holder;
use crate::oauth::support::{Program, REDIRECT_URI, bearer, parameter};
use crate::support::TestSite;

/// What a call comes to.
#[derive(Debug, PartialEq)]
enum End {
    Done,
    /// Told to the assistant.
    Refused,
    /// A 403 that names what to ask for.
    Scope(&'static str),
    /// A question, which comes after every check.
    Asked,
}

async fn end(assistant: &Assistant, tool: &str, arguments: serde_json::Value) -> End {
    let answer = assistant.send("tools/call", json!({"name": tool, "arguments": arguments})).await;
    if answer.status.as_u16() == 403 {
        let challenge = answer.header("www-authenticate");
        assert!(challenge.starts_with("Bearer error=\"insufficient_scope\""), "{challenge}");
        assert!(challenge.contains("/.well-known/oauth-protected-resource/mcp\""), "{challenge}");
        assert_eq!(answer.json()["jsonrpc"], "2.0");
        let scope = challenge.split("scope=\"").nth(1).and_then(|rest| rest.split('"').next()).unwrap_or_default();
        // What the token has comes first, so that asking for all of it loses nothing.
        let missing = scope.split(' ').next_back().unwrap_or_default();
        let rights = ["read", "write", "create", "delete", "submit"];
        let found = rights.into_iter().find(|right| missing == format!("doctype:Loan:{right}"));
        return found.map_or_else(|| panic!("{challenge}"), End::Scope);
    }
    let result = answer.status(200).json()["result"].take();
    if result["isError"] != true {
        return End::Done;
    }
    if result.to_string().contains("Nothing was done yet") { End::Asked } else { End::Refused }
}

#[tokio::test]
async fn rights_are_those_of_the_person_as_far_as_the_scopes_go() {
    let site = library().await;
    let alice = site.user("alice@example.com", &["System Manager"]).await;
    let rita = site.user("rita@example.com", &["Reader"]).await;
    site.db_insert("Loan", json!({"title": "Emma"})).await;
    rita.create("Loan", json!({"title": "Own"})).await.ok();
    let emma = json!({"doctype": "Loan", "name": "Emma"});
    let change = json!({"doctype": "Loan", "name": "Emma", "values": {"status": "Closed"}});
    let submit = json!({"doctype": "Loan", "name": "Emma", "method": "submit"});
    let list = json!({"doctype": "Loan"});
    let rows = [
        (&alice, "doctype:Loan:read", "get", &emma, End::Done),
        (&alice, "doctype:Loan:read", "list", &list, End::Done),
        (&alice, "openid doctype:Loan:read", "update", &change, End::Scope("write")),
        (&alice, "doctype:Loan:read", "delete", &emma, End::Scope("delete")),
        (&alice, "doctype:Loan:read", "run", &submit, End::Scope("submit")),
        (&alice, "doctype:Loan:write", "update", &change, End::Done),
        (&alice, "doctype:Loan:write", "delete", &emma, End::Scope("delete")),
        (&alice, "doctype:Loan:read doctype:Loan:delete", "delete", &emma, End::Asked),
        (&alice, "doctype:User:read", "get", &emma, End::Scope("read")),
        (&alice, "doctype:User:read", "list", &list, End::Scope("read")),
        (&alice, "doctype:User:read", "describe", &list, End::Scope("read")),
        (&alice, "all", "delete", &emma, End::Asked),
        (&rita, "all", "get", &emma, End::Refused),
        (&rita, "all", "update", &change, End::Refused),
        (&rita, "all", "delete", &emma, End::Refused),
        (&rita, "all", "run", &submit, End::Refused),
        (&rita, "doctype:Loan:write", "update", &change, End::Refused),
        (&rita, "doctype:User:read", "list", &list, End::Scope("read")),
    ];
    for (person, scope, tool, arguments, expected) in rows {
        let assistant = Assistant::of(&site, person, scope).await;
        assert_eq!(end(&assistant, tool, arguments.clone()).await, expected, "{scope} {tool}");
    }
    let assistant = Assistant::of(&site, &rita, "all").await;
    let seen = assistant.json("list", list).await;
    assert_eq!(seen["rows"].as_array().unwrap().len(), 1, "{seen}");
    let hidden = assistant.refusal("get", json!({"doctype": "Loan", "name": "Emma"})).await;
    let absent = assistant.refusal("get", json!({"doctype": "Loan", "name": "Nobody"})).await;
    assert_eq!(
        hidden.replace("Emma", "X"),
        absent.replace("Nobody", "X"),
        "who sees only some learns nothing of others"
    );
    let own = assistant.json("get", json!({"doctype": "Loan", "name": "Own"})).await;
    assert_eq!(own["title"], "Own");
    let described = assistant.json("describe", json!({"doctype": "Loan"})).await;
    assert!(described["schema"]["properties"].get("wish").is_none(), "a level that is not hers: {described}");
    assert_eq!(described["you_may"], json!(["read", "create"]));
}

#[tokio::test]
async fn an_administrator_says_which_tools_a_client_has() {
    let site = library().await;
    site.db_insert("Loan", json!({"title": "Emma"})).await;
    let administrator = site.administrator().await;
    let assistant = Assistant::of(&site, &administrator, "all").await;
    let wrong = administrator.update("OAuth Client", &assistant.client, json!({"mcp_tools": "get delte"})).await;
    let said = wrong.error(417, "ValidationError").to_string();
    assert!(said.contains("delte") && said.contains("describe"), "{said}");
    administrator.update("OAuth Client", &assistant.client, json!({"mcp_tools": "get list"})).await.ok();
    let tools = assistant.result("tools/list", json!({})).await["tools"].take();
    let names: Vec<&str> = tools.as_array().unwrap().iter().map(|tool| tool["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["list", "get"]);
    assistant.json("get", json!({"doctype": "Loan", "name": "Emma"})).await;
    let delete = json!({"name": "delete", "arguments": {"doctype": "Loan", "name": "Emma"}});
    let (code, message) = assistant.fault("tools/call", delete).await;
    assert!(code == -32602 && message.contains("not allowed to this application"), "{message}");
    administrator.update("OAuth Client", &assistant.client, json!({"enabled": 0})).await.ok();
    assistant.send("tools/list", json!({})).await.status(401);
}

/// A token for one resource of the site.
async fn for_resource(site: &TestSite, path: &str) -> crate::support::Client {
    let person = site.administrator().await;
    let mut program = Program::new(site, json!({"scopes": "all"})).await;
    "all".clone_into(&mut program.scope);
    let resource = format!("{}{path}", site.documents().site_url());
    let back = program.ask(&person, &[("resource", &resource)], "allow").await;
    let fields = [
        ("grant_type", "authorization_code"),
        ("code", &parameter(&back, "code").unwrap()),
        ("redirect_uri", REDIRECT_URI),
        ("code_verifier", crate::oauth::support::VERIFIER),
        ("resource", &resource),
    ];
    bearer(site, &program.post("get_token", &fields).await.status(200).json())
}

#[tokio::test]
async fn a_token_opens_what_it_was_issued_for() {
    let site = library().await;
    let users = "/api/resource/User";
    for (path, opens_mcp, opens_api) in [("/mcp", true, false), ("/api", false, true), ("", true, true)] {
        let client = for_resource(&site, path).await;
        let answer = Assistant::with(&client).send("tools/list", json!({})).await;
        assert_eq!(answer.status.is_success(), opens_mcp, "{path}: {}", answer.body);
        if !opens_mcp {
            assert!(answer.header("www-authenticate").contains("error=\"invalid_token\""));
        }
        assert_eq!(client.get(users).await.status.is_success(), opens_api, "{path}");
    }
}

#[tokio::test]
async fn nothing_but_an_access_token_opens_it() {
    let site = library().await;
    let administrator = site.administrator().await;
    Assistant::with(&administrator).send("tools/list", json!({})).await.status(401);
    let keys =
        administrator.call("frappe.core.doctype.user.user.generate_keys", json!({"user": "Administrator"})).await;
    let keys = keys.ok();
    let user = administrator.read("User", "Administrator").await.ok();
    let token = format!("token {}:{}", user["api_key"].as_str().unwrap(), keys["api_secret"].as_str().unwrap());
    let refused =
        Assistant::with(&site.guest().with_header("authorization", &token)).send("tools/list", json!({})).await;
    assert!(refused.status(401).body.contains("no API keys"));
}

#[tokio::test]
async fn switched_off_there_is_nothing_and_no_token_for_it() {
    let site = library().await;
    let administrator = site.administrator().await;
    let assistant = Assistant::of(&site, &administrator, "all").await;
    let metadata = "/.well-known/oauth-protected-resource/mcp";
    let described = site.guest().get(metadata).await.status(200).json();
    assert_eq!(described["resource"], format!("{}/mcp", site.documents().site_url()));
    administrator.update("OAuth Settings", "OAuth Settings", json!({"enable_mcp": 0})).await.ok();
    assistant.send("tools/list", json!({})).await.status(404);
    site.guest().get(metadata).await.status(404);
    let program = Program::new(&site, json!({})).await;
    let resource = format!("{}/mcp", site.documents().site_url());
    let back = administrator.get(&program.authorize_uri(&[("resource", &resource)])).await.redirect();
    assert_eq!(parameter(&back, "error").as_deref(), Some("invalid_target"));
}

#[tokio::test]
async fn a_token_that_is_bound_to_a_key_needs_a_proof_for_each_call() {
    let site = library().await;
    let program = Program::new(&site, json!({})).await;
    let holder = Holder::new(&site);
    let tokens = holder.tokens(&program, &site.administrator().await).await;
    let once = Assistant::with(&holder.presenting(&tokens, "POST", "/mcp"));
    once.result("tools/list", json!({})).await;
    let elsewhere = Assistant::with(&holder.presenting(&tokens, "POST", "/api/method/ping"));
    for refused in [once, elsewhere, Assistant::with(&bearer(&site, &tokens))] {
        let refused = refused.send("tools/list", json!({})).await.status(401);
        assert!(refused.header("www-authenticate").contains("oauth-protected-resource/mcp"));
    }
}
