//! Forms: read, fill in, send, mend; levels, secrets and hostile values.

use serde_json::{Value as Json, json};

use super::{LOAN, LOAN_LINE, form_values, send};
use crate::support::TestSite;

async fn library() -> TestSite {
    TestSite::new().with_doctype(LOAN).with_doctype(LOAN_LINE).await
}

async fn loan(site: &TestSite) -> Json {
    let name = site.db_names("Loan", json!([])).await.pop().expect("a loan");
    let document =
        site.documents().get(&doctyped::testing::permissions::Session::system(), "Loan", &name).await.unwrap();
    Json::Object(document.to_json_whole())
}

#[tokio::test]
async fn a_new_document_is_filled_in_sent_and_shown() {
    let site = library().await;
    let administrator = site.administrator().await;
    let page = administrator.get("/app/loan/new?kind=Essay").await.status(200);
    assert_eq!(form_values(&page)["kind"], "Essay", "the address fills in");
    let typed = [
        ("title", "Dune"),
        ("days", "14"),
        ("reason", "  two\r\nlines"),
        ("taken_at", "2026-03-31T08:30:15"),
        ("lines.0.volume", "I"),
        ("lines.0.remark", "torn"),
        ("lines.1.volume", "II"),
    ];
    let location = send(&administrator, "/app/loan/new", &page, &typed, "save").await.redirect();
    let shown = administrator.get(&location).await.status(200);
    assert!(shown.body.contains(">Saved</span>"), "the next page says so");
    let values = form_values(&shown);
    for (name, value) in [("title", "Dune"), ("kind", "Essay"), ("days", "14"), ("reason", "  two\nlines")] {
        assert_eq!(values[name], value, "{name}");
    }
    assert_eq!(values["taken_at"], "2026-03-31T08:30:15");
    let stored = loan(&site).await;
    assert_eq!(stored["lines"][1]["volume"], "II");
    assert_eq!(stored["lines"].as_array().unwrap().len(), 2, "spare rows are not rows");
    assert_eq!(stored["lines"][0]["remark"], "torn");
}

#[tokio::test]
async fn sending_a_form_untouched_changes_nothing() {
    let site = library().await;
    let values = json!({
        "title": "A <b> & \"q\" `x` = 'y'", "days": 3, "reason": "\nfirst line empty", "pin": "1234",
        "taken_at": "2026-03-31 08:30:15.123456", "fine": 2.5, "kind": "Novel", "reader": "Administrator",
        "lines": [{"volume": "I", "remark": "kept"}, {"volume": "II"}],
    });
    let name = site.db_insert("Loan", values).await;
    let before = loan(&site).await;
    let administrator = site.administrator().await;
    let uri = format!("/app/loan/{name}");
    let page = administrator.get(&uri).await.status(200);
    send(&administrator, &uri, &page, &[], "save").await.redirect();
    let mut after = loan(&site).await;
    for document in [&mut after] {
        for key in ["modified", "modified_by"] {
            document[key] = before[key].clone();
        }
        for (row, old) in document["lines"].as_array_mut().unwrap().iter_mut().zip(before["lines"].as_array().unwrap())
        {
            for key in ["modified", "modified_by"] {
                row[key] = old[key].clone();
            }
        }
    }
    assert_eq!(after, before);
}

#[tokio::test]
async fn problems_stand_at_their_fields_and_what_was_typed_stays() {
    let site = library().await;
    let administrator = site.administrator().await;
    let page = administrator.get("/app/loan/new").await.status(200);
    let typed = [("days", "-4"), ("reader", "nobody"), ("lines.0.remark", "no volume"), ("pin", "1234")];
    let answer = send(&administrator, "/app/loan/new", &page, &typed, "save").await.status(417);
    let values = form_values(&answer);
    assert_eq!((&*values["days"], &*values["reader"], &*values["lines.0.remark"]), ("-4", "nobody", "no volume"));
    assert_eq!(values["pin"], "", "a secret is never sent back");
    for id in ["f-title-error", "f-days-error", "f-reader-error", "f-lines-0-volume-error"] {
        assert!(answer.body.contains(&format!("id=\"{id}\"")), "{id}");
        assert!(answer.body.contains(&format!("aria-describedby=\"{id}")), "{id} is announced");
    }
    assert!(answer.body.contains("href=\"#f-title\""), "the summary leads to the field");
    let mended = [("title", "Dune"), ("days", "4"), ("reader", ""), ("lines.0.volume", "I")];
    send(&administrator, "/app/loan/new", &answer, &mended, "save").await.redirect();
    assert_eq!(loan(&site).await["days"], 4);
}

