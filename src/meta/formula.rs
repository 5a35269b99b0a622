//! Formulas of fields: what a result becomes in its field, and in which order the formulas of a document and of its rows
//! are computed.

use serde_json::Value as Json;

use crate::clock::Zone;
use crate::meta::decimal;
use crate::meta::docfield::DocField;
use crate::meta::doctype::DocType;
use crate::meta::expression::date;
use crate::meta::expression::evaluate::Js;
use crate::meta::expression::{Expression, Read, Scope};
use crate::meta::fieldtype::Fieldtype;
use crate::meta::keys::Property;
use crate::meta::naming_rule::{NamingRule, SeriesPart};
use crate::meta::value::Value;

/// Floats hold every whole number below this one.
const EXACT: f64 = 9_007_199_254_740_992.0;
/// The places that a decimal column keeps.
const PLACES: u8 = 9;

/// The formula of a field.
#[derive(Clone, Debug, PartialEq)]
pub struct Formula(pub Expression);

impl Property for Option<Formula> {
    fn read(value: Option<&Json>) -> Self {
        Option::<String>::read(value).as_deref().map(|text| Formula(Expression::parse_formula(text)))
    }

    fn write(&self) -> Json {
        Json::from(self.as_ref().map(|formula| formula.0.source.as_str()))
    }
}

/// What a field makes of a result. The browser does the same (`templates/assets/desk/formulas.js`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fit {
    /// Rounded to so many places.
    Number(u8),
    /// A share from 0 to 1.
    Share,
    /// Without what stands behind the point.
    Whole,
    /// 1 if it holds, else 0.
    Flag,
    /// The date of a date or datetime.
    Date,
    /// A datetime; of a date its first moment.
    Datetime,
    /// A time of day.
    Time,
    /// Text.
    Text,
}

impl Fit {
    /// `None`: a field of this type cannot be computed.
    pub fn of(field: &DocField) -> Option<Self> {
        use Fieldtype as F;
        Some(match field.fieldtype {
            F::Float | F::Currency | F::Percent => Self::Number(field.precision.unwrap_or(PLACES)),
            F::Duration => Self::Number(PLACES),
            F::Rating => Self::Share,
            F::Int | F::LongInt => Self::Whole,
            F::Check => Self::Flag,
            F::Date => Self::Date,
            F::Datetime => Self::Datetime,
            F::Time => Self::Time,
            F::Data
            | F::SmallText
            | F::Text
            | F::LongText
            | F::Code
            | F::Select
            | F::Autocomplete
            | F::ReadOnly
            | F::Color
            | F::Phone
            | F::Barcode
            | F::Icon => Self::Text,
            _ => return None,
        })
    }

    /// How the browser calls it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Number(_) => "number",
            Self::Share => "share",
            Self::Whole => "whole",
            Self::Flag => "flag",
            Self::Date => "date",
            Self::Datetime => "datetime",
            Self::Time => "time",
            Self::Text => "text",
        }
    }

    /// The places that a number keeps.
    pub fn places(self) -> u8 {
        if let Self::Number(places) = self { places } else { 0 }
    }

    /// The value to be stored, datetimes in the zone of the expression; Null where there is none, such as after a division
    /// by zero.
    fn value(self, outcome: &Js) -> Value {
        let number = || Some(outcome.to_number()).filter(|number| !outcome.is_blank() && number.is_finite());
        let moment = |parse: fn(&str) -> Option<String>| match outcome {
            Js::Text(text) => parse(text).into(),
            _ => Value::Null,
        };
        match self {
            Self::Number(places) => number().map(|number| decimal::round(number, i32::from(places))).into(),
            Self::Share => number().map(|number| decimal::round(number.clamp(0.0, 1.0), 2)).into(),
            #[expect(clippy::cast_possible_truncation, reason = "whole and within 2^53")]
            Self::Whole => number().filter(|number| number.abs() < EXACT).map(|number| number as i64).into(),
            Self::Flag => outcome.is_truthy().into(),
            Self::Date => moment(date::as_date),
            Self::Datetime => moment(date::as_datetime),
            Self::Time => moment(date::as_time),
            Self::Text => match outcome {
                Js::Null | Js::Undefined | Js::Rows(_) => Value::Null,
                outcome => Value::Text(outcome.to_text()),
            },
        }
    }
}

impl Formula {
    /// The value of the field. Datetimes are read and come out in `zone`; what could not be computed is empty.
    pub fn compute(&self, field: &DocField, scope: &dyn Scope, zone: Zone) -> Value {
        let Some(fit) = Fit::of(field) else { return Value::Null };
        let value = match fit.value(&self.0.outcome(scope)) {
            Value::Text(text) if fit == Fit::Datetime && !zone.is_utc() => Value::Text(zone.stored(&text)),
            value => value,
        };
        match value {
            Value::Null if field.fieldtype.is_never_null() => match fit {
                Fit::Number(_) => Value::Float(0.0),
                _ => Value::Int(0),
            },
            value => value,
        }
    }
}

