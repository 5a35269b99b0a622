//! The servers that the URL of a database names: one, or several of PostgreSQL of which one takes writes at a time.

use anyhow::{Context as _, bail};
use sqlx::ConnectOptions as _;
use sqlx::postgres::PgConnectOptions;
use url::Url;

/// The parameter by which others say which of several servers they want.
const ATTRIBUTES: &str = "target_session_attrs";

/// How to connect to each server of a URL such as `postgres://user:password@one:5432,two/name`, in their order.
///
/// As with libpq, everything but host and port is the same for all of them; `target_session_attrs` may say `read-write` or
/// `primary`, which is how it is anyway.
pub(super) fn servers(url: &str) -> anyhow::Result<Vec<PgConnectOptions>> {
    let (scheme, rest) = url.split_once("://").context("it is not a URL")?;
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, behind) = rest.split_at(end);
    let (before, hosts) = match authority.rsplit_once('@') {
        Some((user, hosts)) => (format!("{user}@"), hosts),
        None => (String::new(), authority),
    };
    let each = hosts.split(',').map(|host| {
        let text = format!("{scheme}://{before}{host}{behind}");
        let mut url = Url::parse(&text).with_context(|| format!("{host} is not a host"))?;
        let (ours, others): (Vec<_>, Vec<_>) = url.query_pairs().into_owned().partition(|(name, _)| name == ATTRIBUTES);
        if let Some((_, wanted)) = ours.first() {
            if !matches!(wanted.as_str(), "read-write" | "primary") {
                bail!("{ATTRIBUTES} is {wanted}: leave it out or say read-write, for the site writes");
            }
            url.set_query(None);
            if !others.is_empty() {
                url.query_pairs_mut().extend_pairs(others);
            }
        }
        Ok(url.as_str().parse::<PgConnectOptions>()?.disable_statement_logging())
    });
    each.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hosts(url: &str) -> Vec<(String, u16, Option<String>)> {
        let found = servers(url).unwrap();
        found
            .iter()
            .map(|server| (server.get_host().to_owned(), server.get_port(), server.get_database().map(Into::into)))
            .collect()
    }

    #[test]
    fn a_url_may_name_several_servers() {
        let found = |host: &str, port: u16| (host.to_owned(), port, Some("site".to_owned()));
        assert_eq!(hosts("postgres://me:p%40w@one/site"), [found("one", 5432)]);
        assert_eq!(hosts("postgres://me@one:5433,two/site"), [found("one", 5433), found("two", 5432)]);
        let many = "postgres://me:a,b@one,[::1]:7/site?sslmode=disable&target_session_attrs=read-write";
        assert_eq!(hosts(many), [found("one", 5432), found("[::1]", 7)]);
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (url, named) in [
            ("postgres://one,two/site?target_session_attrs=standby", "target_session_attrs is standby"),
            ("postgres://one:5432,two:x/site", "two:x is not a host"),
            ("postgres:one", "not a URL"),
        ] {
            let message = format!("{:#}", servers(url).unwrap_err());
            assert!(message.contains(named), "{url}: {message}");
        }
    }
}
