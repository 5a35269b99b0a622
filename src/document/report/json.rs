//! A report as Frappe's Report Builder keeps it, in the field `json` of the DocType Report.

use serde_json::{Map, Value as Json, json};

use crate::document::report::{Aggregate, Chart, ChartKind, Computed, Report};
use crate::error::{Error, Result};

/// The name that Frappe gives to the computed column.
const AGGREGATE_COLUMN: &str = "_aggregate_column";

impl Report {
    /// Reads it. Keys that mean nothing here, such as the widths of columns, are passed over.
    pub(crate) fn parse(doctype: &str, text: &str) -> Result<Self> {
        let mut report = Self { doctype: doctype.to_owned(), ..Self::default() };
        if text.trim().is_empty() {
            return Ok(report);
        }
        let settings: Map<String, Json> = serde_json::from_str(text).map_err(|_| {
            Error::misuse("The JSON of a report is an object such as {\"fields\": [[\"name\", \"ToDo\"]]}")
        })?;
        let get = |key: &str| settings.get(key).unwrap_or(&Json::Null);
        let fields = if get("fields").is_null() { get("columns") } else { get("fields") };
        for field in list(fields, "fields")? {
            let name = match field {
                Json::String(name) => plain(doctype, name),
                Json::Array(pair) => match pair.as_slice() {
                    [Json::String(name), Json::String(table), ..] if table != doctype && !name.contains('.') => {
                        format!("{table}.{name}")
                    }
                    [Json::String(name), ..] => plain(doctype, name),
                    _ => return Err(wrong("fields")),
                },
                _ => return Err(wrong("fields")),
            };
            if name != AGGREGATE_COLUMN && !name.is_empty() && !report.columns.contains(&name) {
                report.columns.push(name);
            }
        }
        report.filters = match get("filters") {
            Json::Array(filters) => filters.iter().map(|filter| short(doctype, filter)).collect(),
            other => other.clone(),
        };
        report.or_filters = get("or_filters").clone();
        report.order_by = order(doctype, &settings);
        report.totals = is_on(get("add_totals_row")) || is_on(get("add_total_row"));
        read_groups(&mut report, get("group_by"))?;
        report.chart = read_chart(&report, get("chart_args"));
        Ok(report)
    }

    /// Writes it, so that Frappe reads what Frappe has too: a second group and further sums are beside what it knows.
    pub(crate) fn to_json(&self) -> Json {
        let pair = |name: &String| match split(name) {
            (Some(table), name) => json!([name, table]),
            (None, name) => json!([name, self.doctype]),
        };
        let order: Vec<String> = self
            .order_by
            .split(',')
            .filter_map(|part| {
                let part = part.trim();
                let (field, direction) = part.rsplit_once(' ').unwrap_or((part, "asc"));
                (!field.is_empty()).then(|| format!("{} {direction}", self.quoted(field)))
            })
            .collect();
        let mut settings = json!({
            "filters": self.filters,
            "fields": self.columns.iter().map(pair).collect::<Vec<_>>(),
            "order_by": order.join(", "),
            "add_totals_row": u8::from(self.totals),
        });
        if self.or_filters.as_array().is_some_and(|filters| !filters.is_empty()) {
            settings["or_filters"] = self.or_filters.clone();
        }
        if let Some(first) = self.groups.first() {
            let computed = self.aggregates.first();
            settings["group_by"] = json!({
                "group_by": self.quoted(first),
                "aggregate_function": computed.map_or("count", |computed| computed.function.word()),
                "aggregate_on": computed.map(|computed| self.quoted(&computed.field)),
                "then_by": self.groups.get(1),
                "aggregates": self.aggregates.iter().map(Aggregate::to_string).collect::<Vec<_>>(),
            });
        }
        if let Some(chart) = &self.chart {
            settings["chart_args"] = json!({"chart_type": chart.kind.name(), "x_axis": chart.by, "y_axes": [chart.of]});
        }
        settings
    }

