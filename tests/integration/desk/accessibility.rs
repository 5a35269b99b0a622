//! Every kind of page, looked through for barriers by axe-core, light and dark.

use doctyped::testing::jobs::run_due;
use serde_json::json;

use super::{LOAN, LOAN_LINE};
use crate::browser::{Browser, is_wanted};
use crate::data_import::{INSERT, prepare, start};
use crate::support::TestSite;

const AXE: &str =
    concat!(env!("CARGO_MANIFEST_DIR"), "/tests/integration/oauth_client/provider/node_modules/axe-core/axe.min.js");

/// What breaks a rule of WCAG 2.1, A or AA, on the page that is shown.
const VIOLATIONS: &str = "
    return axe.run(document, {runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa']}).then(({violations}) =>
        violations.flatMap(({id, nodes}) => nodes.map(({html, any}) => `${id}: ${html} ${any[0]?.message ?? ''}`)))";

async fn assert_no_barriers(browser: &Browser, axe: &str, page: &str) {
    browser.run(axe).await;
    for theme in ["light", "dark"] {
        browser.run(&format!("document.documentElement.dataset.theme = '{theme}'")).await;
        let found = browser.run(VIOLATIONS).await;
        assert_eq!(found, json!([]), "{page}, {theme}: {found:#}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_page_breaks_a_rule_of_wcag_in_either_theme() {
    if !is_wanted() {
        return;
    }
    let Ok(axe) = std::fs::read_to_string(AXE) else {
        eprintln!(
            "SKIPPED: run `npm ci` in tests/integration/oauth_client/provider to look for barriers with axe-core"
        );
        return;
    };
    let site = TestSite::new().with_doctype(LOAN).with_doctype(LOAN_LINE).listening().await;
    let base = site.documents().site_url();
    let lines = json!([{"volume": "I", "remark": "torn"}, {"volume": "II"}]);
    let loan = site.db_insert("Loan", json!({"title": "Emma", "kind": "Novel", "days": 40, "lines": lines})).await;
    let client = json!({
        "app_name": "Planner", "scopes": "openid all", "default_redirect_uri": "https://app.example.com/callback",
        "redirect_uris": "https://app.example.com/callback",
    });
    let client = site.db_insert("OAuth Client", client).await;
    let consent = url::form_urlencoded::Serializer::new(String::new())
        .extend_pairs([
            ("response_type", "code"),
            ("client_id", &client),
            ("redirect_uri", "https://app.example.com/callback"),
            ("scope", "openid all"),
            ("code_challenge", "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"),
            ("code_challenge_method", "S256"),
        ])
        .finish();

    // An import with problems that is not started, and one whose rows were refused.
    let admin = site.administrator().await;
    let file = b"Email,First Name,Nothing\nnobody,,x\n";
    let import = prepare(&admin, "User", INSERT, "people.csv", file, json!({})).await;
    let refused = prepare(&admin, "User", INSERT, "people.csv", file, json!({})).await;
    start(&admin, &refused).await.ok();
    run_due(&site.site).await.unwrap();

    let browser = Browser::start(&site.folder.path().join("profile")).await;
    browser.open(&format!("{base}/login")).await;
    browser.wait_for("return document.querySelector('#usr') !== null").await;
    assert_no_barriers(&browser, &axe, "/login").await;
    browser.log_in("Administrator").await;
    for page in [
        "/app".to_owned(),
        "/app/loan".to_owned(),
        format!("/app/loan/{loan}"),
        format!("/app/oauth-client/{client}"),
        "/app/social-login-key/new".to_owned(),
        "/app/oauth-settings".to_owned(),
        format!("/api/method/frappe.integrations.oauth2.authorize?{consent}"),
        "/me".to_owned(),
        "/third_party_apps".to_owned(),
        "/app/_definitions".to_owned(),
        "/app/_model".to_owned(),
        "/app/_rights?doctype=Loan".to_owned(),
        "/app/_model/Loan".to_owned(),
        "/app/_model/User?as=text".to_owned(),
        "/app/_search?q=emma".to_owned(),
        "/app/loan?columns=days&filters=[[%22days%22,%22%3E%22,%221%22]]".to_owned(),
        "/app/loan?group_by=kind".to_owned(),
        "/app/loan?view=kanban".to_owned(),
        "/app/loan?view=calendar&by=taken_at".to_owned(),
        "/app/module-def?view=kanban".to_owned(),
        format!("/app/_access?doctype=Loan&name={loan}"),
        "/app/_export?doctype=Loan".to_owned(),
        "/app/_import?doctype=User".to_owned(),
        format!("/app/_import/{}", import.replace(' ', "%20")),
        format!("/app/_import/{}", refused.replace(' ', "%20")),
        "/app/nothing-of-that-name".to_owned(),
    ] {
        browser.open(&format!("{base}{page}")).await;
        browser.wait_for("return document.readyState === 'complete'").await;
        assert_no_barriers(&browser, &axe, &page).await;
    }
    browser.open(&format!("{base}/app/loan/new")).await;
    browser.wait_for("return document.querySelector('[data-form]')?.dataset.ready === 'yes'").await;
    browser.type_into("#f-days", "many").await;
    browser.run("document.querySelector('[data-save]').click()").await;
    browser.wait_for("return document.querySelector('#f-title-error') !== null").await;
    assert_no_barriers(&browser, &axe, "a form with problems").await;

    // All that can be unfolded around a list.
    browser.open(&format!("{base}/app/loan?kind=Novel")).await;
    browser.wait_for("return document.querySelector('[data-columns] button') !== null").await;
    browser.run("document.querySelector('[data-select-all]').click()").await;
    browser.run("for (const fold of document.querySelectorAll('details.tool')) fold.open = true").await;
    browser.look("list-tools").await;
    assert_no_barriers(&browser, &axe, "a list unfolded").await;

    // A conflict.
    browser.open(&format!("{base}/app/loan/{loan}")).await;
    browser.wait_for("return document.querySelector('[data-form]')?.dataset.ready === 'yes'").await;
    site.db_update("Loan", &loan, json!({"title": "Persuasion", "days": 3})).await;
    browser.type_into("#f-title", " Mine").await;
    browser.run("document.querySelector('[data-save]').click()").await;
    browser.wait_for("return document.querySelector('.differences') !== null").await;
    browser.look("conflict").await;
    assert_no_barriers(&browser, &axe, "a conflict").await;
}
