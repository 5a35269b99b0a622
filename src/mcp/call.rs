//! `tools/call`: from the arguments to a result, or to an error that says what to do about it; and into the record.

use serde_json::{Map, Value as Json, json};

use crate::document::Documents;
use crate::error::{Error, Result};
use crate::mcp::message::Fault;
use crate::mcp::record::{Entry, Outcome};
use crate::mcp::tools;
use crate::mcp::{Caller, Failure, Reply, read, write};
use crate::permissions::Session;
use crate::web::args::Args;
use crate::web::error::describe;

/// How much of a text the record keeps.
const KEPT: usize = 140;

/// What a tool did.
pub(super) struct Done {
    /// The result of the call.
    pub result: Json,
    /// How it ended.
    pub outcome: Outcome,
    /// The document it was about, where the arguments do not say.
    pub name: Option<String>,
}

impl Done {
    /// An answer in words, or JSON, for the assistant.
    pub(super) fn text(text: impl Into<String>) -> Self {
        Self { result: content(text.into(), false), outcome: Outcome::Done, name: None }
    }

    /// JSON for the assistant.
    pub(super) fn json(value: &Json) -> Self {
        Self::text(value.to_string())
    }

    /// The same for programs too, as the output schema of the tool says.
    pub(super) fn structured(value: Json) -> Self {
        let mut done = Self::json(&value);
        done.result["structuredContent"] = value;
        done
    }

    /// Nothing was done, and this is why.
    pub(super) fn not_done(text: impl Into<String>, outcome: Outcome) -> Self {
        Self { result: content(text.into(), true), outcome, name: None }
    }

    /// About that document.
    #[must_use]
    pub(super) fn about(mut self, name: String) -> Self {
        self.name = Some(name);
        self
    }
}

fn content(text: String, is_error: bool) -> Json {
    let part = Map::from_iter([("type".to_owned(), Json::from("text")), ("text".to_owned(), Json::String(text))]);
    let mut result = json!({ "content": [] });
    result["content"] = Json::Array(vec![Json::Object(part)]);
    if is_error {
        result["isError"] = Json::Bool(true);
    }
    result
}

/// The arguments of a call.
#[derive(Clone, Copy)]
pub(super) struct Arguments<'a>(pub &'a Map<String, Json>);

impl<'a> Arguments<'a> {
    /// A text that is required, and so is there.
    pub(super) fn required(self, name: &str) -> &'a str {
        self.text(name).unwrap_or_default()
    }

    /// A text.
    pub(super) fn text(self, name: &str) -> Option<&'a str> {
        self.0.get(name).and_then(Json::as_str)
    }

    /// An object; empty if it was left out.
    pub(super) fn object(self, name: &str) -> Map<String, Json> {
        self.0.get(name).and_then(Json::as_object).cloned().unwrap_or_default()
    }

    /// How many, of at most 100; 20 if nothing is said.
    pub(super) fn limit(self) -> Result<u64> {
        Ok(Args(self.0).count("limit")?.unwrap_or(20).clamp(1, 100))
    }
}

/// Answers `tools/call`.
pub(super) async fn call(caller: &Caller<'_>) -> Reply {
    let params = &caller.message.params;
    let name = caller.message.text("name")?;
    let Some(tool) = tools::find(name).filter(|tool| caller.client.may_use(tool.name)) else {
        let message = match tools::find(name) {
            Some(_) => format!("The tool {name} is not allowed to this application: OAuth Client says which are"),
            None => format!("Unknown tool: {name}"),
        };
        return Err(Fault::params(message).into());
    };
    let empty = Map::new();
    let arguments = match params.get("arguments") {
        None | Some(Json::Null) => &empty,
        Some(Json::Object(arguments)) => arguments,
        Some(_) => return Err(Fault::params("arguments must be an object").into()),
    };
    let arguments = Arguments(arguments);
    let done = match tool.check(arguments.0) {
        Ok(()) => run(caller, tool.name, arguments).await,
        Err(error) => Err(error.into()),
    };
    let outcome = match &done {
        Ok(done) => done.outcome,
        Err(Failure::Error(error)) => Outcome::of(error),
        Err(Failure::Fault(_)) => Outcome::Failed,
    };
    let method = arguments.text("method").filter(|_| tool.name == "run");
    let action = method.map_or_else(|| tool.name.to_owned(), |method| format!("run {method}"));
    let about = done.as_ref().ok().and_then(|done| done.name.as_deref()).or_else(|| arguments.text("name"));
    note(caller, action, outcome, arguments.text("doctype"), about).await;
    match done {
        Ok(done) => Ok(done.result),
        Err(Failure::Error(error)) if is_for_the_assistant(&error) => {
            let text = explain(&caller.site.documents, &caller.context.session, &error, arguments.text("doctype"));
            Ok(content(text, true))
        }
        Err(failure) => Err(failure),
    }
}

