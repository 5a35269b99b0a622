//! How an application knows that a request comes from here: the signatures of Standard Webhooks and of Frappe.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;

use crate::secret::hmac_sha256;

/// What a secret of Standard Webhooks begins with.
const PREFIX: &str = "whsec_";

/// The value of `webhook-signature` (Standard Webhooks, version 1: HMAC-SHA256 over id, seconds and body).
pub(super) fn standard(secret: &str, id: &str, seconds: i64, body: &[u8]) -> String {
    let decoded = secret.strip_prefix(PREFIX).and_then(|encoded| BASE64_STANDARD.decode(encoded).ok());
    let key = decoded.unwrap_or_else(|| secret.as_bytes().to_vec());
    let message = [format!("{id}.{seconds}.").as_bytes(), body].concat();
    format!("v1,{}", BASE64_STANDARD.encode(hmac_sha256(&key, &message)))
}

/// The value of `X-Frappe-Webhook-Signature`: HMAC-SHA256 over the body.
pub(super) fn frappe(secret: &str, body: &[u8]) -> String {
    BASE64_STANDARD.encode(hmac_sha256(secret.as_bytes(), body))
}

/// Why a secret cannot be used.
pub(super) fn problem(secret: &str) -> Option<String> {
    let encoded = secret.strip_prefix(PREFIX)?;
    let decodes = BASE64_STANDARD.decode(encoded).is_ok_and(|key| !key.is_empty());
    (!decodes).then(|| format!("What follows `{PREFIX}` must be Base64"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of the Standard Webhooks specification's reference libraries.
    #[test]
    fn signatures_are_those_that_libraries_check() {
        let signature = standard(
            "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
            "msg_p5jXN8AQM9LWM0D4loKWxJek",
            1_614_265_330,
            br#"{"test": 2432232314}"#,
        );
        assert_eq!(signature, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn a_broken_secret_is_told() {
        assert!(problem("whsec_***").is_some());
        assert!(problem("whsec_").is_some());
        assert_eq!(problem("anything else"), None);
    }
}
