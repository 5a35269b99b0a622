//! Resource indicators: for which server a token is meant (RFC 8707, and `aud` at the resource server).

use url::Url;

use crate::oauth::protocol::error::{Error, ErrorCode, Result};

/// The resources of this site: its root, `/api`, and whatever an administrator adds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct KnownResources(Vec<String>);

impl KnownResources {
    /// The root of the site and its API, with further addresses below the root or elsewhere.
    pub(crate) fn new<'a>(site: &str, others: impl IntoIterator<Item = &'a str>) -> Self {
        let root = canonical(site).unwrap_or_else(|| site.trim_end_matches('/').to_owned());
        let mut known = vec![root.clone(), format!("{root}/api")];
        for other in others.into_iter().filter_map(|other| {
            // A path means one below the root of the site.
            if other.starts_with('/') { canonical(&format!("{root}{other}")) } else { canonical(other) }
        }) {
            if !known.contains(&other) {
                known.push(other);
            }
        }
        Self(known)
    }

    /// The resources, canonical, the root first.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }

    /// The path below the site of the resource that a path of the site belongs to: of those that cover it, the
    /// nearest. Empty for the root.
    pub(crate) fn of_path<'s>(&'s self, site: &str, path: &str) -> &'s str {
        self.iter()
            .filter_map(|known| known.strip_prefix(site.trim_end_matches('/')))
            .filter(|own| own.is_empty() || own.starts_with('/'))
            .filter(|own| path.strip_prefix(own).is_some_and(|rest| rest.is_empty() || rest.starts_with('/')))
            .max_by_key(|own| own.len())
            .unwrap_or_default()
    }

    /// The known resource that this URI means, if any.
    pub(crate) fn find(&self, uri: &str) -> Option<&str> {
        let uri = canonical(uri)?;
        self.iter().find(|known| *known == uri)
    }

    /// The resources that a request names, canonical and without repetition; none if it names none.
    pub(crate) fn check<'a>(&self, requested: impl IntoIterator<Item = &'a str>) -> Result<Vec<String>> {
        let mut checked: Vec<String> = Vec::new();
        for uri in requested {
            let known = self.find(uri).ok_or_else(|| {
                Error::new(ErrorCode::InvalidTarget, "resource is not one of this site: see its resource metadata")
            })?;
            if !checked.iter().any(|own| own == known) {
                checked.push(known.to_owned());
            }
        }
        Ok(checked)
    }

    /// The resources of a token: those authorized, or fewer if the token request names some; never others.
    ///
    /// An authorization that names none binds nothing, so the token request may bind it now.
    pub(crate) fn narrow<'a>(
        &self,
        authorized: &[String],
        requested: impl IntoIterator<Item = &'a str>,
    ) -> Result<Vec<String>> {
        let requested = self.check(requested)?;
        if requested.is_empty() {
            return Ok(authorized.to_vec());
        }
        if !authorized.is_empty() && !requested.iter().all(|uri| covers(authorized, uri)) {
            return Err(Error::new(ErrorCode::InvalidTarget, "resource goes beyond what was authorized"));
        }
        Ok(requested)
    }
}

/// Whether a token that is meant for these resources may be used at this one: the same, or one below it.
///
/// A token without resources is bound to none and may be used everywhere here.
pub(crate) fn covers(token: &[String], resource: &str) -> bool {
    let Some(resource) = canonical(resource) else { return false };
    token.is_empty()
        || token.iter().any(|own| {
            resource.strip_prefix(own.as_str()).is_some_and(|rest| rest.is_empty() || rest.starts_with(['/', '?']))
        })
}

