//! The public keys of the site, for everybody who checks what it signed (RFC 7517 §5).

use std::sync::Arc;

use poem::Response;
use poem::http::header;

use crate::error::Result;
use crate::oauth::server::Server;
use crate::web::Exchange;

/// For how long the keys may be kept. The next ones are published long before they sign, so nobody is surprised by
/// them; a key that was deleted should not be believed for long.
const CACHE_CONTROL: &str = "public, max-age=900";

/// Answers GET of `…jwks` and `/.well-known/jwks.json`.
pub(crate) async fn jwks(exchange: Exchange, server: Arc<Server>) -> Result<Response> {
    let keys = server.keys.published(&exchange.site.documents).await?;
    Ok(Response::builder()
        .content_type("application/jwk-set+json")
        .header(header::CACHE_CONTROL, CACHE_CONTROL)
        .header(header::ACCESS_CONTROL_ALLOW_ORIGIN, "*")
        .body(keys.to_value().to_string()))
}
