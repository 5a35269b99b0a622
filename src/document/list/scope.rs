//! The tables of one list: turns the names of fields into columns, joining tables where a name needs them.

use std::sync::Arc;

use crate::database::query::{ColumnRef, Condition, Join, JoinOn, MAIN};
use crate::document::list::visible::{self, Purpose, Visible};
use crate::error::{Error, ProblemKind};
use crate::meta::{DocField, DocType, Fieldtype, Registry};
use crate::permissions::Session;

/// The number of the parent's table in lists of child rows.
pub(super) const PARENT: usize = 1;
/// Tables at most: SQLite joins 64.
const MAX_JOINS: usize = 30;

/// What a name stands for.
#[derive(Clone, Copy, Debug)]
pub(super) enum Found<'a> {
    /// A column.
    Column(FoundColumn<'a>),
    /// A table field of the main DocType; only for selecting.
    Table(&'a DocField),
}

/// A column with where it comes from.
#[derive(Clone, Copy, Debug)]
pub(super) struct FoundColumn<'a> {
    /// The column.
    pub column: ColumnRef<'a>,
    /// Whose it is.
    pub doctype: &'a DocType,
    /// Its field; standard columns have none.
    pub field: Option<&'a DocField>,
    /// Its values are shown masked.
    pub masked: bool,
}

impl<'a> FoundColumn<'a> {
    fn new(column: ColumnRef<'a>, doctype: &'a DocType, index: usize, visible: Visible) -> Self {
        let field = doctype.column_field(index);
        Self { column, doctype, field, masked: field.is_some_and(|field| visible.masks(field)) }
    }
}

/// Why a name stands for nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Missing {
    /// There is no such field.
    Unknown,
    /// There is one, not for this session or purpose.
    Hidden,
    /// It would take one table too many.
    TooManyTables,
}

/// The tables so far.
#[derive(Debug)]
pub(super) struct Scope<'a> {
    /// Every DocType.
    pub registry: &'a Registry,
    /// Who asks.
    pub session: &'a Session,
    /// The main DocType.
    pub doctype: &'a Arc<DocType>,
    /// What of it may be seen.
    pub visible: Visible,
    /// The joined tables.
    pub joins: Vec<Join<'a>>,
    /// Child rows were asked for, so that a document may come several times.
    pub multiplied: bool,
    joined: Vec<Visible>,
    next_table: usize,
}

impl<'a> Scope<'a> {
    /// The main table alone.
    pub(super) fn new(
        registry: &'a Registry,
        session: &'a Session,
        doctype: &'a Arc<DocType>,
        visible: Visible,
    ) -> Self {
        Self {
            registry,
            session,
            doctype,
            visible,
            joins: Vec::new(),
            multiplied: false,
            joined: Vec::new(),
            next_table: PARENT + 1,
        }
    }

