//! OAuth Client State: a trip to a provider that has begun and not yet come back.

use chrono::{DateTime, Duration, Utc};
use serde_json::json;

use crate::clock::format_datetime;
use crate::document::view::{View as _, options, time_value, view};
use crate::document::{Documents, ListRequest};
use crate::error::{Error, Result};
use crate::oauth::protocol::authorize::pkce;
use crate::permissions::Session;
use crate::secret;
use crate::web::job::HOURLY;
use crate::web::{JobKind, Plugins, RunningJob, Site};

/// The DocType.
pub(crate) const OAUTH_CLIENT_STATE: &str = "OAuth Client State";

/// How long a trip may take.
pub(crate) const LIFETIME: Duration = Duration::minutes(10);
/// How long a trip that is over stays to be seen.
const KEEP: Duration = Duration::days(1);

options! {
    /// Why the person is sent away.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    pub(crate) enum Kind {
        /// To connect an app.
        #[default]
        ConnectedApp = "Connected App",
        /// To log in.
        SocialLogin = "Social Login",
        /// To link an account elsewhere to the one here.
        AccountLink = "Account Link",
    }
}

view! {
    /// An authorization request under way, as it is stored.
    #[derive(Clone, Debug, Default)]
    pub(crate) struct ClientState of OAUTH_CLIENT_STATE {
        /// Why the person was sent away.
        pub kind: Kind,
        /// Who was logged in.
        pub user: Option<String>,
        /// The app to be connected.
        pub connected_app: Option<String>,
        /// The provider of the login.
        pub social_login_key: Option<String>,
        /// Until when the answer is taken.
        pub expires_at: DateTime<Utc>,
        /// When it was.
        pub used_at: Option<DateTime<Utc>>,
        /// Where the person returns to.
        pub redirect_to: String,
        /// The digest of `state`.
        pub state_digest: String,
        /// The digest of what ties it to the browser.
        pub session_digest: String,
        /// The PKCE verifier (RFC 7636); sealed when it is stored, so that it reads as stars.
        pub code_verifier: String,
        /// `nonce` (OpenID Connect Core §3.1.2.1).
        pub nonce: String,
    }
}

impl ClientState {
    fn target(&self) -> Option<&str> {
        match self.kind {
            Kind::ConnectedApp => self.connected_app.as_deref(),
            Kind::SocialLogin | Kind::AccountLink => self.social_login_key.as_deref(),
        }
    }
}

/// A trip to be.
#[derive(Clone, Copy, Debug)]
pub(crate) struct NewState<'a> {
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
pub(crate) struct Begun {
    /// `state`.
    pub state: String,
    /// The verifier, of which the request carries the challenge.
    pub code_verifier: String,
    /// `nonce`.
    pub nonce: String,
}

/// A trip that came back to where it began.
#[derive(Clone, Debug)]
pub(crate) struct Returned {
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
pub(crate) enum StateError {
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

/// Begins a trip.
pub(crate) async fn begin(documents: &Documents, new: NewState<'_>) -> Result<Begun> {
    let begun = Begun { state: secret::random_id(), code_verifier: pkce::new_verifier(), nonce: secret::random_id() };
    let mut work = documents.begin(&Session::system()).await?;
    let target = Some(new.target.to_owned());
    let (connected_app, social_login_key) = match new.kind {
        Kind::ConnectedApp => (target, None),
        Kind::SocialLogin | Kind::AccountLink => (None, target),
    };
    let state = ClientState {
        kind: new.kind,
        user: new.user.map(str::to_owned),
        connected_app,
        social_login_key,
        expires_at: documents.clock().now() + LIFETIME,
        used_at: None,
        redirect_to: new.redirect_to.to_owned(),
        state_digest: secret::digest(&begun.state),
        session_digest: secret::digest(new.binding),
        code_verifier: begun.code_verifier.clone(),
        nonce: begun.nonce.clone(),
    };
    let mut document = state.new_document(&work)?;
    document.set_name(name_of(&begun.state));
    work.insert(document).await?;
    work.commit().await?;
    Ok(begun)
}

/// Takes the answer of a trip: it has to be of one of these kinds, for this target, in this browser, by this person, once.
///
/// Whatever is wrong, the state is used up.
pub(crate) async fn take(
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
    let stored = match work.get_for_update(OAUTH_CLIENT_STATE, &name).await {
        Ok(stored) => ClientState::from(&stored),
        Err(Error::DoesNotExist { .. }) => return Ok(Err(StateError::Foreign)),
        Err(error) => return Err(error),
    };
    if stored.used_at.is_some() {
        return Ok(Err(StateError::Used));
    }
    let code_verifier = work.get_password(OAUTH_CLIENT_STATE, &name, "code_verifier").await?.unwrap_or_default();
    let now = documents.clock().now();
    work.set_values(OAUTH_CLIENT_STATE, &name, &[("used_at", time_value(now))]).await?;
    work.set_hash(OAUTH_CLIENT_STATE, &name, "code_verifier", None).await?;
    work.commit().await?;
    let same = |stored: &str, given: &str| secret::constant_time_eq(stored, given);
    let fits = (kinds.contains(&stored.kind) && stored.target() == Some(target))
        & same(&stored.state_digest, &secret::digest(state))
        & binding.is_some_and(|binding| same(&stored.session_digest, &secret::digest(binding)));
    if !fits {
        return Ok(Err(StateError::Foreign));
    }
    // A login begins without a person; everything else belongs to the one who began it.
    if stored.kind != Kind::SocialLogin && stored.user.as_deref() != user {
        return Ok(Err(StateError::Foreign));
    }
    if stored.expires_at <= now {
        return Ok(Err(StateError::Expired));
    }
    Ok(Ok(Returned {
        user: stored.user,
        redirect_to: stored.redirect_to,
        code_verifier,
        nonce: stored.nonce,
        kind: stored.kind,
    }))
}

/// Deletes trips that are long over.
async fn clean_up(site: Site, _: RunningJob) -> Result<String> {
    let documents = &site.documents;
    let system = Session::system();
    let long_ago = format_datetime(documents.clock().now_naive() - KEEP);
    let mut request = ListRequest::new(OAUTH_CLIENT_STATE).filters(json!([["expires_at", "<", long_ago]]));
    request.limit = Some(500);
    let mut deleted = 0;
    loop {
        let list = documents.list(&system, &request).await?;
        for row in 0..list.rows.len() {
            match documents.delete(&system, OAUTH_CLIENT_STATE, list.text(row, "name")).await {
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

/// Registers the view and the clean-up.
pub(crate) fn register(plugins: &mut Plugins) {
    plugins.controllers.needs_fields_of::<ClientState>();
    plugins.job_kind(JobKind::new("clean up OAuth Client State", clean_up).scheduled(HOURLY));
}

/// The document's name follows from the state, so that finding it needs no search.
fn name_of(state: &str) -> String {
    secret::digest(format!("client state:{state}")).chars().take(20).collect()
}

/// Whether a state is of that kind, without using it up.
pub(crate) async fn is_of(documents: &Documents, state: Option<&str>, kind: Kind) -> Result<bool> {
    let Some(state) = state.filter(|state| !state.is_empty()) else { return Ok(false) };
    match documents.get(&Session::system(), OAUTH_CLIENT_STATE, &name_of(state)).await {
        Ok(stored) => Ok(ClientState::from(&*stored).kind == kind),
        Err(Error::DoesNotExist { .. }) => Ok(false),
        Err(error) => Err(error),
    }
}
