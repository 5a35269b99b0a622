//! Files are changed as people would: nothing else moves, and what comes out says what was wanted.

use proptest::prelude::*;
use serde_json::json;

use super::change::{Definition, Part, change, holds, new_doctype};
use super::*;
use crate::meta::DocType;
use crate::meta::load::{Severity, Source, load};

const BOOK: &str = "# What the library lends.\nname: Book\nmodule: Library   # a group of the desk\nautoname: field:title\n\nfields:\n  # The cover says it.\n  - fieldname: title\n    label: \"Title\"   # quoted by hand\n    reqd: true\n    description: >-\n      What stands on the cover,\n      without the subtitle.\n\n  - {fieldname: pages, fieldtype: Int, label: Pages}\n\n  # Where it is.\n  - fieldname: place_section\n    fieldtype: Section Break\n    label: Place\n  - fieldname: shelf\n    fieldtype: Select\n    options: [A, B, 'no']\n  -\n    fieldname: remarks\n    fieldtype: Small Text\n    default: |\n      None yet.\n      # not a comment\n# Who may.\npermissions:\n- role: Librarian\n  read: 1\n  write: 1\n# The end.\n";

fn source(path: &str, text: &str) -> Source {
    Source { path: path.to_owned(), text: text.to_owned() }
}

fn loaded(sources: &[Source], name: &str) -> std::sync::Arc<DocType> {
    let loaded = load(sources);
    let errors: Vec<String> =
        loaded.problems.iter().filter(|problem| problem.severity == Severity::Error).map(ToString::to_string).collect();
    assert!(errors.is_empty(), "{errors:#?}\n{}", sources.last().unwrap().text);
    loaded.doctypes.into_iter().find(|doctype| doctype.name == name).unwrap()
}

/// A definition as its form shows it.
fn shown(doctype: &DocType) -> Definition {
    let part = |(at, keys)| Part { was: Some(at), keys };
    let fields = doctype.fields.iter().map(|field| {
        let mut keys = field.raw.clone();
        keys.extend(field.to_keys());
        keys
    });
    Definition {
        keys: doctype.to_keys(),
        fields: fields.enumerate().map(part).collect(),
        permissions: doctype
            .permissions
            .iter()
            .map(crate::meta::docperm::DocPerm::to_keys)
            .enumerate()
            .map(part)
            .collect(),
    }
}

fn new_field(keys: &Json) -> Part {
    Part { was: None, keys: keys.as_object().unwrap().clone() }
}

/// Changes a file of its own; returns the new text, having read it again.
fn changed(text: &str, edit: impl FnOnce(&mut Definition)) -> String {
    let file = source("library/book.yaml", text);
    let before = loaded(std::slice::from_ref(&file), "Book");
    let now = shown(&before);
    let mut wanted = now.clone();
    edit(&mut wanted);
    let change = change(&file, &now, &wanted, None).unwrap();
    let new = rewrite(&file.path, text, &change).unwrap();
    let again = loaded(&[source(&file.path, &new)], "Book");
    assert!(holds(&before, &now, &wanted, &again), "{new}");
    new
}

fn lines(text: &str, range: std::ops::Range<usize>) -> String {
    text.lines().collect::<Vec<_>>()[range].join("\n")
}

#[test]
fn what_nobody_changes_stays_byte_for_byte() {
    assert_eq!(changed(BOOK, |_| {}), BOOK);
}

#[test]
fn a_value_changes_in_its_line_and_keeps_the_comment_behind_it() {
    let new = changed(BOOK, |wanted| {
        wanted.fields[0].keys["label"] = json!("Title: of the book");
        wanted.keys["module"] = json!("Shelves");
        wanted.fields[0].keys["reqd"] = json!(0);
    });
    assert!(new.contains("    label: \"Title: of the book\"   # quoted by hand\n    description: >-"), "{new}");
    assert!(new.contains("module: Shelves   # a group of the desk\n"), "{new}");
    assert!(new.starts_with("# What the library lends.\n") && new.ends_with("# The end.\n"), "{new}");
}

#[test]
fn new_keys_stand_in_their_entry_and_an_entry_in_braces_keeps_them() {
    let new = changed(BOOK, |wanted| {
        wanted.fields[1].keys["non_negative"] = json!(1);
        wanted.fields[3].keys["description"] = json!("Where it stands.");
        wanted.fields[4].keys["label"] = json!("Notes");
        wanted.keys.insert("title_field".into(), json!("title"));
    });
    assert!(new.contains("  - {fieldname: pages, fieldtype: Int, label: Pages, non_negative: true}\n"), "{new}");
    assert!(new.contains("    options: [A, B, 'no']\n    description: Where it stands.\n  -\n"), "{new}");
    assert!(new.contains("      # not a comment\n    label: Notes\n# Who may.\n"), "{new}");
    assert!(new.contains("autoname: field:title\ntitle_field: title\n\nfields:"), "{new}");
}

