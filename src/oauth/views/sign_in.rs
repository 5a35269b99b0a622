//! The facts of a sign-in, stored alike with authorization codes, device codes and tokens.

use chrono::{DateTime, Utc};

use crate::meta::Value;
use crate::oauth::views::fields::{Fields, text_value, time_value};

/// How and when a person proved who they are.
#[derive(Clone, Debug, Default)]
pub(crate) struct SignIn {
    /// `sid`: the Session document of the browser (OpenID Connect Front-Channel Logout §3).
    pub sid: Option<String>,
    /// `auth_time`: when they proved who they are (OpenID Connect Core §2).
    pub auth_time: Option<DateTime<Utc>>,
    /// `acr`: the authentication context class (OpenID Connect Core §2).
    pub acr: Option<String>,
    /// `amr`: the authentication methods, separated by spaces (RFC 8176).
    pub amr: Option<String>,
}

impl SignIn {
    /// Reads the facts from a document that holds them.
    pub(crate) fn read(fields: Fields<'_>) -> Self {
        Self {
            sid: fields.optional("sid"),
            auth_time: fields.time("auth_time"),
            acr: fields.optional("acr"),
            amr: fields.optional("amr"),
        }
    }

    /// The fields to be stored.
    pub(crate) fn values(&self) -> [(&'static str, Value); 4] {
        [
            ("sid", text_value(self.sid.as_deref())),
            ("auth_time", self.auth_time.map_or(Value::Null, time_value)),
            ("acr", text_value(self.acr.as_deref())),
            ("amr", text_value(self.amr.as_deref())),
        ]
    }
}
