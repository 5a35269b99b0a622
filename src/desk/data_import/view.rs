//! What the pages of an import show, as values; made without asking anybody.

use serde::Serialize;
use serde_json::Value as Json;

use super::SHOWN;
use crate::desk::document_url;
use crate::meta::{DocType, Document};
use crate::web::arguments::Form;

/// Everything that `desk/import_start.hbs` places.
#[derive(Clone, Debug, Serialize)]
pub(super) struct StartView {
    doctype: String,
    url: String,
    template_csv: String,
    template_xlsx: String,
    types: Vec<Choice>,
    submits: bool,
    submit: bool,
    problem: String,
}

/// An option of a select.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Choice {
    value: String,
    label: String,
    help: String,
    chosen: bool,
}

/// Everything that `desk/import.hbs` places.
#[derive(Clone, Debug, Default, Serialize)]
pub(super) struct ImportView {
    name: String,
    doctype: String,
    url: String,
    form_url: String,
    list_url: String,
    again_url: String,
    file: String,
    /// What kind of file it is, where it was looked at.
    kind: String,
    import_type: String,
    /// What went wrong with what was asked for, or with the import as a whole.
    problem: String,
    /// What is known of the file; `None` once the import has begun.
    preview: Option<PreviewView>,
    /// The import waits or runs.
    pub(super) progress: Option<ProgressView>,
    /// It is over, or has stopped.
    result: Option<ResultView>,
}

#[derive(Clone, Debug, Serialize)]
struct PreviewView {
    note: String,
    lead: String,
    columns: Vec<ColumnView>,
    rows: Vec<RowView>,
    date_formats: Vec<Choice>,
    number_formats: Vec<Choice>,
    problems: Vec<ProblemView>,
    problems_title: String,
    more_problems: u64,
    is_cut: bool,
}

#[derive(Clone, Debug, Serialize)]
struct ColumnView {
    id: String,
    name: String,
    heading: String,
    note: String,
    left_out: bool,
    choices: Vec<Choice>,
}

#[derive(Clone, Debug, Serialize)]
struct RowView {
    number: u64,
    is_bad: bool,
    cells: Vec<CellView>,
}

#[derive(Clone, Debug, Serialize)]
struct CellView {
    text: String,
    problem: String,
    left_out: bool,
}

#[derive(Clone, Debug, Serialize)]
struct ProblemView {
    place: String,
    message: String,
}

/// How far an import is.
#[derive(Clone, Debug, Serialize)]
pub(super) struct ProgressView {
    percent: u64,
    text: String,
    imported: u64,
    refused: u64,
}

#[derive(Clone, Debug, Serialize)]
struct ResultView {
    color: &'static str,
    title: String,
    text: String,
    refused_url: String,
    problems: Vec<ProblemView>,
    more_problems: u64,
    can_go_on: bool,
}

const TYPES: [(&str, &str, &str); 3] = [
    ("Insert New Records", "New documents", "Every row becomes a new document."),
    ("Update Existing Records", "Update documents", "Every row changes the document that its ID names."),
    ("Insert or Update Records", "Both", "A row whose ID exists changes that document; any other becomes a new one."),
];
const DATE_FORMATS: [(&str, &str); 4] = [
    ("Automatic", "Automatic"),
    ("yyyy-mm-dd", "2026-03-31"),
    ("dd.mm.yyyy", "31.03.2026, 31/03/2026"),
    ("mm/dd/yyyy", "03/31/2026"),
];
const NUMBER_FORMATS: [(&str, &str); 3] =
    [("Automatic", "Automatic"), ("1,234.56", "1,234.56"), ("1.234,56", "1.234,56")];

/// The page that asks for a file.
pub(super) fn start_view(doctype: &DocType, form: Option<&Form>, problem: Option<String>) -> StartView {
    let chosen = form.and_then(|form| form.first("import_type")).unwrap_or(TYPES[0].0);
    let template = |file_type: &str| {
        let pairs = [("doctype", doctype.name.as_str()), ("file_type", file_type)];
        let query = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish();
        format!("/api/method/frappe.core.doctype.data_import.data_import.download_template?{query}")
    };
    StartView {
        doctype: doctype.name.clone(),
        url: "/app/_import".to_owned(),
        template_csv: template("CSV"),
        template_xlsx: template("Excel"),
        types: TYPES
            .iter()
            .map(|(value, label, help)| Choice {
                value: (*value).to_owned(),
                label: (*label).to_owned(),
                help: (*help).to_owned(),
                chosen: *value == chosen,
            })
            .collect(),
        submits: doctype.is_submittable,
        submit: form.and_then(|form| form.first("submit_after_import")) == Some("1"),
        problem: problem.unwrap_or_default(),
    }
}

