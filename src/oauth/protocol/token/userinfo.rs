//! Which claims about a person each scope opens (OpenID Connect Core §5.1, §5.4).

use poem_openapi::Object;
use serde::Serialize;

use crate::oauth::protocol::serve::scope::{Scope, ScopeSet};

/// What is known about a person.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Person {
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

/// What a token's scopes tell about its person (OpenID Connect Core section 5.3.2).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Object)]
#[oai(rename = "OAuthUserInfo")]
pub(crate) struct UserInfo {
    /// The person, the same for ever.
    pub sub: String,
    /// With `profile`: the full name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// With `profile`: the first name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub given_name: Option<String>,
    /// With `profile`: the last name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub family_name: Option<String>,
    /// With `profile`: the user name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub preferred_username: Option<String>,
    /// With `profile`: the address of a picture.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub picture: Option<String>,
    /// With `profile`: the language.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub locale: Option<String>,
    /// With `profile`: the time zone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub zoneinfo: Option<String>,
    /// With `profile`: when any of this last changed, in seconds since 1970.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub updated_at: Option<i64>,
    /// With `email`: the email address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    /// With `email`: whether the person has proved that the address is theirs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub email_verified: Option<bool>,
    /// With `roles`: the roles.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub roles: Option<Vec<String>>,
}

impl UserInfo {
    /// The answer of the userinfo endpoint: `sub`, always, and the claims that the scopes open. Empty ones are left out.
    ///
    /// `openid_includes_roles` gives the roles to every client with `openid`, as older versions of Frappe do.
    pub(crate) fn new(person: &Person, scopes: &ScopeSet, openid_includes_roles: bool) -> Self {
        let may = |scope: Scope| scopes.contains(&scope);
        let text = |scope: Scope, value: &str| (may(scope) && !value.is_empty()).then(|| value.to_owned());
        let shows_roles = may(Scope::Roles) || (openid_includes_roles && may(Scope::OpenId));
        let email = text(Scope::Email, &person.email);
        Self {
            sub: person.subject.clone(),
            name: text(Scope::Profile, &person.name),
            given_name: text(Scope::Profile, &person.given_name),
            family_name: text(Scope::Profile, &person.family_name),
            preferred_username: text(Scope::Profile, &person.preferred_username),
            picture: text(Scope::Profile, &person.picture),
            locale: text(Scope::Profile, &person.locale),
            zoneinfo: text(Scope::Profile, &person.zoneinfo),
            updated_at: person.updated_at.filter(|_| may(Scope::Profile)),
            email_verified: email.is_some().then_some(person.email_verified),
            email,
            roles: shows_roles.then(|| person.roles.clone()),
        }
    }
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

    fn keys(answer: &UserInfo) -> Vec<String> {
        serde_json::to_value(answer).unwrap().as_object().unwrap().keys().cloned().collect()
    }

    fn names(scopes: &str, with_roles: bool) -> Vec<String> {
        keys(&UserInfo::new(&person(), &ScopeSet::parse(scopes).unwrap(), with_roles))
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
        let answer = UserInfo::new(&Person::default(), &ScopeSet::parse("openid profile email").unwrap(), false);
        assert_eq!(keys(&answer), ["sub"]);
    }
}
