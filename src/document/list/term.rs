//! The pieces of `fields`, `order_by` and `group_by`: a name, perhaps in a function, perhaps with an alias.

use crate::database::query::{Expression, Function};
use crate::document::list::scope::{Found, FoundColumn, Missing, Scope, refuse, shown};
use crate::document::list::visible::Purpose;
use crate::error::{Error, ProblemKind, Result};
use crate::meta::DocField;
use crate::meta::fieldtype::{Fieldtype, Shape};

/// The longest alias.
const MAX_ALIAS: usize = 64;

/// A name, perhaps in a function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Term<'t> {
    /// The function.
    pub function: Option<Function>,
    /// The name; `*` in `count(*)`.
    pub name: &'t str,
}

/// What a term stands for.
#[derive(Clone, Copy, Debug)]
pub(super) enum Meaning<'a> {
    /// A column or an aggregate, and the field whose values it shows.
    Expression(Expression<'a>, Option<FoundColumn<'a>>),
    /// A table field.
    Table(&'a DocField),
}

/// The functions by name.
pub(super) fn function(name: &str) -> Option<Function> {
    const FUNCTIONS: [(&str, Function); 5] = [
        ("count", Function::Count),
        ("sum", Function::Sum),
        ("avg", Function::Avg),
        ("min", Function::Min),
        ("max", Function::Max),
    ];
    FUNCTIONS.into_iter().find(|(known, _)| known.eq_ignore_ascii_case(name.trim())).map(|(_, function)| function)
}

/// `count(distinct f)`, `sum(f)`, `f`.
pub(super) fn parse(text: &str) -> Result<Term<'_>> {
    let text = text.trim();
    let Some((name, argument)) = text.strip_suffix(')').and_then(|text| text.split_once('(')) else {
        return Ok(Term { function: None, name: text });
    };
    let function = function(name).ok_or_else(|| {
        not_permitted(format!("Function {} is not available in lists: use count, sum, avg, min or max", shown(name)))
    })?;
    let argument = argument.trim();
    let distinct = argument.get(..9).filter(|word| word.eq_ignore_ascii_case("distinct "));
    match (function, distinct) {
        (Function::Count, Some(_)) => Ok(Term { function: Some(Function::CountDistinct), name: argument[9..].trim() }),
        _ => Ok(Term { function: Some(function), name: argument }),
    }
}

impl Term<'_> {
    /// What it stands for.
    pub(super) fn find<'a>(self, scope: &mut Scope<'a>, purpose: Purpose) -> Result<Meaning<'a>, Missing> {
        let Some(function) = self.function else {
            return Ok(match scope.find(self.name, purpose)? {
                Found::Column(found) => Meaning::Expression(Expression::Column(found.column), Some(found)),
                Found::Table(field) => Meaning::Table(field),
            });
        };
        // Every row adds one, as `SUM(1)` says it too.
        if function == Function::Count && self.name == "*" || is_counted_by(function, self.name) {
            return Ok(Meaning::Expression(Expression::CountAll, None));
        }
        match scope.find(self.name, Purpose::Order)? {
            Found::Column(found) => Ok(Meaning::Expression(Expression::Function(function, found.column), Some(found))),
            Found::Table(_) => Err(Missing::Unknown),
        }
    }

    /// What it stands for, where only columns and aggregates serve.
    pub(super) fn expression<'a>(self, scope: &mut Scope<'a>) -> Result<Expression<'a>> {
        match self.find(scope, Purpose::Order) {
            Ok(Meaning::Expression(expression, found)) => {
                check_function(expression, found.as_ref())?;
                Ok(expression)
            }
            Ok(Meaning::Table(_)) => Err(refuse(Missing::Unknown, self.name)),
            Err(missing) => Err(refuse(missing, self.name)),
        }
    }
}

fn is_counted_by(function: Function, argument: &str) -> bool {
    matches!(function, Function::Count | Function::Sum) && argument == "1"
}

/// Sums and means are for numbers.
pub(super) fn check_function(expression: Expression<'_>, found: Option<&FoundColumn<'_>>) -> Result<()> {
    let Expression::Function(Function::Sum | Function::Avg, column) = expression else { return Ok(()) };
    let is_check = found.and_then(|found| found.field).is_some_and(|field| field.fieldtype == Fieldtype::Check);
    if column.column_type.shape() == Shape::Text && !is_check {
        return Err(Error::misuse(format!("sum and avg need a number field, and {} is none", column.name)));
    }
    Ok(())
}

/// `f as n` → `f`, `n`. An ` as ` inside backticks belongs to a name.
pub(super) fn split_alias(text: &str) -> Result<(&str, Option<&str>)> {
    let bytes = text.as_bytes();
    let at = (0..bytes.len().saturating_sub(3)).rev().find(|at| {
        bytes[*at..*at + 4].eq_ignore_ascii_case(b" as ") && text[..*at].matches('`').count().is_multiple_of(2)
    });
    let Some(at) = at else { return Ok((text.trim(), None)) };
    Ok((text[..at].trim(), Some(parse_alias(&text[at + 4..])?)))
}

/// A key of the answer.
pub(super) fn parse_alias(text: &str) -> Result<&str> {
    let alias = text.trim().trim_matches(['`', '"', '\'']);
    let fits = |letter: char| letter.is_alphanumeric() || matches!(letter, '_' | ' ' | '-' | '.');
    if alias.is_empty() || alias.chars().count() > MAX_ALIAS || !alias.chars().all(fits) {
        let message = format!("{} cannot be the name of a field: use letters, digits and _", shown(text));
        return Err(not_permitted(message));
    }
    Ok(alias)
}

/// Splits at commas that are in no parentheses or backticks.
pub(super) fn split_commas(text: &str) -> impl Iterator<Item = &str> {
    let (mut depth, mut quoted) = (0_usize, false);
    text.split(move |letter| {
        match letter {
            '`' => quoted = !quoted,
            '(' if !quoted => depth += 1,
            ')' if !quoted => depth = depth.saturating_sub(1),
            ',' => return depth == 0 && !quoted,
            _ => {}
        }
        false
    })
    .map(str::trim)
}

/// What a query must not hold: of the class of an unknown field.
pub(super) fn not_permitted(message: String) -> Error {
    Error::invalid(ProblemKind::Data, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn terms_and_aliases() {
        let count = parse("Count( DISTINCT `tabA b`.`f` )").unwrap();
        assert_eq!(count, Term { function: Some(Function::CountDistinct), name: "`tabA b`.`f`" });
        assert_eq!(parse("name").unwrap(), Term { function: None, name: "name" });
        assert!(parse("sleep(1)").is_err());
        assert_eq!(split_alias("sum(qty) AS `total`").unwrap(), ("sum(qty)", Some("total")));
        assert_eq!(split_alias("`tabSame as Me`.`f`").unwrap(), ("`tabSame as Me`.`f`", None));
        assert!(split_alias("f as \"; drop").is_err());
        assert_eq!(split_alias("ä as b").unwrap(), ("ä", Some("b")));
        assert_eq!(split_commas("a, f(b, c), `d,e`").collect::<Vec<_>>(), ["a", "f(b, c)", "`d,e`"]);
    }
}
