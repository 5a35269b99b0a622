//! Live reload: when DocType files change, all are read again, checked, migrated, and put in force together, or not at all.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use notify::{RecursiveMode, Watcher};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

use crate::app;
use crate::app::sources;
use crate::meta::load::{Problem, Severity, Source, load};
use crate::web::Site;

/// How long the files must be quiet: editors and version control write in several steps.
const QUIET: Duration = Duration::from_millis(300);

/// What a reload did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reloaded {
    /// The new DocTypes are in force; says what changed in the schema.
    Swapped {
        /// How many DocTypes there are now.
        doctypes: usize,
        /// What changed in the schema.
        schema: String,
    },
    /// The old DocTypes go on serving, and these are the reasons.
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
        let mut last = sources::all(&site.config, &extra).unwrap_or_default();
        loop {
            tokio::select! {
                change = changes.recv() => if change.is_none() { return },
                _ = stop.wait_for(|stop| *stop) => return,
            }
            while let Ok(Some(())) = tokio::time::timeout(QUIET, changes.recv()).await {}
            watched.follow(&site);
            // Most events change nothing that counts: an editor's backup, a folder beside.
            let current = sources::all(&site.config, &extra).unwrap_or_default();
            if current != last {
                last = current;
                reload(&site, &extra).await;
            }
        }
    })
}

/// The folders under watch; dropping it ends the watching.
struct Watched {
    watcher: notify::RecommendedWatcher,
    paths: BTreeSet<PathBuf>,
}

impl Watched {
    fn new(events: mpsc::UnboundedSender<()>) -> notify::Result<Self> {
        let watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
            let Ok(event) = event else { return };
            let changes = event.kind.is_create() || event.kind.is_modify() || event.kind.is_remove();
            // A folder that was moved in or out has no ending.
            let concerns = |path: &Path| path.extension().is_none() || sources::is_doctype_file(path);
            if changes && event.paths.iter().any(|path| concerns(path)) {
                // The receiver is gone only when the server stops.
                let _ = events.send(());
            }
        })?;
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

/// Reads all DocType files again and puts them in force if nothing is wrong. What is wrong is logged and shown in the desk.
pub async fn reload(site: &Site, extra: &[Source]) -> Reloaded {
    let outcome = match try_reload(site, extra).await {
        Ok(outcome) => outcome,
        Err(error) => Reloaded::Kept(format!("{error:#}").lines().map(str::to_owned).collect()),
    };
    match &outcome {
        Reloaded::Swapped { doctypes, schema } => {
            tracing::info!(doctypes, schema, "DocTypes reloaded");
            site.doctype_files.set_problems(Vec::new());
        }
        Reloaded::Kept(problems) => {
            for problem in problems {
                tracing::error!(problem, "DocTypes not reloaded: the old ones go on serving");
            }
            site.doctype_files.set_problems(problems.clone());
        }
    }
    outcome
}

async fn try_reload(site: &Site, extra: &[Source]) -> anyhow::Result<Reloaded> {
    let loaded = load(&sources::all(&site.config, extra)?);
    if loaded.has_errors() {
        let is_error = |problem: &&Problem| problem.severity == Severity::Error;
        return Ok(Reloaded::Kept(loaded.problems.iter().filter(is_error).map(Problem::to_string).collect()));
    }
    for problem in &loaded.problems {
        tracing::warn!(%problem, "DocType file");
    }
    let documents = &site.documents;
    let registry = app::registry(loaded, documents.registry().generation + 1)?;
    for doctype in documents.controllers().doctypes() {
        anyhow::ensure!(registry.get(doctype).is_some(), "the DocType {doctype} is gone, but the program needs it");
    }
    let plan = app::synchronize(documents.database(), &registry).await?;
    let doctypes = registry.len();
    documents.set_registry(registry);
    app::initial_data::follow_doctypes(documents).await?;
    Ok(Reloaded::Swapped { doctypes, schema: plan.summary() })
}
