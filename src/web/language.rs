//! In which language a request is answered: the person's own, else that of their browser, else that of the site.

use poem::Request;
use poem::http::header;
use poem::web::cookie::{Cookie, SameSite};
use serde_json::{Value as Json, json};

use crate::language::{ENGLISH, Language};
use crate::permissions::Session;
use crate::web::pipeline::cookies;
use crate::web::request::RequestContext;
use crate::web::session_cookie::own_name;
use crate::web::settings::SYSTEM_SETTINGS;
use crate::web::site::Site;

/// The cookie with the choice of a browser in which nobody has a language of their own, as Frappe calls it.
const COOKIE: &str = "preferred_language";
/// The parameter of an address that makes that choice, as Frappe calls it.
const PARAMETER: &str = "_lang";
/// What answers without a word, and must whether or not the database does.
const WORDLESS: [&str; 2] = ["/assets/", "/health"];
/// The DocType of the languages that are offered.
const LANGUAGE: &str = "Language";

/// The language for whoever sent the request. One that the address chooses is remembered by the browser.
pub(crate) async fn of_request(site: &Site, request: &Request, context: &RequestContext) -> Language {
    if WORDLESS.iter().any(|start| context.path.starts_with(start)) {
        return Language::english();
    }
    let languages = site.templates.languages();
    if let Some(own) = offered(site, &context.session.access.language).await {
        return own;
    }
    let query = request.uri().query().unwrap_or_default();
    if query.contains(PARAMETER)
        && let Some((_, code)) = url::form_urlencoded::parse(query.as_bytes()).find(|(name, _)| name == PARAMETER)
        && let Some(chosen) = offered(site, &code).await
    {
        remember(site, context, chosen.code());
        return chosen;
    }
    if let [code, ..] = cookies(request, &own_name(site, COOKIE)).as_slice()
        && let Some(chosen) = offered(site, code).await
    {
        return chosen;
    }
    let accepted = request.header(header::ACCEPT_LANGUAGE).unwrap_or_default();
    for language in languages.accepted(accepted) {
        if let Some(language) = offered(site, language.code()).await {
            return language;
        }
    }
    of_site(site).await
}

/// The language of somebody who is not there: the one of that code, else that of the site.
pub(crate) async fn of_person(site: &Site, code: &str) -> Language {
    match offered(site, code).await {
        Some(own) => own,
        None => of_site(site).await,
    }
}

async fn of_site(site: &Site) -> Language {
    let settings = site.documents.get(&Session::system(), SYSTEM_SETTINGS, SYSTEM_SETTINGS).await;
    let of_site = settings.map(|settings| settings.text("language").to_owned()).unwrap_or_default();
    offered(site, &of_site).await.unwrap_or_else(Language::english)
}

/// Lets the browser choose this language from now on, as long as the person has none of their own.
fn remember(site: &Site, context: &RequestContext, code: &str) {
    let mut cookie = Cookie::new_with_str(own_name(site, COOKIE), code);
    cookie.set_path("/");
    cookie.set_http_only(true);
    cookie.set_same_site(SameSite::Lax);
    cookie.set_secure(site.config.is_https());
    cookie.set_max_age(std::time::Duration::from_hours(365 * 24));
    context.set_cookie(&cookie);
}

/// The language of that code, if there are texts in it and its Language is enabled. English is always there.
pub(crate) async fn offered(site: &Site, code: &str) -> Option<Language> {
    if code.is_empty() {
        return None;
    }
    let language = site.templates.languages().get(code)?;
    if language.code() == ENGLISH {
        return Some(language.clone());
    }
    // What cannot be read now is not offered: the page itself says why.
    let document = site.documents.get(&Session::system(), LANGUAGE, language.code()).await.ok()?;
    document.check("enabled").then(|| language.clone())
}

/// The languages that pages offer: `code`, `name` as its speakers write it, and whether it is the `chosen` one.
pub(crate) async fn choices(site: &Site, chosen: &str) -> Vec<Json> {
    let mut choices = Vec::new();
    for language in site.templates.languages().iter() {
        let Some(language) = offered(site, language.code()).await else { continue };
        let code = language.code();
        let document = site.documents.get(&Session::system(), LANGUAGE, code).await.ok();
        let name = document.map_or_else(|| code.to_owned(), |document| document.text("language_name").to_owned());
        choices.push(json!({
            "code": code,
            "name": name,
            "direction": language.direction(),
            "chosen": code == chosen,
        }));
    }
    choices
}
