//! What OAuth Settings and OAuth Client say about AI assistants.

use async_trait::async_trait;

use crate::document::view::{lines_value, view, words};
use crate::document::{Controller, Documents, Work};
use crate::error::{Error, FieldProblem, Invalid, ProblemKind, Result};
use crate::mcp::tools;
use crate::meta::Document;
use crate::permissions::Session;

/// The DocType with the settings, and its one document.
pub(super) const SETTINGS: &str = "OAuth Settings";
/// The DocType of the applications.
pub(super) const CLIENT: &str = "OAuth Client";

view! {
    /// The settings.
    #[derive(Clone, Debug)]
    pub(super) struct McpSettings of SETTINGS {
        /// Assistants are served.
        pub enabled: bool = "enable_mcp",
        /// What they are told about the site.
        pub instructions: Option<String> = "mcp_instructions",
    }
}

view! {
    /// The application that calls.
    #[derive(Clone, Debug, Default)]
    pub(super) struct McpClient of CLIENT {
        /// What people call it.
        pub app_name: String,
        /// The tools it may use; empty: all.
        pub tools: Vec<String> = "mcp_tools" as tool_names,
    }
}

fn tool_names(document: &Document, fieldname: &str) -> Vec<String> {
    words(document.text(fieldname)).map(str::to_owned).collect()
}

impl McpSettings {
    /// Reads them, from the cache of documents as a rule.
    pub(super) async fn load(documents: &Documents) -> Result<Self> {
        Ok(Self::from(&*documents.get(&Session::system(), SETTINGS, SETTINGS).await?))
    }
}

impl McpClient {
    /// The application of that name; one of which nothing is known, such as that of another server's token, has none.
    pub(super) async fn load(documents: &Documents, name: Option<&str>) -> Result<Self> {
        let Some(name) = name else { return Ok(Self::default()) };
        match documents.get(&Session::system(), CLIENT, name).await {
            Ok(document) => Ok(Self::from(&*document)),
            Err(Error::DoesNotExist { .. }) => Ok(Self::default()),
            Err(error) => Err(error),
        }
    }

    /// Whether it may use the tool.
    pub(super) fn may_use(&self, tool: &str) -> bool {
        self.tools.is_empty() || self.tools.iter().any(|allowed| allowed == tool)
    }
}

/// Keeps a mistyped tool out of the list, where it would lock away what was meant.
pub(super) struct ChecksTools;

#[async_trait]
impl Controller for ChecksTools {
    async fn validate(&self, _: &mut Work<'_>, document: &mut Document, _: Option<&Document>) -> Result<()> {
        let names = tool_names(document, "mcp_tools");
        let mut invalid = Invalid::default();
        for name in names.iter().filter(|name| tools::find(name).is_none()) {
            let known: Vec<&str> = tools::ALL.iter().map(|tool| tool.name).collect();
            let message = format!("MCP Tools: there is no tool {name}: choose from {}", known.join(", "));
            invalid.push(FieldProblem::at(ProblemKind::Validation, "mcp_tools", "MCP Tools", message));
        }
        invalid.into_result()?;
        document.set("mcp_tools", lines_value(&names));
        Ok(())
    }
}
