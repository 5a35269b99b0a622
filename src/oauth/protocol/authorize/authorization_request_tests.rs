//! What an authorization request is refused for, in which order, and where the refusal goes.

use super::*;
use crate::oauth::protocol::authorize::authorization_response::AuthorizationResponse;
use crate::oauth::protocol::serve::scope::Scope;

const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

struct Fixture {
    redirect_uris: RedirectUris,
    ceiling: Ceiling,
    default_scopes: ScopeSet,
    resources: KnownResources,
}

impl Fixture {
    fn new() -> Self {
        Self {
            redirect_uris: RedirectUris::from_stored("https://app.example/cb https://app.example/other"),
            ceiling: Ceiling::decided(ScopeSet::parse("openid email doctype:Book:write").unwrap()),
            default_scopes: ScopeSet::parse("openid profile email").unwrap(),
            resources: KnownResources::new("https://site.example", ["/mcp"]),
        }
    }

    fn client(&self) -> ClientRules<'_> {
        ClientRules {
            client_id: "app",
            redirect_uris: &self.redirect_uris,
            ceiling: &self.ceiling,
            is_public: true,
            may_use_code: true,
            require_pkce: true,
            require_pushed: false,
            require_signed: false,
        }
    }

    fn server(&self) -> ServerRules<'_> {
        ServerRules {
            issuer: "https://site.example",
            default_scopes: &self.default_scopes,
            known_scopes: &(),
            resources: &self.resources,
            require_pushed: false,
        }
    }

    fn parse(&self, query: &str) -> Result<AuthorizationRequest, AuthorizeError> {
        self.parse_as(query, &self.client(), RequestOrigin::default())
    }

    fn parse_as(
        &self,
        query: &str,
        client: &ClientRules<'_>,
        origin: RequestOrigin,
    ) -> Result<AuthorizationRequest, AuthorizeError> {
        AuthorizationRequest::parse(&Parameters::parse(query).unwrap(), origin, client, &self.server())
    }
}

fn query(extra: &str) -> String {
    format!(
        "client_id=app&redirect_uri=https%3A%2F%2Fapp.example%2Fcb&response_type=code&state=xyz&scope=openid\
         &code_challenge={CHALLENGE}&code_challenge_method=S256{extra}"
    )
}

fn without(name: &str) -> String {
    query("").split('&').filter(|pair| !pair.starts_with(&format!("{name}="))).collect::<Vec<_>>().join("&")
}

fn with(name: &str, value: &str) -> String {
    format!("{}&{name}={value}", without(name))
}

#[track_caller]
fn redirected(result: Result<AuthorizationRequest, AuthorizeError>) -> (ErrorCode, String) {
    match result {
        Err(AuthorizeError::Redirect(redirected)) => match redirected.response() {
            AuthorizationResponse::Redirect(location) => (redirected.error.code(), location),
            AuthorizationResponse::FormPost { action, .. } => (redirected.error.code(), action),
        },
        other => panic!("expected a redirect: {other:?}"),
    }
}

#[test]
fn a_complete_request_is_read() {
    let request =
        Fixture::new().parse(&query("&nonce=n&prompt=login&max_age=60&login_hint=a&resource=https://site.example/mcp"));
    let request = request.unwrap();
    assert_eq!(request.client_id, "app");
    assert_eq!(request.target.redirect_uri.as_str(), "https://app.example/cb");
    assert_eq!(request.target.state.as_deref(), Some("xyz"));
    assert_eq!(request.nonce.as_deref(), Some("n"));
    assert_eq!(request.resources, ["https://site.example/mcp"]);
    assert!(request.scopes.contains(&Scope::OpenId) && request.login.prompt.login);
    let stored = serde_json::to_string(&request).unwrap();
    assert_eq!(serde_json::from_str::<AuthorizationRequest>(&stored).unwrap(), request);
}

#[test]
fn unknown_parameters_are_ignored() {
    assert!(Fixture::new().parse(&query("&claims=%7B%7D&display=popup&foo=bar&ui_locales=xx")).is_ok());
}

#[test]
fn nothing_is_redirected_to_an_address_that_is_not_the_clients() {
    for query in [
        with("redirect_uri", "https://evil.example/cb"),
        with("redirect_uri", "https://app.example/cb/"),
        without("redirect_uri"),
        query("&redirect_uri=https://app.example/other"),
        query("&client_id=other"),
        without("client_id"),
    ] {
        assert!(matches!(Fixture::new().parse(&query), Err(AuthorizeError::Page(_))), "{query}");
    }
}

