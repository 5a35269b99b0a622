//! Renaming a document with everything that refers to it, or merging it into another one.

use std::sync::Arc;

use crate::database::{documents, references};
use crate::document::changes::ChangeKind;
use crate::document::naming::check_name;
use crate::document::work::Work;
use crate::error::{Error, FieldProblem, Invalid, ProblemKind, Result};
use crate::meta::naming_rule::NamingRule;
use crate::meta::{DocField, DocType, Document, Right, Value, fieldtype};

/// Engine tables that name documents by DocType and name: table, DocType column, name column.
///
/// What names documents by Dynamic Links, as comments, files and shares do, needs no row here.
const NAMED_BY_TYPE: [(&str, &str, &str); 2] =
    [("__Auth", "doctype", "name"), ("tabVersion", "ref_doctype", "docname")];
/// What gives rights on one document: nobody gets them on another one by a merge.
const GIVES_RIGHTS: [&str; 2] = ["DocShare", "User Permission"];

impl Work<'_> {
    /// Renames a document; with `merge`, moves its references to an existing one and deletes it. Returns the new name.
    ///
    /// A rename takes the right to write. A merge takes the right to write both and to delete the one that goes, and does
    /// all that deleting does.
    pub async fn rename(&mut self, doctype: &str, old: &str, new: &str, merge: bool) -> Result<String> {
        let document = self.get_for_update(doctype, old).await?;
        let doctype = Arc::clone(&document.doctype);
        let rights: &[Right] = if merge { &[Right::Write, Right::Delete] } else { &[Right::Write] };
        for right in rights {
            self.check(&document, *right).await?;
        }
        if doctype.fields.iter().any(|field| field.guarded) {
            self.documents.check_unlimited(&self.session, &format!("rename {} {old}", doctype.name))?;
        }
        let new = new.trim();
        if !doctype.has_table() || doctype.istable {
            return Err(Error::misuse(format!("{} cannot be renamed", doctype.name)));
        }
        if !doctype.allow_rename && !self.session.is_system() {
            let message = format!("{} does not allow renaming: switch on allow_rename in its DocType", doctype.name);
            return Err(Error::invalid(ProblemKind::Validation, message));
        }
        if new == old {
            return Ok(old.to_owned());
        }
        check_name(&doctype, new)?;
        if merge {
            // Whoever may not know the target gets the answer of one that is not there.
            let target = self.get_for_update(&doctype.name, new).await?;
            self.check(&target, Right::Write).await?;
            self.check_tree_merge(&document, &target).await?;
        } else if documents::exists(self.executor(), &doctype, new).await?.is_some() {
            return Err(self.documents.name_taken(&self.session, &doctype, new).await);
        }
        let controllers = self.controllers(&doctype.name);
        for controller in &controllers {
            controller.before_rename(self, old, new, merge).await?;
        }
        if merge {
            self.move_references(&doctype, &document, new, merge).await?;
            self.delete(&doctype.name, old).await?;
        } else {
            let naming_field = match &doctype.naming_rule {
                NamingRule::Field(fieldname) => doctype.field(fieldname),
                _ => None,
            };
            if let Some(field) = naming_field {
                self.check_naming_field(&doctype, field, new)?;
            }
            references::rename_row(self.executor(), &doctype, old, new).await?;
            if let Some(field) = naming_field {
                documents::set(self.executor(), &doctype, new, &[(&field.fieldname, Value::from(new))]).await?;
            }
            self.move_references(&doctype, &document, new, merge).await?;
        }
        self.touch(&doctype.name, old);
        self.note(ChangeKind::Rename, &doctype.name, old, Some(new));
        self.touch(&doctype.name, new);
        // Any document may have linked to it, so everything that is kept may be stale.
        self.touch_everything();
        for controller in &controllers {
            controller.after_rename(self, old, new, merge).await?;
        }
        let note = if merge { format!("merged {old} into {new}") } else { format!("renamed from {old} to {new}") };
        self.insert_edit(&doctype.name, new, note).await?;
        Ok(new.to_owned())
    }

    /// The field that names the document changes with it, under the rules of every write.
    fn check_naming_field(&self, doctype: &DocType, field: &DocField, new: &str) -> Result<()> {
        let grant = self.documents.grant(&self.session, doctype);
        if !self.session.is_administrator() && !grant.writes_level(field.permlevel) {
            let message = format!("{} may not change {} of a {}", self.session.user(), field.label, doctype.name);
            return Err(Error::Permission(message));
        }
        let Some(column) = doctype.column(&field.fieldname) else { return Ok(()) };
        let column_type = doctype.columns[column].column_type;
        fieldtype::validate(field, column_type, &Value::from(new)).map_err(|(kind, message)| {
            let problems = vec![FieldProblem::at(kind, &field.fieldname, &field.label, message)];
            Error::Validation(Invalid { problems })
        })
    }

    /// Everything that names the document: Links, Dynamic Links, Singles; when it is renamed, child rows, secrets, logs and
    /// what gives rights on it too. After a merge these go with the document.
    async fn move_references(&mut self, doctype: &DocType, document: &Document, new: &str, merge: bool) -> Result<()> {
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
            if merge && GIVES_RIGHTS.contains(&linking.name.as_str()) {
                continue;
            }
            let Some(type_field) = &reference.type_field else { continue };
            let only = Some((type_field.as_str(), doctype.name.as_str()));
            references::rewrite(self.executor(), &linking.table_name(), &reference.fieldname, names, only).await?;
        }
        if merge {
            return Ok(());
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
