//! Background jobs: the worker that takes them from the queue, what runs by the clock, and what becomes of old logs.

mod background_job;
mod log_settings;
mod schedule;
pub(crate) mod worker;

pub(crate) use schedule::new_job;

use std::sync::Arc;

use serde_json::json;

use crate::document::queue::{BACKGROUND_JOB, BackgroundJob};
use crate::jobs::log_settings::{LOG_SETTINGS, LogSettingsController, LogToClear, Logs};
use crate::jobs::schedule::{SCHEDULED_JOB_TYPE, ScheduledJobType};
use crate::web::job::DAILY;
use crate::web::{JobKind, Plugins, RunningJob, Site};

/// Registers everything about jobs.
pub(crate) fn register(plugins: &mut Plugins) {
    plugins.controllers.needs_fields_of::<BackgroundJob>();
    plugins.controllers.needs_fields_of::<ScheduledJobType>();
    plugins.controllers.needs_fields_of::<LogToClear>();
    plugins.controllers.needs_fields(LOG_SETTINGS, &["logs_to_clear", "known_logs"]);
    plugins.controller(BACKGROUND_JOB, background_job::BackgroundJobController);
    plugins.controller(SCHEDULED_JOB_TYPE, schedule::ScheduledJobTypeController);
    plugins.log("Version", 0);
    plugins.log("Deleted Document", 365);
    plugins.log("Scheduled Job Log", 90);
    plugins.log_with(BACKGROUND_JOB, 30, |cutoff| {
        vec![json!([["status", "in", ["Finished", "Failed", "Cancelled"]], ["ended_at", "<", cutoff]])]
    });
    let logs = Logs(Arc::new(plugins.logs.clone()));
    plugins.controller(LOG_SETTINGS, LogSettingsController(logs.clone()));
    let defaults = logs.clone();
    plugins.at_start(async move |site| {
        schedule::ensure(site.clone()).await?;
        defaults.ensure(&site.documents).await
    });
    let clear = JobKind::new("clear old logs", move |site: Site, job: RunningJob| {
        let logs = logs.clone();
        async move { logs.clear(&site, &job).await }
    });
    plugins.job_kind(clear.scheduled(DAILY));
}
