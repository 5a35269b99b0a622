//! The examples beside the form of a client, taken from the page and run as they stand.

use std::io::{BufRead as _, BufReader, Lines, Write as _};
use std::process::{Child, ChildStdout, Command, Stdio};

use serde_json::json;

use super::support::{Program, REDIRECT_URI, answer, parameter};
use crate::support::{Client, PASSWORD, ServerProcess, TestSite};

const ALICE: &str = "alice@example.com";
const LANGUAGES: [&str; 3] = ["curl", "JavaScript", "Python"];

/// The texts under a heading of a client's form, by language.
async fn examples(administrator: &Client, id: &str, title: &str) -> Vec<(String, String)> {
    let page = administrator.get(&format!("/app/oauth-client/{id}")).await.status(200).body;
    let (_, panel) = page.split_once(&format!("<h2>{title}</h2>")).unwrap_or_else(|| panic!("no {title} in {page}"));
    let panel = panel.split_once("</section>").unwrap().0;
    panel
        .split("<details ")
        .skip(1)
        .map(|example| {
            let within = |from: &str, to: &str| {
                let rest = example.split_once(from).unwrap().1;
                unescape(rest.split_once(to).unwrap().0)
            };
            (within("<summary>", "</summary>"), within("data-copy>", "</pre>"))
        })
        .collect()
}

fn unescape(html: &str) -> String {
    let marks = [("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&#x27;", "'"), ("&#x60;", "`"), ("&#x3D;", "=")];
    marks.iter().fold(html.to_owned(), |text, (from, to)| text.replace(from, to)).replace("&amp;", "&")
}

/// A running example.
struct Example {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
    _folder: tempfile::TempDir,
}

impl Example {
    /// Starts it; `None` if its language is not here.
    fn start(language: &str, text: &str, secret: &str) -> Option<Self> {
        Self::start_with(language, text, &[("CLIENT_SECRET", secret)])
    }

    /// The same with everything that it has to be told.
    fn start_with(language: &str, text: &str, secrets: &[(&str, &str)]) -> Option<Self> {
        let (program, file) = match language {
            "curl" => ("bash", "example.sh"),
            "Python" => ("python3", "example.py"),
            _ if std::env::var("DOCTYPED_TEST_NODE").is_err() => {
                eprintln!("SKIPPED: set DOCTYPED_TEST_NODE=1 to run the example in JavaScript");
                return None;
            }
            _ => ("node", "example.mjs"),
        };
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join(file), text).unwrap();
        let mut child = Command::new(program)
            .arg(folder.path().join(file))
            .envs(secrets.iter().copied())
            // What opens the person's browser opens nothing here.
            .env("BROWSER", "true")
            .env("NO_PROXY", "127.0.0.1")
            .env("no_proxy", "127.0.0.1")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Some(Self { child, lines, _folder: folder })
    }

    fn line(&mut self) -> String {
        self.lines.next().expect("the example says something").unwrap()
    }

    fn type_in(&mut self, text: &str) {
        writeln!(self.child.stdin.as_mut().unwrap(), "{text}").unwrap();
    }

    /// Everything that it still says.
    fn rest(mut self) -> String {
        drop(self.child.stdin.take());
        let rest: Vec<String> = self.lines.by_ref().map(Result::unwrap).collect();
        let rest = rest.join("\n");
        assert!(self.child.wait().unwrap().success(), "{rest}");
        rest
    }
}

