//! How a message is written (RFC 5322): plain text in UTF-8, marked as made by a program.

use lettre::message::header::{ContentType, HeaderName, HeaderValue};
use lettre::message::{Mailbox, Message};

use crate::document::Documents;
use crate::error::{Error, ProblemKind, Result};
use crate::mail::account::EmailAccount;
use crate::outgoing::host_in;

/// What a message is made of.
pub(super) struct Written<'w> {
    /// The same each time it is sent, so that a repetition is known.
    pub id: &'w str,
    /// Where it comes from.
    pub account: &'w EmailAccount,
    /// To whom.
    pub to: &'w str,
    /// What it is about.
    pub subject: &'w str,
    /// The text.
    pub text: &'w str,
}

impl Written<'_> {
    /// The message; fails if one of the addresses is not one.
    pub(super) fn build(&self, documents: &Documents) -> Result<Message> {
        let no_address = |text: &str| {
            let message = format!("{text} is not an email address such as ada@example.com");
            Error::invalid(ProblemKind::InvalidEmailAddress, message)
        };
        let email_id = &self.account.email_id;
        let from = mailbox(&self.account.name, email_id).ok_or_else(|| no_address(email_id))?;
        let to = mailbox("", self.to).ok_or_else(|| no_address(self.to))?;
        let host = host_in(documents.site_url());
        let host = host.split(':').next().unwrap_or_default();
        let message = Message::builder()
            .message_id(Some(format!("<{}@{host}>", self.id)))
            .date(documents.clock().now().into())
            .from(from)
            .to(to)
            .subject(self.subject)
            .header(ContentType::TEXT_PLAIN);
        // RFC 3834: nobody answers to it that they are on holiday.
        message
            .raw_header(HeaderValue::new(HeaderName::new_from_ascii_str("Auto-Submitted"), "auto-generated".to_owned()))
            .body(self.text.to_owned())
            .map_err(Error::internal)
    }
}

/// An address with the name of whose it is; `None` if it is not one.
pub(super) fn mailbox(name: &str, address: &str) -> Option<Mailbox> {
    let name = Some(name.to_owned()).filter(|name| !name.is_empty());
    Some(Mailbox::new(name, address.trim().parse().ok()?))
}