#[tokio::test]
async fn rows_can_be_taken_out_and_put_in_another_order() {
    let site = library().await;
    let lines = json!([{"volume": "I"}, {"volume": "II"}, {"volume": "III"}]);
    let name = site.db_insert("Loan", json!({"title": "Dune", "lines": lines})).await;
    let administrator = site.administrator().await;
    let uri = format!("/app/loan/{name}");
    let page = administrator.get(&uri).await.status(200);
    let values = form_values(&page);
    let swapped = [
        ("lines.0.name", &*values["lines.2.name"]),
        ("lines.0.volume", "III"),
        ("lines.2.name", &*values["lines.0.name"]),
        ("lines.2.volume", "I"),
        ("lines.1.__delete", "1"),
    ];
    send(&administrator, &uri, &page, &swapped, "save").await.redirect();
    let stored = loan(&site).await;
    let volumes: Vec<_> = stored["lines"].as_array().unwrap().iter().map(|row| &row["volume"]).collect();
    assert_eq!(volumes, ["III", "I"]);
    assert_eq!(stored["lines"][1]["name"], *values["lines.0.name"], "rows keep their names");
}

#[tokio::test]
async fn levels_decide_what_is_seen_and_changed() {
    let site = library().await;
    let name = site.db_insert("Loan", json!({"title": "Dune", "fine": 7.25, "pin": "1234"})).await;
    let uri = format!("/app/loan/{name}");
    let reader = site.user("reader@example.com", &[]).await;
    let page = reader.get(&uri).await.status(200);
    assert!(!page.body.contains("7.25") && !page.body.contains("f-fine"), "the level is not theirs");
    assert!(!page.body.contains("name=\"title\"") && !page.body.contains("value=\"save\""), "nothing can be changed");
    let manager = site.user("manager@example.com", &["System Manager"]).await;
    let page = manager.get(&uri).await.status(200);
    assert_eq!(form_values(&page)["fine"], "7.25");
    assert!(!page.body.contains("1234") && page.body.contains("pin.__remove"), "a secret is never shown");
    let token = form_values(&page)["csrf_token"].clone();
    assert_eq!(reader.form(&uri, &[("csrf_token", &token), ("title", "Mine")]).await.status.as_u16(), 400);
    assert_eq!(loan(&site).await["title"], "Dune");
}

#[tokio::test]
async fn a_form_without_its_token_is_refused() {
    let site = library().await;
    let administrator = site.administrator().await;
    administrator.form("/app/loan/new", &[("title", "Dune"), ("__action", "save")]).await.status(400);
    assert!(site.db_names("Loan", json!([])).await.is_empty());
}

#[tokio::test]
async fn hostile_values_stay_text() {
    let site = library().await;
    let hostile = "\"><script>alert(1)</script>{{this}}</textarea>";
    let lines = json!([{"volume": hostile}]);
    let name = site.db_insert("Loan", json!({"title": hostile, "reason": hostile, "days": 31, "lines": lines})).await;
    let administrator = site.administrator().await;
    for uri in [format!("/app/loan/{name}"), "/app/loan".to_owned()] {
        let body = administrator.get(&uri).await.status(200).body;
        assert!(!body.contains("<script>alert") && !body.contains("</textarea>{{"), "{uri}");
        assert!(!body.contains("alert(1)</script>"), "{uri}: also HTML fields are cleaned");
    }
    let page = administrator.get(&format!("/app/loan/{name}")).await.status(200);
    assert_eq!(form_values(&page)["title"], hostile);
    assert!(page.body.contains("<b>Bring it back</b>"), "harmless HTML of HTML fields stays");
    let csp = page.header("content-security-policy");
    assert!(csp.contains("default-src 'self'") && !csp.contains("unsafe"), "{csp}");
    assert!(!page.body.contains(" style=\"") && !page.body.contains(" onclick"), "nothing that the policy forbids");
}

#[tokio::test]
async fn conditions_hold_without_javascript() {
    let site = library().await;
    let administrator = site.administrator().await;
    for (days, hidden) in [(3, true), (31, false)] {
        let name = site.db_insert("Loan", json!({"title": "Dune", "days": days})).await;
        let body = administrator.get(&format!("/app/loan/{name}")).await.status(200).body;
        assert_eq!(body.contains("data-field=\"reason\" hidden"), hidden, "{days}");
    }
}

#[tokio::test]
async fn documents_are_submitted_cancelled_amended_and_deleted() {
    let site = library().await;
    let name = site.db_insert("Loan", json!({"title": "Dune"})).await;
    let administrator = site.administrator().await;
    let uri = format!("/app/loan/{name}");
    let page = administrator.get(&uri).await.status(200);
    send(&administrator, &uri, &page, &[("days", "9")], "submit").await.redirect();
    let page = administrator.get(&uri).await.status(200);
    assert!(page.body.contains(">Submitted</span>") && !page.body.contains("name=\"title\""), "nothing can be changed");
    assert_eq!(loan(&site).await["days"], 9, "what was typed is saved with it");
    send(&administrator, &uri, &page, &[], "cancel").await.redirect();
    let page = administrator.get(&format!("/app/loan/new?amend={name}")).await.status(200);
    let new = format!("/app/loan/new?amend={name}");
    let amended = send(&administrator, &new, &page, &[("days", "10")], "save").await.redirect();
    assert!(amended.ends_with("-1"), "{amended}");
    let page = administrator.get(&amended).await.status(200);
    assert!(page.body.contains(&format!("href=\"/app/loan/{name}\"")), "it says what it amends");
    send(&administrator, &amended, &page, &[], "delete").await.redirect();
    assert_eq!(site.db_names("Loan", json!([])).await, [name]);
}

