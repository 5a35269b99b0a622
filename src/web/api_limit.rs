//! The limit of the API: how often one credential, or one address without one, may call it per minute.

use std::sync::Arc;

use poem::Request;
use poem::http::{HeaderMap, Method};

use crate::document::Documents;
use crate::error::Result;
use crate::web::MCP;
use crate::web::rate_limit::{RateLimit, Standing, subscriber};
use crate::web::request::{Credentials, RequestContext};
use crate::web::settings::ApiLimits;

/// The names of the two policies, as answers say them.
const CREDENTIALS: &str = "credentials";
const ADDRESS: &str = "address";

/// Counts requests to the API.
pub(crate) struct ApiLimit {
    credentials: RateLimit,
    addresses: RateLimit,
}

impl Default for ApiLimit {
    fn default() -> Self {
        Self { credentials: RateLimit::of("api"), addresses: RateLimit::of("api without credentials") }
    }
}

/// How a sender stands to the limit of the API.
#[derive(Clone)]
pub struct Limited {
    policy: &'static str,
    standing: Standing,
    counts: RateLimit,
    who: Arc<str>,
}

impl Limited {
    /// Counts so many more, for a request that asks for several things; `RateLimited` if that is too often.
    pub(crate) fn count_more(&self, documents: &Documents, times: usize) -> Result<()> {
        let times = i64::try_from(times).unwrap_or(i64::MAX);
        let standing = self.counts.count_soon_at_all_nodes(documents, &self.who, times, self.standing.limit);
        standing.map_or(Ok(()), Standing::check)
    }

    /// Says so in an answer.
    pub(crate) fn tell(&self, headers: &mut HeaderMap) {
        self.standing.tell(self.policy, headers);
    }
}

impl ApiLimit {
    /// Counts a request if it is one to the API; `RateLimited` if there were too many.
    pub(crate) async fn count(
        &self,
        documents: &Documents,
        request: &Request,
        context: &mut RequestContext,
    ) -> Result<()> {
        if !concerns(request) {
            return Ok(());
        }
        let limits = ApiLimits::load(documents).await;
        let (policy, counts, who, limit) = match holder(context) {
            Some(holder) => (CREDENTIALS, &self.credentials, holder, limits.credentials),
            None => (ADDRESS, &self.addresses, subscriber(context.ip).to_string(), limits.addresses),
        };
        let standing = counts.count_soon_at_all_nodes(documents, &who, 1, limit);
        context.limited =
            standing.map(|standing| Limited { policy, standing, counts: counts.clone(), who: who.into() });
        standing.map_or(Ok(()), Standing::check)
    }
}

/// Whether a request counts. What a browser asks first, before it sends one of another site's pages, does not.
fn concerns(request: &Request) -> bool {
    let path = request.uri().path();
    *request.method() != Method::OPTIONS && (path.starts_with("/api/") || path == "/api" || path == MCP)
}

/// Whose requests are counted together. A new token of the same application for the same person brings nothing new.
pub(crate) fn holder(context: &RequestContext) -> Option<String> {
    let user = context.session.user();
    match context.credentials {
        Credentials::None => None,
        Credentials::Cookie => Some(format!("session {}", context.session.sid.as_deref().unwrap_or(user))),
        Credentials::ApiKey => Some(format!("key {}", context.key.as_deref().unwrap_or(user))),
        Credentials::Bearer => Some(format!("token {} {user}", context.client.as_deref().unwrap_or_default())),
    }
}
