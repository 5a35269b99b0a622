//! `/me`: everybody's own account.

use serde_json::json;

use crate::support::{Client, PASSWORD, TestSite};

async fn people() -> (TestSite, Vec<Client>) {
    let site = TestSite::new().await;
    site.db_user("web@example.com", json!({"user_type": "Website User"})).await;
    site.db_user("desk@example.com", json!({})).await;
    let mut clients = Vec::new();
    for user in ["web@example.com", "desk@example.com"] {
        let client = site.guest();
        client.log_in(user, PASSWORD).await.ok();
        clients.push(client);
    }
    (site, clients)
}

async fn post(client: &Client, path: &str, fields: &[(&str, &str)]) -> crate::support::client::Response {
    let page = client.get("/me").await.status(200).body;
    let token = page.split("name=\"csrf_token\" value=\"").nth(1).unwrap().split('"').next().unwrap();
    let mut fields = fields.to_vec();
    fields.push(("csrf_token", token));
    client.form(path, &fields).await
}

#[tokio::test]
async fn everybody_changes_their_own_password_and_name() {
    let (site, clients) = people().await;
    for (client, user) in clients.iter().zip(["web@example.com", "desk@example.com"]) {
        let other = site.guest();
        other.log_in(user, PASSWORD).await.ok();
        let new = "battery staple correct";
        let fields = |old, repeated| [("old_password", old), ("new_password", new), ("repeated", repeated)];
        let wrong = post(client, "/me/password", &fields("wrong", new)).await.status(417);
        assert!(wrong.body.contains("The current password is not right"), "{}", wrong.body);
        let differ = post(client, "/me/password", &fields(PASSWORD, "else")).await.status(417);
        assert!(differ.body.contains("differ"), "{}", differ.body);
        assert_eq!(post(client, "/me/password", &fields(PASSWORD, new)).await.redirect(), "/me?done=password");
        assert_eq!(other.logged_user().await, "Guest", "other sessions end");
        site.guest().log_in(user, new).await.ok();
        assert_eq!(
            post(client, "/me/name", &[("first_name", "Ada"), ("last_name", "L")]).await.redirect(),
            "/me?done=name"
        );
        assert!(client.get("/me").await.status(200).body.contains("Ada L"));
    }
}

#[tokio::test]
async fn an_api_key_of_ones_own_is_shown_once_and_works() {
    let (site, clients) = people().await;
    for client in &clients {
        assert_eq!(post(client, "/me/api-key", &[]).await.redirect(), "/me");
        let page = client.get("/me").await.status(200).body;
        let header = page.split("Authorization: ").nth(1).expect("the header is shown").split('<').next().unwrap();
        let program = site.guest().with_header("authorization", header);
        assert_eq!(program.logged_user().await, client.logged_user().await);
        assert!(!client.get("/me").await.status(200).body.contains("Authorization: "), "it is shown once");
        program.get("/me").await.status(403);
    }
}

#[tokio::test]
async fn people_end_their_own_sessions_and_nobody_elses() {
    let (site, clients) = people().await;
    let other = site.guest();
    other.log_in("web@example.com", PASSWORD).await.ok();
    let foreign = site.db_names("Session", json!({"user": "desk@example.com"})).await.remove(0);
    let refused = post(&clients[0], "/me/sessions/end", &[("session", &foreign)]).await;
    assert!(refused.status.is_client_error(), "{}", refused.status);
    assert_eq!(clients[1].logged_user().await, "desk@example.com");
    for session in site.db_names("Session", json!({"user": "web@example.com"})).await {
        let page = clients[0].get("/me").await.status(200).body;
        if page.contains(&format!("value=\"{session}\"><")) || page.contains(&session) {
            post(&clients[0], "/me/sessions/end", &[("session", &session)]).await;
        }
        if other.logged_user().await == "Guest" {
            return;
        }
        clients[0].log_in("web@example.com", PASSWORD).await.ok();
    }
    panic!("the other session was never ended");
}

#[tokio::test]
async fn guests_are_asked_to_log_in() {
    let site = TestSite::new().await;
    assert_eq!(site.guest().get("/me").await.redirect(), "/login?redirect-to=%2Fme");
    site.guest().form("/me/name", &[("first_name", "X")]).await.status(401);
}

#[tokio::test]
async fn pages_about_ones_account_show_times_as_the_clocks_of_the_person_do() {
    let site = TestSite::new().await;
    let values = json!({"time_zone": "Asia/Kolkata", "roles": [{"role": "System Manager"}]});
    site.db_user("asha@example.com", values).await;
    let asha = site.guest();
    asha.log_in("asha@example.com", PASSWORD).await.ok();
    let request = doctyped::testing::document::ListRequest::new("Session").fields(&["last_seen"]);
    let list = site.documents().list(&doctyped::testing::permissions::Session::system(), &request).await.unwrap();
    let stored = chrono::NaiveDateTime::parse_from_str(list.text(0, "last_seen"), "%Y-%m-%d %H:%M:%S%.f").unwrap();
    let shown = (stored + chrono::Duration::minutes(330)).format("last used %Y-%m-%d %H:%M").to_string();
    let page = asha.get("/me").await.status(200).body;
    assert!(page.contains(&shown), "{shown}: {page}");

    let program = crate::oauth::support::Program::public(&site).await;
    let _ = program.code(&asha).await;
    let allowed = site.db_names("OAuth Grant", json!([])).await;
    let grant =
        site.documents().get(&doctyped::testing::permissions::Session::system(), "OAuth Grant", &allowed[0]).await;
    let stored = chrono::NaiveDateTime::parse_from_str(grant.unwrap().text("granted_at"), "%Y-%m-%d %H:%M:%S%.f");
    let shown = (stored.unwrap() + chrono::Duration::minutes(330)).format(">%Y-%m-%d %H:%M<").to_string();
    let page = asha.get("/third_party_apps").await.status(200).body;
    assert!(page.contains(&shown), "{shown}: {page}");
}
