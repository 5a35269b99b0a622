//! Who may do what: pure decisions over what a session carries. Nothing here reads a database.

pub(crate) mod decide;
pub(crate) mod reader;
pub(crate) mod record;
pub(crate) mod session;

pub(crate) use decide::Grant;
pub use session::Session;
pub(crate) use session::{Limit, Once, TimesIn, UserAccess};
