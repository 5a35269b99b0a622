//! The decisions: rights by role, by owner, by User Permission, by level; and the same as a condition for lists.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::meta::limited::{Limited, Looking, Test};
use crate::meta::{DocField, DocType, Document, Fieldtype, Registry, Right, Rights};
use crate::permissions::record::{Asked, Recorder, Said, Step, Unrecorded};
use crate::permissions::session::{ADMINISTRATOR, GUEST, Limit, Session};

/// The DocType of accounts.
const USER: &str = "User";
/// The accounts that the site itself needs.
const RESERVED_USERS: [&str; 2] = [ADMINISTRATOR, GUEST];

/// What a session may do with the documents of one DocType, before a particular one is looked at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Grant {
    /// Rights on every document.
    pub rights: Rights,
    /// Rights on documents that the user owns.
    pub owner_rights: Rights,
    /// Those of them that rows with `if_owner` give: they hold beside User Permissions.
    pub if_owner_rights: Rights,
    /// Bit n: fields of permlevel n may be read.
    pub read_levels: u16,
    /// Bit n: fields of permlevel n may be written.
    pub write_levels: u16,
    /// Bit n: masked fields of permlevel n are seen as they are.
    pub unmasked: u16,
    /// The credentials, not the roles, are what is missing where a right is.
    pub limited: bool,
}

/// Why something is denied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Denied {
    /// The roles do not give the right.
    Role,
    /// The credentials' scope does not cover it; holds the scopes needed.
    Scope(String),
    /// Only the owner may.
    Owner,
    /// A User Permission excludes the document: the field and the value that is outside.
    UserPermission {
        /// The Link field; `name` for the document itself.
        field: String,
        /// Its value.
        value: String,
    },
}

/// Whether the credentials leave the right on the DocType; a session without a limit has no credentials to ask.
pub(crate) fn is_within_limit(session: &Session, doctype: &DocType, right: Right) -> bool {
    let leaves = |limit: &Arc<dyn Limit>| !doctype.guarded_rights.contains(right) && limit.allows(&doctype.name, right);
    session.limit.as_ref().is_none_or(leaves)
}

impl Grant {
    /// Everything.
    pub const ALL: Self = Self {
        rights: Rights::ALL,
        owner_rights: Rights::ALL,
        if_owner_rights: Rights::ALL,
        read_levels: 0x3ff,
        write_levels: 0x3ff,
        unmasked: 0x3ff,
        limited: false,
    };

    /// What the session's roles and credentials give on the DocType.
    pub fn of(session: &Session, doctype: &DocType) -> Self {
        let by_role = || Self::by_role(session, doctype, Right::Read, &mut Unrecorded);
        let mut grant = if session.is_administrator() { Self::ALL } else { by_role() };
        if session.limit.is_some() {
            for right in Right::ALL {
                if !is_within_limit(session, doctype, right) {
                    grant.limited |= grant.rights.contains(right) || grant.owner_rights.contains(right);
                    grant.remove(right);
                }
            }
        }
        grant
    }

    fn remove(&mut self, right: Right) {
        for rights in [&mut self.rights, &mut self.owner_rights, &mut self.if_owner_rights] {
            rights.remove(right);
        }
    }

    /// What the roles give; each row is noted for what it says of one right.
    fn by_role<R: Recorder>(session: &Session, doctype: &DocType, right: Right, recorder: &mut R) -> Self {
        let mut grant = Self::default();
        for row in doctype.permissions.iter().filter(|row| session.access.roles.contains(&row.role)) {
            if row.permlevel == 0 {
                let said = if row.rights.contains(right) { Said::Gives } else { Said::Lacks };
                recorder.note(|| Step::new(Asked::Row(row.clone()), said));
                if row.if_owner {
                    grant.owner_rights = grant.owner_rights.union(row.rights);
                    grant.if_owner_rights = grant.if_owner_rights.union(row.rights);
                    // `create` is never limited to the owner.
                    if row.rights.contains(Right::Create) {
                        grant.rights.insert(Right::Create);
                    }
                } else {
                    grant.rights = grant.rights.union(row.rights);
                    grant.owner_rights = grant.owner_rights.union(row.rights);
                }
            }
            let bit = 1_u16 << row.permlevel.min(9);
            if row.rights.contains(Right::Read) {
                grant.read_levels |= bit;
            }
            if row.rights.contains(Right::Write) {
                grant.write_levels |= bit;
            }
            if row.permlevel == 0 && row.rights.contains(Right::Create) {
                grant.write_levels |= bit;
            }
            // Who owns a document is not asked where fields are shown.
            if row.mask && !row.if_owner {
                grant.unmasked |= bit;
            }
        }
        // Whoever may read the document at all reads level 0.
        if grant.rights.contains(Right::Read) || grant.owner_rights.contains(Right::Read) {
            grant.read_levels |= 1;
        }
        if !doctype.is_submittable {
            for right in [Right::Submit, Right::Cancel, Right::Amend] {
                grant.remove(right);
            }
        }
        grant
    }

