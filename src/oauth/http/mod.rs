//! How endpoints read requests and answer them: errors, forms and JSON, CORS.

pub(crate) mod endpoint;
