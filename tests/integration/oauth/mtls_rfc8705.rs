//! Certificates of clients (RFC 8705): programs that prove who they are by TLS, and tokens that are bound to that.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use doctyped::testing::certificate::thumbprint;
use doctyped::testing::client_certificates::{CertificateCheck, ClientCertificates};
use doctyped::testing::jwk::Jwk;
use doctyped::testing::jwt::Unverified;
use doctyped::testing::secret::{PrivateKey, SigningAlgorithm};
use rcgen::{CertificateParams, DnType, KeyPair, SanType, date_time_ymd};
use serde_json::{Value as Json, json};
use wiremock::matchers::{method, path};
use wiremock::{Mock, MockServer, ResponseTemplate};

use super::registration_rfc7591::register;
use super::support::{BASE, Program, bearer};
use super::tls_proxy::TlsProxy;
use crate::support::client::Response;
use crate::support::{Client, TestSite};

const ALICE: &str = "alice@example.com";
const WHO: &str = "/api/method/frappe.auth.get_logged_user";
const HEADER: &str = "client-cert";
const SUBJECT: &str = "CN=planner,O=Example\\, Inc.,C=AT";

/// A key with its certificate.
pub struct Holder {
    pub key: KeyPair,
    der: Vec<u8>,
}

impl Holder {
    /// With the subject [`SUBJECT`].
    fn new() -> Self {
        Self::with(KeyPair::generate().unwrap(), |_| {})
    }

    fn with(key: KeyPair, change: impl FnOnce(&mut CertificateParams)) -> Self {
        let mut params = subject();
        change(&mut params);
        let der = params.self_signed(&key).unwrap().der().to_vec();
        Self { key, der }
    }

    /// The certificate as a proxy passes it on (RFC 9440).
    fn header(&self) -> String {
        format!(":{}:", STANDARD.encode(&self.der))
    }

    /// A program that connects with it.
    fn connecting(&self, program: &Program) -> Program {
        program.with_header(HEADER, &self.header())
    }

    /// Somebody with a token, who connects with it.
    fn presenting(&self, site: &TestSite, tokens: &Json) -> Client {
        bearer(site, tokens).with_header(HEADER, &self.header())
    }

    /// The public key, with more members, in a set.
    fn jwks(&self, more: &Json) -> Json {
        let private = PrivateKey::from_pkcs8(SigningAlgorithm::Es256, &self.key.serialize_der()).unwrap();
        let mut jwk = Jwk::named(private.public_key(), SigningAlgorithm::Es256).to_value();
        jwk.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        json!({"keys": [jwk]})
    }
}

/// A certificate to be made, for a long time.
pub fn subject() -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = rcgen::DistinguishedName::new();
    for (kind, text) in
        [(DnType::CountryName, "AT"), (DnType::OrganizationName, "Example, Inc."), (DnType::CommonName, "planner")]
    {
        params.distinguished_name.push(kind, text);
    }
    params
}

/// A site behind a proxy at this address that passes on these certificates.
async fn site_behind(proxy: &str, check: CertificateCheck) -> TestSite {
    let proxies = vec![proxy.parse().unwrap()];
    let certificates = ClientCertificates { header: HEADER.to_owned(), proxies, check };
    let configure = move |config: &mut doctyped::testing::config::Config| {
        config.trusted_proxies = 1;
        config.client_certificates = Some(certificates);
        config.development = true;
    };
    TestSite::new().with_config(configure).await
}

async fn site(check: CertificateCheck) -> TestSite {
    site_behind("127.0.0.1", check).await
}

fn named(kind: &str, name: &str) -> Json {
    json!({"token_endpoint_auth_method": "TLS Client Auth", kind: name})
}

/// Renews with a token that does not exist: `invalid_grant` says that the client has proved itself.
async fn proves(program: &Program) -> bool {
    let answer = program.refresh("dt_rt_x").await;
    let code = answer.json()["error"].as_str().unwrap().to_owned();
    match (answer.status.as_u16(), code.as_str()) {
        (400, "invalid_grant") => true,
        (401, "invalid_client") => false,
        _ => panic!("{}", answer.body),
    }
}

