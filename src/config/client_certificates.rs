//! Client certificates: TLS ends at a proxy, which says in a header with what certificate a client has proved itself.

use std::net::IpAddr;
use std::str::FromStr;

use anyhow::{Context as _, bail, ensure};
use serde::Deserialize;

/// Which certificates a proxy passes on: that decides what they prove.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum CertificateCheck {
    /// Only those of the authorities that the proxy trusts, so that their names count
    #[default]
    Verified,
    /// Any whose key the client holds, also self-signed ones: only the key counts
    Any,
}

/// How certificates come from a proxy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientCertificates {
    /// The name of the header, in small letters.
    pub header: String,
    /// From where it is believed.
    pub proxies: Vec<Network>,
    /// What the proxy has checked.
    pub check: CertificateCheck,
}

/// An address, or all that share its first bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    address: IpAddr,
    bits: u8,
}

impl ClientCertificates {
    /// Reads the settings; `None` if no header is named.
    pub(super) fn from_settings(
        header: Option<&str>,
        proxies: Option<&str>,
        check: Option<CertificateCheck>,
        trusted_proxies: usize,
    ) -> anyhow::Result<Option<Self>> {
        let Some(header) = header else {
            ensure!(
                proxies.is_none() && check.is_none(),
                "DOCTYPED_CLIENT_CERTIFICATE_HEADER is missing: name the header in which the proxy passes on certificates"
            );
            return Ok(None);
        };
        let is_name = !header.is_empty() && header.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
        ensure!(
            is_name,
            "DOCTYPED_CLIENT_CERTIFICATE_HEADER: {header} is not the name of a header, such as Client-Cert"
        );
        ensure!(
            trusted_proxies > 0,
            "DOCTYPED_CLIENT_CERTIFICATE_HEADER needs a proxy that ends TLS: set DOCTYPED_TRUSTED_PROXIES as well"
        );
        let listed = proxies.unwrap_or_default().split(',').map(str::trim).filter(|part| !part.is_empty());
        let proxies = listed.map(str::parse).collect::<anyhow::Result<Vec<Network>>>();
        let proxies = proxies.context("DOCTYPED_CLIENT_CERTIFICATE_PROXIES")?;
        ensure!(
            !proxies.is_empty(),
            "DOCTYPED_CLIENT_CERTIFICATE_PROXIES is missing: list the addresses of the proxies, for example 127.0.0.1"
        );
        Ok(Some(Self { header: header.to_ascii_lowercase(), proxies, check: check.unwrap_or_default() }))
    }

    /// Whether the header is believed of a sender with this address.
    pub fn trusts(&self, peer: IpAddr) -> bool {
        self.proxies.iter().any(|network| network.contains(peer))
    }
}

impl Network {
    /// Whether an address lies in it. An IPv4 address is the same in its IPv6 form.
    pub fn contains(self, address: IpAddr) -> bool {
        let bits = |address: IpAddr| match address {
            IpAddr::V4(address) => (u128::from(address.to_bits()) << 96, 32),
            IpAddr::V6(address) => (address.to_bits(), 128),
        };
        let ((own, length), (other, of_other)) = (bits(self.address), bits(address.to_canonical()));
        let mask = u128::MAX.checked_shl(128 - u32::from(self.bits)).unwrap_or(0);
        length == of_other && own & mask == other & mask
    }
}

impl FromStr for Network {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> anyhow::Result<Self> {
        let (address, bits) = text.split_once('/').map_or((text, None), |(address, bits)| (address, Some(bits)));
        let Ok(address) = address.parse::<IpAddr>() else {
            bail!("{text} is not a network address: write 127.0.0.1 or 10.0.0.0/8");
        };
        let address = address.to_canonical();
        let longest = if address.is_ipv4() { 32 } else { 128 };
        let bits = match bits {
            None => longest,
            Some(bits) => bits.parse().ok().filter(|bits| *bits <= longest).with_context(|| {
                format!("{text} is not a network: the number after the slash must be 0 to {longest}")
            })?,
        };
        Ok(Self { address, bits })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(header: Option<&str>, proxies: Option<&str>, trusted: usize) -> anyhow::Result<Option<ClientCertificates>> {
        ClientCertificates::from_settings(header, proxies, None, trusted)
    }

    #[test]
    fn a_header_counts_only_with_the_proxies_that_write_it() {
        assert_eq!(load(None, None, 0).unwrap(), None);
        let certificates = load(Some("Client-Cert"), Some("127.0.0.1, 10.0.0.0/8"), 1).unwrap().unwrap();
        assert_eq!((certificates.header.as_str(), certificates.check), ("client-cert", CertificateCheck::Verified));
        for (peer, trusted) in
            [("127.0.0.1", true), ("10.9.8.7", true), ("127.0.0.2", false), ("11.0.0.1", false), ("::1", false)]
        {
            assert_eq!(certificates.trusts(peer.parse().unwrap()), trusted, "{peer}");
        }
    }

    #[test]
    fn half_a_configuration_is_refused_with_what_is_missing() {
        for (header, proxies, trusted, named) in [
            (Some("Client-Cert"), None, 1, "DOCTYPED_CLIENT_CERTIFICATE_PROXIES is missing"),
            (Some("Client-Cert"), Some(" , "), 1, "DOCTYPED_CLIENT_CERTIFICATE_PROXIES is missing"),
            (Some("Client-Cert"), Some("127.0.0.1"), 0, "DOCTYPED_TRUSTED_PROXIES"),
            (Some("Client Cert"), Some("127.0.0.1"), 1, "is not the name of a header"),
            (Some("Client-Cert"), Some("proxy.internal"), 1, "not a network address"),
            (Some("Client-Cert"), Some("10.0.0.0/33"), 1, "0 to 32"),
            (None, Some("127.0.0.1"), 1, "DOCTYPED_CLIENT_CERTIFICATE_HEADER is missing"),
        ] {
            let refused = format!("{:#}", load(header, proxies, trusted).unwrap_err());
            assert!(refused.contains(named), "{header:?} {proxies:?}: {refused}");
        }
    }

    #[test]
    fn a_network_holds_what_shares_its_first_bits() {
        let holds =
            |network: &str, address: &str| network.parse::<Network>().unwrap().contains(address.parse().unwrap());
        assert!(holds("0.0.0.0/0", "203.0.113.7"));
        assert!(!holds("0.0.0.0/0", "2001:db8::1"));
        assert!(holds("192.168.1.0/25", "192.168.1.127"));
        assert!(!holds("192.168.1.0/25", "192.168.1.128"));
        assert!(holds("10.0.0.1", "::ffff:10.0.0.1"));
        assert!(holds("fd00::/8", "fd12::1"));
        assert!(!holds("fd00::/8", "fe80::1"));
    }
}