    /// What a name stands for: `f`, `` `f` ``, `link.f`, `table.f`, `` `tabX`.`f` ``, `X.f`.
    pub(super) fn find(&mut self, text: &str, purpose: Purpose) -> Result<Found<'a>, Missing> {
        let (table, name) = split(text);
        let Some(table) = table else { return self.own(name, purpose) };
        let Some(join) = self.table(table, purpose)? else { return self.own(name, purpose) };
        let doctype = self.joins[join].doctype;
        let found = match doctype.column(name) {
            Some(column) if self.joined[join].column(doctype, column, purpose) => column,
            Some(_) => return Err(Missing::Hidden),
            None => return Err(Missing::Unknown),
        };
        if purpose != Purpose::Filter && matches!(self.joins[join].on, JoinOn::Child { .. }) {
            self.multiplied = true;
        }
        let column = visible::column_ref(self.joins[join].table, doctype, found);
        Ok(Found::Column(FoundColumn::new(column, doctype, found, self.joined[join])))
    }

    /// A column, for everything but selecting.
    pub(super) fn column(&mut self, text: &str, purpose: Purpose) -> Result<FoundColumn<'a>, Error> {
        match self.find(text, purpose) {
            Ok(Found::Column(found)) => Ok(found),
            Ok(Found::Table(_)) => Err(refuse(Missing::Unknown, text)),
            Err(missing) => Err(refuse(missing, text)),
        }
    }

    /// The columns that `*` (`table` is `None`) or `table.*` stands for.
    pub(super) fn star(&mut self, table: Option<&str>) -> Result<Vec<FoundColumn<'a>>, Missing> {
        let join = match table {
            None => None,
            Some(table) => self.table(table, Purpose::Select)?,
        };
        let (number, doctype, visible) = match join {
            None => (MAIN, &**self.doctype, self.visible),
            Some(join) => (self.joins[join].table, self.joins[join].doctype, self.joined[join]),
        };
        if join.is_some_and(|join| matches!(self.joins[join].on, JoinOn::Child { .. })) {
            self.multiplied = true;
        }
        let found = |column| FoundColumn::new(visible::column_ref(number, doctype, column), doctype, column, visible);
        Ok(visible.star(doctype).map(found).collect())
    }

    fn own(&self, name: &str, purpose: Purpose) -> Result<Found<'a>, Missing> {
        let doctype: &'a DocType = self.doctype;
        if let Some(index) = doctype.column(name) {
            if !self.visible.column(doctype, index, purpose) {
                return Err(Missing::Hidden);
            }
            let column = visible::column_ref(MAIN, doctype, index);
            return Ok(Found::Column(FoundColumn::new(column, doctype, index, self.visible)));
        }
        match doctype.field(name) {
            Some(field) if field.fieldtype.is_table() && self.visible.has_tables() => {
                if self.visible.reads_level(field.permlevel) { Ok(Found::Table(field)) } else { Err(Missing::Hidden) }
            }
            Some(_) => Err(Missing::Hidden),
            None => Err(Missing::Unknown),
        }
    }

    /// The joined table of that name: a Link, a table field or a DocType. `None`: the main table.
    fn table(&mut self, name: &str, purpose: Purpose) -> Result<Option<usize>, Missing> {
        let own: &'a DocType = self.doctype;
        let prefixed = name.strip_prefix("tab").and_then(|name| self.registry.get(name));
        let doctype = match (prefixed, own.field(name)) {
            (Some(doctype), _) => doctype,
            (None, Some(field)) => return self.join_field(field, purpose).map(Some),
            (None, None) => self.registry.get(name).ok_or(Missing::Unknown)?,
        };
        if doctype.name == own.name {
            return Ok(None);
        }
        let fields = own.table_fields().filter(|field| field.options.trim() == doctype.name);
        let (readable, hidden): (Vec<_>, Vec<_>) = fields.partition(|field| self.visible.reads_level(field.permlevel));
        match (readable.is_empty() || !self.visible.has_tables(), hidden.is_empty()) {
            (false, _) => {
                self.join_child(doctype, readable.iter().map(|field| field.fieldname.as_str()).collect()).map(Some)
            }
            (true, false) => Err(Missing::Hidden),
            (true, true) => Err(Missing::Unknown),
        }
    }

    fn join_field(&mut self, field: &'a DocField, purpose: Purpose) -> Result<usize, Missing> {
        let target = field.link_target().and_then(|target| self.registry.get(target)).ok_or(Missing::Unknown)?;
        if field.fieldtype.is_table() {
            if !self.visible.reads_level(field.permlevel) || !self.visible.has_tables() {
                return Err(Missing::Hidden);
            }
            return self.join_child(target, vec![&field.fieldname]);
        }
        let own: &'a DocType = self.doctype;
        let index = own.column(&field.fieldname).ok_or(Missing::Unknown)?;
        if !self.visible.column(own, index, purpose) {
            return Err(Missing::Hidden);
        }
        let column = visible::column_ref(MAIN, own, index);
        let on = JoinOn::Link(column);
        if let Some(known) = self.joins.iter().position(|join| join.on == on) {
            return Ok(known);
        }
        debug_assert_eq!(field.fieldtype, Fieldtype::Link);
        if !target.has_table() || target.istable {
            return Err(Missing::Unknown);
        }
        let rows = visible::rows(self.registry, self.session, target, self.next_table).map_err(|_| Missing::Hidden)?;
        self.join(target, on, rows.condition, rows.visible)
    }

    fn join_child(&mut self, child: &'a Arc<DocType>, parentfields: Vec<&'a str>) -> Result<usize, Missing> {
        let on = JoinOn::Child { parenttype: &self.doctype.name, parentfields };
        let known = self.joins.iter().position(|join| join.on == on && join.doctype.name == child.name);
        match known {
            Some(known) => Ok(known),
            None => self.join(child, on, Condition::ALWAYS, self.visible),
        }
    }

    fn join(
        &mut self,
        doctype: &'a Arc<DocType>,
        on: JoinOn<'a>,
        condition: Condition<'a>,
        visible: Visible,
    ) -> Result<usize, Missing> {
        if self.joins.len() >= MAX_JOINS {
            return Err(Missing::TooManyTables);
        }
        self.joins.push(Join { table: self.next_table, doctype, on, condition });
        self.joined.push(visible);
        self.next_table += 1;
        Ok(self.joins.len() - 1)
    }
}

/// The answer to a name that stands for nothing. Hidden fields answer like unknown ones.
pub(super) fn refuse(missing: Missing, text: &str) -> Error {
    match missing {
        Missing::Unknown | Missing::Hidden => {
            Error::invalid(ProblemKind::Data, format!("Field not permitted in query: {}", shown(text)))
        }
        Missing::TooManyTables => Error::invalid(
            ProblemKind::Validation,
            format!("A list can use fields of at most {MAX_JOINS} linked and child tables"),
        ),
    }
}

/// Input as a message shows it: short and in one line.
pub(super) fn shown(text: &str) -> String {
    const LONGEST: usize = 80;
    let mut shown: String = text.chars().take(LONGEST).map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect();
    if text.chars().nth(LONGEST).is_some() {
        shown.push('…');
    }
    shown
}

/// `` `tabX`.`f` `` → `tabX`, `f`. Names of DocTypes have no dots, and quotes are taken off.
pub(super) fn split(text: &str) -> (Option<&str>, &str) {
    match text.rsplit_once('.') {
        Some((table, name)) => (Some(unquote(table)), unquote(name)),
        None => (None, unquote(text)),
    }
}

fn unquote(text: &str) -> &str {
    let text = text.trim();
    ['`', '"'].into_iter().find_map(|quote| text.strip_prefix(quote)?.strip_suffix(quote)).unwrap_or(text)
}