#[tokio::test]
async fn a_program_proves_itself_by_a_name_in_its_certificate() {
    let site = site(CertificateCheck::Verified).await;
    let holder = Holder::with(KeyPair::generate().unwrap(), |params| {
        params.subject_alt_names = vec![
            SanType::DnsName("planner.example.com".try_into().unwrap()),
            SanType::URI("urn:example:planner".try_into().unwrap()),
            SanType::IpAddress("203.0.113.7".parse().unwrap()),
            SanType::Rfc822Name("planner@example.com".try_into().unwrap()),
        ];
    });
    let other = Holder::with(KeyPair::generate().unwrap(), |params| {
        params.distinguished_name.push(DnType::CommonName, "another");
        params.subject_alt_names = vec![SanType::DnsName("another.example.com".try_into().unwrap())];
    });
    for (kind, name) in [
        ("tls_client_auth_subject_dn", SUBJECT),
        ("tls_client_auth_san_dns", "planner.example.com"),
        ("tls_client_auth_san_uri", "urn:example:planner"),
        ("tls_client_auth_san_ip", "203.0.113.7"),
        ("tls_client_auth_san_email", "planner@example.com"),
    ] {
        let program = Program::new(&site, named(kind, name)).await;
        assert!(program.secret.is_empty(), "nobody needs a secret");
        assert!(proves(&holder.connecting(&program)).await, "{kind}");
        assert!(!proves(&other.connecting(&program)).await, "{kind}");
        assert!(!proves(&program).await, "{kind} without a certificate");
    }
}

#[tokio::test]
async fn the_whole_flow_works_without_a_secret() {
    let site = site(CertificateCheck::Verified).await;
    let alice = site.user(ALICE, &[]).await;
    let holder = Holder::new();
    site.db_user("robot@example.com", json!({})).await;
    let mut values = named("tls_client_auth_subject_dn", SUBJECT);
    let more = json!({"allow_client_credentials": 1, "user": "robot@example.com"});
    values.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    let program = holder.connecting(&Program::new(&site, values).await);
    let tokens = program.tokens(&alice).await;
    assert_eq!(tokens["token_type"], "Bearer");
    let tokens = program.refresh(tokens["refresh_token"].as_str().unwrap()).await.status(200).json();
    // Nobody asked for a binding: the token works from everywhere.
    bearer(&site, &tokens).get(WHO).await.ok();
    let token = tokens["access_token"].as_str().unwrap();
    let told = program.post("introspect_token", &[("token", token)]).await.status(200).json();
    assert_eq!((&told["active"], told.get("cnf")), (&json!(true), None));
    let fields = [("grant_type", "client_credentials"), ("scope", "all")];
    let own = program.post("get_token", &fields).await.status(200).json();
    assert_eq!(bearer(&site, &own).logged_user().await, "robot@example.com");
    program.post("revoke_token", &[("token", token)]).await.status(200);
    bearer(&site, &tokens).get(WHO).await.status(401);
}

#[tokio::test]
async fn several_expired_early_and_unreadable_certificates_prove_nothing() {
    let site = site(CertificateCheck::Verified).await;
    let program = Program::new(&site, named("tls_client_auth_subject_dn", SUBJECT)).await;
    let holder = Holder::new();
    let expired = Holder::with(KeyPair::generate().unwrap(), |params| params.not_after = date_time_ymd(2020, 1, 1));
    let early = Holder::with(KeyPair::generate().unwrap(), |params| params.not_before = date_time_ymd(2999, 1, 1));
    let (good, nonsense) = (holder.header(), format!(":{}:", STANDARD.encode("nonsense")));
    for (what, headers) in [
        ("several", vec![good.clone(), good.clone()]),
        ("several in one line", vec![format!("{good}, {good}")]),
        ("one that the client sent and one of the proxy", vec![good.clone(), Holder::new().header()]),
        ("expired", vec![expired.header()]),
        ("early", vec![early.header()]),
        ("no certificate", vec![nonsense]),
        ("no byte sequence", vec!["planner".to_owned()]),
        ("empty", vec![String::new()]),
    ] {
        let sending =
            headers.iter().fold(program.with_header("x-case", "1"), |to, value| to.with_header(HEADER, value));
        let refused = sending.refresh("dt_rt_x").await.oauth_error(401, "invalid_client");
        assert_eq!(refused.json()["error_description"], "Client authentication failed", "{what}");
        assert!(proves(&holder.connecting(&program)).await, "{what}");
    }
}

