//! The person in front of the browser.

use chrono::{DateTime, Utc};

use crate::document::view::parse_time;
use crate::error::Result;
use crate::oauth::protocol::token::id_token;
use crate::oauth::subject::subject_of;
use crate::oauth::views::SignIn;
use crate::permissions::Session;
use crate::secret;
use crate::web::{Credentials, Exchange};

/// The person in front of the browser.
pub(crate) struct Person {
    /// The name of the User.
    pub user: String,
    /// `sub`: under which clients know them.
    pub subject: String,
    /// `sid`: the Session document.
    pub sid: String,
    /// `auth_time`: when they proved who they are.
    pub auth_time: DateTime<Utc>,
    /// They proved it by their password here.
    by_password: bool,
    /// And by a code of their second factor.
    by_code: bool,
}

impl Person {
    /// Who is logged in by a session cookie. An API key or a token is not a person who could allow something.
    pub(crate) async fn of(exchange: &Exchange) -> Result<Option<Self>> {
        let documents = &exchange.site.documents;
        let session = exchange.session();
        let (Credentials::Cookie, Some(sid), false) =
            (exchange.context.credentials, session.sid.as_deref(), session.is_guest())
        else {
            return Ok(None);
        };
        // Somebody who has just logged in once more, at another node perhaps, is not asked a third time.
        let document = documents.get_uncached(&Session::system(), "Session", sid).await?;
        Ok(Some(Self {
            user: session.user().to_owned(),
            subject: subject_of(documents, session.user()).await?,
            sid: sid.to_owned(),
            auth_time: parse_time(document.text("logged_in_at")).unwrap_or_default(),
            by_password: document.text("login_method") == "Password",
            by_code: document.check("second_factor"),
        }))
    }

    /// The facts of their sign-in.
    pub(crate) fn sign_in(&self) -> SignIn {
        let (acr, amr) = if self.by_code { (id_token::ACR_MFA, "pwd otp mfa") } else { (id_token::ACR, "pwd") };
        SignIn {
            sid: Some(self.sid.clone()),
            auth_time: Some(self.auth_time),
            // What a provider asked of them, nobody here knows.
            acr: self.by_password.then(|| acr.to_owned()),
            amr: self.by_password.then(|| amr.to_owned()),
        }
    }

    /// The digest by which a stored request knows this browser session.
    pub(crate) fn session_digest(&self) -> String {
        secret::digest(format!("authorization request:{}", self.sid))
    }
}
