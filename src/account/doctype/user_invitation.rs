//! Behaviour of the DocType User Invitation: a link with which somebody makes their own account, with the roles that they
//! were promised.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use serde_json::{Map, Value as Json, json};

use crate::account::doctype::user::{check_roles, is_one_address};
use crate::account::link::{Kind, Link};
use crate::account::new_password::gone;
use crate::document::controller::need;
use crate::document::guard::changes;
use crate::document::view::{options, time_value, view};
use crate::document::{Controller, Documents, ListRequest, Work};
use crate::error::{Error, FieldProblem, Invalid, Need, ProblemKind, Result};
use crate::meta::{Document, Right, Value};
use crate::permissions::Session;
use crate::permissions::session::{ROLE_SYSTEM_MANAGER, fold_name};
use crate::secret;
use crate::web::mail::{Mail, Mailer, Text};
use crate::web::{LoginSettings, RequestContext, SecurityEvent, Severity};

/// The name of the DocType.
pub(crate) const USER_INVITATION: &str = "User Invitation";
/// What the site alone writes.
const OWN: [&str; 7] = ["status", "invited_by", "email_sent_at", "expires_at", "accepted_at", "user", "key"];
/// Under which name a link is shown once, where no mail is sent.
const LINK: &str = "invitation_link";

options! {
    /// Where an invitation stands.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    pub(crate) enum Status {
        /// Its link makes an account, until it expires.
        #[default]
        Pending = "Pending",
        /// The account is made.
        Accepted = "Accepted",
        /// It was withdrawn.
        Cancelled = "Cancelled",
    }
}

view! {
    /// An invitation.
    #[derive(Clone, Debug, Default)]
    pub(crate) struct UserInvitation of USER_INVITATION {
        /// Where it stands.
        pub status: Status,
        /// Who is invited.
        pub email: String,
        /// Who invites.
        pub invited_by: String,
        /// Until when the link works.
        pub expires_at: Option<DateTime<Utc>>,
        /// Where they go with their new account; empty: home.
        pub redirect_to_path: String,
        /// The digest of the link's key.
        pub key: Option<String>,
        /// When the message was queued.
        pub email_sent_at: Option<DateTime<Utc>>,
        /// When the account was made.
        pub accepted_at: Option<DateTime<Utc>>,
        /// The account.
        pub user: Option<String>,
    }
}

/// What an invitation does.
pub(crate) struct UserInvitationController(pub Mailer);

#[async_trait]
impl Controller for UserInvitationController {
    async fn validate(&self, work: &mut Work<'_>, document: &mut Document, before: Option<&Document>) -> Result<()> {
        for fieldname in OWN {
            let value = before.map_or(Value::Null, |before| before.get(fieldname).clone());
            document.set(fieldname, value);
        }
        if let Some(before) = before {
            let is_pending = UserInvitation::from(before).status == Status::Pending;
            if !is_pending && changes(document, before).next().is_some() {
                return Err(Error::misuse("This invitation is over: make a new one"));
            }
        }
        let mut invalid = Invalid::default();
        check_roles(document, &mut invalid);
        let email = fold_name(document.text("email"));
        let mut problem = |message: String| {
            invalid.push(FieldProblem::at(ProblemKind::Validation, "email", "Email", message));
        };
        if !is_one_address(&email) {
            problem(format!("{email} is not one email address such as ada@example.com"));
        } else if before.is_none() && exists(work, "User", json!({"name": email})).await? {
            problem(format!("{email} has an account already: give it the roles there"));
        } else if before.is_none()
            && exists(work, USER_INVITATION, json!({"email": email, "status": "Pending"})).await?
        {
            problem(format!("{email} is invited already: send that invitation again, or withdraw it"));
        }
        document.set("email", email);
        invalid.into_result()?;
        // Whoever gives roles away that they do not have would have all of them.
        let session = &work.session;
        let beyond = document.rows("roles").iter().map(|row| row.text("role")).find(|role| !session.has_role(role));
        if let Some(role) = beyond.filter(|_| !session.is_system() && !session.has_role(ROLE_SYSTEM_MANAGER)) {
            return Err(Error::Permission(format!("You do not have the role {role}, so you cannot invite with it")));
        }
        if before.is_some() {
            return Ok(());
        }
        document.set("status", Status::Pending.as_str());
        document.set("invited_by", work.session.user().to_owned());
        let link = self.issue(work, document).await?;
        document.revealed.extend(link.map(|link| (LINK, link)));
        SecurityEvent::new("User Invited", Severity::Info)
            .user(document.text("email"))
            .details(json!({"by": work.session.user(), "roles": roles(document)}))
            .record_in(work)
            .await
    }

