//! `/app/<slug>`: the list of a DocType's documents, with search, filters, columns, sorting, paging, and what is done with
//! several of them.

mod board;
mod builder;
mod bulk;
mod calendar;
mod chart;
mod furniture;
mod group;
pub(crate) mod page;
pub(crate) mod params;
pub(in crate::desk) mod report;
mod saved;
pub(crate) mod shown;
mod tree;
pub(crate) mod view;

use chrono::NaiveDateTime;

pub(in crate::desk) use self::params::search_fields;
use self::params::{ListParams, filterable, readable};
use self::view::{CellView, ColumnView, FilterView, ListView, RowView};
use crate::desk::form::control::label;
use crate::desk::form::page::DOCTYPE;
use crate::desk::form::view::Choice;
use crate::desk::indicator::indicator_of;
use crate::desk::shell::ago;
use crate::desk::titles::Titles;
use crate::desk::{document_url, help, model};
use crate::document::restore::DELETED_DOCUMENT;
use crate::document::{Cell as Value, List};
use crate::language::Language;
use crate::meta::doctype::{Order, slug};
use crate::meta::{DocField, DocType, Fieldtype, Registry, Right, fieldtype};
use crate::permissions::session::ROLE_SYSTEM_MANAGER;
use crate::permissions::{Grant, Session};

/// Columns besides title, status and time.
const MAX_COLUMNS: usize = 6;

/// How many documents a list counts; of more it says that there are more.
pub(in crate::desk) const MOST_COUNTED: u64 = 10_000;

/// The same of a search, for which rows are looked at that do not match.
const MOST_FOUND: u64 = 1_000;

/// What a list is made from.
pub(crate) struct ListInput<'a> {
    /// All DocTypes.
    pub registry: &'a Registry,
    /// The one listed.
    pub doctype: &'a DocType,
    /// Who looks.
    pub session: &'a Session,
    /// What they read.
    pub language: &'a Language,
    /// What they may do.
    pub grant: &'a Grant,
    /// What was asked for.
    pub params: &'a ListParams,
    /// The rows of the page.
    pub list: &'a List,
    /// How many rows there are in all, as text: `1,234`, `10,000+`.
    pub total: &'a str,
    /// Titles of linked documents.
    pub titles: &'a Titles,
    /// Names that are ticked.
    pub selected: &'a [String],
    /// The question whether to delete them stands open.
    pub confirm: bool,
    /// The question before something is done with all that match.
    pub ask: Option<view::AskView>,
    /// What is wrong with the filters.
    pub problem: String,
    /// What became of several documents, one by one.
    pub results: Vec<view::ResultView>,
    /// Saved lists.
    pub saved: Vec<view::SavedView>,
    /// Reports: label and address.
    pub reports: Vec<(String, String)>,
    /// Now.
    pub now: NaiveDateTime,
}

/// The fields in the list, besides the title: those chosen, else those declared, without what the status pill says.
fn list_fields<'a>(doctype: &'a DocType, grant: &Grant, params: &ListParams) -> Vec<&'a DocField> {
    if !params.columns.is_empty() {
        return params.columns.iter().filter_map(|name| doctype.field(name)).collect();
    }
    let has_pill = status_fields(doctype);
    doctype
        .fields
        .iter()
        .filter(|field| {
            field.in_list_view
                && field.has_column()
                && readable(grant, field)
                && !has_pill.contains(&field.fieldname.as_str())
                && doctype.title_field.as_deref() != Some(field.fieldname.as_str())
        })
        .take(MAX_COLUMNS)
        .collect()
}

/// The columns that a list has where its address names none, as the address would.
fn usual_columns(doctype: &DocType, grant: &Grant) -> String {
    let fields = list_fields(doctype, grant, &ListParams::default());
    fields.iter().map(|field| field.fieldname.as_str()).collect::<Vec<_>>().join(",")
}

