//! Forms in a real browser: what was typed survives the end of a session, and a form stays where it was.

use serde_json::json;

use super::{LOAN, LOAN_LINE};
use crate::browser::{Browser, is_wanted};
use crate::support::{PASSWORD, TestSite};

const TABS: &str = "
name: Paper
module: Library
fields:
  - { fieldname: title, fieldtype: Data, label: Title, description: The first line. }
  - { fieldname: more, fieldtype: Tab Break, label: More }
  - { fieldname: pages, fieldtype: Int, label: Pages, description: How many. }
permissions:
  - { role: System Manager, read: true, write: true, create: true, delete: true }
";

pub const READY: &str = "return document.querySelector('[data-form]')?.dataset.ready === 'yes'";
pub const SAVED: &str = "return document.querySelector('.flash-green') !== null";

async fn open_page(site: &TestSite, path: &str) -> Browser {
    let browser = Browser::start(&site.folder.path().join("profile")).await;
    browser.open(&format!("{}{path}", site.site.config.site_url)).await;
    browser.log_in("Administrator").await;
    browser
}

/// The same with a form.
pub async fn open(site: &TestSite, path: &str) -> Browser {
    let browser = open_page(site, path).await;
    browser.wait_for(READY).await;
    browser
}

pub async fn press_save(browser: &Browser) {
    browser.run("document.querySelector('[data-save]').click()").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_ends_while_somebody_types_loses_nothing() {
    if !is_wanted() {
        return;
    }
    let site = TestSite::new().with_doctype(LOAN).with_doctype(LOAN_LINE).listening().await;
    let browser = open(&site, "/app/loan/new").await;
    browser.type_into("#f-title", "Dune").await;
    browser.end_session().await;
    press_save(&browser).await;
    browser.wait_for("return document.querySelector('[data-login]').open").await;
    browser.screenshot("login-in-place").await;
    browser.type_into("#again-pwd", "wrong").await;
    browser.click("[data-login] button[type=submit]").await;
    browser.wait_for("return !document.querySelector('[data-login-problem]').hidden").await;
    browser.run("document.querySelector('#again-pwd').value = ''").await;
    browser.type_into("#again-pwd", PASSWORD).await;
    browser.click("[data-login] button[type=submit]").await;
    browser.wait_for(SAVED).await;
    assert_eq!(site.db_names("Loan", json!({"title": "Dune"})).await.len(), 1);
    assert_eq!(
        browser.run("return Object.keys(localStorage).filter((key) => key.startsWith('draft:')).length").await,
        json!(0)
    );

    // Somebody logs in again in another tab: the token is a new one, and nobody notices.
    browser.wait_for(READY).await;
    let script = format!(
        "return fetch('/api/method/login', {{method: 'POST', body: new URLSearchParams({{usr: 'Administrator', pwd: '{PASSWORD}'}})}}).then((answer) => answer.ok)"
    );
    assert_eq!(browser.run(&script).await, json!(true));
    browser.type_into("#f-title", " Messiah").await;
    assert_eq!(browser.run("return document.querySelector('.flash-green')").await, json!(null), "the old news is gone");
    press_save(&browser).await;
    browser.wait_for(SAVED).await;
    assert_eq!(site.db_names("Loan", json!({"title": "Dune Messiah"})).await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_typed_and_left_is_offered_again() {
    if !is_wanted() {
        return;
    }
    let site = TestSite::new().with_doctype(LOAN).with_doctype(LOAN_LINE).listening().await;
    let browser = open(&site, "/app/loan/new").await;
    browser.type_into("#f-title", "Emma").await;
    browser.run("document.querySelector('[data-grid=lines] [data-add-row]').click()").await;
    browser.type_into("[name='lines.0.volume']", "II").await;
    browser.type_into("#f-pin", "a secret").await;
    browser.wait_for("return Object.values(localStorage).some((kept) => kept.includes('II'))").await;
    let secret = "return Object.values(localStorage).some((kept) => kept.includes('a secret'))";
    assert_eq!(browser.run(secret).await, json!(false), "passwords are not kept");
    // The page is lost without a question, as in a crash.
    browser
        .run("addEventListener('beforeunload', (event) => event.stopImmediatePropagation(), true); location.reload()")
        .await;
    browser.wait_for("return document.querySelector('[data-draft]')?.hidden === false").await;
    assert_eq!(browser.run("return document.querySelector('#f-title').value").await, json!(""));
    browser.screenshot("draft-offered").await;
    browser.run("document.querySelector('[data-draft-restore]').click()").await;
    browser.wait_for("return document.querySelector('#f-title')?.value === 'Emma'").await;
    assert_eq!(browser.run("return document.querySelector(\"[name='lines.0.volume']\").value").await, json!("II"));
    browser.wait_for(READY).await;
    press_save(&browser).await;
    browser.wait_for(SAVED).await;
    browser.open(&format!("{}/app/loan/new", site.site.config.site_url)).await;
    browser.wait_for(READY).await;
    assert_eq!(browser.run("return document.querySelector('[data-draft]').hidden").await, json!(true));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_comes_once_and_the_address_is_the_documents() {
    if !is_wanted() {
        return;
    }
    let site = TestSite::new().listening().await;
    let browser = open(&site, "/app/oauth-client/new").await;
    browser.type_into("#f-app_name", "Planner").await;
    browser.type_into("#f-default_redirect_uri", "https://app.example.com/callback").await;
    press_save(&browser).await;
    browser.wait_for("return document.querySelector('.once') !== null").await;
    assert_eq!(browser.run("return location.pathname.endsWith('/new')").await, json!(false));
    browser.run("location.reload()").await;
    browser
        .wait_for("return document.querySelector('[data-form]') !== null && document.querySelector('.once') === null")
        .await;
    assert_eq!(site.db_names("OAuth Client", json!([])).await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_tab_that_was_open_stays_open_after_saving() {
    if !is_wanted() {
        return;
    }
    let site = TestSite::new().with_doctype(TABS).listening().await;
    let name = site.db_insert("Paper", json!({"title": "One"})).await;
    let browser = open(&site, &format!("/app/paper/{name}")).await;
    browser.click("#tab-more-button").await;
    browser.type_into("#f-pages", "7").await;
    press_save(&browser).await;
    browser.wait_for(SAVED).await;
    browser.wait_for(READY).await;
    let open = "return document.querySelector('#tab-more-button').getAttribute('aria-selected')";
    assert_eq!(browser.run(open).await, json!("true"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_form_waits_in_its_first_field() {
    if !is_wanted() {
        return;
    }
    let site = TestSite::new().with_doctype(LOAN).with_doctype(LOAN_LINE).listening().await;
    let browser = open(&site, "/app/loan/new").await;
    assert_eq!(browser.run("return document.activeElement.id").await, json!("f-title"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_from_right_to_left_keeps_headings_above_their_cells() {
    if !is_wanted() {
        return;
    }
    let site = TestSite::new().with_doctype(LOAN).with_doctype(LOAN_LINE).listening().await;
    site.db_insert("Loan", json!({"title": "Dune", "kind": "Novel", "days": 7})).await;
    let browser = open_page(&site, "/app/loan").await;
    for direction in ["ltr", "rtl"] {
        browser.run(&format!("document.documentElement.dir = '{direction}'")).await;
        browser.screenshot(&format!("list-{direction}")).await;
        // Where the content of a cell begins, seen from where reading begins.
        let astray = "
            const rtl = document.documentElement.dir === 'rtl';
            const edges = (cell) => {
                const range = document.createRange();
                range.selectNodeContents(cell);
                const box = range.getBoundingClientRect();
                return rtl ? [box.right, box.left] : [box.left, box.right];
            };
            const heads = [...document.querySelectorAll('.documents thead th')];
            const cells = [...document.querySelectorAll('.documents tbody tr:first-child td')];
            return heads.map((head, at) => [head, cells[at]])
                .filter(([head, cell]) => edges(head)[0] !== edges(head)[1] && edges(cell)[0] !== edges(cell)[1])
                .filter(([head, cell]) => edges(head).every((edge, side) => Math.abs(edge - edges(cell)[side]) > 4))
                .map(([head, cell]) => [head.textContent.trim(), edges(head), edges(cell)])";
        assert_eq!(browser.run(astray).await, json!([]), "{direction}");
        let outside = "
            const table = document.querySelector('.documents').getBoundingClientRect();
            return [...document.querySelectorAll('.documents input[type=checkbox]')].map((box) => box.getBoundingClientRect())
                .filter((box) => box.left < table.left || box.right > table.right || box.left < 0 || box.right > innerWidth).length";
        assert_eq!(browser.run(outside).await, json!(0), "{direction}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_desk_is_used_by_keys_alone() {
    if !is_wanted() {
        return;
    }
    let site = TestSite::new().with_doctype(TABS).listening().await;
    for title in ["first", "second"] {
        site.db_insert("Paper", json!({"title": title})).await;
    }
    let browser = open_page(&site, "/app/paper").await;
    let links = "return [...document.querySelectorAll('.documents .row-link')]";
    browser.wait_for(&format!("{links}.length === 2")).await;
    // J goes down the list and stays at its end, K goes up again; keys are pressed where the focus is.
    for (place, key, row) in [("body", "j", 0), (":focus", "j", 1), (":focus", "j", 1), (":focus", "k", 0)] {
        browser.type_into(place, key).await;
        browser.wait_for(&format!("{links}.indexOf(document.activeElement) === {row}")).await;
    }
    browser.type_into(":focus", "/").await;
    browser.wait_for("return document.activeElement.id === 'q'").await;
    // Whoever types is not disturbed.
    browser.type_into("#q", "j?n/").await;
    assert_eq!(browser.run("return document.activeElement.value").await, json!("j?n/"));
    assert_eq!(browser.run("return document.querySelector('dialog.keys')").await, json!(null));
    browser.run("document.activeElement.blur()").await;
    browser.type_into("body", "?").await;
    browser.wait_for("return document.querySelector('dialog.keys')?.open === true").await;
    browser.screenshot("keys").await;
    browser.click("dialog.keys button").await;
    browser.wait_for("return !document.querySelector('dialog.keys').open").await;
    browser.type_into("body", "n").await;
    browser.wait_for(READY).await;
    browser.wait_for("return document.activeElement.id === 'f-title'").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn buttons_beside_a_form_act_at_once_and_leave_what_is_typed() {
    if !is_wanted() {
        return;
    }
    let site = TestSite::new().with_doctype(LOAN).with_doctype(LOAN_LINE).listening().await;
    let name = site.db_insert("Loan", json!({"title": "Emma"})).await;
    let browser = open(&site, &format!("/app/loan/{name}")).await;
    browser.type_into("[data-comment]", "So it is").await;
    assert_eq!(browser.run("return document.querySelector('[data-dirty]').hidden").await, json!(true));
    browser.type_into("#f-title", " Mine").await;
    browser.run("document.querySelector('[value=\"side:comment\"]').click()").await;
    browser.wait_for("return document.querySelector('.comment-text')?.textContent === 'So it is'").await;
    assert_eq!(browser.run("return document.querySelector('[data-comment]').value").await, json!(""));
    // The session ends: the button asks for a login and then does its part.
    browser.end_session().await;
    browser.type_into("[name=__tag]", "red").await;
    browser.run("document.querySelector('[value=\"side:tag\"]').click()").await;
    browser.wait_for("return document.querySelector('[data-login]').open").await;
    browser.type_into("#again-pwd", PASSWORD).await;
    browser.click("[data-login] button[type=submit]").await;
    browser.wait_for("return document.querySelector('.tag')?.textContent.includes('red')").await;
    assert_eq!(browser.run("return document.querySelector('#f-title').value").await, json!("Emma Mine"));
    press_save(&browser).await;
    browser.wait_for(SAVED).await;
    assert_eq!(site.db_names("Loan", json!({"title": "Emma Mine"})).await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_search_in_the_bar_leads_to_documents_settings_and_things_to_do() {
    if !is_wanted() {
        return;
    }
    let site = TestSite::new().with_doctype(LOAN).with_doctype(LOAN_LINE).listening().await;
    let loan = site.db_insert("Loan", json!({"title": "Émile"})).await;
    let browser = open_page(&site, "/app").await;
    let shown = |text: &str| {
        format!(
            "return [...document.querySelectorAll('.jump [role=option]')].some((one) => one.textContent.includes('{text}'))"
        )
    };
    let search = async |text: &str, expected: &str| {
        let script = "document.dispatchEvent(new KeyboardEvent('keydown', { key: 'k', ctrlKey: true, bubbles: true }))";
        browser.wait_for("return document.querySelector('[data-jump][role=combobox]') !== null").await;
        browser.run(script).await;
        browser.type_into("[data-jump]", text).await;
        browser.wait_for(&shown(expected)).await;
        let choose = "const input = document.querySelector('[data-jump]'); input.dispatchEvent(new KeyboardEvent('keydown', { key: 'Enter', bubbles: true, cancelable: true }))";
        browser.look(&format!("jump-{}", text.replace(' ', "-"))).await;
        browser.run(choose).await;
    };
    search("emile", "Émile").await;
    browser
        .wait_for(&format!("return location.pathname === '/app/loan/{loan}' && document.readyState === 'complete'"))
        .await;
    search("log out every", "Log out everywhere").await;
    browser.wait_for("return location.pathname + location.hash === '/me#sessions-title'").await;
    browser.open(&format!("{}/app", site.site.config.site_url)).await;
    browser.wait_for(&format!("return [...document.querySelectorAll('[data-recents] a')].some((one) => one.pathname === '/app/loan/{loan}')")).await;
    browser.look("home-recents").await;
    search("session expiry", "Session Expiry").await;
    browser.wait_for("return location.pathname + location.hash === '/app/system-settings#f-session_expiry'").await;
    browser.wait_for("return document.querySelector('#f-session_expiry')?.checkVisibility() === true").await;
}
