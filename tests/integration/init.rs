//! `doctyped init` and `doctyped doctor`: a folder that serves at once, and what is said of a site that is not well.

use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::json;

use super::support::{PASSWORD, ServerProcess};

/// What the program says in a folder, without settings from outside; true if it ended well.
fn doctyped(folder: &Path, arguments: &[&str]) -> (bool, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_doctyped"));
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("DOCTYPED_")) {
        command.env_remove(name);
    }
    let output = command.current_dir(folder).args(arguments).stdin(Stdio::null()).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.success(), text(output.stdout) + &text(output.stderr))
}

/// The line of a subject.
fn line<'a>(told: &'a str, subject: &str) -> &'a str {
    told.lines().find(|line| line[9..].starts_with(subject)).unwrap_or_else(|| panic!("no {subject} in {told}"))
}

#[test]
fn a_new_folder_has_a_site_without_faults_and_is_never_written_over() {
    let folder = tempfile::tempdir().unwrap();
    let (ok, told) = doctyped(folder.path(), &["init", "library"]);
    assert!(ok && told.contains("cd library"), "{told}");
    let library = folder.path().join("library");
    let (ok, told) = doctyped(&library, &["check"]);
    assert!(ok && told.ends_with("0 errors, 0 warnings\n"), "{told}");
    let (ok, told) = doctyped(&library, &["doctor"]);
    assert!(ok && told.ends_with("0 problems, 0 warnings\n"), "{told}");
    assert!(!library.join("data").exists(), "doctor makes nothing");
    let (ok, told) = doctyped(folder.path(), &["init", "library"]);
    assert!(!ok && told.contains("not empty"), "{told}");
}

#[tokio::test]
async fn the_site_of_a_new_folder_serves_its_doctype() {
    let mut server = ServerProcess::prepare(&[]).await;
    // In the folder itself, whose settings then apply but for those of the test.
    let (ok, told) = doctyped(server.folder.path(), &["init", "new"]);
    assert!(ok, "{told}");
    let new = server.folder.path().join("new");
    for entry in ["doctypes", "doctyped.toml"] {
        std::fs::rename(new.join(entry), server.folder.path().join(entry)).unwrap();
    }
    server.start_again().await;
    let administrator = server.administrator().await;
    let book = administrator.create("Book", json!({"title": "Dune", "pages": 412})).await.ok();
    assert_eq!(book["status"], "Available");
    let told = server.run(&["doctor"]).await.unwrap();
    assert!(line(&told, "Reachability").starts_with("ok "), "{told}");
    assert!(line(&told, "Database").contains("answers and stores"), "{told}");
    assert!(line(&told, "Site key").starts_with("ok ") && line(&told, "Clock").starts_with("ok "), "{told}");
}

#[tokio::test]
async fn doctor_names_each_fault_and_what_mends_it() {
    let mut server = ServerProcess::prepare(&[]).await;
    let doctypes = server.folder.path().join("doctypes");
    std::fs::create_dir(&doctypes).unwrap();
    std::fs::write(doctypes.join("book.yaml"), "name: Book\nfields:\n- {fieldname: title, length: 200}\n").unwrap();
    server.start_again().await;
    let administrator = server.administrator().await;
    administrator.create("Book", json!({"title": "x".repeat(190)})).await.ok();
    server.ask_to_end();
    server.ended().await;

    let doctor = async |environment: &[(&str, &str)]| {
        let output = server.program().envs(environment.iter().copied()).arg("doctor").output().unwrap();
        (output.status.success(), String::from_utf8(output.stdout).unwrap())
    };
    let (ok, told) = doctor(&[]).await;
    assert!(ok && line(&told, "Reachability").starts_with("warning "), "nobody serves: {told}");
    std::fs::write(doctypes.join("book.yaml"), "name: Book\nfields:\n- {fieldname: title, fieldtype: Int}\n").unwrap();
    std::fs::write(doctypes.join("broken.yaml"), "name: Broken\nfields: [").unwrap();
    let (ok, told) = doctor(&[]).await;
    assert!(ok && line(&told, "Definitions").starts_with("warning "), "{told}");
    assert!(told.contains("broken.yaml:3") && told.contains("Book"), "{told}");

    let (_, told) = doctor(&[("DOCTYPED_LISTEN", "0.0.0.0:1"), ("DOCTYPED_SITE_URL", "http://127.0.0.1:1")]).await;
    assert!(line(&told, "Public URL").contains("DOCTYPED_SITE_URL"), "{told}");
    let (_, told) = doctor(&[("DOCTYPED_SITE_URL", "http://site.invalid")]).await;
    assert!(line(&told, "Public URL").contains("not encrypted"), "{told}");
    let https = ("DOCTYPED_SITE_URL", "https://site.invalid");
    let files = [https, ("DOCTYPED_TLS_CERTIFICATE", "none.pem"), ("DOCTYPED_TLS_KEY", "none.pem")];
    let (ok, told) = doctor(&files).await;
    assert!(!ok && line(&told, "TLS").contains("DOCTYPED_TLS_CERTIFICATE: none.pem cannot be read"), "{told}");
    assert!(line(&told, "Public URL").starts_with("ok "), "{told}");
    let (ok, told) = doctor(&[("DOCTYPED_LISTEN", "nowhere")]).await;
    assert!(!ok && line(&told, "Configuration").contains("DOCTYPED_LISTEN"), "{told}");
    let (ok, told) = doctor(&[("DOCTYPED_DATABASE_URL", "postgres://127.0.0.1:1/none")]).await;
    assert!(!ok && line(&told, "Database").starts_with("problem "), "{told}");
    std::fs::write(server.folder.path().join("file"), "").unwrap();
    let (ok, told) = doctor(&[("DOCTYPED_FILES", "file/below")]).await;
    assert!(!ok && line(&told, "Files").starts_with("problem "), "{told}");

    let key = server.folder.path().join("data/site.key");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        for (path, mode) in [(&key, 0o644), (&server.folder.path().join("data"), 0o755)] {
            std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
        }
        let (ok, told) = doctor(&[]).await;
        assert!(ok && line(&told, "Permissions").contains("chmod go-rwx"), "{told}");
    }
    std::fs::write(&key, format!("{}\n", "another key, as long as it must be at least")).unwrap();
    let (ok, told) = doctor(&[]).await;
    assert!(!ok && line(&told, "Site key").contains("put the right file back"), "{told}");
    std::fs::remove_file(&key).unwrap();
    let (ok, told) = doctor(&[]).await;
    assert!(!ok && line(&told, "Site key").contains("is missing"), "{told}");
    assert!(!key.exists(), "doctor makes no key");
    assert!(!told.contains(PASSWORD));
}

#[tokio::test]
async fn doctor_finds_another_site_at_the_public_url() {
    let server = ServerProcess::start(&[]).await;
    // Under another name of this computer it is the same server, which says another issuer.
    let elsewhere = server.base.replace("127.0.0.1", "localhost");
    let output = server.program().env("DOCTYPED_SITE_URL", &elsewhere).arg("doctor").output().unwrap();
    let told = String::from_utf8(output.stdout).unwrap();
    assert!(!output.status.success() && line(&told, "Reachability").contains(&server.base), "{told}");
}
