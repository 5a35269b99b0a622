//! What a decision asks on its way, noted for whoever wants to know why. The decisions note it themselves, so that what
//! is told cannot differ from what is done; where nobody asks, nothing of it is even computed.

use crate::meta::docperm::DocPerm;
use crate::permissions::decide::Denied;

/// Who hears of the steps of a decision.
pub(crate) trait Recorder: Send {
    /// All that refuses is wanted, not the first alone.
    const HEARS_ALL: bool;
    /// Something was asked that does not refuse.
    fn note(&mut self, step: impl FnOnce() -> Step);
    /// Something refuses. An error is the end of the decision.
    fn refuse(&mut self, denied: Denied, step: impl FnOnce() -> Step) -> Result<(), Denied>;
    /// The decision, where it has not ended before.
    fn decision(&mut self) -> Result<(), Denied>;
}

/// Nobody wants to know: the first refusal is the answer.
pub(crate) struct Unrecorded;

impl Recorder for Unrecorded {
    const HEARS_ALL: bool = false;

    fn note(&mut self, _: impl FnOnce() -> Step) {}

    fn refuse(&mut self, denied: Denied, _: impl FnOnce() -> Step) -> Result<(), Denied> {
        Err(denied)
    }

    fn decision(&mut self) -> Result<(), Denied> {
        Ok(())
    }
}

/// Every step, also those behind the first refusal.
#[derive(Debug, Default)]
pub(crate) struct Recorded {
    /// In the order in which they were asked.
    pub steps: Vec<Step>,
    denied: Option<Denied>,
}

impl Recorder for Recorded {
    const HEARS_ALL: bool = true;

    fn note(&mut self, step: impl FnOnce() -> Step) {
        self.steps.push(step());
    }

    fn refuse(&mut self, denied: Denied, step: impl FnOnce() -> Step) -> Result<(), Denied> {
        self.steps.push(step());
        self.denied.get_or_insert(denied);
        Ok(())
    }

    fn decision(&mut self) -> Result<(), Denied> {
        self.denied.take().map_or(Ok(()), Err)
    }
}

/// What a step came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Said {
    /// It gives the right.
    Gives,
    /// It has nothing against it.
    Passes,
    /// It does not give the right, which something else may.
    Lacks,
    /// It refuses.
    Refuses,
}

impl Said {
    /// As programs read it.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Gives => "gives",
            Self::Passes => "passes",
            Self::Lacks => "lacks",
            Self::Refuses => "refuses",
        }
    }
}

/// One thing that a decision asked, and what it came to.
#[derive(Clone, Debug)]
pub(crate) struct Step {
    /// What was asked.
    pub asked: Asked,
    /// What it came to.
    pub said: Said,
}

impl Step {
    /// A step that came to that.
    pub(crate) fn new(asked: Asked, said: Said) -> Self {
        Self { asked, said }
    }
}

/// What a decision asks, in the order of the variants.
#[derive(Clone, Debug)]
pub(crate) enum Asked {
    /// What the docstatus allows; holds what it refuses with, or the right that is asked for in its place.
    State(String),
    /// What the credentials leave of the right.
    Limit {
        /// The scopes that would do, space separated.
        needed: String,
        /// The right is guarded, so that no scope but that of everything will do.
        guarded: bool,
    },
    /// Whether Administrator asks.
    Administrator,
    /// Whether it is an account of the site itself.
    Reserved,
    /// A permission row of level 0 of a role that the person has.
    Row(DocPerm),
    /// All rows together.
    Roles,
    /// Whose the document is, where rows give the right to owners alone.
    Owner(String),
    /// Whether User Permissions are asked at all: not for what owners keep.
    OwnerKeeps,
    /// A Link that User Permissions narrow down, or the document itself (`name`).
    UserPermission {
        /// The field.
        field: String,
        /// The DocType whose documents are narrowed down.
        target: String,
        /// What the field holds.
        value: String,
        /// What User Permissions leave.
        allowed: Vec<String>,
    },
    /// `limited_to`.
    LimitedTo,
    /// What a controller refuses whatever roles give; holds its rule in words.
    Controller(&'static str),
    /// A share of the document.
    Share {
        /// Shares can give the right at all.
        possible: bool,
    },
    /// The right to read, without which no other counts.
    ReadFirst,
}