/// The fields behind the status pill.
fn status_fields(doctype: &DocType) -> Vec<&str> {
    let of_type = |name: &str, kind| doctype.field(name).is_some_and(|field| field.fieldtype == kind);
    if let Some(workflow) = &doctype.workflow {
        vec![&workflow.workflow_state_field]
    } else if of_type("status", Fieldtype::Select) {
        vec!["status"]
    } else if of_type("enabled", Fieldtype::Check) {
        vec!["enabled"]
    } else if of_type("disabled", Fieldtype::Check) {
        vec!["disabled"]
    } else {
        Vec::new()
    }
}

/// The list.
pub(crate) fn list_view(input: &ListInput<'_>) -> ListView {
    let ListInput { doctype, grant, params, list, total, .. } = *input;
    let fields = list_fields(doctype, grant, params);
    let has_pill = doctype.is_submittable || status_fields(doctype).iter().any(|name| filterable(doctype, grant, name));
    let rows: Vec<RowView> = (0..list.rows.len()).map(|row| row_view(input, &fields, has_pill, row)).collect();
    let start = (params.page - 1) * params.page_length;
    let last = start + list.rows.len() as u64;
    // A filter with an operator is shown as it stands in the address.
    let is_plain =
        |name: &str| !params.filters.iter().any(|(known, value)| known == name && params::operation(value).is_some());
    let known = doctype.fields.iter().filter(|field| {
        field.in_standard_filter && filterable(doctype, grant, &field.fieldname) && is_plain(&field.fieldname)
    });
    let filters: Vec<FilterView> = known.map(|field| filter_view(params, field)).collect();
    let extra = params
        .filters
        .iter()
        .filter(|(name, value)| !filters.iter().any(|filter| filter.name == *name) && !furniture::is_built(name, value))
        .map(|(name, value)| FilterView {
            id: format!("filter-{name}"),
            name: name.clone(),
            label: doctype.field(name).map_or_else(|| crate::meta::doctype::unscrub(name), label),
            kind: "text",
            value: value.clone(),
            choices: Vec::new(),
            target: String::new(),
        })
        .collect();
    let create = grant.may(Right::Create) && !doctype.in_create && !doctype.is_virtual;
    let mut create_query = url::form_urlencoded::Serializer::new(String::new());
    create_query.extend_pairs(
        params
            .filters
            .iter()
            .filter(|(name, value)| doctype.field(name).is_some() && params::operation(value).is_none()),
    );
    let create_query = create_query.finish();
    let labels: Vec<String> = search_fields(doctype, grant)
        .into_iter()
        .map(|name| doctype.field(name).map_or_else(|| "Name".to_owned(), label))
        .collect();
    let selected = input.selected.len();
    let deletable = grant.may(Right::Delete) && !doctype.is_virtual;
    let restorable = doctype.name == DELETED_DOCUMENT;
    let bulk = furniture::bulk(input);
    ListView {
        doctype: doctype.name.clone(),
        help: help::spans(&doctype.description),
        url: params.cleared().url(doctype),
        action: format!("/app/{}", doctype.slug()),
        post_url: params.url(doctype),
        create_url: match (create, create_query.is_empty()) {
            _ if doctype.name == DOCTYPE && input.session.has_role(ROLE_SYSTEM_MANAGER) => model::NEW.to_owned(),
            (false, _) => String::new(),
            (true, true) => format!("/app/{}/new", doctype.slug()),
            (true, false) => format!("/app/{}/new?{create_query}", doctype.slug()),
        },
        query: params.query.clone(),
        search_hint: labels.join(", "),
        filters,
        extra,
        filtered: params.is_filtered(),
        tools: furniture::tools(input, &fields),
        results: input.results.clone(),
        selectable: deletable || restorable || bulk.is_any(),
        bulk,
        problem: input.problem.clone(),
        columns: columns(input, &fields, has_pill),
        deletable,
        keeps_deleted: doctype.keeps_deleted(),
        restorable,
        range: if rows.is_empty() {
            String::new()
        } else {
            input.language.filled(
                "{start}–{last} of {total}",
                &[
                    ("start", (start + 1).to_string().into()),
                    ("last", last.to_string().into()),
                    ("total", total.into()),
                ],
            )
        },
        previous_url: if params.page > 1 { params.at_page(params.page - 1).url(doctype) } else { String::new() },
        next_url: if list.has_next_page { params.at_page(params.page + 1).url(doctype) } else { String::new() },
        rows,
        confirm: input.confirm,
        tabs: shown::tabs(doctype, grant, params),
        other: view::OtherView { list: params.shown.kind == shown::Kind::List, ..view::OtherView::default() },
        ask: input.ask.clone(),
        all_count: if params.page > 1 || list.has_next_page { total.to_owned() } else { String::new() },
        selected_count: if selected == 1 { "1 document".to_owned() } else { format!("{selected} documents") },
    }
}

