//! The buttons of a form: what somebody may do with its document next.

use crate::desk::form::FormInput;
use crate::desk::form::access::Access;
use crate::desk::form::view::{Actions, StepView};
use crate::document::restore::DELETED_DOCUMENT;
use crate::document::workflow::{Standing, Way};
use crate::meta::Right;
use crate::permissions::Grant;

/// All of them, each shown or not.
pub(super) fn actions(input: &FormInput<'_>) -> Actions {
    let Access { write, create, delete, submit, cancel, amend } = input.access;
    let (doctype, document) = (input.doctype, input.document);
    let stored = !document.is_new && !doctype.issingle;
    let docstatus = document.docstatus();
    let create = create && !doctype.in_create && !doctype.issingle && !doctype.is_virtual;
    let new_url = |from: &str| {
        let query = url::form_urlencoded::Serializer::new(String::new()).append_pair(from, &document.name()).finish();
        format!("/app/{}/new?{query}", doctype.slug())
    };
    let may_restore = || {
        let target = input.registry.get(document.text("deleted_doctype"));
        !document.check("restored") && target.is_some_and(|target| Grant::of(input.session, target).may(Right::Create))
    };
    let mut actions = Actions {
        save: write && docstatus < 2,
        submit: stored && doctype.is_submittable && docstatus == 0 && submit,
        cancel: stored && docstatus == 1 && cancel,
        amend: stored && docstatus == 2 && amend,
        discard: stored && doctype.is_submittable && docstatus == 0 && write,
        delete: stored && !doctype.is_virtual && docstatus != 1 && delete,
        keeps_deleted: doctype.keeps_deleted(),
        restore: stored && doctype.name == DELETED_DOCUMENT && may_restore(),
        duplicate: stored && create,
        rename: stored && doctype.allow_rename && write && docstatus == 0,
        new: stored && create,
        new_url: format!("/app/{}/new", doctype.slug()),
        copy_url: new_url("copy"),
        amend_url: new_url("amend"),
        menu: false,
        confirm: input.confirm,
        steps: input.standing.map(steps).unwrap_or_default(),
    };
    actions.menu = !doctype.hide_toolbar && stored;
    actions
}

/// The buttons that take a step of the workflow.
fn steps(standing: &Standing) -> Vec<StepView> {
    let step = |way: &Way| StepView {
        action: way.action.clone(),
        next_state: way.next_state.clone(),
        is_danger: way.style == "Danger",
    };
    standing.ways.iter().map(step).collect()
}
