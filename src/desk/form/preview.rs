//! Answers `/app/_markdown`: Markdown that somebody is writing, as people will read it.

use poem::Response;
use poem::http::StatusCode;
use pulldown_cmark::{Options, Parser, html as markdown_html};

use crate::desk::shell;
use crate::error::Result;
use crate::pace;
use crate::web::Exchange;
use crate::web::templates::html;

/// POST with `text`: its HTML, without anything that could run.
pub(crate) async fn markdown(mut exchange: Exchange) -> Result<Response> {
    shell::require_desk(&exchange)?;
    let form = exchange.form().await?;
    let text = form.fields.into_iter().find(|(name, _)| name == "text").map_or_else(String::new, |(_, text)| text);
    let clean = pace::aside(true, || {
        let mut html = String::new();
        let options = Options::ENABLE_TABLES | Options::ENABLE_STRIKETHROUGH | Options::ENABLE_TASKLISTS;
        markdown_html::push_html(&mut html, Parser::new_ext(&text, options));
        ammonia::clean(&html)
    });
    Ok(html(StatusCode::OK, clean))
}
