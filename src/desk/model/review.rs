//! What a change does, before it is done: to the file line by line, to the tables with numbers of rows, and to the form.

use std::sync::Arc;

use poem::Response;
use poem::http::StatusCode;
use serde::Serialize;
use similar::{ChangeTag, TextDiff};

use super::wish::Wish;
use super::{FileView, Subject, at_field, carried, crumbs};
use crate::desk::form::access::Access;
use crate::desk::form::build::{FormInput, form_view};
use crate::desk::form::view::{Confirm, FormView, Pair};
use crate::desk::help::{self, Span};
use crate::desk::shell;
use crate::desk::titles::Titles;
use crate::error::{Error, FieldProblem, Invalid, ProblemKind, Result};
use crate::meta::rewrite::change::{Definition, holds};
use crate::meta::{DocType, Document, Registry};
use crate::permissions::Grant;
use crate::web::Exchange;
use crate::web::model::{ModelProblem, Preview, Step};
use crate::web::templates::html;

/// Unchanged lines shown around those that change.
const AROUND: usize = 3;

/// What the page about a change shows beside it.
#[derive(Default)]
pub(super) struct Review {
    /// What was typed.
    pub pairs: Vec<(String, String)>,
    /// Why it is changed.
    pub why: String,
    /// Why it was not applied.
    pub problem: String,
}

/// Everything that `desk/model_review.hbs` places.
#[derive(Serialize)]
struct ReviewPage {
    doctype: String,
    url: String,
    file: FileView,
    /// Nothing is different.
    nothing: bool,
    lines: Vec<Line>,
    warnings: Vec<String>,
    plan: Vec<StepView>,
    is_risky: bool,
    is_refused: bool,
    pairs: Vec<Pair>,
    seen: String,
    why: String,
    problem: String,
    /// The form as it would be.
    preview: Option<FormView>,
}

/// A line of the difference.
#[derive(Serialize)]
struct Line {
    /// `added`, `removed`, `same` or `gap`.
    class: &'static str,
    /// `+`, `-` or nothing.
    sign: &'static str,
    text: String,
}

#[derive(Serialize)]
struct StepView {
    class: &'static str,
    help: Vec<Span>,
}

/// Looks what a change would do; says at the fields of the form why it cannot be made, if it cannot.
pub(super) async fn check(exchange: &Exchange, subject: &Subject, wish: &Wish) -> Result<Preview> {
    let preview = exchange.site.model.preview(&exchange.site, &wish.file).await?;
    if !preview.problems.is_empty() {
        let problems = preview.problems.into_iter().map(|problem| placed(subject, wish, problem)).collect();
        return Err(Error::Validation(Invalid { problems }));
    }
    let after = preview.registry.get(&wish.file.doctype);
    if let (Some((now, wanted)), Some(before), Some(after)) = (&wish.form, &subject.doctype, after)
        && !holds(before, now, wanted, after)
    {
        let message = format!("The form cannot make this change in {}: edit its text", wish.file.path);
        return Err(Error::invalid(ProblemKind::Validation, message));
    }
    Ok(preview)
}

