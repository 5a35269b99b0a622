//! Rules of fields.

use super::{At, Checker, can_be_indexed, is_restricted};
use crate::meta::docfield::DocField;
use crate::meta::expression::Expression;
use crate::meta::fieldtype::{self, ColumnType, DATA_FORMATS, Fieldtype, Shape};
use crate::meta::keys::{nearest, suggestion};

/// PostgreSQL cuts identifiers behind 63 bytes.
const LONGEST_FIELDNAME: usize = 63;
/// Defaults that stand for a value known only when a document is made.
const SHORTCUTS: [&str; 10] =
    ["today", "__today", "now", "now()", "__now", "__user", "user", "_login", "_full name", "__timestamp"];

pub(super) fn check_name(checker: &mut Checker<'_, '_>, index: usize) {
    let doctype = checker.doctype;
    let name = doctype.fields[index].fieldname.as_str();
    let at = At::Field(index, Some("fieldname"));
    if let Some(c) = name.chars().find(|c| !(c.is_ascii_alphanumeric() || *c == '_')) {
        checker.error(at, format!("the fieldname contains `{c}`: use letters, digits and `_` only"));
    }
    if name.len() > LONGEST_FIELDNAME {
        let message = format!("the fieldname may have at most {LONGEST_FIELDNAME} characters, not {}", name.len());
        checker.error(at, message);
    }
    if is_restricted(name) {
        checker.error(at, format!("the fieldname `{name}` is taken by every document: choose another one"));
    }
    // Databases compare column names without case.
    let is_same = |other: &&DocField| other.fieldname.eq_ignore_ascii_case(name);
    if doctype.fields[..index].iter().any(|other| is_same(&other)) {
        checker.error(at, format!("the fieldname `{name}` is there twice: rename one of the two"));
    }
}

pub(super) fn check(checker: &mut Checker<'_, '_>, index: usize) {
    check_target(checker, index);
    check_flags(checker, index);
    check_options(checker, index);
    check_default(checker, index);
    check_conditions(checker, index);
    check_fetch_from(checker, index);
    super::formula::check_field(checker, index);
    check_rename(checker, index);
}

/// A Fold stands once, before a Section Break, and is not the last field.
pub(super) fn check_folds(checker: &mut Checker<'_, '_>) {
    let doctype = checker.doctype;
    let mut seen = false;
    for (index, field) in doctype.fields.iter().enumerate() {
        if field.fieldtype != Fieldtype::Fold {
            continue;
        }
        let at = At::Field(index, None);
        if std::mem::replace(&mut seen, true) {
            checker.rule(at, "there can be only one Fold: remove this one");
        }
        if doctype.fields.get(index + 1).is_none_or(|next| next.fieldtype != Fieldtype::SectionBreak) {
            checker.rule(at, "a Fold must stand before a Section Break");
        }
    }
}

