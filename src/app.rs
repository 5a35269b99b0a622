//! The composition root: the only file that names every feature. A configuration becomes a site that serves.

pub(crate) mod acme;
pub(crate) mod backup;
pub(crate) mod definitions;
pub(crate) mod doctor;
pub(crate) mod import_frappe;
pub(crate) mod initial_data;
mod model;
pub(crate) mod search_index;
pub(crate) mod site_key;
pub(crate) mod sources;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::Context as _;
use poem::{Endpoint, Response};
use tokio::net::TcpListener;
use tokio::sync::watch;

use crate::app::definitions::{InForce, Putting};
use crate::clock::Clock;
use crate::config::{Config, tls};
use crate::database::Database;
use crate::document::Documents;
use crate::document::reseal::SealedField;
use crate::files::Files;
use crate::meta::in_force::Fault;
use crate::meta::load::Source;
use crate::secret::SiteKey;
use crate::web::attempts::Attempts;
use crate::web::history::{self, History};
use crate::web::job::HOURLY;
use crate::web::mail::Mailer;
use crate::web::metrics::Exposition;
use crate::web::serve::{Redirect, Tls, serve};
use crate::web::site::{DocTypeFiles, Parts};
use crate::web::{JobKind, Pipeline, Plugins, RunningJob, Sessions, Site, Templates};
use crate::{account, data_import, desk, mail, mcp, oauth, reload, rest, web, webhook};

/// How long requests under way may take once the server was asked to stop.
const GRACE: Duration = Duration::from_secs(30);

/// What a site is built from.
pub struct Build {
    /// The configuration.
    pub config: Config,
    /// The clock.
    pub clock: Clock,
    /// The site's key; `None`: the configured file, made if it is missing.
    pub site_key: Option<SiteKey>,
    /// DocTypes besides those of the folders.
    pub sources: Vec<Source>,
    /// Kinds of jobs besides those of the features.
    pub job_kinds: Vec<JobKind>,
}

impl Build {
    /// What `serve` builds from.
    pub fn new(config: Config) -> Self {
        Self { config, clock: Clock::system(), site_key: None, sources: Vec::new(), job_kinds: Vec::new() }
    }
}

/// A site, ready to serve.
pub struct App {
    /// The site.
    pub site: Site,
    /// What answers requests; cheap to clone.
    pub endpoint: Arc<Pipeline>,
    /// What the start found and did.
    pub summary: Summary,
    /// The fields with sealed texts besides Password fields.
    pub(crate) sealed: Vec<SealedField>,
    sources: Vec<Source>,
    /// Whether the key is that of the configured file.
    follows_key_file: bool,
}

/// What a start found and did, for the block that `serve` prints.
#[derive(Clone, Debug)]
pub struct Summary {
    /// How many DocTypes there are.
    pub doctypes: usize,
    /// Where they come from.
    pub folders: Vec<PathBuf>,
    /// What changed in the schema.
    pub schema: String,
    /// The password of Administrator, if it was generated just now.
    pub administrator_password: Option<String>,
    /// Warnings about DocType files.
    pub warnings: Vec<String>,
    /// What is held back of the DocType files.
    pub faults: Vec<Fault>,
}

/// Every feature registers here, and nowhere else.
fn plugins(
    config: &Config,
    sessions: &Sessions,
    attempts: &Attempts,
    files: &Files,
    mailer: &Mailer,
) -> anyhow::Result<Plugins> {
    let mut plugins = Plugins::default();
    web::register(&mut plugins, sessions, attempts);
    account::register(&mut plugins, mailer);
    rest::register(&mut plugins, files);
    oauth::register(&mut plugins, config)?;
    desk::register(&mut plugins);
    data_import::register(&mut plugins);
    mcp::register(&mut plugins);
    webhook::register(&mut plugins, config)?;
    mail::register(&mut plugins, config, mailer)?;
    backup::schedule::register(&mut plugins);
    search_index::register(&mut plugins);
    acme::register(&mut plugins, config);
    let refresh = JobKind::new("refresh the statistics of the database", async |site: Site, _: RunningJob| {
        site.documents.database().refresh_statistics().await?;
        Ok(String::new())
    });
    plugins.job_kind(refresh.scheduled(HOURLY));
    // Last, for it looks after the logs of all others.
    crate::jobs::register(&mut plugins);
    Ok(plugins)
}

