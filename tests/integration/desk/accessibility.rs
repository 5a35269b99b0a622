//! Every kind of page: looked through for barriers by axe-core (WCAG 2.2, A and AA) in both themes and from right to left,
//! at four widths, and by what it makes a browser load.

use doctyped::testing::jobs::run_due;
use serde_json::{Value as Json, json};

use super::views::TASK;
use super::{LOAN, LOAN_LINE};
use crate::api_keys::Key;
use crate::browser::{Browser, is_wanted};
use crate::data_import::{INSERT, prepare, start};
use crate::support::TestSite;

const AXE: &str =
    concat!(env!("CARGO_MANIFEST_DIR"), "/tests/integration/oauth_client/provider/node_modules/axe-core/axe.min.js");

/// What breaks a rule of WCAG 2.2, A or AA, on the page that is shown.
const VIOLATIONS: &str = "
    const tags = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22a', 'wcag22aa'];
    return axe.run(document, {runOnly: tags}).then(({violations}) =>
        violations.flatMap(({id, nodes}) => nodes.map(({html, any}) => `${id}: ${html} ${any[0]?.message ?? ''}`)))";

/// The widths of a phone, a tablet, a notebook and a large screen.
const WIDTHS: [u32; 4] = [390, 820, 1280, 1600];
/// What sticks out of the page, where something does.
const OVERFLOW: &str = "
    const page = document.documentElement;
    if (page.scrollWidth <= page.clientWidth) return [];
    const sticksOut = (element) => {
        const {left, right, width} = element.getBoundingClientRect();
        return width > 0 && (right > page.clientWidth + 0.5 || left < -0.5);
    };
    const all = [...document.body.querySelectorAll('*')].filter(sticksOut);
    return all.slice(0, 3).map((element) => element.outerHTML.slice(0, 160))";

/// How many bytes of scripts and styles the page loads, as they are sent; pages with an editor load more.
const WEIGHT: &str = "
    const loaded = performance.getEntriesByType('resource').filter(({name}) => /\\.(js|css)(\\?|$)/.test(name));
    if (loaded.some(({name}) => name.includes('/vendor/') || name.includes('/swagger/'))) return 0;
    return loaded.reduce((sum, {encodedBodySize}) => sum + encodedBodySize, 0)";
/// How many they may be at most.
const HEAVIEST: f64 = 100.0 * 1024.0;

/// What the page was answered with.
const STATUS: &str = "return performance.getEntriesByType('navigation')[0].responseStatus";
/// What the addresses of pages that tell of an error begin with.
const ERRORS: [&str; 2] =
    ["/app/nothing-of-that-name", "/api/method/frappe.integrations.oauth2.authorize?client_id=nobody"];

/// A browser that goes from page to page and notes what is wrong with each.
struct Walk {
    site: TestSite,
    browser: Browser,
    axe: String,
    base: String,
    found: Vec<String>,
}

impl Walk {
    /// A site with everything that pages are about; `None`: not wanted here.
    async fn begin() -> Option<(Self, Vec<String>)> {
        if !is_wanted() {
            return None;
        }
        let Ok(axe) = std::fs::read_to_string(AXE) else {
            eprintln!(
                "SKIPPED: run `npm ci` in tests/integration/oauth_client/provider to look for barriers with axe-core"
            );
            return None;
        };
        // In files, or the builder would have nothing to write to.
        let folder = tempfile::tempdir().unwrap().keep();
        for (file, text) in [("loan", LOAN), ("loan_line", LOAN_LINE), ("task", TASK)] {
            std::fs::write(folder.join(file).with_extension("yaml"), text).unwrap();
        }
        let site = TestSite::new().with_config(move |config| config.doctypes = vec![folder]).listening().await;
        let pages = pages(&site).await;
        let browser = Browser::start(&site.folder.path().join("profile")).await;
        let base = site.documents().site_url().to_owned();
        Some((Self { site, browser, axe, base, found: Vec::new() }, pages))
    }

    async fn open(&self, page: &str) {
        self.browser.open(&format!("{}{page}", self.base)).await;
        self.browser.wait_for("return document.readyState === 'complete'").await;
    }

    /// Goes to a page, which is the one that is meant, and a page.
    async fn visit(&self, page: &str) {
        self.open(page).await;
        let status = self.browser.run(STATUS).await;
        let is_error = status.as_u64().is_some_and(|status| status >= 400);
        assert_eq!(is_error, ERRORS.iter().any(|error| page.starts_with(error)), "{page}: {status}");
        let has_heading = self.browser.run("return document.querySelector('h1') !== null").await;
        assert_eq!(has_heading, json!(true), "{page} has no heading");
    }

