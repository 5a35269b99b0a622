//! Forms that come too late, and pages that are loaded again: nothing typed is lost, nothing happens twice.

use serde_json::json;

use super::{LOAN, LOAN_LINE, attribute, form_values, send};
use crate::support::client::Response;
use crate::support::{Client, PASSWORD, TestSite};

async fn library() -> (TestSite, Client) {
    let site = TestSite::new().with_doctype(LOAN).with_doctype(LOAN_LINE).await;
    let administrator = site.administrator().await;
    (site, administrator)
}

/// What the login page carries, as its form sends it.
fn carried(login: &Response) -> String {
    let tag =
        login.body.split('<').find(|tag| tag.contains("name=\"__typed\"")).expect("the login carries what was typed");
    attribute(tag, "value").unwrap()
}

const TYPED: [(&str, &str); 4] =
    [("title", "Dune \"<1965>\" & more"), ("reason", "two\nlines"), ("lines.0.volume", "I"), ("lines.1.volume", "II")];

fn assert_shown_again(page: &Response) {
    assert!(page.body.contains("Not saved yet"), "{}", page.body);
    let values = form_values(page);
    for (name, value) in TYPED {
        assert_eq!(values[name], value, "{name}");
    }
}

#[tokio::test]
async fn a_form_whose_session_has_ended_comes_back_after_the_login_with_all_that_was_typed() {
    let (site, administrator) = library().await;
    let page = administrator.get("/app/loan/new?kind=Essay").await.status(200);
    let uri = "/app/loan/new?kind=Essay";
    // Browsers follow a 307 with the same form.
    let late = site.guest();
    let values = form_values(&page);
    let moved = send(&late, uri, &page, &TYPED, "save").await.status(307);
    let login = send(&late, moved.header("location"), &page, &TYPED, "save").await.status(401);
    assert!(login.body.contains("what you typed is kept"), "{}", login.body);
    // A wrong password loses nothing either.
    let typed = carried(&login);
    let back = |pwd| vec![("usr", "Administrator"), ("pwd", pwd), ("redirect-to", uri), ("__typed", typed.as_str())];
    let wrong = late.form("/login", &back("wrong")).await.status(401);
    assert_eq!(carried(&wrong), typed);
    let moved = late.form("/login", &back(PASSWORD)).await.status(307);
    assert_eq!(moved.header("location"), uri);
    let shown = late.form(uri, &back(PASSWORD)).await;
    assert_shown_again(&shown);
    assert!(site.db_names("Loan", json!([])).await.is_empty(), "nothing was saved without the button");
    let saved = send(&late, uri, &shown, &[], "save").await.redirect();
    assert_eq!(form_values(&late.get(&saved).await)["kind"], values["kind"]);
}

#[tokio::test]
async fn a_long_text_comes_back_after_the_login_as_well() {
    let (site, administrator) = library().await;
    let uri = "/app/loan/new";
    let page = administrator.get(uri).await.status(200);
    let long = "a long \"reason\" ".repeat(10_000);
    let typed = [("title", "Dune"), ("reason", long.as_str())];
    let late = site.guest();
    let moved = send(&late, uri, &page, &typed, "save").await.status(307);
    let login = send(&late, moved.header("location"), &page, &typed, "save").await.status(401);
    let typed = carried(&login);
    let back = [("usr", "Administrator"), ("pwd", PASSWORD), ("redirect-to", uri), ("__typed", typed.as_str())];
    assert_eq!(late.form("/login", &back).await.status(307).header("location"), uri);
    let shown = late.form(uri, &back).await;
    assert_eq!(form_values(&shown)["reason"].trim(), long.trim());
    // What only takes words takes no more of them.
    let words = [("usr", "Administrator"), ("pwd", long.as_str())];
    let refused = site.guest().form("/api/method/login", &words).await;
    assert_eq!(refused.status.as_u16(), 413, "{}", refused.body);
}