#[tokio::test]
async fn a_certificate_counts_only_if_a_trusted_proxy_says_so() {
    let site = site_behind("10.0.0.0/8", CertificateCheck::Verified).await;
    let program = Program::new(&site, named("tls_client_auth_subject_dn", SUBJECT)).await;
    assert!(!proves(&Holder::new().connecting(&program)).await);
    // Nor does it where nobody has configured one.
    let site = TestSite::new().await;
    let program = Program::new(&site, json!({"token_endpoint_auth_method": "None"})).await;
    let method = json!({"token_endpoint_auth_method": "TLS Client Auth", "tls_client_auth_subject_dn": SUBJECT});
    let refused = site.administrator().await.update("OAuth Client", &program.id, method).await;
    let refused = refused.error(417, "ValidationError");
    assert_eq!(refused["problems"][0]["field"], "token_endpoint_auth_method");
    assert!(refused.to_string().contains("DOCTYPED_CLIENT_CERTIFICATE_HEADER"), "{refused}");
}

#[tokio::test]
async fn a_name_that_nobody_has_checked_proves_nothing_and_neither_does_a_key_that_no_proxy_lets_through() {
    let (any, verified) = (site(CertificateCheck::Any).await, site(CertificateCheck::Verified).await);
    let holder = Holder::new();
    let by_key = json!({
        "token_endpoint_auth_method": "Self-Signed TLS Client Auth", "jwks": holder.jwks(&json!({})).to_string(),
    });
    for (site, values, setting) in [
        (&any, named("tls_client_auth_subject_dn", SUBJECT), "DOCTYPED_CLIENT_CERTIFICATES to verified"),
        (&verified, by_key, "DOCTYPED_CLIENT_CERTIFICATES to any"),
    ] {
        let mut client = json!({"app_name": "Planner", "default_redirect_uri": "https://app.example/callback"});
        client.as_object_mut().unwrap().extend(values.as_object().unwrap().clone());
        let refused = site.administrator().await.create("OAuth Client", client).await.error(417, "ValidationError");
        assert!(refused.to_string().contains(setting), "{refused}");
    }
}

#[tokio::test]
async fn a_program_proves_itself_by_the_key_of_a_self_signed_certificate() {
    let site = site(CertificateCheck::Any).await;
    let (holder, other) = (Holder::new(), Holder::new());
    let with_keys = async |jwks: Json| {
        let values = json!({"token_endpoint_auth_method": "Self-Signed TLS Client Auth", "jwks": jwks.to_string()});
        Program::new(&site, values).await
    };
    let by_key = with_keys(holder.jwks(&json!({}))).await;
    let by_certificate = with_keys(holder.jwks(&json!({"x5c": [STANDARD.encode(&holder.der)]}))).await;
    let renewed = Holder::with(KeyPair::from_pem(&holder.key.serialize_pem()).unwrap(), |params| {
        params.not_after = date_time_ymd(3000, 1, 1);
    });
    for program in [&by_key, &by_certificate] {
        assert!(proves(&holder.connecting(program)).await);
        assert!(!proves(&other.connecting(program)).await, "the same names, another key");
        assert!(!proves(program).await);
    }
    assert!(proves(&renewed.connecting(&by_key)).await);
    assert!(!proves(&renewed.connecting(&by_certificate)).await, "the set names the certificate that counts");
}

