//! What a person sees between a client's request and its answer: who they are, what they are asked, what they answer.

mod answer;
pub(crate) mod authorize;
mod code;
mod consent;
pub(crate) mod device;
pub(crate) mod end_session;
mod id_token_hint;
mod other_account;
pub(crate) mod page;
pub(crate) mod pending;
pub(crate) mod person;
mod stop;
