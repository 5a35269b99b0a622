//! Private keys as people paste them: PEM of any of the three usual kinds, or a JSON Web Key.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::Value as Json;

use crate::secret::{Curve, PrivateKey, SigningAlgorithm};

/// A key with the id it gives itself.
#[derive(Debug)]
pub(crate) struct NamedKey {
    /// The key.
    pub key: PrivateKey,
    /// Its `kid`, if it is a JSON Web Key that has one.
    pub kid: Option<String>,
}

/// Reads a private key; the error says what to paste instead.
pub(crate) fn parse(text: &str) -> Result<NamedKey, &'static str> {
    let text = text.trim();
    if text.starts_with('{') {
        return parse_jwk(text);
    }
    let (label, body) =
        pem(text).ok_or("Paste the private key as PEM, with its BEGIN and END lines, or as a JSON Web Key")?;
    match label {
        "PRIVATE KEY" | "RSA PRIVATE KEY" | "EC PRIVATE KEY" => {}
        "ENCRYPTED PRIVATE KEY" => return Err("The private key is encrypted with a passphrase: paste it decrypted"),
        "PUBLIC KEY" | "CERTIFICATE" => return Err("This is the public half: paste the private key"),
        _ => return Err("This kind of key cannot be used: paste a private key for RSA, EC or Ed25519"),
    }
    let key = PrivateKey::from_der(&body).ok_or(
        "The private key is damaged, or of a kind that cannot be used: paste one for RSA (2,048 bits or more), EC or Ed25519, whole",
    )?;
    Ok(NamedKey { key, kid: None })
}

/// Label and content of the first block; line breaks may be lost, as they are in a one-line input.
fn pem(text: &str) -> Option<(&str, Vec<u8>)> {
    let (_, rest) = text.split_once("-----BEGIN ")?;
    let (label, rest) = rest.split_once("-----")?;
    let (body, _) = rest.split_once("-----END")?;
    let body: String = body.chars().filter(|c| !c.is_whitespace()).collect();
    Some((label, STANDARD.decode(body).ok()?))
}

