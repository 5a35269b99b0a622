//! The job that fills indexes of words, which are empty when they are made for a table with rows.

use crate::database::words::{self, Filled};
use crate::document::Documents;
use crate::document::queue::NewJob;
use crate::error::Result;
use crate::permissions::Session;
use crate::web::{JobKind, Plugins, RunningJob, Site};

/// The kind of job.
const FILL: &str = "fill the index of the search";

/// Registers the job, which the start puts into the queue where it is needed.
pub(crate) fn register(plugins: &mut Plugins) {
    plugins.job_kind(JobKind::new(FILL, fill));
    plugins.at_start(async |site: Site| fill_if_needed(&site.documents).await);
}

/// Puts the job into the queue if an index is not filled, or has left rows behind.
pub(crate) async fn fill_if_needed(documents: &Documents) -> Result<()> {
    if !words::has_work(documents.database()).await? {
        return Ok(());
    }
    let session = Session::system();
    let mut work = documents.begin(&session).await?;
    work.enqueue(NewJob::new(FILL)).await?;
    work.commit().await
}

/// In steps, so that nobody waits who writes meanwhile.
async fn fill(site: Site, job: RunningJob) -> Result<String> {
    let database = site.documents.database();
    let mut done = Vec::new();
    loop {
        // The definitions may change between two DocTypes.
        let registry = site.documents.registry();
        let unfilled = words::unfilled(database, registry.iter().map(AsRef::as_ref)).await?;
        let Some(doctype) = unfilled.iter().find(|name| !done.contains(*name)).and_then(|name| registry.get(name))
        else {
            break;
        };
        let mut filled = Filled::default();
        while words::fill(database, doctype, &mut filled).await? {
            job.check()?;
            tokio::task::yield_now().await;
        }
        done.push(doctype.name.clone());
    }
    while words::clean_up(database).await? {
        job.check()?;
    }
    Ok(done.join(", "))
}
