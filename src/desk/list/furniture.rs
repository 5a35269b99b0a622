//! What stands around the rows of a list: the builder of filters, orders, columns, lengths, and the buttons for several
//! documents.

use super::params::{FILTERS, PAGE_LENGTHS, is_column};
use super::shown::Kind;
use super::view::{Bulk, OrderView, Tools, WhereView};
use super::{ListInput, builder, report, shown};
use crate::desk::form::control::label;
use crate::desk::form::view::Choice;
use crate::meta::doctype::Order;
use crate::meta::{DocField, DocType, Right};
use crate::permissions::Grant;

/// Whether a parameter is one that the builder shows.
pub(super) fn is_built(name: &str, value: &str) -> bool {
    name == FILTERS && builder::read(value).is_some()
}

/// The folds above a list.
pub(super) fn tools(input: &ListInput<'_>, shown: &[&DocField]) -> Tools {
    let ListInput { doctype, grant, params, .. } = *input;
    let fields = builder::fields(doctype, grant);
    let choose = |chosen: &str| {
        let mut all: Vec<(&str, &str)> = fields.iter().map(|(name, label)| (name.as_str(), label.as_str())).collect();
        let other = builder::label_of(doctype, chosen);
        if !chosen.is_empty() && !fields.iter().any(|(name, _)| name == chosen) {
            all.push((chosen, other.as_str()));
        }
        builder::choices(std::iter::once(("", "Choose a field")).chain(all), chosen)
    };
    let built = params.filters.iter().filter(|(name, _)| name == FILTERS);
    let mut rows: Vec<builder::Where> = built.filter_map(|(_, value)| builder::read(value)).flatten().collect();
    let count = rows.len();
    rows.push(builder::Where { operator: "=".to_owned(), ..builder::Where::default() });
    let none = (String::new(), Order::Asc);
    let orders = params.order_by.iter().chain(std::iter::once(&none)).take(3).enumerate();
    let mut columns: Vec<Choice> = Vec::new();
    let column = |field: &DocField, chosen| Choice {
        value: field.fieldname.clone(),
        label: label(field),
        chosen,
        id: format!("column-{}", field.fieldname),
    };
    let is_report = params.shown.kind == Kind::Report;
    if is_report {
        columns = report::column_choices(input);
    }
    let shown_in_list = if is_report { &[][..] } else { shown };
    columns.extend(shown_in_list.iter().map(|field| column(field, true)));
    let others = doctype.fields.iter().filter(|field| {
        !is_report
            && is_column(doctype, grant, &field.fieldname)
            && !shown.iter().any(|shown| shown.fieldname == field.fieldname)
    });
    columns.extend(others.map(|field| column(field, false)));
    let lengths = PAGE_LENGTHS.map(|length| length.to_string());
    let state = params.at_page(1).url(doctype);
    Tools {
        rows: rows
            .iter()
            .enumerate()
            .map(|(number, row)| WhereView {
                number,
                or: row.or,
                fields: choose(&row.field),
                operators: builder::operators(&row.operator),
                value: row.value.clone(),
            })
            .collect(),
        row_count: if count == 0 { String::new() } else { count.to_string() },
        orders: orders
            .map(|(number, (field, order))| OrderView { number, fields: choose(field), desc: *order == Order::Desc })
            .collect(),
        columns,
        lengths: builder::choices(
            lengths.iter().map(|length| (length.as_str(), length.as_str())),
            &params.page_length.to_string(),
        ),
        by: shown::by_choices(doctype, grant, &params.shown),
        ends: shown::end_choices(doctype, grant, &params.shown),
        groups: if params.shown.kind == Kind::List {
            shown::group_choices(doctype, grant, &params.shown)
        } else {
            Vec::new()
        },
        hidden: params
            .shown
            .pairs()
            .into_iter()
            .filter(|(name, _)| matches!(*name, "view" | "month" | "report"))
            .collect(),
        saved: input.saved.clone(),
        reports: input.reports.clone(),
        report: report::report_tools(input),
        can_save: !is_report && state.contains('?') && input.registry.get("List Filter").is_some(),
        state,
        export_url: export_url(input, shown),
        import_url: import_url(input.doctype, input.grant),
    }
}

/// Where all that match becomes a file, with the columns that are shown; nothing for those who may not export.
fn export_url(input: &ListInput<'_>, shown: &[&DocField]) -> String {
    let ListInput { doctype, grant, params, .. } = *input;
    let is_report = params.shown.kind == Kind::Report;
    if !grant.may(Right::Export) || doctype.is_virtual || is_report || !input.problem.is_empty() {
        return String::new();
    }
    let request = params.to_request(doctype, grant);
    let mut fields = vec!["name".to_owned()];
    fields.extend(doctype.title_field.iter().filter(|title| *title != "name").cloned());
    fields.extend(shown.iter().map(|field| field.fieldname.clone()));
    fields.dedup();
    let mut query = url::form_urlencoded::Serializer::new(String::new());
    query.append_pair("doctype", &doctype.name);
    query.append_pair("fields", &serde_json::to_string(&fields).unwrap_or_default());
    for (name, value) in [("export_filters", &request.filters), ("export_or_filters", &request.or_filters)] {
        if value.as_array().is_some_and(|value| !value.is_empty()) {
            query.append_pair(name, &value.to_string());
        }
    }
    if let Some(order) = &request.order_by {
        query.append_pair("order_by", order);
    }
    format!("/app/_export?{}", query.finish())
}

/// Where documents come from a file; nothing for those who may not import.
pub(super) fn import_url(doctype: &DocType, grant: &Grant) -> String {
    let is_imported = doctype.allow_import && doctype.has_table() && !doctype.issingle;
    if !is_imported || !grant.may(Right::Import) {
        return String::new();
    }
    let query = url::form_urlencoded::Serializer::new(String::new()).append_pair("doctype", &doctype.name).finish();
    format!("/app/_import?{query}")
}

/// Whether people may change the field in forms.
pub(super) fn is_editable(grant: &Grant, field: &DocField) -> bool {
    field.has_column()
        && !field.read_only
        && !field.hidden
        && !field.secret
        && !field.set_only_once
        && grant.writes_level(field.permlevel)
}

/// The buttons for several documents, as far as the roles give the rights; each document is asked again.
pub(super) fn bulk(input: &ListInput<'_>) -> Bulk {
    let ListInput { doctype, grant, .. } = *input;
    let stored = doctype.has_table() && !doctype.is_virtual;
    let may = |right| stored && grant.may(right);
    let editable =
        doctype.fields.iter().filter(|field| builder::is_plain(field.fieldtype) && is_editable(grant, field));
    let fields: Vec<(String, String)> = editable.map(|field| (field.fieldname.clone(), label(field))).collect();
    Bulk {
        edit: may(Right::Write) && !fields.is_empty(),
        fields: builder::choices(fields.iter().map(|(name, label)| (name.as_str(), label.as_str())), ""),
        submit: doctype.is_submittable && may(Right::Submit),
        cancel: doctype.is_submittable && may(Right::Cancel),
        tag: may(Right::Write) && doctype.column("_user_tags").is_some(),
        assign: stored && doctype.column("_assign").is_some() && input.registry.get("ToDo").is_some(),
        export: may(Right::Export),
    }
}