impl App {
    /// Builds a site: DocTypes, database, schema, initial data, routes. Nothing listens yet.
    pub async fn build(build: Build) -> anyhow::Result<Self> {
        let Build { config, clock, site_key, sources, job_kinds } = build;
        let sessions = Sessions::default();
        let attempts = Attempts::default();
        let files = Files::open(&config)?;
        let mailer = Mailer::default();
        let mut plugins = plugins(&config, &sessions, &attempts, &files, &mailer)?;
        for kind in job_kinds {
            plugins.job_kind(kind);
        }
        check_plugins(&plugins)?;
        let database = Database::open(config.database_url.reveal()).await.context("open the database")?;
        let follows_key_file = site_key.is_none();
        let site_key = site_key::establish(site_key, &config, &database).await?;
        let putting = Putting {
            config: &config,
            extra: &sources,
            generation: 1,
            needed: plugins.controllers.needed(),
            is_served: false,
            agreed: None,
        };
        let InForce { registry, schema, faults, version, mut warnings } =
            definitions::put_in_force(&database, putting).await?;
        // Whoever reaches a server by https that speaks http comes through a proxy.
        if config.is_https() && config.tls.is_none() && config.trusted_proxies == 0 {
            warnings.push(
                "The site is https, and so behind a proxy, and no proxy is trusted: everybody will seem to come from one \
                 address. Set DOCTYPED_TRUSTED_PROXIES to the number of proxies"
                    .to_owned(),
            );
        }
        site_key::remember(&site_key, &config, &database).await?;
        let replicas: Vec<String> = config.database_replicas.iter().map(|url| url.reveal().to_owned()).collect();
        database.use_replicas(&replicas)?;
        let doctypes = registry.len();
        let Plugins {
            controllers,
            methods,
            authenticators,
            middleware,
            routes,
            job_kinds,
            logs: _,
            warnings: told_on_pages,
            openapi,
            describes_api,
            small_bodies,
            login_options,
            logout_targets,
            account_pages,
            helpers,
            starters,
            panels,
            credential_kinds,
            sealed,
        } = plugins;
        let (site_url, max_rows) = (config.site_url.clone(), config.limits.rows);
        let documents = Documents::new(database, registry, controllers, clock, site_key, site_url, max_rows);
        documents.listen();
        let administrator_password = initial_data::ensure(&documents, config.admin_password.as_ref()).await?;
        documents.load_zone().await?;
        let templates = Templates::new(helpers, &config.templates, config.development)?;
        let folders = sources::folders(&config);
        // What the start does may take its time.
        documents.database().log_slow_statements(config.slow_statement);
        let history = History::new(documents.clock().now());
        let site = Site::new(Parts {
            documents,
            config: Arc::new(config),
            files,
            methods: Arc::new(methods),
            job_kinds: job_kinds.into_iter().map(|kind| (kind.method, kind)).collect(),
            templates,
            sessions,
            attempts,
            mailer,
            history,
            doctype_files: DocTypeFiles::default(),
            model: Arc::new(model::Files { extra: sources.clone() }),
            login_options,
            logout_targets,
            account_pages,
            unknown_proxy: AtomicBool::new(false),
            stopping: AtomicBool::new(false),
            openapi,
            describes_api,
            warnings: told_on_pages,
            panels,
            credential_kinds,
        });
        reload::note(&site, faults.clone());
        site.doctype_files.set_version(version);
        reload::describe(&site);
        reload::follow(&site, sources.clone());
        for start in starters {
            start(site.clone()).await.context("start a feature")?;
        }
        let endpoint = Pipeline::new(site.clone(), authenticators, middleware, small_bodies, routes)?;
        let endpoint = Arc::new(endpoint);
        let summary = Summary { doctypes, folders, schema, administrator_password, warnings, faults };
        Ok(Self { site, endpoint, summary, sealed, sources, follows_key_file })
    }