fn filter_view(params: &ListParams, field: &DocField) -> FilterView {
    let value = params.filters.iter().find(|(name, _)| *name == field.fieldname).map_or("", |(_, value)| value);
    let choice = |option: &str, label: &str| Choice {
        value: option.to_owned(),
        label: label.to_owned(),
        chosen: option == value,
        id: String::new(),
    };
    let choices = match field.fieldtype {
        Fieldtype::Check => vec![choice("", "All"), choice("1", "Yes"), choice("0", "No")],
        Fieldtype::Select => std::iter::once(choice("", "All"))
            .chain(
                field
                    .select_options()
                    .filter(|option| !option.is_empty())
                    .map(|option| choice(option, field.shown(option))),
            )
            .collect(),
        _ => Vec::new(),
    };
    FilterView {
        id: format!("filter-{}", field.fieldname),
        name: field.fieldname.clone(),
        label: label(field),
        kind: if matches!(field.fieldtype, Fieldtype::Date | Fieldtype::Datetime) { "date" } else { "text" },
        value: value.to_owned(),
        choices,
        target: field.link_target().filter(|_| field.fieldtype == Fieldtype::Link).unwrap_or("").to_owned(),
    }
}

fn columns(input: &ListInput<'_>, fields: &[&DocField], has_pill: bool) -> Vec<ColumnView> {
    let ListInput { doctype, params, grant, .. } = *input;
    let column = |label: String, class, sort: Option<&str>| {
        let current = params.order_by.iter().find(|(field, _)| Some(&**field) == sort).map(|(_, order)| *order);
        let next = if current == Some(Order::Asc) { Order::Desc } else { Order::Asc };
        ColumnView {
            label,
            class,
            sort_url: sort.map(|field| params.ordered_by(field, next).url(doctype)).unwrap_or_default(),
            sorted: match current {
                Some(Order::Asc) => "ascending",
                Some(Order::Desc) => "descending",
                None => "",
            },
            arrow: match current {
                Some(Order::Asc) => "up",
                Some(Order::Desc) => "down",
                None => "",
            },
        }
    };
    let title = doctype.title_field.as_deref().filter(|name| filterable(doctype, grant, name));
    let title_label = title.and_then(|name| doctype.field(name)).map_or_else(|| "Name".to_owned(), label);
    let mut columns = vec![column(title_label, "main", Some(title.unwrap_or("name")))];
    if has_pill {
        let by_docstatus = doctype.is_submittable && doctype.workflow.is_none();
        let sort = if by_docstatus { Some("docstatus") } else { status_fields(doctype).first().copied() };
        columns.push(column("Status".to_owned(), "status", sort));
    }
    columns.extend(fields.iter().map(|field| column(label(field), class(field), Some(&field.fieldname))));
    columns.push(column("Changed".to_owned(), "when", Some("modified")));
    columns
}

