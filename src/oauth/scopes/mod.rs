//! What the scopes of this site mean: OAuth Scope Definitions, what is offered, and how they limit a session.

pub(crate) mod scope_catalogue;
pub(crate) mod scope_limit;
pub(crate) mod site_scopes;
