//! The members of client metadata (RFC 7591 section 2), a row each: parsing, storing, echoing and the OpenAPI document
//! follow from it.

use serde_json::{Map, Value};

use crate::oauth::protocol::error::{Error, ErrorCode, Result};

/// A member of client metadata.
#[derive(Clone, Copy, Debug)]
pub struct Member {
    /// The member.
    pub name: &'static str,
    /// What it holds.
    pub kind: Kind,
    /// The field of OAuth Client that keeps it; empty if several do, or none.
    pub field: &'static str,
    /// What it says, for the OpenAPI document.
    pub help: &'static str,
}

/// What a member holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Text.
    Text,
    /// A web address that people may open from our pages.
    WebUri,
    /// An address that we call ourselves: https.
    HttpsUri,
    /// A list of texts, stored a line each.
    Texts,
    /// A list of addresses, stored a line each.
    Uris,
    /// True or false.
    Switch,
    /// Any JSON.
    Json,
    /// What only [`crate::oauth::protocol::client::registration`] reads, of this type in the OpenAPI document.
    Own(&'static str),
}

use Kind::{HttpsUri, Json, Own, Switch, Text, Texts, Uris, WebUri};

const fn member(name: &'static str, kind: Kind, field: &'static str, help: &'static str) -> Member {
    Member { name, kind, field, help }
}

/// Every member that is known here, in the order of responses. What else an application sends is left out of them.
pub const MEMBERS: &[Member] = &[
    member("client_name", Text, "app_name", "The name that people read"),
    member(
        "redirect_uris",
        Own("string[]"),
        "",
        "Where responses may go, exactly; needed for the grant `authorization_code`",
    ),
    member(
        "token_endpoint_auth_method",
        Own("OAuthClientAuthenticationMethod"),
        "",
        "How the client authenticates; `client_secret_basic` if left out. Applications that register themselves cannot use `client_secret_jwt`",
    ),
    member("grant_types", Own("string[]"), "", "How it gets tokens; `authorization_code` if left out"),
    member("response_types", Own("string[]"), "", "`code`"),
    member(
        "application_type",
        Own("OAuthApplicationType"),
        "",
        "Whether it runs in a browser or is installed on a device",
    ),
    member("scope", Own("string"), "", "The most it may ask for, separated by spaces"),
    member("client_uri", WebUri, "client_uri", "Its home page"),
    member("logo_uri", WebUri, "logo_uri", "Its logo"),
    member("tos_uri", WebUri, "tos_uri", "Its terms of service"),
    member("policy_uri", WebUri, "policy_uri", "Its privacy policy"),
    member("contacts", Texts, "contacts", "The people responsible for it, usually by email address"),
    member("software_id", Text, "software_id", "An identifier of the software, the same for all its versions"),
    member("software_version", Text, "software_version", "The version of the software"),
    member("jwks_uri", HttpsUri, "jwks_uri", "Where its public keys are"),
    member("jwks", Json, "jwks", "Its public keys, as a JSON Web Key Set (RFC 7517), in place of `jwks_uri`"),
    member(
        "tls_client_auth_subject_dn",
        Own("string"),
        "",
        "The subject of its certificates (RFC 4514), with `tls_client_auth`: this or one of the four names below",
    ),
    member("tls_client_auth_san_dns", Own("string"), "", "A domain in its certificates"),
    member("tls_client_auth_san_uri", Own("string"), "", "A URI in its certificates"),
    member("tls_client_auth_san_ip", Own("string"), "", "A network address in its certificates"),
    member("tls_client_auth_san_email", Own("string"), "", "An email address in its certificates"),
    member(
        "id_token_signed_response_alg",
        Text,
        "id_token_signed_response_alg",
        "How its ID tokens are signed; `RS256` if left out",
    ),
    member(
        "introspection_signed_response_alg",
        Text,
        "introspection_signed_response_alg",
        "How introspection responses are signed, if it asks for that; `RS256` if left out (RFC 9701)",
    ),
    member("post_logout_redirect_uris", Uris, "post_logout_redirect_uris", "Where it may send people after a logout"),
    member("backchannel_logout_uri", HttpsUri, "backchannel_logout_uri", "Where it is told of logouts"),
    member(
        "dpop_bound_access_tokens",
        Switch,
        "require_dpop",
        "Whether its tokens are always bound to a key (RFC 9449)",
    ),
    member(
        "tls_client_certificate_bound_access_tokens",
        Switch,
        "tls_client_certificate_bound_access_tokens",
        "Whether its tokens are always bound to its certificate (RFC 8705)",
    ),
    member(
        "require_pushed_authorization_requests",
        Switch,
        "require_par",
        "Whether it always pushes its requests (RFC 9126)",
    ),
    member(
        "require_signed_request_object",
        Switch,
        "require_signed_request_object",
        "Whether it always signs its requests (RFC 9101)",
    ),
];