/// Link, Dynamic Link and tables: what they point at.
fn check_target(checker: &mut Checker<'_, '_>, index: usize) {
    let field = &checker.doctype.fields[index];
    let at = At::Field(index, Some("options"));
    let fieldtype = field.fieldtype.as_str();
    let target = field.options.trim();
    match field.fieldtype {
        Fieldtype::Link => {
            if target.is_empty() {
                checker.rule(at, "a Link needs `options`: the DocType that it points at");
            } else if !checker.by_name.contains_key(target) {
                let near = suggestion(nearest(target, checker.by_name.keys().copied()));
                let message =
                    format!("links to {target}, which is not loaded, so its values are stored unchecked{near}");
                checker.warn(at, message);
            } else if checker.by_name[target].istable {
                checker.warn(at, format!("links to {target}, a child table: its rows have no page of their own"));
            }
        }
        Fieldtype::Table | Fieldtype::TableMultiSelect => {
            let Some(child) = checker.by_name.get(target).copied() else {
                let near = suggestion(nearest(target, checker.by_name.keys().copied()));
                let message = if target.is_empty() {
                    format!("a {fieldtype} needs `options`: the child table that holds its rows")
                } else {
                    format!("the child table {target} is not loaded: define it with `istable: 1`{near}")
                };
                checker.error(at, message);
                return;
            };
            if !child.istable {
                let message = format!("{target} is not a child table: add `istable: 1` to it or name another DocType");
                checker.error(at, message);
            }
            let has_link = child.fields.iter().any(|field| field.fieldtype == Fieldtype::Link);
            if field.fieldtype == Fieldtype::TableMultiSelect && !has_link {
                checker.rule(at, format!("a Table MultiSelect needs a Link field in {target}"));
            }
            if checker.doctype.istable {
                checker.rule(At::Field(index, Some("fieldtype")), "a child table cannot have tables of its own");
            }
        }
        Fieldtype::DynamicLink => {
            let chooses = |field: &DocField| {
                field.fieldtype == Fieldtype::Select || field.fieldtype == Fieldtype::Link && field.options == "DocType"
            };
            if !checker.doctype.field(target).is_some_and(chooses) {
                let near = checker.nearest_field(target);
                let message = format!(
                    "a Dynamic Link needs `options`: the fieldname of a Link to DocType or of a Select, not `{target}`{near}"
                );
                checker.rule(at, message);
            }
        }
        _ => {}
    }
}

fn check_flags(checker: &mut Checker<'_, '_>, index: usize) {
    let field = &checker.doctype.fields[index];
    let fieldtype = field.fieldtype.as_str();
    let at = |key| At::Field(index, Some(key));
    let has_default = field.default.is_some() || field.fieldtype == Fieldtype::Check;
    if field.hidden && field.reqd && !has_default && !field.read_only && field.fetch_from.is_none() {
        checker.rule(at("reqd"), "is hidden and required without a `default`, so that nobody can fill it: add one");
    }
    let holds_value = field.fieldtype.has_column();
    if field.reqd && !holds_value && !field.fieldtype.is_table() {
        checker.rule(at("reqd"), format!("a {fieldtype} holds no value and cannot be required"));
    }
    let is_name = checker.doctype.autoname.strip_prefix("field:").map(str::trim) == Some(field.fieldname.as_str());
    if field.unique && !holds_value {
        checker.error(at("unique"), format!("a {fieldtype} holds no value and cannot be unique"));
    } else if field.unique && !is_name {
        let usual = matches!(
            field.fieldtype,
            Fieldtype::Data | Fieldtype::Link | Fieldtype::ReadOnly | Fieldtype::Int | Fieldtype::LongInt
        );
        if !usual {
            checker.rule(at("unique"), format!("a {fieldtype} cannot be unique: use Data, Link, Read Only or Int"));
        }
    }
    if field.search_index && !(holds_value && can_be_indexed(field.fieldtype)) {
        checker.rule(at("search_index"), format!("a {fieldtype} cannot be indexed"));
    }
    let in_grid = checker.doctype.istable && field.fieldtype == Fieldtype::Button;
    let is_listed = holds_value && field.fieldtype != Fieldtype::AttachImage || in_grid;
    if field.in_list_view && !is_listed {
        checker.rule(at("in_list_view"), format!("a {fieldtype} cannot be a column of the list"));
    }
    if field.in_global_search && !holds_value {
        checker.rule(at("in_global_search"), format!("a {fieldtype} holds nothing that could be searched"));
    }
    if field.in_standard_filter && !holds_value {
        checker.rule(at("in_standard_filter"), format!("a {fieldtype} holds nothing that could be filtered"));
    }
    if field.is_virtual && (field.unique || field.search_index) {
        checker.rule(at("is_virtual"), "a virtual field has no column, so that it cannot be unique or indexed");
    }
    let on_delete = field.raw.get("on_delete").and_then(serde_json::Value::as_str).unwrap_or("").trim();
    if !matches!(on_delete, "" | "refuse" | "cascade" | "ignore") {
        let near = suggestion(nearest(on_delete, ["refuse", "cascade", "ignore"]));
        checker
            .error(at("on_delete"), format!("`on_delete` must be refuse, cascade or ignore, not `{on_delete}`{near}"));
    } else if !on_delete.is_empty() && !matches!(field.fieldtype, Fieldtype::Link | Fieldtype::DynamicLink) {
        checker.rule(at("on_delete"), format!("a {fieldtype} links to nothing: remove `on_delete`"));
    }
    if field.guarded && checker.doctype.istable {
        checker
            .rule(at("guarded"), "rows are guarded with their table: set `guarded` on the Table field of the parent");
    } else if field.guarded && !holds_value && !field.fieldtype.is_table() {
        checker.rule(at("guarded"), format!("a {fieldtype} holds no value that could be guarded"));
    }
    let is_number = field.fieldtype.column_type(field).is_some_and(|column| column.shape() != Shape::Text);
    if field.non_negative && !is_number {
        checker.rule(at("non_negative"), format!("a {fieldtype} is not a number: remove `non_negative`"));
    }
}

