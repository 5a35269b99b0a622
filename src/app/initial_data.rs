//! What a site needs before anybody has entered anything: roles, user types, modules, folders, Administrator and Guest.

use std::collections::BTreeSet;

use anyhow::Context as _;
use serde_json::json;

use crate::account::{Passwords, store_password};
use crate::config::Hidden;
use crate::document::{Documents, ListRequest, Work};
use crate::error::{Conflict, Error, Result};
use crate::meta::{Registry, Value};
use crate::permissions::Session;
use crate::permissions::session::{ADMINISTRATOR, GUEST, ROLE_ALL, ROLE_DESK_USER, ROLE_GUEST, ROLE_SYSTEM_MANAGER};
use crate::secret;

/// The letters of generated passwords: none that look alike.
const LETTERS: &[u8] = b"abcdefghijkmnpqrstuvwxyz23456789";

/// Adds what is missing. Returns Administrator's password if it was generated just now.
pub(crate) async fn ensure(documents: &Documents, admin_password: Option<&Hidden>) -> anyhow::Result<Option<String>> {
    // Several nodes may start at once: whoever comes second finds the first one's documents.
    for attempt in 0.. {
        match ensure_once(documents, admin_password).await {
            Err(Error::Conflict(Conflict::DuplicateName { .. })) if attempt < 5 => {}
            other => return other.context("write the initial data"),
        }
    }
    Ok(None)
}

async fn ensure_once(documents: &Documents, admin_password: Option<&Hidden>) -> Result<Option<String>> {
    let system = Session::system();
    let mut work = documents.begin(&system).await?;
    let mut changed = follow_doctypes_in(&mut work).await?;
    for user_type in ["System User", "Website User"] {
        changed |= add(&mut work, "User Type", user_type, &[("is_standard", Value::from(true))]).await?;
    }
    for (code, name) in [("en", "English"), ("de", "Deutsch"), ("ar", "العربية")] {
        let values = [
            ("language_code", Value::from(code)),
            ("language_name", Value::from(name)),
            ("enabled", Value::from(true)),
        ];
        changed |= add(&mut work, "Language", code, &values).await?;
    }
    let folder = |file_name: &str, parent: Option<&str>| {
        [
            ("file_name", Value::from(file_name)),
            ("is_folder", Value::from(true)),
            ("is_private", Value::from(false)),
            ("folder", Value::from(parent)),
        ]
    };
    changed |= add(&mut work, "File", "Home", &folder("Home", None)).await?;
    changed |= add(&mut work, "File", "Home/Attachments", &folder("Attachments", Some("Home"))).await?;
    let guest = [("email", Value::from("guest@example.com")), ("first_name", Value::from(GUEST))];
    changed |= add(&mut work, "User", GUEST, &guest).await?;
    let administrator = [("email", Value::from("admin@example.com")), ("first_name", Value::from(ADMINISTRATOR))];
    let is_new = add(&mut work, "User", ADMINISTRATOR, &administrator).await?;
    let mut generated = None;
    if is_new {
        let password = admin_password.map_or_else(
            || {
                let text = secret::random_text(LETTERS, 20);
                generated = Some(text.clone());
                text
            },
            |given| given.reveal().to_owned(),
        );
        store_password(&mut work, &Passwords::default(), ADMINISTRATOR, password).await?;
    }
    if changed || is_new {
        work.commit().await?;
    }
    Ok(generated)
}

/// Adds the roles and modules that the DocTypes name; after a reload there may be new ones.
pub(crate) async fn follow_doctypes(documents: &Documents) -> Result<()> {
    let mut work = documents.begin(&Session::system()).await?;
    if follow_doctypes_in(&mut work).await? {
        work.commit().await?;
    }
    Ok(())
}

async fn follow_doctypes_in(work: &mut Work<'_>) -> Result<bool> {
    let registry = work.registry().clone();
    let mut changed = false;
    let known = names(work, "Role").await?;
    for role in roles(&registry).difference(&known) {
        let desk_access = ![ROLE_ALL, ROLE_GUEST].contains(&role.as_str());
        let values = [("role_name", Value::from(role.as_str())), ("desk_access", Value::from(desk_access))];
        changed |= add(work, "Role", role, &values).await?;
    }
    let known = names(work, "Module Def").await?;
    let modules: BTreeSet<String> =
        registry.iter().map(|doctype| doctype.module.clone()).filter(|module| !module.is_empty()).collect();
    for module in modules.difference(&known) {
        changed |= add(work, "Module Def", module, &[("module_name", Value::from(module.as_str()))]).await?;
    }
    Ok(changed)
}

/// The roles that the program and the DocTypes name.
fn roles(registry: &Registry) -> BTreeSet<String> {
    let own = [ADMINISTRATOR, ROLE_SYSTEM_MANAGER, ROLE_GUEST, ROLE_ALL, ROLE_DESK_USER];
    let named = registry.iter().flat_map(|doctype| doctype.permissions.iter().map(|row| row.role.clone()));
    own.into_iter().map(str::to_owned).chain(named).filter(|role| !role.is_empty()).collect()
}

async fn names(work: &mut Work<'_>, doctype: &str) -> Result<BTreeSet<String>> {
    let list = work.list(&ListRequest::new(doctype).all()).await?;
    Ok((0..list.rows.len()).map(|row| list.text(row, "name").to_owned()).collect())
}

/// Inserts a document unless it is there; true if it was not.
async fn add(work: &mut Work<'_>, doctype: &str, name: &str, values: &[(&str, Value)]) -> Result<bool> {
    let exists = ListRequest::new(doctype).filters(json!({"name": name}));
    if !work.list(&exists).await?.rows.is_empty() {
        return Ok(false);
    }
    let mut document = work.new_document(doctype)?;
    document.set_name(name);
    for (fieldname, value) in values {
        document.set(fieldname, value.clone());
    }
    work.insert(document).await?;
    Ok(true)
}