    /// Whether the right holds on some document at least.
    pub fn may(&self, right: Right) -> bool {
        self.rights.contains(right) || self.owner_rights.contains(right)
    }

    /// Whether fields of that level may be read.
    pub fn reads_level(&self, permlevel: u8) -> bool {
        self.read_levels & (1 << permlevel.min(9)) != 0
    }

    /// Whether the field's value is shown masked.
    pub fn masks(&self, field: &DocField) -> bool {
        field.mask && self.unmasked & (1 << field.permlevel.min(9)) == 0
    }

    /// Whether fields of that level may be written.
    pub fn writes_level(&self, permlevel: u8) -> bool {
        self.write_levels & (1 << permlevel.min(9)) != 0
    }
}

/// Whether the document is an account of the site itself, which nobody but Administrator reads or writes: whoever could
/// change it would be Administrator.
pub(crate) fn is_reserved(session: &Session, doctype: &DocType, name: &str) -> bool {
    doctype.name == USER && RESERVED_USERS.contains(&name) && !session.is_administrator()
}

/// Whether `limited_to` keeps the document from the session, whatever roles and shares give; `by_share`: it is shared with them.
pub(crate) fn is_outside_limits(
    session: &Session,
    registry: &Registry,
    doctype: &DocType,
    document: &Document,
    by_share: bool,
) -> bool {
    let looking = Looking {
        user: session.user(),
        has_role: &|role| session.access.roles.contains(role),
        is_readable: &|name| may_read(session, registry, name),
        by_share,
    };
    is_limited(session, doctype)
        && !document.is_new
        && !doctype.limits.iter().any(|limited| limited.holds(document, &looking))
}

/// Whether `limited_to` says which documents of the DocType the session sees.
pub(crate) fn is_limited(session: &Session, doctype: &DocType) -> bool {
    !doctype.limits.is_empty()
        && !session.is_administrator()
        && !doctype.limited_except.iter().any(|role| session.access.roles.contains(role))
}

fn may_read(session: &Session, registry: &Registry, doctype: &str) -> bool {
    registry.get(doctype).is_some_and(|doctype| Grant::of(session, doctype).may(Right::Read))
}

/// Whether the session may do that with this document (`None`: with the DocType in general, as for `create`).
pub(crate) fn check(
    session: &Session,
    doctype: &DocType,
    document: Option<&Document>,
    right: Right,
) -> Result<(), Denied> {
    check_noting(session, doctype, document, right, &mut Unrecorded)
}

/// The same, with each step noted.
pub(crate) fn check_noting<R: Recorder>(
    session: &Session,
    doctype: &DocType,
    document: Option<&Document>,
    right: Right,
    recorder: &mut R,
) -> Result<(), Denied> {
    if session.is_system() {
        return Ok(());
    }
    if let Some(limit) = &session.limit {
        let guarded = doctype.guarded_rights.contains(right);
        let needed = || if guarded { limit.needed_for_guarded() } else { limit.needed(&doctype.name, right) };
        let asked = || Asked::Limit { needed: needed(), guarded };
        if is_within_limit(session, doctype, right) {
            recorder.note(|| Step::new(asked(), Said::Passes));
        } else {
            recorder.refuse(Denied::Scope(needed()), || Step::new(asked(), Said::Refuses))?;
        }
    }
    if session.is_administrator() {
        recorder.note(|| Step::new(Asked::Administrator, Said::Gives));
        return recorder.decision();
    }
    if document.is_some_and(|document| is_reserved(session, doctype, &document.name())) {
        recorder.refuse(Denied::Role, || Step::new(Asked::Reserved, Said::Refuses))?;
    }
    let grant = Grant::by_role(session, doctype, right, recorder);
    if !grant.rights.contains(right) {
        if !grant.owner_rights.contains(right) {
            recorder.refuse(Denied::Role, || Step::new(Asked::Roles, Said::Refuses))?;
        } else if let Some(document) = document.filter(|document| !document.is_new) {
            let asked = || Asked::Owner(document.owner().to_owned());
            if session.owns(document) {
                recorder.note(|| Step::new(asked(), Said::Gives));
            } else {
                recorder.refuse(Denied::Owner, || Step::new(asked(), Said::Refuses))?;
            }
        }
    }
    if let Some(document) = document {
        // What somebody makes has to be within their User Permissions; what they have made stays theirs.
        let by_owning = right != Right::Create && !document.is_new && grant.if_owner_rights.contains(right);
        if by_owning && session.owns(document) {
            recorder.note(|| Step::new(Asked::OwnerKeeps, Said::Passes));
        } else {
            check_user_permissions(session, doctype, document, recorder)?;
        }
    }
    recorder.decision()
}