#[tokio::test]
async fn a_form_with_the_token_of_an_earlier_session_is_shown_again_and_does_nothing() {
    let (site, administrator) = library().await;
    let name = site.db_insert("Loan", json!({"title": "Emma"})).await;
    let uri = format!("/app/loan/{name}");
    let page = administrator.get(&uri).await.status(200);
    administrator.log_in("Administrator", PASSWORD).await.ok();
    let shown = send(&administrator, &uri, &page, &TYPED, "save").await.status(400);
    assert_shown_again(&shown);
    send(&administrator, &uri, &shown, &[], "save").await.redirect();
    assert_eq!(administrator.read("Loan", &name).await.ok()["title"], TYPED[0].1);
    for action in ["delete", "rename", "submit"] {
        send(&administrator, &uri, &page, &[], action).await.status(400);
    }
    let stored = administrator.read("Loan", &name).await.ok();
    assert_eq!(stored["docstatus"], 0, "no button works without its token");
}

#[tokio::test]
async fn a_form_that_comes_back_does_not_hide_what_others_saved_meanwhile() {
    let (site, administrator) = library().await;
    let name = site.db_insert("Loan", json!({"title": "Emma"})).await;
    let uri = format!("/app/loan/{name}");
    let page = administrator.get(&uri).await.status(200);
    administrator.update("Loan", &name, json!({"days": 9})).await.ok();
    administrator.log_in("Administrator", PASSWORD).await.ok();
    let shown = send(&administrator, &uri, &page, &TYPED, "save").await.status(400);
    // Nobody touched the same field: both count, and it is said.
    let saved = send(&administrator, &uri, &shown, &[], "save").await.redirect();
    let stored = administrator.read("Loan", &name).await.ok();
    assert_eq!((&stored["title"], &stored["days"]), (&json!(TYPED[0].1), &json!(9)));
    let page = administrator.get(&saved).await.status(200);
    assert!(page.body.contains("kept of theirs: Days"), "{}", page.body);
}

#[tokio::test]
async fn what_two_people_changed_is_chosen_field_by_field() {
    let (site, administrator) = library().await;
    let rows = json!([{"volume": "I"}, {"volume": "II"}]);
    let loan = json!({"title": "Emma", "days": 40, "kind": "Novel", "reason": "long", "lines": rows});
    let name = site.db_insert("Loan", loan).await;
    let uri = format!("/app/loan/{name}");
    let page = administrator.get(&uri).await.status(200);
    let lines = administrator.read("Loan", &name).await.ok()["lines"].clone();
    let row = |at: usize, volume: &str| json!({"name": lines[at]["name"], "volume": volume});
    let theirs = json!({"title": "Persuasion", "days": 41, "kind": "Essay", "lines": [row(0, "1"), row(1, "II")]});
    site.db_update("Loan", &name, theirs).await;
    let typed = [("title", "Sanditon"), ("days", "42"), ("reason", "longer"), ("lines.1.volume", "2")];
    let conflict = send(&administrator, &uri, &page, &typed, "save").await.status(417);
    let both = |page: &Response| {
        let table =
            page.body.split("class=\"differences\"").nth(1).unwrap().split("</table>").next().unwrap().to_owned();
        let names = table.split("name=\"__choose.").skip(1).map(|rest| rest.split('"').next().unwrap().to_owned());
        names.collect::<std::collections::BTreeSet<_>>().into_iter().collect::<Vec<_>>()
    };
    assert_eq!(both(&conflict), ["days", "lines", "title"]);
    let shown = form_values(&conflict);
    assert_eq!((&*shown["kind"], &*shown["reason"]), ("Essay", "longer"), "what only one changed is merged");
    // Not everything is chosen: asked once more about the rest, and what was chosen counts.
    let some = [("__choose.title", "theirs"), ("__choose.days", "mine")];
    let again = send(&administrator, &uri, &conflict, &some, "save").await.status(417);
    assert!(both(&again).contains(&"lines".to_owned()), "{}", again.body);
    assert_eq!(
        administrator.read("Loan", &name).await.ok()["title"],
        "Persuasion",
        "nothing is saved before all is chosen"
    );
    let all = [("__choose.title", "theirs"), ("__choose.days", "mine"), ("__choose.lines", "mine")];
    send(&administrator, &uri, &conflict, &all, "save").await.redirect();
    let stored = administrator.read("Loan", &name).await.ok();
    let fields = ["title", "days", "kind", "reason"].map(|field| stored[field].clone());
    assert_eq!(fields, [json!("Persuasion"), json!(42), json!("Essay"), json!("longer")]);
    let volumes: Vec<&str> =
        stored["lines"].as_array().unwrap().iter().map(|row| row["volume"].as_str().unwrap()).collect();
    assert_eq!(volumes, ["I", "2"]);
}

