//! The texts of webhooks in Jinja: bodies and addresses, into which values are put so that they stay values.

use std::sync::LazyLock;

use minijinja::value::ValueKind;
use minijinja::{AutoEscape, Environment, ErrorKind, Output, State, Value};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use crate::meta::jinja::{self, Facts, Names, explain};

/// In parts of an address: everything but what is unreserved (RFC 3986 §2.3).
const ADDRESS_PART: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

const BODY: &str = "body";
const ADDRESS: &str = "address";

static TEXTS: LazyLock<Environment<'static>> = LazyLock::new(|| {
    let mut jinja = jinja::environment();
    jinja.set_auto_escape_callback(|name| AutoEscape::Custom(if name == ADDRESS { ADDRESS } else { BODY }));
    jinja.set_formatter(write_escaped);
    jinja
});

/// The texts of a webhook.
pub(super) struct Texts(Environment<'static>);

impl Texts {
    /// Reads the templates that there are.
    pub(super) fn new() -> Self {
        Self(TEXTS.clone())
    }

    /// Reads the template of a body.
    pub(super) fn add_body(&mut self, text: &str, fields: &Names<'_>) -> Result<(), String> {
        self.add(BODY, text, fields)
    }

    /// Reads the template of an address.
    pub(super) fn add_address(&mut self, text: &str, fields: &Names<'_>) -> Result<(), String> {
        self.add(ADDRESS, text, fields)
    }

    fn add(&mut self, name: &'static str, text: &str, fields: &Names<'_>) -> Result<(), String> {
        self.0.add_template_owned(name, text.to_owned()).map_err(|error| explain(&error))?;
        let template = self.0.get_template(name).map_err(|error| explain(&error))?;
        fields.check(template.undeclared_variables(true))
    }

    /// The body; it must be JSON.
    pub(super) fn body(&self, facts: &Facts) -> Result<String, String> {
        let text = self.render(BODY, facts)?;
        match serde_json::from_str::<serde::de::IgnoredAny>(&text) {
            Ok(_) => Ok(text),
            Err(error) => Err(format!("The template gives no valid JSON: {error}")),
        }
    }

    /// The address.
    pub(super) fn address(&self, facts: &Facts) -> Result<String, String> {
        self.render(ADDRESS, facts)
    }

    fn render(&self, name: &str, facts: &Facts) -> Result<String, String> {
        let template = self.0.get_template(name).map_err(|error| explain(&error))?;
        template.render(facts.values.clone()).map_err(|error| explain(&error))
    }
}

/// Escapes what a template puts in: in a body as JSON, inside and outside of quotes; in an address as a part of it.
fn write_escaped(out: &mut Output<'_>, state: &State<'_, '_>, value: &Value) -> Result<(), minijinja::Error> {
    let failed = |_| minijinja::Error::new(ErrorKind::WriteFailure, "the text could not be written");
    if value.is_safe() {
        return write!(out, "{value}").map_err(failed);
    }
    if state.auto_escape() == AutoEscape::Custom(ADDRESS) {
        let text = if value.is_none() { String::new() } else { value.to_string() };
        return write!(out, "{}", utf8_percent_encode(&text, ADDRESS_PART)).map_err(failed);
    }
    let bad = |error: serde_json::Error| minijinja::Error::new(ErrorKind::BadSerialization, error.to_string());
    let json = serde_json::to_string(value).map_err(bad)?;
    let is_text = value.kind() == ValueKind::String;
    let inner = json.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).filter(|_| is_text);
    out.write_str(inner.unwrap_or(&json)).map_err(failed)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value as Json, json};

    use super::*;
    use crate::meta::jinja::tests::{facts, names};

    #[test]
    fn bodies_are_json_whatever_the_values_hold() {
        let mut texts = Texts::new();
        let template = r#"{"id": "{{ doc.name }}", "total": {{ doc.total }}, "note": {{ doc.note }}, "items": {{ doc["items"] | tojson }}}"#;
        texts.add_body(template, &names()).unwrap();
        let body: Json = serde_json::from_str(&texts.body(&facts()).unwrap()).unwrap();
        let wanted = json!({"id": "SO \"1\"/ä", "total": 50.5, "note": null, "items": [{"code": "a"}, {"code": "b"}]});
        assert_eq!(body, wanted);
    }

    #[test]
    fn values_stay_within_their_part_of_an_address() {
        let mut texts = Texts::new();
        texts
            .add_address("https://example.com/{{ doc.name }}?due={{ doc.due }}&note={{ doc.note }}", &names())
            .unwrap();
        let address = texts.address(&facts()).unwrap();
        assert_eq!(address, "https://example.com/SO%20%221%22%2F%C3%A4?due=2026-11-28&note=");
    }

    #[test]
    fn endless_work_ends() {
        let mut texts = Texts::new();
        let template = "[{% for a in range(9000) %}{% for b in range(9000) %}{{ a }}{% endfor %}{% endfor %}]";
        texts.add_body(template, &names()).unwrap();
        assert_eq!(texts.body(&facts()), Err("It takes too long: make it simpler".to_owned()));
    }
}
