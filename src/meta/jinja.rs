//! Expressions in Jinja over a document, as Frappe's people write conditions in Python: with bounded effort, and no way to
//! anything but what they are given.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use minijinja::{Environment, ErrorKind, Expression, UndefinedBehavior, Value, context};
use serde_json::Value as Json;

use crate::meta::DocType;

/// How much one evaluation may do, in steps of the engine: enough for thousands of rows.
const FUEL: u64 = 200_000;
/// What expressions know besides what they set themselves.
const NAMES: [&str; 6] = ["doc", "before", "event", "user", "nowdate", "now"];

static JINJA: LazyLock<Environment<'static>> = LazyLock::new(environment);

/// The engine, for texts as well.
pub(crate) fn environment() -> Environment<'static> {
    let mut jinja = Environment::new();
    jinja.set_fuel(Some(FUEL));
    jinja.set_undefined_behavior(UndefinedBehavior::Chainable);
    jinja
}

/// What an expression is evaluated with.
#[derive(Debug)]
pub(crate) struct Facts {
    /// As the engine takes them.
    pub values: Value,
}

impl Facts {
    /// Those of a document, and of what it was before `user` changed it by the `event`. `now` is the time in the site's
    /// zone, as documents hold it.
    pub(crate) fn new(doc: &Json, before: Option<&Json>, event: &str, user: &str, now: &str) -> Self {
        let (time, date) = (now.to_owned(), now.get(..10).unwrap_or(now).to_owned());
        let values = context! {
            doc => Value::from_serialize(doc),
            before => before.map_or_else(|| context! {}, Value::from_serialize),
            event => event,
            user => user,
            frappe => context! { session => context! { user => user } },
            now => Value::from_function(move || time.clone()),
            nowdate => Value::from_function(move || date.clone()),
        };
        Self { values }
    }
}

/// A condition.
#[derive(Debug)]
pub(crate) struct Condition(Expression<'static, 'static>);

impl Condition {
    /// Reads it; the error says what is wrong with it.
    pub(crate) fn parse(text: &str, fields: &Names<'_>) -> Result<Self, String> {
        let expression = JINJA.compile_expression_owned(text.trim().to_owned()).map_err(|error| explain(&error))?;
        fields.check(expression.undeclared_variables(true))?;
        Ok(Self(expression))
    }

    /// Whether it holds.
    pub(crate) fn holds(&self, facts: &Facts) -> Result<bool, String> {
        let value = self.0.eval(facts.values.clone()).map_err(|error| explain(&error))?;
        Ok(value.is_true())
    }
}

/// The fields that expressions over a DocType may name.
pub(crate) struct Names<'a> {
    /// The DocType.
    pub doctype: &'a str,
    /// What its documents hold.
    pub fields: BTreeSet<&'a str>,
}

impl<'a> Names<'a> {
    /// Those of a DocType.
    pub(crate) fn of(doctype: &'a DocType) -> Self {
        let columns = doctype.columns.iter().map(|column| column.name.as_str());
        let tables = doctype.table_fields().map(|field| field.fieldname.as_str());
        Self { doctype: &doctype.name, fields: columns.chain(tables).chain(["doctype"]).collect() }
    }

    /// Finds names that mean nothing, such as a field that is misspelled or `frappe.utils`.
    pub(crate) fn check(&self, used: impl IntoIterator<Item = String>) -> Result<(), String> {
        for name in used.into_iter().filter(|name| name != "frappe.session.user") {
            let mut parts = name.split('.');
            let (first, second) = (parts.next().unwrap_or_default(), parts.next());
            if !NAMES.contains(&first) && JINJA.globals().all(|(global, _)| global != first) {
                return Err(format!(
                    "Unknown name `{first}`: use `doc`, `before`, `event`, `user`, `nowdate()` and `now()`"
                ));
            }
            if let Some(field) = second.filter(|_| matches!(first, "doc" | "before"))
                && !self.fields.contains(field)
            {
                return Err(format!("{} has no field `{field}`", self.doctype));
            }
        }
        Ok(())
    }
}

/// What is wrong, in a sentence.
pub(crate) fn explain(error: &minijinja::Error) -> String {
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
pub(crate) mod tests {
    use serde_json::json;

    use super::*;

    pub(crate) fn names() -> Names<'static> {
        Names { doctype: "Order", fields: BTreeSet::from(["name", "status", "total", "due", "items", "note"]) }
    }

    pub(crate) fn facts() -> Facts {
        let doc = json!({
            "name": "SO \"1\"/ä", "status": "Open", "total": 50.5, "due": "2026-11-28",
            "note": null, "items": [{"code": "a"}, {"code": "b"}],
        });
        let before = json!({"status": "Draft"});
        Facts::new(&doc, Some(&before), "on_update", "ada@example.com", "2026-11-28 10:00:00.000000")
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
            ("user == 'ada@example.com'", true),
            ("doc.name == frappe.session.user", false),
        ] {
            let condition = Condition::parse(text, &names()).unwrap_or_else(|error| panic!("{text}: {error}"));
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
            let error = Condition::parse(text, &names()).err().unwrap_or_default();
            assert!(error.contains(complaint), "{text}: {error}");
        }
    }
}
