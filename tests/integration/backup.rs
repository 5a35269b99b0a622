//! A site leaves its database whole, and comes back: as a file, and from one database to another.

use std::path::{Path, PathBuf};

use serde_json::json;

use crate::files::upload_to;
use crate::support::Client;
use crate::support::database::{TestDatabase, is_postgres};
use crate::support::process::ServerProcess;

const BOOK: &str = "
name: Book
module: Library
autoname: format:B-{####}
track_changes: 1
fields:
  - { fieldname: title, fieldtype: Data, reqd: 1 }
  - { fieldname: price, fieldtype: Currency }
  - { fieldname: weight, fieldtype: Float }
  - { fieldname: bought, fieldtype: Datetime }
  - { fieldname: shelfmark, fieldtype: Password }
  - { fieldname: facts, fieldtype: JSON }
  - { fieldname: lines, fieldtype: Table, options: Book Line }
";
const LINE: &str = "
name: Book Line
module: Library
istable: 1
fields:
  - { fieldname: text, fieldtype: Small Text }
";
const TICKET: &str = "
name: Ticket
module: Library
autoname: autoincrement
fields:
  - { fieldname: subject, fieldtype: Data }
";

/// A library that is served, with something of every kind in it.
pub struct Library {
    pub server: ServerProcess,
    administrator: Client,
    /// `api_key:api_secret` of Alice.
    pub key: String,
}

pub fn define(folder: &Path) {
    let doctypes = folder.join("doctypes");
    std::fs::create_dir_all(&doctypes).unwrap();
    for (name, text) in [("book", BOOK), ("book_line", LINE), ("ticket", TICKET)] {
        std::fs::write(doctypes.join(format!("{name}.yaml")), text).unwrap();
    }
}

impl Library {
    pub async fn open() -> Self {
        Self::open_with(&[]).await
    }

    pub async fn open_with(environment: &[(&'static str, &'static str)]) -> Self {
        let mut server = ServerProcess::prepare(environment).await;
        define(server.folder.path());
        server.start_again().await;
        let administrator = server.administrator().await;
        let book = json!({
            "title": "Der Prozeß \u{1f4d6}", "price": 12.35, "weight": 0.1, "bought": "2024-02-29 23:59:59.123456",
            "shelfmark": "behind the clock", "facts": {"pages": 223, "series": null},
            "lines": [{"text": "Jemand mußte\nJosef K."}, {"text": ""}],
        });
        administrator.create("Book", book).await.ok();
        administrator.update("Book", "B-0001", json!({"price": 13})).await.ok();
        for subject in ["one", "two", "three"] {
            administrator.create("Ticket", json!({"subject": subject})).await.ok();
        }
        administrator.remove("Ticket", "3").await.status(202);
        let alice =
            json!({"email": "alice@example.com", "first_name": "Alice", "new_password": "so many white rabbits"});
        administrator.create("User", alice).await.ok();
        administrator.update("System Settings", "System Settings", json!({"app_name": "The Library"})).await.ok();
        for (name, private) in [("open.txt", "0"), ("closed.txt", "1")] {
            let fields = [("is_private", private), ("doctype", "Book"), ("docname", "B-0001")];
            upload_to(&administrator, "/api/method/upload_file", name, name.as_bytes(), &fields).await.ok();
        }
        let key = server.run(&["key", "alice@example.com"]).await.unwrap().trim().to_owned();
        Self { server, administrator, key }
    }

    /// What can be seen of it.
    async fn seen(client: &Client) -> Vec<serde_json::Value> {
        let mut seen = vec![client.read("Book", "B-0001").await.ok()];
        for doctype in ["Version", "File", "User", "Ticket", "Has Role", "Security Event"] {
            let query = "fields=[\"*\"]&order_by=name asc&limit_page_length=0";
            seen.push(client.list(doctype, query).await.ok());
        }
        seen
    }

    pub async fn back_up(&self, arguments: &[&str]) -> PathBuf {
        let printed = self.server.run(&[&["backup", "--to", "backups"], arguments].concat()).await.unwrap();
        let path = printed.split(": ").next().unwrap();
        self.server.folder.path().join(path)
    }
}

/// That a site works as the one whose rows it has.
pub async fn check_works(server: &ServerProcess, key: &str) {
    let alice = server.guest();
    alice.log_in("alice@example.com", "so many white rabbits").await.ok();
    let by_key = server.guest().with_header("authorization", &format!("token {key}"));
    assert_eq!(by_key.logged_user().await, "alice@example.com");
    let administrator = server.administrator().await;
    // The counters go on where they were, also behind what was deleted.
    assert_eq!(administrator.create("Book", json!({"title": "Das Schloß"})).await.ok()["name"], json!("B-0002"));
    assert_eq!(administrator.create("Ticket", json!({"subject": "four"})).await.ok()["name"], json!(4));
    assert_eq!(administrator.get("/files/open.txt").await.status(200).body, "open.txt");
    assert_eq!(administrator.get("/private/files/closed.txt").await.status(200).body, "closed.txt");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_made_while_a_site_is_served_gives_back_every_part_of_it() {
    let mut library = Library::open().await;
    let passphrase = library.server.folder.path().join("passphrase");
    std::fs::write(&passphrase, "correct horse battery staple\n").unwrap();
    let passphrase = passphrase.to_str().unwrap().to_owned();
    let before = Library::seen(&library.administrator).await;
    let file = library.back_up(&["--with-key", &passphrase]).await;
    assert_eq!(Library::seen(&library.administrator).await, before, "it was only read");

    let mut restored = ServerProcess::prepare(&[]).await;
    // The key is not there: without the passphrase nothing is changed.
    let file = file.to_str().unwrap();
    let refused = restored.run(&["restore", file]).await.unwrap_err();
    assert!(refused.contains("passphrase"), "{refused}");
    let told = restored.run(&["restore", file, "--with-key", &passphrase]).await.unwrap();
    assert!(told.contains("2 files"), "{told}");
    // Its DocTypes are in the backup, its files are not: whoever has neither loses nothing.
    restored.start_again().await;
    let administrator = restored.administrator().await;
    let with_login = Library::seen(&administrator).await;
    assert_eq!(with_login[0], before[0]);
    for (position, kind) in [(1, "Version"), (2, "File"), (4, "Ticket"), (5, "Has Role")] {
        assert_eq!(with_login[position], before[position], "{kind}");
    }
    check_works(&restored, &library.key).await;
    let again = restored.run(&["restore", file, "--with-key", &passphrase]).await.unwrap_err();
    assert!(again.contains("there is a site in this database already"), "{again}");
    library.server.kill();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_that_is_damaged_or_cut_changes_nothing() {
    let library = Library::open().await;
    let file = library.back_up(&[]).await;
    let whole = std::fs::read(&file).unwrap();
    let empty = ServerProcess::prepare(&[]).await;
    std::fs::create_dir(empty.folder.path().join("data")).unwrap();
    std::fs::copy(library.server.folder.path().join("data/site.key"), empty.folder.path().join("data/site.key"))
        .unwrap();
    let damaged = empty.folder.path().join("damaged.backup");
    let mut flipped = whole.clone();
    let middle = flipped.len() / 2;
    flipped[middle] ^= 0x40;
    for wrong in [&whole[..whole.len() / 2], &flipped, b"not a backup", b""] {
        std::fs::write(&damaged, wrong).unwrap();
        let complaint = empty.run(&["restore", damaged.to_str().unwrap()]).await.unwrap_err();
        assert!(complaint.starts_with("error: "), "{complaint}");
    }
    // It is as empty as before.
    std::fs::write(&damaged, &whole).unwrap();
    empty.run(&["restore", damaged.to_str().unwrap()]).await.unwrap();
}

/// Has the database refuse every File, or take them again.
async fn refuse_files(server: &ServerProcess, refuse: bool) {
    let sql = match (is_postgres(), refuse) {
        (false, true) => "CREATE TRIGGER refuse BEFORE INSERT ON \"tabFile\" BEGIN SELECT RAISE(ABORT, 'refused'); END",
        (false, false) => "DROP TRIGGER refuse",
        (true, true) => "ALTER TABLE \"tabFile\" ADD CONSTRAINT refuse CHECK (name = '')",
        (true, false) => "ALTER TABLE \"tabFile\" DROP CONSTRAINT refuse",
    };
    server.database.execute(sql).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restore_that_fails_or_was_ended_leaves_nothing_and_is_simply_done_again() {
    let library = Library::open().await;
    let file = library.back_up(&[]).await;
    let restored = ServerProcess::prepare(&[]).await;
    let data = restored.folder.path().join("data");
    std::fs::create_dir(&data).unwrap();
    std::fs::copy(library.server.folder.path().join("data/site.key"), data.join("site.key")).unwrap();
    restored.run(&["migrate"]).await.unwrap();
    refuse_files(&restored, true).await;
    let complaint = restored.run(&["restore", file.to_str().unwrap()]).await.unwrap_err();
    assert!(complaint.contains("write rows of tabFile"), "{complaint}");
    assert!(restored.database.ask("SELECT CAST(\"name\" AS text) FROM \"tabUser\"").await.is_empty());
    let files = data.join("files");
    assert_eq!(std::fs::read_dir(&files).map_or(0, Iterator::count), 0, "no file is left");
    // As `kill -9` would leave it.
    std::fs::create_dir_all(files.join(".restoring/public")).unwrap();
    std::fs::write(files.join(".restoring/public/half"), "half").unwrap();
    refuse_files(&restored, false).await;
    // Files of somebody else are not mixed with those of the backup.
    std::fs::write(files.join("own"), "own").unwrap();
    let complaint = restored.run(&["restore", file.to_str().unwrap()]).await.unwrap_err();
    assert!(complaint.contains("holds files already"), "{complaint}");
    std::fs::remove_file(files.join("own")).unwrap();
    restored.run(&["restore", file.to_str().unwrap()]).await.unwrap();
    let mut kinds: Vec<_> = std::fs::read_dir(&files).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    kinds.sort();
    assert_eq!(kinds, ["private", "public"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_oldest_backups_go_and_nobody_else_reads_them() {
    let library = Library::open().await;
    let mut made = Vec::new();
    for _ in 0..3 {
        made.push(library.back_up(&["--keep", "2"]).await);
    }
    assert_eq!(made.iter().map(|path| path.exists()).collect::<Vec<_>>(), [false, true, true]);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        assert_eq!(std::fs::metadata(&made[2]).unwrap().permissions().mode() & 0o777, 0o600);
    }
    // What was begun long ago and never ended goes, too; what may still be written stays.
    let begun = ["doctyped-old.part", "doctyped-new.part"].map(|name| made[2].with_file_name(name));
    for path in &begun {
        std::fs::write(path, "half").unwrap();
    }
    std::fs::File::options().write(true).open(&begun[0]).unwrap().set_modified(std::time::UNIX_EPOCH).unwrap();
    library.back_up(&["--keep", "2"]).await;
    assert_eq!(begun.map(|path| path.exists()), [false, true]);
    let named = made[2].to_str().unwrap();
    let refused = library.server.run(&["backup", "--to", named]).await.unwrap_err();
    assert!(refused.contains("exists already"), "{refused}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_site_moves_to_the_other_database_and_back() {
    let mut library = Library::open().await;
    let folder = tempfile::tempdir().unwrap();
    let Some(other) = TestDatabase::of_the_other_kind(folder.path()).await else {
        eprintln!("SKIPPED: set DOCTYPED_TEST_POSTGRES to move a site to PostgreSQL and back");
        return;
    };
    let before = library.administrator.read("Book", "B-0001").await.ok();
    let served = library.server.run(&["copy", "--to", &other.url]).await.unwrap_err();
    assert!(served.contains("stop it first"), "{served}");
    library.server.kill();
    let home = std::mem::replace(&mut library.server.database, other);
    let told = library.server.run(&["copy", "--from", &home.url, "--to", &library.server.database.url]).await.unwrap();
    assert!(told.starts_with("Copied and compared"), "{told}");
    library.server.start_again().await;
    let administrator = library.server.administrator().await;
    assert_eq!(administrator.read("Book", "B-0001").await.ok(), before);
    check_works(&library.server, &library.key).await;
    let changed = administrator.list("Book", "fields=[\"*\"]&order_by=name asc").await.ok();
    library.server.kill();

    // And back into a new database of the first kind, with what was written meanwhile.
    let new_home = tempfile::tempdir().unwrap();
    let back = TestDatabase::new(new_home.path()).await;
    let there = std::mem::replace(&mut library.server.database, back);
    library.server.run(&["copy", "--from", &there.url, "--to", &library.server.database.url]).await.unwrap();
    library.server.start_again().await;
    let administrator = library.server.administrator().await;
    assert_eq!(administrator.list("Book", "fields=[\"*\"]&order_by=name asc").await.ok(), changed);
    assert_eq!(administrator.create("Ticket", json!({"subject": "five"})).await.ok()["name"], json!(5));
    let refused = library.server.run(&["copy", "--from", &there.url, "--to", &library.server.database.url]).await;
    assert!(refused.unwrap_err().contains("there is a site in this database already"));
}
