//! What must hold of OAuth Settings before they are saved, the note that somebody changed them, and the renewal of keys.

use async_trait::async_trait;
use serde_json::{Map, Value as Json, json};

use crate::document::view::{FieldValue as _, Fields as _, words};
use crate::document::{Controller, Documents, Work};
use crate::error::{FieldProblem, Invalid, ProblemKind, Result};
use crate::meta::{Document, Right, Value};
use crate::oauth::protocol::ScopeSet;
use crate::oauth::protocol::serve::resource;
use crate::oauth::protocol::token::kind::from_authorization;
use crate::oauth::scopes::scope_catalogue::newly_undefined;
use crate::oauth::scopes::scope_catalogue::unknown_doctypes;
use crate::oauth::signing_keys::SigningKeys;
use crate::oauth::views::OAuthSettings;
use crate::oauth::views::oauth_settings::OAUTH_SETTINGS;
use crate::permissions::Session;
use crate::web::{SecurityEvent, Severity};

/// The method that renews the signing keys.
const ROTATE: &str = "rotate_signing_keys";
/// The least and the most that a number may be, and why.
const RANGES: [(&str, i64, i64, &str); 6] = [
    ("client_assertion_lifetime", 60, 86_400, "Applications make a new assertion for each request"),
    ("authorization_code_lifetime", 10, 600, "An application exchanges its code at once"),
    ("access_token_lifetime", 60, 30 * 86_400, "Longer access is what refresh tokens are for"),
    ("refresh_replay_grace_seconds", 0, 60, "A lost answer is repeated within seconds"),
    ("refresh_token_idle_days", 1, 3650, "Without a day to renew, nobody stays signed in"),
    ("refresh_token_lifetime_days", 1, 3650, "Without a day to renew, nobody stays signed in"),
];

/// The field that outgoing requests read.
const PRIVATE_HOSTS: &str = "allowed_private_hosts";

/// The fields that list scopes.
const SCOPES: [&str; 2] = ["default_scopes", "scopes_supported"];

/// The shortest initial access token: nobody shall guess it.
const MIN_INITIAL_ACCESS_TOKEN: usize = 16;

/// Behaviour of the DocType OAuth Settings: its rules, and a note when somebody changes it.
pub(crate) struct OAuthSettingsController {
    /// What the site signs with.
    pub keys: SigningKeys,
}

#[async_trait]
impl Controller for OAuthSettingsController {
    async fn validate(&self, work: &mut Work<'_>, document: &mut Document, before: Option<&Document>) -> Result<()> {
        let mut problems = Invalid::default();
        let mut undefined = Vec::new();
        for fieldname in SCOPES {
            let scopes = |document: &Document| ScopeSet::read(document, fieldname);
            let messages = newly_undefined(work, &scopes(document), &before.map(scopes).unwrap_or_default()).await?;
            undefined.extend(messages.into_iter().map(|message| (fieldname, message)));
        }
        let label = |fieldname: &str| {
            document.doctype.field(fieldname).map_or_else(|| fieldname.to_owned(), |field| field.label.clone())
        };
        let mut refuse = |fieldname: &str, message: String| {
            problems.push(FieldProblem::at(ProblemKind::Validation, fieldname, label(fieldname), message));
        };
        for (fieldname, least, most, why) in RANGES {
            let number = document.int(fieldname);
            if !(least..=most).contains(&number) {
                refuse(fieldname, format!("{} must be between {least} and {most}. {why}", label(fieldname)));
            }
        }
        for (fieldname, message) in undefined {
            refuse(fieldname, message);
        }
        for fieldname in SCOPES {
            match ScopeSet::parse(&words(document.text(fieldname)).collect::<Vec<_>>().join(" ")) {
                Err(error) => refuse(fieldname, error.description().to_owned()),
                Ok(scopes) => {
                    for message in unknown_doctypes(work.registry(), &scopes) {
                        refuse(fieldname, message);
                    }
                }
            }
        }
        for origin in words(document.text("allowed_public_client_origins")) {
            if origin != "*" && !is_origin(origin) {
                let message = format!("{origin} is not an origin: write scheme and host only, https://app.example.com");
                refuse("allowed_public_client_origins", message);
            }
        }
        for uri in words(document.text("additional_resources")) {
            if !uri.starts_with('/') && resource::canonical(uri).is_none() {
                let message = format!("{uri} is not an address: write it whole, https://example.com/mcp");
                refuse("additional_resources", message);
            }
        }
        for scheme in words(document.text("private_use_redirect_schemes")) {
            let is_scheme = scheme.starts_with(|first: char| first.is_ascii_alphabetic())
                && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte));
            if !is_scheme {
                let message = format!("{scheme} is not a scheme: write only what stands before the colon, cursor");
                refuse("private_use_redirect_schemes", message);
            }
        }
        let token = document.text("initial_access_token");
        let is_unchanged = token.bytes().all(|byte| byte == b'*');
        if !is_unchanged
            && (token.len() < MIN_INITIAL_ACCESS_TOKEN || from_authorization(&format!("Bearer {token}")).is_none())
        {
            let message = format!(
                "Applications send it in a header: use {MIN_INITIAL_ACCESS_TOKEN} or more letters, digits and -._~+/ without spaces"
            );
            refuse("initial_access_token", message);
        }
        problems.into_result()
    }

    async fn on_update(&self, work: &mut Work<'_>, document: &Document, before: Option<&Document>) -> Result<()> {
        let changed: Vec<&str> = OAuthSettings::names()
            .into_iter()
            .chain([PRIVATE_HOSTS])
            .filter(|field| before.is_none_or(|before| !same(before.get(field), document.get(field))))
            .collect();
        if changed.is_empty() || before.is_none_or(|before| before.is_new) {
            return Ok(());
        }
        let user = work.session.user().to_owned();
        SecurityEvent::new("Security Setting Changed", Severity::Info)
            .user(user)
            .details(json!({"doctype": OAUTH_SETTINGS, "fields": changed}))
            .record_in(work)
            .await
    }

    fn runs_outside(&self, method: &str) -> bool {
        method == ROTATE
    }

    async fn call_outside(
        &self,
        documents: &Documents,
        session: &Session,
        document: &Document,
        _: &str,
        _: &Map<String, Json>,
    ) -> Result<Json> {
        documents.check_permission(session, &document.doctype, Some(document), Right::Write)?;
        self.keys.rotate(documents, session.user()).await?;
        Ok(Json::from("The next keys sign from now on; the old ones stay published until nothing needs them"))
    }

    fn methods(&self) -> Vec<(&'static str, &'static str)> {
        vec![(ROTATE, "Renews the signing keys at once: the next ones sign, the old ones stay published for a while")]
    }
}

fn is_origin(text: &str) -> bool {
    url::Url::parse(text).is_ok_and(|url| url.host().is_some() && url.origin().ascii_serialization() == text)
}

fn same(a: &Value, b: &Value) -> bool {
    a == b || (a.is_blank() && b.is_blank())
}
