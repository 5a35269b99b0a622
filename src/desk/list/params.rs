//! What the address of a list asks for, and the request to the engine that it becomes.

use serde_json::{Value as Json, json};

use super::shown::{Kind, Shown};
use super::{list_fields, status_fields};
use crate::document::ListRequest;
use crate::document::search::text_filters;
use crate::meta::doctype::Order;
use crate::meta::{DocField, DocType, Fieldtype};
use crate::permissions::Grant;

/// Rows on a page, where the address says nothing.
const PAGE_LENGTH: u64 = 20;
/// How many rows a page may have.
pub(super) const PAGE_LENGTHS: [u64; 4] = [PAGE_LENGTH, 50, 100, 500];
/// How many columns a list may have besides title, status and time.
const MOST_COLUMNS: usize = 20;
/// How many fields a list is sorted by.
const MOST_ORDERS: usize = 3;

/// What the address of a list asks for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct ListParams {
    /// The words searched for.
    pub query: String,
    /// Fields and the values they must have.
    pub filters: Vec<(String, String)>,
    /// The fields that sort.
    pub order_by: Vec<(String, Order)>,
    /// The fields that are shown; empty for those that the DocType names.
    pub columns: Vec<String>,
    /// The page, from 1.
    pub page: u64,
    /// Rows on a page.
    pub page_length: u64,
    /// As what the documents are shown.
    pub shown: Shown,
    /// What the address asks for and the list cannot do; empty if it can do everything.
    pub problem: String,
}

impl ListParams {
    /// Reads the parameters of an address. What the DocType or the session's rights do not have becomes the problem: a list
    /// that ignored it would show what nobody asked for.
    pub(crate) fn parse(doctype: &DocType, grant: &Grant, query: &[(String, String)]) -> Self {
        let (shown, problem) = Shown::parse(doctype, grant, query);
        let mut params = Self { page: 1, page_length: PAGE_LENGTH, shown, ..Self::default() };
        for (name, value) in query {
            let value = value.trim();
            match name.as_str() {
                name if value.is_empty() || Shown::takes(doctype, query, name) => {}
                "q" => value.clone_into(&mut params.query),
                "page" => params.page = value.parse().unwrap_or(1).clamp(1, 10_000_000),
                "order_by" => {
                    let is_report = params.shown.kind == Kind::Report;
                    let order = |part: &str| {
                        if is_report { read_order(part.trim()) } else { parse_order(doctype, grant, part.trim()) }
                    };
                    match value.split(',').map(order).collect() {
                        Ok(orders) => params.order_by = orders,
                        Err(problem) => params.problem = problem,
                    }
                }
                "page_length" => match value.parse().ok().filter(|length| PAGE_LENGTHS.contains(length)) {
                    Some(length) => params.page_length = length,
                    None => params.problem = format!("`page_length` is one of {PAGE_LENGTHS:?}, not {value}"),
                },
                "columns" => {
                    params.columns = value.split(',').map(|name| name.trim().to_owned()).collect();
                    if params.shown.kind == Kind::Report {
                        // Those of other DocTypes are found, or refused, when the report is made.
                        continue;
                    }
                    let unknown_one = params.columns.iter().find(|name| !is_column(doctype, grant, name));
                    if let Some(name) = unknown_one {
                        params.problem = unknown(doctype, name, "show as a column");
                        params.columns.clear();
                    } else if params.columns.len() > MOST_COLUMNS {
                        params.problem = format!("A list has at most {MOST_COLUMNS} columns");
                        params.columns.truncate(MOST_COLUMNS);
                    }
                }
                FILTERS if serde_json::from_str::<Json>(value).is_err() => {
                    params.problem =
                        format!("`{FILTERS}` must be JSON, such as [[\"{name}\",\"=\",\"x\"]]", name = "name");
                }
                _ if name == FILTERS || is_field(doctype, grant, name) => {
                    params.filters.push((name.clone(), value.to_owned()));
                }
                _ => params.problem = unknown(doctype, name, "filter by"),
            }
        }
        if params.order_by.len() > MOST_ORDERS {
            params.problem = format!("A list is sorted by at most {MOST_ORDERS} fields");
            params.order_by.truncate(MOST_ORDERS);
        }
        if !problem.is_empty() {
            // What is wrong with the way explains what else is.
            params.problem = problem;
        }
        params
    }

