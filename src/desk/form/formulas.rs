//! The formulas of a form that the browser computes while somebody types, as the server does when it is saved.

use serde_json::{Map, Value as Json, json};

use crate::desk::form::FormInput;
use crate::meta::expression::Read;
use crate::meta::formula::{Fit, Step};
use crate::meta::{DocField, DocType, Fieldtype};

/// Fieldnames whose values the formulas of a document read.
pub(super) fn needed<'a>(input: &FormInput<'a>) -> Vec<&'a str> {
    let registry = input.registry;
    let tables = input.doctype.table_fields().filter_map(|table| registry.get(&table.options));
    let rows = tables.flat_map(|child| reads(child)).filter_map(|read| read.parent_field());
    let own = reads(input.doctype).filter_map(|read| match read {
        Read::OfRows(..) | Read::Rows(_) => None,
        read => read.field(),
    });
    rows.chain(own).collect()
}

fn reads(doctype: &DocType) -> impl Iterator<Item = Read<'_>> {
    doctype.fields.iter().filter_map(|field| field.formula.as_ref()).flat_map(|formula| formula.0.reads())
}

/// What `formulas.js` computes: the formulas in order, where links lead, and what is fetched through them. Null if there is
/// nothing to compute, or nobody who could change anything.
pub(super) fn live(input: &FormInput<'_>) -> Json {
    let Some(formulas) = input.registry.formulas(&input.doctype.name) else { return Json::Null };
    if !input.access.write || input.document.docstatus() != 0 {
        return Json::Null;
    }
    let steps: Vec<Json> = formulas.steps.iter().filter_map(|step| step_json(input, step)).collect();
    if steps.is_empty() {
        return Json::Null;
    }
    let (mut links, mut fetched) = (Map::new(), Map::new());
    let mut add = |doctype: &DocType, prefix: &str| {
        for field in &doctype.fields {
            let name = format!("{prefix}{}", field.fieldname);
            if field.fieldtype == Fieldtype::Link {
                links.insert(name, Json::from(field.options.as_str()));
            } else if let Some((link, source)) =
                field.fetch_from.as_ref().filter(|_| field.read_only && !field.fetch_if_empty)
            {
                fetched.insert(name, json!([link, source]));
            }
        }
    };
    add(input.doctype, "");
    for table in input.doctype.table_fields() {
        if let Some(child) = input.registry.get(&table.options) {
            add(child, &format!("{}.", table.fieldname));
        }
    }
    json!({"steps": steps, "links": links, "fetched": fetched})
}

fn step_json(input: &FormInput<'_>, step: &Step) -> Option<Json> {
    let doctype = match &step.table {
        Some(table) => input.registry.get(&input.doctype.field(table)?.options)?,
        None => input.doctype,
    };
    let field = doctype.field(&step.fieldname)?;
    let formula = &field.formula.as_ref()?.0;
    if !input.grant.reads_level(field.permlevel) || !formula.reads().iter().all(|read| is_seen(input, doctype, read)) {
        return None;
    }
    let fit = Fit::of(field)?;
    let show = match field.fieldtype {
        Fieldtype::Percent => "percent",
        Fieldtype::Check => "check",
        // Shown in ways that the browser does not know.
        Fieldtype::Duration | Fieldtype::Rating => "",
        _ => "plain",
    };
    Some(json!({
        "table": step.table,
        "field": step.fieldname,
        "tree": formula.to_json(),
        "kind": fit.as_str(),
        "places": fit.places(),
        "filled": field.fieldtype.is_never_null(),
        "show": show,
    }))
}

/// Whether the browser has the value as the server would see it.
fn is_seen(input: &FormInput<'_>, doctype: &DocType, read: &Read<'_>) -> bool {
    let is_plain = |field: &DocField| {
        let is_other = field.fieldtype == Fieldtype::Datetime && !input.in_site_zone;
        !is_other
            && !matches!(field.fieldtype, Fieldtype::Duration | Fieldtype::DynamicLink)
            && !input.grant.masks(field)
    };
    let seen = |doctype: &DocType, name: &str| {
        doctype.field(name).map_or_else(|| input.in_site_zone || !matches!(name, "creation" | "modified"), is_plain)
    };
    match read {
        Read::OfRows(table, read) => {
            let child = doctype.field(table).and_then(|field| input.registry.get(&field.options));
            child.is_some_and(|child| is_seen(input, child, read))
        }
        Read::Parent(name) => seen(input.doctype, name),
        Read::Linked(..) if read.parent_field().is_some() => {
            read.parent_field().is_some_and(|name| seen(input.doctype, name))
        }
        read => read.field().is_none_or(|name| seen(doctype, name)),
    }
}
