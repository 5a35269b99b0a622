//! What a DocType is. Pure: no database, no HTTP, no clock.

mod automatic;
pub(crate) mod check;
pub(crate) mod decimal;
pub(crate) mod docfield;
pub(crate) mod docperm;
pub(crate) mod doctype;
pub(crate) mod document;
pub(crate) mod expression;
pub(crate) mod fieldtype;
pub(crate) mod formula;
pub(crate) mod in_force;
pub(crate) mod jinja;
pub(crate) mod keys;
pub(crate) mod limited;
pub(crate) mod load;
pub(crate) mod naming_rule;
pub(crate) mod registry;
pub(crate) mod rewrite;
pub(crate) mod schema;
mod searched;
pub(crate) mod validation;
pub(crate) mod value;
pub(crate) mod workflow;

pub use docfield::DocField;
pub use docperm::Right;
pub(crate) use docperm::Rights;
pub use doctype::DocType;
pub(crate) use document::{Document, View};
pub(crate) use fieldtype::ColumnType;
pub use fieldtype::Fieldtype;
pub use registry::Registry;
pub use value::Value;
