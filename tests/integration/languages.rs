//! Pages, labels and messages in the language of whoever reads them: German as a whole, Arabic from right to left.

use doctyped::testing::load::Source;
use doctyped::testing::reload::{Reloaded, reload};
use serde_json::{Value as Json, json};

use crate::browser::{Browser, is_wanted};
use crate::support::{Client, PASSWORD, TestSite};

const BOOK: &str = "
name: Library Book
module: Library
description: What can be borrowed.
translations:
  de:
    Library Book: Buch
    What can be borrowed.: Was man ausleihen kann.
    Title: Werk
    Shelf: Regal
    Upper Shelf: Oberes Regal
    Where it stands.: Wo es steht.
autoname: field:title
fields:
  - { fieldname: title, fieldtype: Data, label: Title, reqd: true, in_list_view: true }
  - { fieldname: shelf, fieldtype: Select, label: Shelf, description: Where it stands., options: [Upper Shelf, Lower Shelf], in_list_view: true, in_standard_filter: true }
  - { fieldname: status, fieldtype: Select, label: Status, options: [Open, Closed] }
permissions:
  - { role: System Manager, read: true, write: true, create: true, delete: true }
";

/// The token that a form of the page sends.
fn token(page: &str) -> &str {
    page.split("name=\"csrf_token\" value=\"").nth(1).and_then(|rest| rest.split('"').next()).unwrap_or_default()
}

/// Administrator, reading in a language.
async fn reading(site: &TestSite, code: &str) -> Client {
    site.db_update("User", "Administrator", json!({"language": code})).await;
    site.administrator().await
}

fn has(page: &str, texts: &[&str]) {
    for text in texts {
        assert!(page.contains(text), "{text} is missing: {page}");
    }
}

fn lacks(page: &str, texts: &[&str]) {
    for text in texts {
        assert!(!page.contains(text), "{text} is there: {page}");
    }
}

#[tokio::test]
async fn a_browser_that_asks_for_german_logs_in_in_german() {
    let site = TestSite::new().await;
    let guest = site.guest().with_header("accept-language", "de-AT,de;q=0.9,en;q=0.5");
    let page = guest.get("/login").await.status(200).body;
    has(
        &page,
        &[
            "<html lang=\"de\" dir=\"ltr\"",
            ">Anmelden</button>",
            ">Passwort</label>",
            "value=\"ar\" lang=\"ar\" dir=\"rtl\"",
        ],
    );
    lacks(&page, &["Password", "Log in"]);
    let refused = guest.form("/login", &[("usr", "nobody"), ("pwd", "wrong")]).await.status(401).body;
    lacks(&refused, &["Invalid login credentials", "Password"]);
    has(&refused, &["role=\"alert\""]);
}

#[tokio::test]
async fn a_guest_chooses_a_language_and_the_browser_remembers() {
    let site = TestSite::new().await;
    let guest = site.guest();
    has(&guest.get("/login").await.body, &["<html lang=\"en\"", "Password"]);
    has(&guest.get("/login?_lang=ar").await.body, &["<html lang=\"ar\" dir=\"rtl\""]);
    has(&guest.get("/login").await.body, &["<html lang=\"ar\" dir=\"rtl\""]);
    // A language that nobody offers changes nothing.
    has(&guest.get("/login?_lang=tlh").await.body, &["<html lang=\"ar\" dir=\"rtl\""]);
    site.db_update("Language", "ar", json!({"enabled": 0})).await;
    let page = guest.get("/login").await.body;
    has(&page, &["<html lang=\"en\""]);
    lacks(&page, &["value=\"ar\""]);
}

#[tokio::test]
async fn the_language_of_the_site_is_for_those_who_ask_for_none() {
    let site = TestSite::new().await;
    site.db_update("System Settings", "System Settings", json!({"language": "de"})).await;
    has(&site.guest().get("/login").await.body, &["<html lang=\"de\""]);
    let english = site.guest().with_header("accept-language", "en");
    has(&english.get("/login").await.body, &["<html lang=\"en\""]);
}

