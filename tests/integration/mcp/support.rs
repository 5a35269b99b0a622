//! [`Assistant`]: a client of `/mcp` with an access token, in one of the two revisions.

use serde_json::{Value as Json, json};

use crate::oauth::support::{Program, bearer};
use crate::support::client::Response;
use crate::support::{Client, TestSite};

/// The newest revision with a handshake.
pub const HANDSHAKE: &str = "2025-11-25";
/// The revision without one.
pub const STATELESS: &str = "2026-07-28";

/// A DocType whose documents are submitted, with a child table.
pub const LOAN: &str = "
name: Loan
module: Library
autoname: field:title
title_field: title
is_submittable: true
track_changes: true
fields:
  - { fieldname: title, fieldtype: Data, label: Title, reqd: true, in_list_view: true, description: What is lent. }
  - { fieldname: status, fieldtype: Select, label: Status, options: [Open, Closed] }
  - { fieldname: reader, fieldtype: Link, label: Reader, options: User }
  - { fieldname: due, fieldtype: Date, label: Due }
  - { fieldname: text, fieldtype: Long Text, label: Text }
  - { fieldname: wish, fieldtype: Data, label: Wish, permlevel: 1 }
  - { fieldname: lines, fieldtype: Table, label: Lines, options: Loan Line }
permissions:
  - { role: System Manager, read: true, write: true, create: true, delete: true, submit: true, cancel: true }
  - { role: Reader, read: true, create: true, if_owner: true }
";
/// Its rows.
pub const LINE: &str = "
name: Loan Line
module: Library
istable: true
fields: [{ fieldname: item, fieldtype: Data, label: Item }, { fieldname: count, fieldtype: Int, label: Count }]
";

/// A site with loans.
pub async fn library() -> TestSite {
    TestSite::new().with_doctype(LINE).with_doctype(LOAN).await
}

/// Somebody who calls tools.
pub struct Assistant {
    /// Sends the token.
    pub http: Client,
    /// The OAuth Client.
    pub client: String,
    revision: &'static str,
    can_ask: bool,
}

impl Assistant {
    /// With a token of these scopes that the person allowed a client of an administrator, which may ask for more.
    pub async fn of(site: &TestSite, person: &Client, scope: &str) -> Self {
        let mut program = Program::new(site, json!({"scopes": "all openid", "app_name": "Helper"})).await;
        program.scope = scope.to_owned();
        let tokens = program.tokens(person).await;
        Self { client: program.id, ..Self::with(&bearer(site, &tokens)) }
    }

    /// With whatever the client sends along.
    pub fn with(http: &Client) -> Self {
        let http = http.with_header("accept", "application/json, text/event-stream");
        Self { http, client: String::new(), revision: HANDSHAKE, can_ask: false }
    }

    /// The same in the revision without a handshake.
    pub fn stateless(mut self) -> Self {
        self.revision = STATELESS;
        self
    }

    /// The same with a client that can ask the person.
    pub fn asking(mut self) -> Self {
        self.can_ask = true;
        self
    }

    /// Sends a request with what its revision wants.
    pub async fn send(&self, method: &str, mut params: Json) -> Response {
        let mut http = self.http.with_header("mcp-protocol-version", self.revision);
        if self.revision == STATELESS {
            let capabilities = if self.can_ask { json!({"elicitation": {}}) } else { json!({}) };
            params["_meta"] = json!({
                "io.modelcontextprotocol/protocolVersion": STATELESS,
                "io.modelcontextprotocol/clientCapabilities": capabilities,
                "io.modelcontextprotocol/clientInfo": {"name": "tests", "version": "1"},
            });
            http = http.with_header("mcp-method", method);
            if let Some(name) = params["name"].as_str().or_else(|| params["uri"].as_str()) {
                http = http.with_header("mcp-name", name);
            }
        }
        http.post("/mcp", json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params})).await
    }

    /// The result of a request.
    pub async fn result(&self, method: &str, params: Json) -> Json {
        let mut message = self.send(method, params).await.status(200).json();
        assert_eq!((&message["jsonrpc"], &message["id"]), (&json!("2.0"), &json!(1)), "{message}");
        assert!(message.get("error").is_none(), "{message}");
        message["result"].take()
    }

    /// The error of a request: its code and message.
    pub async fn fault(&self, method: &str, params: Json) -> (i64, String) {
        let message = self.send(method, params).await.json();
        let error = &message["error"];
        (error["code"].as_i64().unwrap_or_else(|| panic!("{message}")), error["message"].as_str().unwrap().to_owned())
    }

    /// What a tool answers.
    pub async fn call(&self, tool: &str, arguments: Json) -> Json {
        self.result("tools/call", json!({"name": tool, "arguments": arguments})).await
    }

    /// The JSON that a tool answers with.
    pub async fn json(&self, tool: &str, arguments: Json) -> Json {
        let result = self.call(tool, arguments).await;
        assert!(result.get("isError").is_none(), "{result}");
        serde_json::from_str(text(&result)).unwrap_or_else(|error| panic!("{error}: {result}"))
    }

    /// Why a tool did nothing.
    pub async fn refusal(&self, tool: &str, arguments: Json) -> String {
        let result = self.call(tool, arguments).await;
        assert_eq!(result["isError"], true, "{result}");
        text(&result).to_owned()
    }
}

/// The text of a result.
pub fn text(result: &Json) -> &str {
    result["content"][0]["text"].as_str().unwrap_or_else(|| panic!("{result}"))
}
