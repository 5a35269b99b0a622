//! Live reload: when DocType files change, all are read again, checked and migrated; what is good of them is put in force
//! together, and what is not stays as it was.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use notify::{RecursiveMode, Watcher};
use serde_json::json;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

use crate::app;
use crate::app::definitions::{InForce, Putting, put_in_force, take_over, version_in_force};
use crate::app::sources::{self, Files};
use crate::database::migrate::applied_fingerprint;
use crate::meta::in_force::{Fault, Stays, Why};
use crate::meta::load::Source;
use crate::web::Site;

/// How long the files must be quiet: editors and version control write in several steps.
const QUIET: Duration = Duration::from_millis(300);
/// How long a file must be gone before it counts as removed: some programs delete a file to write it anew.
const GONE: Duration = Duration::from_secs(1);
/// How often it is looked whether what is held back can be taken: `migrate` may have run, a folder may be mounted again.
const AGAIN: Duration = Duration::from_secs(5);

/// How often folders are looked through that the system does not watch.
const POLL: Duration = Duration::from_secs(2);

/// What a reload did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reloaded {
    /// All files are in force; says what changed in the schema.
    Swapped {
        /// How many DocTypes there are now.
        doctypes: usize,
        /// What changed in the schema.
        schema: String,
    },
    /// Some DocTypes go on serving as they were, and these are the reasons; all others are in force.
    Kept(Vec<String>),
}

/// Watches the folders of DocType files until `stop` turns true. Folders that do not exist yet are noticed when they are made.
pub fn watch(site: Site, extra: Vec<Source>, mut stop: watch::Receiver<bool>) -> JoinHandle<()> {
    tokio::spawn(async move {
        let (events, mut changes) = mpsc::unbounded_channel::<()>();
        let mut watched = match Watched::new(events) {
            Ok(watched) => watched,
            Err(error) => {
                tracing::warn!(%error, "DocType files are not watched: restart to read them again");
                return;
            }
        };
        watched.follow(&site);
        let mut last = State::look(&site, &extra).await;
        loop {
            let is_held_back = !site.doctype_files.faults().is_empty();
            tokio::select! {
                change = changes.recv() => if change.is_none() { return },
                () = tokio::time::sleep(AGAIN), if is_held_back => {}
                _ = stop.wait_for(|stop| *stop) => return,
            }
            while let Ok(Some(())) = tokio::time::timeout(QUIET, changes.recv()).await {}
            watched.follow(&site);
            // Most events change nothing that counts: an editor's backup, a folder beside.
            let mut current = State::look(&site, &extra).await;
            if current.lacks_files_of(&last) {
                tokio::time::sleep(GONE).await;
                current = State::look(&site, &extra).await;
            }
            // That only the tables have changed is the work of `migrate`, or of another node, which this one follows.
            let is_ours = current.files != last.files || !has_other_nodes(&site).await;
            if current != last && !is_ours {
                last = current;
            } else if current != last {
                reload(&site, &extra).await;
                last = State { schema: applied_fingerprint(site.documents.database()).await.ok().flatten(), ..current };
            }
        }
    })
}

/// What a reload depends on.
#[derive(PartialEq)]
struct State {
    files: Files,
    /// Which definitions the tables were last brought in step with, by this process or by `migrate`.
    schema: Option<String>,
}

impl State {
    async fn look(site: &Site, extra: &[Source]) -> Self {
        let schema = applied_fingerprint(site.documents.database()).await.ok().flatten();
        Self { files: sources::all(&site.config, extra), schema }
    }

    fn lacks_files_of(&self, earlier: &Self) -> bool {
        let present: BTreeSet<&str> = self.files.sources.iter().map(|source| source.path.as_str()).collect();
        earlier.files.sources.iter().any(|source| !present.contains(source.path.as_str()))
    }
}

/// The folders under watch; dropping it ends the watching.
struct Watched {
    watcher: Box<dyn Watcher + Send>,
    paths: BTreeSet<PathBuf>,
}