/// Shows it.
pub(super) async fn show(
    exchange: &Exchange,
    subject: &Subject,
    wish: Wish,
    found: Preview,
    review: Review,
) -> Result<Response> {
    let Preview { warnings, plan, registry, .. } = found;
    let after = registry.get(&wish.file.doctype);
    let (before, text) = (wish.file.before.as_deref().unwrap_or(""), wish.file.after.as_deref().unwrap_or(""));
    let url = subject.url();
    let mut pairs = carried(review.pairs);
    if wish.form.is_none() {
        pairs.retain(|pair| pair.name != super::TEXT);
        pairs.push(Pair { name: super::TEXT.to_owned(), value: text.to_owned() });
    }
    let page = ReviewPage {
        doctype: wish.file.doctype.clone(),
        nothing: before == text,
        lines: difference(before, text),
        is_risky: plan.iter().any(|step| step.is_risky),
        is_refused: plan.iter().any(|step| step.is_refused),
        plan: plan.iter().map(step_view).collect(),
        warnings,
        pairs,
        seen: super::digest(wish.file.before.as_deref()),
        why: review.why,
        problem: review.problem,
        preview: after.map(|after| preview(exchange, &registry, after)),
        file: FileView {
            path: wish.file.path.clone(),
            is_new: wish.file.before.is_none(),
            is_overlay: wish.place.is_overlay,
            obstacle: wish.place.obstacle.clone(),
        },
        url,
    };
    let title = format!("Review changes of {}", wish.file.doctype);
    let status = if page.problem.is_empty() { StatusCode::OK } else { StatusCode::EXPECTATION_FAILED };
    Ok(html(status, shell::render(exchange, "desk/model_review", &exchange.say(&title), crumbs(subject), page).await?))
}

/// The form of a new document as it would be, with nothing to press.
fn preview(exchange: &Exchange, registry: &Registry, doctype: &Arc<DocType>) -> FormView {
    let document = Document::new(Arc::clone(doctype));
    let (grant, titles) = (Grant::ALL, Titles::default());
    form_view(&FormInput {
        registry,
        doctype,
        document: &document,
        session: exchange.session(),
        language: exchange.language(),
        grant: &grant,
        access: Access { write: true, create: true, ..Access::default() },
        standing: None,
        posted: None,
        problems: &[],
        titles: &titles,
        carry: false,
        confirm: Confirm::default(),
        now: exchange.site.documents.clock().now_naive(),
        in_site_zone: true,
    })
}

fn step_view(step: &Step) -> StepView {
    let class = match step {
        Step { is_refused: true, .. } => "refused",
        Step { is_risky: true, .. } => "risky",
        Step { .. } => "safe",
    };
    StepView { class, help: help::spans(step.text.trim_start_matches(['!', 'X', ' '])) }
}

/// A mistake at the row of its field.
fn placed(subject: &Subject, wish: &Wish, problem: ModelProblem) -> FieldProblem {
    let named = |definition: &Definition| {
        let field = problem.field.as_deref()?;
        definition
            .fields
            .iter()
            .position(|part| part.keys.get("fieldname").and_then(|name| name.as_str()) == Some(field))
    };
    match wish.form.as_ref().and_then(|(_, wanted)| named(wanted)) {
        Some(row) => at_field(&subject.document.doctype, "fieldname", problem.message).in_row("fields", row + 1),
        None => FieldProblem::general(ProblemKind::Validation, problem.message),
    }
}

fn difference(before: &str, after: &str) -> Vec<Line> {
    let diff = TextDiff::from_lines(before, after);
    let mut lines = Vec::new();
    for group in diff.grouped_ops(AROUND) {
        if !lines.is_empty() {
            lines.push(Line { class: "gap", sign: "", text: "…".to_owned() });
        }
        for change in group.iter().flat_map(|op| diff.iter_changes(op)) {
            let (class, sign) = match change.tag() {
                ChangeTag::Insert => ("added", "+"),
                ChangeTag::Delete => ("removed", "-"),
                ChangeTag::Equal => ("same", ""),
            };
            lines.push(Line { class, sign, text: change.value().trim_end_matches(['\n', '\r']).to_owned() });
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_difference_shows_what_changes_and_a_little_around_it() {
        let before = (1..30).map(|number| number.to_string()).collect::<Vec<_>>().join("\n") + "\n";
        let after = before.replace("5\n", "five\n").replace("28\n", "");
        let lines: Vec<String> =
            difference(&before, &after).iter().map(|line| format!("{}{}", line.sign, line.text)).collect();
        let expected = ["2", "3", "4", "-5", "+five", "6", "7", "8", "…"];
        assert_eq!(lines[..9], expected);
        assert!(lines.contains(&"-28".to_owned()), "{lines:?}");
    }
}
