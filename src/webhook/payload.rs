//! What a request says: the whole document, the fields that were chosen, or what a template makes of them.

use serde_json::{Map, Value as Json};
use url::form_urlencoded;

use crate::clock::Zone;
use crate::meta::jinja::Facts;
use crate::meta::{Document, View};
use crate::webhook::hook::{Hook, Structure};

/// A document as applications receive it: every field, with times of the site's clocks, and no secret.
pub(super) fn of(document: &Document, zone: Zone) -> Json {
    let mut values = document.to_json(View { zone, ..View::WHOLE });
    // What its maker is shown once is for nobody else.
    for (field, _) in &document.revealed {
        values.remove(*field);
    }
    Json::Object(values)
}

/// The body and its media type.
pub(super) fn body(hook: &Hook, doc: &Json, facts: &Facts) -> Result<(String, &'static str), String> {
    let webhook = &hook.webhook;
    let chosen = || {
        let data = webhook.webhook_data.iter();
        let value = |field: &str| doc.get(field).cloned().unwrap_or(Json::Null);
        Json::Object(data.map(|datum| (datum.key.clone(), value(&datum.fieldname))).collect::<Map<_, _>>())
    };
    let values = if webhook.webhook_data.is_empty() { doc.clone() } else { chosen() };
    match webhook.request_structure {
        Structure::Form => Ok((form(&values), "application/x-www-form-urlencoded")),
        Structure::Json if webhook.webhook_json.is_some() => {
            Ok((hook.texts.as_ref().map_err(Clone::clone)?.body(facts)?, "application/json"))
        }
        Structure::Json => Ok((values.to_string(), "application/json")),
    }
}

/// Where the request goes.
pub(super) fn address(hook: &Hook, facts: &Facts) -> Result<String, String> {
    if hook.webhook.is_dynamic_url {
        return hook.texts.as_ref().map_err(Clone::clone)?.address(facts);
    }
    Ok(hook.webhook.request_url.clone())
}

/// Values as a form sends them: what is not text or a number is JSON, and what is empty an empty text.
fn form(values: &Json) -> String {
    let mut pairs = form_urlencoded::Serializer::new(String::new());
    for (key, value) in values.as_object().into_iter().flatten() {
        match value {
            Json::Null => pairs.append_pair(key, ""),
            Json::String(text) => pairs.append_pair(key, text),
            other => pairs.append_pair(key, &other.to_string()),
        };
    }
    pairs.finish()
}
