//! The cookie `sid` and those beside it.
//!
//! Its value is `<locator>.<secret>`. The name of the Session document follows from the locator, which stays for the life
//! of the session; the whole is kept as a digest, and the secret changes with every login.

use std::time::Duration as StdDuration;

use chrono::Duration;
use poem::Request;
use poem::web::cookie::{Cookie, SameSite};

use crate::meta::Document;
use crate::permissions::Session;
use crate::secret;
use crate::web::document_name;
use crate::web::pipeline::cookies;
use crate::web::request::RequestContext;
use crate::web::site::Site;

/// The cookie's name, as Frappe has it.
const COOKIE: &str = "sid";
/// The cookie that tells a browser from others, whoever is logged in; it opens nothing.
const DEVICE: &str = "doctyped-device";
/// What browsers take from this very host alone, over https (RFC 6265bis §4.1.3.2).
const HOST_PREFIX: &str = "__Host-";
/// How long a browser is known; no browser keeps a cookie for longer.
const DEVICE_LIFE: StdDuration = StdDuration::from_hours(400 * 24);
/// How long the value of that cookie is: a [`secret::random_id`].
const DEVICE_LENGTH: usize = 43;
/// The cookies beside it that Frappe's clients read.
const COMPANIONS: [&str; 5] = ["system_user", "full_name", "user_id", "user_image", "user_lang"];

/// The part that stays of the cookies of a session to be.
pub(crate) fn new_locator() -> String {
    format!("sid_{}", secret::random_id())
}

/// A cookie for the session of this locator.
pub(crate) fn new_cookie(locator: &str) -> String {
    secret::random_token(&format!("{locator}."))
}

/// The part of a cookie's value that stays.
pub(crate) fn locator(token: &str) -> &str {
    token.split_once('.').map_or(token, |(locator, _)| locator)
}

/// The name of the Session document: it follows from the cookie's value, so that a lookup needs no search.
pub(crate) fn name_of(token: &str) -> String {
    document_name(&format!("session:{}", locator(token)))
}

/// Puts the cookies of a session into the answer: its own, and those that Frappe's clients read.
pub(crate) fn set_cookies(
    site: &Site,
    context: &RequestContext,
    token: &str,
    session: &Session,
    user: &Document,
    expiry: Duration,
) {
    let max_age = expiry.to_std().unwrap_or_default();
    context.set_cookie(&cookie(site, &own_name(site, COOKIE), token, Some(max_age)));
    let values = [
        if session.is_desk_user() { "yes".to_owned() } else { "no".to_owned() },
        session.access.full_name.clone(),
        session.user().to_owned(),
        user.text("user_image").to_owned(),
        Some(user.text("language"))
            .filter(|language| !language.is_empty())
            .unwrap_or(context.language.code())
            .to_owned(),
    ];
    for (name, value) in COMPANIONS.into_iter().zip(values) {
        let mut cookie = cookie(site, name, &value, Some(max_age));
        cookie.set_http_only(false);
        context.set_cookie(&cookie);
    }
}

/// Removes the cookies of a session from the browser.
pub(crate) fn remove_cookies(site: &Site, context: &RequestContext) {
    context.set_cookie(&cookie(site, &own_name(site, COOKIE), "", Some(StdDuration::ZERO)));
    for name in COMPANIONS {
        context.set_cookie(&cookie(site, name, "", Some(StdDuration::ZERO)));
    }
}

/// The name of a cookie that no other host may set: `__Host-` goes before it where the site is https.
pub(crate) fn own_name(site: &Site, name: &str) -> String {
    if site.config.is_https() { format!("{HOST_PREFIX}{name}") } else { name.to_owned() }
}

/// What a request says about its session.
pub(crate) enum Sent<'r> {
    /// The value of the one cookie that may open a session.
    Token(&'r str),
    /// Several that may: who set which is not to be told, so that none counts.
    Several,
    /// Nothing.
    Nothing,
}

/// The cookie of the session in a request.
///
/// Where the site is https, a plain `sid` counts only for programs: a browser would take one from any host of the domain.
pub(crate) fn sent<'r>(site: &Site, request: &'r Request) -> Sent<'r> {
    let own = own_name(site, COOKIE);
    let mut values = cookies(request, &own);
    if values.is_empty() && site.config.is_https() && request.header("sec-fetch-site").is_none() {
        values = cookies(request, COOKIE);
    }
    values.dedup();
    match values.as_slice() {
        [] => Sent::Nothing,
        [one] => Sent::Token(one),
        several => {
            // What another program of the domain calls `sid` is not one of ours.
            let mut ours = several.iter().filter(|value| secret::has_valid_checksum(value));
            match (ours.next(), ours.next()) {
                (Some(one), None) => Sent::Token(one),
                _ => Sent::Several,
            }
        }
    }
}

/// What tells the browser of a request from others, if it was told apart before.
pub(crate) fn sent_device(site: &Site, request: &Request) -> Option<String> {
    let values = cookies(request, &own_name(site, DEVICE));
    values.into_iter().find(|value| value.len() == DEVICE_LENGTH).map(str::to_owned)
}

/// The same for who logs in now: a new value if there is none.
pub(crate) fn device_of(context: &RequestContext) -> String {
    context.device().map_or_else(secret::random_id, str::to_owned)
}

/// Lets the browser be known again.
pub(crate) fn set_device_cookie(site: &Site, context: &RequestContext, device: &str) {
    context.set_cookie(&cookie(site, &own_name(site, DEVICE), device, Some(DEVICE_LIFE)));
}

/// A cookie of the whole site: `HttpOnly`, `SameSite=Lax`, `Secure` where the site is https.
pub(crate) fn cookie(site: &Site, name: &str, value: &str, max_age: Option<StdDuration>) -> Cookie {
    let mut cookie = Cookie::new_with_str(name, value);
    cookie.set_path("/");
    cookie.set_http_only(true);
    cookie.set_same_site(SameSite::Lax);
    cookie.set_secure(site.config.is_https());
    if let Some(max_age) = max_age {
        cookie.set_max_age(max_age);
    }
    cookie
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_cookie_of_a_session_leads_to_the_same_document() {
        let first = new_cookie("sid_abc");
        let second = new_cookie(locator(&first));
        assert_ne!(first, second);
        assert_eq!(name_of(&first), name_of(&second));
        assert!(secret::has_valid_checksum(&second));
        // A cookie from before there were locators is one as a whole.
        let old = secret::random_token("sid_");
        assert_eq!(name_of(&new_cookie(locator(&old))), name_of(&old));
    }
}