#[test]
fn errors_travel_to_the_client_with_state_and_issuer() {
    for (query, expected) in [
        (without("response_type"), ErrorCode::InvalidRequest),
        (with("response_type", "token"), ErrorCode::UnsupportedResponseType),
        (with("response_type", "code+id_token"), ErrorCode::UnsupportedResponseType),
        (without("code_challenge"), ErrorCode::InvalidRequest),
        (with("code_challenge_method", "plain"), ErrorCode::InvalidRequest),
        (with("scope", "openid+all"), ErrorCode::InvalidScope),
        (with("scope", "openid+%22"), ErrorCode::InvalidScope),
        (query("&resource=https://evil.example"), ErrorCode::InvalidTarget),
        (query("&prompt=none+login"), ErrorCode::InvalidRequest),
        (query("&max_age=soon"), ErrorCode::InvalidRequest),
        (query("&nonce=1&nonce=2"), ErrorCode::InvalidRequest),
        (query("&response_mode=fragment"), ErrorCode::InvalidRequest),
        (query("&request=eyJ"), ErrorCode::RequestNotSupported),
        (query("&request_uri=https://evil.example"), ErrorCode::RequestUriNotSupported),
        (query("&registration=%7B%7D"), ErrorCode::RegistrationNotSupported),
        (query("&dpop_jkt=short"), ErrorCode::InvalidRequest),
    ] {
        let (code, location) = redirected(Fixture::new().parse(&query));
        assert_eq!(code, expected, "{query}");
        assert!(location.starts_with(&format!("https://app.example/cb?error={}&", expected.as_str())), "{location}");
        assert!(location.ends_with("&state=xyz&iss=https%3A%2F%2Fsite.example"), "{location}");
    }
}

#[test]
fn a_repeated_state_is_not_guessed() {
    let (code, location) = redirected(Fixture::new().parse(&query("&state=abc")));
    assert_eq!(code, ErrorCode::InvalidRequest);
    assert!(!location.contains("state="), "{location}");
}

#[test]
fn errors_use_the_response_mode_that_was_asked_for() {
    let Err(AuthorizeError::Redirect(error)) = Fixture::new().parse(&query("&response_mode=form_post&prompt=never"))
    else {
        panic!()
    };
    assert!(matches!(error.response(), AuthorizationResponse::FormPost { .. }));
}

#[test]
fn what_a_client_must_do_is_demanded() {
    let fixture = Fixture::new();
    let code = |client: ClientRules<'_>, origin| redirected(fixture.parse_as(&query(""), &client, origin)).0;
    let nothing = RequestOrigin::default();
    let no_code = ClientRules { may_use_code: false, ..fixture.client() };
    assert_eq!(code(no_code, nothing), ErrorCode::UnauthorizedClient);
    let pushes = ClientRules { require_pushed: true, ..fixture.client() };
    assert_eq!(code(pushes, nothing), ErrorCode::InvalidRequest);
    assert!(fixture.parse_as(&query(""), &pushes, RequestOrigin { pushed: true, signed: false }).is_ok());
    let signs = ClientRules { require_signed: true, ..fixture.client() };
    assert_eq!(code(signs, nothing), ErrorCode::InvalidRequest);
    assert!(fixture.parse_as(&query(""), &signs, RequestOrigin { pushed: false, signed: true }).is_ok());
}

#[test]
fn only_an_exempted_confidential_client_goes_without_pkce() {
    let fixture = Fixture::new();
    let plain = without("code_challenge").replace("&code_challenge_method=S256", "");
    for (is_public, require_pkce, ok) in
        [(true, true, false), (true, false, false), (false, true, false), (false, false, true)]
    {
        let client = ClientRules { is_public, require_pkce, ..fixture.client() };
        assert_eq!(
            fixture.parse_as(&plain, &client, RequestOrigin::default()).is_ok(),
            ok,
            "{is_public} {require_pkce}"
        );
    }
}

#[test]
fn without_a_scope_the_default_is_granted_as_far_as_it_is_registered() {
    let request = Fixture::new().parse(&without("scope")).unwrap();
    assert_eq!(request.scopes.to_string(), "openid email");
}
