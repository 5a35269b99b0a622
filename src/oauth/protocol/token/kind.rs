//! Tokens as clients see them: prefixes, and the answer of the token endpoint (RFC 6749 §5.1), which goes out with
//! `Cache-Control: no-store`.

use poem_openapi::Object;
use serde::{Deserialize, Serialize};

use crate::oauth::protocol::serve::challenge::TokenScheme;
use crate::oauth::protocol::serve::scope::ScopeSet;
use crate::secret;

/// The kinds of secrets that we issue; each has a prefix of its own, so that none passes for another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TokenKind {
    /// Opens the API.
    AccessToken,
    /// Renews access.
    RefreshToken,
    /// Is exchanged once for tokens.
    AuthorizationCode,
    /// Proves who a client is.
    ClientSecret,
    /// Manages a registration (RFC 7592).
    RegistrationAccessToken,
    /// Lets a device ask for its tokens (RFC 8628).
    DeviceCode,
}

impl TokenKind {
    /// Every kind.
    pub const ALL: [Self; 6] = [
        Self::AccessToken,
        Self::RefreshToken,
        Self::AuthorizationCode,
        Self::ClientSecret,
        Self::RegistrationAccessToken,
        Self::DeviceCode,
    ];

    /// The prefix.
    pub const fn prefix(self) -> &'static str {
        match self {
            Self::AccessToken => "dt_at_",
            Self::RefreshToken => "dt_rt_",
            Self::AuthorizationCode => "dt_ac_",
            Self::ClientSecret => "dt_cs_",
            Self::RegistrationAccessToken => "dt_reg_",
            Self::DeviceCode => "dt_dc_",
        }
    }

    /// A new secret of this kind, to be shown once and stored as a digest.
    pub fn generate(self) -> String {
        secret::random_token(self.prefix())
    }

    /// The kind of a text that we may have issued: by prefix and checksum, without a look into the database.
    pub fn recognise(token: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|kind| token.starts_with(kind.prefix()))
            .filter(|_| secret::has_valid_checksum(token))
    }
}

/// Tokens (RFC 6749 section 5.1).
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, Object)]
#[oai(rename = "OAuthTokens")]
pub(crate) struct TokenResponse {
    /// The access token.
    pub access_token: String,
    /// How to present it.
    pub token_type: TokenScheme,
    /// For how many seconds the access token holds.
    pub expires_in: u64,
    /// The token that renews it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refresh_token: Option<String>,
    /// What was granted, separated by spaces: always told, so that no client has to guess.
    pub scope: String,
    /// Who logged in: a JWT (OpenID Connect Core section 2).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id_token: Option<String>,
    /// After an exchange: what the token is (RFC 8693 section 2.2.1).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub issued_token_type: Option<String>,
}

impl TokenResponse {
    /// An answer with an access token only.
    pub(crate) fn new(access_token: String, token_type: TokenScheme, expires_in: u64, scopes: &ScopeSet) -> Self {
        Self {
            access_token,
            token_type,
            expires_in,
            refresh_token: None,
            scope: scopes.to_string(),
            id_token: None,
            issued_token_type: None,
        }
    }
}

/// Shows everything but the tokens.
impl std::fmt::Debug for TokenResponse {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TokenResponse")
            .field("token_type", &self.token_type)
            .field("expires_in", &self.expires_in)
            .field("scope", &self.scope)
            .finish_non_exhaustive()
    }
}

/// The access token in an `Authorization` header, with its scheme; none for other schemes.
pub(crate) fn from_authorization(header: &str) -> Option<(TokenScheme, &str)> {
    let (scheme, token) = header.split_once(' ')?;
    let scheme = match scheme {
        _ if scheme.eq_ignore_ascii_case("Bearer") => TokenScheme::Bearer,
        _ if scheme.eq_ignore_ascii_case("DPoP") => TokenScheme::Dpop,
        _ => return None,
    };
    let token = token.trim();
    let is_token68 = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~+/=".contains(&byte);
    (!token.is_empty() && token.bytes().all(is_token68)).then_some((scheme, token))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_is_recognised_by_prefix_and_checksum() {
        for kind in TokenKind::ALL {
            let token = kind.generate();
            assert_eq!(TokenKind::recognise(&token), Some(kind));
            assert_eq!(TokenKind::recognise(&token[..token.len() - 1]), None);
        }
        assert_eq!(TokenKind::recognise("dt_at_"), None);
        assert_eq!(TokenKind::recognise(""), None);
    }

    #[test]
    fn the_answer_has_no_nulls() {
        let scopes = ScopeSet::parse("openid all").unwrap();
        let response = TokenResponse::new("dt_at_x".to_owned(), TokenScheme::Bearer, 3600, &scopes);
        assert_eq!(
            serde_json::to_string(&response).unwrap(),
            r#"{"access_token":"dt_at_x","token_type":"Bearer","expires_in":3600,"scope":"openid all"}"#
        );
        assert!(!format!("{response:?}").contains("dt_at_x"));
    }

    #[test]
    fn the_header_carries_bearer_or_dpop_tokens() {
        assert_eq!(from_authorization("Bearer abc"), Some((TokenScheme::Bearer, "abc")));
        assert_eq!(from_authorization("bearer abc"), Some((TokenScheme::Bearer, "abc")));
        assert_eq!(from_authorization("DPoP a.b-c_d~e+f/g="), Some((TokenScheme::Dpop, "a.b-c_d~e+f/g=")));
        for header in ["Bearer", "Bearer ", "Bearer a b", "Basic YTpi", "token a:b", "Bearer a\"b", ""] {
            assert_eq!(from_authorization(header), None, "{header}");
        }
    }
}
