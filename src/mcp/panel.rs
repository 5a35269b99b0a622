//! Beside the form of OAuth Settings: the address to paste into assistants, how, and who connected lately.

use async_trait::async_trait;
use serde_json::json;

use crate::document::ListRequest;
use crate::error::Result;
use crate::mcp::record::MCP_CALL;
use crate::mcp::settings::McpSettings;
use crate::meta::Document;
use crate::permissions::Session;
use crate::web::panel::{Panel, Panels};
use crate::web::{MCP, Site};

/// How many calls are looked at for who connected lately.
const LATELY: u64 = 200;

/// The panels.
pub(super) struct ConnectPanels;

#[async_trait]
impl Panels for ConnectPanels {
    async fn panels(&self, site: &Site, session: &Session, document: &Document) -> Result<Vec<Panel>> {
        if !McpSettings::from(document).enabled {
            return Ok(Vec::new());
        }
        let address = format!("{}{MCP}", site.documents.site_url());
        let mut help =
            "Enter this address in the assistant: it finds out the rest, and the person logs in here and allows it."
                .to_owned();
        if !site.config.is_https() {
            help.push_str(" This site has no https, so that only assistants on this very machine can connect.");
        }
        let connect = Panel {
            title: "Connect an AI assistant".to_owned(),
            help,
            values: vec![("Address".to_owned(), address.clone())],
            examples: examples(&address),
            links: vec![("What assistants did".to_owned(), "/app/mcp-call".to_owned())],
            is_wide: true,
        };
        Ok([Some(connect), lately(site, session).await?].into_iter().flatten().collect())
    }
}

/// Where the known assistants take the address.
fn examples(address: &str) -> Vec<(String, String)> {
    let entry = json!({ "mcpServers": { "site": { "url": address } } });
    let vs_code = json!({ "name": "site", "type": "http", "url": address });
    [
        ("Claude Code", format!("claude mcp add --transport http site {address}")),
        ("Claude on the web and the desktop", format!("Settings › Connectors › Add custom connector: {address}")),
        ("ChatGPT", format!("Settings › Connectors, in developer mode › Create: {address}")),
        ("VS Code", format!("code --add-mcp '{vs_code}'")),
        ("Cursor (~/.cursor/mcp.json)", format!("{entry:#}")),
        ("MCP Inspector", format!("npx @modelcontextprotocol/inspector --transport http --server-url {address}")),
    ]
    .map(|(title, text)| (title.to_owned(), text))
    .to_vec()
}

/// Who called lately, the last first; `None` if nobody did, or the session may not see it.
async fn lately(site: &Site, session: &Session) -> Result<Option<Panel>> {
    let mut request = ListRequest::new(MCP_CALL)
        .fields(&["client_name", "user", "tool", "outcome", "creation"])
        .order_by("creation desc");
    request.limit = Some(LATELY);
    let Ok(calls) = site.documents.list(session, &request).await else { return Ok(None) };
    let mut values: Vec<(String, String)> = Vec::new();
    for row in calls.to_json() {
        let text = |field: &str| row.get(field).and_then(serde_json::Value::as_str).unwrap_or_default();
        let who = format!("{} for {}", text("client_name"), text("user"));
        if values.iter().all(|(known, _)| *known != who) && values.len() < 8 {
            let at = text("creation").split('.').next().unwrap_or_default().to_owned();
            values.push((who, format!("{at}: {} ({})", text("tool"), text("outcome"))));
        }
    }
    let title = "Assistants that called lately".to_owned();
    let help = "The last call of each application and person, as MCP Call has it.".to_owned();
    Ok((!values.is_empty()).then(|| Panel { title, help, values, ..Panel::default() }))
}