    async fn call(
        &self,
        work: &mut Work<'_>,
        document: &mut Document,
        method: &str,
        _: &Map<String, Json>,
    ) -> Option<Result<Json>> {
        match method {
            "send_again" => Some(self.send_again(work, document).await),
            "cancel_invite" => Some(cancel(work, document).await),
            _ => None,
        }
    }

    fn methods(&self) -> Vec<(&'static str, &'static str)> {
        vec![
            (
                "send_again",
                "Makes a new link, which works for 72 hours, and sends it; the old one works no longer. Where no mail is \
                 set up, the answer shows it once",
            ),
            ("cancel_invite", "Withdraws the invitation: its link works no longer"),
        ]
    }

    fn needs(&self, doctype: &str, _: &str) -> Vec<Need> {
        vec![need(doctype, Right::Write), Need::Unlimited]
    }
}

impl UserInvitationController {
    /// Gives the invitation a new link, and sends it; where no mail is sent, it comes back to be shown once.
    async fn issue(&self, work: &mut Work<'_>, document: &mut Document) -> Result<Option<String>> {
        let documents = work.documents;
        let Link { digest, url } = Kind::Invitation.make(documents.site_url());
        let now = documents.clock().now();
        document.set("key", digest);
        document.set("expires_at", time_value(now + Kind::Invitation.life()));
        if !self.0.is_set_up(documents).await? {
            return Ok(Some(url));
        }
        document.set("email_sent_at", time_value(now));
        let site_name = LoginSettings::load(documents).await?.app_name;
        let access = std::sync::Arc::clone(&work.session.access);
        let named = [("person", access.full_name.as_str()), ("site_name", site_name.as_str())];
        let email = document.text("email").to_owned();
        let mail = Mail {
            to: &email,
            language: &access.language,
            subject: Text::new("{person} invites you to {site_name}", &named),
            paragraphs: vec![
                Text::new("Hello,", &[]),
                Text::new(
                    "{person} has invited you to {site_name}. Make your account here, within three days:",
                    &named,
                ),
                Text::new("{link}", &[("link", &url)]),
                Text::new("If you do not know what this is about, you need not do anything.", &[]),
                Text::new("{site_name}, {site_url}", &[("site_name", &site_name), ("site_url", documents.site_url())]),
            ],
        };
        mail.queue(work).await?;
        Ok(None)
    }

    async fn send_again(&self, work: &mut Work<'_>, document: &mut Document) -> Result<Json> {
        check_pending(document)?;
        let link = self.issue(work, document).await?;
        let values = ["key", "expires_at", "email_sent_at"].map(|name| (name, document.get(name).clone()));
        work.set_values(USER_INVITATION, &document.name(), &values).await?;
        Ok(link.map_or_else(|| Json::from("It is sent again"), |link| json!({ LINK: link })))
    }
}

