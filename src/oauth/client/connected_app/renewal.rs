//! Renewing access tokens: early, by one worker only however many ask, and never forgetting what the provider gave.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration as StdDuration;

use chrono::Duration;

use crate::document::Documents;
use crate::document::view::time_value;
use crate::error::{Error, ProblemKind, Result};
use crate::oauth::client::Providers;
use crate::oauth::client::connected_app::app::ConnectedApp;
use crate::oauth::client::connected_app::disconnection::Ending;
use crate::oauth::client::connected_app::token_cache;
use crate::oauth::client::connected_app::token_cache::{Connection, ConnectionStatus, TOKEN_CACHE};
use crate::oauth::client::token_endpoint::TokenAnswer;
use crate::oauth::provider_error::ProviderError;
use crate::permissions::Session;
use crate::web::{SecurityEvent, Severity};

/// How long a worker may renew before another may try: longer than a request to a provider can take.
const LEASE: Duration = Duration::seconds(30);
/// How often others look whether it is done.
const LOOK_AGAIN: StdDuration = StdDuration::from_millis(200);
/// How many locks are kept before those that nobody holds are dropped.
const MAX_LOCKS: usize = 1000;

/// The renewals under way in this process.
#[derive(Default)]
pub(crate) struct Renewals {
    locks: Mutex<HashMap<String, Arc<Lock>>>,
}

/// Held by the one who renews a token; holds how the last renewal failed, and when by the clock that only goes forward.
type Lock = tokio::sync::Mutex<Option<(StdDuration, Failure)>>;

/// A failure to tell all who wait for the same renewal.
#[derive(Clone)]
struct Failure {
    text: String,
    is_temporary: bool,
}

impl From<Failure> for Error {
    fn from(failure: Failure) -> Self {
        if failure.is_temporary {
            Self::Unavailable(failure.text)
        } else {
            Self::invalid(ProblemKind::Validation, failure.text)
        }
    }
}

impl Renewals {
    fn lock(&self, name: &str) -> Arc<Lock> {
        let mut locks = self.locks.lock().unwrap_or_else(PoisonError::into_inner);
        if locks.len() >= MAX_LOCKS {
            locks.retain(|_, lock| Arc::strong_count(lock) > 1);
        }
        Arc::clone(locks.entry(name.to_owned()).or_default())
    }
}

/// A person's connection with an access token that works, renewed if need be; `None` if they never connected.
pub(crate) async fn active(
    providers: &Arc<Providers>,
    documents: &Documents,
    app: &ConnectedApp,
    user: &str,
) -> Result<Option<Connection>> {
    let Some(connection) = Connection::find(documents, &app.name, user).await? else { return Ok(None) };
    if connection.is_fresh(documents.clock().now()) {
        return Ok(Some(connection));
    }
    renew(providers, documents, app, user, None).await
}

/// Renews although the token does not look stale: the provider's API refused `stale`.
pub(crate) async fn renew_refused(
    providers: &Arc<Providers>,
    documents: &Documents,
    app: &ConnectedApp,
    user: &str,
    stale: String,
) -> Result<Option<Connection>> {
    renew(providers, documents, app, user, Some(stale)).await
}

async fn renew(
    providers: &Arc<Providers>,
    documents: &Documents,
    app: &ConnectedApp,
    user: &str,
    stale: Option<String>,
) -> Result<Option<Connection>> {
    let asked_at = documents.clock().monotonic();
    let renewal = Renewal {
        providers: Arc::clone(providers),
        documents: documents.clone(),
        app: app.clone(),
        user: user.to_owned(),
        stale,
    };
    // A task of its own: whoever asked may go away between the provider's answer and its being stored.
    tokio::spawn(async move { renewal.run(asked_at).await }).await.map_err(Error::internal)?
}

struct Renewal {
    providers: Arc<Providers>,
    documents: Documents,
    app: ConnectedApp,
    user: String,
    stale: Option<String>,
}

/// What became of the attempt to be the one who renews.
enum Claim {
    /// Somebody has renewed already, or nothing needs to be done.
    Done(Connection),
    /// Nobody is connected (any more).
    Gone,
    /// It is ours to do.
    Ours(Connection),
    /// Another node is at it.
    Theirs,
}

impl Renewal {
    async fn run(self, asked_at: StdDuration) -> Result<Option<Connection>> {
        let lock = self.providers.renewals.lock(&Connection::name_of(&self.app.name, &self.user));
        let mut last_failure = lock.lock().await;
        // Who waited while another one failed gets the same answer: a hundred tries would not help.
        if let Some((at, failure)) = &*last_failure
            && *at >= asked_at
        {
            return Err(failure.clone().into());
        }
        let connection = loop {
            match self.claim().await? {
                Claim::Done(connection) => return Ok(Some(connection)),
                Claim::Gone => return Ok(None),
                Claim::Ours(connection) => break connection,
                Claim::Theirs => tokio::time::sleep(LOOK_AGAIN).await,
            }
        };
        match self.refresh(connection).await? {
            Ok(connection) => {
                *last_failure = None;
                Ok(connection)
            }
            Err(failure) => {
                *last_failure = Some((self.documents.clock().monotonic(), failure.clone()));
                Err(failure.into())
            }
        }
    }

