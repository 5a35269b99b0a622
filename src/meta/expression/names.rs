//! What stands behind a name: fields, functions, members of values, what forms and Frappe's scripts offer.

use super::function::{Aggregate, Function};
use super::parse::{Fault, Parser};
use super::token::Token;
use super::{Binary, Node, Through, Unary};

/// Names that stand for something in a browser and for nothing here.
const GLOBALS: [&str; 14] = [
    "window", "document", "console", "this", "new", "function", "locals", "moment", "Math", "Date", "JSON", "in",
    "await", "return",
];

/// Whether a value has a member of that name.
fn is_member(name: &str) -> bool {
    matches!(name, "length" | "toString") || Function::member(name).is_some()
}

/// `String(x)`: what is added to a text is text.
fn as_text(node: Node) -> Node {
    Node::Binary(Binary::Add, Box::new(Node::Text(String::new())), Box::new(node))
}

impl Parser {
    pub(super) fn named(&mut self, name: &str) -> Result<Node, Fault> {
        if self.is_next("(")
            && let Some(function) = Function::called(name)
        {
            return self.call(name, function);
        }
        if self.is_next("(")
            && let Some(aggregate @ (Aggregate::Sum | Aggregate::Count | Aggregate::Avg)) = Aggregate::of(name)
        {
            return self.aggregate(aggregate);
        }
        let function = match name {
            "true" => return Ok(Node::Bool(true)),
            "false" => return Ok(Node::Bool(false)),
            "null" => return Ok(Node::Null),
            "undefined" => return Ok(Node::Undefined),
            "doc" => return self.field(Node::Doc),
            "parent" => return self.field(Node::Parent),
            "cur_frm" | "frm" => return self.form(),
            "frappe" => return self.frappe(),
            "parseInt" | "parseFloat" => (Function::ParseNumber, 1, 2),
            "Object" => {
                self.expect(".")?;
                match self.name()?.as_str() {
                    "keys" | "values" | "entries" => (Function::Keys, 1, 1),
                    other => return Err(format!("`Object.{other}` is unknown here").into()),
                }
            }
            "Math" => {
                self.expect(".")?;
                let name = self.name()?;
                // `Math.round` sends halves up, `round` to the even digit.
                let known =
                    Function::called(&name).filter(|_| ["abs", "floor", "ceil", "min", "max"].contains(&&*name));
                let function = known.ok_or_else(|| format!("`Math.{name}` is unknown here"))?;
                return self.call(&name, function);
            }
            "Boolean" | "Number" | "String" | "is_null" if self.is_next("(") => return self.converted(name),
            "get_single_value" if self.is_next("(") => return self.single(),
            // What is not a field of ours but a browser's own, and calls of what nobody here knows.
            _ if GLOBALS.contains(&name) && !self.is_formula || self.is_next("(") => {
                return Err(format!("`{name}` is unknown here: name fields as `doc.{name}`").into());
            }
            _ if !self.is_formula
                && matches!(self.tokens.get(self.at), Some(Token::Sign("." | "?.")))
                && !matches!(self.tokens.get(self.at + 1), Some(Token::Name(member)) if is_member(member)) =>
            {
                return Err(format!("`{name}` is unknown here: name fields as `doc.{name}`").into());
            }
            // Frappe's forms know the fields by their bare names too.
            "__islocal" => return Ok(Node::IsNew),
            _ => return Ok(Node::Doc(name.to_owned())),
        };
        self.call(name, function)
    }

    /// The arguments of a function.
    fn call(&mut self, name: &str, (function, least, most): (Function, usize, usize)) -> Result<Node, Fault> {
        self.expect("(")?;
        let mut arguments = self.list(")")?;
        if arguments.len() < least || arguments.len() > most {
            return Err(format!("`{name}` takes {least} argument{}", if least == 1 { "" } else { "s" }).into());
        }
        // The smallest and largest of the rows of a table, or of several values.
        if let (Function::Min | Function::Max, [Node::Linked(Through::Doc(table), fieldname)]) =
            (function, arguments.as_slice())
            && let Some(aggregate) = Aggregate::of(name)
        {
            let of = Some(Box::new(Node::Doc(fieldname.clone())));
            return Ok(Node::Each(aggregate, table.clone(), of));
        }
        // `parseInt(x, 10)` and `cint(x, default)`: the second argument changes nothing here.
        if matches!(function, Function::ParseNumber | Function::Cint) {
            arguments.truncate(1);
        }
        Ok(Node::Call(function, arguments))
    }

    /// `sum(items.amount)`, `sum(items, qty * rate)`, `count(items)`, `count(items, condition)`.
    fn aggregate(&mut self, aggregate: Aggregate) -> Result<Node, Fault> {
        let name = aggregate.as_str();
        if !self.is_formula {
            return Err(format!("`{name}` works in `formula` and `validations` only").into());
        }
        self.expect("(")?;
        let mut arguments = self.list(")")?;
        self.count()?;
        let of = (arguments.len() == 2).then(|| arguments.pop()).flatten().map(Box::new);
        match (arguments.pop(), arguments.is_empty(), of) {
            (Some(Node::Doc(table)), true, of) if of.is_some() || aggregate == Aggregate::Count => {
                Ok(Node::Each(aggregate, table, of))
            }
            (Some(Node::Linked(Through::Doc(table), fieldname)), true, None) => {
                Ok(Node::Each(aggregate, table, Some(Box::new(Node::Doc(fieldname)))))
            }
            _ => {
                Err(format!("`{name}` takes rows, such as `{name}(items.amount)` or `{name}(items, qty * rate)`")
                    .into())
            }
        }
    }

