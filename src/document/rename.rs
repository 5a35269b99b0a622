//! Renaming a document with everything that refers to it, or merging it into another one.

use std::sync::Arc;

use crate::database::{documents, references};
use crate::document::naming::check_name;
use crate::document::work::Work;
use crate::error::{Conflict, Error, ProblemKind, Result};
use crate::meta::naming_rule::NamingRule;
use crate::meta::{DocType, Document, Right, Value};

/// Engine tables that name documents by DocType and name: table, DocType column, name column.
///
/// What names documents by Dynamic Links, as comments, files and shares do, needs no row here.
const NAMED_BY_TYPE: [(&str, &str, &str); 2] =
    [("__Auth", "doctype", "name"), ("tabVersion", "ref_doctype", "docname")];

impl Work<'_> {
    /// Renames a document; with `merge`, moves its references to an existing one and deletes it. Returns the new name.
    pub async fn rename(&mut self, doctype: &str, old: &str, new: &str, merge: bool) -> Result<String> {
        let document = self.get_for_update(doctype, old).await?;
        let doctype = Arc::clone(&document.doctype);
        self.documents
            .check_found(self.executor(), &self.session, &doctype, old, Some(&document), Right::Write)
            .await?;
        if doctype.fields.iter().any(|field| field.guarded) {
            self.documents.check_unlimited(&self.session, &format!("rename {} {old}", doctype.name))?;
        }
        let new = new.trim();
        if !doctype.has_table() || doctype.istable {
            return Err(crate::document::access::misuse(format!("{} cannot be renamed", doctype.name)));
        }
        if !doctype.allow_rename && !self.session.is_system() {
            let message = format!("{} does not allow renaming: switch on allow_rename in its DocType", doctype.name);
            return Err(Error::invalid(ProblemKind::Validation, message));
        }
        if new == old {
            return Ok(old.to_owned());
        }
        check_name(&doctype, new)?;
        let target = documents::exists(self.executor(), &doctype, new).await?;
        match (target.is_some(), merge) {
            (true, false) => {
                let (doctype, name) = (doctype.name.clone(), new.to_owned());
                return Err(Error::Conflict(Conflict::DuplicateName { doctype, name }));
            }
            (false, true) => return Err(Error::does_not_exist(&doctype.name, new)),
            _ => {}
        }
        let controllers = self.controllers(&doctype.name);
        for controller in &controllers {
            controller.before_rename(self, old, new, merge).await?;
        }
        if merge {
            self.move_references(&doctype, &document, new).await?;
            documents::delete(self.executor(), &doctype, old).await?;
        } else {
            references::rename_row(self.executor(), &doctype, old, new).await?;
            if let NamingRule::Field(fieldname) = &doctype.naming_rule {
                documents::set(self.executor(), &doctype, new, &[(fieldname, Value::from(new))]).await?;
            }
            self.move_references(&doctype, &document, new).await?;
        }
        self.touch(&doctype.name, old);
        self.touch(&doctype.name, new);
        // Any document may have linked to it, so everything that is kept may be stale.
        self.touch("*", "*");
        for controller in &controllers {
            controller.after_rename(self, old, new, merge).await?;
        }
        self.insert_edit(&doctype.name, new, format!("renamed from {old} to {new}")).await?;
        Ok(new.to_owned())
    }

    /// Everything that names the document: Links, Dynamic Links, Singles, child rows, secrets, logs.
    async fn move_references(&mut self, doctype: &DocType, document: &Document, new: &str) -> Result<()> {
        let registry = Arc::clone(&self.registry);
        let old = document.name();
        let names = (old.as_str(), new);
        for reference in registry.links_to(&doctype.name) {
            let Some(linking) = registry.get(&reference.doctype) else { continue };
            if linking.issingle {
                references::rewrite_single(self.executor(), &linking.name, &reference.fieldname, names).await?;
            } else if linking.has_table() {
                references::rewrite(self.executor(), &linking.table_name(), &reference.fieldname, names, None).await?;
            }
        }
        for reference in registry.dynamic_links() {
            let Some(linking) = registry.get(&reference.doctype).filter(|linking| linking.has_table()) else {
                continue;
            };
            let Some(type_field) = &reference.type_field else { continue };
            let only = Some((type_field.as_str(), doctype.name.as_str()));
            references::rewrite(self.executor(), &linking.table_name(), &reference.fieldname, names, only).await?;
        }
        for field in doctype.table_fields() {
            let only = Some(("parenttype", doctype.name.as_str()));
            if let Some(child) = registry.get(&field.options) {
                references::rewrite(self.executor(), &child.table_name(), "parent", names, only).await?;
            }
        }
        for (table, type_column, name_column) in NAMED_BY_TYPE {
            let known =
                table == "__Auth" || registry.get(&table["tab".len()..]).is_some_and(|doctype| doctype.has_table());
            if known {
                let only = Some((type_column, doctype.name.as_str()));
                references::rewrite(self.executor(), table, name_column, names, only).await?;
            }
        }
        Ok(())
    }
}
