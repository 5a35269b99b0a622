//! What published files of Frappe apps do although it cannot work, and Frappe takes: taken here too, with a warning.

use std::collections::{HashMap, HashSet};

use indexmap::IndexMap;
use serde_json::Value as Json;

use super::draft::{Draft, Section};
use super::{Reporter, is_json};
use crate::meta::check::is_restricted;
use crate::meta::docfield::DocField;
use crate::meta::fieldtype::{ColumnType, Fieldtype, Shape};
use crate::meta::keys::{nearest, suggestion};

/// How many fields are named before the rest is counted.
const NAMED: usize = 5;

fn fieldtype(field: &Section) -> Option<Fieldtype> {
    match field.text("fieldtype").trim() {
        "" => Some(Fieldtype::Data),
        name => Fieldtype::parse(name),
    }
}

/// As what its values travel; `None` if it holds none.
fn shape(fieldtype: Fieldtype) -> Option<Shape> {
    let field = DocField { fieldtype, ..DocField::default() };
    fieldtype.column_type(&field).map(ColumnType::shape)
}

fn is_layout(field: &Section) -> bool {
    fieldtype(field).is_some_and(Fieldtype::is_layout)
}

/// Whether a file that redefines a shipped DocType is set aside, because it leaves out what the program relies on: Frappe's own
/// file of a DocType that is shipped here, for example.
pub(super) fn is_set_aside(shipped: &Draft, given: &Draft, reporter: &mut Reporter<'_>) -> bool {
    if !reporter.sources[shipped.base.place.source].is_shipped() {
        return false;
    }
    let field_of = |draft: &'_ Draft, name: &str| -> Option<Section> {
        draft.fields.iter().rev().find(|field| field.text("fieldname") == name).cloned()
    };
    let holds_alike = |ours: &Section, theirs: &Section| match (fieldtype(ours), fieldtype(theirs)) {
        (Some(ours_type), Some(theirs_type)) if ours_type.is_table() || theirs_type.is_table() => {
            ours_type == theirs_type && ours.text("options").trim() == theirs.text("options").trim()
        }
        (Some(ours_type), Some(theirs_type)) => shape(ours_type) == shape(theirs_type),
        _ => false,
    };
    let mut differs: Vec<String> = shipped
        .fields
        .iter()
        .filter(|field| !is_layout(field))
        .filter(|field| !field_of(given, field.text("fieldname")).is_some_and(|theirs| holds_alike(field, &theirs)))
        .map(|field| field.text("fieldname").to_owned())
        .collect();
    let fills_itself = |field: &Section| field.map.contains_key("default") || field.map.contains_key("fetch_from");
    differs.extend(
        given
            .fields
            .iter()
            .filter(|field| field.flag("reqd") && !fills_itself(field))
            .filter(|field| !field_of(shipped, field.text("fieldname")).is_some_and(|ours| ours.flag("reqd")))
            .map(|field| field.text("fieldname").to_owned()),
    );
    differs.extend(
        ["issingle", "istable"]
            .into_iter()
            .filter(|key| shipped.base.flag(key) != given.base.flag(key))
            .map(str::to_owned),
    );
    if differs.is_empty() {
        return false;
    }
    let more = differs.len().saturating_sub(NAMED);
    let named = differs.into_iter().take(NAMED).map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    let name = &given.name;
    let message = format!(
        "is set aside: {name} is shipped, and the program relies on what this file has otherwise or not at all ({named}{more}). \
         To add to the shipped one, write a file with `extends: {name}` and what you add"
    );
    reporter.warn(given.base.place_of("name"), name, None, message);
    true
}

/// Takes out fields of Frappe's files that are there twice, or that repeat a column of every document.
pub(super) fn tidy(draft: &mut Draft, reporter: &mut Reporter<'_>) {
    let is_published = |field: &Section| is_json(&reporter.sources[field.place.source].path);
    let key = |field: &Section| field.text("fieldname").to_ascii_lowercase();
    // Of two fields with one name Frappe reads and writes the last; what holds a value counts before what only lays out.
    let mut taken: HashMap<String, usize> = HashMap::new();
    for (index, field) in draft.fields.iter().enumerate() {
        let present = taken.get(&key(field)).copied();
        if present.is_none_or(|present| is_layout(&draft.fields[present]) || !is_layout(field)) {
            taken.insert(key(field), index);
        }
    }
    let mut left_out = Vec::new();
    let mut renamed = Vec::new();
    for (index, field) in draft.fields.iter().enumerate().filter(|(_, field)| is_published(field)) {
        let name = field.text("fieldname");
        if is_restricted(name) {
            left_out
                .push((index, format!("is left out: `{name}` is a column of every document, with or without a field")));
        } else if taken.get(&key(field)) != Some(&index) {
            if is_layout(field) {
                renamed.push(index);
            } else {
                left_out.push((
                    index,
                    format!("the fieldname `{name}` is there twice: the last one counts, this one is left out"),
                ));
            }
        }
    }
    for index in renamed {
        let name = draft.fields[index].text("fieldname").to_owned();
        let is_free = |free: &String| !taken.contains_key(&free.to_ascii_lowercase());
        let Some(free) = (2..1000).map(|n| format!("{name}_{n}")).find(is_free) else { continue };
        let comes_first = taken.get(&name.to_ascii_lowercase()).is_some_and(|counts| index < *counts);
        taken.insert(free.to_ascii_lowercase(), index);
        if let Some(Json::Array(order)) = draft.base.map.get_mut("field_order") {
            let is_same = |ordered: &Json| ordered.as_str() == Some(name.as_str());
            let at = if comes_first { order.iter().position(is_same) } else { order.iter().rposition(is_same) };
            let is_ordered_twice = order.iter().filter(|ordered| is_same(ordered)).count() > 1;
            match at {
                Some(at) if is_ordered_twice => order[at] = Json::from(free.clone()),
                Some(at) => order.insert(at + usize::from(!comes_first), Json::from(free.clone())),
                None => {}
            }
        }
        draft.fields[index].map.insert("fieldname".to_owned(), Json::from(free));
    }
    for (index, message) in left_out.into_iter().rev() {
        let field = draft.fields.remove(index);
        let name = field.text("fieldname").to_owned();
        reporter.warn(field.place_of("fieldname"), &draft.name, Some(&name), message);
        forget(draft, &name);
    }
}

