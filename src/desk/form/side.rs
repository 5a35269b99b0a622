//! What stands around a form: tags, assignments, shares, comments, and the buttons there. They write at once, by the
//! same methods that applications call.

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Map, Value as Json, json};

use crate::desk::form::access::Access;
use crate::desk::form::example;
use crate::desk::form::page::DOCTYPE;
use crate::desk::form::posted::Posted;
use crate::desk::form::view::{Assignee, ShareView, Side, Tag};
use crate::desk::why;
use crate::document::ListRequest;
use crate::error::{Error, Result};
use crate::meta::{DocType, Document, Right};
use crate::permissions::Session;
use crate::web::Exchange;
use crate::web::explain::administers;

/// The actions of these buttons begin so.
pub(super) const SIDE: &str = "side:";
/// The DocType of comments.
const COMMENT: &str = "Comment";
/// The rights that a share gives.
const RIGHTS: [&str; 4] = ["read", "write", "submit", "share"];

/// What stands around the form of a stored document.
pub(super) async fn side(exchange: &Exchange, document: &Document, access: Access) -> Result<Side> {
    let documents = &exchange.site.documents;
    let session = exchange.session();
    let doctype = &document.doctype;
    let registry = exchange.registry();
    let name = document.name();
    let site_url = exchange.site.config.site_url.trim_end_matches('/');
    let has = |column: &str| doctype.has_table() && !doctype.issingle && doctype.column(column).is_some();
    let part = |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
    let path = format!("/api/resource/{}/{}", part(&doctype.name), part(&name));
    let has_tags = has("_user_tags");
    let has_assigned = has("_assign") && registry.get("ToDo").is_some();
    let may_share = documents.check_permission(session, doctype, Some(document), Right::Share).is_ok();
    let has_shares = may_share && !doctype.issingle && !doctype.is_virtual && registry.get("DocShare").is_some();
    let tags = document.text("_user_tags").split(',').map(str::trim).filter(|tag| !tag.is_empty());
    let assigned: Vec<String> = serde_json::from_str(document.text("_assign")).unwrap_or_default();
    let asks = |url: &dyn Fn() -> String| if administers(session) { url() } else { String::new() };
    let mut credentials = exchange.site.credential_kinds.iter();
    let may_be_asked = match doctype.name.as_str() {
        "User" => Some("user"),
        doctype => credentials.find(|kind| kind.doctype() == doctype).map(|kind| kind.parameter()),
    };
    Ok(Side {
        comments: !doctype.is_virtual && registry.get(COMMENT).is_some(),
        has_tags,
        tags: tags
            .map(|tag| {
                let filter = json!([["_user_tags", "like", format!("%,{tag}%")]]).to_string();
                let query =
                    url::form_urlencoded::Serializer::new(String::new()).append_pair("filters", &filter).finish();
                Tag { name: tag.to_owned(), href: format!("/app/{}?{query}", doctype.slug()) }
            })
            .collect(),
        tags_editable: access.write,
        has_assigned,
        assigned: assigned
            .into_iter()
            .map(|user| Assignee { own: user == session.user(), removable: access.write, user })
            .collect(),
        has_shares,
        shares: if has_shares { shares(exchange, document).await? } else { Vec::new() },
        api: match registry.get(&name).filter(|_| doctype.name == DOCTYPE) {
            Some(described) => example::of_doctype(site_url, described, &registry),
            None => example::of_document(&format!("{site_url}{path}"), doctype),
        },
        json_url: path,
        access_url: asks(&|| {
            let pairs = [("doctype", doctype.name.as_str()), ("name", &name)];
            let query = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish();
            format!("/app/_access?{query}")
        }),
        why_url: asks(&|| why::url(&[("doctype", &doctype.name), ("name", &name)])),
        may_url: may_be_asked.map(|parameter| asks(&|| why::url(&[(parameter, &name)]))).unwrap_or_default(),
        activity_url: String::new(),
    })
}

/// With whom a document is shared; whoever may share it may know.
async fn shares(exchange: &Exchange, document: &Document) -> Result<Vec<ShareView>> {
    let request = ListRequest::new("DocShare")
        .fields(&["user", "everyone", "read", "write", "submit", "share"])
        .filters(json!({"share_doctype": document.doctype.name, "share_name": document.name()}))
        .order_by("creation asc, name asc");
    let list = exchange.site.documents.list(&Session::system(), &request.all()).await?;
    let view = |row: Map<String, Json>| {
        let is_on = |key: &str| row.get(key).is_some_and(|value| *value == 1);
        let rights: Vec<&str> = RIGHTS.into_iter().filter(|right| is_on(right)).collect();
        let user = row.get("user").and_then(Json::as_str).filter(|_| !is_on("everyone"));
        ShareView { user: user.unwrap_or_default().to_owned(), rights: rights.join(", ") }
    };
    Ok(list.to_json().into_iter().map(view).collect())
}