#[tokio::test]
async fn people_choose_their_language_for_their_account() {
    let site = TestSite::new().await;
    let alice = site.user("alice@example.com", &["System Manager"]).await;
    let log_in = site.guest();
    log_in.log_in("alice@example.com", PASSWORD).await.status(200);
    let page = log_in.get("/me").await.status(200).body;
    has(&page, &["As your browser asks for", "Deutsch"]);
    let done = log_in.form("/me/language", &[("csrf_token", token(&page)), ("language", "de")]).await.redirect();
    has(
        &log_in.get(done.split('#').next().unwrap()).await.body,
        &["<html lang=\"de\"", "value=\"de\" lang=\"de\" selected"],
    );
    let page = log_in.get("/me").await.body;
    let refused = log_in.form("/me/language", &[("csrf_token", token(&page)), ("language", "tlh")]).await;
    assert_eq!(refused.status, 417);
    drop(alice);
}

#[tokio::test]
async fn the_desk_speaks_german() {
    let site = TestSite::new().with_doctype(BOOK).await;
    let administrator = reading(&site, "de").await;
    site.db_insert("Library Book", json!({"title": "Dune", "shelf": "Upper Shelf", "status": "Open"})).await;
    let home = administrator.get("/app").await.status(200).body;
    has(&home, &[">Buch</span>", "Was man ausleihen kann.", ">Benutzer</span>"]);
    let list = administrator.get("/app/library-book").await.status(200).body;
    has(&list, &["<h1>Buch</h1>", "Oberes Regal", "Regal", ">Dune</a>", "value=\"Upper Shelf\">Oberes Regal</option>"]);
    lacks(&list, &["Rows on a page", "Select all on this page", "Apply filters"]);
    let form = administrator.get("/app/library-book/Dune").await.status(200).body;
    has(
        &form,
        &[">Werk<", "Wo es steht.", "value=\"Upper Shelf\" selected>Oberes Regal</option>", ">Speichern</button>"],
    );
    lacks(&form, &[">Save<", "Not saved", "Changed by", ">History<"]);
    let user = administrator.get("/app/user/Administrator").await.status(200).body;
    has(&user, &[">Vorname<", ">Nachname<"]);
    lacks(&user, &[">First Name<", "The family name."]);
}

#[tokio::test]
async fn what_is_wrong_is_said_in_german_and_codes_stay() {
    let site = TestSite::new().with_doctype(BOOK).await;
    let administrator = reading(&site, "de").await;
    let page = administrator.get("/app/library-book/new").await.status(200).body;
    let typed = [("csrf_token", token(&page)), ("__action", "save"), ("title", ""), ("shelf", "Upper Shelf")];
    let refused = administrator.form("/app/library-book/new", &typed).await.status(417).body;
    lacks(&refused, &["is required", "Could not save"]);
    has(&refused, &["Werk"]);
    let answer = administrator.create("Library Book", json!({"shelf": "Upper Shelf"})).await;
    let messages = answer.server_messages().join("");
    assert!(messages.contains("Werk") && !messages.contains("is required"), "{messages}");
    let body = answer.error(417, "MandatoryError");
    assert!(body["exception"].as_str().unwrap().contains("is required"), "{body}");
    assert_eq!(body["problems"][0]["field"], "title");
    assert_eq!(body["problems"][0]["label"], "Werk");
    let gone = administrator.get("/app/library-book/Nothing").await.status(404).body;
    lacks(&gone, &["not found", "Back to home"]);
}

