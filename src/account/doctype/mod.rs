//! Behaviour of the DocTypes of this feature, one file each.

pub mod user;
