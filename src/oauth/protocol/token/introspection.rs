//! What a token introspection tells, and whom (RFC 7662); signed, if that is asked for (RFC 9701).

use poem_openapi::Object;
use serde::Serialize;

use crate::oauth::protocol::serve::challenge::TokenScheme;
use crate::oauth::protocol::serve::resource;
use crate::oauth::protocol::token::token_exchange::Actor;

/// The media type of a signed answer (RFC 9701 §4, §5).
pub(crate) const SIGNED: &str = "application/token-introspection+jwt";
/// Its `typ`, which keeps it apart from tokens.
pub(crate) const TYPE: &str = "token-introspection+jwt";

/// The answer about a token.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum IntrospectionResponse {
    /// Unknown, expired, revoked, or none of the asker's business: exactly `{"active":false}`.
    Inactive,
    /// What the token is.
    Active(Box<ActiveToken>),
}

/// An active token (RFC 7662 section 2.2).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Object)]
#[oai(rename = "OAuthActiveToken")]
pub(crate) struct ActiveToken {
    /// The scopes, separated by spaces.
    pub scope: String,
    /// The client that holds it.
    pub client_id: String,
    /// The user's name for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub username: Option<String>,
    /// How it is presented, if it is an access token.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token_type: Option<TokenScheme>,
    /// When it ends, in seconds since 1970.
    pub exp: i64,
    /// When it began, in seconds since 1970.
    pub iat: i64,
    /// The person, as clients know them.
    pub sub: String,
    /// The resources it is meant for.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[oai(default)]
    pub aud: Vec<String>,
    /// Who issued it: this site.
    pub iss: String,
    /// What it is bound to (RFC 8705 section 3.2, RFC 9449 section 6.2).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cnf: Option<Confirmation>,
    /// When the person logged in, in seconds since 1970 (RFC 9470 section 6.2).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub auth_time: Option<i64>,
    /// How strongly they proved who they are (RFC 9470 section 6.2).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub acr: Option<String>,
    /// Who acts for the person (RFC 8693 section 4.1).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub act: Option<Actor>,
    /// For the token's own client, if the token has the scope `openid`.
    #[serde(flatten)]
    #[oai(flatten)]
    pub own: OwnClaims,
}

/// What the token's own client is told of the person, as Frappe tells it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Object)]
#[oai(rename = "OAuthOwnClaims")]
pub(crate) struct OwnClaims {
    /// To the token's own client: 1 if it needs no consent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trusted_client: Option<u8>,
    /// To the token's own client, with `profile`: the person's full name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// To the token's own client, with `email`: the email address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    /// To the token's own client, with `roles`: the roles.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub roles: Option<Vec<String>>,
}

/// What a token is bound to (RFC 7800).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Object)]
#[oai(rename = "OAuthConfirmation")]
pub struct Confirmation {
    /// The thumbprint of the key that signs proofs (RFC 9449 section 6).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub jkt: Option<String>,
    /// The thumbprint of the certificate of the connection (RFC 8705 section 3.1).
    #[serde(rename = "x5t#S256", skip_serializing_if = "Option::is_none")]
    #[oai(rename = "x5t#S256")]
    pub x5t_s256: Option<String>,
}

impl Confirmation {
    /// Of a key, a certificate, or both; `None` if it is bound to nothing.
    pub fn of(jkt: Option<&str>, x5t_s256: Option<&str>) -> Option<Self> {
        let confirmation = Self { jkt: jkt.map(str::to_owned), x5t_s256: x5t_s256.map(str::to_owned) };
        Some(confirmation).filter(|confirmation| *confirmation != Self::default())
    }
}

/// The claims of a signed answer: whom it is for, and nothing by which it could pass as a token (RFC 9701 §5, §8.1).
#[derive(Clone, Debug, Serialize)]
pub(crate) struct SignedIntrospection<'a> {
    /// Our issuer.
    pub iss: &'a str,
    /// The client that asks.
    pub aud: &'a str,
    /// When the answer was made, in seconds.
    pub iat: i64,
    /// The answer itself.
    pub token_introspection: &'a IntrospectionResponse,
}

