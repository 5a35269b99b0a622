//! Token exchange: a client gets a narrower token for one that it holds, or that was meant for it (RFC 8693).
//!
//! The new token is never more than the old one: fewer scopes or the same, no more time, and another resource only if
//! an administrator named it. Who acts for somebody else is told in `act`, unless an administrator lets the client be
//! silent about it (impersonation, §1.1).

use chrono::{DateTime, Utc};
use poem_openapi::Object;
use serde::{Deserialize, Serialize};

use crate::oauth::protocol::error::{Error, ErrorCode, Result};
use crate::oauth::protocol::request::Parameters;
use crate::oauth::protocol::serve::resource::covers;
use crate::oauth::protocol::serve::scope::{Scope, ScopeSet};
use crate::oauth::protocol::serve::scope_offer::KnownScopes;

/// The type of an access token that this server issued (§3): what is exchanged here, and for what.
pub const ACCESS_TOKEN: &str = "urn:ietf:params:oauth:token-type:access_token";
/// Types that others exchange.
const OTHER_TYPES: [&str; 6] = [
    "urn:ietf:params:oauth:token-type:refresh_token",
    "urn:ietf:params:oauth:token-type:id_token",
    "urn:ietf:params:oauth:token-type:jwt",
    "urn:ietf:params:oauth:token-type:saml1",
    "urn:ietf:params:oauth:token-type:saml2",
    "urn:ietf:params:oauth:token-type:id-jag",
];
/// How many parties may act one for the other.
const MAX_ACTORS: usize = 5;

/// The parameters of an exchange (§2.1).
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct ExchangeRequest {
    /// The token that stands for whom the new one is about.
    pub subject_token: String,
    /// The token that stands for who acts.
    pub actor_token: Option<String>,
    /// The scopes asked for.
    pub scope: Option<String>,
    /// Where the new token is to be used: `resource` and `audience`, which here mean the same.
    pub targets: Vec<String>,
}

/// Who acts for the subject of a token (RFC 8693 section 4.1): the last one outside, those before within.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, Object)]
#[oai(rename = "OAuthActor")]
pub struct Actor {
    /// The subject identifier of the account that acts.
    pub sub: String,
    /// The client through which it acts.
    pub client_id: String,
    /// For whom this one acted in turn.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub act: Option<Box<Actor>>,
}

/// An access token of ours that holds now.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PresentedToken<'a> {
    /// The client that it was issued to.
    pub client: &'a str,
    /// What it allows.
    pub scopes: &'a ScopeSet,
    /// Where it may be used; empty: everywhere here.
    pub resources: &'a [String],
    /// Until when.
    pub expires_at: DateTime<Utc>,
    /// The key that it is bound to.
    pub jkt: Option<&'a str>,
    /// The thumbprint of the certificate that it is bound to.
    pub x5t_s256: Option<&'a str>,
    /// Who acts already.
    pub act: Option<&'a Actor>,
}

/// The actor token, and whom it stands for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ActorToken<'a> {
    /// The token.
    pub token: PresentedToken<'a>,
    /// The subject identifier of its account.
    pub sub: &'a str,
}

/// The client that asks, after authentication.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Exchanger<'a> {
    /// As tokens name it.
    pub client: &'a str,
    /// As others know it.
    pub client_id: &'a str,
    /// The most that its tokens may allow.
    pub scopes: &'a ScopeSet,
    /// The resources where it answers itself: tokens for these are meant for it.
    pub own_resources: &'a [String],
    /// The resources beyond those of the subject token for which it may get tokens.
    pub targets: &'a [String],
    /// It may act as others and not say so.
    pub may_impersonate: bool,
    /// The key that it has just proved to hold.
    pub jkt: Option<&'a str>,
    /// The thumbprint of the certificate with which it has connected.
    pub x5t_s256: Option<&'a str>,
}

/// The token that comes out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ExchangedToken {
    /// What it allows.
    pub scopes: ScopeSet,
    /// Where it may be used.
    pub resources: Vec<String>,
    /// Who acts.
    pub act: Option<Actor>,
    /// When it ends at the latest.
    pub expires_at: DateTime<Utc>,
    /// The client acts as somebody who had not given it the token, and nothing in the new one says so.
    pub impersonates: bool,
}

impl ExchangeRequest {
    /// Reads the parameters, and refuses types of tokens that are not exchanged here.
    pub(crate) fn parse(parameters: &Parameters) -> Result<Self> {
        let subject_token = parameters.require("subject_token")?.to_owned();
        check_type("subject_token_type", parameters.require("subject_token_type")?)?;
        let actor_token = parameters.get("actor_token").map(str::to_owned);
        match (&actor_token, parameters.get("actor_token_type")) {
            (Some(_), _) => check_type("actor_token_type", parameters.require("actor_token_type")?)?,
            (None, Some(_)) => return Err(Error::invalid_request("actor_token_type was sent without actor_token")),
            (None, None) => {}
        }
        if let Some(wanted) = parameters.get("requested_token_type") {
            check_type("requested_token_type", wanted)?;
        }
        let targets = parameters.all("resource").chain(parameters.all("audience")).map(str::to_owned).collect();
        Ok(Self { subject_token, actor_token, scope: parameters.get("scope").map(str::to_owned), targets })
    }
}

/// Shows no tokens.
impl std::fmt::Debug for ExchangeRequest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ExchangeRequest").field("targets", &self.targets).finish_non_exhaustive()
    }
}

impl Actor {
    /// How many parties act one for the other.
    fn depth(&self) -> usize {
        1 + self.act.as_ref().map_or(0, |act| act.depth())
    }
}

