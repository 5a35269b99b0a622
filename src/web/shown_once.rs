//! Values that are shown this once, such as a new secret: kept for the page behind a redirect, sealed, for the session that
//! made them, until they are read or two minutes are over. They are in no address, so that a reload repeats nothing.

use std::time::Duration as StdDuration;

use chrono::Duration;
use serde::{Deserialize, Serialize};

use crate::clock::format_datetime;
use crate::document::reseal::SealedField;
use crate::error::{Error, Result};
use crate::permissions::Session;
use crate::web::pipeline::cookie;
use crate::web::request::Exchange;
use crate::web::session_cookie;

/// The cookie that says that something waits; without it no page looks.
const COOKIE: &str = "shown_once";
/// The name beside the Session document in `__Auth`, and the place that the text is sealed for.
const FIELD: &str = "shown_once";
/// How long a browser may take to follow the redirect.
const KEEP: StdDuration = StdDuration::from_mins(2);

#[derive(Deserialize, Serialize)]
struct Kept {
    path: String,
    until: String,
    values: Vec<(String, String)>,
}

/// Keeps labels and values for the next page at `path`. Says no where no browser session asks: then the answer itself has
/// to show them.
pub(crate) async fn keep(exchange: &Exchange, path: &str, values: Vec<(String, String)>) -> Result<bool> {
    let Some(sid) = exchange.context.browser_session() else { return Ok(false) };
    let documents = &exchange.site.documents;
    let until = documents.clock().now_naive() + Duration::from_std(KEEP).map_err(Error::internal)?;
    let kept = Kept { path: path.to_owned(), until: format_datetime(until), values };
    let text = serde_json::to_string(&kept).map_err(Error::internal)?;
    let sealed = documents.site_key().seal(text, &place(sid));
    let mut work = documents.begin(&Session::system()).await?;
    work.set_hash("Session", sid, FIELD, Some(&sealed)).await?;
    work.commit().await?;
    exchange.context.set_cookie(&session_cookie::cookie(&exchange.site, COOKIE, "1", Some(KEEP)));
    Ok(true)
}

/// Takes what was kept for the page at `path`, for good.
pub(crate) async fn take(exchange: &Exchange, path: &str) -> Result<Vec<(String, String)>> {
    let nothing = Ok(Vec::new());
    if cookie(&exchange.request, COOKIE).is_none() {
        return nothing;
    }
    let Some(sid) = exchange.context.browser_session() else { return nothing };
    let documents = &exchange.site.documents;
    let mut work = documents.begin(&Session::system()).await?;
    let Some(sealed) = work.get_hash("Session", sid, FIELD).await? else { return nothing };
    let text = documents.site_key().open_text(&sealed, &place(sid)).map_err(Error::internal)?;
    let kept: Kept = serde_json::from_str(&text).map_err(Error::internal)?;
    let is_late = kept.until < format_datetime(documents.clock().now_naive());
    if kept.path != path && !is_late {
        return nothing;
    }
    work.set_hash("Session", sid, FIELD, None).await?;
    work.commit().await?;
    exchange.context.set_cookie(&session_cookie::cookie(&exchange.site, COOKIE, "", Some(StdDuration::ZERO)));
    Ok(if is_late { Vec::new() } else { kept.values })
}

/// Where such texts are sealed: by the name of the session.
pub(crate) const SEALED: SealedField = SealedField { doctype: "Session", fieldname: FIELD, in_auth: true, place };

/// Sealed for one session, the text opens in no other.
fn place(sid: &str) -> String {
    format!("{FIELD}\u{1f}{sid}")
}