/// The canonical form: scheme and host in lower case, no default port, no slash at the end.
///
/// None for what may not be a resource: not absolute, not http(s), with fragment or user name.
pub(crate) fn canonical(uri: &str) -> Option<String> {
    if uri.contains('#') || uri.contains(|c: char| c.is_control() || c.is_whitespace()) {
        return None;
    }
    let url = Url::parse(uri).ok()?;
    let web = matches!(url.scheme(), "https" | "http") && url.host_str().is_some_and(|host| !host.is_empty());
    if !web || !url.username().is_empty() || url.password().is_some() {
        return None;
    }
    Some(url.as_str().trim_end_matches('/').to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known() -> KnownResources {
        KnownResources::new("https://site.example/", ["/mcp", "https://other.example/api/", "not a uri"])
    }

    #[test]
    fn the_root_the_api_and_registered_paths_are_known() {
        assert_eq!(
            known().iter().collect::<Vec<_>>(),
            [
                "https://site.example",
                "https://site.example/api",
                "https://site.example/mcp",
                "https://other.example/api"
            ]
        );
    }

    #[test]
    fn upper_case_hosts_default_ports_and_trailing_slashes_mean_the_same() {
        for uri in
            ["https://site.example", "https://site.example/", "HTTPS://Site.Example", "https://site.example:443/"]
        {
            assert_eq!(known().check([uri]).unwrap(), ["https://site.example"], "{uri}");
        }
        assert_eq!(known().check(["https://site.example/mcp/"]).unwrap(), ["https://site.example/mcp"]);
    }

    #[test]
    fn a_path_belongs_to_the_nearest_resource_that_covers_it() {
        for (path, own) in [
            ("/", ""),
            ("/private/files/x", ""),
            ("/api/resource/Note", "/api"),
            ("/api", "/api"),
            ("/apix", ""),
            ("/mcp/tools", "/mcp"),
        ] {
            assert_eq!(known().of_path("https://site.example", path), own, "{path}");
        }
    }

    #[test]
    fn an_unknown_or_malformed_resource_is_invalid_target() {
        for uri in [
            "https://evil.example",
            "https://site.example/other",
            "https://site.example/MCP",
            "https://site.example#x",
            "https://u@site.example",
            "site.example",
            "urn:x:y",
            "http://site.example",
            "",
            "https://site.example.evil.example",
        ] {
            assert_eq!(known().check([uri]).unwrap_err().code(), ErrorCode::InvalidTarget, "{uri}");
        }
    }

    #[test]
    fn several_resources_are_kept_once_each() {
        let checked =
            known().check(["https://site.example/mcp", "https://site.example/api", "https://site.example/mcp/"]);
        assert_eq!(checked.unwrap(), ["https://site.example/mcp", "https://site.example/api"]);
        assert!(known().check([]).unwrap().is_empty());
    }

    #[test]
    fn the_token_request_may_narrow_but_not_widen() {
        let mcp = vec!["https://site.example/mcp".to_owned()];
        let root = vec!["https://site.example".to_owned()];
        assert_eq!(known().narrow(&mcp, []).unwrap(), mcp);
        assert_eq!(known().narrow(&root, ["https://site.example/mcp"]).unwrap(), mcp);
        assert_eq!(known().narrow(&[], ["https://site.example/mcp"]).unwrap(), mcp);
        assert_eq!(known().narrow(&mcp, ["https://site.example"]).unwrap_err().code(), ErrorCode::InvalidTarget);
        assert_eq!(known().narrow(&mcp, ["https://site.example/api"]).unwrap_err().code(), ErrorCode::InvalidTarget);
    }

    #[test]
    fn a_token_is_used_only_where_it_is_meant_for() {
        let mcp = vec!["https://site.example/mcp".to_owned()];
        assert!(covers(&mcp, "https://site.example/mcp") && covers(&mcp, "https://site.example/mcp/tools"));
        for elsewhere in ["https://site.example", "https://site.example/mcp2", "https://site.example/api", "garbage"] {
            assert!(!covers(&mcp, elsewhere), "{elsewhere}");
        }
        assert!(covers(&["https://site.example".to_owned()], "https://site.example/api/resource/ToDo"));
        assert!(!covers(&["https://site.example".to_owned()], "https://site.example.evil.example/api"));
        assert!(covers(&[], "https://site.example/api"));
    }
}