/// One formula of a document, or of the rows of one of its tables.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Step {
    /// The table field whose rows have the formula.
    pub table: Option<String>,
    /// The field.
    pub fieldname: String,
    /// Computed on reading as well.
    pub is_virtual: bool,
    /// Whether it reads other documents.
    pub reads_others: bool,
}

/// What a DocType and its child tables compute and check of a document.
#[derive(Clone, Debug, Default)]
pub(crate) struct Formulas {
    /// In the order of dependencies.
    pub steps: Vec<Step>,
    /// Whether some are computed on reading.
    pub has_virtual: bool,
    /// Whether documents are named by one of them.
    pub names: bool,
    /// Whether there are validations, of its own or of rows.
    pub has_validations: bool,
}

/// A formula among those of a document: the table field, if it is a row's, and the field.
type Key<'a> = (Option<&'a str>, &'a str);

impl Formulas {
    /// Those of a DocType; `None` if it has neither formulas nor validations.
    ///
    /// # Errors
    /// The path of a circle, such as `a → b → a`.
    pub(crate) fn of<'a>(
        doctype: &'a DocType,
        get: &dyn Fn(&str) -> Option<&'a DocType>,
    ) -> Result<Option<Self>, String> {
        let children: Vec<(&str, &DocType)> =
            doctype.table_fields().filter_map(|table| Some((table.fieldname.as_str(), get(&table.options)?))).collect();
        let all = || children.iter().map(|(_, child)| *child).chain([doctype]);
        let has_validations = all().any(|doctype| !doctype.validations.is_empty());
        if !has_validations && !all().any(|doctype| doctype.fields.iter().any(|field| field.formula.is_some())) {
            return Ok(None);
        }
        let mut ordering = Ordering { doctype, children: &children, path: Vec::new(), done: Vec::new() };
        let rows = children.iter().flat_map(|(table, child)| child.fields.iter().map(|field| (Some(*table), field)));
        for (table, field) in rows.chain(doctype.fields.iter().map(|field| (None, field))) {
            if field.formula.is_some() {
                ordering.visit((table, &field.fieldname))?;
            }
        }
        let steps: Vec<Step> = ordering.done.iter().map(|key| ordering.step(*key)).collect();
        let is_computed = |name: &str| doctype.field(name).is_some_and(|field| field.formula.is_some());
        let names = match &doctype.naming_rule {
            NamingRule::Field(name) => is_computed(name),
            NamingRule::Series(parts) => {
                parts.iter().any(|part| matches!(part, SeriesPart::Field(name) if is_computed(name)))
            }
            _ => false,
        };
        Ok(Some(Self { has_virtual: steps.iter().any(|step| step.is_virtual), steps, names, has_validations }))
    }
}

struct Ordering<'a, 'c> {
    doctype: &'a DocType,
    children: &'c [(&'a str, &'a DocType)],
    path: Vec<Key<'a>>,
    done: Vec<Key<'a>>,
}

impl<'a> Ordering<'a, '_> {
    fn field(&self, (table, fieldname): Key<'_>) -> Option<&'a DocField> {
        match table {
            Some(table) => self.children.iter().find(|(name, _)| *name == table)?.1.field(fieldname),
            None => self.doctype.field(fieldname),
        }
        .filter(|field| field.formula.is_some())
    }

    fn visit(&mut self, key: Key<'a>) -> Result<(), String> {
        if self.done.contains(&key) {
            return Ok(());
        }
        let Some(field) = self.field(key) else { return Ok(()) };
        let begins = self.path.iter().position(|earlier| *earlier == key);
        self.path.push(key);
        if let Some(begins) = begins {
            let name = |(table, fieldname): &Key<'_>| {
                table.map_or_else(|| (*fieldname).to_owned(), |table| format!("{table}.{fieldname}"))
            };
            return Err(self.path[begins..].iter().map(name).collect::<Vec<_>>().join(" → "));
        }
        let reads = field.formula.as_ref().map(|formula| formula.0.reads()).unwrap_or_default();
        for read in reads {
            if let Some(name) = read.field() {
                self.visit((key.0, name))?;
            } else if let (Some(name), true) = (read.parent_field(), key.0.is_some()) {
                self.visit((None, name))?;
            } else if let Some((table, name)) = read.row_field() {
                self.visit((Some(table), name))?;
            }
        }
        self.path.pop();
        self.done.push(key);
        Ok(())
    }

    fn step(&self, key: Key<'_>) -> Step {
        let field = self.field(key);
        let reads = field.and_then(|field| field.formula.as_ref()).map(|formula| formula.0.reads());
        Step {
            table: key.0.map(str::to_owned),
            fieldname: key.1.to_owned(),
            is_virtual: field.is_some_and(|field| field.is_virtual),
            reads_others: reads.unwrap_or_default().iter().any(reads_others),
        }
    }
}

/// Whether it is in another document.
pub(crate) fn reads_others(read: &Read<'_>) -> bool {
    match read {
        Read::Linked(..) => true,
        Read::OfRows(_, read) => reads_others(read),
        _ => false,
    }
}
