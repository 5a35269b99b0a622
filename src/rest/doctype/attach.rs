//! A file that stands in a field of a document belongs to it: whoever may read the document may read the file.

use async_trait::async_trait;
use serde_json::json;

use super::file::{is_local, may_refer};
use crate::document::{DocEvent, DocEvents, Documents, ListRequest, Work};
use crate::error::Result;
use crate::meta::{DocField, DocType, Document, Fieldtype, Value};

/// Attaches the files that a document names in its fields, as Frappe's `attach_files_to_document` does.
pub(super) struct Attach;

#[async_trait]
impl DocEvents for Attach {
    fn listens(&self, _: &Documents, event: DocEvent, doctype: &DocType) -> bool {
        matches!(event, DocEvent::OnUpdate | DocEvent::OnUpdateAfterSubmit) && doctype.fields.iter().any(is_attached)
    }

    async fn happened(
        &self,
        work: &mut Work<'_>,
        _: DocEvent,
        document: &Document,
        before: Option<&Document>,
    ) -> Result<()> {
        for field in document.doctype.fields.iter().filter(|field| is_attached(field)) {
            let url = document.text(&field.fieldname);
            let is_old = before.is_some_and(|before| !before.is_new && before.text(&field.fieldname) == url);
            if is_local(url) && !is_old {
                attach(work, document, field, url).await?;
            }
        }
        Ok(())
    }
}

fn is_attached(field: &DocField) -> bool {
    matches!(field.fieldtype, Fieldtype::Attach | Fieldtype::AttachImage)
}

/// A file that was uploaded before the document existed is attached as it is; one that lies elsewhere is attached again.
async fn attach(work: &mut Work<'_>, document: &Document, field: &DocField, url: &str) -> Result<()> {
    let name = document.name();
    let mut request = ListRequest::new("File").fields(&["name", "attached_to_doctype", "attached_to_name", "owner"]);
    request.filters = json!([["file_url", "=", url]]);
    let user = work.session.user().to_owned();
    let session = work.become_system();
    let list = work.list(&request.all()).await;
    work.session = session;
    let list = list?;
    let rows = 0..list.rows.len();
    let is_here = |row: usize| {
        list.text(row, "attached_to_doctype") == document.doctype.name && list.text(row, "attached_to_name") == name
    };
    if rows.clone().any(is_here) {
        return Ok(());
    }
    let is_loose = |row: &usize| list.text(*row, "attached_to_name").is_empty() && list.text(*row, "owner") == user;
    let place = [
        ("attached_to_doctype", Value::from(document.doctype.name.as_str())),
        ("attached_to_name", Value::from(name)),
        ("attached_to_field", Value::from(field.fieldname.as_str())),
    ];
    if let Some(row) = rows.clone().find(is_loose) {
        return work.set_values("File", list.text(row, "name"), &place).await;
    }
    // An address alone opens nothing: nobody gets at a file by naming it in a document of theirs.
    if rows.is_empty() || !may_refer(work, url).await? {
        return Ok(());
    }
    let mut file = work.new_document("File")?;
    for (fieldname, value) in place {
        file.set(fieldname, value);
    }
    file.set("file_url", url);
    file.set("file_name", url.rsplit('/').next().unwrap_or_default());
    file.set("is_private", url.starts_with(crate::rest::files::PRIVATE));
    let session = work.become_system();
    let inserted = work.insert(file).await;
    work.session = session;
    inserted.map(drop)
}
