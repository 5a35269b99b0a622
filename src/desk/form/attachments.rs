//! The files of a document, for the panel beside its form: those of its fields and those that programs attached.

use serde_json::json;

use crate::desk::document_url;
use crate::desk::form::view::Attachment;
use crate::desk::help::safe_url;
use crate::document::{Documents, ListRequest};
use crate::error::Result;
use crate::meta::{DocField, DocType, Document, Fieldtype, Right};
use crate::permissions::Session;

/// The DocType of files.
const FILE: &str = "File";
/// How many are shown.
const LIMIT: u64 = 100;

/// Whether a file is a picture that browsers show, by its name.
fn has_picture(name: &str) -> bool {
    let ending = name.rsplit_once('.').map(|(_, ending)| ending.to_ascii_lowercase());
    ending.is_some_and(|ending| matches!(&*ending, "png" | "jpg" | "jpeg" | "gif" | "webp" | "avif"))
}

/// Whether files can be attached to the document at all.
pub(super) fn has_any(documents: &Documents, document: &Document) -> bool {
    let is_stored = !document.is_new && !document.doctype.is_virtual;
    is_stored && document.doctype.name != FILE && documents.registry().get(FILE).is_some()
}

/// The files, oldest first, as far as the session may read them.
pub(super) async fn attachments(
    documents: &Documents,
    session: &Session,
    document: &Document,
) -> Result<Vec<Attachment>> {
    let mut request = ListRequest::new(FILE)
        .fields(&["name", "file_name", "file_url"])
        .filters(json!({"attached_to_doctype": document.doctype.name, "attached_to_name": document.name()}))
        .order_by("creation asc");
    request.limit = Some(LIMIT);
    let list = match documents.list(session, &request).await {
        Err(error) if error.is_failure() => return Err(error),
        other => other.unwrap_or_default(),
    };
    let doctype = documents.doctype(FILE)?;
    let may_delete = documents.check_permission(session, &doctype, None, Right::Delete).is_ok();
    let view = |row: usize| {
        let name = list.text(row, "name");
        Attachment {
            label: list.text(row, "file_name").to_owned(),
            is_image: has_picture(list.text(row, "file_name")),
            href: safe_url(list.text(row, "file_url")).unwrap_or_default().to_owned(),
            manage: if may_delete && session.is_desk_user() {
                document_url(&doctype.slug(), name)
            } else {
                String::new()
            },
            name: name.to_owned(),
        }
    };
    Ok((0..list.rows.len()).map(view).collect())
}

/// Whether a form has inputs for files of its fields.
pub(super) fn takes_files(doctype: &DocType) -> bool {
    let takes =
        |field: &DocField| matches!(field.fieldtype, Fieldtype::Attach | Fieldtype::AttachImage | Fieldtype::Signature);
    doctype.fields.iter().any(takes)
}
