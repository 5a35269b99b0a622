//! OAuth Client State: a trip to a provider that has begun and not yet come back.

use std::time::Duration as StdDuration;

use chrono::Duration;
use serde_json::json;

use crate::clock::format_datetime;
use crate::document::{Documents, ListRequest};
use crate::error::{Error, Result};
use crate::meta::Value;
use crate::oauth::protocol::pkce;
use crate::oauth::views::View;
use crate::oauth::views::reading::{datetime, filled};
use crate::permissions::Session;
use crate::secret;
use crate::web::{Plugins, Site};

/// The DocType.
pub const DOCTYPE: &str = "OAuth Client State";

/// What this file reads and writes.
pub const VIEW: View = View {
    doctype: DOCTYPE,
    fields: &[
        "kind",
        "user",
        "connected_app",
        "social_login_key",
        "expires_at",
        "used_at",
        "redirect_to",
        "state_digest",
        "session_digest",
        "code_verifier",
        "nonce",
    ],
};
/// How long a trip may take.
pub const LIFETIME: Duration = Duration::minutes(10);
/// How long a trip that is over stays to be seen.
const KEEP: Duration = Duration::days(1);

/// Why the person is sent away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// To connect an app.
    ConnectedApp,
    /// To log in.
    SocialLogin,
    /// To link an account elsewhere to the one here.
    AccountLink,
}

/// A trip to be.
#[derive(Clone, Copy, Debug)]
pub struct NewState<'a> {
    /// Why.
    pub kind: Kind,
    /// Who is logged in.
    pub user: Option<&'a str>,
    /// The Connected App or the Social Login Key.
    pub target: &'a str,
    /// What ties it to the browser: the session's id, or the cookie of a login.
    pub binding: &'a str,
    /// Where the person returns to.
    pub redirect_to: &'a str,
}

/// What goes into the authorization request.
#[derive(Clone)]
pub struct Begun {
    /// `state`.
    pub state: String,
    /// The verifier, of which the request carries the challenge.
    pub code_verifier: String,
    /// `nonce`.
    pub nonce: String,
}

/// A trip that came back to where it began.
#[derive(Clone, Debug)]
pub struct Returned {
    /// Who was logged in.
    pub user: Option<String>,
    /// Where the person returns to.
    pub redirect_to: String,
    /// The verifier for the token request.
    pub code_verifier: String,
    /// What the ID token has to repeat.
    pub nonce: String,
    /// Why they were sent.
    pub kind: Kind,
}

/// Why an answer is refused; the same words for all that might be an attack.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StateError {
    /// No `state` in the answer.
    #[error("The answer does not say to which request it belongs")]
    Missing,
    /// Unknown, of another browser, person or provider.
    #[error("The answer does not belong to a request of this browser: start again here")]
    Foreign,
    /// The answer was used before.
    #[error("This answer was used already: start again here")]
    Used,
    /// Too slow.
    #[error("That took more than ten minutes: start again here")]
    Expired,
}

impl Kind {
    /// As the field `kind` has it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ConnectedApp => "Connected App",
            Self::SocialLogin => "Social Login",
            Self::AccountLink => "Account Link",
        }
    }

    const fn target_field(self) -> &'static str {
        match self {
            Self::ConnectedApp => "connected_app",
            Self::SocialLogin | Self::AccountLink => "social_login_key",
        }
    }
}

/// Begins a trip.
pub async fn begin(documents: &Documents, new: NewState<'_>) -> Result<Begun> {
    let begun = Begun { state: secret::random_id(), code_verifier: pkce::new_verifier(), nonce: secret::random_id() };
    let mut work = documents.begin(&Session::system()).await?;
    let mut document = work.new_document(DOCTYPE)?;
    document.set("kind", new.kind.as_str());
    document.set("user", new.user);
    document.set(new.kind.target_field(), new.target);
    document.set("expires_at", format_datetime(documents.clock().now_naive() + LIFETIME));
    document.set("redirect_to", new.redirect_to);
    document.set("state_digest", secret::digest(&begun.state));
    document.set("session_digest", secret::digest(new.binding));
    document.set("code_verifier", begun.code_verifier.as_str());
    document.set("nonce", begun.nonce.as_str());
    document.set_name(name_of(&begun.state));
    work.insert(document).await?;
    work.commit().await?;
    Ok(begun)
}

