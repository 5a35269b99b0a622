//! Arguments of requests, checked by type: what does not fit is a 417 that names the argument.

use serde_json::{Map, Value as Json};

use crate::document::list::{DEFAULT_PAGE_LENGTH, ListRequest};
use crate::error::{Error, ProblemKind, Result};
use crate::meta::DocType;
use crate::meta::doctype::{CHILD_COLUMNS, PARENT_COLUMNS, STANDARD_COLUMNS};
use crate::web::args::{Args, loose_json};

/// Which of the two sets of list parameters is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Dialect {
    /// `/api/resource` and `frappe.client.get_list`.
    V1,
    /// `/api/v2`.
    V2,
}

/// A mistake in a query's data.
pub(super) fn data_error(message: impl Into<String>) -> Error {
    Error::invalid(ProblemKind::Data, message.into())
}

/// The request for a list, from its parameters (`docs/frappe/rest.md`: Lists); the engine checks fields, filters and order.
pub(super) fn list_request(doctype: &str, values: &Map<String, Json>, dialect: Dialect) -> Result<ListRequest> {
    let arguments = Args(values);
    let mut request = ListRequest::new(doctype);
    request.parent = arguments.text("parent")?.or(arguments.text("parent_doctype")?);
    request.fields = fields(arguments)?;
    request.filters = filters(arguments, "filters")?;
    request.or_filters = filters(arguments, "or_filters")?;
    request.order_by = arguments.text("order_by")?;
    request.group_by = arguments.text("group_by")?;
    request.expand = arguments.names("expand")?.unwrap_or_default();
    request.distinct = arguments.flag("distinct")?.unwrap_or(false);
    request.lenient_fields = dialect == Dialect::V2;
    let (start, lengths): (_, &[&str]) = match dialect {
        Dialect::V1 => (arguments.count("limit_start")?, &["limit_page_length", "limit", "page_size"]),
        Dialect::V2 => (arguments.count("start")?, &["limit"]),
    };
    request.start = start.unwrap_or(0);
    request.limit = match first_count(arguments, lengths)?.unwrap_or(DEFAULT_PAGE_LENGTH) {
        0 => None,
        limit => Some(limit),
    };
    Ok(request)
}

fn first_count(arguments: Args<'_>, names: &[&str]) -> Result<Option<u64>> {
    for name in names {
        if let Some(count) = arguments.count(name)? {
            return Ok(Some(count));
        }
    }
    Ok(None)
}

/// `fields`: a JSON list, a JSON string (`"*"`), `*`, or plain names separated by commas.
fn fields(arguments: Args<'_>) -> Result<Json> {
    let Some(value) = arguments.get("fields") else { return Ok(Json::Null) };
    if let Json::String(text) = value
        && text.trim_start().starts_with(['[', '{', '"'])
    {
        return Ok(arguments.json("fields")?.unwrap_or(Json::Null));
    }
    match loose_json(value) {
        Json::String(text) if text.contains(['(', '`']) => Ok(Json::from(vec![text])),
        Json::String(text) => Ok(text.split(',').map(|name| Json::from(name.trim())).collect()),
        other => Ok(other),
    }
}

/// Filters in any of Frappe's shapes; text that is not JSON is a document's name.
pub(super) fn filters(arguments: Args<'_>, name: &str) -> Result<Json> {
    match arguments.get(name) {
        Some(Json::String(text)) if text.trim_start().starts_with(['[', '{']) => {
            Ok(arguments.json(name)?.unwrap_or(Json::Null))
        }
        Some(Json::String(text)) => match loose_json(&Json::String(text.clone())) {
            Json::Null => Ok(Json::Null),
            _ => Err(data_error(format!("{name} must be a JSON object or list"))),
        },
        Some(Json::Object(_) | Json::Array(_)) => Ok(arguments.get(name).cloned().unwrap_or(Json::Null)),
        Some(_) => Err(data_error(format!("{name} must be a JSON object or list"))),
        None => Ok(Json::Null),
    }
}

/// The values of a document in a create or update: `data` (an object, or text that holds one) if it came, else everything.
///
/// Where the DocType has a field `data` of its own, `data` is that field, unless it is text that holds nothing but fields of
/// the DocType: so older clients send a whole document in a form.
pub(super) fn document_values(mut values: Map<String, Json>, doctype: &DocType) -> Result<Map<String, Json>> {
    let has_data_field = doctype.field("data").is_some();
    let holds_a_document = |text: &str| {
        serde_json::from_str::<Map<String, Json>>(text).is_ok_and(|inner| {
            !inner.is_empty() && inner.keys().all(|key| doctype.field(key).is_some() || is_standard(key))
        })
    };
    let is_wrapped = match values.get("data") {
        Some(Json::String(text)) if has_data_field => values.len() == 1 && holds_a_document(text),
        _ if has_data_field => false,
        Some(Json::Object(_)) => true,
        Some(Json::String(text)) => text.trim_start().starts_with('{'),
        Some(Json::Array(_)) if values.len() == 1 => {
            return Err(Error::misuse("Send one document as a JSON object; frappe.client.insert_many takes a list"));
        }
        _ => false,
    };
    if is_wrapped {
        return Args(&values).object("data");
    }
    for transport in ["cmd", "run_method", "csrf_token", "sid"] {
        values.shift_remove(transport);
    }
    Ok(values)
}