/// The page of an import that is made.
pub(super) fn import_view(
    import: &Document,
    doctype: &DocType,
    status: &Json,
    preview: Result<Json, String>,
    logs: &Json,
    problem: Option<String>,
) -> ImportView {
    let name = import.name();
    let state = status["status"].as_str().unwrap_or_default();
    let job = status["job"]["status"].as_str().unwrap_or_default();
    let is_under_way = state == "In Progress" && matches!(job, "Queued" | "Started");
    let kind = preview.as_ref().ok().and_then(|preview| preview["kind"].as_str()).unwrap_or_default().to_owned();
    let (preview, unreadable) = match preview {
        Ok(Json::Null) => (None, None),
        Ok(preview) => (Some(preview_view(import, &preview)), None),
        Err(error) => (None, Some(error)),
    };
    let slug = doctype.slug();
    let query = url::form_urlencoded::Serializer::new(String::new()).append_pair("doctype", &doctype.name).finish();
    ImportView {
        url: super::address(&name),
        form_url: document_url("data-import", &name),
        list_url: format!("/app/{slug}"),
        again_url: format!("/app/_import?{query}"),
        file: import.text("import_file").rsplit('/').next().unwrap_or_default().to_owned(),
        kind,
        import_type: import.text("import_type").to_owned(),
        problem: problem.or(unreadable).unwrap_or_default(),
        preview,
        progress: is_under_way.then(|| progress_view(status)),
        result: (state != "Pending" && !is_under_way).then(|| result_view(&name, state, status, logs)),
        doctype: doctype.name.clone(),
        name,
    }
}

fn choices(all: &[(&str, &str)], chosen: &str) -> Vec<Choice> {
    let choice = |(value, label): &(&str, &str)| Choice {
        value: (*value).to_owned(),
        label: (*label).to_owned(),
        help: String::new(),
        chosen: *value == chosen,
    };
    all.iter().map(choice).collect()
}

fn preview_view(import: &Document, preview: &Json) -> PreviewView {
    let list = |key: &str| preview[key].as_array().map_or(&[][..], Vec::as_slice);
    let text = |value: &Json, key: &str| value[key].as_str().unwrap_or_default().to_owned();
    let number = |key: &str| preview[key].as_u64().unwrap_or(0);
    let fields: Vec<(String, String)> = list("fields")
        .iter()
        .map(|field| {
            let mark = if field["required"] == true { " (required)" } else { "" };
            (text(field, "value"), format!("{}{mark}", text(field, "label")))
        })
        .collect();
    let columns: Vec<ColumnView> = list("columns")
        .iter()
        .enumerate()
        .map(|(at, column)| {
            let chosen = text(column, "map_to_field");
            let chosen = if chosen.is_empty() { "Don't Import".to_owned() } else { chosen };
            let mut options = vec![("Don't Import", "Leave out")];
            options.extend(fields.iter().map(|(value, label)| (value.as_str(), label.as_str())));
            ColumnView {
                id: format!("column-{at}"),
                name: format!("column.{at}"),
                heading: text(column, "header_title"),
                note: text(column, "note"),
                left_out: column["skip_import"] == true,
                choices: choices(&options, &chosen),
            }
        })
        .collect();
    let problems = list("warnings");
    let problem_at = |row: u64, column: usize| {
        let found = problems.iter().find(|problem| problem["row"] == row && problem["column"] == column + 1);
        found.map(|problem| text(problem, "message")).unwrap_or_default()
    };
    let rows = list("data").iter().map(|row| {
        let number = row["row_number"].as_u64().unwrap_or(0);
        let cells = row["cells"].as_array().map_or(&[][..], Vec::as_slice);
        let cell = |(at, cell): (usize, &Json)| CellView {
            text: cell.as_str().unwrap_or_default().to_owned(),
            problem: problem_at(number, at),
            left_out: columns.get(at).is_some_and(|column| column.left_out),
        };
        RowView {
            number,
            is_bad: problems.iter().any(|problem| problem["row"] == number),
            cells: cells.iter().enumerate().map(cell).collect(),
        }
    });
    let (documents, bad) = (number("number_of_documents"), number("number_of_bad_documents"));
    let is_cut = preview["max_rows_exceeded"] == true;
    let total = number("total_number_of_warnings");
    let checked =
        if is_cut { format!("The first {documents} documents were checked") } else { say(documents, "document") };
    PreviewView {
        note: text(preview, "note"),
        lead: match bad {
            bad if bad == documents && bad > 0 => format!("{checked}, and none of them can be imported as it is."),
            0 => format!("{checked}, and nothing is wrong with them as far as can be told before they are written."),
            bad => format!(
                "{checked}: {} would be refused. The others can be imported all the same.",
                say(bad, "document")
            ),
        },
        rows: rows.collect(),
        date_formats: choices(&DATE_FORMATS, import.text("date_format")),
        number_formats: choices(&NUMBER_FORMATS, import.text("number_format")),
        problems: problems.iter().take(SHOWN).map(problem_view).collect(),
        problems_title: say(total, "problem"),
        more_problems: total.saturating_sub(SHOWN as u64),
        is_cut,
        columns,
    }
}

