//! Roles from what a provider says about a person, for example their groups.

use std::collections::BTreeSet;

use serde_json::Value as Json;

use crate::document::Work;
use crate::error::{Error, Result};
use crate::foreign::at;
use crate::meta::Document;
use crate::oauth::client::social::identity::Identity;
use crate::oauth::client::social::social_login_key::{RoleMapping, SocialLoginKey};
use crate::permissions::session::ADMINISTRATOR;

/// What the rules make of a person: roles to have, and roles of the table that nothing speaks for any more.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Mapped {
    /// The roles that a rule gives.
    pub given: BTreeSet<String>,
    /// The other roles of the table.
    pub unmapped: BTreeSet<String>,
}

/// Applies the rules to what a provider says.
pub(crate) fn map(mappings: &[RoleMapping], claims: &Json) -> Mapped {
    let mut mapped = Mapped::default();
    for mapping in mappings {
        let says = at(claims, &mapping.claim).is_some_and(|found| holds(found, &mapping.value));
        if says {
            mapped.given.insert(mapping.role.clone());
        } else {
            mapped.unmapped.insert(mapping.role.clone());
        }
    }
    mapped.unmapped.retain(|role| !mapped.given.contains(role));
    mapped
}

/// Whether the value stands there: by itself, or as one entry of a list. Capital letters matter.
fn holds(found: &Json, value: &str) -> bool {
    match found {
        Json::String(text) => text == value,
        Json::Array(entries) => entries.iter().any(|entry| !entry.is_array() && holds(entry, value)),
        Json::Bool(_) | Json::Number(_) => *found.to_string() == *value,
        Json::Null | Json::Object(_) => false,
    }
}

/// Gives and takes roles at a login. Administrator has every role anyway.
pub(crate) async fn apply(
    work: &mut Work<'_>,
    key: &SocialLoginKey,
    identity: &Identity,
    mut user: Document,
) -> Result<()> {
    if key.role_mappings.is_empty() || user.name() == ADMINISTRATOR {
        return Ok(());
    }
    let mapped = map(&key.role_mappings, &identity.claims);
    let has: BTreeSet<String> = user.rows("roles").iter().map(|row| row.text("role").to_owned()).collect();
    let to_add: Vec<&String> = mapped.given.iter().filter(|role| !has.contains(*role)).collect();
    let to_remove: BTreeSet<&String> = if key.remove_unmapped_roles {
        mapped.unmapped.iter().filter(|role| has.contains(*role)).collect()
    } else {
        BTreeSet::new()
    };
    if to_add.is_empty() && to_remove.is_empty() {
        return Ok(());
    }
    let mut rows = Vec::with_capacity(to_add.len());
    let mut leads_to_desk = false;
    for role in to_add {
        match work.get("Role", role).await {
            Ok(stored) => leads_to_desk |= stored.check("desk_access") && !stored.check("disabled"),
            // A role that was deleted since is no reason to keep people out.
            Err(Error::DoesNotExist { .. }) => continue,
            Err(error) => return Err(error),
        }
        let mut row = work.new_document("Has Role")?;
        row.set("role", role.as_str());
        rows.push(row);
    }
    if let Some(table) = user.rows_mut("roles") {
        table.retain(|row| !to_remove.contains(&row.text("role").to_owned()));
        table.extend(rows);
    }
    if leads_to_desk {
        user.set("user_type", "System User");
    }
    work.save(user).await.map(|_| ())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn rule(claim: &str, value: &str, role: &str) -> RoleMapping {
        RoleMapping { claim: claim.to_owned(), value: value.to_owned(), role: role.to_owned() }
    }

    #[test]
    fn a_rule_looks_at_texts_lists_and_nested_answers() {
        let claims = json!({
            "groups": ["staff", "librarians"], "level": 3, "admin": true,
            "realm_access": {"roles": ["editor"]}, "https://x.example/groups": ["far"],
        });
        let rules = [
            rule("groups", "librarians", "Librarian"),
            rule("groups", "Staff", "Wrong Case"),
            rule("realm_access.roles", "editor", "Editor"),
            rule("level", "3", "Third"),
            rule("admin", "true", "Boss"),
            rule("https://x.example/groups", "far", "Far"),
            rule("missing.deeper", "x", "Never"),
            rule("realm_access", "editor", "Never"),
        ];
        let mapped = map(&rules, &claims);
        let given: Vec<&str> = mapped.given.iter().map(String::as_str).collect();
        assert_eq!(given, ["Boss", "Editor", "Far", "Librarian", "Third"]);
        let unmapped: Vec<&str> = mapped.unmapped.iter().map(String::as_str).collect();
        assert_eq!(unmapped, ["Never", "Wrong Case"]);
    }

    #[test]
    fn a_role_that_any_rule_gives_is_not_taken() {
        let rules = [rule("groups", "a", "Reader"), rule("groups", "b", "Reader")];
        let mapped = map(&rules, &json!({"groups": ["b"]}));
        assert!(mapped.given.contains("Reader") && mapped.unmapped.is_empty());
    }
}
