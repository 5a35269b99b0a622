//! `/app/_definitions`: which DocType files are held back, why, and what to do about it; for System Managers.

use poem::Response;
use poem::http::StatusCode;
use serde::Serialize;

use crate::desk::shell;
use crate::error::{Error, Result};
use crate::meta::in_force::{Fault, Why};
use crate::permissions::session::ROLE_SYSTEM_MANAGER;
use crate::web::Exchange;
use crate::web::templates::html;

/// Everything that `desk/definitions.hbs` places.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct DefinitionsView {
    /// How things are, in a sentence.
    pub lead: &'static str,
    /// What is held back.
    pub faults: Vec<FaultView>,
}

/// A DocType, or a file, that is held back.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct FaultView {
    /// Which, and why.
    pub heading: String,
    /// `red` or `orange`.
    pub color: &'static str,
    /// What serves instead.
    pub consequence: &'static str,
    /// What is wrong, one line each.
    pub lines: Vec<String>,
    /// The statements that wait.
    pub statements: Vec<String>,
    /// What to do.
    pub remedy: &'static str,
    /// The command that does it; empty if there is none.
    pub command: &'static str,
}

/// The page about what is held back.
pub(crate) fn definitions_view(faults: &[Fault]) -> DefinitionsView {
    DefinitionsView {
        lead: if faults.is_empty() {
            "Every file is in force."
        } else {
            "Everything not listed here is in force. What is listed takes effect on its own as soon as it can."
        },
        faults: faults.iter().map(fault_view).collect(),
    }
}

fn fault_view(fault: &Fault) -> FaultView {
    let (color, what, remedy, command) = match fault.why {
        Why::Broken => ("red", "has mistakes", "Fix the file. The same is shown by", "doctyped check"),
        Why::Pending if fault.doctype.is_empty() || fault.lines.iter().any(|line| line.starts_with("X ")) => {
            ("red", "has a change that cannot be made", "Fix what is marked with X: the documents or the file.", "")
        }
        Why::Pending => (
            "orange",
            "has a change that could lose data",
            "Take the change back, or read the lines marked with !, make a backup, and apply it with",
            "doctyped migrate --apply-risky",
        ),
        Why::Elsewhere => (
            "orange",
            "has another definition at another node",
            "Give every node the same files, or put those of this node in force with",
            "doctyped migrate",
        ),
        Why::Missing => (
            "orange",
            "has lost its file",
            "Put the file back, mount its folder again, or take the DocType out of force with",
            "doctyped migrate --apply-risky",
        ),
    };
    let subject = if fault.doctype.is_empty() { "A DocType file" } else { &fault.doctype };
    FaultView {
        heading: format!("{subject} {what}"),
        color,
        consequence: fault.consequence(),
        lines: fault.lines.clone(),
        statements: fault.statements.clone(),
        remedy,
        command,
    }
}

/// GET `/app/_definitions`
pub(crate) async fn get(exchange: Exchange) -> Result<Response> {
    shell::require_desk(&exchange)?;
    if !exchange.session().has_role(ROLE_SYSTEM_MANAGER) {
        return Err(Error::Permission("This page is for System Managers".to_owned()));
    }
    let view = definitions_view(&exchange.site.doctype_files.faults());
    let title = "DocType files";
    Ok(html(
        StatusCode::OK,
        shell::render(&exchange, "desk/definitions", &exchange.say(title), Vec::new(), view).await?,
    ))
}
