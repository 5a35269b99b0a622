//! `/app/_rights`: which role may do what with which DocType, every row of every definition side by side; for System Managers.

use poem::Response;
use poem::http::StatusCode;
use serde::Serialize;

use crate::desk::{document_url, home, model, shell};
use crate::error::{Error, Result};
use crate::meta::docperm::DocPerm;
use crate::meta::{DocType, Registry, Right};
use crate::permissions::session::ROLE_SYSTEM_MANAGER;
use crate::web::Exchange;
use crate::web::templates::html;

/// Everything that `desk/rights.hbs` places.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct RightsView {
    /// The DocType that is looked at; empty for all.
    pub doctype: String,
    /// The role that is looked at; empty for all.
    pub role: String,
    /// Every DocType with rights of its own.
    pub doctypes: Vec<String>,
    /// Every role that some row names.
    pub roles: Vec<String>,
    /// The headings of the rights.
    pub rights: Vec<String>,
    /// The rows.
    pub rows: Vec<RowView>,
    /// DocTypes without any row: Administrator's alone.
    pub closed: Vec<String>,
}

/// A permission row.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct RowView {
    /// The DocType.
    pub doctype: String,
    /// The page of the DocType.
    pub doctype_url: String,
    /// Where it is changed.
    pub change_url: String,
    /// The role.
    pub role: String,
    /// The form of the role.
    pub role_url: String,
    /// `0`, or the level of the fields that it opens.
    pub level: u8,
    /// Only for documents of one's own.
    pub if_owner: bool,
    /// In the order of the headings.
    pub rights: Vec<bool>,
}

/// The rows of the DocTypes and roles that are asked for, one's own DocTypes first.
pub(crate) fn rights_view(registry: &Registry, doctype: &str, role: &str) -> RightsView {
    let mut all: Vec<&DocType> = registry.iter().map(AsRef::as_ref).filter(|known| !known.istable).collect();
    all.sort_by_key(|known| (home::is_shipped(known), known.name.clone()));
    let mut roles: Vec<String> = all.iter().flat_map(|known| &known.permissions).map(|row| row.role.clone()).collect();
    roles.sort();
    roles.dedup();
    let asked = |known: &&&DocType| doctype.is_empty() || known.name == doctype;
    let rows = all.iter().filter(asked).flat_map(|known| {
        known.permissions.iter().filter(|row| role.is_empty() || row.role == role).map(|row| row_view(known, row))
    });
    RightsView {
        doctype: doctype.to_owned(),
        role: role.to_owned(),
        rights: Right::ALL.iter().map(|right| capitalized(right.as_str())).chain(["Mask".to_owned()]).collect(),
        rows: rows.collect(),
        closed: all
            .iter()
            .filter(asked)
            .filter(|known| known.permissions.is_empty())
            .map(|known| known.name.clone())
            .collect(),
        doctypes: all.iter().map(|known| known.name.clone()).collect(),
        roles,
    }
}

fn row_view(doctype: &DocType, row: &DocPerm) -> RowView {
    RowView {
        doctype: doctype.name.clone(),
        doctype_url: document_url("doctype", &doctype.name),
        change_url: format!("{}#f-permissions", model::url(&doctype.name)),
        role: row.role.clone(),
        role_url: document_url("role", &row.role),
        level: row.permlevel,
        if_owner: row.if_owner,
        rights: Right::ALL.iter().map(|right| row.rights.contains(*right)).chain([row.mask]).collect(),
    }
}

fn capitalized(word: &str) -> String {
    let mut letters = word.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}

/// GET `/app/_rights?doctype=…&role=…`
pub(crate) async fn get(exchange: Exchange) -> Result<Response> {
    shell::require_desk(&exchange)?;
    if !exchange.session().has_role(ROLE_SYSTEM_MANAGER) {
        return Err(Error::Permission("This page is for System Managers".to_owned()));
    }
    let query = exchange.query();
    let given = |key: &str| query.iter().find(|(name, _)| name == key).map_or("", |(_, value)| value.as_str());
    let registry = exchange.registry();
    let (doctype, role) = (given("doctype"), given("role"));
    if !doctype.is_empty() && registry.get(doctype).is_none() {
        return Err(Error::does_not_exist("DocType", doctype));
    }
    let view = rights_view(&registry, doctype, role);
    Ok(html(StatusCode::OK, shell::render(&exchange, "desk/rights", &exchange.say("Rights"), Vec::new(), view).await?))
}