async fn cancel(work: &mut Work<'_>, document: &Document) -> Result<Json> {
    check_pending(document)?;
    let values = [("status", Value::from(Status::Cancelled.as_str())), ("key", Value::Null)];
    work.set_values(USER_INVITATION, &document.name(), &values).await?;
    let by = work.session.user().to_owned();
    SecurityEvent::new("Invitation Withdrawn", Severity::Info)
        .user(document.text("email"))
        .details(json!({ "by": by }))
        .record_in(work)
        .await?;
    Ok(Json::from("It is withdrawn"))
}

fn check_pending(document: &Document) -> Result<()> {
    match UserInvitation::from(document).status {
        Status::Pending => Ok(()),
        Status::Accepted => Err(Error::misuse("This invitation was accepted: the account is there")),
        Status::Cancelled => Err(Error::misuse("This invitation was withdrawn: make a new one")),
    }
}

async fn exists(work: &mut Work<'_>, doctype: &str, filters: Json) -> Result<bool> {
    let caller = work.become_system();
    let count = work.count(&ListRequest::new(doctype).filters(filters)).await;
    work.session = caller;
    Ok(count? > 0)
}

fn roles(document: &Document) -> Vec<&str> {
    document.rows("roles").iter().map(|row| row.text("role")).collect()
}

/// The invitation that a key opens, while it does: neither over nor expired, by somebody who is still here.
pub(in crate::account) async fn find(work: &mut Work<'_>, key: &str) -> Result<Option<Document>> {
    let Some(found) = work.find_by(USER_INVITATION, "key", &secret::digest(key)).await? else { return Ok(None) };
    let invitation = UserInvitation::from(&found);
    let is_open = invitation.status == Status::Pending
        && invitation.expires_at.is_some_and(|end| work.documents.clock().now() < end);
    if !is_open || work.documents.access(&invitation.invited_by).await?.is_none() {
        return Ok(None);
    }
    Ok(Some(found))
}

/// What somebody says who accepts.
#[derive(Clone, Copy)]
pub(in crate::account) struct Accepting<'a> {
    /// Their given name.
    pub first_name: &'a str,
    /// Their family name; may be empty.
    pub last_name: &'a str,
    /// Their password.
    pub password: &'a str,
}

/// Makes the account; returns its name and where the person goes. The key is used up.
pub(in crate::account) async fn accept(
    documents: &Documents,
    context: &RequestContext,
    key: &str,
    accepting: Accepting<'_>,
) -> Result<(String, Option<String>)> {
    let mut work = documents.begin(&Session::system()).await?;
    let Some(document) = find(&mut work, key).await? else { return Err(gone()) };
    let invitation = UserInvitation::from(&document);
    let mut user = work.new_document("User")?;
    user.set("email", invitation.email.as_str());
    user.set("first_name", accepting.first_name);
    user.set("last_name", Some(accepting.last_name).filter(|name| !name.is_empty()));
    user.set("new_password", accepting.password);
    // Whoever has the link reads what is sent there, or was handed it by an administrator.
    user.set("email_verified", invitation.email_sent_at.is_some());
    let mut rows = Vec::new();
    for role in roles(&document) {
        let mut row = work.new_document("Has Role")?;
        row.set("role", role);
        rows.push(row);
    }
    if let Some(table) = user.rows_mut("roles") {
        *table = rows;
    }
    let user = work.insert(user).await?.name();
    let values = [
        ("status", Value::from(Status::Accepted.as_str())),
        ("accepted_at", time_value(documents.clock().now())),
        ("user", Value::from(user.as_str())),
        ("key", Value::Null),
    ];
    let digest = Value::from(secret::digest(key));
    if !work.set_values_if(USER_INVITATION, &document.name(), ("key", &digest), &values).await? {
        return Err(gone());
    }
    SecurityEvent::new("Invitation Accepted", Severity::Info)
        .user(user.as_str())
        .during(context)
        .details(json!({"by": invitation.invited_by, "roles": roles(&document)}))
        .record_in(&mut work)
        .await?;
    work.commit().await?;
    Ok((user, Some(invitation.redirect_to_path).filter(|path| !path.is_empty())))
}
