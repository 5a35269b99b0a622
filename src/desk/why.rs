//! `/app/_why`: whether a person, key or token may do this to that document, rule by rule, and what would have to change.

use poem::Response;
use poem::http::StatusCode;
use serde::Serialize;
use url::form_urlencoded::Serializer;

use crate::desk::form::view::Link;
use crate::desk::{document_url, shell};
use crate::error::{Error, Result};
use crate::meta::Right;
use crate::web::Exchange;
use crate::web::explain::{Explanation, Question, administers, explain};
use crate::web::templates::html;

/// Everything that `desk/why.hbs` places.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct WhyView {
    /// What was typed: the DocType.
    pub doctype: String,
    /// The document.
    pub name: String,
    /// The right.
    pub right: String,
    /// The person.
    pub user: String,
    /// The kinds of credentials, each with what was typed.
    pub credentials: Vec<CredentialView>,
    /// The DocTypes to choose from, as they are called and as they are shown.
    pub doctypes: Vec<ChoiceView>,
    /// The rights to choose from.
    pub rights: Vec<&'static str>,
    /// The answer; none before anything was asked.
    pub answer: Option<Explanation>,
    /// What is wrong with the question.
    pub problem: String,
    /// The document's form.
    pub document_url: String,
}

/// A DocType in a list of choices.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct ChoiceView {
    /// What is sent.
    pub value: String,
    /// What is read.
    pub label: String,
}

/// A kind of credentials in the question.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct CredentialView {
    /// The parameter.
    pub parameter: &'static str,
    /// The DocType.
    pub label: String,
    /// What was typed.
    pub value: String,
}

/// The address of the page for a question; pairs without a value are left out.
pub(crate) fn url(pairs: &[(&str, &str)]) -> String {
    let pairs = pairs.iter().filter(|(_, value)| !value.is_empty());
    format!("/app/_why?{}", Serializer::new(String::new()).extend_pairs(pairs).finish())
}

/// GET `/app/_why?doctype=…&name=…&right=…&user=…` (or `api_key=…`, `token=…`)
pub(crate) async fn get(exchange: Exchange) -> Result<Response> {
    shell::require_desk(&exchange)?;
    if !administers(exchange.session()) {
        return Err(Error::Permission("This page is for System Managers".to_owned()));
    }
    let query = exchange.query();
    let given = |key: &str| query.iter().find(|(name, _)| name == key).map_or("", |(_, value)| value.trim());
    let some = |key: &str| Some(given(key).to_owned()).filter(|text| !text.is_empty());
    let registry = exchange.registry();
    let credentials: Vec<CredentialView> = exchange
        .site
        .credential_kinds
        .iter()
        .map(|kind| CredentialView {
            parameter: kind.parameter(),
            label: exchange.say(kind.doctype()),
            value: given(kind.parameter()).to_owned(),
        })
        .collect();
    let chosen = credentials.iter().find(|kind| !kind.value.is_empty());
    let question = Question {
        doctype: given("doctype").to_owned(),
        name: some("name"),
        right: Right::parse(given("right")),
        user: some("user"),
        credential: chosen.map(|kind| (kind.parameter.to_owned(), kind.value.clone())),
    };
    let answer = if question.doctype.is_empty() {
        Ok(None)
    } else {
        explain(&exchange.site, exchange.session(), exchange.language(), &question).await.map(Some)
    };
    // Whoever mistyped a name stays at the question.
    let (answer, problem) = match answer {
        Ok(answer) => (answer, String::new()),
        Err(error @ (Error::DoesNotExist { .. } | Error::Validation(_))) => (None, exchange.say(&error.to_string())),
        Err(error) => return Err(error),
    };
    let known = registry.get(&question.doctype);
    let mut doctypes: Vec<ChoiceView> = registry
        .iter()
        .filter(|known| !known.istable)
        .map(|known| ChoiceView { value: known.name.clone(), label: exchange.say(&known.name) })
        .collect();
    doctypes.sort_by(|a, b| a.label.cmp(&b.label));
    let title = exchange.say("Why May Somebody Do This");
    let crumbs = vec![Link { label: exchange.say("Rights"), href: "/app/_rights".to_owned() }];
    let view = WhyView {
        document_url: match (known, &answer) {
            (Some(known), Some(answer)) => match &answer.name {
                Some(name) => document_url(&known.slug(), name),
                None => format!("/app/{}", known.slug()),
            },
            _ => String::new(),
        },
        name: given("name").to_owned(),
        right: question.right.unwrap_or(Right::Read).as_str().to_owned(),
        user: given("user").to_owned(),
        doctype: question.doctype,
        credentials,
        doctypes,
        rights: Right::ALL.map(Right::as_str).to_vec(),
        answer,
        problem,
    };
    Ok(html(StatusCode::OK, shell::render(&exchange, "desk/why", &title, crumbs, view).await?))
}
