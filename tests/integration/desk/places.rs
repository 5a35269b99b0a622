//! Where somebody is in a form, in a real browser: folded sections, tabs, and the list that they came from.

use serde_json::json;

use super::browser::{READY, SAVED, open, press_save};
use crate::browser::{Browser, is_wanted};
use crate::support::TestSite;

const SHEET: &str = "
name: Sheet
module: Library
title_field: title
autoname: field:title
sort_field: title
sort_order: ASC
fields:
  - { fieldname: title, fieldtype: Data, label: Title, reqd: true, in_list_view: true, description: The first line. }
  - { fieldname: kind, fieldtype: Select, label: Kind, options: ['', Novel, Essay], in_standard_filter: true, description: Which kind. }
  - { fieldname: often, fieldtype: Section Break, label: Often, collapsible: true, description: What is looked at. }
  - { fieldname: pages, fieldtype: Int, label: Pages, description: How many. }
  - { fieldname: seldom, fieldtype: Section Break, label: Seldom, collapsible: true, description: What is not. }
  - { fieldname: weight, fieldtype: Int, label: Weight, non_negative: true, description: How heavy. }
  - { fieldname: more, fieldtype: Tab Break, label: More, description: The rest. }
  - { fieldname: remark, fieldtype: Data, label: Remark, description: Anything. }
permissions:
  - { role: System Manager, read: true, write: true, create: true, delete: true }
";

async fn visit(site: &TestSite, browser: &Browser, path: &str) {
    browser.open(&format!("{}{path}", site.site.config.site_url)).await;
    browser.wait_for(READY).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sections_stay_as_a_person_folded_them_and_open_for_what_is_wrong() {
    if !is_wanted() {
        return;
    }
    let site = TestSite::new().with_doctype(SHEET).listening().await;
    for title in ["a", "b"] {
        site.db_insert("Sheet", json!({"title": title})).await;
    }
    let browser = open(&site, "/app/sheet/a").await;
    let seen = "return [...document.querySelectorAll('details[data-section]')].map((section) => section.open)";
    assert_eq!(browser.run(seen).await, json!([false, false]));
    browser.click("#s-often > summary").await;
    browser.type_into("#f-pages", "7").await;
    press_save(&browser).await;
    browser.wait_for(SAVED).await;
    browser.wait_for(READY).await;
    assert_eq!(browser.run(seen).await, json!([true, false]), "after saving");
    visit(&site, &browser, "/app/sheet/b").await;
    assert_eq!(browser.run(seen).await, json!([true, false]), "in the next form");
    browser.click("#s-often > summary").await;
    browser.run("document.querySelector('#f-weight').value = '-1'").await;
    press_save(&browser).await;
    browser.wait_for("return document.querySelector('#f-weight-error') !== null").await;
    browser.wait_for(READY).await;
    assert_eq!(browser.run(seen).await, json!([false, true]), "what is wrong is shown");

    // The tab that is open stays open from one document to the next, and a new one begins at the first.
    visit(&site, &browser, "/app/sheet/a").await;
    browser.click("#tab-more-button").await;
    visit(&site, &browser, "/app/sheet/b").await;
    let tab = "return document.querySelector('[role=tab][aria-selected=true]').textContent.trim()";
    assert_eq!(browser.run(tab).await, json!("More"));
    visit(&site, &browser, "/app/sheet/new").await;
    assert_eq!(browser.run(tab).await, json!("Details"));
    assert_eq!(browser.run("return document.activeElement.id").await, json!("f-title"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_leads_from_one_document_to_the_next_in_its_order_and_across_its_pages() {
    if !is_wanted() {
        return;
    }
    let site = TestSite::new().with_doctype(SHEET).listening().await;
    for number in 0..45 {
        let kind = if number % 2 == 0 { "Novel" } else { "Essay" };
        site.db_insert("Sheet", json!({"title": format!("s{number:02}"), "kind": kind})).await;
    }
    let browser = open(&site, "/app/sheet/s01").await;
    assert_eq!(browser.run("return document.querySelector('.steps')").await, json!(null), "no list led here");
    browser.open(&format!("{}/app/sheet?kind=Novel&order_by=title%20asc", site.site.config.site_url)).await;
    browser.wait_for("return document.querySelectorAll('.documents .row-link').length === 20").await;
    browser.run("[...document.querySelectorAll('.documents .row-link')][18].click()").await;
    let at = |name: &str| {
        format!(
            "return location.pathname === '/app/sheet/{name}' && document.querySelector('[data-form]')?.dataset.ready === 'yes'"
        )
    };
    browser.wait_for(&at("s36")).await;
    browser.screenshot("steps").await;
    browser.click("[data-step=next]").await;
    browser.wait_for(&at("s38")).await;
    // The next one is on the next page of the list.
    browser.type_into("body", "j").await;
    browser.wait_for(&at("s40")).await;
    browser.type_into("body", "j").await;
    browser.wait_for(&at("s42")).await;
    browser.type_into("body", "k").await;
    browser.wait_for(&at("s40")).await;
    browser.type_into("body", "k").await;
    browser.wait_for(&at("s38")).await;
    // The way back leads to the list with its filters.
    let back = "return document.querySelector('.crumbs a').search.includes('kind=Novel')";
    assert_eq!(browser.run(back).await, json!(true));
}
