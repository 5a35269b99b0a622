//! The desk in a real browser: headless Chromium, driven by `ChromeDriver`. Runs with `DOCTYPED_TEST_BROWSER=1`.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use base64::Engine as _;
use doctyped::testing::app::{App, Build};
use doctyped::testing::clock::Clock;
use doctyped::testing::config::{Config, Hidden};
use doctyped::testing::secret::SiteKey;
use serde_json::{Value as Json, json};

use crate::support::PASSWORD;

/// Whether tests in a browser were switched on; says so loudly if not.
pub fn is_wanted() -> bool {
    let wanted = std::env::var("DOCTYPED_TEST_BROWSER").is_ok();
    if !wanted {
        eprintln!("SKIPPED: set DOCTYPED_TEST_BROWSER=1 to run the browser tests");
    }
    wanted
}

/// A page that `ChromeDriver` controls.
pub struct Browser {
    driver: Child,
    http: reqwest::Client,
    session: String,
}

impl Browser {
    /// Starts one with a profile of its own.
    pub async fn start(profile: &std::path::Path) -> Self {
        let (driver, port) = (0..5).find_map(|_| start_driver()).expect("ChromeDriver starts");
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        let profile = format!("--user-data-dir={}", profile.display());
        let arguments = [
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--no-first-run",
            "--force-prefers-reduced-motion",
            // With a mouse, as on a desk.
            "--blink-settings=primaryHoverType=2,availableHoverTypes=2,primaryPointerType=4,availablePointerTypes=4",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--window-size=1280,1000",
            &profile,
        ];
        let options = json!({"goog:chromeOptions": {"args": arguments}, "goog:loggingPrefs": {"browser": "ALL"}});
        let wanted = json!({"capabilities": {"alwaysMatch": options}});
        let base = format!("http://127.0.0.1:{port}/session");
        let mut browser = Self { driver, http, session: base };
        let id = browser.post("", wanted).await["sessionId"].as_str().unwrap().to_owned();
        browser.session = format!("{}/{id}", browser.session);
        browser
    }

    async fn post(&self, path: &str, body: Json) -> Json {
        self.try_post(path, &body).await.unwrap_or_else(|error| panic!("{path} {body}: {error}"))
    }

    /// The answer, or why the browser could not give one.
    async fn try_post(&self, path: &str, body: &Json) -> Result<Json, String> {
        let answer = self.http.post(format!("{}{path}", self.session)).body(body.to_string()).send().await.unwrap();
        let text = answer.text().await.unwrap();
        let answer: Json = serde_json::from_str(&text).unwrap();
        if answer["value"].get("error").is_some() { Err(text) } else { Ok(answer["value"].clone()) }
    }

    /// Goes to an address.
    pub async fn open(&self, url: &str) {
        self.post("/url", json!({"url": url})).await;
    }

    /// Runs a function body in the page.
    pub async fn run(&self, script: &str) -> Json {
        self.post("/execute/sync", json!({"script": script, "args": []})).await
    }

