//! What pages say and show: problems in the order of the form, attachments, definitions, what is folded, home.

use serde_json::json;

use super::{LOAN, LOAN_LINE, send};
use crate::support::{Client, TestSite};

async fn library() -> (TestSite, Client) {
    let site = TestSite::new().with_doctype(LOAN).with_doctype(LOAN_LINE).await;
    let administrator = site.administrator().await;
    (site, administrator)
}

fn in_order(page: &str, texts: &[&str]) -> bool {
    let at: Vec<_> = texts.iter().map(|text| page.find(text)).collect();
    at.iter().all(Option::is_some) && at.is_sorted()
}

#[tokio::test]
async fn problems_come_in_the_order_of_the_form_under_what_was_not_done() {
    let (_site, administrator) = library().await;
    let page = administrator.get("/app/loan/new").await.status(200);
    let typed = [("reader", "nobody"), ("days", "many"), ("lines.0.remark", "x")];
    let refused = send(&administrator, "/app/loan/new", &page, &typed, "save").await.status(417).body;
    let summary = refused.split("problems-title").nth(2).unwrap().split("</section>").next().unwrap();
    assert!(summary.contains("Could not save:"), "{summary}");
    assert!(in_order(summary, &["#f-title", "#f-days"]) || in_order(summary, &["#f-reader", "#f-days"]), "{summary}");
}

#[tokio::test]
async fn a_link_that_leads_nowhere_names_the_doctype() {
    let (_site, administrator) = library().await;
    let page = administrator.get("/app/loan/new").await.status(200);
    let typed = [("title", "Dune"), ("reader", "nobody")];
    let refused = send(&administrator, "/app/loan/new", &page, &typed, "save").await.status(417).body;
    assert!(refused.contains("Could not find Reader: nobody is not the name of a User"), "{refused}");
}

#[tokio::test]
async fn a_refused_deletion_says_so() {
    let (site, administrator) = library().await;
    site.db_user("reader@example.com", json!({})).await;
    site.db_insert("Loan", json!({"title": "Dune", "reader": "reader@example.com"})).await;
    let uri = "/app/user/reader@example.com";
    let page = administrator.get(uri).await.status(200);
    let refused = send(&administrator, uri, &page, &[], "delete").await;
    assert!(refused.body.contains("Could not delete: 1 problem"), "{}", refused.body);
}

#[tokio::test]
async fn files_attached_from_outside_are_on_the_form() {
    let (site, administrator) = library().await;
    let name = site.db_insert("Loan", json!({"title": "Dune"})).await;
    let body = format!(
        "--edge\r\nContent-Disposition: form-data; name=\"doctype\"\r\n\r\nLoan\r\n\
         --edge\r\nContent-Disposition: form-data; name=\"docname\"\r\n\r\n{name}\r\n\
         --edge\r\nContent-Disposition: form-data; name=\"file\"; filename=\"receipt.txt\"\r\n\r\npaid\r\n--edge--\r\n"
    );
    let token = administrator.get("/app/_session").await.json()["csrf_token"].as_str().unwrap().to_owned();
    let upload = administrator.with_header("x-frappe-csrf-token", &token);
    let sent = upload
        .send(poem::http::Method::POST, "/api/method/upload_file", "multipart/form-data; boundary=edge", body)
        .await;
    sent.status(200);
    let page = administrator.get(&format!("/app/loan/{name}")).await.status(200).body;
    assert!(page.contains("Attachments") && page.contains(">receipt.txt</a>"), "{page}");
    assert!(page.contains("data-detach="), "it can be removed");
    let reader = site.user("reader@example.com", &[]).await;
    let page = reader.get(&format!("/app/loan/{name}")).await.status(200).body;
    assert!(!page.contains("data-attach-upload"), "whoever only reads attaches nothing");
}

#[tokio::test]
async fn a_definition_leads_to_its_list_and_promises_nothing() {
    let (_site, administrator) = library().await;
    let page = administrator.get("/app/doctype/Loan").await.status(200).body;
    for wanted in ["href=\"/app/loan\"", "href=\"/app/loan/new\"", "href=\"/api/resource/Loan\""] {
        assert!(page.contains(wanted), "{wanted}: {page}");
    }
    for wrong in ["data-open=\"delete\"", "datetime=\"1970"] {
        assert!(!page.contains(wrong), "{wrong}");
    }
}

/// The body that a page's example for curl sends.
fn example_body(page: &str) -> Option<serde_json::Value> {
    let page = super::unescape(page);
    let body = page.split_once(" -d '")?.1.split_once("'</pre>")?.0.to_owned();
    Some(serde_json::from_str(&body).unwrap_or_else(|error| panic!("{error}: {body}")))
}