    async fn note(&mut self, what: &str, script: &str) {
        let found = self.browser.run(script).await;
        self.found.extend(found.as_array().unwrap().iter().map(|one| format!("{what}: {}", one.as_str().unwrap())));
    }

    /// Looks at the page that is shown for barriers, in these themes, and at every width.
    async fn look(&mut self, page: &str, themes: &[&str]) {
        self.browser.run(&self.axe).await;
        for theme in themes {
            self.browser.run(&format!("document.documentElement.dataset.theme = '{theme}'")).await;
            self.note(&format!("{page}, {theme}"), VIOLATIONS).await;
        }
        for width in WIDTHS {
            self.browser.show_in(width, 1000).await;
            self.note(&format!("{page}, {width} wide"), OVERFLOW).await;
        }
        self.browser.show_in(1280, 1000).await;
    }

    fn end(self) {
        assert!(self.found.is_empty(), "{} barriers:\n{}", self.found.len(), self.found.join("\n"));
    }
}

/// An address with the parameters of a request for consent.
fn consent(client: &str) -> String {
    let parameters = url::form_urlencoded::Serializer::new(String::new())
        .extend_pairs([
            ("response_type", "code"),
            ("client_id", client),
            ("redirect_uri", "https://app.example.com/callback"),
            ("scope", "openid all"),
            ("code_challenge", "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"),
            ("code_challenge_method", "S256"),
        ])
        .finish();
    format!("/api/method/frappe.integrations.oauth2.authorize?{parameters}")
}

