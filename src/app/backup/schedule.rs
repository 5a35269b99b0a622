//! Backups that the site makes by itself: Backup Settings, and the job behind them.

use async_trait::async_trait;
use serde_json::{Map, Value as Json, json};

use crate::app::backup::{Wanted, back_up};
use crate::document::queue::{NewJob, Queue};
use crate::document::view::{text_value, time_value, view};
use crate::document::{Controller, Documents, Work};
use crate::error::{Error, FieldProblem, Invalid, ProblemKind, Result};
use crate::meta::{Document, Value};
use crate::permissions::Session;
use crate::secret::age_file::{Lock, NotRecipient};
use crate::web::job::DAILY;
use crate::web::{JobKind, Plugins, RunningJob, SecurityEvent, Severity, Site};

/// The name of the DocType and of its one document.
const BACKUP_SETTINGS: &str = "Backup Settings";
/// The kind of job.
const BACK_UP: &str = "back up the site";
/// Its argument: also while backups by the clock are switched off.
const NOW: &str = "now";

view! {
    /// What is made by itself.
    #[derive(Clone, Debug, Default)]
    struct BackupSettings of BACKUP_SETTINGS {
        /// By the clock.
        pub enabled: bool,
        /// Whom they are encrypted for, one per line.
        pub recipients: Option<String>,
        /// How many stay; 0: all.
        pub keep: i64,
        /// Why the last one failed.
        pub last_error: Option<String>,
    }
}

/// Registers the job, what steers it and what tells of its failure.
pub(crate) fn register(plugins: &mut Plugins) {
    plugins.controllers.needs_fields_of::<BackupSettings>();
    plugins.controllers.needs_fields(BACKUP_SETTINGS, &["last_backup", "last_file"]);
    plugins.controller(BACKUP_SETTINGS, BackupSettingsController);
    plugins.job_kind(JobKind::new(BACK_UP, run).scheduled(DAILY));
    plugins.warning(async |site: Site| {
        let settings = settings(&site.documents).await?;
        Ok(settings.last_error.map(|error| format!("The last backup failed: {error}. See Backup Settings")))
    });
}

async fn settings(documents: &Documents) -> Result<BackupSettings> {
    let settings = documents.get(&Session::system(), BACKUP_SETTINGS, BACKUP_SETTINGS).await?;
    Ok(BackupSettings::from(&*settings))
}

async fn run(site: Site, job: RunningJob) -> Result<String> {
    let documents = &site.documents;
    let settings = settings(documents).await?;
    if !settings.enabled && !job.arguments()?.contains_key(NOW) {
        return Ok(String::new());
    }
    let keep = usize::try_from(settings.keep).ok().filter(|keep| *keep > 0);
    let lock = lock(settings.recipients.as_deref()).map_err(|error| Error::Unavailable(error.to_string()))?;
    let wanted = Wanted { to: site.config.backups.clone(), passphrase: None, lock, keep };
    let (config, now) = (site.config.clone(), documents.clock().now());
    // It reads and writes files for long.
    let runtime = tokio::runtime::Handle::current();
    let made = tokio::task::spawn_blocking(move || runtime.block_on(back_up(&config, &wanted, now)));
    // Also one that ended in the middle has failed, and people are told.
    match made.await.unwrap_or_else(|error| Err(error.into())) {
        Ok(made) => {
            let file = format!("{}: {}; {}", made.place, made.manifest.summary(), made.compared);
            let values = [
                ("last_backup", time_value(now)),
                ("last_file", Value::from(file.as_str())),
                ("last_error", Value::Null),
            ];
            note(documents, &values).await?;
            Ok(file)
        }
        Err(error) => {
            let reason = format!("{error:#}");
            if job.is_last_attempt() {
                note(documents, &[("last_error", text_value(Some(&reason)))]).await?;
                SecurityEvent::new("Backup Failed", Severity::Warning)
                    .details(json!({"reason": reason}))
                    .record(documents)
                    .await;
            }
            Err(Error::Unavailable(reason))
        }
    }
}

/// Whom backups are for, by lines of text.
fn lock(recipients: Option<&str>) -> std::result::Result<Option<Lock>, NotRecipient> {
    let lines = recipients.unwrap_or_default().lines().map(str::trim);
    Lock::for_recipients(lines.filter(|line| !line.is_empty() && !line.starts_with('#')))
}

async fn note(documents: &Documents, values: &[(&str, Value)]) -> Result<()> {
    let mut work = documents.begin(&Session::system()).await?;
    work.set_values(BACKUP_SETTINGS, BACKUP_SETTINGS, values).await?;
    work.commit().await
}

/// Behaviour of the DocType Backup Settings.
struct BackupSettingsController;

#[async_trait]
impl Controller for BackupSettingsController {
    async fn validate(&self, work: &mut Work<'_>, document: &mut Document, before: Option<&Document>) -> Result<()> {
        if !work.session.is_system() {
            for field in ["last_backup", "last_file", "last_error"] {
                document.set(field, before.map_or(Value::Null, |before| before.get(field).clone()));
            }
        }
        let refused = lock(Some(document.text("recipients"))).err();
        refused.map_or(Ok(()), |refused| {
            let problem = FieldProblem::at(ProblemKind::Validation, "recipients", "Recipients", refused.to_string());
            Err(Error::Validation(Invalid { problems: vec![problem] }))
        })
    }

    async fn call(
        &self,
        work: &mut Work<'_>,
        _: &mut Document,
        method: &str,
        _: &Map<String, Json>,
    ) -> Option<Result<Json>> {
        if method != "back_up_now" {
            return None;
        }
        let arguments = Map::from_iter([(NOW.to_owned(), Json::Bool(true))]);
        let job = NewJob::new(BACK_UP).queue(Queue::Long).arguments(arguments).job_id("back up now");
        let put = work.enqueue(job).await;
        Some(put.map(|put| Json::from(if put.is_some() { "A backup is in the queue" } else { "One is being made" })))
    }

    fn methods(&self) -> Vec<(&'static str, &'static str)> {
        vec![("back_up_now", "Puts a backup into the queue at once")]
    }
}
