//! Reading one document: from the cache where possible, under the session's permissions.

use std::any::Any;
use std::sync::Arc;

use crate::database::documents;
use crate::document::cache::{self, Cached, Data};
use crate::document::{Documents, access, formulas, load};
use crate::error::{Error, Result};
use crate::meta::{DocType, Document, Right, View};
use crate::pace;
use crate::permissions::Session;
use crate::permissions::decide::Denied;

impl Documents {
    /// A document that the session may read (whole, with every level; [`Documents::to_json`] leaves out what may not be read).
    ///
    /// Whoever may read only some documents of the DocType gets the same refusal whether one exists or not.
    pub async fn get(&self, session: &Session, doctype: &str, name: &str) -> Result<Arc<Document>> {
        Ok(Arc::clone(&self.cached(session, doctype, name).await?.document))
    }

    /// The typed view of a document: made when first asked for and kept beside the document in the cache, so that the
    /// commit which changes the one drops both. There is one type of view for each DocType.
    ///
    /// `holds` says whether a kept view counts; it matters to a view that was made from more than this document.
    pub async fn get_typed<T: Any + Send + Sync>(
        &self,
        session: &Session,
        doctype: &str,
        name: &str,
        holds: impl FnOnce(&T) -> bool,
        make: impl FnOnce(&Document) -> T,
    ) -> Result<Arc<T>> {
        Ok(self.cached(session, doctype, name).await?.typed(holds, make))
    }

    /// The same past the cache, for what another node may have changed and has to be known at once.
    pub async fn get_uncached(&self, session: &Session, doctype: &str, name: &str) -> Result<Document> {
        let target = self.doctype(doctype)?;
        let found = load::find(self.database(), &self.registry(), &target, name, false).await?;
        self.check_found(self.database(), session, &target, name, found.as_ref(), Right::Read).await?;
        found.ok_or_else(|| Error::does_not_exist(&target.name, name))
    }

    /// The document whose column holds this value, for fields that are unique or nearly so; under the session's permissions.
    ///
    /// Secret fields can be asked for here (by their digest), as nowhere else: nobody outside chooses the field.
    pub async fn find_by(
        &self,
        session: &Session,
        doctype: &str,
        fieldname: &str,
        value: &str,
    ) -> Result<Option<Arc<Document>>> {
        let target = self.doctype(doctype)?;
        let found = documents::name_by(self.database(), &target, fieldname, value).await?;
        let Some(name) = found else { return Ok(None) };
        match self.get(session, doctype, &name).await {
            Ok(document) => Ok(Some(document)),
            Err(Error::DoesNotExist { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The same as it is sent, from the cache where possible: the hot path of REST.
    pub(crate) async fn get_data(&self, session: &Session, doctype: &str, name: &str) -> Result<Data> {
        let cached = self.cached(session, doctype, name).await?;
        let view = View { zone: self.site_zone(), ..self.view(session, &cached.document) };
        Ok(cached.answer(view, |document| pace::aside(document.has_many_rows(), || Data::of(document.to_json(view)))))
    }

    async fn cached(&self, session: &Session, doctype: &str, name: &str) -> Result<Arc<Cached>> {
        let doctype = self.doctype(doctype)?;
        let key = cache::key(&doctype.name, name);
        if let Some(cached) = self.0.cache.get(self, &key) {
            let database = self.database();
            database.metrics().cache_hits.count();
            self.check_found(database, session, &doctype, name, Some(&cached.document), Right::Read).await?;
            return Ok(cached);
        }
        self.database().metrics().cache_misses.count();
        let ticket = self.0.cache.ticket(&key);
        let mut found = if doctype.is_virtual {
            self.reading(session).virtual_document(&doctype, name).await?
        } else if doctype.istable {
            return self.child_row(session, &doctype, name).await;
        } else {
            let registry = self.registry();
            load::find(self.database(), &registry, &doctype, name, false).await?
        };
        self.check_found(self.database(), session, &doctype, name, found.as_ref(), Right::Read).await?;
        let is_computed = formulas::has_virtual(self.registry().formulas(&doctype.name));
        if let Some(document) = found.as_mut().filter(|_| is_computed) {
            self.reading(session).compute_virtual(document).await?;
        }
        let document = Arc::new(found.ok_or_else(|| Error::does_not_exist(&doctype.name, name))?);
        let cached = Arc::new(Cached::once(document));
        if !doctype.is_virtual && !is_computed {
            self.0.cache.keep(ticket, &key, Arc::clone(&cached));
        }
        Ok(cached)
    }

    /// A child row is readable with its parent.
    async fn child_row(&self, session: &Session, doctype: &Arc<DocType>, name: &str) -> Result<Arc<Cached>> {
        let hidden = || access::refusal(session, doctype, Some(name), Right::Read, &Denied::Role);
        let found = documents::find(self.database(), doctype, name, false).await?;
        let Some(row) = found else {
            return Err(if session.is_administrator() { Error::does_not_exist(&doctype.name, name) } else { hidden() });
        };
        let parenttype = row.text("parenttype").to_owned();
        let parent = Box::pin(self.get(session, &parenttype, row.text("parent"))).await.map_err(|_| hidden())?;
        let field = parent.doctype.field(row.text("parentfield"));
        let level = field.map_or(0, |field| field.permlevel);
        if !session.is_administrator() && !self.grant(session, &parent.doctype).reads_level(level) {
            return Err(hidden());
        }
        Ok(Arc::new(Cached::once(Arc::new(row))))
    }
}