/// Does what one of these buttons says; returns what to tell.
pub(super) async fn act(exchange: &Exchange, doctype: &DocType, name: &str, posted: &Posted) -> Result<String> {
    let action = posted.action.strip_prefix(SIDE).unwrap_or_default();
    let (what, of) = action.split_once(':').unwrap_or((action, ""));
    let typed = |name: &str| posted.text(name).trim().to_owned();
    let (target, here) = (json!({"doctype": doctype.name, "name": name}), json!({"dt": doctype.name, "dn": name}));
    let (method, arguments, said) = match what {
        "comment" => {
            let content = as_html(&typed("__comment"));
            if content.is_empty() {
                return Err(Error::misuse("Write the comment first"));
            }
            let arguments = json!({"reference_doctype": doctype.name, "reference_name": name, "content": content});
            ("frappe.desk.form.utils.add_comment", arguments, "Comment added".to_owned())
        }
        "uncomment" => {
            let documents = &exchange.site.documents;
            let comment = documents.get(exchange.session(), COMMENT, of).await?;
            if comment.text("reference_doctype") != doctype.name || comment.text("reference_name") != name {
                return Err(Error::does_not_exist(COMMENT, of));
            }
            documents.delete(exchange.session(), COMMENT, of).await?;
            return Ok("Comment deleted".to_owned());
        }
        "tag" => ("frappe.desk.doctype.tag.tag.add_tag", with(here, "tag", &typed("__tag")), "Tagged".to_owned()),
        "untag" => ("frappe.desk.doctype.tag.tag.remove_tag", with(here, "tag", of), format!("Took off the tag {of}")),
        "assign" => assign(posted, target)?,
        "unassign" => {
            ("frappe.desk.form.assign_to.remove", with(target, "assign_to", of), format!("No longer assigned to {of}"))
        }
        "done" => {
            let user = exchange.session().user();
            ("frappe.desk.form.assign_to.close", with(target, "assign_to", user), "Done".to_owned())
        }
        "share" => share(posted, target)?,
        "unshare" => {
            let mut arguments = with(with_user(target, of), "permission_to", "read");
            arguments["value"] = json!(0);
            ("frappe.share.set_permission", arguments, "No longer shared".to_owned())
        }
        _ => return Err(Error::BadRequest(format!("There is no button {action}"))),
    };
    exchange.call_method(method, arguments, Vec::new()).await?;
    Ok(said)
}

/// A method, its arguments, and what to tell.
type Calling = (&'static str, Json, String);

fn assign(posted: &Posted, target: Json) -> Result<Calling> {
    let user = posted.text("__assign_to").trim();
    if user.is_empty() {
        return Err(Error::misuse("Say to whom to assign it"));
    }
    let mut arguments = with(target, "description", &as_html(posted.text("__assign_why").trim()));
    arguments["assign_to"] = json!([user]);
    let date = posted.text("__assign_until").trim();
    if !date.is_empty() {
        arguments["date"] = json!(date);
    }
    Ok(("frappe.desk.form.assign_to.add", arguments, format!("Assigned to {user}")))
}

fn share(posted: &Posted, target: Json) -> Result<Calling> {
    let (user, everyone) = (posted.text("__share_with").trim(), posted.text("__share_everyone") == "1");
    if user.is_empty() && !everyone {
        return Err(Error::misuse("Say with whom to share it"));
    }
    let mut arguments = with_user(target, if everyone { "" } else { user });
    for right in ["write", "submit", "share"] {
        arguments[right] = json!(u8::from(posted.text(&format!("__share_{right}")) == "1"));
    }
    Ok(("frappe.share.add", arguments, "Shared".to_owned()))
}

/// With a user, or with everyone.
fn with_user(mut arguments: Json, user: &str) -> Json {
    if user.is_empty() {
        arguments["everyone"] = json!(1);
    } else {
        arguments["user"] = json!(user);
    }
    arguments
}

fn with(mut arguments: Json, key: &str, value: &str) -> Json {
    arguments[key] = json!(value);
    arguments
}

/// Typed text as HTML that shows it as it is.
fn as_html(text: &str) -> String {
    let lines: Vec<String> = text.lines().map(ammonia::clean_text).collect();
    lines.join("<br>")
}

#[cfg(test)]
mod tests {
    use super::as_html;

    #[test]
    fn typed_text_stays_what_it_is() {
        assert_eq!(as_html("<b>&"), "&lt;b&gt;&amp;");
        assert_eq!(as_html("one\ntwo"), "one<br>two");
    }
}
