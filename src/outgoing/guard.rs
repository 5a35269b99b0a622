//! Which addresses this site may call: public ones, and those that OAuth Settings allows by name.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use url::{Host, Url};

/// The hosts in one's own network that may be called: `keycloak.internal`, `10.0.0.5:8443`, `[fd00::1]`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct AllowedHosts(Vec<(Host, Option<u16>)>);

impl AllowedHosts {
    /// Reads the setting: one host a line, or separated by spaces or commas; a port narrows it to that port. What cannot
    /// be read allows nothing.
    pub(crate) fn parse(text: &str) -> Self {
        Self(text.split(|c: char| c.is_whitespace() || c == ',').filter_map(entry).collect())
    }

    /// Whether the host of an address is listed, with its port.
    pub(crate) fn contains(&self, url: &Url) -> bool {
        let (host, port) = (host(url), url.port_or_known_default());
        self.0.iter().any(|(known, at)| host.as_ref() == Some(known) && at.is_none_or(|at| Some(at) == port))
    }
}

/// Host and port of an entry.
fn entry(text: &str) -> Option<(Host, Option<u16>)> {
    let text = text.split_once("://").map_or(text, |(_, rest)| rest).trim_end_matches('/');
    // A bare IPv6 address has colons that separate no port.
    if let Ok(address) = text.parse() {
        return Some((Host::Ipv6(address), None));
    }
    let (name, port) = match text.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => (name, Some(port.parse().ok()?)),
        _ => (text, None),
    };
    Some((Host::parse(name.trim_end_matches('.')).ok()?, port))
}

/// The host of a URL in the one form in which hosts are compared: without the dot at the end of a full name.
pub(crate) fn host(url: &Url) -> Option<Host> {
    Some(match url.host()? {
        Host::Domain(name) => Host::Domain(name.trim_end_matches('.').to_owned()),
        Host::Ipv4(address) => Host::Ipv4(address),
        Host::Ipv6(address) => Host::Ipv6(address),
    })
}

/// Whether the address of a URL is this very computer: `localhost`, `127.0.0.0/8`, `[::1]`.
pub(crate) fn is_loopback(url: &Url) -> bool {
    host(url).is_some_and(|host| match host {
        Host::Domain(name) => name == "localhost" || name.ends_with(".localhost"),
        Host::Ipv4(address) => address.is_loopback(),
        Host::Ipv6(address) => address.is_loopback(),
    })
}

/// The IP address that a URL names literally.
fn literal(url: &Url) -> Option<IpAddr> {
    match url.host()? {
        Host::Domain(_) => None,
        Host::Ipv4(address) => Some(address.into()),
        Host::Ipv6(address) => Some(address.into()),
    }
}

/// Whether a URL names nothing private in plain sight; what its name resolves to is asked when it is resolved.
pub(crate) fn may_be_called(url: &Url) -> bool {
    literal(url).is_none_or(is_public) && !is_loopback(url)
}

/// Whether an address is on the public internet (the registries of RFC 6890, and what embeds an IPv4 address).
///
/// Ask it about the address that is connected to, not only about what a URL says: a name may point anywhere by then.
pub(crate) fn is_public(address: IpAddr) -> bool {
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
        [0x3fff, ..] => false,
        // All else that is public begins with 2000::/3; that leaves out unspecified, loopback, private, link-local and
        // multicast addresses.
        [first, ..] => first & 0xe000 == 0x2000,
    }
}

/// Resolves names, and keeps private addresses back unless the host is trusted.
pub(super) struct Guard {
    pub(super) trusted: bool,
    pub(super) proxy_host: Option<String>,
}

/// What the guard found behind a name.
#[derive(Debug, thiserror::Error)]
#[error("the name has private addresses only")]
pub(super) struct PrivateName;

/// Nothing stands behind a name.
#[derive(Debug, thiserror::Error)]
#[error("the name is unknown")]
pub(super) struct UnknownName;

