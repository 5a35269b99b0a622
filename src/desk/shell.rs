//! What stands around every page of the desk: breadcrumbs, who is logged in, messages that outlive one redirect.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::NaiveDateTime;
use poem::web::cookie::{Cookie, SameSite};
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use crate::desk::form::view::Link;
use crate::desk::marks::{self, Pin, ThisPage};
use crate::error::{Error, Result};
use crate::web::Exchange;
use crate::web::request::page_view;

/// The cookie that carries a message over a redirect.
const FLASH_COOKIE: &str = "flash";

/// A message at the top of a page.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct Flash {
    /// `green`, `orange`, `red` or `blue`.
    pub color: String,
    /// What it says.
    pub message: String,
}

/// What the layout needs beyond `page`.
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct Shell {
    /// The way to this page.
    pub crumbs: Vec<Link>,
    /// Messages.
    pub flashes: Vec<Flash>,
    /// One or two letters for the person.
    pub initials: String,
    /// `light` or `dark`; empty where the device decides.
    pub theme: &'static str,
    /// The pages that the person has pinned.
    pub pins: Vec<Pin>,
    /// This page, where it can be pinned.
    pub this_page: Option<ThisPage>,
}

/// A page of the desk: `page` and `shell` for the layout, and the view of the page itself.
#[derive(Serialize)]
struct DeskPage<'a, V: Serialize> {
    title: &'a str,
    page: Json,
    shell: Shell,
    #[serde(flatten)]
    view: V,
}

impl Flash {
    /// Good news.
    pub(crate) fn done(message: impl Into<String>) -> Self {
        Self { color: "green".to_owned(), message: message.into() }
    }

    /// Bad news.
    pub(crate) fn failed(message: impl Into<String>) -> Self {
        Self { color: "red".to_owned(), message: message.into() }
    }

    /// Keeps the message for the next page.
    pub(crate) fn keep(&self, exchange: &Exchange) {
        if let Ok(json) = serde_json::to_vec(self) {
            exchange.context.set_cookie(&flash_cookie(&URL_SAFE_NO_PAD.encode(json), exchange.site.config.is_https()));
        }
    }

    /// Takes the message that the last page left.
    fn take(exchange: &Exchange) -> Option<Self> {
        let cookies = exchange.header("cookie")?;
        let kept = cookies.split(';').find_map(|pair| pair.trim().strip_prefix(FLASH_COOKIE)?.strip_prefix('='))?;
        let kept = URL_SAFE_NO_PAD.decode(kept.trim_matches('"')).ok();
        let mut gone = flash_cookie("", exchange.site.config.is_https());
        gone.set_max_age(Duration::ZERO);
        exchange.context.set_cookie(&gone);
        serde_json::from_slice(&kept?).ok()
    }
}

fn flash_cookie(value: &str, secure: bool) -> Cookie {
    let mut cookie = Cookie::new_with_str(FLASH_COOKIE, value);
    cookie.set_path("/app");
    cookie.set_http_only(true);
    cookie.set_same_site(SameSite::Lax);
    cookie.set_secure(secure);
    cookie
}

/// Lets people who use the desk in; everybody else is shown the login or told why not.
pub(crate) fn require_desk(exchange: &Exchange) -> Result<()> {
    exchange.context.require_login()?;
    if exchange.session().is_desk_user() {
        return Ok(());
    }
    Err(Error::Permission(
        "The desk is for users of the type System User: ask an administrator to change yours".to_owned(),
    ))
}

/// Renders a page of the desk.
pub(crate) async fn render(
    exchange: &Exchange,
    template: &str,
    title: &str,
    crumbs: Vec<Link>,
    view: impl Serialize + Send,
) -> Result<String> {
    let session = exchange.session();
    let page = page_view(&exchange.site, &exchange.context).await?;
    let pins = marks::pins(exchange).await?;
    let shell = Shell {
        crumbs,
        flashes: Flash::take(exchange).into_iter().collect(),
        initials: initials(&session.access.full_name, session.user()),
        theme: match session.access.desk_theme.as_str() {
            "Light" => "light",
            "Dark" => "dark",
            _ => "",
        },
        this_page: marks::this_page(exchange, title, &pins),
        pins,
    };
    exchange.site.templates.render(exchange.language(), template, &DeskPage { title, page, shell, view })
}

fn initials(full_name: &str, user: &str) -> String {
    let name = if full_name.trim().is_empty() { user } else { full_name };
    let mut words = name.split_whitespace().filter_map(|word| word.chars().next());
    let first = words.next();
    first.into_iter().chain(words.next_back()).flat_map(char::to_uppercase).collect()
}

/// How long ago a stored datetime is, as people say it; the date itself once it is longer than a month.
pub(crate) fn ago(moment: &str, now: NaiveDateTime) -> String {
    let Ok(then) = NaiveDateTime::parse_from_str(moment, "%Y-%m-%d %H:%M:%S%.f") else { return moment.to_owned() };
    let seconds = (now - then).num_seconds();
    let say = |count: i64, one: &str, more: &str| match count {
        1 => one.to_owned(),
        _ => more.replace("{count}", &count.to_string()),
    };
    match seconds {
        ..-60 => then.format("%Y-%m-%d %H:%M").to_string(),
        -60..45 => "just now".to_owned(),
        45..3_600 => say((seconds / 60).max(1), "1 minute ago", "{count} minutes ago"),
        3_600..86_400 => say(seconds / 3_600, "1 hour ago", "{count} hours ago"),
        86_400..2_592_000 => say(seconds / 86_400, "1 day ago", "{count} days ago"),
        _ => then.format("%Y-%m-%d").to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_told_as_people_do() {
        let now = NaiveDateTime::parse_from_str("2026-03-31 12:00:00", "%Y-%m-%d %H:%M:%S").unwrap();
        for (moment, expected) in [
            ("2026-03-31 11:59:50.123456", "just now"),
            ("2026-03-31 11:59:00", "1 minute ago"),
            ("2026-03-31 10:00:00.000000", "2 hours ago"),
            ("2026-03-29 10:00:00", "2 days ago"),
            ("2025-03-29 10:00:00", "2025-03-29"),
            ("2027-01-01 00:00:00", "2027-01-01 00:00"),
            ("never", "never"),
        ] {
            assert_eq!(ago(moment, now), expected, "{moment}");
        }
    }

    #[test]
    fn initials_are_first_and_last() {
        assert_eq!(initials("Alice Mary Smith", "x"), "AS");
        assert_eq!(initials("", "alice@example.com"), "A");
    }
}
