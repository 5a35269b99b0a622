//! A report: chosen columns of documents, or groups with counts and sums, a chart, and the way to keep it.

mod cells;
mod params;
mod tools;

use std::sync::Arc;

use poem::Response;
use serde::Serialize;
use serde_json::{Value as Json, json};

use super::chart::ChartView;
use super::params::{FILTERS, ListParams, filterable};
use super::shown::{Kind, may_report};
use super::view::CellView;
use super::{list_fields, status_fields};
use crate::desk::form::view::Choice;
use crate::desk::shell::{self, Flash};
use crate::desk::{ADDRESS_PART, document_url};
use crate::document::ListRequest;
use crate::document::report::{REPORT, REPORT_BUILDER, Report};
use crate::error::{Error, Result};
use crate::meta::doctype::slug;
use crate::meta::{DocType, Right};
use crate::permissions::Grant;
use crate::web::Exchange;
use crate::web::arguments::Form;
use crate::web::error::see_other;
use cells::Page;
pub(crate) use params::ReportParams;
pub(crate) use tools::ReportTools;
pub(super) use tools::{column_choices, report_tools};

/// The action that keeps what is shown as a report of its own.
pub(super) const SAVE: &str = "save_report";
/// The action that keeps it as the report that is shown.
pub(super) const CHANGE: &str = "change_report";
/// Reports of a DocType that its list leads to.
const MOST_REPORTS: u64 = 50;

/// What `desk/report.hbs` places.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct ReportView {
    /// The Report; empty for one that is not kept.
    pub name: String,
    /// Its form; empty for one that is not kept.
    pub form_url: String,
    /// The reader may change it.
    pub can_change: bool,
    /// The reader may keep another.
    pub can_save: bool,
    /// The address of what is shown.
    pub state: String,
    /// The columns.
    pub columns: Vec<HeadView>,
    /// The rows.
    pub rows: Vec<Vec<CellView>>,
    /// The totals; empty for none.
    pub totals: Vec<CellView>,
    /// The chart.
    pub chart: Option<ChartView>,
    /// Why there is no chart; empty if there is one or none was asked for.
    pub chart_problem: String,
    /// `1–20`
    pub range: String,
    /// The page before; empty if there is none.
    pub previous_url: String,
    /// The page after; empty if there is none.
    pub next_url: String,
    /// As files: label and address.
    pub files: Vec<(&'static str, String)>,
    /// The roles for which it can be kept.
    pub roles: Vec<Choice>,
}

/// A column's heading.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct HeadView {
    /// The label.
    pub label: String,
    /// Its class.
    pub class: &'static str,
    /// The same, sorted by it; empty if it cannot be.
    pub sort_url: String,
    /// `ascending`, `descending` or empty.
    pub sorted: &'static str,
    /// The icon of the order.
    pub arrow: &'static str,
}

/// The address that makes a Report.
pub(in crate::desk) fn report_url(name: &str) -> String {
    format!("/app/query-report/{}", percent_encoding::utf8_percent_encode(name, ADDRESS_PART))
}

/// GET `/app/query-report/:name`: to the list that shows it.
pub(in crate::desk) async fn get(exchange: Exchange) -> Result<Response> {
    shell::require_desk(&exchange)?;
    let name = exchange.param("name").to_owned();
    let documents = &exchange.site.documents;
    let (_, report) = documents.saved_report(exchange.session(), &name).await?;
    let doctype = documents.doctype(&report.doctype)?;
    Ok(see_other(&address(&doctype, &name, &report)))
}

/// Where an address leads that names a Report and says nothing else of what it shows; `None` for every other.
pub(super) async fn saved_address(exchange: &Exchange, doctype: &Arc<DocType>) -> Result<Option<String>> {
    let query = exchange.query();
    let get = |wanted: &str| query.iter().find(|(name, _)| name == wanted).map(|(_, value)| value.trim());
    let is_bare = query.iter().all(|(name, value)| matches!(name.as_str(), "view" | "report") || value.is_empty());
    let (Some(kind), Some(name), true) = (get("view"), get("report").filter(|name| !name.is_empty()), is_bare) else {
        return Ok(None);
    };
    if Kind::parse(kind) != Some(Kind::Report) {
        return Ok(None);
    }
    let (_, report) = exchange.site.documents.saved_report(exchange.session(), name).await?;
    if report.doctype != doctype.name {
        return Err(Error::does_not_exist(REPORT, name));
    }
    Ok(Some(address(doctype, name, &report)))
}

