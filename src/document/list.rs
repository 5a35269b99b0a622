//! Lists: what is asked for (in the words of Frappe's parameters), under whose permissions, and the rows.

use serde_json::Value as Json;

use crate::meta::Value;

/// How many rows a list has if nobody says.
pub const DEFAULT_PAGE_LENGTH: u64 = 20;

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

impl crate::document::Documents {
    pub(crate) async fn list_with(
        &self,
        exec: &dyn crate::database::Executor,
        session: &crate::permissions::Session,
        request: &ListRequest,
    ) -> crate::error::Result<List> {
        todo!()
    }
    pub(crate) async fn count_with(
        &self,
        exec: &dyn crate::database::Executor,
        session: &crate::permissions::Session,
        request: &ListRequest,
    ) -> crate::error::Result<u64> {
        todo!()
    }
    /// A page of documents that the session may read.
    pub async fn list(
        &self,
        session: &crate::permissions::Session,
        request: &ListRequest,
    ) -> crate::error::Result<List> {
        self.list_with(self.database(), session, request).await
    }
    /// How many documents that list would have without paging.
    pub async fn count(
        &self,
        session: &crate::permissions::Session,
        request: &ListRequest,
    ) -> crate::error::Result<u64> {
        self.count_with(self.database(), session, request).await
    }
}
