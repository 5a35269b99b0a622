//! The key that seals a site is replaced while it is served.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use doctyped::testing::secret::SiteKey;
use serde_json::{Value as Json, json};

use crate::backup::{Library, check_works};
use crate::oauth::support::{BASE, Program};
use crate::support::Client;
use crate::support::database::is_postgres;
use crate::support::process::ServerProcess;

const SHELFMARK: &str = "behind the clock";

fn key_file(server: &ServerProcess) -> PathBuf {
    server.folder.path().join("data/site.key")
}

fn key(path: &Path) -> SiteKey {
    SiteKey::from_text(&std::fs::read_to_string(path).unwrap()).unwrap()
}

/// The sealed Password field of the book.
async fn sealed_shelfmark(server: &ServerProcess) -> String {
    let sql = "SELECT \"password\" FROM \"__Auth\" WHERE \"doctype\" = 'Book' AND \"name\" = 'B-0001'";
    server.database.ask(sql).await.remove(0)
}

/// Everything in a site that the key opens or recognises.
struct Sealed {
    /// Its secret is stored as a digest.
    program: Program,
    /// Its secret signs, and so is sealed.
    signing: Program,
    tokens: Json,
    /// What a program with an API Key sends.
    key: String,
    person: Client,
    base: String,
}

impl Sealed {
    async fn of(library: &Library) -> Self {
        let administrator = library.server.administrator().await;
        let program = Program::made_by(&administrator, library.server.guest(), json!({})).await;
        let values = json!({"token_endpoint_auth_method": "Client Secret JWT"});
        let signing = Program::made_by(&administrator, library.server.guest(), values).await;
        let provider = json!({
            "provider_name": "Elsewhere", "client_id": "library", "client_secret": "known to both",
            "openid_configuration": "https://id.example.com/.well-known/openid-configuration",
        });
        administrator.create("Connected App", provider).await.ok();
        let person = library.server.guest();
        person.log_in("alice@example.com", "so many white rabbits").await.ok();
        let tokens = program.tokens(&person).await;
        let key = person.create("API Key", json!({"title": "Laptop"})).await.ok();
        let key = key["authorization"].as_str().unwrap().to_owned();
        Self { program, signing, tokens, key, person, base: library.server.base.clone() }
    }

    /// That all of it goes on; a renewal signs an ID token with a key that is sealed, and keeps its answer sealed.
    async fn check(&mut self, server: &ServerProcess) {
        assert_eq!(self.person.logged_user().await, "alice@example.com");
        let bearer = format!("Bearer {}", self.tokens["access_token"].as_str().unwrap());
        assert_eq!(server.guest().with_header("authorization", &bearer).logged_user().await, "alice@example.com");
        assert_eq!(server.guest().with_header("authorization", &self.key).logged_user().await, "alice@example.com");
        self.tokens = self.program.refresh(self.tokens["refresh_token"].as_str().unwrap()).await.status(200).json();
        assert!(self.tokens["id_token"].is_string(), "{}", self.tokens);
        let now = doctyped::testing::clock::Clock::system().now().timestamp();
        let claims = json!({
            "iss": self.signing.id, "sub": self.signing.id, "aud": self.base, "jti": doctyped::testing::secret::random_id(),
            "iat": now, "exp": now + 60,
        });
        let assertion = doctyped::testing::jwt::sign_hs256(self.signing.secret.as_bytes(), "JWT", &claims);
        let fields = [("grant_type", "refresh_token"), ("refresh_token", "dt_rt_x")];
        self.signing.post_signed("get_token", &assertion, &fields).await.oauth_error(400, "invalid_grant");
    }
}

/// Requests of every kind that run until they are told to end; how many there were.
struct Traffic {
    over: Arc<AtomicBool>,
    done: Arc<AtomicUsize>,
    tasks: Vec<tokio::task::JoinHandle<()>>,
}

impl Traffic {
    async fn begin(library: &Library) -> Self {
        let (over, done) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        let mut tasks = Vec::new();
        let administrator = library.server.administrator().await;
        for number in 0..3 {
            let client = administrator.clone();
            let program = Program::made_by(&client, library.server.guest(), json!({})).await;
            let mut tokens = program.tokens(&client).await;
            let (over, done) = (Arc::clone(&over), Arc::clone(&done));
            tasks.push(tokio::spawn(async move {
                while !over.load(Ordering::Relaxed) {
                    let book = json!({"title": format!("of {number}"), "shelfmark": "somewhere"});
                    let name = client.create("Book", book).await.ok()["name"].as_str().unwrap().to_owned();
                    client.update("Book", &name, json!({"shelfmark": "elsewhere"})).await.ok();
                    tokens = program.refresh(tokens["refresh_token"].as_str().unwrap()).await.status(200).json();
                    client.remove("Book", &name).await.status(202);
                    done.fetch_add(1, Ordering::Relaxed);
                }
            }));
        }
        Self { over, done, tasks }
    }

