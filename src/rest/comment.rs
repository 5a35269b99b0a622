//! Comments on documents: added by whoever may read the document, changed by who wrote them.

use serde_json::{Map, Value as Json, json};

use crate::document::Work;
use crate::error::{Error, Result};
use crate::meta::Right;
use crate::permissions::Session;
use crate::web::Site;
use crate::web::args::Args;

/// The document method that adds one.
pub(super) const ADD: &str = "add_comment";

/// Adds a comment to a document that the session may read.
pub(super) async fn add(
    work: &mut Work<'_>,
    (doctype, name): (&str, &str),
    comment_type: &str,
    content: &str,
) -> Result<Json> {
    let values = json!({
        "comment_type": comment_type,
        "reference_doctype": doctype,
        "reference_name": name,
        "content": content,
    });
    let Json::Object(values) = values else { return Ok(Json::Null) };
    let comment = work.doctype("Comment")?;
    let comment = work.insert_json(&comment, &values, false).await?;
    Ok(work.seen(&comment))
}

/// The document method `add_comment`: needs the right to write.
pub(super) async fn add_by_method(
    work: &mut Work<'_>,
    (doctype, name): (&str, &str),
    arguments: &Map<String, Json>,
) -> Result<Json> {
    let document = work.get(doctype, name).await?;
    work.check(&document, Right::Write).await?;
    let arguments = Args(arguments);
    let comment_type = arguments.text("comment_type")?.unwrap_or_else(|| "Comment".to_owned());
    let text = match arguments.text("text")? {
        Some(text) => text,
        None => arguments.required("content")?,
    };
    add(work, (doctype, name), &comment_type, &text).await
}

/// Changes the text of a comment; only its author may, and the System Manager.
pub(super) async fn update(site: &Site, session: &Session, name: &str, content: &str) -> Result<()> {
    let comment = site.documents.get(session, "Comment", name).await?;
    if !session.owns(&comment) && !session.has_role(crate::permissions::session::ROLE_SYSTEM_MANAGER) {
        return Err(Error::Permission("Only who wrote a comment may change it".to_owned()));
    }
    let values = Map::from_iter([("content".to_owned(), Json::from(content))]);
    site.documents.update(session, "Comment", name, &values, crate::document::Children::Patch).await?;
    Ok(())
}