/// The address of all that a report shows.
fn address(doctype: &DocType, name: &str, report: &Report) -> String {
    let columns = if report.columns.is_empty() { "name".to_owned() } else { report.columns.join(",") };
    let params = ReportParams {
        name: name.to_owned(),
        groups: report.groups.clone(),
        aggregates: report.aggregates.clone(),
        totals: report.totals,
        chart: report.chart.clone(),
    };
    let is_filtered = !report.filters.is_null() && !report.filters.as_array().is_some_and(Vec::is_empty);
    let filters = if is_filtered { report.filters.to_string() } else { String::new() };
    let all = [
        ("view", "report".to_owned()),
        (FILTERS, filters),
        ("columns", columns),
        ("order_by", report.order_by.clone()),
    ];
    let pairs = all.into_iter().chain(params.pairs()).filter(|(_, value)| !value.is_empty());
    let query = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish();
    format!("/app/{}?{query}", doctype.slug())
}

/// The reports of a DocType that the reader finds: label and address.
pub(super) async fn list(exchange: &Exchange, doctype: &DocType, grant: &Grant) -> Result<Vec<(String, String)>> {
    let documents = &exchange.site.documents;
    if documents.registry().get(REPORT).is_none() || !may_report(doctype, grant) {
        return Ok(Vec::new());
    }
    let filters = json!({"ref_doctype": doctype.name, "report_type": REPORT_BUILDER, "disabled": 0});
    let mut request = ListRequest::new(REPORT).filters(filters).order_by("name asc");
    request.limit = Some(MOST_REPORTS);
    let list = match documents.list(exchange.session(), &request).await {
        Err(error) if error.is_failure() => return Err(error),
        other => other.unwrap_or_default(),
    };
    let names = (0..list.rows.len()).map(|row| list.text(row, "name").to_owned());
    Ok(names.map(|name| (name.clone(), report_url(&name))).collect())
}

/// What the address of the list asks for, as a report.
fn report_of(doctype: &DocType, grant: &Grant, params: &ListParams) -> Report {
    let request = params.to_request(doctype, grant);
    let shown = &params.shown.report;
    Report {
        doctype: doctype.name.clone(),
        columns: columns_of(doctype, grant, params),
        filters: request.filters,
        or_filters: request.or_filters,
        order_by: params.order_text(),
        groups: shown.groups.clone(),
        aggregates: shown.aggregates.clone(),
        totals: shown.totals,
        chart: shown.chart.clone(),
    }
}

/// The columns: those chosen, else those of the list.
fn columns_of(doctype: &DocType, grant: &Grant, params: &ListParams) -> Vec<String> {
    if !params.columns.is_empty() {
        return params.columns.clone();
    }
    let own = doctype.title_field.as_deref().into_iter().chain(status_fields(doctype));
    let own = own.filter(|name| filterable(doctype, grant, name));
    let listed = list_fields(doctype, grant, &ListParams::default());
    let mut columns = vec!["name".to_owned()];
    for name in own.chain(listed.iter().map(|field| field.fieldname.as_str())) {
        if !columns.iter().any(|known| known == name) {
            columns.push(name.to_owned());
        }
    }
    columns
}

