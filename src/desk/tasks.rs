//! The tasks on the home page for who begins: each until it is done or dismissed, and only for who may do it.

use serde::Serialize;
use serde_json::{Value as Json, json};

use crate::desk::{actions, home, marks};
use crate::document::{Documents, ListRequest};
use crate::error::Result;
use crate::permissions::session::ROLE_SYSTEM_MANAGER;
use crate::permissions::{Grant, Session};
use crate::web::Exchange;

/// A task.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Task {
    /// What stands for it where it is dismissed.
    pub id: &'static str,
    /// What to do.
    pub label: &'static str,
    /// What for.
    pub help: &'static str,
    /// Where.
    pub href: &'static str,
}

/// What shows that a task is done.
enum Done {
    /// A document of one of these DocTypes, which meets the filters.
    Document(&'static str, fn() -> Json),
    /// A DocType that does not come with the site.
    OwnDocType,
    /// A Check of a Single.
    Setting(&'static str, &'static str),
    /// The site is reached by another name than this machine's own.
    Address,
}

const TASKS: [(Task, Done); 8] = [
    (
        Task {
            id: "doctype",
            label: "Define a DocType",
            help: "A kind of document of your own, as a YAML file: a table, an API and forms follow at once.",
            href: "/docs/start",
        },
        Done::OwnDocType,
    ),
    (
        Task {
            id: "client",
            label: "Let an application in",
            help: "An OAuth Client, for a program that signs people in here or calls the API for them.",
            href: "/app/oauth-client/new",
        },
        Done::Document("OAuth Client", || Json::Null),
    ),
    (
        Task {
            id: "provider",
            label: "Add a sign-in provider",
            help: "Let people sign in with the account that they have elsewhere.",
            href: "/app/social-login-key/new",
        },
        Done::Document("Social Login Key", || json!({"enable_social_login": 1})),
    ),
    (
        Task {
            id: "connection",
            label: "Connect another site",
            help: "Call the API of another site for people who allow it.",
            href: "/app/connected-app/new",
        },
        Done::Document("Connected App", || Json::Null),
    ),
    (
        Task {
            id: "mail",
            label: "Set up mail",
            help: "Invitations and links for forgotten passwords go out through a mail server that you name.",
            href: "/app/email-account/new",
        },
        Done::Document("Email Account", || Json::Null),
    ),
    (
        Task {
            id: "people",
            label: "Invite people",
            help: "Everybody gets a link to make an account of their own, with roles that say what they may do.",
            href: "/app/user-invitation/new",
        },
        Done::Document("User", || json!([["name", "not in", ["Administrator", "Guest"]]])),
    ),
    (
        Task {
            id: "backups",
            label: "Make backups",
            help: "By themselves every night, encrypted for whom you name.",
            href: "/app/backup-settings",
        },
        Done::Setting("Backup Settings", "enabled"),
    ),
    (
        Task {
            id: "address",
            label: "Set the site's address",
            help: "The public address, by which applications and links find the site (DOCTYPED_SITE_URL).",
            href: "/docs/running",
        },
        Done::Address,
    ),
];

/// The tasks that are left for this person.
pub(super) async fn left(exchange: &Exchange) -> Result<Vec<Task>> {
    let (documents, session) = (&exchange.site.documents, exchange.session());
    let mut left = Vec::new();
    let mut dismissed = None;
    for (task, done) in &TASKS {
        if !may(documents, session, done) || is_done(exchange, done).await? {
            continue;
        }
        let known = match dismissed.take() {
            Some(known) => known,
            None => marks::dismissed(exchange).await?,
        };
        if !known.iter().any(|id| id == task.id) {
            left.push(task.clone());
        }
        dismissed = Some(known);
    }
    Ok(left)
}

fn may(documents: &Documents, session: &Session, done: &Done) -> bool {
    let registry = documents.registry();
    match done {
        Done::Document(doctype, _) => {
            registry.get(doctype).is_some_and(|doctype| actions::creates(doctype, &Grant::of(session, doctype)))
        }
        Done::Setting(..) | Done::OwnDocType | Done::Address => session.has_role(ROLE_SYSTEM_MANAGER),
    }
}

async fn is_done(exchange: &Exchange, done: &Done) -> Result<bool> {
    let (documents, session) = (&exchange.site.documents, exchange.session());
    Ok(match done {
        Done::Document(doctype, filters) => {
            let request = ListRequest::new(*doctype).filters(filters());
            match documents.count_at_most(session, &request, Some(1)).await {
                Ok(count) => count > 0,
                Err(error) if error.is_failure() => return Err(error),
                Err(_) => true,
            }
        }
        Done::OwnDocType => documents.registry().iter().any(|doctype| !home::is_shipped(doctype)),
        Done::Setting(doctype, field) => match documents.get(session, doctype, doctype).await {
            Ok(document) => document.check(field),
            Err(error) if error.is_failure() => return Err(error),
            Err(_) => true,
        },
        Done::Address => {
            let host = url::Url::parse(&exchange.site.config.site_url).ok();
            let host = host.as_ref().and_then(url::Url::host_str).unwrap_or_default();
            !matches!(host, "" | "localhost" | "127.0.0.1" | "[::1]" | "0.0.0.0")
        }
    })
}
