//! Rules of a DocType's own keys: its name, its naming, the fields that its keys name.

use super::{At, Checker};
use crate::meta::fieldtype::Fieldtype;
use crate::meta::keys::{nearest, suggestion};
use crate::meta::limited::{Limited, Test};
use crate::meta::naming_rule::{NamingRule, SeriesPart};
use crate::meta::workflow::Workflow;

/// PostgreSQL cuts identifiers behind 63 bytes, of which `tab` takes three.
const LONGEST_NAME: usize = 60;

pub(super) fn check(checker: &mut Checker<'_, '_>) {
    check_name(checker);
    let doctype = checker.doctype;
    if doctype.issingle && doctype.istable {
        checker.error(At::Key("issingle"), "cannot be both a Single and a child table: remove `issingle` or `istable`");
    }
    if doctype.istable && doctype.is_tree {
        checker.rule(At::Key("is_tree"), "a child table cannot be a tree: remove `is_tree`");
    }
    if doctype.is_tree && !doctype.nsm_parent_field.is_empty() {
        let name = doctype.nsm_parent_field.as_str();
        let is_self_link = |field: &crate::meta::docfield::DocField| {
            field.fieldtype == Fieldtype::Link && field.options == doctype.name
        };
        if !doctype.field(name).is_some_and(is_self_link) {
            let message = format!("`nsm_parent_field` must name a Link field to {}, not `{name}`", doctype.name);
            checker.rule(At::Key("nsm_parent_field"), message);
        }
    }
    check_naming(checker);
    check_named_fields(checker);
    check_limits(checker);
    check_workflow(checker);
}

fn check_name(checker: &mut Checker<'_, '_>) {
    let name = checker.doctype.name.as_str();
    let mut characters = name.chars();
    let starts_well = characters.next().is_some_and(|c| c.is_ascii_alphabetic());
    let goes_on_well = characters.all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | ' ' | '-'));
    if !starts_well || !goes_on_well || name.len() < 2 {
        checker.error(
            At::DocType,
            "the name must begin with a letter, go on with letters, digits, spaces, `-` or `_`, and have at least two characters",
        );
    }
    if name.len() > LONGEST_NAME {
        let message = format!("the name may have at most {LONGEST_NAME} characters, not {}: shorten it", name.len());
        checker.error(At::DocType, message);
    }
}

fn check_naming(checker: &mut Checker<'_, '_>) {
    let doctype = checker.doctype;
    let at = At::Key("autoname");
    match NamingRule::parse(&doctype.autoname) {
        Err(message) => checker.error(at, message),
        Ok(NamingRule::Field(name)) => match doctype.field(&name) {
            Some(field) if field.has_column() => {}
            Some(_) => checker.error(at, format!("`autoname` names the field `{name}`, which holds no value")),
            None => {
                let near = checker.nearest_field(&name);
                checker.error(at, format!("`autoname` names the field `{name}`, which is not there{near}"));
            }
        },
        Ok(NamingRule::NamingSeries) => match doctype.field("naming_series") {
            Some(field) if field.fieldtype == Fieldtype::Select || field.fieldtype == Fieldtype::Data => {}
            Some(_) => checker.rule(at, "the field `naming_series` must be a Select with one series a line"),
            None => checker.error(
                at,
                "`autoname: naming_series:` needs a Select field `naming_series` with one series a line, such as INV-.YYYY.-",
            ),
        },
        Ok(NamingRule::Series(parts)) if doctype.autoname.starts_with("format:") => {
            for part in parts {
                if let SeriesPart::Field(name) = part
                    && doctype.column(&name).is_none()
                {
                    let near = checker.nearest_field(&name);
                    let message = format!("`autoname` has the part `{{{name}}}`, which is neither a field nor part of a date{near}");
                    checker.rule(at, message);
                }
            }
        }
        // The old style needs neither dots nor a counter, so that every misspelt rule is one.
        Ok(NamingRule::Series(_)) if !doctype.autoname.contains(['.', '#']) => {
            let name = &doctype.autoname;
            let meant = if doctype.column(name).is_some() { format!("field:{name}") } else { format!("{name}-.#####") };
            checker.warn(at, format!("`autoname` {name} makes names such as {name}00001: write `{meant}` to say what is meant"));
        }
        Ok(_) => {}
    }
    if doctype.issingle && !doctype.autoname.is_empty() {
        checker.warn(at, "`autoname` has no effect: a Single is named like its DocType");
    }
}

