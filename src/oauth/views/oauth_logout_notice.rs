//! OAuth Logout Notice: a typed view of the queue of messages to clients that a session has ended.

use chrono::{DateTime, Utc};

use crate::document::view::{options, view};

/// The name of the DocType.
pub(crate) const OAUTH_LOGOUT_NOTICE: &str = "OAuth Logout Notice";

options! {
    /// What became of a message.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    pub(crate) enum NoticeStatus {
        /// It is still to be delivered.
        #[default]
        Waiting = "Waiting",
        /// The client took it.
        Delivered = "Delivered",
        /// It is not tried any more.
        GivenUp = "Given Up",
    }
}

view! {
    /// A message that a session has ended.
    #[derive(Clone, Debug, Default)]
    pub(crate) struct LogoutNotice of OAUTH_LOGOUT_NOTICE {
        /// The OAuth Client that is told.
        pub client: String,
        /// The User.
        pub user: String,
        /// `sub`: the id under which clients know the person.
        pub subject: String,
        /// `sid`: the session.
        pub sid: Option<String>,
        /// Where the client listens.
        pub uri: String,
        /// What became of it.
        pub status: NoticeStatus,
        /// How often it was tried.
        pub attempts: i64,
        /// When it is tried again, or taken up by another server if nobody has delivered it until then.
        pub next_attempt: Option<DateTime<Utc>>,
        /// Why the last attempt failed.
        pub last_error: Option<String>,
    }
}
