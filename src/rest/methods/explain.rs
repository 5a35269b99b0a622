//! `doctyped.permissions`: why somebody may do something, or not.

use serde_json::json;

use crate::error::{Error, Result};
use crate::meta::Right;
use crate::rest::methods::add;
use crate::rest::parameters::DOCTYPE;
use crate::web::explain::{Question, explain};
use crate::web::{Answer, Call, Param, Plugins, Verbs};

/// Registers the method.
pub(super) fn register(plugins: &mut Plugins) {
    let params = const {
        &[
            DOCTYPE,
            Param::optional("name", "string", "The name of the document; without it, documents of the DocType at all"),
            Param::optional("right", "string", "The right: `read` if left out, `write`, `create`, `delete`, …"),
            Param::optional("user", "string", "The user; you, if left out. Others only for System Managers"),
            Param::optional("api_key", "string", "The name of an API Key, in place of a user"),
            Param::optional("token", "string", "The name of an OAuth Bearer Token, in place of a user"),
        ]
    };
    add(
        plugins,
        "doctyped.permissions.explain",
        Verbs::READ,
        "Says whether somebody may do something, rule by rule, and what would have to change",
        params,
        answer,
    );
}

async fn answer(call: Call) -> Result<Answer> {
    let arguments = call.args();
    let right = match arguments.text("right")? {
        Some(right) => Some(Right::parse(&right).ok_or_else(|| {
            let rights: Vec<&str> = Right::ALL.iter().map(|right| right.as_str()).collect();
            Error::misuse(format!("`right` is one of {}", rights.join(", ")))
        })?),
        None => None,
    };
    let mut credential = None;
    for kind in &call.site.credential_kinds {
        if let Some(name) = arguments.text(kind.parameter())? {
            credential = Some((kind.parameter().to_owned(), name));
        }
    }
    let question = Question {
        doctype: arguments.required("doctype")?,
        name: arguments.text("name")?,
        right,
        user: arguments.text("user")?,
        credential,
    };
    let explanation = explain(&call.site, call.session(), &call.context.language, &question).await?;
    Ok(Answer::message(json!(explanation)))
}
