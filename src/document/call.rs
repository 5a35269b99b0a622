//! Document methods: those of the engine and those of controllers, called by themselves or among other steps of a transaction.

use std::sync::Arc;

use serde_json::{Map, Value as Json};

use crate::document::workflow::APPLY;
use crate::document::{Children, Controller, Documents, Work, restore};
use crate::error::{Error, Result};
use crate::meta::{Document, Right};
use crate::permissions::Session;

/// The values that change nothing but the docstatus.
pub(super) fn docstatus(value: i64) -> Map<String, Json> {
    Map::from_iter([("docstatus".to_owned(), Json::from(value))])
}

impl Documents {
    /// Calls a whitelisted document method, in a transaction of its own: see [`Work::call`]. One that waits for other
    /// servers runs outside of any.
    pub async fn call(
        &self,
        session: &Session,
        doctype: &str,
        name: &str,
        method: &str,
        arguments: &Map<String, Json>,
        write: bool,
    ) -> Result<Option<Json>> {
        let mut controllers = self.controllers().of(doctype).iter().filter(|known| write || known.reads(method));
        if let Some(controller) = controllers.find(|known| known.runs_outside(method)) {
            let document = self.get(session, doctype, name).await?;
            return controller.call_outside(self, session, &document, method, arguments).await.map(Some);
        }
        let mut work = if write { self.begin(session).await? } else { self.reading(session) };
        let result = work.call((doctype, name), method, arguments, write).await?;
        if write && result.is_some() {
            work.commit().await?;
        }
        Ok(result)
    }
}

impl Work<'_> {
    /// Calls a whitelisted document method through the DocType's controllers; the engine's own are `submit`, `cancel`,
    /// `discard`, `rename`, and `restore` of a Deleted Document or a Version. With `write`, the document is loaded for
    /// writing; without, only methods that do nothing but read are there. `None`: no such method. One that waits for other
    /// servers is refused: nothing is held meanwhile.
    pub async fn call(
        &mut self,
        (doctype, name): (&str, &str),
        method: &str,
        arguments: &Map<String, Json>,
        write: bool,
    ) -> Result<Option<Json>> {
        if write && let Some(result) = Box::pin(self.call_own((doctype, name), method, arguments)).await? {
            return Ok(Some(result));
        }
        let controllers = self.controllers(doctype);
        let controllers: Vec<&Arc<dyn Controller>> =
            controllers.iter().filter(|known| write || known.reads(method)).collect();
        if controllers.iter().any(|known| known.runs_outside(method)) {
            let message =
                format!("{method} waits for other servers, so call it by itself: it cannot be undone with others");
            return Err(Error::misuse(message));
        }
        let mut document = self.get_for_update(doctype, name).await?;
        if write {
            self.check(&document, Right::Write).await?;
        }
        for controller in controllers {
            if let Some(result) = controller.call(self, &mut document, method, arguments).await {
                return result.map(Some);
            }
        }
        Ok(None)
    }

    /// The methods of the engine.
    async fn call_own(
        &mut self,
        (doctype, name): (&str, &str),
        method: &str,
        arguments: &Map<String, Json>,
    ) -> Result<Option<Json>> {
        let text = |key: &str| arguments.get(key).and_then(Json::as_str);
        let flag = |key: &str| arguments.get(key).is_some_and(|flag| flag == true || flag == 1);
        let document = match method {
            "restore" if doctype == restore::DELETED_DOCUMENT => {
                return Ok(Some(self.restore(name, text("new_name")).await?.to_json()));
            }
            "restore" if doctype == restore::VERSION => {
                let moment = if flag("before") { restore::Moment::Before } else { restore::Moment::After };
                return Ok(Some(self.restore_version(name, moment, text("modified")).await?.to_json()));
            }
            "rename" => {
                let new = text("name").or_else(|| text("new_name"));
                let new = new.ok_or_else(|| Error::misuse("rename needs the argument name: the new name"))?;
                return Ok(Some(Json::from(self.rename(doctype, name, new, flag("merge")).await?)));
            }
            "submit" => self.update_json(doctype, name, &docstatus(1), Children::Patch).await?,
            "cancel" => self.update_json(doctype, name, &docstatus(2), Children::Patch).await?,
            "discard" => self.discard(doctype, name).await?,
            APPLY => {
                let action = text("action");
                let action = action.ok_or_else(|| Error::misuse("apply_workflow needs the argument action"))?;
                self.apply_workflow(doctype, name, action, text("modified")).await?
            }
            _ => return Ok(None),
        };
        Ok(Some(self.seen(&document)))
    }

    /// What the session sees of a document.
    pub(crate) fn seen(&self, document: &Document) -> Json {
        Json::Object(self.documents.to_json(&self.session, document))
    }
}