/// Names a type only if it is one: whoever mixed up the parameters has sent a token.
fn check_type(parameter: &'static str, sent: &str) -> Result<()> {
    if sent == ACCESS_TOKEN {
        return Ok(());
    }
    let what = OTHER_TYPES.into_iter().find(|known| *known == sent).unwrap_or("as it was sent");
    Err(Error::invalid_request(format!("{parameter} {what} is not supported here: it may be {ACCESS_TOKEN}")))
}

/// The one answer for a token that is unknown, expired, revoked, or none of the client's business (§2.2.2).
pub(crate) fn refused(parameter: &'static str) -> Error {
    Error::invalid_request(format!("{parameter} is invalid, or was not issued to or for this client"))
}

/// What a client gets for a token. `targets` are resources of this site, canonical; `known` are its scopes.
pub(crate) fn decide(
    subject: PresentedToken<'_>,
    actor: Option<ActorToken<'_>>,
    exchanger: &Exchanger<'_>,
    scope: Option<&str>,
    known: &dyn KnownScopes,
    targets: Vec<String>,
) -> Result<ExchangedToken> {
    let is_own = subject.client == exchanger.client;
    // A token that is bound to no resource was meant for its own client alone.
    let is_meant_for_it =
        !subject.resources.is_empty() && exchanger.own_resources.iter().any(|own| covers(subject.resources, own));
    if !is_own && !is_meant_for_it {
        return Err(
            refused("subject_token").because(anyhow::anyhow!("it is neither the client's own nor meant for it"))
        );
    }
    check_key("subject_token", subject, exchanger)?;
    let (act, impersonates) = match actor {
        Some(actor) => (Some(actor_chain(subject, actor, exchanger)?), false),
        // Nobody is added to those who act, and nobody gets lost.
        None => (subject.act.cloned(), !is_own),
    };
    if impersonates && !exchanger.may_impersonate {
        return Err(Error::invalid_request(
            "actor_token is missing: this client has to say who acts, with an access token of its own",
        ));
    }
    Ok(ExchangedToken {
        scopes: granted_scopes(subject.scopes, exchanger.scopes, scope, known)?,
        resources: narrower(subject.resources, exchanger.targets, targets)?,
        act,
        expires_at: subject.expires_at,
        impersonates,
    })
}

/// Who acts from now on, with those before.
fn actor_chain(subject: PresentedToken<'_>, actor: ActorToken<'_>, exchanger: &Exchanger<'_>) -> Result<Actor> {
    if actor.token.client != exchanger.client {
        return Err(refused("actor_token").because(anyhow::anyhow!("it belongs to another client")));
    }
    if actor.token.act.is_some() {
        return Err(Error::invalid_request("actor_token must be of who acts, not one that came from an exchange"));
    }
    check_key("actor_token", actor.token, exchanger)?;
    let act = Actor {
        sub: actor.sub.to_owned(),
        client_id: exchanger.client_id.to_owned(),
        act: subject.act.cloned().map(Box::new),
    };
    if act.depth() > MAX_ACTORS {
        return Err(Error::invalid_request(format!("The chain of actors is longer than {MAX_ACTORS}")));
    }
    Ok(act)
}

/// Who exchanges a token that is bound to a key or a certificate has to hold that; the new one is bound to it as well.
fn check_key(parameter: &'static str, token: PresentedToken<'_>, exchanger: &Exchanger<'_>) -> Result<()> {
    if token.x5t_s256.is_some() && token.x5t_s256 != exchanger.x5t_s256 {
        let message = format!("{parameter} is bound to a certificate: connect with it (RFC 8705)");
        return Err(Error::invalid_request(message));
    }
    if token.jkt.is_none() || token.jkt == exchanger.jkt {
        return Ok(());
    }
    let message = format!("{parameter} is bound to a key: send a DPoP proof that is signed with it (RFC 9449)");
    Err(Error::new(ErrorCode::InvalidDpopProof, message))
}

/// Scopes that the subject token and the client both have.
fn granted_scopes(
    subject: &ScopeSet,
    registered: &ScopeSet,
    requested: Option<&str>,
    known: &dyn KnownScopes,
) -> Result<ScopeSet> {
    let shared = subject.defined(known).shared_with_client(registered);
    let invalid = |message: String| Err(Error::new(ErrorCode::InvalidScope, message));
    let requested = requested.map(ScopeSet::parse).transpose()?.unwrap_or_default();
    if requested.is_empty() {
        return if shared.is_empty() {
            invalid("This client may use none of the scopes of the subject token".to_owned())
        } else {
            Ok(shared)
        };
    }
    requested.check_defined(known)?;
    for scope in requested.iter() {
        if *scope == Scope::OfflineAccess {
            return invalid("An exchange gives no refresh token: leave out offline_access".to_owned());
        }
        if !subject.covers(scope) {
            return invalid(format!("The subject token does not allow the scope {scope}"));
        }
        if !shared.covers(scope) {
            return invalid(format!("This client may not ask for the scope {scope}: add it to the client's scopes"));
        }
    }
    Ok(requested)
}

/// Resources that the subject token names, or an administrator.
fn narrower(subject: &[String], allowed: &[String], targets: Vec<String>) -> Result<Vec<String>> {
    if targets.is_empty() {
        return Ok(subject.to_vec());
    }
    let may = |target: &String| covers(subject, target) || (!allowed.is_empty() && covers(allowed, target));
    match targets.iter().find(|target| !may(target)) {
        None => Ok(targets),
        Some(target) => Err(Error::new(
            ErrorCode::InvalidTarget,
            format!("Neither the subject token nor this client is allowed at {target}"),
        )),
    }
}

#[cfg(test)]
#[path = "token_exchange_tests.rs"]
mod tests;
