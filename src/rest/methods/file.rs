//! `upload_file` and `download_file`.

use serde_json::Value as Json;

use crate::error::{Error, Result};
use crate::rest::files::{self, NewFile, PRIVATE, Reference, Target, serve};
use crate::rest::methods::{add, add_for_guests};
use crate::rest::resource;
use crate::web::{Answer, Call, Param, Plugins, Verbs};

const UPLOAD: &[Param] = &[
    Param::optional("file", "file", "The file, in a multipart body"),
    Param::optional("file_url", "string", "The address of a file that is stored already, here or elsewhere"),
    Param::optional("library_file_name", "string", "The name of a File document, to use its file again"),
    Param::optional("file_name", "string", "The name to store it under"),
    Param::optional("is_private", "boolean", "0 for a file that anybody may read who knows its address"),
    Param::optional("doctype", "string", "The DocType of the document to attach it to"),
    Param::optional("docname", "string", "The name of that document"),
    Param::optional("fieldname", "string", "The Attach field that it belongs to"),
    Param::optional("folder", "string", "The folder; `Home` or `Home/Attachments` if left out"),
    Param::optional("optimize", "boolean", "Accepted, and without effect: files are stored as they come"),
];

/// Registers the methods.
pub(super) fn register(plugins: &mut Plugins) {
    // Guests get as far as the setting that lets them upload, or not.
    for path in ["upload_file", "frappe.handler.upload_file"] {
        add_for_guests(plugins, path, Verbs::WRITE, "Stores a file and answers its File document", UPLOAD, upload);
    }
    let params = const { &[Param::required("file_url", "string", "The address of the file")] };
    for path in ["download_file", "frappe.handler.download_file", "frappe.core.doctype.file.file.download_file"] {
        add_for_guests(plugins, path, Verbs::GET, "Sends a file as a download", params, download);
    }
    let params = const {
        &[
            Param::required("file_name", "string", "The name of the folder"),
            Param::required("folder", "string", "The folder that it is in, for example `Home`"),
        ]
    };
    add(plugins, "frappe.core.api.file.create_new_folder", Verbs::WRITE, "Makes a folder", params, create_folder);
}

async fn upload(mut call: Call) -> Result<Answer> {
    let uploaded = call.files.iter().position(|file| file.field == "file").or((!call.files.is_empty()).then_some(0));
    let uploaded = uploaded.map(|index| call.files.swap_remove(index));
    let arguments = call.args();
    if arguments.text("method")?.is_some() {
        return Err(Error::misuse("upload_file stores files only: call the method itself with the file's address"));
    }
    let (site, session) = (&call.site, call.session());
    let target = Target::from_arguments(arguments, "fieldname")?;
    let (file_name, folder) = (arguments.text("file_name")?, arguments.text("folder")?);
    let is_private = arguments.flag("is_private")?;
    let document = if let Some(uploaded) = uploaded {
        let name = file_name.unwrap_or(uploaded.filename);
        let file = NewFile { file_name: name, content: uploaded.content.into(), is_private, folder, target };
        files::store(site, session, file).await?
    } else if let Some(library) = arguments.text("library_file_name")? {
        let original = site.documents.get(session, "File", &library).await?;
        let reference = Reference {
            file_url: original.text("file_url").to_owned(),
            file_name: file_name.unwrap_or_else(|| original.text("file_name").to_owned()),
            is_private: original.check("is_private"),
            folder,
            target,
        };
        files::refer(site, session, reference).await?
    } else if let Some(file_url) = arguments.text("file_url")? {
        let last = file_url.split(['?', '#']).next().and_then(|path| path.rsplit('/').next()).unwrap_or("").to_owned();
        let is_private = file_url.starts_with(PRIVATE);
        let file_name = files::safe_name(&file_name.unwrap_or(last));
        files::refer(site, session, Reference { file_url, file_name, is_private, folder, target }).await?
    } else {
        return Err(Error::misuse("There is no file: send it as `file` in a multipart body, or file_url"));
    };
    Ok(Answer::message(document))
}

async fn download(call: Call) -> Result<Answer> {
    let url = call.args().required("file_url")?;
    let missing = || Error::NoSuchRoute("There is no such file".to_owned());
    if url.starts_with(PRIVATE) && !files::may_read(&call.site, call.session(), &url).await? {
        call.context.require_login()?;
        return Err(missing());
    }
    Ok(Answer::raw(serve::file_response(&call.site.files, &url, true, &serve::Conditions::default()).await?))
}

async fn create_folder(call: Call) -> Result<Answer> {
    let arguments = call.args();
    let mut values = serde_json::Map::new();
    for key in ["file_name", "folder"] {
        values.insert(key.to_owned(), Json::from(arguments.required(key)?));
    }
    values.insert("is_folder".to_owned(), Json::from(1));
    let document = call.site.documents.insert(call.session(), "File", &values).await?;
    Ok(Answer::message(resource::seen(&call.site, call.session(), &document)))
}
