//! File: which address it may have, where its bytes lie, and what goes with it when it is deleted.

use async_trait::async_trait;
use serde_json::json;

use crate::document::{Controller, ListRequest, Work};
use crate::error::{Error, FieldProblem, Invalid, ProblemKind, Result};
use crate::files::Files;
use crate::meta::{Document, Right, Value};
use crate::rest::files::{ATTACHMENTS, HOME, PRIVATE, PUBLIC, extension, is_just_stored, safe_name, stored};
use crate::rest::resource::is_hidden;

/// The behaviour of File.
pub(super) struct File {
    files: Files,
}

impl File {
    /// With the place that holds the bytes.
    pub(super) fn new(files: Files) -> Self {
        Self { files }
    }

    /// Settles address, size and digest of what is new or has another address.
    async fn settle(&self, work: &mut Work<'_>, document: &mut Document, before: Option<&Document>) -> Result<()> {
        let url = document.text("file_url").to_owned();
        if url.is_empty() {
            return Err(at_field("File URL is required: upload the file with upload_file, or give its address"));
        }
        if !is_local(&url) {
            let parsed = url::Url::parse(&url).ok();
            if !parsed.is_some_and(|parsed| matches!(parsed.scheme(), "http" | "https")) {
                return Err(at_field("File URL must begin with /files/, /private/files/, https:// or http://"));
            }
            return Ok(());
        }
        let is_new_here = before.is_none_or(|before| before.text("file_url") != url);
        if is_new_here && !work.session.is_system() && !may_refer(work, &url).await? {
            return Err(at_field("File URL names no file that you may use: upload it with upload_file"));
        }
        if is_new_here || document.text("content_hash").is_empty() {
            let Some((size, hash)) = stored::measure(&self.files, &url).await? else {
                return Err(at_field("File URL names no file that you may use: upload it with upload_file"));
            };
            document.set("file_size", i64::try_from(size).unwrap_or(i64::MAX));
            document.set("content_hash", hash);
        } else if let Some(before) = before {
            for fixed in ["file_size", "content_hash"] {
                document.set(fixed, before.get(fixed).clone());
            }
        }
        Ok(())
    }

    /// Moves the bytes when a file becomes private or public.
    async fn move_bytes(&self, work: &mut Work<'_>, document: &mut Document) -> Result<()> {
        let url = document.text("file_url").to_owned();
        let is_private = document.check("is_private");
        if !is_local(&url) || url.starts_with(PRIVATE) == is_private {
            return Ok(());
        }
        let files = self.files.clone();
        let name = safe_name(document.text("file_name"));
        let stored = stored::copy(&files, &url, &name, is_private).await?;
        document.set("file_url", stored.url());
        stored.keep();
        let others = others(work, &url, &document.name()).await?;
        if !others {
            work.after_commit(move || stored::remove(&files, &url));
        }
        Ok(())
    }
}

#[async_trait]
impl Controller for File {
    async fn autoname(&self, _: &mut Work<'_>, document: &mut Document) -> Result<()> {
        if document.check("is_folder") {
            // Folders are named by their path, as people know them.
            let name = match document.text("folder") {
                "" => document.text("file_name").to_owned(),
                parent => format!("{parent}/{}", document.text("file_name")),
            };
            document.set_name(name);
        }
        Ok(())
    }

    async fn before_insert(&self, work: &mut Work<'_>, document: &mut Document) -> Result<()> {
        let (doctype, name) = (document.text("attached_to_doctype"), document.text("attached_to_name"));
        if doctype.is_empty() || name.is_empty() {
            return Ok(());
        }
        let target = work.doctype(doctype)?;
        let limit = u64::from(target.max_attachments);
        let name = name.to_owned();
        check_attach(work, &target.name, &name).await?;
        if limit == 0 {
            return Ok(());
        }
        let mut request = ListRequest::new("File");
        request.filters = json!([["attached_to_doctype", "=", target.name], ["attached_to_name", "=", name]]);
        let session = work.become_system();
        let count = work.count(&request).await;
        work.session = session;
        if count? >= limit {
            return Err(Error::invalid(
                ProblemKind::AttachmentLimitReached,
                format!("{} {name} has {limit} attachments already, which is the most: remove one first", target.name),
            ));
        }
        Ok(())
    }

