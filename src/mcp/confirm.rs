//! What is asked back before something is final: a code that stands for exactly one intention, for ten minutes.
//!
//! Nothing is kept: the code is a keyed digest of who wants what, as the document was when they were asked.

use chrono::Duration;
use serde_json::{Value as Json, json};

use crate::document::Documents;
use crate::mcp::Caller;
use crate::mcp::message::Fault;
use crate::secret::{Purpose, constant_time_eq};

/// What codes are derived with.
const PURPOSE: Purpose = Purpose::new("mcp-confirmation");
/// How long a code holds, in minutes.
const MINUTES: i64 = 10;
/// The name of the one question.
const QUESTION: &str = "confirm";

/// What became of a question.
pub(super) enum Answer {
    /// The person agreed.
    Yes,
    /// The person did not.
    No,
    /// Nobody was asked yet, or the answer cannot be used: this is to be asked, and the code comes back with the answer.
    Ask(String),
}

/// What somebody is about to do.
pub(super) struct Intention<'a> {
    /// The tool, and the method where there is one.
    pub action: &'a str,
    /// The DocType.
    pub doctype: &'a str,
    /// The name of the document.
    pub name: &'a str,
    /// When the document was changed last: of one that changed since, people are asked anew.
    pub modified: &'a str,
    /// What else matters, such as the arguments of a method.
    pub details: &'a Json,
}

impl Intention<'_> {
    /// Whether the call comes with the consent of a person.
    pub(super) fn answer(&self, caller: &Caller<'_>, confirm: Option<&str>) -> Result<Answer, Fault> {
        let documents = &caller.site.documents;
        let state = caller.message.params.get("requestState");
        let code = match (state, confirm) {
            (Some(Json::String(state)), _) => Some(state.as_str()),
            (Some(_), _) => return Err(Fault::params("requestState must be the text that came with the question")),
            (None, confirm) => confirm,
        };
        let ask = || Ok(Answer::Ask(self.code(documents, caller, documents.clock().now().timestamp() + MINUTES * 60)));
        let Some(code) = code else { return ask() };
        let holds = self.holds(documents, caller, code);
        if state.is_none() {
            return if holds { Ok(Answer::Yes) } else { ask() };
        }
        if !holds {
            return Err(Fault::params("requestState is not valid any more: call again without it"));
        }
        let response = caller.message.params.get("inputResponses").and_then(|all| all.get(QUESTION));
        let action = response.and_then(|response| response.get("action")).and_then(Json::as_str);
        let agreed = response.and_then(|response| response.get("content")?.get(QUESTION)).and_then(Json::as_bool);
        match (action, agreed) {
            (Some("accept"), Some(true)) => Ok(Answer::Yes),
            (Some("accept"), Some(false)) | (Some("decline" | "cancel"), _) => Ok(Answer::No),
            _ => ask(),
        }
    }

    /// The code that holds until then, in seconds since 1970.
    fn code(&self, documents: &Documents, caller: &Caller<'_>, until: i64) -> String {
        code_of(until, &documents.site_key().digest(PURPOSE, self.meant(caller, until)))
    }

    /// Who wants what until then.
    fn meant(&self, caller: &Caller<'_>, until: i64) -> String {
        let (user, client) = (caller.context.session.user(), caller.context.client.as_deref());
        json!([until, user, client, self.action, self.doctype, self.name, self.modified, self.details]).to_string()
    }

    fn holds(&self, documents: &Documents, caller: &Caller<'_>, code: &str) -> bool {
        let until = code.split('-').next().and_then(|until| i64::from_str_radix(until, 16).ok()).unwrap_or(0);
        let now = documents.clock().now();
        let is_current = until > now.timestamp() && until <= (now + Duration::minutes(MINUTES)).timestamp();
        // Under each key of the site: it may have been replaced since.
        let digests = documents.site_key().digests(PURPOSE, &self.meant(caller, until));
        is_current && digests.iter().any(|digest| constant_time_eq(code_of(until, digest), code))
    }
}

fn code_of(until: i64, digest: &str) -> String {
    format!("{until:x}-{}", digest.get(..22).unwrap_or(digest))
}

/// The question as a result of the revision 2026-07-28.
pub(super) fn question(message: &str, code: &str) -> Json {
    let schema = json!({
        "type": "object",
        "properties": { QUESTION: { "type": "boolean", "title": "Do it", "description": message, "default": false } },
        "required": [QUESTION],
    });
    let params = json!({ "mode": "form", "message": message, "requestedSchema": schema });
    json!({
        "resultType": "input_required",
        "inputRequests": { QUESTION: { "method": "elicitation/create", "params": params } },
        "requestState": code,
    })
}