#[tokio::test]
async fn a_choice_made_against_an_older_version_counts_for_nothing() {
    let (site, administrator) = library().await;
    let name = site.db_insert("Loan", json!({"title": "Emma"})).await;
    let uri = format!("/app/loan/{name}");
    let page = administrator.get(&uri).await.status(200);
    site.db_update("Loan", &name, json!({"title": "Persuasion"})).await;
    let conflict = send(&administrator, &uri, &page, &[("title", "Sanditon")], "save").await.status(417);
    site.db_update("Loan", &name, json!({"title": "Northanger Abbey"})).await;
    let chosen = [("__choose.title", "mine")];
    let again = send(&administrator, &uri, &conflict, &chosen, "save").await.status(417);
    assert!(again.body.contains("Northanger Abbey"), "{}", again.body);
    assert_eq!(administrator.read("Loan", &name).await.ok()["title"], "Northanger Abbey");
}

#[tokio::test]
async fn a_table_that_only_one_of_two_people_changed_is_merged() {
    let (site, administrator) = library().await;
    let name = site.db_insert("Loan", json!({"title": "Emma", "lines": [{"volume": "I", "remark": "torn"}]})).await;
    let uri = format!("/app/loan/{name}");
    let page = administrator.get(&uri).await.status(200);
    let row = administrator.read("Loan", &name).await.ok()["lines"][0]["name"].clone();
    let rows = json!([{"name": row, "volume": "I", "remark": "mended"}, {"volume": "II"}]);
    site.db_update("Loan", &name, json!({"lines": rows})).await;
    send(&administrator, &uri, &page, &[("title", "Sanditon")], "save").await.redirect();
    let stored = administrator.read("Loan", &name).await.ok();
    assert_eq!((&stored["title"], stored["lines"].as_array().unwrap().len()), (&json!("Sanditon"), 2));
    assert_eq!(stored["lines"][0]["remark"], "mended");
}