#[test]
fn fields_move_with_their_comments_and_go_with_them() {
    let new = changed(BOOK, |wanted| {
        let section = wanted.fields.remove(2);
        wanted.fields.push(section);
        wanted.fields.remove(1);
    });
    let expected = "fields:\n  # The cover says it.\n  - fieldname: title\n    label: \"Title\"   # quoted by hand\n    reqd: true\n    description: >-\n      What stands on the cover,\n      without the subtitle.\n  - fieldname: shelf\n    fieldtype: Select\n    options: [A, B, 'no']\n  -\n    fieldname: remarks\n    fieldtype: Small Text\n    default: |\n      None yet.\n      # not a comment\n\n  # Where it is.\n  - fieldname: place_section\n    fieldtype: Section Break\n    label: Place\n# Who may.";
    assert_eq!(lines(&new, 5..28), expected, "{new}");
}

#[test]
fn a_new_field_says_what_goes_not_without_saying() {
    let new = changed(BOOK, |wanted| {
        let keys = json!({"fieldname": "isbn", "label": "ISBN", "fieldtype": "Data", "reqd": "1", "unique": "0", "columns": "0", "description": "13 digits: see the back.", "on_delete": "refuse"});
        wanted.fields.insert(1, new_field(&keys));
        wanted.fields[1].keys.insert("reqd".into(), json!(1));
        wanted.fields[1].keys.insert("unique".into(), json!(0));
        wanted.fields[1].keys.insert("columns".into(), json!(0));
        let keys = json!({"label": "More", "fieldname": "more_section", "fieldtype": "Section Break"});
        wanted.fields.push(new_field(&keys));
        wanted.permissions.push(new_field(&json!({"role": "Reader", "read": 1})));
    });
    assert!(new.contains("\n  - fieldname: isbn\n    fieldtype: Data\n    label: ISBN\n    reqd: true\n    description: \"13 digits: see the back.\"\n\n  - {"), "{new}");
    assert!(
        new.contains("\n\n  - fieldname: more_section\n    fieldtype: Section Break\n    label: More\n# Who may.\n"),
        "{new}"
    );
    assert!(new.contains("  write: 1\n- role: Reader\n  read: true\n# The end.\n"), "{new}");
}

#[test]
fn a_field_with_another_name_remembers_the_old_one() {
    let new = changed(BOOK, |wanted| wanted.fields[1].keys["fieldname"] = json!("page_count"));
    assert!(new.contains("{fieldname: page_count, fieldtype: Int, label: Pages, renamed_from: pages}"), "{new}");
}

#[test]
fn options_become_a_list_and_long_texts_are_folded() {
    let text = format!("{}.", "Which part of the house it is in, and on which side of it".repeat(3));
    let new = changed(BOOK, |wanted| {
        wanted.fields[3].keys["options"] = json!("\nA\nyes\nB: b");
        wanted.fields[3].keys["description"] = json!(text);
        wanted.fields[0].keys["description"] = json!("One line.\n\n- a list\n");
    });
    assert!(
        new.contains(
            "    options:\n      - \"\"\n      - A\n      - \"yes\"\n      - \"B: b\"\n    description: >-\n      Which"
        ),
        "{new}"
    );
    assert!(new.contains("    description: |\n      One line.\n\n      - a list\n"), "{new}");
    assert!(new.lines().all(|line| line.chars().count() <= 100), "{new}");
}

#[test]
fn lists_that_were_empty_or_missing_appear_and_can_become_empty() {
    let text = "name: Book\nfields: []";
    let new = changed(text, |wanted| {
        wanted.fields.push(new_field(&json!({"fieldname": "a", "fieldtype": "Data", "label": "A"})));
        wanted.permissions.push(new_field(&json!({"role": "All", "read": 1})));
    });
    assert_eq!(
        new,
        "name: Book\nfields:\n  - fieldname: a\n    fieldtype: Data\n    label: A\n\npermissions:\n  - role: All\n    read: true\n"
    );
    let new = changed(BOOK, |wanted| wanted.permissions.clear());
    assert!(new.contains("# Who may.\npermissions: []\n# The end.\n"), "{new}");
}

