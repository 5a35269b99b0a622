//! `frappe.desk.listview`: how many documents of a list have each value of a field.

use serde_json::{Value as Json, json};

use crate::document::ListRequest;
use crate::error::{Error, Result};
use crate::rest::arguments::filters;
use crate::rest::methods::add;
use crate::rest::parameters::DOCTYPE;
use crate::web::{Answer, Call, Param, Plugins, Verbs};

/// How many values are answered.
const MOST_VALUES: u64 = 50;

/// Registers the method.
pub(super) fn register(plugins: &mut Plugins) {
    let params = const {
        &[
            DOCTYPE,
            Param::optional("current_filters", "object", "Which documents, as filters of a list"),
            Param::required("field", "string", "The field whose values are counted"),
        ]
    };
    let summary = "Counts the documents with each value of a field, 50 values at most, those that most have first";
    add(plugins, "frappe.desk.listview.get_group_by_count", Verbs::READ, summary, params, get_group_by_count);
}

async fn get_group_by_count(call: Call) -> Result<Answer> {
    let arguments = call.args();
    let field = arguments.required("field")?;
    let mut request = ListRequest::new(arguments.required("doctype")?);
    let doctype = call.site.documents.doctype(&request.doctype)?;
    if doctype.column(&field).is_none() {
        return Err(Error::misuse(format!("{} has no field `{field}` to count by", doctype.name)));
    }
    request.filters = filters(arguments, "current_filters")?;
    request.fields = json!([field, "count(name) as count"]);
    request.group_by = Some(field.clone());
    request.order_by = Some("count(name) desc".to_owned());
    request.limit = Some(MOST_VALUES);
    let rows = call.site.documents.list(call.session(), &request).await?.to_json();
    let row = |mut row: serde_json::Map<String, Json>| {
        let name = row.shift_remove(&field).unwrap_or_default();
        json!({ "name": name, "count": row.shift_remove("count") })
    };
    Ok(Answer::message(rows.into_iter().map(row).collect::<Json>()))
}
