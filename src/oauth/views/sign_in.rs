//! The facts of a sign-in, stored alike with authorization codes, device codes and tokens.

use chrono::{DateTime, Utc};

use crate::document::view::view;

view! {
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
}
