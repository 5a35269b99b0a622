//! `frappe.desk.query_report`: reports for programs and as files, and `frappe.desk.reportview.save_report`.

use serde_json::{Map, Value as Json, json};
use tokio::time::Instant;

use crate::document::Children;
use crate::document::report::{REPORT, REPORT_BUILDER, Report, ReportColumn, ReportTable, check_runs};
use crate::error::{Error, Result};
use crate::meta::{DocType, Right, Value};
use crate::rest::arguments::filters;
use crate::rest::methods::add;
use crate::rest::methods::reportview::exported;
use crate::spreadsheet::{Cell, Format};
use crate::web::download::TableDownload;
use crate::web::{Answer, Call, Param, Plugins, Verbs};

/// How many rows are answered at most.
const MOST_ROWS: u64 = 10_000;

const FILTERS: Param = Param::optional("filters", "object", "Further filters, such as `{\"status\": \"Open\"}`");

/// Registers the methods.
pub(super) fn register(plugins: &mut Plugins) {
    let params = const {
        &[
            Param::required("report_name", "string", "The name of the Report"),
            FILTERS,
            Param::optional("start", "integer", "Rows to skip"),
            Param::optional("limit", "integer", "Rows at most; 10000 if left out, and no more"),
        ]
    };
    let summary =
        "Makes a report of the type Report Builder, of what you may read; needs the right `report` on its DocType";
    add(plugins, "frappe.desk.query_report.run", Verbs::READ, summary, params, run);
    let params = const {
        &[
            Param::optional("report_name", "string", "The name of the Report"),
            Param::optional("doctype", "string", "Without `report_name`: the DocType of a report that is not saved"),
            Param::optional("report_settings", "object", "And what it shows, as the field `json` of Report has it"),
            FILTERS,
            Param::optional("file_format_type", "string", "`CSV` or `Excel`"),
        ]
    };
    let summary = "Sends a report with its groups and totals as a CSV or XLSX file; needs the right to export";
    add(plugins, "frappe.desk.query_report.export_query", Verbs::READ, summary, params, export_query);
    let params = const {
        &[
            Param::required("name", "string", "The name of the Report, which is made if there is none"),
            Param::required("doctype", "string", "The DocType whose documents it shows"),
            Param::required("report_settings", "object", "What it shows, as the field `json` of Report has it"),
            Param::optional("roles", "array", "Who sees it; left out: as before, and nobody but you at first"),
        ]
    };
    add(plugins, "frappe.desk.reportview.save_report", Verbs::WRITE, "Saves a report", params, save_report);
    let params = const { &[Param::required("name", "string", "The name of the Report")] };
    add(plugins, "frappe.desk.reportview.delete_report", Verbs::DELETE, "Deletes a report", params, delete_report);
}

/// The report with the further filters that the arguments have.
fn narrowed(call: &Call, mut report: Report) -> Result<Report> {
    let is_empty = |filters: &Json| match filters {
        Json::Null => true,
        Json::Array(list) => list.is_empty(),
        Json::Object(map) => map.is_empty(),
        _ => false,
    };
    let further = filters(call.args(), "filters")?;
    if is_empty(&report.filters) {
        report.filters = further;
    } else if !is_empty(&further) {
        report.filters = json!([report.filters, further]);
    }
    Ok(report)
}

async fn run(call: Call) -> Result<Answer> {
    let name = call.args().required("report_name")?;
    let (_, report) = call.site.documents.saved_report(call.session(), &name).await?;
    let report = narrowed(&call, report)?;
    let limit = call.args().count("limit")?.unwrap_or(MOST_ROWS).min(MOST_ROWS);
    let start = call.args().count("start")?.unwrap_or(0);
    let began = Instant::now();
    let table = call.site.documents.report(call.session(), &report, start, Some(limit)).await?;
    let names: Vec<String> = table.columns.iter().map(key).collect();
    let row = |row: &Vec<Value>| -> Json {
        names.iter().cloned().zip(row.iter().map(Value::to_json)).collect::<Map<String, Json>>().into()
    };
    let mut result: Vec<Json> = table.rows.iter().map(row).collect();
    if !table.totals.is_empty() {
        let total = |(at, total): (usize, &Option<Value>)| match total {
            Some(value) => value.to_json(),
            None if at == 0 => json!("Total"),
            None => json!(""),
        };
        result.push(table.totals.iter().enumerate().map(total).collect());
    }
    let message = table.has_next_page.then(|| format!("There are more than these {limit} rows: ask on from `start`"));
    Ok(Answer::message(json!({
        "result": result,
        "columns": table.columns.iter().map(column).collect::<Vec<_>>(),
        "message": message,
        "chart": chart(&table, &report),
        "report_summary": null,
        "skip_total_row": 0,
        "status": null,
        "execution_time": began.elapsed().as_secs_f64(),
        "add_total_row": u8::from(report.totals),
    })))
}

/// What a row calls the column: `qty`, `sum_qty`, `count`; with its table where it is of another.
fn key(column: &ReportColumn) -> String {
    let key = |letter: char| if letter.is_alphanumeric() { letter.to_ascii_lowercase() } else { '_' };
    column.name.trim_end_matches(')').chars().map(key).collect()
}

