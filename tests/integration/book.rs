//! The documentation at `/docs`, and that what it says to type does what it says.

use std::process::Command;

use crate::support::{ServerProcess, TestSite};

#[tokio::test]
async fn every_page_is_served_and_every_link_within_the_book_leads_somewhere() {
    let site = TestSite::new().await;
    let guest = site.guest();
    let first = guest.get("/docs").await.status(200).body;
    let mut waiting = vec!["/docs".to_owned()];
    let mut seen = std::collections::BTreeMap::from([("/docs".to_owned(), first)]);
    while let Some(page) = waiting.pop() {
        let links: Vec<String> = seen[&page]
            .split("href=\"")
            .skip(1)
            .filter_map(|rest| rest.split('"').next())
            .filter(|link| link.starts_with("/docs") || link.starts_with("/llms") || link.starts_with('#'))
            .map(str::to_owned)
            .collect();
        for link in links {
            let (path, anchor) = link.split_once('#').unwrap_or((&link, ""));
            let path = if path.is_empty() { page.clone() } else { path.to_owned() };
            if !seen.contains_key(&path) {
                seen.insert(path.clone(), guest.get(&path).await.status(200).body);
                waiting.push(path.clone());
            }
            let has_anchor = anchor.is_empty() || seen[&path].contains(&format!("id=\"{anchor}\""));
            assert!(has_anchor, "{page} links to {link}, which is not there");
        }
    }
    assert!(seen.len() > 9 && seen.contains_key("/llms.txt"), "{:?}", seen.keys());
    guest.get("/docs/nothing").await.status(404);
    assert!(guest.get("/docs/running.md").await.status(200).body.starts_with("# Running a site"));
    assert!(seen["/llms.txt"].contains("/docs/start.md"));
    assert!(site.user("a@example.com", &["System Manager"]).await.get("/app").await.body.contains("href=\"/docs\""));
}

#[tokio::test]
async fn the_search_needs_no_script_and_shows_what_was_asked_as_text() {
    let site = TestSite::new().await;
    let guest = site.guest();
    let found = guest.get("/docs?q=device+code").await.status(200).body;
    assert!(found.contains("href=\"/docs/oauth\"") && found.contains("RFC 8628"), "{found}");
    let none = guest.get("/docs?q=%3Cscript%3Exyzzy").await.status(200).body;
    assert!(none.contains("No page has all of these words") && !none.contains("<script>xyzzy"), "{none}");
}

/// The commands of a page, in order.
fn commands(page: &str) -> Vec<String> {
    let page = std::fs::read_to_string(format!("{}/docs/{page}", env!("CARGO_MANIFEST_DIR"))).unwrap();
    page.split("```sh\n").skip(1).filter_map(|rest| rest.split("```").next()).map(str::to_owned).collect()
}

/// A `PATH` on which the program is called as people call it.
#[cfg(unix)]
fn path_to_the_program(server: &ServerProcess) -> String {
    let bin = server.folder.path().join("bin");
    std::fs::create_dir(&bin).unwrap();
    std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_doctyped"), bin.join("doctyped")).unwrap();
    format!("{}:{}", bin.display(), std::env::var("PATH").unwrap())
}

/// Those that serve are left to the test.
#[cfg(unix)]
#[tokio::test]
async fn the_commands_of_the_five_minute_start_work_as_they_stand() {
    let blocks = commands("start.md");
    let (begin, rest) = blocks.split_first().unwrap();
    assert!(begin.ends_with("doctyped serve\n"), "{begin}");
    let mut server = ServerProcess::prepare(&[]).await;
    let (folder, path) = (server.folder.path().to_owned(), path_to_the_program(&server));
    bash(&server, &path, begin.replace("doctyped serve\n", "")).await;
    for entry in ["doctypes", "doctyped.toml"] {
        std::fs::rename(folder.join("library").join(entry), folder.join(entry)).unwrap();
    }
    server.start_again().await;
    // The port of the page is that of the test.
    let script = rest.concat().replace("http://127.0.0.1:8000", &server.base).replace("curl -s ", "curl -sf ");
    let told = bash(&server, &path, script).await;
    for expected in [
        "\"pages\":412",
        "{\"data\":[{\"name\":\"Dune\",\"pages\":412}]}",
        "0 errors",
        "LOAN-00001",
        "0 problems",
        ".backup",
    ] {
        assert!(told.contains(expected), "{expected} is missing in {told}");
    }
    assert_eq!(server.run(&["health"]).await.unwrap(), "ready\n");
    server.ask_to_end();
    server.ended().await;
    assert!(server.run(&["health"]).await.is_err());
}