impl Watched {
    fn new(events: mpsc::UnboundedSender<()>) -> notify::Result<Self> {
        let watcher: Box<dyn Watcher + Send> = match notify::recommended_watcher(notice(events.clone())) {
            Ok(watcher) => Box::new(watcher),
            // Other programs may hold all that the system gives, as with inotify's instances on Linux.
            Err(error) => {
                tracing::warn!(%error, "the system watches no more files: DocType files are looked through again and again");
                Box::new(polling(events)?)
            }
        };
        Ok(Self { watcher, paths: BTreeSet::new() })
    }

    /// Watches every folder that exists, and of those that do not the one they will appear in.
    fn follow(&mut self, site: &Site) {
        for folder in sources::folders(&site.config) {
            self.add(folder, RecursiveMode::Recursive);
        }
        for missing in site.config.doctypes.iter().filter(|folder| !folder.is_dir()) {
            // Once it is made again it needs a new watch.
            self.paths.remove(missing);
            let parent = missing.parent().filter(|parent| !parent.as_os_str().is_empty());
            self.add(parent.unwrap_or(Path::new(".")).to_owned(), RecursiveMode::NonRecursive);
        }
    }

    fn add(&mut self, path: PathBuf, mode: RecursiveMode) {
        if self.paths.contains(&path) {
            return;
        }
        match self.watcher.watch(&path, mode) {
            Ok(()) => {
                self.paths.insert(path);
            }
            Err(error) => tracing::warn!(folder = %path.display(), %error, "the folder is not watched"),
        }
    }
}

/// Sends word of what may concern DocType files.
fn notice(events: mpsc::UnboundedSender<()>) -> impl Fn(notify::Result<notify::Event>) {
    move |event| {
        let Ok(event) = event else { return };
        let changes = event.kind.is_create() || event.kind.is_modify() || event.kind.is_remove();
        // A folder that was moved in or out has no ending.
        let concerns = |path: &Path| path.extension().is_none() || sources::is_doctype_file(path);
        if changes && event.paths.iter().any(|path| concerns(path)) {
            // The receiver is gone only when the server stops.
            let _ = events.send(());
        }
    }
}

/// Looks through the folders every [`POLL`], for systems that do not tell.
fn polling(events: mpsc::UnboundedSender<()>) -> notify::Result<notify::PollWatcher> {
    notify::PollWatcher::new(notice(events), notify::Config::default().with_poll_interval(POLL))
}

/// Reads all DocType files again and puts in force what is good of them. What is held back is logged and shown in the desk.
pub async fn reload(site: &Site, extra: &[Source]) -> Reloaded {
    match try_reload(site, extra).await {
        Ok(InForce { registry, schema, faults, .. }) if faults.is_empty() => {
            let doctypes = registry.len();
            tracing::info!(doctypes, schema, "DocTypes reloaded");
            note(site, faults);
            Reloaded::Swapped { doctypes, schema }
        }
        Ok(InForce { faults, .. }) => {
            note(site, faults);
            Reloaded::Kept(site.doctype_files.problems())
        }
        Err(error) => {
            let lines: Vec<String> = format!("{error:#}").lines().map(str::to_owned).collect();
            let doctype = String::new();
            let (why, stays, statements) = (Why::Pending, Stays::Before, Vec::new());
            note(site, vec![Fault { doctype, why, stays, lines, statements }]);
            Reloaded::Kept(site.doctype_files.problems())
        }
    }
}

/// Has the node tell people what it runs: its version, since when, which definitions, and why not those in force.
pub(crate) fn describe(site: &Site) {
    let files = &site.doctype_files;
    let key = site.documents.site_key();
    let about = json!({
        "keys": { "knows": key.ids(), "seals": key.settled().as_deref() },
        "version": env!("CARGO_PKG_VERSION"),
        "since": site.history.began.timestamp(),
        "definitions": &*files.version(),
        "behind": files.behind().as_deref(),
    });
    site.documents.database().set_about(about.to_string());
}

