//! A database for one test: a SQLite file in a temporary folder, or a PostgreSQL database that is dropped afterwards.

use std::path::Path;

use sea_orm::{ConnectionTrait as _, Database, DatabaseConnection, Statement};
use tempfile::TempDir;
use tokio::sync::OnceCell;

/// The server whose databases the tests make, when PostgreSQL is chosen.
fn postgres_server() -> Option<String> {
    let chosen = std::env::var("DOCTYPED_TEST_DATABASE").is_ok_and(|name| name == "postgres");
    chosen.then(|| {
        std::env::var("DOCTYPED_TEST_POSTGRES").expect("DOCTYPED_TEST_POSTGRES names the server for PostgreSQL tests")
    })
}

/// Whether this run of the tests is on PostgreSQL.
pub fn is_postgres() -> bool {
    postgres_server().is_some()
}

/// The database of one test; gone when dropped.
pub struct TestDatabase {
    /// Its URL.
    pub url: String,
    drop_from: Option<(String, String)>,
}

impl TestDatabase {
    /// A new, empty database; a file lies in `folder`.
    pub async fn new(folder: &Path) -> Self {
        let Some(server) = postgres_server() else {
            return Self { url: format!("sqlite://{}", folder.join("site.db").display()), drop_from: None };
        };
        Self::created(&server, "template1").await
    }

    /// The same database for a second server; it goes with the first.
    pub fn shared(&self) -> Self {
        Self { url: self.url.clone(), drop_from: None }
    }

    /// A copy of the database that `fill` makes once per run, so that hardly a test makes the shipped tables again.
    pub async fn copy_of<F: FnOnce(String) -> Filling>(folder: &Path, fill: F) -> Self {
        static TEMPLATE: OnceCell<Template> = OnceCell::const_new();
        let template = TEMPLATE.get_or_init(|| Template::new(fill)).await;
        let Some(server) = postgres_server() else {
            let copy = Self::new(folder).await;
            std::fs::copy(template.folder.path().join("copy.db"), folder.join("site.db")).unwrap();
            return copy;
        };
        Self::created(&server, &template.name).await
    }

    /// A new, empty database of the kind on which this run of the tests is not; `None` where there is no server for it.
    pub async fn of_the_other_kind(folder: &Path) -> Option<Self> {
        if is_postgres() {
            let url = format!("sqlite://{}", folder.join("other.db").display());
            return Some(Self { url, drop_from: None });
        }
        let server = std::env::var("DOCTYPED_TEST_POSTGRES").ok()?;
        Some(Self::created(&server, "template1").await)
    }

    async fn created(server: &str, template: &str) -> Self {
        let server = server.trim_end_matches('/').to_owned();
        let name = format!("doctyped_test_{}", doctyped::testing::secret::random_name());
        // No test loses the power of PostgreSQL's machine.
        let (create, hasten) = (
            format!("CREATE DATABASE {name} TEMPLATE {template}"),
            format!("ALTER DATABASE {name} SET synchronous_commit = off"),
        );
        run(&server, &[&create, &hasten]).await;
        Self { url: format!("{server}/{name}"), drop_from: Some((server, name)) }
    }
    /// Asks the database itself; each row as the text of its first column.
    pub async fn ask(&self, sql: &str) -> Vec<String> {
        let connection = Database::connect(&self.url).await.unwrap();
        let rows = ask(&connection, sql).await;
        connection.close().await.unwrap();
        rows
    }

    /// Does something to the database itself.
    pub async fn execute(&self, sql: &str) {
        let connection = Database::connect(&self.url).await.unwrap();
        connection.execute_unprepared(sql).await.unwrap();
        connection.close().await.unwrap();
    }