/// A person at a browser: logs in, allows what an application asks for, and goes where the site leads.
#[cfg(unix)]
const PERSON: &str = r#"#!/usr/bin/env bash
set -euo pipefail
site=${1%%/api/*}
browser() { curl -sf -c jar -b jar -H "Origin: $site" "$@"; }
input() { grep -o "name=\"$1\" value=\"[^\"]*\"" | head -1 | sed 's/.*value="//; s/"$//'; }
browser -o /dev/null -d "usr=Administrator&pwd=$DOCTYPED_ADMIN_PASSWORD" "$site/api/method/login"
page=$(browser -L "$1")
back=$(browser -o /dev/null -w '%{redirect_url}' --data-urlencode "csrf_token=$(input csrf_token <<<"$page")" \
  -d "request_id=$(input request_id <<<"$page")&decision=allow" "$site/api/method/frappe.integrations.oauth2.approve")
curl -sf -o /dev/null "$back"
"#;

#[cfg(unix)]
#[tokio::test]
async fn the_recipes_for_oauth_work_as_they_stand() {
    use std::os::unix::fs::PermissionsExt as _;

    for tool in ["jq", "xxd", "openssl", "python3"] {
        if Command::new("sh")
            .args(["-c", &format!("command -v {tool}")])
            .output()
            .is_ok_and(|found| !found.status.success())
        {
            eprintln!("SKIPPED: the recipes for OAuth need {tool}");
            return;
        }
    }
    let mut server = ServerProcess::prepare(&[]).await;
    let path = path_to_the_program(&server);
    let person = server.folder.path().join("bin/xdg-open");
    std::fs::write(&person, PERSON).unwrap();
    std::fs::set_permissions(&person, std::fs::Permissions::from_mode(0o755)).unwrap();
    server.start_again().await;
    let script = commands("oauth-recipes.md").concat().replace("http://127.0.0.1:8000", &server.base);
    let told = bash(&server, &path, script).await;
    let lines: Vec<&str> = told.lines().collect();
    for expected in [
        "{\"data\":[]}",
        "Bearer",
        "Water the plants",
        "  \"interval\": 5",
        "Reading list",
        "  \"scope\": \"doctype:ToDo:read\",",
        "  \"username\": \"Administrator\"",
    ] {
        assert!(lines.iter().any(|line| line.contains(expected)), "{expected} is missing in {told}");
    }
    assert!(told.contains("error=\"insufficient_scope\"") && !told.contains("somebody else"), "{told}");
    assert_eq!(lines.last(), Some(&"401"), "{told}");
}

#[cfg(unix)]
#[tokio::test]
async fn the_commands_for_the_api_work_as_they_stand() {
    if Command::new("sh").args(["-c", "command -v jq"]).output().is_ok_and(|found| !found.status.success()) {
        eprintln!("SKIPPED: the commands for the API need jq");
        return;
    }
    let mut server = ServerProcess::prepare(&[]).await;
    let path = path_to_the_program(&server);
    server.start_again().await;
    let script = commands("api.md").concat().replace("http://127.0.0.1:8000", &server.base);
    let told = bash(&server, &path, script).await;
    assert_eq!(told.lines().collect::<Vec<_>>(), API_ANSWERS, "{told}");
}

/// What the commands of `docs/api.md` say.
#[cfg(unix)]
const API_ANSWERS: [&str; 8] =
    ["High", "Low", "High", "description,priority", "Buy soil,High", "1", "1", "update Medium"];

/// What commands say, run with the settings of the site; the first that fails ends them.
#[cfg(unix)]
async fn bash(server: &ServerProcess, path: &str, script: String) -> String {
    let program = server.program();
    let mut shell = Command::new("bash");
    shell.args(["-e", "-o", "pipefail", "-c", &script]).current_dir(server.folder.path()).env("PATH", path);
    shell.envs(program.get_envs().filter_map(|(name, value)| Some((name.to_owned(), value?.to_owned()))));
    let output = tokio::task::spawn_blocking(move || shell.output()).await.unwrap().unwrap();
    let told = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{told}{}", String::from_utf8_lossy(&output.stderr));
    told
}
