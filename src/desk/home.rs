//! `/app`: every DocType that one may read, by module; and what its scripts ask for (`/app/_counts`, `/app/_doctypes`, `/app/_session`).

use std::collections::BTreeMap;

use poem::Response;
use poem::http::StatusCode;
use serde::Serialize;
use serde_json::{Value as Json, json};

use crate::desk::help::{self, Span};
use crate::desk::list::{MOST_COUNTED, counted};
use crate::desk::tasks::{self, Task};
use crate::desk::{actions, shell};
use crate::document::{Documents, ListRequest};
use crate::error::{Error, Result};
use crate::language::Language;
use crate::meta::{DocType, Registry, Right};
use crate::permissions::session::ROLE_SYSTEM_MANAGER;
use crate::permissions::{Grant, Session};
use crate::web::Exchange;
use crate::web::error::see_other;
use crate::web::method::json_response;
use crate::web::templates::html;

/// How many numbers one request for counts may ask for.
const MAX_COUNTS: usize = 50;

/// The modules that come with the site.
const SHIPPED: [&str; 2] = ["OAuth", "Core"];

/// Everything that `desk/home.hbs` places.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct HomeView {
    /// The heading.
    pub greeting: String,
    /// What was searched for.
    pub query: String,
    /// The modules with their DocTypes.
    pub modules: Vec<ModuleView>,
    /// What the site keeps for itself: logs, tokens, sessions.
    pub system: Vec<Tile>,
    /// Whether the page about the last hour is for this person.
    pub health: bool,
    /// Something was searched for.
    pub searched: bool,
    /// What is left to do for who begins.
    pub tasks: Vec<Task>,
}

/// A module.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct ModuleView {
    /// The heading's id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Its DocTypes.
    pub doctypes: Vec<Tile>,
}

/// A DocType on the home page.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Tile {
    /// Its name.
    pub name: String,
    /// Its list, or the form of a Single.
    pub href: String,
    /// Its description.
    pub help: Vec<Span>,
    /// A word on its kind; empty for ordinary ones.
    pub badge: &'static str,
    /// What to count, as JSON; empty for Singles.
    pub count: String,
}

/// The home page: the DocTypes that the session may read and that match all words of the query.
pub(crate) fn home_view(registry: &Registry, language: &Language, session: &Session, query: &str) -> HomeView {
    let words: Vec<String> = query.split_whitespace().map(str::to_lowercase).collect();
    let mut modules: BTreeMap<(usize, String), Vec<Tile>> = BTreeMap::new();
    let mut system = Vec::new();
    for doctype in readable(registry, session) {
        let name = format!("{} {}", doctype.name, language.say(&doctype.name)).to_lowercase();
        let matches = |word: &String| name.contains(word) || doctype.description.to_lowercase().contains(word);
        if words.iter().all(matches) {
            let module = if doctype.module.is_empty() { "Other" } else { &doctype.module };
            // What the site keeps for itself stands below; the modules that come with it after one's own.
            let shipped = SHIPPED.iter().position(|known| *known == module).map_or(0, |at| at + 1);
            if is_system(doctype) {
                system.push(tile(doctype));
            } else {
                modules.entry((shipped, module.to_owned())).or_default().push(tile(doctype));
            }
        }
    }
    let name = session.access.full_name.split_whitespace().next().unwrap_or("").to_owned();
    HomeView {
        greeting: if name.is_empty() { "Welcome".to_owned() } else { format!("Welcome, {name}") },
        query: query.to_owned(),
        modules: modules
            .into_iter()
            .map(|((_, name), doctypes)| ModuleView {
                id: format!("m-{}", crate::meta::doctype::slug(&name)),
                name,
                doctypes,
            })
            .collect(),
        system,
        health: session.has_role(ROLE_SYSTEM_MANAGER),
        searched: !query.is_empty(),
        tasks: Vec::new(),
    }
}

/// Whether a DocType comes with the site.
pub(super) fn is_shipped(doctype: &DocType) -> bool {
    SHIPPED.contains(&doctype.module.as_str())
}

/// Whether its documents are what the site keeps for itself: logs, tokens, sessions.
pub(super) fn is_system(doctype: &DocType) -> bool {
    is_shipped(doctype) && doctype.document_type() == Some("System")
}

/// The DocTypes whose documents the session may read.
pub(super) fn readable<'a>(registry: &'a Registry, session: &'a Session) -> impl Iterator<Item = &'a DocType> {
    registry
        .iter()
        .map(AsRef::as_ref)
        .filter(|doctype: &&DocType| !doctype.istable && Grant::of(session, doctype).may(Right::Read))
}

