//! The program from outside: settings, commands, and a server that starts and stops.

use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

/// The program in a folder of its own, without settings from outside.
fn doctyped(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_doctyped"));
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("DOCTYPED_") {
            command.env_remove(name);
        }
    }
    command.current_dir(folder).stdin(Stdio::null());
    command
}

fn output(command: &mut Command) -> (bool, String, String) {
    let Output { status, stdout, stderr } = command.output().unwrap();
    (status.success(), String::from_utf8(stdout).unwrap(), String::from_utf8(stderr).unwrap())
}

#[test]
fn an_unknown_setting_stops_the_start_and_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let (ok, _, complaint) = output(doctyped(folder.path()).arg("check").env("DOCTYPED_LISTEM", "x"));
    assert!(!ok && complaint.contains("DOCTYPED_LISTEM"), "{complaint}");
    std::fs::write(folder.path().join("doctyped.toml"), "lissten = 'x'\n").unwrap();
    let (ok, _, complaint) = output(doctyped(folder.path()).arg("check"));
    assert!(!ok && complaint.contains("lissten") && complaint.contains("doctyped.toml"), "{complaint}");
}

#[test]
fn variables_of_tests_are_no_settings() {
    let folder = tempfile::tempdir().unwrap();
    let (ok, _, complaint) = output(doctyped(folder.path()).arg("check").env("DOCTYPED_TEST_POSTGRES", "x"));
    assert!(ok, "{complaint}");
}

#[test]
fn check_tells_everything_about_every_file_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let doctypes = folder.path().join("doctypes");
    std::fs::create_dir(&doctypes).unwrap();
    std::fs::write(doctypes.join("one.yaml"), "name: One\nmodule: M\nfields:\n  - {fieldname: a, fieldtype: Dta}\n")
        .unwrap();
    std::fs::write(doctypes.join("two.yaml"), "name: Two\nmodule: M\nfeilds: []\n").unwrap();
    let (ok, report, _) = output(doctyped(folder.path()).arg("check"));
    assert!(!ok);
    assert!(report.contains("one.yaml:4") && report.contains("two.yaml:3"), "{report}");
}

#[test]
fn schema_and_help_are_printed() {
    let folder = tempfile::tempdir().unwrap();
    let (ok, schema, _) = output(doctyped(folder.path()).arg("schema"));
    assert!(ok);
    assert_eq!(serde_json::from_str::<serde_json::Value>(&schema).unwrap()["title"], "DocType");
    let (ok, help, _) = output(doctyped(folder.path()).arg("--help"));
    assert!(ok && help.contains("DOCTYPED_SITE_URL") && help.contains("migrate"), "{help}");
}

#[test]
fn the_openapi_document_needs_no_database_and_leaves_none() {
    let folder = tempfile::tempdir().unwrap();
    let (ok, document, complaint) = output(doctyped(folder.path()).arg("openapi"));
    assert!(ok, "{complaint}");
    let document: serde_json::Value = serde_json::from_str(&document).unwrap();
    let paths = document["paths"].as_object().unwrap();
    for path in ["/api/resource/User", "/api/method/login", "/health/ready"] {
        assert!(paths.contains_key(path), "{path}");
    }
    assert!(std::fs::read_dir(folder.path()).unwrap().next().is_none(), "nothing is left behind");
}

#[test]
fn migrate_plans_before_it_changes() {
    let folder = tempfile::tempdir().unwrap();
    let (ok, plan, complaint) = output(doctyped(folder.path()).args(["migrate", "--plan"]));
    assert!(ok && plan.contains("User"), "{plan}{complaint}");
    let (ok, done, _) = output(doctyped(folder.path()).arg("migrate"));
    assert!(ok && done.contains("Done:"), "{done}");
    let (ok, plan, _) = output(doctyped(folder.path()).args(["migrate", "--plan"]));
    assert!(ok && plan.contains("as the DocTypes want them"), "{plan}");
}

