//! Webhooks: applications are told what happens to documents, once it is durable, in order, until they have heard it.

mod delivery;
mod kills;
mod rules;

use doctyped::testing::jobs::run_due;
use serde_json::{Value as Json, json};
use wiremock::matchers::method;
use wiremock::{Mock, MockServer, Request, ResponseTemplate};

use crate::support::{Client, TestSite};

/// Orders, with all that can happen to documents.
pub const ORDER: &str = "name: Order
module: Test
autoname: 'field:title'
is_submittable: true
allow_rename: true
fields:
  - { fieldname: title, fieldtype: Data, label: Title, reqd: true, unique: true }
  - { fieldname: total, fieldtype: Currency, label: Total }
  - { fieldname: note, fieldtype: Data, label: Note, allow_on_submit: true }
  - { fieldname: pin, fieldtype: Password, label: PIN }
  - { fieldname: due, fieldtype: Datetime, label: Due }
permissions:
  - { role: System Manager, read: true, write: true, create: true, delete: true, submit: true, cancel: true }
";

/// An application that is told, and the site that tells it.
pub struct Told {
    pub site: TestSite,
    pub administrator: Client,
    pub server: MockServer,
}

impl Told {
    /// The application answers 200.
    pub async fn new() -> Self {
        let site = TestSite::new().with_doctype(ORDER).with_config(|config| config.development = true).await;
        let administrator = site.administrator().await;
        let told = Self { site, administrator, server: MockServer::start().await };
        told.answers(ResponseTemplate::new(200).set_body_string("thanks")).await;
        told
    }

    /// From here on it answers so, and what it received before is forgotten.
    pub async fn answers(&self, answer: ResponseTemplate) {
        self.server.reset().await;
        for verb in ["POST", "PUT", "DELETE"] {
            Mock::given(method(verb)).respond_with(answer.clone()).mount(&self.server).await;
        }
    }

    /// A webhook on Order.
    pub async fn hook(&self, name: &str, values: Json) -> Json {
        self.administrator.create("Webhook", self.values(name, &values)).await.ok()
    }

    /// What a webhook on Order is made of.
    pub fn values(&self, name: &str, values: &Json) -> Json {
        let mut all = json!({
            "name": name,
            "webhook_doctype": "Order",
            "webhook_docevent": "on_update",
            "request_url": format!("{}/hook", self.server.uri()),
        });
        all.as_object_mut().unwrap().extend(values.as_object().unwrap().clone());
        all
    }

    /// Sends what is due; what the application has received since it last was told how to answer.
    pub async fn sent(&self) -> Vec<Request> {
        run_due(&self.site.site).await.unwrap();
        self.server.received_requests().await.unwrap()
    }

    /// The requests in order of their names.
    pub async fn log(&self) -> Vec<Json> {
        let list =
            self.administrator.list("Webhook Request Log", "fields=[\"*\"]&order_by=name asc&limit_page_length=0");
        list.await.ok().as_array().unwrap().clone()
    }
}

/// A body in JSON.
pub fn body(request: &Request) -> Json {
    serde_json::from_slice(&request.body).unwrap()
}

/// A header.
pub fn header<'r>(request: &'r Request, name: &str) -> &'r str {
    request.headers.get(name).map_or("", |value| value.to_str().unwrap())
}
