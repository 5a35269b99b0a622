//! Uploaded files: their bytes by address, what is known of them in File documents.

mod name;
mod range;
pub(super) mod serve;
pub(super) mod stored;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value as Json, json};

use crate::document::ListRequest;
use crate::error::{AuthenticationError, Error, Result};
use crate::files::Content;
use crate::files::address::path_of;
use crate::meta::Right;
use crate::permissions::{Session, decide};
use crate::rest::resource::{check, is_hidden, seen};
use crate::web::Site;
use crate::web::args::Args;
use crate::web::settings::UploadSettings;

pub(super) use crate::files::address::{PRIVATE, PUBLIC};
pub(super) use name::{extension, safe_name};

/// The folder of everything.
pub(super) const HOME: &str = "Home";
/// The folder of what is attached to documents.
pub(super) const ATTACHMENTS: &str = "Home/Attachments";
/// What people without access to the desk may upload.
const ALLOWED_FOR_WEBSITE_USERS: [&str; 16] = [
    "image/png",
    "image/jpeg",
    "image/gif",
    "image/webp",
    "image/avif",
    "application/pdf",
    "application/msword",
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    "application/vnd.ms-excel",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "application/vnd.ms-powerpoint",
    "application/vnd.openxmlformats-officedocument.presentationml.presentation",
    "application/vnd.oasis.opendocument.text",
    "application/vnd.oasis.opendocument.spreadsheet",
    "text/plain",
    "text/csv",
];

tokio::task_local! {
    /// The address of the file that this task has just stored and makes a File document for.
    static JUST_STORED: String;
}

/// Whether this task has just stored the file of that address, and no File document has it yet.
pub(super) fn is_just_stored(url: &str) -> bool {
    JUST_STORED.try_with(|stored| stored == url).unwrap_or(false)
}

/// The document that a file is attached to.
#[derive(Clone, Debug, Default)]
pub(super) struct Target {
    /// Its DocType.
    pub(super) doctype: String,
    /// Its name.
    pub(super) name: String,
    /// The Attach field, if the file belongs into one.
    pub(super) field: Option<String>,
}

impl Target {
    /// Reads `doctype`, `docname` and the field from arguments; `None` if they name no document.
    pub(super) fn from_arguments(arguments: Args<'_>, field: &str) -> Result<Option<Self>> {
        match (arguments.text("doctype")?, arguments.text("docname")?) {
            (Some(doctype), Some(name)) => Ok(Some(Self { doctype, name, field: arguments.text(field)? })),
            // A form that is not saved yet uploads for its DocType without a document.
            (_, None) => Ok(None),
            (None, Some(_)) => Err(Error::misuse("doctype is missing: send it with docname")),
        }
    }
}

/// A file to be stored.
pub(super) struct NewFile {
    /// Its name as the sender has it.
    pub(super) file_name: String,
    /// The bytes.
    pub(super) content: Content,
    /// Private or public; `None`: as the DocType of the target has it, else private.
    pub(super) is_private: Option<bool>,
    /// The folder.
    pub(super) folder: Option<String>,
    /// What it is attached to.
    pub(super) target: Option<Target>,
}

/// A File document to be made for a file that is stored already, here or elsewhere.
pub(super) struct Reference {
    /// Where it is.
    pub(super) file_url: String,
    /// Its name.
    pub(super) file_name: String,
    /// Private or public.
    pub(super) is_private: bool,
    /// The folder.
    pub(super) folder: Option<String>,
    /// What it is attached to.
    pub(super) target: Option<Target>,
}