impl Drop for Example {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The person opens the address, reads the page and allows; returns where the browser is sent.
async fn allow(server: &ServerProcess, person: &Client, address: &str) -> String {
    let page = person.get(address.strip_prefix(&server.base).unwrap()).await.redirect();
    let page = person.get(&page).await.status(200);
    answer(person, &page, "allow").await.redirect()
}

async fn server() -> (ServerProcess, Client, Client) {
    let server = ServerProcess::start(&[]).await;
    let administrator = server.administrator().await;
    administrator.create("Role", json!({"role_name": "Staff"})).await.ok();
    let roles = json!([{"role": "Staff"}]);
    let alice = json!({"email": ALICE, "first_name": "Alice", "new_password": PASSWORD, "roles": roles});
    administrator.create("User", alice).await.ok();
    let alice = server.guest();
    alice.log_in(ALICE, PASSWORD).await.ok();
    (server, administrator, alice)
}

#[tokio::test]
async fn the_examples_of_a_service_get_a_token_and_call_the_api() {
    let (server, administrator, _) = server().await;
    for method in ["Client Secret Basic", "Client Secret Post"] {
        let values = json!({
            "allow_client_credentials": 1, "user": ALICE, "scopes": "openid doctype:User:read",
            "token_endpoint_auth_method": method,
        });
        let program = Program::made_by(&administrator, server.guest(), values).await;
        let texts = examples(&administrator, &program.id, "Let the application act for itself").await;
        assert_eq!(texts.iter().map(|(language, _)| language.as_str()).collect::<Vec<_>>(), LANGUAGES);
        for (language, text) in texts {
            assert!(!text.contains(&program.secret) && !text.contains('@'), "{text}");
            let Some(example) = Example::start(&language, &text, &program.secret) else { continue };
            let said = example.rest();
            assert!(said.contains(&format!("{{\"name\":\"{ALICE}\"}}")), "{language}, {method}: {said}");
        }
    }
}

#[tokio::test]
async fn the_examples_of_an_exchange_trade_a_token_and_call_the_api() {
    let (server, administrator, alice) = server().await;
    administrator.update("OAuth Settings", "OAuth Settings", json!({"enable_token_exchange": 1})).await.ok();
    let values = json!({"allow_token_exchange": 1, "scopes": "openid email"});
    let mut program = Program::made_by(&administrator, server.guest(), values).await;
    program.scope = "openid email".to_owned();
    for (language, text) in examples(&administrator, &program.id, "Exchange a token for a narrower one").await {
        let tokens = program.tokens(&alice).await;
        let token = ("SUBJECT_TOKEN", tokens["access_token"].as_str().unwrap());
        let secret = ("CLIENT_SECRET", program.secret.as_str());
        let Some(example) = Example::start_with(&language, &text, &[secret, token]) else { continue };
        let said = example.rest();
        assert!(said.contains(&format!("\"email\":\"{ALICE}\"")), "{language}: {said}");
    }
}

#[tokio::test]
async fn the_examples_of_a_website_sign_a_person_in() {
    let (server, administrator, alice) = server().await;
    for is_pushed in [false, true] {
        let values = json!({"scopes": "openid email", "require_par": is_pushed});
        let program = Program::made_by(&administrator, server.guest(), values).await;
        for (language, text) in examples(&administrator, &program.id, "Sign people in from a website").await {
            let Some(mut example) = Example::start(&language, &text, &program.secret) else { continue };
            let address = example.line();
            assert_eq!(parameter(&address, "request_uri").is_some(), is_pushed, "{language}: {address}");
            let back = allow(&server, &alice, &address).await;
            assert!(back.starts_with(REDIRECT_URI), "{back}");
            // The shell asks for the code alone.
            let code = parameter(&back, "code").unwrap();
            example.type_in(if language == "curl" { &code } else { &back });
            let said = example.rest();
            assert!(said.contains(&format!("\"email\":\"{ALICE}\"")), "{language}: {said}");
        }
    }
}

#[tokio::test]
async fn the_example_of_a_program_on_a_computer_waits_there_for_the_answer() {
    let (server, administrator, alice) = server().await;
    let values = json!({
        "token_endpoint_auth_method": "None", "application_type": "Native", "scopes": "openid email",
        "default_redirect_uri": "http://127.0.0.1/callback",
    });
    let program = Program::made_by(&administrator, server.guest(), values).await;
    let texts = examples(&administrator, &program.id, "Sign people in from an application").await;
    let (language, text) = texts.into_iter().find(|(language, _)| language == "Python").unwrap();
    assert!(!text.contains("CLIENT_SECRET"), "it has none: {text}");
    let mut example = Example::start(&language, &text, "").unwrap();
    let address = example.line();
    let back = allow(&server, &alice, &address).await;
    assert!(back.starts_with("http://127.0.0.1:"), "{back}");
    let browser = reqwest::Client::builder().no_proxy().build().unwrap();
    assert!(browser.get(&back).send().await.unwrap().status().is_success());
    let said = example.rest();
    assert!(said.contains(&format!("\"email\":\"{ALICE}\"")), "{said}");
}

#[tokio::test]
async fn each_kind_of_client_has_the_examples_of_its_kind() {
    let site = TestSite::new().await;
    let grants = json!({"enable_token_exchange": 1, "enable_jwt_bearer_grant": 1});
    site.db_update("OAuth Settings", "OAuth Settings", grants).await;
    for (values, title, telling) in [
        (json!({}), "Sign people in from a website", "CLIENT_SECRET"),
        (json!({"token_endpoint_auth_method": "None"}), "Sign people in from a web page", "sessionStorage"),
        (
            json!({"token_endpoint_auth_method": "None", "default_redirect_uri": "http://127.0.0.1/callback"}),
            "Sign people in from an application",
            "HTTPServer",
        ),
        (json!({"allow_device_code": 1}), "Sign people in on another device", "user_code"),
        (json!({"allow_token_exchange": 1}), "Exchange a token for a narrower one", "SUBJECT_TOKEN"),
        (json!({"allow_jwt_bearer": 1}), "Act for people whom a provider vouches for", "ASSERTION"),
    ] {
        let program = Program::new(&site, values.clone()).await;
        let texts = examples(&site.administrator().await, &program.id, title).await;
        assert_eq!(texts.len(), 3, "{values}");
        assert!(texts.iter().any(|(_, text)| text.contains(telling)), "{values}");
        for (language, text) in &texts {
            assert!(text.contains(site.documents().site_url()), "{language}: {text}");
            assert!(!text.contains('@'), "nothing is left to be filled in: {language}: {text}");
            let names = values["token_endpoint_auth_method"] == "None";
            assert!(!(names && text.contains("CLIENT_SECRET")), "{language}: {text}");
        }
    }
}

#[tokio::test]
async fn values_of_a_client_cannot_break_out_of_an_example() {
    let site = TestSite::new().await;
    let uri = "https://app.example/it's$(id)";
    let program = Program::new(&site, json!({"default_redirect_uri": uri})).await;
    let texts = examples(&site.administrator().await, &program.id, "Sign people in from a website").await;
    let text = |wanted: &str| texts.iter().find(|(language, _)| language == wanted).unwrap().1.clone();
    assert!(text("curl").contains(r"redirect_uri='https://app.example/it'\''s$(id)'"), "{}", text("curl"));
    assert!(text("Python").contains(&format!("REDIRECT_URI = \"{uri}\"")));
}
