//! DocType files made for Frappe, unmodified, all together beside the shipped ones: they live whole lives here.

use std::path::{Path, PathBuf};

use doctyped::testing::meta::DocType;
use poem::http::StatusCode;
use serde_json::{Map, Value as Json, json};

use super::sample;
use crate::support::TestSite;
use crate::support::client::{Client, Response};

/// The folders that the environment names; says loudly when there are none.
fn folders() -> Option<Vec<PathBuf>> {
    let Some(folders) = std::env::var_os("DOCTYPED_TEST_FRAPPE_DOCTYPES") else {
        eprintln!("SKIPPED: set DOCTYPED_TEST_FRAPPE_DOCTYPES to folders of Frappe's DocType files");
        return None;
    };
    Some(std::env::split_paths(&folders).collect())
}

/// The names of the DocTypes that the files of a folder define.
fn names(folder: &Path) -> Vec<String> {
    let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<PathBuf> =
        files.filter(|path| path.extension().is_some_and(|ending| ending == "json")).collect();
    files.sort();
    let name = |path: &PathBuf| {
        let definition: Json = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
        definition["name"].as_str().unwrap().to_owned()
    };
    files.iter().map(name).collect()
}

#[tokio::test]
async fn every_frappe_doctype_makes_the_whole_trip() {
    let Some(folders) = folders() else { return };
    let names: Vec<String> = folders.iter().flat_map(|folder| names(folder)).collect();
    assert!(names.len() >= 36, "{folders:?} hold {} files", names.len());
    let configured = folders.clone();
    let site = TestSite::new().with_config(move |config| config.doctypes = configured).await;
    assert_eq!(site.site.doctype_files.problems(), Vec::<String>::new());
    let admin = site.administrator().await;
    let openapi = admin.get("/api/openapi.json").await.status(200).json();
    let registry = site.documents().registry();
    let mut refused = Vec::new();
    for (seed, name) in names.iter().enumerate() {
        let doctype = registry.get(name).unwrap_or_else(|| panic!("{name} is not loaded"));
        if doctype.istable || doctype.is_virtual {
            continue;
        }
        let path = format!("/api/resource/{name}");
        assert!(
            openapi["paths"].get(&path).or(openapi["paths"].get(path.replace(' ', "%20"))).is_some()
                || doctype.issingle,
            "{path}"
        );
        let slug = doctype.slug();
        if doctype.issingle {
            let single = admin.read(name, name).await.ok();
            assert_eq!(single["doctype"], name.as_str());
            served(&admin.get(&format!("/app/{slug}")).await, name);
            continue;
        }
        served(&admin.get(&format!("/app/{slug}")).await, name);
        served(&admin.get(&format!("/app/{slug}/new")).await, name);
        let values = sample::document(&site, &admin, doctype, seed).await;
        let created = admin.create(name, Json::Object(values.clone())).await;
        served(&created, name);
        if created.status != StatusCode::OK {
            // What a DocType that is shipped here asks for beyond its fields.
            refused.push(format!("{name}: {}", created.body));
            continue;
        }
        round_trip(&admin, doctype, &created.ok(), &values).await;
    }
    eprintln!("{} refused: {refused:#?}", refused.len());
    assert!(refused.len() <= names.len() / 10, "{refused:#?}");
}

/// Whatever a request comes to, it is not the fault of the program.
#[track_caller]
fn served(answer: &Response, doctype: &str) {
    assert!(!answer.status.is_server_error() && answer.status != StatusCode::NOT_FOUND, "{doctype}: {}", answer.body);
}

async fn round_trip(admin: &Client, doctype: &DocType, created: &Json, values: &Map<String, Json>) {
    let name = doctype.name.as_str();
    let document = created["name"].as_str().map_or_else(|| created["name"].to_string(), str::to_owned);
    let read = admin.read(name, &document).await.ok();
    sample::assert_kept(doctype, values, &read);
    let filters = json!([["name", "=", document]]);
    let list = admin.list(name, &format!("fields=[\"*\"]&filters={filters}")).await.ok();
    assert_eq!(list.as_array().unwrap().len(), 1, "{name}: {list}");
    let updated = admin.update(name, &document, json!({"modified": read["modified"]})).await.ok();
    assert_ne!(updated["modified"], read["modified"], "{name}");
    sample::send_form_untouched(admin, doctype, &document).await;
    let read = admin.read(name, &document).await.ok();
    sample::assert_kept(doctype, values, &read);
    admin.remove(name, &document).await.status(202);
    admin.read(name, &document).await.error(404, "DoesNotExistError");
}

