//! A token becomes a narrower one, for the same client or for the server that it was meant for (RFC 8693).

use serde_json::json;

use crate::document::Work;
use crate::document::view::time_value;
use crate::error::Result as SiteResult;
use crate::oauth::credentials;
use crate::oauth::http::endpoint::Result;
use crate::oauth::protocol::Parameters;
use crate::oauth::protocol::token::kind::TokenKind;
use crate::oauth::protocol::token::token_exchange::{
    ActorToken, ExchangeRequest, ExchangedToken, Exchanger, PresentedToken, decide, refused,
};
use crate::oauth::resource::bearer::standing;
use crate::oauth::subject::subject_of;
use crate::oauth::token::grant::context::TokenContext;
use crate::oauth::token::grant::new_tokens::{Issue, NewTokens, SubjectToken};
use crate::oauth::views::oauth_bearer_token::OAUTH_BEARER_TOKEN;
use crate::oauth::views::{BearerToken, SignIn};
use crate::web::Severity;

/// Exchanges a token. There is never a refresh token nor an ID token with it.
pub(super) async fn grant<'c>(context: &'c TokenContext, sent: &Parameters) -> Result<Issue<'c>> {
    let request = ExchangeRequest::parse(sent)?;
    let subject = find(context, &request.subject_token).await?.ok_or_else(|| refused("subject_token"))?;
    let actor = match &request.actor_token {
        Some(token) => Some(find(context, token).await?.ok_or_else(|| refused("actor_token"))?),
        None => None,
    };
    let decided = decided(context, &request, &subject, actor.as_ref()).await?;
    if context.admitted(&subject.user).await?.is_none() {
        return Err(refused("subject_token").because(anyhow::anyhow!("its account may not use this client")).into());
    }
    let mut work = context.begin().await?;
    for token in [Some(&subject), actor.as_ref()].into_iter().flatten() {
        note_token_use(&mut work, token, context).await?;
    }
    let event = decided.impersonates.then(|| {
        let scope = decided.scopes.to_string();
        context
            .event("Person Impersonated", Severity::Info)
            .user(subject.user.as_str())
            .details(json!({"scope": scope, "resource": decided.resources, "token_of": subject.client}))
    });
    let tokens = NewTokens {
        grant: subject.grant,
        family: subject.family,
        // The client takes no part in the person's session: the token ends with the other one.
        sign_in: SignIn { sid: None, ..subject.sign_in },
        exchanged: Some(SubjectToken {
            name: subject.name,
            needs_certificate: subject.x5t_s256.is_some(),
            expires_at: decided.expires_at,
            act: decided.act,
        }),
        ..NewTokens::new(subject.user, decided.scopes, decided.resources)
    };
    Ok(Issue { work, tokens, event })
}

async fn decided(
    context: &TokenContext,
    request: &ExchangeRequest,
    subject: &BearerToken,
    actor: Option<&BearerToken>,
) -> Result<ExchangedToken> {
    let documents = &context.site.documents;
    let sub = match actor {
        Some(actor) => subject_of(documents, &actor.user).await?,
        None => String::new(),
    };
    let acting = actor.map(|token| ActorToken { token: presented(token), sub: &sub });
    let client = &context.client;
    let exchanger = Exchanger {
        client: &client.name,
        client_id: &client.client_id,
        scopes: &client.scopes,
        own_resources: &client.own_resources,
        targets: &client.exchange_targets,
        may_impersonate: client.may_impersonate,
        jkt: context.dpop_jkt.as_deref(),
        x5t_s256: context.certificate.as_deref(),
    };
    let targets = context.resources().check(request.targets.iter().map(String::as_str))?;
    let scopes = context.scopes().await?;
    Ok(decide(presented(subject), acting, &exchanger, request.scope.as_deref(), &scopes, targets)?)
}

/// An access token of ours that opens something now.
async fn find(context: &TokenContext, presented: &str) -> SiteResult<Option<BearerToken>> {
    if credentials::kind_of(presented) != Some(TokenKind::AccessToken) {
        return Ok(None);
    }
    let documents = &context.site.documents;
    let Some(token) = context.server.tokens.token(documents, presented).await? else { return Ok(None) };
    Ok(standing(documents, &token, context.now).await?.is_ok().then_some(token))
}

fn presented(token: &BearerToken) -> PresentedToken<'_> {
    PresentedToken {
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
async fn note_token_use(work: &mut Work<'_>, token: &BearerToken, context: &TokenContext) -> SiteResult<()> {
    if token.is_in_use(context.now) {
        return Ok(());
    }
    work.set_values(OAUTH_BEARER_TOKEN, &token.name, &[("last_used", time_value(context.now))]).await
}
