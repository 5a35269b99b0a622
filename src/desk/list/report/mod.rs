//! A report: chosen columns of documents, or groups with counts and sums, a chart, and the way to keep it.

use std::sync::Arc;

use poem::Response;
use serde::Serialize;
use serde_json::{Value as Json, json};

use super::chart::ChartView;
use super::params::{FILTERS, ListParams, filterable, readable};
use super::shown::{Kind, may_report};
use super::view::CellView;
use super::{ListInput, builder, list_fields, status_fields};
use crate::desk::form::control::label;
use crate::desk::form::view::Choice;
use crate::desk::shell::{self, Flash};
use crate::desk::titles::{Titles, named_titles};
use crate::desk::{ADDRESS_PART, document_url};
use crate::document::ListRequest;
use crate::document::report::{
    Aggregate, COUNT, Chart, ChartKind, Computed, MOST_GROUPS, REPORT, REPORT_BUILDER, Report, ReportColumn,
    ReportTable, is_number,
};
use crate::error::{Error, Result};
use crate::meta::doctype::{Order, slug};
use crate::meta::{DocField, DocType, Fieldtype, Registry, Right, Value};
use crate::permissions::Grant;
use crate::web::Exchange;
use crate::web::arguments::Form;
use crate::web::error::see_other;

/// The action that keeps what is shown as a report of its own.
pub(super) const SAVE: &str = "save_report";
/// The action that keeps it as the report that is shown.
pub(super) const CHANGE: &str = "change_report";
/// Reports of a DocType that its list leads to.
const MOST_REPORTS: u64 = 50;
/// Empty rows of the form for what is computed.
const SPARE_ROWS: usize = 2;

/// What the address says of a report beside columns, filters and order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct ReportParams {
    /// The Report that it was, or is to be changed; empty for none.
    pub name: String,
    /// The fields that put documents together.
    pub groups: Vec<String>,
    /// What is computed of groups.
    pub aggregates: Vec<Aggregate>,
    /// A row with totals.
    pub totals: bool,
    /// The chart.
    pub chart: Option<Chart>,
}

impl ReportParams {
    /// The parameters, `group_by` aside.
    pub(super) const NAMES: [&'static str; 6] = ["report", "aggregates", "totals", "chart", "chart_by", "chart_of"];

    /// Reads them; an error says what is not understood.
    pub(super) fn parse<'q>(get: &impl Fn(&str) -> &'q str) -> Result<Self, String> {
        let names = |text: &str| -> Vec<String> {
            text.split(',').map(str::trim).filter(|name| !name.is_empty()).map(str::to_owned).collect()
        };
        let aggregate = |text: String| {
            let wrong = || format!("`{text}` is not computed here: write sum, avg, min or max, such as sum(qty)");
            Aggregate::parse(&text).ok_or_else(wrong)
        };
        let chart = match get("chart") {
            "" => None,
            kind => Some(Chart {
                kind: ChartKind::parse(kind).ok_or_else(|| format!("`chart` is bar, line or donut, not {kind}"))?,
                by: get("chart_by").to_owned(),
                of: get("chart_of").to_owned(),
            }),
        };
        Ok(Self {
            name: get("report").to_owned(),
            groups: names(get("group_by")),
            aggregates: names(get("aggregates")).into_iter().map(aggregate).collect::<Result<_, _>>()?,
            totals: get("totals") == "1",
            chart,
        })
    }

