//! What the OpenAPI document is made of, whichever feature adds to it: parameters, schemas and responses (OpenAPI 3.1).

use poem_openapi::registry::{MetaSchemaRef, Registry};
use poem_openapi::types::Type;
use serde_json::{Map, Value as Json, json};

use crate::web::method::Param;

/// The schema of a body.
#[derive(Clone)]
pub(crate) enum Schema {
    /// Text that is not JSON.
    Text,
    /// A schema under this name, which another part of the document defines.
    Named(&'static str),
    /// An object with these members, under this name.
    Object(&'static str, Vec<&'static [Param]>),
    /// What a type says of itself.
    Typed {
        /// How the document refers to it.
        reference: fn() -> MetaSchemaRef,
        /// Adds it, and all that it refers to.
        register: fn(&mut Registry),
    },
}

impl Schema {
    /// The schema of a type.
    pub(crate) fn of<T: Type>() -> Self {
        Self::Typed { reference: T::schema_ref, register: T::register }
    }
}

/// The schemas of a part of the document, gathered while the part refers to them.
#[derive(Default)]
pub(crate) struct Schemas {
    objects: Map<String, Json>,
    types: Registry,
}

impl Schemas {
    /// A reference to a schema, which is added unless it is there.
    pub(crate) fn refer(&mut self, schema: &Schema) -> Json {
        match schema {
            Schema::Text => json!({ "type": "string" }),
            Schema::Named(name) => reference(name),
            Schema::Object(name, members) => {
                let object = object(members.iter().copied().flatten());
                self.objects.insert((*name).to_owned(), object);
                reference(name)
            }
            Schema::Typed { reference, register } => {
                register(&mut self.types);
                json!(reference())
            }
        }
    }

    /// All schemas, by name.
    pub(crate) fn into_components(self) -> Map<String, Json> {
        let types = self.types.schemas.iter().map(|(name, schema)| (name.clone(), json!(schema)));
        self.objects.into_iter().chain(types).collect()
    }
}

/// A response of an operation.
#[derive(Clone)]
pub(crate) struct Response {
    status: u16,
    description: &'static str,
    headers: Vec<Header>,
    content: Vec<(&'static str, Schema)>,
}

/// A header of a response: its name, whether it is always there, its type and what it says.
pub(crate) type Header = (&'static str, bool, &'static str, &'static str);

impl Response {
    /// A response without a body.
    pub(crate) fn new(status: u16, description: &'static str) -> Self {
        Self { status, description, headers: Vec::new(), content: Vec::new() }
    }

    /// A response with JSON.
    pub(crate) fn json(status: u16, description: &'static str, schema: Schema) -> Self {
        Self::new(status, description).or("application/json", schema)
    }

    /// A response with a page.
    pub(crate) fn page(status: u16, description: &'static str) -> Self {
        Self::new(status, description).or("text/html; charset=utf-8", Schema::Text)
    }

    /// The same with one more media type.
    #[must_use]
    pub(crate) fn or(mut self, media_type: &'static str, schema: Schema) -> Self {
        self.content.push((media_type, schema));
        self
    }

    /// The same with one more header.
    #[must_use]
    pub(crate) fn with(mut self, header: Header) -> Self {
        self.headers.push(header);
        self
    }

    /// The entry under `responses`.
    pub(crate) fn describe(&self, schemas: &mut Schemas) -> (String, Json) {
        let mut response = json!({ "description": self.description });
        for (name, required, r#type, description) in &self.headers {
            response["headers"][*name] =
                json!({ "description": description, "required": required, "schema": { "type": r#type } });
        }
        for (media_type, schema) in &self.content {
            response["content"][*media_type] = json!({ "schema": schemas.refer(schema) });
        }
        (self.status.to_string(), response)
    }
}

/// A reference to a schema of the document.
pub(crate) fn reference(name: &str) -> Json {
    json!({ "$ref": format!("#/components/schemas/{name}") })
}

/// The schema of an object with these members.
pub(crate) fn object<'p>(members: impl Iterator<Item = &'p Param> + Clone) -> Json {
    let properties: Map<String, Json> =
        members.clone().map(|member| (member.name.to_owned(), member.described_schema())).collect();
    let required: Vec<&str> = members.filter(|member| member.required).map(|member| member.name).collect();
    let mut schema = json!({ "type": "object", "properties": properties });
    if !required.is_empty() {
        schema["required"] = json!(required);
    }
    schema
}

impl Param {
    /// The schema of its values.
    pub fn schema(&self) -> Json {
        of_type(self.r#type)
    }

    /// The same with what it says, as a member of an object.
    pub fn described_schema(&self) -> Json {
        let mut schema = self.schema();
        schema["description"] = Json::from(self.description);
        schema
    }

    /// The parameter in a query, where JSON travels as text, or in a `header` or `path`.
    pub fn parameter(&self, place: &str) -> Json {
        let is_json = place == "query" && matches!(self.r#type, "object" | "array" | "any");
        let schema = if is_json { json!({ "type": "string" }) } else { self.schema() };
        let description = if is_json { format!("{} (as JSON)", self.description) } else { self.description.to_owned() };
        let mut parameter = json!({
            "name": self.name, "in": place, "required": self.required, "schema": schema, "description": description,
        });
        if let Some(example) = self.example {
            parameter["example"] = Json::from(example);
        }
        parameter
    }
}

/// The schema of a type as [`Param`] names it.
fn of_type(name: &str) -> Json {
    if let Some(items) = name.strip_suffix("[]") {
        return json!({ "type": "array", "items": of_type(items) });
    }
    match name {
        "file" => json!({ "type": "string", "contentMediaType": "application/octet-stream" }),
        "any" => json!({}),
        "array" => json!({ "type": "array", "items": {} }),
        // What Frappe's clients send for a Check.
        "boolean" => json!({ "type": "integer", "enum": [0, 1] }),
        "switch" => json!({ "type": "boolean" }),
        named if named.starts_with(|first: char| first.is_ascii_uppercase()) => reference(named),
        other => json!({ "type": other }),
    }
}