    /// Whether anything narrows the list.
    pub(crate) fn is_filtered(&self) -> bool {
        !self.query.is_empty() || !self.filters.is_empty()
    }

    /// The request to the engine.
    pub(crate) fn to_request(&self, doctype: &DocType, grant: &Grant) -> ListRequest {
        let mut request = ListRequest::new(&doctype.name);
        request.fields = wanted_fields(doctype, grant, self).into_iter().map(Json::from).collect();
        request.filters = self.filters.iter().flat_map(|(name, value)| filter(doctype, name, value)).collect();
        if !self.query.is_empty() {
            let pattern = format!("%{}%", self.query);
            request.or_filters = text_filters(doctype, &search_fields(doctype, grant), &self.query, &pattern);
        }
        request.order_by = Some(self.order_text()).filter(|order| !order.is_empty());
        request.start = (self.page - 1) * self.page_length;
        request.limit = Some(self.page_length);
        request
    }

    /// The address of this list.
    pub(super) fn url(&self, doctype: &DocType) -> String {
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        if !self.query.is_empty() {
            query.append_pair("q", &self.query);
        }
        query.extend_pairs(&self.filters);
        for (name, value) in [("order_by", self.order_text()), ("columns", self.columns.join(","))] {
            if !value.is_empty() {
                query.append_pair(name, &value);
            }
        }
        query.extend_pairs(self.shown.pairs());
        if self.page_length != PAGE_LENGTH {
            query.append_pair("page_length", &self.page_length.to_string());
        }
        if self.page > 1 {
            query.append_pair("page", &self.page.to_string());
        }
        let query = query.finish();
        let url = format!("/app/{}", doctype.slug());
        if query.is_empty() { url } else { format!("{url}?{query}") }
    }

    /// The same list at another page.
    pub(super) fn at_page(&self, page: u64) -> Self {
        Self { page, ..self.clone() }
    }

    /// The same list in another order, from its first page.
    pub(super) fn ordered_by(&self, field: &str, order: Order) -> Self {
        Self { order_by: vec![(field.to_owned(), order)], page: 1, ..self.clone() }
    }

    /// The same documents shown in another way.
    pub(super) fn shown_as(&self, shown: Shown) -> Self {
        Self { shown, page: 1, ..self.clone() }
    }

    /// The rows of which a field has this value.
    pub(super) fn narrowed_to(&self, field: &str, value: &str) -> Self {
        let mut narrowed = self.shown_as(Shown::default());
        narrowed.filters.push((field.to_owned(), value.to_owned()));
        narrowed
    }

    /// Nothing but the way in which the documents are shown.
    pub(super) fn cleared(&self) -> Self {
        Self { page: 1, page_length: self.page_length, shown: self.shown.clone(), ..Self::default() }
    }

    /// `days desc, title asc`
    pub(super) fn order_text(&self) -> String {
        let orders: Vec<String> =
            self.order_by.iter().map(|(field, order)| format!("{field} {}", order.as_str())).collect();
        orders.join(", ")
    }
}

/// The parameter with filters as Frappe's API takes them.
pub(super) const FILTERS: &str = "filters";

/// `field`, `field asc` or `field desc`.
fn read_order(text: &str) -> Result<(String, Order), String> {
    let (field, order) = text.rsplit_once(' ').unwrap_or((text, "asc"));
    let order = match order.to_lowercase().as_str() {
        "asc" => Order::Asc,
        "desc" => Order::Desc,
        other => return Err(format!("`{other}` is not an order: write asc or desc")),
    };
    Ok((field.to_owned(), order))
}

/// The same of a field that lists may name; a backquoted table before it, as Frappe writes it, says nothing.
fn parse_order(doctype: &DocType, grant: &Grant, text: &str) -> Result<(String, Order), String> {
    let (field, order) = read_order(text)?;
    let field = field.rsplit('.').next().unwrap_or(&field).trim_matches('`');
    if filterable(doctype, grant, field) {
        Ok((field.to_owned(), order))
    } else {
        Err(unknown(doctype, field, "sort by"))
    }
}

fn unknown(doctype: &DocType, name: &str, purpose: &str) -> String {
    format!("{} has no field `{name}` that you may {purpose}", doctype.name)
}

