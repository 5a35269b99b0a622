//! Why a session may do something, or not: the decisions themselves, with every step noted.

use crate::document::list::ListRequest;
use crate::document::{Documents, transition};
use crate::error::{Error, Result};
use crate::meta::{DocField, DocType, Document, Right};
use crate::permissions::decide::{self, ListCondition};
use crate::permissions::record::{Asked, Recorded, Recorder as _, Said, Step};
use crate::permissions::{Grant, Session};

/// How far is counted what somebody sees.
const MOST_COUNTED: u64 = 10_000;

/// What was decided, and on what grounds.
#[derive(Debug, Default)]
pub(crate) struct Decision {
    /// What was asked, with the right for which it was.
    pub steps: Vec<(Right, Step)>,
    /// The outcome.
    pub allowed: bool,
}

/// What somebody sees of the documents of a DocType.
#[derive(Debug)]
pub(crate) struct Seen {
    /// How many of them, at most [`MOST_COUNTED`]; `None`: the list is refused, or there is none.
    pub count: Option<u64>,
    /// What the list asks of each; `None`: roles give nothing, at most what is shared is seen.
    pub condition: Option<ListCondition>,
}

/// The fields that are not as the others are, for one session.
#[derive(Debug, Default)]
pub(crate) struct FieldsApart<'d> {
    /// Left out of every answer.
    pub hidden: Vec<&'d DocField>,
    /// Shown as stars.
    pub masked: Vec<&'d DocField>,
    /// Read, not written.
    pub read_only: Vec<&'d DocField>,
    /// Never changed with credentials that are limited, as these are.
    pub guarded: Vec<&'d DocField>,
}

impl Documents {
    /// Whether a session may do that with a stored document, as the doors decide it, and why. Nobody does anything with
    /// what they cannot read; what a change takes depends on the docstatus.
    pub(crate) async fn explain(&self, session: &Session, document: &Document, right: Right) -> Result<Decision> {
        let mut decision = Decision { allowed: true, ..Decision::default() };
        if !matches!(right, Right::Read | Right::Select) {
            if self.ask(session, document, Right::Read, &mut decision).await? {
                decision.steps.clear();
            } else {
                decision.steps.insert(0, (right, Step::new(Asked::ReadFirst, Said::Refuses)));
            }
        }
        let mut asked = right;
        match transition::right_for(document, right) {
            Ok(taken) if taken != right => {
                asked = taken;
                decision.steps.push((right, Step::new(Asked::State(taken.as_str().to_owned()), Said::Passes)));
            }
            Ok(_) => {}
            Err(error) => {
                decision.allowed = false;
                decision.steps.push((right, Step::new(Asked::State(error.to_string()), Said::Refuses)));
            }
        }
        if let Some(refusal) = self.workflow_refusal(session, document, right).await? {
            decision.allowed = false;
            decision.steps.push((right, Step::new(Asked::State(refusal), Said::Refuses)));
        }
        // Whoever may read a document may select it.
        let has = self.ask(session, document, asked, &mut decision).await?;
        if right == Right::Select && !has {
            decision.allowed = self.ask(session, document, Right::Read, &mut decision).await?;
        }
        Ok(decision)
    }

    /// Asks for one right on a document as every door does, and adds what was asked.
    async fn ask(&self, session: &Session, document: &Document, right: Right, decision: &mut Decision) -> Result<bool> {
        let mut recorded = Recorded::default();
        let asked = self.check_stored(self.database(), session, document, right, &mut recorded).await;
        let allowed = is_allowed(asked)?;
        decision.allowed &= allowed;
        decision.steps.extend(recorded.steps.into_iter().map(|step| (right, step)));
        Ok(allowed)
    }

    /// Whether a session may do that with documents of a DocType at all, and why.
    pub(crate) async fn explain_doctype(&self, session: &Session, doctype: &DocType, right: Right) -> Result<Decision> {
        // A Single is there before it is saved for the first time.
        let asked = if doctype.issingle && right == Right::Create { Right::Write } else { right };
        let mut recorded = Recorded::default();
        let decided = self.check_permission_noting(session, doctype, None, asked, &mut recorded);
        let mut allowed = is_allowed(decided)?;
        if !allowed && right == Right::Read && self.seen(session, doctype).await?.count.is_some_and(|count| count > 0) {
            // What is shared is seen without any role.
            allowed = true;
            recorded.note(|| Step::new(Asked::Share { possible: true }, Said::Gives));
        }
        let mut steps: Vec<_> = recorded.steps.into_iter().map(|step| (asked, step)).collect();
        if asked != right {
            steps.insert(0, (right, Step::new(Asked::State(asked.as_str().to_owned()), Said::Passes)));
        }
        Ok(Decision { steps, allowed })
    }

    /// What a session sees in the list of a DocType.
    pub(crate) async fn seen(&self, session: &Session, doctype: &DocType) -> Result<Seen> {
        let condition = decide::list_condition(session, &self.registry(), doctype, Right::Read).ok();
        if !doctype.has_table() || doctype.issingle {
            return Ok(Seen { count: None, condition });
        }
        let count = self.count_at_most(session, &ListRequest::new(doctype.name.as_str()), Some(MOST_COUNTED)).await;
        let count = match count {
            Ok(count) => Some(count),
            Err(error) => is_allowed(Err(error)).map(|_| None)?,
        };
        Ok(Seen { count, condition })
    }
}

/// The fields that a session does not read, sees masked, or does not write, though it may read or write documents.
pub(crate) fn fields_apart<'d>(session: &Session, doctype: &'d DocType) -> FieldsApart<'d> {
    let mut apart = FieldsApart::default();
    let grant = Grant::of(session, doctype);
    for field in doctype.fields.iter().filter(|field| field.has_column() || field.fieldtype.is_table()) {
        if session.limit.is_some() && field.guarded {
            apart.guarded.push(field);
        }
        if session.is_administrator() {
            continue;
        }
        // Whoever may read a document at all reads level 0.
        if field.permlevel > 0 && !grant.reads_level(field.permlevel) {
            apart.hidden.push(field);
        } else if grant.masks(field) {
            apart.masked.push(field);
        } else if field.permlevel > 0 && !grant.writes_level(field.permlevel) {
            apart.read_only.push(field);
        }
    }
    apart
}

/// What a door answers, as yes or no; errors of another kind are none of its answers.
fn is_allowed(answer: Result<()>) -> Result<bool> {
    match answer {
        Ok(()) => Ok(true),
        Err(Error::Permission(_) | Error::Authentication(_) | Error::InsufficientScope { .. }) => Ok(false),
        Err(error) => Err(error),
    }
}
