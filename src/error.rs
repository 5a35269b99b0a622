//! The one error of the program, in its own terms; `web/error.rs` maps it to status codes.

use std::borrow::Cow;
use std::fmt;

/// The result of everything that can fail with an [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What went wrong, in the terms of documents and people.
///
/// The texts inside are for the person or program that asked; causes that only the log may see live in [`Error::Internal`].
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No such document, or none that the asker may know of.
    #[error("{doctype} {name} not found")]
    DoesNotExist {
        /// The DocType asked for.
        doctype: String,
        /// The document name asked for.
        name: String,
    },
    /// No such page, method or route.
    #[error("{0}")]
    NoSuchRoute(String),
    /// The right is missing.
    #[error("{0}")]
    Permission(String),
    /// The bearer token's scope does not cover what was asked (RFC 6750 §3.1 `insufficient_scope`).
    #[error("{message}")]
    InsufficientScope {
        /// What was asked and what is missing, in words.
        message: String,
        /// Every scope that the operation needs, space separated.
        scope: String,
    },
    /// Nobody, or not the one they say they are.
    #[error("{0}")]
    Authentication(AuthenticationError),
    /// Input that breaks rules; all problems of the document at once.
    #[error("{0}")]
    Validation(Invalid),
    /// A name or a version collided with what is stored.
    #[error("{0}")]
    Conflict(Conflict),
    /// A request that does not parse.
    #[error("{0}")]
    BadRequest(String),
    /// A cross-site request, or a form whose token does not match.
    #[error("{0}")]
    CrossSite(String),
    /// The document is not the one that the request is about any more (RFC 9110 §13.1.1).
    #[error("{0}")]
    PreconditionFailed(String),
    /// An `Idempotency-Key` that stands for another request.
    #[error("This Idempotency-Key was used for another request: make a new one for each")]
    KeyReused,
    /// It was there, and is not kept any more.
    #[error("{0}")]
    Gone(String),
    /// A patch of a kind that is not read here (RFC 5789 §2.2).
    #[error("Send a patch as one of {accept}")]
    UnsupportedPatch {
        /// The media types of patches, comma separated, as the header `Accept-Patch` wants them.
        accept: &'static str,
    },
    /// The body is larger than allowed.
    #[error("{0}")]
    TooLarge(String),
    /// The body comes more slowly than anybody should have to wait for.
    #[error("{0}")]
    TooSlow(String),
    /// The route exists, the HTTP method does not fit.
    #[error("Use {allow} for this address")]
    MethodNotAllowed {
        /// The allowed methods, comma separated, as the `Allow` header wants them.
        allow: String,
    },
    /// Too many attempts.
    #[error("Too many requests: try again in {retry_after} seconds")]
    RateLimited {
        /// Seconds to wait.
        retry_after: u64,
    },
    /// The service cannot answer now (shutting down, database gone).
    #[error("{0}")]
    Unavailable(String),
    /// There is no room for what was to be stored.
    #[error("{0}")]
    StorageFull(String),
    /// Our own fault; the cause is logged once, the answer says nothing of it.
    #[error("Internal error")]
    Internal(#[source] anyhow::Error),
}

/// Why somebody is not authenticated.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AuthenticationError {
    /// No credentials came with a request that needs them.
    #[error("Log in or send an API key or a bearer token")]
    Missing,
    /// The same where it is known what they would have to allow.
    #[error("Log in or send an API key or a bearer token")]
    MissingFor(Need),
    /// User or password do not match; says not which.
    #[error("Invalid login credentials")]
    BadCredentials,
    /// The code of a second factor is wrong, too old, or was used before.
    #[error("This code is not right, or was used before: type the next one")]
    WrongCode,
    /// An API key whose secret is right, and that opens nothing now or from there.
    #[error("{0}")]
    BadKey(String),
    /// A bearer token that is unknown, expired, revoked or for another resource.
    #[error("{0}")]
    BadToken(String),
    /// A token that is bound to a key came without a proof of that key that holds (RFC 9449).
    #[error("{message}")]
    BadProof {
        /// The code of the error in the challenge.
        error: &'static str,
        /// What is wrong.
        message: String,
    },
    /// The session cookie is no longer valid.
    #[error("Session expired: log in again")]
    SessionExpired,
}

/// What something takes, in the terms of permissions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Need {
    /// A right on a DocType.
    Right {
        /// The DocType.
        doctype: String,
        /// The right, as permission rows call it.
        right: &'static str,
    },
    /// Calling a method, by its dotted path.
    Method(String),
    /// What is guarded: no limit of credentials leaves it.
    Unlimited,
}

/// All problems of one document.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Invalid {
    /// In the order found; never empty once returned as an error.
    pub problems: Vec<FieldProblem>,
}

