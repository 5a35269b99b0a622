//! Workflows in the life of documents: which is in force, what a save does to the state, and what somebody may do next.
//!
//! A workflow comes from the DocType's file or from a Workflow that is active (`in_force`). `step` holds every save to
//! it, whichever door it comes through; `standing` says what is open to somebody, and `waiting` keeps
//! Workflow Actions of what waits for whom.

mod in_force;
mod standing;
mod step;
mod waiting;

pub(crate) use in_force::{Workflows, of_document};
pub(crate) use standing::{Standing, Way};

/// The method of documents that takes a step of their workflow.
pub(crate) const APPLY: &str = "apply_workflow";
/// The DocType of workflows.
pub(crate) const WORKFLOW: &str = "Workflow";
/// The DocType of what states are called.
pub(crate) const WORKFLOW_STATE: &str = "Workflow State";
