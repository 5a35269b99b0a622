//! A draft → the declaration that everything else uses. What follows from other keys (defaults, forced flags) is decided here.

use std::collections::{HashMap, HashSet};

use serde_json::{Map, Value as Json};

use super::Reporter;
use super::draft::{Draft, Section};
use crate::meta::docfield::DocField;
use crate::meta::docperm::{DocPerm, Right, Rights};
use crate::meta::doctype::{Declaration, Order, unscrub};
use crate::meta::fieldtype::Fieldtype;
use crate::meta::keys::{nearest, suggestion};
use crate::meta::naming_rule::NamingRule;

/// How many required fields become list columns if no field asks to be one.
const LIST_COLUMNS: usize = 4;

/// Builds a declaration; adds to `unusable` the fields (by DocType and position) whose type is not known.
pub(super) fn declaration(
    draft: &mut Draft,
    reporter: &mut Reporter<'_>,
    unusable: &mut HashSet<(String, usize)>,
) -> Declaration {
    sort_fields(draft, reporter);
    let base = &draft.base;
    let read = Declaration::read(&base.map);
    let (issingle, istable) = (read.issingle, read.istable);
    let mut declaration = Declaration {
        name: draft.name.clone(),
        is_submittable: read.is_submittable && !issingle,
        autoname: read.autoname.trim().to_owned(),
        sort: sort(base.text("sort_field"), base.text("sort_order")),
        allow_import: read.allow_import && !issingle && !istable,
        max_attachments: ranged(draft, base, None, "max_attachments", 0..=100_000, reporter),
        fields: Vec::with_capacity(draft.fields.len()),
        permissions: permissions(draft, istable, reporter),
        guarded_rights: guarded_rights(draft, reporter),
        sources: draft.sources.iter().map(|source| reporter.sources[*source].path.clone()).collect(),
        ..read
    };
    for (index, section) in draft.fields.iter().enumerate() {
        declaration.fields.push(field(draft, index, section, reporter, unusable));
    }
    apply_consequences(&mut declaration);
    declaration.raw = raw(draft, &declaration);
    declaration
}

/// `field_order` wins over the order of `fields`; fields that it does not name stay behind the others.
fn sort_fields(draft: &mut Draft, reporter: &mut Reporter<'_>) {
    let Some(Json::Array(order)) = draft.base.map.get("field_order") else { return };
    let order: HashMap<&str, usize> =
        order.iter().enumerate().filter_map(|(index, name)| Some((name.as_str()?, index))).collect();
    let known: HashSet<&str> = draft.fields.iter().map(|field| field.text("fieldname")).collect();
    let mut unknown: Vec<&str> = order.keys().copied().filter(|name| !known.contains(name)).collect();
    unknown.sort_unstable();
    if !unknown.is_empty() {
        let message = format!("`field_order` names fields that are not there: {}", unknown.join(", "));
        reporter.warn(draft.base.place_of("field_order"), &draft.name, None, message);
    }
    draft.fields.sort_by_key(|field| order.get(field.text("fieldname")).copied().unwrap_or(usize::MAX));
}

fn field(
    draft: &Draft,
    index: usize,
    section: &Section,
    reporter: &mut Reporter<'_>,
    unusable: &mut HashSet<(String, usize)>,
) -> DocField {
    let read = DocField::read(&section.map);
    let (fieldname, fieldtype) = (read.fieldname.clone(), read.fieldtype);
    let name = section.text("fieldtype").trim();
    if !name.is_empty() && Fieldtype::parse(name).is_none() {
        let near = suggestion(nearest(name, Fieldtype::ALL.iter().map(|(_, name)| *name)));
        let message = format!("`{name}` is not a fieldtype{near}");
        reporter.error(section.place_of("fieldtype"), &draft.name, Some(&fieldname), message);
        unusable.insert((draft.name.clone(), index));
    }
    check_fetch_from(draft, section, &read, reporter);
    let links = matches!(fieldtype, Fieldtype::Link | Fieldtype::DynamicLink) || fieldtype.is_table();
    let mut number = |key: &str, range| ranged(draft, section, Some(&fieldname), key, range, reporter);
    let (length, precision) = (number("length", 0..=1000), number("precision", 0..=9));
    let (permlevel, columns) = (number("permlevel", 0..=9), number("columns", 0..=12));
    DocField {
        label: match section.text("label") {
            "" if !fieldtype.is_layout() => unscrub(&fieldname),
            label => label.to_owned(),
        },
        options: if links { read.options.trim().to_owned() } else { read.options },
        default: section.map.get("default").and_then(Json::as_str).filter(|text| !text.is_empty()).map(str::to_owned),
        length,
        precision: section.whole("precision").and(u8::try_from(precision).ok()),
        permlevel: u8::try_from(permlevel).unwrap_or(0),
        columns: u8::try_from(columns).unwrap_or(0),
        link_filters: link_filters(draft, section, &fieldname, reporter),
        raw: section.map.clone(),
        ..read
    }
}

/// A whole number within a range; 0, and a report, if it is outside.
fn ranged(
    draft: &Draft,
    section: &Section,
    field: Option<&str>,
    key: &str,
    range: std::ops::RangeInclusive<u32>,
    reporter: &mut Reporter<'_>,
) -> u32 {
    let Some(number) = section.whole(key) else { return 0 };
    if let Some(number) = u32::try_from(number).ok().filter(|number| range.contains(number)) {
        return number;
    }
    let message = format!("`{key}` must be from {} to {}, not {number}", range.start(), range.end());
    reporter.error(section.place_of(key), &draft.name, field, message);
    0
}

