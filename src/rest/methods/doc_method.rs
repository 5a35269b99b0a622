//! `run_doc_method`: a document's own methods called by RPC, and `/api/v2/method/<DocType>/<method>`.

use poem::Response;
use poem::http::Method as HttpMethod;
use serde_json::{Map, Value as Json};

use crate::error::{Error, Result};
use crate::meta::doctype::scrub;
use crate::rest::methods::add;
use crate::rest::resource;
use crate::web::args::{Args, missing};
use crate::web::{Answer, Call, Exchange, Param, Plugins, Verbs, rpc};

/// Registers the methods.
pub(super) fn register(plugins: &mut Plugins) {
    let params = const {
        &[
            Param::required("method", "string", "The name of the method"),
            Param::optional("dt", "string", "The DocType"),
            Param::optional("dn", "string", "The name of the document"),
            Param::optional("docs", "object", "The document itself, in place of `dt` and `dn`"),
            Param::optional("document", "object", "The same as `docs`"),
            Param::optional("args", "object", "The arguments of the method"),
            Param::optional("kwargs", "object", "The same as `args`"),
        ]
    };
    let summary = "Calls a method of a document; GET for those that only read";
    for path in ["run_doc_method", "frappe.handler.run_doc_method", "runserverobj"] {
        add(plugins, path, Verbs::READ, summary, params, run_doc_method);
    }
}

async fn run_doc_method(call: Call) -> Result<Answer> {
    let arguments = call.args();
    let method = arguments.required("method")?;
    let (doctype, name) = match (arguments.json("docs")?, arguments.json("document")?) {
        (Some(Json::Object(document)), _) | (None, Some(Json::Object(document))) => {
            let given = Args(&document);
            (given.required("doctype")?, given.required("name")?)
        }
        (None, None) => {
            let doctype = arguments.required("dt")?;
            let name = arguments.text("dn")?.unwrap_or_else(|| doctype.clone());
            (doctype, name)
        }
        _ => return Err(crate::web::args::wrong_type("docs", "a JSON object")),
    };
    let given = match (arguments.get("args"), arguments.get("kwargs"), arguments.get("arg")) {
        (Some(_), _, _) => arguments.json("args").ok().flatten(),
        (None, Some(_), _) => arguments.json("kwargs")?,
        _ => None,
    };
    let given = match given {
        Some(Json::Object(given)) => given,
        _ => Map::new(),
    };
    let write = call.verb != HttpMethod::GET && call.verb != HttpMethod::HEAD;
    let (site, session) = (&call.site, call.session());
    let result = resource::call(site, session, (&doctype, &name), &method, &given, write).await?;
    let now = (method == "rename").then(|| result.as_str().map(str::to_owned)).flatten().unwrap_or(name);
    let answer = Answer::message(result);
    match site.documents.get(session, &doctype, &now).await {
        Ok(document) => Ok(answer.with("docs", vec![resource::seen(site, session, &document)])),
        Err(error) if resource::is_hidden(&error) => Ok(answer),
        Err(error) => Err(error),
    }
}

/// `/api/v2/method/<DocType>/<method>`: a method of the DocType's module, such as `…doctype.user.user.<method>`.
pub(crate) async fn doctype_method(exchange: Exchange) -> Result<Response> {
    let (doctype, method) = (exchange.param("doctype").to_owned(), exchange.param("method").to_owned());
    if method.is_empty() {
        return Err(missing("method"));
    }
    let module = scrub(&doctype);
    let ending = format!(".doctype.{module}.{module}.{method}");
    let path = exchange.site.methods.iter().map(|method| method.path).find(|path| path.ends_with(&ending));
    let Some(path) = path else {
        return Err(Error::NoSuchRoute(format!("{doctype} has no method {method}")));
    };
    let context = exchange.context.clone();
    Ok(rpc::call(exchange, path).await?.into_v2(&context))
}
