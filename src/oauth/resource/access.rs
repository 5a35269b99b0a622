//! What the resource server adds to every request: tokens that come elsewhere than in the header, challenges to those
//! who are refused, and which pages may read the answers.

use std::sync::Arc;

use async_trait::async_trait;
use poem::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use poem::{Body, Request, Response};
use url::form_urlencoded;

use crate::error::{AuthenticationError, Error, Need, Result};
use crate::meta::Right;
use crate::oauth::http::endpoint::{allow_every_origin, allow_origin, allow_preflight, is_allowed_origin};
use crate::oauth::protocol::request::is_form;
use crate::oauth::protocol::serve::challenge::{Challenge, TokenScheme};
use crate::oauth::protocol::serve::scope_rules::{missing_for, missing_for_guarded, missing_for_method};
use crate::oauth::protocol::token::dpop::ALGS;
use crate::oauth::protocol::token::kind::from_authorization;
use crate::oauth::protocol::{Error as OAuthError, ErrorCode, ScopeSet};
use crate::oauth::resource::bearer::BearerAuthenticator;
use crate::oauth::resource::dpop::{DPOP_NONCE, nonce};
use crate::oauth::scopes::scope_catalogue::ScopeCatalogue;
use crate::oauth::scopes::site_scopes::SiteScopes;
use crate::oauth::views::{OAuthClient, OAuthSettings};
use crate::web::body::SMALL;
use crate::web::error::Origin;
use crate::web::{MCP, Middleware, Site};

/// The name of a token outside the header (RFC 6750 §2.2 and §2.3).
const ACCESS_TOKEN: &str = "access_token";
/// Where clients are served.
const API: &str = "/api/";

/// The resource server's part in every request.
pub(crate) struct Access {
    /// Who knows our own tokens.
    pub tokens: Arc<BearerAuthenticator>,
    /// The site's own scopes.
    pub catalogue: ScopeCatalogue,
}

#[async_trait]
impl Middleware for Access {
    async fn before(&self, site: &Site, request: &mut Request) -> Result<()> {
        let query = request.uri().query().unwrap_or_default();
        if query.contains(ACCESS_TOKEN)
            && form_urlencoded::parse(query.as_bytes()).any(|(name, _)| name == ACCESS_TOKEN)
        {
            return Err(Error::BadRequest(
                "An access token in the address ends up in logs and histories: \
                 send it in the header, Authorization: Bearer <token>"
                    .to_owned(),
            ));
        }
        self.check_page(site, request).await?;
        take_from_form(site, request).await
    }

