//! OAuth Authorization Code: a typed view.

use chrono::{DateTime, Utc};

use crate::meta::Document;
use crate::oauth::protocol::ScopeSet;
use crate::oauth::protocol::authorize::pkce::CodeChallenge;
use crate::oauth::protocol::client::redirect_uri::VerifiedRedirectUri;
use crate::oauth::views::fields::{Fields, View};
use crate::oauth::views::sign_in::SignIn;

/// The name of the DocType.
pub(crate) const OAUTH_AUTHORIZATION_CODE: &str = "OAuth Authorization Code";

/// What is read and written.
pub(crate) const VIEW: View = View {
    doctype: OAUTH_AUTHORIZATION_CODE,
    fields: &[
        "client",
        "user",
        "scopes",
        "resource",
        "authorization_code",
        "expiration_time",
        "used_at",
        "redirect_uri_bound_to_authorization_code",
        "redirect_uri_was_sent",
        "validity",
        "nonce",
        "code_challenge",
        "code_challenge_method",
        "dpop_jkt",
        "grant",
        "family",
        "sid",
        "auth_time",
        "acr",
        "amr",
    ],
};

/// A code as it is stored: everything but the code itself.
#[derive(Clone, Debug)]
pub(crate) struct AuthorizationCode {
    /// The document.
    pub name: String,
    /// The OAuth Client that it was made for.
    pub client: String,
    /// Who said yes.
    pub user: String,
    /// What they allowed.
    pub scopes: ScopeSet,
    /// For which resources.
    pub resources: Vec<String>,
    /// Until when it holds.
    pub expires_at: Option<DateTime<Utc>>,
    /// Whether it was exchanged.
    pub is_used: bool,
    /// Where it was sent.
    pub redirect_uri: VerifiedRedirectUri,
    /// What the verifier must fit.
    pub code_challenge: Option<CodeChallenge>,
    /// For the id token.
    pub nonce: Option<String>,
    /// The key it is bound to.
    pub dpop_jkt: Option<String>,
    /// The consent behind it.
    pub grant: Option<String>,
    /// What all tokens from it share.
    pub family: String,
    /// The sign-in behind it.
    pub sign_in: SignIn,
}

impl From<&Document> for AuthorizationCode {
    fn from(document: &Document) -> Self {
        let fields = Fields::new(document, &VIEW);
        Self {
            name: document.name(),
            client: fields.text("client").to_owned(),
            user: fields.text("user").to_owned(),
            scopes: fields.scopes("scopes"),
            resources: fields.words("resource"),
            expires_at: fields.time("expiration_time"),
            is_used: !fields.text("used_at").is_empty() || fields.text("validity") == "Invalid",
            redirect_uri: VerifiedRedirectUri::from_stored(
                fields.text("redirect_uri_bound_to_authorization_code").to_owned(),
                fields.check("redirect_uri_was_sent"),
            ),
            code_challenge: CodeChallenge::from_stored(fields.text("code_challenge")),
            nonce: fields.optional("nonce"),
            dpop_jkt: fields.optional("dpop_jkt"),
            grant: fields.optional("grant"),
            family: fields.text("family").to_owned(),
            sign_in: SignIn::read(fields),
        }
    }
}
