//! [`Middleware`]: what a feature adds to the way of every request, before its handler and after.

use async_trait::async_trait;
use poem::http::HeaderMap;
use poem::{Request, Response};

use crate::error::{Error, Result};
use crate::web::error::Origin;
use crate::web::site::Site;

/// A feature's part in every request. Each step does nothing unless it is written.
#[async_trait]
pub trait Middleware: Send + Sync {
    /// Before anybody asks who sends the request. An error answers it.
    async fn before(&self, _site: &Site, _request: &mut Request) -> Result<()> {
        Ok(())
    }

    /// Adds the header `WWW-Authenticate`, and what belongs to it, to the refusal of a request of a program. A browser
    /// that opens a page is led to the login instead.
    async fn challenge(&self, _site: &Site, _from: &Origin, _error: &Error, _headers: &mut HeaderMap) -> Result<()> {
        Ok(())
    }

    /// Before the answer to a page of some origin leaves (the request had a header `Origin`).
    async fn share(&self, _site: &Site, _from: &Origin, _headers: &HeaderMap, _response: &mut Response) -> Result<()> {
        Ok(())
    }
}