/// User Permissions on the document itself and on every Link of it and its rows (`docs/frappe/model.md`: Permissions).
fn check_user_permissions<R: Recorder>(
    session: &Session,
    doctype: &DocType,
    document: &Document,
    recorder: &mut R,
) -> Result<(), Denied> {
    if session.access.user_permissions.is_empty() {
        return Ok(());
    }
    if let Some(allowed) = allowed_values(session, &doctype.name, &doctype.name)
        && !document.is_new
    {
        let name = document.name();
        let passes = allowed.contains(name.as_str());
        check_allowed("name", &doctype.name, &name, &allowed, passes, recorder)?;
    }
    check_links(session, &doctype.name, document, doctype.issingle, recorder)?;
    let mut rows = document.tables.iter().flatten();
    rows.try_for_each(|row| check_links(session, &doctype.name, row, doctype.issingle, recorder))
}

fn check_links<R: Recorder>(
    session: &Session,
    applicable_for: &str,
    document: &Document,
    single: bool,
    recorder: &mut R,
) -> Result<(), Denied> {
    for field in &document.doctype.fields {
        if field.fieldtype != Fieldtype::Link || field.ignore_user_permissions {
            continue;
        }
        let Some(allowed) = allowed_values(session, &field.options, applicable_for) else { continue };
        let value = document.text(&field.fieldname);
        let passes_empty = value.is_empty() && (single || !session.access.strict_user_permissions);
        let passes = passes_empty || allowed.contains(value);
        check_allowed(&field.fieldname, &field.options, value, &allowed, passes, recorder)?;
    }
    Ok(())
}

/// One Link, or the document itself, against what User Permissions leave.
fn check_allowed<R: Recorder>(
    field: &str,
    target: &str,
    value: &str,
    allowed: &BTreeSet<&str>,
    passes: bool,
    recorder: &mut R,
) -> Result<(), Denied> {
    let asked = || Asked::UserPermission {
        field: field.to_owned(),
        target: target.to_owned(),
        value: value.to_owned(),
        allowed: allowed.iter().map(|allowed| (*allowed).to_owned()).collect(),
    };
    if passes {
        recorder.note(|| Step::new(asked(), Said::Passes));
        return Ok(());
    }
    let denied = Denied::UserPermission { field: field.to_owned(), value: value.to_owned() };
    recorder.refuse(denied, || Step::new(asked(), Said::Refuses))
}

/// The documents of `target` that User Permissions leave, while `applicable_for` is read; `None`: all.
pub(crate) fn allowed_values<'s>(
    session: &'s Session,
    target: &str,
    applicable_for: &str,
) -> Option<BTreeSet<&'s str>> {
    let mut allowed = None;
    for permission in &session.access.user_permissions {
        if permission.allow == target && permission.applicable_for.as_deref().is_none_or(|for_| for_ == applicable_for)
        {
            allowed.get_or_insert_with(BTreeSet::new).insert(permission.for_value.as_str());
        }
    }
    allowed
}

/// A Link that User Permissions narrow down: its field, and the values left.
pub(crate) type NarrowedLink = (String, Vec<String>);

/// A column that `limited_to` reads: one of the values, or whether there is any.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum LimitedColumn {
    /// The column and the values of which it has one.
    OneOf(String, Vec<String>),
    /// The column, and whether it holds something.
    Set(String, bool),
    /// The table field, and the roles of which one of its rows has one.
    Roles(String, Vec<String>),
    /// Shared with the user.
    Shared,
}

