//! Browser sessions: the Session document behind the cookie, and its life.
//!
//! Whoever logs in again in their own session gets a new cookie: what rests on the session stays, and whoever else has the
//! old cookie is out.

use std::sync::Arc;
use std::time::Duration as StdDuration;

use async_trait::async_trait;
use chrono::{Duration, NaiveDateTime, Timelike};
use moka::sync::Cache;
use serde_json::json;

use crate::clock::{DATETIME_FORMAT, format_datetime};
use crate::document::kept::{Kept, Ticket};
use crate::document::{Controller, Documents, ListRequest, Work};
use crate::error::{AuthenticationError, Error, Result};
use crate::meta::{Document, Value};
use crate::permissions::Session;
use crate::secret;
use crate::web::behind::write_behind;
use crate::web::request::RequestContext;
use crate::web::security_event::{SecurityEvent, Severity};
use crate::web::session_cookie::{
    device_of, locator, name_of, new_cookie, new_locator, remove_cookies, set_cookies, set_device_cookie,
};
use crate::web::settings::LoginSettings;
use crate::web::site::Site;

/// How far back it is looked who was logged in in a browser.
const REMEMBERED: usize = 5;
/// How stale `last_seen` may be.
const TOUCH_AFTER: Duration = Duration::minutes(5);
/// How long a session may go on that a command has ended on SQLite; nodes on PostgreSQL are told.
const CACHE_TIME: StdDuration = StdDuration::from_secs(30);

/// The sessions of a site. Cheap to clone.
#[derive(Clone)]
pub struct Sessions {
    known: Arc<Kept<Arc<Known>>>,
}

struct Known {
    digest: String,
    user: String,
    logged_in_at: Option<NaiveDateTime>,
    expires_at: NaiveDateTime,
    last_seen: NaiveDateTime,
}

/// How a person proved who they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LoginMethod {
    /// By password.
    Password,
    /// By an account elsewhere.
    SocialLogin,
}

/// A session to be.
#[derive(Clone, Copy, Debug)]
pub struct NewSession<'a> {
    /// Whose.
    pub user: &'a str,
    /// How they proved it.
    pub method: LoginMethod,
    /// And by a code of their second factor.
    pub second_factor: bool,
    /// With whose account.
    pub provider: Option<&'a str>,
    /// The session's id at the provider.
    pub provider_sid: Option<&'a str>,
    /// The person's subject at the provider.
    pub provider_subject: Option<&'a str>,
    /// The provider's issuer.
    pub issuer: Option<&'a str>,
}

/// What a cookie opens.
pub enum Found {
    /// A session.
    Session(Session),
    /// Nothing any more: its session lives, but the person has logged in again since and has another cookie.
    Replaced,
    /// Nothing.
    Nothing,
}

/// A session that was started.
pub struct Started {
    /// On whose behalf requests with it are.
    pub session: Session,
    /// The User document.
    pub user: Document,
    /// The value of the cookie.
    pub token: String,
}

impl Default for Sessions {
    fn default() -> Self {
        let known = Cache::builder().max_capacity(100_000).time_to_live(CACHE_TIME).build();
        Self { known: Arc::new(Kept::new(known)) }
    }
}

impl Sessions {
    /// What a cookie's value opens.
    pub async fn find(&self, documents: &Documents, token: &str, ip: &str) -> Result<Found> {
        if !secret::has_valid_checksum(token) {
            return Ok(Found::Nothing);
        }
        let (name, digest) = (name_of(token), secret::digest(token));
        let fits = |known: &Known| secret::constant_time_eq(&known.digest, &digest);
        let ticket = self.known.ticket(&name);
        // What is known here may be older than a login that is just being heard of.
        let known = match self.known.get(documents, &name).filter(|known| fits(known)) {
            Some(known) => known,
            None => match load(documents, &name).await? {
                Some(known) => {
                    let known = Arc::new(known);
                    self.known.keep(ticket, &name, Arc::clone(&known));
                    known
                }
                None => return Ok(Found::Nothing),
            },
        };
        let now = documents.clock().now_naive();
        if known.expires_at <= now {
            return Ok(Found::Nothing);
        }
        if !fits(&known) {
            return Ok(Found::Replaced);
        }
        let Some(access) = documents.access(&known.user).await? else { return Ok(Found::Nothing) };
        if now - known.last_seen >= TOUCH_AFTER {
            let (sessions, documents, ip) = (self.clone(), documents.clone(), ip.to_owned());
            let name = name.clone();
            write_behind("session in use", async move { sessions.touch(&documents, &name, ticket, &known, &ip).await })
                .await;
        }
        let mut session = Session::of(access);
        session.sid = Some(name.into());
        Ok(Found::Session(session))
    }

