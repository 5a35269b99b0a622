//! A Frappe site as its people left it: loaded into MariaDB, moved in, and served.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use flate2::read::GzDecoder;
use sqlx::mysql::MySqlConnection;
use sqlx::{AssertSqlSafe, Connection as _};

use crate::support::{Client, ServerProcess};

/// A Frappe site's database, dropped at the end, and its files.
pub struct FrappeSite {
    server: String,
    database: String,
    folder: PathBuf,
    pub files: tempfile::TempDir,
}

impl FrappeSite {
    /// Loads it; `None`, and says so, where the environment names no MariaDB or no site.
    pub async fn load() -> Option<Self> {
        let switches = ["DOCTYPED_TEST_MARIADB", "DOCTYPED_TEST_FRAPPE_SITE"].map(|name| std::env::var(name).ok());
        let [Some(server), Some(folder)] = switches else {
            eprintln!("SKIPPED: set DOCTYPED_TEST_MARIADB and DOCTYPED_TEST_FRAPPE_SITE to move a Frappe site in");
            return None;
        };
        let server = server.trim_end_matches('/').to_owned();
        let database = format!("doctyped_test_{}", doctyped::testing::secret::random_name());
        let files = tempfile::tempdir().unwrap();
        let site = Self { server, database, folder: PathBuf::from(folder), files };
        let create = format!("CREATE DATABASE {} CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci", site.database);
        run(&site.server, &create).await;
        run(&site.url(), &unzipped(&site.folder.join("site.sql.gz"))).await;
        let archive = GzDecoder::new(std::fs::File::open(site.folder.join("files.tar.gz")).unwrap());
        tar::Archive::new(archive).unpack(site.files.path()).unwrap();
        Some(site)
    }

    /// The address of its database.
    pub fn url(&self) -> String {
        format!("{}/{}", self.server, self.database)
    }

    /// Changes something in it.
    pub async fn execute(&self, sql: &str) {
        run(&self.url(), sql).await;
    }

    /// Runs `import-frappe` on an empty site; what it printed, or its complaint.
    pub async fn import(&self, into: &ServerProcess, further: &[&str]) -> Result<String, String> {
        std::fs::create_dir_all(into.folder.path().join("doctypes")).unwrap();
        let (url, config) = (self.url(), self.folder.join("site_config.json"));
        let files = self.files.path();
        let paths = [files, &config].map(|path: &Path| path.to_str().unwrap());
        let arguments = ["import-frappe", "--from", &url, "--files", paths[0], "--site-config", paths[1]];
        into.run(&[&arguments[..], further].concat()).await
    }

    /// Removes the database.
    pub async fn drop(self) {
        run(&self.server, &format!("DROP DATABASE {}", self.database)).await;
    }
}

/// Whoever has an API key.
pub fn by_key(server: &ServerProcess, key: &str) -> Client {
    server.guest().with_header("authorization", &format!("token {key}"))
}

async fn run(url: &str, sql: &str) {
    let mut connection = MySqlConnection::connect(url).await.unwrap();
    sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();
}

fn unzipped(path: &Path) -> String {
    let mut text = String::new();
    GzDecoder::new(std::fs::File::open(path).unwrap()).read_to_string(&mut text).unwrap();
    text
}
