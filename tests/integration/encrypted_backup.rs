//! Backups in the format of age: for recipients, or with a passphrase.

use std::path::Path;

use age::secrecy::ExposeSecret as _;
use age::x25519::Identity;

use crate::backup::{Library, check_works};
use crate::support::process::ServerProcess;

/// An identity, and the file with it.
fn identity(folder: &Path, name: &str) -> (Identity, String) {
    let identity = Identity::generate();
    let path = folder.join(name);
    let text = format!("# public key: {}\n{}\n", identity.to_public(), identity.to_string().expose_secret());
    std::fs::write(&path, text).unwrap();
    (identity, path.to_str().unwrap().to_owned())
}

fn passphrase(folder: &Path, name: &str, text: &str) -> String {
    let path = folder.join(name);
    std::fs::write(&path, format!("{text}\n")).unwrap();
    path.to_str().unwrap().to_owned()
}

/// An empty site with the key of the library.
async fn empty_with_key_of(library: &Library) -> ServerProcess {
    let empty = ServerProcess::prepare(&[]).await;
    let data = empty.folder.path().join("data");
    std::fs::create_dir(&data).unwrap();
    std::fs::copy(library.server.folder.path().join("data/site.key"), data.join("site.key")).unwrap();
    empty
}

#[tokio::test(flavor = "multi_thread")]
async fn only_an_identity_of_its_recipients_opens_a_backup() {
    let library = Library::open().await;
    let folder = tempfile::tempdir().unwrap();
    let [(one, one_file), (two, two_file), (_, other_file)] =
        ["one", "two", "other"].map(|name| identity(folder.path(), name));
    let (one, two) = (one.to_public().to_string(), two.to_public().to_string());
    let arguments = ["backup", "--to", "backups", "--recipient", &one, "--recipient", &two];
    let told = library.server.run(&arguments).await.unwrap();
    assert!(told.contains("compared before it was encrypted") && told.contains("only an identity"), "{told}");
    let file = library.server.folder.path().join(told.split(": ").next().unwrap());
    assert!(file.to_str().unwrap().ends_with("Z.backup.age"), "{told}");
    let whole = std::fs::read(&file).unwrap();
    assert!(whole.starts_with(b"age-encryption.org/v1\n"));

    // What is in it needs nothing of ours.
    let keys = std::fs::read_to_string(&one_file).unwrap();
    let key: Identity = keys.lines().last().unwrap().parse().unwrap();
    let plain = age::Decryptor::new(&whole[..]).unwrap().decrypt(std::iter::once(&key as &dyn age::Identity)).unwrap();
    let mut archive = tar::Archive::new(flate2::read::GzDecoder::new(plain));
    let names = archive.entries().unwrap().map(|entry| entry.unwrap().path().unwrap().display().to_string());
    assert!(names.collect::<Vec<_>>().ends_with(&["manifest.json".to_owned()]));

    let mut restored = empty_with_key_of(&library).await;
    let path = file.to_str().unwrap();
    for (arguments, expected) in [
        (vec!["restore", path], "name the file with the identity of one of them by --identity"),
        (vec!["restore", path, "--identity", &other_file], "encrypted for other recipients"),
        (vec!["restore", path, "--identity", path], "is not an identity"),
    ] {
        let refused = restored.run(&arguments).await.unwrap_err();
        assert!(refused.contains(expected), "{refused}");
    }
    let damaged = folder.path().join("damaged.backup.age");
    let mut flipped = whole.clone();
    let middle = flipped.len() / 2;
    flipped[middle] ^= 1;
    for wrong in [&flipped[..], &whole[..whole.len() - 1], &whole[..whole.len() / 2], &whole[..30]] {
        std::fs::write(&damaged, wrong).unwrap();
        let refused = restored.run(&["restore", damaged.to_str().unwrap(), "--identity", &one_file]).await.unwrap_err();
        assert!(refused.starts_with("error: "), "{refused}");
    }
    restored.run(&["restore", path, "--identity", &two_file]).await.unwrap();
    restored.start_again().await;
    check_works(&restored, &library.key).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_passphrase_opens_a_backup_which_is_read_again_whole() {
    let library = Library::open().await;
    let folder = tempfile::tempdir().unwrap();
    let right = passphrase(folder.path(), "right", "correct horse battery staple");
    let wrong = passphrase(folder.path(), "wrong", "incorrect horse battery staple");
    let told = library
        .server
        .run(&["backup", "--to", "a.backup.age", "--passphrase-file", &right, "--with-key", &right])
        .await;
    assert!(told.as_ref().unwrap().contains("read again and compared"), "{told:?}");
    let file = library.server.folder.path().join("a.backup.age");
    let path = file.to_str().unwrap();
    let mut restored = ServerProcess::prepare(&[]).await;
    let refused = restored.run(&["restore", path]).await.unwrap_err();
    assert!(refused.contains("name the file with it by --passphrase-file"), "{refused}");
    let refused = restored.run(&["restore", path, "--passphrase-file", &wrong]).await.unwrap_err();
    assert!(refused.contains("encrypted with another passphrase"), "{refused}");
    restored.run(&["restore", path, "--passphrase-file", &right, "--with-key", &right]).await.unwrap();
    restored.start_again().await;
    check_works(&restored, &library.key).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_cannot_be_a_recipient_is_refused_before_anything_is_written() {
    let server = ServerProcess::prepare(&[]).await;
    let phrase = passphrase(server.folder.path(), "phrase", "correct horse battery staple");
    let (identity, file) = identity(server.folder.path(), "identity");
    let public = identity.to_public().to_string();
    let secret = std::fs::read_to_string(&file).unwrap().lines().last().unwrap().to_owned();
    for (arguments, expected) in [
        (vec!["backup", "--recipient", "ssh-ed25519 AAAA"], "ssh-ed25519 AAAA is not a recipient"),
        (vec!["backup", "--recipient", &secret], "is an identity"),
        (vec!["backup", "--recipient", &public, "--passphrase-file", &phrase], "cannot be used with"),
    ] {
        let refused = server.run(&arguments).await.unwrap_err();
        assert!(refused.contains(expected), "{refused}");
        assert!(!refused.contains(&secret), "no secret is told");
    }
    assert!(!server.folder.path().join("data/backups").exists());
}
