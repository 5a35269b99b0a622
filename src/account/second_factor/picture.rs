//! What an app scans: the key URI of a secret, as a QR code.

use std::fmt::Write as _;

use qrcode::{Color, QrCode};
use serde::Serialize;

use crate::error::{Error, Result};

/// The white around it, in modules.
const QUIET: usize = 4;

/// A QR code as the path of an SVG, and the secret as people type it.
#[derive(Clone, Debug, Serialize)]
pub(in crate::account) struct Picture {
    /// Width and height.
    pub size: usize,
    /// Every dark module.
    pub path: String,
    /// The secret in groups of four letters.
    pub text: String,
}

impl Picture {
    /// Of a secret in base32, for an account at a site.
    pub(in crate::account) fn of(secret: &str, site_name: &str, user: &str) -> Result<Self> {
        let uri = key_uri(secret, site_name, user);
        let code = QrCode::new(uri.as_bytes()).map_err(Error::internal)?;
        let (width, modules) = (code.width(), code.to_colors());
        let mut path = String::new();
        for (at, _) in modules.iter().enumerate().filter(|(_, module)| **module == Color::Dark) {
            let (x, y) = (at % width + QUIET, at / width + QUIET);
            // A String takes everything.
            let _ = write!(path, "M{x} {y}h1v1h-1z");
        }
        let letters: Vec<char> = secret.chars().collect();
        let groups: Vec<String> = letters.chunks(4).map(|group| group.iter().collect()).collect();
        Ok(Self { size: width + 2 * QUIET, path, text: groups.join(" ") })
    }
}

/// `otpauth://totp/Site:alice@example.com?secret=…&issuer=Site`, as the apps read it; a colon separates and is left out.
fn key_uri(secret: &str, site_name: &str, user: &str) -> String {
    let encoded = |text: &str| {
        let text = text.replace(':', " ");
        percent_encoding::utf8_percent_encode(&text, percent_encoding::NON_ALPHANUMERIC).to_string()
    };
    let (site, user) = (encoded(site_name), encoded(user));
    format!("otpauth://totp/{site}:{user}?secret={secret}&issuer={site}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_app_finds_site_account_and_secret() {
        let uri = key_uri("ABCD", "City Library: West", "ada@example.com");
        assert_eq!(
            uri,
            "otpauth://totp/City%20Library%20%20West:ada%40example%2Ecom?secret=ABCD&issuer=City%20Library%20%20West"
        );
        let picture = Picture::of("ABCDEFGHIJ", "Site", "ada@example.com").unwrap();
        assert_eq!(picture.text, "ABCD EFGH IJ");
        assert!(picture.path.starts_with("M4 4h1v1h-1z"), "the corner is dark");
    }
}
