//! The OpenAPI document: hand-written endpoints, methods and every DocType, made once for each set of DocTypes.

mod generic;
mod method;
mod names;
mod resource;
mod schema;

use std::sync::Arc;

use arc_swap::ArcSwapOption;
use futures_util::future::BoxFuture;
use poem::Response;
use poem::http::{StatusCode, header};
use serde_json::{Map, Value as Json, json};

use crate::document::Controllers;
use crate::error::{Error, Result};
use crate::meta::Registry;
use crate::secret;
use crate::web::compress::{Packed, names_tag};
use crate::web::{Exchange, Methods, Site};
use names::Names;

/// What a document is made from.
#[derive(Clone, Copy)]
pub struct Parts<'a> {
    /// The DocTypes.
    pub registry: &'a Registry,
    /// Their controllers, for the methods of documents.
    pub controllers: &'a Controllers,
    /// The RPC methods.
    pub methods: &'a Methods,
    /// The documents of hand-written endpoints.
    pub hand_written: &'a [Json],
    /// The public URL of the site.
    pub site_url: &'a str,
}

/// The OpenAPI 3.0 document of a site.
pub fn document(parts: Parts<'_>) -> Json {
    let mut document = Document::new(parts.site_url);
    for spec in parts.hand_written {
        document.merge(spec);
    }
    generic::add(&mut document);
    schema::add_common(&mut document);
    let names = Names::new(parts.registry, &document.schemas);
    for doctype in parts.registry.iter() {
        schema::add(&mut document, doctype, parts.registry, &names);
        resource::add(&mut document, doctype, parts.controllers, &names);
    }
    for rpc in parts.methods.iter() {
        method::add(&mut document, rpc);
    }
    document.finish()
}

/// A document in the making.
struct Document {
    site_url: String,
    paths: Map<String, Json>,
    schemas: Map<String, Json>,
    components: Map<String, Json>,
    tags: Vec<Json>,
    operations: std::collections::HashSet<String>,
}

impl Document {
    fn new(site_url: &str) -> Self {
        Self {
            site_url: site_url.to_owned(),
            paths: Map::new(),
            schemas: Map::new(),
            components: Map::new(),
            tags: Vec::new(),
            operations: std::collections::HashSet::new(),
        }
    }

    /// Takes over what poem-openapi says about hand-written endpoints.
    fn merge(&mut self, spec: &Json) {
        for (path, item) in spec.get("paths").and_then(Json::as_object).into_iter().flatten() {
            for (verb, operation) in item.as_object().into_iter().flatten() {
                self.add_operation(path, verb, operation.clone());
            }
        }
        for (kind, entries) in spec.get("components").and_then(Json::as_object).into_iter().flatten() {
            let Some(entries) = entries.as_object() else { continue };
            if kind == "schemas" {
                self.schemas.extend(entries.clone());
            } else {
                self.add_components(kind, entries.clone());
            }
        }
        for tag in spec.get("tags").and_then(Json::as_array).into_iter().flatten() {
            self.add_tag(tag.clone());
        }
    }

    /// Adds an operation, with an id that nothing else has.
    fn add_operation(&mut self, path: &str, verb: &str, mut operation: Json) {
        if let Some(wanted) = operation.get("operationId").and_then(Json::as_str).map(str::to_owned) {
            let mut id = wanted.clone();
            let mut number = 2;
            while !self.operations.insert(id.clone()) {
                id = format!("{wanted}_{number}");
                number += 1;
            }
            operation["operationId"] = Json::from(id);
        }
        let item = self.paths.entry(path.to_owned()).or_insert_with(|| json!({}));
        if let Some(item) = item.as_object_mut() {
            item.entry(verb.to_owned()).or_insert(operation);
        }
    }

    fn has_path(&self, path: &str) -> bool {
        self.paths.contains_key(path)
    }

    fn add_components(&mut self, kind: &str, entries: Map<String, Json>) {
        let known = self.components.entry(kind.to_owned()).or_insert_with(|| json!({}));
        if let Some(known) = known.as_object_mut() {
            known.extend(entries);
        }
    }

    fn add_tag(&mut self, tag: Json) {
        if !self.tags.iter().any(|known| known.get("name") == tag.get("name")) {
            self.tags.push(tag);
        }
    }

    fn finish(mut self) -> Json {
        self.components.insert("schemas".to_owned(), Json::Object(self.schemas));
        let every: Json = ["session", "api_key", "basic", "bearer"].iter().map(|name| json!({ *name: [] })).collect();
        json!({
            "openapi": "3.0.3",
            "info": {
                "title": "Doctyped",
                "version": env!("CARGO_PKG_VERSION"),
                "description": "Documents and methods of this site. Every DocType has its own paths; what an answer holds depends on the rights of whoever asks.",
            },
            "servers": [{ "url": "/", "description": "This site" }, { "url": self.site_url }],
            "tags": self.tags,
            "security": every,
            "paths": self.paths,
            "components": self.components,
        })
    }
}

/// A document as it is sent.
struct Snapshot {
    generation: u64,
    stamps: Vec<u64>,
    bytes: Packed,
    etag: String,
}

/// Answers `/api/openapi.json`; the bytes are kept until the DocTypes change.
pub(super) fn serve() -> impl Fn(Exchange) -> BoxFuture<'static, Result<Response>> + Send + Sync + 'static {
    let kept: Arc<ArcSwapOption<Snapshot>> = Arc::default();
    move |exchange| {
        let kept = Arc::clone(&kept);
        Box::pin(async move {
            let snapshot = snapshot(&exchange.site, &kept).await?;
            let answer = Response::builder()
                .header(header::ETAG, &snapshot.etag)
                .header(header::CACHE_CONTROL, "no-cache")
                .content_type("application/json");
            let known = exchange.header("if-none-match").unwrap_or("");
            if names_tag(known, &snapshot.etag) {
                return Ok(answer.status(StatusCode::NOT_MODIFIED).finish());
            }
            Ok(snapshot.bytes.answer(exchange.request.headers(), answer.finish()))
        })
    }
}

async fn snapshot(site: &Site, kept: &ArcSwapOption<Snapshot>) -> Result<Arc<Snapshot>> {
    let registry = site.documents.registry();
    let mut stamps = Vec::with_capacity(site.describes_api.len());
    for part in &site.describes_api {
        stamps.push(part.stamp(site).await?);
    }
    let generation = registry.generation;
    let is_current = |snapshot: &Arc<Snapshot>| snapshot.generation == generation && snapshot.stamps == stamps;
    if let Some(snapshot) = kept.load_full().filter(is_current) {
        return Ok(snapshot);
    }
    let for_making = site.clone();
    // Hundreds of DocTypes take long enough to be in the way of other requests.
    let made = tokio::task::spawn_blocking(move || {
        document(Parts {
            registry: &registry,
            controllers: for_making.documents.controllers(),
            methods: &for_making.methods,
            hand_written: &for_making.openapi,
            site_url: &for_making.config.site_url,
        })
    });
    let mut document = made.await.map_err(Error::internal)?;
    for part in &site.describes_api {
        part.describe(site, &mut document).await?;
    }
    let bytes = document.to_string().into_bytes();
    let etag = format!("\"{}\"", &secret::digest(&bytes)[..20]);
    let snapshot = Arc::new(Snapshot { generation, stamps, bytes: Packed::new(bytes), etag });
    kept.store(Some(Arc::clone(&snapshot)));
    Ok(snapshot)
}

#[cfg(test)]
mod tests;