    /// `` `tabToDo`.`status` ``; fields behind links as they are.
    fn quoted(&self, name: &str) -> String {
        match split(name) {
            (None, name) if name.contains('.') => name.to_owned(),
            (table, field) => format!("`tab{}`.`{field}`", table.unwrap_or(&self.doctype)),
        }
    }
}

fn wrong(key: &str) -> Error {
    Error::misuse(format!("`{key}` in the JSON of a report is not as Frappe's Report Builder writes it"))
}

fn list<'j>(value: &'j Json, key: &str) -> Result<&'j [Json]> {
    match value {
        Json::Null => Ok(&[]),
        Json::Array(list) => Ok(list),
        _ => Err(wrong(key)),
    }
}

fn is_on(value: &Json) -> bool {
    value.as_bool().unwrap_or(false) || value.as_i64().is_some_and(|number| number != 0)
}

/// `` `tabToDo`.`status` ``, `ToDo.status` or `Child DocType:field` as fields are named here.
fn plain(doctype: &str, text: &str) -> String {
    let text = text.trim().replace('`', "").replacen(':', ".", 1);
    match text.split_once('.') {
        Some((table, field)) => {
            let table =
                table.strip_prefix("tab").filter(|table| table.starts_with(char::is_uppercase)).unwrap_or(table);
            if table == doctype { field.to_owned() } else { format!("{table}.{field}") }
        }
        None => text,
    }
}

/// `["ToDo", "status", "=", "Open", false]` as `["status", "=", "Open"]`.
fn short(doctype: &str, filter: &Json) -> Json {
    match filter.as_array().map(Vec::as_slice) {
        Some([table, field, operator, value] | [table, field, operator, value, _])
            if operator.is_string() && (table == doctype || table.is_null()) =>
        {
            json!([field, operator, value])
        }
        Some([table, field, operator, value, Json::Bool(_)]) => json!([table, field, operator, value]),
        _ => filter.clone(),
    }
}

fn order(doctype: &str, settings: &Map<String, Json>) -> String {
    let text = |key: &str| settings.get(key).and_then(Json::as_str).unwrap_or_default();
    let mut keys: Vec<(String, &str)> = Vec::new();
    for part in text("order_by").split(',').map(str::trim).filter(|part| !part.is_empty()) {
        let (field, direction) = part.rsplit_once(' ').unwrap_or((part, "asc"));
        keys.push((plain(doctype, field), direction));
    }
    if keys.is_empty() {
        for (field, direction) in [("sort_by", "sort_order"), ("sort_by_next", "sort_order_next")] {
            if !text(field).is_empty() {
                keys.push((plain(doctype, text(field)), text(direction)));
            }
        }
    }
    let is_desc = |direction: &str| direction.eq_ignore_ascii_case("desc");
    keys.retain(|(field, _)| field != AGGREGATE_COLUMN);
    let keys = keys
        .into_iter()
        .map(|(field, direction)| format!("{field} {}", if is_desc(direction) { "desc" } else { "asc" }));
    keys.collect::<Vec<_>>().join(", ")
}

fn read_groups(report: &mut Report, group_by: &Json) -> Result<()> {
    let Some(settings) = group_by.as_object() else { return Ok(()) };
    let text = |key: &str| settings.get(key).and_then(Json::as_str).filter(|text| !text.trim().is_empty());
    let Some(first) = text("group_by") else { return Ok(()) };
    report.groups.push(plain(&report.doctype, first));
    report.groups.extend(text("then_by").map(|field| plain(&report.doctype, field)));
    if let Some(Json::Array(all)) = settings.get("aggregates") {
        for computed in all {
            report.aggregates.push(computed.as_str().and_then(Aggregate::parse).ok_or_else(|| wrong("aggregates"))?);
        }
        return Ok(());
    }
    let on = text("aggregate_on").map(|field| plain(&report.doctype, field)).or_else(|| {
        let field = text("aggregate_on_field")?;
        let table = text("aggregate_on_doctype").unwrap_or(&report.doctype);
        Some(plain(&report.doctype, &format!("{table}.{field}")))
    });
    match (text("aggregate_function").unwrap_or("count"), on) {
        ("count", _) | (_, None) => Ok(()),
        (function, Some(field)) => {
            let function = Computed::parse(function).ok_or_else(|| wrong("aggregate_function"))?;
            report.aggregates.push(Aggregate { function, field });
            Ok(())
        }
    }
}

