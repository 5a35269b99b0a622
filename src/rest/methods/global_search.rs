//! `frappe.utils.global_search`: documents of every DocType that have some words.

use serde_json::{Value as Json, json};

use crate::error::Result;
use crate::rest::methods::add;
use crate::web::{Answer, Call, Param, Plugins, Verbs};

const PARAMS: &[Param] = &[
    Param::required("text", "string", "The words, each of which a document has, or one that begins with it"),
    Param::optional("start", "integer", "How many results to skip"),
    Param::optional("limit", "integer", "How many results at most; 20 if left out"),
    Param::optional("doctype", "string", "Only documents of this DocType"),
];
/// How many results a search reaches, what is skipped included.
const MOST: u64 = 200;
/// How many results it has unless a limit is sent.
const USUAL: u64 = 20;

/// Registers the method.
pub(super) fn register(plugins: &mut Plugins) {
    let summary = "Finds documents by their name, title and fields with in_global_search, the best first";
    add(plugins, "frappe.utils.global_search.search", Verbs::READ, summary, PARAMS, search);
}

async fn search(call: Call) -> Result<Answer> {
    let arguments = call.args();
    let text = arguments.required("text")?;
    let start = arguments.count("start")?.unwrap_or(0).min(MOST);
    let limit = arguments.count("limit")?.unwrap_or(USUAL).min(MOST - start);
    let only = arguments.text("doctype")?.filter(|doctype| !doctype.is_empty());
    let each = usize::try_from(start + limit).unwrap_or(usize::MAX);
    let groups = call.site.documents.find(call.session(), &text, only.as_deref(), each).await?;
    let mut found: Vec<_> =
        groups.iter().flat_map(|group| group.documents.iter().map(|one| (&group.doctype.name, one))).collect();
    found.sort_by_key(|(doctype, one)| (std::cmp::Reverse(one.fit), (*doctype).clone()));
    let skipped = usize::try_from(start).unwrap_or(usize::MAX);
    let rows: Json = found
        .into_iter()
        .skip(skipped)
        .take(each - skipped)
        .map(|(doctype, one)| {
            json!({"doctype": doctype, "name": one.name, "title": one.title, "content": one.content, "rank": one.fit})
        })
        .collect();
    Ok(Answer::message(rows))
}
