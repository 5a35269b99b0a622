//! [`Site`]: everything a request may reach.

use std::collections::HashMap;
use std::ops::Deref;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};

use arc_swap::{ArcSwap, ArcSwapOption};
use serde_json::Value as Json;

use crate::config::Config;
use crate::document::Documents;
use crate::files::Files;
use crate::meta::in_force::Fault;
use crate::web::attempts::Attempts;
use crate::web::explain::CredentialKind;
use crate::web::history::History;
use crate::web::job::JobKinds;
use crate::web::mail::Mailer;
use crate::web::method::Methods;
use crate::web::model::Model;
use crate::web::panel::Panels;
use crate::web::plugin::{AccountPage, LoginOptions};
use crate::web::session::Sessions;
use crate::web::templates::Templates;

/// A running site; cheap to clone.
#[derive(Clone)]
pub struct Site(Arc<Parts>);

/// What a [`Site`] is made of; reached through the site itself: `site.documents`.
pub struct Parts {
    /// Every document, under permissions.
    pub documents: Documents,
    /// The configuration.
    pub config: Arc<Config>,
    /// The uploaded files.
    pub(crate) files: Files,
    /// The RPC methods.
    pub methods: Arc<Methods>,
    /// The kinds of jobs that it runs.
    pub job_kinds: JobKinds,
    /// The pages.
    pub templates: Templates,
    /// The browser sessions.
    pub sessions: Sessions,
    /// The failed attempts of accounts, addresses and clients.
    pub attempts: Attempts,
    /// Which Email Account mail goes through.
    pub mailer: Mailer,
    /// What was counted in the last hour.
    pub history: History,
    /// What became of the DocType files when they were last read.
    pub doctype_files: DocTypeFiles,
    /// How they are changed from the desk.
    pub(crate) model: Arc<dyn Model>,
    /// Further ways to log in.
    pub login_options: Vec<LoginOptions>,
    /// Where people may go on to after logging out.
    pub logout_targets: Vec<crate::web::plugin::LogoutTarget>,
    /// The pages about a person's own account.
    pub account_pages: Vec<AccountPage>,
    /// Set when a request came by a proxy although none is trusted.
    pub unknown_proxy: AtomicBool,
    /// Set when the server is about to stop, so that load balancers send no more.
    pub stopping: AtomicBool,
    /// The OpenAPI documents of hand-written endpoints, to merge with those of the DocTypes.
    pub openapi: Vec<Json>,
    /// What System Managers are told on every page, if there is anything.
    pub warnings: Vec<crate::web::plugin::Warning>,
    /// What stands beside the desk's forms, by DocType.
    pub panels: HashMap<String, Vec<Arc<dyn Panels>>>,
    /// The kinds of documents that are credentials.
    pub(crate) credential_kinds: Vec<Arc<dyn CredentialKind>>,
    /// What completes that document.
    pub describes_api: Vec<Arc<dyn crate::web::plugin::DescribesApi>>,
}

impl Site {
    /// Puts a site together.
    pub fn new(parts: Parts) -> Self {
        Self(Arc::new(parts))
    }

    /// The site, for whoever must not keep it alive.
    pub(crate) fn downgrade(&self) -> WeakSite {
        WeakSite(Arc::downgrade(&self.0))
    }
}

/// A site that may be gone.
pub(crate) struct WeakSite(Weak<Parts>);

impl WeakSite {
    /// The site, if somebody still uses it.
    pub(crate) fn upgrade(&self) -> Option<Site> {
        self.0.upgrade().map(Site)
    }
}

/// What is wrong while a proxy is in front of the site that it does not know of.
pub(crate) const UNKNOWN_PROXY: &str = "Requests come by a proxy (X-Forwarded-For), and no proxy is trusted: everybody seems to \
     come from one address, also whoever guesses passwords. Set DOCTYPED_TRUSTED_PROXIES to the number of proxies";

impl Site {
    /// Whether a request came by a proxy although none is trusted.
    pub fn proxy_is_unknown(&self) -> bool {
        self.unknown_proxy.load(Ordering::Relaxed)
    }

    /// Notes that a request came by a proxy although none is trusted; the log is told once.
    pub fn note_unknown_proxy(&self) {
        if !self.unknown_proxy.swap(true, Ordering::Relaxed) {
            tracing::warn!("{UNKNOWN_PROXY}");
        }
    }
}

impl Deref for Site {
    type Target = Parts;
    fn deref(&self) -> &Parts {
        &self.0
    }
}

/// What is in force of the DocType files, and what is held back while what was in force before serves.
#[derive(Clone, Default)]
pub struct DocTypeFiles(Arc<State>);

#[derive(Default)]
struct State {
    faults: ArcSwap<Vec<Fault>>,
    version: ArcSwap<String>,
    behind: ArcSwapOption<String>,
    changing: tokio::sync::Mutex<()>,
}

impl DocTypeFiles {
    /// What the last load held back; empty if all is well.
    pub fn faults(&self) -> Arc<Vec<Fault>> {
        self.0.faults.load_full()
    }

    /// The same, one line each.
    pub fn problems(&self) -> Vec<String> {
        self.0.faults.load().iter().flat_map(|fault| fault.lines.iter().cloned()).collect()
    }

    /// What stands for the definitions that this node runs: the same at every node that runs the same.
    pub(crate) fn version(&self) -> Arc<String> {
        self.0.version.load_full()
    }

    /// Why this node does not run what is in force; `None`: it does.
    pub(crate) fn behind(&self) -> Option<Arc<String>> {
        self.0.behind.load_full()
    }

    /// Notes what the last load held back.
    pub fn set(&self, faults: Vec<Fault>) {
        self.0.faults.store(Arc::new(faults));
    }

    /// Notes that this node runs what is in force.
    pub(crate) fn set_version(&self, version: String) {
        self.0.version.store(Arc::new(version));
        self.0.behind.store(None);
    }

    /// Notes that this node cannot run what another has put in force; says whether that is news.
    pub(crate) fn set_behind(&self, reason: &str) -> bool {
        self.0.behind.swap(Some(Arc::new(reason.to_owned()))).is_none_or(|before| *before != reason)
    }

    /// Held by whoever puts other definitions in force at this node.
    pub(crate) async fn changing(&self) -> tokio::sync::MutexGuard<'_, ()> {
        self.0.changing.lock().await
    }
}
