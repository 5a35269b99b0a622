//! Makes the authorization code for a person who has said yes.

use crate::document::Work;
use crate::document::view::View as _;
use crate::error::Result;
use crate::oauth::authorization::interaction::person::Person;
use crate::oauth::credentials;
use crate::oauth::protocol::authorize::authorization_request::AuthorizationRequest;
use crate::oauth::protocol::token::kind::TokenKind;
use crate::oauth::token::grant::new_tokens::new_family;
use crate::oauth::views::oauth_authorization_code::{AuthorizationCode, Validity};
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
    let stored = AuthorizationCode {
        client: client.name.clone(),
        user: person.user.clone(),
        scopes: request.scopes.clone(),
        resources: request.resources.clone(),
        digest: credentials::digest(documents, &code),
        expires_at: Some(documents.clock().now() + settings.code_lifetime),
        validity: Validity::Valid,
        redirect_uri: redirect_uri.as_str().to_owned(),
        redirect_uri_was_sent: redirect_uri.was_sent(),
        code_challenge: challenge.cloned(),
        code_challenge_method: challenge.map(|_| "s256".to_owned()),
        nonce: request.nonce.clone(),
        dpop_jkt: request.dpop_jkt.clone(),
        grant: Some(grant),
        family: new_family(),
        sign_in: person.sign_in(),
        ..AuthorizationCode::default()
    };
    let document = stored.new_document(work)?;
    work.insert(document).await?;
    Ok(code)
}
