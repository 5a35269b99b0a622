//! Calls for applications, to copy: how they get at a document, or at the documents of a DocType, with the fields these have.

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Map, Value as Json, json};

use crate::desk::form::view::Pair;
use crate::meta::naming_rule::NamingRule;
use crate::meta::{DocField, DocType, Fieldtype, Registry};

/// How many fields an example has at least, where there are as many that are easily filled.
const FIELDS: usize = 3;

/// Calls that read and change the document at this address.
pub(super) fn of_document(url: &str, doctype: &DocType) -> Vec<Pair> {
    let field = doctype.fields.iter().find(|field| is_sent(field) && is_simple(field));
    let change = field.map(|field| Json::Object(Map::from_iter([(field.fieldname.clone(), literal(field))])));
    calls(url, change.filter(|_| !doctype.is_virtual).map(|change| ("PUT", change)))
}

/// Calls that list and make documents of a DocType, or read and change the one there is; none for rows of other documents.
pub(super) fn of_doctype(site_url: &str, doctype: &DocType, registry: &Registry) -> Vec<Pair> {
    if doctype.istable {
        return Vec::new();
    }
    let name = utf8_percent_encode(&doctype.name, NON_ALPHANUMERIC);
    let list = format!("{site_url}/api/resource/{name}");
    if doctype.issingle {
        return of_document(&format!("{list}/{name}"), doctype);
    }
    let mut body = values(doctype, registry);
    if doctype.naming_rule == NamingRule::Prompt {
        body.insert("name".to_owned(), json!(format!("New {}", doctype.name)));
    }
    calls(&list, (!doctype.is_virtual).then_some(("POST", Json::Object(body))))
}

/// What a new document needs, and a few fields besides.
fn values(doctype: &DocType, registry: &Registry) -> Map<String, Json> {
    let sent = || doctype.fields.iter().filter(|field| is_sent(field));
    let required = sent().filter(|field| field.reqd).count();
    let mut others = FIELDS.saturating_sub(required);
    let mut out = Map::new();
    for field in sent() {
        let value = if field.fieldtype.is_table() {
            let rows =
                field.link_target().and_then(|target| registry.get(target)).filter(|rows| rows.name != doctype.name);
            rows.filter(|_| field.reqd).map(|rows| json!([values(rows, registry)]))
        } else if field.reqd {
            Some(literal(field))
        } else if others > 0 && is_simple(field) {
            others -= 1;
            Some(literal(field))
        } else {
            None
        };
        out.extend(value.map(|value| (field.fieldname.clone(), value)));
    }
    out
}

fn is_sent(field: &DocField) -> bool {
    (field.has_column() || field.fieldtype.is_table())
        && !field.read_only
        && !field.hidden
        && !field.secret
        && !field.guarded
        && field.permlevel == 0
}

/// Whether any value of its kind does, whatever else there is.
fn is_simple(field: &DocField) -> bool {
    use Fieldtype::{
        Check, Currency, Data, Date, Datetime, Float, Int, LongInt, LongText, Percent, Select, SmallText, Text, Time,
    };
    let kinds =
        [Check, Currency, Data, Date, Datetime, Float, Int, LongInt, LongText, Percent, Select, SmallText, Text, Time];
    kinds.contains(&field.fieldtype) && field.depends_on.is_none() && field.fetch_from.is_none()
}

/// A value that the field takes; of a Link, what to put there.
fn literal(field: &DocField) -> Json {
    match field.fieldtype {
        Fieldtype::Check | Fieldtype::Int | Fieldtype::LongInt | Fieldtype::Duration | Fieldtype::Rating => json!(1),
        Fieldtype::Float | Fieldtype::Currency | Fieldtype::Percent => json!(1.5),
        Fieldtype::Date => json!("2026-01-31"),
        Fieldtype::Datetime => json!("2026-01-31 09:30:00"),
        Fieldtype::Time => json!("09:30:00"),
        Fieldtype::Color => json!("#336699"),
        Fieldtype::Phone => json!("+49 30 123456"),
        Fieldtype::Json | Fieldtype::Geolocation => json!("{}"),
        Fieldtype::Select => json!(field.select_options().find(|option| !option.is_empty()).unwrap_or_default()),
        Fieldtype::Link => json!(format!("an existing {}", field.options.trim())),
        Fieldtype::Data => match field.options.trim() {
            "Email" => json!("somebody@example.com"),
            "Phone" => json!("+49 30 123456"),
            "URL" => json!("https://example.com"),
            _ => json!(field.label),
        },
        _ => json!(field.label),
    }
}