#[tokio::test]
async fn a_program_is_answered_in_the_language_it_asks_for() {
    let site = TestSite::new().with_doctype(BOOK).await;
    let reader = site.user("reader@example.com", &[]).await;
    let english = reader.list("Library Book", "").await;
    assert!(english.server_messages().join("").contains("may not read"), "{:?}", english.server_messages());
    let german = reader.with_header("accept-language", "de").list("Library Book", "").await;
    let messages = german.server_messages().join("");
    assert!(messages.contains("Buch") && !messages.contains("may not"), "{messages}");
    assert_eq!(german.status, english.status);
    let second = reader.with_header("accept-language", "de").get("/api/v2/document/Library%20Book").await.json();
    assert_eq!(second["errors"][0]["type"], "PermissionError");
    assert!(!second["errors"][0]["message"].as_str().unwrap().contains("may not"), "{second}");
}

#[tokio::test]
async fn stored_values_and_definitions_stay_english() {
    let site = TestSite::new().with_doctype(BOOK).await;
    let administrator = reading(&site, "de").await;
    let page = administrator.get("/app/library-book/new").await.status(200).body;
    let typed = [("csrf_token", token(&page)), ("__action", "save"), ("title", "Dune"), ("shelf", "Upper Shelf")];
    administrator.form("/app/library-book/new", &typed).await.redirect();
    assert_eq!(administrator.read("Library Book", "Dune").await.json()["data"]["shelf"], "Upper Shelf");
    let saved = administrator.get("/app/library-book/Dune").await.status(200).body;
    lacks(&saved, &["Saved Dune"]);
    has(&saved, &["flash-green"]);
    // What somebody wrote is never translated, even where it reads like a text of the program.
    site.db_insert("Library Book", json!({"title": "Settings"})).await;
    has(&administrator.get("/app/library-book/Settings").await.body, &["<h1>Settings"]);
}

#[tokio::test]
async fn a_changed_translation_counts_at_once() {
    let site = TestSite::new().with_doctype(BOOK).await;
    let administrator = reading(&site, "de").await;
    has(&administrator.get("/app/library-book/new").await.body, &[">Werk<"]);
    let changed = BOOK.replace("Title: Werk", "Title: Name des Werks");
    let sources = vec![Source { path: "test/book.yaml".to_owned(), text: changed }];
    assert!(matches!(reload(&site.site, &sources).await, Reloaded::Swapped { .. }));
    has(&administrator.get("/app/library-book/new").await.body, &[">Name des Werks<"]);
    let messages = administrator.create("Library Book", json!({})).await.server_messages().join("");
    assert!(messages.contains("Name des Werks"), "{messages}");
    let broken = vec![Source {
        path: "test/book.yaml".to_owned(),
        text: BOOK.replace("Title: Werk", "Title: 3").replace("  de:", "  deutsch:"),
    }];
    let Reloaded::Kept(problems) = reload(&site.site, &broken).await else { panic!("it was taken") };
    assert!(problems.iter().any(|line| line.contains("`deutsch`")), "{problems:?}");
}

#[tokio::test]
async fn a_site_adds_and_changes_translations_in_its_folder() {
    let site = TestSite::new()
        .with_config(|config| {
            let folder = config.templates.join("locale");
            std::fs::create_dir_all(&folder).unwrap();
            std::fs::write(folder.join("de.po"), "msgid \"Password\"\nmsgstr \"Kennwort\"\n").unwrap();
            std::fs::write(folder.join("nds.po"), "msgid \"Password\"\nmsgstr \"Togangswoort\"\n").unwrap();
        })
        .await;
    let german = site.guest().with_header("accept-language", "de").get("/login").await.body;
    has(&german, &["Kennwort", ">Anmelden</button>"]);
    let low_german = site.guest().with_header("accept-language", "nds");
    has(&low_german.get("/login").await.body, &["<html lang=\"en\""]);
    site.db_insert("Language", json!({"language_code": "nds", "language_name": "Plattdüütsch"})).await;
    has(&low_german.get("/login").await.body, &["<html lang=\"nds\" dir=\"ltr\"", "Togangswoort", ">Log in</button>"]);
}

