//! Grids of forms in a real browser: cells from spreadsheets, choosing, dragging, totals, pages, CSV.

use doctyped::testing::permissions::Session;
use serde_json::{Value as Json, json};

use super::browser::{READY, SAVED, open, press_save};
use crate::browser::{Browser, is_wanted};
use crate::support::TestSite;

const ORDER: &str = "
name: Order
module: Library
title_field: title
fields:
  - { fieldname: title, fieldtype: Data, label: Title, description: What it is called. }
  - { fieldname: items, fieldtype: Table, options: Order Item, label: Items, description: What is wanted. }
permissions:
  - { role: System Manager, read: true, write: true, create: true, delete: true }
";

const ITEM: &str = "
name: Order Item
module: Library
istable: true
fields:
  - { fieldname: item, fieldtype: Data, label: Item, in_list_view: true, description: Which one. }
  - { fieldname: kind, fieldtype: Select, options: ['', Novel, Essay], label: Kind, in_list_view: true, description: Which kind. }
  - { fieldname: pieces, fieldtype: Int, label: Pieces, in_list_view: true, description: How many. }
  - { fieldname: price, fieldtype: Currency, label: Price, in_list_view: true, description: What one costs. }
  - { fieldname: due, fieldtype: Date, label: Due, in_list_view: true, description: Until when. }
  - { fieldname: gift, fieldtype: Check, label: Gift, in_list_view: true, description: Whether it is wrapped. }
  - { fieldname: remark, fieldtype: Small Text, label: Remark, description: Anything else. }
";

async fn site() -> TestSite {
    TestSite::new().with_doctype(ORDER).with_doctype(ITEM).listening().await
}

const NAMES: &str =
    "return [...document.querySelectorAll('[name$=\".item\"]')].map((input) => [input.name, input.value].join())";
const SAID: &str = "return document.querySelector('.grid-said').innerText";

async fn save(browser: &Browser) {
    press_save(browser).await;
    browser.wait_for(SAVED).await;
    browser.wait_for(READY).await;
}

fn texts(found: &Json) -> Vec<&str> {
    found.as_array().unwrap().iter().map(|text| text.as_str().unwrap()).collect()
}