#[test]
fn line_breaks_and_marks_of_other_systems_stay() {
    let text = format!("\u{feff}{}", BOOK.replace('\n', "\r\n"));
    let new = changed(&text, |wanted| wanted.fields[0].keys["label"] = json!("Name"));
    assert_eq!(new, text.replace("\"Title\"", "Name"));
}

#[test]
fn frappes_own_files_stay_as_frappe_writes_them() {
    let text = "{\n \"doctype\": \"DocType\",\n \"name\": \"Book\",\n \"field_order\": [\n  \"b\",\n  \"a\"\n ],\n \"fields\": [\n  {\n   \"fieldname\": \"a\",\n   \"fieldtype\": \"Select\",\n   \"label\": \"A\",\n   \"options\": \"x\\ny\"\n  },\n  {\n   \"fieldname\": \"b\",\n   \"fieldtype\": \"Data\",\n   \"label\": \"B\",\n   \"reqd\": 1\n  }\n ]\n}\n";
    let file = source("app/book.json", text);
    let before = loaded(std::slice::from_ref(&file), "Book");
    let now = shown(&before);
    let mut wanted = now.clone();
    wanted.fields[1].keys["options"] = json!("x\ny\nz");
    wanted.fields.insert(0, new_field(&json!({"fieldname": "c", "fieldtype": "Check", "label": "C", "reqd": 1})));
    let change = change(&file, &now, &wanted, None).unwrap();
    let new = rewrite(&file.path, text, &change).unwrap();
    assert!(holds(&before, &now, &wanted, &loaded(&[source(&file.path, &new)], "Book")), "{new}");
    assert!(new.contains("   \"options\": \"x\\ny\\nz\"\n") && new.contains("   \"reqd\": 1\n"), "{new}");
    assert!(new.contains(" \"field_order\": [\n  \"c\",\n  \"b\",\n  \"a\"\n ],\n"), "{new}");
}

/// Changes a DocType by an overlay; returns its text, having read both again.
fn overlaid(overlay: &str, edit: impl FnOnce(&mut Definition)) -> Result<String, Vec<String>> {
    let base = source("embedded/doctypes/library/book.yaml", BOOK);
    let file = source("doctypes/custom/book.yaml", if overlay.is_empty() { "extends: Book\n" } else { overlay });
    let beneath = loaded(std::slice::from_ref(&base), "Book");
    let before = loaded(&[base.clone(), file.clone()], "Book");
    let now = shown(&before);
    let mut wanted = now.clone();
    edit(&mut wanted);
    let change = change(&file, &now, &wanted, Some(&beneath))?;
    let new = rewrite(&file.path, &file.text, &change).map_err(|message| vec![message])?;
    let again = loaded(&[base, source(&file.path, &new)], "Book");
    assert!(holds(&before, &now, &wanted, &again), "{new}");
    Ok(new)
}

#[test]
fn an_overlay_holds_only_what_differs() {
    let new = overlaid("", |wanted| {
        wanted.fields[0].keys["label"] = json!("Name");
        wanted.fields[0].keys["reqd"] = json!(0);
        wanted.fields.insert(1, new_field(&json!({"fieldname": "isbn", "fieldtype": "Data", "label": "ISBN"})));
        wanted.permissions[0].keys["write"] = json!(0);
        wanted.keys.insert("title_field".into(), json!("title"));
    });
    assert_eq!(
        new.unwrap(),
        "extends: Book\ntitle_field: title\n\nfields:\n  - fieldname: title\n    label: Name\n    reqd: false\n  - fieldname: isbn\n    fieldtype: Data\n    label: ISBN\n    insert_after: title\n\npermissions:\n  - role: Librarian\n    write: false\n"
    );
}

#[test]
fn an_overlay_moves_fields_and_takes_back_what_it_brought() {
    let moved = overlaid("", |wanted| {
        let field = wanted.fields.remove(1);
        wanted.fields.push(field);
    });
    assert_eq!(moved.unwrap(), "extends: Book\n\nfields:\n  - fieldname: pages\n    insert_after: remarks\n");
    let mine = "extends: Book\nfields:\n  # mine\n  - fieldname: isbn\n    fieldtype: Data\n    label: ISBN\n    insert_after: title\n  - fieldname: title\n    bold: 1\n";
    let taken_back = overlaid(mine, |wanted| {
        wanted.fields.remove(1);
    });
    assert_eq!(taken_back.unwrap(), "extends: Book\nfields:\n  - fieldname: title\n    bold: 1\n");
}

