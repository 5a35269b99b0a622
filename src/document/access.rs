//! What decides about a user's rights, loaded from User, Role and User Permission, and kept until one of them changes.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::json;

use crate::clock::Zone;
use crate::database::{Executor, references};
use crate::document::controller::need_on;
use crate::document::{Cell, Documents, ListRequest};
use crate::error::{AuthenticationError, Conflict, Error, Result};
use crate::meta::{DocType, Document, Registry, Right};
use crate::permissions::decide::{self, Denied};
use crate::permissions::record::{Asked, Recorder, Said, Step, Unrecorded};
use crate::permissions::session::{
    ADMINISTRATOR, GUEST, ROLE_ALL, ROLE_DESK_USER, ROLE_GUEST, Session, UserAccess, UserPermission,
};

/// The DocTypes whose changes decide about rights.
const DECIDING: [&str; 4] = ["User", "Role", "User Permission", "System Settings"];

/// Whether a change to this DocType may change somebody's rights; a User Permission on a node of a tree reaches all below.
pub(super) fn decides(registry: &Registry, doctype: &str) -> bool {
    DECIDING.contains(&doctype) || registry.get(doctype).is_some_and(|doctype| doctype.is_tree)
}

/// Whether documents of this DocType decide about access, or hold what does: they are read where they are written.
pub(super) fn is_about_access(doctype: &DocType) -> bool {
    DECIDING.contains(&doctype.name.as_str()) || !doctype.guarded_rights.is_empty()
}

impl Documents {
    /// What decides about an enabled user's rights, cached until User, Role or User Permission change. `None`: no such user, or disabled.
    pub async fn access(&self, user: &str) -> Result<Option<Arc<UserAccess>>> {
        if user == GUEST {
            return Ok(Some(Session::guest().access));
        }
        if let Some(access) = self.0.access.get(self, user) {
            return Ok(Some(access));
        }
        let ticket = self.0.access.ticket(user);
        let Some(access) = self.load_access(user).await? else { return Ok(None) };
        let access = Arc::new(access);
        self.0.access.keep(ticket, user, Arc::clone(&access));
        Ok(Some(access))
    }

    async fn load_access(&self, user: &str) -> Result<Option<UserAccess>> {
        let system = Session::system();
        let document = match self.get(&system, "User", user).await {
            Ok(document) => document,
            Err(Error::DoesNotExist { .. }) => return Ok(None),
            Err(error) => return Err(error),
        };
        if !document.check("enabled") {
            return Ok(None);
        }
        let is_system_user = user == ADMINISTRATOR || document.text("user_type") != "Website User";
        let disabled = self.disabled_roles(&system).await?;
        let mut roles: BTreeSet<String> = document
            .rows("roles")
            .iter()
            .map(|row| row.text("role").to_owned())
            .filter(|role| !disabled.contains(role))
            .collect();
        roles.extend([ROLE_ALL, ROLE_GUEST].map(str::to_owned));
        if is_system_user {
            roles.insert(ROLE_DESK_USER.to_owned());
        }
        if user == ADMINISTRATOR {
            roles.insert(ADMINISTRATOR.to_owned());
        }
        Ok(Some(UserAccess {
            user: user.to_owned(),
            full_name: document.text("full_name").to_owned(),
            is_system_user,
            roles,
            user_permissions: self.user_permissions(&system, user).await?,
            strict_user_permissions: self.strict_user_permissions(&system).await?,
            time_zone: Zone::parse(document.text("time_zone")),
            desk_theme: document.text("desk_theme").to_owned(),
            language: document.text("language").to_owned(),
        }))
    }

    async fn disabled_roles(&self, system: &Session) -> Result<BTreeSet<String>> {
        if self.registry().get("Role").is_none() {
            return Ok(BTreeSet::new());
        }
        let request = ListRequest::new("Role").filters(json!({"disabled": 1})).all();
        let list = self.list(system, &request).await?;
        Ok((0..list.rows.len()).map(|row| list.text(row, "name").to_owned()).collect())
    }

