//! DocType files made for Frappe, unmodified, live whole lives here.

use doctyped::meta::load::Source;
use serde_json::{Value as Json, json};

use super::sample;
use crate::support::TestSite;

/// The files of the folder that the environment names; says loudly when there is none.
fn files() -> Option<Vec<Source>> {
    let Ok(folder) = std::env::var("DOCTYPED_TEST_FRAPPE_DOCTYPES") else {
        eprintln!("SKIPPED: set DOCTYPED_TEST_FRAPPE_DOCTYPES to a folder of Frappe's DocType files");
        return None;
    };
    let mut sources: Vec<Source> = std::fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|ending| ending == "json"))
        .map(|path| Source { path: path.display().to_string(), text: std::fs::read_to_string(&path).unwrap() })
        .collect();
    sources.sort_by(|a, b| a.path.cmp(&b.path));
    assert!(sources.len() >= 36, "{folder} holds {} files", sources.len());
    Some(sources)
}

#[tokio::test]
async fn every_frappe_doctype_makes_the_whole_trip() {
    let Some(sources) = files() else { return };
    let mut builder = TestSite::new();
    let names: Vec<String> = sources
        .iter()
        .map(|source| serde_json::from_str::<Json>(&source.text).unwrap()["name"].as_str().unwrap().to_owned())
        .collect();
    for source in &sources {
        builder = builder.with_doctype(&source.text);
    }
    let site = builder.await;
    let admin = site.administrator().await;
    let registry = site.documents().registry();
    for (seed, name) in names.iter().enumerate() {
        let doctype = registry.get(name).unwrap_or_else(|| panic!("{name} is not loaded"));
        if doctype.istable || doctype.is_virtual {
            continue;
        }
        if doctype.issingle {
            let single = admin.read(name, name).await.ok();
            assert_eq!(single["doctype"], name.as_str());
            continue;
        }
        let values = sample::document(&site, &admin, doctype, seed).await;
        let created = admin.create(name, Json::Object(values.clone())).await.ok();
        let document = created["name"].as_str().unwrap_or_else(|| panic!("{created}")).to_owned();
        let read = admin.read(name, &document).await.ok();
        sample::assert_kept(doctype, &values, &read);
        let filters = json!([["name", "=", document]]);
        let list = admin.list(name, &format!("fields=[\"*\"]&filters={filters}")).await.ok();
        assert_eq!(list.as_array().unwrap().len(), 1, "{name}: {list}");
        let updated = admin.update(name, &document, json!({"modified": read["modified"]})).await.ok();
        assert_ne!(updated["modified"], read["modified"], "{name}");
        sample::send_form_untouched(&admin, doctype, &document).await;
        let read = admin.read(name, &document).await.ok();
        sample::assert_kept(doctype, &values, &read);
        admin.remove(name, &document).await.status(202);
        admin.read(name, &document).await.error(404, "DoesNotExistError");
    }
}
