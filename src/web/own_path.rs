//! Which addresses are pages of this site, so that nobody is sent elsewhere by a parameter.

use url::Url;

/// The longest address that is looked at, in bytes.
const MOST: usize = 2000;

/// The path of a page of this site: what is a path already, or an address with the site's own origin. `None` for all else.
pub(crate) fn own_path(site_url: &str, text: &str) -> Option<String> {
    let text = text.trim();
    if text.is_empty() || text.len() > MOST || text.contains(['\\', '\0']) || text.chars().any(char::is_control) {
        return None;
    }
    let base = Url::parse(site_url).ok()?;
    // Resolved as a browser resolves it: `//host` and the like end up elsewhere.
    let resolved = base.join(text).ok()?;
    if !(text.starts_with('/') || text.contains("://")) || resolved.origin() != base.origin() {
        return None;
    }
    let mut path = resolved.path().to_owned();
    // `/.//host` resolves to a path that a browser would read as a host.
    if path.starts_with("//") {
        return None;
    }
    for (mark, part) in [('?', resolved.query()), ('#', resolved.fragment())] {
        if let Some(part) = part {
            path.push(mark);
            path.push_str(part);
        }
    }
    Some(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_pages_of_this_site_are_own() {
        let site = "https://site.example";
        for (text, expected) in [
            ("/app", "/app"),
            ("/app/todo?x=1#top", "/app/todo?x=1#top"),
            ("https://site.example/app", "/app"),
            ("https://site.example:443/app", "/app"),
            ("/redirect?to=https://evil.example", "/redirect?to=https://evil.example"),
            ("/app/../api/method/logout", "/api/method/logout"),
            ("/app/größe", "/app/gr%C3%B6%C3%9Fe"),
        ] {
            assert_eq!(own_path(site, text).as_deref(), Some(expected), "{text}");
        }
        for text in [
            "",
            "app",
            "//evil.example",
            "///evil.example",
            "/\\evil.example",
            "\\\\evil.example",
            "/\t/evil.example",
            "https://evil.example/app",
            "http://site.example/app",
            "https://site.example.evil.example/",
            "https://site.example@evil.example/",
            "javascript:alert(1)",
            "data:text/html,x",
            "/.//evil.example",
            "/app\nSet-Cookie: x",
            "https://site.example:8443/",
        ] {
            assert_eq!(own_path(site, text), None, "{text}");
        }
    }
}