    /// Notes that a session is in use, which also puts its end off.
    async fn touch(&self, documents: &Documents, name: &str, ticket: Ticket, known: &Known, ip: &str) -> Result<()> {
        let settings = LoginSettings::load(documents).await?;
        let now = documents.clock().now_naive();
        // First in memory, so that requests that come together write once.
        let seen = Known {
            digest: known.digest.clone(),
            user: known.user.clone(),
            logged_in_at: known.logged_in_at,
            expires_at: end_of_session(&settings, known.logged_in_at.unwrap_or(now), now),
            last_seen: now,
        };
        let expires_at = seen.expires_at;
        self.known.keep(ticket, name, Arc::new(seen));
        let mut work = documents.begin(&Session::system()).await?;
        let values = [
            ("last_seen", Value::from(format_datetime(now))),
            ("expires_at", Value::from(format_datetime(expires_at))),
            ("ip_address", Value::from(ip)),
        ];
        work.set_values("Session", name, &values).await?;
        let user = known.user.clone();
        work.set_values("User", &user, &[("last_active", Value::from(format_datetime(now)))]).await?;
        work.commit().await
    }

    /// Starts a session for a person who has proved who they are, and puts its cookies into the answer.
    ///
    /// Where the browser has a session of theirs already, that one goes on, under a new cookie; one of somebody else ends.
    ///
    /// Fails for users that are disabled or may not log in from there or now.
    pub async fn start(&self, site: &Site, context: &RequestContext, new: NewSession<'_>) -> Result<Started> {
        let documents = &site.documents;
        let settings = LoginSettings::load(documents).await?;
        let now = documents.clock().now_naive();
        let access =
            documents.access(new.user).await?.ok_or(Error::Authentication(AuthenticationError::BadCredentials))?;
        let mut work = documents.begin(&Session::system()).await?;
        let user = work.get("User", new.user).await?;
        check_login_limits(&user, &context.ip.to_string(), documents.site_zone().to_local(now))?;
        let device = device_of(context);
        let mut values = values(context, &new, now, end_of_session(&settings, now, now));
        values.push(("device_digest", Value::from(secret::digest(&device))));
        let (name, token) = match renew(&mut work, context, new.user, &values).await? {
            Some(renewed) => renewed,
            None => self.begin(&mut work, context, &user, values).await?,
        };
        let at = Value::from(format_datetime(now));
        let values =
            [("last_login", at.clone()), ("last_active", at), ("last_ip", Value::from(context.ip.to_string()))];
        work.set_values("User", new.user, &values).await?;
        work.commit().await?;

        let mut session = Session::of(access);
        session.sid = Some(name.into());
        set_cookies(site, context, &token, &session, &user, settings.session_expiry);
        set_device_cookie(site, context, &device);
        Ok(Started { session, user, token })
    }

