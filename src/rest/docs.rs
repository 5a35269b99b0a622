//! `/api/docs`: the API's interactive pages, offline, from the assets that ship with the program.

use poem::Response;
use poem::http::StatusCode;

use crate::error::Result;
use crate::rest::openapi;
use crate::web::Exchange;
use crate::web::templates::html;

/// The page; the script in `init.js` fills it. Nothing is inline, so that the policy of every other page holds here too.
const PAGE: &str = r#"<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>API</title>
<link rel="stylesheet" href="/assets/swagger/swagger-ui.css">
<link rel="stylesheet" href="/assets/swagger/page.css">
</head>
<body>
<main id="swagger-ui" data-document="/api/openapi.json"></main>
<noscript>The same is to be read at <a href="/api/openapi.json">/api/openapi.json</a>.</noscript>
<script src="/assets/swagger/swagger-ui-bundle.js"></script>
<script src="/assets/swagger/init.js"></script>
</body>
</html>
"#;

/// Answers `/api/docs`, to whoever may read the document.
pub(super) async fn page(exchange: Exchange) -> Result<Response> {
    openapi::audience(&exchange).await?;
    Ok(html(StatusCode::OK, PAGE.to_owned()))
}