    /// Waits until a function body says yes. A page that is just being left says nothing.
    pub async fn wait_for(&self, script: &str) {
        let body = json!({"script": script, "args": []});
        for _ in 0..100 {
            if self.try_post("/execute/sync", &body).await == Ok(json!(true)) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        panic!("not within ten seconds: {script}");
    }

    /// An element, once the page has it.
    async fn element(&self, css: &str) -> String {
        let wanted = json!({"using": "css selector", "value": css});
        for _ in 0..100 {
            if let Ok(found) = self.try_post("/element", &wanted).await {
                return found.as_object().unwrap().values().next().unwrap().as_str().unwrap().to_owned();
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        panic!("no {css} within ten seconds");
    }

    /// Clicks an element.
    pub async fn click(&self, css: &str) {
        let element = self.element(css).await;
        self.post(&format!("/element/{element}/click"), json!({})).await;
    }

    /// Types into an element.
    pub async fn type_into(&self, css: &str, text: &str) {
        let element = self.element(css).await;
        self.post(&format!("/element/{element}/value"), json!({"text": text})).await;
    }

    /// Drags an element onto another with the mouse.
    pub async fn drag(&self, from: &str, to: &str) {
        let (from, to) = (self.element(from).await, self.element(to).await);
        let over = |element: &str, y: i32| {
            let origin = json!({"element-6066-11e4-a52e-4f735466cecf": element});
            json!({"type": "pointerMove", "duration": 50, "origin": origin, "x": 0, "y": y})
        };
        let steps = json!([over(&from, 0), {"type": "pointerDown", "button": 0}, over(&to, 0), over(&to, -4), {"type": "pointerUp", "button": 0}]);
        let mouse = json!({"type": "pointer", "id": "mouse", "parameters": {"pointerType": "mouse"}, "actions": steps});
        self.post("/actions", json!({"actions": [mouse]})).await;
    }

    /// Pastes a text into an element, as the clipboard of another program has it.
    pub async fn paste(&self, css: &str, text: &str) {
        let script = format!(
            "const data = new DataTransfer();
            data.setData('text/plain', {});
            const target = document.querySelector({});
            target.focus();
            target.dispatchEvent(new ClipboardEvent('paste', {{ clipboardData: data, bubbles: true, cancelable: true }}));",
            json!(text),
            json!(css)
        );
        self.run(&script).await;
    }

    /// The size of the window; a phone is about 400 wide.
    pub async fn resize(&self, width: u32, height: u32) {
        self.post("/window/rect", json!({"width": width, "height": height})).await;
    }

    /// Makes the page exactly as wide and high as that, narrower than any window if need be.
    pub async fn show_in(&self, width: u32, height: u32) {
        let size = json!({"width": width, "height": height, "deviceScaleFactor": 1, "mobile": false});
        let command = json!({"cmd": "Emulation.setDeviceMetricsOverride", "params": size});
        self.post("/goog/cdp/execute", command).await;
    }

    /// Shows pages as on another medium: `print`, or empty for the screen.
    pub async fn show_as(&self, media: &str) {
        let command = json!({"cmd": "Emulation.setEmulatedMedia", "params": {"media": media}});
        self.post("/goog/cdp/execute", command).await;
    }

    /// Logs in at the login page that is shown.
    pub async fn log_in(&self, usr: &str) {
        self.type_into("#usr", usr).await;
        self.type_into("#pwd", PASSWORD).await;
        self.click("form button[type=submit]").await;
        self.wait_for("return location.pathname !== '/login'").await;
    }

    /// Takes the session away, as its end does.
    pub async fn end_session(&self) {
        self.http.delete(format!("{}/cookie/sid", self.session)).send().await.unwrap();
    }

    /// What the console has said since it was asked last, such as what the policy of the page forbade.
    pub async fn console(&self) -> Vec<String> {
        let entries = self.post("/se/log", json!({"type": "browser"})).await;
        entries.as_array().unwrap().iter().map(|entry| entry["message"].as_str().unwrap().to_owned()).collect()
    }

    /// The text of the page.
    pub async fn text(&self) -> String {
        self.run("return document.querySelector('main').textContent").await.as_str().unwrap().to_owned()
    }

    /// Keeps a picture for a wide screen and one for a phone; neither may be wider than the screen.
    pub async fn look(&self, name: &str) {
        let overflows = "return document.documentElement.scrollWidth > document.documentElement.clientWidth";
        for (suffix, width, height) in [("-phone", 400, 900), ("", 1280, 1000)] {
            self.resize(width, height).await;
            self.screenshot(&format!("{name}{suffix}")).await;
            assert_eq!(self.run(overflows).await, json!(false), "{name}: the page is wider than {width}");
        }
    }

    /// Keeps a picture in `target/screenshots`.
    pub async fn screenshot(&self, name: &str) {
        let answer = self.http.get(format!("{}/screenshot", self.session)).send().await.unwrap().text().await.unwrap();
        let answer: Json = serde_json::from_str(&answer).unwrap();
        let png = base64::engine::general_purpose::STANDARD.decode(answer["value"].as_str().unwrap()).unwrap();
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("target/screenshots");
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join(format!("{name}.png")), png).unwrap();
    }
}

/// Starts a driver on a free port; `None` if another one took the port that it had found.
fn start_driver() -> Option<(Child, u16)> {
    let mut driver = Command::new("chromedriver")
        .arg("--port=0")
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("chromedriver is installed (Debian: chromium-driver)");
    let mut lines = BufReader::new(driver.stdout.take().unwrap()).lines().map_while(Result::ok);
    let port = lines.find_map(|line| {
        let (_, port) = line.split_once("started successfully on port ")?;
        port.trim_end_matches('.').parse().ok()
    });
    if port.is_none() {
        let _ = driver.kill();
        let _ = driver.wait();
    }
    Some((driver, port?))
}

/// Ends a session, and the browser with it.
fn end(session: &str) -> std::io::Result<usize> {
    let url = url::Url::parse(session).map_err(std::io::Error::other)?;
    let port = url.port().unwrap_or_default();
    let mut stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.set_read_timeout(Some(Duration::from_secs(5)))?;
    write!(stream, "DELETE {} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n\r\n", url.path())?;
    stream.read_to_end(&mut Vec::new())
}

impl Drop for Browser {
    fn drop(&mut self) {
        // A driver that is killed leaves its browser behind, which goes on for ever and takes memory.
        let _ = end(&self.session);
        let _ = self.driver.kill();
        let _ = self.driver.wait();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_sets_up_an_oauth_client_in_the_browser() {
    if !is_wanted() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let config = Config {
        listen: "127.0.0.1:0".to_owned(),
        database_url: Hidden::new(format!("sqlite://{}", folder.path().join("site.db").display())),
        admin_password: Some(Hidden::new(PASSWORD)),
        doctypes: Vec::new(),
        files: folder.path().join("files"),
        templates: folder.path().join("templates"),
        ..Config::default()
    };
    let site_key = Some(SiteKey::from_text("a key for tests that is long enough to be one").unwrap());
    let app =
        App::build(Build { config, clock: Clock::system(), site_key, sources: Vec::new(), job_kinds: Vec::new() })
            .await
            .unwrap();
    let (ready, address) = tokio::sync::oneshot::channel();
    let server = tokio::spawn(app.serve(std::future::pending(), move |_, _, address| ready.send(address).unwrap()));
    let base = format!("http://{}", address.await.unwrap());

    let browser = Browser::start(&folder.path().join("profile")).await;
    browser.open(&format!("{base}/app/oauth-client/new")).await;
    browser.type_into("#usr", "Administrator").await;
    browser.type_into("#pwd", PASSWORD).await;
    browser.click("button[type=submit]").await;
    browser.wait_for("return location.pathname === '/app/oauth-client/new'").await;
    browser
        .wait_for(
            "return document.querySelector('#f-user') !== null && document.querySelector('.chip-add input') !== null",
        )
        .await;
    let help = browser.run("return document.querySelector('#f-app_name-help').textContent").await;
    assert!(help.as_str().unwrap().contains("Holiday Planner"), "{help}");
    browser.screenshot("client-new").await;

    // Conditions are live: the user is asked for only where the program acts for itself.
    let hidden = "return document.querySelector('[data-field=user]').hidden";
    assert_eq!(browser.run(hidden).await, json!(true));
    browser.run("document.querySelector('#f-allow_client_credentials').click()").await;
    assert_eq!(browser.run(hidden).await, json!(false));

    // The link picker, by keyboard; and a row of a table.
    browser.type_into("#f-user", "admin").await;
    browser.wait_for("return document.querySelectorAll('.listbox:not([hidden]) [role=option]').length > 0").await;
    browser.screenshot("client-picker").await;
    browser.type_into("#f-user", "\u{e007}").await;
    browser.wait_for("return document.querySelector('#f-user').value === 'Administrator'").await;
    browser.type_into(".chip-add input", "System").await;
    browser.wait_for("return document.querySelectorAll('.listbox:not([hidden]) [role=option]').length > 0").await;
    browser.type_into(".chip-add input", "\u{e007}").await;
    browser.wait_for("return document.querySelectorAll('.chip').length === 1").await;

    // A problem at its field, mended.
    browser.type_into("#f-default_redirect_uri", "https://app.example.com/callback").await;
    browser.run("document.querySelector('[data-save]').click()").await;
    browser.wait_for("return document.querySelector('#f-app_name-error') !== null").await;
    browser.screenshot("client-problem").await;
    browser.wait_for("return document.querySelectorAll('.chip').length === 1").await;
    browser.type_into("#f-app_name", "Holiday Planner").await;
    browser.run("document.querySelector('[data-save]').click()").await;
    browser.wait_for("return document.querySelector('h1')?.textContent.includes('Holiday Planner') ?? false").await;
    browser.screenshot("client-saved").await;
    assert_eq!(browser.run("return document.querySelector('#f-user').value").await, json!("Administrator"));

    // A grid: a row for a Connected App.
    browser.open(&format!("{base}/app/connected-app/new")).await;
    browser.wait_for("return document.querySelector('[data-grid] [data-add-row]') !== null").await;
    browser.type_into("#f-provider_name", "Calendar").await;
    browser.run("for (const section of document.querySelectorAll('details[data-section]')) section.open = true").await;
    browser.click("[data-grid=scopes] [data-add-row]").await;
    browser.type_into("[name='scopes.0.scope']", "offline_access").await;
    browser.screenshot("grid").await;
    browser.run("document.querySelector('[data-save]').click()").await;
    browser.wait_for("return document.querySelector('.flash') !== null").await;
    assert_eq!(
        browser.run("return document.querySelector(\"[name='scopes.0.scope']\").value").await,
        json!("offline_access")
    );
    server.abort();
}
