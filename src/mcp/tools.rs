//! The tools, as assistants see them: one declaration gives their list, their schemas and the check of arguments.

use std::sync::LazyLock;

use serde_json::{Map, Value as Json, json};

use crate::error::{Error, Result};
use crate::mcp::settings::McpClient;
use crate::web::Param;

/// A tool.
pub(super) struct Tool {
    /// Its name.
    pub name: &'static str,
    /// What people call it.
    title: &'static str,
    /// What it does, and when to use it.
    description: &'static str,
    /// Its arguments.
    params: &'static [Param],
    /// What it changes.
    effect: Effect,
    /// It answers with rows, whose schema is known.
    has_rows: bool,
}

/// What calling a tool may do, for clients that ask a person first.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Effect {
    /// Nothing.
    Reads,
    /// Something is added.
    Adds,
    /// Something is changed; twice the same changes it once.
    Changes,
    /// Something may be gone or final.
    Destroys,
}

const DOCTYPE: Param =
    Param::required("doctype", "string", "The DocType, for example `User`; `describe` names those there are");
const NAME: Param = Param::required("name", "string", "The name of the document");
const LIMIT: Param = Param::optional("limit", "integer", "How many at most: 20 if left out, 100 at most");
const CONFIRM: Param = Param::optional(
    "confirm",
    "string",
    "Leave it out at first: the answer then has a code to be sent here, once the person has agreed",
);

/// The tools, in the order in which they are listed.
pub(super) const ALL: [Tool; 8] = [
    Tool {
        name: "search",
        title: "Search",
        description: "Finds documents whose name, title or search fields contain a text, and DocTypes by name or \
                      description. Use `list` for exact conditions.",
        params: &[
            Param::required("text", "string", "What to look for, for example a word of a title"),
            Param::optional("doctype", "string", "Search documents of this DocType only"),
            LIMIT,
        ],
        effect: Effect::Reads,
        has_rows: true,
    },
    Tool {
        name: "describe",
        title: "Describe",
        description: "Without `doctype`: the DocTypes (tables) that you may use. With it: its fields as JSON Schema with \
                      help texts, what you may do with its documents, and their methods. Call it before you write.",
        params: &[Param::optional("doctype", "string", "The DocType to describe, for example `User`")],
        effect: Effect::Reads,
        has_rows: false,
    },
    Tool {
        name: "list",
        title: "List documents",
        description: "Lists documents of a DocType that fit filters, a page at a time: pass `next_cursor` as `cursor` for \
                      more. Counts and sums: `fields: [\"status\", \"count(name) as n\"]` with `group_by`.",
        params: &[
            DOCTYPE,
            Param::optional(
                "fields",
                "string[]",
                "The fields of each row; if left out, name, title and those of the list view",
            ),
            Param::optional(
                "filters",
                "filters",
                "Which documents: `{\"field\": value}`, `{\"field\": [\">\", value]}` or `[[\"field\", \"like\", \"%text%\"]]`",
            ),
            Param::optional("order_by", "string", "Fields with `asc` or `desc`, for example `modified desc`"),
            Param::optional("group_by", "string", "Fields to group by, separated by commas"),
            LIMIT,
            Param::optional(
                "cursor",
                "string",
                "The `next_cursor` of the page before, with the other arguments as they were",
            ),
        ],
        effect: Effect::Reads,
        has_rows: true,
    },
    Tool {
        name: "get",
        title: "Get a document",
        description: "Reads one document with its child rows. Empty fields are left out; very long texts are cut unless \
                      `fields` asks for them.",
        params: &[DOCTYPE, NAME, Param::optional("fields", "string[]", "Only these fields")],
        effect: Effect::Reads,
        has_rows: false,
    },
    Tool {
        name: "create",
        title: "Create a document",
        description: "Creates a document and answers it as stored. It stays a draft where its DocType has drafts: `run` \
                      submits it.",
        params: &[
            DOCTYPE,
            Param::required(
                "values",
                "object",
                "Fields and values, as `describe` tells; a table field takes a list of rows",
            ),
        ],
        effect: Effect::Adds,
        has_rows: false,
    },
    Tool {
        name: "update",
        title: "Change a document",
        description: "Changes fields of a document and leaves the others. Of a table field, the rows sent are the rows \
                      there are afterwards: send those to keep with their `name`.",
        params: &[
            DOCTYPE,
            NAME,
            Param::required("values", "object", "The fields to change, with their new values"),
            Param::optional(
                "modified",
                "string",
                "The `modified` that you read: the change is refused if somebody else was quicker",
            ),
        ],
        effect: Effect::Changes,
        has_rows: false,
    },
    Tool {
        name: "delete",
        title: "Delete a document",
        description: "Deletes a document. The person is asked first.",
        params: &[DOCTYPE, NAME, CONFIRM],
        effect: Effect::Destroys,
        has_rows: false,
    },
    Tool {
        name: "run",
        title: "Run a method",
        description: "Calls a method of a document, such as `submit`, `cancel` or `rename`; `describe` lists them. The \
                      person is asked before a document is submitted, cancelled, discarded or renamed.",
        params: &[
            DOCTYPE,
            NAME,
            Param::required("method", "string", "The method, for example `submit`"),
            Param::optional(
                "arguments",
                "object",
                "What the method takes, for example `{\"name\": \"the new name\"}` for `rename`",
            ),
            CONFIRM,
        ],
        effect: Effect::Destroys,
        has_rows: false,
    },
];