fn check_options(checker: &mut Checker<'_, '_>, index: usize) {
    let field = &checker.doctype.fields[index];
    let at = At::Field(index, Some("options"));
    let options = field.options.trim();
    match field.fieldtype {
        Fieldtype::Data if !options.is_empty() && !DATA_FORMATS.contains(&options) => {
            let near = suggestion(nearest(options, DATA_FORMATS));
            checker.rule(at, format!("`options` of a Data field must be one of {}{near}", DATA_FORMATS.join(", ")));
        }
        Fieldtype::Rating
            if !options.is_empty() && !options.parse().is_ok_and(|stars: u8| (3..=10).contains(&stars)) =>
        {
            let message = format!("`options` of a Rating must be the number of stars from 3 to 10, not `{options}`");
            checker.rule(at, message);
        }
        Fieldtype::Select => {
            let mut seen = std::collections::HashSet::new();
            if let Some(twice) = field.select_options().find(|option| !option.is_empty() && !seen.insert(*option)) {
                checker.warn(at, format!("the option `{twice}` is there twice"));
            }
        }
        _ => {}
    }
    let height = field.raw.get("max_height").and_then(serde_json::Value::as_str).unwrap_or("").trim();
    if !height.is_empty() && !["px", "em", "rem"].iter().any(|unit| height.ends_with(unit)) {
        let at = At::Field(index, Some("max_height"));
        checker.rule(at, format!("`max_height` needs a unit: px, em or rem, such as 10rem, not `{height}`"));
    }
}

fn check_default(checker: &mut Checker<'_, '_>, index: usize) {
    let field = &checker.doctype.fields[index];
    let Some(default) = field.default.as_deref() else { return };
    let at = At::Field(index, Some("default"));
    let trimmed = default.trim();
    // `:DocType` takes the value from the user's default document of that DocType.
    let is_text = field.fieldtype.column_type(field).is_none_or(|column| column.shape() == Shape::Text);
    if is_text && SHORTCUTS.contains(&trimmed.to_lowercase().as_str()) || trimmed.starts_with(':') {
        return;
    }
    if let Some(ColumnType::Varchar(limit)) = field.fieldtype.column_type(field)
        && default.chars().count() > usize::from(limit)
    {
        checker.rule(at, format!("`default` is longer than the {limit} characters of the field"));
    }
    match field.fieldtype {
        Fieldtype::Check if !matches!(trimmed, "" | "0" | "1") => {
            checker.rule(at, format!("`default` of a Check must be 0 or 1, not `{default}`"));
        }
        Fieldtype::Select if field.fieldname != "naming_series" && !field.options.trim().is_empty() => {
            if !field.select_options().any(|option| option == trimmed) {
                let near = suggestion(nearest(trimmed, field.select_options()));
                checker.rule(at, format!("`default` must be one of the `options`, not `{default}`{near}"));
            }
        }
        _ => {
            let Some(column_type) = field.fieldtype.column_type(field) else { return };
            // Templates such as `{first_name}` are filled in later.
            if column_type.shape() == Shape::Text && !column_type.is_moment() {
                return;
            }
            let parsed = fieldtype::parse_text(field, column_type, default)
                .and_then(|value| fieldtype::validate(field, column_type, &value));
            if let Err((_, message)) = parsed {
                checker.rule(at, format!("`default` does not fit: {message}"));
            }
        }
    }
}

