//! `depends_on`, `formula` and their kin: the JavaScript subset that DocTypes use, parsed once, evaluated here and nowhere else.
//!
//! What can be written: literals, arrays, `doc.field`, `parent.field`, `doc.table.length`, `doc.__islocal`,
//! `! && || ?? & | == != === !== < > <= >= + - * / % ?: typeof`, parentheses, templates, `in_list(array, value)`,
//! `has_common`, `is_null`, `cint`, `flt`, `cstr`, `parseInt`, `Boolean`, `Object.keys(x)`, `array.includes(value)`,
//! `x.indexOf(y)`, `text.split(",")`, `text.startsWith(part)`, `text.endsWith(part)`, `frappe.session.user`,
//! `frappe.user.has_role("Role")`, `frappe.boot.developer_mode` (false), `cur_frm.doc` or `frm.doc` for `doc`, bare names for
//! fields, and the functions of numbers, texts and dates in `function`. A text without `eval:` is one fieldname.
//!
//! Formulas and validations ([`Expression::parse_formula`]) know rows and other documents as well: `sum(items.amount)`,
//! `sum(items, qty * rate)`, `count(items, done)`, `avg`, `min` and `max` of rows; `customer.credit_limit` through a Link;
//! `get_single_value("Settings", "field")`.
//!
//! The browser evaluates the same tree, sent by [`Expression::to_json`] as arrays whose first item says what they are:
//!
//! | array | means |
//! |---|---|
//! | `["lit", v]` | the value `v` |
//! | `["undefined"]` | `undefined` |
//! | `["arr", a, …]` | an array |
//! | `["bare", "x"]` | whether `doc.x` holds something; a table does if it has rows |
//! | `["doc", "x"]`, `["parent", "x"]` | a field's value; of a table, its rows |
//! | `["new"]`, `["user"]`, `["role", a]` | not saved yet; who asks; whether they have the role |
//! | `["!", a]`, `["neg", a]`, `["num", a]`, `["typeof", a]` | `!a`, `-a`, `+a`, `typeof a` |
//! | `["&&", a, b, …]`, `["||", a, b, …]` | any number of operands, from left to right |
//! | `["==", a, b]` and the other operators | two operands |
//! | `["?:", condition, a, b]` | one of the two |
//! | `["call", name, a, …]` | a function of `function` |
//! | `["each", name, "table", a]` | `sum`, `count`, `avg`, `min` or `max` of `a` in every row; of the rows themselves without `a` |
//! | `["linked", "link", "x"]`, `["parent_linked", "link", "x"]`, `["single", "DocType", "x"]` | a field of another document |

mod call;
pub(in crate::meta) mod date;
pub(in crate::meta) mod evaluate;
mod function;
mod names;
mod parse;
#[cfg(test)]
mod tests;
mod token;
mod types;

use std::collections::BTreeSet;

use chrono::NaiveDateTime;
use serde_json::{Value as Json, json};

use self::evaluate::Js;
use self::function::{Aggregate, Function};
use crate::meta::value::Value;

pub(in crate::meta) use types::{Type, infer};

/// A parsed condition.
#[derive(Clone, Debug, PartialEq)]
pub struct Expression {
    /// The text as written.
    pub source: String,
    /// Why it could not be parsed; then it has no value.
    pub unparsed: Option<String>,
    node: Option<Box<Node>>,
    assigns: bool,
}

/// Where an expression finds what it names.
pub trait Scope {
    /// The value of a field or standard column of `doc`; Null for names that have none.
    fn value(&self, fieldname: &str) -> Value;
    /// How many rows a table field of `doc` has; `None` if it is not a table field.
    fn rows(&self, fieldname: &str) -> Option<usize>;
    /// The value of a field of the parent, for child rows.
    fn parent_value(&self, fieldname: &str) -> Value {
        let _ = fieldname;
        Value::Null
    }
    /// Calls with every row of a table field of `doc`, in order.
    fn each_row(&self, fieldname: &str, visit: &mut dyn FnMut(&dyn Scope)) {
        let _ = (fieldname, visit);
    }
    /// A field of the document that a Link of `doc` points at.
    fn linked(&self, link: &str, fieldname: &str) -> Value {
        let _ = (link, fieldname);
        Value::Null
    }
    /// A field of the document that a Link of the parent points at.
    fn parent_linked(&self, link: &str, fieldname: &str) -> Value {
        let _ = (link, fieldname);
        Value::Null
    }
    /// A field of a Single.
    fn single(&self, doctype: &str, fieldname: &str) -> Value {
        let _ = (doctype, fieldname);
        Value::Null
    }
    /// What the clocks of the site show.
    fn now(&self) -> NaiveDateTime;
    /// Whether `doc` is not saved yet.
    fn is_new(&self) -> bool;
    /// Who asks.
    fn user(&self) -> &str;
    /// Whether they have the role.
    fn has_role(&self, role: &str) -> bool;
}

