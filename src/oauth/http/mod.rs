//! How endpoints read requests and answer them: errors, forms and JSON, CORS, limits by address.

pub(crate) mod endpoint;
pub(crate) mod rate_limit;
