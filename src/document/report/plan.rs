//! From a report to the lists that answer it. Whatever is asked of the database is a list of the reader's, so that rights, levels
//! and masks hold as everywhere; what this adds is the right `report`.

use std::sync::Arc;

use serde_json::{Value as Json, json};

use crate::document::list::{DEFAULT_PAGE_LENGTH, List};
use crate::document::report::table::{ReportColumn, ReportTable, field_of, is_number};
use crate::document::report::{Aggregate, Computed, MOST_AGGREGATES, MOST_COLUMNS, MOST_GROUPS, Report};
use crate::document::{Cell, Documents, ListRequest};
use crate::error::{Error, Result};
use crate::meta::{DocType, Fieldtype, Registry, Right, Value};
use crate::permissions::{Grant, Session};

/// A report, ready to be asked for.
struct Plan {
    /// The list with its rows or groups; each of `columns` under the key of its place.
    rows: ListRequest,
    /// The columns that were asked for.
    columns: Vec<ReportColumn>,
    /// The lists of one row with totals; each value under the key of its column's place.
    totals: Vec<ListRequest>,
}

impl Documents {
    /// A page of a report, as the session sees it: from row `start`, `limit` at most.
    pub(crate) async fn report(
        &self,
        session: &Session,
        report: &Report,
        start: u64,
        limit: Option<u64>,
    ) -> Result<ReportTable> {
        let mut plan = self.plan_report(session, report, &[Right::Report])?;
        (plan.rows.start, plan.rows.limit) = (start, limit);
        let list = Box::pin(self.list(session, &plan.rows)).await?;
        let mut table = ReportTable::begin(report, &plan.columns, &list)?;
        table.add(&list);
        table.has_next_page = list.has_next_page;
        self.add_totals(session, &plan, &mut table).await?;
        Ok(table)
    }

    /// All of a report, for a file: handed over in parts, of which the last has the totals and no rows. Needs the right to export.
    pub(crate) async fn report_in_parts(
        &self,
        session: &Session,
        report: &Report,
        mut take: impl FnMut(&ReportTable) -> Result<()> + Send,
    ) -> Result<()> {
        let mut plan = self.plan_report(session, report, &[Right::Report, Right::Export])?;
        plan.rows.limit = None;
        let mut table = None;
        let parts = self.list_in_parts(session, &plan.rows, |list| {
            if table.is_none() {
                table = Some(ReportTable::begin(report, &plan.columns, list)?);
            }
            let Some(table) = &mut table else { return Ok(()) };
            table.clear();
            table.add(list);
            take(table)
        });
        Box::pin(parts).await?;
        let Some(mut table) = table else { return Ok(()) };
        table.clear();
        self.add_totals(session, &plan, &mut table).await?;
        take(&table)
    }

    async fn add_totals(&self, session: &Session, plan: &Plan, table: &mut ReportTable) -> Result<()> {
        for request in &plan.totals {
            let list: List = Box::pin(self.list(session, request)).await?;
            table.add_totals(&list);
        }
        Ok(())
    }

    fn plan_report(&self, session: &Session, report: &Report, rights: &[Right]) -> Result<Plan> {
        let doctype = self.doctype(&report.doctype)?;
        if doctype.issingle || doctype.istable || !doctype.has_table() {
            return Err(Error::misuse(format!("{} has no documents of its own to report on", doctype.name)));
        }
        for right in rights {
            self.check_permission(session, &doctype, None, *right)?;
        }
        let grant = self.grant(session, &doctype);
        Reader { registry: &self.registry(), doctype: &doctype, report, rights, grant: &grant }.plan()
    }
}

struct Reader<'a> {
    registry: &'a Registry,
    doctype: &'a Arc<DocType>,
    report: &'a Report,
    rights: &'a [Right],
    grant: &'a Grant,
}