    async fn user_permissions(&self, system: &Session, user: &str) -> Result<Vec<UserPermission>> {
        if self.registry().get("User Permission").is_none() {
            return Ok(Vec::new());
        }
        let request = ListRequest::new("User Permission")
            .fields(&[
                "allow",
                "for_value",
                "applicable_for",
                "apply_to_all_doctypes",
                "is_default",
                "hide_descendants",
            ])
            .filters(json!({"user": user}))
            .all();
        let list = self.list(system, &request).await?;
        let is_on = |row: usize, key: &str| {
            list.keys.iter().position(|known| known == key).is_some_and(
                |column| matches!(&list.rows[row][column], crate::document::Cell::Value(value) if value.is_truthy()),
            )
        };
        let mut permissions = Vec::with_capacity(list.rows.len());
        for row in 0..list.rows.len() {
            let permission = UserPermission {
                allow: list.text(row, "allow").to_owned(),
                for_value: list.text(row, "for_value").to_owned(),
                applicable_for: (!is_on(row, "apply_to_all_doctypes"))
                    .then(|| list.text(row, "applicable_for").to_owned())
                    .filter(|doctype| !doctype.is_empty()),
                is_default: is_on(row, "is_default"),
            };
            if !is_on(row, "hide_descendants") {
                for for_value in self.descendants(system, &permission.allow, &permission.for_value).await? {
                    permissions.push(UserPermission { for_value, is_default: false, ..permission.clone() });
                }
            }
            permissions.push(permission);
        }
        Ok(permissions)
    }

    /// The names of all nodes below a node; none where the DocType is not a tree.
    async fn descendants(&self, system: &Session, doctype: &str, node: &str) -> Result<Vec<String>> {
        if !self.registry().get(doctype).is_some_and(|doctype| doctype.is_tree && doctype.has_table()) {
            return Ok(Vec::new());
        }
        let request = ListRequest::new(doctype).filters(json!([["name", "descendants of", node]])).all();
        let list = self.list(system, &request).await?;
        let name = |row: &Vec<Cell>| match row.first() {
            Some(Cell::Value(name)) => name.to_string(),
            _ => String::new(),
        };
        Ok(list.rows.iter().map(name).collect())
    }

    async fn strict_user_permissions(&self, system: &Session) -> Result<bool> {
        if self.registry().get("System Settings").is_none() {
            return Ok(false);
        }
        let settings = self.get(system, "System Settings", "System Settings").await?;
        Ok(settings.check("apply_strict_user_permissions"))
    }

    /// Fails with `Permission` (or `InsufficientScope`, or `Authentication` for guests) unless the session has the right.
    pub fn check_permission(
        &self,
        session: &Session,
        doctype: &DocType,
        document: Option<&Document>,
        right: Right,
    ) -> Result<()> {
        self.check_permission_noting(session, doctype, document, right, &mut Unrecorded)
    }

    /// The same, with each step noted.
    pub(super) fn check_permission_noting<R: Recorder>(
        &self,
        session: &Session,
        doctype: &DocType,
        document: Option<&Document>,
        right: Right,
        recorder: &mut R,
    ) -> Result<()> {
        let refused =
            |denied: &Denied| refusal(session, doctype, document.map(Document::name).as_deref(), right, denied);
        let decided =
            decide::check_noting(session, doctype, document, right, recorder).map_err(|denied| refused(&denied));
        if decided.is_err() && !R::HEARS_ALL {
            return decided;
        }
        match document {
            Some(document) if self.is_denied(session, document, right, false, recorder) => {
                decided.and_then(|()| Err(refused(&Denied::Role)))
            }
            _ => decided,
        }
    }

