//! Which network addresses requests to strangers' servers may go to.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Whether the address is on the public internet: not this computer, not the network behind it, nothing special.
///
/// Check the address that is connected to, not only the name: a name may point anywhere by then.
pub fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    // "This" network, private use, loopback, multicast and reserved up to broadcast.
    let whole = matches!(a, 0 | 10 | 127 | 224..=255);
    // Carrier NAT, link local (cloud metadata), private use, benchmarks.
    let range = matches!((a, b), (100, 64..=127) | (169, 254) | (172, 16..=31) | (192, 168) | (198, 18..=19));
    // Protocol assignments, documentation, the 6to4 relay.
    let block = matches!((a, b, c), (192, 0, 0 | 2) | (192, 88, 99) | (198, 51, 100) | (203, 0, 113));
    !whole && !range && !block
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    let segments = address.segments();
    // Addresses that carry an IPv4 one inside are as public as that one.
    if let Some(inner) = embedded_v4(&segments) {
        return is_public_v4(inner);
    }
    // Only 2000::/3 is routed; within it, protocol assignments and documentation are not.
    let global = segments[0] & 0xe000 == 0x2000;
    let assignments = segments[0] == 0x2001 && segments[1] < 0x0200;
    let documentation = (segments[0] == 0x2001 && segments[1] == 0x0db8) || segments[0] == 0x3fff;
    global && !assignments && !documentation
}

fn embedded_v4(segments: &[u16; 8]) -> Option<Ipv4Addr> {
    let join = |high: u16, low: u16| Ipv4Addr::from((u32::from(high) << 16) | u32::from(low));
    match segments {
        // Mapped and NAT64 addresses end with it, 6to4 ones begin with it.
        [0, 0, 0, 0, 0, 0xffff, high, low] | [0x64, 0xff9b, 0, 0, 0, 0, high, low] | [0x2002, high, low, ..] => {
            Some(join(*high, *low))
        }
        _ => None,
    }
}

/// Whether a host is this domain, or, for a domain of a list, one below it.
pub fn is_within(host: &str, domain: &str) -> bool {
    let (host, domain) = (host.trim_end_matches('.').to_ascii_lowercase(), domain.trim().to_ascii_lowercase());
    let domain = domain.trim_start_matches("*.").trim_start_matches('.');
    !domain.is_empty() && host.strip_suffix(domain).is_some_and(|below| below.is_empty() || below.ends_with('.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn public_addresses_may_be_asked() {
        for address in
            ["1.1.1.1", "93.184.216.34", "172.15.0.1", "172.32.0.1", "100.63.0.1", "2606:4700::1111", "2a00::1"]
        {
            assert!(is_public(address.parse().unwrap()), "{address}");
        }
    }

    #[test]
    fn private_local_and_special_addresses_may_not() {
        for address in [
            "0.0.0.0",
            "10.0.0.1",
            "127.0.0.1",
            "127.1.2.3",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.168.1.1",
            "100.64.0.1",
            "192.0.0.1",
            "192.0.2.1",
            "198.18.0.1",
            "198.51.100.1",
            "203.0.113.1",
            "224.0.0.1",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "fe80::1",
            "fc00::1",
            "fd12::1",
            "ff02::1",
            "2001:db8::1",
            "2001::1",
            "::ffff:127.0.0.1",
            "::ffff:10.0.0.1",
            "64:ff9b::7f00:1",
            "2002:7f00:1::",
            "::127.0.0.1",
            "3fff::1",
            "fec0::1",
        ] {
            assert!(!is_public(address.parse().unwrap()), "{address}");
        }
        assert!(is_public("::ffff:1.1.1.1".parse().unwrap()));
    }

    #[test]
    fn a_domain_includes_what_is_below_it_and_nothing_else() {
        for host in ["example.com", "app.example.com", "EXAMPLE.com", "example.com."] {
            assert!(is_within(host, "example.com"), "{host}");
            assert!(is_within(host, " *.Example.com "), "{host}");
        }
        for host in ["evilexample.com", "example.com.evil.example", "com", ""] {
            assert!(!is_within(host, "example.com"), "{host}");
        }
        assert!(!is_within("example.com", ""));
    }
}
