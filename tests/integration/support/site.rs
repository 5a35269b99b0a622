//! [`TestSite`]: a whole site in the process, with a database and a clock of its own.

use std::future::IntoFuture;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use doctyped::testing::app::{App, Build};
use doctyped::testing::clock::Clock;
use doctyped::testing::config::{Config, Hidden};
use doctyped::testing::document::Documents;
use doctyped::testing::load::Source;
use doctyped::testing::permissions::Session;
use doctyped::testing::secret::SiteKey;
use doctyped::testing::serve::serve;
use doctyped::testing::web::{JobKind, Pipeline, Site};
use serde_json::{Value as Json, json};
use tempfile::TempDir;

use super::client::Client;
use super::database::TestDatabase;

/// The password of every test user, Administrator included.
pub const PASSWORD: &str = "correct horse battery";
/// The text of the site's key, so that a restart keeps it.
const KEY: &str = "a key for tests that is long enough to be one";

/// A site for one test.
///
/// ```ignore
/// let site = TestSite::new().with_doctype(NOTE).await;
/// let alice = site.user("alice@example.com", &["System Manager"]).await;
/// alice.create("Note", json!({})).await.error(417, "MandatoryError");
/// ```
pub struct TestSite {
    /// The site.
    pub site: Site,
    /// Moves the time forward for the whole site.
    pub clock: Clock,
    /// Where the site's files are.
    pub folder: TempDir,
    endpoint: Arc<Pipeline>,
    sources: Vec<Source>,
    job_kinds: Vec<JobKind>,
    config: Config,
    /// Answers on a port, if that was asked for.
    server: Option<tokio::task::JoinHandle<()>>,
    // Last, so that it is dropped when nothing uses it any more.
    database: TestDatabase,
}

/// A further node of a site: on the same database, with a memory of its own.
pub struct Node {
    /// The site, as this node knows it.
    pub site: Site,
    pub(super) endpoint: Arc<Pipeline>,
}

/// Changes the configuration before the site is built.
type Configure = Box<dyn FnOnce(&mut Config) + Send>;

/// A site to be; `await` builds it.
#[derive(Default)]
pub struct TestSiteBuilder {
    sources: Vec<Source>,
    job_kinds: Vec<JobKind>,
    configure: Vec<Configure>,
    listening: bool,
}

impl TestSite {
    /// A site with the shipped DocTypes.
    #[expect(clippy::new_ret_no_self, reason = "the builder becomes a site when awaited")]
    pub fn new() -> TestSiteBuilder {
        TestSiteBuilder::default()
    }

    /// Every document, without HTTP.
    pub fn documents(&self) -> &Documents {
        &self.site.documents
    }

    /// Somebody without credentials.
    pub fn guest(&self) -> Client {
        Client::new(Arc::clone(&self.endpoint))
    }

    /// Administrator, logged in.
    pub async fn administrator(&self) -> Client {
        let client = self.guest();
        client.log_in("Administrator", PASSWORD).await.ok();
        client
    }

    /// A new System User with roles, logged in.
    pub async fn user(&self, email: &str, roles: &[&str]) -> Client {
        self.db_user(email, json!({"roles": roles.iter().map(|role| json!({"role": role})).collect::<Vec<_>>()})).await;
        let client = self.guest();
        client.log_in(email, PASSWORD).await.ok();
        client
    }

    /// Stores a new user, with further values; a System User unless they say otherwise. Nobody is logged in.
    pub async fn db_user(&self, email: &str, values: Json) {
        let mut user = json!({"email": email, "first_name": email.split('@').next(), "new_password": PASSWORD});
        for (key, value) in values.as_object().into_iter().flatten() {
            user[key] = value.clone();
        }
        let has_roles = user["roles"].as_array().is_some_and(|roles| !roles.is_empty());
        if !has_roles && user["user_type"].is_null() {
            // Roles make people of the desk; this one gives nothing else.
            if self.db_names("Role", json!({"name": "Staff"})).await.is_empty() {
                self.db_insert("Role", json!({"role_name": "Staff"})).await;
            }
            user["roles"] = json!([{"role": "Staff"}]);
        }
        self.db_insert("User", user).await;
    }

    /// Stores a document as the program itself; returns its name.
    pub async fn db_insert(&self, doctype: &str, values: Json) -> String {
        let values = values.as_object().expect("an object").clone();
        self.documents().insert(&Session::system(), doctype, &values).await.expect("the document is valid").name()
    }

    /// Changes a document as the program itself.
    pub async fn db_update(&self, doctype: &str, name: &str, values: Json) {
        let values = values.as_object().expect("an object").clone();
        let children = doctyped::testing::document::Children::Replace;
        let updated = self.documents().update(&Session::system(), doctype, name, &values, children).await;
        updated.expect("the change is valid");
    }

    /// The names of the documents of a DocType that fit the filters, as the program itself sees them.
    pub async fn db_names(&self, doctype: &str, filters: Json) -> Vec<String> {
        let request =
            doctyped::testing::document::ListRequest::new(doctype).filters(filters).order_by("creation asc").all();
        let list = self.documents().list(&Session::system(), &request).await.expect("the filters are valid");
        (0..list.rows.len()).map(|row| list.text(row, "name").to_owned()).collect()
    }

    /// Starts a further node on the same database and clock. Only on PostgreSQL.
    pub async fn node(&self) -> Node {
        self.node_with(|_| {}).await
    }

