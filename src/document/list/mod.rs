//! Lists: what is asked for (in the words of Frappe's parameters), under whose permissions, and the rows.

mod fields;
mod filters;
mod json;
mod memory;
mod operator;
mod order;
mod parts;
mod plan;
mod position;
mod rows;
mod scope;
mod term;
mod timespan;
pub(in crate::document) mod visible;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use chrono::NaiveDate;
use serde_json::Value as Json;

use crate::clock::{Clock, Zone};
use crate::database::query::{self, Condition, Select};
use crate::database::replicas::ReplicaReading;
use crate::database::{Database, Executor};
use crate::document::list::plan::{Plan, Wanted};
pub(crate) use crate::document::list::position::Position;
use crate::document::list::position::SortKeys;
use crate::document::list::scope::{PARENT, shown};
use crate::document::list::visible::{Rows, Visible};
use crate::document::{Documents, access, load};
use crate::error::{Error, Result};
use crate::meta::{DocField, DocType, Document, Registry, Right, Value};
use crate::permissions::Session;
use crate::permissions::decide::{self, Denied};

/// How many rows a list has if nobody says.
pub(crate) const DEFAULT_PAGE_LENGTH: u64 = 20;

/// A list, as asked for; everything is checked when it is planned.
#[derive(Clone, Debug)]
pub struct ListRequest {
    /// The DocType.
    pub doctype: String,
    /// The parent DocType, required for child tables.
    pub parent: Option<String>,
    /// The `fields` parameter: a JSON array (or one string); Null asks for names.
    pub fields: Json,
    /// The `filters` parameter, any of Frappe's shapes.
    pub filters: Json,
    /// The `or_filters` parameter.
    pub or_filters: Json,
    /// `"f asc, g desc"`.
    pub order_by: Option<String>,
    /// `"f, g"`.
    pub group_by: Option<String>,
    /// Rows to skip.
    pub start: u64,
    /// Rows at most; `None`: all.
    pub limit: Option<u64>,
    /// Link fields replaced by their documents (those the session may read).
    pub expand: Vec<String>,
    /// Duplicate rows removed.
    pub distinct: bool,
    /// Unknown fields in `fields` are dropped instead of refused (v2).
    pub lenient_fields: bool,
    /// Where it begins, for lists that are read page by page by their positions; then it says where the next page begins.
    pub position: Option<Position>,
    /// Rights that the session needs on each document beside the one to read it, such as `report` or `export`.
    pub also: Vec<Right>,
}

impl ListRequest {
    /// The names of the first 20 documents.
    pub fn new(doctype: impl Into<String>) -> Self {
        Self {
            doctype: doctype.into(),
            parent: None,
            fields: Json::Null,
            filters: Json::Null,
            or_filters: Json::Null,
            order_by: None,
            group_by: None,
            start: 0,
            limit: Some(DEFAULT_PAGE_LENGTH),
            expand: Vec::new(),
            distinct: false,
            lenient_fields: false,
            position: None,
            also: Vec::new(),
        }
    }

    /// With these fields.
    #[must_use]
    pub fn fields(mut self, fields: &[&str]) -> Self {
        self.fields = fields.iter().map(|field| Json::from(*field)).collect();
        self
    }

    /// With these filters.
    #[must_use]
    pub fn filters(mut self, filters: Json) -> Self {
        self.filters = filters;
        self
    }

    /// With every row.
    #[must_use]
    pub fn all(mut self) -> Self {
        self.limit = None;
        self
    }

    /// In this order.
    #[must_use]
    pub fn order_by(mut self, order_by: impl Into<String>) -> Self {
        self.order_by = Some(order_by.into());
        self
    }
}

/// The rows of a list.
#[derive(Clone, Debug, Default)]
pub struct List {
    /// The keys of every row, in order.
    pub keys: Vec<String>,
    /// The rows.
    pub rows: Vec<Vec<Cell>>,
    /// Whether a further page has rows.
    pub has_next_page: bool,
    /// Where it begins, if that was asked for and its rows have places.
    pub next: Option<Position>,
}

