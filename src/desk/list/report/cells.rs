//! The cells of a report: headings that sort, values with titles and links, totals.

use serde_json::{Value as Json, json};

use super::HeadView;
use crate::desk::document_url;
use crate::desk::list::params::{FILTERS, ListParams};
use crate::desk::list::view::CellView;
use crate::desk::titles::{Titles, named_titles};
use crate::document::report::{Report, ReportColumn, ReportTable, is_number};
use crate::error::Result;
use crate::meta::doctype::{Order, slug};
use crate::meta::{DocType, Fieldtype, Registry, Right, Value};
use crate::permissions::Grant;
use crate::web::Exchange;

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

/// A page of a report as it is shown.
pub(super) struct Page<'a> {
    doctype: &'a DocType,
    grant: &'a Grant,
    params: &'a ListParams,
    report: &'a Report,
    table: &'a ReportTable,
    titles: Titles,
    /// Whether the reader may go where the values of each column lead.
    leads: Vec<bool>,
}

impl<'a> Page<'a> {
    /// With the titles of what its values lead to.
    pub(super) async fn of(
        exchange: &Exchange,
        doctype: &'a DocType,
        grant: &'a Grant,
        params: &'a ListParams,
        report: &'a Report,
        table: &'a ReportTable,
    ) -> Result<Self> {
        let registry = exchange.site.documents.registry();
        let may_read =
            |name| registry.get(name).is_some_and(|doctype| Grant::of(exchange.session(), doctype).may(Right::Read));
        let leads = table.columns.iter().map(|column| link_target(column).is_some_and(may_read)).collect();
        let titles = titles(exchange, &registry, table).await?;
        Ok(Self { doctype, grant, params, report, table, titles, leads })
    }

    /// The headings.
    pub(super) fn heads(&self) -> Vec<HeadView> {
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

    /// The cells of a row.
    pub(super) fn row(&self, row: usize) -> Vec<CellView> {
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
                if self.leads[at] {
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

    /// The cells of the totals; none where none were asked for.
    pub(super) fn totals(&self) -> Vec<CellView> {
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
