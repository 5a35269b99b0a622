//! The addresses of Frappe's desk: bookmarks and links in mails lead to the same page here.

use poem::Response;

use crate::desk::document_url;
use crate::desk::list::shown::Kind;
use crate::error::{Error, Result};
use crate::meta::doctype::slug;
use crate::meta::{DocType, Registry};
use crate::web::Exchange;
use crate::web::error::see_other;

/// Where the parts of an address behind `/app` or `/desk` lead: `None` if no DocType is meant.
///
/// `List/User`, `user/view/list`, `todo/view/kanban/Board`, `Tree/Account`, `User`, `oauth client`, `Form/User/X`, `User/X`, `user/new-user-1`, `print/User/X`.
fn target(registry: &Registry, parts: &[&str]) -> Option<String> {
    let find = |text: &str| -> Option<&DocType> {
        let found = registry.get(text).or_else(|| registry.by_slug(&slug(text)))?;
        (!found.istable).then_some(&**found)
    };
    let list = |doctype: &DocType| format!("/app/{}", doctype.slug());
    let form = |doctype: &DocType, name: &[&str]| {
        let name = name.join("/");
        match name.as_str() {
            "" => list(doctype),
            _ if doctype.issingle => list(doctype),
            name if name.starts_with(&format!("new-{}", doctype.slug())) => format!("{}/new", list(doctype)),
            name => document_url(&doctype.slug(), name),
        }
    };
    // Boards and calendars with names of their own are not here: theirs are made by the usual field.
    let view = |doctype: &DocType, rest: &[&str]| match rest.first().and_then(|word| Kind::parse(word)) {
        None | Some(Kind::List) => list(doctype),
        Some(Kind::Report) if rest.len() > 1 => {
            let name = url::form_urlencoded::byte_serialize(rest[1..].join("/").as_bytes()).collect::<String>();
            format!("{}?view=report&report={name}", list(doctype))
        }
        Some(_) => format!("{}?view={}", list(doctype), rest[0].to_lowercase()),
    };
    match parts {
        [] => Some("/app".to_owned()),
        [first]
            if matches!(first.to_lowercase().as_str(), "home" | "list" | "form" | "desk") && find(first).is_none() =>
        {
            Some("/app".to_owned())
        }
        ["List" | "list", doctype, rest @ ..] if find(parts[0]).is_none() => {
            find(doctype).map(|found| view(found, rest))
        }
        ["Tree" | "tree", doctype] if find(parts[0]).is_none() => find(doctype).map(|found| view(found, &["tree"])),
        ["Form" | "form" | "print", doctype, name @ ..] if find(parts[0]).is_none() => {
            find(doctype).map(|doctype| form(doctype, name))
        }
        [doctype, "view", rest @ ..] => find(doctype).map(|found| view(found, rest)),
        [doctype, name @ ..] => find(doctype).map(|doctype| form(doctype, name)),
    }
}

/// A redirect from an address below `/app`, if it is Frappe's and not ours.
pub(super) fn redirect(exchange: &Exchange, parts: &[&str]) -> Option<Response> {
    let is_ours = exchange.site.documents.registry().by_slug(parts.first()?).is_some();
    if is_ours { None } else { lead(exchange, parts) }
}

fn lead(exchange: &Exchange, parts: &[&str]) -> Option<Response> {
    let target = target(&exchange.site.documents.registry(), parts)?;
    Some(see_other(&match exchange.request.uri().query() {
        Some(query) => format!("{target}{}{query}", if target.contains('?') { '&' } else { '?' }),
        None => target,
    }))
}

/// GET `/desk`, `/desk/…` and what is deeper under `/app` than a form.
pub(super) async fn get(exchange: Exchange) -> Result<Response> {
    let path = exchange.request.uri().path();
    let rest = path.strip_prefix("/desk").or_else(|| path.strip_prefix("/app")).unwrap_or(path);
    let parts: Vec<String> = rest
        .split('/')
        .filter(|part| !part.is_empty())
        .map(|part| percent_encoding::percent_decode_str(part).decode_utf8_lossy().into_owned())
        .collect();
    let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
    lead(&exchange, &parts).ok_or_else(|| Error::NoSuchRoute("There is nothing at this address".to_owned()))
}
