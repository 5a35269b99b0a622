//! The Content-Security-Policy of pages (CSP Level 3).

/// What pages may load and do: only what this site serves itself.
pub(crate) const POLICY: &str = "default-src 'self'; img-src 'self' data:; object-src 'none'; \
     base-uri 'none'; form-action 'self'; frame-ancestors 'none'";

/// The same of a page whose forms may lead to a further source as well, directly or by redirect.
pub(crate) fn with_form_action(source: &str) -> String {
    POLICY.replace("form-action 'self'", &format!("form-action 'self' {source}"))
}
