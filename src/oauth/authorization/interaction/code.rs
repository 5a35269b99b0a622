//! Makes the authorization code for a person who has said yes.

use crate::document::Work;
use crate::error::Result;
use crate::meta::Value;
use crate::oauth::authorization::interaction::person::Person;
use crate::oauth::credentials;
use crate::oauth::protocol::authorize::authorization_request::AuthorizationRequest;
use crate::oauth::protocol::authorize::pkce::CodeChallenge;
use crate::oauth::protocol::token::kind::TokenKind;
use crate::oauth::token::grant::new_tokens::new_family;
use crate::oauth::views::fields::{lines_value, text_value, time_value};
use crate::oauth::views::oauth_authorization_code::OAUTH_AUTHORIZATION_CODE;
use crate::oauth::views::{OAuthClient, OAuthSettings, oauth_grant};

/// Makes a code: the consent is remembered, the code is bound to everything asked.
///
/// The work acts as the site itself.
pub(super) async fn issue_code(
    work: &mut Work<'_>,
    client: &OAuthClient,
    request: &AuthorizationRequest,
    person: &Person,
) -> Result<String> {
    let documents = work.documents;
    let settings = OAuthSettings::load(documents).await?;
    let grant = oauth_grant::remember(work, &person.user, &client.name, &request.scopes, &request.resources).await?;
    let code = TokenKind::AuthorizationCode.generate();
    let redirect_uri = &request.target.redirect_uri;
    let challenge = request.code_challenge.as_ref();
    let mut document = work.new_document(OAUTH_AUTHORIZATION_CODE)?;
    let values = [
        ("client", Value::from(client.name.as_str())),
        ("user", Value::from(person.user.as_str())),
        ("scopes", Value::from(request.scopes.to_string())),
        ("resource", lines_value(&request.resources)),
        ("authorization_code", Value::from(credentials::digest(documents, &code))),
        ("expiration_time", time_value(documents.clock().now() + settings.code_lifetime)),
        ("redirect_uri_bound_to_authorization_code", Value::from(redirect_uri.as_str())),
        ("redirect_uri_was_sent", Value::from(i64::from(redirect_uri.was_sent()))),
        ("validity", Value::from("Valid")),
        ("nonce", text_value(request.nonce.as_deref())),
        ("code_challenge", text_value(challenge.map(CodeChallenge::as_str))),
        ("code_challenge_method", text_value(challenge.map(|_| "s256"))),
        ("dpop_jkt", text_value(request.dpop_jkt.as_deref())),
        ("grant", Value::from(grant)),
        ("family", Value::from(new_family())),
    ];
    for (fieldname, value) in values.into_iter().chain(person.sign_in().values()) {
        document.set(fieldname, value);
    }
    work.insert(document).await?;
    Ok(code)
}
