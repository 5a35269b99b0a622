//! Parameters of a request, read strictly, and what a token request asks for (RFC 6749 §3.1, §3.2, appendix B).

use std::borrow::Cow;
use std::fmt;

use percent_encoding::percent_decode_str;

use crate::oauth::protocol::error::{Error, ErrorCode, Result};

/// Parameters that may be named several times (RFC 8707 §2, RFC 8693 §2.1).
const REPEATABLE: [&str; 2] = ["resource", "audience"];

/// The parameters of one request, in order, without those that have no value.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Parameters {
    pairs: Vec<(String, String)>,
    repeated: Vec<String>,
}

impl Parameters {
    /// Reads a query string or a form body (`application/x-www-form-urlencoded`).
    ///
    /// Repetition is noted, not refused, because the authorization endpoint has to know first where its errors go:
    /// see [`Parameters::refuse_repeated`].
    pub fn parse(form: &str) -> Result<Self> {
        let mut all = Vec::new();
        for pair in form.split('&').filter(|pair| !pair.is_empty()) {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            all.push((decode(key)?.into_owned(), decode(value)?.into_owned()));
        }
        Ok(Self::from_pairs(all))
    }

    /// Takes parameters that were decoded elsewhere, such as the members of a request object.
    pub fn from_pairs(all: impl IntoIterator<Item = (String, String)>) -> Self {
        let mut parameters = Self::default();
        let mut seen = Vec::new();
        for (key, value) in all {
            // Repetition counts even without a value: two answers to one question are never meant.
            if seen.contains(&key) && !REPEATABLE.contains(&&*key) && !parameters.repeated.contains(&key) {
                parameters.repeated.push(key.clone());
            }
            seen.push(key.clone());
            // A parameter without a value counts as left out (RFC 6749 §3.1).
            if !value.is_empty() {
                parameters.pairs.push((key, value));
            }
        }
        parameters
    }

    /// Reads a form body that may not repeat anything: token, revocation, introspection and the like.
    pub fn parse_strictly(form: &str) -> Result<Self> {
        let parameters = Self::parse(form)?;
        parameters.refuse_repeated()?;
        Ok(parameters)
    }

    /// The value of a parameter.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.pairs.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// All values of a parameter that may be repeated.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.pairs.iter().filter(move |(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// The value of a parameter that must be there.
    pub fn require(&self, name: &'static str) -> Result<&str> {
        self.get(name).ok_or_else(|| Error::invalid_request(format!("{name} is missing")))
    }

    /// Whether the parameter was named more than once although it may not be.
    pub fn is_repeated(&self, name: &str) -> bool {
        self.repeated.iter().any(|repeated| repeated == name)
    }

    /// An error if anything was named more than once that may not be.
    pub fn refuse_repeated(&self) -> Result<()> {
        match self.repeated.first() {
            None => Ok(()),
            Some(name) => Err(Error::invalid_request(format!("{name} was sent more than once"))),
        }
    }

    /// The parameters as name and value, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.pairs.iter().map(|(key, value)| (key.as_str(), value.as_str()))
    }
}

/// Shows the names only: the values are codes, secrets and tokens.
impl fmt::Debug for Parameters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.pairs.iter().map(|(key, _)| key)).finish()
    }
}

/// Is this the content type that token endpoints read?
pub(crate) fn is_form(content_type: Option<&str>) -> bool {
    content_type
        .and_then(|value| value.split(';').next())
        .is_some_and(|essence| essence.trim().eq_ignore_ascii_case("application/x-www-form-urlencoded"))
}

/// Form-decodes one text: `+` is a space, `%41` an `A`, and the result must be UTF-8 without NUL.
pub(crate) fn decode(text: &str) -> Result<Cow<'_, str>> {
    let decoded = if text.contains('+') {
        let spaced = text.replace('+', " ");
        percent_decode_str(&spaced).decode_utf8().map(|text| Cow::Owned(text.into_owned()))
    } else {
        percent_decode_str(text).decode_utf8()
    };
    match decoded {
        Ok(text) if !text.contains('\0') => Ok(text),
        _ => Err(Error::invalid_request("A parameter is not valid UTF-8")),
    }
}