/// Stores a file and answers its File document.
pub(super) async fn store(site: &Site, session: &Session, file: NewFile) -> Result<Json> {
    check_upload(site, session, &file).await?;
    check_target(site, session, file.target.as_ref()).await?;
    let is_private = match (file.is_private, &file.target) {
        (Some(is_private), _) => is_private,
        (None, Some(target)) => !site.documents.doctype(&target.doctype)?.make_attachments_public,
        (None, None) => true,
    };
    let file_name = safe_name(&file.file_name);
    let hash = file.content.hash();
    if let Some(file_url) = same_content(site, session, &hash, is_private).await? {
        let known = Reference { file_url, file_name, is_private, folder: file.folder, target: file.target };
        return refer(site, session, known).await;
    }
    let stored = stored::write(&site.files, &file_name, is_private, file.content, &hash).await?;
    let file_url = stored.url().to_owned();
    let new = Reference { file_url: file_url.clone(), file_name, is_private, folder: file.folder, target: file.target };
    let document = JUST_STORED.scope(file_url, insert(site, session, new)).await?;
    stored.keep();
    Ok(document)
}

/// A File document that brings its content along, as Frappe's clients insert one: `content` is text, or Base64 with `decode`.
pub(super) async fn store_document(site: &Site, session: &Session, values: &Map<String, Json>) -> Result<Json> {
    let arguments = Args(values);
    let content = arguments.required("content")?;
    let content = if arguments.flag("decode")?.unwrap_or(false) { decode(&content)? } else { content.into_bytes() };
    let target = match (arguments.text("attached_to_doctype")?, arguments.text("attached_to_name")?) {
        (Some(doctype), Some(name)) => Some(Target { doctype, name, field: arguments.text("attached_to_field")? }),
        _ => None,
    };
    let (file_name, is_private) = (arguments.required("file_name")?, arguments.flag("is_private")?);
    store(
        site,
        session,
        NewFile { file_name, content: content.into(), is_private, folder: arguments.text("folder")?, target },
    )
    .await
}

/// Base64, with or without `data:<type>;base64,` in front as browsers write it.
pub(super) fn decode(text: &str) -> Result<Vec<u8>> {
    let encoded = text.split_once("base64,").map_or(text, |(_, encoded)| encoded);
    STANDARD.decode(encoded.trim()).map_err(|_| Error::misuse("The content is not valid Base64"))
}

/// Makes a File document for a file that is stored already. The controller of File checks that the session may read it.
pub(super) async fn refer(site: &Site, session: &Session, file: Reference) -> Result<Json> {
    check_guest(site, session).await?;
    check_target(site, session, file.target.as_ref()).await?;
    insert(site, session, file).await
}

async fn insert(site: &Site, session: &Session, file: Reference) -> Result<Json> {
    let default_folder = if file.target.is_some() { ATTACHMENTS } else { HOME };
    let mut values = Map::new();
    let mut set = |key: &str, value: Json| values.insert(key.to_owned(), value);
    set("file_name", Json::from(file.file_name));
    set("file_url", Json::from(file.file_url));
    set("is_private", Json::from(u8::from(file.is_private)));
    set("folder", Json::from(file.folder.unwrap_or_else(|| default_folder.to_owned())));
    if let Some(target) = file.target {
        set("attached_to_doctype", Json::from(target.doctype));
        set("attached_to_name", Json::from(target.name));
        if let Some(field) = target.field {
            set("attached_to_field", Json::from(field));
        }
    }
    // Guests have no rights on File: where the site lets them upload, it is the site that stores what they sent.
    let system = Session::system();
    let session = if session.is_guest() { &system } else { session };
    let document = site.documents.insert(session, "File", &values).await?;
    Ok(seen(site, session, &document))
}

async fn check_guest(site: &Site, session: &Session) -> Result<()> {
    if !session.is_guest() {
        return Ok(());
    }
    if UploadSettings::load(&site.documents).await?.guests {
        return Ok(());
    }
    Err(Error::Authentication(AuthenticationError::Missing))
}