/// Patterns of published files that are not held here, in one app.
#[tokio::test]
async fn what_other_apps_do_in_their_files_is_served() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, definition: Json| {
        std::fs::write(folder.path().join(format!("{name}.json")), definition.to_string()).unwrap();
    };
    let doctype = |name: &str, more: Json| {
        let mut definition = json!({"doctype": "DocType", "name": name, "module": "Clinic",
            "permissions": [{"role": "System Manager", "read": 1, "write": 1, "create": 1, "delete": 1}]});
        for (key, value) in more.as_object().unwrap() {
            definition[key] = value.clone();
        }
        definition
    };
    write(
        "visit",
        doctype(
            "Clinic Visit",
            json!({"field_order": ["sec", "patient", "idx", "col", "lines", "cost", "cost"], "fields": [
                {"fieldname": "sec", "fieldtype": "Section Break"},
                {"fieldname": "patient", "fieldtype": "Link", "options": "Clinic Patient", "reqd": 1},
                {"fieldname": "idx", "fieldtype": "Int", "label": "Index", "hidden": 1},
                {"fieldname": "_user_tags", "fieldtype": "Data"},
                {"fieldname": "territory", "fieldtype": "Data", "fetch_from": ".territory"},
                {"fieldname": "age", "fieldtype": "Data", "fetch_from": "."},
                {"fieldname": "col", "fieldtype": "Column Break"},
                {"fieldname": "lines", "fieldtype": "Table", "options": "Clinic Line"},
                {"fieldname": "elsewhere", "fieldtype": "Table", "options": "Row Of Another App"},
                {"fieldname": "cost", "fieldtype": "Data"},
                {"fieldname": "cost", "fieldtype": "Currency", "depends_on": "eval:['A','B'].indexOf(patient) == -1 & !frappe.boot.developer_mode"},
                {"fieldname": "note", "fieldtype": "Small Text", "mandatory_depends_on": "eval:india_compliance.is_on(doc)"},
            ]}),
        ),
    );
    write(
        "line",
        doctype(
            "Clinic Line",
            json!({"istable": 1, "fields": [
                {"fieldname": "parent", "fieldtype": "Data", "label": "Visit"},
                {"fieldname": "item", "fieldtype": "Data"},
            ]}),
        ),
    );
    write("patient", doctype("Clinic Patient", json!({"fields": [{"fieldname": "full_name", "fieldtype": "Data"}]})));
    // Files of an app that brings what is shipped here.
    for name in ["User", "OAuth Client", "Module Def", "System Settings", "File", "Role", "DocType", "Connected App"] {
        write(
            &name.to_lowercase(),
            doctype(name, json!({"fields": [{"fieldname": "x", "fieldtype": "Data", "reqd": 1}]})),
        );
    }
    let configured = vec![folder.path().to_owned()];
    let site = TestSite::new().with_config(move |config| config.doctypes = configured).await;
    assert_eq!(site.site.doctype_files.problems(), Vec::<String>::new());
    let admin = site.administrator().await;
    let patient = admin.create("Clinic Patient", json!({"full_name": "Ada"})).await.ok();
    let visit = json!({"patient": patient["name"], "cost": 12.5, "lines": [{"item": "Plaster"}], "territory": "North"});
    let created = admin.create("Clinic Visit", visit).await.ok();
    let read = admin.read("Clinic Visit", created["name"].as_str().unwrap()).await.ok();
    assert_eq!(
        (&read["cost"], &read["territory"], &read["lines"][0]["item"]),
        (&json!(12.5), &json!("North"), &json!("Plaster"))
    );
    admin.get("/app/clinic-visit/new").await.status(200);
    admin.get("/api/openapi.json").await.status(200);
}
