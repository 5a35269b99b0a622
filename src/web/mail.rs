//! Mail as features hand it over: an Email Queue document with a job, written in the transaction that causes it. The feature
//! `mail` sends it.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use moka::sync::Cache;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json, json};

use crate::document::kept::Kept;
use crate::document::queue::{NewJob, Queue};
use crate::document::reseal::SealedField;
use crate::document::{Documents, ListRequest, Work};
use crate::error::{Error, Result};
use crate::language::Language;
use crate::permissions::Session;
use crate::secret;
use crate::web::language;
use crate::web::site::Site;

/// The DocType of the servers that mail goes through.
pub(crate) const EMAIL_ACCOUNT: &str = "Email Account";
/// The DocType of what is to be sent.
pub(crate) const EMAIL_QUEUE: &str = "Email Queue";
/// What the job is called that sends it.
pub(crate) const SEND: &str = "send an email";
/// The text of a message lies sealed in its row: links in it may open accounts.
pub(crate) const SEALED: SealedField =
    SealedField { doctype: EMAIL_QUEUE, fieldname: "message", in_auth: false, place };

/// Where the text of the message of this name is sealed.
pub(crate) fn place(name: &str) -> String {
    format!("{EMAIL_QUEUE}\u{1f}{name}\u{1f}message")
}

/// A text of the program with its values: `Hello {name}`. It is said in the language of whoever gets it.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct Text(String, Vec<(String, String)>);

impl Text {
    /// The text, with a value for each name in braces.
    pub(crate) fn new(message: &'static str, values: &[(&str, &str)]) -> Self {
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        Self(message.to_owned(), values.iter().map(owned).collect())
    }

    fn say(&self, language: &Language) -> String {
        let values: Vec<_> =
            self.1.iter().map(|(name, value)| (name.as_str(), Cow::Borrowed(value.as_str()))).collect();
        language.filled(&self.0, &values)
    }
}

/// A message to one person.
#[derive(Clone, Debug)]
pub(crate) struct Mail<'m> {
    /// Their address.
    pub to: &'m str,
    /// The code of their language; empty: that of the site.
    pub language: &'m str,
    /// What it is about; shown to administrators, so without secrets.
    pub subject: Text,
    /// The text. It is sealed, and removed once it is sent.
    pub paragraphs: Vec<Text>,
}

/// What is sealed of a message.
#[derive(Deserialize, Serialize)]
struct Sealed {
    language: String,
    subject: Text,
    paragraphs: Vec<Text>,
}

impl Mail<'_> {
    /// Puts it into the queue: it is sent once the work is committed, and not if it is rolled back.
    pub(crate) async fn queue(self, work: &mut Work<'_>) -> Result<()> {
        let caller = work.become_system();
        let queued = self.insert(work).await;
        work.session = caller;
        queued
    }

    async fn insert(self, work: &mut Work<'_>) -> Result<()> {
        let name = secret::random_name();
        let subject = self.subject.say(&Language::english());
        let (language, subject_text) = (self.language.to_owned(), self.subject);
        let sealed = Sealed { language, subject: subject_text, paragraphs: self.paragraphs };
        let text = serde_json::to_string(&sealed).map_err(Error::internal)?;
        let mut document = work.new_document(EMAIL_QUEUE)?;
        document.set_name(name.as_str());
        document.set("subject", subject.chars().take(140).collect::<String>());
        document.set("message", work.documents.site_key().seal(text, &place(&name)));
        let mut recipient = work.new_document("Email Queue Recipient")?;
        recipient.set("recipient", self.to);
        if let Some(rows) = document.rows_mut("recipients") {
            rows.push(recipient);
        }
        work.insert(document).await?;
        work.enqueue(job(&name)).await.map(drop)
    }
}

/// Subject and text of a message of the queue, in the language of whoever gets it.
pub(crate) async fn open(site: &Site, name: &str, sealed: &str) -> Result<(String, String)> {
    let opened =
        site.documents.site_key().open_text(sealed, &place(name)).map_err(|error| {
            Error::internal(anyhow::anyhow!("the text of {EMAIL_QUEUE} {name} does not open: {error}"))
        })?;
    let Sealed { language, subject, paragraphs } = serde_json::from_str(&opened).map_err(Error::internal)?;
    let language = language::of_person(site, &language).await;
    let paragraphs: Vec<String> = paragraphs.iter().map(|text| text.say(&language)).collect();
    Ok((subject.say(&language), paragraphs.join("\n\n") + "\n"))
}

/// The job that sends a message of the queue.
pub(crate) fn job(name: &str) -> NewJob {
    NewJob::new(SEND)
        .arguments(Map::from_iter([("email".to_owned(), Json::from(name))]))
        .queue(Queue::Short)
        .job_id(job_id(name))
        .about(EMAIL_QUEUE, name)
}

/// What keeps a message from being sent by two jobs at once.
pub(crate) fn job_id(name: &str) -> String {
    format!("email {name}")
}

/// Which Email Account mail goes through; looked up once after each change. Cheap to clone; clones share what is kept.
#[derive(Clone)]
pub struct Mailer(Arc<Kept<Option<Arc<str>>>>);

impl Default for Mailer {
    fn default() -> Self {
        Self(Arc::new(Kept::new(Cache::builder().max_capacity(1).time_to_live(Duration::from_mins(5)).build())))
    }
}

impl Mailer {
    /// The account that sends, if one is set up.
    pub(crate) async fn account(&self, documents: &Documents) -> Result<Option<Arc<str>>> {
        if let Some(known) = self.0.get(documents, "") {
            return Ok(known);
        }
        let ticket = self.0.ticket("");
        let mut request = ListRequest::new(EMAIL_ACCOUNT)
            .filters(json!({"enable_outgoing": 1, "default_outgoing": 1}))
            .order_by("creation asc");
        request.limit = Some(1);
        let list = documents.list(&Session::system(), &request).await?;
        let account = (!list.rows.is_empty()).then(|| Arc::from(list.text(0, "name")));
        self.0.keep(ticket, "", Clone::clone(&account));
        Ok(account)
    }

    /// Whether mail can be sent.
    pub(crate) async fn is_set_up(&self, documents: &Documents) -> Result<bool> {
        Ok(self.account(documents).await?.is_some())
    }

    /// An Email Account has changed.
    pub(crate) fn forget(&self) {
        self.0.clear();
    }
}
