//! What lies on the disk: for nobody else to read, under the one key, complete when the program has ended.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

use crate::support::ServerProcess;
use crate::support::database::is_postgres;

/// Runs a command on the site of a folder; its result and what it complains about.
fn run(folder: &Path, arguments: &[&str]) -> Result<String, String> {
    let done = Command::new(env!("CARGO_BIN_EXE_doctyped"))
        .args(arguments)
        .current_dir(folder)
        .env("DOCTYPED_ADMIN_PASSWORD", "correct horse battery")
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    if done.status.success() { Ok(text(done.stdout)) } else { Err(text(done.stderr)) }
}

#[cfg(unix)]
#[test]
fn nobody_else_reads_what_lies_in_the_data_folder() {
    use std::fs::{Permissions, metadata, set_permissions};
    use std::os::unix::fs::PermissionsExt as _;

    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let mode = |name: &str| metadata(data.join(name)).unwrap().permissions().mode() & 0o777;
    for _ in 0..2 {
        run(folder.path(), &["key", "Administrator"]).unwrap();
        assert_eq!((mode(""), mode("site.db"), mode("site.key")), (0o700, 0o600, 0o600));
        // As an older version, or a copy, left them.
        set_permissions(&data, Permissions::from_mode(0o755)).unwrap();
        for name in ["site.db", "site.key"] {
            set_permissions(data.join(name), Permissions::from_mode(0o644)).unwrap();
        }
    }
}

#[test]
fn a_key_that_is_lost_or_another_is_refused_by_every_command_and_never_replaced() {
    let folder = tempfile::tempdir().unwrap();
    run(folder.path(), &["key", "Administrator"]).unwrap();
    let file = folder.path().join("data/site.key");
    let key = std::fs::read_to_string(&file).unwrap();
    let commands: [&[&str]; 4] = [
        &["key", "Administrator"],
        &["user", "add", "ann@example.com"],
        &["user", "password", "Administrator"],
        &["serve", "--listen", "127.0.0.1:0"],
    ];

    std::fs::remove_file(&file).unwrap();
    for command in commands {
        let complaint = run(folder.path(), command).unwrap_err();
        assert!(complaint.contains("data/site.key is missing") && complaint.contains("backup"), "{complaint}");
        assert!(!file.exists(), "no other key is made");
    }
    let other = "another key, which somebody chose in a hurry";
    std::fs::write(&file, other).unwrap();
    for command in commands {
        let complaint = run(folder.path(), command).unwrap_err();
        assert!(complaint.contains("data/site.key holds the key") && complaint.contains("backup"), "{complaint}");
        assert_eq!(std::fs::read_to_string(&file).unwrap(), other);
    }
    // One that is written above the old one is the key once it is told, and not before.
    std::fs::write(&file, format!("{other}\n{key}")).unwrap();
    run(folder.path(), &["key", "Administrator"]).unwrap();
    assert!(run(folder.path(), &["doctor"]).unwrap().contains("is being replaced"));
    std::fs::write(&file, &key).unwrap();
    run(folder.path(), &["key", "Administrator"]).unwrap();
    std::fs::write(&file, format!("{other}\n{key}")).unwrap();
    run(folder.path(), &["key-rotate"]).unwrap();
    std::fs::write(&file, key).unwrap();
    run(folder.path(), &["key", "Administrator"]).unwrap_err();
}

#[test]
fn a_schema_without_a_site_gets_a_key() {
    let folder = tempfile::tempdir().unwrap();
    run(folder.path(), &["migrate"]).unwrap();
    run(folder.path(), &["key", "Administrator"]).unwrap();
}

#[test]
fn the_database_file_is_complete_when_the_program_has_ended() {
    let folder = tempfile::tempdir().unwrap();
    run(folder.path(), &["key", "Administrator"]).unwrap();
    run(folder.path(), &["user", "add", "ann@example.com"]).unwrap();
    let copy = tempfile::tempdir().unwrap();
    std::fs::create_dir(copy.path().join("data")).unwrap();
    for name in ["data/site.db", "data/site.key"] {
        std::fs::copy(folder.path().join(name), copy.path().join(name)).unwrap();
    }
    assert!(run(copy.path(), &["key", "ann@example.com"]).unwrap().contains(':'));
}

#[tokio::test]
async fn a_second_process_that_serves_the_same_file_of_sqlite_is_told_so() {
    let server = ServerProcess::start(&[]).await;
    assert!(!server.log().contains("another process"), "{}", server.log());
    let own = |command: &mut Command| {
        command
            .current_dir(server.folder.path())
            .env("DOCTYPED_DATABASE_URL", &server.database.url)
            .env("DOCTYPED_LISTEN", "127.0.0.1:0")
            .env("DOCTYPED_LOG", "warn")
            .stdin(Stdio::null());
    };
    let mut command = Command::new(env!("CARGO_BIN_EXE_doctyped"));
    own(&mut command);
    let key = command.args(["key", "Administrator"]).output().unwrap();
    assert!(key.status.success() && !String::from_utf8_lossy(&key.stderr).contains("another process"));

    let log = server.folder.path().join("second.log");
    let mut command = Command::new(env!("CARGO_BIN_EXE_doctyped"));
    own(&mut command);
    let file = std::fs::File::create(&log).unwrap();
    let mut second = command.stdout(Stdio::piped()).stderr(Stdio::from(file)).spawn().unwrap();
    let lines = BufReader::new(second.stdout.take().unwrap()).lines();
    let began = lines.map_while(Result::ok).any(|line| line.trim_start().starts_with("Schema:"));
    second.kill().unwrap();
    second.wait().unwrap();
    let said = std::fs::read_to_string(&log).unwrap();
    // On PostgreSQL it is one node more.
    assert!(began, "{said}");
    assert_eq!(said.contains("another process serves this database"), !is_postgres(), "{said}");
}
