//! When a browser session ends, so does what rests on it: sign-ins of clients, and the sessions that they keep themselves.

use std::collections::BTreeSet;
use std::sync::Arc;

use async_trait::async_trait;
use serde_json::json;

use crate::document::view::View as _;
use crate::document::view::parse_time;
use crate::document::{Controller, ListRequest, Work};
use crate::error::Result;
use crate::meta::{Document, Value};
use crate::oauth::protocol::authorize::logout::ends_with_session;
use crate::oauth::protocol::{Scope, ScopeSet};
use crate::oauth::server::Server;
use crate::oauth::sessions::back_channel_logout::{LEASE, deliver_soon};
use crate::oauth::subject::subject;
use crate::oauth::views::oauth_authorization_code::OAUTH_AUTHORIZATION_CODE;
use crate::oauth::views::oauth_bearer_token;
use crate::oauth::views::oauth_bearer_token::{ACTIVE, OAUTH_BEARER_TOKEN, RENEWED};
use crate::oauth::views::oauth_logout_notice::{LogoutNotice, OAUTH_LOGOUT_NOTICE};
use crate::oauth::views::{OAuthClient, OAuthSettings};

/// Behaviour that OAuth adds to the DocType Session, in the transaction that ends one, whoever ends it and why.
pub(crate) struct EndsSignIns {
    /// Who knows the clients' keys and the way to them.
    pub server: Arc<Server>,
}

#[async_trait]
impl Controller for EndsSignIns {
    async fn on_change(&self, work: &mut Work<'_>, session: &Document) -> Result<()> {
        if session.text("status") == "Ended" { self.ended(work, session).await } else { Ok(()) }
    }

    async fn on_trash(&self, work: &mut Work<'_>, session: &Document) -> Result<()> {
        let now = work.documents.clock().now();
        // One that ran out unused has not been ended by anybody.
        let lives = parse_time(session.text("expires_at")).is_some_and(|at| at > now);
        if session.text("status") == "Active" && lives { self.ended(work, session).await } else { Ok(()) }
    }
}

impl EndsSignIns {
    async fn ended(&self, work: &mut Work<'_>, session: &Document) -> Result<()> {
        let caller = work.become_system();
        let ended = self.end(work, &session.name(), session.text("user")).await;
        work.session = caller;
        ended
    }

    async fn end(&self, work: &mut Work<'_>, sid: &str, user: &str) -> Result<()> {
        let settings = OAuthSettings::load(work.documents).await?;
        let fields = ["name", "client", "scopes", "renewable_scopes", "status", "expiration_time"];
        let request = ListRequest::new(OAUTH_BEARER_TOKEN).fields(&fields).filters(json!({"sid": sid})).all();
        let tokens = work.list(&request).await?;
        let mut told = BTreeSet::new();
        for row in 0..tokens.rows.len() {
            let renewable = tokens.text(row, "renewable_scopes");
            let scopes = if renewable.is_empty() { tokens.text(row, "scopes") } else { renewable };
            let scopes = ScopeSet::from_stored(scopes);
            if scopes.contains(&Scope::OpenId) {
                told.insert(tokens.text(row, "client").to_owned());
            }
            let opens = match tokens.text(row, "status") {
                ACTIVE => true,
                RENEWED => tokens.text(row, "expiration_time") > work.now(),
                _ => false,
            };
            if settings.end_tokens_at_logout && opens && ends_with_session(&scopes) {
                oauth_bearer_token::revoke(work, tokens.text(row, "name")).await?;
            }
        }
        if settings.end_tokens_at_logout {
            end_codes(work, sid).await?;
        }
        self.tell(work, sid, user, &told).await
    }

    /// Puts a notice for each of these clients that wants to know into the queue, once a session.
    async fn tell(&self, work: &mut Work<'_>, sid: &str, user: &str, clients: &BTreeSet<String>) -> Result<()> {
        let mut listening = Vec::new();
        for client in clients {
            let client = OAuthClient::find_by_name(work.documents, client).await?.filter(|client| client.enabled);
            if let Some(client) = client
                && let Some(uri) = &client.backchannel_logout_uri
            {
                listening.push((client.name.clone(), uri.clone()));
            }
        }
        if listening.is_empty()
            || work.count(&ListRequest::new(OAUTH_LOGOUT_NOTICE).filters(json!({"sid": sid}))).await? > 0
        {
            return Ok(());
        }
        let Some(person) = work.find("User", user).await? else { return Ok(()) };
        let Some(subject) = subject(&person) else { return Ok(()) };
        let next_attempt = work.documents.clock().now() + LEASE;
        let mut notices = Vec::new();
        for (client, uri) in &listening {
            let notice = LogoutNotice {
                client: client.clone(),
                user: user.to_owned(),
                subject: subject.to_owned(),
                sid: Some(sid.to_owned()),
                uri: uri.clone(),
                next_attempt: Some(next_attempt),
                ..LogoutNotice::default()
            };
            let document = notice.new_document(work)?;
            notices.push(work.insert(document).await?.name());
        }
        let (documents, server) = (work.documents.clone(), Arc::clone(&self.server));
        work.after_commit(move || deliver_soon(documents, server, notices));
        Ok(())
    }
}

/// Codes of the session that no client has exchanged yet.
async fn end_codes(work: &mut Work<'_>, sid: &str) -> Result<()> {
    let request = ListRequest::new(OAUTH_AUTHORIZATION_CODE)
        .fields(&["name", "scopes"])
        .filters(json!({"sid": sid, "validity": "Valid"}))
        .all();
    let codes = work.list(&request).await?;
    for row in 0..codes.rows.len() {
        if ends_with_session(&ScopeSet::from_stored(codes.text(row, "scopes"))) {
            let invalid = [("validity", Value::from("Invalid"))];
            work.set_values(OAUTH_AUTHORIZATION_CODE, codes.text(row, "name"), &invalid).await?;
        }
    }
    Ok(())
}
