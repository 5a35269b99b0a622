//! Requests to servers that whoever runs the site has named in its settings, as that of the database: the collector of traces,
//! and the authority that issues certificates.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use instant_acme::{BodyWrapper, BytesResponse};
use opentelemetry_http::{HttpClient, HttpError, Request, Response};
use reqwest::Client;
use tokio::runtime::Handle;

use super::{CONNECT_TIMEOUT, MAX_ANSWER_BYTES, USER_AGENT, authorities_in};
use crate::config::Config;

/// Sends on the runtime of everything else, from whatever thread it is asked to.
#[derive(Clone, Debug)]
pub(crate) struct ConfiguredClient {
    client: Client,
    runtime: Handle,
    /// Traces did not get through last time.
    fails: Arc<AtomicBool>,
}

impl ConfiguredClient {
    /// As configured; fails if the file of trusted certificates cannot be used.
    pub(crate) fn new(config: &Config, runtime: Handle) -> anyhow::Result<Self> {
        let authorities = config.trusted_certificates.as_deref().map(authorities_in).transpose()?;
        let client = Client::builder()
            .user_agent(USER_AGENT)
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(config.outgoing_timeout)
            .tls_certs_merge(authorities.unwrap_or_default());
        Ok(Self { client: client.build()?, runtime, fails: Arc::default() })
    }

    async fn send(self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let (parts, body) = request.into_parts();
        let sent = self.client.request(parts.method, parts.uri.to_string()).headers(parts.headers).body(body);
        let mut answer = sent.send().await?;
        let mut body = Vec::new();
        while let Some(chunk) = answer.chunk().await? {
            if body.len() + chunk.len() > MAX_ANSWER_BYTES {
                return Err("the server answered with too much".into());
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
impl HttpClient for ConfiguredClient {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let sent = self.runtime.spawn(self.clone().send(request)).await?;
        let failure = match &sent {
            Ok(answer) if answer.status().is_success() => None,
            Ok(answer) => Some(format!("it answered {}", answer.status())),
            Err(error) => Some(error.to_string()),
        };
        // Once, not every few seconds.
        match (failure, self.fails.load(Ordering::Relaxed)) {
            (Some(cause), false) => {
                tracing::warn!(cause, "traces do not reach their collector, and are dropped meanwhile");
            }
            (None, true) => tracing::info!("traces reach their collector again"),
            _ => return sent,
        }
        self.fails.fetch_not(Ordering::Relaxed);
        sent
    }
}

impl instant_acme::HttpClient for ConfiguredClient {
    fn request(
        &self,
        request: Request<BodyWrapper<Bytes>>,
    ) -> Pin<Box<dyn Future<Output = Result<BytesResponse, instant_acme::Error>> + Send>> {
        let client = self.clone();
        Box::pin(async move {
            let (parts, body) = request.into_parts();
            let body = body.collect().await.map_err(|error| instant_acme::Error::Other(error.into()))?.to_bytes();
            let sent = client.send(Request::from_parts(parts, body)).await;
            Ok(BytesResponse::from(sent.map_err(instant_acme::Error::Other)?.map(Full::new)))
        })
    }
}