fn parse_jwk(text: &str) -> Result<NamedKey, &'static str> {
    let jwk: Json = serde_json::from_str(text).map_err(|_| "The JSON Web Key does not parse: paste it again, whole")?;
    let part = |name: &str| {
        let bytes = jwk[name].as_str().and_then(|text| URL_SAFE_NO_PAD.decode(text.trim_end_matches('=')).ok());
        bytes.ok_or("The JSON Web Key has no private part that can be used: paste the one with `d` in it")
    };
    let key = match jwk["kty"].as_str() {
        Some("RSA") => PrivateKey::from_rsa_components([
            part("n")?,
            part("e")?,
            part("d")?,
            part("p")?,
            part("q")?,
            part("dp")?,
            part("dq")?,
            part("qi")?,
        ]),
        Some("EC") => {
            let curve = jwk["crv"].as_str().and_then(Curve::parse);
            let curve =
                curve.ok_or("The curve of the JSON Web Key cannot be used: paste a key for P-256, P-384 or P-521")?;
            // Some clients leave out the zeros at the front.
            let padded =
                |bytes: Vec<u8>| [vec![0; curve.coordinate_length().saturating_sub(bytes.len())], bytes].concat();
            PrivateKey::from_scalar(curve, &padded(part("d")?), &padded(part("x")?), &padded(part("y")?))
        }
        Some("OKP") if jwk["crv"] == "Ed25519" => PrivateKey::from_seed(&part("d")?, &part("x")?),
        _ => return Err("This kind of JSON Web Key cannot be used: paste one of kty RSA, EC or OKP (Ed25519)"),
    };
    let damaged = "The JSON Web Key is damaged or does not fit its `alg`";
    let mut key = key.ok_or(damaged)?;
    if let Some(name) = jwk["alg"].as_str() {
        let algorithm = SigningAlgorithm::parse(name).ok_or("The `alg` of the JSON Web Key is not supported")?;
        key = key.with_algorithm(algorithm).map_err(|_| damaged)?;
    }
    Ok(NamedKey { key, kid: jwk["kid"].as_str().map(str::to_owned) })
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use x509_cert::der::Decode as _;
    use x509_cert::der::asn1::Int;

    use super::*;

    fn pem_of(label: &str, der: &[u8]) -> String {
        format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", STANDARD.encode(der))
    }

    #[test]
    fn pem_is_read_with_and_without_line_breaks() {
        for algorithm in
            [SigningAlgorithm::Es256, SigningAlgorithm::Es384, SigningAlgorithm::Rs256, SigningAlgorithm::EdDsa]
        {
            let key = PrivateKey::generate(algorithm);
            let text = pem_of("PRIVATE KEY", &key.to_pkcs8());
            for text in [text.clone(), text.replace('\n', " "), text.replace('\n', "")] {
                let read = parse(&text).unwrap().key;
                assert_eq!((read.algorithm(), read.public_key()), (algorithm, key.public_key()));
            }
        }
    }

    /// What `openssl genrsa -traditional` and `openssl ecparam -name secp384r1 -genkey` write.
    const PKCS1: &str = "-----BEGIN RSA PRIVATE KEY-----\n\
        MIIEogIBAAKCAQEArE82VZwwVIbRgwHYjS7YVPHAL42vqkU8Fe0GlVf2O+PxSzr6\n\
        Ffz1nUs+tPyxdsNxx/RJZhppOQPQ0mBnl+GMSzoZkqho5fnYEUWRAriZTrNV+S3X\n\
        EvQxvIvU2lfqwWgXCDWrM9HwFLrElxyMtH/bHsyi8PpsleA+Rkyng3swjo3ldQuJ\n\
        jPAZl1kmd2b0QJF8ANnAO70Qb65pi5hGMGqUgxhKXVBNT10ezg4TgT+Epmc+za/q\n\
        vW7rkl6USQjZB6PStb7xODXYen3a4VML/qzlpB4lgfFKSJKGIlCE8f3KFu47+XzK\n\
        EzQ8r2opNk6HsC1b+K5RyGUIk2Gzbkkf7x0ZsQIDAQABAoIBACS6VK1OV8Hoo8de\n\
        MRu04MFIb2vjck5jqBFPXtAd+fsdlNzxgwWFUBA5TfIzi5syQTI7CJsmJYgU32G8\n\
        UVB/L9GIHpPTaFqe1PangqeXE/yBvuFYa0fbu69CCfqJc11K09/42pd22Ar/HXDN\n\
        UdOWji0ENvYRFuyiafu/kpQ0wa6cyBAv6iNO3qWJ6yRjtdmw1EJjGtSuotD+0j/8\n\
        OeAA+AK1G/Dr+MuYYfpMoWK/8UnM87NWIzWsGDSwUGTDpVLAd2AVhpa/ukK8HUUj\n\
        nXJ+OQJ1vy4WbIt482jiNX1/k3VyTlYrU6yFceMcvWhoJxaJBnXgt/j8TaBhDrFE\n\
        eAKoR00CgYEA4IEocx9rbZHqyspFHSLj7G9f4FbKybR9PApEpVUlL/cowdFqwg5a\n\
        kN+CezQ/sitb7g7p4+3G0uU78851gJPfjNafMeT7OlUoa90il6UKQgUgeyoEAthr\n\
        rd47OFMYzYEHRM3DulKnGPQflbR7uQM79vppWZgQNsFCqgreX7TTJS0CgYEAxHuF\n\
        xA2XQVx26I+IrAwRaScwHiRyTAQO5izGk3E55JiYwwT8sLTXL0eJ7a8DqSkJInUr\n\
        lph4uK8toU5/DpwPaDV8qCbHM12eoKJEPrVDFA6CQ9OTKJ/4BivDMS7TTYpD08Bx\n\
        vDPIZyD+Vv355+cC4v/xZYuVwpyJjhcCLYapYRUCgYBP3kMYqZ3bTiT8Xfc2hVoW\n\
        nAy8z8O2/GntOS3wr5jaNpCeWzUisl6P2aQe1piudvRufYnB1657CqhIdTOiOXk3\n\
        LodWBcNGnlMSBIqw7jr2/8HtbyYcKQgtw7jHsfBJ89Q1Kwqtt4fQvdCavqmhSUBE\n\
        /hMKl6l1AU4JFnLEE51mRQKBgDLGWQMZIAVcB76BmSgc1kL+RYkEkiTix5bj600e\n\
        7X8NkCyVlVd05EbrjdFGcQO9/wZQkTsRm+DeJESTLHJyEek0KUqq+r9jaiLIzCoI\n\
        XZVJSpCMlHLjJA00MfT7zM808+I80Sd5mkhMVm3UpEgxgqV2zsMXF1R7b3CwsXdi\n\
        XVMhAoGAZFx85dsp/oS+Azui0lws+jWoZJ59/6EcRCiF2itBou2+ljdWLdP9475i\n\
        XJGtvJ1RfVeVxU2LpOG16/CrQbR+bNWmjqX+e+kqTsiaXgyIloRyIci2tZ7n1iZP\n\
        QBU6Wgq4fV+bsnrLm2KNUHvhk+jSbka85m6mx+5wF5YpytUW/II=\n\
        -----END RSA PRIVATE KEY-----";
    const SEC1: &str = "-----BEGIN EC PRIVATE KEY-----\n\
        MIGkAgEBBDAkJMETt0Q6XGESyeprtjWzQ71e4uz8m6TwUv9C2M7HPBZJCEFDz7i+\n\
        3T7ghN5iO1CgBwYFK4EEACKhZANiAAQlRTf+6RJk4K9qg0vvTrGR9T0hoB/viTtJ\n\
        eHB7AZynmq+GcdYvNOUR58N2Xs1XCLXeapcXscKbUfUHaAJ0NFqRSYj57HZgtG3C\n\
        aNsHVIgAPBcE9y3q047+l3ud0U30hrM=\n\
        -----END EC PRIVATE KEY-----";

    #[test]
    fn the_older_forms_of_pem_are_read() {
        for (text, algorithm) in [(PKCS1, SigningAlgorithm::Rs256), (SEC1, SigningAlgorithm::Es384)] {
            let key = parse(text).unwrap().key;
            assert_eq!(key.algorithm(), algorithm);
            let again = PrivateKey::from_pkcs8(algorithm, &key.to_pkcs8()).unwrap();
            assert_eq!(again.public_key(), key.public_key());
        }
    }

    #[test]
    fn an_rsa_key_is_read_from_its_numbers_and_signs_with_its_alg() {
        // The numbers of the key above, in its order: version, n, e, d, p, q, dp, dq, qi.
        let body = pem(PKCS1).unwrap().1;
        let numbers = Vec::<Int>::from_der(&body).unwrap();
        let key = numbers.iter().skip(1).map(Int::as_bytes);
        let mut jwk = json!({"kty": "RSA", "alg": "PS256"});
        for (name, number) in ["n", "e", "d", "p", "q", "dp", "dq", "qi"].into_iter().zip(key) {
            jwk[name] = json!(URL_SAFE_NO_PAD.encode(number));
        }
        let read = parse(&jwk.to_string()).unwrap().key;
        assert_eq!(read.algorithm(), SigningAlgorithm::Ps256);
        assert_eq!(read.public_key(), parse(PKCS1).unwrap().key.public_key());
        jwk["alg"] = json!("ES256");
        assert!(parse(&jwk.to_string()).unwrap_err().contains("does not fit its `alg`"));
    }

    #[test]
    fn the_private_key_of_rfc_7517_is_read() {
        // RFC 7517 appendix A.2, the elliptic key.
        let text = json!({
            "kty": "EC", "crv": "P-256", "kid": "1", "use": "enc",
            "x": "MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4",
            "y": "4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM",
            "d": "870MB6gfuTJ4HtUnUvYMyJpr5eUZNP4Bk43bVdj3eAE",
        });
        let named = parse(&text.to_string()).unwrap();
        assert_eq!(named.kid.as_deref(), Some("1"));
        let signature = named.key.sign(b"message");
        assert!(named.key.public_key().verify(SigningAlgorithm::Es256, b"message", &signature));
    }

    #[test]
    fn the_ed25519_key_of_rfc_8037_is_read() {
        let text = r#"{"kty":"OKP","crv":"Ed25519","d":"nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#;
        let key = parse(text).unwrap().key;
        let expected = URL_SAFE_NO_PAD.decode("11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo").unwrap();
        assert_eq!(key.public_key(), crate::secret::PublicKey::Ed25519 { x: expected });
    }

    #[test]
    fn what_is_no_private_key_is_refused_with_advice() {
        for (text, says) in [
            ("", "Paste the private key"),
            ("hunter2", "Paste the private key"),
            ("-----BEGIN PUBLIC KEY-----AAAA-----END PUBLIC KEY-----", "public half"),
            ("-----BEGIN ENCRYPTED PRIVATE KEY-----AAAA-----END ENCRYPTED PRIVATE KEY-----", "passphrase"),
            ("-----BEGIN PRIVATE KEY-----AAAA-----END PRIVATE KEY-----", "cannot be used"),
            ("{", "does not parse"),
            ("{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"AA\",\"y\":\"AA\"}", "no private part"),
            ("{\"kty\":\"oct\",\"k\":\"AA\"}", "cannot be used"),
        ] {
            let error = parse(text).unwrap_err();
            assert!(error.contains(says), "{text}: {error}");
        }
    }
}
