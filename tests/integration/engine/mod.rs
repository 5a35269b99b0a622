//! The engine seen from outside: whole lives of documents, by REST.

pub mod every_fieldtype;
mod frappe_doctypes;
mod life;
mod limited_to;
mod many_rows;
mod mask;
mod naming;
mod permissions;
mod restore;
pub mod sample;
mod time_zone;
mod tree;