fn check_conditions(checker: &mut Checker<'_, '_>, index: usize) {
    let field = &checker.doctype.fields[index];
    let conditions = [
        ("depends_on", &field.depends_on),
        ("mandatory_depends_on", &field.mandatory_depends_on),
        ("read_only_depends_on", &field.read_only_depends_on),
        ("collapsible_depends_on", &field.collapsible_depends_on),
    ];
    for (key, condition) in conditions {
        let Some(condition) = condition else { continue };
        check_condition(checker, index, key, condition);
    }
}

fn check_condition(checker: &mut Checker<'_, '_>, index: usize, key: &str, condition: &Expression) {
    let at = At::Field(index, Some(key));
    if let Some(reason) = &condition.unparsed {
        if condition.assigns() {
            checker.rule(at, format!("`{key}` is not a condition: {reason}"));
        } else {
            let counts = "it counts as true for showing and as false for requiring";
            checker.warn(at, format!("`{key}` cannot be evaluated: {reason}; {counts}"));
        }
        return;
    }
    for name in condition.fieldnames() {
        let doctype = checker.doctype;
        let is_known = doctype.column(name).is_some() || doctype.field(name).is_some() || name.starts_with("__");
        // Child rows see the columns of their kind, and forms a few names more.
        if !is_known && name != "doctype" {
            let near = checker.nearest_field(name);
            checker.warn(at, format!("`{key}` reads the field `{name}`, which is not there{near}"));
        }
    }
}

fn check_fetch_from(checker: &mut Checker<'_, '_>, index: usize) {
    let field = &checker.doctype.fields[index];
    let Some((link, source)) = &field.fetch_from else { return };
    let at = At::Field(index, Some("fetch_from"));
    if *link == field.fieldname {
        checker.rule(at, "`fetch_from` goes through the field itself: name another Link field");
        return;
    }
    let Some(link_field) = checker.doctype.field(link) else {
        let near = checker.nearest_field(link);
        checker.rule(at, format!("`fetch_from` goes through the field `{link}`, which is not there{near}"));
        return;
    };
    if !matches!(link_field.fieldtype, Fieldtype::Link | Fieldtype::DynamicLink) {
        checker.rule(at, format!("`fetch_from` goes through `{link}`, which is not a Link field"));
        return;
    }
    if let Some(target) = checker.by_name.get(link_field.options.as_str()).copied()
        && link_field.fieldtype == Fieldtype::Link
        && target.column(source).is_none()
        && target.field(source).is_none()
    {
        let near = suggestion(nearest(source, target.fields.iter().map(|field| field.fieldname.as_str())));
        checker.warn(at, format!("`fetch_from` reads `{source}` of {}, which has no such field{near}", target.name));
    }
}

fn check_rename(checker: &mut Checker<'_, '_>, index: usize) {
    let doctype = checker.doctype;
    let field = &doctype.fields[index];
    let Some(old) = field.renamed_from.as_deref() else { return };
    let at = At::Field(index, Some("renamed_from"));
    let is_renamed_twice = doctype.fields[..index].iter().any(|other| other.renamed_from.as_deref() == Some(old));
    if old == field.fieldname {
        checker.error(at, "`renamed_from` is the present fieldname: remove it");
    } else if doctype.field(old).is_some() {
        checker.error(at, format!("`renamed_from` names `{old}`, which is still a field: remove one of the two"));
    } else if is_restricted(old) {
        checker.error(at, format!("`renamed_from` names `{old}`, a column of every document, which cannot be renamed"));
    } else if is_renamed_twice {
        checker.error(at, format!("another field is renamed from `{old}` too: only one of them can be"));
    } else if !field.has_column() {
        checker.rule(
            at,
            format!("a {} has no column that could be renamed: remove `renamed_from`", field.fieldtype.as_str()),
        );
    }
}
