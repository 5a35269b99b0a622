//! New drafts from stored documents: copies and amendments.

use crate::document::transition::check_cancelled;
use crate::document::work::Work;
use crate::document::{Documents, defaults};
use crate::error::Result;
use crate::meta::{Document, Right};
use crate::permissions::Session;

impl Work<'_> {
    /// Refuses an `amended_from` that names anything but a cancelled document that the session may read and amend: the
    /// name of what amends it begins with its name.
    pub(super) async fn check_amended(&mut self, document: &Document) -> Result<()> {
        let source = document.get("amended_from").to_string();
        if source.is_empty() || !document.doctype.is_submittable || self.session.is_system() || self.restoring {
            return Ok(());
        }
        let doctype = document.doctype.name.clone();
        let found = self.load(&doctype, &source, false).await?;
        let found = self.readable(&doctype, &source, found, Right::Amend).await?;
        self.check(&found, Right::Amend).await?;
        check_cancelled(&found)
    }
}

impl Documents {
    /// A new draft from a cancelled document, with `amended_from`; not stored.
    pub async fn amend(&self, session: &Session, doctype: &str, name: &str) -> Result<Document> {
        let source = self.get(session, doctype, name).await?;
        self.check_permission(session, &source.doctype, Some(&source), Right::Amend)?;
        check_cancelled(&source)?;
        let mut copy = self.copy_of(session, &source);
        copy.set("amended_from", source.name());
        Ok(copy)
    }

    /// A new draft from a document, without its `no_copy` fields; not stored.
    pub async fn copy(&self, session: &Session, doctype: &str, name: &str) -> Result<Document> {
        let source = self.get(session, doctype, name).await?;
        self.check_permission(session, &source.doctype, None, Right::Create)?;
        Ok(self.copy_of(session, &source))
    }

    fn copy_of(&self, session: &Session, source: &Document) -> Document {
        let surroundings = self.surroundings(session);
        let grant = self.grant(session, &source.doctype);
        let copy_values = |from: &Document| {
            let mut copy = defaults::new_document(&from.doctype, &surroundings);
            for (index, column) in from.doctype.columns.iter().enumerate() {
                let Some(field) = column.field.map(|field| &from.doctype.fields[field]) else { continue };
                let is_password = field.fieldtype == crate::meta::Fieldtype::Password;
                let readable = from.doctype.istable || session.is_administrator() || grant.reads_level(field.permlevel);
                if !field.no_copy && !field.secret && !is_password && readable && !grant.masks(field) {
                    copy.values[index] = from.values[index].clone();
                }
            }
            copy
        };
        let mut copy = copy_values(source);
        for (table, field) in source.doctype.table_fields().enumerate() {
            if !field.no_copy && (session.is_administrator() || grant.reads_level(field.permlevel)) {
                copy.tables[table] = source.tables[table].iter().map(copy_values).collect();
            }
        }
        copy
    }
}