#[tokio::test]
async fn a_form_that_somebody_else_overtook_is_not_saved() {
    let site = library().await;
    let name = site.db_insert("Loan", json!({"title": "Dune"})).await;
    let administrator = site.administrator().await;
    let uri = format!("/app/loan/{name}");
    let page = administrator.get(&uri).await.status(200);
    site.db_update("Loan", &name, json!({"title": "Theirs"})).await;
    let answer = send(&administrator, &uri, &page, &[("title", "Mine")], "save").await.status(417);
    assert!(answer.body.contains("Somebody else saved"));
    assert_eq!(form_values(&answer)["title"], "Mine");
    send(&administrator, &uri, &answer, &[], "save").await.status(417);
    assert_eq!(loan(&site).await["title"], "Theirs");
}

#[tokio::test]
async fn singles_are_forms_at_their_own_address() {
    let site = TestSite::new().await;
    let administrator = site.administrator().await;
    let page = administrator.get("/app/system-settings").await.status(200);
    let answer = send(&administrator, "/app/system-settings", &page, &[("app_name", "The Library")], "save").await;
    assert_eq!(answer.redirect(), "/app/system-settings");
    let page = administrator.get("/app/system-settings").await.status(200);
    assert!(page.body.contains("<span>The Library</span>"), "the desk carries the new name");
}

#[tokio::test]
async fn a_secret_made_by_a_button_is_shown_once() {
    let site = TestSite::new().await;
    site.db_user("bob@example.com", json!({})).await;
    let administrator = site.administrator().await;
    let uri = "/app/user/bob@example.com";
    let page = administrator.get(uri).await.status(200);
    assert_eq!(send(&administrator, uri, &page, &[], "call:generate_keys").await.redirect(), uri);
    let answer = administrator.get(uri).await.status(200);
    let secret = answer.body.split("data-copy>").nth(1).and_then(|rest| rest.split('<').next()).unwrap();
    assert!(answer.body.contains("shown this once") && secret.len() > 8, "{secret}");
    assert!(answer.header("cache-control").contains("no-store"));
    let again = administrator.get(uri).await.status(200).body;
    assert!(!again.contains("shown this once"));
}

#[tokio::test]
async fn a_secret_made_by_saving_is_shown_once() {
    let site = TestSite::new().await;
    let administrator = site.administrator().await;
    let uri = "/app/oauth-client/new";
    let page = administrator.get(uri).await.status(200);
    let typed = [("app_name", "Planner"), ("default_redirect_uri", "https://planner.example.com/callback")];
    let address = send(&administrator, uri, &page, &typed, "save").await.redirect();
    let answer = administrator.get(&address).await.status(200);
    assert!(answer.body.contains("shown this once") && answer.body.contains("dt_cs_"), "{}", answer.body);
    let name = site.db_names("OAuth Client", json!({"app_name": "Planner"})).await.remove(0);
    let again = administrator.get(&format!("/app/oauth-client/{name}")).await.status(200).body;
    assert!(!again.contains("dt_cs_"));
}

#[tokio::test]
async fn addresses_without_a_doctype_or_document_are_not_found() {
    let site = TestSite::new().await;
    let administrator = site.administrator().await;
    for uri in ["/app/no-such-thing", "/app/has-role", "/app/user/nobody@example.com", "/app/no-such-thing/new"] {
        administrator.get(uri).await.status(404);
    }
}

#[tokio::test]
async fn the_desk_has_the_colours_that_the_person_chose() {
    let site = TestSite::new().await;
    let administrator = site.administrator().await;
    let html = |page: &str| page.split("<head>").next().unwrap_or_default().to_owned();
    let page = administrator.get("/app").await.status(200);
    assert!(!html(&page.body).contains("data-theme"), "the device decides");
    administrator.update("User", "Administrator", json!({"desk_theme": "Dark"})).await.ok();
    let page = administrator.get("/app").await.status(200);
    assert!(html(&page.body).contains("data-theme=\"dark\""), "{}", html(&page.body));
    let switch = "frappe.core.doctype.user.user.switch_theme";
    administrator.call(switch, json!({"theme": "Light"})).await.status(200);
    let page = administrator.get("/app").await.status(200);
    assert!(html(&page.body).contains("data-theme=\"light\""), "{}", html(&page.body));
    administrator.call(switch, json!({"theme": "Pink"})).await.error(417, "ValidationError");
}

#[tokio::test]
async fn a_value_on_which_nothing_acts_says_so() {
    let site = TestSite::new().await;
    let administrator = site.administrator().await;
    let page = administrator.get("/app/user/Administrator").await.status(200);
    assert!(page.body.contains("For information only"), "Mute Sounds says so");
}
