//! Talking to a provider's token endpoint: client authentication, the answer, and revocation.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::TimeDelta;
use poem::http::Method;
use poem::http::header::{ACCEPT, AUTHORIZATION};
use serde_json::{Map, Value as Json, json};

use crate::document::Documents;
use crate::foreign;
use crate::oauth::client::private_key;
use crate::oauth::protocol::client::client_authentication::{ASSERTION_TYPE, basic_header};
use crate::oauth::provider_error::{ProviderError, clean};
use crate::outgoing::{Fetched, MAX_ANSWER_BYTES, Outgoing, OutgoingError};
use crate::secret::{self, PrivateKey};

/// How long a client assertion is valid.
const ASSERTION_LIFETIME: TimeDelta = TimeDelta::seconds(60);
/// The longest lifetime of a token that is believed: beyond it the number is nonsense.
const MAX_LIFETIME: i64 = 10 * 366 * 86_400;
/// How long telling a provider that a token is no longer needed may take.
const REVOCATION_TIMEOUT: Duration = Duration::from_secs(5);

/// How this site proves to a provider who it is.
#[derive(Debug)]
pub(crate) enum ClientAuthentication {
    /// The secret in the `Authorization` header.
    Basic(String),
    /// The secret in the body.
    Post(String),
    /// A signed assertion (RFC 7523).
    PrivateKeyJwt {
        /// The key.
        key: PrivateKey,
        /// The id under which the provider knows it.
        kid: Option<String>,
    },
    /// By its id alone.
    None,
}

/// This site as a client of one provider.
#[derive(Debug)]
pub(crate) struct ProviderClient {
    /// The id that the provider gave.
    pub client_id: String,
    /// The proof.
    pub authentication: ClientAuthentication,
    /// Whom an assertion is meant for: the issuer, or the token endpoint where no issuer is known.
    pub audience: String,
}

/// What a token endpoint gave.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct TokenAnswer {
    /// The access token.
    pub access_token: String,
    /// The refresh token, if there is a new one.
    pub refresh_token: Option<String>,
    /// For how many seconds the access token is valid.
    pub expires_in: Option<i64>,
    /// The scope, if it differs from what was asked.
    pub scope: Option<String>,
    /// The ID token.
    pub id_token: Option<String>,
}

impl std::fmt::Debug for TokenAnswer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TokenAnswer")
            .field("expires_in", &self.expires_in)
            .field("scope", &self.scope)
            .finish_non_exhaustive()
    }
}

impl ClientAuthentication {
    /// From the field `token_endpoint_auth_method` and the secrets beside it.
    pub(crate) fn from_label(
        label: &str,
        secret: Option<String>,
        key: Option<&str>,
        key_id: &str,
    ) -> Result<Self, ProviderError> {
        let secret = || secret.filter(|secret| !secret.is_empty());
        let missing = |what: &str| ProviderError::Setup(format!("{what} is missing: enter what the provider gave you"));
        Ok(match label {
            "Client Secret Post" => Self::Post(secret().ok_or_else(|| missing("Client Secret"))?),
            "Private Key JWT" => {
                let text = key.filter(|key| !key.is_empty()).ok_or_else(|| missing("Private Key"))?;
                let named = private_key::parse(text).map_err(|reason| ProviderError::Setup(reason.to_owned()))?;
                Self::PrivateKeyJwt {
                    key: named.key,
                    kid: Some(key_id.to_owned()).filter(|kid| !kid.is_empty()).or(named.kid),
                }
            }
            "None" => Self::None,
            _ => Self::Basic(secret().ok_or_else(|| missing("Client Secret"))?),
        })
    }
}

impl ClientAuthentication {
    /// What of it goes over the wire.
    fn secrets(&self, client_id: &str) -> Vec<String> {
        match self {
            Self::Basic(secret) => {
                let header = basic_header(client_id, secret);
                vec![secret.clone(), header.trim_start_matches("Basic ").to_owned()]
            }
            Self::Post(secret) => vec![secret.clone()],
            Self::PrivateKeyJwt { .. } | Self::None => Vec::new(),
        }
    }
}

impl ProviderClient {
    /// Asks for tokens (RFC 6749 §4.1.3, §4.4.2, §6).
    pub(crate) async fn token(
        &self,
        (outgoing, documents): (&Outgoing, &Documents),
        endpoint: &str,
        parameters: Vec<(&str, String)>,
    ) -> Result<TokenAnswer, ProviderError> {
        let sent: Vec<String> =
            parameters.iter().filter(|(name, _)| is_secret(name)).map(|(_, value)| value.clone()).collect();
        let answer = self.post((outgoing, documents), endpoint, parameters).await?;
        parse_answer(&answer)
            .map_err(|error| error.without(&sent).without(&self.authentication.secrets(&self.client_id)))
    }

