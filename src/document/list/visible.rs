//! What a session may see in a list: which rows, as a condition, and which columns.

use crate::database::query::{self, ChildTable, ColumnRef, Condition};
use crate::meta::doctype::slot;
use crate::meta::fieldtype::{Fieldtype, Shape};
use crate::meta::{DocField, DocType, Registry, Right, Value};
use crate::permissions::decide::{self, Denied, LimitedColumn, NarrowedLink};
use crate::permissions::{Grant, Session};

/// The number of child rows' tables in sub-queries: no join has it.
const ROWS: usize = 1000;

/// What a column is wanted for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::document) enum Purpose {
    /// To show its values.
    Select,
    /// To sort or group by it, or to compute something from it.
    Order,
    /// To filter by it.
    Filter,
}

/// Which columns of a DocType may be seen.
#[derive(Clone, Copy, Debug)]
pub(in crate::document) struct Visible {
    /// The program itself sees everything.
    system: bool,
    /// Bit n: fields of permlevel n.
    levels: u16,
    /// Bit n: masked fields of permlevel n are seen as they are.
    unmasked: u16,
    /// Only the right `select`: the name and the search fields.
    select_only: bool,
}

/// Which rows and columns of a DocType may be seen.
#[derive(Clone, Debug)]
pub(super) struct Rows<'a> {
    /// Which rows.
    pub condition: Condition<'a>,
    /// Which columns.
    pub visible: Visible,
    /// No role gives the right; only shares do, if there are any.
    pub shared_only: Option<Denied>,
}

impl Visible {
    /// Everything, for the program itself.
    pub(in crate::document) const ALL: Self =
        Self { system: true, levels: u16::MAX, unmasked: u16::MAX, select_only: false };

    /// What the right `read` or `select` shows of documents on which a session has it.
    pub(in crate::document) fn of(grant: &Grant, right: Right) -> Self {
        // Whoever may read a document at all reads level 0.
        let select_only = right == Right::Select;
        Self { system: false, levels: grant.read_levels | 1, unmasked: grant.unmasked, select_only }
    }

    /// Whether the column may be used for that.
    ///
    /// Secrets are for the program alone, a Password tells nothing but its length, a masked field nothing but its mask. Whoever has only the right `select`
    /// may filter by what link pickers filter by, but not look into texts.
    pub(in crate::document) fn column(self, doctype: &DocType, column: usize, purpose: Purpose) -> bool {
        if self.system {
            return true;
        }
        let name = &doctype.columns[column].name;
        let Some(field) = doctype.column_field(column) else {
            return !self.select_only
                || column == slot::NAME
                || purpose != Purpose::Select && column <= slot::IDX
                || doctype.search_fields.contains(name);
        };
        let tells_nothing = field.fieldtype == Fieldtype::Password || self.masks(field);
        if field.secret || tells_nothing && purpose != Purpose::Select {
            return false;
        }
        self.reads_level(field.permlevel) && (!self.select_only || is_for_pickers(doctype, field, purpose))
    }

    /// Whether fields of that level may be seen.
    pub(super) fn reads_level(self, permlevel: u8) -> bool {
        self.system || self.levels & (1 << permlevel.min(9)) != 0
    }

    /// Whether the field's values are shown masked.
    pub(super) fn masks(self, field: &DocField) -> bool {
        field.mask && !self.system && self.unmasked & (1 << field.permlevel.min(9)) == 0
    }

    /// Whether child rows may be seen, their table field's level aside.
    pub(super) fn has_tables(self) -> bool {
        !self.select_only
    }

    /// The columns that `*` stands for.
    pub(super) fn star(self, doctype: &DocType) -> impl Iterator<Item = usize> {
        (0..doctype.columns.len()).filter(move |column| {
            let field = doctype.column_field(*column);
            field.is_none_or(|field| !field.secret && field.fieldtype != Fieldtype::Password)
                && self.column(doctype, *column, Purpose::Select)
        })
    }
}

fn is_for_pickers(doctype: &DocType, field: &DocField, purpose: Purpose) -> bool {
    let searched = doctype.search_fields.contains(&field.fieldname);
    let title = doctype.show_title_field_in_link && doctype.title_field.as_ref() == Some(&field.fieldname);
    let narrows =
        matches!(field.fieldtype, Fieldtype::Check | Fieldtype::Select | Fieldtype::Link | Fieldtype::DynamicLink);
    searched || title || purpose == Purpose::Filter && narrows
}