/// A condition that cannot be read would limit nothing.
fn check_limits(checker: &mut Checker<'_, '_>) {
    let doctype = checker.doctype;
    let at = At::Key("limited_to");
    let Some(list) = &doctype.limited_to else {
        if doctype.raw.get("limited_to").is_some_and(|value| value.as_str().is_none_or(|text| !text.trim().is_empty()))
        {
            checker.error(at, "`limited_to` is not JSON");
        }
        return;
    };
    match Limited::parse(list) {
        Err(message) => checker.error(at, format!("`limited_to` {message}")),
        Ok(limits) => {
            let is_read = |limited: &&Limited| match limited.test {
                Test::Roles => doctype.field(&limited.field).is_some_and(|field| field.fieldtype.is_table()),
                _ => doctype.column(&limited.field).is_some(),
            };
            for limited in limits.iter().filter(|limited| !is_read(limited)) {
                let near = checker.nearest_field(&limited.field);
                let message =
                    format!("`limited_to` reads `{}`, which is not a field with a value{near}", limited.field);
                checker.error(at, message);
            }
        }
    }
}

/// A workflow that cannot be read would hold nobody to anything.
fn check_workflow(checker: &mut Checker<'_, '_>) {
    let doctype = checker.doctype;
    let at = At::Key("workflow");
    let Some(written) = doctype.raw.get("workflow").filter(|value| !value.is_null()) else { return };
    let workflow = match serde_json::from_value::<Workflow>(written.clone()) {
        Ok(workflow) => workflow,
        Err(error) => return checker.error(at, format!("`workflow` cannot be read: {error}")),
    };
    for problem in workflow.check(doctype) {
        let place = match problem.row {
            Some((list, row)) => format!("`workflow`, row {} of `{list}`, `{}`", row + 1, problem.key),
            None => format!("`workflow`, `{}`", problem.key),
        };
        checker.error(at, format!("{place}: {}", problem.message));
    }
}

/// Keys of the DocType that name fields.
fn check_named_fields(checker: &mut Checker<'_, '_>) {
    let doctype = checker.doctype;
    if let Some(name) = &doctype.title_field
        && !checker.has_value(name)
    {
        let near = checker.nearest_field(name);
        checker.rule(
            At::Key("title_field"),
            format!("`title_field` names `{name}`, which is not a field with a value{near}"),
        );
    }
    for name in &doctype.search_fields {
        if doctype.column(name).is_none() {
            let near = checker.nearest_field(name);
            let message = format!("`search_fields` names `{name}`, which is not a field with a value{near}");
            checker.rule(At::Key("search_fields"), message);
        }
    }
    for (name, _) in &doctype.sort {
        if doctype.column(name).is_none() {
            let near = checker.nearest_field(name);
            checker.rule(
                At::Key("sort_field"),
                format!("`sort_field` names `{name}`, which is not a field with a value{near}"),
            );
        }
    }
    if let Some(name) = &doctype.image_field
        && doctype.field(name).is_none_or(|field| field.fieldtype != Fieldtype::AttachImage)
    {
        let message = format!("`image_field` must name an Attach Image field, not `{name}`");
        checker.rule(At::Key("image_field"), message);
    }
    let timeline = doctype.raw.get("timeline_field").and_then(serde_json::Value::as_str).unwrap_or("");
    let is_link =
        |field: &crate::meta::docfield::DocField| matches!(field.fieldtype, Fieldtype::Link | Fieldtype::DynamicLink);
    if !timeline.is_empty() && !doctype.field(timeline).is_some_and(is_link) {
        let message = format!("`timeline_field` must name a Link or Dynamic Link field, not `{timeline}`");
        checker.rule(At::Key("timeline_field"), message);
    }
    let order = doctype.raw.get("sort_order").and_then(serde_json::Value::as_str).unwrap_or("").trim();
    if !order.is_empty() && !order.eq_ignore_ascii_case("asc") && !order.eq_ignore_ascii_case("desc") {
        let near = suggestion(nearest(order, ["ASC", "DESC"]));
        checker.rule(At::Key("sort_order"), format!("`sort_order` must be ASC or DESC, not `{order}`{near}"));
    }
}