fn read_chart(report: &Report, chart: &Json) -> Option<Chart> {
    let chart = chart.as_object()?;
    let column = |value: &Json| match value.as_str().or_else(|| value.get("fieldname")?.as_str()) {
        None | Some(AGGREGATE_COLUMN) => String::new(),
        Some(text) => plain(&report.doctype, text),
    };
    let of = match chart.get("y_axes") {
        Some(Json::Array(axes)) => axes.first().map(column),
        Some(axes) => axes.as_str().and_then(|axes| axes.split(',').next()).map(|axis| column(&json!(axis))),
        None => None,
    };
    Some(Chart {
        kind: chart.get("chart_type").and_then(Json::as_str).and_then(ChartKind::parse).unwrap_or(ChartKind::Bar),
        by: chart.get("x_axis").map(column).unwrap_or_default(),
        of: of.unwrap_or_default(),
    })
}

/// A field of a child DocType as that and its name; DocTypes begin with a capital, fieldnames do not.
fn split(name: &str) -> (Option<&str>, &str) {
    match name.split_once('.') {
        Some((table, field)) if table.starts_with(|first: char| !first.is_lowercase()) => (Some(table), field),
        _ => (None, name),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_frappe_keeps_is_read() {
        let text = json!({
            "filters": [["Order", "status", "=", "Open", false], ["Order Item", "qty", ">", 1, false]],
            "fields": [["name", "Order"], ["qty", "Order Item"], ["_aggregate_column", "Order"]],
            "order_by": "`tabOrder`.`modified` desc, `tabOrder Item`.`qty` asc",
            "add_totals_row": 1,
            "page_length": 100,
            "column_widths": {"name": 100},
            "group_by": {
                "group_by": "`tabOrder`.`customer`", "aggregate_function": "sum", "aggregate_on": "`tabOrder Item`.`qty`"
            },
            "chart_args": {"chart_type": "Pie", "x_axis": "customer", "y_axes": ["_aggregate_column"]},
        });
        let report = Report::parse("Order", &text.to_string()).unwrap();
        let expected = Report {
            doctype: "Order".to_owned(),
            columns: vec!["name".to_owned(), "Order Item.qty".to_owned()],
            filters: json!([["status", "=", "Open"], ["Order Item", "qty", ">", 1]]),
            or_filters: Json::Null,
            order_by: "modified desc, Order Item.qty asc".to_owned(),
            groups: vec!["customer".to_owned()],
            aggregates: vec![Aggregate { function: Computed::Sum, field: "Order Item.qty".to_owned() }],
            totals: true,
            chart: Some(Chart { kind: ChartKind::Donut, by: "customer".to_owned(), of: String::new() }),
        };
        assert_eq!(report, expected);
        // What is written is what is read, with the second group that Frappe does not have.
        let report = Report { groups: vec!["customer".to_owned(), "owner.language".to_owned()], ..report };
        assert_eq!(Report::parse("Order", &report.to_json().to_string()).unwrap(), report);
    }

    #[test]
    fn older_settings_are_read_and_others_refused() {
        let text = json!({"columns": [["name", "Order"]], "sort_by": "Order.modified", "sort_order": "desc"});
        let report = Report::parse("Order", &text.to_string()).unwrap();
        assert_eq!((report.columns, report.order_by.as_str()), (vec!["name".to_owned()], "modified desc"));
        assert_eq!(Report::parse("Order", "").unwrap().columns, Vec::<String>::new());
        for bad in [
            "[]",
            "x",
            r#"{"fields": 3}"#,
            r#"{"fields": [3]}"#,
            r#"{"group_by": {"group_by": "a", "aggregate_function": "sleep", "aggregate_on": "b"}}"#,
        ] {
            assert!(Report::parse("Order", bad).is_err(), "{bad}");
        }
    }
}