#[tokio::test]
async fn keys_that_a_program_publishes_are_fetched_and_renewed() {
    let site = site(CertificateCheck::Any).await;
    let (server, old, new) = (MockServer::start().await, Holder::new(), Holder::new());
    let publish = async |holder: &Holder| {
        server.reset().await;
        let keys = ResponseTemplate::new(200).set_body_json(holder.jwks(&json!({})));
        Mock::given(method("GET")).and(path("/jwks")).respond_with(keys).mount(&server).await;
    };
    publish(&old).await;
    let address = format!("{}/jwks", server.uri());
    let values = json!({"token_endpoint_auth_method": "Self-Signed TLS Client Auth", "jwks_uri": address});
    let program = Program::new(&site, values).await;
    assert!(proves(&old.connecting(&program)).await);
    publish(&new).await;
    site.clock.advance(chrono::Duration::seconds(11));
    assert!(proves(&new.connecting(&program)).await);
    assert!(!proves(&old.connecting(&program)).await);
}

/// A program whose tokens are bound to its certificate.
async fn bound(site: &TestSite, more: Json) -> Program {
    let mut values = json!({"tls_client_certificate_bound_access_tokens": 1});
    values.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    Program::new(site, values).await
}

#[tokio::test]
async fn a_bound_token_works_only_over_a_connection_with_its_certificate() {
    let site = site(CertificateCheck::Any).await;
    let alice = site.user(ALICE, &[]).await;
    let (holder, thief) = (Holder::new(), Holder::new());
    for more in [json!({}), json!({"token_endpoint_auth_method": "None"}), json!({"access_token_format": "JWT"})] {
        let program = holder.connecting(&bound(&site, more.clone()).await);
        let tokens = program.tokens(&alice).await;
        assert_eq!(tokens["token_type"], "Bearer");
        assert_eq!(holder.presenting(&site, &tokens).get(WHO).await.ok(), ALICE);
        holder.presenting(&site, &tokens).get(&format!("{BASE}openid_profile")).await.status(200);
        for other in [bearer(&site, &tokens), thief.presenting(&site, &tokens)] {
            let refused = other.get(WHO).await.status(401);
            let challenge = refused.header("www-authenticate");
            assert!(challenge.starts_with("Bearer error=\"invalid_token\""), "{more} {challenge}");
        }
    }
}

#[tokio::test]
async fn introspection_and_jwt_name_the_certificate() {
    let site = site(CertificateCheck::Any).await;
    let alice = site.user(ALICE, &[]).await;
    let holder = Holder::new();
    let program = holder.connecting(&bound(&site, json!({"access_token_format": "JWT"})).await);
    let tokens = program.tokens(&alice).await;
    let token = tokens["access_token"].as_str().unwrap();
    let expected = json!({"x5t#S256": thumbprint(&holder.der)});
    let told = program.post("introspect_token", &[("token", token)]).await.status(200).json();
    assert_eq!((&told["cnf"], &told["token_type"]), (&expected, &json!("Bearer")));
    assert_eq!(Unverified::parse(token).unwrap().unverified_claims().0["cnf"], expected);
    let stored = site.db_names("OAuth Bearer Token", json!({"x5t_s256": thumbprint(&holder.der)})).await;
    assert_eq!(stored.len(), 1);
}

#[tokio::test]
async fn a_program_whose_tokens_are_bound_gets_none_without_a_certificate() {
    let site = site(CertificateCheck::Any).await;
    let alice = site.user(ALICE, &[]).await;
    let program = bound(&site, json!({})).await;
    let expired = Holder::with(KeyPair::generate().unwrap(), |params| params.not_after = date_time_ymd(2020, 1, 1));
    let holder = Holder::new();
    let code = program.code(&alice).await;
    for (refused, says) in [
        (program.exchange(&code).await, "connect with one"),
        (expired.connecting(&program).exchange(&code).await, "has expired"),
    ] {
        let refused: Response = refused.oauth_error(400, "invalid_request");
        assert!(refused.body.contains(says), "{}", refused.body);
    }
    // The code is still there.
    holder.connecting(&program).exchange(&code).await.status(200);
}

