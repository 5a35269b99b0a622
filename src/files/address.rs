//! The addresses under which uploaded files are served, and where the file of an address lies.

/// Where public files are served.
pub(crate) const PUBLIC: &str = "/files/";
/// Where private files are served.
pub(crate) const PRIVATE: &str = "/private/files/";
/// How many bytes a file system takes for a name.
const MOST_BYTES: usize = 255;

/// Where the file of an address lies; `None` for addresses that are not ours.
pub(crate) fn path_of(url: &str) -> Option<String> {
    let (kind, file) = match (url.strip_prefix(PRIVATE), url.strip_prefix(PUBLIC)) {
        (Some(file), _) => ("private", file),
        (None, Some(file)) => ("public", file),
        (None, None) => return None,
    };
    is_plain(file).then(|| format!("{kind}/{file}"))
}

/// Whether a name is a plain one inside its folder, as uploads get them.
pub(crate) fn is_plain(name: &str) -> bool {
    !name.is_empty() && name.len() <= MOST_BYTES && !name.starts_with('.') && !name.contains(['/', '\\', '\0'])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_never_leave_the_folder() {
        assert_eq!(path_of("/files/a.txt").unwrap(), "public/a.txt");
        assert_eq!(path_of("/private/files/a.txt").unwrap(), "private/a.txt");
        for url in
            ["/files/../x", "/files/a/b", "/files/.x", "/files/", "/etc/passwd", "https://x/files/a", "/files/a\\b"]
        {
            assert_eq!(path_of(url), None, "{url}");
        }
    }
}
