//! Fields that a DocType has without declaring them: for amendments, trees, and the state of a workflow.

use serde_json::{Map, Value as Json};

use crate::meta::docfield::DocField;
use crate::meta::doctype::{Declaration, scrub, unscrub};
use crate::meta::fieldtype::Fieldtype;
use crate::meta::workflow::Workflow;

/// Frappe adds `amended_from` to submittable DocTypes and the nested-set fields to trees.
pub(super) fn add_automatic_fields(declaration: &mut Declaration) {
    let own = declaration.name.clone();
    let parent_field = match declaration.nsm_parent_field.as_str() {
        "" => format!("parent_{}", scrub(&own)),
        named => named.to_owned(),
    };
    let state_field = declaration.workflow.as_deref().map(Workflow::field);
    let mut add = |mut field: DocField| {
        if declaration.fields.iter().any(|present| present.fieldname == field.fieldname) {
            return;
        }
        field.raw = automatic_raw(&field);
        if let Some(Json::Array(fields)) = declaration.raw.get_mut("fields") {
            fields.push(Json::Object(field.raw.clone()));
        }
        if let Some(Json::Array(order)) = declaration.raw.get_mut("field_order") {
            order.push(Json::from(field.fieldname.clone()));
        }
        declaration.fields.push(field);
    };
    if let Some(field) = state_field {
        add(field);
    }
    if declaration.is_submittable {
        add(DocField {
            fieldname: "amended_from".to_owned(),
            label: "Amended From".to_owned(),
            fieldtype: Fieldtype::Link,
            options: own.clone(),
            read_only: true,
            no_copy: true,
            search_index: true,
            ..DocField::default()
        });
    }
    if declaration.is_tree {
        let plain = |fieldname: &str, fieldtype: Fieldtype| DocField {
            fieldname: fieldname.to_owned(),
            label: unscrub(fieldname),
            fieldtype,
            ..DocField::default()
        };
        for fieldname in ["lft", "rgt"] {
            add(DocField { hidden: true, no_copy: true, search_index: true, ..plain(fieldname, Fieldtype::Int) });
        }
        add(plain("is_group", Fieldtype::Check));
        add(DocField { options: own.clone(), hidden: true, ..plain("old_parent", Fieldtype::Link) });
        add(DocField { options: own, ignore_user_permissions: true, ..plain(&parent_field, Fieldtype::Link) });
    }
}

/// The definition of a field that no file holds, in Frappe's form.
fn automatic_raw(field: &DocField) -> Map<String, Json> {
    let mut raw = Map::new();
    let texts = [
        ("fieldname", &field.fieldname),
        ("label", &field.label),
        ("options", &field.options),
        ("description", &field.description),
    ];
    for (key, text) in texts {
        if !text.is_empty() {
            raw.insert(key.to_owned(), Json::from(text.as_str()));
        }
    }
    raw.insert("fieldtype".to_owned(), Json::from(field.fieldtype.as_str()));
    let flags = [
        ("read_only", field.read_only),
        ("hidden", field.hidden),
        ("no_copy", field.no_copy),
        ("search_index", field.search_index),
        ("ignore_user_permissions", field.ignore_user_permissions),
        ("allow_on_submit", field.allow_on_submit),
        ("in_list_view", field.in_list_view),
        ("in_standard_filter", field.in_standard_filter),
    ];
    for (key, _) in flags.into_iter().filter(|(_, on)| *on) {
        raw.insert(key.to_owned(), Json::from(1));
    }
    raw
}
