//! [`Redirect`]: what answers http where the site is reached by https.

use poem::http::{Method, StatusCode, header};
use poem::{Endpoint, Request, Response};

/// Sends whoever reads on to the site. Whoever sends something is refused: it has gone over the network for all to read,
/// and a program that was forwarded would go on sending it there.
pub(crate) struct Redirect {
    site_url: String,
}

impl Redirect {
    /// To the public URL of a site.
    pub(crate) fn to(site_url: &str) -> Self {
        Self { site_url: site_url.to_owned() }
    }
}

impl Endpoint for Redirect {
    type Output = Response;

    async fn call(&self, request: Request) -> poem::Result<Response> {
        if !matches!(*request.method(), Method::GET | Method::HEAD) {
            let message = format!("This is not encrypted: send it to {}", self.site_url);
            return Ok(Response::builder().status(StatusCode::FORBIDDEN).content_type("text/plain").body(message));
        }
        let asked = request.uri().path_and_query().map_or("/", |asked| asked.as_str());
        // An absolute address names a host of its own, and `*` no path.
        let asked = if asked.starts_with('/') { asked } else { "/" };
        let to = format!("{}{asked}", self.site_url);
        Ok(Response::builder().status(StatusCode::PERMANENT_REDIRECT).header(header::LOCATION, to).finish())
    }
}
