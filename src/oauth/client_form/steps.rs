//! The steps of a try-out as people read them: what was sent and what came back, with secrets masked.

use std::fmt::Write as _;

use poem::Response;
use serde::Serialize;
use serde_json::{Map, Value as Json};

/// One step, as the page shows it.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Step {
    /// What happened.
    pub heading: &'static str,
    /// What it means.
    pub text: String,
    /// What the client sent.
    pub sent: String,
    /// What it got.
    pub got: String,
    /// It is not what was hoped for.
    pub is_bad: bool,
}

/// The status and body of an answer, with secrets masked; and whether it is a refusal.
pub(crate) async fn shown(mut response: Response) -> (String, bool) {
    let status = response.status();
    let bytes = response.take_body().into_bytes().await.unwrap_or_default();
    let body = serde_json::from_slice::<Map<String, Json>>(&bytes).map_or_else(
        |_| String::from_utf8_lossy(&bytes).into_owned(),
        |mut body| {
            for name in ["access_token", "refresh_token", "id_token", "device_code"] {
                if let Some(value) = body.get_mut(name)
                    && let Some(text) = value.as_str()
                {
                    *value = Json::from(mask(text));
                }
            }
            format!("{:#}", Json::Object(body))
        },
    );
    (format!("{}\n\n{body}", status.as_u16()), !status.is_success())
}

/// A form, one field a line, with secrets masked.
pub(crate) fn masked_form(first: &str, form: &str) -> String {
    let mut out = format!("{first}\n");
    for (name, value) in url::form_urlencoded::parse(form.as_bytes()) {
        let value = match &*name {
            "code" | "code_verifier" | "device_code" | "state" => mask(&value),
            _ => value.into_owned(),
        };
        let _ = write!(out, "\n{name}={value}");
    }
    out
}

/// The beginning of a secret: enough to tell two apart, and far from enough to use one.
pub(crate) fn mask(secret: &str) -> String {
    let shown = if secret.starts_with("dt_") { 10 } else { 4 };
    format!("{}…", secret.chars().take(shown.min(secret.chars().count() / 4)).collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mask_shows_too_little_to_use() {
        assert_eq!(mask("dt_at_abcdefghijklmnopqrstuvwxyzabcdefghijklmnop"), "dt_at_abcd…");
        assert_eq!(mask("short"), "s…");
        assert_eq!(mask(""), "…");
        assert!(!masked_form("POST", "code=dt_ac_abcdefghijklmnopqrstuvwxyz&a=b").contains("ghijkl"));
    }
}