#[tokio::test]
async fn a_definition_shows_calls_that_work_as_they_stand() {
    let (_site, administrator) = library().await;
    let page = administrator.get("/app/doctype/Loan").await.status(200).body;
    assert!(page.contains("curl -X POST") && page.contains("/api/resource/Loan&#x27;"), "{page}");
    let body = example_body(&page).expect("an example with a body");
    assert!(body.get("title").is_some() && body.get("pin").is_none() && body.get("fine").is_none(), "{body}");
    let made = administrator.create("Loan", body.clone()).await.ok();
    for (field, value) in body.as_object().unwrap() {
        assert_eq!(&made[field.as_str()], value, "{field}");
    }
    // The form of a document changes a field that it has.
    let name = made["name"].as_str().unwrap();
    let page = administrator.get(&format!("/app/loan/{name}")).await.status(200).body;
    administrator.update("Loan", name, example_body(&page).expect("an example with a body")).await.ok();
    // Rows of other documents have no address, and definitions cannot be changed through the API.
    for (address, doctype) in [("/app/doctype/Loan%20Line", "Loan Line"), ("/app/doctype/DocType", "DocType")] {
        let page = administrator.get(address).await.status(200).body;
        assert!(example_body(&page).is_none(), "{doctype}: {page}");
    }
}

#[tokio::test]
async fn sections_where_there_is_something_to_do_stand_open() {
    let (_site, administrator) = library().await;
    let is_open = |page: &str, id: &str| {
        let tag =
            page.split('<').find(|tag| tag.contains(&format!("id=\"{id}\""))).unwrap_or_else(|| panic!("no {id}"));
        tag.starts_with("section") || tag.contains(" open")
    };
    let page = administrator.get("/app/social-login-key/new").await.status(200).body;
    assert!(is_open(&page, "s-client_credentials") && is_open(&page, "s-sb_identity_details"));
    assert!(!is_open(&page, "s-client_urls") && !is_open(&page, "s-client_information"));
    let page = administrator.get("/app/connected-app/new").await.status(200).body;
    for section in ["s-sb_client_credentials_section", "s-sb_scope_section", "s-sb_endpoints_section"] {
        assert!(is_open(&page, section), "{section}");
    }
    assert!(!is_open(&page, "s-section_break_18"));
}

#[tokio::test]
async fn a_provider_is_named_by_its_preset_and_otherwise_required() {
    let (_site, administrator) = library().await;
    let uri = "/app/social-login-key/new";
    let page = administrator.get(uri).await.status(200);
    let refused = send(&administrator, uri, &page, &[], "save").await.status(417);
    assert!(refused.body.contains("Provider Name is required"), "{}", refused.body);
    let saved = send(&administrator, uri, &page, &[("social_login_provider", "Google")], "save").await.redirect();
    assert_eq!(saved, "/app/social-login-key/google");
}

#[tokio::test]
async fn home_begins_with_ones_own_and_folds_what_the_site_keeps_for_itself() {
    let (_site, administrator) = library().await;
    let page = administrator.get("/app").await.status(200).body;
    assert!(in_order(
        &page,
        &["href=\"/app/loan\"", "href=\"/app/oauth-client\"", "href=\"/app/user\"", "data-system"]
    ));
    let (main, system) = page.split_once("data-system").unwrap();
    assert!(system.contains("/app/security-event") && !main.contains("/app/security-event"));
}

/// WCAG's contrast of two colours.
fn contrast(one: &str, two: &str) -> f64 {
    let luminance = |color: &str| {
        let part = |at: usize| {
            let share = f64::from(u8::from_str_radix(&color[at..at + 2], 16).unwrap()) / 255.0;
            if share <= 0.03928 { share / 12.92 } else { ((share + 0.055) / 1.055).powf(2.4) }
        };
        0.2126 * part(1) + 0.7152 * part(3) + 0.0722 * part(5)
    };
    let (a, b) = (luminance(one), luminance(two));
    (a.max(b) + 0.05) / (a.min(b) + 0.05)
}

#[tokio::test]
async fn every_colour_of_text_can_be_read_on_every_ground() {
    let site = TestSite::new().await;
    let css = site.guest().get("/assets/desk/desk.css").await.status(200).body;
    for scheme in css.split("--bg:").skip(1) {
        let scheme = format!("--bg:{}", scheme.split('}').next().unwrap());
        let color = |name: &str| {
            let value = scheme.split(&format!("{name}: ")).nth(1).unwrap_or_else(|| panic!("no {name}"));
            value[..7].to_owned()
        };
        for text in ["--text", "--muted", "--faint", "--accent", "--red", "--orange", "--green", "--gray"] {
            for ground in ["--bg", "--surface", "--raised", "--sunken"] {
                let found = contrast(&color(text), &color(ground));
                assert!(found >= 4.5, "{text} on {ground}: {found:.2}");
            }
        }
    }
}
