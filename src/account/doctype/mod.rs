//! Behaviour of the DocTypes of this feature, one file each.

pub mod role;
pub mod social_logins;
pub mod system_settings;
pub mod user;