    /// Stores a new session, in place of the one that the browser has; returns its name and its cookie.
    async fn begin(
        &self,
        work: &mut Work<'_>,
        context: &RequestContext,
        user: &Document,
        values: Vec<(&'static str, Value)>,
    ) -> Result<(String, String)> {
        if let Some(former) = context.browser_session() {
            end(work, former).await?;
        }
        self.make_room(work, user, &device(&context.user_agent), context).await?;
        let token = new_cookie(&new_locator());
        let name = name_of(&token);
        let mut document = work.new_document("Session")?;
        for (fieldname, value) in values {
            document.set(fieldname, value);
        }
        document.set("user", user.name());
        document.set("status", "Active");
        document.set("replaces", context.browser_session());
        document.set("session_digest", secret::digest(&token));
        document.set_name(name.as_str());
        work.insert(document).await?;
        // The session is its user's own: that is what lets them see and end it.
        work.set_values("Session", &name, &[("owner", Value::from(user.name()))]).await?;
        Ok((name, token))
    }

    /// Whether a session that was found still lives. To ask does not make it live longer.
    pub(super) async fn stands(&self, documents: &Documents, name: &str) -> Result<bool> {
        let now = format_datetime(documents.clock().now_naive());
        match documents.get(&Session::system(), "Session", name).await {
            Ok(stored) => Ok(stored.text("status") == "Active" && stored.text("expires_at") > now.as_str()),
            Err(Error::DoesNotExist { .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Ends the session of a request and removes its cookies.
    pub async fn end_current(&self, site: &Site, context: &RequestContext) -> Result<()> {
        if let Some(name) = context.session.sid.as_deref() {
            let mut work = site.documents.begin(&Session::system()).await?;
            end(&mut work, name).await?;
            work.commit().await?;
        }
        remove_cookies(site, context);
        Ok(())
    }

    /// Ends the oldest sessions of a user until one more is allowed, and notes a device not seen before.
    async fn make_room(
        &self,
        work: &mut Work<'_>,
        user: &Document,
        device: &str,
        context: &RequestContext,
    ) -> Result<()> {
        let request = ListRequest::new("Session")
            .fields(&["name", "device", "status"])
            .filters(json!({"user": user.name()}))
            .order_by("creation asc")
            .all();
        let list = work.list(&request).await?;
        let rows: Vec<usize> = (0..list.rows.len()).collect();
        if !rows.is_empty() && rows.iter().all(|row| list.text(*row, "device") != device) {
            SecurityEvent::new("Login from New Device", Severity::Info)
                .user(user.name())
                .during(context)
                .details(json!({"device": device}))
                .record_in(work)
                .await?;
        }
        let allowed = usize::try_from(user.int("simultaneous_sessions").max(1)).unwrap_or(1);
        let active: Vec<usize> = rows.into_iter().filter(|row| list.text(*row, "status") == "Active").collect();
        let surplus = (active.len() + 1).saturating_sub(allowed);
        for row in &active[..surplus.min(active.len())] {
            end(work, list.text(*row, "name")).await?;
        }
        Ok(())
    }

    /// The controller of the DocType Session; it shares this cache.
    pub fn controller(&self) -> SessionController {
        SessionController { sessions: self.clone() }
    }
}

/// Whether a person was logged in in this browser before, as far as its sessions followed each other directly.
pub(crate) async fn was_here(documents: &Documents, session: &str, user: &str) -> Result<bool> {
    let mut name = session.to_owned();
    for _ in 0..REMEMBERED {
        let stored = match documents.get(&Session::system(), "Session", &name).await {
            Ok(stored) => stored,
            Err(Error::DoesNotExist { .. }) => return Ok(false),
            Err(error) => return Err(error),
        };
        if stored.text("user") == user {
            return Ok(true);
        }
        stored.text("replaces").clone_into(&mut name);
    }
    Ok(false)
}

/// Ends every active session of a user, but for one.
pub(crate) async fn end_all(work: &mut Work<'_>, user: &str, except: Option<&str>) -> Result<()> {
    let caller = work.become_system();
    let ended = end_all_as_system(work, user, except).await;
    work.session = caller;
    ended
}

async fn end_all_as_system(work: &mut Work<'_>, user: &str, except: Option<&str>) -> Result<()> {
    let request = ListRequest::new("Session").filters(json!({"user": user, "status": "Active"})).all();
    let list = work.list(&request).await?;
    for row in 0..list.rows.len() {
        let name = list.text(row, "name");
        if Some(name) != except {
            end(work, name).await?;
        }
    }
    Ok(())
}

/// When a session ends that is used now: unused, or in any case.
fn end_of_session(settings: &LoginSettings, logged_in_at: NaiveDateTime, now: NaiveDateTime) -> NaiveDateTime {
    let unused = now + settings.session_expiry;
    settings.session_life.map_or(unused, |life| unused.min(logged_in_at + life))
}

/// What is known of a session from the login that begins it or goes on with it.
fn values(
    context: &RequestContext,
    new: &NewSession<'_>,
    now: NaiveDateTime,
    expires_at: NaiveDateTime,
) -> Vec<(&'static str, Value)> {
    let mut values = vec![
        ("device", Value::from(device(&context.user_agent))),
        ("ip_address", Value::from(context.ip.to_string())),
        ("user_agent", Value::from(shorten(&context.user_agent, 500))),
        (
            "login_method",
            Value::from(match new.method {
                LoginMethod::Password => "Password",
                LoginMethod::SocialLogin => "Social Login",
            }),
        ),
        ("second_factor", Value::from(new.second_factor)),
        ("logged_in_at", Value::from(format_datetime(now))),
        ("last_seen", Value::from(format_datetime(now))),
        ("expires_at", Value::from(format_datetime(expires_at))),
    ];
    // A session that rests on a provider goes on doing so: a logout there ends it, whatever proved the person since.
    if let Some(provider) = new.provider {
        values.push(("login_provider", Value::from(provider)));
        for (fieldname, value) in [
            ("provider_sid", new.provider_sid),
            ("provider_subject", new.provider_subject),
            ("login_issuer", new.issuer),
        ] {
            values.push((fieldname, value.map_or(Value::Null, Value::from)));
        }
    }
    values
}

/// Goes on with the browser's session if it is the person's own; returns its name and its new cookie.
async fn renew(
    work: &mut Work<'_>,
    context: &RequestContext,
    user: &str,
    values: &[(&'static str, Value)],
) -> Result<Option<(String, String)>> {
    let Some(name) = context.browser_session().filter(|_| context.session.user() == user) else { return Ok(None) };
    let token = new_cookie(locator(context.session_cookie()));
    let mut values = values.to_vec();
    values.push(("session_digest", Value::from(secret::digest(&token))));
    // It may have been ended while the password was checked.
    let active = Value::from("Active");
    let renewed = work.set_values_if("Session", name, ("status", &active), &values).await?;
    Ok(renewed.then(|| (name.to_owned(), token)))
}

async fn end(work: &mut Work<'_>, name: &str) -> Result<()> {
    work.set_values("Session", name, &[("status", Value::from("Ended"))]).await
}

/// Behaviour of the DocType Session: whatever changes one is felt by the next request.
pub struct SessionController {
    sessions: Sessions,
}

#[async_trait]
impl Controller for SessionController {
    fn forget(&self, name: Option<&str>) {
        match name {
            Some(name) => self.sessions.known.forget(name),
            None => self.sessions.known.clear(),
        }
    }
}

async fn load(documents: &Documents, name: &str) -> Result<Option<Known>> {
    let stored = match documents.get_uncached(&Session::system(), "Session", name).await {
        Ok(stored) => stored,
        Err(Error::DoesNotExist { .. }) => return Ok(None),
        Err(error) => return Err(error),
    };
    let time = |fieldname: &str| NaiveDateTime::parse_from_str(stored.text(fieldname), DATETIME_FORMAT).ok();
    let (Some(expires_at), Some(last_seen)) = (time("expires_at"), time("last_seen")) else { return Ok(None) };
    if stored.text("status") != "Active" {
        return Ok(None);
    }
    Ok(Some(Known {
        digest: stored.text("session_digest").to_owned(),
        user: stored.text("user").to_owned(),
        logged_in_at: time("logged_in_at"),
        expires_at,
        last_seen,
    }))
}

/// `restrict_ip`, `login_after` and `login_before` of a user; `now` in the zone of the site.
fn check_login_limits(user: &Document, ip: &str, now: NaiveDateTime) -> Result<()> {
    let restrict = user.text("restrict_ip");
    let mut entries = restrict.split([',', '\n']).map(str::trim).filter(|entry| !entry.is_empty()).peekable();
    if entries.peek().is_some() && !entries.any(|entry| entry == ip || (entry.ends_with('.') && ip.starts_with(entry)))
    {
        return Err(Error::Permission("Not allowed from this IP Address".to_owned()));
    }
    let hour = i64::from(now.hour());
    let (after, before) = (user.int("login_after"), user.int("login_before"));
    if (after > 0 && hour < after) || (before > 0 && hour >= before) {
        return Err(Error::Permission("Login not allowed at this time".to_owned()));
    }
    Ok(())
}

/// `Firefox on Linux`, as far as the browser tells.
pub(crate) fn device(user_agent: &str) -> String {
    let first = |pairs: &[(&str, &'static str)]| -> Option<&'static str> {
        pairs.iter().find(|(mark, _)| user_agent.contains(mark)).map(|(_, name)| *name)
    };
    // The order matters: most browsers also name those they descend from.
    let browser = first(&[
        ("Edg/", "Edge"),
        ("OPR/", "Opera"),
        ("Firefox/", "Firefox"),
        ("Chrome/", "Chrome"),
        ("Chromium/", "Chromium"),
        ("Safari/", "Safari"),
        ("curl/", "curl"),
        ("python-requests/", "Python"),
    ]);
    let system = first(&[
        ("iPhone", "iPhone"),
        ("iPad", "iPad"),
        ("Android", "Android"),
        ("Windows", "Windows"),
        ("Mac OS X", "macOS"),
        ("CrOS", "ChromeOS"),
        ("Linux", "Linux"),
    ]);
    match (browser, system) {
        (Some(browser), Some(system)) => format!("{browser} on {system}"),
        (Some(one), None) | (None, Some(one)) => one.to_owned(),
        (None, None) => shorten(user_agent.split_whitespace().next().unwrap_or("Unknown"), 60),
    }
}

fn shorten(text: &str, characters: usize) -> String {
    text.chars().take(characters).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_is_browser_and_system() {
        for (user_agent, expected) in [
            ("Mozilla/5.0 (X11; Linux x86_64; rv:130.0) Gecko/20100101 Firefox/130.0", "Firefox on Linux"),
            (
                "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0 Safari/537.36 Edg/120.0",
                "Edge on Windows",
            ),
            ("curl/8.5.0", "curl"),
            ("", "Unknown"),
        ] {
            assert_eq!(device(user_agent), expected);
        }
    }
}