/// The tool of that name.
pub(super) fn find(name: &str) -> Option<&'static Tool> {
    ALL.iter().find(|tool| tool.name == name)
}

/// The list of those that an application may use.
pub(super) fn listed(client: &McpClient) -> Json {
    static DESCRIBED: LazyLock<Vec<Json>> = LazyLock::new(|| ALL.iter().map(Tool::described).collect());
    let allowed = DESCRIBED.iter().zip(&ALL).filter(|(_, tool)| client.may_use(tool.name));
    allowed.map(|(described, _)| described.clone()).collect()
}

impl Tool {
    fn described(&self) -> Json {
        let mut tool = json!({
            "name": self.name,
            "title": self.title,
            "description": self.description,
            "inputSchema": self.input_schema(),
            "annotations": {
                "title": self.title,
                "readOnlyHint": self.effect == Effect::Reads,
                "destructiveHint": self.effect == Effect::Destroys,
                "idempotentHint": matches!(self.effect, Effect::Reads | Effect::Changes),
                "openWorldHint": false,
            },
        });
        if self.has_rows {
            tool["outputSchema"] = json!({
                "type": "object",
                "properties": {
                    "rows": { "type": "array", "items": { "type": "object" } },
                    "next_cursor": { "type": "string", "description": "There is more: pass it as `cursor`" },
                },
                "required": ["rows"],
            });
        }
        tool
    }

    fn input_schema(&self) -> Json {
        let property = |param: &Param| {
            let mut schema = match param.r#type {
                "string[]" => json!({ "type": "array", "items": { "type": "string" } }),
                "filters" => json!({ "type": ["object", "array"] }),
                plain => json!({ "type": plain }),
            };
            schema["description"] = Json::from(param.description);
            (param.name.to_owned(), schema)
        };
        let required: Vec<&str> = self.params.iter().filter(|param| param.required).map(|param| param.name).collect();
        let mut schema = json!({
            "type": "object",
            "properties": self.params.iter().map(property).collect::<Map<_, _>>(),
            "additionalProperties": false,
        });
        if !required.is_empty() {
            schema["required"] = json!(required);
        }
        schema
    }

    /// Fails if arguments are missing, unknown, or of another type than the schema says.
    pub(super) fn check(&self, arguments: &Map<String, Json>) -> Result<()> {
        let names = || self.params.iter().map(|param| param.name).collect::<Vec<_>>().join(", ");
        for (name, value) in arguments.iter().filter(|(_, value)| !value.is_null()) {
            let Some(param) = self.params.iter().find(|param| param.name == name) else {
                return Err(Error::misuse(format!("{} takes no argument `{name}`, but {}", self.name, names())));
            };
            let (fits, wanted) = match param.r#type {
                "string" => (value.is_string(), "a text"),
                "integer" => (value.is_u64(), "a whole number that is not below 0"),
                "object" => (value.is_object(), "an object"),
                "filters" => (value.is_object() || value.is_array(), "an object or a list"),
                _ => {
                    let are_texts = value.as_array().is_some_and(|list| list.iter().all(Json::is_string));
                    (are_texts, "a list of texts")
                }
            };
            if !fits {
                return Err(Error::misuse(format!("`{name}` must be {wanted}")));
            }
        }
        let is_there = |name: &str| arguments.get(name).is_some_and(|value| !value.is_null());
        match self.params.iter().find(|param| param.required && !is_there(param.name)) {
            Some(missing) => Err(Error::misuse(format!(
                "{} needs the argument `{}`: {}",
                self.name, missing.name, missing.description
            ))),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(tool: &str, arguments: &Json) -> Result<()> {
        find(tool).unwrap().check(arguments.as_object().unwrap())
    }

    #[test]
    fn arguments_are_held_against_the_schema() {
        check("get", &json!({"doctype": "User", "name": "x", "fields": ["email"]})).unwrap();
        check("list", &json!({"doctype": "User", "filters": [["name", "=", 1]], "limit": null})).unwrap();
        for (tool, arguments, named) in [
            ("get", json!({"doctype": "User"}), "name"),
            ("get", json!({"doctype": "User", "name": 7}), "name"),
            ("get", json!({"doctype": "User", "name": "x", "id": "x"}), "id"),
            ("list", json!({"doctype": "User", "limit": -1}), "limit"),
            ("list", json!({"doctype": "User", "fields": "name"}), "fields"),
            ("create", json!({"doctype": "User", "values": []}), "values"),
        ] {
            let message = check(tool, &arguments).unwrap_err().to_string();
            assert!(message.contains(&format!("`{named}`")), "{message}");
        }
    }

    #[test]
    fn a_list_of_allowed_tools_hides_the_others() {
        let client = McpClient { tools: vec!["get".to_owned()], ..McpClient::default() };
        assert_eq!(listed(&client).as_array().unwrap().len(), 1);
        assert_eq!(listed(&McpClient::default()).as_array().unwrap().len(), ALL.len());
    }
}
