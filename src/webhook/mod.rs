//! Webhooks: requests that tell other applications what happens to documents, under Frappe's fields.
//!
//! `listen` hears of every event and writes what is to be sent as a Webhook Request Log, in the transaction of the event
//! and with a job that sends it (`deliver`). `hook` is a webhook as it is kept in memory, with its templates compiled;
//! `template` is what Jinja may do here; `payload` and `sign` are rules without input or output.

mod controller;
mod deliver;
mod hook;
mod listen;
mod log;
mod payload;
mod send;
mod sign;
mod template;

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;

use crate::config::Config;
use crate::outgoing::Outgoing;
use crate::web::given_up::GivenUp;
use crate::web::{JobKind, Plugins, RunningJob, Site};
use crate::webhook::hook::{Hooks, WEBHOOK, Webhook};
use crate::webhook::log::{REQUEST_LOG, RequestLog};

/// Registers the feature; fails if the file of trusted certificates cannot be used.
pub(crate) fn register(plugins: &mut Plugins, config: &Config) -> anyhow::Result<()> {
    let hooks = Hooks::default();
    let exhausted = GivenUp::of(REQUEST_LOG, "Exhausted");
    let outgoing = Arc::new(Outgoing::new(config)?);
    plugins.controllers.needs_fields_of::<Webhook>();
    plugins.controllers.needs_fields_of::<RequestLog>();
    plugins.controllers.needs_fields(WEBHOOK, &["webhook_secret"]);
    plugins.controllers.needs_fields("Webhook Header", &["value"]);
    let webhook = controller::WebhookController { hooks: hooks.clone(), outgoing: Arc::clone(&outgoing) };
    plugins.controller(WEBHOOK, webhook);
    plugins.controller(REQUEST_LOG, log::RequestLogController(exhausted.clone()));
    plugins.controllers.add_doc_events(listen::Listener(hooks));
    plugins.log_with(REQUEST_LOG, 30, |cutoff| {
        vec![json!([["status", "in", ["Delivered", "Exhausted"]], ["modified", "<", cutoff]])]
    });
    plugins.warning(move |site: Site| {
        let exhausted = exhausted.clone();
        async move { log::told(&exhausted, &site.documents).await }
    });
    let deliver = JobKind::new(deliver::SEND, move |site: Site, job: RunningJob| {
        let outgoing = Arc::clone(&outgoing);
        async move { deliver::run(&site, &job, &outgoing).await }
    });
    // What is sent again after a refusal is a job of its own: these attempts are only for what happens to this site.
    plugins.job_kind(deliver.attempts(100).timeout(Duration::from_mins(3)));
    Ok(())
}
