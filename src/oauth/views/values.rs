//! How fields are read into the protocol's types, and how these are stored.

use crate::document::view::{FieldValue, text_value};
use crate::meta::{Document, Value};
use crate::oauth::protocol::ScopeSet;
use crate::oauth::protocol::authorize::pkce::CodeChallenge;
use crate::oauth::protocol::client::client_authentication::Method;
use crate::oauth::protocol::client::redirect_uri::ApplicationType;

/// Scopes that were checked when they were saved.
impl FieldValue for ScopeSet {
    fn read(document: &Document, fieldname: &str) -> Self {
        Self::from_stored(&document.text(fieldname).replace(',', " "))
    }

    fn to_value(&self) -> Value {
        text_value(Some(&self.to_string()))
    }
}

/// Token Endpoint Auth Method; without one, `client_secret_basic` (RFC 7591 §2).
impl FieldValue for Method {
    fn read(document: &Document, fieldname: &str) -> Self {
        Self::from_label(document.text(fieldname)).unwrap_or(Self::ClientSecretBasic)
    }

    fn to_value(&self) -> Value {
        Value::from(self.label())
    }
}

/// Application Type; without one, a website (OpenID Connect Dynamic Client Registration §2).
impl FieldValue for ApplicationType {
    fn read(document: &Document, fieldname: &str) -> Self {
        if document.text(fieldname) == "Native" { Self::Native } else { Self::Web }
    }

    fn to_value(&self) -> Value {
        Value::from(if *self == Self::Native { "Native" } else { "Web" })
    }
}

/// A code challenge; its method is always S256.
impl FieldValue for Option<CodeChallenge> {
    fn read(document: &Document, fieldname: &str) -> Self {
        CodeChallenge::from_stored(document.text(fieldname))
    }

    fn to_value(&self) -> Value {
        text_value(self.as_ref().map(CodeChallenge::as_str))
    }
}
