//! `frappe.share`: single documents shared with single users.

use serde_json::{Map, Value as Json, json};

use crate::document::{Children, ListRequest};
use crate::error::{Error, Result};
use crate::meta::{Document, Right};
use crate::permissions::{Session, TimesIn};
use crate::rest::doctype::share::{self, SHARED};
use crate::rest::methods::add;
use crate::rest::resource;
use crate::web::args::Args;
use crate::web::{Answer, Call, Param, Plugins, Site, Verbs};

const DOCTYPE: Param = Param::required("doctype", "string", "The DocType");
const NAME: Param = Param::required("name", "string", "The name of the document");
const USER: Param = Param::optional("user", "string", "The user to share with");
const EVERYONE: Param = Param::optional("everyone", "boolean", "1 to share with every user");
/// Registers the methods.
pub(super) fn register(plugins: &mut Plugins) {
    let params = const {
        &[
            DOCTYPE,
            NAME,
            USER,
            EVERYONE,
            Param::optional("read", "boolean", "May read; 1 if left out"),
            Param::optional("write", "boolean", "May change"),
            Param::optional("submit", "boolean", "May submit"),
            Param::optional("share", "boolean", "May share with others"),
        ]
    };
    add(plugins, "frappe.share.add", Verbs::WRITE, "Shares a document with a user", params, add_share);
    let params = const { &[DOCTYPE, NAME] };
    add(plugins, "frappe.share.get_users", Verbs::READ, "Lists whom a document is shared with", params, get_users);
    let params = const {
        &[
            DOCTYPE,
            NAME,
            USER,
            EVERYONE,
            Param::required("permission_to", "string", "`read`, `write`, `submit` or `share`"),
            Param::optional("value", "boolean", "0 to take it back; 1 if left out"),
        ]
    };
    let summary = "Gives or takes back one right on a shared document";
    add(plugins, "frappe.share.set_permission", Verbs::WRITE, summary, params, set_permission);
}

/// Whom a document is shared with.
struct Partner {
    user: Option<String>,
}

impl Partner {
    fn read(arguments: Args<'_>) -> Result<Self> {
        if arguments.flag("everyone")?.unwrap_or(false) {
            return Ok(Self { user: None });
        }
        match arguments.text("user")? {
            Some(user) => Ok(Self { user: Some(user) }),
            None => Err(Error::misuse("Say with whom to share: send user, or everyone: 1")),
        }
    }
}

/// The document, if the session may share it.
async fn shareable(call: &Call, arguments: Args<'_>) -> Result<std::sync::Arc<Document>> {
    let (doctype, name) = (arguments.required("doctype")?, arguments.required("name")?);
    let document = call.site.documents.get(call.session(), &doctype, &name).await?;
    resource::check(&call.site, call.session(), &document, Right::Share).await?;
    Ok(document)
}

async fn shares(site: &Site, document: &Document) -> Result<Vec<Map<String, Json>>> {
    let mut request = ListRequest::new("DocShare")
        .fields(&["name", "user", "read", "write", "submit", "share", "everyone", "owner", "creation"])
        .order_by("creation asc, name asc")
        .all();
    request.filters = json!([["share_doctype", "=", document.doctype.name], ["share_name", "=", document.name()]]);
    // Whoever may read a document may know whom it is shared with.
    Ok(site.documents.list(&Session::system().with_times_in(TimesIn::Site), &request).await?.to_json())
}

async fn get_users(call: Call) -> Result<Answer> {
    let arguments = call.args();
    let (doctype, name) = (arguments.required("doctype")?, arguments.required("name")?);
    let document = call.site.documents.get(call.session(), &doctype, &name).await?;
    let rows = shares(&call.site, &document).await?;
    Ok(Answer::message(rows.into_iter().map(Json::Object).collect::<Json>()))
}

async fn add_share(call: Call) -> Result<Answer> {
    let arguments = call.args();
    let document = shareable(&call, arguments).await?;
    let partner = Partner::read(arguments)?;
    let mut values = Map::new();
    for (key, _) in SHARED {
        let value = arguments.flag(key)?;
        if let Some(on) = value.or((key == "read").then_some(true)) {
            values.insert(key.to_owned(), Json::from(u8::from(on)));
        }
    }
    store(&call, &document, &partner, values).await
}

async fn set_permission(call: Call) -> Result<Answer> {
    let arguments = call.args();
    let document = shareable(&call, arguments).await?;
    let partner = Partner::read(arguments)?;
    let right = arguments.required("permission_to")?;
    if !SHARED.iter().any(|(key, _)| *key == right) {
        return Err(Error::misuse("permission_to is one of read, write, submit, share"));
    }
    let on = arguments.flag("value")?.unwrap_or(true);
    let mut values = Map::from_iter([(right.clone(), Json::from(u8::from(on)))]);
    if on {
        values.insert("read".to_owned(), Json::from(1));
    } else if right == "read" {
        values.extend(SHARED.map(|(key, _)| (key.to_owned(), Json::from(0))));
    }
    store(&call, &document, &partner, values).await
}

/// Writes the share. What somebody may not do themselves they cannot hand on.
async fn store(call: &Call, document: &Document, partner: &Partner, values: Map<String, Json>) -> Result<Answer> {
    let existing = shares(&call.site, document).await?.into_iter().find(|row| match &partner.user {
        Some(user) => row.get("user").and_then(Json::as_str) == Some(user),
        None => row.get("everyone").is_some_and(|everyone| *everyone == 1),
    });
    let existing = existing.and_then(|row| row.get("name").and_then(Json::as_str).map(str::to_owned));
    let mut work = call.site.documents.begin(call.session()).await?;
    let mut given = work.new_document("DocShare")?;
    for (field, _) in SHARED {
        given.set(field, values.get(field).is_some_and(|value| *value == 1));
    }
    given.set("share_doctype", document.doctype.name.as_str());
    given.set("share_name", document.name());
    match &partner.user {
        Some(user) => given.set("user", user.as_str()),
        None => given.set("everyone", true),
    }
    share::check(&mut work, &given).await?;
    // The right to share is what counts here, not rights on DocShare itself.
    let _ = work.become_system();
    let takes_all = values.get("read").is_some_and(|read| *read == 0);
    let share = match existing {
        Some(name) if takes_all => {
            work.delete("DocShare", &name).await?;
            None
        }
        Some(name) => Some(work.update_json("DocShare", &name, &values, Children::Patch).await?),
        None => Some(work.insert(given).await?),
    };
    work.commit().await?;
    let seen = share.map(|share| resource::seen(&call.site, &Session::system(), &share));
    Ok(Answer::message(seen.unwrap_or_else(|| Json::Object(Map::new()))))
}