    /// Waits for some more of them.
    async fn go_on(&self) {
        let before = self.done.load(Ordering::Relaxed);
        while self.done.load(Ordering::Relaxed) < before + 3 {
            assert!(!self.tasks.iter().any(tokio::task::JoinHandle::is_finished), "a request has failed");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    async fn end(self) {
        self.over.store(true, Ordering::Relaxed);
        for task in self.tasks {
            task.await.unwrap();
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_key_of_a_served_site_is_replaced_and_retired_while_requests_run() {
    let library = Library::open().await;
    let (server, file) = (&library.server, key_file(&library.server));
    let mut sealed = Sealed::of(&library).await;
    sealed.check(server).await;
    let old = key(&file);
    assert!(sealed_shelfmark(server).await.contains(&old.id()));
    let backup = library.back_up(&[]).await;
    let old_file = std::fs::read_to_string(&file).unwrap();

    let traffic = Traffic::begin(&library).await;
    traffic.go_on().await;
    let told = server.run(&["key-rotate"]).await.unwrap();
    traffic.go_on().await;
    sealed.check(server).await;
    let both = key(&file);
    assert!(both.knows(&old.id()) && both.id() != old.id() && told.contains(&both.id()), "{told}");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    }
    // Whatever the old key sealed, wherever it is, is sealed anew.
    let dump = server.database.dump().await;
    assert!(!dump.contains(&format!("sealed1.{}", old.id())), "something is sealed with the old key");
    assert!(dump.contains(&format!("sealed1.{}", both.id())));
    assert_eq!(both.open_text(&sealed_shelfmark(server).await, "Book\u{1f}shelfmark").unwrap(), SHELFMARK);

    let told = server.run(&["key-rotate", "--retire"]).await.unwrap();
    assert!(told.contains("site.key.retired"), "{told}");
    traffic.go_on().await;
    traffic.end().await;
    let new = key(&file);
    assert!(new.id() == both.id() && !new.knows(&old.id()));
    let retired = std::fs::read_to_string(file.with_extension("key.retired")).unwrap();
    assert!(retired.contains(old_file.trim()), "the old key is not lost: backups need it");
    sealed.check(server).await;
    let events = server.administrator().await;
    let events =
        events.list("Security Event", "filters=[[\"event\",\"like\",\"Site Key %\"]]&fields=[\"event\"]").await;
    assert_eq!(events.ok().as_array().unwrap().len(), 2);
    assert!(server.run(&["key-rotate", "--retire"]).await.unwrap().contains("no key that seals no more"));
    assert!(!server.log().contains("ERROR"), "{}", server.log());

    // A backup from before comes back with the key that it had.
    let mut restored = ServerProcess::prepare(&[]).await;
    crate::backup::define(restored.folder.path());
    std::fs::create_dir(restored.folder.path().join("data")).unwrap();
    std::fs::copy(&file, key_file(&restored)).unwrap();
    let refused = restored.run(&["restore", backup.to_str().unwrap()]).await.unwrap_err();
    assert!(refused.contains(&old.id()), "{refused}");
    std::fs::write(key_file(&restored), old_file).unwrap();
    restored.run(&["restore", backup.to_str().unwrap()]).await.unwrap();
    restored.start_again().await;
    check_works(&restored, &library.key).await;
    assert_eq!(old.open_text(&sealed_shelfmark(&restored).await, "Book\u{1f}shelfmark").unwrap(), SHELFMARK);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rotation_that_was_ended_goes_on_wherever_it_was() {
    let mut library = Library::open().await;
    let file = key_file(&library.server);
    let (old, before) = (key(&file), sealed_shelfmark(&library.server).await);
    // Nobody serves, and the new key stands in the file already: as somebody wrote it, or a command that was ended then.
    library.server.ask_to_end();
    library.server.ended().await;
    let by_hand = "a new key that somebody wrote there by hand";
    let text = format!("# the key of the library\n{by_hand}\n{}", std::fs::read_to_string(&file).unwrap());
    std::fs::write(&file, text).unwrap();
    library.server.start_again().await;
    assert!(library.server.run(&["doctor"]).await.unwrap().contains("is being replaced"));
    let refused = library.server.run(&["key-rotate", "--retire"]).await.unwrap_err();
    assert!(refused.contains("end that first"), "{refused}");
    library.server.run(&["key-rotate"]).await.unwrap();
    let new = key(&file).id();
    assert_eq!(new, SiteKey::from_text(by_hand).unwrap().id());
    assert!(sealed_shelfmark(&library.server).await.contains(&new));

    // Ended after the new key had begun to seal: one secret is still as it was. Another one opens for nobody.
    let database = &library.server.database;
    let auth = |text: &str| format!("UPDATE \"__Auth\" SET \"password\" = '{text}' WHERE \"doctype\" = 'Book'");
    database.execute(&auth(&before)).await;
    let older = format!("UPDATE \"__doctyped\" SET \"value\" = '{}' WHERE \"key\" = 'site_key_older'", old.id());
    database.execute(&older).await;
    let lost = SiteKey::ephemeral();
    let lost_secret = lost.seal("x", "Ticket\u{1f}subject");
    let insert = "INSERT INTO \"__Auth\" (\"doctype\", \"name\", \"fieldname\", \"password\", \"encrypted\") VALUES";
    database.execute(&format!("{insert} ('Ticket', '1', 'subject', '{lost_secret}', 1)")).await;
    let backup = library.back_up(&[]).await;
    let complaint = library.server.run(&["key-rotate"]).await.unwrap_err();
    assert!(complaint.contains("Going on") && complaint.contains(&lost.id()), "{complaint}");
    assert_eq!(key(&file).id(), new, "no further key is made");
    assert!(sealed_shelfmark(&library.server).await.contains(&new));

    // A backup of that moment needs both keys.
    let restored = ServerProcess::prepare(&[]).await;
    std::fs::create_dir(restored.folder.path().join("data")).unwrap();
    std::fs::write(key_file(&restored), by_hand).unwrap();
    let refused = restored.run(&["restore", backup.to_str().unwrap()]).await.unwrap_err();
    assert!(refused.contains(&old.id()), "{refused}");
    std::fs::copy(&file, key_file(&restored)).unwrap();
    restored.run(&["restore", backup.to_str().unwrap()]).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_without_the_key_refuses_as_a_whole_and_comes_back_with_it() {
    let library = Library::open().await;
    let server = &library.server;
    let own = key(&key_file(server)).id();
    let seal_with = |id: &str| format!("UPDATE \"__doctyped\" SET \"value\" = '{id}' WHERE \"key\" = 'site_key'");
    server.database.execute(&seal_with("elsewhere")).await;
    let guest = server.guest().with_header("accept", "application/json");
    for _ in 0..100 {
        if guest.get("/health/ready").await.status == 503 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let ready = guest.get("/health/ready").await.status(503);
    assert!(ready.body.contains("does not hold the key elsewhere"), "{}", ready.body);
    let refused = guest.get("/api/method/ping").await.status(503);
    assert!(refused.body.contains("does not have the key of the site"), "{}", refused.body);
    for _ in 0..100 {
        if server.log().contains("copy the file from a node that is ready") {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert!(server.log().contains("copy the file from a node that is ready"), "{}", server.log());
    server.database.execute(&seal_with(&own)).await;
    for _ in 0..100 {
        if guest.get("/health/ready").await.status == 200 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    guest.get("/health/ready").await.status(200);
    guest.get(&format!("{BASE}jwks")).await.status(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn nodes_with_copies_of_the_key_file_are_waited_for() {
    if !is_postgres() {
        eprintln!("SKIPPED: a site on SQLite has one node; set DOCTYPED_TEST_DATABASE=postgres");
        return;
    }
    let library = Library::open().await;
    let (server, file) = (&library.server, key_file(&library.server));
    let mut sealed = Sealed::of(&library).await;
    let url: &'static str = String::leak(server.base.clone());
    let mut other = ServerProcess::prepare(&[("DOCTYPED_SITE_URL", url)]).await;
    crate::backup::define(other.folder.path());
    std::fs::create_dir(other.folder.path().join("data")).unwrap();
    std::fs::copy(&file, key_file(&other)).unwrap();
    let own = std::mem::replace(&mut other.database, server.database.shared());
    other.start_again().await;
    let old = key(&file).id();
    let complaint = server.run(&["key-rotate", "--wait", "4"]).await.unwrap_err();
    assert!(complaint.contains("do not have the new key yet: copy"), "{complaint}");
    assert!(other.log().contains("copy the file from where `doctyped key-rotate` waits"), "{}", other.log());
    // Nothing is sealed with what one of them could not open.
    sealed.check(&other).await;
    sealed.check(server).await;
    let administrator = server.administrator().await;
    administrator.update("Book", "B-0001", json!({"shelfmark": "on the clock"})).await.ok();
    assert!(sealed_shelfmark(server).await.contains(&old));
    std::fs::copy(&file, key_file(&other)).unwrap();
    let new = key(&file).id();
    server.run(&["key-rotate"]).await.unwrap();
    assert!(sealed_shelfmark(server).await.contains(&new));
    other.administrator().await.update("Book", "B-0001", json!({"shelfmark": SHELFMARK})).await.ok();
    assert!(sealed_shelfmark(server).await.contains(&new), "the other node seals with it, too");
    // The old key leaves one copy after the other.
    server.run(&["key-rotate", "--retire"]).await.unwrap();
    sealed.check(&other).await;
    std::fs::copy(&file, key_file(&other)).unwrap();
    tokio::time::sleep(Duration::from_secs(1)).await;
    sealed.check(&other).await;
    sealed.check(server).await;
    other.kill();
    drop(std::mem::replace(&mut other.database, own));
}
