//! The shipped DocTypes: all load without a problem, and teach.

use doctyped::testing::load::{Source, load};
use doctyped::testing::meta::Fieldtype;

use super::{files_below, shown};

pub(super) fn shipped() -> Vec<Source> {
    files_below("doctypes", &["yaml"])
        .iter()
        .map(|path| Source { path: shown(path), text: std::fs::read_to_string(path).expect("readable") })
        .collect()
}

#[test]
fn every_shipped_doctype_loads_without_a_problem() {
    let loaded = load(&shipped());
    let problems: Vec<String> = loaded.problems.iter().map(ToString::to_string).collect();
    assert!(problems.is_empty(), "{}", problems.join("\n"));
    assert!(loaded.doctypes.len() >= 40);
}

#[test]
fn every_visible_field_and_section_has_help_text() {
    let mut missing = Vec::new();
    for doctype in load(&shipped()).doctypes {
        for field in &doctype.fields {
            let is_plain_break = field.fieldtype == Fieldtype::ColumnBreak
                || field.fieldtype.is_layout() && field.raw.get("label").is_none();
            if !field.hidden && !is_plain_break && field.raw.contains_key("fieldname") && field.description.is_empty() {
                missing.push(format!("{}: {}", doctype.name, field.fieldname));
            }
        }
        if doctype.description.is_empty() {
            missing.push(doctype.name.clone());
        }
    }
    assert!(missing.is_empty(), "no description:\n{}", missing.join("\n"));
}

#[test]
fn a_file_is_named_like_its_doctype() {
    for source in shipped() {
        let loaded = load(std::slice::from_ref(&source));
        for doctype in loaded.doctypes {
            let expected = format!("{}.yaml", doctyped::testing::doctype::scrub(&doctype.name));
            assert!(source.path.ends_with(&expected), "{} holds {}", source.path, doctype.name);
        }
    }
}
