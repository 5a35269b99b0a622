//! Tokens and codes of ours as they are stored: as keyed digests.

use std::sync::Arc;

use crate::document::Documents;
use crate::error::Result;
use crate::meta::Document;
use crate::oauth::protocol::token::kind::TokenKind;
use crate::permissions::Session;
use crate::secret::Purpose;

/// The digest under which a token, a code or another random secret of ours is stored.
pub(crate) fn digest(documents: &Documents, token: &str) -> String {
    documents.site_key().digest(Purpose::TOKEN_DIGEST, token)
}

/// What somebody presents, as far as its form tells: the prefix says it, and of what is signed only access tokens are
/// presented.
pub(crate) fn kind_of(token: &str) -> Option<TokenKind> {
    if is_jwt(token) { Some(TokenKind::AccessToken) } else { TokenKind::recognise(token) }
}

/// Whether a token has the form of those that Frappe issues: they moved in with their site, and go on until they expire.
fn is_frappes(token: &str) -> bool {
    (20..=64).contains(&token.len()) && token.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

/// Whether a token has the form of a JWT.
pub(crate) fn is_jwt(token: &str) -> bool {
    token.starts_with("ey") && token.bytes().filter(|byte| *byte == b'.').count() == 2
}

/// The document whose secret field holds the digest of this token; `None` if we never issued it.
///
/// Texts whose prefix or checksum does not fit are refused without a look into the database.
pub(crate) async fn find(
    documents: &Documents,
    kind: TokenKind,
    doctype: &str,
    fieldname: &str,
    token: &str,
) -> Result<Option<Arc<Document>>> {
    let could_be = match kind_of(token) {
        None => is_frappes(token) && matches!(kind, TokenKind::AccessToken | TokenKind::RefreshToken),
        known => known == Some(kind),
    };
    if !could_be {
        return Ok(None);
    }
    find_digest(documents, doctype, fieldname, token).await
}

/// The same for secrets without a prefix.
pub(crate) async fn find_digest(
    documents: &Documents,
    doctype: &str,
    fieldname: &str,
    token: &str,
) -> Result<Option<Arc<Document>>> {
    // Under each key of the site: tokens outlive the change of a key.
    for digest in documents.site_key().digests(Purpose::TOKEN_DIGEST, token) {
        if let Some(found) = documents.find_by(&Session::system(), doctype, fieldname, &digest).await? {
            return Ok(Some(found));
        }
    }
    Ok(None)
}