impl Resolve for Guard {
    fn resolve(&self, name: Name) -> Resolving {
        let free = self.trusted || self.proxy_host.as_deref() == Some(name.as_str());
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await.map_err(|_| UnknownName)?;
            let mut found: Vec<SocketAddr> = found.collect();
            if found.is_empty() {
                return Err(UnknownName.into());
            }
            if !free {
                found.retain(|address| is_public(address.ip()));
            }
            if found.is_empty() {
                return Err(PrivateName.into());
            }
            Ok(Box::new(found.into_iter()) as Addrs)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every kind of address, however it is written, and whether it may be called.
    #[test]
    fn only_public_addresses_may_be_called_however_they_are_written() {
        for (kind, is_open, hosts) in [
            ("public", true, "1.1.1.1 93.184.216.34 223.255.255.254 [2606:4700:4700::1111] [2a00:1450:4001::1]"),
            (
                "beside what is not public",
                true,
                "100.63.255.255 100.128.0.1 172.15.0.1 172.32.0.1 192.0.1.1 198.17.0.1 198.20.0.1",
            ),
            ("this network and the unspecified address", false, "0.0.0.0 0.1.2.3 0 [::]"),
            ("loopback", false, "127.0.0.1 127.255.0.1 [::1] localhost LOCALHOST a.localhost"),
            ("private use", false, "10.1.2.3 172.16.0.1 172.31.255.255 192.168.1.1"),
            ("shared by carriers", false, "100.64.0.1 100.127.255.255"),
            ("link-local", false, "169.254.169.254 [fe80::1] [febf::1]"),
            ("unique local and site-local", false, "[fc00::1] [fd00:ec2::254] [fec0::1]"),
            ("protocol assignments and old relays", false, "192.0.0.8 192.88.99.1 [2001:1::1] [2001:20::1]"),
            ("documentation", false, "192.0.2.1 198.51.100.7 203.0.113.9 [2001:db8::1] [3fff::1] [3fff:1000::1]"),
            ("benchmarks", false, "198.18.0.1 198.19.255.255 [2001:2::1]"),
            (
                "multicast, reserved and broadcast",
                false,
                "224.0.0.1 239.1.1.1 240.0.0.1 255.255.255.255 [ff02::1] [ff0e::1]",
            ),
            ("discard and segment routing", false, "[100::1] [5f00::1]"),
            ("mapped", false, "[::ffff:127.0.0.1] [::ffff:7f00:1] [::ffff:10.0.0.1] [::ffff:169.254.169.254]"),
            ("mapped, public", true, "[::ffff:8.8.8.8]"),
            ("compatible", false, "[::127.0.0.1] [::8.8.8.8]"),
            ("NAT64", false, "[64:ff9b::7f00:1] [64:ff9b::10.0.0.1] [64:ff9b:1::1]"),
            ("NAT64, public", true, "[64:ff9b::808:808]"),
            ("6to4", false, "[2002:7f00:1::] [2002:a9fe:a9fe::1]"),
            ("6to4, public", true, "[2002:808:808::1]"),
            ("Teredo", false, "[2001::1] [2001:0:4136:e378:8000:63bf:3fff:fdd2]"),
            (
                "decimal, octal, hexadecimal, short",
                false,
                "2130706433 017700000001 0x7f.0.0.1 0x7f000001 127.1 0177.0.0.1 10.1",
            ),
            ("a dot at the end", false, "127.0.0.1. localhost. a.localhost."),
            (
                "digits and dots of other scripts",
                false,
                "\u{ff11}\u{ff12}\u{ff17}.0.0.1 127\u{3002}0\u{3002}0\u{3002}1 \u{2460}0.0.0.1",
            ),
            ("with a port", false, "127.0.0.1:443 10.0.0.1:8443 [::1]:443 localhost:1"),
            ("with a port, public", true, "1.1.1.1:8443 [2606:4700::1111]:443"),
            (
                "a name, resolved later",
                true,
                "example.com example.com. b\u{fc}cher.example notlocalhost localhost.example",
            ),
            ("no URL at all", false, "[fe80::1%25eth0] [fe80::1%eth0] 256.1.1.1 1.2.3.4.5 1.1.1.1:99999 [::1"),
        ] {
            for host in hosts.split(' ') {
                let may_be_called = Url::parse(&format!("https://{host}/")).is_ok_and(|url| may_be_called(&url));
                assert_eq!(may_be_called, is_open, "{kind}: {host}");
            }
        }
    }

    #[test]
    fn an_allowed_host_is_matched_with_its_port_and_never_by_part() {
        let allowed = AllowedHosts::parse(
            "keycloak.internal\n10.0.0.5:8443, [fd00::1]:9000\nfd00::2\nhttps://Ldap.Example/ b\u{fc}cher.internal \
             10.0.0.6:99999 10.0.0.7: fe80::1%eth0",
        );
        let allows = |text: &str| allowed.contains(&Url::parse(text).unwrap());
        for text in [
            "https://keycloak.internal/realms",
            "https://KEYCLOAK.internal:8443/",
            "https://10.0.0.5:8443/x",
            "https://[fd00::1]:9000/",
            "https://[fd00::2]/",
            "https://ldap.example/",
            "https://keycloak.internal./",
            "https://b\u{fc}cher.internal/",
            "https://xn--bcher-kva.internal/",
            "https://167772165:8443/",
        ] {
            assert!(allows(text), "{text}");
        }
        for text in [
            "https://10.0.0.5/",
            "https://10.0.0.5:8444/",
            "https://keycloak.internal.evil.example/",
            "https://xkeycloak.internal/",
            "https://[fd00::1]/",
            "https://10.0.0.6/",
            "https://10.0.0.7/",
            "https://keycloak.internal@evil.example/",
        ] {
            assert!(!allows(text), "{text}");
        }
        assert!(!AllowedHosts::parse("").contains(&Url::parse("https://example.com").unwrap()));
    }

    #[tokio::test]
    async fn a_name_with_private_addresses_only_is_refused_when_it_is_resolved() {
        let guard = Guard { trusted: false, proxy_host: None };
        let error = guard.resolve("localhost".parse().unwrap()).await.err().map(|error| error.to_string());
        assert_eq!(error.as_deref(), Some("the name has private addresses only"));
        let trusted = Guard { trusted: true, proxy_host: None };
        assert!(trusted.resolve("localhost".parse().unwrap()).await.is_ok());
    }
}