async fn check_upload(site: &Site, session: &Session, file: &NewFile) -> Result<()> {
    check_guest(site, session).await?;
    if file.content.len() == 0 {
        return Err(Error::misuse("The file is empty"));
    }
    let uploads = UploadSettings::load(&site.documents).await?;
    if file.content.len() > uploads.bytes() as u64 {
        let megabytes = uploads.megabytes;
        return Err(Error::misuse(format!(
            "The file is larger than {megabytes} MB, which is the most that may be uploaded"
        )));
    }
    if !session.is_desk_user() {
        let guessed = mime_guess::from_path(&file.file_name).first();
        let allowed = guessed.is_some_and(|mime| ALLOWED_FOR_WEBSITE_USERS.contains(&mime.essence_str()));
        if !allowed {
            return Err(Error::misuse("You can only upload JPG, PNG, GIF, WebP, PDF, TXT, CSV or office documents"));
        }
    }
    Ok(())
}

/// Whoever attaches something to a document changes the document.
async fn check_target(site: &Site, session: &Session, target: Option<&Target>) -> Result<()> {
    let Some(target) = target else { return Ok(()) };
    let document = site.documents.get(session, &target.doctype, &target.name).await?;
    if let Some(field) = &target.field
        && document.doctype.field(field).is_none()
    {
        return Err(Error::misuse(format!("{} has no field {field} to attach a file to", target.doctype)));
    }
    check(site, session, &document, Right::Write).await
}

/// A stored file with the same bytes that the session may read: it is not stored twice.
async fn same_content(site: &Site, session: &Session, hash: &str, is_private: bool) -> Result<Option<String>> {
    let mut request = ListRequest::new("File").fields(&["file_url"]);
    request.filters = json!([["content_hash", "=", hash], ["is_private", "=", u8::from(is_private)]]);
    let list = site.documents.list(&Session::system(), &request).await?;
    for row in 0..list.rows.len() {
        let url = list.text(row, "file_url");
        let Some(path) = path_of(url) else { continue };
        if (!is_private || may_read(site, session, url).await?) && site.files.find(&path).await?.is_some() {
            return Ok(Some(url.to_owned()));
        }
    }
    Ok(None)
}

/// Whether the session may read a private file: through a File document, or the document it is attached to.
pub(super) async fn may_read(site: &Site, session: &Session, url: &str) -> Result<bool> {
    let mut request = ListRequest::new("File").fields(&["name", "attached_to_doctype", "attached_to_name"]).all();
    request.filters = json!([["file_url", "=", url]]);
    let list = site.documents.list(&Session::system(), &request).await?;
    let is_limited = decide::is_limited(session, &*site.documents.doctype("File")?);
    for row in 0..list.rows.len() {
        let text = |key: &str| list.text(row, key);
        let places = [("File", text("name")), (text("attached_to_doctype"), text("attached_to_name"))];
        let is_attached = places.iter().all(|(doctype, name)| !doctype.is_empty() && !name.is_empty());
        for (doctype, name) in places.into_iter().filter(|(doctype, name)| !doctype.is_empty() && !name.is_empty()) {
            match site.documents.get(session, doctype, name).await {
                // Who sees files by the DocType of their documents has to read the document as well.
                Ok(file) if doctype == "File" && is_limited && is_attached && !session.owns(&file) => {}
                Ok(_) => return Ok(true),
                Err(error) if is_hidden(&error) => {}
                Err(error) => return Err(error),
            }
        }
    }
    Ok(false)
}

/// Makes the folders that every site has.
pub(super) async fn make_folders(site: &Site) -> Result<()> {
    let system = Session::system();
    let Ok(doctype) = site.documents.doctype("File") else { return Ok(()) };
    for (name, file_name, parent) in [(HOME, HOME, None), (ATTACHMENTS, "Attachments", Some(HOME))] {
        match site.documents.get(&system, "File", name).await {
            Ok(_) => continue,
            Err(Error::DoesNotExist { .. }) => {}
            Err(error) => return Err(error),
        }
        let values = json!({ "name": name, "file_name": file_name, "is_folder": 1, "folder": parent, "is_private": 0 });
        let Json::Object(values) = values else { continue };
        let mut work = site.documents.begin(&system).await?;
        match work.insert_json(&doctype, &values, true).await {
            Ok(_) => work.commit().await?,
            // Another node was faster.
            Err(Error::Conflict(_)) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
