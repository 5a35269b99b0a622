//! `Idempotency-Key` (draft-ietf-httpapi-idempotency-key-header-07): a change that its sender asks for again, because it never
//! saw the answer, is answered again and not made again.
//!
//! The key is noted as an Idempotent Request in the transaction of the change ([`crate::document::Work::commit`]), the answer
//! right behind it. Between the two, and where the server ends there, the key is known and the answer is not: 409.

use std::sync::Arc;

use poem::http::{HeaderName, HeaderValue, StatusCode, header};
use poem::{Request, Response};
use serde::{Deserialize, Serialize};

use crate::document::reseal::SealedField;
use crate::document::work::IDEMPOTENT_REQUEST;
use crate::error::{Conflict, Error, Result};
use crate::meta::Value;
use crate::permissions::{Once, Session};
use crate::secret::{self, Sha256};
use crate::web::body;
use crate::web::request::{Credentials, RequestContext};
use crate::web::site::Site;

const HEADER: &str = "idempotency-key";
/// What says that an answer was given before.
const REPLAYED: HeaderName = HeaderName::from_static("idempotent-replayed");
/// Of longer answers only the status is kept.
const LONGEST_ANSWER: usize = 1024 * 1024;
const LONGEST_KEY: usize = 255;

/// An answer as it is kept, sealed: it may hold what is shown once.
#[derive(Deserialize, Serialize)]
struct Answer {
    status: u16,
    content_type: Option<String>,
    etag: Option<String>,
    body: Option<String>,
}