fn class(field: &DocField) -> &'static str {
    match field.fieldtype {
        Fieldtype::Int | Fieldtype::LongInt | Fieldtype::Float | Fieldtype::Currency | Fieldtype::Percent => "number",
        Fieldtype::Date | Fieldtype::Datetime | Fieldtype::Time => "when",
        _ => "",
    }
}

fn row_view(input: &ListInput<'_>, fields: &[&DocField], has_pill: bool, row: usize) -> RowView {
    let ListInput { doctype, list, now, .. } = *input;
    let value = |name: &str| match list.keys.iter().position(|key| key == name).and_then(|at| list.rows[row].get(at)) {
        Some(Value::Value(value)) => value.clone(),
        _ => crate::meta::Value::Null,
    };
    let name = value("name").to_string();
    let title = doctype.title_field.as_deref().map(|field| value(field).to_string()).filter(|title| !title.is_empty());
    let title = title.unwrap_or_else(|| name.clone());
    let mut cells = vec![CellView {
        label: "Name".to_owned(),
        class: "main",
        main: true,
        href: document_url(&doctype.slug(), &name),
        sub: if title == name { String::new() } else { name.clone() },
        text: title.clone(),
        ..CellView::default()
    }];
    if has_pill {
        let pill = indicator_of(doctype, value("docstatus").as_int().unwrap_or(0), &|field| value(field).to_string());
        cells.push(CellView {
            label: "Status".to_owned(),
            class: "status",
            text: pill.as_ref().map(|pill| pill.label.clone()).unwrap_or_default(),
            pill: pill.map(|pill| pill.color.to_owned()).unwrap_or_default(),
            ..CellView::default()
        });
    }
    cells.extend(fields.iter().map(|field| cell_view(input, field, &value(&field.fieldname))));
    let modified = value("modified").to_string();
    cells.push(CellView {
        label: "Changed".to_owned(),
        class: "when",
        text: ago(&modified, now),
        when: modified,
        ..CellView::default()
    });
    let selected = input.selected.contains(&name);
    RowView { name, title, selected, cells }
}

fn cell_view(input: &ListInput<'_>, field: &DocField, value: &crate::meta::Value) -> CellView {
    const LONGEST: usize = 120;
    let mut text = field.shown(&fieldtype::display(field, value)).to_owned();
    if let Some((end, _)) = text.char_indices().nth(LONGEST) {
        text.truncate(end);
        text.push('…');
    }
    let mut cell = CellView { label: label(field), class: class(field), text, ..CellView::default() };
    match field.fieldtype {
        Fieldtype::Check if !value.is_truthy() => cell.text.clear(),
        Fieldtype::Link if !cell.text.is_empty() => {
            let readable = input
                .registry
                .get(&field.options)
                .is_some_and(|target| Grant::of(input.session, target).may(Right::Read));
            if readable {
                cell.href = document_url(&slug(&field.options), value.text());
            }
            if let Some(title) = input.titles.get(&field.options, value.text()) {
                title.clone_into(&mut cell.text);
            }
        }
        Fieldtype::Select if !cell.text.is_empty() => "gray".clone_into(&mut cell.pill),
        Fieldtype::Datetime if !cell.text.is_empty() => {
            cell.when = value.to_string();
            cell.text = ago(&cell.when, input.now);
        }
        _ => {}
    }
    cell
}

/// 1234 → 1,234; more than are counted → 10,000+
pub(in crate::desk) fn counted(total: u64, most: u64) -> String {
    if total > most { format!("{}+", grouped(most)) } else { grouped(total) }
}

/// 10000 → 10,000
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::{MOST_COUNTED, counted};

    #[test]
    fn a_list_counts_to_ten_thousand() {
        let counted = |total| counted(total, MOST_COUNTED);
        assert_eq!([counted(999), counted(1_234), counted(10_000)], ["999", "1,234", "10,000"]);
        assert_eq!([counted(10_001), counted(5_000_000)], ["10,000+"; 2]);
    }
}