    /// Looks again with the row locked, and notes in it that the renewal has begun.
    async fn claim(&self) -> Result<Claim> {
        let now = self.documents.clock().now();
        let mut work = self.documents.begin(&Session::system()).await?;
        let Some(connection) = Connection::find_in(&mut work, &self.app.name, &self.user).await? else {
            return Ok(Claim::Gone);
        };
        let refused = self.stale.is_some() && self.stale == connection.access_token;
        if connection.is_fresh(now) && !refused {
            return Ok(Claim::Done(connection));
        }
        let name = connection.document.name();
        if connection.refresh_token.is_none() || connection.is_over() {
            if connection.is_valid(now) && !refused && !connection.is_over() {
                return Ok(Claim::Done(connection));
            }
            if !connection.is_over() {
                let advice = "The access has expired, and the provider gave no means to renew it: connect again";
                token_cache::note_failure(&mut work, &name, ConnectionStatus::Expired, advice).await?;
                work.commit().await?;
            }
            return Err(self.reconnect());
        }
        if connection.stored.refresh_started_at.is_some_and(|at| at + LEASE > now && at <= now) {
            return Ok(Claim::Theirs);
        }
        let begun = [("refresh_started_at", time_value(now))];
        work.set_values(TOKEN_CACHE, &name, &begun).await?;
        work.commit().await?;
        Ok(Claim::Ours(connection))
    }

    async fn refresh(&self, connection: Connection) -> Result<Result<Option<Connection>, Failure>> {
        let name = connection.document.name();
        let answer = self.ask(connection.refresh_token.clone().unwrap_or_default()).await?;
        let mut work = self.documents.begin(&Session::system()).await?;
        let found = Connection::find_in(&mut work, &self.app.name, &self.user).await?;
        let answer = match answer {
            Ok(answer) => answer,
            Err(error) => {
                let status = if error.ends_the_grant() { ConnectionStatus::Expired } else { ConnectionStatus::Failed };
                tracing::warn!(%error, connection = name, "a token could not be renewed");
                if found.is_some() {
                    token_cache::note_failure(&mut work, &name, status, &error.to_string()).await?;
                }
                if error.ends_the_grant() {
                    SecurityEvent::new("Connection Failed", Severity::Warning)
                        .user(self.user.as_str())
                        .details(serde_json::json!({"connected_app": self.app.name, "reason": error.to_string()}))
                        .record_in(&mut work)
                        .await?;
                }
                work.commit().await?;
                // What still works for a while is used; the next one tries again.
                let now = self.documents.clock().now();
                if let Some(found) = found
                    && self.stale.is_none()
                    && found.is_valid(now)
                    && !error.ends_the_grant()
                {
                    return Ok(Ok(Some(found)));
                }
                return Ok(Err(Failure { text: error.to_string(), is_temporary: error.is_temporary() }));
            }
        };
        let Some(found) = found else {
            // Disconnected while the provider was asked: then the new token must not live on unseen.
            drop(work);
            self.give_back(answer).await?;
            return Ok(Ok(None));
        };
        // Another connection began meanwhile: its tokens count, not those of the old one.
        if found.refresh_token != connection.refresh_token {
            return Ok(Ok(Some(found)));
        }
        token_cache::store(&mut work, &self.app, &self.user, &answer, None).await?;
        let renewed = Connection::find_in(&mut work, &self.app.name, &self.user).await?;
        work.commit().await?;
        Ok(Ok(renewed))
    }

    async fn ask(&self, refresh_token: String) -> Result<Result<TokenAnswer, ProviderError>> {
        let client = match self.app.client(&self.documents).await? {
            Ok(client) => client,
            Err(error) => return Ok(Err(error)),
        };
        let mut parameters = vec![("grant_type", "refresh_token".to_owned()), ("refresh_token", refresh_token)];
        if let Some(resource) = &self.app.resource {
            parameters.push(("resource", resource.clone()));
        }
        let out = (&self.providers.outgoing, &self.documents);
        Ok(client.token(out, &self.app.token_uri, parameters).await)
    }

    async fn give_back(&self, answer: TokenAnswer) -> Result<()> {
        let Some(endpoint) = self.app.revocation_uri.clone() else { return Ok(()) };
        let token = match answer.refresh_token {
            Some(token) => (token, "refresh_token"),
            None => (answer.access_token, "access_token"),
        };
        if let Ok(client) = self.app.client(&self.documents).await? {
            let name = Connection::name_of(&self.app.name, &self.user);
            Ending { name, client, endpoint, token }.revoke(&self.providers, &self.documents).await;
        }
        Ok(())
    }

    fn reconnect(&self) -> Error {
        Error::invalid(
            ProblemKind::Validation,
            format!("The connection to {} has expired: connect again", self.app.provider_name),
        )
    }
}

/// Keeps renewals of that connection waiting in this process, until what it returns is dropped.
pub(crate) async fn hold(providers: &Providers, name: &str) -> impl Send + use<> {
    providers.renewals.lock(name).lock_owned().await
}
