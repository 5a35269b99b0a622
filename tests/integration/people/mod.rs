//! People: how they come in, and back in.

mod forgotten;
mod invitation;
mod new_device;
mod second_factor;

use serde_json::{Value as Json, json};

use crate::support::client::Response;
use crate::support::{Client, TestSite};

/// A password that nobody has yet.
pub const NEW: &str = "battery staple correct";

/// The value of `key` in the address of a link.
pub fn key_of(link: &str) -> &str {
    link.split("key=").nth(1).unwrap()
}

/// Somebody asks for a link to a new password, and waits until it is made.
pub async fn ask(site: &TestSite, client: &Client, typed: &str) {
    let before = site.db_names("Email Queue", json!({})).await.len();
    client.form("/forgot-password", &[("usr", typed)]).await.status(200);
    for _ in 0..250 {
        if site.db_names("Email Queue", json!({})).await.len() > before {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    panic!("no link is made");
}

/// Chooses a password on the page behind a link.
pub async fn choose(client: &Client, link: &str, password: &str) -> Response {
    let fields = [
        ("key", key_of(link)),
        ("first_name", "Ada"),
        ("last_name", "Lovelace"),
        ("new_password", password),
        ("repeated", password),
    ];
    client.form("/update-password", &fields).await
}

/// The Security Events of a kind, as their users.
pub async fn events(site: &TestSite, event: &str) -> Vec<String> {
    let mut users = Vec::new();
    for name in site.db_names("Security Event", json!({"event": event})).await {
        let system = doctyped::testing::permissions::Session::system();
        let document = site.documents().get(&system, "Security Event", &name).await.unwrap();
        users.push(document.text("user").to_owned());
    }
    users
}

/// The names of the roles in a User.
pub fn roles(user: &Json) -> Vec<&str> {
    user["roles"].as_array().unwrap().iter().map(|row| row["role"].as_str().unwrap()).collect()
}