/// One cell: a plain value, or what `expand` and child tables put there.
#[derive(Clone, Debug, PartialEq)]
pub enum Cell {
    /// A column's value.
    Value(Value),
    /// A document or rows.
    Json(Json),
}

impl List {
    /// The text in a row under a key; empty if there is none.
    pub fn text(&self, row: usize, key: &str) -> &str {
        let column = self.keys.iter().position(|known| known == key);
        match column.and_then(|column| self.rows.get(row)?.get(column)) {
            Some(Cell::Value(value)) => value.text(),
            _ => "",
        }
    }
}

/// What a list is made with.
#[derive(Clone, Copy)]
pub(crate) struct Context<'a> {
    /// Every DocType.
    pub registry: &'a Registry,
    /// Where the rows are.
    pub exec: &'a dyn Executor,
    /// The whole database, where the list is not part of a transaction: an index may be asked there beforehand, and a replica
    /// may have the rows.
    pub index: Option<&'a Database>,
    /// On whose behalf.
    pub session: &'a Session,
    /// What time it is.
    pub clock: &'a Clock,
    /// In which zone datetimes are asked for and answered.
    pub zone: Zone,
}

impl<'a> Context<'a> {
    /// A replica at which a query may be read; `None`: it is read where it is written. What the program itself asks may
    /// decide about access, and so may what is shared, and some DocTypes.
    fn replica(&self, select: &Select<'_>) -> Option<ReplicaReading> {
        let database = self.index.filter(|database| database.has_replicas() && !self.session.is_system())?;
        let doctypes = select.doctypes()?;
        let mut known = doctypes.iter().map(|doctype| self.registry.get(doctype));
        let is_open = known.all(|doctype| doctype.is_some_and(|doctype| !access::is_about_access(doctype)));
        if is_open { database.replica_for(doctypes.into_iter()) } else { None }
    }

    /// The same with statements that go there.
    fn at<'b>(self, replica: Option<&'b ReplicaReading>) -> Context<'b>
    where
        'a: 'b,
    {
        match replica {
            Some(replica) => Context { exec: replica, ..self },
            None => self,
        }
    }
}

/// When and where a list is asked for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Here {
    /// What `timespan` counts from.
    pub today: NaiveDate,
    /// The zone of datetimes in filters.
    pub zone: Zone,
}

/// A page of documents that the session may see. Virtual DocTypes are listed by [`run_virtual`].
pub(crate) async fn run(context: Context<'_>, request: &ListRequest) -> Result<List> {
    let doctype = doctype(context.registry, request)?;
    if doctype.issingle {
        let documents = single(context, doctype).await?;
        return run_in_memory(context, doctype, single_rows(context, doctype), &documents, request).await;
    }
    let rows = main_rows(context, doctype, request).await?;
    let mut plan = plan(context, doctype, rows, request, Wanted::Rows)?;
    let sorted = match &request.position {
        Some(position) => SortKeys::prepare(&mut plan, position)?,
        None => None,
    };
    plan.select.limit = request.limit.map(|limit| limit.saturating_add(1));
    narrow(context, &mut plan, request.limit).await;
    let replica = context.replica(&plan.select);
    let there = context.at(replica.as_ref());
    let mut found = plan.select.fetch(there.exec).await.map_err(refuse_pattern)?;
    let has_next_page = cut(&mut found, request.limit);
    let next = sorted.filter(|_| has_next_page).and_then(|sorted| found.last().map(|row| sorted.position(row)));
    let list = rows::finish(context, there.exec, &plan, found, None, has_next_page).await?;
    Ok(List { next, ..list })
}