/// Makes the report that the address asks for, as the reader sees it.
pub(super) async fn report_view(
    exchange: &Exchange,
    doctype: &Arc<DocType>,
    grant: &Grant,
    params: &ListParams,
) -> Result<ReportView> {
    let (documents, session) = (&exchange.site.documents, exchange.session());
    let report = report_of(doctype, grant, params);
    let start = (params.page - 1) * params.page_length;
    let table = Box::pin(documents.report(session, &report, start, Some(params.page_length))).await?;
    let registry = documents.registry();
    let saved = if params.shown.report.name.is_empty() {
        None
    } else {
        // Whoever may not look at the Report sees the same without its name.
        match documents.get(session, REPORT, &params.shown.report.name).await {
            Ok(saved) => Some(saved),
            Err(error) if error.is_failure() => return Err(error),
            Err(_) => None,
        }
    };
    let page = Page::of(exchange, doctype, grant, params, &report, &table).await?;
    let (chart, chart_problem) = match report.chart.as_ref().map(|chart| (chart, table.points(chart))) {
        None => (None, String::new()),
        Some((chart, Ok(points))) => (Some(ChartView::of(chart.kind, &points)), String::new()),
        Some((_, Err(problem))) => (None, problem),
    };
    let can_keep = registry.get(REPORT).is_some_and(|kept| documents.grant(session, kept).may(Right::Create));
    let can_change = saved
        .as_ref()
        .is_some_and(|saved| documents.check_permission(session, &saved.doctype, Some(saved), Right::Write).is_ok());
    let name = saved.as_ref().map(|saved| saved.name()).unwrap_or_default();
    Ok(ReportView {
        form_url: if name.is_empty() { String::new() } else { document_url(&slug(REPORT), &name) },
        name,
        can_change,
        can_save: can_keep,
        state: params.at_page(1).url(doctype),
        columns: page.heads(),
        rows: (0..table.rows.len()).map(|row| page.row(row)).collect(),
        totals: page.totals(),
        chart,
        chart_problem,
        range: if table.rows.is_empty() {
            String::new()
        } else {
            format!("{}–{}", start + 1, start + table.rows.len() as u64)
        },
        previous_url: if params.page > 1 { params.at_page(params.page - 1).url(doctype) } else { String::new() },
        next_url: if table.has_next_page { params.at_page(params.page + 1).url(doctype) } else { String::new() },
        files: if grant.may(Right::Export) { files(&report) } else { Vec::new() },
        roles: roles(doctype),
    })
}

/// Where the report becomes a file.
fn files(report: &Report) -> Vec<(&'static str, String)> {
    let address = |format: &str| {
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        query.append_pair("doctype", &report.doctype).append_pair("report_settings", &report.to_json().to_string());
        query.append_pair("file_format_type", format);
        format!("/api/method/frappe.desk.query_report.export_query?{}", query.finish())
    };
    vec![("CSV", address("CSV")), ("XLSX", address("Excel"))]
}

/// The roles that may report on the DocType.
fn roles(doctype: &DocType) -> Vec<Choice> {
    let mut names: Vec<&str> = doctype
        .permissions
        .iter()
        .filter(|row| row.permlevel == 0 && row.rights.contains(Right::Report))
        .map(|row| row.role.as_str())
        .collect();
    names.sort_unstable();
    names.dedup();
    let choice = |(at, name): (usize, &&str)| Choice {
        value: (*name).to_owned(),
        label: (*name).to_owned(),
        chosen: false,
        id: format!("report-role-{at}"),
    };
    names.iter().enumerate().map(choice).collect()
}

/// POST: keeps what the address asks for, as a Report.
pub(super) async fn save(exchange: &Exchange, doctype: &Arc<DocType>, action: &str, form: &Form) -> Result<Response> {
    let here = super::page::own_address(exchange);
    let grant = exchange.site.documents.grant(exchange.session(), doctype);
    let params = ListParams::parse(doctype, &grant, &exchange.query());
    let name =
        if action == CHANGE { params.shown.report.name.as_str() } else { form.first("__report").unwrap_or_default() };
    let name = name.trim();
    let problem = if name.is_empty() {
        "give the report a name"
    } else if params.query.is_empty() {
        params.problem.as_str()
    } else {
        "a report keeps filters, not what is searched for: make it a filter"
    };
    if !problem.is_empty() {
        Flash::failed(format!("Not saved: {problem}")).keep(exchange);
        return Ok(see_other(&here));
    }
    let report = report_of(doctype, &grant, &params);
    let mut arguments = json!({"name": name, "doctype": doctype.name, "report_settings": report.to_json()});
    if action == SAVE {
        let roles =
            form.fields.iter().filter(|(field, _)| field == "__role").map(|(_, role)| Json::from(role.as_str()));
        arguments["roles"] = roles.collect();
    }
    match exchange.call_method("frappe.desk.reportview.save_report", arguments, Vec::new()).await {
        Ok(_) => {
            Flash::done(format!("Saved the report {name}")).keep(exchange);
            Ok(see_other(&address(doctype, name, &report)))
        }
        Err(error) if error.is_failure() => Err(error),
        Err(error) => {
            Flash::failed(format!("Not saved: {error}")).keep(exchange);
            Ok(see_other(&here))
        }
    }
}