    /// Every row of every table, as text.
    pub async fn dump(&self) -> String {
        let connection = Database::connect(&self.url).await.unwrap();
        let tables = if is_postgres() {
            "SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY tablename"
        } else {
            // An index for searching holds no more than the trigrams and words of what stands in the tables.
            "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'tx %' AND name NOT LIKE 'wx %' ORDER BY name"
        };
        let mut lines = Vec::new();
        for table in ask(&connection, tables).await {
            let rows = if is_postgres() {
                format!("SELECT row_to_json(t)::text FROM \"{table}\" t")
            } else {
                let columns = ask(&connection, &format!("SELECT name FROM pragma_table_info('{table}')")).await;
                let texts = columns.iter().map(|column| format!("ifnull(CAST(\"{column}\" AS TEXT), '')"));
                format!("SELECT {} FROM \"{table}\"", texts.collect::<Vec<_>>().join(" || char(10) || "))
            };
            lines.push(table);
            lines.extend(ask(&connection, &rows).await);
        }
        connection.close().await.unwrap();
        lines.join("\n")
    }
}

async fn ask(connection: &DatabaseConnection, sql: &str) -> Vec<String> {
    let statement = Statement::from_string(connection.get_database_backend(), sql);
    let rows = connection.query_all_raw(statement).await.unwrap();
    rows.iter().map(|row| row.try_get_by_index(0).unwrap()).collect()
}

/// What fills the database at a URL.
pub type Filling = std::pin::Pin<Box<dyn Future<Output = ()> + Send>>;

/// The database that tests start from.
struct Template {
    /// Where the file lies, on SQLite.
    folder: TempDir,
    /// The name of the database, on PostgreSQL: that of the process, for nothing runs when a test binary ends.
    name: String,
}

impl Template {
    async fn new<F: FnOnce(String) -> Filling>(fill: F) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let name = format!("{TEMPLATE_PREFIX}{}", std::process::id());
        let server = postgres_server().map(|server| server.trim_end_matches('/').to_owned());
        let url = match &server {
            Some(server) => {
                drop_templates_of_ended_runs(server).await;
                run(server, &[&format!("CREATE DATABASE {name}")]).await;
                format!("{server}/{name}")
            }
            None => format!("sqlite://{}", folder.path().join("site.db").display()),
        };
        let filling = fill(url.clone());
        // A runtime of its own: its end closes every connection.
        let filled = std::thread::spawn(|| {
            tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap().block_on(filling);
        });
        tokio::task::spawn_blocking(move || filled.join()).await.unwrap().expect("the template is filled");
        if server.is_none() {
            let connection = Database::connect(url).await.unwrap();
            let copy = folder.path().join("copy.db");
            connection.execute_unprepared(&format!("VACUUM INTO '{}'", copy.display())).await.unwrap();
            connection.close().await.unwrap();
        }
        Self { folder, name }
    }
}

const TEMPLATE_PREFIX: &str = "doctyped_test_template_";

async fn drop_templates_of_ended_runs(server: &str) {
    if !Path::new("/proc/self").exists() {
        return;
    }
    let connection = Database::connect(format!("{server}/postgres")).await.expect("the PostgreSQL server answers");
    for name in ask(&connection, "SELECT CAST(datname AS text) FROM pg_database").await {
        let of = name.strip_prefix(TEMPLATE_PREFIX);
        if of.is_some_and(|process| !Path::new("/proc").join(process).exists()) {
            connection.execute_unprepared(&format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)")).await.ok();
        }
    }
    connection.close().await.unwrap();
}

impl Drop for TestDatabase {
    fn drop(&mut self) {
        let Some((server, name)) = self.drop_from.take() else { return };
        // A runtime of its own: the test's is about to end.
        let dropping = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(run(&server, &[&format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)")]));
        });
        drop(dropping.join());
    }
}

async fn run(server: &str, statements: &[&str]) {
    let connection = Database::connect(format!("{server}/postgres")).await.expect("the PostgreSQL server answers");
    for statement in statements {
        connection.execute_unprepared(statement).await.expect("the test user may make databases");
    }
    connection.close().await.unwrap();
}