/// The rows of the order with a title, as they are stored.
async fn stored(site: &TestSite, title: &str) -> Vec<Json> {
    let name = site.db_names("Order", json!({"title": title})).await.remove(0);
    let order = site.documents().get(&Session::system(), "Order", &name).await.unwrap();
    order.to_json_whole()["items"].as_array().unwrap().clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn cells_of_a_spreadsheet_are_pasted_into_a_grid_as_if_they_were_typed() {
    if !is_wanted() {
        return;
    }
    let site = site().await;
    let browser = open(&site, "/app/order/new").await;
    browser.type_into("#f-title", "One").await;
    browser.click("[data-add-row]").await;
    let cells = "Dune\tNovel\t2\t0.10\t2026-03-31\t1\r\n\"Say \"\"hi\"\"\tthere\"\tessay\t3\t0.20\t31.3.2026\tyes\r\nEmma\tPoem\t4\t10\t3/4/2026\tno\r\n";
    browser.paste("[name='items.0.item']", cells).await;
    browser.screenshot("grid-pasted").await;
    assert_eq!(
        texts(&browser.run(NAMES).await),
        ["items.0.item,Dune", "items.1.item,Say \"hi\"\tthere", "items.2.item,Emma"]
    );
    let said = browser.run(SAID).await.as_str().unwrap().to_owned();
    for part in ["Filled in 3 rows, 2 of them new.", "Row 3: Kind has no option “Poem”.", "Row 3: Due is not a date"]
    {
        assert!(said.contains(part), "{part}: {said}");
    }
    // Totals are exact: 0.10 and 0.20 and 10.
    let totals = "return [...document.querySelectorAll('tfoot [data-total-of]')].map((cell) => cell.textContent)";
    assert_eq!(browser.run(totals).await, json!(["9", "10.30"]));
    browser.type_into("[name='items.2.price']", "00.7").await;
    assert_eq!(browser.run(totals).await, json!(["9", "1001.00"]));
    save(&browser).await;
    let items = stored(&site, "One").await;
    let seen: Vec<Json> = items
        .iter()
        .map(|item| json!([item["item"], item["kind"], item["pieces"], item["price"], item["due"], item["gift"]]))
        .collect();
    assert_eq!(seen[0], json!(["Dune", "Novel", 2, 0.1, "2026-03-31", 1]));
    assert_eq!(seen[1], json!(["Say \"hi\"\tthere", "Essay", 3, 0.2, "2026-03-31", 1]));
    assert_eq!(seen[2], json!(["Emma", "", 4, 1000.7, null, 0]));

    // From a cell in the middle: rows that are there are filled in first; undoing takes it all back.
    browser.paste("[name='items.2.pieces']", "7\t1\n8\t2").await;
    assert_eq!(browser.run("return document.querySelectorAll('[data-row]').length").await, json!(4));
    browser.click("[data-undo]").await;
    assert_eq!(browser.run("return document.querySelectorAll('[data-row]').length").await, json!(3));
    assert_eq!(browser.run("return document.querySelector(\"[name='items.2.pieces']\").value").await, json!("4"));
    // One text is pasted as everywhere.
    browser.paste("[name='items.0.item']", "plain").await;
    assert_eq!(browser.run(SAID).await, json!(""));
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_are_chosen_dragged_duplicated_removed_and_brought_back() {
    if !is_wanted() {
        return;
    }
    let site = site().await;
    let items: Vec<Json> = ["a", "b", "c", "d"].iter().map(|item| json!({"item": item, "remark": "kept"})).collect();
    let name = site.db_insert("Order", json!({"title": "One", "items": items})).await;
    let browser = open(&site, &format!("/app/order/{name}")).await;
    let order = "return [...document.querySelectorAll('[name$=\".item\"]')].map((input) => input.value).join('')";
    browser.drag("[data-row='3'] [data-handle]", "[data-row='0']").await;
    assert_eq!(browser.run(order).await, json!("dabc"));
    // From a to c with Shift.
    let click = "document.querySelector(`[data-row='${row}'] [data-select]`).dispatchEvent(new MouseEvent('click', { bubbles: true, shiftKey: shift }))";
    browser.run(&format!("const row = 0, shift = false; {click}")).await;
    browser.run(&format!("const row = 2, shift = true; {click}")).await;
    assert_eq!(browser.run("return document.querySelectorAll('[data-select]:checked').length").await, json!(3));
    browser.click("[data-copy-selected]").await;
    assert_eq!(browser.run(order).await, json!("dabcabc"));
    browser.click("[data-remove-selected]").await;
    assert_eq!(browser.run(order).await, json!("dabc"));
    browser.click(".select-all").await;
    browser.click("[data-remove-selected]").await;
    assert_eq!(browser.run(order).await, json!(""));
    browser.click("[data-undo]").await;
    assert_eq!(browser.run(order).await, json!("dabc"));
    browser.screenshot("grid-undone").await;
    save(&browser).await;
    let items = stored(&site, "One").await;
    let seen: String = items.iter().map(|item| item["item"].as_str().unwrap()).collect();
    assert_eq!(seen, "dabc");
    assert!(items.iter().all(|item| item["remark"] == "kept"), "{items:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn many_rows_are_shown_page_by_page_and_all_are_saved() {
    if !is_wanted() {
        return;
    }
    let site = site().await;
    let items: Vec<Json> = (0..120).map(|number| json!({"item": format!("n{number}"), "pieces": 1})).collect();
    let name = site.db_insert("Order", json!({"title": "One", "items": items})).await;
    let browser = open(&site, &format!("/app/order/{name}")).await;
    let shown = "return [document.querySelectorAll('[data-row]:not([hidden])').length, document.querySelector('.grid-pager span').textContent]";
    assert_eq!(browser.run(shown).await, json!([50, "1–50 of 120"]));
    browser.type_into("[name='items.0.item']", "!").await;
    browser.click(".grid-pager [data-tool=right]").await;
    browser.click(".grid-pager [data-tool=right]").await;
    assert_eq!(browser.run(shown).await, json!([20, "101–120 of 120"]));
    browser.type_into("[name='items.119.pieces']", "000").await;
    assert_eq!(browser.run("return document.querySelector('[data-total-of=pieces]').textContent").await, json!("1119"));
    browser.run("document.querySelector(\"[name='items.60.pieces']\").value = 'many'").await;
    press_save(&browser).await;
    // What is wrong is on the second page: it stands open.
    browser.wait_for("return document.querySelector('.cell.invalid') !== null").await;
    browser.wait_for(READY).await;
    assert_eq!(browser.run(shown).await, json!([50, "51–100 of 120"]));
    browser.run("document.querySelector(\"[name='items.60.pieces']\").value = '5'").await;
    save(&browser).await;
    let items = stored(&site, "One").await;
    assert_eq!(
        (&items[0]["item"], &items[60]["pieces"], &items[119]["pieces"]),
        (&json!("n0!"), &json!(5), &json!(1000))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_of_a_grid_go_into_csv_and_come_out_of_it() {
    if !is_wanted() {
        return;
    }
    let site = site().await;
    let items = json!([
        {"item": "=1+1, \"quoted\"", "kind": "Novel", "pieces": -2, "price": 1.5, "gift": 1, "remark": "two\nlines"},
        {"item": "ö"}
    ]);
    let name = site.db_insert("Order", json!({"title": "One", "items": items})).await;
    let browser = open(&site, &format!("/app/order/{name}")).await;
    // What would be downloaded is read instead.
    browser
        .run("URL.createObjectURL = (blob) => { blob.text().then((text) => { window.csv = text; }); return '#'; }; HTMLAnchorElement.prototype.click = () => {};")
        .await;
    browser.click("[data-csv-download]").await;
    browser.wait_for("return typeof window.csv === 'string'").await;
    let csv = browser.run("return window.csv").await.as_str().unwrap().to_owned();
    let lines: Vec<&str> = csv.split("\r\n").collect();
    assert_eq!(lines[0], "Item,Kind,Pieces,Price,Due,Gift,Remark");
    assert!(lines[1].starts_with("\"'=1+1, \"\"quoted\"\"\",Novel,-2,1.5"), "{csv}");

    browser.open(&format!("{}/app/order/new", site.site.config.site_url)).await;
    browser.wait_for(READY).await;
    let file = site.folder.path().join("rows.csv");
    std::fs::write(&file, csv).unwrap();
    browser.type_into("[data-csv-file]", file.to_str().unwrap()).await;
    browser.wait_for("return document.querySelectorAll('[data-row]').length === 2").await;
    assert_eq!(browser.run(SAID).await.as_str().unwrap().lines().next(), Some("Filled in 2 rows, 2 of them new."));
    browser.type_into("#f-title", "Two").await;
    save(&browser).await;
    let copied = stored(&site, "Two").await;
    for (key, value) in items[0].as_object().unwrap() {
        assert_eq!(copied[0][key], *value, "{key}");
    }
    assert_eq!(copied[1]["item"], "ö");
}
