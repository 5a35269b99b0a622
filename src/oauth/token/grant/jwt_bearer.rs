//! A trusted server vouches for a person, and the client gets a token for them (RFC 7523 §2.1, ID-JAG).

use serde_json::json;

use crate::oauth::client::social::identity::user_id;
use crate::oauth::client::social::provider::Provider;
use crate::oauth::client::social::resource::voucher;
use crate::oauth::http::endpoint::Result;
use crate::oauth::protocol::jose::jwt::{JwtError, Unverified, Verified};
use crate::oauth::protocol::token::identity_assertion::{Expected, IdentityAssertion, check, refused};
use crate::oauth::protocol::{Error, ErrorCode, Parameters};
use crate::oauth::token::grant::context::TokenContext;
use crate::oauth::token::grant::new_tokens::{Issue, NewTokens};
use crate::oauth::views::SignIn;
use crate::oauth::views::oauth_replay_guard::{Purpose, remember};
use crate::oauth::views::user_social_login::{Who, linked_user, row_provider};
use crate::outgoing::published::Asked;
use crate::secret::SigningAlgorithm;
use crate::web::Severity;

/// Exchanges an assertion. There is no refresh token: for the next one, the issuer is asked again.
pub(super) async fn grant<'c>(context: &'c TokenContext, sent: &Parameters) -> Result<Issue<'c>> {
    let (provider, verified) = verify(context, sent.require("assertion")?).await?;
    let issuer = provider.issuer.as_deref().unwrap_or_default();
    let expected = Expected {
        issuer,
        audience: context.site.documents.site_url(),
        client_id: &context.client.client_id,
        jkt: context.dpop_jkt.as_deref(),
    };
    let vouched = check(&verified, &expected, context.now).map_err(|error| refused(&error))?;
    let user = find(context, &provider, verified).await?;
    context.check_user(&user).await?;
    let (scope, known) = (sent.get("scope"), context.scopes().await?);
    let scopes = vouched.grant(scope, &context.client.scopes, &context.settings.default_scopes, &known)?;
    let resources = vouched.resources(&context.resources(), sent.all("resource"))?;
    spend(context, issuer, &user, &vouched).await?;
    let sign_in = SignIn { auth_time: vouched.auth_time, ..SignIn::default() };
    let tokens = NewTokens { sign_in, ..NewTokens::new(user, scopes, resources) };
    Ok(Issue { work: context.begin().await?, tokens, event: None })
}

/// Verifies the signature with the keys of the issuer, if that may vouch for people here.
async fn verify(context: &TokenContext, assertion: &str) -> Result<(Provider, Verified)> {
    let (documents, providers) = (&context.site.documents, &context.server.providers);
    let parsed = Unverified::parse(assertion).map_err(|error| refused(&error))?;
    let issuer = parsed.unverified_claims().text("iss").unwrap_or_default().to_owned();
    let provider = voucher(providers, documents, &issuer).await?.filter(|_| issuer != documents.site_url());
    let provider = provider.ok_or_else(|| Error::invalid_grant("The issuer of the assertion is not trusted here"))?;
    let address = provider.jwks_uri.as_deref().unwrap_or_default();
    let check = |keys: &_| parsed.clone().verify(keys, &SigningAlgorithm::ALL);
    let checked = providers.keys.check(&providers.outgoing, documents, Asked::by_stranger(address), check).await;
    let checked: std::result::Result<Verified, JwtError> = checked.map_err(|error| {
        tracing::warn!(provider = provider.key.name, %error, "the keys of an issuer of assertions");
        let message = "The keys of the issuer of the assertion cannot be fetched: try again in a moment";
        Error::new(ErrorCode::TemporarilyUnavailable, message).because(error)
    })?;
    Ok((provider, checked.map_err(|error| refused(&error))?))
}

/// The person to whom the account at the provider is linked: by its id, as when they log in, and by nothing else.
async fn find(context: &TokenContext, provider: &Provider, verified: Verified) -> Result<String> {
    let subject = verified.claims.text("sub").map(str::to_owned);
    let claims = verified.claims.0.into();
    let userid = user_id(&provider.key, &claims).unwrap_or_default();
    let (name, issuer) = (row_provider(&provider.key.name), provider.authority());
    let who = Who { provider: &name, issuer: &issuer, userid: &userid, subject: subject.as_deref() };
    let user = linked_user(&context.site.documents, who).await?;
    Ok(user.ok_or_else(|| {
        Error::invalid_grant("The assertion is about nobody here: the person has to link that account first")
    })?)
}

/// Uses the assertion up: from now on a copy of it is refused.
async fn spend(context: &TokenContext, issuer: &str, user: &str, vouched: &IdentityAssertion) -> Result<()> {
    let documents = &context.site.documents;
    let purpose = Purpose::IdentityAssertion;
    if remember(documents, purpose, issuer, &vouched.jti, vouched.expires_at).await? {
        return Ok(());
    }
    context
        .event("Identity Assertion Reused", Severity::Warning)
        .user(user)
        .details(json!({"issuer": issuer}))
        .record(documents)
        .await;
    Err(Error::invalid_grant("The assertion was used before: get another one from its issuer").into())
}