/// Logs what is held back, and shows it in the desk.
pub(crate) fn note(site: &Site, faults: Vec<Fault>) {
    for fault in &faults {
        let problem = fault.lines.join("; ");
        tracing::error!(doctype = fault.doctype, problem, "held back: {}", fault.consequence());
    }
    site.doctype_files.set(faults);
}

/// Whether other nodes serve the site; if nobody can tell, they may.
async fn has_other_nodes(site: &Site) -> bool {
    site.documents.database().has_other_nodes().await.unwrap_or(true)
}

/// How definitions are put in force at a site that is served.
pub(crate) fn putting<'a>(site: &'a Site, extra: &'a [Source]) -> Putting<'a> {
    Putting {
        config: &site.config,
        extra,
        generation: site.documents.registry().generation + 1,
        needed: site.documents.controllers().needed(),
        is_served: true,
        agreed: None,
    }
}

/// Follows other nodes that put definitions in force, for as long as the site is used.
pub(crate) fn follow(site: &Site, extra: Vec<Source>) {
    let database = site.documents.database().clone();
    if !database.is_shared() {
        return;
    }
    let (mut elsewhere, site) = (site.documents.definitions_elsewhere(), site.downgrade());
    // Another node may have been at it since this one read.
    elsewhere.mark_changed();
    tokio::spawn(async move {
        let mut is_behind = false;
        loop {
            tokio::select! {
                changed = elsewhere.changed() => if changed.is_err() { return },
                () = tokio::time::sleep(AGAIN), if is_behind => {}
                () = database.closing() => return,
            }
            let Some(site) = site.upgrade() else { return };
            if let Err(error) = take_over_if_needed(&site, &extra).await {
                let reason = format!("{error:#}");
                if site.doctype_files.set_behind(&reason) {
                    tracing::error!(reason, "what another node has put in force cannot be taken over");
                }
            }
            is_behind = site.doctype_files.behind().is_some();
            describe(&site);
        }
    });
}

async fn take_over_if_needed(site: &Site, extra: &[Source]) -> anyhow::Result<()> {
    let (documents, files) = (&site.documents, &site.doctype_files);
    let _changing = files.changing().await;
    let version = version_in_force(documents.database()).await?;
    if version == *files.version() {
        // It may have been another in between.
        files.set_version(version);
        return Ok(());
    }
    let InForce { registry, faults, version, .. } = take_over(documents.database(), putting(site, extra)).await?;
    documents.set_registry(registry);
    tracing::info!(version, "definitions taken over from another node");
    note(site, faults);
    files.set_version(version);
    Ok(())
}

async fn try_reload(site: &Site, extra: &[Source]) -> anyhow::Result<InForce> {
    let _changing = site.doctype_files.changing().await;
    put(site, putting(site, extra)).await
}

/// Puts in force what the files say; whoever calls it holds [`crate::web::site::DocTypeFiles::changing`].
pub(crate) async fn put(site: &Site, putting: Putting<'_>) -> anyhow::Result<InForce> {
    let documents = &site.documents;
    let in_force = put_in_force(documents.database(), putting).await?;
    for warning in &in_force.warnings {
        tracing::warn!(%warning, "DocType file");
    }
    documents.set_registry(in_force.registry.clone());
    site.doctype_files.set_version(in_force.version.clone());
    describe(site);
    app::initial_data::follow_doctypes(documents).await?;
    app::search_index::fill_if_needed(documents).await?;
    Ok(in_force)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn without_a_system_that_tells_changes_are_found_by_looking() {
        let folder = tempfile::tempdir().unwrap();
        let (events, mut changes) = mpsc::unbounded_channel();
        let mut watched = Watched { watcher: Box::new(polling(events).unwrap()), paths: BTreeSet::new() };
        watched.add(folder.path().to_owned(), RecursiveMode::Recursive);
        std::fs::write(folder.path().join("book.yaml"), "name: Book").unwrap();
        let told = tokio::time::timeout(POLL * 10, changes.recv()).await;
        assert_eq!(told, Ok(Some(())));
    }
}