/// Narrows a search of which `wanted` rows are enough by the index, without which it finds the same.
async fn narrow(context: Context<'_>, plan: &mut Plan<'_>, wanted: Option<u64>) {
    let Some(database) = context.index else { return };
    if let Err(error) = Box::pin(plan.select.narrow(database, wanted)).await {
        // Such as an index that is being made anew for a changed definition.
        tracing::debug!(%error, "searching without the index");
    }
}

/// How many rows [`run`] would have without paging; of more than `most` it counts no further.
pub(crate) async fn count(context: Context<'_>, request: &ListRequest, most: Option<u64>) -> Result<u64> {
    let doctype = doctype(context.registry, request)?;
    if doctype.issingle {
        let documents = single(context, doctype).await?;
        let count = count_in_memory(context, doctype, single_rows(context, doctype), &documents, request)?;
        return Ok(count.min(most.unwrap_or(u64::MAX)));
    }
    let rows = main_rows(context, doctype, request).await?;
    let mut plan = plan(context, doctype, rows, request, Wanted::Count)?;
    narrow(context, &mut plan, most).await;
    let replica = context.replica(&plan.select);
    plan.select.count(context.at(replica.as_ref()).exec, most).await.map_err(refuse_pattern)
}

/// The same as [`run`] over the documents of a virtual DocType.
pub(crate) async fn run_virtual(context: Context<'_>, documents: &[Document], request: &ListRequest) -> Result<List> {
    let doctype = doctype(context.registry, request)?;
    let rows = virtual_rows(context, doctype, request)?;
    run_in_memory(context, doctype, rows, documents, request).await
}

/// The same as [`count`] over the documents of a virtual DocType.
pub(crate) fn count_virtual(context: Context<'_>, documents: &[Document], request: &ListRequest) -> Result<u64> {
    let doctype = doctype(context.registry, request)?;
    let rows = virtual_rows(context, doctype, request)?;
    count_in_memory(context, doctype, rows, documents, request)
}

async fn run_in_memory(
    context: Context<'_>,
    doctype: &Arc<DocType>,
    rows: Rows<'_>,
    documents: &[Document],
    request: &ListRequest,
) -> Result<List> {
    if request.position.as_ref().is_some_and(|position| !position.is_start()) {
        return Err(Error::misuse(format!("Lists of {} take no cursor: use start and limit", doctype.name)));
    }
    let plan = plan(context, doctype, rows, request, Wanted::Rows)?;
    let mut found = memory::filter(&plan.select, documents)?;
    let values = memory::rows(&plan.select, &found)?;
    let (mut values, start) = (values, usize::try_from(request.start).unwrap_or(usize::MAX));
    values.drain(..start.min(values.len()));
    found.drain(..start.min(found.len()));
    let has_next_page = cut(&mut values, request.limit);
    found.truncate(values.len());
    rows::finish(context, context.exec, &plan, values, Some(&found), has_next_page).await
}

fn count_in_memory(
    context: Context<'_>,
    doctype: &Arc<DocType>,
    rows: Rows<'_>,
    documents: &[Document],
    request: &ListRequest,
) -> Result<u64> {
    let plan = plan(context, doctype, rows, request, Wanted::Count)?;
    Ok(memory::filter(&plan.select, documents)?.len() as u64)
}

fn plan<'a>(
    context: Context<'a>,
    doctype: &'a Arc<DocType>,
    rows: Rows<'a>,
    request: &ListRequest,
    wanted: Wanted,
) -> Result<Plan<'a>> {
    let here = Here { today: context.clock.now_in(context.zone).date(), zone: context.zone };
    plan::plan(context.registry, context.session, doctype, rows, request, here, wanted)
}

fn doctype<'a>(registry: &'a Registry, request: &ListRequest) -> Result<&'a Arc<DocType>> {
    registry.get(&request.doctype).ok_or_else(|| Error::does_not_exist("DocType", shown(&request.doctype)))
}

