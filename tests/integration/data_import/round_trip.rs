//! What was exported can be imported: nothing changes where it comes from, and all of it arrives elsewhere.

use serde_json::{Map, Value as Json, json};

use super::{BOTH, INSERT, UPDATE, download, import, shop};
use crate::engine::{every_fieldtype, sample};
use crate::support::{Client, TestSite};

async fn every_fieldtype() -> (TestSite, Client) {
    let mut builder = TestSite::new();
    for doctype in every_fieldtype::doctypes() {
        let importable = "name: Every Fieldtype\nmodule: Tests\nallow_import: true\ntrack_changes: true\n";
        builder = builder.with_doctype(&doctype.replace("name: Every Fieldtype\nmodule: Tests\n", importable));
    }
    let site = builder.await;
    let admin = site.administrator().await;
    (site, admin)
}

/// All documents as they are stored, with the times of their changes.
async fn stored(site: &TestSite, client: &Client, doctype: &str) -> Vec<Json> {
    let mut all = Vec::new();
    for name in site.db_names(doctype, json!({})).await {
        all.push(client.read(doctype, &name).await.ok());
    }
    all
}

async fn importing_the_own_export_changes_nothing(file_type: &str, file: &str) {
    let (site, admin) = every_fieldtype().await;
    let doctype = site.documents().doctype("Every Fieldtype").unwrap();
    for seed in 1..=3 {
        let mut values = sample::document(&site, &admin, &doctype, seed).await;
        if seed == 2 {
            values = Map::from_iter([("f_data".to_owned(), json!("only this"))]);
        }
        if seed == 3 {
            let hostile = "=1+1\n\"quoted\", with; all\ttabs\r\nand lines ' '=x";
            values.insert("f_long_text".to_owned(), json!(hostile));
            values.insert("f_data".to_owned(), json!("'=cmd|' /C calc'!A0"));
            values.insert("f_small_text".to_owned(), json!("  spaces around  "));
            values.insert("f_text".to_owned(), json!("_x000D_ and 𝒰nicode \u{1F4D6}"));
            values.insert("f_code".to_owned(), json!("-x"));
            values.insert("f_long_int".to_owned(), json!(9_007_199_254_740_993_i64));
            values.insert("f_float".to_owned(), json!(-0.000_000_001));
            values.insert("f_duration".to_owned(), json!(12.5));
            values.insert("f_datetime".to_owned(), json!("1066-10-14 00:00:00"));
            values.insert("f_date".to_owned(), json!("9999-12-31"));
            values.insert("f_table".to_owned(), json!([{"item": "+1"}, {"item": "b", "amount": 2}, {"item": "c"}]));
            values.insert("f_table_multiselect".to_owned(), json!([{"role": "All"}, {"role": "Guest"}]));
        }
        admin.create("Every Fieldtype", Json::Object(values)).await.ok();
    }
    let before = stored(&site, &admin, "Every Fieldtype").await;
    let rows = stored_rows(&site).await;
    let arguments = json!({"doctype": "Every Fieldtype", "export_records": "all", "file_type": file_type});
    let exported = download(&admin, arguments).await.status(200).bytes;
    for import_type in [UPDATE, BOTH] {
        site.clock.advance(chrono::Duration::minutes(5));
        let (name, status, imported, refused) =
            import(&site, &admin, "Every Fieldtype", import_type, file, &exported).await;
        let told = super::refusals(&admin, &name).await;
        assert_eq!((status.as_str(), imported, refused), ("Success", 3, 0), "{import_type}: {told}");
        assert_eq!(stored(&site, &admin, "Every Fieldtype").await, before, "{import_type}");
        assert_eq!(stored_rows(&site).await, rows);
        assert_eq!(site.db_names("Version", json!({"ref_doctype": "Every Fieldtype"})).await, Vec::<String>::new());
    }
    // Where there is none of it, the same arrives.
    for name in site.db_names("Every Fieldtype", json!({})).await {
        admin.remove("Every Fieldtype", &name).await.status(202);
    }
    let (_, status, imported, _) = import(&site, &admin, "Every Fieldtype", INSERT, file, &exported).await;
    assert_eq!((status.as_str(), imported), ("Success", 3));
    // Rows are new ones where their document is.
    let plain = |documents: &[Json]| -> Vec<Json> {
        let mut all: Vec<Json> = documents.iter().map(without_circumstances).collect();
        all.sort_by_key(|document| document["name"].as_str().unwrap_or_default().to_owned());
        all
    };
    assert_eq!(plain(&stored(&site, &admin, "Every Fieldtype").await), plain(&before));
}

#[tokio::test]
async fn importing_the_own_export_as_csv_changes_nothing() {
    importing_the_own_export_changes_nothing("CSV", "all.csv").await;
}

#[tokio::test]
async fn importing_the_own_export_as_xlsx_changes_nothing() {
    importing_the_own_export_changes_nothing("Excel", "all.xlsx").await;
}

/// A document without who made it when, and without what a password left.
fn without_circumstances(document: &Json) -> Json {
    match document {
        Json::Object(values) => {
            let mut drops = vec!["creation", "modified", "modified_by", "owner", "f_password"];
            drops.extend(values.contains_key("parent").then_some("name"));
            let kept = values.iter().filter(|(key, value)| !drops.contains(&key.as_str()) && !value.is_null());
            Json::Object(kept.map(|(key, value)| (key.clone(), without_circumstances(value))).collect())
        }
        Json::Array(rows) => rows.iter().map(without_circumstances).collect(),
        other => other.clone(),
    }
}

async fn stored_rows(site: &TestSite) -> Vec<String> {
    site.db_names("Fieldtype Row", json!({})).await
}

#[tokio::test]
async fn a_changed_cell_of_an_export_changes_that_document_alone() {
    let (site, alice) = shop().await;
    for name in ["A", "B", "C"] {
        let lines = json!([{"part": "x"}, {"part": "y", "qty": 2}]);
        alice.create("Article", json!({"name": name, "title": format!("Title {name}"), "lines": lines})).await.ok();
    }
    let arguments = json!({"doctype": "Article", "export_records": "all", "export_fields": ["name", "title", "lines.name", "lines.qty"]});
    let exported = download(&alice, arguments).await.status(200).body;
    let before = alice.read("Article", "B").await.ok();
    site.clock.advance(chrono::Duration::minutes(5));
    let changed = exported.replace("Title B", "Other");
    let (_, status, imported, _) = import(&site, &alice, "Article", UPDATE, "a.csv", changed.as_bytes()).await;
    assert_eq!((status.as_str(), imported), ("Success", 3));
    let after = alice.read("Article", "B").await.ok();
    assert_eq!(after["title"], "Other");
    assert_eq!(after["lines"][1]["name"], before["lines"][1]["name"], "rows keep their names");
    assert_eq!(after["lines"][1]["part"], "y", "what the file does not have stays");
    let versions = site.db_names("Version", json!({"ref_doctype": "Article"})).await;
    assert_eq!(versions.len(), 1);
}