/// Looks for the key of a request that may change something: the answer that was given before, or a note to the session that
/// the change is to be made once.
pub(super) async fn begin(
    site: &Site,
    request: &mut Request,
    context: &mut RequestContext,
) -> Result<Option<Response>> {
    let Some(key) = request.headers().get(HEADER) else { return Ok(None) };
    let is_api = request.uri().path().starts_with("/api/");
    if request.method().is_safe() || !is_api || context.session.is_guest() {
        return Ok(None);
    }
    let key = key.to_str().ok().and_then(parse).ok_or_else(|| {
        let message = format!("Idempotency-Key must be 1 to {LONGEST_KEY} visible characters, such as a UUID");
        Error::BadRequest(message)
    })?;
    let user = context.session.user().to_owned();
    let name = secret::digest(format!("{user}\n{}\n{key}", sender(context)));
    let what = format!("{} {}", request.method(), request.uri().path());
    let fingerprint = fingerprint(request).await?;
    let site_key = site.documents.site_key();
    match site.documents.get(&Session::system(), IDEMPOTENT_REQUEST, &name).await {
        Ok(known) => {
            let is_same =
                site_key.open_text(known.text("fingerprint"), &place(&name)).is_ok_and(|of| of == fingerprint);
            if known.text("request") != what || !is_same {
                return Err(Error::KeyReused);
            }
            replay(site, &name, known.text("answer")).map(Some)
        }
        Err(Error::DoesNotExist { .. }) => {
            let sealed = site_key.seal(fingerprint, &place(&name));
            context.session.once = Some(Arc::new(Once::new(name, &user, what, sealed)));
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

/// Whose keys are one another's: nobody gets the answer that another application of the same user got, whose rights may be
/// other ones.
fn sender(context: &RequestContext) -> String {
    match context.credentials {
        Credentials::None | Credentials::Cookie => "browser".to_owned(),
        Credentials::ApiKey => format!("key {}", context.key.as_deref().unwrap_or_default()),
        Credentials::Bearer => format!("token {}", context.client.as_deref().unwrap_or_default()),
    }
}

/// Keeps what is answered to a request that has changed something.
pub(super) async fn keep(site: &Site, context: &RequestContext, response: &mut Response) {
    let Some(once) = context.session.once.as_ref().filter(|once| once.is_noted()) else { return };
    if let Err(error) = keep_answer(site, &once.name, response).await {
        tracing::warn!(%error, "the answer to an Idempotency-Key is not kept");
    }
}

async fn keep_answer(site: &Site, name: &str, response: &mut Response) -> Result<()> {
    let bytes = response.take_body().into_bytes().await.map_err(Error::internal)?;
    let sent = |name: HeaderName| response.headers().get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
    let answer = Answer {
        status: response.status().as_u16(),
        content_type: sent(header::CONTENT_TYPE),
        etag: sent(header::ETAG),
        body: std::str::from_utf8(&bytes).ok().filter(|text| text.len() <= LONGEST_ANSWER).map(str::to_owned),
    };
    response.set_body(bytes);
    let text = serde_json::to_string(&answer).map_err(Error::internal)?;
    let sealed = site.documents.site_key().seal(text, &place(name));
    let mut work = site.documents.begin(&Session::system()).await?;
    let values = [("status", Value::Int(i64::from(answer.status))), ("answer", Value::from(sealed))];
    work.set_values(IDEMPOTENT_REQUEST, name, &values).await?;
    work.commit().await
}

/// The same answer once more.
fn replay(site: &Site, name: &str, sealed: &str) -> Result<Response> {
    // Also one that was sealed by a key that is gone.
    let Ok(text) = site.documents.site_key().open_text(sealed, &place(name)) else {
        return Err(Conflict::Underway.into());
    };
    let answer: Answer = serde_json::from_str(&text).map_err(Error::internal)?;
    let Some(body) = answer.body else { return Err(Conflict::Underway.into()) };
    let status = StatusCode::from_u16(answer.status).map_err(Error::internal)?;
    let mut response = Response::builder().status(status).header(REPLAYED, HeaderValue::from_static("true"));
    for (name, value) in [(header::CONTENT_TYPE, answer.content_type), (header::ETAG, answer.etag)] {
        if let Some(value) = value {
            response = response.header(name, value);
        }
    }
    Ok(response.body(body))
}

/// What is sealed.
pub(super) const SEALED: [SealedField; 2] = [sealed("answer"), sealed("fingerprint")];

const fn sealed(fieldname: &'static str) -> SealedField {
    SealedField { doctype: IDEMPOTENT_REQUEST, fieldname, in_auth: false, place }
}

/// What fingerprint and answer are sealed for.
fn place(name: &str) -> String {
    format!("{IDEMPOTENT_REQUEST} {name}")
}

/// A key, with or without the quotation marks that the draft gives it.
fn parse(text: &str) -> Option<&str> {
    let text = text.trim();
    let key = text.strip_prefix('"').map_or(Some(text), |rest| rest.strip_suffix('"'))?;
    let is_good = (1..=LONGEST_KEY).contains(&key.len()) && key.bytes().all(|byte| byte.is_ascii_graphic());
    is_good.then_some(key)
}

/// A digest of query and body, which is stored sealed: who guesses a password could compare it. Of files that are uploaded,
/// which are not kept in memory, their length has to do.
async fn fingerprint(request: &mut Request) -> Result<String> {
    let mut digest = Sha256::default();
    digest.update(request.uri().query().unwrap_or("").as_bytes());
    digest.update(b"\n");
    if body::is_multipart(request) {
        digest.update(request.header(header::CONTENT_LENGTH).unwrap_or("").as_bytes());
    } else {
        let body = request.take_body().into_bytes().await;
        let body = body.map_err(|_| Error::BadRequest("The body cannot be read".to_owned()))?;
        digest.update(&body);
        request.set_body(body);
    }
    Ok(secret::hex(&digest.finish()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_may_stand_in_quotation_marks() {
        assert_eq!(parse("\"8e03978e-40d5\""), Some("8e03978e-40d5"));
        assert_eq!(parse(" 8e03978e-40d5 "), Some("8e03978e-40d5"));
        let long = "x".repeat(256);
        for text in ["", "\"\"", "\"open", "two words", &long] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
