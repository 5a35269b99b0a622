//! Jinja, as Frappe's people write it in webhooks: conditions and texts over a document, with bounded effort.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use minijinja::value::ValueKind;
use minijinja::{AutoEscape, Environment, ErrorKind, Expression, Output, State, UndefinedBehavior, Value, context};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value as Json;

/// How much one evaluation may do, in steps of the engine: enough for thousands of rows.
const FUEL: u64 = 200_000;
/// What templates know besides what they set themselves.
const NAMES: [&str; 5] = ["doc", "before", "event", "nowdate", "now"];
/// In parts of an address: everything but what is unreserved (RFC 3986 §2.3).
const ADDRESS_PART: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

const BODY: &str = "body";
const ADDRESS: &str = "address";

static JINJA: LazyLock<Environment<'static>> = LazyLock::new(|| {
    let mut jinja = Environment::new();
    jinja.set_fuel(Some(FUEL));
    jinja.set_undefined_behavior(UndefinedBehavior::Chainable);
    jinja.set_auto_escape_callback(|name| AutoEscape::Custom(if name == ADDRESS { ADDRESS } else { BODY }));
    jinja.set_formatter(write_escaped);
    jinja
});

/// What a template is evaluated with.
#[derive(Debug)]
pub(super) struct Facts {
    values: Value,
}

impl Facts {
    /// The facts of an event. `now` is the time in the site's zone, as documents hold it.
    pub(super) fn new(doc: &Json, before: Option<&Json>, event: &str, now: &str) -> Self {
        let (time, date) = (now.to_owned(), now.get(..10).unwrap_or(now).to_owned());
        let values = context! {
            doc => Value::from_serialize(doc),
            before => before.map_or_else(|| context! {}, Value::from_serialize),
            event => event,
            now => Value::from_function(move || time.clone()),
            nowdate => Value::from_function(move || date.clone()),
        };
        Self { values }
    }
}

/// A condition.
pub(super) struct Condition(Expression<'static, 'static>);

impl Condition {
    /// Reads it; the error says what is wrong with it.
    pub(super) fn parse(text: &str, fields: &Fields<'_>) -> Result<Self, String> {
        let expression = JINJA.compile_expression_owned(text.trim().to_owned()).map_err(|error| explain(&error))?;
        fields.check(expression.undeclared_variables(true))?;
        Ok(Self(expression))
    }

    /// Whether it holds.
    pub(super) fn holds(&self, facts: &Facts) -> Result<bool, String> {
        let value = self.0.eval(facts.values.clone()).map_err(|error| explain(&error))?;
        Ok(value.is_true())
    }
}

