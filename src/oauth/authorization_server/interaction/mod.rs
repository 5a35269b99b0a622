//! What a person sees between a client's request and its answer: who they are, what they are asked, what they answer.

mod answer;
pub mod authorize;
mod code;
mod consent;
pub mod device;
pub mod end_session;
mod id_token_hint;
mod other_account;
pub mod page;
pub mod pending;
pub mod person;
mod stop;
