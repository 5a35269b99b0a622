//! The state of a document as a coloured pill.

use serde::Serialize;
use serde_json::Value as Json;

use crate::document::workflow::Standing;
use crate::meta::doctype::slug;
use crate::meta::{DocType, Document, Fieldtype};

/// A status pill.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Indicator {
    /// What it says.
    pub label: String,
    /// `gray`, `blue`, `green`, `orange`, `red`, …
    pub color: &'static str,
}

/// The status of a document as a pill: its docstatus, its status field, or whether it is enabled.
pub(crate) fn indicator(doctype: &DocType, document: &Document) -> Option<Indicator> {
    if document.is_new {
        return (!doctype.issingle).then(|| Indicator { label: "Not saved".to_owned(), color: "orange" });
    }
    indicator_of(doctype, document.docstatus(), &|fieldname| document.get(fieldname).to_string())
}

/// The same from single values, for lists.
pub(crate) fn indicator_of(doctype: &DocType, docstatus: i64, value: &dyn Fn(&str) -> String) -> Option<Indicator> {
    let pill = |label: &str, color| Some(Indicator { label: label.to_owned(), color });
    if let Some(workflow) = &doctype.workflow {
        let state = value(&workflow.workflow_state_field);
        if !state.is_empty() {
            return pill(&state, style_color(workflow.state(&state).map_or("", |state| &state.style), &state));
        }
    }
    match docstatus {
        2 => return pill("Cancelled", "red"),
        0 if doctype.is_submittable => return pill("Draft", "orange"),
        _ => {}
    }
    if let Some(field) = doctype.field("status").filter(|field| field.fieldtype == Fieldtype::Select) {
        let status = value(&field.fieldname);
        if !status.is_empty() {
            return pill(field.shown(&status), state_color(doctype, &status));
        }
    }
    if doctype.is_submittable {
        return pill("Submitted", "blue");
    }
    let check = |fieldname: &str| doctype.field(fieldname).is_some_and(|field| field.fieldtype == Fieldtype::Check);
    let on = |fieldname: &str| matches!(value(fieldname).as_str(), "1" | "true");
    if check("enabled") {
        return if on("enabled") { pill("Enabled", "green") } else { pill("Disabled", "gray") };
    }
    if check("disabled") && on("disabled") {
        return pill("Disabled", "gray");
    }
    None
}

/// Where a document stands in its workflow.
pub(crate) fn of_standing(standing: &Standing) -> Indicator {
    Indicator { label: standing.state.clone(), color: style_color(&standing.style, &standing.state) }
}

/// The colour of a state of a workflow, else a guess by the word.
fn style_color(style: &str, state: &str) -> &'static str {
    match style {
        "Success" => "green",
        "Danger" => "red",
        "Warning" => "orange",
        "Primary" | "Info" => "blue",
        "Inverse" => "gray",
        _ => guessed_color(state),
    }
}

/// The colour that the DocType's states give a status, else a guess by the word.
fn state_color(doctype: &DocType, status: &str) -> &'static str {
    const COLORS: [&str; 10] =
        ["blue", "cyan", "gray", "green", "light-blue", "orange", "pink", "purple", "red", "yellow"];
    let declared = doctype.raw.get("states").and_then(Json::as_array).and_then(|all| {
        let state = all.iter().find(|state| state.get("title").and_then(Json::as_str) == Some(status))?;
        let color = slug(state.get("color")?.as_str()?);
        COLORS.into_iter().find(|known| *known == color)
    });
    declared.unwrap_or_else(|| guessed_color(status))
}

fn guessed_color(word: &str) -> &'static str {
    match word.to_lowercase().as_str() {
        "open" | "pending" | "queued" | "waiting" => "orange",
        "active" | "enabled" | "success" | "completed" | "closed" | "approved" | "paid" => "green",
        "failed" | "error" | "rejected" | "revoked" | "overdue" | "expired" => "red",
        _ => "gray",
    }
}