    /// `get_single_value("Settings", "field")`.
    fn single(&mut self) -> Result<Node, Fault> {
        if !self.is_formula {
            return Err("`get_single_value` works in `formula` and `validations` only".into());
        }
        self.expect("(")?;
        match self.list(")")?.as_slice() {
            [Node::Text(doctype), Node::Text(fieldname)] => {
                Ok(Node::Linked(Through::Single(doctype.clone()), fieldname.clone()))
            }
            _ => Err("`get_single_value` takes a DocType and a fieldname, both in quotes".into()),
        }
    }

    /// `Boolean(x)`, `Number(x)`, `String(x)`, `is_null(x)`, in terms of operators.
    fn converted(&mut self, name: &str) -> Result<Node, Fault> {
        self.expect("(")?;
        let mut arguments = self.list(")")?;
        let (Some(argument), true) = (arguments.pop(), arguments.is_empty()) else {
            return Err(format!("`{name}` takes 1 argument").into());
        };
        self.count()?;
        let unary = |operator, node| Node::Unary(operator, Box::new(node));
        Ok(match name {
            "Boolean" => unary(Unary::Not, unary(Unary::Not, argument)),
            "Number" => unary(Unary::Number, argument),
            "is_null" => {
                let text = Node::Call(Function::Trim, vec![Node::Call(Function::Cstr, vec![argument])]);
                unary(Unary::Not, text)
            }
            _ => as_text(argument),
        })
    }

    fn field(&mut self, make: fn(String) -> Node) -> Result<Node, Fault> {
        let fieldname = if self.skip("[") {
            let Some(Token::Text(fieldname)) = self.tokens.get(self.at).cloned() else {
                return Err("a fieldname in quotes is missing after `doc[`".into());
            };
            self.at += 1;
            self.expect("]")?;
            fieldname
        } else if self.skip(".") || self.skip("?.") {
            self.name()?
        } else {
            // The document itself, which is always there.
            return Ok(Node::Bool(true));
        };
        // A document that was never saved; `parent.__islocal` has no such meaning for its rows.
        Ok(match make(fieldname) {
            Node::Doc(fieldname) if fieldname == "__islocal" => Node::IsNew,
            node => node,
        })
    }

    fn form(&mut self) -> Result<Node, Fault> {
        self.expect(".")?;
        match self.name()?.as_str() {
            "doc" => self.field(Node::Doc),
            "is_new" => {
                self.expect("(")?;
                self.expect(")")?;
                Ok(Node::IsNew)
            }
            other => Err(format!("`frm.{other}` is a form's own: only `frm.doc` and `frm.is_new()` work here").into()),
        }
    }

    fn frappe(&mut self) -> Result<Node, Fault> {
        self.expect(".")?;
        let what = self.name()?;
        self.expect(".")?;
        let part = self.name()?;
        if let ("datetime" | "utils", Some(function)) = (what.as_str(), Function::called(&part)) {
            return self.call(&part, function);
        }
        match (what.as_str(), part.as_str()) {
            ("db", "get_single_value") => self.single(),
            ("session", "user") | ("user", "name") => Ok(Node::User),
            ("boot", "developer_mode") => Ok(Node::Bool(false)),
            ("user", "has_role") | ("user_roles", "includes" | "indexOf") => {
                self.expect("(")?;
                let mut arguments = self.list(")")?;
                match (arguments.pop(), arguments.is_empty()) {
                    (Some(role), true) if part == "indexOf" => {
                        let [yes, no] = [0.0, -1.0].map(Node::Number);
                        Ok(Node::Conditional(Box::new([Node::HasRole(Box::new(role)), yes, no])))
                    }
                    (Some(role), true) => Ok(Node::HasRole(Box::new(role))),
                    _ => Err(format!("`frappe.{what}.{part}` takes one role").into()),
                }
            }
            _ => Err(format!("`frappe.{what}.{part}` is unknown here").into()),
        }
    }

    pub(super) fn member(&mut self, target: Node) -> Result<Node, Fault> {
        let name = self.name()?;
        if name == "length" {
            return Ok(Node::Call(Function::Length, vec![target]));
        }
        if name == "toString" {
            self.expect("(")?;
            self.expect(")")?;
            return Ok(as_text(target));
        }
        let Some((function, least, most)) = Function::member(&name) else {
            return match target {
                Node::Doc(link) if self.is_formula && !self.is_next("(") => Ok(Node::Linked(Through::Doc(link), name)),
                Node::Parent(link) if self.is_formula && !self.is_next("(") => {
                    Ok(Node::Linked(Through::Parent(link), name))
                }
                _ => Err(format!("`.{name}` is unknown here").into()),
            };
        };
        self.expect("(")?;
        let mut arguments = self.list(")")?;
        if arguments.len() < least || arguments.len() > most {
            return Err(format!("`.{name}` takes {least} argument{}", if least == 1 { "" } else { "s" }).into());
        }
        arguments.insert(0, target);
        Ok(Node::Call(function, arguments))
    }
}