impl Member {
    /// The members that one field each keeps.
    pub fn kept() -> impl Iterator<Item = &'static Self> {
        MEMBERS.iter().filter(|member| !member.field.is_empty())
    }

    /// Its type in the OpenAPI document, as parameters name it.
    pub const fn json_type(&self) -> &'static str {
        match self.kind {
            Text | WebUri | HttpsUri => "string",
            Texts | Uris => "string[]",
            Switch => "switch",
            Json => "any",
            Own(name) => name,
        }
    }

    /// What a request says, if it says anything; lists that are empty and switches that are off say nothing.
    pub(super) fn read(&self, members: &Members<'_>) -> Result<Option<Value>> {
        let name = self.name;
        Ok(match self.kind {
            Text => members.text(name)?.map(Value::from),
            WebUri => members.address(name, |scheme| scheme == "https" || scheme == "http")?.map(Value::from),
            HttpsUri => members.address(name, |scheme| scheme == "https")?.map(Value::from),
            Texts | Uris => members.texts(name)?.filter(|texts| !texts.is_empty()).map(Value::from),
            Switch => members.flag(name)?.then_some(Value::Bool(true)),
            Json => members.get(name).cloned(),
            Own(_) => None,
        })
    }
}

/// The longest text in any field.
const MAX_TEXT: usize = 500;

/// The members of the request, `null` counting as left out.
pub(super) struct Members<'a>(pub &'a Map<String, Value>);

impl Members<'_> {
    /// A member, if it is there.
    pub(super) fn get(&self, name: &str) -> Option<&Value> {
        self.0.get(name).filter(|value| !value.is_null())
    }

    /// Whether it is there.
    pub(super) fn has(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    /// A text, if it is there and not empty.
    pub(super) fn text(&self, name: &str) -> Result<Option<String>> {
        match self.get(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(checked_text(name, text)?).filter(|text| !text.is_empty())),
            Some(_) => Err(invalid(format!("{name} must be a text"))),
        }
    }

    /// A text of which nothing is checked yet.
    pub(super) fn raw_text(&self, name: &str) -> Result<Option<&str>> {
        match self.get(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.as_str()).filter(|text| !text.is_empty())),
            Some(_) => Err(invalid(format!("{name} must be a text"))),
        }
    }

    /// A list of texts, if it is there.
    pub(super) fn texts(&self, name: &str) -> Result<Option<Vec<String>>> {
        let not_a_list = || invalid(format!("{name} must be a list of texts"));
        match self.get(name) {
            None => Ok(None),
            Some(Value::Array(values)) => values
                .iter()
                .map(|value| value.as_str().ok_or_else(not_a_list).and_then(|text| checked_text(name, text)))
                .collect::<Result<Vec<_>>>()
                .map(Some),
            Some(_) => Err(not_a_list()),
        }
    }

    /// A switch, off where it is left out.
    pub(super) fn flag(&self, name: &str) -> Result<bool> {
        match self.get(name) {
            None => Ok(false),
            Some(Value::Bool(flag)) => Ok(*flag),
            Some(_) => Err(invalid(format!("{name} must be true or false"))),
        }
    }

    fn address(&self, name: &str, accepts: impl Fn(&str) -> bool) -> Result<Option<String>> {
        let Some(text) = self.text(name)? else { return Ok(None) };
        let fits = url::Url::parse(&text).is_ok_and(|url| {
            accepts(url.scheme()) && url.host_str().is_some() && url.username().is_empty() && url.password().is_none()
        });
        if fits && !text.contains('#') { Ok(Some(text)) } else { Err(invalid(format!("{name} must be a web address"))) }
    }
}

/// A text that is short enough and holds no control characters.
pub(super) fn checked_text(name: &str, text: &str) -> Result<String> {
    // Redirect URIs have a limit and an error of their own.
    if name != "redirect_uris" && (text.len() > MAX_TEXT || text.contains(char::is_control)) {
        // A scope may be long: it lists DocTypes.
        if name != "scope" || text.len() > 10 * MAX_TEXT {
            return Err(invalid(format!("{name} is too long or contains control characters")));
        }
    }
    Ok(text.to_owned())
}

/// The error for metadata that is wrong.
pub(super) fn invalid(description: impl Into<std::borrow::Cow<'static, str>>) -> Error {
    Error::new(ErrorCode::InvalidClientMetadata, description)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// What a row of its own reads from a request, and the error that names it otherwise.
    #[test]
    fn a_row_is_all_that_a_new_member_takes() {
        for (kind, sent, wrong) in [
            (Text, json!("blue"), json!(["blue"])),
            (WebUri, json!("http://app.example/colour"), json!("javascript:alert(1)")),
            (HttpsUri, json!("https://app.example/colour"), json!("http://app.example/colour")),
            (Texts, json!(["blue", "green"]), json!("blue")),
            (Uris, json!(["https://app.example/colour"]), json!([1])),
            (Switch, json!(true), json!("yes")),
            (Json, json!({"hue": 240}), Value::Null),
        ] {
            let colour = member("colour", kind, "colour", "The colour that it likes");
            let read = |value: Value| {
                let request = Map::from_iter([("colour".to_owned(), value)]);
                colour.read(&Members(&request))
            };
            assert_eq!(read(sent.clone()).unwrap(), Some(sent), "{kind:?}");
            match read(wrong) {
                Ok(said) => assert_eq!(said, None, "{kind:?}"),
                Err(error) => assert!(error.description().starts_with("colour "), "{kind:?}: {error}"),
            }
        }
        for (kind, empty) in [(Text, json!("")), (Texts, json!([])), (Switch, json!(false)), (Json, Value::Null)] {
            let request = Map::from_iter([("colour".to_owned(), empty)]);
            assert_eq!(member("colour", kind, "", "").read(&Members(&request)).unwrap(), None, "{kind:?}");
        }
    }
}
