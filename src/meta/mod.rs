//! What a DocType is. Pure: no database, no HTTP, no clock.

pub mod check;
pub mod docfield;
pub mod docperm;
pub mod doctype;
pub mod document;
pub mod expression;
pub mod fieldtype;
pub mod in_force;
pub mod keys;
pub mod load;
pub mod naming_rule;
pub mod registry;
pub mod schema;
pub mod value;

pub use docfield::DocField;
pub use docperm::{DocPerm, Right, Rights};
pub use doctype::DocType;
pub use document::{Document, View};
pub use expression::Expression;
pub use fieldtype::{ColumnType, Fieldtype};
pub use registry::Registry;
pub use value::Value;
