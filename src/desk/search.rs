//! Search over everything: documents by their words, DocTypes by name and purpose, settings by label and help text, pages and
//! things to do (`/app/_search`, and `/app/_find` for the box in the bar). Everybody finds what is for them alone.

use poem::Response;
use poem::http::StatusCode;
use serde::Serialize;
use serde_json::{Value as Json, json};

use crate::desk::actions::Entry;
use crate::desk::help::{self, Span};
use crate::desk::list::report::report_url;
use crate::desk::{actions, document_url, home, shell};
use crate::document::Documents;
use crate::document::find::{FoundDocument, FoundGroup};
use crate::document::report::REPORT;
use crate::error::Result;
use crate::meta::DocType;
use crate::permissions::{Grant, Session};
use crate::web::Exchange;
use crate::web::method::json_response;
use crate::web::templates::html;

/// Letters from which documents are looked for.
const FEWEST_LETTERS: usize = 2;
/// How many documents of a DocType are shown.
const MOST_OF_EACH: usize = 5;
/// How many of one alone.
const MOST_OF_ONE: usize = 200;

/// Everything that `desk/search.hbs` places.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct SearchView {
    /// What was searched for.
    pub query: String,
    /// The DocType whose documents alone are searched; empty: everything is.
    pub only: String,
    /// Things to do that match.
    pub actions: Vec<Found>,
    /// Settings that match.
    pub settings: Vec<Found>,
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
    pub all: String,
    /// The best.
    pub documents: Vec<Found>,
    /// There are more.
    pub has_more: bool,
}

/// Something that was found.
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct Found {
    /// What it is called.
    pub title: String,
    /// The name, where the title is another.
    pub name: String,
    /// What it is.
    pub help: Vec<Span>,
    /// Where the words stand in it, if not in its title.
    pub context: String,
    /// Where it is.
    pub href: String,
    /// A form for a new one; empty if there is none.
    pub create: String,
    /// How well it fits, among documents.
    pub fit: u8,
}

impl From<Entry> for Found {
    fn from(entry: Entry) -> Self {
        Self { title: entry.title, context: entry.hint, href: entry.href, ..Self::default() }
    }
}

fn parameter(exchange: &Exchange, wanted: &str) -> String {
    let given = exchange.query().into_iter().find(|(name, _)| name == wanted).map(|(_, value)| value);
    given.unwrap_or_default().trim().to_owned()
}

/// GET `/app/_search?q=…`, with `doctype` for the documents of one alone.
pub(crate) async fn get(exchange: Exchange) -> Result<Response> {
    shell::require_desk(&exchange)?;
    let (query, only) = (parameter(&exchange, "q"), parameter(&exchange, "doctype"));
    let (documents, session) = (&exchange.site.documents, exchange.session());
    let groups = groups(documents, session, &query, &only).await?;
    let (mut doctypes, mut actions, mut settings) = (Vec::new(), Vec::new(), Vec::new());
    if only.is_empty() {
        let found = |entries: Vec<Entry>| -> Vec<Found> { entries.into_iter().map(Found::from).collect() };
        doctypes = self::doctypes(&exchange, &query);
        actions = found(actions::actions(&exchange, &query));
        settings = found(actions::settings(&exchange, &query));
    }
    let nothing = [&actions, &settings, &doctypes].iter().all(|found| found.is_empty()) && groups.is_empty();
    let view = SearchView {
        actions,
        settings,
        nothing: nothing && !query.is_empty(),
        is_short: query.chars().count() < FEWEST_LETTERS,
        query,
        only,
        doctypes,
        groups,
    };
    Ok(html(StatusCode::OK, shell::render(&exchange, "desk/search", &exchange.say("Search"), Vec::new(), view).await?))
}