async fn run(caller: &Caller<'_>, tool: &str, arguments: Arguments<'_>) -> Result<Done, Failure> {
    match tool {
        "search" => Ok(read::search(caller, arguments).await?),
        "describe" => Ok(read::describe(caller, arguments).await?),
        "list" => Ok(read::list(caller, arguments).await?),
        "get" => Ok(read::get(caller, arguments).await?),
        "create" => Ok(write::create(caller, arguments).await?),
        "update" => Ok(write::update(caller, arguments).await?),
        "delete" => write::delete(caller, arguments).await,
        _ => write::run(caller, arguments).await,
    }
}

/// Writes a call down: before it is answered, if it may have changed something.
pub(super) async fn note(
    caller: &Caller<'_>,
    tool: String,
    outcome: Outcome,
    doctype: Option<&str>,
    name: Option<&str>,
) {
    let context = caller.context;
    let reads = ["search", "describe", "list", "get", "resources/read"].contains(&tool.as_str());
    let entry = Entry {
        tool: cut(&tool),
        outcome,
        doctype: doctype.map(cut),
        name: name.map(cut),
        user: context.session.user().to_owned(),
        client: context.client.clone(),
        client_name: cut(&caller.client.app_name),
        ip_address: context.ip.to_string(),
    };
    let at_once = !reads && outcome == Outcome::Done;
    caller.record.note(&caller.site.documents, entry, &context.id, at_once).await;
}

/// As much of a text as a field of the record holds, and nothing that a database refuses.
fn cut(text: &str) -> String {
    text.chars().filter(|letter| !letter.is_control()).take(KEPT).collect()
}

/// Whether an assistant can do something about it by calling otherwise. The rest is told by the status: a missing scope
/// leads to a new token, our own faults lead nowhere.
fn is_for_the_assistant(error: &Error) -> bool {
    match error {
        Error::DoesNotExist { .. }
        | Error::NoSuchRoute(_)
        | Error::Permission(_)
        | Error::Validation(_)
        | Error::Conflict(_)
        | Error::PreconditionFailed(_)
        | Error::KeyReused
        | Error::Gone(_)
        | Error::UnsupportedPatch { .. }
        | Error::BadRequest(_)
        | Error::CrossSite(_)
        | Error::TooLarge(_)
        | Error::MethodNotAllowed { .. } => true,
        Error::InsufficientScope { .. }
        | Error::Authentication(_)
        | Error::TooSlow(_)
        | Error::RateLimited { .. }
        | Error::Unavailable(_)
        | Error::StorageFull(_)
        | Error::Internal(_) => false,
    }
}

/// The error in words, with what may help.
fn explain(documents: &Documents, session: &Session, error: &Error, doctype: Option<&str>) -> String {
    let said = describe(error).message;
    let hint = match error {
        Error::DoesNotExist { doctype, .. } if doctype == "DocType" => {
            "`describe` without arguments names the DocTypes that you may use"
        }
        Error::DoesNotExist { .. } => "`search` or `list` finds the names of documents",
        Error::Validation(_)
            if doctype.is_some_and(|doctype| crate::mcp::describe::known(documents, session, doctype).is_ok()) =>
        {
            "`describe` with this DocType tells its fields"
        }
        _ => return said,
    };
    format!("{said}. {hint}.")
}
