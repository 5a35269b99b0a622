//! Where traces go: an address that whoever runs the site has set, as that of the database.

use async_trait::async_trait;
use bytes::Bytes;
use opentelemetry_http::{HttpClient, HttpError, Request, Response};
use reqwest::Client;
use tokio::runtime::Handle;

use super::{CONNECT_TIMEOUT, USER_AGENT, authorities_in};
use crate::config::Config;

/// The largest answer of a collector, in bytes.
const MAX_ANSWER_BYTES: usize = 64 * 1024;

/// Sends what OpenTelemetry's thread of its own hands over, on the runtime of everything else.
#[derive(Clone, Debug)]
pub(crate) struct CollectorClient {
    client: Client,
    runtime: Handle,
}

impl CollectorClient {
    /// As configured; fails if the file of trusted certificates cannot be used.
    pub(crate) fn new(config: &Config, runtime: Handle) -> anyhow::Result<Self> {
        let authorities = config.trusted_certificates.as_deref().map(authorities_in).transpose()?;
        let client = Client::builder()
            .user_agent(USER_AGENT)
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(config.outgoing_timeout)
            .tls_certs_merge(authorities.unwrap_or_default());
        Ok(Self { client: client.build()?, runtime })
    }

    async fn send(self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let (parts, body) = request.into_parts();
        let sent = self.client.request(parts.method, parts.uri.to_string()).headers(parts.headers).body(body);
        let mut answer = sent.send().await?;
        let mut body = Vec::new();
        while let Some(chunk) = answer.chunk().await? {
            if body.len() + chunk.len() > MAX_ANSWER_BYTES {
                return Err("the collector answered with too much".into());
            }
            body.extend_from_slice(&chunk);
        }
        let mut response = Response::builder().status(answer.status());
        if let Some(headers) = response.headers_mut() {
            *headers = answer.headers().clone();
        }
        Ok(response.body(body.into())?)
    }
}

#[async_trait]
impl HttpClient for CollectorClient {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        self.runtime.spawn(self.clone().send(request)).await?
    }
}
