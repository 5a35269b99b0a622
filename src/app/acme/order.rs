//! The order of a certificate: account, the authority's question, certificate and key.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, TimeDelta, Utc};
use instant_acme::{
    Account, AccountCredentials, AuthorizationStatus, ChallengeType, Identifier, NewAccount, NewOrder, Order,
    OrderStatus, RetryPolicy,
};
use serde_json::{Map, Value as Json, json};
use tokio_rustls::rustls::pki_types::CertificateDer;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use x509_cert::Certificate;
use x509_cert::der::Decode as _;

use super::{ACME_CERTIFICATE, is_due, stored, wanted};
use crate::config::tls::Acme;
use crate::document::view::time_value;
use crate::document::{Children, Documents};
use crate::error::{Error, Result};
use crate::meta::Value;
use crate::outgoing::ConfiguredClient;
use crate::permissions::Session;
use crate::web::{RunningJob, Site};

/// Asks for a certificate if it is time, and writes down what came of it.
pub(super) async fn renew(site: Site, _: RunningJob) -> Result<String> {
    let Some(acme) = wanted(&site.config).cloned() else { return Ok(String::new()) };
    let documents = &site.documents;
    match stored(&site).await? {
        Some(document) if !is_due(documents, &document, &acme) => return Ok(String::new()),
        Some(_) => {}
        None => {
            let values = json!({"domain": acme.domain});
            documents.insert(&Session::system(), ACME_CERTIFICATE, &object(values)).await?;
        }
    }
    match Box::pin(order(&site, &acme)).await {
        Ok(until) => Ok(format!("a certificate for {} until {until}", acme.domain)),
        Err(error) => {
            let said = match &error {
                Error::Unavailable(said) => said.clone(),
                other => other.to_string(),
            };
            note(documents, &acme, &[("last_error", Value::from(said.as_str())), ("challenge", Value::Null)]).await?;
            Err(error)
        }
    }
}

async fn order(site: &Site, acme: &Acme) -> Result<DateTime<Utc>> {
    let documents = &site.documents;
    let account = account(site, acme).await?;
    let identifiers = [Identifier::Dns(acme.domain.clone())];
    let mut order = account.new_order(&NewOrder::new(&identifiers)).await.map_err(refused)?;
    Box::pin(answer(documents, acme, &mut order)).await?;
    let status = order.poll_ready(&RetryPolicy::default()).await;
    if !matches!(status, Ok(OrderStatus::Ready)) {
        return Err(Error::Unavailable(why_not(&mut order, acme, status.err()).await));
    }
    let key = order.finalize().await.map_err(refused)?;
    let chain = order.poll_certificate(&RetryPolicy::default()).await.map_err(refused)?;
    let (from, until) = validity(&chain)?;
    let values = json!({
        "directory": acme.directory.as_str(),
        "certificate": chain,
        "private_key": key,
        "valid_until": time(until),
        "renew_after": time(until - TimeDelta::seconds((until - from).num_seconds() / 3)),
        "last_error": null,
        "challenge": null,
    });
    set(documents, acme, values).await?;
    Ok(until)
}

/// The account at this authority: that from before, or a new one, which is kept before it is used.
async fn account(site: &Site, acme: &Acme) -> Result<Account> {
    let documents = &site.documents;
    let client = || ConfiguredClient::new(&site.config, tokio::runtime::Handle::current()).map_err(Error::internal);
    let mut work = documents.begin(&Session::system()).await?;
    let kept = work.get_password(ACME_CERTIFICATE, &acme.domain, "account").await?;
    work.commit().await?;
    let kept = kept.and_then(|kept| serde_json::from_str::<Json>(&kept).ok());
    let kept = kept.filter(|kept| kept["directory"].as_str() == Some(acme.directory.as_str()));
    let kept = kept.and_then(|kept| serde_json::from_value::<AccountCredentials>(kept).ok());
    if let Some(credentials) = kept {
        let builder = Account::builder_with_http(Box::new(client()?));
        return builder.from_credentials(credentials).await.map_err(refused);
    }
    let contact = acme.contact.as_ref().map(|contact| format!("mailto:{contact}"));
    let contact: Vec<&str> = contact.as_deref().into_iter().collect();
    let new = NewAccount { contact: &contact, terms_of_service_agreed: true, only_return_existing: false };
    let builder = Account::builder_with_http(Box::new(client()?));
    let made = builder.create(&new, acme.directory.to_string(), None).await;
    let (account, credentials) = made.map_err(refused)?;
    let credentials = serde_json::to_string(&credentials).map_err(Error::internal)?;
    let values = json!({"account": credentials});
    set(documents, acme, values).await?;
    Ok(account)
}

