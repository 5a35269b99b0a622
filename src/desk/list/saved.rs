//! Saved lists: a `List Filter` keeps what stands behind the `?` of an address, for its owner or shared with everyone.

use std::sync::Arc;

use poem::Response;
use serde_json::json;

use super::params::FILTERS;
use super::view::SavedView;
use crate::desk::shell::Flash;
use crate::document::ListRequest;
use crate::error::Result;
use crate::meta::DocType;
use crate::web::Exchange;
use crate::web::error::see_other;

/// The DocType.
const LIST_FILTER: &str = "List Filter";
/// The action that deletes one begins so; its name follows.
pub(super) const FORGET: &str = "forget_view:";
/// How many are shown.
const MOST: u64 = 50;

/// The saved lists of a DocType that the reader may see: their own, and those shared with them.
pub(super) async fn list(exchange: &Exchange, doctype: &DocType) -> Result<Vec<SavedView>> {
    let documents = &exchange.site.documents;
    if documents.registry().get(LIST_FILTER).is_none() {
        return Ok(Vec::new());
    }
    let mut request = ListRequest::new(LIST_FILTER)
        .fields(&["name", "filter_name", "query", "filters", "owner"])
        .filters(json!({"reference_doctype": doctype.name}))
        .order_by("filter_name asc");
    request.limit = Some(MOST);
    let list = match documents.list(exchange.session(), &request).await {
        Err(error) if error.is_failure() => return Err(error),
        other => other.unwrap_or_default(),
    };
    let view = |row: usize| {
        // Those that programs made the way Frappe does have filters alone.
        let query = match list.text(row, "query") {
            "" => url::form_urlencoded::Serializer::new(String::new())
                .append_pair(FILTERS, list.text(row, "filters"))
                .finish(),
            query => query.to_owned(),
        };
        SavedView {
            name: list.text(row, "name").to_owned(),
            label: list.text(row, "filter_name").to_owned(),
            href: format!("/app/{}?{query}", doctype.slug()),
            own: list.text(row, "owner") == exchange.session().user(),
        }
    };
    Ok((0..list.rows.len()).map(view).collect())
}

/// Saves what the address of the list asks for.
pub(super) async fn save(exchange: &Exchange, doctype: &Arc<DocType>, label: &str, shared: bool) -> Result<Response> {
    let address = super::page::own_address(exchange);
    let query = exchange.query();
    let kept = query.iter().filter(|(name, value)| !matches!(name.as_str(), "page" | "month") && !value.is_empty());
    let kept = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(kept).finish();
    if label.is_empty() || kept.is_empty() {
        Flash::failed(if label.is_empty() {
            "Not saved: give the list a name"
        } else {
            "Not saved: choose filters, an order or columns first"
        })
        .keep(exchange);
        return Ok(see_other(&address));
    }
    let filters = query.iter().find(|(name, _)| name == FILTERS).map_or("[]", |(_, value)| value);
    let for_user = if shared { "" } else { exchange.session().user() };
    let values = [
        ("filter_name", label),
        ("reference_doctype", &doctype.name),
        ("for_user", for_user),
        ("filters", filters),
        ("query", &kept),
    ];
    let values = values.into_iter().map(|(field, value)| (field.to_owned(), json!(value))).collect();
    let saved = exchange.site.documents.insert(exchange.session(), LIST_FILTER, &values).await?;
    if shared {
        let arguments = json!({"doctype": LIST_FILTER, "name": saved.name(), "everyone": 1});
        exchange.call_method("frappe.share.add", arguments, Vec::new()).await?;
    }
    Flash::done(format!("Saved the list {label}")).keep(exchange);
    Ok(see_other(&address))
}

/// Deletes one.
pub(super) async fn forget(exchange: &Exchange, action: &str) -> Result<Response> {
    let name = action.strip_prefix(FORGET).unwrap_or_default();
    exchange.site.documents.delete(exchange.session(), LIST_FILTER, name).await?;
    Flash::done("The saved list is gone").keep(exchange);
    Ok(see_other(&super::page::own_address(exchange)))
}
