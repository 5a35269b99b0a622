//! The document of small DocTypes, looked at part by part.

use std::sync::Arc;

use crate::meta::DocType;
use crate::meta::Fieldtype;
use crate::meta::docfield::DocField;
use crate::meta::doctype::Declaration;

use super::*;

fn field(fieldname: &str, fieldtype: Fieldtype) -> DocField {
    DocField { fieldname: fieldname.to_owned(), fieldtype, ..DocField::default() }
}

fn made(doctypes: Vec<Declaration>) -> Json {
    let registry = Registry::new(doctypes.into_iter().map(|declaration| Arc::new(DocType::new(declaration))), 1);
    document(Parts {
        registry: &registry,
        session: &Session::system(),
        controllers: &Controllers::default(),
        methods: &Methods::default(),
        hand_written: &[],
        site_url: "https://site.example",
    })
}

fn library() -> Vec<Declaration> {
    let book = Declaration {
        name: "Library Book".to_owned(),
        description: "A book to lend".to_owned(),
        fields: vec![
            DocField {
                label: "Title".to_owned(),
                description: "As on the cover".to_owned(),
                reqd: true,
                ..field("title", Fieldtype::Data)
            },
            DocField { options: "New\nUsed".to_owned(), ..field("state", Fieldtype::Select) },
            DocField { secret: true, ..field("token", Fieldtype::Data) },
            DocField { options: "Library Loan".to_owned(), ..field("loans", Fieldtype::Table) },
        ],
        ..Declaration::default()
    };
    let loan = Declaration { name: "Library Loan".to_owned(), istable: true, ..Declaration::default() };
    let settings = Declaration { name: "Library Settings".to_owned(), issingle: true, ..Declaration::default() };
    vec![book, loan, settings]
}

#[test]
fn every_doctype_has_its_own_paths() {
    let document = made(library());
    let paths = document["paths"].as_object().unwrap();
    for (path, verbs) in [
        ("/api/resource/Library%20Book", &["get", "post"][..]),
        ("/api/resource/Library%20Book/{name}", &["get", "put", "delete"]),
        ("/api/resource/Library%20Settings/Library%20Settings", &["get", "put"]),
        ("/api/v2/document/{doctype}/{name}", &["get", "patch", "put", "delete"]),
    ] {
        let item = paths.get(path).unwrap_or_else(|| panic!("{path} is missing"));
        for verb in verbs {
            assert!(item.get(verb).is_some(), "{verb} {path}");
        }
    }
    assert!(!paths.contains_key("/api/resource/Library%20Settings"));
}

#[test]
fn a_schema_carries_help_texts_choices_and_what_is_required() {
    let document = made(library());
    let book = &document["components"]["schemas"]["LibraryBook"];
    assert_eq!(book["description"], "A book to lend");
    assert_eq!(book["required"], json!(["title"]));
    assert_eq!(book["properties"]["title"]["description"], "As on the cover");
    assert_eq!(book["properties"]["state"]["enum"], json!(["", "New", "Used", null]));
    assert_eq!(book["properties"]["name"]["readOnly"], true);
    assert_eq!(book["properties"]["loans"]["items"]["$ref"], "#/components/schemas/LibraryLoan");
    assert_eq!(book["example"]["title"], "Title");
    assert!(book["properties"].get("token").is_none(), "secrets are not spoken of");
    assert!(document["components"]["schemas"]["LibraryBookPartial"].get("required").is_none());
}

#[test]
fn keys_and_ids_are_plain_and_single() {
    let named = |name: &str| Declaration { name: name.to_owned(), ..Declaration::default() };
    let document = made(vec![named("Note Item"), named("NoteItem"), named("Error"), named("NoteItemPartial")]);
    let schemas = document["components"]["schemas"].as_object().unwrap();
    let titles: Vec<&str> = schemas.values().filter_map(|schema| schema["title"].as_str()).collect();
    for name in ["Note Item", "NoteItem", "Error", "NoteItemPartial"] {
        assert!(titles.contains(&name), "{name} among {titles:?}");
    }
    let plain = |key: &String| key.chars().all(|letter| letter.is_ascii_alphanumeric() || "._-".contains(letter));
    assert!(schemas.keys().all(plain));
    let mut ids: Vec<&str> = document["paths"]
        .as_object()
        .unwrap()
        .values()
        .flat_map(|item| item.as_object().unwrap().values())
        .filter_map(|operation| operation["operationId"].as_str())
        .collect();
    let count = ids.len();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), count);
}

#[test]
fn every_reference_leads_somewhere() {
    let document = made(library());
    let mut references = Vec::new();
    collect(&document, &mut references);
    assert!(references.len() > 50);
    for reference in references {
        let pointer = reference.trim_start_matches('#');
        assert!(document.pointer(pointer).is_some(), "{reference}");
    }
}

fn collect<'j>(value: &'j Json, out: &mut Vec<&'j str>) {
    match value {
        Json::Object(map) => {
            out.extend(map.get("$ref").and_then(Json::as_str));
            map.values().for_each(|value| collect(value, out));
        }
        Json::Array(list) => list.iter().for_each(|value| collect(value, out)),
        _ => {}
    }
}