    async fn challenge(&self, site: &Site, from: &Origin, error: &Error, headers: &mut HeaderMap) -> Result<()> {
        let settings = OAuthSettings::load(&site.documents).await?;
        let metadata = resource_metadata(&settings, site.documents.site_url(), from.path());
        let metadata = metadata.as_deref();
        let scopes = SiteScopes::now(site, &self.catalogue, &settings).await?;
        let minimal = || scopes.to_challenge(&scopes.default().to_string(), None);
        let dpop = Challenge { scheme: TokenScheme::Dpop, algs: Some(ALGS), ..Challenge::default() };
        let challenge = match error {
            Error::Authentication(AuthenticationError::BadToken(reason)) => {
                let error = OAuthError::new(ErrorCode::InvalidToken, reason.clone());
                let scope = minimal();
                let bearer = Challenge { scope: scope.as_deref(), ..Challenge::invalid_token(metadata, &error) };
                bearer.to_string()
            }
            Error::Authentication(AuthenticationError::BadProof { error, message }) => {
                if settings.require_dpop_nonce
                    && let Ok(nonce) = HeaderValue::try_from(nonce(&site.documents, site.documents.clock().now()))
                {
                    headers.insert(DPOP_NONCE, nonce);
                }
                let known = [ErrorCode::InvalidToken, ErrorCode::UseDpopNonce, ErrorCode::InvalidDpopProof];
                let code = known.into_iter().find(|code| code.as_str() == *error);
                let error_description = Some(message.as_str());
                Challenge { error: code, error_description, resource_metadata: metadata, ..dpop.clone() }.to_string()
            }
            Error::Authentication(reason) => {
                let scope = match reason {
                    AuthenticationError::MissingFor(need) => {
                        scopes.to_challenge(&scope_for(need), None).or_else(minimal)
                    }
                    _ => minimal(),
                };
                Challenge::without_token(metadata, scope.as_deref()).to_string()
            }
            Error::InsufficientScope { message, scope } => {
                let scheme =
                    if from.scheme.as_deref() == Some("dpop") { TokenScheme::Dpop } else { TokenScheme::Bearer };
                // What its client would be refused for, it is not led to ask for.
                let client = self.client_of(site, from.authorization.as_ref()).await?;
                let mut scope = scopes.to_challenge(scope, client.as_deref());
                if from.path() == MCP
                    && let Some(needed) = &mut scope
                {
                    // Clients of MCP ask for exactly what is named, and would lose what they have.
                    *needed = self
                        .held(site, from.authorization.as_ref())
                        .await?
                        .union(&ScopeSet::from_stored(needed))
                        .to_string();
                }
                let refused = Challenge::insufficient_scope(metadata, scope.as_deref(), message);
                Challenge { scheme, algs: (scheme == TokenScheme::Dpop).then_some(ALGS), ..refused }.to_string()
            }
            // What the person may not do, no token can.
            _ => return Ok(()),
        };
        if let Ok(challenge) = HeaderValue::try_from(challenge) {
            headers.append(header::WWW_AUTHENTICATE, challenge);
        }
        // In a line of its own: not every client takes apart two challenges in one.
        let is_bearer =
            matches!(error, Error::Authentication(reason) if !matches!(reason, AuthenticationError::BadProof { .. }));
        if let Ok(dpop) = HeaderValue::try_from(dpop.to_string())
            && is_bearer
        {
            headers.append(header::WWW_AUTHENTICATE, dpop);
        }
        Ok(())
    }

    async fn share(&self, site: &Site, from: &Origin, headers: &HeaderMap, response: &mut Response) -> Result<()> {
        // An endpoint that has rules of its own has said so.
        let is_decided = [header::ACCESS_CONTROL_ALLOW_ORIGIN, header::VARY]
            .iter()
            .any(|name| response.headers().contains_key(name));
        let is_mcp = from.path() == MCP;
        let is_here = is_mcp || from.path().starts_with(API);
        let Some(origin) = headers.get(header::ORIGIN).filter(|_| !is_decided && is_here) else {
            return Ok(());
        };
        if headers.contains_key(header::ACCESS_CONTROL_REQUEST_METHOD) {
            allow_preflight(origin, response);
            return Ok(());
        }
        if is_mcp && response.status() == StatusCode::UNAUTHORIZED {
            // Where tokens are had, and nothing else: an assistant in a page has no other way to learn it.
            allow_every_origin(response);
            return Ok(());
        }
        let settings = OAuthSettings::load(&site.documents).await?;
        let client = self.client_of(site, headers.get(header::AUTHORIZATION)).await?;
        allow_origin(Some(origin), &settings, client.as_deref(), response);
        Ok(())
    }
}

impl Access {
    /// Refuses a page that is neither of this site, nor of the client whose token it sends, nor listed in OAuth
    /// Settings (MCP, Streamable HTTP: servers must validate `Origin`). Who is refused for the token learns that instead.
    async fn check_page(&self, site: &Site, request: &Request) -> Result<()> {
        if request.uri().path() != MCP || request.method() == Method::OPTIONS {
            return Ok(());
        }
        let Some(origin) = request.headers().get(header::ORIGIN) else { return Ok(()) };
        let authorization = request.headers().get(header::AUTHORIZATION);
        let Some(client) = self.client_of(site, authorization).await? else { return Ok(()) };
        let settings = OAuthSettings::load(&site.documents).await?;
        if is_allowed_origin(origin, site.documents.site_url(), &settings, &client) {
            return Ok(());
        }
        Err(Error::Permission(
            "Pages of this origin may not call this address: only those at a redirect URI of the application may, or at an \
             origin that OAuth Settings lists"
                .to_owned(),
        ))
    }

