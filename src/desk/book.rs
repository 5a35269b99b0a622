//! `/docs`: the documentation as a book, offline and without scripts; `/llms.txt` lists its pages for AI assistants.

use std::fmt::Write as _;
use std::sync::LazyLock;

use poem::Response;
use poem::http::StatusCode;
use pulldown_cmark::{CowStr, Event, Options, Parser, Tag, TagEnd};
use rust_embed::RustEmbed;
use serde_json::json;

use crate::error::{Error, Result};
use crate::web::Exchange;
use crate::web::templates::html;

#[derive(RustEmbed)]
#[folder = "docs/"]
struct Embedded;

/// The contents, in the form of mdBook.
const SUMMARY: &str = "SUMMARY.md";
/// The page that stands first.
const FIRST: &str = "index";
/// Where a page says that another file stands in its place, as mdBook reads it.
const INCLUDE: &str = "{{#include ../";
/// The files outside the folder that pages include.
const INCLUDED: [(&str, &str); 2] = [
    ("doctypes/README.md", include_str!("../../doctypes/README.md")),
    ("SECURITY.md", include_str!("../../SECURITY.md")),
];
/// What stands in a rendered page for its text.
const PLACE: &str = "the-text-of-the-page";
/// How much of a page a search shows.
const EXCERPT: usize = 160;
/// How many words of a search count: anybody may ask.
const MOST_WORDS: usize = 8;

/// A page of the book.
struct Page {
    /// Its path below `/docs/`, without an ending.
    path: String,
    title: String,
    /// The part of the book that it begins.
    part: Option<String>,
    markdown: String,
    html: String,
    /// Its title and its words, for the search.
    text: String,
    /// The same in small letters.
    lower: String,
}

static BOOK: LazyLock<Vec<Page>> = LazyLock::new(|| {
    let pages = contents();
    let paths: Vec<String> = pages.iter().map(|page| page.path.clone()).collect();
    pages.into_iter().map(|page| rendered(page, &paths)).collect()
});

fn embedded(path: &str) -> Option<String> {
    Embedded::get(path).map(|file| String::from_utf8_lossy(&file.data).into_owned())
}

/// The pages in the order of the contents, as they were written.
fn contents() -> Vec<Page> {
    let mut part = None;
    let mut pages = Vec::new();
    for line in embedded(SUMMARY).unwrap_or_default().lines().skip(1) {
        if let Some(title) = line.strip_prefix("# ") {
            part = Some(title.to_owned());
        }
        let link = line.split_once('[').and_then(|(_, rest)| rest.split_once("]("));
        let Some((title, path)) = link.and_then(|(title, rest)| Some((title, rest.strip_suffix(".md)")?))) else {
            continue;
        };
        let mut markdown = embedded(&format!("{path}.md")).unwrap_or_default();
        for (file, text) in INCLUDED {
            markdown = markdown.replace(&format!("{INCLUDE}{file}}}}}"), text);
        }
        let (path, title, part) = (path.to_owned(), title.to_owned(), part.take());
        pages.push(Page {
            path,
            title,
            part,
            markdown,
            html: String::new(),
            text: String::new(),
            lower: String::new(),
        });
    }
    pages
}