/// Takes a field that was left out from the order of fields.
fn forget(draft: &mut Draft, fieldname: &str) {
    let is_there = draft.fields.iter().any(|field| field.text("fieldname") == fieldname);
    if let Some(Json::Array(order)) = draft.base.map.get_mut("field_order")
        && !is_there
    {
        order.retain(|name| name.as_str() != Some(fieldname));
    }
}

/// Takes out Table fields whose child table is not there, or is among the `broken`; true if there were any.
///
/// They come back by themselves: all files are read together whenever one changes.
pub(super) fn leave_out_tables(
    drafts: &mut IndexMap<String, Draft>,
    broken: &HashSet<String>,
    reporter: &mut Reporter<'_>,
) -> bool {
    let names: HashSet<String> = drafts.keys().cloned().collect();
    let child_tables: HashSet<String> =
        drafts.values().filter(|draft| draft.base.flag("istable")).map(|draft| draft.name.clone()).collect();
    let mut any = false;
    for draft in drafts.values_mut() {
        let mut index = 0;
        while let Some(field) = draft.fields.get(index) {
            index += 1;
            let target = field.text("options").trim();
            if !fieldtype(field).is_some_and(Fieldtype::is_table) {
                continue;
            }
            let is_published = is_json(&reporter.sources[field.place.source].path);
            let why = if target.is_empty() && is_published {
                "it names no child table".to_owned()
            } else if target.is_empty() {
                continue;
            } else if !names.contains(target) {
                let near = suggestion(nearest(target, names.iter().map(String::as_str)));
                format!("the child table {target} is not loaded{near}")
            } else if broken.contains(target) {
                format!("the child table {target} has errors")
            } else if is_published && !child_tables.contains(target) {
                format!("{target} is not a child table")
            } else {
                continue;
            };
            index -= 1;
            let field = draft.fields.remove(index);
            let fieldname = field.text("fieldname").to_owned();
            reporter.warn(field.place_of("options"), &draft.name, Some(&fieldname), format!("is left out: {why}"));
            forget(draft, &fieldname);
            any = true;
        }
    }
    any
}

#[cfg(test)]
mod tests {
    use serde_json::{Value as Json, json};

    use crate::meta::load::{Loaded, Severity, Source, load};

    fn published(fields: &Json) -> Loaded {
        let order: Vec<Json> = fields.as_array().unwrap().iter().map(|field| field["fieldname"].clone()).collect();
        let text = json!({"doctype": "DocType", "name": "Visit", "field_order": order, "fields": fields}).to_string();
        load(&[Source { path: "app/visit.json".to_owned(), text }])
    }

    #[track_caller]
    fn fieldnames(loaded: &Loaded) -> Vec<&str> {
        assert!(!loaded.has_errors(), "{:?}", loaded.problems);
        loaded.doctypes[0].fields.iter().map(|field| field.fieldname.as_str()).collect()
    }

    #[test]
    fn fields_named_as_a_column_of_every_document_are_left_out_with_a_warning() {
        let names = [
            "idx",
            "parent",
            "parentfield",
            "_user_tags",
            "_Comments",
            "name",
            "owner",
            "docstatus",
            "doctype",
            "_seen",
        ];
        for name in names {
            let loaded = published(&json!([{"fieldname": "a"}, {"fieldname": name, "fieldtype": "Data"}]));
            assert_eq!(fieldnames(&loaded), ["a"], "{name}");
            let [problem] = loaded.problems.as_slice() else { panic!("{name}: {:?}", loaded.problems) };
            assert!(problem.severity == Severity::Warning && problem.message.contains(name), "{problem}");
        }
    }

