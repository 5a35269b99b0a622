//! The pages of imports and exports, without JavaScript and in a real browser.

use doctyped::testing::jobs::run_due;
use poem::http::Method;
use serde_json::json;

use super::{ARTICLE, INSERT, LINE, MAKER, prepare, shop, xlsx};
use crate::browser::{Browser, is_wanted};
use crate::support::client::Response;
use crate::support::{Client, TestSite};

const BOUNDARY: &str = "a-boundary";

fn token(page: &Response) -> String {
    page.body.split("name=\"csrf_token\" value=\"").nth(1).expect("a form").split('"').next().unwrap().to_owned()
}

/// Sends the form that asks for a file, as a browser does.
async fn send_file(client: &Client, fields: &[(&str, &str)], file: &str, content: &[u8]) -> Response {
    let mut body = Vec::new();
    for (key, value) in fields {
        body.extend(
            format!("--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"{key}\"\r\n\r\n{value}\r\n").into_bytes(),
        );
    }
    let head = format!(
        "--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"import_file\"; filename=\"{file}\"\r\nContent-Type: application/octet-stream\r\n\r\n"
    );
    body.extend(head.into_bytes());
    body.extend_from_slice(content);
    body.extend(format!("\r\n--{BOUNDARY}--\r\n").into_bytes());
    client.send(Method::POST, "/app/_import", &format!("multipart/form-data; boundary={BOUNDARY}"), body).await
}

#[tokio::test]
async fn an_import_is_made_mapped_and_started_without_scripts() {
    let (site, alice) = shop().await;
    let list = alice.get("/app/article").await.status(200);
    assert!(
        list.body.contains("href=\"/app/_import?doctype&#x3D;Article\"")
            || list.body.contains("href=\"/app/_import?doctype=Article\""),
        "{}",
        list.body
    );
    let page = alice.get("/app/_import?doctype=Article").await.status(200);
    let token_text = token(&page);
    let fields = [("csrf_token", token_text.as_str()), ("reference_doctype", "Article"), ("import_type", INSERT)];
    // Without a file, and with one that is none, it says so and keeps nothing.
    let again = send_file(&alice, &fields, "", b"").await.status(417);
    assert!(again.body.contains("Choose a file first"), "{}", again.body);
    assert_eq!(site.db_names("Data Import", json!({})).await, Vec::<String>::new());

    let file = xlsx(&[&["ID", "Name of it", "Price"], &["A", "first", "x"], &["B", "second", "2"]]);
    let address = send_file(&alice, &fields, "articles.xlsx", &file).await.redirect();
    assert!(address.starts_with("/app/_import/Article%20Import%20"), "{address}");
    let page = alice.get(&address).await.status(200);
    for text in [
        "articles.xlsx",
        "XLSX",
        "No field is called Name of it",
        "Row 2, Price",
        "none of them can be imported",
        "Title (required)",
    ] {
        assert!(page.body.contains(text), "{text} in {}", page.body);
    }
    assert_eq!(page.header("refresh"), "");
    let mapped = [
        ("csrf_token", token_text.as_str()),
        ("__action", "check"),
        ("column.0", "name"),
        ("column.1", "title"),
        ("column.2", "price"),
    ];
    assert_eq!(alice.form(&address, &mapped).await.redirect(), address);
    let page = alice.get(&address).await.status(200);
    assert!(page.body.contains("<option value=\"title\" selected>"), "{}", page.body);
    assert_eq!(site.db_names("Article", json!({})).await, Vec::<String>::new(), "nothing is written yet");

    let mut begun = mapped;
    begun[1].1 = "start";
    assert_eq!(alice.form(&address, &begun).await.redirect(), address);
    let page = alice.get(&address).await.status(200);
    assert!(page.body.contains("<progress") && page.body.contains("waits for its turn"), "{}", page.body);
    assert_eq!(page.header("refresh"), "3");
    // Stopped, and gone on with.
    let act = |action| [("csrf_token", token_text.clone()), ("__action", action)];
    let send = async |fields: [(&str, String); 2]| {
        let fields = fields.each_ref().map(|(key, value)| (*key, value.as_str()));
        alice.form(&address, &fields).await.redirect()
    };
    send(act("stop".to_owned())).await;
    let page = alice.get(&address).await.status(200);
    assert!(
        page.body.contains("The import was stopped") && page.body.contains("Go on with the import"),
        "{}",
        page.body
    );
    send(act("go_on".to_owned())).await;
    run_due(&site.site).await.unwrap();
    let page = alice.get(&address).await.status(200);
    for text in
        ["Some rows were refused", "1 document imported, 1 refused", "Row 2, Price", "download_errored_template"]
    {
        assert!(page.body.contains(text), "{text} in {}", page.body);
    }
    assert_eq!(page.header("refresh"), "");
    assert_eq!(site.db_names("Article", json!({})).await, ["B"]);
    // The form of the import leads here.
    let form = alice.get(&address.replace("/app/_import/", "/app/data-import/")).await.status(200);
    assert!(form.body.contains(&address), "{}", form.body);
}