/// With its HTML: headings can be linked to, and links lead to pages of the book or out of it.
fn rendered(page: Page, paths: &[String]) -> Page {
    let folder = page.path.rsplit_once('/').map_or("", |(folder, _)| folder);
    let mut events: Vec<Event<'_>> = Vec::new();
    let (mut text, mut heading, mut kept) = (String::new(), None, Vec::new());
    for event in Parser::new_ext(&page.markdown, Options::ENABLE_TABLES | Options::ENABLE_STRIKETHROUGH) {
        match &event {
            Event::Text(words) | Event::Code(words) => text.push_str(words),
            Event::SoftBreak | Event::HardBreak | Event::End(_) => text.push(' '),
            _ => {}
        }
        match event {
            Event::Start(Tag::Heading { .. }) => {
                heading = Some((events.len(), text.len()));
                events.push(event);
            }
            Event::End(TagEnd::Heading(_)) => {
                if let Some((at, from)) = heading.take()
                    && let Some(Event::Start(Tag::Heading { id, .. })) = events.get_mut(at)
                {
                    *id = Some(CowStr::from(slug(&text[from..])));
                }
                events.push(event);
            }
            Event::Start(Tag::Link { link_type, dest_url, title, id }) => {
                let address = address(&dest_url, folder, paths);
                kept.push(address.is_some());
                if let Some(address) = address {
                    events.push(Event::Start(Tag::Link { link_type, dest_url: address.into(), title, id }));
                }
            }
            // What leads to a file that is not here is plain text.
            Event::End(TagEnd::Link) if kept.pop() == Some(false) => {}
            Event::Start(Tag::Image { link_type, dest_url, title, id }) => {
                let dest_url = format!("/docs/{dest_url}").into();
                events.push(Event::Start(Tag::Image { link_type, dest_url, title, id }));
            }
            event => events.push(event),
        }
    }
    let mut html = String::new();
    pulldown_cmark::html::push_html(&mut html, events.into_iter());
    let text = format!("{} {text}", page.title);
    Page { html, lower: text.to_lowercase(), text, ..page }
}

/// How a heading is linked to, as GitHub and mdBook have it.
fn slug(text: &str) -> String {
    let kept = text.trim().chars().filter(|letter| letter.is_alphanumeric() || matches!(letter, ' ' | '-' | '_'));
    kept.map(|letter| if letter == ' ' { '-' } else { letter.to_ascii_lowercase() }).collect()
}

/// Where a link of a page in that folder leads; `None`: to no page of the book.
fn address(link: &str, folder: &str, paths: &[String]) -> Option<String> {
    if link.contains(':') || link.starts_with('#') || link.starts_with('/') {
        return Some(link.to_owned());
    }
    let (file, anchor) = link.split_once('#').map_or((link, String::new()), |(file, to)| (file, format!("#{to}")));
    let mut parts: Vec<&str> = folder.split('/').filter(|part| !part.is_empty()).collect();
    for part in file.split('/') {
        if part != ".." || parts.pop().is_none() {
            parts.push(part);
        }
    }
    let joined = parts.join("/");
    // What is included is to be found where it is included.
    let inside = joined.strip_prefix("../").unwrap_or(&joined);
    let path = match inside.strip_prefix("docs/").unwrap_or(inside) {
        "doctypes/README.md" | "doctypes" => "doctypes",
        "SECURITY.md" => "security",
        other => other.strip_suffix(".md")?,
    };
    paths.iter().any(|known| known == path).then(|| format!("{}{anchor}", at(path)))
}

/// The address of a page.
fn at(path: &str) -> String {
    if path == FIRST { "/docs".to_owned() } else { format!("/docs/{path}") }
}

/// Answers `/docs`: the first page, or what is found for `q`.
#[allow(clippy::unused_async, reason = "routes take asynchronous handlers")]
pub(super) async fn first(exchange: Exchange) -> Result<Response> {
    let query = exchange.query().into_iter().find(|(key, _)| key == "q").map(|(_, words)| words).unwrap_or_default();
    if query.trim().is_empty() {
        return page(&exchange, FIRST);
    }
    let words: Vec<String> = query.split_whitespace().take(MOST_WORDS).map(str::to_lowercase).collect();
    let entry = |page: &Page| {
        let excerpt = excerpt(page, &words)?;
        Some(json!({ "href": at(&page.path), "title": page.title, "excerpt": excerpt }))
    };
    let found: Vec<_> = BOOK.iter().filter_map(entry).collect();
    let view = json!({ "title": "Search", "query": query, "found": found, "searched": true, "contents": list("") });
    Ok(html(StatusCode::OK, exchange.site.templates.render(exchange.language(), "docs/page", &view)?))
}

/// The surroundings of the first word in a page that has all of them.
fn excerpt(page: &Page, words: &[String]) -> Option<String> {
    let place = page.lower.find(words.first()?.as_str())?;
    if !words.iter().all(|word| page.lower.contains(word.as_str())) {
        return None;
    }
    let before = page.lower[..place].chars().count().saturating_sub(EXCERPT / 4);
    Some(page.text.chars().skip(before).take(EXCERPT).collect::<String>().trim().to_owned())
}

