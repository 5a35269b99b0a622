//! A login on a device that was not seen before is told by mail.

use serde_json::json;

use crate::support::{MailServer, PASSWORD};

#[tokio::test]
async fn whoever_logs_in_on_a_new_device_is_told() {
    let Some(server) = MailServer::start() else { return };
    let site = server.site().await;
    site.db_user("ada@example.com", json!({})).await;
    let firefox = "Mozilla/5.0 (X11; Linux x86_64; rv:130.0) Gecko/20100101 Firefox/130.0";
    for agent in [firefox, firefox, "curl/8.5.0"] {
        site.guest().with_header("user-agent", agent).log_in("ada@example.com", PASSWORD).await.ok();
    }
    let messages = server.taken(&site, 1).await;
    assert_eq!(messages.len(), 1, "the first device and known ones are no news: {messages:?}");
    let text = messages[0]["text"].as_str().unwrap();
    assert!(text.contains("curl, from ") && text.contains("/me"), "{text}");
    assert_eq!(messages[0]["to"][0], "ada@example.com");
}