/// How a client gets a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum GrantType {
    /// By a code (RFC 6749 §4.1).
    AuthorizationCode,
    /// By a refresh token (RFC 6749 §6).
    RefreshToken,
    /// For itself (RFC 6749 §4.4).
    ClientCredentials,
    /// By a device code (RFC 8628).
    DeviceCode,
    /// By a token that is exchanged (RFC 8693).
    TokenExchange,
    /// By a statement of a trusted server (RFC 7523 §2.1).
    JwtBearer,
}

impl GrantType {
    /// Every grant that we know; implicit and password are things of the past.
    pub const ALL: [Self; 6] = [
        Self::AuthorizationCode,
        Self::RefreshToken,
        Self::ClientCredentials,
        Self::DeviceCode,
        Self::TokenExchange,
        Self::JwtBearer,
    ];

    /// The value of `grant_type`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::AuthorizationCode => "authorization_code",
            Self::RefreshToken => "refresh_token",
            Self::ClientCredentials => "client_credentials",
            Self::DeviceCode => "urn:ietf:params:oauth:grant-type:device_code",
            Self::TokenExchange => "urn:ietf:params:oauth:grant-type:token-exchange",
            Self::JwtBearer => "urn:ietf:params:oauth:grant-type:jwt-bearer",
        }
    }

    /// The option of the field Grant Type of OAuth Bearer Token.
    pub const fn label(self) -> &'static str {
        match self {
            Self::AuthorizationCode => "Authorization Code",
            Self::RefreshToken => "Refresh Token",
            Self::ClientCredentials => "Client Credentials",
            Self::DeviceCode => "Device Code",
            Self::TokenExchange => "Token Exchange",
            Self::JwtBearer => "JWT Bearer",
        }
    }

    /// Whether somebody signs in here with it, so that there is an ID token for the scope `openid`.
    pub const fn is_sign_in(self) -> bool {
        matches!(self, Self::AuthorizationCode | Self::RefreshToken | Self::DeviceCode)
    }

    /// The grant that a token request names.
    pub fn of(parameters: &Parameters) -> Result<Self> {
        let grant = Self::parse(parameters.require("grant_type")?);
        grant.ok_or_else(|| Error::new(ErrorCode::UnsupportedGrantType, "This grant_type is not supported"))
    }

    /// The grant of that name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|grant| grant.as_str() == name)
    }

    /// Whether an administrator has to allow it to a client: a client that registers itself does not get it.
    pub const fn needs_administrator(self) -> bool {
        matches!(self, Self::ClientCredentials | Self::TokenExchange | Self::JwtBearer)
    }
}