/// The contents, with the page at that path marked.
fn list(path: &str) -> Vec<serde_json::Value> {
    let entry = |page: &Page| json!({ "part": page.part, "href": at(&page.path), "title": page.title, "current": page.path == path });
    BOOK.iter().map(entry).collect()
}

/// Answers `/docs/<page>`, `/docs/<page>.md` and the pictures.
#[allow(clippy::unused_async, reason = "routes take asynchronous handlers")]
pub(super) async fn get(exchange: Exchange) -> Result<Response> {
    let path = exchange.param("path");
    if let Some(picture) = path.strip_suffix(".png").and_then(|_| Embedded::get(path)) {
        return Ok(Response::builder().content_type("image/png").body(picture.data.into_owned()));
    }
    if let Some(found) = path.strip_suffix(".md").and_then(|path| BOOK.iter().find(|page| page.path == path)) {
        return Ok(Response::builder().content_type("text/markdown; charset=utf-8").body(found.markdown.clone()));
    }
    page(&exchange, path)
}

fn page(exchange: &Exchange, path: &str) -> Result<Response> {
    let missing = || Error::NoSuchRoute("There is no such page in the documentation".to_owned());
    let place = BOOK.iter().position(|page| page.path == path).ok_or_else(missing)?;
    let link = |page: &Page| json!({ "href": at(&page.path), "title": page.title });
    let view = json!({
        "title": BOOK[place].title,
        "query": "",
        "searched": false,
        "place": PLACE,
        "contents": list(path),
        "previous": place.checked_sub(1).map(|place| link(&BOOK[place])),
        "next": BOOK.get(place + 1).map(link),
    });
    let frame = exchange.site.templates.render(exchange.language(), "docs/page", &view)?;
    // The text is the program's own, and HTML already.
    Ok(html(StatusCode::OK, frame.replacen(PLACE, &BOOK[place].html, 1)))
}

/// Answers `/llms.txt`: what this is, and the pages of the documentation as Markdown.
#[allow(clippy::unused_async, reason = "routes take asynchronous handlers")]
pub(super) async fn llms(exchange: Exchange) -> Result<Response> {
    let site = &exchange.site.config.site_url;
    let mut text = format!(
        "# Doctyped\n\n> DocType definitions in YAML become database tables, a REST API and admin forms; OAuth 2 and OpenID \
         Connect stand on top. The model and the API are those of the Frappe Framework.\n\nThe API of this site is \
         described at {site}/api/openapi.json, its authorization server at {site}/.well-known/oauth-authorization-server.\n\
         \n## Documentation\n\n"
    );
    for page in BOOK.iter() {
        let _ = writeln!(text, "- [{}]({site}/docs/{}.md)", page.title, page.path);
    }
    Ok(Response::builder().content_type("text/plain; charset=utf-8").body(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_lead_to_pages_of_the_book_or_out_of_it() {
        let paths =
            ["index", "running", "frappe/rest", "frappe/differences", "doctypes", "security"].map(str::to_owned);
        let to = |link: &str, folder: &str| address(link, folder, &paths);
        assert_eq!(to("running.md#backup", "").as_deref(), Some("/docs/running#backup"));
        assert_eq!(to("differences.md", "frappe").as_deref(), Some("/docs/frappe/differences"));
        assert_eq!(to("../running.md", "frappe").as_deref(), Some("/docs/running"));
        assert_eq!(to("../doctypes/README.md", "").as_deref(), Some("/docs/doctypes"));
        assert_eq!(to("index.md", "").as_deref(), Some("/docs"));
        assert_eq!(to("https://example.com/", "").as_deref(), Some("https://example.com/"));
        assert_eq!(to("../src/README.md", ""), None);
    }

    #[test]
    fn every_page_of_the_contents_has_a_text_and_its_own_heading() {
        assert!(BOOK.len() > 8);
        for page in BOOK.iter() {
            assert!(page.html.starts_with("<h1 id="), "{}: {:.80}", page.path, page.html);
            assert!(!page.markdown.contains("{{#"), "{} includes what is not there", page.path);
        }
    }
}