    /// The scopes of the token of a request.
    async fn held(&self, site: &Site, authorization: Option<&HeaderValue>) -> Result<ScopeSet> {
        let token = match authorization.and_then(|value| value.to_str().ok()).and_then(from_authorization) {
            Some((_, token)) => self.tokens.token(&site.documents, token).await?,
            None => None,
        };
        Ok(token.map(|token| token.scopes).unwrap_or_default())
    }

    /// The client that the token of a request was issued to.
    async fn client_of(&self, site: &Site, authorization: Option<&HeaderValue>) -> Result<Option<Arc<OAuthClient>>> {
        match authorization.and_then(|value| value.to_str().ok()).and_then(from_authorization) {
            Some((_, token)) => self.tokens.client_of(&site.documents, token).await,
            None => Ok(None),
        }
    }
}

/// Moves a token from a form into the header, where OAuth Settings allows that (RFC 6750 §2.2).
///
/// Forms of pages, which come with a session cookie, are left alone.
async fn take_from_form(site: &Site, request: &mut Request) -> Result<()> {
    let may_hold_one = request.method() == Method::POST
        && is_form(request.content_type())
        && request.uri().path().starts_with(API)
        && !request.headers().contains_key(header::COOKIE)
        && request
            .header(header::CONTENT_LENGTH)
            .and_then(|length| length.parse().ok())
            .is_none_or(|length: usize| length <= SMALL);
    if !may_hold_one || !OAuthSettings::load(&site.documents).await?.accept_token_in_form {
        return Ok(());
    }
    let bytes = request.take_body().into_bytes().await;
    let bytes = bytes.map_err(|_| Error::BadRequest("The body ended too early".to_owned()))?;
    let (tokens, fields): (Vec<_>, Vec<_>) = form_urlencoded::parse(&bytes).partition(|(name, _)| name == ACCESS_TOKEN);
    let [(_, token)] = tokens.as_slice() else {
        let repeated = tokens.len() > 1;
        request.set_body(Body::from_bytes(bytes));
        return if repeated { Err(more_than_one()) } else { Ok(()) };
    };
    if request.headers().contains_key(header::AUTHORIZATION) {
        return Err(more_than_one());
    }
    let value = HeaderValue::try_from(format!("Bearer {token}")).map_err(|_| {
        Error::Authentication(AuthenticationError::BadToken("The access token is not valid".to_owned()))
    })?;
    let rest = form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
    request.headers_mut().insert(header::AUTHORIZATION, value);
    request.headers_mut().insert(header::CONTENT_LENGTH, HeaderValue::from(rest.len()));
    request.set_body(rest);
    Ok(())
}

fn more_than_one() -> Error {
    Error::BadRequest("Send the access token once: in the header, or else in the form".to_owned())
}

/// Where the resource that a path belongs to describes itself; `None` if OAuth Settings hides that.
pub(crate) fn resource_metadata(settings: &OAuthSettings, site_url: &str, path: &str) -> Option<String> {
    settings.show_protected_resource_metadata.then(|| {
        let resources = settings.resources(site_url);
        let own = resources.of_path(site_url, path);
        format!("{site_url}/.well-known/oauth-protected-resource{own}")
    })
}

fn scope_for(need: &Need) -> String {
    match need {
        Need::Right { doctype, right } => {
            let right = Right::ALL.into_iter().find(|known| known.as_str() == *right).unwrap_or(Right::Read);
            missing_for(doctype, right)
        }
        Need::Method(path) => missing_for_method(path),
        Need::Unlimited => missing_for_guarded(),
    }
}
