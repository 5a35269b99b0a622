//! A token becomes a narrower one, for the same client or for the server that it was meant for (RFC 8693).

use serde_json::json;

use crate::document::Work;
use crate::error::Result as SiteResult;
use crate::oauth::authorization_server::endpoint::Result;
use crate::oauth::authorization_server::token::Asking;
use crate::oauth::authorization_server::tokens::{FromSubject, LoginFacts, NewTokens, issue};
use crate::oauth::credentials;
use crate::oauth::protocol::token::{TokenKind, TokenResponse};
use crate::oauth::protocol::token_exchange::{
    ACCESS_TOKEN, Acting, ExchangeRequest, Exchanged, Exchanger, Held, decide, refused,
};
use crate::oauth::resource_server::standing;
use crate::oauth::subject::subject_of;
use crate::oauth::views::BearerToken;
use crate::oauth::views::fields::time_value;
use crate::oauth::views::oauth_bearer_token::OAUTH_BEARER_TOKEN;
use crate::oauth::views::oauth_client::note_use;
use crate::permissions::Session;
use crate::web::{SecurityEvent, Severity};

/// Exchanges a token. There is never a refresh token nor an id token with it.
pub async fn exchange(asking: &Asking, sent: &ExchangeRequest) -> Result<TokenResponse> {
    let documents = &asking.site.documents;
    let subject = find(asking, &sent.subject_token).await?.ok_or_else(|| refused("subject_token"))?;
    let actor = match &sent.actor_token {
        Some(token) => Some(find(asking, token).await?.ok_or_else(|| refused("actor_token"))?),
        None => None,
    };
    let decided = decided(asking, sent, &subject, actor.as_ref()).await?;
    if asking.admitted(&subject.user).await?.is_none() {
        return Err(refused("subject_token").because(anyhow::anyhow!("its account may not use this client")).into());
    }
    let mut work = documents.begin(&Session::system()).await?;
    note_use(&mut work, &asking.client, asking.now).await?;
    for token in [Some(&subject), actor.as_ref()].into_iter().flatten() {
        note_token_use(&mut work, token, asking).await?;
    }
    let new = NewTokens {
        client: &asking.client,
        user: &subject.user,
        scopes: &decided.scopes,
        resources: &decided.resources,
        renewable: None,
        grant_type: "Token Exchange",
        grant: subject.grant.as_deref(),
        family: &subject.family,
        previous: None,
        login: LoginFacts {
            nonce: None,
            // The client takes no part in the person's session: the token ends with the other one.
            sid: None,
            auth_time: subject.auth_time,
            acr: subject.acr.as_deref(),
            amr: subject.amr.as_deref(),
        },
        dpop_jkt: asking.dpop_jkt.as_deref(),
        is_sign_in: false,
        exchanged: Some(FromSubject {
            subject_token: &subject.name,
            needs_certificate: subject.x5t_s256.is_some(),
            expires_at: decided.expires_at,
            act: decided.act.as_ref(),
        }),
    };
    let tokens = issue(&mut work, asking, new).await?;
    if decided.impersonates {
        SecurityEvent::new("Person Impersonated", Severity::Info)
            .user(subject.user.as_str())
            .client(asking.client.client_id.as_str())
            .details(json!({"scope": tokens.scope, "resource": decided.resources, "token_of": subject.client}))
            .during(&asking.context)
            .record_in(&mut work)
            .await?;
    }
    work.commit().await?;
    Ok(TokenResponse { issued_token_type: Some(ACCESS_TOKEN.to_owned()), ..tokens })
}

async fn decided(
    asking: &Asking,
    sent: &ExchangeRequest,
    subject: &BearerToken,
    actor: Option<&BearerToken>,
) -> Result<Exchanged> {
    let documents = &asking.site.documents;
    let sub = match actor {
        Some(actor) => subject_of(documents, &actor.user).await?,
        None => String::new(),
    };
    let acting = actor.map(|token| Acting { token: held(token), sub: &sub });
    let client = &asking.client;
    let exchanger = Exchanger {
        client: &client.name,
        client_id: &client.client_id,
        scopes: &client.scopes,
        own_resources: &client.own_resources,
        targets: &client.exchange_targets,
        may_impersonate: client.may_impersonate,
        jkt: asking.dpop_jkt.as_deref(),
        x5t_s256: asking.certificate.as_deref(),
    };
    let known = asking.settings.resources(documents.site_url());
    let targets = known.check(sent.targets.iter().map(String::as_str))?;
    let scopes = asking.scopes().await?;
    Ok(decide(held(subject), acting, &exchanger, sent.scope.as_deref(), &scopes, targets)?)
}

/// An access token of ours that opens something now.
async fn find(asking: &Asking, presented: &str) -> SiteResult<Option<BearerToken>> {
    if credentials::kind_of(presented) != Some(TokenKind::AccessToken) {
        return Ok(None);
    }
    let documents = &asking.site.documents;
    let Some(token) = asking.server.tokens.token(documents, presented).await? else { return Ok(None) };
    Ok(standing(documents, &token, asking.now).await?.is_ok().then_some(token))
}

fn held(token: &BearerToken) -> Held<'_> {
    Held {
        client: &token.client,
        scopes: &token.scopes,
        resources: &token.resources,
        expires_at: token.expires_at.unwrap_or_default(),
        jkt: token.dpop_jkt.as_deref(),
        x5t_s256: token.x5t_s256.as_deref(),
        act: token.act.as_ref(),
    }
}

/// A token that is exchanged is in use.
async fn note_token_use(work: &mut Work<'_>, token: &BearerToken, asking: &Asking) -> SiteResult<()> {
    if token.is_in_use(asking.now) {
        return Ok(());
    }
    work.set_values(OAUTH_BEARER_TOKEN, &token.name, &[("last_used", time_value(asking.now))]).await
}