/// Takes the answer of a trip: it has to be of one of these kinds, for this target, in this browser, by this person, once.
///
/// Whatever is wrong, the state is used up.
pub async fn take(
    documents: &Documents,
    kinds: &[Kind],
    state: Option<&str>,
    target: &str,
    binding: Option<&str>,
    user: Option<&str>,
) -> Result<Result<Returned, StateError>> {
    let Some(state) = state.filter(|state| !state.is_empty()) else { return Ok(Err(StateError::Missing)) };
    let name = name_of(state);
    let mut work = documents.begin(&Session::system()).await?;
    let stored = match work.get_for_update(DOCTYPE, &name).await {
        Ok(stored) => stored,
        Err(Error::DoesNotExist { .. }) => return Ok(Err(StateError::Foreign)),
        Err(error) => return Err(error),
    };
    if !stored.get("used_at").is_blank() {
        return Ok(Err(StateError::Used));
    }
    let code_verifier = work.get_password(DOCTYPE, &name, "code_verifier").await?.unwrap_or_default();
    let now = documents.clock().now_naive();
    work.set_values(DOCTYPE, &name, &[("used_at", Value::from(format_datetime(now)))]).await?;
    work.set_hash(DOCTYPE, &name, "code_verifier", None).await?;
    work.commit().await?;
    let kind = kinds.iter().copied().find(|kind| kind.as_str() == stored.text("kind"));
    let same = |stored: &str, given: &str| secret::constant_time_eq(stored, given);
    let fits = kind.is_some_and(|kind| stored.text(kind.target_field()) == target)
        & same(stored.text("state_digest"), &secret::digest(state))
        & binding.is_some_and(|binding| same(stored.text("session_digest"), &secret::digest(binding)));
    let Some(kind) = kind.filter(|_| fits) else { return Ok(Err(StateError::Foreign)) };
    let owner = filled(&stored, "user");
    // A login begins without a person; everything else belongs to the one who began it.
    if kind != Kind::SocialLogin && owner.as_deref() != user {
        return Ok(Err(StateError::Foreign));
    }
    if datetime(&stored, "expires_at").is_none_or(|expires_at| expires_at <= now) {
        return Ok(Err(StateError::Expired));
    }
    Ok(Ok(Returned {
        user: owner,
        redirect_to: stored.text("redirect_to").to_owned(),
        code_verifier,
        nonce: stored.text("nonce").to_owned(),
        kind,
    }))
}

/// Deletes trips that are long over.
async fn clean_up(site: Site) -> Result<String> {
    let documents = &site.documents;
    let system = Session::system();
    let long_ago = format_datetime(documents.clock().now_naive() - KEEP);
    let mut request = ListRequest::new(DOCTYPE).filters(json!([["expires_at", "<", long_ago]]));
    request.limit = Some(500);
    let mut deleted = 0;
    loop {
        let list = documents.list(&system, &request).await?;
        for row in 0..list.rows.len() {
            match documents.delete(&system, DOCTYPE, list.text(row, "name")).await {
                // Another node was faster.
                Ok(()) | Err(Error::DoesNotExist { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        deleted += list.rows.len();
        if list.rows.is_empty() {
            return Ok(if deleted == 0 { String::new() } else { format!("{deleted} deleted") });
        }
    }
}

/// Registers the clean-up.
pub fn register(plugins: &mut Plugins) {
    plugins.job("clean up OAuth Client State", StdDuration::from_hours(1), clean_up);
}

/// The document's name follows from the state, so that finding it needs no search.
fn name_of(state: &str) -> String {
    secret::digest(format!("client state:{state}")).chars().take(20).collect()
}

/// Whether a state is of that kind, without using it up.
pub async fn is_of(documents: &Documents, state: Option<&str>, kind: Kind) -> Result<bool> {
    let Some(state) = state.filter(|state| !state.is_empty()) else { return Ok(false) };
    match documents.get(&Session::system(), DOCTYPE, &name_of(state)).await {
        Ok(stored) => Ok(stored.text("kind") == kind.as_str()),
        Err(Error::DoesNotExist { .. }) => Ok(false),
        Err(error) => Err(error),
    }
}