/// What a list may show, for the query to say in SQL: documents that none of the names excludes, and that either meet all
/// conditions or are of the owner in `or_owner`.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub(crate) struct ListCondition {
    /// Names that are never shown.
    pub excluded: Vec<String>,
    /// What `limited_to` asks, of which one must hold whatever the rest says.
    pub limited: Option<Vec<LimitedColumn>>,
    /// Only documents of this owner.
    pub owner: Option<String>,
    /// Documents of this owner, whatever the rest says.
    pub or_owner: Option<String>,
    /// Link field (or `name`) → the values left; a Link may also be empty unless `strict`.
    pub values: Vec<NarrowedLink>,
    /// Table field → the same for the Links of its rows.
    pub rows: Vec<(String, Vec<NarrowedLink>)>,
    /// Empty Links are outside too.
    pub strict: bool,
}

/// The condition of a list; an error if the session may read nothing of the DocType.
pub(crate) fn list_condition(
    session: &Session,
    registry: &Registry,
    doctype: &DocType,
    right: Right,
) -> Result<ListCondition, Denied> {
    check(session, doctype, None, right)?;
    let mut condition = ListCondition::default();
    if session.is_administrator() {
        return Ok(condition);
    }
    if doctype.name == USER {
        condition.excluded = RESERVED_USERS.map(str::to_owned).into();
    }
    condition.limited = limited_columns(session, registry, doctype);
    let grant = Grant::of(session, doctype);
    let own = Some(session.user().to_owned());
    if !grant.rights.contains(right) {
        // Rows with `if_owner` give it, beside which User Permissions do not count.
        condition.owner = own;
        return Ok(condition);
    }
    if session.access.user_permissions.is_empty() {
        return Ok(condition);
    }
    condition.or_owner = own.filter(|_| grant.if_owner_rights.contains(right));
    condition.strict = session.access.strict_user_permissions;
    if let Some(allowed) = allowed_values(session, &doctype.name, &doctype.name) {
        condition.values.push(("name".to_owned(), allowed.into_iter().map(str::to_owned).collect()));
    }
    condition.values.extend(narrowed_links(session, doctype, &doctype.name));
    for table in doctype.table_fields() {
        let links = registry.get(&table.options).filter(|child| child.has_table());
        let links = links.map(|child| narrowed_links(session, child, &doctype.name)).unwrap_or_default();
        if !links.is_empty() {
            condition.rows.push((table.fieldname.clone(), links));
        }
    }
    Ok(condition)
}

/// What `limited_to` asks of the documents that the session may see; `None`: nothing.
pub(crate) fn limited_columns(session: &Session, registry: &Registry, doctype: &DocType) -> Option<Vec<LimitedColumn>> {
    let columns = || doctype.limits.iter().map(|limited| limited_column(session, registry, limited)).collect();
    is_limited(session, doctype).then(columns)
}

fn limited_column(session: &Session, registry: &Registry, limited: &Limited) -> LimitedColumn {
    let field = limited.field.clone();
    match &limited.test {
        Test::Equals(value) => LimitedColumn::OneOf(field, vec![value.clone()]),
        Test::User => LimitedColumn::OneOf(field, vec![session.user().to_owned()]),
        Test::Readable => {
            let readable = registry.iter().map(|doctype| doctype.name.clone());
            LimitedColumn::OneOf(field, readable.filter(|name| may_read(session, registry, name)).collect())
        }
        Test::Set(set) => LimitedColumn::Set(field, *set),
        Test::Roles => LimitedColumn::Roles(field, session.access.roles.iter().cloned().collect()),
        Test::Shared => LimitedColumn::Shared,
    }
}

/// The Links of a document or row that User Permissions narrow down.
fn narrowed_links(session: &Session, doctype: &DocType, applicable_for: &str) -> Vec<NarrowedLink> {
    let links = doctype.fields.iter().filter(|field| field.fieldtype == Fieldtype::Link && field.has_column());
    links
        .filter(|field| !field.ignore_user_permissions)
        .filter_map(|field| {
            let allowed = allowed_values(session, &field.options, applicable_for)?;
            Some((field.fieldname.clone(), allowed.into_iter().map(str::to_owned).collect()))
        })
        .collect()
}