fn tile(doctype: &DocType) -> Tile {
    Tile {
        name: doctype.name.clone(),
        href: format!("/app/{}", doctype.slug()),
        help: help::spans(&doctype.description),
        badge: match doctype {
            doctype if doctype.issingle => "Settings",
            doctype if doctype.is_submittable => "Submittable",
            doctype if doctype.is_virtual => "Virtual",
            _ => "",
        },
        count: if doctype.issingle { String::new() } else { json!([doctype.name]).to_string() },
    }
}

/// GET `/app`
pub(crate) async fn get(exchange: Exchange) -> Result<Response> {
    let session = exchange.session();
    if !session.is_guest() && !session.is_desk_user() {
        // Whoever does not use the desk has a page of their own.
        return Ok(see_other("/me"));
    }
    shell::require_desk(&exchange)?;
    let query = exchange.query().into_iter().find(|(name, _)| name == "q").map(|(_, value)| value).unwrap_or_default();
    let registry = exchange.registry();
    let mut view = home_view(&registry, exchange.language(), exchange.session(), query.trim());
    if !view.searched {
        view.tasks = tasks::left(&exchange).await?;
    }
    Ok(html(StatusCode::OK, shell::render(&exchange, "desk/home", &exchange.say("Home"), Vec::new(), view).await?))
}

/// GET `/app/_doctypes`: name, module and addresses of every DocType that one may read.
pub(crate) async fn doctypes(exchange: Exchange) -> Result<Response> {
    shell::require_desk(&exchange)?;
    let registry = exchange.registry();
    let entry = |doctype: &DocType| {
        let creates = actions::creates(doctype, &Grant::of(exchange.session(), doctype));
        let create = creates.then(|| format!("/app/{}/new", doctype.slug()));
        json!({"name": doctype.name, "title": exchange.say(&doctype.name), "module": exchange.say(&doctype.module), "href": format!("/app/{}", doctype.slug()), "create": create})
    };
    let entries: Json = readable(&registry, exchange.session()).map(entry).collect();
    Ok(json_response(StatusCode::OK, &entries))
}

/// GET `/app/_session`: who is logged in in this browser, and the token for their forms; asked before a form is sent.
pub(crate) async fn session(exchange: Exchange) -> Result<Response> {
    let (session, token) = (exchange.session(), exchange.context.csrf_token());
    Ok(json_response(
        StatusCode::OK,
        &json!({"user": session.user(), "full_name": session.access.full_name, "csrf_token": token}),
    ))
}

/// GET `/app/_counts?of=[["Book"],["Loan","book","B-1"]]`: numbers of documents, `"10,000+"` where there are more, null where
/// one may not know.
pub(crate) async fn counts(exchange: Exchange) -> Result<Response> {
    shell::require_desk(&exchange)?;
    let of = exchange.query().into_iter().find(|(name, _)| name == "of").map(|(_, value)| value).unwrap_or_default();
    let wanted: Vec<Vec<String>> = serde_json::from_str(&of).map_err(|_| {
        Error::BadRequest("`of` must be a JSON list such as [[\"Book\"],[\"Loan\",\"book\",\"B-1\"]]".to_owned())
    })?;
    if wanted.len() > MAX_COUNTS {
        return Err(Error::BadRequest(format!("Ask for at most {MAX_COUNTS} counts at once")));
    }
    let mut counts = Vec::with_capacity(wanted.len());
    for key in &wanted {
        counts.push(count(&exchange.site.documents, exchange.session(), key).await?);
    }
    Ok(json_response(StatusCode::OK, &Json::Array(counts)))
}

async fn count(documents: &Documents, session: &Session, key: &[String]) -> Result<Json> {
    let (doctype, filters) = match key {
        [doctype] => (doctype, Json::Null),
        [doctype, fieldname, value] => (doctype, json!([[fieldname, "=", value]])),
        _ => return Ok(Json::Null),
    };
    let request = ListRequest::new(doctype).filters(filters);
    match documents.count_at_most(session, &request, Some(MOST_COUNTED + 1)).await {
        Ok(count) if count > MOST_COUNTED => Ok(Json::from(counted(count, MOST_COUNTED))),
        Ok(count) => Ok(Json::from(count)),
        Err(error) if error.is_failure() => Err(error),
        Err(_) => Ok(Json::Null),
    }
}