#[tokio::test]
async fn the_refresh_token_of_a_public_client_is_bound_too() {
    let site = site(CertificateCheck::Any).await;
    let alice = site.user(ALICE, &[]).await;
    let (old, new) = (Holder::new(), Holder::new());
    let public = bound(&site, json!({"token_endpoint_auth_method": "None"})).await;
    let tokens = old.connecting(&public).tokens(&alice).await;
    let refresh_token = tokens["refresh_token"].as_str().unwrap();
    new.connecting(&public).refresh(refresh_token).await.oauth_error(400, "invalid_grant");
    old.connecting(&public).refresh(refresh_token).await.status(200);
    // Whoever proves who they are may renew their certificate.
    let confidential = bound(&site, json!({})).await;
    let tokens = old.connecting(&confidential).tokens(&alice).await;
    let renewed = new.connecting(&confidential).refresh(tokens["refresh_token"].as_str().unwrap()).await;
    let renewed = renewed.status(200).json();
    new.presenting(&site, &renewed).get(WHO).await.ok();
    old.presenting(&site, &renewed).get(WHO).await.status(401);
}

#[tokio::test]
async fn a_bound_token_is_exchanged_only_with_its_certificate_and_stays_bound() {
    let site = site(CertificateCheck::Any).await;
    site.db_update("OAuth Settings", "OAuth Settings", json!({"enable_token_exchange": 1})).await;
    let alice = site.user(ALICE, &[]).await;
    let (holder, thief) = (Holder::new(), Holder::new());
    let program = bound(&site, json!({"allow_token_exchange": 1})).await;
    let tokens = holder.connecting(&program).tokens(&alice).await;
    // Also where the client need not bind its tokens any more.
    site.db_update("OAuth Client", &program.id, json!({"tls_client_certificate_bound_access_tokens": 0})).await;
    let access_token = "urn:ietf:params:oauth:token-type:access_token";
    let fields = [
        ("grant_type", "urn:ietf:params:oauth:grant-type:token-exchange"),
        ("subject_token", tokens["access_token"].as_str().unwrap()),
        ("subject_token_type", access_token),
    ];
    for program in [&program, &thief.connecting(&program)] {
        let refused = program.post("get_token", &fields).await.oauth_error(400, "invalid_request");
        assert!(refused.body.contains("bound to a certificate"), "{}", refused.body);
    }
    let exchanged = holder.connecting(&program).post("get_token", &fields).await.status(200).json();
    assert_eq!(holder.presenting(&site, &exchanged).get(WHO).await.ok(), ALICE);
    bearer(&site, &exchanged).get(WHO).await.status(401);
}

#[tokio::test]
async fn metadata_offers_certificates_only_where_a_proxy_passes_them_on() {
    let offers = async |site: &TestSite| {
        let server = site.guest().get("/.well-known/oauth-authorization-server").await.status(200).json();
        let resource = site.guest().get("/.well-known/oauth-protected-resource").await.status(200).json();
        let methods = server["token_endpoint_auth_methods_supported"].as_array().unwrap().clone();
        let methods: Vec<String> = methods.iter().map(|name| name.as_str().unwrap().to_owned()).collect();
        let bound = "tls_client_certificate_bound_access_tokens";
        assert_eq!(server.get(bound), resource.get(bound));
        (
            methods.into_iter().filter(|name| name.contains("tls")).collect::<Vec<_>>(),
            server.get(bound) == Some(&json!(true)),
        )
    };
    assert_eq!(offers(&TestSite::new().await).await, (vec![], false));
    let verified = site(CertificateCheck::Verified).await;
    assert_eq!(offers(&verified).await, (vec!["tls_client_auth".to_owned()], true));
    let any = site(CertificateCheck::Any).await;
    assert_eq!(offers(&any).await, (vec!["self_signed_tls_client_auth".to_owned()], true));
}