/// Published files have halves of it; Frappe fetches nothing then, and neither do we.
fn check_fetch_from(draft: &Draft, section: &Section, read: &DocField, reporter: &mut Reporter<'_>) {
    let text = section.text("fetch_from").trim();
    if !text.is_empty() && read.fetch_from.is_none() {
        let message = format!("fetches nothing: `fetch_from` must be `link_field.source_field`, not `{text}`");
        reporter.warn(section.place_of("fetch_from"), &draft.name, Some(&read.fieldname), message);
    }
}

fn link_filters(draft: &Draft, section: &Section, fieldname: &str, reporter: &mut Reporter<'_>) -> Option<Json> {
    let text = section.text("link_filters").trim();
    if text.is_empty() {
        return None;
    }
    if let Ok(filters @ (Json::Array(_) | Json::Object(_))) = serde_json::from_str::<Json>(text) {
        return Some(filters);
    }
    let message = "`link_filters` must be a JSON list such as [[\"User\", \"enabled\", \"=\", 1]]";
    reporter.error(section.place_of("link_filters"), &draft.name, Some(fieldname), message);
    None
}

fn permissions(draft: &Draft, istable: bool, reporter: &mut Reporter<'_>) -> Vec<DocPerm> {
    if istable {
        if let Some(first) = draft.permissions.first() {
            let message = "a child table has no permissions of its own, its parent decides: the rows have no effect";
            reporter.warn(first.place, &draft.name, None, message);
        }
        return Vec::new();
    }
    let mut rows = Vec::with_capacity(draft.permissions.len());
    for section in &draft.permissions {
        let mut rights = Rights::NONE;
        Right::ALL.into_iter().filter(|right| section.flag(right.as_str())).for_each(|right| rights.insert(right));
        let permlevel = ranged(draft, section, None, "permlevel", 0..=9, reporter);
        rows.push(DocPerm {
            role: section.text("role").trim().to_owned(),
            permlevel: u8::try_from(permlevel).unwrap_or(0),
            if_owner: section.flag("if_owner"),
            rights,
            mask: section.flag("mask"),
        });
    }
    rows
}

fn guarded_rights(draft: &Draft, reporter: &mut Reporter<'_>) -> Rights {
    let mut rights = Rights::NONE;
    for name in names(draft.base.text("guarded_rights")) {
        if let Some(right) = Right::parse(&name) {
            rights.insert(right);
            continue;
        }
        let near = suggestion(nearest(&name, Right::ALL.map(Right::as_str)));
        let message = format!("`guarded_rights` names `{name}`, which is not a right{near}");
        reporter.error(draft.base.place_of("guarded_rights"), &draft.name, None, message);
    }
    rights
}

/// What one key makes of others, as Frappe does when a DocType is saved.
fn apply_consequences(declaration: &mut Declaration) {
    if let Ok(NamingRule::Field(fieldname)) = NamingRule::parse(&declaration.autoname)
        && let Some(field) = declaration.fields.iter_mut().find(|field| field.fieldname == fieldname)
    {
        field.unique = true;
    }
    for field in &mut declaration.fields {
        if field.formula.is_some() {
            field.read_only = true;
            field.raw.insert("read_only".to_owned(), Json::from(1));
        }
        if declaration.issingle {
            field.unique = false;
            field.search_index = false;
        }
        // A unique column has an index already.
        field.search_index &= !field.unique;
    }
    if !declaration.fields.iter().any(|field| field.in_list_view) {
        let required = |field: &&mut DocField| {
            field.reqd && !field.hidden && field.has_column() && field.fieldtype != Fieldtype::AttachImage
        };
        for field in declaration.fields.iter_mut().filter(required).take(LIST_COLUMNS) {
            field.in_list_view = true;
            field.raw.insert("in_list_view".to_owned(), Json::from(1));
        }
    }
}

/// The merged definition in Frappe's form.
fn raw(draft: &Draft, declaration: &Declaration) -> Map<String, Json> {
    let mut raw = draft.base.map.clone();
    let names = declaration.fields.iter().map(|field| Json::from(field.fieldname.clone())).collect();
    raw.insert("field_order".to_owned(), Json::Array(names));
    let fields = declaration.fields.iter().map(|field| {
        let mut raw = field.raw.clone();
        raw.insert("fieldtype".to_owned(), Json::from(field.fieldtype.as_str()));
        if !field.label.is_empty() {
            raw.insert("label".to_owned(), Json::from(field.label.clone()));
        }
        Json::Object(raw)
    });
    raw.insert("fields".to_owned(), fields.collect());
    let permissions = draft.permissions.iter().map(|row| Json::Object(row.map.clone()));
    raw.insert(
        "permissions".to_owned(),
        if declaration.istable { Json::Array(Vec::new()) } else { permissions.collect() },
    );
    raw
}

fn names(text: &str) -> Vec<String> {
    text.split([',', '\n']).map(str::trim).filter(|name| !name.is_empty()).map(str::to_owned).collect()
}

/// `sort_field` and `sort_order`; `sort_field` may list several, each with its own order.
fn sort(field: &str, order: &str) -> Vec<(String, Order)> {
    let parse = |text: &str| if text.eq_ignore_ascii_case("asc") { Order::Asc } else { Order::Desc };
    let sorted: Vec<(String, Order)> = field
        .split(',')
        .map(str::trim)
        .filter(|part| !part.is_empty())
        .map(|part| {
            let (name, own) = part.split_once(char::is_whitespace).unwrap_or((part, order));
            (name.trim_matches('`').to_owned(), parse(own.trim()))
        })
        .collect();
    if sorted.is_empty() { vec![("creation".to_owned(), parse(order))] } else { sorted }
}