/// The rows of the main table that the session may see, or the refusal.
async fn main_rows<'a>(context: Context<'a>, doctype: &'a Arc<DocType>, request: &ListRequest) -> Result<Rows<'a>> {
    if doctype.is_virtual {
        return Err(Error::misuse(format!("{} is virtual: it has no table to list", doctype.name)));
    }
    if doctype.istable {
        return child_rows(context, doctype, request.parent.as_deref()).await;
    }
    let mut rows = visible::rows(context.registry, context.session, doctype, query::MAIN)
        .map_err(|denied| access::refusal(context.session, doctype, None, Right::Read, &denied))?;
    check_shared(context, doctype, &rows).await?;
    for right in request.also.iter().copied() {
        let owned = visible::owned_where(context.session, doctype, right)
            .map_err(|denied| access::refusal(context.session, doctype, None, right, &denied))?;
        rows.condition = Condition::All([rows.condition].into_iter().chain(owned).collect());
    }
    Ok(rows)
}

/// Child rows have no permissions of their own: the parent's count, and the level of the table field.
async fn child_rows<'a>(context: Context<'a>, child: &'a Arc<DocType>, parent: Option<&str>) -> Result<Rows<'a>> {
    let session = context.session;
    let Some(parent) = parent.filter(|parent| !parent.is_empty()) else {
        return if session.is_system() || session.is_administrator() && session.limit.is_none() {
            Ok(visible::everything(session))
        } else {
            Err(match access::refusal(session, child, None, Right::Read, &Denied::Role) {
                Error::Permission(_) => Error::Permission(format!(
                    "{} holds rows of other documents: name their DocType in parent",
                    child.name
                )),
                other => other,
            })
        };
    };
    let parent = context.registry.get(parent).ok_or_else(|| Error::does_not_exist("DocType", shown(parent)))?;
    let refused = |denied| access::refusal(session, parent, None, Right::Read, &denied);
    let mut rows = visible::rows(context.registry, session, parent, PARENT).map_err(refused)?;
    check_shared(context, parent, &rows).await?;
    let Some(fields) = readable_tables(parent, child, rows.visible) else {
        return Err(Error::misuse(format!("{} has no table of {}", parent.name, child.name)));
    };
    if fields.is_empty() {
        return Err(access::refusal(session, parent, None, Right::Read, &Denied::Role));
    }
    let column = |name: &str| child.column(name).map(|index| visible::column_ref(query::MAIN, child, index));
    let (Some(name), Some(parenttype), Some(parentfield)) =
        (column("parent"), column("parenttype"), column("parentfield"))
    else {
        return Err(Error::misuse(format!("{} has no parents", child.name)));
    };
    let one_of = |column, values| Condition::OneOf { column, values, negated: false, or_null: false };
    let mut all = vec![one_of(parenttype, vec![Value::from(parent.name.as_str())]), one_of(parentfield, fields)];
    if parent.issingle {
        single(context, parent).await?;
    } else if !rows.condition.is_always() && parent.has_table() {
        let condition = Box::new(rows.condition);
        all.push(Condition::Names { column: name, doctype: parent, table: PARENT, condition });
    }
    rows.condition = Condition::All(all);
    Ok(rows)
}

/// The table fields of a parent for one child DocType that may be read; `None`: it has none at all.
fn readable_tables(parent: &DocType, child: &DocType, visible: Visible) -> Option<Vec<Value>> {
    let fields: Vec<_> = parent.table_fields().filter(|field| field.options.trim() == child.name).collect();
    let readable = |field: &&&DocField| visible.reads_level(field.permlevel) && visible.has_tables();
    let names = || fields.iter().filter(readable).map(|field| Value::from(field.fieldname.as_str())).collect();
    (!fields.is_empty()).then(names)
}

/// Whoever has no role but shares sees what is shared; whoever has neither is refused.
async fn check_shared(context: Context<'_>, doctype: &DocType, rows: &Rows<'_>) -> Result<()> {
    let Some(denied) = &rows.shared_only else { return Ok(()) };
    let session = context.session;
    if query::has_shares(context.exec, &doctype.name, session.user(), !session.is_guest()).await? {
        return Ok(());
    }
    Err(access::refusal(session, doctype, None, Right::Read, denied))
}

