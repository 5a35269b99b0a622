//! The methods of documents: what they are called, what they do and what they take.

use crate::document::Controllers;
use crate::document::controller::need;
use crate::document::workflow::APPLY;
use crate::error::Need;
use crate::meta::{DocType, Right};

/// A method of a DocType's documents.
pub(crate) struct DocumentMethod {
    /// Its name.
    pub name: &'static str,
    /// What it does.
    pub description: &'static str,
    /// It does nothing but read, so that a GET may call it.
    pub reads: bool,
    /// All that calling it by POST takes.
    pub needs: Vec<Need>,
}

/// Those of the engine and those of the DocType's controllers.
pub(crate) fn of(controllers: &Controllers, doctype: &DocType) -> Vec<DocumentMethod> {
    let mut methods = if doctype.istable { Vec::new() } else { common(doctype) };
    for controller in controllers.of(&doctype.name) {
        methods.extend(controller.methods().into_iter().map(|(name, description)| DocumentMethod {
            name,
            description,
            reads: controller.reads(name),
            needs: controller.needs(&doctype.name, name),
        }));
    }
    for method in &mut methods {
        let is_guarded = |need: &Need| match need {
            Need::Right { doctype: of, right } if *of == doctype.name => {
                Right::parse(right).is_some_and(|right| doctype.guarded_rights.contains(right))
            }
            _ => false,
        };
        let renames = method.name == "rename" && doctype.fields.iter().any(|field| field.guarded);
        if renames || method.needs.iter().any(is_guarded) {
            method.needs.push(Need::Unlimited);
        }
    }
    methods
}

/// Those of the engine, which every DocType has as far as they apply.
fn common(doctype: &DocType) -> Vec<DocumentMethod> {
    let mut methods = Vec::new();
    let mut add = |name, right, description| {
        methods.push(DocumentMethod { name, description, reads: false, needs: vec![need(&doctype.name, right)] });
    };
    if doctype.is_submittable {
        add("submit", Right::Submit, "Submits the draft: from then on only fields marked for it may change");
        add("cancel", Right::Cancel, "Cancels the submitted document");
        add("discard", Right::Write, "Cancels the draft without its ever being submitted");
    }
    if doctype.workflow.is_some() {
        add(APPLY, Right::Write, "Takes the action of the document's workflow in `action`");
    }
    if doctype.allow_rename && !doctype.issingle && !doctype.is_virtual {
        add("rename", Right::Write, "Gives the document the name in `name`, and changes all that refers to it");
    }
    if !doctype.is_virtual {
        let needs = vec![need(&doctype.name, Right::Write), need("Comment", Right::Create)];
        methods.push(DocumentMethod {
            name: "add_comment",
            description: "Adds a comment with the text in `text`",
            reads: false,
            needs,
        });
    }
    methods
}
