//! DocType files while a site is served and when it starts: what is good is in force, what is not stays as it was.

use doctyped::testing::load::Source;
use doctyped::testing::reload::{Reloaded, reload};
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
    assert_eq!(site.site.doctype_files.problems(), problems);
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
async fn others_write_while_many_files_add_a_column_each() {
    let many: usize = std::env::var("DOCTYPED_TEST_MANY").ok().and_then(|many| many.parse().ok()).unwrap_or(60);
    let sources = |field: &str| -> Vec<Source> {
        let file = |n: usize| Source {
            path: format!("many/{n}.yaml"),
            text: format!(
                "name: Many {n}\nmodule: Library\nfields:\n  - {{ fieldname: title, label: Title }}\n{field}"
            ),
        };
        (0..many).map(file).collect()
    };
    let site = TestSite::new().await;
    reload(&site.site, &sources("")).await;
    let started = std::time::Instant::now();
    let all = sources("  - { fieldname: more, label: More }\n");
    let reloading = reload(&site.site, &all);
    tokio::pin!(reloading);
    let (mut written, mut longest) = (0, std::time::Duration::ZERO);
    let outcome = loop {
        let began = std::time::Instant::now();
        let gender = json!({"gender": format!("g{written}")});
        let writing = async {
            site.db_insert("Gender", gender).await;
        };
        tokio::pin!(writing);
        tokio::select! {
            outcome = &mut reloading => {
                writing.await;
                break outcome;
            }
            () = &mut writing => {
                written += 1;
                longest = longest.max(began.elapsed());
            }
        }
    };
    assert!(matches!(outcome, Reloaded::Swapped { .. }), "{outcome:?}");
    eprintln!("{many} DocTypes in {:?}: {written} written meanwhile, the longest in {longest:?}", started.elapsed());
    assert!(written > 1, "nobody could write");
    site.db_insert(&format!("Many {}", many - 1), json!({"title": "a", "more": "b"})).await;
}

const LOAN: &str = "
name: Loan
module: Library
fields:
  - { fieldname: book, fieldtype: Link, options: Book, label: Book }
permissions:
  - { role: Librarian, read: true, write: true, create: true }
";

/// A site whose DocType files lie in a folder that tests write to.
async fn site_with_files(files: &[(&str, &str)]) -> (TestSite, std::path::PathBuf) {
    let folder = tempfile::tempdir().unwrap().keep();
    for (name, text) in files {
        std::fs::write(folder.join(name), text).unwrap();
    }
    let configured = folder.clone();
    let site = TestSite::new().with_config(move |config| config.doctypes = vec![configured]).await;
    (site, folder)
}

#[tokio::test]
async fn one_broken_file_holds_up_no_other_neither_live_nor_at_the_start() {
    let (mut site, folder) = site_with_files(&[("book.yaml", BOOK), ("loan.yaml", LOAN)]).await;
    site.db_insert("Book", json!({"title": "Moby-Dick"})).await;
    let better = LOAN.replace("permissions:", "  - { fieldname: until, fieldtype: Date, label: Until }\npermissions:");
    for broken in [
        "",
        "name: Book\nfields:\n  - { fieldname: ti",
        "name: Book\nfields:\n  - { fieldname: title, fieldtype: Dta }",
    ] {
        std::fs::write(folder.join("book.yaml"), broken).unwrap();
        std::fs::write(folder.join("loan.yaml"), &better).unwrap();
        assert!(matches!(reload(&site.site, &[]).await, Reloaded::Kept(_)), "{broken}");
        for _ in 0..2 {
            assert!(site.documents().doctype("Book").unwrap().field("title").unwrap().reqd, "{broken}");
            assert!(
                site.documents().doctype("Loan").unwrap().field("until").is_some(),
                "{broken}: the good one is in force"
            );
            let title = format!("Dune {}", site.db_names("Book", json!({})).await.len());
            let book = site.db_insert("Book", json!({"title": title})).await;
            site.db_insert("Loan", json!({"book": book, "until": "2030-01-01"})).await;
            assert!(site.site.doctype_files.problems()[0].contains("book.yaml"), "{broken}");
            site = site.restart().await;
        }
    }
    std::fs::write(folder.join("book.yaml"), BOOK).unwrap();
    assert!(matches!(reload(&site.site, &[]).await, Reloaded::Swapped { .. }));
}

