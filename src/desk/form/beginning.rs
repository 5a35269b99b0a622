//! The question above a form for a new document: what it is begun as.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::json;
use url::form_urlencoded::Serializer;

use crate::desk::form::view::{Beginning, Beginnings};
use crate::web::Exchange;
use crate::web::panel::Panels;

/// The parameter with the answer.
const AS: &str = "__as";

/// The question of a new document, with the answer that the address has.
pub(super) fn question(exchange: &Exchange, suppliers: &[Arc<dyn Panels>], url: &str) -> Option<Beginnings> {
    let asked = suppliers.iter().find_map(|supplier| supplier.beginnings())?;
    let query = exchange.query();
    let chosen = query.iter().find(|(name, _)| name == AS).map(|(_, value)| value.as_str());
    let ways = asked.ways.iter().map(|way| Beginning {
        label: way.label,
        help: way.help,
        href: {
            let mut query = Serializer::new(String::new());
            query.append_pair(AS, way.name).extend_pairs(way.values);
            format!("{url}?{}", query.finish())
        },
        values: json!(way.values.iter().copied().collect::<BTreeMap<_, _>>()).to_string(),
        chosen: chosen == Some(way.name),
    });
    Some(Beginnings { question: asked.question, ways: ways.collect() })
}