    /// The same with another configuration.
    pub async fn node_with(&self, configure: impl FnOnce(&mut Config)) -> Node {
        let mut config = self.config.clone();
        configure(&mut config);
        let App { site, endpoint, .. } =
            build(config, self.clock.clone(), self.sources.clone(), self.job_kinds.clone()).await;
        Node { site, endpoint }
    }

    /// Runs something that the server does by the clock; what it did, empty if there was nothing to do.
    pub async fn run_scheduled(&self, method: &str) -> String {
        let (documents, system) = (self.documents(), Session::system());
        let seen = self.db_names("Scheduled Job Log", json!({"scheduled_job_type": method})).await.len();
        let none = serde_json::Map::new();
        let put = documents.call(&system, "Scheduled Job Type", method, "execute_event", &none, true).await;
        assert_eq!(put.unwrap().unwrap(), "It is in the queue");
        doctyped::testing::jobs::run_due(&self.site).await.unwrap();
        let lines = self.db_names("Scheduled Job Log", json!({"scheduled_job_type": method})).await;
        match lines.get(seen) {
            None => String::new(),
            Some(line) => documents.get(&system, "Scheduled Job Log", line).await.unwrap().text("details").to_owned(),
        }
    }

    /// The DocTypes of the test.
    pub fn sources(&self) -> Vec<Source> {
        self.sources.clone()
    }

    /// Its database, past the site.
    pub fn database(&self) -> &TestDatabase {
        &self.database
    }

    /// Stops the site and starts it again on the same database, files and clock.
    pub async fn restart(self) -> Self {
        self.restart_with(|_| {}).await
    }

    /// The same with another configuration.
    pub async fn restart_with(mut self, configure: impl FnOnce(&mut Config)) -> Self {
        configure(&mut self.config);
        self.site.documents.database().close().await;
        let app = build(self.config.clone(), self.clock.clone(), self.sources.clone(), self.job_kinds.clone()).await;
        self.site = app.site;
        self.endpoint = app.endpoint;
        self
    }
}

impl Drop for TestSite {
    fn drop(&mut self) {
        if let Some(server) = &self.server {
            server.abort();
        }
    }
}

impl TestSiteBuilder {
    /// With a DocType, or an overlay, in YAML.
    #[must_use]
    pub fn with_doctype(mut self, yaml: &str) -> Self {
        let path = format!("test/{}.yaml", self.sources.len() + 1);
        self.sources.push(Source { path, text: yaml.to_owned() });
        self
    }

    /// That runs a kind of job of the test.
    #[must_use]
    pub fn with_job(mut self, kind: JobKind) -> Self {
        self.job_kinds.push(kind);
        self
    }

    /// With another configuration.
    #[must_use]
    pub fn with_config(mut self, configure: impl FnOnce(&mut Config) + Send + 'static) -> Self {
        self.configure.push(Box::new(configure));
        self
    }

    /// That answers on a free port as well, under which it knows itself.
    #[must_use]
    pub fn listening(mut self) -> Self {
        self.listening = true;
        self
    }

    async fn build(self) -> TestSite {
        let folder = tempfile::tempdir().unwrap();
        let database = TestDatabase::copy_of(folder.path(), |url| {
            Box::pin(async move {
                let folder = tempfile::tempdir().unwrap();
                build(base(&url, folder.path()), Clock::system(), Vec::new(), Vec::new()).await;
            })
        })
        .await;
        let mut config = base(&database.url, folder.path());
        for configure in self.configure {
            configure(&mut config);
        }
        let listener = if self.listening {
            let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
            config.site_url = format!("http://{}", listener.local_addr().unwrap());
            Some(listener)
        } else {
            None
        };
        let clock = Clock::system();
        let app = build(config.clone(), clock.clone(), self.sources.clone(), self.job_kinds.clone()).await;
        let server = listener.map(|listener| {
            let (endpoint, limits) = (Arc::clone(&app.endpoint), config.limits.clone());
            let running = serve(listener, endpoint, limits, None, std::future::pending(), Duration::ZERO);
            tokio::spawn(async { running.await.unwrap() })
        });
        TestSite {
            site: app.site,
            clock,
            folder,
            endpoint: app.endpoint,
            sources: self.sources,
            job_kinds: self.job_kinds,
            config,
            server,
            database,
        }
    }
}

impl IntoFuture for TestSiteBuilder {
    type Output = TestSite;
    type IntoFuture = Pin<Box<dyn Future<Output = TestSite> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.build())
    }
}

/// Opens a site on a database that a test has filled, in another process for example.
pub async fn open(
    database_url: &str,
    folder: &Path,
    sources: Vec<Source>,
    job_kinds: Vec<JobKind>,
    configure: impl FnOnce(&mut Config),
) -> Site {
    let mut config = base(database_url, folder);
    configure(&mut config);
    build(config, Clock::system(), sources, job_kinds).await.site
}

/// How every site of the tests starts from.
fn base(database_url: &str, folder: &Path) -> Config {
    Config {
        database_url: Hidden::new(database_url),
        admin_password: Some(Hidden::new(PASSWORD)),
        doctypes: Vec::new(),
        files: folder.join("files"),
        templates: folder.join("templates"),
        ..Config::default()
    }
}

async fn build(config: Config, clock: Clock, sources: Vec<Source>, job_kinds: Vec<JobKind>) -> App {
    let site_key = Some(SiteKey::from_text(KEY).unwrap());
    App::build(Build { config, clock, site_key, sources, job_kinds }).await.expect("the site starts")
}
