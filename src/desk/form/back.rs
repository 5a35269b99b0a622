//! The way back from the form of a new document to the form with a link that wants it.

use url::form_urlencoded::{Serializer, parse};

use crate::web::Exchange;
use crate::web::own_path::own_path;

/// The parameter with the address of the form that waits.
const RETURN: &str = "return";
/// The parameter with which that form is told what was made.
const CREATED: &str = "__created";

/// The form of this site that waits for the new document; `None` if there is none.
pub(super) fn way_back(exchange: &Exchange) -> Option<String> {
    let query = exchange.query();
    let (_, wanted) = query.iter().find(|(name, _)| name == RETURN)?;
    own_path(&exchange.site.config.site_url, wanted).filter(|path| path.starts_with("/app/"))
}

/// The same, once the document is made.
pub(super) fn way_back_with(exchange: &Exchange, name: &str) -> Option<String> {
    let path = way_back(exchange)?;
    let path = path.split('#').next().unwrap_or_default();
    let join = if path.contains('?') { '&' } else { '?' };
    Some(format!("{path}{join}{}", Serializer::new(String::new()).append_pair(CREATED, name).finish()))
}

/// The query of this request without what was made: the address of a form that is sent again.
pub(super) fn own_query(exchange: &Exchange) -> String {
    let Some(query) = exchange.request.uri().query() else { return String::new() };
    if !query.contains(CREATED) {
        return format!("?{query}");
    }
    let kept = parse(query.as_bytes()).filter(|(name, _)| name != CREATED);
    let query = Serializer::new(String::new()).extend_pairs(kept).finish();
    if query.is_empty() { query } else { format!("?{query}") }
}