fn column(column: &ReportColumn) -> Json {
    let options = column.field.as_ref().filter(|_| column.computed.is_none()).map(|field| field.options.as_str());
    json!({
        "label": column.label,
        "fieldname": key(column),
        "fieldtype": column.fieldtype.as_str(),
        "options": options.filter(|options| !options.is_empty()),
        "width": 120,
    })
}

fn chart(table: &ReportTable, report: &Report) -> Json {
    let Some((chart, points)) = report.chart.as_ref().and_then(|chart| Some((chart, table.points(chart).ok()?))) else {
        return Json::Null;
    };
    let labels: Vec<&str> = points.values.iter().map(|(label, _)| label.as_str()).collect();
    let values: Vec<f64> = points.values.iter().map(|(_, value)| *value).collect();
    json!({
        "data": {"labels": labels, "datasets": [{"name": points.of, "values": values}]},
        "type": chart.kind.name().to_lowercase(),
    })
}

async fn export_query(call: Call) -> Result<Answer> {
    let arguments = call.args();
    let format = arguments.text("file_format_type")?.unwrap_or_else(|| "CSV".to_owned());
    let format = Format::parse(&format)
        .ok_or_else(|| Error::misuse("file_format_type is CSV or Excel: other formats are not made here"))?;
    let documents = &call.site.documents;
    let (title, report) = if let Some(name) = arguments.text("report_name")?.filter(|name| !name.is_empty()) {
        let (_, report) = documents.saved_report(call.session(), &name).await?;
        (name, report)
    } else {
        let doctype = arguments.required("doctype")?;
        let settings = Json::Object(arguments.object("report_settings")?).to_string();
        (doctype.clone(), Report::parse(&doctype, &settings)?)
    };
    let report = narrowed(&call, report)?;
    let mut table = TableDownload::new(&call.site, format, &title)?;
    let mut has_head = false;
    documents
        .report_in_parts(call.session(), &report, |part| {
            if !std::mem::replace(&mut has_head, true) {
                table.head(&part.columns.iter().map(|column| column.label.clone()).collect::<Vec<_>>(), &[])?;
            }
            for row in &part.rows {
                table.row(&row.iter().map(|value| exported(&value.to_json())).collect::<Vec<_>>())?;
            }
            if part.rows.is_empty() && part.totals.iter().any(Option::is_some) {
                let total = |(at, total): (usize, &Option<Value>)| match total {
                    Some(value) => exported(&value.to_json()),
                    None if at == 0 => Cell::Text("Total".to_owned()),
                    None => Cell::Empty,
                };
                table.row(&part.totals.iter().enumerate().map(total).collect::<Vec<_>>())?;
            }
            Ok(())
        })
        .await?;
    Ok(Answer::raw(table.finish(&title)?))
}

async fn save_report(call: Call) -> Result<Answer> {
    let arguments = call.args();
    let (name, doctype) = (arguments.required("name")?, arguments.required("doctype")?);
    let settings = Json::Object(arguments.object("report_settings")?).to_string();
    let roles = arguments.names("roles")?;
    let documents = &call.site.documents;
    if let Some(roles) = &roles {
        let target = documents.doctype(&doctype)?;
        check_roles(&target, roles)?;
    }
    let mut values = Map::from_iter([("json".to_owned(), Json::from(settings))]);
    let mut work = documents.begin(call.session()).await?;
    let saved = match documents.get(call.session(), REPORT, &name).await {
        Ok(report) => {
            check_runs(&report)?;
            if report.text("ref_doctype") != doctype {
                return Err(Error::misuse(format!(
                    "{name} is a report on {}: choose another name",
                    report.text("ref_doctype")
                )));
            }
            work.update_json(REPORT, &name, &values, Children::Replace).await?
        }
        // A name that somebody else has is refused as such.
        Err(error) if error.is_failure() => return Err(error),
        Err(_) => {
            let fixed = [("report_name", name.as_str()), ("ref_doctype", &doctype), ("report_type", REPORT_BUILDER)];
            values.extend(fixed.map(|(field, value)| (field.to_owned(), Json::from(value))));
            work.insert_json(&documents.doctype(REPORT)?, &values, false).await?
        }
    };
    if let Some(roles) = roles {
        // Whoever may not read roles may give the report to those that they see on its DocType.
        let session = work.become_system();
        let rows = roles.into_iter().map(|role| json!({ "role": role })).collect();
        let roles = Map::from_iter([("roles".to_owned(), rows)]);
        work.update_json(REPORT, &saved.name(), &roles, Children::Replace).await?;
        work.session = session;
    }
    work.commit().await?;
    Ok(Answer::message(saved.name()))
}

/// Roles that cannot report on the DocType would see nothing.
fn check_roles(doctype: &DocType, roles: &[String]) -> Result<()> {
    let may_report = |role: &str| {
        doctype
            .permissions
            .iter()
            .any(|row| row.permlevel == 0 && row.role == role && row.rights.contains(Right::Report))
    };
    match roles.iter().find(|role| !may_report(role)) {
        Some(role) => {
            Err(Error::misuse(format!("{role} does not have the right `report` on {}: leave it out", doctype.name)))
        }
        None => Ok(()),
    }
}

async fn delete_report(call: Call) -> Result<Answer> {
    let name = call.args().required("name")?;
    call.site.documents.delete(call.session(), REPORT, &name).await?;
    Ok(Answer::message(Json::Null))
}
