//! The OpenAPI document: hand-written endpoints, methods and the DocTypes that its reader may use, made once for each set
//! of DocTypes and all readers who may use the same.

mod generic;
mod method;
mod names;
mod resource;
mod schema;

use std::sync::Arc;

use futures_util::future::BoxFuture;
use moka::sync::Cache;
use poem::Response;
use poem::http::{StatusCode, header};
use serde_json::{Map, Value as Json, json};

use crate::document::Controllers;
use crate::error::{Error, Result};
use crate::meta::Registry;
use crate::permissions::Session;
use crate::permissions::reader;
use crate::secret;
use crate::web::compress::{Packed, names_tag};
use crate::web::settings::SYSTEM_SETTINGS;
use crate::web::{Exchange, Methods};
use names::Names;

/// What a document is made from.
#[derive(Clone, Copy)]
pub(crate) struct Parts<'a> {
    /// The DocTypes, as the reader may know them.
    pub registry: &'a Registry,
    /// The reader.
    pub session: &'a Session,
    /// Their controllers, for the methods of documents.
    pub controllers: &'a Controllers,
    /// The RPC methods.
    pub methods: &'a Methods,
    /// The documents of hand-written endpoints.
    pub hand_written: &'a [Json],
    /// The public URL of the site.
    pub site_url: &'a str,
}

/// The OpenAPI 3.1 document of a site, for one reader.
pub(crate) fn document(parts: Parts<'_>) -> Json {
    let mut document = Document::new(parts.site_url);
    for spec in parts.hand_written {
        document.merge(spec);
    }
    generic::add(&mut document);
    schema::add_common(&mut document);
    let names = Names::new(parts.registry, &document.schemas);
    for doctype in parts.registry.iter() {
        schema::add(&mut document, doctype, parts.registry, &names);
        resource::add(&mut document, doctype, &parts, &names);
    }
    for rpc in parts.methods.iter().filter(|method| method.guest || !parts.session.is_guest()) {
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
            "openapi": "3.1.0",
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

/// Documents, by what they depend on: the DocTypes, the stamps of what completes them, and what the reader may use.
type Kept = Cache<(u64, Vec<u64>, String), Arc<Snapshot>>;

/// How many bytes of documents are kept.
const MOST_KEPT: u64 = 64 * 1024 * 1024;
/// The field of System Settings that opens the whole document to everybody.
const OPEN_TO_GUESTS: &str = "allow_guests_to_read_api_description";

/// The session whose rights the document follows. Where the site opens it to guests, all of it is public.
pub(super) async fn audience(exchange: &Exchange) -> Result<Session> {
    if !exchange.session().is_guest() {
        return Ok(exchange.session().clone());
    }
    let settings = exchange.site.documents.get(&Session::system(), SYSTEM_SETTINGS, SYSTEM_SETTINGS).await?;
    if !settings.check(OPEN_TO_GUESTS) {
        exchange.context.require_login()?;
    }
    Ok(Session::system())
}

/// A document as it is sent.
struct Snapshot {
    bytes: Packed,
    etag: String,
}

/// Answers `/api/openapi.json`; the bytes are kept until the DocTypes change.
pub(super) fn serve() -> impl Fn(Exchange) -> BoxFuture<'static, Result<Response>> + Send + Sync + 'static {
    let kept = Kept::builder()
        .weigher(|_, snapshot: &Arc<Snapshot>| u32::try_from(snapshot.bytes.plain().len()).unwrap_or(u32::MAX))
        .max_capacity(MOST_KEPT)
        .build();
    move |exchange| {
        let kept = Kept::clone(&kept);
        Box::pin(async move {
            let snapshot = snapshot(&exchange, &kept).await?;
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

async fn snapshot(exchange: &Exchange, kept: &Kept) -> Result<Arc<Snapshot>> {
    let site = &exchange.site;
    let session = audience(exchange).await?;
    let every = site.documents.registry();
    let mut stamps = Vec::with_capacity(site.describes_api.len());
    for part in &site.describes_api {
        stamps.push(part.stamp(site).await?);
    }
    let key = (every.generation, stamps, reader::fingerprint(&every, &session));
    if let Some(snapshot) = kept.get(&key) {
        return Ok(snapshot);
    }
    let for_making = site.clone();
    // Hundreds of DocTypes take long enough to be in the way of other requests.
    let made = tokio::task::spawn_blocking(move || {
        let registry = reader::registry(&every, &session);
        let parts = Parts {
            registry: &registry,
            session: &session,
            controllers: for_making.documents.controllers(),
            methods: &for_making.methods,
            hand_written: &for_making.openapi,
            site_url: &for_making.config.site_url,
        };
        let document = document(parts);
        (document, registry)
    });
    let (mut document, registry) = made.await.map_err(Error::internal)?;
    for part in &site.describes_api {
        part.describe(site, &registry, &mut document).await?;
    }
    let bytes = document.to_string().into_bytes();
    let etag = format!("\"{}\"", &secret::digest(&bytes)[..20]);
    let snapshot = Arc::new(Snapshot { bytes: Packed::new(bytes), etag });
    kept.insert(key, Arc::clone(&snapshot));
    Ok(snapshot)
}

#[cfg(test)]
mod tests;
