//! The clients that came by themselves, and the bounds of their number.

use crate::clock::format_datetime;
use crate::document::{ListRequest, Work};
use crate::error::{Error as SiteError, Result as SiteResult};
use crate::meta::{Document, Value};
use crate::oauth::http::endpoint::{Refusal, Result};
use crate::oauth::protocol::authorize::prompt::QUESTION_LIFETIME;
use crate::oauth::protocol::client::registration::{ClientMetadata, new_client_id};
use crate::oauth::protocol::{Error, ErrorCode};
use crate::oauth::views::oauth_client::OAUTH_CLIENT;
use crate::oauth::views::{OAuthSettings, oauth_client_metadata};
use crate::permissions::Session;
use crate::web::rate_limit::{RateLimit, subscriber};
use crate::web::{Exchange, SecurityEvent, Severity};
use poem::http::StatusCode;
use serde_json::{Value as Json, json};
use tokio::sync::Mutex;

/// Keeps the number of clients that came by themselves within bounds.
pub(crate) struct Registrations {
    limit: RateLimit,
    gate: Mutex<()>,
}

impl Default for Registrations {
    fn default() -> Self {
        Self { limit: RateLimit::of("registrations"), gate: Mutex::default() }
    }
}

impl Registrations {
    /// Counts one more for the sender's address; `RateLimited` if there were too many within a minute.
    pub(crate) async fn count(&self, exchange: &Exchange, settings: &OAuthSettings) -> SiteResult<()> {
        let documents = &exchange.site.documents;
        self.limit.count_at_all_nodes(documents, exchange.context.ip, settings.registration_rate_limit).await
    }

    /// Stores a client that came by itself, unless there are too many already. One at a time, so that the number holds.
    pub(crate) async fn store(
        &self,
        exchange: &Exchange,
        settings: &OAuthSettings,
        new: NewClient<'_>,
    ) -> Result<Document> {
        let _turn = self.gate.lock().await;
        let mut work = exchange.site.documents.begin(&Session::system()).await?;
        let address = subscriber(exchange.context.ip).to_string();
        let came_by_itself = json!(["registered_by", "!=", "Administrator"]);
        for (most, filters) in [
            (settings.max_clients_per_address, json!([came_by_itself, ["registered_from", "=", address]])),
            (settings.max_registered_clients, json!([came_by_itself])),
        ] {
            make_room(&mut work, most, filters).await?;
        }
        let mut document = work.new_document(OAUTH_CLIENT)?;
        oauth_client_metadata::write(new.metadata, &mut document);
        document.set("registered_by", new.registered_by);
        document.set("registered_from", address);
        for (fieldname, value) in new.values {
            document.set(fieldname, value);
        }
        document.set_name(new_client_id());
        let saved = work.insert(document).await.map_err(refuse_document)?;
        SecurityEvent::new("Client Registered", Severity::Info)
            .client(saved.text("client_id"))
            .during(&exchange.context)
            .details(json!({
                "app_name": saved.text("app_name"),
                "registered_by": new.registered_by,
                "redirect_uris": saved.text("redirect_uris"),
            }))
            .record_in(&mut work)
            .await?;
        work.commit().await?;
        Ok(saved)
    }
}

/// Makes room for one more among the clients of these filters, `most` of which there may be; 0: any number. The oldest
/// one that nobody ever used gives way, unless a person may just be answering it.
async fn make_room(work: &mut Work<'_>, most: i64, filters: Json) -> Result<()> {
    let count = work.count(&ListRequest::new(OAUTH_CLIENT).filters(filters.clone())).await?;
    if most <= 0 || i64::try_from(count).unwrap_or(i64::MAX) < most {
        return Ok(());
    }
    let before = format_datetime(work.documents.clock().now_naive() - QUESTION_LIFETIME);
    let mut unused = filters.as_array().cloned().unwrap_or_default();
    unused.extend([
        json!(["last_used", "is", "not set"]),
        json!(["trusted", "=", 0]),
        json!(["client_id_issued_at", "<", before]),
    ]);
    let mut oldest = ListRequest::new(OAUTH_CLIENT).filters(Json::Array(unused)).order_by("creation asc");
    oldest.limit = Some(1);
    let list = work.list(&oldest).await?;
    if list.rows.is_empty() {
        tracing::warn!(count, "no more clients may register: see Dynamic Client Registration in OAuth Settings");
        let message = "This site has as many registered applications as it allows: ask its administrator";
        let error = Error::new(ErrorCode::TemporarilyUnavailable, message);
        return Err(Refusal::from(error).with_status(StatusCode::FORBIDDEN));
    }
    let name = list.text(0, "name").to_owned();
    Ok(work.delete(OAUTH_CLIENT, &name).await?)
}

/// A client that came by itself.
pub(crate) struct NewClient<'m> {
    /// What it says of itself.
    pub metadata: &'m ClientMetadata,
    /// How it came: an option of the field.
    pub registered_by: &'static str,
    /// What else is stored.
    pub values: Vec<(&'static str, Value)>,
}

/// Problems of the document are problems of the metadata that it was made from.
pub(crate) fn refuse_document(error: SiteError) -> Refusal {
    let SiteError::Validation(invalid) = error else { return error.into() };
    let is_redirect = |field: &str| matches!(field, "default_redirect_uri" | "redirect_uris");
    let code = if invalid.problems.iter().any(|problem| problem.field.as_deref().is_some_and(is_redirect)) {
        ErrorCode::InvalidRedirectUri
    } else {
        ErrorCode::InvalidClientMetadata
    };
    Error::new(code, invalid.to_string().replace('\n', "; ")).into()
}
