//! What is done with each of several documents, in a transaction of its own.

use serde_json::{Map, Value as Json, json};

use crate::document::view::options;
use crate::document::{Children, Documents, Work};
use crate::error::{Error, Result};
use crate::meta::{DocType, Right};
use crate::permissions::Session;
use crate::rest::arguments::is_standard;
use crate::rest::methods::{assign_to, tag};
use crate::web::args::Args;

options! {
    /// What is done.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    pub(super) enum Action {
        /// Fields get values.
        #[default]
        Update = "Update",
        /// Drafts are submitted.
        Submit = "Submit",
        /// What is submitted is cancelled.
        Cancel = "Cancel",
        /// They are deleted.
        Delete = "Delete",
        /// Somebody is to look after them.
        Assign = "Assign",
        /// They get a tag.
        AddTag = "Add Tag",
        /// They lose a tag.
        RemoveTag = "Remove Tag",
    }
}

/// An action with what it needs.
#[derive(Clone, Debug)]
pub(super) struct Act {
    action: Action,
    data: Map<String, Json>,
}

impl Act {
    /// Checks that the data is what the action needs.
    pub(super) fn new(doctype: &DocType, action: Action, mut data: Map<String, Json>) -> Result<Self> {
        if doctype.istable || doctype.issingle {
            return Err(Error::misuse(format!("{} has no documents of its own to change", doctype.name)));
        }
        let needs = |key: &str, example: &str| {
            let is_there = data.get(key).is_some_and(|value| !matches!(value, Json::Null) && *value != json!(""));
            let message = || Error::misuse(format!("{} needs data such as {example}", action.as_str()));
            if is_there { Ok(()) } else { Err(message()) }
        };
        match action {
            Action::Update => {
                if data.is_empty() {
                    return Err(Error::misuse("Update needs data such as {\"status\": \"Closed\"}"));
                }
                let is_known = |name: &String| doctype.field(name).is_some() && !is_standard(name);
                if let Some(unknown) = data.keys().find(|name| !is_known(name)) {
                    return Err(Error::misuse(format!("{} has no field `{unknown}` to change", doctype.name)));
                }
            }
            Action::Assign => needs("assign_to", "{\"assign_to\": [\"ann@example.com\"]}")?,
            Action::AddTag | Action::RemoveTag => {
                needs("tag", "{\"tag\": \"urgent\"}")?;
                tag::tag_text(data.get("tag").and_then(Json::as_str).unwrap_or_default())?;
            }
            Action::Submit => data = Map::from_iter([("docstatus".to_owned(), json!(1))]),
            Action::Cancel => data = Map::from_iter([("docstatus".to_owned(), json!(2))]),
            Action::Delete => {}
        }
        Ok(Self { action, data })
    }

    /// Fails where the session could do it with no document at all; each document is asked again.
    pub(super) fn check(&self, documents: &Documents, session: &Session, doctype: &DocType) -> Result<()> {
        let right = match self.action {
            Action::Update | Action::AddTag | Action::RemoveTag => Right::Write,
            Action::Submit => Right::Submit,
            Action::Cancel => Right::Cancel,
            Action::Delete => Right::Delete,
            Action::Assign => Right::Read,
        };
        documents.check_permission(session, doctype, None, right)
    }

    /// Does it with one document.
    pub(super) async fn apply(&self, work: &mut Work<'_>, doctype: &str, name: &str) -> Result<()> {
        let tag = || self.data.get("tag").and_then(Json::as_str).unwrap_or_default().trim().to_owned();
        match self.action {
            Action::Update | Action::Submit | Action::Cancel => {
                work.update_json(doctype, name, &self.data, Children::Patch).await.map(drop)
            }
            Action::Delete => work.delete(doctype, name).await,
            Action::Assign => assign_to::assign_in(work, doctype, name, Args(&self.data)).await,
            Action::AddTag => {
                let tag = tag();
                tag::change_in(work, doctype, name, |tags| tag::add_once(tags, &tag)).await
            }
            Action::RemoveTag => {
                let tag = tag();
                tag::change_in(work, doctype, name, |tags| tags.retain(|known| *known != tag)).await
            }
        }
    }

    /// Does it with one document in a transaction of its own.
    pub(super) async fn apply_alone(
        &self,
        documents: &Documents,
        session: &Session,
        doctype: &str,
        name: &str,
    ) -> Result<()> {
        let mut work = documents.begin(session).await?;
        Box::pin(self.apply(&mut work, doctype, name)).await?;
        work.commit().await
    }
}