    /// The parameters that say so.
    pub(super) fn pairs(&self) -> Vec<(&'static str, String)> {
        let aggregates: Vec<String> = self.aggregates.iter().map(Aggregate::to_string).collect();
        let chart = |of: fn(&Chart) -> String| self.chart.as_ref().map(of).unwrap_or_default();
        vec![
            ("report", self.name.clone()),
            ("group_by", self.groups.join(",")),
            ("aggregates", aggregates.join(",")),
            ("totals", if self.totals { "1".to_owned() } else { String::new() }),
            ("chart", chart(|chart| chart.kind.name().to_lowercase())),
            ("chart_by", chart(|chart| chart.by.clone())),
            ("chart_of", chart(|chart| chart.of.clone())),
        ]
    }
}

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
pub(super) fn column_choices(input: &ListInput<'_>) -> Vec<Choice> {
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
pub(super) fn report_tools(input: &ListInput<'_>) -> Option<ReportTools> {
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
    let page = Page {
        exchange,
        doctype,
        grant,
        params,
        report: &report,
        table: &table,
        titles: titles(exchange, &registry, &table).await?,
    };
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

async fn titles(exchange: &Exchange, registry: &Registry, table: &ReportTable) -> Result<Titles> {
    let links = table.columns.iter().enumerate().filter_map(|(at, column)| Some((at, link_target(column)?)));
    let names: Vec<(&str, &str)> =
        links.flat_map(|(at, target)| table.rows.iter().map(move |row| (target, row[at].text()))).collect();
    named_titles(exchange, registry, names.into_iter()).await
}

/// The DocType that values of the column lead to.
fn link_target(column: &ReportColumn) -> Option<&str> {
    let field = column.field.as_ref().filter(|_| column.computed.is_none())?;
    field.link_target().filter(|_| field.fieldtype == Fieldtype::Link)
}

struct Page<'a> {
    exchange: &'a Exchange,
    doctype: &'a DocType,
    grant: &'a Grant,
    params: &'a ListParams,
    report: &'a Report,
    table: &'a ReportTable,
    titles: Titles,
}

impl Page<'_> {
    fn heads(&self) -> Vec<HeadView> {
        let head = |column: &ReportColumn| {
            let is_sorted =
                self.table.groups == 0 && !column.field.as_ref().is_some_and(|field| self.grant.masks(field));
            let current = self.params.order_by.iter().find(|(field, _)| *field == column.name).map(|(_, order)| *order);
            let next = if current == Some(Order::Asc) { Order::Desc } else { Order::Asc };
            HeadView {
                label: column.label.clone(),
                class: class(column),
                sort_url: if is_sorted {
                    self.params.ordered_by(&column.name, next).url(self.doctype)
                } else {
                    String::new()
                },
                sorted: match current.filter(|_| is_sorted) {
                    Some(Order::Asc) => "ascending",
                    Some(Order::Desc) => "descending",
                    None => "",
                },
                arrow: match current.filter(|_| is_sorted) {
                    Some(Order::Asc) => "up",
                    Some(Order::Desc) => "down",
                    None => "",
                },
            }
        };
        self.table.columns.iter().map(head).collect()
    }

    fn row(&self, row: usize) -> Vec<CellView> {
        let values = &self.table.rows[row];
        let main = match self.table.groups {
            0 => self.table.columns.iter().position(|column| column.name == "name").unwrap_or(0),
            _ => 0,
        };
        let cell = |(at, (column, value)): (usize, (&ReportColumn, &Value))| {
            let mut cell = CellView {
                label: column.label.clone(),
                class: class(column),
                text: column.display(value),
                main: at == main,
                ..CellView::default()
            };
            if let Some(target) = link_target(column).filter(|_| !cell.text.is_empty()) {
                if let Some(title) = self.titles.get(target, value.text()) {
                    title.clone_into(&mut cell.text);
                }
                let registry = self.exchange.site.documents.registry();
                let is_readable = |target| Grant::of(self.exchange.session(), target).may(Right::Read);
                if registry.get(target).is_some_and(|target| is_readable(target)) {
                    cell.href = document_url(&slug(target), value.text());
                }
            }
            if at < self.table.groups && cell.text.is_empty() {
                "Not set".clone_into(&mut cell.text);
            }
            if at == main {
                cell.href = match self.table.groups {
                    0 => document_url(&self.doctype.slug(), &self.table.names[row]),
                    _ => self.documents_of(values),
                };
                if cell.text.is_empty() {
                    self.table.names.get(row).map_or("Not set", String::as_str).clone_into(&mut cell.text);
                }
            }
            cell
        };
        self.table.columns.iter().zip(values).enumerate().map(cell).collect()
    }

    /// The list of the documents of a group.
    fn documents_of(&self, values: &[Value]) -> String {
        let of_group = self.table.columns[..self.table.groups].iter().zip(values).map(|(column, value)| {
            let condition = match value {
                value if value.to_string().is_empty() => json!(["is", "not set"]),
                value => json!(["=", value.to_json()]),
            };
            match column.child.as_ref().and_then(|child| column.name.strip_prefix(child)?.strip_prefix('.')) {
                Some(field) => json!([column.child, field, condition[0], condition[1]]),
                None => json!([column.name, condition[0], condition[1]]),
            }
        });
        let filters = match &self.report.filters {
            Json::Array(own) if own.iter().all(|filter| filter.get(0).is_some_and(Json::is_string)) => {
                own.iter().cloned().chain(of_group).collect()
            }
            own => std::iter::once(own.clone()).chain(of_group).collect::<Json>(),
        };
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        if !self.params.query.is_empty() {
            query.append_pair("q", &self.params.query);
        }
        query.append_pair(FILTERS, &filters.to_string());
        format!("/app/{}?{}", self.doctype.slug(), query.finish())
    }

    fn totals(&self) -> Vec<CellView> {
        let cell = |(at, (column, total)): (usize, (&ReportColumn, &Option<Value>))| CellView {
            label: column.label.clone(),
            class: class(column),
            text: match total {
                Some(total) => column.display(total),
                None if at == 0 => "Total".to_owned(),
                None => String::new(),
            },
            ..CellView::default()
        };
        self.table.columns.iter().zip(&self.table.totals).enumerate().map(cell).collect()
    }
}

fn class(column: &ReportColumn) -> &'static str {
    match column.fieldtype {
        kind if is_number(kind) => "number",
        Fieldtype::Date | Fieldtype::Datetime | Fieldtype::Time => "when",
        _ => "",
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_address_says_of_a_report_is_said_again() {
        let query = [
            ("report", "By Customer"),
            ("group_by", "customer, status"),
            ("aggregates", "sum(total),max(Order Item.qty)"),
            ("totals", "1"),
            ("chart", "pie"),
            ("chart_of", "count"),
        ];
        let get = |name: &str| query.iter().find(|(known, _)| *known == name).map_or("", |(_, value)| *value);
        let params = ReportParams::parse(&get).unwrap();
        assert_eq!(params.groups, ["customer", "status"]);
        let pairs: Vec<(&str, String)> = params.pairs().into_iter().filter(|(_, value)| !value.is_empty()).collect();
        let again = |name: &str| pairs.iter().find(|(known, _)| *known == name).map_or("", |(_, value)| value.as_str());
        assert_eq!(ReportParams::parse(&again).unwrap(), params);
        assert!(ReportParams::parse(&|name: &str| if name == "chart" { "wall" } else { "" }).is_err());
        assert!(ReportParams::parse(&|name: &str| if name == "aggregates" { "drop(x)" } else { "" }).is_err());
    }
}