#[tokio::test]
async fn arabic_is_read_from_right_to_left_and_falls_back_to_english() {
    let site = TestSite::new().with_doctype(BOOK).await;
    let administrator = reading(&site, "ar").await;
    let list = administrator.get("/app/library-book").await.status(200).body;
    has(&list, &["<html lang=\"ar\" dir=\"rtl\"", "Library Book"]);
    lacks(&list, &[">Apply</button>"]);
    let form = administrator.get("/app/library-book/new").await.status(200).body;
    has(&form, &["Where it stands."]);
    lacks(&form, &[">Save</button>"]);
}

#[tokio::test]
async fn what_scripts_say_comes_with_the_page() {
    let site = TestSite::new().await;
    let texts = site.guest().get("/assets/locale/de.js").await.status(200);
    assert!(texts.header("content-type").starts_with("text/javascript"), "{}", texts.header("content-type"));
    let texts: Json =
        serde_json::from_str(texts.body.trim_start_matches("export default ").trim_end_matches(";\n")).unwrap();
    assert_eq!(texts["Undo"], "Rückgängig");
    assert_eq!(texts["{count} documents"].as_array().map(Vec::len), Some(2), "one and more");
    site.guest().get("/assets/locale/tlh.js").await.status(404);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_german_browser_shows_no_english() {
    if !is_wanted() {
        return;
    }
    let site = TestSite::new().with_doctype(BOOK).listening().await;
    site.db_update("User", "Administrator", json!({"language": "de"})).await;
    let browser = Browser::start(&site.folder.path().join("profile")).await;
    browser.open(&format!("{}/app/library-book/new", site.site.config.site_url)).await;
    browser.log_in("Administrator").await;
    browser.wait_for("return document.querySelector('[data-form]')?.dataset.ready === 'yes'").await;
    browser.screenshot("german-form").await;
    assert_eq!(browser.console().await, Vec::<String>::new(), "the catalog of scripts is there");
    browser.run("document.querySelector('[data-save]').click()").await;
    browser.wait_for("return document.querySelector('#problems-title') !== null").await;
    let text = browser.text().await;
    lacks(&text, &["is required", "Could not save", "Save", "Title"]);
    browser.open(&format!("{}/app/library-book", site.site.config.site_url)).await;
    browser.run("document.body.dispatchEvent(new KeyboardEvent('keydown', { key: '?', bubbles: true }))").await;
    browser.wait_for("return document.querySelector('dialog.keys')?.open").await;
    lacks(
        &browser.run("return document.querySelector('dialog.keys').textContent").await.to_string(),
        &["Search", "Close"],
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_arabic_desk_stands_the_other_way_round() {
    if !is_wanted() {
        return;
    }
    let site = TestSite::new().with_doctype(BOOK).listening().await;
    site.db_insert("Library Book", json!({"title": "Dune", "shelf": "Upper Shelf"})).await;
    site.db_update("User", "Administrator", json!({"language": "ar"})).await;
    let browser = Browser::start(&site.folder.path().join("profile")).await;
    browser.open(&format!("{}/app/library-book", site.site.config.site_url)).await;
    browser.log_in("Administrator").await;
    for (width, path) in
        [(1280, "library-book"), (390, "library-book"), (1280, "library-book/Dune"), (390, "library-book/Dune")]
    {
        browser.resize(width, 900).await;
        browser.open(&format!("{}/app/{path}", site.site.config.site_url)).await;
        browser.wait_for("return document.documentElement.dir === 'rtl'").await;
        browser.screenshot(&format!("arabic-{}-{width}", path.replace('/', "-"))).await;
        let wide =
            browser.run("return document.documentElement.scrollWidth - document.documentElement.clientWidth").await;
        assert!(wide.as_i64().unwrap() <= 0, "{path} at {width}: {wide} hang over");
        let brand =
            browser.run("return document.querySelector('.brand').getBoundingClientRect().left > innerWidth / 2").await;
        assert_eq!(brand, json!(true), "the brand stands at the right");
    }
}
