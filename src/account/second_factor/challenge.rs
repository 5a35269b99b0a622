//! A login on its way from the password to the code: a sealed text that the browser, or the program, brings along.

use poem::http::{HeaderMap, Method as HttpMethod};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::account::login::{self, LoggedIn};
use crate::account::password;
use crate::account::second_factor::{Code, Picture, SecondFactor, is_required, new_secret};
use crate::document::Documents;
use crate::error::{AuthenticationError, Error, ProblemKind, Result};
use crate::permissions::Session;
use crate::secret;
use crate::web::{LoginSettings, RequestContext, SecurityEvent, Severity, Site, csrf};

/// How long somebody may take to find their app, in seconds.
const LIFE: i64 = 10 * 60;
/// Where the text is sealed.
const PLACE: &str = "login that waits for a code";

/// Somebody who has proved to know a password, and is to prove more.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(in crate::account) struct Challenge {
    user: String,
    /// When the password was right, in seconds since 1970.
    at: i64,
    /// The digest of what is stored of the password: a new one makes this worthless.
    password: String,
    /// The secret of a second factor that is to be set up first, because a role asks for it.
    new_secret: Option<String>,
}

/// A login that is done.
pub(in crate::account) struct Passed {
    /// Who is in.
    pub done: LoggedIn,
    /// The recovery codes of a second factor that was just set up, shown this once.
    pub recovery_codes: Vec<String>,
}

/// What comes after a password that is right.
pub(in crate::account) enum Step {
    /// Nothing: the person is in.
    Done(LoggedIn),
    /// A code.
    Code(Challenge),
}

impl Step {
    /// Starts the session of somebody who has just proved to know a password, or asks for their second factor.
    pub(in crate::account) async fn after_password(site: &Site, context: &RequestContext, user: &str) -> Result<Self> {
        match Challenge::of(&site.documents, user).await? {
            Some(challenge) => Ok(Self::Code(challenge)),
            None => login::start(site, context, user, false).await.map(Self::Done),
        }
    }
}

impl Challenge {
    /// What a person is asked for besides the password, if anything.
    pub(in crate::account) async fn of(documents: &Documents, user: &str) -> Result<Option<Self>> {
        let access = documents.access(user).await?;
        let session = access.map(Session::of).ok_or(Error::Authentication(AuthenticationError::BadCredentials))?;
        let has_one = SecondFactor::of(&mut documents.reading(&Session::system()), user).await?.is_some();
        if !has_one && !is_required(documents, &session).await? {
            return Ok(None);
        }
        Self::new(documents, user, (!has_one).then(new_secret)).await.map(Some)
    }

    /// A person sets up a second factor.
    pub(in crate::account) async fn set_up(documents: &Documents, user: &str) -> Result<Self> {
        Self::new(documents, user, Some(new_secret())).await
    }

    async fn new(documents: &Documents, user: &str, new_secret: Option<String>) -> Result<Self> {
        let password = password_digest(documents, user).await?;
        Ok(Self { user: user.to_owned(), at: documents.clock().now().timestamp(), password, new_secret })
    }

    /// Whether a second factor is set up first.
    pub(in crate::account) fn sets_up(&self) -> bool {
        self.new_secret.is_some()
    }

    /// Whether it is this person's.
    pub(in crate::account) fn is_of(&self, user: &str) -> bool {
        self.user == user
    }

    /// The picture of the secret that an app is to learn, if it is.
    pub(in crate::account) async fn picture(&self, documents: &Documents) -> Result<Option<Picture>> {
        let Some(secret) = &self.new_secret else { return Ok(None) };
        let site_name = LoginSettings::load(documents).await?.app_name;
        Picture::of(secret, &site_name, &self.user).map(Some)
    }

    /// As it is brought along: Frappe's `tmp_id`.
    pub(in crate::account) fn seal(&self, documents: &Documents) -> Result<String> {
        let text = serde_json::to_string(self).map_err(Error::internal)?;
        Ok(documents.site_key().seal(text, PLACE))
    }

    /// Reads one that is brought back; fails if it is too old or was never one.
    pub(in crate::account) fn open(documents: &Documents, sealed: &str) -> Result<Self> {
        let too_late = || Error::invalid(ProblemKind::Validation, "This login has taken too long: begin again");
        let opened = documents.site_key().open_text(sealed, PLACE).map_err(|_| too_late())?;
        let challenge: Self = serde_json::from_str(&opened).map_err(|_| too_late())?;
        let age = documents.clock().now().timestamp() - challenge.at;
        if (-LIFE..LIFE).contains(&age) { Ok(challenge) } else { Err(too_late()) }
    }

    /// Takes the code: counted as passwords are, and used up.
    pub(in crate::account) async fn answer(
        &self,
        site: &Site,
        context: &RequestContext,
        headers: &HeaderMap,
        code: &str,
    ) -> Result<Passed> {
        csrf::check_origin(&HttpMethod::POST, headers, &site.config.site_url)?;
        let recovery_codes = self.take(site, context, code).await?;
        let done = login::start(site, context, &self.user, true).await?;
        Ok(Passed { done, recovery_codes })
    }

    /// Takes the code without logging anybody in; recovery codes where a second factor was set up.
    pub(in crate::account) async fn take(
        &self,
        site: &Site,
        context: &RequestContext,
        code: &str,
    ) -> Result<Vec<String>> {
        let (documents, user) = (&site.documents, self.user.as_str());
        let attempt = site.attempts.begin_code(documents, context, user).await?;
        let mut work = documents.begin(&Session::system()).await?;
        // Held, so that of two that bring the same code at once one alone is right.
        work.get_for_update("User", user).await?;
        let stored = SecondFactor::of(&mut work, user).await?;
        let is_current = self.password == password_digest(documents, user).await?;
        let now = documents.clock().now().timestamp();
        let passed = match (stored, &self.new_secret) {
            _ if !is_current => None,
            (None, Some(secret)) => match SecondFactor::confirmed(secret, code, now) {
                Some((factor, codes)) => {
                    factor.set_up(&mut work, user).await?;
                    Some(codes)
                }
                None => None,
            },
            (Some(mut factor), None) => match factor.check(code, now) {
                Some(what) => {
                    factor.store(&mut work, user).await?;
                    if what == Code::Recovery {
                        SecurityEvent::new("Recovery Code Used", Severity::Warning)
                            .user(user)
                            .during(context)
                            .details(json!({"left": factor.codes_left()}))
                            .record_in(&mut work)
                            .await?;
                    }
                    Some(Vec::new())
                }
                None => None,
            },
            // Set up, or reset, somewhere else meanwhile.
            _ => None,
        };
        let Some(codes) = passed else {
            drop(work);
            attempt.failed(documents, context, "Second Factor Failed").await?;
            return Err(Error::Authentication(AuthenticationError::WrongCode));
        };
        work.commit().await?;
        attempt.succeeded(documents).await?;
        Ok(codes)
    }
}

async fn password_digest(documents: &Documents, user: &str) -> Result<String> {
    let hash = documents.reading(&Session::system()).get_hash("User", user, password::FIELD).await?;
    Ok(secret::digest(hash.unwrap_or_default()))
}