#[tokio::test]
async fn a_program_registers_its_certificate_and_gets_its_tokens_with_it() {
    let site = site(CertificateCheck::Verified).await;
    let alice = site.user(ALICE, &[]).await;
    let metadata = json!({
        "client_name": "Planner", "redirect_uris": ["https://app.example/callback"],
        "token_endpoint_auth_method": "tls_client_auth", "tls_client_auth_subject_dn": SUBJECT,
        "tls_client_certificate_bound_access_tokens": true,
    });
    let made = register(&site.guest(), metadata.clone()).await.status(201).json();
    for name in
        ["token_endpoint_auth_method", "tls_client_auth_subject_dn", "tls_client_certificate_bound_access_tokens"]
    {
        assert_eq!(made[name], metadata[name], "{name}");
    }
    assert!(made.get("client_secret").is_none() && made.get("tls_client_auth_san_dns").is_none(), "{made}");
    let holder = Holder::new();
    let program = holder.connecting(&Program::registered(&site, &made, "openid"));
    let tokens = program.tokens(&alice).await;
    holder.presenting(&site, &tokens).get(&format!("{BASE}openid_profile")).await.status(200);
    bearer(&site, &tokens).get(&format!("{BASE}openid_profile")).await.status(401);
    let mut two = metadata;
    two["tls_client_auth_san_dns"] = json!("planner.example.com");
    register(&site.guest(), two).await.oauth_error(400, "invalid_client_metadata");
}

#[tokio::test]
async fn what_an_administrator_enters_is_checked_field_by_field() {
    let site = site(CertificateCheck::Verified).await;
    let administrator = site.administrator().await;
    for (values, field) in [
        (json!({}), "tls_client_auth_subject_dn"),
        (json!({"tls_client_auth_subject_dn": "planner"}), "tls_client_auth_subject_dn"),
        (json!({"tls_client_auth_san_ip": "planner"}), "tls_client_auth_san_ip"),
        (json!({"tls_client_auth_san_dns": "*.example.com"}), "tls_client_auth_san_dns"),
        (
            json!({"tls_client_auth_san_dns": "a.example.com", "tls_client_auth_san_uri": "urn:a"}),
            "tls_client_auth_subject_dn",
        ),
    ] {
        let mut client = json!({
            "app_name": "Planner", "default_redirect_uri": "https://app.example/callback",
            "token_endpoint_auth_method": "TLS Client Auth",
        });
        client.as_object_mut().unwrap().extend(values.as_object().unwrap().clone());
        let refused = administrator.create("OAuth Client", client).await.error(417, "ValidationError");
        assert_eq!(refused["problems"][0]["field"], field, "{refused}");
    }
}

#[tokio::test]
async fn a_certificate_proves_a_program_over_a_real_connection() {
    let site = TlsProxy::site().await;
    let proxy = TlsProxy::start(&site).await;
    let mut values = named("tls_client_auth_subject_dn", SUBJECT);
    let more = json!({
        "allow_client_credentials": 1, "user": "robot@example.com", "scopes": "all",
        "tls_client_certificate_bound_access_tokens": 1,
    });
    values.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    site.db_user("robot@example.com", json!({})).await;
    let program = Program::new(&site, values).await;
    let fields = [("grant_type", "client_credentials"), ("client_id", program.id.as_str()), ("scope", "all")];
    let (own, other) = (proxy.client(Some(subject())), proxy.client(None));
    let asked = own.post(proxy.uri(&format!("{BASE}get_token"))).form(&fields).send().await.unwrap();
    assert_eq!(asked.status(), 200);
    let tokens: Json = asked.json().await.unwrap();
    let token = tokens["access_token"].as_str().unwrap();
    let who = async |client: &reqwest::Client| {
        client.get(proxy.uri(WHO)).bearer_auth(token).send().await.unwrap().status().as_u16()
    };
    assert_eq!(who(&own).await, 200);
    assert_eq!(who(&other).await, 401);
    // Neither a header of one's own nor the way around the proxy helps.
    let forged = Holder::new().header();
    for (client, expected) in [(&other, 401), (&own, 200)] {
        let asked = client.post(proxy.uri(&format!("{BASE}get_token"))).header(HEADER, &forged).form(&fields);
        assert_eq!(asked.send().await.unwrap().status(), expected);
    }
    let around = format!("{}{BASE}get_token", site.documents().site_url());
    let asked =
        reqwest::Client::builder().no_proxy().build().unwrap().post(around).header(HEADER, &forged).form(&fields);
    assert_eq!(asked.send().await.unwrap().status(), 401);
}
