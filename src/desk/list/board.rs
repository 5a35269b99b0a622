//! A board: a column for each option of a Select, a card for each document, which people move from one to another.

use std::sync::Arc;

use poem::Response;
use serde::Serialize;
use serde_json::{Value as Json, json};

use super::params::ListParams;
use super::view::CellView;
use super::{ListInput, MOST_COUNTED, counted, furniture, list_fields, row_view};
use crate::desk::form::control::label;
use crate::desk::form::view::Choice;
use crate::desk::shell::Flash;
use crate::desk::titles::list_titles;
use crate::document::{Cell, Children, List};
use crate::error::{Error, Result};
use crate::meta::{DocField, DocType, Right};
use crate::permissions::Grant;
use crate::web::Exchange;
use crate::web::arguments::Form;
use crate::web::error::see_other;

/// How many columns a board has.
const MOST_COLUMNS: usize = 20;
/// The button that moves a card.
pub(super) const MOVE: &str = "move";

/// A board.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct BoardView {
    /// The field.
    pub label: String,
    /// Its options.
    pub columns: Vec<BoardColumn>,
    /// Cards can be moved.
    pub movable: bool,
    /// How many documents have a value that is no option; empty for none.
    pub others: String,
    /// The list of these.
    pub others_url: String,
}

/// A column.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct BoardColumn {
    /// The option.
    pub value: String,
    /// As people read it.
    pub label: String,
    /// How many documents it has.
    pub count: String,
    /// The cards.
    pub cards: Vec<CardView>,
    /// How many are not shown; empty for none.
    pub more: String,
    /// The list of all.
    pub href: String,
    /// A form for a new document with this value; empty if there is none.
    pub create_url: String,
}

/// A card.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct CardView {
    /// The document.
    pub name: String,
    /// Its title.
    pub title: String,
    /// Its form.
    pub href: String,
    /// The columns of the list that say something.
    pub cells: Vec<CellView>,
    /// To whom it is assigned: initials and the whole name.
    pub assigned: Vec<(String, String)>,
    /// When it was changed, so that nobody's change is lost.
    pub modified: String,
    /// Where it can go.
    pub targets: Vec<Choice>,
}

/// The options of the field that the board is made by.
fn options(field: &DocField) -> Vec<&str> {
    let mut options: Vec<&str> = field.select_options().filter(|option| !option.is_empty()).collect();
    options.dedup();
    options
}

/// Whether the session may move cards at all; each document is asked again.
fn is_movable(doctype: &DocType, grant: &Grant, field: &DocField) -> bool {
    grant.may(Right::Write) && !doctype.is_virtual && furniture::is_editable(grant, field)
}

