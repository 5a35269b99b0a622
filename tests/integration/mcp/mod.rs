//! AI assistants at `/mcp`: the protocol in both revisions, rights, questions, the record.

mod confirm;
mod journey;
mod origins;
mod protocol;
mod record;
mod rights;
mod sdk;
mod support;
mod tools;