    async fn validate(&self, work: &mut Work<'_>, document: &mut Document, before: Option<&Document>) -> Result<()> {
        check_place(work, document, before).await?;
        let given = document.text("file_name").to_owned();
        let name = if given.is_empty() { document.text("file_url").to_owned() } else { given };
        document.set("file_name", safe_name(&name));
        if document.check("is_folder") {
            document.set("file_url", Value::Null);
            document.set("is_private", false);
            return Ok(());
        }
        if let Some(before) = before
            && before.text("file_url").starts_with(['/'])
            && document.text("file_url").is_empty()
        {
            document.set("file_url", before.get("file_url").clone());
        }
        self.settle(work, document, before).await?;
        self.move_bytes(work, document).await?;
        let ending = extension(document.text("file_name"));
        document.set("file_type", if ending.is_empty() { Value::Null } else { Value::Text(ending) });
        Ok(())
    }

    async fn on_trash(&self, work: &mut Work<'_>, document: &Document) -> Result<()> {
        if matches!(document.name().as_str(), HOME | ATTACHMENTS) && !work.session.is_system() {
            return Err(Error::misuse(format!("The folder {} belongs to the site and stays", document.name())));
        }
        Ok(())
    }

    async fn after_delete(&self, work: &mut Work<'_>, document: &Document) -> Result<()> {
        let url = document.text("file_url").to_owned();
        if is_local(&url) && !others(work, &url, &document.name()).await? {
            let files = self.files.clone();
            // Not before the deletion is certain.
            work.after_commit(move || stored::remove(&files, &url));
        }
        Ok(())
    }
}

pub(super) fn is_local(url: &str) -> bool {
    url.starts_with(PRIVATE) || url.starts_with(PUBLIC)
}

fn at_field(message: &'static str) -> Error {
    let problem = FieldProblem::at(ProblemKind::Validation, "file_url", "File URL", message);
    Error::Validation(Invalid { problems: vec![problem] })
}

/// Whether another File has the same address.
async fn others(work: &mut Work<'_>, url: &str, name: &str) -> Result<bool> {
    let mut request = ListRequest::new("File");
    request.filters = json!([["file_url", "=", url], ["name", "!=", name]]);
    request.limit = Some(1);
    let session = work.become_system();
    let found = work.list(&request).await;
    work.session = session;
    Ok(!found?.rows.is_empty())
}

/// A file lies in a folder, and moves to another document only for those who may change that one.
async fn check_place(work: &mut Work<'_>, document: &Document, before: Option<&Document>) -> Result<()> {
    if work.session.is_system() {
        return Ok(());
    }
    let moved = |field: &&str| before.is_none_or(|before| before.get(field) != document.get(field));
    let (doctype, name) = (document.text("attached_to_doctype"), document.text("attached_to_name"));
    let attaches = before.is_some() && ["attached_to_doctype", "attached_to_name"].iter().any(&moved);
    if attaches && !doctype.is_empty() && !name.is_empty() {
        check_attach(work, doctype, name).await?;
    }
    let folder = document.text("folder").to_owned();
    if folder.is_empty() || !moved(&"folder") {
        return Ok(());
    }
    let caller = work.become_system();
    let found = work.find("File", &folder).await;
    work.session = caller;
    if found?.is_some_and(|found| found.check("is_folder")) {
        return Ok(());
    }
    let problem =
        FieldProblem::at(ProblemKind::LinkValidation, "folder", "Folder", format!("Could not find Folder: {folder}"));
    Err(Error::Validation(Invalid { problems: vec![problem] }))
}

/// Whoever attaches something to a document changes the document.
async fn check_attach(work: &mut Work<'_>, doctype: &str, name: &str) -> Result<()> {
    if work.session.is_system() {
        return Ok(());
    }
    let target = work.get(doctype, name).await?;
    work.check(&target, Right::Write).await
}

/// Whether the session may make a File for a stored file: it is public, just uploaded by it, or readable for it.
pub(super) async fn may_refer(work: &mut Work<'_>, url: &str) -> Result<bool> {
    if url.starts_with(PUBLIC) || is_just_stored(url) {
        return Ok(true);
    }
    let mut request = ListRequest::new("File").fields(&["name", "attached_to_doctype", "attached_to_name"]).all();
    request.filters = json!([["file_url", "=", url]]);
    let session = work.become_system();
    let list = work.list(&request).await;
    work.session = session;
    let list = list?;
    for row in 0..list.rows.len() {
        let text = |key: &str| list.text(row, key).to_owned();
        for (doctype, name) in
            [("File".to_owned(), text("name")), (text("attached_to_doctype"), text("attached_to_name"))]
        {
            if doctype.is_empty() || name.is_empty() {
                continue;
            }
            match work.get(&doctype, &name).await {
                Ok(_) => return Ok(true),
                Err(error) if is_hidden(&error) => {}
                Err(error) => return Err(error),
            }
        }
    }
    Ok(false)
}