/// The rows and columns of a DocType with permissions of its own, as table number `table` of a query.
pub(super) fn rows<'a>(
    registry: &'a Registry,
    session: &'a Session,
    doctype: &'a DocType,
    table: usize,
) -> Result<Rows<'a>, Denied> {
    let grant = Grant::of(session, doctype);
    let select_only = !session.is_administrator() && !grant.may(Right::Read) && grant.may(Right::Select);
    let right = if select_only { Right::Select } else { Right::Read };
    let visible = Visible {
        system: session.is_system(),
        levels: grant.read_levels | u16::from(select_only),
        unmasked: grant.unmasked,
        select_only,
    };
    let name = column_ref(table, doctype, slot::NAME);
    let may_share = !session.is_administrator() && !session.is_guest() && registry.get("DocShare").is_some();
    let shared =
        || Condition::Shared { name, doctype: &doctype.name, user: session.user(), everyone: !session.is_guest() };
    let limits = match decide::list_condition(session, registry, doctype, right) {
        Ok(limits) => limits,
        Err(Denied::Role) if may_share => {
            let visible = Visible { levels: 1, select_only: false, ..visible };
            let limited = decide::limited_columns(session, registry, doctype);
            let limited = limited.map(|limited| limited_to(session, registry, doctype, table, limited));
            let condition = Condition::All([shared()].into_iter().chain(limited).collect());
            return Ok(Rows { condition, visible, shared_only: Some(Denied::Role) });
        }
        Err(denied) => return Err(denied),
    };
    let mut all: Vec<Condition<'a>> = limits.owner.map(|owner| owned(doctype, table, owner)).into_iter().collect();
    all.extend(limits.values.iter().filter_map(|link| narrowed(doctype, table, link, limits.strict)));
    for (fieldname, links) in &limits.rows {
        let Some(field) = doctype.field(fieldname) else { continue };
        let Some(child) = registry.get(&field.options) else { continue };
        let outside = links.iter().filter_map(|link| outside(child, link, limits.strict)).collect();
        let (rows, condition) = (ChildTable { doctype: child, table: ROWS }, Box::new(Condition::Any(outside)));
        all.push(Condition::HasRow { name, parent: doctype, field, rows, condition, some: false });
    }
    let limited = limits.limited.map(|limited| limited_to(session, registry, doctype, table, limited));
    let mut condition = Condition::All(all);
    if !condition.is_always() {
        let others = limits.or_owner.map(|owner| owned(doctype, table, owner)).into_iter();
        let others: Vec<Condition<'a>> = others.chain(may_share.then(shared)).collect();
        if !others.is_empty() {
            condition = Condition::Any([vec![condition], others].concat());
        }
    }
    if let Some(limited) = limited {
        condition = Condition::All(vec![limited, condition]);
    }
    if !limits.excluded.is_empty() {
        let values = limits.excluded.into_iter().map(Value::Text).collect();
        let excluded = Condition::OneOf { column: name, values, negated: true, or_null: false };
        condition = Condition::All(vec![excluded, condition]);
    }
    Ok(Rows { condition, visible, shared_only: None })
}

/// Documents of which one of the conditions of `limited_to` is true.
fn limited_to<'a>(
    session: &'a Session,
    registry: &'a Registry,
    doctype: &'a DocType,
    table: usize,
    limited: Vec<LimitedColumn>,
) -> Condition<'a> {
    let column_of = |doctype: &'a DocType, table, name: &str| Some(column_ref(table, doctype, doctype.column(name)?));
    let one_of = |column: ColumnRef<'a>, values: Vec<String>| {
        let values = values.iter().filter_map(|value| as_name(&column, value)).collect();
        Condition::OneOf { column, values, negated: false, or_null: false }
    };
    let name = column_ref(table, doctype, slot::NAME);
    let any = limited.into_iter().filter_map(|limited| {
        Some(match limited {
            LimitedColumn::OneOf(column, values) => one_of(column_of(doctype, table, &column)?, values),
            LimitedColumn::Set(column, set) => Condition::IsSet { column: column_of(doctype, table, &column)?, set },
            LimitedColumn::Shared if registry.get("DocShare").is_none() => return None,
            LimitedColumn::Shared => {
                Condition::Shared { name, doctype: &doctype.name, user: session.user(), everyone: !session.is_guest() }
            }
            LimitedColumn::Roles(fieldname, roles) => {
                let field = doctype.field(&fieldname)?;
                let child = registry.get(&field.options)?;
                let condition = Box::new(one_of(column_of(child, ROWS, "role")?, roles));
                let rows = ChildTable { doctype: child, table: ROWS };
                Condition::HasRow { name, parent: doctype, field, rows, condition, some: true }
            }
        })
    });
    Condition::Any(any.collect())
}

