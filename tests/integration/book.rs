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

/// The commands of the page, in order; those that serve are left to the test.
#[cfg(unix)]
#[tokio::test]
async fn the_commands_of_the_five_minute_start_work_as_they_stand() {
    let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/start.md")).unwrap();
    let blocks: Vec<&str> = page.split("```sh\n").skip(1).filter_map(|rest| rest.split("```").next()).collect();
    let (begin, rest) = blocks.split_first().unwrap();
    assert!(begin.ends_with("doctyped serve\n"), "{begin}");
    let mut server = ServerProcess::prepare(&[]).await;
    // The program is called as people call it, and the port of the page is that of the test.
    let folder = server.folder.path().to_owned();
    let bin = folder.join("bin");
    std::fs::create_dir(&bin).unwrap();
    std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_doctyped"), bin.join("doctyped")).unwrap();
    let path = format!("{}:{}", bin.display(), std::env::var("PATH").unwrap());
    bash(&server, &path, begin.replace("doctyped serve\n", "")).await;
    for entry in ["doctypes", "doctyped.toml"] {
        std::fs::rename(folder.join("library").join(entry), folder.join(entry)).unwrap();
    }
    server.start_again().await;
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

/// What commands say, run with the settings of the site; the first that fails ends them.
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
