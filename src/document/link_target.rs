//! What a save knows of the targets of its links: that they are there, and what of them the writer may see.
//!
//! The credentials' limit does not count here: what a document takes from its links is part of it.

use std::collections::HashMap;
use std::sync::Arc;

use crate::database::documents;
use crate::document::list::visible::{Purpose, Visible};
use crate::document::work::Work;
use crate::error::Result;
use crate::meta::{DocType, Document, Right};
use crate::permissions::decide::{self, ListCondition};
use crate::permissions::{Grant, Session};

/// How many documents one statement looks up.
pub(super) const AT_ONCE: usize = 50;

/// A link's target.
pub(super) struct Target {
    /// Its docstatus.
    pub docstatus: i64,
    /// Its row, where something is fetched from it.
    pub row: Option<Document>,
    /// What of it the writer may see; `None`: not even that it is there.
    pub sight: Option<Visible>,
}

/// What a writer sees of all documents of a DocType.
#[derive(Clone)]
struct Everywhere {
    visible: Visible,
    except: Vec<String>,
}

/// Targets looked up in one save, so that ten rows with one link cost one query.
#[derive(Default)]
pub(super) struct Targets {
    found: HashMap<(String, String), Option<Target>>,
    /// By DocType; `None` where each document decides.
    everywhere: HashMap<String, Option<Everywhere>>,
}

impl Target {
    /// Whether the writer may read a field of the target, masks aside.
    pub(super) fn shows(&self, doctype: &DocType, fieldname: &str) -> bool {
        let Some((column, sight)) = doctype.column(fieldname).zip(self.sight) else { return false };
        sight.column(doctype, column, Purpose::Select)
    }
}

impl Work<'_> {
    /// Whether the session may know of a document, so that it may link to it: it may read or select it.
    pub async fn may_know(&mut self, doctype: &str, name: &str) -> Result<bool> {
        let mut targets = Targets::default();
        let target = self.target(&mut targets, doctype, name, false).await?;
        Ok(target.is_some_and(|target| target.sight.is_some()))
    }

    /// Looks up together what only has to exist: each statement costs a way to the database and back. What has to be read
    /// to be judged is looked up where it is met.
    pub(super) async fn look_up_targets(
        &mut self,
        mut wanted: Vec<(Arc<DocType>, String)>,
        targets: &mut Targets,
    ) -> Result<()> {
        wanted.retain(|(doctype, name)| self.sight_everywhere(targets, doctype, name).is_some());
        for together in wanted.chunks(AT_ONCE) {
            let found = documents::docstatuses(self.executor(), together).await?;
            for ((doctype, name), docstatus) in together.iter().zip(found) {
                let sight = self.sight_everywhere(targets, doctype, name);
                let target = docstatus.map(|docstatus| Target { docstatus, row: None, sight });
                targets.found.insert((doctype.name.clone(), name.clone()), target);
            }
        }
        Ok(())
    }

    /// A link's target, with its row where `whole`; `None` if there is none. A DocType that is not loaded is not checked.
    pub(super) async fn target<'t>(
        &mut self,
        targets: &'t mut Targets,
        doctype: &str,
        name: &str,
        whole: bool,
    ) -> Result<Option<&'t Target>> {
        let key = (doctype.to_owned(), name.to_owned());
        let is_known = targets.found.get(&key).is_some_and(|known| match known {
            Some(target) => target.row.is_some() || !whole,
            None => true,
        });
        if !is_known {
            let found = self.find_target(targets, doctype, name, whole).await?;
            targets.found.insert(key.clone(), found);
        }
        Ok(targets.found[&key].as_ref())
    }

    async fn find_target(
        &mut self,
        targets: &mut Targets,
        doctype: &str,
        name: &str,
        whole: bool,
    ) -> Result<Option<Target>> {
        let plain = Target { docstatus: 0, row: None, sight: Some(Visible::ALL) };
        if doctype == "DocType" {
            return Ok(self.registry.get(name).map(|_| plain));
        }
        let Some(target) = self.registry.get(doctype).cloned() else { return Ok(Some(plain)) };
        if target.issingle {
            return Ok((name == target.name).then_some(plain));
        }
        let everywhere = self.sight_everywhere(targets, &target, name);
        if everywhere.is_some() && !target.is_virtual && !whole {
            let found = documents::exists(self.executor(), &target, name).await?;
            return Ok(found.map(|(_, docstatus)| Target { docstatus, row: None, sight: everywhere }));
        }
        let Some(document) = self.load_target(&target, name, everywhere.is_some()).await? else { return Ok(None) };
        let sight = match everywhere {
            Some(visible) => Some(visible),
            None => self.sight_of(&document).await?,
        };
        Ok(Some(Target { docstatus: document.docstatus(), row: Some(document), sight }))
    }

    /// The target's own row, or the whole document where it has to be judged.
    async fn load_target(&mut self, target: &Arc<DocType>, name: &str, row_only: bool) -> Result<Option<Document>> {
        if row_only && !target.is_virtual {
            return Ok(documents::find(self.executor(), target, name, false).await?);
        }
        self.load(&target.name, name, false).await
    }

    /// Whether the writer sees a field of a link's target masked. Of a row, its parent's DocType decides.
    pub(super) fn masks(&self, target: &Document, fieldname: &str) -> bool {
        let Some(field) = target.doctype.field(fieldname).filter(|field| field.mask) else { return false };
        let doctype = &target.doctype;
        let decides = if doctype.istable { self.registry.get(target.text("parenttype")) } else { Some(doctype) };
        !self.session.is_administrator()
            && decides.is_none_or(|doctype| Grant::of(&self.writer(), doctype).masks(field))
    }

    /// Whoever writes, with all that they may do themselves.
    fn writer(&self) -> Session {
        Session::of(Arc::clone(&self.session.access))
    }

    /// What the writer sees of a document, if it is the same for every document of its DocType.
    fn sight_everywhere(&self, targets: &mut Targets, doctype: &DocType, name: &str) -> Option<Visible> {
        if self.session.is_administrator() || doctype.istable {
            return Some(Visible::ALL);
        }
        let everywhere = targets.everywhere.entry(doctype.name.clone()).or_insert_with(|| self.everywhere(doctype));
        everywhere.as_ref().filter(|known| !known.except.iter().any(|one| one == name)).map(|known| known.visible)
    }

    fn everywhere(&self, doctype: &DocType) -> Option<Everywhere> {
        let writer = self.writer();
        let grant = Grant::of(&writer, doctype);
        let right = [Right::Read, Right::Select].into_iter().find(|right| grant.rights.contains(*right))?;
        let limits = decide::list_condition(&writer, &self.registry, doctype, right).ok()?;
        let ListCondition { excluded: except, limited: None, owner: None, values, rows, .. } = limits else {
            return None;
        };
        let is_whole = values.is_empty() && rows.is_empty();
        is_whole.then(|| Everywhere { visible: Visible::of(&grant, right), except })
    }

    /// What the writer sees of this document.
    async fn sight_of(&mut self, document: &Document) -> Result<Option<Visible>> {
        let (writer, documents) = (self.writer(), self.documents);
        let grant = Grant::of(&writer, &document.doctype);
        for right in [Right::Read, Right::Select] {
            let may = documents.check_permission(&writer, &document.doctype, Some(document), right).is_ok();
            if may || right == Right::Read && documents.is_shared(self.executor(), &writer, document, right).await? {
                return Ok(Some(Visible::of(&grant, right)));
            }
        }
        Ok(None)
    }
}
