//! `/api/v2/discovery`: what can be called here, for programs that look first (`docs/frappe/rest.md`: Discovery). System Manager only.

use poem::Response;
use serde_json::{Value as Json, json};

use crate::document::method::{self, DocumentMethod};
use crate::error::{Error, Need, Result};
use crate::meta::DocType;
use crate::permissions::session::ROLE_SYSTEM_MANAGER;
use crate::rest::envelope;
use crate::web::args::Args;
use crate::web::{Exchange, Method, Plugins, Route};

/// How many results a search answers.
const MOST_RESULTS: usize = 100;

/// Registers the routes.
pub(super) fn register(plugins: &mut Plugins) {
    plugins.route(Route::new("/api/v2/discovery").get(overview));
    plugins.route(Route::new("/api/v2/discovery/search").get(search));
    plugins.route(Route::new("/api/v2/discovery/method").get(methods));
    plugins.route(Route::new("/api/v2/discovery/method/:path").get(method));
    plugins.route(Route::new("/api/v2/discovery/doctype/:doctype").get(doctype));
    plugins.route(Route::new("/api/v2/discovery/doctype/:doctype/method/:method").get(doctype_method));
}

/// By what name a scope allows looking around.
const METHOD: &str = "frappe.api.v2.discovery";

fn check(exchange: &Exchange) -> Result<()> {
    exchange.context.require_login()?;
    let session = exchange.session();
    // Looking around is a call like any other to credentials that are limited.
    if let Some(limit) = &session.limit
        && !limit.allows_method(METHOD)
    {
        return Err(Error::InsufficientScope {
            message: "The access token does not allow looking around here".to_owned(),
            scope: limit.needed_for_method(METHOD),
        });
    }
    if session.has_role(ROLE_SYSTEM_MANAGER) {
        return Ok(());
    }
    Err(Error::Permission("Only a System Manager may look around here".to_owned()))
}

async fn overview(exchange: Exchange) -> Result<Response> {
    check(&exchange)?;
    let registry = exchange.site.documents.registry();
    let doctypes: Vec<&str> = registry.iter().map(|doctype| doctype.name.as_str()).collect();
    let answer = json!({
        "search": "/api/v2/discovery/search?q=",
        "methods": "/api/v2/discovery/method",
        "doctype": "/api/v2/discovery/doctype/{doctype}",
        "openapi": "/api/openapi.json",
        "method_count": exchange.site.methods.iter().count(),
        "doctypes": doctypes,
    });
    Ok(envelope::data(&exchange.context, answer))
}

async fn search(mut exchange: Exchange) -> Result<Response> {
    check(&exchange)?;
    let values = exchange.values().await?;
    let query = Args(&values).text("q")?.unwrap_or_default().to_lowercase();
    let fits = |texts: [&str; 2]| texts.iter().any(|text| text.to_lowercase().contains(&query));
    let mut results: Vec<Json> =
        exchange.site.methods.iter().filter(|method| fits([method.path, method.summary])).map(method_summary).collect();
    let registry = exchange.site.documents.registry();
    for doctype in registry.iter() {
        for method in method::of(exchange.site.documents.controllers(), doctype) {
            if fits([&format!("{} {}", doctype.name, method.name), method.description]) {
                results.push(doctype_summary(doctype, &method));
            }
        }
    }
    results.truncate(MOST_RESULTS);
    Ok(envelope::data(&exchange.context, json!({ "results": results })))
}

async fn methods(exchange: Exchange) -> Result<Response> {
    check(&exchange)?;
    let methods: Vec<Json> = exchange.site.methods.iter().map(method_summary).collect();
    Ok(envelope::data(&exchange.context, json!({ "methods": methods })))
}

async fn method(exchange: Exchange) -> Result<Response> {
    check(&exchange)?;
    let path = exchange.param("path");
    let Some(method) = exchange.site.methods.get(path) else {
        return Err(Error::NoSuchRoute(format!("There is no method {path}")));
    };
    let params: Vec<Json> = method
        .params
        .iter()
        .map(|param| {
            json!({
                "name": param.name,
                "type": param.r#type,
                "required": param.required,
                "default": Json::Null,
                "description": param.description,
            })
        })
        .collect();
    let answer = json!({
        "kind": "rpc",
        "path": method.path,
        "name": method.path.rsplit('.').next(),
        "allow_guest": method.guest,
        "http_methods": method.verbs.0,
        "permission": { "login": !method.guest },
        "endpoint": format!("/api/v2/method/{}", method.path),
        "docstring": method.summary,
        "params": params,
    });
    Ok(envelope::data(&exchange.context, answer))
}

async fn doctype(exchange: Exchange) -> Result<Response> {
    check(&exchange)?;
    let doctype = exchange.site.documents.doctype(exchange.param("doctype"))?;
    let methods: Vec<Json> = method::of(exchange.site.documents.controllers(), &doctype)
        .iter()
        .map(|method| doctype_summary(&doctype, method))
        .collect();
    Ok(envelope::data(&exchange.context, json!({ "methods": methods })))
}

async fn doctype_method(exchange: Exchange) -> Result<Response> {
    check(&exchange)?;
    let doctype = exchange.site.documents.doctype(exchange.param("doctype"))?;
    let wanted = exchange.param("method");
    let methods = method::of(exchange.site.documents.controllers(), &doctype);
    let Some(DocumentMethod { name, description, reads, needs }) =
        methods.into_iter().find(|known| known.name == wanted)
    else {
        return Err(Error::NoSuchRoute(format!("{} has no method {wanted}", doctype.name)));
    };
    // Whatever else it takes, a method takes a right on its own DocType.
    let right = needs.iter().find_map(|need| match need {
        Need::Right { doctype: of, right } if *of == doctype.name => Some(*right),
        _ => None,
    });
    let params = if name == "rename" {
        json!([
            { "name": "name", "type": "string", "required": true, "default": null },
            { "name": "merge", "type": "boolean", "required": false, "default": "0" },
        ])
    } else if name == "add_comment" {
        json!([
            { "name": "text", "type": "string", "required": true, "default": null },
            { "name": "comment_type", "type": "string", "required": false, "default": "Comment" },
        ])
    } else {
        json!([])
    };
    let answer = json!({
        "kind": "doctype",
        "doctype": doctype.name,
        "method": name,
        "name": name,
        "allow_guest": false,
        "http_methods": if reads { &["GET", "POST"][..] } else { &["POST"] },
        "permission": { "doctype": doctype.name, "right": right },
        "endpoint": format!("/api/v2/document/{}/{{name}}/method/{name}", doctype.name),
        "docstring": description,
        "params": params,
    });
    Ok(envelope::data(&exchange.context, answer))
}

fn method_summary(method: &Method) -> Json {
    json!({ "kind": "rpc", "path": method.path, "description": method.summary })
}

fn doctype_summary(doctype: &DocType, method: &DocumentMethod) -> Json {
    json!({ "kind": "doctype", "doctype": doctype.name, "method": method.name, "description": method.description })
}
