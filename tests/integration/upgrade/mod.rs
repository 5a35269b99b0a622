//! Sites that earlier versions left behind: the program of today takes them over, and refuses those of later ones.
//!
//! `tests/integration/upgrade/FORMAT/` holds a site of each format: its SQLite file, its key, its files, a backup, and an
//! API key. `cargo test --test integration keep_a_site -- --ignored` writes that of today.

use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;

use crate::backup::{Library, check_works, define};
use crate::support::database::is_postgres;
use crate::support::process::ServerProcess;

const FORMATS: &[&str] = &["1"];

/// Small and made once: not to be read by eye.
const SITE: &str = "site.db.gz";
const KEY: &str = "site.key";
const BACKUP: &str = "site.backup";
const API_KEY: &str = "api_key";

fn folder(format: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/integration/upgrade").join(format)
}

/// A folder with the key and the DocTypes of that site; the database is empty.
async fn prepare(format: &str) -> (ServerProcess, String) {
    let server = ServerProcess::prepare(&[]).await;
    define(server.folder.path());
    let data = server.folder.path().join("data");
    std::fs::create_dir_all(&data).unwrap();
    std::fs::copy(folder(format).join(KEY), data.join(KEY)).unwrap();
    (server, std::fs::read_to_string(folder(format).join(API_KEY)).unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_of_an_earlier_version_is_taken_over() {
    if is_postgres() {
        eprintln!("SKIPPED: the databases that were kept are SQLite's");
        return;
    }
    for format in FORMATS {
        let (mut server, key) = prepare(format).await;
        let mut kept = Vec::new();
        GzDecoder::new(std::fs::File::open(folder(format).join(SITE)).unwrap()).read_to_end(&mut kept).unwrap();
        std::fs::write(server.database.url.trim_start_matches("sqlite://"), kept).unwrap();
        // Its files are those of the backup.
        let (restored, _) = prepare(format).await;
        restored.run(&["restore", folder(format).join(BACKUP).to_str().unwrap()]).await.unwrap();
        std::fs::rename(restored.folder.path().join("data/files"), server.folder.path().join("data/files")).unwrap();
        server.start_again().await;
        check_works(&server, &key).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_of_an_earlier_version_is_restored() {
    for format in FORMATS {
        let (mut server, key) = prepare(format).await;
        server.run(&["restore", folder(format).join(BACKUP).to_str().unwrap()]).await.unwrap();
        server.start_again().await;
        check_works(&server, &key).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_of_a_later_version_is_refused_by_every_command() {
    let mut server = ServerProcess::start(&[]).await;
    let format = "SELECT \"value\" FROM \"__doctyped\" WHERE \"key\" = 'format'";
    assert_eq!(server.database.ask(format).await, [format!("1 {}", env!("CARGO_PKG_VERSION"))]);
    server.kill();
    server.database.execute("UPDATE \"__doctyped\" SET \"value\" = '2 9.1.0' WHERE \"key\" = 'format'").await;
    for command in [&["serve"][..], &["migrate"], &["backup"], &["key", "Administrator"]] {
        let refused = server.run(command).await.unwrap_err();
        assert!(refused.contains("Doctyped 9.1.0 has written this database in format 2"), "{command:?}: {refused}");
        assert!(refused.contains("run 9.1.0 or later"), "{command:?}: {refused}");
    }
    let examined = server.program().arg("doctor").output().unwrap().stdout;
    let examined = String::from_utf8(examined).unwrap();
    assert!(examined.contains("format 2"), "{examined}");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "writes the site that later versions are to take over"]
async fn keep_a_site() {
    assert!(!is_postgres(), "on SQLite alone");
    let mut library = Library::open().await;
    let backup = library.back_up(&[]).await;
    let here = folder(FORMATS.last().unwrap());
    std::fs::create_dir_all(&here).unwrap();
    library.server.ask_to_end();
    assert!(library.server.ended().await.success());
    let data = library.server.folder.path().join("data");
    std::fs::copy(data.join(KEY), here.join(KEY)).unwrap();
    std::fs::copy(backup, here.join(BACKUP)).unwrap();
    std::fs::write(here.join(API_KEY), &library.key).unwrap();
    let site = std::fs::read(library.server.database.url.trim_start_matches("sqlite://")).unwrap();
    let mut zipped = GzEncoder::new(std::fs::File::create(here.join(SITE)).unwrap(), Compression::best());
    zipped.write_all(&site).unwrap();
    zipped.finish().unwrap();
}
