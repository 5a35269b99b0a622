//! Which claims about a person each scope opens (OpenID Connect Core §5.1, §5.4).

use serde_json::{Map, Value, json};

use super::scope::{Scope, ScopeSet};

/// What is known about a person.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Person {
    /// The stable subject identifier.
    pub subject: String,
    /// The full name.
    pub name: String,
    /// The first name.
    pub given_name: String,
    /// The last name.
    pub family_name: String,
    /// The user name.
    pub preferred_username: String,
    /// An absolute address of the picture.
    pub picture: String,
    /// The language.
    pub locale: String,
    /// The time zone.
    pub zoneinfo: String,
    /// When the person's record last changed, in seconds.
    pub updated_at: Option<i64>,
    /// The email address.
    pub email: String,
    /// Whether the address is the person's own.
    pub email_verified: bool,
    /// The roles.
    pub roles: Vec<String>,
}

/// The claims that the granted scopes open, `sub` apart; empty ones are left out.
///
/// `openid_includes_roles` gives the roles to every client with `openid`, as older versions of Frappe do.
pub fn claims(person: &Person, scopes: &ScopeSet, openid_includes_roles: bool) -> Map<String, Value> {
    let mut claims = Map::new();
    let mut text = |name: &str, value: &str| {
        if !value.is_empty() {
            claims.insert(name.to_owned(), json!(value));
        }
    };
    if scopes.contains(&Scope::Profile) {
        text("name", &person.name);
        text("given_name", &person.given_name);
        text("family_name", &person.family_name);
        text("preferred_username", &person.preferred_username);
        text("picture", &person.picture);
        text("locale", &person.locale);
        text("zoneinfo", &person.zoneinfo);
    }
    if scopes.contains(&Scope::Email) {
        text("email", &person.email);
    }
    if let (true, Some(at)) = (scopes.contains(&Scope::Profile), person.updated_at) {
        claims.insert("updated_at".to_owned(), json!(at));
    }
    if scopes.contains(&Scope::Email) && !person.email.is_empty() {
        claims.insert("email_verified".to_owned(), json!(person.email_verified));
    }
    if scopes.contains(&Scope::Roles) || (openid_includes_roles && scopes.contains(&Scope::OpenId)) {
        claims.insert("roles".to_owned(), json!(person.roles));
    }
    claims
}

/// The answer of the userinfo endpoint: `sub`, always, and the claims.
pub fn response(person: &Person, scopes: &ScopeSet, openid_includes_roles: bool) -> Map<String, Value> {
    let mut answer = Map::from_iter([("sub".to_owned(), json!(person.subject))]);
    answer.extend(claims(person, scopes, openid_includes_roles));
    answer
}

#[cfg(test)]
mod tests {
    use super::*;

    fn person() -> Person {
        Person {
            subject: "u".to_owned(),
            name: "Alice".to_owned(),
            email: "a@example.com".to_owned(),
            email_verified: true,
            updated_at: Some(1),
            roles: vec!["Librarian".to_owned()],
            ..Person::default()
        }
    }

    fn names(scopes: &str, with_roles: bool) -> Vec<String> {
        response(&person(), &ScopeSet::parse(scopes).unwrap(), with_roles).keys().cloned().collect()
    }

    #[test]
    fn each_scope_opens_its_claims_and_no_others() {
        assert_eq!(names("openid", false), ["sub"]);
        assert_eq!(names("openid profile", false), ["sub", "name", "updated_at"]);
        assert_eq!(names("openid email", false), ["sub", "email", "email_verified"]);
        assert_eq!(names("openid roles", false), ["sub", "roles"]);
    }

    #[test]
    fn roles_come_without_their_scope_only_if_the_site_says_so() {
        assert_eq!(names("openid", true), ["sub", "roles"]);
        assert_eq!(names("openid all", false), ["sub"]);
    }

    #[test]
    fn nothing_is_null_or_empty() {
        let answer = response(&Person::default(), &ScopeSet::parse("openid profile email").unwrap(), false);
        assert_eq!(answer.keys().collect::<Vec<_>>(), ["sub"]);
    }
}
