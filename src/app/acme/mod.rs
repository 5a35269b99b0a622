//! A certificate from an authority, asked for and renewed by the server itself (ACME, RFC 8555; TLS-ALPN-01, RFC 8737).
//!
//! Everything about it is in one document, ACME Certificate: the job that asks for it runs at one node, and every node
//! answers the authority's question and serves what was issued.

mod follow;
mod order;

pub(crate) use follow::{Answers, follow};

use std::sync::Arc;

use crate::config::Config;
use crate::config::tls::{Acme, Source};
use crate::document::Documents;
use crate::document::view::parse_time;
use crate::error::{Error, Result};
use crate::jobs::new_job;
use crate::meta::Document;
use crate::permissions::Session;
use crate::web::job::HOURLY;
use crate::web::{JobKind, Plugins, Site};

/// The DocType.
const ACME_CERTIFICATE: &str = "ACME Certificate";
/// The kind of job.
const RENEW: &str = "renew the certificate";

/// What is asked for, if anything is.
pub(crate) fn wanted(config: &Config) -> Option<&Acme> {
    match &config.tls.as_ref()?.source {
        Source::Acme(acme) => Some(acme),
        Source::Files { .. } => None,
    }
}

/// Registers the job, and what tells of its failure.
pub(crate) fn register(plugins: &mut Plugins, config: &Config) {
    let fields =
        ["directory", "valid_until", "renew_after", "last_error", "certificate", "private_key", "account", "challenge"];
    plugins.controllers.needs_fields(ACME_CERTIFICATE, &fields);
    if wanted(config).is_none() {
        return;
    }
    // Authorities count what fails, and refuse whoever fails often.
    plugins.job_kind(JobKind::new(RENEW, order::renew).scheduled(HOURLY).attempts(1));
    plugins.warning(async |site: Site| {
        let document = stored(&site).await?;
        let error = document.as_ref().map(|document| document.text("last_error")).filter(|error| !error.is_empty());
        Ok(error.map(|error| format!("The site got no new certificate: {error}. See ACME Certificate")))
    });
    plugins.at_start(async |site: Site| {
        let Some(acme) = wanted(&site.config) else { return Ok(()) };
        let waits =
            |document: &Document| !is_due(&site.documents, document, acme) || !document.text("last_error").is_empty();
        if stored(&site).await?.is_some_and(|document| waits(&document)) {
            return Ok(());
        }
        let mut work = site.documents.begin(&Session::system()).await?;
        work.enqueue(new_job(RENEW)).await?;
        work.commit().await
    });
}

/// The document, if there is one.
async fn stored(site: &Site) -> Result<Option<Arc<Document>>> {
    let Some(acme) = wanted(&site.config) else { return Ok(None) };
    match site.documents.get(&Session::system(), ACME_CERTIFICATE, &acme.domain).await {
        Ok(document) => Ok(Some(document)),
        Err(Error::DoesNotExist { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Whether it is time for a certificate: for lack of one of this authority, or because it expires before long.
fn is_due(documents: &Documents, document: &Document, acme: &Acme) -> bool {
    document.text("certificate").is_empty()
        || document.text("directory") != acme.directory.as_str()
        || parse_time(document.text("renew_after")).is_none_or(|time| time <= documents.clock().now())
}