    /// Tells the provider that a token is no longer needed (RFC 7009). Bounded in time; an unknown token is not a failure.
    pub(crate) async fn revoke(
        &self,
        (outgoing, documents): (&Outgoing, &Documents),
        endpoint: &str,
        token: String,
        hint: &str,
    ) -> Result<(), ProviderError> {
        let parameters = vec![("token", token), ("token_type_hint", hint.to_owned())];
        let posting = self.post((outgoing, documents), endpoint, parameters);
        match tokio::time::timeout(REVOCATION_TIMEOUT, posting).await {
            Ok(answer) => {
                answer?.successful()?;
                Ok(())
            }
            Err(_) => Err(OutgoingError::Timeout("The revocation endpoint".to_owned()).into()),
        }
    }

    async fn post(
        &self,
        (outgoing, documents): (&Outgoing, &Documents),
        endpoint: &str,
        mut parameters: Vec<(&str, String)>,
    ) -> Result<Fetched, ProviderError> {
        let mut basic = None;
        match &self.authentication {
            ClientAuthentication::Basic(secret) => basic = Some(basic_header(&self.client_id, secret)),
            ClientAuthentication::Post(secret) => {
                parameters.push(("client_id", self.client_id.clone()));
                parameters.push(("client_secret", secret.clone()));
            }
            ClientAuthentication::PrivateKeyJwt { key, kid } => {
                parameters.push(("client_id", self.client_id.clone()));
                parameters.push(("client_assertion_type", ASSERTION_TYPE.to_owned()));
                parameters.push(("client_assertion", self.assertion(documents, key, kid.as_deref())));
            }
            ClientAuthentication::None => parameters.push(("client_id", self.client_id.clone())),
        }
        let answer = outgoing.fetch(documents, Method::POST, endpoint, MAX_ANSWER_BYTES, |post| {
            let post = post.header(ACCEPT, "application/json").form(&parameters);
            match basic {
                Some(basic) => post.header(AUTHORIZATION, basic),
                None => post,
            }
        });
        Ok(answer.await?)
    }

    /// RFC 7523 §3, made for this one request.
    fn assertion(&self, documents: &Documents, key: &PrivateKey, kid: Option<&str>) -> String {
        let now = documents.clock().now();
        let claims = json!({
            "iss": self.client_id,
            "sub": self.client_id,
            "aud": self.audience,
            "jti": secret::random_id(),
            "iat": now.timestamp(),
            "exp": (now + ASSERTION_LIFETIME).timestamp(),
        });
        // A `kid` that the provider does not know would be worse than none.
        let mut header = json!({"alg": key.algorithm().as_str(), "typ": "JWT"});
        if let Some(kid) = kid {
            header["kid"] = Json::from(kid);
        }
        let signed =
            format!("{}.{}", URL_SAFE_NO_PAD.encode(header.to_string()), URL_SAFE_NO_PAD.encode(claims.to_string()));
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(key.sign(signed.as_bytes())))
    }
}

/// Whether a parameter of a request must not be repeated in a message, whatever a provider repeats.
fn is_secret(name: &str) -> bool {
    matches!(name, "code" | "code_verifier" | "refresh_token" | "token")
}

/// The members of an answer: JSON, or a form as some older providers send it.
fn members(answer: &Fetched) -> Option<Map<String, Json>> {
    if let Ok(members) = answer.json::<Map<String, Json>>() {
        return Some(members);
    }
    let is_form = matches!(answer.media_type().as_str(), "application/x-www-form-urlencoded" | "text/plain");
    let pairs = url::form_urlencoded::parse(&answer.body);
    let members: Map<String, Json> =
        pairs.map(|(name, value)| (name.into_owned(), Json::from(value.into_owned()))).collect();
    // Any text reads as a form of some kind: what counts is whether it says anything.
    let says_something = members.contains_key("access_token") || members.contains_key("error");
    (is_form && says_something).then_some(members)
}