impl Reader<'_> {
    fn plan(&self) -> Result<Plan> {
        let report = self.report;
        for (number, most, what) in [
            (report.columns.len(), MOST_COLUMNS, "columns"),
            (report.groups.len(), MOST_GROUPS, "fields to group by"),
            (report.aggregates.len(), MOST_AGGREGATES, "sums"),
        ] {
            if number > most {
                return Err(Error::misuse(format!("A report has at most {most} {what}")));
            }
        }
        if report.groups.is_empty() { self.rows() } else { self.groups() }
    }

    fn column(&self, name: &str) -> Result<ReportColumn> {
        field_of(self.registry, self.doctype, name)
            .ok_or_else(|| Error::misuse(format!("{} has no field `{name}` for a report", self.doctype.name)))
    }

    /// The table whose rows the report shows, if it does.
    fn child_of(columns: &[ReportColumn]) -> Result<Option<String>> {
        let mut child: Option<String> = None;
        for column in columns {
            match (&child, &column.child) {
                (Some(known), Some(other)) if known != other => {
                    return Err(Error::misuse(format!(
                        "A report shows the rows of one table: choose fields of {known} or of {other}"
                    )));
                }
                (_, Some(other)) => child = Some(other.clone()),
                (_, None) => {}
            }
        }
        Ok(child)
    }

    fn request(&self) -> ListRequest {
        let mut request = ListRequest::new(&self.doctype.name);
        request.filters = self.report.filters.clone();
        request.or_filters = self.report.or_filters.clone();
        request.also = self.rights.to_vec();
        request.limit = Some(DEFAULT_PAGE_LENGTH);
        request
    }

    fn rows(&self) -> Result<Plan> {
        let names = if self.report.columns.is_empty() { &["name".to_owned()][..] } else { &self.report.columns };
        let columns = names.iter().map(|name| self.column(name)).collect::<Result<Vec<_>>>()?;
        Self::child_of(&columns)?;
        let mut rows = self.request();
        let selected = columns.iter().enumerate().map(|(at, column)| format!("{} as {}", column.query, key(at)));
        rows.fields = selected.chain([format!("name as {NAME}")]).map(Json::from).collect();
        if !self.report.order_by.trim().is_empty() {
            let keys = self.report.order_by.split(',').map(|part| {
                let (name, order) = part.trim().rsplit_once(' ').unwrap_or((part.trim(), "asc"));
                let order = if order.eq_ignore_ascii_case("desc") { "desc" } else { "asc" };
                Ok(format!("{} {order}", self.column(name)?.query))
            });
            rows.order_by = Some(keys.collect::<Result<Vec<_>>>()?.join(", "));
        }
        // A document with several rows counts once in the sums of its own fields, so these are asked for by themselves.
        let mut totals = Vec::new();
        if self.report.totals {
            for of_rows in [false, true] {
                let numbers = columns.iter().enumerate().filter(|(_, column)| column.child.is_some() == of_rows);
                let sums: Vec<Json> = numbers
                    .filter_map(|(at, column)| {
                        Some(format!("{}({}) as {}", column.total()?.word(), column.query, key(at)))
                    })
                    .map(Json::from)
                    .collect();
                if !sums.is_empty() {
                    let mut request = self.request();
                    request.fields = Json::from(sums);
                    totals.push(request);
                }
            }
        }
        Ok(Plan { rows, columns, totals })
    }

    fn groups(&self) -> Result<Plan> {
        let mut columns = self.report.groups.iter().map(|name| self.column(name)).collect::<Result<Vec<_>>>()?;
        let groups = columns.len();
        let computed: Vec<ReportColumn> =
            self.report.aggregates.iter().map(|aggregate| self.computed(aggregate)).collect::<Result<_>>()?;
        columns.push(ReportColumn::count());
        columns.extend(computed);
        let child = Self::child_of(&columns)?;
        for (column, aggregate) in columns[groups + 1..].iter().zip(&self.report.aggregates) {
            let multiplies = matches!(aggregate.function, Computed::Sum | Computed::Average);
            if let (Some(child), None, true) = (&child, &column.child, multiplies) {
                return Err(Error::misuse(format!(
                    "{aggregate} would take a {} once for each row of {child}: compute it without the fields of {child}",
                    self.doctype.name
                )));
            }
        }
        // Where rows of a table are put together, a document counts once.
        let count = if child.is_some() { "count(distinct name)" } else { "count(name)" };
        count.clone_into(&mut columns[groups].query);
        let selected: Vec<String> =
            columns.iter().enumerate().map(|(at, column)| format!("{} as {}", column.query, key(at))).collect();
        let mut rows = self.request();
        rows.fields = selected.iter().cloned().map(Json::from).collect();
        let group_by: Vec<&str> = columns[..groups].iter().map(|column| column.query.as_str()).collect();
        rows.group_by = Some(group_by.join(", "));
        rows.order_by = Some(self.order_of_groups(&columns, groups));
        let mut totals = Vec::new();
        if self.report.totals {
            let mut request = self.request();
            request.fields = json!(selected[groups..]);
            totals.push(request);
        }
        Ok(Plan { rows, columns, totals })
    }

    fn computed(&self, aggregate: &Aggregate) -> Result<ReportColumn> {
        let column = self.column(&aggregate.field)?;
        let takes_numbers = matches!(aggregate.function, Computed::Sum | Computed::Average);
        if takes_numbers && !column.is_of(|fieldtype| is_number(fieldtype) || fieldtype == Fieldtype::Check) {
            return Err(Error::misuse(format!("{aggregate} needs a number, and {} is not one", aggregate.field)));
        }
        Ok(column.computed(aggregate))
    }

    /// Groups along a scale come in its order, others with the largest number first. Of two, the second is within the first.
    fn order_of_groups(&self, columns: &[ReportColumn], groups: usize) -> String {
        let along = |fieldtype: Fieldtype| {
            is_number(fieldtype) || matches!(fieldtype, Fieldtype::Date | Fieldtype::Datetime | Fieldtype::Time)
        };
        // What the reader does not see decides about no order: that would be refused.
        let is_seen = |column: &&ReportColumn| {
            column.child.is_some() == column.name.contains('.')
                && column.field.as_ref().is_none_or(|field| {
                    self.grant.reads_level(field.permlevel) && !self.grant.masks(field) && !field.secret
                })
        };
        let number = columns[groups + 1..].iter().find(is_seen).unwrap_or(&columns[groups]);
        let by_number = format!("{} desc", number.query);
        let by_value = |column: &ReportColumn| format!("{} asc", column.query);
        match columns[..groups] {
            [ref one] if !one.is_of(along) => format!("{by_number}, {}", by_value(one)),
            [ref first, ref second] if !second.is_of(along) => {
                format!("{}, {by_number}, {}", by_value(first), by_value(second))
            }
            _ => columns[..groups].iter().map(by_value).collect::<Vec<_>>().join(", "),
        }
    }
}

/// The key of a column in the lists that are asked for.
pub(super) fn key(at: usize) -> String {
    format!("c{at}")
}

/// The key of the name, which every row has beside the columns that were asked for.
pub(super) const NAME: &str = "own_name";

impl ReportTable {
    /// The value that a list has in a row under a key.
    pub(super) fn value(list: &List, row: usize, key: &str) -> Option<Value> {
        let column = list.keys.iter().position(|known| known == key)?;
        match list.rows.get(row)?.get(column)? {
            Cell::Value(value) => Some(value.clone()),
            Cell::Json(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_computed_column_is_named_as_it_is_written() {
        let aggregate = Aggregate::parse("SUM( Order Item.qty )").unwrap();
        assert_eq!(aggregate.to_string(), "sum(Order Item.qty)");
        assert_eq!(Aggregate::parse("sleep(1)"), None);
        assert_eq!(Aggregate::parse("qty"), None);
    }
}
