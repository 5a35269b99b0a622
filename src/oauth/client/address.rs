//! Which addresses this site may call: public ones, and those that OAuth Settings allows by name.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use url::{Host, Url};

/// The hosts in one's own network that may be called: `keycloak.internal`, `10.0.0.5:8443`, `[fd00::1]`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AllowedHosts(Vec<(String, Option<u16>)>);

impl AllowedHosts {
    /// Reads the setting: one host a line, or separated by spaces or commas; a port narrows it to that port.
    pub fn parse(text: &str) -> Self {
        let entries = text.split(|c: char| c.is_whitespace() || c == ',').filter(|entry| !entry.is_empty());
        Self(entries.map(entry).collect())
    }

    /// Whether the host of an address is listed, with its port.
    pub fn contains(&self, url: &Url) -> bool {
        let host = url.host_str().unwrap_or_default().trim_end_matches('.').to_ascii_lowercase();
        let port = url.port_or_known_default();
        self.0.iter().any(|(known, at)| *known == host && at.is_none_or(|at| Some(at) == port))
    }
}

/// Host and port of an entry, written as [`Url::host_str`] writes hosts.
fn entry(text: &str) -> (String, Option<u16>) {
    let text = text.split_once("://").map_or(text, |(_, rest)| rest).trim_end_matches('/').to_ascii_lowercase();
    // A bare IPv6 address has colons that separate no port.
    if let Ok(address) = text.parse::<Ipv6Addr>() {
        return (format!("[{address}]"), None);
    }
    match text.rsplit_once(':') {
        Some((host, port)) if !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit()) => {
            (host.to_owned(), port.parse().ok())
        }
        _ => (text, None),
    }
}

/// Whether the address of a URL is this very computer: `localhost`, `127.0.0.0/8`, `[::1]`.
pub fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => {
            let name = name.trim_end_matches('.');
            name.eq_ignore_ascii_case("localhost") || name.to_ascii_lowercase().ends_with(".localhost")
        }
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

/// The IP address that a URL names literally.
pub fn literal(url: &Url) -> Option<IpAddr> {
    match url.host()? {
        Host::Domain(_) => None,
        Host::Ipv4(address) => Some(address.into()),
        Host::Ipv6(address) => Some(address.into()),
    }
}

/// Whether an address is on the public internet (the registries of RFC 6890, and what embeds an IPv4 address).
pub fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    !(a == 0
        || address.is_private()
        || address.is_loopback()
        || address.is_link_local()
        || address.is_documentation()
        || (a == 100 && (64..128).contains(&b)) // shared by carriers, RFC 6598
        || (a == 192 && b == 0 && c == 0) // protocol assignments
        || (a == 192 && b == 88 && c == 99) // relays to IPv6, no longer in use
        || (a == 198 && (b & 0xfe) == 18) // benchmarks
        || a >= 224) // multicast, reserved, broadcast
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    let segments = address.segments();
    let embedded = |high: u16, low: u16| {
        let ([a, b], [c, d]) = (high.to_be_bytes(), low.to_be_bytes());
        Ipv4Addr::new(a, b, c, d)
    };
    match segments {
        // IPv4 in one of its IPv6 forms: mapped, translated (NAT64), 6to4.
        [0, 0, 0, 0, 0, 0xffff, high, low] | [0x64, 0xff9b, 0, 0, 0, 0, high, low] | [0x2002, high, low, ..] => {
            is_public_v4(embedded(high, low))
        }
        // Teredo, benchmarks, ORCHID and other assignments of 2001::/23; documentation.
        [0x2001, second, ..] if second < 0x200 || second == 0xdb8 => false,
        [0x3fff, second, ..] if second < 0x1000 => false,
        // All else that is public begins with 2000::/3; that leaves out unspecified, loopback, private, link-local and
        // multicast addresses.
        [first, ..] => first & 0xe000 == 0x2000,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn private_addresses_of_every_kind_are_not_public() {
        for text in [
            "0.0.0.0",
            "10.1.2.3",
            "100.64.0.1",
            "100.127.255.255",
            "127.0.0.1",
            "127.255.0.1",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.8",
            "192.0.2.1",
            "192.88.99.1",
            "192.168.1.1",
            "198.18.0.1",
            "198.19.255.255",
            "198.51.100.7",
            "203.0.113.9",
            "224.0.0.1",
            "239.1.1.1",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::127.0.0.1",
            "::ffff:127.0.0.1",
            "::ffff:10.0.0.1",
            "::ffff:169.254.169.254",
            "64:ff9b::7f00:1",
            "64:ff9b::a00:1",
            "64:ff9b:1::1",
            "2002:7f00:1::",
            "2002:a9fe:a9fe::1",
            "2001::1",
            "2001:db8::1",
            "3fff::1",
            "100::1",
            "fc00::1",
            "fd00:ec2::254",
            "fe80::1",
            "fec0::1",
            "ff02::1",
            "5f00::1",
        ] {
            assert!(!is_public(text.parse().unwrap()), "{text}");
        }
    }

    #[test]
    fn public_addresses_are_public() {
        for text in [
            "1.1.1.1",
            "8.8.8.8",
            "100.63.255.255",
            "100.128.0.1",
            "172.15.0.1",
            "172.32.0.1",
            "192.0.1.1",
            "198.17.0.1",
            "198.20.0.1",
            "223.255.255.254",
            "2606:4700:4700::1111",
            "2a00:1450:4001::1",
            "::ffff:8.8.8.8",
            "64:ff9b::808:808",
            "2002:808:808::1",
        ] {
            assert!(is_public(text.parse().unwrap()), "{text}");
        }
    }

    #[test]
    fn odd_spellings_of_an_address_are_seen_through() {
        for text in [
            "https://127.1/",
            "https://2130706433/",
            "https://0x7f.0.0.1/",
            "https://017700000001/",
            "https://[::ffff:7f00:1]/",
            "https://127.0.0.1./",
        ] {
            let url = Url::parse(text).unwrap();
            assert!(literal(&url).is_some_and(|address| !is_public(address)), "{text}: {url}");
        }
    }

    #[test]
    fn an_allowed_host_is_matched_with_its_port_and_never_by_part() {
        let allowed =
            AllowedHosts::parse("keycloak.internal\n10.0.0.5:8443, [fd00::1]:9000\nfd00::2\nhttps://Ldap.Example/");
        let allows = |text: &str| allowed.contains(&Url::parse(text).unwrap());
        for text in [
            "https://keycloak.internal/realms",
            "https://KEYCLOAK.internal:8443/",
            "https://10.0.0.5:8443/x",
            "https://[fd00::1]:9000/",
            "https://[fd00::2]/",
            "https://ldap.example/",
            "https://keycloak.internal./",
        ] {
            assert!(allows(text), "{text}");
        }
        for text in [
            "https://10.0.0.5/",
            "https://10.0.0.5:8444/",
            "https://keycloak.internal.evil.example/",
            "https://xkeycloak.internal/",
            "https://[fd00::1]/",
            "https://keycloak.internal@evil.example/",
        ] {
            assert!(!allows(text), "{text}");
        }
        assert!(!AllowedHosts::parse("").contains(&Url::parse("https://example.com").unwrap()));
    }
}
