//! Live reload: all DocType files together, or none.

use doctyped::meta::load::Source;
use doctyped::reload::{Reloaded, reload};
use serde_json::json;

use crate::support::{PASSWORD, TestSite};

fn source(text: &str) -> Vec<Source> {
    vec![Source { path: "test/book.yaml".to_owned(), text: text.to_owned() }]
}

const BOOK: &str = "
name: Book
module: Library
fields:
  - { fieldname: title, fieldtype: Data, label: Title, reqd: true }
permissions:
  - { role: Librarian, read: true, write: true, create: true }
";

#[tokio::test]
async fn a_new_file_is_a_table_without_a_restart() {
    let site = TestSite::new().await;
    let outcome = reload(&site.site, &source(BOOK)).await;
    assert!(matches!(outcome, Reloaded::Swapped { .. }), "{outcome:?}");
    site.db_insert("Book", json!({"title": "Moby-Dick"})).await;
    assert_eq!(site.db_names("Role", json!({"name": "Librarian"})).await, ["Librarian"], "its roles are there too");
    assert_eq!(site.db_names("Module Def", json!({"name": "Library"})).await, ["Library"]);
    let more = BOOK.replace("permissions:", "  - { fieldname: isbn, fieldtype: Data, label: ISBN }\npermissions:");
    reload(&site.site, &source(&more)).await;
    site.db_insert("Book", json!({"title": "Dune", "isbn": "9780441172719"})).await;
}

#[tokio::test]
async fn a_broken_file_changes_nothing_and_is_reported() {
    let site = TestSite::new().with_doctype(BOOK).await;
    let broken = BOOK.replace("Data", "Dta");
    let Reloaded::Kept(problems) = reload(&site.site, &source(&broken)).await else { panic!("it was taken") };
    assert!(problems[0].contains("test/book.yaml:5"), "{problems:?}");
    assert_eq!(*site.site.doctype_files.problems(), problems);
    site.db_insert("Book", json!({"title": "Moby-Dick"})).await;
    site.guest().log_in("Administrator", PASSWORD).await.ok();
    reload(&site.site, &source(BOOK)).await;
    assert!(site.site.doctype_files.problems().is_empty());
}

#[tokio::test]
async fn a_change_that_could_lose_data_waits_for_migrate() {
    let site = TestSite::new().with_doctype(BOOK).await;
    site.db_insert("Book", json!({"title": "Moby-Dick"})).await;
    let risky = BOOK.replace("fieldtype: Data", "fieldtype: Int");
    let Reloaded::Kept(problems) = reload(&site.site, &source(&risky)).await else { panic!("it was taken") };
    assert!(problems.iter().any(|line| line.contains("title")), "{problems:?}");
    assert_eq!(site.db_names("Book", json!({"title": "Moby-Dick"})).await.len(), 1);
}

#[tokio::test]
async fn a_file_that_is_saved_is_noticed() {
    let folder = tempfile::tempdir().unwrap();
    let doctypes = folder.path().join("library");
    let watched = doctypes.clone();
    let site = TestSite::new().with_config(move |config| config.doctypes = vec![watched]).await;
    let (stop, stopped) = tokio::sync::watch::channel(false);
    let watching = doctyped::reload::watch(site.site.clone(), Vec::new(), stopped);
    // The watcher is set up in its task.
    tokio::time::sleep(std::time::Duration::from_millis(300)).await;
    // Not even the folder was there when the site started.
    std::fs::create_dir(&doctypes).unwrap();
    std::fs::write(doctypes.join("book.yaml"), BOOK).unwrap();
    for _ in 0..100 {
        if site.documents().doctype("Book").is_ok() {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    assert!(site.documents().doctype("Book").is_ok());
    stop.send(true).unwrap();
    watching.await.unwrap();
}
