//! What a reader learns of the DocTypes: those whose documents they may use, and of these the fields that are theirs.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::sync::Arc;

use crate::meta::{DocType, Registry, Right};
use crate::permissions::{Grant, Session};
use crate::secret;

/// Whether the session reads every definition: it may read the documents of DocType, which hold them.
pub(crate) fn reads_all(registry: &Registry, session: &Session) -> bool {
    let may = |doctype: &Arc<DocType>| Grant::of(session, doctype).rights.contains(Right::Read);
    session.is_administrator() && session.limit.is_none() || registry.get("DocType").is_some_and(may)
}

/// The DocType as the session may know it; `None` if it may use none of its documents.
pub(crate) fn doctype(registry: &Registry, session: &Session, name: &str) -> Option<Arc<DocType>> {
    let doctype = registry.get(name)?;
    if reads_all(registry, session) {
        return Some(Arc::clone(doctype));
    }
    let parent = |(parent, field): &(String, String)| {
        let parent = registry.get(parent)?;
        let grant = Grant::of(session, parent);
        let level = parent.field(field)?.permlevel;
        let is_seen = is_usable(&grant) && (grant.reads_level(level) || grant.writes_level(level));
        is_seen.then_some(grant)
    };
    let grants: Vec<Grant> = if doctype.istable {
        registry.parents_of(name).iter().filter_map(parent).collect()
    } else {
        Some(Grant::of(session, doctype)).filter(is_usable).into_iter().collect()
    };
    (!grants.is_empty()).then(|| of_levels(doctype, session, &grants))
}

/// Every DocType that the session may use, as it may know it.
pub(crate) fn registry(registry: &Registry, session: &Session) -> Registry {
    let doctypes = registry.iter().filter_map(|known| doctype(registry, session, &known.name));
    Registry::new(doctypes.collect::<Vec<_>>(), registry.generation)
}

/// A text that is the same for readers who may use the same.
pub(crate) fn fingerprint(registry: &Registry, session: &Session) -> String {
    if session.is_administrator() && session.limit.is_none() {
        return "all".to_owned();
    }
    let mut all = format!("{} {}", session.is_guest(), reads_all(registry, session));
    for doctype in registry.iter() {
        let _ = write!(all, "{:?}", Grant::of(session, doctype));
    }
    secret::digest(all)
}

fn is_usable(grant: &Grant) -> bool {
    Right::ALL.into_iter().any(|right| grant.may(right))
}

/// A DocType with the fields of the levels that any of the grants opens, and the permissions of the session's own roles.
fn of_levels(doctype: &Arc<DocType>, session: &Session, grants: &[Grant]) -> Arc<DocType> {
    let is_open = |level: u8| {
        let opens = |grant: &Grant| level == 0 || grant.reads_level(level) || grant.writes_level(level);
        session.is_administrator() || grants.iter().any(opens)
    };
    let is_own = |role: &String| session.has_role(role);
    let is_whole = doctype.fields.iter().all(|field| is_open(field.permlevel))
        && doctype.permissions.iter().all(|row| is_own(&row.role));
    if is_whole {
        return Arc::clone(doctype);
    }
    let mut declaration = doctype.declaration().clone();
    declaration.fields.retain(|field| is_open(field.permlevel));
    declaration.permissions.retain(|row| is_own(&row.role));
    let kept: BTreeSet<&str> = declaration.fields.iter().map(|field| field.fieldname.as_str()).collect();
    if let Some(serde_json::Value::Array(order)) = declaration.raw.get_mut("field_order") {
        order.retain(|fieldname| fieldname.as_str().is_some_and(|fieldname| kept.contains(fieldname)));
    }
    Arc::new(DocType::new(declaration))
}