    /// Whether the right on the document is denied whatever roles and shares give; `by_share`: a share is what gives it.
    fn is_denied<R: Recorder>(
        &self,
        session: &Session,
        document: &Document,
        right: Right,
        by_share: bool,
        recorder: &mut R,
    ) -> bool {
        let doctype = &document.doctype;
        if session.is_administrator() {
            return false;
        }
        let mut denied = decide::is_reserved(session, doctype, &document.name());
        let mut ask = |asked: Asked, refuses: bool| {
            denied |= refuses;
            recorder.note(|| Step::new(asked, if refuses { Said::Refuses } else { Said::Passes }));
            denied && !R::HEARS_ALL
        };
        if decide::is_limited(session, doctype) {
            let is_outside = decide::is_outside_limits(session, &self.registry(), doctype, document, by_share);
            if ask(Asked::LimitedTo, is_outside) {
                return true;
            }
        }
        for controller in self.controllers().of(&doctype.name) {
            let refuses = !controller.has_permission(session, document, right);
            if ask(Asked::Controller(controller.permission_rule()), refuses) {
                return true;
            }
        }
        denied
    }

    /// Fails with `InsufficientScope` for credentials that are limited; `what` says what only others may do.
    pub fn check_unlimited(&self, session: &Session, what: &str) -> Result<()> {
        match &session.limit {
            None => Ok(()),
            Some(limit) => Err(Error::InsufficientScope {
                message: format!("Only credentials without a limited scope may {what}"),
                scope: limit.needed_for_guarded(),
            }),
        }
    }

    /// Fails for credentials that may not make further ones: those that are limited, and those that hold for some time or
    /// from some addresses only.
    pub(crate) fn check_makes_keys(&self, session: &Session) -> Result<()> {
        self.check_unlimited(session, "make or change API keys")?;
        if session.bound {
            let message = "An API key that ends, or that works from some addresses only, makes and changes no API keys: \
                           log in";
            return Err(Error::Permission(message.to_owned()));
        }
        Ok(())
    }

    /// Answers for a document that was looked up: nothing if the session has the right on it, or the refusal.
    ///
    /// Somebody who sees only some documents of the DocType learns nothing about the others, not even that they exist.
    pub(crate) async fn check_found(
        &self,
        exec: &dyn Executor,
        session: &Session,
        doctype: &DocType,
        name: &str,
        found: Option<&Document>,
        right: Right,
    ) -> Result<()> {
        if session.is_system() {
            return Ok(());
        }
        let Some(document) = found else {
            return match decide::check(session, doctype, None, Right::Read) {
                Err(denied) => Err(refusal(session, doctype, Some(name), Right::Read, &denied)),
                Ok(()) if self.sees_only_some(session, doctype) => {
                    Err(refusal(session, doctype, Some(name), Right::Read, &Denied::Owner))
                }
                Ok(()) => Ok(()),
            };
        };
        self.check_stored(exec, session, document, right, &mut Unrecorded).await
    }

    /// The same of a document that is there, with each step noted: roles and what narrows them first, then shares.
    pub(super) async fn check_stored<R: Recorder>(
        &self,
        exec: &dyn Executor,
        session: &Session,
        document: &Document,
        right: Right,
        recorder: &mut R,
    ) -> Result<()> {
        let doctype = &*document.doctype;
        match self.check_permission_noting(session, doctype, Some(document), right, recorder) {
            Err(error @ (Error::Permission(_) | Error::Authentication(_))) => {
                if self.is_shared_noting(exec, session, document, right, recorder).await? {
                    return Ok(());
                }
                // Whoever cannot even read it gets the answer of one that is not there.
                let readable = right == Right::Read
                    || self.check_permission(session, doctype, Some(document), Right::Read).is_ok()
                    || self.is_shared(exec, session, document, Right::Read).await?;
                if readable && right != Right::Read {
                    return Err(error);
                }
                Err(refusal(session, doctype, Some(&document.name()), Right::Read, &Denied::Owner))
            }
            other => other,
        }
    }

    /// Whether a `DocShare` gives the session the right on this document.
    pub(crate) async fn is_shared(
        &self,
        exec: &dyn Executor,
        session: &Session,
        document: &Document,
        right: Right,
    ) -> Result<bool> {
        self.is_shared_noting(exec, session, document, right, &mut Unrecorded).await
    }

