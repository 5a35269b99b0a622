//! Editors of forms in a real browser, under the policy of the pages: code, rich text, Markdown, places, signatures.

use doctyped::testing::permissions::Session;
use serde_json::{Value as Json, json};

use super::browser::{READY, SAVED, open, press_save};
use crate::browser::{Browser, is_wanted};
use crate::support::TestSite;

const ESCAPE: &str = "\u{e00c}";
const TAB: &str = "\u{e004}";
const ENTER: &str = "\u{e007}";

const PAGE: &str = "
name: Page
module: Library
title_field: title
fields:
  - { fieldname: title, fieldtype: Data, label: Title, description: What it is called. }
  - { fieldname: story, fieldtype: Text Editor, label: Story, description: What it says. }
  - { fieldname: notes, fieldtype: Markdown Editor, label: Notes, description: Notes on it. }
  - { fieldname: markup, fieldtype: HTML Editor, label: Markup, description: How it looks. }
  - { fieldname: script, fieldtype: Code, options: Python, label: Script, description: What it does. }
  - { fieldname: settings, fieldtype: JSON, label: Settings, description: How it is set. }
  - { fieldname: place, fieldtype: Geolocation, label: Place, description: Where it is. }
  - { fieldname: signed, fieldtype: Signature, label: Signed, description: Who answers for it. }
permissions:
  - { role: System Manager, read: true, write: true, create: true, delete: true }
";

const EDITORS: &str = "return document.querySelector('[data-form]')?.dataset.editors === 'ready'";

async fn site() -> TestSite {
    TestSite::new().with_doctype(PAGE).listening().await
}

async fn open_page(site: &TestSite, path: &str) -> Browser {
    let browser = open(site, path).await;
    browser.wait_for(EDITORS).await;
    browser
}

async fn save(browser: &Browser) {
    press_save(browser).await;
    browser.wait_for(SAVED).await;
    browser.wait_for(READY).await;
    browser.wait_for(EDITORS).await;
}

async fn value(browser: &Browser, fieldname: &str) -> String {
    let script = format!("return document.querySelector('#f-{fieldname}').value");
    browser.run(&script).await.as_str().unwrap().to_owned()
}

async fn stored(site: &TestSite) -> Json {
    let name = site.db_names("Page", json!([])).await.remove(0);
    let page = site.documents().get(&Session::system(), "Page", &name).await.unwrap();
    Json::Object(page.to_json_whole())
}

#[tokio::test(flavor = "multi_thread")]
async fn code_is_written_in_an_editor_that_the_keyboard_can_leave() {
    if !is_wanted() {
        return;
    }
    let site = site().await;
    let browser = open_page(&site, "/app/page/new").await;
    browser.type_into("#f-title", "One").await;
    browser.type_into("[data-field=script] .cm-content", &format!("if x:{ENTER}{TAB}y = 'ü'")).await;
    assert_eq!(value(&browser, "script").await, "if x:\n        y = 'ü'", "the line was indented already");
    // Tab indents; after Escape it goes on to the next field.
    browser.type_into(":focus", &format!("{ESCAPE}{TAB}")).await;
    let place = "return document.activeElement.closest('[data-field]')?.dataset.field";
    assert_eq!(browser.run(place).await, json!("settings"));
    browser.type_into("[data-field=settings] .cm-content", "{\"a\": [1").await;
    browser.wait_for("return document.querySelector('.cm-lint-marker-error') !== null").await;
    browser.type_into("[data-field=settings] .cm-content", ", 2]}").await;
    browser.type_into("[data-field=markup] .cm-content", "<p>Hi</p>").await;
    browser.type_into("[data-field=notes] .cm-content", "# Notes").await;
    // The editor has the field's name and help text, and its label leads into it.
    let named = "const content = document.querySelector('[data-field=script] .cm-content');
        return [content.getAttribute('aria-labelledby'), content.getAttribute('aria-describedby').split(' ')]
            .flat().map((id) => document.getElementById(id).textContent.trim())";
    assert_eq!(
        browser.run(named).await,
        json!(["Script", "What it does.", "Tab indents. Escape, then Tab, leaves the editor."])
    );
    browser.click("label[for=f-markup]").await;
    assert_eq!(browser.run(place).await, json!("markup"));
    // What is kept of a form that was left is what stands in its editors.
    browser.wait_for("return Object.values(localStorage).some((kept) => kept.includes('# Notes'))").await;
    browser.look("editors").await;
    save(&browser).await;
    let page = stored(&site).await;
    assert_eq!(page["script"], "if x:\n        y = 'ü'");
    assert_eq!(page["settings"], "{\"a\": [1, 2]}");
    assert_eq!(page["markup"], "<p>Hi</p>");
    assert_eq!(page["notes"], "# Notes");
    assert_eq!(browser.console().await, Vec::<String>::new(), "the policy allows all of it");
}

