//! `/api/method/<path>`, `/api/v2/method/<path>` and the legacy `/?cmd=<path>`: requests that call a method.

use poem::Response;
use poem::http::Method as HttpMethod;

use crate::error::{Error, Result};
use crate::web::method::Call;
use crate::web::plugin::Plugins;
use crate::web::request::Exchange;
use crate::web::route::Route;

const VERBS: [HttpMethod; 5] =
    [HttpMethod::GET, HttpMethod::POST, HttpMethod::PUT, HttpMethod::PATCH, HttpMethod::DELETE];

/// Registers the routes that call methods.
pub(crate) fn register(plugins: &mut Plugins) {
    let mut v1 = Route::new("/api/method/:path");
    let mut v2 = Route::new("/api/v2/method/:path");
    for verb in VERBS {
        v1 = v1.on(verb.clone(), async |exchange| answer_v1(exchange, None).await);
        v2 = v2.on(verb, answer_v2);
    }
    plugins.route(v1);
    plugins.route(v2);
}

/// Calls the method that the path names, or `path`, and answers in the first envelope.
pub(crate) async fn answer_v1(exchange: Exchange, path: Option<String>) -> Result<Response> {
    let context = exchange.context.clone();
    let path = path.unwrap_or_else(|| exchange.param("path").to_owned());
    Ok(call(exchange, &path).await?.into_v1(&context))
}

async fn answer_v2(exchange: Exchange) -> Result<Response> {
    let context = exchange.context.clone();
    let path = exchange.param("path").to_owned();
    Ok(call(exchange, &path).await?.into_v2(&context))
}

/// The legacy transport: `cmd` in the query or in the body names the method. `None`: the request has no `cmd`.
pub(crate) async fn legacy(mut exchange: Exchange) -> Result<Option<Response>> {
    let mut arguments = exchange.arguments().await?;
    let Some(path) = arguments.values.shift_remove("cmd").and_then(|cmd| cmd.as_str().map(str::to_owned)) else {
        return Ok(None);
    };
    let context = exchange.context.clone();
    let call = Call {
        verb: exchange.verb().clone(),
        headers: exchange.request.headers().clone(),
        site: exchange.site.clone(),
        context: exchange.context,
        arguments: arguments.values,
        files: arguments.files,
    };
    let methods = call.site.methods.clone();
    Ok(Some(methods.call(&path, call).await?.into_v1(&context)))
}

/// Calls a method with the arguments of a request.
pub(crate) async fn call(mut exchange: Exchange, path: &str) -> Result<crate::web::method::Answer> {
    if path.is_empty() {
        return Err(Error::NoSuchRoute("Name the method behind /api/method/".to_owned()));
    }
    let arguments = exchange.arguments().await?;
    let call = Call {
        verb: exchange.verb().clone(),
        headers: exchange.request.headers().clone(),
        site: exchange.site.clone(),
        context: exchange.context,
        arguments: arguments.values,
        files: arguments.files,
    };
    exchange.site.methods.clone().call(path, call).await
}
