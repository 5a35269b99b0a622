//! What holds for the nodes of a tree, as Frappe's `NestedSet` has it: no cycles, no leaf with children, nothing lost below.
//!
//! The Link to the parent is the tree; `lft` and `rgt` are columns that nobody keeps, as relatives are found through it.

use serde_json::json;

use crate::document::ListRequest;
use crate::document::work::Work;
use crate::error::{Error, FieldProblem, Invalid, ProblemKind, Result};
use crate::meta::Document;

impl Work<'_> {
    /// Refuses a node that is put below itself, and one with children that becomes a leaf.
    pub(super) async fn check_tree(
        &mut self,
        document: &Document,
        before: Option<&Document>,
        problems: &mut Vec<FieldProblem>,
    ) -> Result<()> {
        let doctype = &document.doctype;
        let (Some(field), Some(before)) = (doctype.tree_parent_field(), before) else { return Ok(()) };
        let (name, parent) = (document.name(), document.get(&field.fieldname).to_string());
        let moved = parent != before.get(&field.fieldname).to_string();
        if moved && !parent.is_empty() && self.is_below(document, &parent, &name).await? {
            let message = format!("{name} cannot be put below itself: choose a {} that is not below it", field.label);
            let kind = ProblemKind::NestedSetRecursion;
            problems.push(FieldProblem::at(kind, &field.fieldname, &field.label, message));
        }
        let becomes_leaf = before.check("is_group") && !document.check("is_group");
        if becomes_leaf && self.has_children(document).await? {
            let label = doctype.field("is_group").map_or("Is Group", |field| field.label.as_str());
            let message = format!("{name} has others below it: move them before it becomes a leaf");
            problems.push(FieldProblem::at(ProblemKind::NestedSetChildExists, "is_group", label, message));
        }
        Ok(())
    }

    /// Refuses to delete a node with children, and a root.
    pub(super) async fn check_tree_delete(&mut self, document: &Document) -> Result<()> {
        let doctype = &document.doctype;
        let Some(field) = doctype.tree_parent_field().filter(|_| !self.session.is_system()) else { return Ok(()) };
        let name = document.name();
        if self.has_children(document).await? {
            let message = format!("Cannot delete {name} as it has others below it: move or delete them first");
            return Err(Error::invalid(ProblemKind::NestedSetChildExists, message));
        }
        if document.get(&field.fieldname).is_blank() {
            let message = format!("Root {} {name} cannot be deleted", doctype.name);
            return Err(Error::invalid(ProblemKind::Validation, message));
        }
        Ok(())
    }

    /// Refuses to merge a group with a leaf, and a node with one below it: its children would lose their root.
    pub(super) async fn check_tree_merge(&mut self, source: &Document, target: &Document) -> Result<()> {
        if source.doctype.tree_parent_field().is_none() {
            return Ok(());
        }
        let (old, new) = (source.name(), target.name());
        let problem = if source.check("is_group") != target.check("is_group") {
            format!("{old} cannot be merged into {new}: both must be groups, or neither")
        } else if self.is_below(source, &new, &old).await? {
            format!("{old} cannot be merged into {new}, which is below it")
        } else {
            return Ok(());
        };
        let problems = vec![FieldProblem::general(ProblemKind::NestedSetInvalidMerge, problem)];
        Err(Error::Validation(Invalid { problems }))
    }

    /// Whether `node` is `above` or somewhere below it.
    async fn is_below(&mut self, document: &Document, node: &str, above: &str) -> Result<bool> {
        if node == above {
            return Ok(true);
        }
        self.any_node(document, json!([["name", "=", node], ["name", "descendants of", above]])).await
    }

    async fn has_children(&mut self, document: &Document) -> Result<bool> {
        let Some(field) = document.doctype.tree_parent_field() else { return Ok(false) };
        self.any_node(document, json!([[field.fieldname, "=", document.name()]])).await
    }

    async fn any_node(&mut self, document: &Document, filters: serde_json::Value) -> Result<bool> {
        let mut request = ListRequest::new(document.doctype.name.as_str()).filters(filters);
        request.limit = Some(1);
        let caller = self.become_system();
        let found = self.list(&request).await;
        self.session = caller;
        Ok(!found?.rows.is_empty())
    }
}
