//! User Social Login: the accounts elsewhere with which a person logs in, as rows of their User.

use serde_json::json;

use crate::document::view::view;
use crate::document::{Documents, List, ListRequest, Work};
use crate::error::Result;
use crate::meta::Document;
use crate::permissions::Session;

/// The DocType.
pub(crate) const DOCTYPE: &str = "User Social Login";

/// The provider of the row that holds the id under which other clients know the person.
pub(crate) const OWN: &str = "frappe";

view! {
    /// An account elsewhere.
    #[derive(Clone, Debug, Default, PartialEq, Eq)]
    pub(crate) struct SocialAccount of DOCTYPE {
        /// The row's provider; see [`row_provider`].
        pub provider: String,
        /// The person's id there, which alone decides.
        pub userid: String,
        /// The person's name there, to recognise the account.
        pub username: String,
        /// When it was linked.
        pub linked_at: String,
        /// Whose word it is that this is the person's id; empty in rows of before that was kept.
        pub issuer: String,
        /// `sub`, where an ID token or an access token said it.
        pub subject: Option<String>,
        /// The account here was made with it, before anybody had proved the address.
        pub unproved: bool,
    }
}

/// The name under which a key's accounts are kept in User Social Login.
///
/// The line `frappe` is taken: it holds the id under which other clients know the person.
pub(crate) fn row_provider(key: &str) -> String {
    match key {
        OWN => "frappe login".to_owned(),
        other => other.to_owned(),
    }
}

/// The accounts of a user, without the line for other clients.
pub(crate) fn of(user: &Document) -> Vec<SocialAccount> {
    user.rows("social_logins").iter().map(SocialAccount::from).filter(|account| account.provider != OWN).collect()
}

/// Somebody at a provider, as their login or a token of theirs names them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Who<'a> {
    /// The name under which accounts of the key are kept.
    pub provider: &'a str,
    /// Whose word it is (OpenID Connect Core §5.7: only issuer and subject together name somebody).
    pub issuer: &'a str,
    /// The id, as the key says where it stands.
    pub userid: &'a str,
    /// The subject, where there is a token.
    pub subject: Option<&'a str>,
}

impl Who<'_> {
    /// Whether a row is about them. The name of a key alone does not count: it may have come to stand for somebody else.
    pub(crate) fn is(&self, provider: &str, issuer: &str, userid: &str, subject: &str) -> bool {
        let is_same_key = provider == self.provider && (issuer.is_empty() || issuer == self.issuer);
        // By another key of the same provider, whose ids may be of another kind.
        let is_same_person =
            issuer == self.issuer && !issuer.is_empty() && self.subject == Some(subject) && provider != OWN;
        userid == self.userid && (is_same_key || is_same_person)
    }

    /// The rows that may be about them.
    fn request(&self) -> Option<ListRequest> {
        if self.userid.is_empty() || self.provider == OWN {
            return None;
        }
        let mut request = ListRequest::new(DOCTYPE)
            .fields(&["parent", "provider", "issuer", "userid", "subject"])
            .filters(json!({"userid": self.userid, "parenttype": "User"}))
            .all();
        request.parent = Some("User".to_owned());
        Some(request)
    }

    fn user_in(&self, list: &List) -> Option<String> {
        let text = |row: usize, fieldname: &str| list.text(row, fieldname).to_owned();
        let found = (0..list.rows.len()).find(|row| {
            let at = |fieldname| text(*row, fieldname);
            self.is(&at("provider"), &at("issuer"), &at("userid"), &at("subject"))
        });
        found.map(|row| text(row, "parent")).filter(|user| !user.is_empty())
    }
}

/// The user to whom an account elsewhere is linked.
pub(crate) async fn find_user(work: &mut Work<'_>, who: Who<'_>) -> Result<Option<String>> {
    match who.request() {
        Some(request) => Ok(who.user_in(&work.list(&request).await?)),
        None => Ok(None),
    }
}

/// The same outside of a transaction, for what happens at every request.
pub(crate) async fn linked_user(documents: &Documents, who: Who<'_>) -> Result<Option<String>> {
    match who.request() {
        Some(request) => Ok(who.user_in(&documents.list(&Session::system(), &request).await?)),
        None => Ok(None),
    }
}

/// Writes into rows of before issuers were kept whose they are, before a key comes to stand for somebody else.
pub(crate) async fn pin(work: &mut Work<'_>, provider: &str, issuer: &str) -> Result<()> {
    let mut request = ListRequest::new(DOCTYPE)
        .fields(&["parent", "issuer"])
        .filters(json!({"provider": provider, "parenttype": "User"}))
        .all();
    request.parent = Some("User".to_owned());
    let list = work.list(&request).await?;
    let blank = (0..list.rows.len()).filter(|row| list.text(*row, "issuer").is_empty());
    let users: std::collections::BTreeSet<String> = blank.map(|row| list.text(row, "parent").to_owned()).collect();
    for user in users {
        let mut document = work.get_for_update("User", &user).await?;
        for row in document.rows_mut("social_logins").into_iter().flatten() {
            if row.text("provider") == provider && row.text("issuer").is_empty() {
                row.set("issuer", issuer);
            }
        }
        work.save(document).await?;
    }
    Ok(())
}
