//! Behaviour of the DocTypes of this feature, one file each.

pub(super) mod new_device;
pub(super) mod role;
pub(super) mod social_logins;
pub(super) mod system_settings;
pub(super) mod user;
pub(super) mod user_invitation;
