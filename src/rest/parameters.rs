//! The parameters of lists, which paths, methods and the OpenAPI document have in common.

use crate::web::Param;

/// The DocType.
pub(super) const DOCTYPE: Param = Param::required("doctype", "string", "The DocType, for example `User`");
/// The columns of a list.
pub(super) const FIELDS: Param = Param::optional(
    "fields",
    "array",
    "The fields of each row; `[\"*\"]` for all, `[\"name\"]` if left out. A field may be `table_field.field`, `link_field.field` or `count(name) as n`",
)
.example("[\"name\",\"modified\"]");
/// Filters that must all hold.
pub(super) const FILTERS: Param = Param::optional(
    "filters",
    "object",
    "Which documents: `{\"field\": value}`, `{\"field\": [operator, value]}` or a list of `[field, operator, value]`",
)
.example("[[\"name\",\"like\",\"%a%\"]]");
/// Filters of which one must hold.
pub(super) const OR_FILTERS: Param = Param::optional("or_filters", "object", "Filters of which at least one must hold");
/// The order.
pub(super) const ORDER_BY: Param =
    Param::optional("order_by", "string", "Fields with `asc` or `desc`, separated by commas").example("modified desc");
/// The groups.
pub(super) const GROUP_BY: Param = Param::optional("group_by", "string", "Fields to group by, separated by commas");
/// The first row, in the first version of the API.
pub(super) const LIMIT_START: Param = start("limit_start");
/// The number of rows, in the first version of the API.
pub(super) const LIMIT_PAGE_LENGTH: Param = length("limit_page_length");
/// The first row, in the second version of the API and in the desk.
pub(super) const START: Param = start("start");
/// The number of rows, in the second version of the API.
pub(super) const LIMIT: Param = length("limit");
/// Where a page begins, in the second version of the API.
pub(super) const CURSOR: Param = Param::optional(
    "cursor",
    "string",
    "Where the page begins: empty for the first, then `next_cursor` of the page before. Rows that are added or go meanwhile move nothing",
);
/// The number of rows, in the desk.
pub(super) const PAGE_LENGTH: Param = length("page_length");
/// Where counting ends.
pub(super) const COUNT_LIMIT: Param =
    Param::optional("limit", "integer", "How many documents at most are counted: of more, this number is the answer");
/// Links to follow.
pub(super) const EXPAND: Param =
    Param::optional("expand", "array", "Link fields to be replaced by the documents they lead to");
/// Whether links are followed in a single document.
pub(super) const EXPAND_LINKS: Param =
    Param::optional("expand_links", "boolean", "1 to replace links by the documents they lead to");
/// Rows as objects or arrays.
pub(super) const AS_DICT: Param = Param::optional("as_dict", "boolean", "0 for arrays of values instead of objects");
/// The parent DocType of rows.
pub(super) const PARENT: Param = Param::optional(
    "parent",
    "string",
    "For child tables: the DocType that the rows belong to, whose permissions count",
);

/// All of them that stand in a query.
pub(super) const IN_QUERY: [Param; 14] = [
    FIELDS,
    FILTERS,
    OR_FILTERS,
    ORDER_BY,
    GROUP_BY,
    LIMIT_START,
    LIMIT_PAGE_LENGTH,
    START,
    LIMIT,
    CURSOR,
    EXPAND,
    EXPAND_LINKS,
    AS_DICT,
    PARENT,
];

/// Those of a list by method, in the first version of the API.
pub(super) const LIST: &[Param] = &[
    DOCTYPE,
    FIELDS,
    FILTERS,
    OR_FILTERS,
    ORDER_BY,
    GROUP_BY,
    LIMIT_START,
    LIMIT_PAGE_LENGTH,
    PARENT,
    EXPAND,
    AS_DICT,
];

const fn start(name: &'static str) -> Param {
    Param::optional(name, "integer", "How many rows to skip")
}

const fn length(name: &'static str) -> Param {
    Param::optional(name, "integer", "How many rows at most; 20 if left out, 0 for all")
}
