//! `/app/_access?doctype=…&name=…`: who may do what with a document, and why; for System Managers.

use poem::Response;
use poem::http::StatusCode;
use serde::Serialize;
use serde_json::json;

use crate::desk::form::view::Link;
use crate::desk::{document_url, shell, why};
use crate::document::{Documents, ListRequest};
use crate::error::{Error, Result};
use crate::meta::{DocType, Document, Right};
use crate::permissions::Session;
use crate::permissions::session::ROLE_SYSTEM_MANAGER;
use crate::web::Exchange;
use crate::web::templates::html;

/// How many people are looked at.
const MOST_PEOPLE: u64 = 200;
/// The rights that are told.
const TOLD: [(&str, Right); 5] = [
    ("Read", Right::Read),
    ("Write", Right::Write),
    ("Delete", Right::Delete),
    ("Submit", Right::Submit),
    ("Share", Right::Share),
];

/// Everything that `desk/access.hbs` places.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct AccessView {
    /// What it is about.
    pub title: String,
    /// The document's form.
    pub url: String,
    /// The headings of the rights.
    pub rights: Vec<&'static str>,
    /// Who may do something with it.
    pub people: Vec<PersonView>,
    /// How many others may not.
    pub others: usize,
    /// There are more people than were looked at.
    pub is_cut: bool,
}

/// What one person may do.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct PersonView {
    /// The user.
    pub user: String,
    /// Their name.
    pub full_name: String,
    /// In the order of the headings.
    pub rights: Vec<RightView>,
    /// What gives them the right to read.
    pub why: String,
}

/// Whether a person has a right.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct RightView {
    /// They have.
    pub may: bool,
    /// Where is said why, or why not.
    pub url: String,
}

/// GET `/app/_access`
pub(crate) async fn get(exchange: Exchange) -> Result<Response> {
    shell::require_desk(&exchange)?;
    let session = exchange.session();
    if !session.has_role(ROLE_SYSTEM_MANAGER) && !session.is_administrator() {
        return Err(Error::Permission("This page is for System Managers".to_owned()));
    }
    let query = exchange.query();
    let given = |key: &str| query.iter().find(|(name, _)| name == key).map_or("", |(_, value)| value);
    let documents = &exchange.site.documents;
    let doctype = documents.doctype(given("doctype"))?;
    let name = if doctype.issingle { doctype.name.as_str() } else { given("name") };
    // Nobody learns here about a document that they may not read.
    let document = documents.get(session, &doctype.name, name).await?;
    let view = access_view(documents, &document).await?;
    let crumbs = vec![
        Link { label: doctype.name.clone(), href: format!("/app/{}", doctype.slug()) },
        Link { label: view.title.clone(), href: view.url.clone() },
    ];
    let text = shell::render(&exchange, "desk/access", &exchange.say("Who May See This"), crumbs, view).await?;
    Ok(html(StatusCode::OK, text))
}

async fn access_view(documents: &Documents, document: &Document) -> Result<AccessView> {
    let doctype = &document.doctype;
    let mut request = ListRequest::new("User").fields(&["name"]).filters(json!({"enabled": 1})).order_by("name asc");
    request.limit = Some(MOST_PEOPLE);
    let list = documents.list(&Session::system(), &request).await?;
    let (mut people, mut others) = (Vec::new(), 0);
    let shared_with = shared_with(documents, document).await?;
    for row in 0..list.rows.len() {
        let Some(access) = documents.access(list.text(row, "name")).await? else { continue };
        let person = Session::of(access);
        let may_be_shared = shared_with.iter().any(|user| user.is_empty() || user == person.user());
        let mut rights = Vec::with_capacity(TOLD.len());
        let mut shared = Vec::new();
        for (label, right) in TOLD {
            let own = documents.check_permission(&person, doctype, Some(document), right).is_ok();
            if !own && may_be_shared && documents.is_shared(documents.database(), &person, document, right).await? {
                shared.push(label.to_lowercase());
            }
            let may = own || shared.last().is_some_and(|last| *last == label.to_lowercase());
            let name = document.name();
            let asked =
                [("doctype", &*doctype.name), ("name", &name), ("right", right.as_str()), ("user", person.user())];
            rights.push(RightView { may, url: why::url(&asked) });
        }
        if rights.iter().any(|right| right.may) {
            let why = reason(&person, doctype, document, &shared);
            let (user, full_name) = (person.user().to_owned(), person.access.full_name.clone());
            people.push(PersonView { user, full_name, rights, why });
        } else {
            others += 1;
        }
    }
    let name = document.name();
    let title = doctype.title_field.as_deref().map(|field| document.text(field)).filter(|title| !title.is_empty());
    Ok(AccessView {
        title: title.unwrap_or(&name).to_owned(),
        url: if doctype.issingle { format!("/app/{}", doctype.slug()) } else { document_url(&doctype.slug(), &name) },
        rights: TOLD.map(|(label, _)| label).to_vec(),
        people,
        others,
        is_cut: list.has_next_page,
    })
}

/// With whom the document is shared; the empty name stands for everyone. So only these are asked for one by one.
async fn shared_with(documents: &Documents, document: &Document) -> Result<Vec<String>> {
    if documents.registry().get("DocShare").is_none() {
        return Ok(Vec::new());
    }
    let filters = json!({"share_doctype": document.doctype.name, "share_name": document.name()});
    let request = ListRequest::new("DocShare").fields(&["user"]).filters(filters).all();
    let list = documents.list(&Session::system(), &request).await?;
    Ok((0..list.rows.len()).map(|row| list.text(row, "user").to_owned()).collect())
}

/// What gives a person their rights: `by the role Librarian; shared: write`.
fn reason(person: &Session, doctype: &DocType, document: &Document, shared: &[String]) -> String {
    if person.is_administrator() {
        return "Administrator may do everything".to_owned();
    }
    let mut roles: Vec<String> = Vec::new();
    for row in doctype.permissions.iter().filter(|row| row.permlevel == 0 && person.has_role(&row.role)) {
        if row.if_owner && !person.owns(document) || !row.rights.contains(Right::Read) {
            continue;
        }
        let role = if row.if_owner { format!("{} as owner", row.role) } else { row.role.clone() };
        if !roles.contains(&role) {
            roles.push(role);
        }
    }
    let mut why = Vec::new();
    match roles.as_slice() {
        [] => {}
        [role] => why.push(format!("by the role {role}")),
        roles => why.push(format!("by the roles {}", roles.join(", "))),
    }
    if !shared.is_empty() {
        why.push(format!("shared: {}", shared.join(", ")));
    }
    if !person.access.user_permissions.is_empty() && !roles.is_empty() {
        why.push("within their User Permissions".to_owned());
    }
    why.join("; ")
}