/// Whether a fieldname is a standard column, which `set_value` does not touch.
pub(super) fn is_standard(fieldname: &str) -> bool {
    fieldname == "doctype"
        || STANDARD_COLUMNS.iter().chain(&CHILD_COLUMNS).chain(&PARENT_COLUMNS).any(|(name, _)| *name == fieldname)
}

/// A document as forms keep it: without what only the form knows, and new rows without their provisional names.
pub(super) fn without_form_state(document: &mut Map<String, Json>) {
    let is_new = document.get("__islocal").is_some_and(|flag| flag != 0 && flag != &Json::Null && flag != false);
    if is_new {
        document.shift_remove("name");
        if let Some(name) = document.shift_remove("__newname") {
            document.insert("name".to_owned(), name);
        }
    }
    document.retain(|key, _| !key.starts_with("__"));
    for value in document.values_mut() {
        let Json::Array(rows) = value else { continue };
        for row in rows {
            if let Json::Object(row) = row {
                without_form_state(row);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn map(value: Json) -> Map<String, Json> {
        match value {
            Json::Object(map) => map,
            _ => Map::new(),
        }
    }

    /// A DocType with a field of that name.
    fn doctype(fieldname: &str) -> std::sync::Arc<DocType> {
        let text =
            format!("name: Sample\nmodule: Core\nfields: [{{ fieldname: {fieldname}, fieldtype: JSON, label: A }}]\n");
        let loaded = crate::meta::load::load(&[crate::meta::load::Source { path: "sample.yaml".to_owned(), text }]);
        std::sync::Arc::clone(&loaded.doctypes[0])
    }

    fn list(value: Json) -> Result<ListRequest> {
        list_request("Note", &map(value), Dialect::V1)
    }

    #[test]
    fn fields_come_in_many_shapes() {
        for (given, expected) in [
            (json!({}), Json::Null),
            (json!({"fields": "*"}), json!(["*"])),
            (json!({"fields": "\"*\""}), json!("*")),
            (json!({"fields": "[\"name\",\"title\"]"}), json!(["name", "title"])),
            (json!({"fields": ["name"]}), json!(["name"])),
            (json!({"fields": "name, title"}), json!(["name", "title"])),
            (json!({"fields": ""}), Json::Null),
        ] {
            assert_eq!(list(given.clone()).unwrap().fields, expected, "{given}");
        }
        assert!(matches!(list(json!({"fields": "[\"name\""})), Err(Error::Validation(_))));
    }

    #[test]
    fn filters_must_be_json() {
        assert_eq!(list(json!({"filters": "{\"a\":1}"})).unwrap().filters, json!({"a": 1}));
        assert_eq!(list(json!({"filters": []})).unwrap().filters, json!([]));
        for bad in [json!({"filters": "abc"}), json!({"filters": "[["}), json!({"filters": 7})] {
            assert!(matches!(list(bad.clone()), Err(Error::Validation(_))), "{bad}");
        }
    }

    #[test]
    fn a_limit_is_a_number_or_refused() {
        for (given, expected) in [
            (json!({}), Some(20)),
            (json!({"limit_page_length": "0"}), None),
            (json!({"limit_page_length": 5, "limit": 7}), Some(5)),
            (json!({"limit": "7"}), Some(7)),
            (json!({"page_size": 0}), None),
        ] {
            assert_eq!(list(given.clone()).unwrap().limit, expected, "{given}");
        }
        for bad in ["abc", "-1", "1.5", "99999999999999999999"] {
            assert!(list(json!({"limit_page_length": bad})).is_err(), "{bad}");
            assert!(list(json!({"limit_start": bad})).is_err(), "{bad}");
        }
        let second = list_request("Note", &map(json!({"limit_page_length": 5, "start": 3})), Dialect::V2).unwrap();
        assert_eq!((second.start, second.limit), (3, Some(20)));
    }

    #[test]
    fn a_document_may_be_wrapped_in_data() {
        let note = doctype("title");
        let plain = json!({"title": "x"});
        for given in [plain.clone(), json!({"data": plain}), json!({"data": "{\"title\":\"x\"}"})] {
            assert_eq!(Json::Object(document_values(map(given), &note).unwrap()), plain);
        }
        let other = json!({"data": "text", "title": "x"});
        assert_eq!(Json::Object(document_values(map(other.clone()), &note).unwrap()), other);
        assert!(document_values(map(json!({"data": [1]})), &note).is_err());
    }

    #[test]
    fn a_field_called_data_is_no_wrapping() {
        let sample = doctype("data");
        for field in [
            json!({"data": "{}", "title": "x"}),
            json!({"data": {"k": 1}}),
            json!({"data": {"data": 1}}),
            json!({"data": [1]}),
            json!({"data": "{\"k\": 1}"}),
            json!({"data": "text"}),
            json!({"data": 7}),
        ] {
            assert_eq!(Json::Object(document_values(map(field.clone()), &sample).unwrap()), field);
        }
        let whole =
            document_values(map(json!({"data": "{\"data\": \"x\", \"doctype\": \"Sample\"}"})), &sample).unwrap();
        assert_eq!(whole.get("data"), Some(&json!("x")));
    }

    #[test]
    fn form_state_is_left_behind() {
        let mut document = map(json!({
            "name": "new-note-1", "__islocal": 1, "__unsaved": 1, "title": "x",
            "rows": [{"name": "new-row-1", "__islocal": 1, "a": 1}, {"name": "r2", "a": 2}],
        }));
        without_form_state(&mut document);
        assert_eq!(Json::Object(document), json!({"title": "x", "rows": [{"a": 1}, {"name": "r2", "a": 2}]}));
    }
}
