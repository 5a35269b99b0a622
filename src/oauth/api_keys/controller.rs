//! What happens when an API Key is made, changed, rolled, revoked or deleted.

use async_trait::async_trait;
use chrono::{DateTime, Duration, Utc};
use serde_json::{Map, Value as Json, json};

use crate::document::controller::need;
use crate::document::view::{parse_time, time_value};
use crate::document::{Controller, Work, guard};
use crate::error::{Error, FieldProblem, Invalid, Need, ProblemKind, Result};
use crate::meta::{Document, Right, Value};
use crate::oauth::api_keys::{SECRET_PREFIX, digest};
use crate::oauth::protocol::{Scope, ScopeSet};
use crate::oauth::scopes::scope_catalogue::{newly_undefined, unknown_doctypes};
use crate::oauth::views::api_key::{API_KEY, ApiKey, ID_PREFIX, parse_network, revoke};
use crate::secret;
use crate::web::{SecurityEvent, Severity};

/// For how many hours the secret before a roll works unless somebody says otherwise, and at most.
const GRACE_HOURS: i64 = 7 * 24;
const MOST_GRACE_HOURS: i64 = 90 * 24;
/// The option of Valid For with which Expires At says when.
const UNTIL: &str = "Until a Date";
/// For how many days the options hold that say so.
const DAYS: [(&str, i64); 3] = [("30 Days", 30), ("90 Days", 90), ("1 Year", 365)];
/// What the program alone writes.
const OWN: [&str; 9] = [
    "user",
    "last_used",
    "last_used_from",
    "revoked_at",
    "rolled_at",
    "secret_digest",
    "previous_secret_digest",
    "previous_secret_expires_at",
    "previous_last_used",
];

/// Behaviour of the DocType API Key.
pub(super) struct ApiKeyController;

fn refuse<T>(message: impl Into<String>) -> Result<T> {
    Err(Error::invalid(ProblemKind::Validation, message.into()))
}

/// Only its user, and the program itself, may.
fn check_own(work: &Work<'_>, key: &Document, what: &str) -> Result<()> {
    let session = &work.session;
    if session.is_system() || session.user() == key.text("user") {
        return Ok(());
    }
    Err(Error::Permission(format!("Only {} may {what}: others may disable, revoke or delete it", key.text("user"))))
}

/// Notes what happened to a key: never more of it than its id and title.
async fn note(work: &mut Work<'_>, event: &'static str, key: &Document, mut details: Json) -> Result<()> {
    details["api_key"] = json!(key.name());
    details["title"] = json!(key.text("title"));
    details["by"] = json!(work.session.user());
    SecurityEvent::new(event, Severity::Info).user(key.text("user")).details(details).record_in(work).await
}

/// A new secret of a key, which is shown once: the values that programs and their authors want.
fn shown(key: &str, secret: String) -> [(&'static str, String); 3] {
    let header = format!("token {key}:{secret}");
    [("api_key", key.to_owned()), ("api_secret", secret), ("authorization", header)]
}

/// What is wrong with scopes as they were typed, beside those from before.
async fn check_scopes(work: &mut Work<'_>, key: &mut Document, before: Option<&Document>) -> Result<Vec<String>> {
    let typed = key.text("scopes").split_whitespace().collect::<Vec<_>>().join(" ");
    key.set("scopes", Some(typed.as_str()).filter(|typed| !typed.is_empty()));
    let scopes = match ScopeSet::parse(&typed) {
        Ok(scopes) => scopes,
        Err(_) if typed.is_empty() => return Ok(Vec::new()),
        Err(error) => return Ok(vec![error.description().to_owned()]),
    };
    let about_people = |scope: &Scope| {
        scope.is_identity().then(|| format!("{scope} is for logins of people at applications: leave it out"))
    };
    let mut messages: Vec<String> = scopes.iter().filter_map(about_people).collect();
    messages.extend(unknown_doctypes(work.registry(), &scopes));
    let known = before.map(|before| ScopeSet::from_stored(before.text("scopes"))).unwrap_or_default();
    messages.extend(newly_undefined(work, &scopes, &known).await?);
    Ok(messages)
}

/// What is wrong with addresses as they were typed; they are kept one per line, in canonical form.
fn check_addresses(key: &mut Document) -> Vec<String> {
    let typed = key.text("allowed_addresses").to_owned();
    let lines = typed.split(['\n', ',']).map(str::trim).filter(|line| !line.is_empty());
    let (mut kept, mut messages) = (Vec::new(), Vec::new());
    for line in lines {
        match parse_network(line) {
            Ok(network) if network.prefix_len() == network.max_prefix_len() => kept.push(network.addr().to_string()),
            Ok(network) => kept.push(network.to_string()),
            Err(message) => messages.push(message),
        }
    }
    if messages.is_empty() {
        key.set("allowed_addresses", Some(kept.join("\n")).filter(|text| !text.is_empty()));
    }
    messages
}

/// Sets the end of a key whose validity was chosen; what is wrong with it, else.
fn set_end(key: &mut Document, before: Option<&Document>, now: DateTime<Utc>) -> Option<&'static str> {
    let validity = key.text("validity").to_owned();
    let is_chosen = before.is_none_or(|before| before.text("validity") != validity);
    let days = DAYS.iter().find(|(option, _)| *option == validity).map(|(_, days)| *days);
    match (days, before) {
        (Some(days), _) if is_chosen => key.set("expires_at", time_value(now + Duration::days(days))),
        (Some(_), Some(before)) => key.set("expires_at", before.get("expires_at").clone()),
        _ if validity == UNTIL => {
            let is_same = before.is_some_and(|before| before.text("expires_at") == key.text("expires_at"));
            match parse_time(key.text("expires_at")) {
                Some(end) if end > now || is_same => {}
                Some(_) => return Some("This has passed already: choose a later moment"),
                None => return Some("Say until when the key works"),
            }
        }
        _ => key.set("expires_at", Value::Null),
    }
    None
}

