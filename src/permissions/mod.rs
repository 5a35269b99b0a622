//! Who may do what: pure decisions over what a session carries. Nothing here reads a database.

pub mod decide;
pub mod session;

pub use decide::{Denied, Grant};
pub use session::{Limit, Session, TimesIn, UserAccess, UserPermission};
