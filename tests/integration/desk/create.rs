//! Link pickers in a real browser: what a link wants is made on the way, and nothing that was typed is lost by it.

use serde_json::json;

use super::browser::{READY, SAVED, open, press_save};
use crate::browser::{Browser, is_wanted};
use crate::support::TestSite;

const BOX: &str = "
name: Box
module: Library
title_field: title
fields:
  - { fieldname: title, fieldtype: Data, label: Title, description: What is on it. }
  - { fieldname: shelf, fieldtype: Link, options: Shelf, label: Shelf, description: Where it stands. }
  - { fieldname: pin, fieldtype: Password, label: Pin, description: Opens it. }
  - { fieldname: further, fieldtype: Tab Break, label: Further }
  - { fieldname: parts, fieldtype: Table, options: Box Part, label: Parts, description: What is in it. }
permissions:
  - { role: System Manager, read: true, write: true, create: true, delete: true }
";

const PART: &str = "
name: Box Part
module: Library
istable: true
fields:
  - { fieldname: part, fieldtype: Data, label: Part, in_list_view: true, description: Which one. }
  - { fieldname: shelf, fieldtype: Link, options: Shelf, label: Shelf, in_list_view: true, description: Where it belongs. }
";

const SHELF: &str = "
name: Shelf
module: Library
title_field: title
show_title_field_in_link: true
autoname: SHELF-.###
fields:
  - { fieldname: title, fieldtype: Data, label: Title, reqd: true, description: How people call it. }
permissions:
  - { role: System Manager, read: true, write: true, create: true, delete: true }
";

async fn site() -> TestSite {
    TestSite::new().with_doctype(BOX).with_doctype(PART).with_doctype(SHELF).listening().await
}

/// Types into a picker and chooses the option for a new document.
async fn make_new(browser: &Browser, css: &str, typed: &str) {
    browser.type_into(css, typed).await;
    browser.wait_for("return document.querySelector('.listbox:not([hidden]) .create') !== null").await;
    browser
        .run("document.querySelector('.listbox:not([hidden]) .create').dispatchEvent(new MouseEvent('mousedown', { bubbles: true, cancelable: true }))")
        .await;
    browser.wait_for("return location.pathname === '/app/shelf/new'").await;
    browser.wait_for(READY).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_link_wants_is_made_on_the_way_and_comes_back_chosen() {
    if !is_wanted() {
        return;
    }
    let site = site().await;
    let browser = open(&site, "/app/box/new").await;
    browser.type_into("#f-title", "Maps").await;
    browser.type_into("#f-pin", "secret").await;
    browser.click("#tab-further-button").await;
    browser.click("[data-add-row]").await;
    browser.type_into("[name='parts.0.part']", "Atlas").await;
    make_new(&browser, "[name='parts.0.shelf']", "Cellar").await;
    assert_eq!(browser.run("return document.querySelector('#f-title').value").await, json!("Cellar"), "what was typed");
    let kept = "return [localStorage, sessionStorage].some((kept) => Object.values(kept).some((text) => text.includes('secret')))";
    assert_eq!(browser.run(kept).await, json!(false), "passwords are not kept");
    press_save(&browser).await;
    browser
        .wait_for("return location.pathname === '/app/box/new' && document.querySelector('[data-again]') !== null")
        .await;
    browser.wait_for(READY).await;
    browser.screenshot("created-in-place").await;
    let seen =
        "return [document.querySelector('#f-title').value, document.querySelector(\"[name='parts.0.part']\").value,
        document.querySelector(\"[name='parts.0.shelf']\").value, document.activeElement.name, location.search]";
    assert_eq!(browser.run(seen).await, json!(["Maps", "Atlas", "SHELF-001", "parts.0.shelf", ""]));

    // Whoever goes back without it finds what was typed as well.
    browser.run("document.querySelector('#tab-details-button').click()").await;
    make_new(&browser, "#f-shelf", "Attic").await;
    browser.click(".notice a[data-leave]").await;
    browser.wait_for("return document.querySelector('[data-again]') !== null").await;
    browser.wait_for(READY).await;
    assert_eq!(browser.run("return document.querySelector('#f-shelf').value").await, json!("Attic"));
    browser.run("document.querySelector('#f-shelf').value = ''").await;
    press_save(&browser).await;
    browser.wait_for(SAVED).await;
    browser.wait_for(READY).await;
    assert_eq!(site.db_names("Box", json!({"title": "Maps"})).await.len(), 1);
    assert_eq!(site.db_names("Shelf", json!([])).await, ["SHELF-001"]);
    let kept = "return [...Object.keys(localStorage), ...Object.keys(sessionStorage)].filter((key) => !/^(tab|recent):/.test(key))";
    assert_eq!(browser.run(kept).await, json!([]), "nothing is left but which tab was open and which documents");

    // The same from a document that is stored, on its own address.
    browser.type_into("#f-title", " of 1900").await;
    make_new(&browser, "#f-shelf", "Attic").await;
    press_save(&browser).await;
    browser.wait_for("return document.querySelector('[data-again]') !== null").await;
    browser.wait_for(READY).await;
    press_save(&browser).await;
    browser.wait_for(SAVED).await;
    let attic = site.db_names("Shelf", json!({"title": "Attic"})).await.remove(0);
    assert_eq!(site.db_names("Box", json!({"title": "Maps of 1900", "shelf": attic})).await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_document_leads_back_to_pages_of_the_desk_alone() {
    if !is_wanted() {
        return;
    }
    let site = site().await;
    let browser = open(&site, "/app/shelf/new").await;
    for (number, foreign) in
        ["//evil.example/app/", "https://evil.example/app/", "/logout", "/app/../logout"].iter().enumerate()
    {
        let query = url::form_urlencoded::Serializer::new(String::new()).append_pair("return", foreign).finish();
        browser.open(&format!("{}/app/shelf/new?title=S{number}&{query}", site.site.config.site_url)).await;
        browser.wait_for(READY).await;
        assert_eq!(
            browser.run("return document.querySelector('.notice a[data-leave]')").await,
            json!(null),
            "{foreign}"
        );
        press_save(&browser).await;
        browser.wait_for(SAVED).await;
        let path = browser.run("return location.pathname").await;
        assert_eq!(path, format!("/app/shelf/SHELF-00{}", number + 1), "{foreign}");
    }
}
