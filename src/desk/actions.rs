//! What the search over everything finds besides documents: pages, things to do, and single settings; only what is for the
//! person who searches.

use crate::desk::help;
use crate::desk::home;
use crate::meta::{DocType, Right};
use crate::permissions::Grant;
use crate::permissions::session::ROLE_SYSTEM_MANAGER;
use crate::web::{AccountPage, Exchange};

/// How many things to do, and how many settings, are shown at most.
const MOST: usize = 8;
/// Letters from which anything is found.
const FEWEST_LETTERS: usize = 2;

/// Something to go to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    /// What it is called.
    pub title: String,
    /// What it is for, or where it stands.
    pub hint: String,
    /// Where it is.
    pub href: String,
}

/// For whom a page is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum For {
    Everyone,
    Managers,
}

/// The pages: what they are called, what else people may type for them, their address, for whom.
const PAGES: [(&str, &str, &str, For); 10] = [
    ("Home", "start desk", "/app", For::Everyone),
    ("Change my password", "account new password", "/me#password-title", For::Everyone),
    (
        "Log out everywhere",
        "end sessions devices logout sign out where you are logged in",
        "/me#sessions-title",
        For::Everyone,
    ),
    ("Make an API key", "account token secret", "/me#key-title", For::Everyone),
    ("Change my name", "account profile", "/me#name-title", For::Everyone),
    ("Documentation", "guide manual help docs", "/docs", For::Everyone),
    ("API documentation", "rest openapi swagger docs", "/api/docs", For::Everyone),
    ("Site health", "status load errors slow last hour", "/app/_health", For::Managers),
    ("DocType files", "definitions held back problems yaml", "/app/_definitions", For::Managers),
    ("Who may do what", "access permissions roles rights of a user", "/app/_access", For::Managers),
];

/// The things to do that have all the words.
pub(super) fn actions(exchange: &Exchange, query: &str) -> Vec<Entry> {
    let (session, words) = (exchange.session(), words(query));
    if query.trim().chars().count() < FEWEST_LETTERS {
        return Vec::new();
    }
    let has = |text: &str| has_all(text, &words);
    let is_manager = session.has_role(ROLE_SYSTEM_MANAGER);
    let pages = PAGES.iter().filter(|(.., whom)| *whom == For::Everyone || is_manager);
    let pages = pages.filter(|(title, also, ..)| has(&format!("{title} {} {also}", exchange.say(title))));
    let page = |(title, _, href, _): &(&str, &str, &str, For)| entry(&exchange.say(title), &exchange.say("Page"), href);
    let own = exchange.site.account_pages.iter();
    let own = own.filter(|own: &&AccountPage| has(&format!("{} {}", own.label, exchange.say(own.label))));
    let own = own.map(|own| entry(&exchange.say(own.label), &exchange.say("Your account"), own.href));
    let mut found: Vec<Entry> = pages.map(page).chain(own).collect();
    found.extend(of_doctypes(exchange, &words));
    found.sort_by_cached_key(|entry| !has(&entry.title));
    found.truncate(MOST);
    found
}

/// "New Book", "Import Book", "Export Book".
fn of_doctypes(exchange: &Exchange, words: &[String]) -> Vec<Entry> {
    // The name of a DocType alone leads to its list.
    let verbs = [("New", "create add"), ("Import", "upload csv xlsx"), ("Export", "download csv xlsx")];
    let session = exchange.session();
    let named = |verb: &str, doctype: &str| exchange.say(&format!("{verb} {doctype}"));
    let meant = verbs.map(|(verb, also)| {
        let text = format!("{verb} {also} {}", named(verb, ""));
        words.iter().any(|word| has_all(&text, std::slice::from_ref(word)))
    });
    if !meant.contains(&true) {
        return Vec::new();
    }
    let registry = exchange.registry();
    let mut found = Vec::new();
    for doctype in home::readable(&registry, session).filter(|doctype| doctype.has_table()) {
        let grant = Grant::of(session, doctype);
        let may = [
            creates(doctype, &grant).then(|| format!("/app/{}/new", doctype.slug())),
            (doctype.allow_import && grant.may(Right::Import)).then(|| with_doctype("/app/_import", doctype)),
            grant.may(Right::Export).then(|| with_doctype("/app/_export", doctype)),
        ];
        for (((verb, also), href), _) in verbs.iter().zip(may).zip(meant).filter(|(_, meant)| *meant) {
            if let Some(href) = href
                && has_all(&format!("{verb} {} {also} {}", doctype.name, named(verb, &doctype.name)), words)
            {
                found.push(entry(&named(verb, &doctype.name), &exchange.say(&doctype.module), &href));
            }
        }
    }
    found.sort_by_cached_key(|entry| entry.title.len());
    found
}

/// The settings whose label or help text has all the words: fields of Singles, each a link to its place in the form.
pub(super) fn settings(exchange: &Exchange, query: &str) -> Vec<Entry> {
    let (session, words) = (exchange.session(), words(query));
    if query.trim().chars().count() < FEWEST_LETTERS {
        return Vec::new();
    }
    let registry = exchange.registry();
    let mut found: Vec<(bool, Entry)> = Vec::new();
    for doctype in home::readable(&registry, session).filter(|doctype| doctype.issingle) {
        let grant = Grant::of(session, doctype);
        for field in doctype.fields.iter().filter(|field| !field.hidden && !field.fieldtype.is_layout()) {
            let help = help::plain(&field.description);
            let title = exchange.say(&doctype.name);
            let named = format!("{title} {} {}", doctype.name, field.label);
            if grant.reads_level(field.permlevel) && !field.secret && has_all(&format!("{named} {help}"), &words) {
                let href = format!("/app/{}#f-{}", doctype.slug(), field.fieldname);
                let is_named = has_all(&field.label, &words) || has_all(&named, &words);
                found.push((!is_named, entry(&field.label, &title, &href)));
            }
        }
    }
    found.sort_by_key(|(is_last, _)| *is_last);
    found.into_iter().map(|(_, entry)| entry).take(MOST).collect()
}

/// Whether the desk offers a form for a new one.
pub(super) fn creates(doctype: &DocType, grant: &Grant) -> bool {
    grant.may(Right::Create) && !doctype.issingle && !doctype.in_create && !doctype.is_virtual
}

fn with_doctype(page: &str, doctype: &DocType) -> String {
    format!(
        "{page}?{}",
        url::form_urlencoded::Serializer::new(String::new()).append_pair("doctype", &doctype.name).finish()
    )
}

fn entry(title: &str, hint: &str, href: &str) -> Entry {
    Entry { title: title.to_owned(), hint: hint.to_owned(), href: href.to_owned() }
}

/// What was typed, in lower case.
pub(super) fn words(query: &str) -> Vec<String> {
    query.split_whitespace().map(str::to_lowercase).collect()
}

/// Whether each of the words begins one of the text.
fn has_all(text: &str, words: &[String]) -> bool {
    let text = text.to_lowercase();
    let parts: Vec<&str> = text.split(|letter: char| !letter.is_alphanumeric()).collect();
    words.iter().all(|word| parts.iter().any(|part| part.starts_with(word.as_str())))
}
