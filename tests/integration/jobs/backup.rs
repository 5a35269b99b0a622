//! Backups that the site makes by itself.

use std::path::{Path, PathBuf};

use chrono::Duration;
use doctyped::testing::jobs::{run_due, schedule_due};
use serde_json::{Value as Json, json};

use crate::support::{Client, TestSite};

const SETTINGS: &str = "Backup Settings";
const METHOD: &str = "back up the site";

async fn site() -> (TestSite, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let backups = folder.path().join("backups");
    let of_site = backups.clone();
    let site = TestSite::new()
        .with_config(move |config| {
            config.backups = of_site;
            // It stays as long as the site.
            std::mem::forget(folder);
        })
        .await;
    (site, backups)
}

fn files(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).into_iter().flatten();
    let mut names: Vec<String> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

async fn settings(client: &Client) -> Json {
    client.read(SETTINGS, SETTINGS).await.ok()
}

#[tokio::test]
async fn backups_are_made_by_the_clock_and_the_oldest_go() {
    let (site, folder) = site().await;
    assert_eq!(site.run_scheduled(METHOD).await, "", "nobody has asked for any");
    let administrator = site.administrator().await;
    administrator.update(SETTINGS, SETTINGS, json!({"enabled": 1, "keep": 2, "last_error": "mine"})).await.ok();
    assert!(settings(&administrator).await["last_error"].is_null());
    let mut seen = Vec::new();
    for _ in 0..3 {
        site.clock.advance(Duration::days(1));
        schedule_due(&site.site).await.unwrap();
        run_due(&site.site).await.unwrap();
        seen.extend(files(&folder).into_iter().next_back());
    }
    seen.dedup();
    assert_eq!(seen.len(), 3, "{seen:?}");
    assert_eq!(files(&folder), seen[1..]);
    let settings = settings(&administrator).await;
    assert!(settings["last_file"].as_str().unwrap().contains(&seen[2]), "{settings}");
    assert!(settings["last_backup"].is_string() && settings["last_error"].is_null(), "{settings}");
}

#[tokio::test]
async fn a_backup_that_fails_is_a_security_event_and_told_on_every_page() {
    let (site, folder) = site().await;
    // Where the folder should be is a file.
    std::fs::write(&folder, "in the way").unwrap();
    let administrator = site.administrator().await;
    let press = async || {
        let pressed =
            administrator.post("/api/v2/document/Backup%20Settings/Backup%20Settings/method/back_up_now", json!({}));
        pressed.await.ok();
    };
    press().await;
    for _ in 0..3 {
        run_due(&site.site).await.unwrap();
        site.clock.advance(Duration::minutes(2));
    }
    assert_eq!(site.db_names("Security Event", json!({"event": "Backup Failed"})).await.len(), 1);
    assert_eq!(site.db_names("Background Job", json!({"method": METHOD, "status": "Failed"})).await.len(), 1);
    let page = administrator.get("/app").await.status(200).body;
    assert!(page.contains("The last backup failed"), "{page}");
    let staff = site.user("alice@example.com", &[]).await;
    assert!(!staff.get("/app").await.body.contains("The last backup failed"));
    std::fs::remove_file(&folder).unwrap();
    press().await;
    run_due(&site.site).await.unwrap();
    assert_eq!(files(&folder).len(), 1);
    assert!(!administrator.get("/app").await.body.contains("The last backup failed"));
}

#[tokio::test]
async fn backups_by_the_clock_are_for_the_recipients_that_are_listed() {
    let (site, folder) = site().await;
    let administrator = site.administrator().await;
    for wrong in ["age1something", "ssh-ed25519 AAAA"] {
        let refused = administrator.update(SETTINGS, SETTINGS, json!({"recipients": wrong})).await;
        let refused = refused.error(417, "ValidationError");
        assert!(refused.to_string().contains("is not a recipient"), "{refused}");
    }
    let identity = age::x25519::Identity::generate();
    let secret = age::secrecy::ExposeSecret::expose_secret(&identity.to_string()).to_owned();
    let refused = administrator.update(SETTINGS, SETTINGS, json!({"recipients": secret})).await;
    assert!(!refused.error(417, "ValidationError").to_string().contains(&secret), "a secret goes nowhere");
    let recipients = format!("# of the library\n{}\n", identity.to_public());
    administrator.update(SETTINGS, SETTINGS, json!({"enabled": 1, "recipients": recipients})).await.ok();
    site.run_scheduled(METHOD).await;
    let made = files(&folder);
    assert!(made.len() == 1 && made[0].ends_with(".backup.age"), "{made:?}");
    let file = std::fs::read(folder.join(&made[0])).unwrap();
    let opened = age::Decryptor::new(&file[..]).unwrap();
    assert!(opened.decrypt(std::iter::once(&identity as &dyn age::Identity)).is_ok());
    let told = settings(&administrator).await;
    assert!(told["last_file"].as_str().unwrap().contains("compared before it was encrypted"), "{told}");
}
