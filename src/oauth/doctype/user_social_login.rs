//! User Social Login: the accounts elsewhere with which a person logs in, as rows of their User.

use serde_json::json;

use crate::document::{Documents, List, ListRequest, Work};
use crate::error::Result;
use crate::meta::Document;
use crate::oauth::doctype::View;
use crate::permissions::Session;

/// The DocType.
pub const DOCTYPE: &str = "User Social Login";

/// What this file reads and writes.
pub const VIEW: View = View { doctype: DOCTYPE, fields: &["provider", "userid", "username", "linked_at"] };
/// The provider of the row that holds the id under which other programs know the person.
pub const OWN: &str = "frappe";

/// An account elsewhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SocialAccount {
    /// The row's provider; see [`super::social_login_key::row_provider`].
    pub provider: String,
    /// The person's id there, which alone decides.
    pub userid: String,
    /// The person's name there, to recognise the account.
    pub username: String,
    /// When it was linked.
    pub linked_at: String,
}

impl From<&Document> for SocialAccount {
    fn from(row: &Document) -> Self {
        let text = |fieldname: &str| row.text(fieldname).to_owned();
        Self {
            provider: text("provider"),
            userid: text("userid"),
            username: text("username"),
            linked_at: text("linked_at"),
        }
    }
}

/// The accounts of a user, without the line for other programs.
pub fn of(user: &Document) -> Vec<SocialAccount> {
    user.rows("social_logins").iter().map(SocialAccount::from).filter(|account| account.provider != OWN).collect()
}

/// The user to whom an account elsewhere is linked.
pub async fn find_user(work: &mut Work<'_>, provider: &str, userid: &str) -> Result<Option<String>> {
    match request(provider, userid) {
        Some(request) => Ok(user_in(&work.list(&request).await?, userid)),
        None => Ok(None),
    }
}

/// The same outside of a transaction, for what happens at every request.
pub async fn linked_user(documents: &Documents, provider: &str, userid: &str) -> Result<Option<String>> {
    match request(provider, userid) {
        Some(request) => Ok(user_in(&documents.list(&Session::system(), &request).await?, userid)),
        None => Ok(None),
    }
}

fn request(provider: &str, userid: &str) -> Option<ListRequest> {
    if userid.is_empty() || provider == OWN {
        return None;
    }
    let mut request = ListRequest::new(DOCTYPE)
        .fields(&["parent", "userid"])
        .filters(json!({"provider": provider, "userid": userid, "parenttype": "User"}))
        .all();
    request.parent = Some("User".to_owned());
    Some(request)
}

/// Databases differ in whether capital letters count; here they do.
fn user_in(list: &List, userid: &str) -> Option<String> {
    let found = (0..list.rows.len()).find(|row| list.text(*row, "userid") == userid);
    found.map(|row| list.text(row, "parent").to_owned()).filter(|user| !user.is_empty())
}
