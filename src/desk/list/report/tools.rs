//! What of a report can be chosen: its columns, groups, what is computed, and the chart.

use serde::Serialize;

use super::columns_of;
use crate::desk::form::control::label;
use crate::desk::form::view::Choice;
use crate::desk::list::params::readable;
use crate::desk::list::shown::Kind;
use crate::desk::list::{ListInput, builder};
use crate::document::report::{Aggregate, COUNT, ChartKind, Computed, MOST_GROUPS, is_number};
use crate::meta::{DocField, DocType, Fieldtype, Registry};
use crate::permissions::Grant;

/// Empty rows of the form for what is computed.
const SPARE_ROWS: usize = 2;

/// The form for groups, what is computed, and the chart.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct ReportTools {
    /// The fields to put documents together by, for each place.
    pub groups: Vec<(usize, Vec<Choice>)>,
    /// What is computed: its number, the functions, the fields.
    pub aggregates: Vec<(usize, Vec<Choice>, Vec<Choice>)>,
    /// There is a row with totals.
    pub totals: bool,
    /// The kinds of charts.
    pub charts: Vec<Choice>,
    /// The columns for its labels.
    pub by: Vec<Choice>,
    /// The columns for its numbers.
    pub of: Vec<Choice>,
}

/// The fields that a report may show, by name and label: those of the document, then those of its rows.
fn fields(registry: &Registry, doctype: &DocType, grant: &Grant) -> Vec<(String, String, Option<Fieldtype>)> {
    let shown = |field: &&DocField| field.has_column() && readable(grant, field);
    let own = doctype.fields.iter().filter(shown);
    let mut all = vec![("name".to_owned(), "Name".to_owned(), None)];
    all.extend(own.map(|field| (field.fieldname.clone(), label(field), Some(field.fieldtype))));
    all.extend(
        [("owner", "Created By"), ("creation", "Created"), ("modified", "Changed"), ("modified_by", "Changed By")]
            .map(|(name, label)| (name.to_owned(), label.to_owned(), None)),
    );
    for table in doctype.table_fields().filter(|table| grant.reads_level(table.permlevel)) {
        let Some(child) = registry.get(table.options.trim()) else { continue };
        let rows = child.fields.iter().filter(shown).map(|field| {
            let name = format!("{}.{}", child.name, field.fieldname);
            (name, format!("{}: {}", label(table), label(field)), Some(field.fieldtype))
        });
        all.extend(rows);
    }
    all.dedup_by(|one, other| one.0 == other.0);
    all
}

/// The columns that can be chosen; those shown first, in their order.
pub(in crate::desk::list) fn column_choices(input: &ListInput<'_>) -> Vec<Choice> {
    let all = fields(input.registry, input.doctype, input.grant);
    let shown = columns_of(input.doctype, input.grant, input.params);
    let choice = |name: &str, label: &str, chosen| Choice {
        value: name.to_owned(),
        label: label.to_owned(),
        chosen,
        id: format!("column-{}", name.replace(|letter: char| !letter.is_ascii_alphanumeric(), "-")),
    };
    let label = |name: &str| {
        let known = all.iter().find(|(known, ..)| known == name);
        known.map_or_else(|| name.to_owned(), |(_, label, _)| label.clone())
    };
    let chosen = shown.iter().map(|name| choice(name, &label(name), true));
    let others = all.iter().filter(|(name, ..)| !shown.contains(name));
    chosen.chain(others.map(|(name, label, _)| choice(name, label, false))).collect()
}

/// The form for groups, what is computed, and the chart.
pub(in crate::desk::list) fn report_tools(input: &ListInput<'_>) -> Option<ReportTools> {
    let ListInput { registry, doctype, grant, params, .. } = *input;
    if params.shown.kind != Kind::Report {
        return None;
    }
    let shown = &params.shown.report;
    let all = fields(registry, doctype, grant);
    let choose = |wanted: &dyn Fn(Option<Fieldtype>) -> bool, none: &'static str, chosen: &str| {
        let mut offered: Vec<(&str, &str)> = all
            .iter()
            .filter(|(.., kind)| wanted(*kind))
            .map(|(name, label, _)| (name.as_str(), label.as_str()))
            .collect();
        if !chosen.is_empty() && !offered.iter().any(|(name, _)| *name == chosen) {
            offered.push((chosen, chosen));
        }
        builder::choices(std::iter::once(("", none)).chain(offered), chosen)
    };
    let numbers = |kind: Option<Fieldtype>| kind.is_some_and(|kind| is_number(kind) || kind == Fieldtype::Check);
    let any = |_: Option<Fieldtype>| true;
    let functions = |chosen: &str| {
        let known = Computed::ALL.map(|(_, word, label)| (word, label));
        builder::choices(std::iter::once(("", "Nothing")).chain(known), chosen)
    };
    let aggregate = |number: usize| {
        let known = shown.aggregates.get(number);
        let takes_any = known.is_some_and(|known| matches!(known.function, Computed::Smallest | Computed::Largest));
        let wanted: &dyn Fn(Option<Fieldtype>) -> bool = if takes_any { &any } else { &numbers };
        let field = known.map_or("", |known| known.field.as_str());
        (number, functions(known.map_or("", |known| known.function.word())), choose(wanted, "Choose a field", field))
    };
    let chart = shown.chart.as_ref();
    let kinds = ChartKind::ALL.map(|(_, name)| (name.to_lowercase(), name));
    let kinds = kinds.iter().map(|(word, name)| (word.as_str(), *name));
    let kind = chart.map(|chart| chart.kind.name().to_lowercase()).unwrap_or_default();
    let chart_by = chart.map_or("", |chart| chart.by.as_str());
    let chart_of = chart.map_or("", |chart| chart.of.as_str());
    let computed: Vec<(String, String)> = if shown.groups.is_empty() {
        let of_rows = all
            .iter()
            .filter(|(name, _, kind)| kind.is_some_and(is_number) && columns_of(doctype, grant, params).contains(name));
        of_rows.map(|(name, label, _)| (name.clone(), label.clone())).collect()
    } else {
        let count = (COUNT.to_owned(), "Documents".to_owned());
        let label = |aggregate: &Aggregate| {
            let field = all.iter().find(|(name, ..)| *name == aggregate.field);
            let field = field.map_or(aggregate.field.as_str(), |(_, label, _)| label);
            (aggregate.to_string(), format!("{} of {field}", aggregate.function.label()))
        };
        std::iter::once(count).chain(shown.aggregates.iter().map(label)).collect()
    };
    let computed = computed.iter().map(|(name, label)| (name.as_str(), label.as_str()));
    Some(ReportTools {
        groups: (0..MOST_GROUPS)
            .map(|at| (at, choose(&any, "Nothing", shown.groups.get(at).map_or("", String::as_str))))
            .collect(),
        aggregates: (0..shown.aggregates.len() + SPARE_ROWS).map(aggregate).collect(),
        totals: shown.totals,
        charts: builder::choices(std::iter::once(("", "No chart")).chain(kinds), &kind),
        by: if shown.groups.is_empty() { choose(&any, "The first column", chart_by) } else { Vec::new() },
        of: builder::choices(std::iter::once(("", "The first numbers")).chain(computed), chart_of),
    })
}
