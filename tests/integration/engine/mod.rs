//! The engine seen from outside: whole lives of documents, by REST.

mod every_fieldtype;
mod frappe_doctypes;
mod life;
mod limited_to;
mod many_rows;
mod mask;
mod naming;
mod permissions;
mod restore;
mod sample;
mod time_zone;
mod tree;