/// The texts of a webhook.
pub(super) struct Texts(Environment<'static>);

impl Texts {
    /// Reads the templates that there are.
    pub(super) fn new() -> Self {
        Self(JINJA.clone())
    }

    /// Reads the template of a body.
    pub(super) fn add_body(&mut self, text: &str, fields: &Fields<'_>) -> Result<(), String> {
        self.add(BODY, text, fields)
    }

    /// Reads the template of an address.
    pub(super) fn add_address(&mut self, text: &str, fields: &Fields<'_>) -> Result<(), String> {
        self.add(ADDRESS, text, fields)
    }

    fn add(&mut self, name: &'static str, text: &str, fields: &Fields<'_>) -> Result<(), String> {
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

/// The fields that templates of a DocType may name.
pub(super) struct Fields<'a> {
    /// The DocType.
    pub doctype: &'a str,
    /// What its documents hold.
    pub names: BTreeSet<&'a str>,
}

impl Fields<'_> {
    /// Finds names that mean nothing, such as a field that is misspelled or `frappe.utils`.
    fn check(&self, used: impl IntoIterator<Item = String>) -> Result<(), String> {
        for name in used {
            let mut parts = name.split('.');
            let (first, second) = (parts.next().unwrap_or_default(), parts.next());
            if !NAMES.contains(&first) && JINJA.globals().all(|(global, _)| global != first) {
                return Err(format!("Unknown name `{first}`: use `doc`, `before`, `event`, `nowdate()` and `now()`"));
            }
            if let Some(field) = second.filter(|_| matches!(first, "doc" | "before"))
                && !self.names.contains(field)
            {
                return Err(format!("{} has no field `{field}`", self.doctype));
            }
        }
        Ok(())
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

/// What is wrong, in a sentence.
fn explain(error: &minijinja::Error) -> String {
    if error.kind() == ErrorKind::OutOfFuel {
        return "It takes too long: make it simpler".to_owned();
    }
    let what = error.detail().map_or_else(|| error.kind().to_string(), str::to_owned);
    match error.line() {
        Some(line) if line > 1 => format!("Line {line}: {what}"),
        _ => what,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn fields() -> Fields<'static> {
        Fields { doctype: "Order", names: BTreeSet::from(["name", "status", "total", "due", "items", "note"]) }
    }

    fn facts() -> Facts {
        let doc = json!({
            "name": "SO \"1\"/ä", "status": "Open", "total": 50.5, "due": "2026-11-28",
            "note": null, "items": [{"code": "a"}, {"code": "b"}],
        });
        Facts::new(&doc, Some(&json!({"status": "Draft"})), "on_update", "2026-11-28 10:00:00.000000")
    }

    #[test]
    fn conditions_are_written_as_in_frappe() {
        for (text, holds) in [
            ("doc.status == \"Open\"", true),
            ("doc.due == nowdate() and doc.total > 40", true),
            ("doc.status == before.status", false),
            ("not doc.note", true),
            ("doc.status in ['Open', 'Closed']", true),
            ("doc['items'] | length > 2", false),
            ("event == 'on_update'", true),
        ] {
            let condition = Condition::parse(text, &fields()).unwrap_or_else(|error| panic!("{text}: {error}"));
            assert_eq!(condition.holds(&facts()), Ok(holds), "{text}");
        }
    }

    #[test]
    fn what_means_nothing_is_refused() {
        for (text, complaint) in [
            ("doc.statsu == 1", "Order has no field `statsu`"),
            ("frappe.utils.now()", "Unknown name `frappe`"),
            ("doc.status ==", "unexpected end"),
        ] {
            let error = Condition::parse(text, &fields()).err().unwrap_or_default();
            assert!(error.contains(complaint), "{text}: {error}");
        }
    }

    #[test]
    fn bodies_are_json_whatever_the_values_hold() {
        let mut texts = Texts::new();
        let template = r#"{"id": "{{ doc.name }}", "total": {{ doc.total }}, "note": {{ doc.note }}, "items": {{ doc["items"] | tojson }}}"#;
        texts.add_body(template, &fields()).unwrap();
        let body: Json = serde_json::from_str(&texts.body(&facts()).unwrap()).unwrap();
        let wanted = json!({"id": "SO \"1\"/ä", "total": 50.5, "note": null, "items": [{"code": "a"}, {"code": "b"}]});
        assert_eq!(body, wanted);
    }

    #[test]
    fn values_stay_within_their_part_of_an_address() {
        let mut texts = Texts::new();
        texts
            .add_address("https://example.com/{{ doc.name }}?due={{ doc.due }}&note={{ doc.note }}", &fields())
            .unwrap();
        let address = texts.address(&facts()).unwrap();
        assert_eq!(address, "https://example.com/SO%20%221%22%2F%C3%A4?due=2026-11-28&note=");
    }

    #[test]
    fn endless_work_ends() {
        let mut texts = Texts::new();
        let template = "[{% for a in range(9000) %}{% for b in range(9000) %}{{ a }}{% endfor %}{% endfor %}]";
        texts.add_body(template, &fields()).unwrap();
        assert_eq!(texts.body(&facts()), Err("It takes too long: make it simpler".to_owned()));
    }
}
