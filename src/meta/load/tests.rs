//! From text to DocTypes.

use std::sync::Arc;

use proptest::prelude::*;
use serde_json::{Value as Json, json};

use super::{Loaded, Problem, Severity, Source, load};
use crate::meta::docperm::Right;
use crate::meta::doctype::{DocType, Order};
use crate::meta::fieldtype::Fieldtype;
use crate::meta::naming_rule::NamingRule;

fn source(path: &str, text: &str) -> Source {
    Source { path: path.to_owned(), text: text.to_owned() }
}

fn load_one(text: &str) -> Loaded {
    load(&[source("library/book.yaml", text)])
}

#[track_caller]
fn doctype(loaded: &Loaded, name: &str) -> Arc<DocType> {
    let found = loaded.doctypes.iter().find(|doctype| doctype.name == name);
    Arc::clone(found.unwrap_or_else(|| panic!("{}", messages(loaded).join("\n"))))
}

fn messages(loaded: &Loaded) -> Vec<String> {
    loaded.problems.iter().map(Problem::to_string).collect()
}

/// Reads a folder of DocType files, however deep.
fn sources_in(folder: &std::path::Path, found: &mut Vec<Source>) {
    let mut entries: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    entries.sort();
    for path in entries {
        if path.is_dir() {
            sources_in(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "yaml" || extension == "json") {
            found.push(source(&path.to_string_lossy(), &std::fs::read_to_string(&path).unwrap()));
        }
    }
}

#[test]
fn unmodified_frappe_files_load_without_an_error() {
    let Some(folders) = std::env::var_os("DOCTYPED_TEST_FRAPPE_DOCTYPES") else {
        eprintln!("SKIPPED: set DOCTYPED_TEST_FRAPPE_DOCTYPES to folders of Frappe's DocType files");
        return;
    };
    let mut sources = Vec::new();
    for folder in std::env::split_paths(&folders) {
        sources_in(&folder, &mut sources);
    }
    let loaded = load(&sources);
    for message in messages(&loaded) {
        eprintln!("{message}");
    }
    assert!(!loaded.has_errors());
    assert_eq!(loaded.doctypes.len() + loaded.overridden.len(), sources.len());
}

#[test]
fn shipped_doctypes_load_without_a_problem() {
    let mut sources = Vec::new();
    sources_in(&std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("doctypes"), &mut sources);
    let loaded = load(&sources);
    assert_eq!(messages(&loaded), Vec::<String>::new());
    assert_eq!(loaded.doctypes.len(), sources.len());
}

const BOOK: &str = "\
name: Book
module: Library
autoname: field:isbn
title_field: title
search_fields: [title, status]
sort_field: idx desc, title asc
track_changes: true
allow_rename: \"1\"
fields:
  - fieldname: isbn
    reqd: true
  - label: Title?
    reqd: 1
  - fieldname: details
    fieldtype: Section Break
  - fieldtype: Column Break
  - fieldname: status
    fieldtype: Select
    options: [\"\", Open, 2]
    default: 2
    depends_on: eval:doc.title != ''
  - fieldname: pages
    fieldtype: Int
    default: 0
    length: \"20\"
  - fieldname: author
    fieldtype: Link
    options: Author
    link_filters: [[Author, enabled, \"=\", 1]]
  - fieldname: author_name
    fetch_from: author.full_name
  - fieldname: copies
    fieldtype: Table
    options: Book Copy
permissions:
  - {role: Librarian, read: true, write: 1, create: \"1\", delete: 0}
  - role: All
    read: 1
    if_owner: 1
";
const COPY: &str = "name: Book Copy\nistable: true\nfields:\n- fieldname: shelf\n";
const AUTHOR: &str = "name: Author\nfields:\n- fieldname: full_name\n- {fieldname: enabled, fieldtype: Check}\n";

fn library() -> Vec<Source> {
    vec![source("library/book.yaml", BOOK), source("library/copy.yaml", COPY), source("library/author.yaml", AUTHOR)]
}

#[test]
fn a_file_becomes_a_doctype() {
    let loaded = load(&library());
    assert_eq!(messages(&loaded), Vec::<String>::new());
    let book = doctype(&loaded, "Book");
    assert_eq!(book.naming_rule, NamingRule::Field("isbn".to_owned()));
    assert_eq!(book.search_fields, ["title", "status"]);
    assert_eq!(book.sort, [("idx".to_owned(), Order::Desc), ("title".to_owned(), Order::Asc)]);
    assert!(book.track_changes && book.allow_rename && !book.issingle);
    let names: Vec<&str> = book.fields.iter().map(|field| field.fieldname.as_str()).collect();
    let expected = ["isbn", "title", "details", "column_break_3", "status", "pages", "author", "author_name", "copies"];
    assert_eq!(names, expected);
    let isbn = book.field("isbn").unwrap();
    assert!(isbn.unique && isbn.in_list_view, "names are unique, and the first required fields are listed");
    assert_eq!(isbn.label, "Isbn");
    assert_eq!(book.field("title").unwrap().label, "Title?");
    assert_eq!(book.field("details").unwrap().label, "");
    let status = book.field("status").unwrap();
    assert_eq!((status.options.as_str(), status.default.as_deref()), ("\nOpen\n2", Some("2")));
    assert!(status.depends_on.as_ref().unwrap().unparsed.is_none());
    let pages = book.field("pages").unwrap();
    assert_eq!((pages.default.as_deref(), pages.length), (Some("0"), 20));
    assert_eq!(book.field("author").unwrap().link_filters, Some(json!([["Author", "enabled", "=", 1]])));
    assert_eq!(book.field("author_name").unwrap().fetch_from, Some(("author".to_owned(), "full_name".to_owned())));
    let librarian = &book.permissions[0];
    assert_eq!(librarian.rights.iter().collect::<Vec<_>>(), [Right::Read, Right::Write, Right::Create]);
    assert!(book.permissions[1].if_owner);
    assert_eq!(book.sources, ["library/book.yaml"]);
}

#[test]
fn the_raw_definition_is_whole_and_in_frappes_form() {
    let book = doctype(&load(&library()), "Book");
    assert_eq!(book.raw["doctype"], "DocType");
    assert_eq!(book.raw["track_changes"], 1);
    assert_eq!(book.raw["allow_rename"], 1);
    assert_eq!(book.raw["search_fields"], "title, status");
    assert_eq!(book.raw["field_order"].as_array().unwrap().len(), 9);
    let status = &book.raw["fields"][4];
    assert_eq!(status["options"], "\nOpen\n2");
    assert_eq!(status["label"], "Status");
    assert_eq!(book.raw["fields"][1]["fieldname"], "title");
    assert_eq!(book.raw["permissions"][0]["create"], 1);
}

#[test]
fn frappes_json_is_read_as_it_is() {
    let text = json!({
        "doctype": "DocType", "name": "Visit", "creation": "2020-01-01", "idx": 3, "docstatus": 0, "is_submittable": 1,
        "links": [], "actions": [], "some_new_key": 1,
        "field_order": ["b", "a", "gone"],
        "fields": [
            {"fieldname": "a", "fieldtype": "Data", "label": "A", "reqd": "1", "precision": "", "another": 2, "name": "x"},
            {"fieldname": "b", "fieldtype": "Check", "default": "0", "depends_on": null}
        ],
        "permissions": [{"role": "All", "read": 1, "submit": 1, "doctype": "DocPerm"}]
    });
    let loaded = load(&[source("visit.json", &serde_json::to_string_pretty(&text).unwrap())]);
    assert!(!loaded.has_errors());
    let found = messages(&loaded).join("\n");
    for part in ["`some_new_key`", "`another`", "gone", "`submit` without `write`"] {
        assert!(found.contains(part), "{part}: {found}");
    }
    let visit = doctype(&loaded, "Visit");
    let names: Vec<&str> = visit.fields.iter().map(|field| field.fieldname.as_str()).collect();
    assert_eq!(names, ["b", "a", "amended_from"]);
    assert!(visit.fields[1].reqd);
    assert_eq!(visit.raw["some_new_key"], 1);
    assert_eq!(visit.raw["fields"][2]["options"], "Visit", "fields that come by themselves are in the raw definition");
}

#[test]
fn other_documents_are_skipped() {
    let table = [
        ("a.json", r#"{"doctype": "Report", "name": "X"}"#, Severity::Warning, "holds a Report"),
        ("a.yaml", "doctype: Report\nname: X", Severity::Error, "holds a Report"),
        ("a.json", "[1, 2]", Severity::Warning, "no DocType"),
        ("a.yaml", "[1, 2]", Severity::Error, "must be one DocType"),
        ("a.yaml", "# nothing\n", Severity::Error, "is empty"),
        ("a.yaml", "", Severity::Error, "is empty"),
        ("a.json", "null", Severity::Error, "is empty"),
        ("a.yaml", "fields: []", Severity::Error, "needs `name`"),
    ];
    for (path, text, severity, part) in table {
        let loaded = load(&[source(path, text)]);
        assert!(loaded.doctypes.is_empty());
        let [problem] = loaded.problems.as_slice() else { panic!("{text}: {:?}", loaded.problems) };
        assert_eq!(problem.severity, severity, "{text}");
        assert!(problem.message.contains(part), "{problem}");
    }
}

#[test]
fn every_problem_has_its_line_and_says_what_to_do() {
    let table = [
        ("name: Book\nfields:\n  - fieldname: [a\n", "library/book.yaml:", "not valid YAML"),
        ("name: Book\nname: Book\n", "library/book.yaml:", "duplicate"),
        ("name: Book\nfeilds: []", "library/book.yaml:2: Book: ", "did you mean `fields`?"),
        (
            "name: Book\nfields:\n- fieldname: a\n  required: 1",
            "library/book.yaml:4: Book, a: ",
            "did you mean `reqd`?",
        ),
        (
            "name: Book\nfields:\n- fieldname: a\n  reqd: maybe",
            "library/book.yaml:4: Book, a: ",
            "must be true or false, not `maybe`",
        ),
        (
            "name: Book\nfields:\n- fieldname: a\n\n  fieldtype: Dat",
            "library/book.yaml:5: Book, a: ",
            "did you mean `Data`?",
        ),
        ("name: Book\nfields:\n- reqd: 1", "library/book.yaml:3: Book: ", "needs a `fieldname` or a `label`"),
        ("name: Book\nfields: {a: 1}", "library/book.yaml:2: Book: ", "must be a list"),
        ("name: Book\nfields:\n- a", "library/book.yaml:3: Book: ", "must be a mapping"),
        (
            "name: Book\nfields:\n- fieldname: a\n  permlevel: 12",
            "library/book.yaml:4: Book, a: ",
            "from 0 to 9, not 12",
        ),
        (
            "name: Book\nfields:\n- fieldname: a\n  fieldtype: Select\n  options: [true]",
            "library/book.yaml:5: Book, a: ",
            "put it in quotes",
        ),
        ("name: Book\nfields:\n- fieldname: a\n  remove: 1", "library/book.yaml:4: Book, a: ", "delete the field"),
        (
            "name: Book\npermissions:\n- role: All\n  read: 1\n  raed: 1",
            "library/book.yaml:5: Book: ",
            "did you mean `read`?",
        ),
        ("name: Book\ndescription: true", "library/book.yaml:2: Book: ", "must be text"),
        ("name: !tag Book", "library/book.yaml:1: ", "tag"),
    ];
    for (text, start, part) in table {
        let loaded = load_one(text);
        let found = messages(&loaded);
        assert!(loaded.has_errors(), "{text}: {found:?}");
        assert!(loaded.doctypes.is_empty(), "{text}");
        assert!(found.iter().any(|message| message.starts_with(start) && message.contains(part)), "{text}: {found:?}");
    }
}

#[test]
fn a_broken_file_does_not_stop_the_others_and_only_its_tables_are_left_out() {
    let broken = COPY.replace("shelf", "she lf");
    let sources = [
        source("book.yaml", BOOK),
        source("copy.yaml", &broken),
        source("author.yaml", AUTHOR),
        source("x.yaml", "name: Broken\n  x: ["),
    ];
    let loaded = load(&sources);
    let names: Vec<&str> = loaded.doctypes.iter().map(|doctype| doctype.name.as_str()).collect();
    assert_eq!(names, ["Book", "Author"]);
    assert_eq!(loaded.broken().into_iter().collect::<Vec<_>>(), ["Book Copy", "Broken"]);
    assert!(doctype(&loaded, "Book").field("copies").is_none());
    let overlay =
        load(&[source("author.yaml", AUTHOR), source("mine.yaml", "extends: Author\nfields:\n  - name: x\n - [")]);
    assert_eq!(
        overlay.broken().into_iter().collect::<Vec<_>>(),
        ["Author"],
        "an overlay that does not parse breaks its DocType"
    );
    let found = messages(&loaded).join("\n");
    assert!(found.contains("book.yaml:34: Book, copies: is left out: the child table Book Copy has errors"), "{found}");
}

#[test]
fn a_later_file_replaces_an_earlier_one() {
    let mine = "name: Author\nfields:\n- fieldname: full_name\n- fieldname: born\n";
    let mut sources = library();
    sources.push(source("mine/author.yaml", mine));
    let loaded = load(&sources);
    assert_eq!(messages(&loaded), Vec::<String>::new());
    let author = doctype(&loaded, "Author");
    assert!(author.field("born").is_some() && author.field("enabled").is_none());
    assert_eq!(loaded.overridden[0].by, "mine/author.yaml");
    sources[3].path = "library/author2.yaml".to_owned();
    let found = messages(&load(&sources));
    assert!(found[0].contains("library/author.yaml defines it too"), "{found:?}");
}

#[test]
fn overlays_add_and_override() {
    let overlay = "\
extends: Book
track_changes: 0
description: Ours
fields:
  - fieldname: subtitle
    insert_after: title
  - fieldname: rating
    fieldtype: Rating
  - fieldname: status
    reqd: true
    options: [Open, Closed]
    default: Open
  - fieldname: pages
    insert_after: isbn
permissions:
  - role: Librarian
    write: 0
    export: 1
  - role: All
    if_owner: 1
    remove: true
  - {role: Reader, read: 1}
";
    let second = "extends: Book\nfields:\n- fieldname: rating\n  label: Stars\n";
    let mut sources = vec![source("mine/first.yaml", overlay), source("mine/second.yaml", second)];
    sources.extend(library());
    let loaded = load(&sources);
    assert_eq!(messages(&loaded), Vec::<String>::new());
    let book = doctype(&loaded, "Book");
    assert!(!book.track_changes);
    assert_eq!(book.description, "Ours");
    let names: Vec<&str> = book.fields.iter().map(|field| field.fieldname.as_str()).collect();
    assert_eq!(names[..4], ["isbn", "pages", "title", "subtitle"]);
    assert_eq!(names.last(), Some(&"rating"));
    assert_eq!(book.field("rating").unwrap().label, "Stars");
    let status = book.field("status").unwrap();
    assert!(status.reqd && status.depends_on.is_some() && status.fieldtype == Fieldtype::Select);
    let rights: Vec<(&str, Vec<Right>)> =
        book.permissions.iter().map(|row| (row.role.as_str(), row.rights.iter().collect())).collect();
    assert_eq!(rights, [("Librarian", vec![Right::Read, Right::Create, Right::Export]), ("Reader", vec![Right::Read])]);
    assert_eq!(book.sources, ["library/book.yaml", "mine/first.yaml", "mine/second.yaml"]);
    assert_eq!(book.raw["description"], "Ours");
    assert_eq!(book.raw["fields"][3]["fieldname"], "subtitle");
}

#[test]
fn overlays_keep_the_field_order_of_what_they_extend() {
    let base = r#"{"doctype": "DocType", "name": "Note", "field_order": ["b", "a"],
        "fields": [{"fieldname": "a"}, {"fieldname": "b"}]}"#;
    let overlay = "extends: Note\nfields:\n- {fieldname: c, insert_after: b}\n- fieldname: d\n";
    let loaded = load(&[source("note.json", base), source("mine.yaml", overlay)]);
    let note = doctype(&loaded, "Note");
    let names: Vec<&str> = note.fields.iter().map(|field| field.fieldname.as_str()).collect();
    assert_eq!(names, ["b", "c", "a", "d"]);
}

#[test]
fn overlays_that_cannot_apply_are_errors() {
    let table = [
        ("extends: Boook", "mine.yaml:1: ", "no file defines: did you mean `Book`?"),
        ("extends: Book\nname: X", "mine.yaml:2: Book: ", "cannot have a `name`"),
        (
            "extends: Book\nfields:\n- {fieldname: x, insert_after: titel}",
            "mine.yaml:3: Book, x: ",
            "did you mean `title`?",
        ),
        ("extends: Book\nfields:\n- fieldname: title\n  remove: true", "mine.yaml:4: Book, title: ", "`hidden: true`"),
        (
            "extends: Book\npermissions:\n- {role: Nobody, remove: 1}",
            "mine.yaml:3: Book: ",
            "no permission row of role Nobody",
        ),
        (
            "extends: Book\nfields:\n- fieldname: status\n  default: Nope",
            "mine.yaml:4: Book, status: ",
            "one of the `options`",
        ),
    ];
    for (text, start, part) in table {
        let mut sources = library();
        sources.push(source("mine.yaml", text));
        let loaded = load(&sources);
        let found = messages(&loaded);
        assert!(loaded.has_errors(), "{text}");
        assert!(found.iter().any(|message| message.starts_with(start) && message.contains(part)), "{text}: {found:?}");
    }
}

#[test]
fn yaml_anchors_and_merges_work() {
    let loaded = load_one("name: Book\nfields:\n- &a {fieldname: a, reqd: 1, label: A}\n- <<: *a\n  fieldname: b\n");
    let book = doctype(&loaded, "Book");
    assert!(book.field("b").unwrap().reqd);
}

#[test]
fn forced_properties_are_forced() {
    let text =
        "name: Settings\nissingle: 1\nis_submittable: 1\nallow_import: 1\nfields:\n- {fieldname: a, unique: 1}\n";
    let settings = doctype(&load_one(text), "Settings");
    assert!(!settings.is_submittable && !settings.allow_import && !settings.field("a").unwrap().unique);
    let text = "name: Row\nistable: 1\nfields:\n- {fieldname: a, unique: 1, search_index: 1}\npermissions:\n- {role: All, read: 1}\n";
    let loaded = load_one(text);
    let row = doctype(&loaded, "Row");
    assert!(row.permissions.is_empty() && !row.field("a").unwrap().search_index);
    let [problem] = loaded.problems.as_slice() else { panic!("{:?}", loaded.problems) };
    assert_eq!((problem.severity, problem.line), (Severity::Warning, 6));
}

#[test]
fn a_thousand_doctypes_load_fast_enough() {
    let sources: Vec<Source> = (0..1000)
        .map(|n| source(&format!("{n}.yaml"), &BOOK.replace("name: Book\n", &format!("name: Book {n}\n"))))
        .chain([source("copy.yaml", COPY), source("author.yaml", AUTHOR)])
        .collect();
    let loaded = load(&sources);
    assert_eq!(loaded.doctypes.len(), 1002);
}

proptest! {
    #[test]
    fn no_text_makes_it_panic(text in "\\PC*", path in prop::sample::select(vec!["a.yaml", "a.json"])) {
        load(&[source(path, &text)]);
    }

    #[test]
    fn no_value_makes_it_panic(
        key in prop::sample::select(crate::meta::doctype::DOCTYPE.iter().map(|key| key.name).collect::<Vec<_>>()),
        field_key in prop::sample::select(crate::meta::docfield::FIELD.iter().map(|key| key.name).collect::<Vec<_>>()),
        value in prop::sample::select(vec![
            json!(null), json!(-1), json!(1e300), json!(""), json!("é.é"), json!([]), json!([[]]), json!({}), json!("a,b desc"),
            json!("naming_series:"), json!("format:{"), json!("eval:"), json!("field:"), json!("."), json!(["a", 1, null]),
        ]),
    ) {
        let mut whole = json!({"name": "Book", "fields": [{"fieldname": "a"}]});
        whole["fields"][0][field_key] = value.clone();
        load(&[source("a.yaml", &whole.to_string())]);
        let mut whole = json!({"name": "Book", "fields": [{"fieldname": "a"}]});
        whole[key] = value;
        let text = Json::to_string(&whole);
        load(&[source("a.json", &text), source("b.yaml", &text)]);
    }
}