/// The board that the address asks for.
pub(super) async fn board(
    exchange: &Exchange,
    doctype: &Arc<DocType>,
    grant: &Grant,
    params: &ListParams,
) -> Result<BoardView> {
    let field = doctype.field(&params.shown.by).ok_or_else(|| Error::misuse("Choose a field for the board"))?;
    let options = options(field);
    if options.len() > MOST_COLUMNS {
        let message = format!(
            "`{}` has {} options: a board has at most {MOST_COLUMNS} columns. Group the list by it instead",
            field.fieldname,
            options.len()
        );
        return Err(Error::BadRequest(message));
    }
    let name = field.fieldname.as_str();
    let movable = is_movable(doctype, grant, field);
    let may_be_empty = field.select_options().any(str::is_empty);
    let not_set = exchange.say("Not set");
    let mut columns = Vec::with_capacity(options.len() + 1);
    for value in std::iter::once("").chain(options.iter().copied()) {
        let mut targets: Vec<(&str, &str)> = options.iter().map(|option| (*option, field.shown(option))).collect();
        if may_be_empty {
            targets.insert(0, ("", &not_set));
        }
        targets.retain(|(target, _)| *target != value);
        let targets = if movable { super::builder::choices(targets.into_iter(), "") } else { Vec::new() };
        let column = Box::pin(column(exchange, doctype, grant, params, field, value, &targets)).await?;
        // Where everything has a value, there is no column for what has none.
        if !value.is_empty() || !column.cards.is_empty() {
            columns.push(column);
        }
    }
    let mut request = params.to_request(doctype, grant);
    push(&mut request.filters, json!([name, "not in", options]));
    push(&mut request.filters, json!([name, "is", "set"]));
    let others = exchange.site.documents.count_at_most(exchange.session(), &request, Some(MOST_COUNTED + 1)).await?;
    let others_url = params.narrowed_to(name, &json!(["not in", options]).to_string());
    Ok(BoardView {
        label: label(field),
        columns,
        movable,
        others: if others == 0 { String::new() } else { counted(others, MOST_COUNTED) },
        others_url: others_url.narrowed_to(name, r#"["is","set"]"#).url(doctype),
    })
}

fn push(filters: &mut Json, filter: Json) {
    if let Json::Array(filters) = filters {
        filters.push(filter);
    }
}

async fn column(
    exchange: &Exchange,
    doctype: &Arc<DocType>,
    grant: &Grant,
    params: &ListParams,
    field: &DocField,
    value: &str,
    targets: &[Choice],
) -> Result<BoardColumn> {
    let (documents, session) = (&exchange.site.documents, exchange.session());
    let name = field.fieldname.as_str();
    let mut request = params.to_request(doctype, grant);
    push(
        &mut request.filters,
        if value.is_empty() { json!([name, "is", "not set"]) } else { json!([name, "=", value]) },
    );
    if doctype.column("_assign").is_some() {
        push(&mut request.fields, json!("_assign"));
    }
    request.start = 0;
    let list = documents.list(session, &request).await?;
    let total = if list.has_next_page {
        documents.count_at_most(session, &request, Some(MOST_COUNTED + 1)).await?
    } else {
        list.rows.len() as u64
    };
    let registry = exchange.registry();
    let titles = list_titles(exchange, &registry, doctype, &list).await?;
    let input = ListInput {
        registry: &registry,
        doctype,
        session,
        language: exchange.language(),
        grant,
        params,
        list: &list,
        total: "",
        titles: &titles,
        selected: &[],
        confirm: false,
        ask: None,
        problem: String::new(),
        results: Vec::new(),
        saved: Vec::new(),
        reports: Vec::new(),
        now: documents.clock().now_in(documents.zone(session)),
    };
    let shown: Vec<&DocField> =
        list_fields(doctype, grant, params).into_iter().filter(|shown| shown.fieldname != name).collect();
    let cards = (0..list.rows.len()).map(|row| card(&input, &shown, row, targets)).collect();
    let narrowed = params.narrowed_to(name, if value.is_empty() { r#"["is","not set"]"# } else { value });
    let left = total.saturating_sub(list.rows.len() as u64);
    let mut create = url::form_urlencoded::Serializer::new(String::new());
    create.append_pair(name, value);
    let may_create = grant.may(Right::Create) && !doctype.in_create && !doctype.is_virtual && !value.is_empty();
    Ok(BoardColumn {
        value: value.to_owned(),
        label: if value.is_empty() { exchange.say("Not set") } else { field.shown(value).to_owned() },
        count: counted(total, MOST_COUNTED),
        cards,
        more: if left == 0 { String::new() } else { counted(left, MOST_COUNTED) },
        href: narrowed.url(doctype),
        create_url: if may_create { format!("/app/{}/new?{}", doctype.slug(), create.finish()) } else { String::new() },
    })
}

fn card(input: &ListInput<'_>, shown: &[&DocField], row: usize, targets: &[Choice]) -> CardView {
    let view = row_view(input, shown, false, row);
    let mut cells = view.cells;
    // The first one is the title, the last one the time.
    let href = cells.remove(0).href;
    cells.pop();
    cells.retain(|cell| !cell.text.is_empty());
    CardView {
        assigned: assigned(input.list, row),
        modified: input.list.text(row, "modified").to_owned(),
        name: view.name,
        title: view.title,
        href,
        cells,
        targets: targets.to_vec(),
    }
}

fn assigned(list: &List, row: usize) -> Vec<(String, String)> {
    let at = list.keys.iter().position(|key| key == "_assign");
    let Some(Cell::Value(value)) = at.and_then(|at| list.rows[row].get(at)) else { return Vec::new() };
    let users: Vec<String> = serde_json::from_str(value.text()).unwrap_or_default();
    let initials = |user: &String| user.chars().take(2).collect::<String>().to_uppercase();
    users.into_iter().map(|user| (initials(&user), user)).collect()
}

/// Moves a card, as the form of its document would.
pub(super) async fn move_card(exchange: &Exchange, doctype: &Arc<DocType>, form: &Form) -> Result<Response> {
    let documents = &exchange.site.documents;
    let grant = documents.grant(exchange.session(), doctype);
    let params = ListParams::parse(doctype, &grant, &exchange.query());
    let (name, to) = (form.first("names").unwrap_or_default(), form.first("__to").unwrap_or_default());
    let address = super::page::own_address(exchange);
    let Some(field) = doctype.field(&params.shown.by).filter(|_| !name.is_empty()) else {
        return Ok(see_other(&address));
    };
    let values = [(field.fieldname.as_str(), to), ("modified", form.first("__modified").unwrap_or_default())];
    let values = values.into_iter().map(|(field, value)| (field.to_owned(), json!(value))).collect();
    let title = form.first("__title").unwrap_or(name);
    let moved = documents.update(exchange.session(), &doctype.name, name, &values, Children::Patch).await;
    match moved {
        Ok(_) => Flash::done(format!("{title}: {} is {}", label(field), if to.is_empty() { "not set" } else { to })),
        Err(error) if error.is_failure() => return Err(error),
        Err(error) => Flash::failed(format!("{title} was not moved: {error}")),
    }
    .keep(exchange);
    let anchor = percent_encoding::utf8_percent_encode(name, percent_encoding::NON_ALPHANUMERIC);
    Ok(see_other(&format!("{address}#card-{anchor}")))
}