impl ApiKeyController {
    async fn roll(work: &mut Work<'_>, document: &Document, arguments: &Map<String, Json>) -> Result<Json> {
        work.documents.check_makes_keys(&work.session)?;
        check_own(work, document, "roll this key")?;
        let (key, now) = (ApiKey::from(document), work.documents.clock().now());
        if let Some(reason) = key.ended(now) {
            return refuse(format!("{reason}: make a new key"));
        }
        if key.has_previous(now) {
            return refuse(
                "Two secrets of this key work already: end the old one first, so that no program is cut off",
            );
        }
        let hours = match arguments.get("grace_hours") {
            None | Some(Json::Null) => GRACE_HOURS,
            Some(given) => given
                .as_i64()
                .or_else(|| given.as_str()?.trim().parse().ok())
                .filter(|hours| (0..=MOST_GRACE_HOURS).contains(hours))
                .ok_or_else(|| Error::misuse(format!("grace_hours is a whole number from 0 to {MOST_GRACE_HOURS}")))?,
        };
        let secret = secret::random_token(SECRET_PREFIX);
        let mut values = vec![
            ("secret_digest", Value::from(digest(work.documents, &secret))),
            ("rolled_at", time_value(now)),
            ("previous_last_used", Value::Null),
            ("previous_secret_digest", Value::Null),
            ("previous_secret_expires_at", Value::Null),
        ];
        if hours > 0 {
            values[3].1 = Value::from(key.secret_digest.as_str());
            values[4].1 = time_value(now + Duration::hours(hours));
        }
        work.set_values(API_KEY, &key.name, &values).await?;
        note(work, "API Key Rolled", document, json!({"grace_hours": hours})).await?;
        Ok(shown(&key.name, secret).into_iter().map(|(name, value)| (name.to_owned(), Json::from(value))).collect())
    }

    async fn end_previous(work: &mut Work<'_>, document: &Document) -> Result<Json> {
        work.documents.check_makes_keys(&work.session)?;
        let values = [("previous_secret_digest", Value::Null), ("previous_secret_expires_at", Value::Null)];
        work.set_values(API_KEY, &document.name(), &values).await?;
        note(work, "API Key Changed", document, json!({"changed": ["Old Secret"]})).await?;
        Ok(json!({"message": "The old secret is refused from now on"}))
    }

    async fn revoke(work: &mut Work<'_>, document: &Document) -> Result<Json> {
        if document.text("revoked_at").is_empty() {
            revoke(work, &document.name()).await?;
            note(work, "API Key Revoked", document, json!({})).await?;
        }
        Ok(json!({"message": "This key opens nothing any more"}))
    }
}