#[tokio::test]
async fn a_change_that_could_lose_data_waits_over_restarts_with_its_plan_in_the_desk() {
    let (mut site, folder) = site_with_files(&[("book.yaml", BOOK), ("loan.yaml", LOAN)]).await;
    site.db_insert("Book", json!({"title": "Moby-Dick"})).await;
    std::fs::write(folder.join("book.yaml"), BOOK.replace("fieldtype: Data", "fieldtype: Int")).unwrap();
    std::fs::write(folder.join("more.yaml"), LOAN.replace("Loan", "More")).unwrap();
    assert!(matches!(reload(&site.site, &[]).await, Reloaded::Kept(_)));
    for _ in 0..2 {
        assert!(site.documents().doctype("More").is_ok());
        site.db_insert("Book", json!({"title": "Still text"})).await;
        let administrator = site.administrator().await;
        for page in ["/app", "/app/loan", "/app/user/Administrator"] {
            let page = administrator.get(page).await.status(200).body;
            assert!(page.contains("href=\"/app/_definitions\""), "{page}");
        }
        let page = administrator.get("/app/_definitions").await.status(200).body;
        for part in
            ["Book has a change that could lose data", "title", "row", "doctyped migrate --apply-risky", "<details>"]
        {
            assert!(page.contains(part), "{part}: {page}");
        }
        site = site.restart().await;
    }
    let reader = site.user("reader@example.com", &[]).await;
    assert!(!reader.get("/app").await.status(200).body.contains("/app/_definitions"));
    reader.get("/app/_definitions").await.status(403);
}

#[tokio::test]
async fn a_removed_file_takes_its_doctype_out_of_force_and_leaves_the_table() {
    let (mut site, folder) = site_with_files(&[("book.yaml", BOOK), ("loan.yaml", LOAN)]).await;
    site.db_insert("Book", json!({"title": "Moby-Dick"})).await;
    std::fs::remove_file(folder.join("book.yaml")).unwrap();
    assert!(matches!(reload(&site.site, &[]).await, Reloaded::Swapped { .. }));
    site = site.restart().await;
    assert!(site.documents().doctype("Book").is_err() && site.documents().doctype("Loan").is_ok());
    std::fs::write(folder.join("book.yaml"), BOOK).unwrap();
    reload(&site.site, &[]).await;
    assert_eq!(site.db_names("Book", json!({"title": "Moby-Dick"})).await.len(), 1, "the documents are there again");
}

#[tokio::test]
async fn a_folder_that_disappears_takes_nothing_along() {
    let (mut site, folder) = site_with_files(&[("book.yaml", BOOK), ("loan.yaml", LOAN)]).await;
    let unmounted = folder.with_extension("unmounted");
    std::fs::rename(&folder, &unmounted).unwrap();
    for _ in 0..2 {
        assert!(matches!(reload(&site.site, &[]).await, Reloaded::Kept(_)));
        site.db_insert("Book", json!({"title": format!("Dune {}", site.db_names("Book", json!({})).await.len())}))
            .await;
        site = site.restart().await;
        // What a mount point is without its volume.
        drop(std::fs::create_dir(&folder));
    }
    std::fs::remove_dir(&folder).unwrap();
    std::fs::rename(&unmounted, &folder).unwrap();
    assert!(matches!(reload(&site.site, &[]).await, Reloaded::Swapped { .. }));
}

#[tokio::test]
async fn what_breaks_an_overlay_or_a_child_table_is_contained() {
    let overlay = "extends: User\nfields:\n  - { fieldname: shoe_size, fieldtype: Int, label: Shoe Size }\n";
    let line = "name: Loan Line\nmodule: Library\nistable: true\nfields:\n  - { fieldname: note, label: Note }\n";
    let loan = LOAN.replace(
        "permissions:",
        "  - { fieldname: lines, fieldtype: Table, options: Loan Line, label: Lines }\npermissions:",
    );
    let files = [("book.yaml", BOOK), ("loan.yaml", &loan), ("line.yaml", line), ("user.yaml", overlay)];
    let (mut site, folder) = site_with_files(&files).await;
    std::fs::write(folder.join("user.yaml"), "extends: User\nfields:\n  - { fieldname: shoe size }\n").unwrap();
    std::fs::write(folder.join("line.yaml"), "name: Loan Line\nistable: maybe\n").unwrap();
    std::fs::write(folder.join("book.yaml"), "name: Book\nfields: 3\n").unwrap();
    reload(&site.site, &[]).await;
    for size in [43, 44] {
        site.db_update("User", "Administrator", json!({"shoe_size": size})).await;
        site.db_insert("Loan", json!({"lines": [{"note": "torn"}]})).await;
        site = site.restart().await;
    }
    assert_eq!(site.site.doctype_files.faults().len(), 3);
}

#[tokio::test]
async fn a_file_that_is_saved_is_noticed() {
    let folder = tempfile::tempdir().unwrap();
    let doctypes = folder.path().join("library");
    let watched = doctypes.clone();
    let site = TestSite::new().with_config(move |config| config.doctypes = vec![watched]).await;
    let (stop, stopped) = tokio::sync::watch::channel(false);
    let watching = doctyped::testing::reload::watch(site.site.clone(), Vec::new(), stopped);
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