/// What a right says of the documents beside that they may be read: that they are the session's own, where it has the right on
/// these alone.
pub(super) fn owned_where<'a>(
    session: &Session,
    doctype: &'a DocType,
    right: Right,
) -> Result<Option<Condition<'a>>, Denied> {
    decide::check(session, doctype, None, right)?;
    let everywhere = session.is_system() || Grant::of(session, doctype).rights.contains(right);
    Ok((!everywhere).then(|| owned(doctype, query::MAIN, session.user().to_owned())))
}

/// Documents of that owner.
fn owned(doctype: &DocType, table: usize, owner: String) -> Condition<'_> {
    let column = column_ref(table, doctype, slot::OWNER);
    Condition::OneOf { column, values: vec![Value::Text(owner)], negated: false, or_null: false }
}

/// Documents or rows whose Link, or name, User Permissions leave.
fn narrowed<'a>(doctype: &'a DocType, table: usize, link: &NarrowedLink, strict: bool) -> Option<Condition<'a>> {
    let (fieldname, allowed) = link;
    let index = doctype.column(fieldname)?;
    let column = column_ref(table, doctype, index);
    let values = allowed.iter().filter_map(|name| as_name(&column, name)).collect();
    let inside = Condition::OneOf { column, values, negated: false, or_null: false };
    let may_be_empty = !strict && index != slot::NAME;
    Some(if may_be_empty { Condition::Any(vec![inside, Condition::IsSet { column, set: false }]) } else { inside })
}

/// Rows whose Link User Permissions do not leave.
fn outside<'a>(child: &'a DocType, (fieldname, allowed): &NarrowedLink, strict: bool) -> Option<Condition<'a>> {
    let column = column_ref(ROWS, child, child.column(fieldname)?);
    let values = allowed.iter().filter_map(|name| as_name(&column, name)).collect();
    let other = Condition::OneOf { column, values, negated: true, or_null: false };
    let other = Condition::All(vec![Condition::IsSet { column, set: true }, other]);
    let empty = strict.then_some(Condition::IsSet { column, set: false });
    Some(Condition::Any([other].into_iter().chain(empty).collect()))
}

/// Every row and column, for Administrator and the program itself.
pub(super) fn everything(session: &Session) -> Rows<'static> {
    let visible = Visible { system: session.is_system(), levels: u16::MAX, unmasked: u16::MAX, select_only: false };
    Rows { condition: Condition::ALWAYS, visible, shared_only: None }
}

/// What of a document that was checked as a whole may be seen.
pub(super) fn checked(session: &Session, doctype: &DocType) -> Rows<'static> {
    let grant = Grant::of(session, doctype);
    let (levels, unmasked) = (grant.read_levels, grant.unmasked);
    let visible = Visible { system: session.is_system(), levels, unmasked, select_only: false };
    Rows { condition: Condition::ALWAYS, visible, shared_only: None }
}

/// A column of table number `table`.
pub(super) fn column_ref(table: usize, doctype: &DocType, index: usize) -> ColumnRef<'_> {
    let column = &doctype.columns[index];
    let nullable = match doctype.column_field(index) {
        None => index > slot::IDX,
        Some(field) => !field.fieldtype.is_never_null() && !field.not_nullable,
    };
    ColumnRef { table, name: &column.name, column_type: column.column_type, nullable }
}

/// A document's name as its column holds it: a number where names are numbers.
fn as_name(column: &ColumnRef<'_>, name: &str) -> Option<Value> {
    match column.column_type.shape() {
        Shape::Text => Some(Value::from(name)),
        _ => name.parse().ok().map(Value::Int),
    }
}
