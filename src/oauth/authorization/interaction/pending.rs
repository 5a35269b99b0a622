//! What waits for a person's answer: an authorization request, or a device whose code they have typed in.

use std::sync::Arc;

use chrono::{DateTime, Utc};

use crate::document::view::{FieldValue as _, View as _};
use crate::document::{Documents, Work};
use crate::error::{Error as SiteError, Result};
use crate::meta::Value;
use crate::oauth::authorization::interaction::person::Person;
use crate::oauth::credentials;
use crate::oauth::protocol::authorize::authorization_request::AuthorizationRequest;
use crate::oauth::protocol::authorize::prompt::QUESTION_LIFETIME;
use crate::oauth::protocol::request::GrantType;
use crate::oauth::protocol::{Error, ScopeSet};
use crate::oauth::server::{APPROVE, DEVICE, Server};
use crate::oauth::views::OAuthClient;
use crate::oauth::views::oauth_authorization_request::RequestStatus;
use crate::oauth::views::oauth_authorization_request::{OAUTH_AUTHORIZATION_REQUEST, StoredRequest};
use crate::oauth::views::oauth_device_code::{DeviceCode, OAUTH_DEVICE_CODE};
use crate::permissions::Session;
use crate::secret;
use crate::web::Exchange;

/// The kind of a request that came to the authorization endpoint.
pub(crate) const AUTHORIZE: &str = "Authorize";
/// The kind of a request with which an administrator tries a client out.
pub(crate) const TRY_OUT: &str = "Try It";
/// The kind of a question about a device.
const DEVICE_KIND: &str = "Device";

/// What waits for a person's answer.
pub(crate) struct Pending {
    /// The id under which it is found, which only the browser knows.
    pub id: String,
    /// Where it is kept.
    pub stored: StoredRequest,
    /// The client that asks.
    pub client: Arc<OAuthClient>,
    /// What it asks.
    pub question: Question,
}

/// What a person is asked.
pub(crate) enum Question {
    /// Whether a client may have a code.
    Request(AuthorizationRequest),
    /// Whether a device may have tokens.
    Device(DeviceCode),
}

impl Pending {
    /// The scopes that are asked for.
    pub(crate) fn scopes(&self) -> &ScopeSet {
        match &self.question {
            Question::Request(request) => &request.scopes,
            Question::Device(code) => &code.scopes,
        }
    }

    /// The path of its pages.
    pub(crate) fn path(&self) -> &'static str {
        match &self.question {
            Question::Request(_) => APPROVE,
            Question::Device(_) => DEVICE,
        }
    }

    /// Where it goes on after a login.
    pub(crate) fn address(&self) -> String {
        format!("{}?request_id={}", self.path(), self.id)
    }

    /// Whether it was shown to this person in this browser session.
    pub(crate) fn is_for(&self, person: &Person) -> bool {
        let digest = self.stored.session_digest.as_ref();
        self.stored.user.as_ref() == Some(&person.user)
            && digest.is_some_and(|digest| secret::constant_time_eq(digest, person.session_digest()))
    }

    /// Notes whom it is shown to: from here on this browser session alone may answer.
    pub(crate) async fn bind(&self, documents: &Documents, person: &Person) -> Result<()> {
        if self.is_for(person) {
            return Ok(());
        }
        let mut work = documents.begin(&Session::system()).await?;
        let values =
            [("user", Value::from(person.user.as_str())), ("session_digest", Value::from(person.session_digest()))];
        work.set_values(OAUTH_AUTHORIZATION_REQUEST, &self.stored.name, &values).await?;
        work.commit().await
    }

    /// Answers it, once: of several answers one alone succeeds.
    pub(crate) async fn settle(&self, work: &mut Work<'_>, status: RequestStatus) -> Result<bool> {
        let answered = [("status", status.to_value()), ("answered_at", Value::from(work.now()))];
        let pending = RequestStatus::Pending.to_value();
        work.set_values_if(OAUTH_AUTHORIZATION_REQUEST, &self.stored.name, ("status", &pending), &answered).await
    }
}

/// What is said of a request that is unknown, too old or answered.
pub(crate) fn expired() -> Error {
    Error::invalid_request("This request has expired or was answered: go back to the application and start again")
}