#[tokio::test(flavor = "multi_thread")]
async fn markdown_is_shown_as_people_will_read_it() {
    if !is_wanted() {
        return;
    }
    let site = site().await;
    let browser = open_page(&site, "/app/page/new").await;
    let text = format!("# Dune{ENTER}{ENTER}*so* <img src=x onerror=alert(1)> <script>alert(2)</script>");
    browser.type_into("[data-field=notes] .cm-content", &text).await;
    browser.click("[data-preview]").await;
    browser.wait_for("return document.querySelector('.editor-preview h1')?.textContent === 'Dune'").await;
    let seen = browser.run("return document.querySelector('.editor-preview').innerHTML").await;
    let seen = seen.as_str().unwrap();
    assert!(seen.contains("<em>so</em>") && !seen.contains("script") && !seen.contains("onerror"), "{seen}");
    browser.click("[data-preview]").await;
    assert_eq!(browser.run("return document.activeElement.className.includes('cm-content')").await, json!(true));
}

#[tokio::test(flavor = "multi_thread")]
async fn rich_text_is_stored_as_it_was_written_and_opening_it_changes_nothing() {
    if !is_wanted() {
        return;
    }
    let site = site().await;
    let browser = open_page(&site, "/app/page/new").await;
    browser.type_into("#f-title", "One").await;
    let rich = "[data-field=story] .rich";
    browser.type_into(rich, &format!("# Chapter <1>{ENTER}Some ")).await;
    let press = |name: &str| format!("document.querySelector('[data-format={name}]').click()");
    for (format, text) in
        [("bold", "bold"), ("italic", "it & al"), ("underline", "u"), ("strike", "s"), ("code", "x = 1")]
    {
        browser.run(&press(format)).await;
        browser.type_into(rich, text).await;
        browser.run(&press(format)).await;
        browser.type_into(rich, " ").await;
    }
    browser.run(&press("link")).await;
    browser.wait_for("return document.activeElement.closest('.editor-address') !== null").await;
    browser.type_into(":focus", &format!("https://example.com/?a=1&b=2{ENTER}")).await;
    browser
        .type_into(rich, &format!("{ENTER}- one{ENTER}two{ENTER}{ENTER}> said{ENTER}{ENTER}1. first{ENTER}{ENTER}"))
        .await;
    browser.run(&press("rule")).await;
    browser.type_into(rich, "the end").await;
    browser.screenshot("rich-text").await;
    let written = value(&browser, "story").await;
    for part in [
        "<h1>Chapter &lt;1&gt;</h1>",
        "<strong>bold</strong> <em>it &amp; al</em> <u>u</u> <s>s</s> <code>x = 1</code>",
        "<a href=\"https://example.com/?a=1&amp;b=2\" rel=\"noopener noreferrer\">",
        "<ul><li>one</li><li>two</li></ul>",
        "<blockquote><p>said</p></blockquote>",
        "<ol><li>first</li></ol>",
        "<hr>",
    ] {
        assert!(written.contains(part), "{part}: {written}");
    }
    save(&browser).await;
    assert_eq!(stored(&site).await["story"], written.as_str(), "the server keeps all of it");
    assert_eq!(value(&browser, "story").await, written);

    // Saved again with another change, it is as it was, whatever it is.
    let name = site.db_names("Page", json!([])).await.remove(0);
    let texts = [
        written.as_str(),
        "<div>Old\n  text</div><b>bold</b> and <i>more</i><br>",
        "<table><tbody><tr><td colspan=\"2\">cell</td></tr></tbody></table>",
        "plain words & no tags",
        "<p></p>",
    ];
    for (number, text) in texts.iter().enumerate() {
        site.db_update("Page", &name, json!({"story": text})).await;
        let before = stored(&site).await["story"].clone();
        browser.open(&format!("{}/app/page/{name}", site.site.config.site_url)).await;
        browser.wait_for(EDITORS).await;
        assert_eq!(browser.run("return document.querySelector('[data-dirty]').hidden").await, json!(true), "{text}");
        let as_html = browser.run("return document.querySelector('[data-as-html]') !== null").await;
        assert_eq!(as_html, json!(text.contains("<table>")), "what the editor would lose is shown as HTML: {text}");
        browser.type_into("#f-title", &number.to_string()).await;
        save(&browser).await;
        assert_eq!(stored(&site).await["story"], before, "{text}");
    }
    assert_eq!(browser.console().await, Vec::<String>::new(), "the policy allows all of it");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_place_is_a_point_a_line_or_an_area_of_a_map_that_is_fetched_from_nowhere() {
    if !is_wanted() {
        return;
    }
    let site = site().await;
    let browser = open_page(&site, "/app/page/new").await;
    browser.type_into("#f-title", "One").await;
    browser.type_into("[data-coordinates]", &format!("95, 16{ENTER}")).await;
    assert_eq!(value(&browser, "place").await, "", "there is no such latitude");
    browser.run("document.querySelector('[data-coordinates]').value = ''").await;
    browser.type_into("[data-coordinates]", &format!("48.2082, 16.3738{ENTER}")).await;
    // Where the device is.
    browser
        .run("navigator.geolocation.getCurrentPosition = (found) => found({ coords: { latitude: -33.5, longitude: 151.25 } })")
        .await;
    browser.click("[data-here]").await;
    browser.click("[data-draw=LineString]").await;
    for (x, y) in [(100, 60), (200, 90)] {
        let click = format!(
            "const map = document.querySelector('.map');
            const box = map.getBoundingClientRect();
            map.dispatchEvent(new MouseEvent('click', {{ bubbles: true, clientX: box.x + {x}, clientY: box.y + {y}, view: window }}));"
        );
        browser.run(&click).await;
    }
    browser.wait_for("return document.querySelectorAll('.map-draft').length > 1").await;
    browser.click("[data-draw-done]").await;
    browser.screenshot("map").await;
    let place: Json = serde_json::from_str(&value(&browser, "place").await).unwrap();
    let shapes = place["features"].as_array().unwrap();
    assert_eq!(shapes[0]["geometry"], json!({"type": "Point", "coordinates": [16.3738, 48.2082]}));
    assert_eq!(shapes[1]["geometry"]["coordinates"], json!([151.25, -33.5]));
    assert_eq!(shapes[2]["geometry"]["type"], "LineString");
    browser.click(".map-features li:nth-child(2) button").await;
    save(&browser).await;
    let kept: Json = serde_json::from_str(stored(&site).await["place"].as_str().unwrap()).unwrap();
    assert_eq!(kept["features"].as_array().unwrap().len(), 2);
    assert_eq!(browser.run("return document.querySelectorAll('.map-features li').length").await, json!(2));
    let foreign = "return performance.getEntriesByType('resource').filter((entry) => !entry.name.startsWith(location.origin)).length";
    assert_eq!(browser.run(foreign).await, json!(0));
    assert_eq!(browser.console().await, Vec::<String>::new(), "the policy allows all of it");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signature_is_drawn_kept_and_shown() {
    if !is_wanted() {
        return;
    }
    let site = site().await;
    let browser = open_page(&site, "/app/page/new").await;
    browser.type_into("#f-title", "One").await;
    browser.run("document.querySelector('.signature-pad').scrollIntoView({ block: 'center' })").await;
    browser.drag(".signature-pad", "[data-signature-clear]").await;
    browser.wait_for("return document.querySelector('#f-signed').value.startsWith('data:image/png;base64,')").await;
    browser.click("[data-signature-clear]").await;
    assert_eq!(value(&browser, "signed").await, "");
    browser.drag(".signature-pad", "[data-signature-clear]").await;
    save(&browser).await;
    let signed = stored(&site).await["signed"].as_str().unwrap().to_owned();
    assert!(signed.starts_with("data:image/png;base64,") && signed.len() > 500, "{signed}");
    let shown =
        "const image = document.querySelector('img.signature'); return image.complete && image.naturalWidth > 0";
    browser.wait_for(shown).await;
    browser.screenshot("signature").await;
    assert_eq!(browser.console().await, Vec::<String>::new(), "the policy allows all of it");
}

#[tokio::test(flavor = "multi_thread")]
async fn editors_come_with_the_pages_that_have_such_fields_alone() {
    if !is_wanted() {
        return;
    }
    let site = TestSite::new().with_doctype(super::LOAN).with_doctype(super::LOAN_LINE).listening().await;
    let browser = open(&site, "/app/loan/new").await;
    let loaded = "return performance.getEntriesByType('resource').map((entry) => entry.name).filter((name) => name.includes('/vendor/'))";
    assert_eq!(browser.run(loaded).await, json!([]));
    let weight = "return performance.getEntriesByType('resource').filter((entry) => /\\.(js|css)$/.test(entry.name))
        .reduce((sum, entry) => sum + entry.encodedBodySize, 0)";
    let weight = browser.run(weight).await.as_u64().unwrap();
    assert!(weight > 10_000 && weight < 100_000, "scripts and styles of a form weigh {weight} bytes");
}
