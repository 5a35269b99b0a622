//! Whether the credentials of a request still open what they did, for answers that go on for long.

use std::sync::Arc;

use crate::error::{Error, Result};
use crate::permissions::Session;
use crate::web::pipeline::authorization;
use crate::web::plugin::Authenticator;
use crate::web::request::{Credentials, Exchange};

/// What turns headers into sessions, as requests carry it along.
#[derive(Clone)]
pub(super) struct Authenticators(pub Arc<Vec<Arc<dyn Authenticator>>>);

impl Exchange {
    /// The session of the request with the rights of this moment; `None` once its credentials open nothing any more.
    pub(crate) async fn session_now(&self) -> Result<Option<Session>> {
        let documents = &self.site.documents;
        match self.context.credentials {
            Credentials::None => Ok(Some(self.session().clone())),
            Credentials::Cookie => {
                let sid = self.session().sid.as_deref().unwrap_or_default();
                if !self.site.sessions.stands(documents, sid).await? {
                    return Ok(None);
                }
                let Some(access) = documents.access(self.session().user()).await? else { return Ok(None) };
                let mut session = self.session().clone();
                session.access = access;
                Ok(Some(session))
            }
            Credentials::ApiKey | Credentials::Bearer => self.by_header().await,
        }
    }

    async fn by_header(&self) -> Result<Option<Session>> {
        let Some(Authenticators(known)) = self.request.data::<Authenticators>() else { return Ok(None) };
        let Some((scheme, value)) = authorization(&self.request) else { return Ok(None) };
        for authenticator in known.iter().filter(|known| known.scheme() == scheme) {
            match authenticator.again(&self.site, &self.request, &self.context, value).await {
                Ok(Some(found)) => return Ok(Some(found.session)),
                Ok(None) | Err(Error::Authentication(_)) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(None)
    }
}