fn parse_answer(answer: &Fetched) -> Result<TokenAnswer, ProviderError> {
    let members = members(answer);
    // Some providers say `error` with the status 200.
    let error = members.as_ref().and_then(|members| foreign::get(members, "error"));
    if let (Some(members), Some(error)) = (&members, error) {
        let text = |name: &str| foreign::text(members, name).unwrap_or_default();
        // Facebook's errors are objects.
        let code = error.as_str().or_else(|| error["type"].as_str()).unwrap_or("error");
        let description = error["message"].as_str().unwrap_or_else(|| text("error_description"));
        let tokens = ["access_token", "refresh_token", "id_token"].map(|name| text(name).to_owned());
        return Err(ProviderError::refused(&answer.host, code, description).without(&tokens));
    }
    if answer.status.is_redirection() {
        return Err(OutgoingError::Redirect(answer.host.clone()).into());
    }
    if !answer.status.is_success() {
        let error = OutgoingError::Status { host: answer.host.clone(), status: answer.status.as_u16() };
        return Err(error.into());
    }
    let members = members.ok_or_else(|| OutgoingError::NotJson(answer.host.clone()))?;
    let text = |name: &str| foreign::text(&members, name).map(str::to_owned);
    let access_token = text("access_token").filter(|token| token.bytes().all(|byte| byte.is_ascii_graphic()));
    let Some(access_token) = access_token else {
        return Err(ProviderError::bad_answer(&answer.host, "it holds no access token"));
    };
    // RFC 6749 §7.1: a token of a kind that is not understood must not be used.
    if let Some(kind) = text("token_type").filter(|kind| !kind.eq_ignore_ascii_case("Bearer")) {
        let kind = clean(&kind);
        return Err(ProviderError::bad_answer(&answer.host, format!("its tokens are of the kind {kind}, not Bearer")));
    }
    let expires_in = foreign::get(&members, "expires_in")
        .and_then(foreign::integer)
        .filter(|seconds| (1..=MAX_LIFETIME).contains(seconds));
    Ok(TokenAnswer {
        access_token,
        refresh_token: text("refresh_token"),
        expires_in,
        // Some providers make a list of it.
        scope: foreign::texts(&members, "scope").map(|scopes| scopes.join(" ")),
        id_token: text("id_token"),
    })
}

#[cfg(test)]
mod tests {
    use poem::http::StatusCode;
    use poem::http::header::{CONTENT_TYPE, HeaderMap, HeaderValue};

    use super::*;

    fn answer(status: u16, media_type: &'static str, body: &str) -> Result<TokenAnswer, ProviderError> {
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(media_type));
        parse_answer(&Fetched {
            host: "login.example".to_owned(),
            status: StatusCode::from_u16(status).unwrap(),
            headers,
            body: body.as_bytes().to_vec(),
        })
    }

    #[test]
    fn an_answer_is_read_as_json_and_as_a_form() {
        let json =
            r#"{"access_token":"a","token_type":"bearer","expires_in":"3600","refresh_token":"r","scope":"x y"}"#;
        let read = answer(200, "application/json", json).unwrap();
        assert_eq!((read.access_token.as_str(), read.expires_in), ("a", Some(3600)));
        assert_eq!(read.refresh_token.as_deref(), Some("r"));
        let form = answer(200, "application/x-www-form-urlencoded; charset=utf-8", "access_token=a&scope=user%3Aemail");
        assert_eq!(form.unwrap().scope.as_deref(), Some("user:email"));
    }

    #[test]
    fn members_that_say_nothing_or_are_of_a_neighbouring_type_are_read() {
        for (value, expected) in [("3600.0", 3600), ("3599.9", 3599), ("\"3600\"", 3600), ("\"3600.0\"", 3600)] {
            let body = format!(
                "\u{feff}{{\"access_token\":\"a\",\"expires_in\":{value},\"error\":null,\"refresh_token\":\"\",\"scope\":[\"x\",\"y\"]}}"
            );
            let read = answer(200, "application/json", &body).unwrap();
            assert_eq!((read.expires_in, read.refresh_token), (Some(expected), None), "{value}");
            assert_eq!(read.scope.as_deref(), Some("x y"));
        }
        for void in ["null", "[]", "\"\""] {
            let body = format!(
                r#"{{"access_token":"a","error":{void},"token_type":{void},"scope":{void},"id_token":{void}}}"#
            );
            let read = answer(200, "application/json", &body).unwrap();
            assert_eq!((read.scope, read.id_token), (None, None), "{void}");
        }
    }

    #[test]
    fn what_is_no_grant_is_told_apart() {
        for (status, media_type, body, says) in [
            (400, "application/json", r#"{"error":"invalid_grant"}"#, "invalid_grant"),
            (200, "application/json", r#"{"error":"bad_verification_code"}"#, "bad_verification_code"),
            (400, "application/json", r#"{"error":{"type":"OAuthException","message":"No"}}"#, "OAuthException; No"),
            (200, "application/json", r#"{"token_type":"Bearer"}"#, "no access token"),
            (200, "application/json", r#"{"access_token":"a\nb"}"#, "no access token"),
            (200, "application/json", r#"{"access_token":"a","token_type":"DPoP"}"#, "DPoP"),
            (200, "text/html", "<html>", "JSON"),
            (200, "text/plain", "{\"access_token\":", "JSON"),
            (500, "text/html", "<html>", "500"),
            (302, "text/html", "", "redirect"),
        ] {
            let error = answer(status, media_type, body).unwrap_err().to_string();
            assert!(error.contains(says), "{body}: {error}");
        }
    }

    #[test]
    fn a_lifetime_that_is_nonsense_is_left_out() {
        for value in ["-1", "0", "1e99", "99999999999999", "null", "\"soon\""] {
            let body = format!(r#"{{"access_token":"a","expires_in":{value}}}"#);
            assert_eq!(answer(200, "application/json", &body).unwrap().expires_in, None, "{value}");
        }
    }
}