fn say(count: u64, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}

fn problem_view(problem: &Json) -> ProblemView {
    let heading = problem["heading"].as_str().unwrap_or_default();
    let place = match (problem["row"].as_u64().unwrap_or(0), heading) {
        (0, _) => String::new(),
        (row, "") => format!("Row {row}"),
        (row, heading) => format!("Row {row}, {heading}"),
    };
    ProblemView { place, message: problem["message"].as_str().unwrap_or_default().to_owned() }
}

fn progress_view(status: &Json) -> ProgressView {
    let number = |key: &str| status[key].as_u64().unwrap_or(0);
    let (imported, refused, total) = (number("success"), number("failed"), number("total_records"));
    let text = match (status["job"]["status"].as_str(), total) {
        (Some("Queued"), _) => "The import waits for its turn.".to_owned(),
        (_, 0) => "The rows are counted.".to_owned(),
        (_, total) => format!("{} of {} are done.", imported + refused, say(total, "document")),
    };
    let percent = ((imported + refused) * 100).checked_div(total).unwrap_or(0).min(100);
    ProgressView { percent, text, imported, refused }
}

fn result_view(name: &str, state: &str, status: &Json, logs: &Json) -> ResultView {
    let number = |key: &str| status[key].as_u64().unwrap_or(0);
    let (imported, refused) = (number("success"), number("failed"));
    let error = status["error"].as_str().unwrap_or_default();
    let (color, title) = match state {
        "Success" => ("green", "Everything is imported"),
        "Partial Success" => ("orange", "Some rows were refused"),
        "Error" if error.is_empty() => ("red", "Every row was refused"),
        "Error" => ("red", "The import has failed"),
        "Cancelled" => ("orange", "The import was stopped"),
        _ => ("orange", "The import has come to a halt"),
    };
    let mut text = format!("{} imported, {refused} refused.", say(imported, "document"));
    if !error.is_empty() {
        text = format!("{error}. {text}");
    }
    let refusals: Vec<ProblemView> = logs
        .as_array()
        .map_or(&[][..], Vec::as_slice)
        .iter()
        .filter(|log| log["success"] == 0)
        .filter_map(|log| serde_json::from_str::<Vec<Json>>(log["messages"].as_str()?).ok())
        .flatten()
        .take(SHOWN)
        .map(|problem| problem_view(&problem))
        .collect();
    let query = url::form_urlencoded::Serializer::new(String::new()).append_pair("data_import_name", name).finish();
    let refused_url = if refused > 0 {
        format!("/api/method/frappe.core.doctype.data_import.data_import.download_errored_template?{query}")
    } else {
        String::new()
    };
    ResultView {
        color,
        title: title.to_owned(),
        text,
        refused_url,
        more_problems: refused.saturating_sub(SHOWN as u64),
        problems: refusals,
        can_go_on: !(matches!(state, "Success" | "Partial Success") || state == "Error" && error.is_empty()),
    }
}