/// The document of a Single, if the session may read it.
async fn single(context: Context<'_>, doctype: &Arc<DocType>) -> Result<Vec<Document>> {
    let session = context.session;
    let refused = |denied| access::refusal(session, doctype, None, Right::Read, &denied);
    decide::check(session, doctype, None, Right::Read).map_err(refused)?;
    let found = load::find(context.exec, context.registry, doctype, &doctype.name, false).await?;
    if let Some(document) = &found {
        decide::check(session, doctype, Some(document), Right::Read).map_err(refused)?;
    }
    Ok(found.into_iter().collect())
}

/// A Single that was checked as a whole shows every field that the session's levels open.
fn single_rows<'a>(context: Context<'a>, doctype: &DocType) -> Rows<'a> {
    visible::checked(context.session, doctype)
}

fn virtual_rows<'a>(context: Context<'a>, doctype: &'a DocType, request: &ListRequest) -> Result<Rows<'a>> {
    if doctype.istable
        && let Some(parent) = request.parent.as_deref().and_then(|parent| context.registry.get(parent))
    {
        // Whoever may read every document of the parent may read every row.
        let refused = |denied| access::refusal(context.session, parent, None, Right::Read, &denied);
        let rows = visible::rows(context.registry, context.session, parent, PARENT).map_err(refused)?;
        let tables = readable_tables(parent, doctype, rows.visible).unwrap_or_default();
        if rows.condition.is_always() && !tables.is_empty() {
            return Ok(visible::everything(context.session));
        }
    }
    visible::rows(context.registry, context.session, doctype, query::MAIN)
        .map_err(|denied| access::refusal(context.session, doctype, None, Right::Read, &denied))
}

/// Takes off what is more than a page; whether there was more.
fn cut<T>(rows: &mut Vec<T>, limit: Option<u64>) -> bool {
    let limit = limit.map_or(usize::MAX, |limit| usize::try_from(limit).unwrap_or(usize::MAX));
    let more = rows.len() > limit;
    rows.truncate(limit);
    more
}

/// What a database says of a pattern that only it can judge is the asker's mistake.
fn refuse_pattern(error: sea_orm::DbErr) -> Error {
    if query::is_bad_pattern(&error) {
        return Error::misuse("The database cannot read this regular expression: write it more simply");
    }
    error.into()
}

impl Documents {
    fn list_context<'a>(&'a self, registry: &'a Registry, session: &'a Session) -> Context<'a> {
        Context {
            registry,
            exec: self.database(),
            index: Some(self.database()),
            session,
            clock: self.clock(),
            zone: self.zone(session),
        }
    }

    /// A page of documents that the session may read.
    pub async fn list(&self, session: &Session, request: &ListRequest) -> Result<List> {
        let registry = self.registry();
        if is_virtual(&registry, request) {
            return self.reading(session).list(request).await;
        }
        run(self.list_context(&registry, session), request).await
    }

    /// How many documents that list would have without paging.
    pub async fn count(&self, session: &Session, request: &ListRequest) -> Result<u64> {
        self.count_at_most(session, request, None).await
    }

    /// The same, but of more than `most` it counts no further: what that costs does not grow with the table.
    pub async fn count_at_most(&self, session: &Session, request: &ListRequest, most: Option<u64>) -> Result<u64> {
        let registry = self.registry();
        if is_virtual(&registry, request) {
            let count = self.reading(session).count(request).await?;
            return Ok(count.min(most.unwrap_or(u64::MAX)));
        }
        count(self.list_context(&registry, session), request, most).await
    }
}

/// Virtual documents come from controllers, which work in a transaction.
fn is_virtual(registry: &Registry, request: &ListRequest) -> bool {
    registry.get(&request.doctype).is_some_and(|doctype| doctype.is_virtual)
}
