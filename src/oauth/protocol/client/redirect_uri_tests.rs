//! Which redirect URIs are accepted, and which fit.

use proptest::prelude::*;

use super::*;

fn uris(list: &[&str]) -> RedirectUris {
    list.iter().map(|uri| (*uri).to_owned()).collect()
}

fn fits_one(registered: &str, requested: &str) -> bool {
    uris(&[registered]).resolve(Some(requested), false).is_ok()
}

#[test]
fn old_rows_with_spaces_and_new_rows_with_lines_are_both_read() {
    let expected = uris(&["https://a.example/cb", "https://b.example/cb"]);
    assert_eq!(RedirectUris::from_stored("https://a.example/cb https://b.example/cb"), expected);
    assert_eq!(RedirectUris::from_stored("https://a.example/cb\r\nhttps://b.example/cb\n"), expected);
    assert_eq!(RedirectUris::from_stored(&expected.to_stored()), expected);
}

#[test]
fn a_client_with_several_redirect_uris_can_use_each() {
    let registered = RedirectUris::from_stored("https://claude.ai/cb\nhttps://claude.com/cb");
    assert!(registered.resolve(Some("https://claude.ai/cb"), true).is_ok());
    assert!(registered.resolve(Some("https://claude.com/cb"), true).is_ok());
}

#[test]
fn the_comparison_is_letter_by_letter() {
    let registered = "https://app.example/cb";
    assert!(fits_one(registered, registered));
    for other in [
        "https://app.example/cb/",
        "https://app.example/CB",
        "https://APP.example/cb",
        "https://app.example:443/cb",
        "https://app.example/cb?x=1",
        "https://app.example/cb#",
        "https://app.example/cb/../cb",
        "http://app.example/cb",
        "https://app.example.evil.example/cb",
        "https://user@app.example/cb",
        "https://app.example/c%62",
        "",
        " https://app.example/cb",
        "https://app.example/cb\n",
    ] {
        assert!(!fits_one(registered, other), "{other}");
    }
}

#[test]
fn on_the_own_computer_any_port_fits() {
    for registered in ["http://localhost/callback", "http://localhost:8080/callback"] {
        for requested in ["http://localhost/callback", "http://localhost:1/callback", "http://localhost:54321/callback"]
        {
            assert!(fits_one(registered, requested), "{registered} {requested}");
        }
    }
    assert!(fits_one("http://127.0.0.1/cb?x=1", "http://127.0.0.1:3000/cb?x=1"));
    assert!(fits_one("http://[::1]/cb", "http://[::1]:3000/cb"));
}

#[test]
fn on_the_own_computer_everything_but_the_port_must_match() {
    for (registered, requested) in [
        ("http://localhost/callback", "http://127.0.0.1:3000/callback"),
        ("http://127.0.0.1/callback", "http://localhost:3000/callback"),
        ("http://localhost/callback", "http://localhost:3000/other"),
        ("http://localhost/callback", "http://localhost:3000/callback?x"),
        ("http://localhost/callback", "https://localhost:3000/callback"),
        ("http://localhost/callback", "http://localhost:99999/callback"),
        ("http://localhost/callback", "http://localhost:/callback"),
        ("http://localhost/callback", "http://localhost:80@evil.example/callback"),
        ("http://localhost/callback", "http://localhost.evil.example/callback"),
        ("http://localhost/callback", "http://localhost@evil.example/callback"),
        ("http://localhost/callback", "http://localhost:3000/callback#x"),
        ("http://localhost/callback", "HTTP://localhost:3000/callback"),
        ("https://localhost/callback", "https://localhost:3000/callback"),
        ("http://127.0.0.1/callback", "http://127.0.0.2:3000/callback"),
    ] {
        assert!(!fits_one(registered, requested), "{registered} {requested}");
    }
}

#[test]
fn a_missing_redirect_uri_is_the_only_registered_one_but_not_with_openid() {
    let one = uris(&["https://a.example/cb"]);
    assert_eq!(one.resolve(None, false).unwrap().as_str(), "https://a.example/cb");
    assert!(!one.resolve(None, false).unwrap().was_sent());
    assert!(one.resolve(None, true).is_err());
    assert!(uris(&["https://a.example/cb", "https://b.example/cb"]).resolve(None, false).is_err());
    assert!(uris(&["http://localhost/cb"]).resolve(None, false).is_err());
    assert!(uris(&[]).resolve(None, false).is_err());
}

#[test]
fn what_may_be_registered() {
    let schemes = vec!["cursor".to_owned(), "vscode".to_owned()];
    for uri in [
        "https://app.example/cb",
        "https://app.example",
        "https://app.example:8443/cb?tenant=1",
        "https://[2001:db8::1]/cb",
        "http://localhost/callback",
        "http://localhost:3000/callback",
        "http://127.0.0.1/cb",
        "http://[::1]:1/cb",
        "com.example.app:/callback",
        "com.example.app://callback",
        "cursor://anysphere.cursor-mcp/oauth",
        "vscode://x/y",
    ] {
        assert!(check_registration(uri, None, &schemes).is_ok(), "{uri}");
        assert!(check_registration(uri, Some(ApplicationType::Native), &schemes).is_ok(), "{uri}");
    }
}