/// GET `/app/_find?q=…`: what matches besides DocTypes, as a flat list: documents, the best first, things to do and settings.
pub(crate) async fn find(exchange: Exchange) -> Result<Response> {
    shell::require_desk(&exchange)?;
    let query = parameter(&exchange, "q");
    let documents = &exchange.site.documents;
    let groups = groups(documents, exchange.session(), &query, "").await?;
    let mut found: Vec<(&Group, &Found)> =
        groups.iter().flat_map(|group| group.documents.iter().map(move |found| (group, found))).collect();
    // The groups are in the order of their best.
    found.sort_by_key(|(_, found)| std::cmp::Reverse(found.fit));
    let mut entries: Vec<Json> = found
        .into_iter()
        .map(|(group, found)| {
            json!({
                "kind": "document", "title": found.title, "name": found.name, "doctype": exchange.say(&group.doctype),
                "context": found.context, "href": found.href,
            })
        })
        .collect();
    let entry = |kind: &str, found: Entry| json!({"kind": kind, "title": found.title, "context": found.hint, "href": found.href});
    entries.extend(actions::actions(&exchange, &query).into_iter().map(|found| entry("action", found)));
    let settings = actions::settings(&exchange, &query);
    entries.extend(settings.into_iter().map(|found| entry("setting", found)));
    Ok(json_response(StatusCode::OK, &Json::Array(entries)))
}

/// The DocTypes whose name or description has all the words.
fn doctypes(exchange: &Exchange, query: &str) -> Vec<Found> {
    if query.is_empty() {
        return Vec::new();
    }
    let (session, words) = (exchange.session(), actions::words(query));
    let registry = exchange.registry();
    let name = |doctype: &DocType| format!("{} {}", doctype.name, exchange.say(&doctype.name)).to_lowercase();
    let matches = |doctype: &&DocType| {
        let text = format!("{} {}", name(doctype), doctype.description.to_lowercase());
        words.iter().all(|word| text.contains(word))
    };
    let found = |doctype: &DocType| {
        let grant = Grant::of(session, doctype);
        let creates = actions::creates(doctype, &grant);
        Found {
            title: doctype.name.clone(),
            help: help::spans(&doctype.description),
            href: format!("/app/{}", doctype.slug()),
            create: if creates { format!("/app/{}/new", doctype.slug()) } else { String::new() },
            ..Found::default()
        }
    };
    let mut all: Vec<&DocType> = home::readable(&registry, session).filter(matches).collect();
    let named = |doctype: &DocType| words.iter().all(|word| name(doctype).contains(word));
    all.sort_by_key(|doctype| (!named(doctype), doctype.name.clone()));
    all.into_iter().map(found).collect()
}

/// The documents that match, DocType by DocType: the best first, and of those that match alike one's own before those that come
/// with the site.
async fn groups(documents: &Documents, session: &Session, query: &str, only: &str) -> Result<Vec<Group>> {
    let (only, each) = if only.is_empty() { (None, MOST_OF_EACH) } else { (Some(only), MOST_OF_ONE) };
    let mut found = documents.find(session, query, only, each).await?;
    found.sort_by_key(|group| {
        let best = group.documents.first().map_or(0, |document| document.fit);
        (std::cmp::Reverse(best), home::is_shipped(&group.doctype), group.doctype.name.clone())
    });
    let group = |group: FoundGroup| {
        let slug = group.doctype.slug();
        let found = |document: FoundDocument| Found {
            href: if group.doctype.name == REPORT {
                report_url(&document.name)
            } else {
                document_url(&slug, &document.name)
            },
            name: if document.title == document.name { String::new() } else { document.name },
            title: document.title,
            help: Vec::new(),
            context: document.context,
            create: String::new(),
            fit: document.fit,
        };
        let mut all = url::form_urlencoded::Serializer::new(String::new());
        all.append_pair("q", query).append_pair("doctype", &group.doctype.name);
        Group {
            doctype: group.doctype.name.clone(),
            // Of more than are shown of one alone, the reader has to say more words.
            all: if only.is_some() { String::new() } else { format!("/app/_search?{}", all.finish()) },
            documents: group.documents.into_iter().map(found).collect(),
            has_more: group.has_more,
        }
    };
    Ok(found.into_iter().map(group).collect())
}