/// Whether a parameter names a field to filter by: one of the DocType, or `Child DocType.field`, which the engine judges.
fn is_field(doctype: &DocType, grant: &Grant, name: &str) -> bool {
    match name.split_once('.') {
        Some((table, field)) if table == doctype.name => filterable(doctype, grant, field),
        Some((table, _)) => doctype.fields.iter().any(|field| field.fieldtype.is_table() && field.options == table),
        None => filterable(doctype, grant, name),
    }
}

/// `[">",11990]`: an operator with its value, as Frappe writes it into addresses.
pub(super) fn operation(value: &str) -> Option<(String, Json)> {
    if !value.starts_with('[') {
        return None;
    }
    match serde_json::from_str::<Json>(value).ok()? {
        Json::Array(pair) => match <[Json; 2]>::try_from(pair).ok()? {
            [Json::String(operator), value] => Some((operator, value)),
            _ => None,
        },
        _ => None,
    }
}

/// Columns that lists may name: those with a value that the session may read.
pub(super) fn filterable(doctype: &DocType, grant: &Grant, name: &str) -> bool {
    match doctype.field(name) {
        Some(field) => readable(grant, field) && !grant.masks(field) && field.has_column(),
        None => doctype.column(name).is_some() && !name.starts_with('_'),
    }
}

pub(super) fn readable(grant: &Grant, field: &DocField) -> bool {
    grant.reads_level(field.permlevel) && !field.secret && field.fieldtype != Fieldtype::Password
}

pub(in crate::desk) fn search_fields<'a>(doctype: &'a DocType, grant: &Grant) -> Vec<&'a str> {
    let mut fields = vec!["name"];
    let more = doctype.searched_columns().into_iter().map(|column| column.name.as_str());
    fields.extend(more.filter(|field| *field != "name" && filterable(doctype, grant, field)));
    fields
}

/// Whether a field can be a column: one with a value that the session may read, besides title and status, which are always there.
pub(super) fn is_column(doctype: &DocType, grant: &Grant, name: &str) -> bool {
    doctype.field(name).is_some_and(|field| field.has_column() && readable(grant, field))
        && doctype.title_field.as_deref() != Some(name)
        && !status_fields(doctype).contains(&name)
}

/// The engine's filters of one parameter.
fn filter(doctype: &DocType, name: &str, value: &str) -> Vec<Json> {
    if name == FILTERS {
        return match serde_json::from_str(value) {
            Ok(Json::Array(filters)) if filters.iter().all(|filter| filter.is_array() || filter.is_object()) => filters,
            Ok(Json::Object(filters)) => filters.into_iter().map(|(field, value)| json!([field, value])).collect(),
            // One filter, or what the engine has to refuse.
            Ok(other) => vec![other],
            Err(_) => Vec::new(),
        };
    }
    let (table, field) = name.split_once('.').unwrap_or((&doctype.name, name));
    if let Some((operator, value)) = operation(value) {
        return vec![json!([table, field, operator, value])];
    }
    let fieldtype = doctype.field(field).filter(|_| table == doctype.name).map(|field| field.fieldtype);
    vec![match fieldtype {
        Some(Fieldtype::Datetime) if value.len() <= 10 => json!([field, "between", [value, value]]),
        Some(
            Fieldtype::Data
            | Fieldtype::SmallText
            | Fieldtype::Text
            | Fieldtype::LongText
            | Fieldtype::ReadOnly
            | Fieldtype::Autocomplete
            | Fieldtype::Phone
            | Fieldtype::Code,
        ) => json!([field, "like", format!("%{value}%")]),
        _ => json!([table, field, "=", value]),
    }]
}

fn wanted_fields(doctype: &DocType, grant: &Grant, params: &ListParams) -> Vec<String> {
    let mut fields: Vec<String> = ["name", "docstatus", "modified"].map(str::to_owned).to_vec();
    let more = doctype.title_field.as_deref().into_iter().chain(status_fields(doctype));
    let more = more.filter(|name| filterable(doctype, grant, name)).map(str::to_owned);
    fields.extend(more);
    fields.extend(list_fields(doctype, grant, params).into_iter().map(|field| field.fieldname.clone()));
    let mut seen = std::collections::HashSet::new();
    fields.retain(|field| seen.insert(field.clone()));
    fields
}