/// Puts down what the authority will look for, and tells it to look.
async fn answer(documents: &Documents, acme: &Acme, order: &mut Order) -> Result<()> {
    let mut authorizations = order.authorizations();
    while let Some(authorization) = authorizations.next().await {
        let mut authorization = authorization.map_err(refused)?;
        if authorization.status == AuthorizationStatus::Valid {
            continue;
        }
        let mut challenge = authorization.challenge(ChallengeType::TlsAlpn01).ok_or_else(|| {
            Error::Unavailable(format!("{} does not offer the challenge tls-alpn-01", acme.directory))
        })?;
        let digest = URL_SAFE_NO_PAD.encode(challenge.key_authorization().digest());
        note(documents, acme, &[("challenge", Value::from(digest.as_str()))]).await?;
        challenge.set_ready().await.map_err(refused)?;
    }
    Ok(())
}

/// What the authority found instead of its answer.
async fn why_not(order: &mut Order, acme: &Acme, error: Option<instant_acme::Error>) -> String {
    let mut said = error.map(|error| error.to_string());
    let mut authorizations = order.authorizations();
    while let Some(Ok(authorization)) = authorizations.next().await {
        let mut errors = authorization.challenges.iter().filter_map(|challenge| challenge.error.as_ref());
        said = errors.find_map(|error| error.detail.clone()).or(said);
    }
    let said = said.unwrap_or_default();
    format!("The authority did not find this server at {}, port 443: {said}", acme.domain)
}

/// Stores values, secrets among them.
async fn set(documents: &Documents, acme: &Acme, values: Json) -> Result<()> {
    let (session, values) = (Session::system(), object(values));
    documents.update(&session, ACME_CERTIFICATE, &acme.domain, &values, Children::Replace).await.map(drop)
}

/// From when until when a certificate is valid.
fn validity(chain: &str) -> Result<(DateTime<Utc>, DateTime<Utc>)> {
    let first = CertificateDer::from_pem_slice(chain.as_bytes()).map_err(Error::internal)?;
    let certificate = Certificate::from_der(&first).map_err(Error::internal)?;
    let validity = certificate.tbs_certificate().validity();
    let at = |time: x509_cert::time::Time| {
        let seconds = i64::try_from(time.to_unix_duration().as_secs()).ok();
        seconds.and_then(TimeDelta::try_seconds).map(|since| DateTime::UNIX_EPOCH + since)
    };
    let (from, until) = (at(validity.not_before), at(validity.not_after));
    from.zip(until).ok_or_else(|| Error::Unavailable("The authority's certificate names no time".to_owned()))
}

async fn note(documents: &Documents, acme: &Acme, values: &[(&str, Value)]) -> Result<()> {
    let mut work = documents.begin(&Session::system()).await?;
    work.set_values(ACME_CERTIFICATE, &acme.domain, values).await?;
    work.commit().await
}

fn time(time: DateTime<Utc>) -> String {
    time_value(time).text().to_owned()
}

fn object(json: Json) -> Map<String, Json> {
    match json {
        Json::Object(map) => map,
        _ => Map::new(),
    }
}

/// What the authority, or the way to it, said.
fn refused(error: instant_acme::Error) -> Error {
    Error::Unavailable(format!("The authority gave no certificate: {:#}", anyhow::Error::new(error)))
}