/// The authorization request that waits under an id, if it can still be answered.
pub(crate) async fn find_request(exchange: &Exchange, server: &Server, id: &str) -> Result<Option<Pending>> {
    let documents = &exchange.site.documents;
    let is_request = |stored: &StoredRequest| matches!(&*stored.kind, AUTHORIZE | TRY_OUT);
    let Some(stored) = find(documents, id).await?.filter(is_request) else { return Ok(None) };
    let request = stored.request()?;
    let client = OAuthClient::find_by_name(documents, &stored.client).await?.filter(|client| client.enabled);
    let Some(client) = client else { return Ok(None) };
    let uri = request.target.redirect_uri.as_str();
    let may_answer = if stored.kind == TRY_OUT {
        // Such a request opens only in the session that made it, and its answer goes only to this site.
        let own = Person::of(exchange).await?.map(|person| person.session_digest());
        own.is_some() && own == stored.session_digest && uri == (server.try_out_uri)(documents.site_url(), &client)
    } else {
        // The redirect URI must still be the client's own.
        client.redirect_uris.resolve(Some(uri), false).is_ok()
    };
    let question = Question::Request(request);
    Ok(may_answer.then(|| Pending { id: id.to_owned(), stored, client, question }))
}

/// The device that waits under an id, if it can still be answered.
pub(crate) async fn find_device(exchange: &Exchange, id: &str) -> Result<Option<Pending>> {
    let documents = &exchange.site.documents;
    let is_device = |stored: &StoredRequest| stored.kind == DEVICE_KIND;
    let Some(stored) = find(documents, id).await?.filter(is_device) else { return Ok(None) };
    let Some(code) = stored.device_code() else { return Ok(None) };
    let code = match documents.get(&Session::system(), OAUTH_DEVICE_CODE, &code).await {
        Ok(document) => DeviceCode::from(&*document),
        Err(SiteError::DoesNotExist { .. }) => return Ok(None),
        Err(error) => return Err(error),
    };
    if !code.is_waiting(documents.clock().now()) {
        return Ok(None);
    }
    let client = device_client(documents, &code).await?;
    Ok(client.map(|client| Pending { id: id.to_owned(), stored, client, question: Question::Device(code) }))
}

/// The client of a device, if it may still use the grant.
pub(crate) async fn device_client(documents: &Documents, code: &DeviceCode) -> Result<Option<Arc<OAuthClient>>> {
    let client = OAuthClient::find_by_name(documents, &code.client).await?;
    Ok(client.filter(|client| client.enabled && client.may_use(GrantType::DeviceCode)))
}

async fn find(documents: &Documents, id: &str) -> Result<Option<StoredRequest>> {
    if id.is_empty() {
        return Ok(None);
    }
    let found = credentials::find_digest(documents, OAUTH_AUTHORIZATION_REQUEST, "request_digest", id).await?;
    let now = documents.clock().now();
    Ok(found.map(|document| StoredRequest::from(&*document)).filter(|stored| stored.is_waiting(now)))
}

/// Keeps a checked request for a person's answer; returns the id under which it is found. With a person, it opens in
/// their session alone.
pub(crate) async fn keep_request(
    documents: &Documents,
    kind: &str,
    client: &OAuthClient,
    request: &AuthorizationRequest,
    person: Option<&Person>,
) -> Result<String> {
    let id = secret::random_id();
    let parameters = serde_json::to_string(request).map_err(SiteError::internal)?;
    let expires_at = documents.clock().now() + QUESTION_LIFETIME;
    let new = NewRequest { kind, client: &client.name, parameters, expires_at, person };
    new.keep(documents, &id).await?;
    Ok(id)
}

/// Keeps the question about a device for this browser session; returns the id under which it is found.
pub(crate) async fn keep_device(documents: &Documents, code: &DeviceCode, person: &Person) -> Result<String> {
    let id = secret::random_id();
    let expires_at = (documents.clock().now() + QUESTION_LIFETIME).min(code.expires_at);
    let parameters = StoredRequest::device_parameters(&code.name);
    let new = NewRequest { kind: DEVICE_KIND, client: &code.client, parameters, expires_at, person: Some(person) };
    new.keep(documents, &id).await?;
    Ok(id)
}

/// A request to be kept.
pub(crate) struct NewRequest<'a> {
    /// An option of the field Kind.
    pub kind: &'a str,
    /// The OAuth Client.
    pub client: &'a str,
    /// What is asked, as JSON.
    pub parameters: String,
    /// Until when it can be answered.
    pub expires_at: DateTime<Utc>,
    /// Who alone may answer it, in this browser session.
    pub person: Option<&'a Person>,
}

impl NewRequest<'_> {
    /// Keeps it under an id, of which only the digest is stored.
    pub(crate) async fn keep(self, documents: &Documents, id: &str) -> Result<()> {
        let mut work = documents.begin(&Session::system()).await?;
        let stored = StoredRequest {
            kind: self.kind.to_owned(),
            client: self.client.to_owned(),
            user: self.person.map(|person| person.user.clone()),
            status: RequestStatus::Pending,
            expires_at: Some(self.expires_at),
            digest: credentials::digest(documents, id),
            session_digest: self.person.map(Person::session_digest),
            parameters: self.parameters,
            ..StoredRequest::default()
        };
        let document = stored.new_document(&work)?;
        work.insert(document).await?;
        work.commit().await
    }
}