#[tokio::test]
async fn a_conflict_shows_which_fields_differ_and_saves_over_what_was_compared_only() {
    let (site, administrator) = library().await;
    let long = "so long that the end would be cut off ".repeat(6);
    let lines = json!([{"volume": "I"}, {"volume": "II"}]);
    let loan = json!({"title": "Emma", "days": 40, "reason": format!("{long}once"), "fine": 3, "lines": lines, "taken_at": "2026-03-31 08:30:00.5"});
    let name = site.db_insert("Loan", loan).await;
    let uri = format!("/app/loan/{name}");
    let page = administrator.get(&uri).await.status(200);
    let reason = format!("{long}twice");
    site.db_update("Loan", &name, json!({"days": 41, "fine": 5, "reason": reason, "lines": [{"volume": "III"}]})).await;
    let mine = format!("{long}thrice");
    let typed = [
        ("title", "Emma <Mine>"),
        ("days", "many"),
        ("fine", "7"),
        ("reason", &*mine),
        ("pin", "a secret"),
        ("lines.1.remark", "torn"),
    ];
    let conflict = send(&administrator, &uri, &page, &typed, "save").await.status(417);
    let table = conflict.body.split("class=\"differences\"").nth(1).unwrap().split("</table>").next().unwrap();
    // Each row as `label|theirs|mine`, without what is for screen readers and the choices.
    let rows_of = |table: &str| {
        let text = |cell: &str| {
            let cell = cell.replace("Keep what is saved now: ", "").replace("Keep yours: ", "");
            cell.split('<').map(|part| part.split_once('>').map_or(part, |(_, text)| text)).collect::<String>()
        };
        table
            .split("<tr>")
            .skip(2)
            .map(|row| text(&row.replace("</th>", "|").replace("</td><td>", "|")).trim().to_owned())
            .collect::<Vec<_>>()
    };
    let rows = rows_of(table);
    for expected in ["Days|41|many", "Fine|5|7", "Lines row 1|III|empty", "Lines row 2|empty|II"] {
        assert!(rows.iter().any(|row| row == expected), "{expected}: {rows:?}");
    }
    let reason = rows.iter().find(|row| row.starts_with("Reason|")).unwrap();
    assert!(reason.contains("twice|") && reason.ends_with("thrice"), "long texts show where they differ: {reason}");
    assert!(!rows.iter().any(|row| row.starts_with("Title|")), "only one of them changed it: {rows:?}");
    assert!(!table.contains("Taken At") && !table.contains("Pin") && !table.contains("secret"), "{table}");
    assert_eq!(form_values(&conflict)["title"], "Emma <Mine>");

    // A third person saves: what nobody has compared is not overwritten.
    site.db_update("Loan", &name, json!({"title": "Persuasion"})).await;
    let again = send(&administrator, &uri, &conflict, &[("days", "42")], "overwrite").await.status(417);
    let table = again.body.split("class=\"differences\"").nth(1).unwrap().split("</table>").next().unwrap();
    let rows = rows_of(table);
    assert!(rows.contains(&"Title|Persuasion|Emma &lt;Mine&gt;".to_owned()), "{rows:?}");
    assert!(rows.contains(&"Days|41|42".to_owned()), "{rows:?}");
    send(&administrator, &uri, &again, &[], "overwrite").await.redirect();
    let stored = administrator.read("Loan", &name).await.ok();
    assert_eq!((&stored["title"], &stored["days"]), (&json!("Emma <Mine>"), &json!(42)));
    assert_eq!(stored["lines"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn a_conflict_shows_no_field_that_the_person_may_not_read() {
    let (site, _) = library().await;
    let name = site.db_insert("Loan", json!({"title": "Emma", "fine": 31})).await;
    let permission =
        json!({"user": "reader@example.com", "share_doctype": "Loan", "share_name": name, "read": 1, "write": 1});
    site.db_insert("Role", json!({"role_name": "Librarian", "desk_access": 1})).await;
    let reader = site.user("reader@example.com", &["Librarian"]).await;
    site.db_insert("DocShare", permission).await;
    let uri = format!("/app/loan/{name}");
    let page = reader.get(&uri).await.status(200);
    site.db_update("Loan", &name, json!({"title": "Theirs", "fine": 32})).await;
    let conflict = send(&reader, &uri, &page, &[("fine", "7"), ("title", "Mine")], "save").await.status(417);
    let table = conflict.body.split("class=\"differences\"").nth(1).unwrap().split("</table>").next().unwrap();
    assert!(table.contains("Mine") && !table.contains("Fine") && !table.contains("32"), "{table}");
}

#[tokio::test]
async fn a_draft_of_the_browser_becomes_a_form_again_and_saves_nothing() {
    let (site, administrator) = library().await;
    let page = administrator.get("/app/loan/new").await.status(200);
    let shown = send(&administrator, "/app/loan/new", &page, &TYPED, "draft").await.status(200);
    assert_shown_again(&shown);
    assert!(site.db_names("Loan", json!([])).await.is_empty());
}

#[tokio::test]
async fn names_ticked_in_a_list_survive_the_end_of_the_session() {
    let (site, administrator) = library().await;
    let name = site.db_insert("Loan", json!({"title": "Emma"})).await;
    let fields = [("csrf_token", "old"), ("names", &*name), ("__action", "delete_confirmed")];
    let asked = administrator.form("/app/loan", &fields).await.status(400);
    assert!(asked.body.contains("delete_confirmed") && asked.body.contains(" checked"), "{}", asked.body);
    assert_eq!(site.db_names("Loan", json!([])).await, [name]);
}

#[tokio::test]
async fn forms_of_other_sites_are_not_carried_through_the_login() {
    let (site, _) = library().await;
    let foreign = site.guest().with_header("origin", "https://evil.example");
    foreign.form("/app/loan/new", &[("title", "Evil")]).await.status(401);
    foreign.form("/login?resend=%2Fapp%2Floan%2Fnew", &[("title", "Evil")]).await.status(400);
}

#[tokio::test]
async fn after_a_login_nothing_is_sent_on_but_forms_of_the_desk() {
    let (site, _) = library().await;
    for target in ["/api/method/logout", "/?cmd=logout", "/me/name", "/application"] {
        let login = [("usr", "Administrator"), ("pwd", PASSWORD), ("redirect-to", target), ("__typed", "[]")];
        assert_eq!(site.guest().form("/login", &login).await.redirect(), target, "{target} is opened, not posted to");
        let query: String = url::form_urlencoded::byte_serialize(target.as_bytes()).collect();
        let page = site.guest().form(&format!("/login?resend={query}"), &[("title", "Evil")]).await.status(401);
        assert!(!page.body.contains("__typed"), "{target}");
    }
}

#[tokio::test]
async fn a_secret_is_shown_behind_a_redirect_once_and_loading_again_makes_nothing() {
    let site = TestSite::new().await;
    let administrator = site.administrator().await;
    let page = administrator.get("/app/oauth-client/new").await.status(200);
    let typed = [("app_name", "Planner"), ("default_redirect_uri", "https://app.example.com/callback")];
    let address = send(&administrator, "/app/oauth-client/new", &page, &typed, "save").await.redirect();
    assert!(!address.contains("secret"), "{address}");
    let others = administrator.get("/app/oauth-client").await.status(200);
    assert!(!others.body.contains("shown this once"));
    let somebody_else = site.administrator().await;
    somebody_else.set_cookie("shown_once", "1");
    assert!(
        !somebody_else.get(&address).await.status(200).body.contains("shown this once"),
        "only this session sees it"
    );
    let shown = administrator.get(&address).await.status(200);
    assert!(shown.body.contains("shown this once") && shown.body.contains("Client Secret"), "{}", shown.body);
    assert!(!administrator.get(&address).await.status(200).body.contains("shown this once"));
    assert_eq!(site.db_names("OAuth Client", json!({"app_name": "Planner"})).await.len(), 1);
}

#[tokio::test]
async fn a_secret_that_nobody_fetched_is_not_shown_later() {
    let site = TestSite::new().await;
    let administrator = site.administrator().await;
    let page = administrator.get("/app/oauth-client/new").await.status(200);
    let typed = [("app_name", "Planner"), ("default_redirect_uri", "https://app.example.com/callback")];
    let address = send(&administrator, "/app/oauth-client/new", &page, &typed, "save").await.redirect();
    site.clock.advance(chrono::Duration::minutes(3));
    assert!(!administrator.get(&address).await.status(200).body.contains("shown this once"));
}

#[tokio::test]
async fn scripts_learn_who_is_logged_in_and_the_token_for_forms() {
    let (site, administrator) = library().await;
    let answer = administrator.get("/app/_session").await.status(200).json();
    let page = administrator.get("/app/loan/new").await.status(200);
    assert_eq!(
        (&answer["user"], &answer["csrf_token"]),
        (&json!("Administrator"), &json!(form_values(&page)["csrf_token"]))
    );
    assert_eq!(site.guest().get("/app/_session").await.status(200).json()["user"], "Guest");
}