    /// Listens where the configuration says, serves until `stop`, and lets requests under way finish.
    ///
    /// `ready` is called once with the address, which matters where the port is 0.
    pub async fn serve(
        self,
        stop: impl Future<Output = ()> + Send + 'static,
        ready: impl FnOnce(&Site, &Summary, std::net::SocketAddr),
    ) -> anyhow::Result<()> {
        let config = Arc::clone(&self.site.config);
        let clock = self.site.documents.clock().clone();
        let tls = config.tls.as_ref().map(|settings| match settings.source {
            tls::Source::Files { .. } => Tls::load(settings, clock),
            tls::Source::Acme(_) => Tls::waiting(settings, clock, acme::Answers(self.site.clone())),
        });
        let tls = tls.transpose()?;
        let listener = listen(&config.listen).await?;
        let redirect = match &config.redirect_listen {
            Some(address) => Some(listen(address).await?),
            None => None,
        };
        let metrics = match &config.metrics_listen {
            Some(address) => Some(listen(address).await?),
            None => None,
        };
        let address = listener.local_addr().context("the listener has no address")?;
        // Held while this serves.
        let claim = self.site.documents.database().claim();
        let (stopped, watch_stop) = watch::channel(false);
        let worker = crate::jobs::worker::run(self.site.clone(), watch_stop.clone());
        let reload = reload::watch(self.site.clone(), self.sources, watch_stop);
        let mut others = vec![worker, reload, history::keep(self.site.clone(), stopped.subscribe())];
        if self.follows_key_file {
            others.push(site_key::follow::follow(self.site.clone(), stopped.subscribe()));
        }
        others.extend(tls.clone().map(|tls| match acme::wanted(&config) {
            Some(_) => acme::follow(self.site.clone(), tls, stopped.subscribe()),
            None => tokio::spawn(tls.follow(stopped.subscribe())),
        }));
        others.extend(redirect.map(|listener| {
            let endpoint = Redirect::to(&config.site_url);
            tokio::spawn(serve_beside("redirect", Arc::clone(&config), listener, endpoint, stopped.subscribe()))
        }));
        others.extend(metrics.map(|listener| {
            let endpoint = Exposition::of(&self.site);
            tokio::spawn(serve_beside("metrics", Arc::clone(&config), listener, endpoint, stopped.subscribe()))
        }));
        ready(&self.site, &self.summary, address);
        let site = self.site.clone();
        let signal = async move {
            stop.await;
            site.stopping.store(true, Ordering::Relaxed);
            tracing::info!("stopping: requests under way finish first");
        };
        serve(listener, self.endpoint, config.limits.clone(), tls, signal, GRACE).await?;
        // Nobody listening means that nobody has to be told.
        let _ = stopped.send(true);
        for task in others {
            if let Err(error) = task.await
                && error.is_panic()
            {
                tracing::error!(%error, "a background task failed");
            }
        }
        self.site.documents.database().close().await;
        drop(claim);
        Ok(())
    }
}

async fn listen(address: &str) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address).await.with_context(|| format!("listen on {address}"))
}

/// Answers at an address beside that of the site until `stop`; `what` says what for.
async fn serve_beside(
    what: &'static str,
    config: Arc<Config>,
    listener: TcpListener,
    endpoint: impl Endpoint<Output = Response> + 'static,
    mut stop: watch::Receiver<bool>,
) {
    let stop = async move { drop(stop.wait_for(|stop| *stop).await) };
    let served = serve(listener, Arc::new(endpoint), config.limits.clone(), None, stop, Duration::ZERO);
    if let Err(error) = served.await {
        tracing::error!(%error, what, "a listener beside that of the site has ended");
    }
}

/// Finds what would only show later: a method claimed twice.
fn check_plugins(plugins: &Plugins) -> anyhow::Result<()> {
    let twice = plugins.methods.claimed_twice();
    anyhow::ensure!(twice.is_empty(), "two features claim the methods {}", twice.join(", "));
    let mut known = std::collections::BTreeSet::new();
    let twice = plugins.job_kinds.iter().find(|kind| !known.insert(kind.method));
    anyhow::ensure!(twice.is_none(), "two features claim the job {}", twice.map_or("", |kind| kind.method));
    Ok(())
}
