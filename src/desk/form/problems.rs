//! The summary above a form: what was not done, and each problem with a link to its field, in the order of the form.

use std::collections::BTreeSet;

use crate::desk::form::FormInput;
use crate::desk::form::act::{RESTORE, RESTORE_BEFORE};
use crate::desk::form::control::label;
use crate::desk::form::side::SIDE;
use crate::desk::form::view::{Problem, Tab};
use crate::desk::help;
use crate::error::FieldProblem;

/// What the pressed button did not do.
pub(super) fn title(action: &str, count: usize) -> String {
    let what = match action {
        "delete" => "delete",
        "cancel" => "cancel",
        "discard" => "discard",
        "rename" => "rename",
        "submit" => "submit",
        "restore" => "restore",
        _ if action.starts_with(RESTORE) || action.starts_with(RESTORE_BEFORE) => "restore",
        _ if action.starts_with("call:") || action.starts_with(SIDE) => return "That did not work".to_owned(),
        _ => "save",
    };
    if count == 1 { format!("Could not {what}: 1 problem") } else { format!("Could not {what}: {count} problems") }
}

/// The problems; those of no field come first.
pub(super) fn problems(input: &FormInput<'_>, tabs: &[Tab]) -> Vec<Problem> {
    let on_form: BTreeSet<&str> = tabs
        .iter()
        .flat_map(|tab| &tab.sections)
        .flat_map(|section| &section.columns)
        .flat_map(|column| &column.fields)
        .map(|field| field.fieldname.as_str())
        .collect();
    let mut problems: Vec<&FieldProblem> = input.problems.iter().collect();
    problems.sort_by_key(|problem| place(input, problem));
    let view = |problem: &FieldProblem| {
        let field = problem.field.as_deref();
        let (message, href) = if let Some((table, row)) = &problem.row {
            let label = input.doctype.field(table).map_or_else(|| table.clone(), label);
            let place = format!("#f-{table}-{}-{}", row.saturating_sub(1), field.unwrap_or(""));
            let href = if on_form.contains(table.as_str()) { place } else { String::new() };
            (input.language.say(&format!("{label}, row {row}: {}", problem.message)).into_owned(), href)
        } else {
            let href = field.filter(|field| on_form.contains(field)).map(|field| format!("#f-{field}"));
            (input.language.say(&problem.message).into_owned(), href.unwrap_or_default())
        };
        Problem { help: help::spans(&message), href }
    };
    problems.into_iter().map(view).collect()
}

/// Where a problem stands on the form: its field or table, the row, the field of the row.
fn place(input: &FormInput<'_>, problem: &FieldProblem) -> (usize, usize, usize) {
    let at = |fields: &[crate::meta::DocField], name: &str| {
        fields.iter().position(|field| field.fieldname == name).map_or(0, |at| at + 1)
    };
    let fields = &input.doctype.fields;
    let name = problem.field.as_deref().unwrap_or("");
    match &problem.row {
        Some((table, row)) => {
            let child = input.doctype.field(table).and_then(|field| input.registry.get(&field.options));
            (at(fields, table), *row, child.map_or(0, |child| at(&child.fields, name)))
        }
        None => (at(fields, name), 0, 0),
    }
}
