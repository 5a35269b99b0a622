//! Uploaded files in a bucket: against moto's S3 server, which nobody here wrote. Runs with `DOCTYPED_TEST_S3_SERVER`.

use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use poem::http::Method;
use serde_json::json;

use crate::backup::{Library, check_works};
use crate::files::upload_to;
use crate::support::Client;
use crate::support::process::ServerProcess;

/// A store of objects with the bucket `library`.
struct Store {
    url: String,
    child: Child,
}

impl Drop for Store {
    fn drop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Store {
    async fn open() -> Option<Self> {
        let Ok(program) = std::env::var("DOCTYPED_TEST_S3_SERVER") else {
            eprintln!(
                "SKIPPED: pip install 'moto[server]' and set DOCTYPED_TEST_S3_SERVER to its moto_server to test files in a bucket"
            );
            return None;
        };
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port().to_string();
        let mut command = Command::new(program);
        command.args(["-H", "127.0.0.1", "-p", &port]).stdout(Stdio::null()).stderr(Stdio::null());
        let store = Self { url: format!("http://127.0.0.1:{port}"), child: command.spawn().unwrap() };
        let client = http();
        for _ in 0..400 {
            tokio::time::sleep(Duration::from_millis(50)).await;
            if client.put(format!("{}/library", store.url)).send().await.is_ok_and(|made| made.status().is_success()) {
                return Some(store);
            }
        }
        panic!("the store does not start");
    }

    /// The keys of what it holds.
    async fn keys(&self) -> Vec<String> {
        let listed = http().get(format!("{}/library?list-type=2", self.url)).send().await.unwrap();
        let text = listed.text().await.unwrap();
        text.split("<Key>").skip(1).map(|rest| rest.split("</Key>").next().unwrap().to_owned()).collect()
    }

    /// What a site is to be told, so that it keeps its files here.
    fn environment(&self, bucket: &str) -> Vec<(&'static str, &'static str)> {
        let leak = |text: &str| &*String::leak(text.to_owned());
        vec![
            ("DOCTYPED_BUCKET", leak(bucket)),
            ("AWS_ENDPOINT_URL", leak(&self.url)),
            ("AWS_ACCESS_KEY_ID", "library"),
            ("AWS_SECRET_ACCESS_KEY", "so many white rabbits"),
            ("AWS_REGION", "eu-central-1"),
        ]
    }
}

fn http() -> reqwest::Client {
    reqwest::Client::builder().no_proxy().build().unwrap()
}

async fn upload(client: &Client, name: &str, content: &[u8], private: &str) -> String {
    let fields = [("is_private", private)];
    let file = upload_to(client, "/api/method/upload_file", name, content, &fields).await.ok();
    file["file_url"].as_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn files_are_stored_sent_and_removed_as_those_of_a_folder() {
    let Some(store) = Store::open().await else { return };
    let server = ServerProcess::start(&store.environment("s3://library/of alexandria")).await;
    let administrator = server.administrator().await;
    let open = upload(&administrator, "Prozeß 1.txt", b"Jemand", "0").await;
    assert_eq!(server.guest().get(&open).await.status(200).body, "Jemand");
    let closed = upload(&administrator, "closed.txt", b"Josef K.", "1").await;
    let guest = server.guest().with_header("accept", "application/json");
    guest.get(&closed).await.status(401);
    // Another file of the same name takes no place of the first.
    let other = upload(&administrator, "closed.txt", b"Leni", "1").await;
    assert_ne!(other, closed);
    assert_eq!(administrator.get(&closed).await.status(200).body, "Josef K.");
    assert_eq!(administrator.get(&other).await.status(200).body, "Leni");
    // More than goes in one part.
    let long: String = (0..20_000_000_u32).map(|n| char::from_u32(' ' as u32 + n % 89).unwrap()).collect();
    let long_url = upload(&administrator, "long.bin", long.as_bytes(), "1").await;
    let whole = administrator.get(&long_url).await.status(200);
    assert_eq!((whole.header("content-length"), whole.body == long), ("20000000", true));
    let part = administrator.with_header("range", "bytes=9000000-9000002").get(&long_url).await.status(206);
    assert_eq!(part.body, long[9_000_000..=9_000_002]);
    let etag = part.header("etag").to_owned();
    administrator.with_header("if-none-match", &etag).get(&long_url).await.status(304);
    assert!(store.keys().await.iter().all(|key| key.starts_with("of alexandria/p")), "{:?}", store.keys().await);
    // On this machine nothing is left.
    let left: Vec<_> = std::fs::read_dir(server.folder.path().join("data/files")).unwrap().collect();
    assert!(left.iter().all(|entry| entry.as_ref().unwrap().file_name() == "temporary"), "{left:?}");

    let file = administrator.list("File", r#"filters=[["file_name","=","long.bin"]]"#).await.ok();
    let name = file[0]["name"].as_str().unwrap();
    administrator.update("File", name, json!({"is_private": 0})).await.ok();
    let moved = administrator.read("File", name).await.ok()["file_url"].as_str().unwrap().to_owned();
    assert_eq!(server.guest().get(&moved).await.status(200).body.len(), long.len());
    administrator.remove("File", name).await.status(202);
    for _ in 0..100 {
        if !store.keys().await.iter().any(|key| key.contains("long")) {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert!(!store.keys().await.iter().any(|key| key.contains("long")), "{:?}", store.keys().await);
    administrator.get(&moved).await.status(404);
    for odd in ["%01", "%0a", &"x".repeat(2000)] {
        server.guest().get(&format!("/files/{odd}")).await.status(404);
    }
    let examined = server.run(&["doctor"]).await.unwrap();
    assert!(examined.contains("s3://library/of alexandria stores and gives back"), "{examined}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_site_whose_files_lie_in_a_bucket_leaves_as_a_backup_and_comes_back_to_another() {
    let Some(store) = Store::open().await else { return };
    let library = Library::open_with(&store.environment("s3://library/first")).await;
    let backup = library.back_up(&[]).await;
    let mut restored = ServerProcess::prepare(&store.environment("s3://library/second")).await;
    let data = restored.folder.path().join("data");
    std::fs::create_dir(&data).unwrap();
    std::fs::copy(library.server.folder.path().join("data/site.key"), data.join("site.key")).unwrap();
    restored.run(&["restore", backup.to_str().unwrap()]).await.unwrap();
    restored.start_again().await;
    check_works(&restored, &library.key).await;
    // Not into a bucket in which other files lie.
    let other = ServerProcess::prepare(&store.environment("s3://library/first")).await;
    let refused = other.run(&["restore", backup.to_str().unwrap()]).await.unwrap_err();
    assert!(refused.contains("s3://library/first holds files already"), "{refused}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_is_gone_is_told_and_nothing_is_half_stored() {
    let Some(store) = Store::open().await else { return };
    let server = ServerProcess::start(&store.environment("s3://library")).await;
    let administrator = server.administrator().await;
    let url = upload(&administrator, "a.txt", b"a", "1").await;
    drop(store);
    for refused in [
        administrator.get(&url).await,
        upload_to(&administrator, "/api/method/upload_file", "b.txt", b"b", &[("is_private", "1")]).await,
    ] {
        assert_eq!(refused.status, 503, "{}", refused.body);
        assert!(!refused.header("retry-after").is_empty());
        assert!(refused.body.contains("store of the files does not answer"), "{}", refused.body);
    }
    let named = administrator.list("File", r#"filters=[["file_name","=","b.txt"]]"#).await.ok();
    assert_eq!(named, json!([]));
    let client = administrator.with_header("accept", "application/json");
    client.send(Method::GET, "/api/method/ping", "", Vec::new()).await.ok();
    let printed = server.program().arg("doctor").output().unwrap().stdout;
    assert!(String::from_utf8(printed).unwrap().contains("the bucket: "));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_that_names_no_bucket_is_refused_at_the_start() {
    for wrong in ["library", "s3://", "https://example.com/library"] {
        let server = ServerProcess::prepare(&[("DOCTYPED_BUCKET", wrong)]).await;
        let refused = server.run(&["serve"]).await.unwrap_err();
        assert!(refused.contains("DOCTYPED_BUCKET"), "{wrong}: {refused}");
    }
}

/// What cannot be made smaller, so that it fills more than one part.
fn noise(length: usize) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(length + 43);
    while bytes.len() < length {
        bytes.extend(doctyped::testing::secret::random_id().into_bytes());
    }
    bytes
}

#[tokio::test(flavor = "multi_thread")]
async fn backups_go_to_a_bucket_come_back_from_there_and_the_oldest_go() {
    let Some(store) = Store::open().await else { return };
    let files = store.environment("s3://library/files");
    let environment = [files.clone(), vec![("DOCTYPED_BACKUPS", "s3://library/backups/")]].concat();
    let library = Library::open_with(&environment).await;
    let (server, administrator) = (&library.server, library.server.administrator().await);
    let long = noise(9_000_000);
    let url = upload(&administrator, "noise.bin", &long, "1").await;
    let mut made = Vec::new();
    for _ in 0..3 {
        let told = server.run(&["backup", "--keep", "2"]).await.unwrap();
        assert!(told.contains("read again and compared"), "{told}");
        made.push(told.split(": ").next().unwrap().to_owned());
    }
    assert!(made[0].starts_with("s3://library/backups/doctyped-") && made[0].ends_with("Z.backup"), "{made:?}");
    let backups = async || {
        let keys = store.keys().await.into_iter().filter(|key| key.starts_with("backups/"));
        keys.map(|key| format!("s3://library/{key}")).collect::<Vec<_>>()
    };
    assert_eq!(backups().await, made[1..]);
    let refused = server.run(&["backup", "--to", &made[2]]).await.unwrap_err();
    assert!(refused.contains("exists already"), "{refused}");
    let refused = server.run(&["backup", "--to", "s3://library/files/backups"]).await.unwrap_err();
    assert!(refused.contains("lies within the uploaded files"), "{refused}");
    assert!(!server.folder.path().join("data/backups").exists(), "nothing is left on this machine");
    assert!(server.run(&["doctor"]).await.unwrap().contains("s3://library/backups stores and gives back"));

    // Encrypted, too, and by the clock.
    let phrase = server.folder.path().join("phrase");
    std::fs::write(&phrase, "correct horse battery staple").unwrap();
    let phrase = phrase.to_str().unwrap();
    let told = server.run(&["backup", "--passphrase-file", phrase]).await.unwrap();
    let closed = told.split(": ").next().unwrap();
    assert!(closed.ends_with("Z.backup.age"), "{told}");
    let settings = "Backup Settings";
    administrator.update(settings, settings, json!({"keep": 1})).await.ok();
    let now = format!("/api/v2/document/{0}/{0}/method/back_up_now", "Backup%20Settings");
    administrator.post(&now, json!({})).await.ok();
    let mut last = json!(null);
    for _ in 0..200 {
        last = administrator.read(settings, settings).await.ok()["last_file"].clone();
        if last.is_string() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let last = last.as_str().unwrap().split(": ").next().unwrap().to_owned();
    assert_eq!(backups().await, [last.as_str()]);

    let mut restored = ServerProcess::prepare(&store.environment("s3://library/restored")).await;
    let data = restored.folder.path().join("data");
    std::fs::create_dir(&data).unwrap();
    std::fs::copy(server.folder.path().join("data/site.key"), data.join("site.key")).unwrap();
    let refused = restored.run(&["restore", closed]).await.unwrap_err();
    assert!(refused.contains("doctyped-") && refused.contains("s3://library/backups"), "it is gone: {refused}");
    restored.run(&["restore", &last]).await.unwrap();
    restored.start_again().await;
    let there = restored.administrator().await;
    assert_eq!(there.get(&url).await.status(200).body.as_bytes(), long);
    check_works(&restored, &library.key).await;

    // A store that is gone is told, and nothing is left of what was begun.
    drop(store);
    let complaint = server.run(&["backup"]).await.unwrap_err();
    assert!(complaint.contains("s3://library/backups"), "{complaint}");
}
