//! A DocType with every fieldtype: values are the same at every stop, whatever they are.

use std::fmt::Write;

use doctyped::testing::meta::Fieldtype;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use serde_json::{Map, Value as Json, json};

use super::sample;
use crate::support::TestSite;

/// A DocType with one field of every fieldtype, and the child tables that it needs.
pub fn doctypes() -> Vec<String> {
    let mut fields = String::new();
    for (fieldtype, name) in Fieldtype::ALL {
        let fieldname = name.to_lowercase().replace(' ', "_");
        let options = match fieldtype {
            Fieldtype::Link => "Gender",
            Fieldtype::DynamicLink => "any_doctype",
            Fieldtype::Select => "One\\nTwo\\nThree",
            Fieldtype::Table => "Fieldtype Row",
            Fieldtype::TableMultiSelect => "Fieldtype Choice",
            Fieldtype::Image => "attach_image",
            _ => "",
        };
        if fieldtype != Fieldtype::Fold {
            let _ = writeln!(
                fields,
                "  - {{ fieldname: f_{fieldname}, fieldtype: {name}, label: {name}, options: \"{options}\" }}"
            );
        }
    }
    vec![
        format!(
            "name: Every Fieldtype\nmodule: Tests\nfields:\n  - {{ fieldname: any_doctype, fieldtype: Link, options: DocType, label: Any DocType }}\n{}permissions:\n  - {{ role: System Manager, read: true, write: true, create: true, delete: true }}\n",
            fields.replace("\"attach_image\"", "\"f_attach_image\"")
        ),
        "name: Fieldtype Row\nmodule: Tests\nistable: true\nfields:\n  - { fieldname: item, fieldtype: Data, label: Item, reqd: true }\n  - { fieldname: amount, fieldtype: Float, label: Amount }\n".to_owned(),
        "name: Fieldtype Choice\nmodule: Tests\nistable: true\nfields:\n  - { fieldname: role, fieldtype: Link, options: Role, label: Role }\n".to_owned(),
    ]
}

async fn site() -> TestSite {
    let mut builder = TestSite::new();
    for doctype in doctypes() {
        builder = builder.with_doctype(&doctype);
    }
    builder.await
}

#[tokio::test]
async fn a_document_with_every_fieldtype_makes_the_whole_trip() {
    let site = site().await;
    let admin = site.administrator().await;
    let registry = site.documents().registry();
    let doctype = registry.get("Every Fieldtype").unwrap();
    let values = sample::document(&site, &admin, doctype, 7).await;
    let created = admin.create("Every Fieldtype", Json::Object(values.clone())).await.ok();
    sample::assert_kept(doctype, &values, &created);
    let name = created["name"].as_str().unwrap();
    let read = admin.read("Every Fieldtype", name).await.ok();
    sample::assert_kept(doctype, &values, &read);
    // What is read can be sent back, and nothing changes.
    let updated = admin.update("Every Fieldtype", name, read.clone()).await.ok();
    sample::assert_kept(doctype, &values, &updated);
    let list = admin.list("Every Fieldtype", "fields=[\"*\"]").await.ok();
    for (fieldname, value) in &values {
        if doctype.field(fieldname).is_some_and(|f| f.has_column() && f.fieldtype != Fieldtype::Password) {
            assert_eq!(&list[0][fieldname], value, "{fieldname} in the list");
        }
    }
    sample::send_form_untouched(&admin, doctype, name).await;
    sample::assert_kept(doctype, &values, &admin.read("Every Fieldtype", name).await.ok());
    admin.remove("Every Fieldtype", name).await.status(202);
    assert_eq!(site.db_names("Fieldtype Row", json!({})).await, Vec::<String>::new());
}

/// Text of any kind: empty, unicode, long, hostile; no NUL, which no database keeps.
fn any_text() -> impl Strategy<Value = String> {
    prop_oneof![
        Just(String::new()),
        "[ -~]{0,60}",
        "\\PC{0,40}",
        Just("'; DROP TABLE \"tabUser\"; --".to_owned()),
        Just("<script>alert(1)</script>".to_owned()),
        Just("ünïcödé 漢字 🎉 \u{202e}rtl".to_owned()),
        Just("a".repeat(140)),
        Just("%_\\\"`{{7*7}}${7*7}".to_owned()),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn random_values_come_back_as_they_went_in() {
    let site = site().await;
    let admin = site.administrator().await;
    let strategy = (
        any_text(),
        any_text(),
        any::<i32>(),
        any::<i64>(),
        -1_000_000_000_i64..1_000_000_000,
        any::<bool>(),
        (1_i32..=9999, 1_u32..=12, 1_u32..=28),
    );
    let mut runner = TestRunner::deterministic();
    for _ in 0..60 {
        let tree = strategy.new_tree(&mut runner).unwrap().current();
        let (short, long, int, long_int, millis, check, (year, month, day)) = tree;
        let values = Map::from_iter([
            ("f_data".to_owned(), json!(short)),
            ("f_small_text".to_owned(), json!(long)),
            ("f_long_text".to_owned(), json!(long.repeat(200))),
            ("f_code".to_owned(), json!(short)),
            ("f_int".to_owned(), json!(int)),
            ("f_long_int".to_owned(), json!(long_int)),
            #[expect(clippy::cast_precision_loss, reason = "within the 15 digits of a double")]
            ("f_float".to_owned(), json!(millis as f64 / 1000.0)),
            ("f_check".to_owned(), json!(i32::from(check))),
            ("f_date".to_owned(), json!(format!("{year:04}-{month:02}-{day:02}"))),
            ("f_table".to_owned(), json!([{"item": format!("x{short}").chars().take(140).collect::<String>()}])),
        ]);
        let created = admin.create("Every Fieldtype", Json::Object(values.clone())).await.ok();
        let name = created["name"].as_str().unwrap().to_owned();
        let read = admin.read("Every Fieldtype", &name).await.ok();
        for (fieldname, value) in &values {
            if fieldname != "f_table" {
                assert_eq!(&read[fieldname], value, "{fieldname}");
            }
        }
        assert_eq!(read["f_table"][0]["item"], values["f_table"][0]["item"]);
    }
}

#[tokio::test]
async fn what_no_fieldtype_takes_is_refused_with_the_field_and_never_a_500() {
    let site = site().await;
    let admin = site.administrator().await;
    let wrong = [
        ("f_int", json!("abc")),
        ("f_int", json!(12.5)),
        ("f_int", json!(3_000_000_000_i64)),
        ("f_float", json!("many")),
        ("f_float", json!(1e300)),
        ("f_date", json!("soon")),
        ("f_date", json!("2026-02-30")),
        ("f_datetime", json!("yesterday noon")),
        ("f_time", json!("25:00")),
        ("f_select", json!("Four")),
        ("f_json", json!("{broken")),
        ("f_link", json!("nobody")),
        ("f_data", json!("x\u{0}y")),
        ("f_data", json!({"an": "object"})),
        ("f_data", json!("x".repeat(141))),
        ("f_table", json!("no list")),
        ("f_table", json!([17])),
        ("f_table", json!([{"item": ""}])),
        ("f_color", json!("reddish")),
    ];
    for (fieldname, value) in wrong {
        let response = admin.create("Every Fieldtype", json!({fieldname: value})).await.status(417);
        let answer = response.json();
        assert!(answer["exc_type"].is_string(), "{fieldname} {value}: {answer}");
    }
}
