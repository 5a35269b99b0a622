//! Search over everything: DocTypes by name and purpose, documents by name, title and search fields (`/app/_search`, and
//! `/app/_find` for the box in the bar). A document is found by those alone who may read it.

use poem::Response;
use poem::http::StatusCode;
use serde::Serialize;
use serde_json::{Value as Json, json};

use crate::desk::help::{self, Span};
use crate::desk::list::search_fields;
use crate::desk::{document_url, home, shell};
use crate::document::search::text_filters;
use crate::document::{Documents, ListRequest};
use crate::error::Result;
use crate::meta::{DocType, Right};
use crate::permissions::{Grant, Session};
use crate::web::Exchange;
use crate::web::method::json_response;
use crate::web::templates::html;

/// Letters from which documents are looked for.
const FEWEST_LETTERS: usize = 2;
/// How many documents of a DocType are shown.
const MOST_OF_EACH: u64 = 5;
/// How many DocTypes are looked through.
const MOST_DOCTYPES: usize = 60;

/// Everything that `desk/search.hbs` places.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct SearchView {
    /// What was searched for.
    pub query: String,
    /// DocTypes that match.
    pub doctypes: Vec<Found>,
    /// Documents that match, by DocType.
    pub groups: Vec<Group>,
    /// Nothing was found.
    pub nothing: bool,
    /// Too little was typed to look for documents.
    pub is_short: bool,
}

/// Documents of one DocType.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Group {
    /// The DocType.
    pub doctype: String,
    /// All of them, in the list.
    pub href: String,
    /// The latest.
    pub documents: Vec<Found>,
    /// There are more.
    pub has_more: bool,
}

/// Something that was found.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Found {
    /// What it is called.
    pub title: String,
    /// The name, where the title is another.
    pub name: String,
    /// What it is.
    pub help: Vec<Span>,
    /// Where it is.
    pub href: String,
    /// A form for a new one; empty if there is none.
    pub create: String,
}

fn query(exchange: &Exchange) -> String {
    let query = exchange.query().into_iter().find(|(name, _)| name == "q").map(|(_, value)| value);
    query.unwrap_or_default().trim().to_owned()
}

/// GET `/app/_search?q=…`
pub(crate) async fn get(exchange: Exchange) -> Result<Response> {
    shell::require_desk(&exchange)?;
    let query = query(&exchange);
    let documents = &exchange.site.documents;
    let doctypes = doctypes(documents, exchange.session(), &query);
    let groups = groups(documents, exchange.session(), &query).await?;
    let view = SearchView {
        nothing: doctypes.is_empty() && groups.is_empty() && !query.is_empty(),
        is_short: query.chars().count() < FEWEST_LETTERS,
        query,
        doctypes,
        groups,
    };
    Ok(html(StatusCode::OK, shell::render(&exchange, "desk/search", "Search", Vec::new(), view).await?))
}

/// GET `/app/_find?q=…`: the documents that match, as a flat list.
pub(crate) async fn find(exchange: Exchange) -> Result<Response> {
    shell::require_desk(&exchange)?;
    let groups = groups(&exchange.site.documents, exchange.session(), &query(&exchange)).await?;
    let entries: Json = groups
        .iter()
        .flat_map(|group| group.documents.iter().map(move |found| (group, found)))
        .map(|(group, found)| json!({"title": found.title, "name": found.name, "doctype": group.doctype, "href": found.href}))
        .collect();
    Ok(json_response(StatusCode::OK, &entries))
}

/// The DocTypes whose name or description has all the words.
fn doctypes(documents: &Documents, session: &Session, query: &str) -> Vec<Found> {
    if query.is_empty() {
        return Vec::new();
    }
    let words: Vec<String> = query.split_whitespace().map(str::to_lowercase).collect();
    let registry = documents.registry();
    let matches = |doctype: &&DocType| {
        let text = format!("{} {}", doctype.name, doctype.description).to_lowercase();
        words.iter().all(|word| text.contains(word))
    };
    let found = |doctype: &DocType| {
        let grant = Grant::of(session, doctype);
        let creates = grant.may(Right::Create) && !doctype.issingle && !doctype.in_create && !doctype.is_virtual;
        Found {
            title: doctype.name.clone(),
            name: String::new(),
            help: help::spans(&doctype.description),
            href: format!("/app/{}", doctype.slug()),
            create: if creates { format!("/app/{}/new", doctype.slug()) } else { String::new() },
        }
    };
    let mut all: Vec<&DocType> = home::readable(&registry, session).filter(matches).collect();
    let named = |doctype: &DocType| words.iter().all(|word| doctype.name.to_lowercase().contains(word));
    all.sort_by_key(|doctype| (!named(doctype), doctype.name.clone()));
    all.into_iter().map(found).collect()
}

/// The latest documents that match, DocType by DocType: one's own before those that the site keeps for itself.
async fn groups(documents: &Documents, session: &Session, query: &str) -> Result<Vec<Group>> {
    if query.chars().count() < FEWEST_LETTERS {
        return Ok(Vec::new());
    }
    let registry = documents.registry();
    let mut doctypes: Vec<&DocType> = home::readable(&registry, session)
        .filter(|doctype| doctype.has_table() && !doctype.issingle && !home::is_system(doctype))
        .collect();
    doctypes.sort_by_key(|doctype| (home::is_shipped(doctype), doctype.name.clone()));
    let pattern = format!("%{query}%");
    let mut groups = Vec::new();
    for doctype in doctypes.into_iter().take(MOST_DOCTYPES) {
        let grant = Grant::of(session, doctype);
        let title = doctype.title_field.as_deref().filter(|title| *title != "name");
        let title = title.filter(|title| search_fields(doctype, &grant).contains(title));
        let mut request = ListRequest::new(&doctype.name).order_by("modified desc");
        request.fields = std::iter::once("name").chain(title).map(Json::from).collect();
        request.or_filters = text_filters(doctype, &search_fields(doctype, &grant), query, &pattern);
        request.limit = Some(MOST_OF_EACH);
        let list = match documents.list(session, &request).await {
            Ok(list) => list,
            Err(error) if error.is_failure() => return Err(error),
            Err(_) => continue,
        };
        if list.rows.is_empty() {
            continue;
        }
        let found = |row: usize| {
            let name = list.text(row, "name").to_owned();
            let titled = title.map_or("", |title| list.text(row, title));
            Found {
                title: if titled.is_empty() { name.clone() } else { titled.to_owned() },
                href: document_url(&doctype.slug(), &name),
                name: if titled.is_empty() || titled == name { String::new() } else { name },
                help: Vec::new(),
                create: String::new(),
            }
        };
        let all = url::form_urlencoded::Serializer::new(String::new()).append_pair("q", query).finish();
        groups.push(Group {
            doctype: doctype.name.clone(),
            href: format!("/app/{}?{all}", doctype.slug()),
            documents: (0..list.rows.len()).map(found).collect(),
            has_more: list.has_next_page,
        });
    }
    Ok(groups)
}