/// Whether the header `Accept` asks for a signed answer: it names that type, and prefers no other. No star means it, for
/// whoever sends one reads JSON.
pub(crate) fn wants_signed(accept: &str) -> bool {
    let quality = |wanted: &str| {
        let of_type = |range: &str| {
            let mut parts = range.split(';').map(str::trim);
            let is_it = parts.next().is_some_and(|name| name.eq_ignore_ascii_case(wanted));
            let weight =
                parts.find_map(|parameter| parameter.strip_prefix("q=").or_else(|| parameter.strip_prefix("Q=")));
            is_it.then(|| weight.map_or(1.0, |weight| weight.parse::<f32>().unwrap_or(0.0)))
        };
        accept.split(',').find_map(of_type).unwrap_or(0.0)
    };
    let signed = quality(SIGNED);
    signed > 0.0 && signed >= quality("application/json")
}

/// Who asks, after authentication.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asker<'a> {
    /// The client that asks.
    pub client_id: &'a str,
    /// Whether it proved who it is; public clients may not ask.
    pub is_confidential: bool,
    /// Whether an administrator lets it ask about every token.
    pub may_introspect_all: bool,
    /// The resources that this client stands for, if it is a resource server.
    pub resources: &'a [String],
}

impl Asker<'_> {
    /// Whether the token is any of the asker's business.
    pub(crate) fn may_see(&self, token_client: &str, token_resources: &[String]) -> bool {
        let own = self.client_id == token_client;
        let for_its_resource =
            !token_resources.is_empty() && self.resources.iter().any(|own| resource::covers(token_resources, own));
        self.is_confidential && (own || self.may_introspect_all || for_its_resource)
    }
}

impl Serialize for IntrospectionResponse {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Answer<'a> {
            active: bool,
            #[serde(flatten)]
            token: Option<&'a ActiveToken>,
        }
        let token = match self {
            Self::Inactive => None,
            Self::Active(token) => Some(&**token),
        };
        Answer { active: token.is_some(), token }.serialize(serializer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_inactive_token_tells_nothing() {
        assert_eq!(serde_json::to_string(&IntrospectionResponse::Inactive).unwrap(), r#"{"active":false}"#);
    }

    #[test]
    fn a_signed_answer_is_given_to_who_asks_for_it() {
        for accept in [
            SIGNED,
            "Application/Token-Introspection+JWT",
            "application/token-introspection+jwt, application/json;q=0.5",
            "application/json, application/token-introspection+jwt",
            "text/html, application/token-introspection+jwt; q=0.2",
        ] {
            assert!(wants_signed(accept), "{accept}");
        }
        for accept in [
            "",
            "*/*",
            "application/*",
            "application/json",
            "application/jwt",
            "application/token-introspection+jwt;q=0",
            "application/token-introspection+jwt;q=x",
            "application/json, application/token-introspection+jwt;q=0.9",
        ] {
            assert!(!wants_signed(accept), "{accept}");
        }
    }

    #[test]
    fn a_signed_answer_says_whom_it_is_for_and_has_nothing_of_a_token() {
        let answer =
            SignedIntrospection { iss: "i", aud: "a", iat: 1, token_introspection: &IntrospectionResponse::Inactive };
        let text = serde_json::to_string(&answer).unwrap();
        assert_eq!(text, r#"{"iss":"i","aud":"a","iat":1,"token_introspection":{"active":false}}"#);
    }

    #[test]
    fn an_active_token_is_described_without_nulls() {
        let token =
            ActiveToken { scope: "openid".to_owned(), sub: "u".to_owned(), exp: 2, iat: 1, ..Default::default() };
        let text = serde_json::to_string(&IntrospectionResponse::Active(Box::new(token))).unwrap();
        assert_eq!(text, r#"{"active":true,"scope":"openid","client_id":"","exp":2,"iat":1,"sub":"u","iss":""}"#);
    }

    #[test]
    fn a_client_sees_its_own_tokens_and_those_for_its_resource() {
        let mcp = ["https://site.example/mcp".to_owned()];
        let asker = Asker { client_id: "a", is_confidential: true, may_introspect_all: false, resources: &mcp };
        assert!(asker.may_see("a", &[]));
        assert!(!asker.may_see("b", &[]));
        assert!(asker.may_see("b", &mcp));
        assert!(!asker.may_see("b", &["https://site.example/other".to_owned()]));
        assert!(Asker { may_introspect_all: true, ..asker }.may_see("b", &[]));
    }

    #[test]
    fn a_public_client_sees_nothing() {
        let asker = Asker { client_id: "a", is_confidential: false, may_introspect_all: true, resources: &[] };
        assert!(!asker.may_see("a", &[]));
    }
}
