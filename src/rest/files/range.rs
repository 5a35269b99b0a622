//! One `Range` of a file (RFC 9110 §14.1.2).

/// What a `Range` header asks of a file of that length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Range {
    /// All of it: no header, or one that this server does not answer (several ranges, other units).
    All,
    /// From the first of these bytes to the last.
    Part(u64, u64),
    /// Nothing of it is there.
    Outside,
}

/// Reads a `Range` header.
pub(super) fn parse(header: Option<&str>, length: u64) -> Range {
    let Some(spec) = header.and_then(|header| header.trim().strip_prefix("bytes=")) else { return Range::All };
    let Some((first, last)) = spec.split_once('-') else { return Range::All };
    let end = length.saturating_sub(1);
    let range = match (first.trim(), last.trim()) {
        ("", last) => match last.parse::<u64>() {
            Ok(0) => return Range::Outside,
            Ok(count) => (length.saturating_sub(count), end),
            Err(_) => return Range::All,
        },
        (first, "") => match first.parse() {
            Ok(first) => (first, end),
            Err(_) => return Range::All,
        },
        (first, last) => match (first.parse(), last.parse::<u64>()) {
            (Ok(first), Ok(last)) if first <= last => (first, last.min(end)),
            _ => return Range::All,
        },
    };
    if range.0 >= length { Range::Outside } else { Range::Part(range.0, range.1) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_range_is_read() {
        for (header, expected) in [
            (None, Range::All),
            (Some("bytes=0-3"), Range::Part(0, 3)),
            (Some("bytes=4-"), Range::Part(4, 9)),
            (Some("bytes=-2"), Range::Part(8, 9)),
            (Some("bytes=-20"), Range::Part(0, 9)),
            (Some("bytes=8-100"), Range::Part(8, 9)),
            (Some("bytes=10-"), Range::Outside),
            (Some("bytes=-0"), Range::Outside),
            (Some("bytes=3-1"), Range::All),
            (Some("bytes=0-1,4-5"), Range::All),
            (Some("lines=0-1"), Range::All),
        ] {
            assert_eq!(parse(header, 10), expected, "{header:?}");
        }
    }
}
