//! `depends_on` and its kin: the JavaScript subset that DocTypes use, parsed once, evaluated here and nowhere else.
//!
//! What can be written: literals, arrays, `doc.field`, `parent.field`, `doc.table.length`, `doc.__islocal`,
//! `! && || ?? & | == != === !== < > <= >= + - * / % ?: typeof`, parentheses, templates, `in_list(array, value)`,
//! `has_common`, `is_null`, `cint`, `flt`, `cstr`, `parseInt`, `Boolean`, `Object.keys(x)`, `array.includes(value)`,
//! `x.indexOf(y)`, `text.split(",")`, `text.startsWith(part)`, `text.endsWith(part)`, `frappe.session.user`,
//! `frappe.user.has_role("Role")`, `frappe.boot.developer_mode` (false), `cur_frm.doc` or `frm.doc` for `doc`, and bare names for
//! fields. A text without `eval:` is one fieldname.
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
//! | `["call", name, a, …]` | `in_list`, `cint`, `flt`, `cstr`, `includes`, `startsWith`, `endsWith`, `length`, `toLowerCase`, `toUpperCase`, `trim`, `indexOf`, `split`, `keys`, `has_common`, `parseNumber` |

mod evaluate;
mod parse;
#[cfg(test)]
mod tests;
mod token;

use std::collections::BTreeSet;

use serde_json::{Value as Json, json};

use crate::meta::value::Value;

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

#[derive(Clone, Copy, Debug, PartialEq)]
enum Function {
    InList,
    Cint,
    Flt,
    Cstr,
    Includes,
    StartsWith,
    EndsWith,
    Length,
    ToLowerCase,
    ToUpperCase,
    Trim,
    IndexOf,
    Split,
    Keys,
    HasCommon,
    ParseNumber,
}

impl Expression {
    /// Reads a condition. Never fails: what is not understood is kept with the reason.
    pub fn parse(text: &str) -> Self {
        let (node, unparsed, assigns) = match parse::parse(text) {
            Ok(node) => (Some(Box::new(node)), None, false),
            Err(fault) => (None, Some(fault.message), fault.assigns),
        };
        Self { source: text.to_owned(), unparsed, node, assigns }
    }

    /// Whether it holds; `None` if it could not be parsed.
    pub fn evaluate(&self, scope: &dyn Scope) -> Option<bool> {
        self.node.as_ref().map(|node| evaluate::holds(node, scope))
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
        let mut found = BTreeSet::new();
        if let Some(node) = &self.node {
            node.collect_fieldnames(&mut found);
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

    fn collect_fieldnames<'a>(&'a self, found: &mut BTreeSet<&'a str>) {
        match self {
            Self::Bare(fieldname) | Self::Doc(fieldname) => {
                found.insert(fieldname);
            }
            Self::HasRole(node) | Self::Unary(_, node) => node.collect_fieldnames(found),
            Self::Binary(_, left, right) => {
                left.collect_fieldnames(found);
                right.collect_fieldnames(found);
            }
            Self::Array(nodes) | Self::And(nodes) | Self::Or(nodes) | Self::Call(_, nodes) => {
                for node in nodes {
                    node.collect_fieldnames(found);
                }
            }
            Self::Conditional(nodes) => {
                for node in nodes.iter() {
                    node.collect_fieldnames(found);
                }
            }
            Self::Undefined
            | Self::Null
            | Self::Bool(_)
            | Self::Number(_)
            | Self::Text(_)
            | Self::Parent(_)
            | Self::IsNew
            | Self::User => {}
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

impl Function {
    fn as_str(self) -> &'static str {
        match self {
            Self::InList => "in_list",
            Self::Cint => "cint",
            Self::Flt => "flt",
            Self::Cstr => "cstr",
            Self::Includes => "includes",
            Self::StartsWith => "startsWith",
            Self::EndsWith => "endsWith",
            Self::Length => "length",
            Self::ToLowerCase => "toLowerCase",
            Self::ToUpperCase => "toUpperCase",
            Self::Trim => "trim",
            Self::IndexOf => "indexOf",
            Self::Split => "split",
            Self::Keys => "keys",
            Self::HasCommon => "has_common",
            Self::ParseNumber => "parseNumber",
        }
    }
}