/// An endpoint whose parameters belong in the body was sent some in the query (they would end up in logs).
pub(crate) fn refuse_query(query: Option<&str>) -> Result<()> {
    match query {
        Some(query) if !query.is_empty() => {
            Err(Error::invalid_request("Send the parameters in the body of the request, not in its address"))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use url::form_urlencoded;

    use super::*;

    #[test]
    fn forms_are_decoded() {
        let parameters = Parameters::parse("a=1+2%2B3&b=%C3%BC&c&d=&&e=x=y").unwrap();
        assert_eq!(parameters.get("a"), Some("1 2+3"));
        assert_eq!(parameters.get("b"), Some("ü"));
        assert_eq!(parameters.get("e"), Some("x=y"));
    }

    #[test]
    fn a_parameter_without_value_counts_as_left_out() {
        let parameters = Parameters::parse("scope=&state").unwrap();
        assert_eq!(parameters.get("scope"), None);
        assert_eq!(parameters.require("state").unwrap_err().description(), "state is missing");
    }

    #[test]
    fn a_repeated_parameter_is_refused() {
        for body in ["code=a&code=b", "code=a&code=a", "code=&code=a", "x=1&x=2", "c%6Fde=a&code=b"] {
            assert_eq!(Parameters::parse_strictly(body).unwrap_err().code(), ErrorCode::InvalidRequest, "{body}");
        }
    }

    #[test]
    fn resource_may_be_repeated() {
        let parameters = Parameters::parse_strictly("resource=https://a.example&resource=https://b.example").unwrap();
        assert_eq!(parameters.all("resource").collect::<Vec<_>>(), ["https://a.example", "https://b.example"]);
    }

    #[test]
    fn what_is_not_utf8_is_refused() {
        assert!(Parameters::parse("a=%FF").is_err());
        assert!(Parameters::parse("a=%00").is_err());
    }

    #[test]
    fn debug_shows_no_values() {
        let parameters = Parameters::parse("client_secret=hunter2&code=dt_ac_x").unwrap();
        let shown = format!("{parameters:?}");
        assert!(shown.contains("client_secret") && !shown.contains("hunter2") && !shown.contains("dt_ac_x"));
    }

    #[test]
    fn a_token_request_names_its_grant() {
        for grant in GrantType::ALL {
            let body =
                url::form_urlencoded::Serializer::new(String::new()).append_pair("grant_type", grant.as_str()).finish();
            assert_eq!(GrantType::of(&Parameters::parse(&body).unwrap()).unwrap(), grant);
        }
        assert_eq!(GrantType::of(&Parameters::parse("code=x").unwrap()).unwrap_err().code(), ErrorCode::InvalidRequest);
    }

    #[test]
    fn the_password_grant_does_not_exist() {
        for grant in ["password", "implicit", "", "urn:ietf:params:oauth:grant-type:saml2-bearer"] {
            let body = format!("grant_type={grant}&username=a&password=b");
            let error = GrantType::of(&Parameters::parse(&body).unwrap()).unwrap_err();
            let expected = if grant.is_empty() { ErrorCode::InvalidRequest } else { ErrorCode::UnsupportedGrantType };
            assert_eq!(error.code(), expected, "{grant}");
        }
    }

    #[test]
    fn parameters_in_the_address_of_the_token_endpoint_are_refused() {
        assert!(refuse_query(Some("client_secret=x")).is_err());
        assert!(refuse_query(Some("")).is_ok() && refuse_query(None).is_ok());
    }

    #[test]
    fn only_forms_are_read() {
        assert!(is_form(Some("application/x-www-form-urlencoded; charset=UTF-8")));
        assert!(!is_form(Some("application/json")) && !is_form(None));
    }

    proptest! {
        #[test]
        fn every_pair_survives_encoding(pairs in proptest::collection::vec(("[a-z]{1,8}", "[^\\x00]{1,20}"), 0..6)) {
            let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(&pairs).finish();
            let parameters = Parameters::parse(&body).unwrap();
            let read: Vec<_> = parameters.iter().map(|(k, v)| (k.to_owned(), v.to_owned())).collect();
            prop_assert_eq!(read, pairs);
        }

        #[test]
        fn a_repetition_is_always_found(
            names in proptest::collection::vec(proptest::sample::select(&["a", "b", "c", "d", "resource"][..]), 0..6),
        ) {
            let body = names.iter().map(|name| format!("{name}=1")).collect::<Vec<_>>().join("&");
            let mut unique: Vec<_> = names.iter().filter(|name| **name != "resource").collect();
            let total = unique.len();
            unique.sort_unstable();
            unique.dedup();
            prop_assert_eq!(Parameters::parse_strictly(&body).is_err(), unique.len() < total);
        }

        #[test]
        fn a_repetition_is_found_however_its_name_is_written(
            name in "[a-z_]{1,12}", encoded in any::<prop::sample::Index>(), between in "(&[a-z]=[0-9]){0,3}",
        ) {
            prop_assume!(name != "resource");
            let at = encoded.index(name.len());
            let disguised = format!("{}%{:02X}{}", &name[..at], name.as_bytes()[at], &name[at + 1..]);
            let once = format!("{name}=1{between}");
            let names: Vec<_> = once.split('&').map(|pair| pair.split('=').next().unwrap()).collect();
            let is_unique = names.iter().all(|name| names.iter().filter(|other| *other == name).count() == 1);
            prop_assert_eq!(Parameters::parse_strictly(&once).is_ok(), is_unique);
            let twice = format!("{once}&{disguised}=2");
            prop_assert!(Parameters::parse_strictly(&twice).is_err());
        }

        #[test]
        fn parsing_never_panics(body in ".*") {
            let _ = Parameters::parse(&body).and_then(|parameters| GrantType::of(&parameters));
        }
    }
}