#[test]
fn an_overlay_says_what_it_cannot_do() {
    let removed = overlaid("", |wanted| {
        wanted.fields.remove(1);
    });
    assert_eq!(
        removed,
        Err(vec!["pages comes with the DocType, whose documents hold values for it: hide it instead".to_owned()])
    );
    let renamed = overlaid("", |wanted| wanted.fields[1].keys["fieldname"] = json!("leaves"));
    assert!(renamed.unwrap_err()[0].starts_with("pages comes with the DocType and cannot get another name"));
}

#[test]
fn rows_of_permission_change_go_and_come_in_an_overlay() {
    let new = overlaid("extends: Book\npermissions:\n- role: Librarian\n  delete: 1\n", |wanted| {
        wanted.permissions.remove(0);
        wanted.permissions.push(new_field(&json!({"role": "Reader", "read": 1, "if_owner": 1})));
    });
    assert_eq!(
        new.unwrap(),
        "extends: Book\npermissions:\n- role: Librarian\n  remove: true\n- role: Reader\n  if_owner: true\n  read: true\n"
    );
}

#[test]
fn a_new_doctype_is_a_file_as_one_writes_it() {
    let wanted = Definition {
        keys:
            json!({"module": "Library", "autoname": "field:title", "istable": 0, "track_changes": 1, "description": ""})
                .as_object()
                .unwrap()
                .clone(),
        fields: vec![
            new_field(&json!({"label": "Title", "fieldtype": "Data", "reqd": "1"})),
            new_field(&json!({"label": "Notes", "fieldtype": "Text"})),
        ],
        permissions: vec![new_field(&json!({"role": "All", "read": 1, "permlevel": 0}))],
    };
    let text = new_file(&new_doctype("Magazine", &wanted));
    assert_eq!(
        text,
        "name: Magazine\nmodule: Library\nautoname: field:title\ntrack_changes: true\nfields:\n  - fieldname: title\n    fieldtype: Data\n    label: Title\n    reqd: true\n  - fieldname: notes\n    fieldtype: Text\n    label: Notes\npermissions:\n  - role: All\n    read: true\n"
    );
    loaded(&[source("library/magazine.yaml", &text)], "Magazine");
}

#[test]
fn what_only_a_hand_can_change_is_said() {
    let text = "name: Book\nfields:\n- &a {fieldname: a}\n- <<: *a\n  fieldname: b\n";
    let file = source("library/book.yaml", text);
    let now = shown(&loaded(std::slice::from_ref(&file), "Book"));
    let mut wanted = now.clone();
    wanted.fields[1].keys["label"] = json!("Other");
    let change = change(&file, &now, &wanted, None).unwrap();
    assert_eq!(rewrite(&file.path, text, &change), Err("the entry uses anchors, aliases or tags of YAML".to_owned()));
}

fn words() -> impl Strategy<Value = String> {
    "[a-zA-Zäß0-9 :#'\"|>*&!%@,\\[\\]{}?.\\n-]{0,130}".prop_map(|text| text.trim().to_owned())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn every_text_comes_back_as_it_was(label in words(), description in words(), new in words(), order in any::<u64>()) {
        let label = label.replace('\n', " ");
        let new_text = changed(BOOK, |wanted| {
            wanted.fields[1].keys["label"] = json!(if label.is_empty() { "Pages" } else { label.as_str() });
            wanted.fields[0].keys["description"] = json!(description);
            wanted.fields[4].keys["default"] = json!(if new.is_empty() { "x" } else { new.as_str() });
            let places = wanted.fields.len();
            let field = wanted.fields.remove(usize::try_from(order % 5).unwrap() % places);
            wanted.fields.insert(usize::try_from(order / 5 % 5).unwrap(), field);
        });
        prop_assert!(new_text.ends_with("# The end.\n"));
    }

    #[test]
    fn no_text_makes_it_panic(text in "[-{}\\[\\]\":,|>&* \\n\\\\a#é]{0,60}") {
        let change = FileChange {
            base: vec![("module".to_owned(), Some(json!("M"))), ("a".to_owned(), None)],
            fields: Some(vec![Entry { from: Some(0), keys: vec![("label".to_owned(), Some(json!("L")))] }, Entry::default()]),
            permissions: Some(Vec::new()),
        };
        for path in ["a.yaml", "a.json"] {
            for text in [text.clone(), format!("name: A\nfields:\n{text}"), format!("name: A\n{text}\nfields:\n- a: 1\n  {text}\n")] {
                let _ = rewrite(path, &text, &change);
            }
        }
    }
}