    async fn is_shared_noting<R: Recorder>(
        &self,
        exec: &dyn Executor,
        session: &Session,
        document: &Document,
        right: Right,
        recorder: &mut R,
    ) -> Result<bool> {
        let doctype = &document.doctype;
        let column = match right {
            Right::Read | Right::Print | Right::Email | Right::Select => Some("read"),
            Right::Write => Some("write"),
            Right::Submit => Some("submit"),
            Right::Share => Some("share"),
            _ => None,
        };
        let column = column.filter(|_| !session.is_guest() && self.0.registry.load().get("DocShare").is_some());
        let Some(column) = column else {
            recorder.note(|| Step::new(Asked::Share { possible: false }, Said::Lacks));
            return Ok(false);
        };
        let within_limit = decide::is_within_limit(session, doctype, right);
        let is_out = !within_limit || self.is_denied(session, document, right, true, &mut Unrecorded);
        // Whoever is out anyway is not asked for, unless somebody wants to know.
        if is_out && !R::HEARS_ALL {
            return Ok(false);
        }
        let shared = references::share(exec, session.user(), &doctype.name, &document.name(), column).await?;
        let said = match (shared, is_out) {
            (true, false) => Said::Gives,
            (true, true) => Said::Refuses,
            (false, _) => Said::Lacks,
        };
        recorder.note(|| Step::new(Asked::Share { possible: true }, said));
        Ok(said == Said::Gives)
    }

    /// The answer to a name that is taken: whoever may not know by which document learns only that it cannot be used.
    pub(super) async fn name_taken(&self, session: &Session, doctype: &DocType, name: &str) -> Error {
        let is_known = !self.sees_only_some(session, doctype) || self.get(session, &doctype.name, name).await.is_ok();
        Error::Conflict(if is_known {
            Conflict::DuplicateName { doctype: doctype.name.clone(), name: name.to_owned() }
        } else {
            Conflict::Name(format!("The name {name} cannot be used: choose another name"))
        })
    }

    /// Whether the session sees only some documents of the DocType, so that "not found" would tell what exists.
    pub(crate) fn sees_only_some(&self, session: &Session, doctype: &DocType) -> bool {
        !session.is_administrator()
            && (decide::is_limited(session, doctype)
                || !self.grant(session, doctype).rights.contains(Right::Read)
                || !session.access.user_permissions.is_empty())
    }
}

/// The answer to somebody who may not: the same whether the document exists or not.
pub(super) fn refusal(
    session: &Session,
    doctype: &DocType,
    name: Option<&str>,
    right: Right,
    denied: &Denied,
) -> Error {
    let what = match name {
        Some(name) if !name.is_empty() && name != doctype.name => format!("{} {name}", doctype.name),
        _ => doctype.name.clone(),
    };
    match denied {
        Denied::Scope(scope) => Error::InsufficientScope {
            message: format!("The scope of these credentials does not allow to {} {what}", right.as_str()),
            scope: scope.clone(),
        },
        _ if session.is_guest() => {
            let need = need_on(doctype, right);
            Error::Authentication(AuthenticationError::MissingFor(need))
        }
        _ => Error::Permission(format!("{} may not {} {what}", session.user(), right.as_str())),
    }
}

/// The refusal to read as a refusal of what was to be done after reading.
pub(super) fn refusal_of(error: Error, session: &Session, doctype: &DocType, name: &str, intent: Right) -> Error {
    match error {
        Error::Permission(_) | Error::Authentication(_) => {
            refusal(session, doctype, Some(name), intent, &Denied::Owner)
        }
        Error::InsufficientScope { scope, .. } => {
            let further = match decide::check(session, doctype, None, intent) {
                Err(Denied::Scope(further)) => further,
                _ => String::new(),
            };
            let mut needed: Vec<&str> =
                scope.split(' ').chain(further.split(' ')).filter(|one| !one.is_empty()).collect();
            needed.dedup();
            refusal(session, doctype, Some(name), intent, &Denied::Scope(needed.join(" ")))
        }
        other => other,
    }
}