/// A call that reads, and one that sends something if there is something to send.
fn calls(url: &str, sent: Option<(&str, Json)>) -> Vec<Pair> {
    let example = |name: &str, value: String| Pair { name: name.to_owned(), value };
    let mut curl = format!("curl '{url}' \\\n  -H \"Authorization: token $API_KEY:$API_SECRET\"");
    let mut javascript = format!(
        "const headers = {{\n  Authorization: `token ${{apiKey}}:${{apiSecret}}`,\n  \"Content-Type\": \
         \"application/json\",\n}};\nconst url = \"{url}\";\nconst {{ data }} = await (await fetch(url, {{ headers \
         }})).json();"
    );
    let mut python = format!(
        "import requests\n\nurl = \"{url}\"\nheaders = {{\"Authorization\": f\"token \
         {{api_key}}:{{api_secret}}\"}}\ndata = requests.get(url, headers=headers).json()[\"data\"]"
    );
    if let Some((verb, body)) = sent {
        let body = body.to_string();
        curl = format!(
            "{curl}\n\ncurl -X {verb} '{url}' \\\n  -H \"Authorization: token $API_KEY:$API_SECRET\" \\\n  -H 'Content-Type: \
             application/json' \\\n  -d '{}'",
            body.replace('\'', "'\\''")
        );
        javascript = format!(
            "{javascript}\nawait fetch(url, {{\n  method: \"{verb}\",\n  headers,\n  body: JSON.stringify({body}),\n}});"
        );
        python = format!("{python}\nrequests.{}(url, headers=headers, json={body})", verb.to_lowercase());
    }
    vec![example("curl", curl), example("JavaScript", javascript), example("Python", python)]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::meta::load::{Source, load};

    fn registry(texts: &[&str]) -> Registry {
        let source = |text: &&str| Source { path: "a.yaml".to_owned(), text: (*text).to_owned() };
        Registry::new(load(&texts.iter().map(source).collect::<Vec<_>>()).doctypes.iter().cloned(), 1)
    }

    #[test]
    fn an_example_sends_what_is_required_and_can_be_pasted() {
        let book = "name: Book\nautoname: Prompt\nfields:\n- {fieldname: title, label: Reader's Title, reqd: 1}\n\
                    - {fieldname: pin, fieldtype: Password}\n- {fieldname: stamp, read_only: 1}\n\
                    - {fieldname: kind, fieldtype: Select, options: ['', Novel]}\n- {fieldname: lines, fieldtype: Table, options: Line, reqd: 1}\n";
        let line = "name: Line\nistable: 1\nfields:\n- {fieldname: pages, fieldtype: Int}\n";
        let registry = registry(&[book, line]);
        let examples = of_doctype("https://a.example", registry.get("Book").unwrap(), &registry);
        let body = r#"{"title":"Reader's Title","kind":"Novel","lines":[{"pages":1}],"name":"New Book"}"#;
        assert!(examples[0].value.contains(&format!("-d '{}'", body.replace('\'', r"'\''"))), "{}", examples[0].value);
        assert!(examples[1].value.contains(&format!("JSON.stringify({body})")), "{}", examples[1].value);
        assert!(examples[2].value.contains(&format!("requests.post(url, headers=headers, json={body})")));
        assert!(of_doctype("https://a.example", registry.get("Line").unwrap(), &registry).is_empty());
    }

    #[test]
    fn what_cannot_be_changed_is_only_read() {
        let registry = registry(&["name: Log\nfields:\n- {fieldname: told, read_only: 1}\n"]);
        let examples = of_document("https://a.example/x", registry.get("Log").unwrap());
        assert!(examples.iter().all(|example| !example.value.contains("PUT") && !example.value.contains("put(")));
    }
}