/// One problem, at its field where it has one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldProblem {
    /// The class, stable for programs (`exc_type`).
    pub kind: ProblemKind,
    /// The fieldname, if the problem belongs to a field.
    pub field: Option<String>,
    /// The table field and the 1-based row, if the problem sits in a child row.
    pub row: Option<(String, usize)>,
    /// The field's label as people read it.
    pub label: Option<String>,
    /// What is wrong and how to fix it: a sentence without a trailing dot.
    pub message: Cow<'static, str>,
}

/// The class of a problem; `exc_type` of the answer is its name with Frappe's suffix.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "each is the Frappe exception of the same name")]
pub enum ProblemKind {
    Validation,
    Mandatory,
    LinkValidation,
    CancelledLink,
    LinkExists,
    Unique,
    TimestampMismatch,
    DocstatusTransition,
    UpdateAfterSubmit,
    CannotChangeConstant,
    CharacterLengthExceeded,
    NonNegative,
    InvalidEmailAddress,
    InvalidName,
    InvalidPhoneNumber,
    InvalidDates,
    Data,
    EmptyTable,
    DocumentLocked,
    AttachmentLimitReached,
    CircularLinking,
    InvalidNamingSeries,
    InvalidUuidValue,
    InvalidColumnName,
    BaseUrlNotSet,
    NestedSetRecursion,
    NestedSetChildExists,
    NestedSetInvalidMerge,
    Type,
    AlreadyRestored,
    WorkflowTransition,
}

/// A collision with what is stored.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Conflict {
    /// The name is taken (409 `DuplicateEntryError`).
    #[error("{doctype} {name} already exists: choose another name")]
    DuplicateName {
        /// DocType.
        doctype: String,
        /// Name.
        name: String,
    },
    /// The name does not fit the naming rule's type (409 `NameError`).
    #[error("{0}")]
    Name(String),
    /// A patch that speaks of another state than the document has (RFC 5789 §2.2).
    #[error("{0}")]
    Patch(String),
    /// A request with the same `Idempotency-Key` is being carried out, or was, and its answer is not known.
    #[error(
        "A request with this Idempotency-Key is being carried out, or was and its answer is lost: look before you try again"
    )]
    Underway,
}

impl From<Conflict> for Error {
    fn from(conflict: Conflict) -> Self {
        Self::Conflict(conflict)
    }
}

impl Invalid {
    /// One problem that belongs to no field.
    pub fn one(kind: ProblemKind, message: impl Into<Cow<'static, str>>) -> Self {
        Self { problems: vec![FieldProblem::general(kind, message)] }
    }

    /// Adds a problem.
    pub fn push(&mut self, problem: FieldProblem) {
        self.problems.push(problem);
    }

    /// `Ok` if nothing was found.
    pub fn into_result(self) -> Result<()> {
        if self.problems.is_empty() { Ok(()) } else { Err(Error::Validation(self)) }
    }
}

impl FieldProblem {
    /// A problem of the document as a whole.
    pub fn general(kind: ProblemKind, message: impl Into<Cow<'static, str>>) -> Self {
        Self { kind, field: None, row: None, label: None, message: message.into() }
    }

    /// A problem at a field.
    pub fn at(
        kind: ProblemKind,
        field: impl Into<String>,
        label: impl Into<String>,
        message: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self { kind, field: Some(field.into()), row: None, label: Some(label.into()), message: message.into() }
    }

    /// The same problem, placed in row `idx` (1-based) of table field `table`.
    #[must_use]
    pub fn in_row(mut self, table: impl Into<String>, idx: usize) -> Self {
        self.row = Some((table.into(), idx));
        self
    }
}

impl fmt::Display for Invalid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, problem) in self.problems.iter().enumerate() {
            if i > 0 {
                f.write_str("\n")?;
            }
            write!(f, "{problem}")?;
        }
        Ok(())
    }
}

impl fmt::Display for FieldProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some((table, idx)) = &self.row {
            write!(f, "{table} row #{idx}: ")?;
        }
        f.write_str(&self.message)
    }
}

impl Error {
    /// A problem of the document or request as a whole.
    pub fn invalid(kind: ProblemKind, message: impl Into<Cow<'static, str>>) -> Self {
        Self::Validation(Invalid::one(kind, message))
    }

    /// A mistake in what was asked, such as an argument that makes no sense (`ValidationError`).
    pub fn misuse(message: impl Into<Cow<'static, str>>) -> Self {
        Self::invalid(ProblemKind::Validation, message)
    }

    /// Our own fault, with its cause for the log.
    pub fn internal(cause: impl Into<anyhow::Error>) -> Self {
        Self::Internal(cause.into())
    }

    /// Whether the site failed, whatever was asked: nothing that a caller may take for a refusal and pass over.
    pub fn is_failure(&self) -> bool {
        matches!(self, Self::Internal(_) | Self::Unavailable(_) | Self::StorageFull(_))
    }

    /// Not found, or hidden.
    pub fn does_not_exist(doctype: impl Into<String>, name: impl Into<String>) -> Self {
        Self::DoesNotExist { doctype: doctype.into(), name: name.into() }
    }
}
