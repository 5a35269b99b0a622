//! What a person has pinned, or dismissed from the home page: a Desk Mark each, so that it follows them to every browser.

use poem::Response;
use serde::Serialize;
use serde_json::json;

use crate::desk::shell;
use crate::document::ListRequest;
use crate::error::{Error, Result};
use crate::web::Exchange;
use crate::web::error::see_other;

/// The DocType.
const DESK_MARK: &str = "Desk Mark";
/// The kind of a page that is pinned.
const PIN: &str = "Pin";
/// The kind of a task that is not to be shown again.
const DISMISSED: &str = "Dismissed";
/// How many of a kind a person may have.
const MOST: u64 = 100;

/// A page that is pinned.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Pin {
    /// What it is called.
    pub label: String,
    /// Where it is.
    pub href: String,
}

/// Whether this page is pinned, and what of it would be.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct ThisPage {
    /// Its address.
    pub address: String,
    /// What it is called.
    pub label: String,
    /// It is pinned.
    pub pinned: bool,
}

/// The person's marks of a kind: name, label and address.
async fn marks(exchange: &Exchange, kind: &str) -> Result<Vec<(String, Pin)>> {
    let documents = &exchange.site.documents;
    if documents.registry().get(DESK_MARK).is_none() {
        return Ok(Vec::new());
    }
    let mut request = ListRequest::new(DESK_MARK)
        .fields(&["name", "label", "address"])
        .filters(json!({"kind": kind, "for_user": exchange.session().user(), "owner": exchange.session().user()}))
        .order_by("creation asc");
    request.limit = Some(MOST);
    let list = match documents.list(exchange.session(), &request).await {
        Err(error) if error.is_failure() => return Err(error),
        other => other.unwrap_or_default(),
    };
    let text = |row: usize, key: &str| list.text(row, key).to_owned();
    Ok((0..list.rows.len())
        .map(|row| (text(row, "name"), Pin { label: text(row, "label"), href: text(row, "address") }))
        .collect())
}

/// The pages that the person has pinned, in the order in which they did.
pub(crate) async fn pins(exchange: &Exchange) -> Result<Vec<Pin>> {
    let pins = marks(exchange, PIN).await?.into_iter().map(|(_, pin)| pin);
    Ok(pins.filter(|pin| is_page(&pin.href)).collect())
}

/// The tasks that the person has dismissed.
pub(super) async fn dismissed(exchange: &Exchange) -> Result<Vec<String>> {
    Ok(marks(exchange, DISMISSED).await?.into_iter().map(|(_, mark)| mark.href).collect())
}

/// Whether the page that is asked for can be pinned, and is: a list, a report, or a document that there is.
pub(crate) fn this_page(exchange: &Exchange, title: &str, pins: &[Pin]) -> Option<ThisPage> {
    let address = exchange.request.uri().path_and_query()?.as_str().to_owned();
    let is_new = exchange.request.uri().path().ends_with("/new");
    let pinned = pins.iter().any(|pin| pin.href == address);
    (is_page(&address) && !is_new).then(|| ThisPage { address, label: title.to_owned(), pinned })
}

/// Whether it is the address of a list or a document here.
fn is_page(address: &str) -> bool {
    let slug = address.strip_prefix("/app/").unwrap_or_default();
    !slug.is_empty()
        && !slug.starts_with(['_', '/', '?', '#', '\\'])
        && address.len() <= 500
        && address.bytes().all(|byte| byte.is_ascii_graphic())
}

/// POST `/app/_pin`: pins a page, or takes the pin away.
pub(crate) async fn pin(mut exchange: Exchange) -> Result<Response> {
    shell::require_desk(&exchange)?;
    let form = exchange.form().await?;
    let (address, label) = (form.first("address").unwrap_or_default(), form.first("label").unwrap_or_default());
    if !is_page(address) {
        return Err(Error::misuse("Only lists and documents can be pinned"));
    }
    let (documents, session) = (&exchange.site.documents, exchange.session());
    let pins = marks(&exchange, PIN).await?;
    let present: Vec<&String> = pins.iter().filter(|(_, pin)| pin.href == address).map(|(name, _)| name).collect();
    for name in &present {
        documents.delete(session, DESK_MARK, name).await?;
    }
    if present.is_empty() {
        mark(&exchange, PIN, address, label).await?;
    }
    Ok(see_other(address))
}

/// POST `/app/_dismiss`: shows a task on the home page no more.
pub(crate) async fn dismiss(mut exchange: Exchange) -> Result<Response> {
    shell::require_desk(&exchange)?;
    let form = exchange.form().await?;
    let task = form.first("task").unwrap_or_default();
    if !dismissed(&exchange).await?.iter().any(|known| known == task) {
        mark(&exchange, DISMISSED, task, task).await?;
    }
    Ok(see_other("/app"))
}

async fn mark(exchange: &Exchange, kind: &str, address: &str, label: &str) -> Result<()> {
    let label: String = label.chars().take(140).collect();
    let values = json!({"kind": kind, "label": label, "address": address, "for_user": exchange.session().user()});
    let values = values.as_object().cloned().unwrap_or_default();
    exchange.site.documents.insert(exchange.session(), DESK_MARK, &values).await.map(drop)
}
