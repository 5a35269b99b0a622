//! The cookie `sid` and those beside it.
//!
//! Its value is `<locator>.<secret>`. The name of the Session document follows from the locator, which stays for the life
//! of the session; the whole is kept as a digest, and the secret changes with every login.

use std::time::Duration as StdDuration;

use chrono::Duration;
use poem::web::cookie::{Cookie, SameSite};

use crate::meta::Document;
use crate::permissions::Session;
use crate::secret;
use crate::web::document_name;
use crate::web::request::RequestContext;
use crate::web::site::Site;

/// The cookie's name, as Frappe has it.
pub const COOKIE: &str = "sid";
/// The cookies beside it that Frappe's clients read.
const COMPANIONS: [&str; 5] = ["system_user", "full_name", "user_id", "user_image", "user_lang"];

/// The part that stays of the cookies of a session to be.
pub fn new_locator() -> String {
    format!("sid_{}", secret::random_id())
}

/// A cookie for the session of this locator.
pub fn new_cookie(locator: &str) -> String {
    secret::random_token(&format!("{locator}."))
}

/// The part of a cookie's value that stays.
pub fn locator(token: &str) -> &str {
    token.split_once('.').map_or(token, |(locator, _)| locator)
}

/// The name of the Session document: it follows from the cookie's value, so that a lookup needs no search.
pub fn name_of(token: &str) -> String {
    document_name(&format!("session:{}", locator(token)))
}

/// Puts the cookies of a session into the answer: its own, and those that Frappe's clients read.
pub fn set_cookies(
    site: &Site,
    context: &RequestContext,
    token: &str,
    session: &Session,
    user: &Document,
    expiry: Duration,
) {
    let max_age = expiry.to_std().unwrap_or_default();
    context.set_cookie(&cookie(site, COOKIE, token, Some(max_age)));
    let values = [
        if session.is_desk_user() { "yes".to_owned() } else { "no".to_owned() },
        session.access.full_name.clone(),
        session.user().to_owned(),
        user.text("user_image").to_owned(),
        Some(user.text("language")).filter(|language| !language.is_empty()).unwrap_or("en").to_owned(),
    ];
    for (name, value) in COMPANIONS.into_iter().zip(values) {
        let mut cookie = cookie(site, name, &value, Some(max_age));
        cookie.set_http_only(false);
        context.set_cookie(&cookie);
    }
}

/// Removes the cookies of a session from the browser.
pub fn remove_cookies(site: &Site, context: &RequestContext) {
    for name in std::iter::once(COOKIE).chain(COMPANIONS) {
        context.set_cookie(&cookie(site, name, "", Some(StdDuration::ZERO)));
    }
}

/// A cookie of the whole site: `HttpOnly`, `SameSite=Lax`, `Secure` where the site is https.
pub fn cookie(site: &Site, name: &str, value: &str, max_age: Option<StdDuration>) -> Cookie {
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
