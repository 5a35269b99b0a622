//! Background jobs: the worker that takes them from the queue, and what administrators do with them.

mod background_job;
pub(crate) mod worker;

use crate::document::queue::{BACKGROUND_JOB, BackgroundJob};
use crate::web::Plugins;

/// Registers everything about jobs.
pub(crate) fn register(plugins: &mut Plugins) {
    plugins.controllers.needs_fields_of::<BackgroundJob>();
    plugins.controller(BACKGROUND_JOB, background_job::BackgroundJobController);
}