/// Every kind of page, for Administrator; what they are about is made here.
async fn pages(site: &TestSite) -> Vec<String> {
    let lines = json!([{"volume": "I", "remark": "torn"}, {"volume": "II"}]);
    let loan = site.db_insert("Loan", json!({"title": "Emma", "kind": "Novel", "days": 40, "lines": lines})).await;
    let submitted = site.db_insert("Loan", json!({"title": "Ulysses", "kind": "Novel", "days": 4})).await;
    let task = site.db_insert("Task", json!({"title": "Plan", "due": "2026-11-02", "size": "Large"})).await;
    site.db_insert("Task", json!({"title": "Build", "due": "2026-11-03", "above": task})).await;
    let client = json!({
        "app_name": "Planner", "scopes": "openid all", "default_redirect_uri": "https://app.example.com/callback",
        "redirect_uris": "https://app.example.com/callback",
    });
    let client = site.db_insert("OAuth Client", client).await;

    // An import with problems that is not started, and one whose rows were refused.
    let admin = site.administrator().await;
    admin.update("Loan", &loan, json!({"days": 41})).await.ok();
    admin.update("Loan", &submitted, json!({"docstatus": 1})).await.ok();
    let comment = json!({"reference_doctype": "Loan", "reference_name": loan, "content": "A <b>torn</b> page"});
    admin.call("frappe.desk.form.utils.add_comment", comment).await.ok();
    admin.call("frappe.desk.doctype.tag.tag.add_tag", json!({"dt": "Loan", "dn": loan, "tag": "red"})).await.ok();
    let version = site.db_names("Version", json!({"docname": loan})).await.remove(0);
    let key = Key::make(&admin, json!({"scopes": "read"})).await;
    let file = b"Email,First Name,Nothing\nnobody,,x\n";
    let import = prepare(&admin, "User", INSERT, "people.csv", file, json!({})).await;
    let refused = prepare(&admin, "User", INSERT, "people.csv", file, json!({})).await;
    start(&admin, &refused).await.ok();
    run_due(&site.site).await.unwrap();
    let report = json!({"report_name": "Days", "ref_doctype": "Loan", "report_type": "Report Builder", "json": "{}"});
    site.db_insert("Report", report).await;

    vec![
        "/app".to_owned(),
        "/app/loan".to_owned(),
        format!("/app/loan/{loan}"),
        format!("/app/loan/{submitted}"),
        format!("/app/loan/{loan}?confirm=delete"),
        format!("/app/oauth-client/{client}"),
        format!("/app/api-key/{}", key.id),
        "/app/user/Administrator".to_owned(),
        format!("/app/version/{version}"),
        "/app/social-login-key/new".to_owned(),
        "/app/oauth-settings".to_owned(),
        "/app/system-settings".to_owned(),
        consent(&client),
        "/me".to_owned(),
        "/third_party_apps".to_owned(),
        "/connected-apps".to_owned(),
        "/device".to_owned(),
        "/logout".to_owned(),
        "/api/method/frappe.integrations.oauth2.end_session".to_owned(),
        "/api/method/frappe.integrations.oauth2.authorize?client_id=nobody".to_owned(),
        "/app/_definitions".to_owned(),
        "/app/_health".to_owned(),
        "/app/_model".to_owned(),
        "/app/_rights?doctype=Loan".to_owned(),
        format!("/app/_why?doctype=Loan&name={loan}&user=Administrator"),
        "/app/_why?doctype=Loan&user=Guest&right=write".to_owned(),
        "/app/_model/Loan".to_owned(),
        "/app/_model/User?as=text".to_owned(),
        "/app/doctype/Loan".to_owned(),
        "/app/_search?q=emma".to_owned(),
        "/app/loan?columns=days&filters=[[%22days%22,%22%3E%22,%221%22]]".to_owned(),
        "/app/loan?group_by=kind".to_owned(),
        "/app/loan?view=report".to_owned(),
        "/app/loan?view=report&group_by=kind&chart=bar".to_owned(),
        "/app/query-report/Days".to_owned(),
        "/app/loan?view=kanban".to_owned(),
        "/app/loan?view=calendar&by=taken_at".to_owned(),
        "/app/task?view=calendar&by=due&month=2026-11".to_owned(),
        "/app/task?view=tree".to_owned(),
        "/app/module-def?view=kanban".to_owned(),
        format!("/app/_access?doctype=Loan&name={loan}"),
        "/app/_export?doctype=Loan".to_owned(),
        "/app/bulk-change/new".to_owned(),
        "/app/_import?doctype=User".to_owned(),
        format!("/app/_import/{}", import.replace(' ', "%20")),
        format!("/app/_import/{}", refused.replace(' ', "%20")),
        "/app/nothing-of-that-name".to_owned(),
        "/docs".to_owned(),
        "/docs/oauth".to_owned(),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn no_page_breaks_a_rule_of_wcag_in_either_theme_or_overflows_or_is_heavy() {
    let Some((mut walk, pages)) = Walk::begin().await else { return };
    let themes = ["light", "dark"];
    walk.open("/login").await;
    walk.look("/login", &themes).await;
    walk.browser.log_in("Administrator").await;
    for page in pages {
        walk.visit(&page).await;
        let weight = walk.browser.run(WEIGHT).await.as_f64().unwrap();
        if weight > HEAVIEST {
            walk.found.push(format!("{page} loads {weight} bytes of scripts and styles"));
        }
        walk.look(&page, &themes).await;
        if page.starts_with("/app/_why") {
            walk.browser.screenshot("why").await;
        }
        if page.starts_with("/app/loan/") {
            // As it is printed.
            walk.browser.show_as("print").await;
            walk.note(&format!("{page}, printed"), VIOLATIONS).await;
            walk.browser.show_as("").await;
        }
    }
    walk.open("/app/loan/new").await;
    walk.browser.wait_for("return document.querySelector('[data-form]')?.dataset.ready === 'yes'").await;
    walk.browser.type_into("#f-days", "many").await;
    walk.browser.run("document.querySelector('[data-save]').click()").await;
    walk.browser.wait_for("return document.querySelector('#f-title-error') !== null").await;
    walk.look("a form with problems", &themes).await;

    // All that can be unfolded around a list.
    walk.open("/app/loan?kind=Novel").await;
    walk.browser.wait_for("return document.querySelector('[data-columns] button') !== null").await;
    walk.browser.run("document.querySelector('[data-select-all]').click()").await;
    walk.browser.run("for (const fold of document.querySelectorAll('details.tool')) fold.open = true").await;
    walk.browser.look("list-tools").await;
    walk.look("a list unfolded", &themes).await;

    // A conflict.
    let loan = walk.site.db_names("Loan", json!({"title": "Emma"})).await.remove(0);
    walk.open(&format!("/app/loan/{loan}")).await;
    walk.browser.wait_for("return document.querySelector('[data-form]')?.dataset.ready === 'yes'").await;
    walk.site.db_update("Loan", &loan, json!({"title": "Persuasion", "days": 3})).await;
    walk.browser.type_into("#f-title", " Mine").await;
    walk.browser.run("document.querySelector('[data-save]').click()").await;
    walk.browser.wait_for("return document.querySelector('.differences') !== null").await;
    walk.look("a conflict", &themes).await;
    walk.end();
}

#[tokio::test(flavor = "multi_thread")]
async fn no_page_breaks_a_rule_of_wcag_or_overflows_from_right_to_left() {
    let Some((mut walk, pages)) = Walk::begin().await else { return };
    walk.open("/login?_lang=ar").await;
    assert_eq!(walk.browser.run("return document.documentElement.dir").await, json!("rtl"));
    walk.look("/login", &["light"]).await;
    walk.browser.log_in("Administrator").await;
    for page in pages {
        walk.visit(&page).await;
        // The documentation is in English alone.
        let is_turned: Json = walk.browser.run("return document.documentElement.dir === 'rtl'").await;
        assert!(is_turned == true || page.starts_with("/docs"), "{page} is not turned");
        walk.look(&page, &["light"]).await;
    }
    walk.end();
}
