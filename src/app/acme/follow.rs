//! A node serves the certificate that is stored, and answers the authority's question, wherever the job runs.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::{ACME_CERTIFICATE, stored};
use crate::error::Result;
use crate::permissions::Session;
use crate::web::Site;
use crate::web::serve::{Challenges, Tls};

/// How often the document is looked at, which is in the cache.
const EVERY: Duration = Duration::from_secs(1);

/// Serves what is stored until `stop`.
pub(crate) fn follow(site: Site, tls: Arc<Tls>, mut stop: watch::Receiver<bool>) -> JoinHandle<()> {
    tokio::spawn(async move {
        let mut served = String::new();
        loop {
            if let Err(error) = look(&site, &tls, &mut served).await {
                // Whatever keeps the database away is logged already.
                tracing::debug!(%error, "the certificate of the site cannot be read");
            }
            tokio::select! {
                () = tokio::time::sleep(EVERY) => {}
                _ = stop.wait_for(|stop| *stop) => return,
            }
        }
    })
}

async fn look(site: &Site, tls: &Tls, served: &mut String) -> Result<()> {
    let Some(document) = stored(site).await? else { return Ok(()) };
    let certificate = document.text("certificate");
    if certificate.is_empty() || certificate == served {
        return Ok(());
    }
    let mut work = site.documents.begin(&Session::system()).await?;
    let key = work.get_password(ACME_CERTIFICATE, &document.name(), "private_key").await?;
    work.commit().await?;
    certificate.clone_into(served);
    match tls.put(certificate.as_bytes(), key.unwrap_or_default().as_bytes()) {
        Ok(()) => tracing::info!("the server has its certificate for {}", document.name()),
        Err(error) => tracing::error!(cause = ?error, "the certificate that is stored cannot be used"),
    }
    Ok(())
}

/// What a site answers to an authority.
pub(crate) struct Answers(pub Site);

#[async_trait]
impl Challenges for Answers {
    async fn digest(&self) -> Option<(String, Vec<u8>)> {
        let document = stored(&self.0).await.ok().flatten()?;
        let digest = URL_SAFE_NO_PAD.decode(document.text("challenge")).ok().filter(|digest| !digest.is_empty())?;
        Some((document.name(), digest))
    }
}
