//! OAuth Logout Notice: a typed view of the queue of messages to clients that a session has ended.

use chrono::{DateTime, Utc};

use super::fields::{Fields, View, time_value};
use crate::document::Work;
use crate::error::Result;
use crate::meta::{Document, Value};

/// The name of the DocType.
pub const OAUTH_LOGOUT_NOTICE: &str = "OAuth Logout Notice";

/// What is read and written.
pub const VIEW: View = View {
    doctype: OAUTH_LOGOUT_NOTICE,
    fields: &["client", "user", "subject", "sid", "uri", "status", "attempts", "next_attempt", "last_error"],
};

/// A message that a session has ended.
#[derive(Clone, Debug)]
pub struct LogoutNotice {
    /// The document.
    pub name: String,
    /// The OAuth Client that is told.
    pub client: String,
    /// Under which id clients know the person.
    pub subject: String,
    /// The session.
    pub sid: Option<String>,
    /// Where the client listens.
    pub uri: String,
    /// It was neither delivered nor given up.
    pub is_waiting: bool,
    /// How often it was tried.
    pub attempts: i64,
    /// When it is tried again.
    pub next_attempt: Option<DateTime<Utc>>,
}

impl From<&Document> for LogoutNotice {
    fn from(document: &Document) -> Self {
        let fields = Fields::new(document, &VIEW);
        Self {
            name: document.name(),
            client: fields.text("client").to_owned(),
            subject: fields.text("subject").to_owned(),
            sid: fields.optional("sid"),
            uri: fields.text("uri").to_owned(),
            is_waiting: fields.text("status") == "Waiting",
            attempts: fields.int("attempts"),
            next_attempt: fields.time("next_attempt"),
        }
    }
}

/// A message to be.
#[derive(Clone, Copy, Debug)]
pub struct NewNotice<'a> {
    /// The OAuth Client that is told.
    pub client: &'a str,
    /// The person.
    pub user: &'a str,
    /// Under which id clients know the person.
    pub subject: &'a str,
    /// The session.
    pub sid: &'a str,
    /// Where the client listens.
    pub uri: &'a str,
    /// When somebody else takes it up, if nobody has delivered it until then.
    pub next_attempt: DateTime<Utc>,
}

/// Puts a message into the queue; returns its name. The work acts as the program itself.
pub async fn insert(work: &mut Work<'_>, new: NewNotice<'_>) -> Result<String> {
    let mut document = work.new_document(OAUTH_LOGOUT_NOTICE)?;
    for (fieldname, text) in [
        ("client", new.client),
        ("user", new.user),
        ("subject", new.subject),
        ("sid", new.sid),
        ("uri", new.uri),
        ("status", "Waiting"),
    ] {
        document.set(fieldname, Value::from(text));
    }
    document.set("next_attempt", time_value(new.next_attempt));
    Ok(work.insert(document).await?.name())
}
