//! A process that works on the jobs of a test's site, for the test to kill: this very binary, running one ignored test.

use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use doctyped::testing::jobs::run;
use doctyped::testing::load::Source;
use doctyped::testing::web::JobKind;
use tokio::sync::watch;

use super::TestSite;
use super::site::open;

const DATABASE: &str = "DOCTYPED_TEST_WORKER_DATABASE";
const FOLDER: &str = "DOCTYPED_TEST_WORKER_FOLDER";

/// Starts it. `test` is the whole name of an ignored test that does nothing but [`work`].
pub fn start(site: &TestSite, test: &str) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", test, "--ignored"])
        .env(DATABASE, &site.database().url)
        .env(FOLDER, site.folder.path())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

/// Works on the jobs of the site that the process was started for, with these DocTypes, until it is killed.
pub async fn work(doctypes: &[&str], job_kinds: Vec<JobKind>) {
    let (Ok(url), Ok(folder)) = (std::env::var(DATABASE), std::env::var(FOLDER)) else { return };
    let source =
        |(text, number): (&&str, i32)| Source { path: format!("test/{number}.yaml"), text: (*text).to_owned() };
    let sources = doctypes.iter().zip(1..).map(source).collect();
    let site = open(&url, &PathBuf::from(folder), sources, job_kinds, |config| config.development = true).await;
    let (_go_on, stopped) = watch::channel(false);
    run(site, stopped).await.unwrap();
}
