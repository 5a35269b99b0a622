//! Formulas in the form of a real browser: computed while somebody types, as they will be saved.

use serde_json::json;

use super::{BUYER, ITEM, ORDER};
use crate::browser::is_wanted;
use crate::desk::browser::{READY, SAVED, open, press_save};
use crate::support::TestSite;

fn shown(field: &str) -> String {
    format!("return document.querySelector('.field[data-field=\"{field}\"] .value').textContent")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_form_computes_while_somebody_types_and_saves_the_same() {
    if !is_wanted() {
        return;
    }
    let site = TestSite::new().with_doctype(ORDER).with_doctype(ITEM).with_doctype(BUYER).listening().await;
    site.db_insert("Buyer", json!({"buyer_name": "Ada", "payment_days": 30})).await;
    let browser = open(&site, "/app/sales-order/new").await;
    assert_eq!(browser.run(&shown("net")).await, json!("0"));
    browser.click("[data-grid=items] [data-add-row]").await;
    browser.paste("[name='items.0.item']", "Pen\t3\t0.1\nInk\t1.5\t1.1\n").await;
    browser.type_into("#f-discount", "10").await;
    browser.wait_for(&format!("{} === '1.76'", shown("total"))).await;
    let cell =
        "return [...document.querySelectorAll('.cell[data-field=share] .value')].map((cell) => cell.textContent)";
    assert_eq!(browser.run(cell).await, json!(["15.4%", "84.6%"]));
    let total = "return document.querySelector('[data-total-of=amount]').textContent";
    assert_eq!(browser.run(total).await, json!("1.95"));
    // A field of the customer is asked for when one is chosen.
    browser
        .run("const day = document.querySelector('[name=posted_on]'); day.value = '2026-01-31'; day.dispatchEvent(new Event('input', {bubbles: true}));")
        .await;
    browser.type_into("#f-customer", "Ada").await;
    browser
        .wait_for("return document.querySelector('.field[data-field=due_on] .value').textContent === '2026-03-02'")
        .await;
    browser.screenshot("formulas").await;
    press_save(&browser).await;
    browser.wait_for(SAVED).await;
    browser.wait_for(READY).await;
    for (field, text) in
        [("net", "1.95"), ("total", "1.76"), ("due_on", "2026-03-02"), ("lines", "2"), ("dearest", "1.65")]
    {
        assert_eq!(browser.run(&shown(field)).await, json!(text), "{field}");
    }
    assert_eq!(browser.console().await, [""; 0]);
}
