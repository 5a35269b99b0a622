//! The server: accepts connections within limits, gives each to the site's endpoint, and lets requests under way finish.

mod admission;
mod head;
mod redirect;
mod tls;
mod watched;

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::combinators::BoxBody;
use hyper::body::Incoming;
use hyper::header::CONNECTION;
use hyper::http::HeaderValue;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use poem::http::StatusCode;
use poem::http::uri::Scheme;
use poem::web::{LocalAddr, RemoteAddr};
use poem::{Endpoint, Response};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::config::limits::Limits;
use crate::web::client_certificate::ClientCertificate;
pub(crate) use crate::web::serve::admission::open_connections;
use crate::web::serve::admission::{Admission, Place};
pub(crate) use crate::web::serve::redirect::Redirect;
pub(crate) use crate::web::serve::tls::Challenges;
pub use crate::web::serve::tls::Tls;
use crate::web::serve::watched::{Activity, Answer, Watched};

/// How long is waited after a connection could not be accepted: most likely there are too many open files.
const PAUSE: Duration = Duration::from_millis(100);
/// The largest head of a request, in bytes, and what is read ahead of a body.
const READ_BUFFER: u32 = 64 * 1024;
/// HTTP/2: requests at once on a connection, and what may come ahead of being read, for one and for all together.
const STREAMS: u32 = 100;
const STREAM_WINDOW: u32 = 64 * 1024;
const CONNECTION_WINDOW: u32 = 256 * 1024;

/// Serves until `stop`, by TLS if there is some; then requests under way have `grace` to finish.
pub async fn serve<E>(
    listener: TcpListener,
    endpoint: Arc<E>,
    limits: Limits,
    tls: Option<Arc<Tls>>,
    stop: impl Future<Output = ()> + Send,
    grace: Duration,
) -> io::Result<()>
where
    E: Endpoint<Output = Response> + 'static,
{
    let local = LocalAddr(listener.local_addr()?.into());
    let admission = Admission::new(&limits);
    let limits = Arc::new(limits);
    let (stopping, watch_stop) = watch::channel(false);
    let mut connections = JoinSet::new();
    tokio::pin!(stop);
    loop {
        tokio::select! {
            () = &mut stop => break,
            Some(_) = connections.join_next() => {}
            accepted = listener.accept() => match accepted {
                Ok((socket, peer)) => match admission.admit(peer.ip()) {
                    Some(place) => {
                        let connection = Connection {
                            peer,
                            local: local.clone(),
                            endpoint: Arc::clone(&endpoint),
                            limits: Arc::clone(&limits),
                            tls: tls.clone(),
                            stopping: watch_stop.clone(),
                            _place: place,
                        };
                        connections.spawn(connection.serve(socket));
                    }
                    // To greet by TLS first would take more than a connection that is served.
                    None if tls.is_some() => drop(socket),
                    None => admission.refuse(socket),
                },
                Err(error) => {
                    tracing::warn!(%error, "a connection could not be accepted");
                    tokio::time::sleep(PAUSE).await;
                }
            },
        }
    }
    drop(listener);
    stopping.send_replace(true);
    let all = async { while connections.join_next().await.is_some() {} };
    if tokio::time::timeout(grace, all).await.is_err() {
        tracing::warn!("requests that took too long are ended");
        connections.abort_all();
    }
    Ok(())
}

/// One connection, from its acceptance to its end.
struct Connection<E> {
    peer: SocketAddr,
    local: LocalAddr,
    endpoint: Arc<E>,
    limits: Arc<Limits>,
    tls: Option<Arc<Tls>>,
    stopping: watch::Receiver<bool>,
    _place: Place,
}

impl<E: Endpoint<Output = Response> + 'static> Connection<E> {
    async fn serve(self, socket: TcpStream) {
        // Answers are written whole: waiting for more to send would only delay them.
        if let Err(error) = socket.set_nodelay(true) {
            tracing::debug!(%error, "a connection is gone already");
            return;
        }
        let (watched, activity) = Watched::new(socket, &self.limits);
        let Some(tls) = &self.tls else { return self.drive(watched, &activity, Scheme::HTTP, None).await };
        let mut stopping = self.stopping.clone();
        let accepted = tokio::select! {
            accepted = tls.accept(watched) => accepted,
            _ = stopping.wait_for(|stopping| *stopping) => return,
        };
        match accepted {
            Ok(stream) => {
                let certificate = stream.get_ref().1.peer_certificates().and_then(<[_]>::first);
                let certificate = certificate.map(|der| ClientCertificate::presented(der));
                self.drive(stream, &activity, Scheme::HTTPS, certificate).await;
            }
            Err(error) => tracing::debug!(peer = %self.peer, %error, "a connection did not get as far as TLS"),
        }
    }

    /// Answers what is asked over a connection.
    async fn drive(
        &self,
        stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
        activity: &Activity,
        scheme: Scheme,
        certificate: Option<ClientCertificate>,
    ) {
        let service = hyper::service::service_fn(|mut request: hyper::Request<Incoming>| {
            let busy = activity.begin();
            let problem = head::problem(&request);
            let (endpoint, local) = (Arc::clone(&self.endpoint), self.local.clone());
            let (remote, scheme) = (RemoteAddr(self.peer.into()), scheme.clone());
            if let Some(certificate) = &certificate {
                request.extensions_mut().insert(certificate.clone());
            }
            async move {
                let response = match problem {
                    Some(problem) => refusal(problem),
                    None => endpoint.get_response((request, local, remote, scheme).into()).await,
                };
                let response: hyper::Response<BoxBody<_, _>> = response.into();
                Ok::<_, Infallible>(response.map(|body| Answer::new(body, busy)))
            }
        });
        let mut builder = auto::Builder::new(TokioExecutor::new());
        builder.http1().max_buf_size(READ_BUFFER as usize);
        builder
            .http2()
            .max_concurrent_streams(STREAMS)
            .initial_stream_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .max_header_list_size(READ_BUFFER);
        let connection = builder.serve_connection(TokioIo::new(stream), service);
        tokio::pin!(connection);
        let mut stopping = self.stopping.clone();
        let stopping = async { drop(stopping.wait_for(|stopping| *stopping).await) };
        let ended = tokio::select! {
            ended = connection.as_mut() => Some(ended),
            () = stopping => None,
        };
        let ended = if let Some(ended) = ended {
            ended
        } else {
            connection.as_mut().graceful_shutdown();
            connection.await
        };
        if let Err(error) = ended {
            tracing::debug!(peer = %self.peer, %error, "a connection ended early");
        }
    }
}

/// The answer to a head that is not understood: what follows it is not either.
fn refusal(problem: &'static str) -> Response {
    let mut response = Response::builder().status(StatusCode::BAD_REQUEST).content_type("text/plain").body(problem);
    response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    response
}