#[cfg(unix)]
#[test]
fn a_server_starts_prints_its_block_serves_and_stops() {
    use std::os::unix::fs::PermissionsExt as _;

    let folder = tempfile::tempdir().unwrap();
    let mut server = doctyped(folder.path())
        .args(["--listen", "127.0.0.1:0", "--log", "error"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(server.stdout.take().unwrap()).lines();
    let mut block = String::new();
    let password = loop {
        let Some(Ok(line)) = lines.next() else { panic!("the server ended: {block} {}", complaint(&mut server)) };
        block.push_str(&line);
        block.push('\n');
        if line.trim_start().starts_with("Schema:") {
            let shown = block.split("password: ").nth(1).expect("Administrator's password is shown");
            break shown.split(' ').next().unwrap().to_owned();
        }
    };
    let address = block.split("listening on ").nth(1).unwrap().split(')').next().unwrap().to_owned();
    let body = format!("usr=Administrator&pwd={password}");
    let answer = request(&address, "POST", "/api/method/login", &body);
    assert!(answer.contains("200 OK") && answer.contains("Logged In"), "{answer}");
    let mode = std::fs::metadata(folder.path().join("data/site.key")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);

    let (ok, key, complaint) = output(doctyped(folder.path()).args(["key", "Administrator"]));
    assert!(ok && key.trim().contains(':'), "{complaint}");
    let (ok, added, complaint) =
        output(doctyped(folder.path()).args(["user", "add", "ann@example.com", "--role", "System Manager"]));
    assert!(ok && added.contains("ann@example.com has the password"), "{complaint}");

    // SAFETY of the test: the process is our own child.
    let killed = Command::new("kill").args(["-TERM", &server.id().to_string()]).status().unwrap();
    assert!(killed.success());
    assert!(server.wait().unwrap().success(), "it stops by itself");

    let (ok, _, complaint) = output(doctyped(folder.path()).args(["user", "password", "nobody@example.com"]));
    assert!(!ok && complaint.contains("nobody@example.com"), "{complaint}");
}

fn complaint(server: &mut Child) -> String {
    let mut text = String::new();
    server.stderr.take().unwrap().read_to_string(&mut text).unwrap();
    text
}

fn request(address: &str, method: &str, path: &str, body: &str) -> String {
    let mut stream = std::net::TcpStream::connect(address).unwrap();
    write!(
        stream,
        "{method} {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\nContent-Length: {}\r\n\
         Content-Type: application/x-www-form-urlencoded\r\n\r\n{body}",
        body.len()
    )
    .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

#[test]
fn check_says_nothing_about_the_shipped_files_and_counts_what_has_no_effect_in_others() {
    let folder = tempfile::tempdir().unwrap();
    let (ok, told, _) = output(doctyped(folder.path()).arg("check"));
    assert!(ok && told.lines().count() == 1 && told.contains("DocTypes, 0 errors, 0 warnings\n"), "{told}");
    std::fs::create_dir(folder.path().join("doctypes")).unwrap();
    let book = "name: Book\nbeta: 1\nfields:\n  - { fieldname: title, label: Title }\n";
    std::fs::write(folder.path().join("doctypes/book.yaml"), book).unwrap();
    let overlay = "extends: User\nbeta: 1\n";
    std::fs::write(folder.path().join("doctypes/user.yaml"), overlay).unwrap();
    let (ok, told, _) = output(doctyped(folder.path()).arg("check"));
    let notes: Vec<&str> = told.lines().filter(|line| line.starts_with("note:")).collect();
    assert_eq!(notes, ["note: User: kept without effect: beta", "note: Book: kept without effect: beta"], "{told}");
    assert!(ok && told.ends_with("2 keys without effect\n"), "{told}");
}

#[test]
fn pipelines_learn_of_files_that_are_held_back() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("doctypes")).unwrap();
    for broken in ["", "name: Book\nfields: [", "extends: Nothing"] {
        std::fs::write(folder.path().join("doctypes/book.yaml"), broken).unwrap();
        for arguments in [&["check"][..], &["serve", "--strict"], &["migrate"]] {
            let (ok, told, complaint) = output(doctyped(folder.path()).args(arguments));
            assert!(!ok && format!("{told}{complaint}").contains("book.yaml"), "{arguments:?}: {told} {complaint}");
        }
    }
}

#[test]
fn commands_that_need_no_strictness_work_beside_a_broken_file() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("doctypes")).unwrap();
    std::fs::write(folder.path().join("doctypes/book.yaml"), "name: Book\nfields: [").unwrap();
    let (ok, _, complaint) = output(doctyped(folder.path()).args(["user", "add", "ada@example.com"]));
    assert!(ok, "{complaint}");
}