#[async_trait]
impl Controller for ApiKeyController {
    async fn before_insert(&self, work: &mut Work<'_>, key: &mut Document) -> Result<()> {
        work.documents.check_makes_keys(&work.session)?;
        let session = &work.session;
        let (user, own) = (key.text("user").to_owned(), session.user().to_owned());
        if !session.is_system() && !user.is_empty() && user != own {
            let message = format!("{user} makes their own API keys: nobody else gets to see their secrets");
            return Err(Error::Permission(message));
        }
        if user.is_empty() {
            key.set("user", own);
        }
        Ok(())
    }

    async fn autoname(&self, _: &mut Work<'_>, key: &mut Document) -> Result<()> {
        key.set_name(format!("{ID_PREFIX}{}", secret::random_text(b"0123456789abcdefghijklmnopqrstuvwxyz", 20)));
        Ok(())
    }

    async fn validate(&self, work: &mut Work<'_>, key: &mut Document, before: Option<&Document>) -> Result<()> {
        for fieldname in OWN {
            match before {
                Some(before) => key.set(fieldname, before.get(fieldname).clone()),
                None if fieldname == "user" => {}
                None => key.set(fieldname, Value::Null),
            }
        }
        if let Some(before) = before {
            work.documents.check_makes_keys(&work.session)?;
            if !before.text("revoked_at").is_empty() {
                return refuse("This API key was revoked: make a new one");
            }
            let switches_off = before.check("enabled") && !key.check("enabled");
            if guard::changes(key, before).any(|field| field.fieldname != "enabled" || !switches_off) {
                check_own(work, key, "change this key")?;
            }
        }
        let now = work.documents.clock().now();
        let mut problems = Invalid::default();
        let mut add = |field: &str, label: &str, message: String| {
            problems.push(FieldProblem::at(ProblemKind::Validation, field, label, message));
        };
        for message in check_scopes(work, key, before).await? {
            add("scopes", "Scopes", message);
        }
        for message in check_addresses(key) {
            add("allowed_addresses", "Allowed Addresses", message);
        }
        if let Some(message) = set_end(key, before, now) {
            add("expires_at", "Expires At", message.to_owned());
        }
        if before.is_none() {
            let secret = secret::random_token(SECRET_PREFIX);
            key.set("secret_digest", digest(work.documents, &secret));
            key.set("rolled_at", time_value(now));
            let name = key.name();
            key.revealed.extend(shown(&name, secret));
        }
        problems.into_result()
    }

    async fn on_update(&self, work: &mut Work<'_>, key: &Document, before: Option<&Document>) -> Result<()> {
        let told = |fieldname| json!(key.text(fieldname));
        let details = json!({
            "scopes": told("scopes"), "allowed_addresses": told("allowed_addresses"), "expires_at": told("expires_at"),
        });
        let Some(before) = before else { return note(work, "API Key Created", key, details).await };
        let changed: Vec<&str> = guard::changes(key, before).map(|field| field.label.as_str()).collect();
        if changed.is_empty() {
            return Ok(());
        }
        let changed = json!(changed);
        let mut details = details;
        details["changed"] = changed;
        note(work, "API Key Changed", key, details).await
    }

    async fn on_trash(&self, work: &mut Work<'_>, key: &Document) -> Result<()> {
        if key.text("revoked_at").is_empty() {
            note(work, "API Key Revoked", key, json!({"deleted": true})).await?;
        }
        Ok(())
    }

    async fn before_rename(&self, _: &mut Work<'_>, _: &str, _: &str, _: bool) -> Result<()> {
        refuse("An API key keeps its name: it is the id that programs were given. Change its title")
    }

    async fn call(
        &self,
        work: &mut Work<'_>,
        key: &mut Document,
        method: &str,
        arguments: &Map<String, Json>,
    ) -> Option<Result<Json>> {
        match method {
            "roll" => Some(Self::roll(work, key, arguments).await),
            "end_previous_secret" => Some(Self::end_previous(work, key).await),
            "revoke" => Some(Self::revoke(work, key).await),
            _ => None,
        }
    }

    fn methods(&self) -> Vec<(&'static str, &'static str)> {
        vec![
            (
                "roll",
                "Makes a new secret and shows it once; the old one works for seven more days, or for `grace_hours`",
            ),
            ("end_previous_secret", "Refuses the secret from before the last roll at once"),
            ("revoke", "Ends the key at once and for good, with both secrets"),
        ]
    }

    fn needs(&self, doctype: &str, _: &str) -> Vec<Need> {
        vec![need(doctype, Right::Write), Need::Unlimited]
    }
}
