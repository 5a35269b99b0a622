//! The userinfo endpoint: what a token's scopes tell about its person (OpenID Connect Core §5.3).

use std::sync::Arc;

use poem::Response;
use poem::http::{HeaderValue, StatusCode, header};

use crate::document::view::parse_time;
use crate::error::{AuthenticationError, Error, Result};
use crate::oauth::http::endpoint::{allow_origin, json as json_response};
use crate::oauth::protocol::serve::challenge::Challenge;
use crate::oauth::protocol::token::kind::from_authorization;
use crate::oauth::protocol::token::userinfo::{Person, UserInfo};
use crate::oauth::protocol::{Error as OAuthError, ErrorCode, Scope, ScopeSet};
use crate::oauth::resource::access::resource_metadata;
use crate::oauth::server::Server;
use crate::oauth::subject::subject;
use crate::oauth::views::{OAuthClient, OAuthSettings};
use crate::permissions::Session;
use crate::web::{Credentials, Exchange, Site};

/// Answers GET and POST of `…openid_profile`.
pub(crate) async fn openid_profile(exchange: Exchange, server: Arc<Server>) -> Result<Response> {
    let documents = &exchange.site.documents;
    let sent = exchange.header(header::AUTHORIZATION.as_str()).and_then(from_authorization);
    // The token has opened this request already, with its proof if it is bound to a key.
    let (Some((scheme, presented)), Credentials::Bearer) = (sent, exchange.context.credentials) else {
        return Err(Error::Authentication(AuthenticationError::Missing));
    };
    let Some(token) = server.tokens.token(documents, presented).await? else {
        return Err(Error::Authentication(AuthenticationError::Missing));
    };
    let settings = OAuthSettings::load(documents).await?;
    let client = OAuthClient::find_by_name(documents, &token.client).await?;
    let mut answer = if token.scopes.contains(&Scope::OpenId) {
        json_response(StatusCode::OK, &claims(&exchange.site, &settings, &token.user, &token.scopes).await?)
    } else {
        let metadata = resource_metadata(&settings, documents.site_url(), exchange.request.uri().path());
        let message = "The scope openid is needed here";
        let challenge = Challenge::insufficient_scope(metadata.as_deref(), Some("openid"), message);
        let challenge = Challenge { scheme, ..challenge }.to_string();
        let error = OAuthError::new(ErrorCode::InsufficientScope, message);
        let mut refused = json_response(StatusCode::FORBIDDEN, &error.body());
        if let Ok(challenge) = HeaderValue::try_from(challenge) {
            refused.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
        }
        refused
    };
    allow_origin(exchange.request.headers().get(header::ORIGIN), &settings, client.as_deref(), &mut answer);
    Ok(answer)
}

/// The claims about a user that these scopes open, with `sub`.
pub(crate) async fn claims(site: &Site, settings: &OAuthSettings, user: &str, scopes: &ScopeSet) -> Result<UserInfo> {
    let documents = &site.documents;
    let access = documents.access(user).await?.ok_or(Error::Authentication(AuthenticationError::BadCredentials))?;
    let document = documents.get(&Session::system(), "User", user).await?;
    let subject = match subject(&document) {
        Some(subject) => subject.to_owned(),
        None => crate::oauth::subject::subject_of(documents, user).await?,
    };
    let picture = document.text("user_image");
    let person = Person {
        subject,
        name: access.full_name.clone(),
        given_name: document.text("first_name").to_owned(),
        family_name: document.text("last_name").to_owned(),
        preferred_username: document.text("username").to_owned(),
        // Private files open for nobody who has no session here.
        picture: match picture {
            public if public.starts_with("/files/") => format!("{}{public}", documents.site_url()),
            elsewhere if elsewhere.starts_with("https://") => elsewhere.to_owned(),
            _ => String::new(),
        },
        locale: document.text("language").to_owned(),
        zoneinfo: document.text("time_zone").to_owned(),
        updated_at: parse_time(document.modified()).map(|at| at.timestamp()),
        email: document.text("email").to_owned(),
        email_verified: document.check("email_verified"),
        roles: access.roles.iter().cloned().collect(),
    };
    Ok(UserInfo::new(&person, scopes, settings.openid_includes_roles))
}
