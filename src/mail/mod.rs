//! Mail: the servers that it goes through (Email Account) and what is sent (Email Queue), under Frappe's names.
//!
//! Whoever has something to send puts it into the queue (`web::mail`), in the transaction that causes it and with a job that
//! sends it (`deliver`). `account` is a server with its rules, `queue` what people may do with messages, `message` how one
//! is written.

mod account;
mod deliver;
mod message;
mod queue;

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;

use crate::config::Config;
use crate::outgoing::Outgoing;
use crate::web::given_up::GivenUp;
use crate::web::mail::{EMAIL_ACCOUNT, EMAIL_QUEUE, Mailer, SEND};
use crate::web::{JobKind, Plugins, RunningJob, Site};

/// Registers the feature; fails if the file of trusted certificates cannot be used.
pub(crate) fn register(plugins: &mut Plugins, config: &Config, mailer: &Mailer) -> anyhow::Result<()> {
    let outgoing = Arc::new(Outgoing::new(config)?);
    let failed = GivenUp::of(EMAIL_QUEUE, queue::Status::Error.as_str());
    plugins.controllers.needs_fields_of::<account::EmailAccount>();
    plugins.controllers.needs_fields(EMAIL_ACCOUNT, &["password"]);
    plugins.controllers.needs_fields_of::<queue::QueuedMail>();
    let account = account::EmailAccountController { mailer: mailer.clone(), outgoing: Arc::clone(&outgoing) };
    plugins.controller(EMAIL_ACCOUNT, account);
    plugins.controller(EMAIL_QUEUE, queue::EmailQueueController(failed.clone()));
    plugins.log_with(EMAIL_QUEUE, 30, |cutoff| {
        vec![json!([["status", "in", ["Sent", "Partially Sent", "Error"]], ["modified", "<", cutoff]])]
    });
    plugins.warning(move |site: Site| {
        let failed = failed.clone();
        async move { queue::told(&failed, &site.documents).await }
    });
    let send = JobKind::new(SEND, move |site: Site, job: RunningJob| {
        let outgoing = Arc::clone(&outgoing);
        async move { deliver::run(&site, &job, &outgoing).await }
    });
    // What is sent again after a refusal is a job of its own: these attempts are only for what happens to this site.
    plugins.job_kind(send.attempts(100).timeout(Duration::from_mins(5)));
    Ok(())
}
