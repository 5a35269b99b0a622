//! Browser sessions: the cookie `sid`, the Session document behind it, and its life.

use std::sync::Arc;
use std::time::Duration as StdDuration;

use async_trait::async_trait;
use chrono::{Duration, NaiveDateTime, Timelike};
use moka::sync::Cache;
use poem::web::cookie::{Cookie, SameSite};
use serde_json::json;

use crate::clock::{DATETIME_FORMAT, format_datetime};
use crate::document::{Controller, Documents, ListRequest, Work};
use crate::error::{AuthenticationError, Error, Result};
use crate::meta::{Document, Value};
use crate::permissions::Session;
use crate::secret;
use crate::web::document_name;
use crate::web::request::RequestContext;
use crate::web::security_event::{SecurityEvent, Severity};
use crate::web::settings::LoginSettings;
use crate::web::site::Site;

/// The cookie's name, as Frappe has it.
pub const COOKIE: &str = "sid";
/// The cookies beside it that Frappe's clients read.
const COMPANIONS: [&str; 5] = ["system_user", "full_name", "user_id", "user_image", "user_lang"];
/// How stale `last_seen` may be.
const TOUCH_AFTER: Duration = Duration::minutes(5);
/// How long another node may go on using a session that was ended here.
const CACHE_TIME: StdDuration = StdDuration::from_secs(30);

/// The sessions of a site. Cheap to clone.
#[derive(Clone)]
pub struct Sessions {
    known: Cache<String, Arc<Known>>,
}

struct Known {
    digest: String,
    user: String,
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
    /// With whose account.
    pub provider: Option<&'a str>,
    /// The session's id at the provider.
    pub provider_sid: Option<&'a str>,
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
        Self { known: Cache::builder().max_capacity(100_000).time_to_live(CACHE_TIME).build() }
    }
}

impl Sessions {
    /// The session of a cookie's value; `None` if it opens nothing (any more).
    pub async fn find(&self, documents: &Documents, token: &str, ip: &str) -> Result<Option<Session>> {
        if !secret::has_valid_checksum(token) {
            return Ok(None);
        }
        let name = name_of(token);
        let known = match self.known.get(&name) {
            Some(known) => known,
            None => match load(documents, &name).await? {
                Some(known) => {
                    let known = Arc::new(known);
                    self.known.insert(name.clone(), known.clone());
                    known
                }
                None => return Ok(None),
            },
        };
        let now = documents.clock().now_naive();
        if known.expires_at <= now || !secret::constant_time_eq(&known.digest, secret::digest(token)) {
            return Ok(None);
        }
        let Some(access) = documents.access(&known.user).await? else { return Ok(None) };
        if now - known.last_seen >= TOUCH_AFTER {
            self.touch(documents, &name, &known, ip).await?;
        }
        let mut session = Session::of(access);
        session.sid = Some(name.into());
        Ok(Some(session))
    }

    /// Notes that a session is in use, which also puts its end off.
    async fn touch(&self, documents: &Documents, name: &str, known: &Known, ip: &str) -> Result<()> {
        let settings = LoginSettings::load(documents).await?;
        let now = documents.clock().now_naive();
        // First in memory, so that requests that come together write once.
        let seen = Known {
            digest: known.digest.clone(),
            user: known.user.clone(),
            expires_at: now + settings.session_expiry,
            last_seen: now,
        };
        let expires_at = seen.expires_at;
        self.known.insert(name.to_owned(), Arc::new(seen));
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

    /// Starts a session for a person who has proved who they are: stores it and puts its cookies into the answer.
    ///
    /// Fails for users that are disabled or may not log in from there or now.
    pub async fn start(&self, site: &Site, context: &RequestContext, new: NewSession<'_>) -> Result<Started> {
        let documents = &site.documents;
        let settings = LoginSettings::load(documents).await?;
        let now = documents.clock().now_naive();
        let token = secret::random_token("sid_");
        let name = name_of(&token);
        let access =
            documents.access(new.user).await?.ok_or(Error::Authentication(AuthenticationError::BadCredentials))?;
        let mut work = documents.begin(&Session::system()).await?;
        let user = work.get("User", new.user).await?;
        check_login_limits(&user, &context.ip.to_string(), now)?;
        let device = device(&context.user_agent);
        self.make_room(&mut work, &user, &device, context).await?;
        let mut document = work.new_document("Session")?;
        document.set("user", new.user);
        document.set("device", device.as_str());
        document.set("ip_address", context.ip.to_string());
        document.set("user_agent", shorten(&context.user_agent, 500));
        document.set("status", "Active");
        document.set(
            "login_method",
            match new.method {
                LoginMethod::Password => "Password",
                LoginMethod::SocialLogin => "Social Login",
            },
        );
        document.set("login_provider", new.provider);
        document.set("provider_sid", new.provider_sid);
        for fieldname in ["logged_in_at", "last_seen"] {
            document.set(fieldname, format_datetime(now));
        }
        document.set("expires_at", format_datetime(now + settings.session_expiry));
        document.set("session_digest", secret::digest(&token));
        document.set_name(name.as_str());
        work.insert(document).await?;
        // The session is its user's own: that is what lets them see and end it.
        work.set_values("Session", &name, &[("owner", Value::from(new.user))]).await?;
        let at = Value::from(format_datetime(now));
        let values =
            [("last_login", at.clone()), ("last_active", at), ("last_ip", Value::from(context.ip.to_string()))];
        work.set_values("User", new.user, &values).await?;
        work.commit().await?;

        let mut session = Session::of(access);
        session.sid = Some(name.into());
        set_cookies(site, context, &token, &session, &user, settings.session_expiry);
        Ok(Started { session, user, token })
    }

    /// Ends the session of a request and removes its cookies.
    pub async fn end_current(&self, site: &Site, context: &RequestContext) -> Result<()> {
        if let Some(name) = context.session.sid.as_deref() {
            let mut work = site.documents.begin(&Session::system()).await?;
            end(&mut work, name).await?;
            work.commit().await?;
            self.known.invalidate(name);
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

/// Ends every active session of a user, but for one.
pub async fn end_all(work: &mut Work<'_>, user: &str, except: Option<&str>) -> Result<()> {
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

async fn end(work: &mut Work<'_>, name: &str) -> Result<()> {
    work.set_values("Session", name, &[("status", Value::from("Ended"))]).await
}

/// Behaviour of the DocType Session: whatever changes one is felt by the next request.
pub struct SessionController {
    sessions: Sessions,
}

#[async_trait]
impl Controller for SessionController {
    async fn on_change(&self, work: &mut Work<'_>, document: &Document) -> Result<()> {
        let known = self.sessions.known.clone();
        let name = document.name();
        work.after_commit(move || known.invalidate(&name));
        Ok(())
    }
}

/// The name of the Session document: it follows from the cookie's value, so that a lookup needs no search.
fn name_of(token: &str) -> String {
    document_name(&format!("session:{token}"))
}

async fn load(documents: &Documents, name: &str) -> Result<Option<Known>> {
    let stored = match documents.get(&Session::system(), "Session", name).await {
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
        expires_at,
        last_seen,
    }))
}

/// `restrict_ip`, `login_after` and `login_before` of a user.
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

fn set_cookies(
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

/// `Firefox on Linux`, as far as the browser tells.
pub fn device(user_agent: &str) -> String {
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