#[tokio::test]
async fn who_may_not_import_or_export_sees_no_way_to() {
    let (site, _) = shop().await;
    let looker = site.user("lou@example.com", &["Looker"]).await;
    let page = looker.get("/app/article").await.status(200);
    assert!(!page.body.contains("/app/_import") && !page.body.contains("/app/_export"), "{}", page.body);
    looker.get("/app/_import?doctype=Article").await.status(403);
    looker.get("/app/_export?doctype=Article").await.status(403);
    site.guest().get("/app/_import?doctype=Article").await.redirect();
}

#[tokio::test]
async fn columns_are_chosen_and_exported_without_scripts() {
    let (_site, alice) = shop().await;
    alice.create("Article", json!({"name": "A", "title": "x", "lines": [{"part": "p"}]})).await.ok();
    let page =
        alice.get("/app/_export?doctype=Article&export_filters=[[%22title%22,%22=%22,%22x%22]]").await.status(200);
    for text in ["Everything that the filters of the list match.", "value=\"lines.qty\"", "value=\"title\" checked"] {
        assert!(page.body.contains(text), "{text} in {}", page.body);
    }
    let chosen = "/app/_export?doctype=Article&export_filters=[[%22title%22,%22=%22,%22x%22]]&column=&column=name&column=lines.part&file_type=CSV";
    let file = alice.get(chosen).await.redirect();
    assert_eq!(alice.get(&file).await.status(200).body, "ID,Part (Lines)\r\nA,p\r\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_pages_are_good_to_look_at() {
    if !is_wanted() {
        return;
    }
    let site = TestSite::new().with_doctype(ARTICLE).with_doctype(LINE).with_doctype(MAKER).listening().await;
    site.db_insert("Maker", json!({"maker": "Ace"})).await;
    let admin = site.administrator().await;
    admin.create("Article", json!({"name": "A", "title": "x", "maker": "Ace"})).await.ok();
    let browser = Browser::start(&site.folder.path().join("profile")).await;
    let base = site.site.config.site_url.clone();
    browser.open(&format!("{base}/app/_import?doctype=Article")).await;
    browser.log_in("Administrator").await;
    browser.look("import-start").await;
    let mut rows =
        vec![vec!["ID", "Name of it", "Price", "On Sale Since", "Maker", "Part (Lines)", "Quantity (Lines)"]];
    rows.push(vec!["B", "A bicycle", "many", "2026-03-31", "Ace", "wheel", "2"]);
    rows.push(vec!["", "", "", "", "", "bolt", "12"]);
    rows.push(vec!["C", "A tricycle", "120.5", "31.02.2026", "Nobody", "", ""]);
    let rows: Vec<&[&str]> = rows.iter().map(Vec::as_slice).collect();
    let name = prepare(&admin, "Article", INSERT, "articles.xlsx", &xlsx(&rows), json!({})).await;
    let address = format!("{base}/app/_import/{}", name.replace(' ', "%20"));
    browser.open(&address).await;
    browser.look("import-preview").await;
    browser.run("document.querySelector('#column-1').value = 'title'").await;
    browser.click("button[value=check]").await;
    browser.wait_for("return document.querySelector('#column-1 option[selected]')?.value === 'title'").await;
    browser.run("document.querySelector('#column-2').value = \"Don't Import\"").await;
    browser.click("button[value=start]").await;
    browser.wait_for("return document.querySelector('progress') !== null").await;
    browser.look("import-progress").await;
    run_due(&site.site).await.unwrap();
    // The page is loaded again by itself.
    browser.wait_for("return document.querySelector('#result-title') !== null").await;
    browser.look("import-result").await;
    browser.open(&format!("{base}/app/_export?doctype=Article&fields=[%22name%22]")).await;
    browser.look("export").await;
    browser.open(&format!("{base}/app/article")).await;
    browser.look("list-with-import").await;
    assert_eq!(site.db_names("Article", json!({})).await, ["A", "B"]);
}