#[test]
fn what_may_not_be_registered() {
    for uri in [
        "",
        "callback",
        "/callback",
        "//app.example/cb",
        "https://app.example/cb#",
        "https://app.example/cb#frag",
        "http://app.example/cb",
        "http://localhost.evil.example/cb",
        "http://127.0.0.1.evil.example/cb",
        "https://user@app.example/cb",
        "https://user:pw@app.example/cb",
        "https://@app.example/cb",
        "https://*.app.example/cb",
        "javascript:alert(1)",
        "JavaScript:alert(1)",
        "data:text/html,x",
        "file:///etc/passwd",
        "vbscript:x",
        "blob:https://a.example/x",
        "cursor://x",
        "myapp:/cb",
        "https://app.example/c b",
        "https://app.example/b\u{fc}cher",
        "https://app.example\\@evil.example/cb",
        "https:app.example/cb",
        "https:///app.example/cb",
        "https://",
        "https://app.example/\ncb",
        "java\tscript:alert(1)",
        "urn:ietf:wg:oauth:2.0:oob",
    ] {
        let error = check_registration(uri, None, &[]).unwrap_err();
        assert_eq!(error.code(), ErrorCode::InvalidRedirectUri, "{uri}");
    }
    assert!(check_registration(&format!("https://app.example/{}", "a".repeat(1000)), None, &[]).is_err());
}

#[test]
fn web_clients_have_no_app_links_but_may_use_the_own_computer() {
    assert!(check_registration("com.example.app:/cb", Some(ApplicationType::Web), &[]).is_err());
    assert!(check_registration("http://localhost:3000/cb", Some(ApplicationType::Web), &[]).is_ok());
}

#[test]
fn a_uri_is_not_rewritten_when_it_is_registered() {
    let registered = uris(&["https://app.example"]);
    assert_eq!(registered.to_stored(), "https://app.example");
    assert!(registered.resolve(Some("https://app.example/"), false).is_err());
}

#[test]
fn the_token_request_must_name_the_bound_uri() {
    let bound = VerifiedRedirectUri::from_stored("https://app.example/cb".to_owned(), true);
    assert!(bound.check_token_request(Some("https://app.example/cb"), false).is_ok());
    // Another URI of the same client is not good enough.
    assert!(bound.check_token_request(Some("https://app.example/other"), true).is_err());
    assert!(bound.check_token_request(None, false).is_err());
    assert!(bound.check_token_request(None, true).is_ok());
    assert!(
        VerifiedRedirectUri::from_stored("https://a.example".to_owned(), false)
            .check_token_request(None, false)
            .is_ok()
    );
}

#[test]
fn the_consent_page_learns_where_the_answer_goes() {
    let destination = |uri: &str| VerifiedRedirectUri::for_tests(uri).destination();
    assert_eq!(destination("https://app.example/cb"), Destination::Host("app.example".to_owned()));
    assert_eq!(destination("http://localhost:1/cb"), Destination::Loopback);
    assert_eq!(destination("com.example.app:/cb"), Destination::App("com.example.app".to_owned()));
    assert!(uris(&["http://localhost/cb", "http://127.0.0.1/cb"]).are_all_loopback());
    assert!(!uris(&["http://localhost/cb", "https://a.example/cb"]).are_all_loopback());
    assert!(!uris(&[]).are_all_loopback());
}

proptest! {
    #[test]
    fn what_is_accepted_was_registered_or_differs_in_the_loopback_port_only(
        registered in uri(), requested in uri(),
    ) {
        if fits_one(&registered, &requested) {
            let strip = |uri: &str| {
                let mut url = Url::parse(uri).unwrap();
                if url.scheme() == "http" { let _ = url.set_port(None); }
                url
            };
            prop_assert_eq!(strip(&registered), strip(&requested));
            prop_assert!(registered == requested || registered.starts_with("http://"));
        }
    }

    #[test]
    fn every_registered_uri_fits_itself(uri in uri()) {
        if check_registration(&uri, None, &[]).is_ok() {
            prop_assert!(fits_one(&uri, &uri));
        }
    }

    #[test]
    fn nothing_panics_and_nothing_dangerous_registers(uri in ".{0,60}") {
        let ok = check_registration(&uri, None, &[]).is_ok();
        let _ = fits_one("http://localhost/cb", &uri);
        if ok {
            let url = Url::parse(&uri).unwrap();
            prop_assert!(!FORBIDDEN_SCHEMES.contains(&url.scheme()));
            prop_assert!(url.fragment().is_none());
        }
    }

    #[test]
    fn any_port_fits_on_the_own_computer(port in any::<u16>(), path in "/[a-z]{0,8}(\\?[a-z=]{0,5})?") {
        for host in ["localhost", "127.0.0.1", "[::1]"] {
            let registered = format!("http://{host}{path}");
            let requested = format!("http://{host}:{port}{path}");
            prop_assert!(fits_one(&registered, &requested));
        }
    }

    #[test]
    fn one_changed_character_makes_another_address(
        registered in uri(), at in any::<prop::sample::Index>(), character in "[ -~]", kind in 0..3,
    ) {
        let at = at.index(registered.len());
        let (before, after) = registered.split_at(at);
        let requested = match kind {
            0 => format!("{before}{character}{after}"),
            1 => format!("{before}{}", &after[1..]),
            _ => format!("{before}{character}{}", &after[1..]),
        };
        let is_on_own_computer = uris(&[&registered]).are_all_loopback();
        prop_assert!(is_on_own_computer || requested == registered || !fits_one(&registered, &requested));
    }
}

fn uri() -> impl Strategy<Value = String> {
    (
        proptest::sample::select(&["https", "http", "com.example.app", "javascript"][..]),
        proptest::sample::select(
            &["localhost", "127.0.0.1", "[::1]", "app.example", "localhost.evil.example", "u@localhost"][..],
        ),
        proptest::sample::select(&["", ":80", ":3000", ":65535"][..]),
        proptest::sample::select(&["", "/", "/cb", "/cb?x=1", "/cb#f", "?x"][..]),
    )
        .prop_map(|(scheme, host, port, path)| format!("{scheme}://{host}{port}{path}"))
}