#[derive(Clone, Debug, PartialEq)]
enum Node {
    Undefined,
    Null,
    Bool(bool),
    Number(f64),
    Text(String),
    Array(Vec<Node>),
    Bare(String),
    Doc(String),
    Parent(String),
    Linked(Through, String),
    Each(Aggregate, String, Option<Box<Node>>),
    IsNew,
    User,
    HasRole(Box<Node>),
    Unary(Unary, Box<Node>),
    And(Vec<Node>),
    Or(Vec<Node>),
    Binary(Binary, Box<Node>, Box<Node>),
    Conditional(Box<[Node; 3]>),
    Call(Function, Vec<Node>),
}

/// What another document is reached through.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Through {
    /// A Link of `doc`.
    Doc(String),
    /// A Link of the parent.
    Parent(String),
    /// A Single is there by its name.
    Single(String),
}

/// Something that an expression reads.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Read<'a> {
    /// A field of `doc`.
    Doc(&'a str),
    /// A field of the parent.
    Parent(&'a str),
    /// A field of another document.
    Linked(&'a Through, &'a str),
    /// The rows of a table field of `doc`.
    Rows(&'a str),
    /// What every row of the table reads.
    OfRows(&'a str, Box<Read<'a>>),
    /// Who asks.
    Person,
    /// When they ask.
    Time,
}

impl<'a> Read<'a> {
    /// The field of `doc` that it needs.
    pub(crate) fn field(&self) -> Option<&'a str> {
        match self {
            Self::Doc(name) | Self::Rows(name) => Some(name),
            Self::Linked(Through::Doc(link), _) => Some(link),
            _ => None,
        }
    }

    /// The field of the parent that it needs.
    pub(crate) fn parent_field(&self) -> Option<&'a str> {
        match self {
            Self::Parent(name) => Some(name),
            Self::Linked(Through::Parent(link), _) => Some(link),
            _ => None,
        }
    }

    /// The table and the field of its rows that it needs.
    pub(crate) fn row_field(&self) -> Option<(&'a str, &'a str)> {
        match self {
            Self::OfRows(table, read) => read.field().map(|field| (*table, field)),
            _ => None,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Unary {
    Not,
    Negate,
    Number,
    TypeOf,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Binary {
    Coalesce,
    Equal,
    NotEqual,
    Same,
    NotSame,
    Less,
    Greater,
    LessOrEqual,
    GreaterOrEqual,
    Add,
    Subtract,
    Multiply,
    Divide,
    Remainder,
    BitAnd,
    BitOr,
}

impl Expression {
    /// Reads a condition. Never fails: what is not understood is kept with the reason.
    pub fn parse(text: &str) -> Self {
        Self::read(text, false)
    }

    /// Reads a formula or the condition of a validation, which knows rows and other documents.
    pub fn parse_formula(text: &str) -> Self {
        Self::read(text, true)
    }

    fn read(text: &str, is_formula: bool) -> Self {
        let (node, unparsed, assigns) = match parse::parse(text, is_formula) {
            Ok(node) => (Some(Box::new(node)), None, false),
            Err(fault) => (None, Some(fault.message), fault.assigns),
        };
        Self { source: text.to_owned(), unparsed, node, assigns }
    }

    /// Whether it holds; `None` if it could not be parsed.
    pub fn evaluate(&self, scope: &dyn Scope) -> Option<bool> {
        self.node.as_ref().map(|node| evaluate::holds(node, scope))
    }

    /// What comes out; `undefined` if it could not be parsed.
    pub(in crate::meta) fn outcome(&self, scope: &dyn Scope) -> Js {
        self.node.as_ref().map_or(Js::Undefined, |node| evaluate::evaluate(node, scope))
    }

    /// Whether something is shown under this condition: what cannot be parsed hides nothing.
    pub fn shows(&self, scope: &dyn Scope) -> bool {
        self.evaluate(scope).unwrap_or(true)
    }

    /// Whether something is required, or read only, under this condition: what cannot be parsed requires nothing.
    pub fn requires(&self, scope: &dyn Scope) -> bool {
        self.evaluate(scope).unwrap_or(false)
    }

    /// The tree for the interpreter in the browser; Null if it could not be parsed.
    pub fn to_json(&self) -> Json {
        self.node.as_ref().map_or(Json::Null, |node| node.to_json())
    }

    /// The fields of `doc` that it reads.
    pub fn fieldnames(&self) -> BTreeSet<&str> {
        self.reads().iter().filter_map(Read::field).collect()
    }

    /// All that it reads; rows stand before what is read of them.
    pub(crate) fn reads(&self) -> Vec<Read<'_>> {
        let mut found = Vec::new();
        if let Some(node) = &self.node {
            node.collect_reads(&mut found);
        }
        found
    }

    /// Whether it could not be parsed because it assigns with a single `=`, which is never meant.
    pub fn assigns(&self) -> bool {
        self.assigns
    }
}

impl Node {
    fn to_json(&self) -> Json {
        let list = |head: &str, nodes: &[Self]| {
            let mut items = vec![Json::from(head)];
            items.extend(nodes.iter().map(Self::to_json));
            Json::Array(items)
        };
        match self {
            Self::Undefined => json!(["undefined"]),
            Self::Null => json!(["lit", null]),
            Self::Bool(on) => json!(["lit", on]),
            Self::Number(number) => json!(["lit", number]),
            Self::Text(text) => json!(["lit", text]),
            Self::Array(items) => list("arr", items),
            Self::Bare(fieldname) => json!(["bare", fieldname]),
            Self::Doc(fieldname) => json!(["doc", fieldname]),
            Self::Parent(fieldname) => json!(["parent", fieldname]),
            Self::Linked(Through::Doc(link), fieldname) => json!(["linked", link, fieldname]),
            Self::Linked(Through::Parent(link), fieldname) => json!(["parent_linked", link, fieldname]),
            Self::Linked(Through::Single(doctype), fieldname) => json!(["single", doctype, fieldname]),
            Self::Each(aggregate, table, of) => {
                let mut items = vec![json!("each"), json!(aggregate.as_str()), json!(table)];
                items.extend(of.iter().map(|of| of.to_json()));
                Json::Array(items)
            }
            Self::IsNew => json!(["new"]),
            Self::User => json!(["user"]),
            Self::HasRole(role) => json!(["role", role.to_json()]),
            Self::Unary(operator, operand) => json!([operator.as_str(), operand.to_json()]),
            Self::And(operands) => list("&&", operands),
            Self::Or(operands) => list("||", operands),
            Self::Binary(operator, left, right) => json!([operator.as_str(), left.to_json(), right.to_json()]),
            Self::Conditional(parts) => list("?:", parts.as_slice()),
            Self::Call(function, arguments) => {
                let mut items = vec![json!("call"), json!(function.as_str())];
                items.extend(arguments.iter().map(Self::to_json));
                Json::Array(items)
            }
        }
    }

    fn collect_reads<'a>(&'a self, found: &mut Vec<Read<'a>>) {
        match self {
            Self::Bare(fieldname) | Self::Doc(fieldname) => found.push(Read::Doc(fieldname)),
            Self::Parent(fieldname) => found.push(Read::Parent(fieldname)),
            Self::Linked(through, fieldname) => found.push(Read::Linked(through, fieldname)),
            Self::Each(_, table, of) => {
                found.push(Read::Rows(table));
                let mut inner = Vec::new();
                if let Some(of) = of {
                    of.collect_reads(&mut inner);
                }
                found.extend(inner.into_iter().map(|read| match read {
                    // The parent of a row is the document itself.
                    Read::Parent(fieldname) => Read::Doc(fieldname),
                    Read::Person | Read::Time | Read::Linked(Through::Single(_), _) => read,
                    read => Read::OfRows(table, Box::new(read)),
                }));
            }
            Self::User => found.push(Read::Person),
            Self::HasRole(node) => {
                found.push(Read::Person);
                node.collect_reads(found);
            }
            Self::Unary(_, node) => node.collect_reads(found),
            Self::Binary(_, left, right) => {
                left.collect_reads(found);
                right.collect_reads(found);
            }
            Self::Call(function, nodes) => {
                if matches!(function, Function::Today | Function::Now) {
                    found.push(Read::Time);
                }
                for node in nodes {
                    node.collect_reads(found);
                }
            }
            Self::Array(nodes) | Self::And(nodes) | Self::Or(nodes) => {
                for node in nodes {
                    node.collect_reads(found);
                }
            }
            Self::Conditional(nodes) => {
                for node in nodes.iter() {
                    node.collect_reads(found);
                }
            }
            Self::Undefined | Self::Null | Self::Bool(_) | Self::Number(_) | Self::Text(_) | Self::IsNew => {}
        }
    }
}

impl Unary {
    fn as_str(self) -> &'static str {
        match self {
            Self::Not => "!",
            Self::Negate => "neg",
            Self::Number => "num",
            Self::TypeOf => "typeof",
        }
    }
}

impl Binary {
    fn as_str(self) -> &'static str {
        match self {
            Self::Coalesce => "??",
            Self::Equal => "==",
            Self::NotEqual => "!=",
            Self::Same => "===",
            Self::NotSame => "!==",
            Self::Less => "<",
            Self::Greater => ">",
            Self::LessOrEqual => "<=",
            Self::GreaterOrEqual => ">=",
            Self::Add => "+",
            Self::Subtract => "-",
            Self::Multiply => "*",
            Self::Divide => "/",
            Self::Remainder => "%",
            Self::BitAnd => "&",
            Self::BitOr => "|",
        }
    }
}