    #[test]
    fn of_two_fields_with_one_name_the_last_counts_and_no_layout_is_lost() {
        let loaded = published(&json!([
            {"fieldname": "a", "fieldtype": "Data", "label": "First"},
            {"fieldname": "b", "fieldtype": "Section Break"},
            {"fieldname": "A", "fieldtype": "Int", "label": "Last"},
            {"fieldname": "b", "fieldtype": "Section Break", "label": "Again"},
            {"fieldname": "c", "fieldtype": "Data"},
            {"fieldname": "c", "fieldtype": "Column Break"},
        ]));
        assert_eq!(fieldnames(&loaded), ["b_2", "A", "b", "c", "c_2"]);
        assert_eq!(loaded.doctypes[0].fields[1].label, "Last");
        assert_eq!(loaded.problems.len(), 1, "{:?}", loaded.problems);
        assert!(loaded.problems[0].message.contains("twice"));
    }

    #[test]
    fn a_fetch_from_that_names_no_link_fetches_nothing() {
        for text in [".", ".territory", "employee", "employee.", "a.b.c", " . "] {
            let loaded = published(&json!([{"fieldname": "employee"}, {"fieldname": "x", "fetch_from": text}]));
            assert_eq!(fieldnames(&loaded).len(), 2);
            assert!(loaded.doctypes[0].field("x").unwrap().fetch_from.is_none(), "{text}");
            assert_eq!(loaded.problems.len(), 1, "{text}: {:?}", loaded.problems);
        }
        for text in ["absent.title", "employee.title"] {
            let loaded = published(&json!([{"fieldname": "employee"}, {"fieldname": "x", "fetch_from": text}]));
            assert_eq!(fieldnames(&loaded).len(), 2, "{text}");
        }
    }

    #[test]
    fn a_table_whose_doctype_is_absent_is_left_out_until_it_appears() {
        for options in ["Dynamic Link", "", "Visit"] {
            for fieldtype in ["Table", "Table MultiSelect"] {
                let table = json!({"fieldname": "rows", "fieldtype": fieldtype, "options": options});
                let loaded = published(&json!([{"fieldname": "a"}, table]));
                assert_eq!(fieldnames(&loaded), ["a"], "{options}");
                assert_eq!(loaded.problems.len(), 1, "{options}: {:?}", loaded.problems);
            }
        }
        let parent = "name: Visit\nfields:\n- {fieldname: rows, fieldtype: Table, options: Row}\n";
        let source = |path: &str, text: &str| Source { path: path.to_owned(), text: text.to_owned() };
        let loaded = load(&[
            source("visit.yaml", parent),
            source("row.yaml", "name: Row\nistable: 1\nfields:\n- {fieldname: b}\n"),
        ]);
        assert!(loaded.problems.is_empty() && loaded.doctypes[0].field("rows").is_some(), "{:?}", loaded.problems);
    }

    #[test]
    fn a_file_for_a_shipped_doctype_counts_only_if_it_has_what_the_program_relies_on() {
        let shipped = "name: User\nfields:\n- {fieldname: email, reqd: 1}\n- {fieldname: roles, fieldtype: Table, options: Role Row}\n";
        let row = "name: Role Row\nistable: 1\nfields:\n- {fieldname: role}\n";
        let source = |path: &str, text: &str| Source { path: path.to_owned(), text: text.to_owned() };
        let beside = |text: &str| {
            load(&[
                source("embedded/doctypes/core/user.yaml", shipped),
                source("embedded/doctypes/core/role_row.yaml", row),
                source("mine/user.json", text),
            ])
        };
        let table = r#"{"fieldname": "roles", "fieldtype": "Table", "options": "Role Row"}"#;
        let set_aside = [
            r#"{"name": "User", "fields": [{"fieldname": "email"}]}"#.to_owned(),
            format!(r#"{{"name": "User", "fields": [{{"fieldname": "email", "fieldtype": "Int"}}, {table}]}}"#),
            format!(r#"{{"name": "User", "issingle": 1, "fields": [{{"fieldname": "email"}}, {table}]}}"#),
            format!(
                r#"{{"name": "User", "fields": [{{"fieldname": "email"}}, {table}, {{"fieldname": "x", "reqd": 1}}]}}"#
            ),
            r#"{"name": "User", "fields": []}"#.to_owned(),
        ];
        for text in set_aside {
            let loaded = beside(&text);
            assert!(!loaded.has_errors());
            assert_eq!(loaded.doctypes[0].sources, ["embedded/doctypes/core/user.yaml"], "{text}");
            let [problem] = loaded.problems.as_slice() else { panic!("{:?}", loaded.problems) };
            assert!(problem.message.contains("`extends: User`"), "{problem}");
        }
        let more =
            format!(r#"{{"name": "User", "fields": [{{"fieldname": "email"}}, {table}, {{"fieldname": "more"}}]}}"#);
        let loaded = beside(&more);
        assert_eq!(loaded.doctypes[0].sources, ["mine/user.json"], "{:?}", loaded.problems);
    }
}
