//! Heads of requests that two readers could understand differently are refused (RFC 9112 §3.2). What the lengths of a body
//! say (§6.3), hyper looks at.

use hyper::header::HOST;
use hyper::http::uri::Authority;
use hyper::{Request, Version};

/// What is wrong with a head, if something is.
pub(super) fn problem<B>(request: &Request<B>) -> Option<&'static str> {
    let mut hosts = request.headers().get_all(HOST).iter();
    match (hosts.next(), hosts.next()) {
        (Some(_), Some(_)) => return Some("Send the Host header once"),
        (Some(host), None) if !host.to_str().is_ok_and(is_host) => return Some("The Host header is not a host"),
        (None, _) if request.version() == Version::HTTP_11 => return Some("The Host header is missing"),
        _ => {}
    }
    None
}

/// A host with or without a port, and nothing else.
fn is_host(text: &str) -> bool {
    !text.contains('@') && text.parse::<Authority>().is_ok_and(|authority| !authority.host().is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem_of(headers: &[(&str, &str)]) -> Option<&'static str> {
        let builder = headers.iter().fold(Request::builder(), |builder, (name, value)| builder.header(*name, *value));
        problem(&builder.body(()).unwrap())
    }

    #[test]
    fn a_host_comes_once_and_is_one() {
        for host in ["example.com", "example.com:8000", "127.0.0.1:1", "[::1]:8000"] {
            assert_eq!(problem_of(&[("host", host)]), None, "{host}");
        }
        for host in ["", "a b", "user@example.com", "a/b", "a\tb"] {
            assert!(problem_of(&[("host", host)]).is_some(), "{host}");
        }
        assert!(problem_of(&[]).is_some());
        assert!(problem_of(&[("host", "a"), ("host", "a")]).is_some());
    }
}
