//! What the endpoints read, member by member, in the words of the OpenAPI document.

use crate::web::Param;

/// An authorization request that a browser brings: the client, and a pushed request in place of the rest.
pub const AUTHORIZATION_REQUEST: &[Param] = &[
    Param::required("client_id", "string", "The client that asks"),
    Param::optional("request_uri", "string", "A pushed request (RFC 9126), in place of all but `client_id`"),
];

/// The parameters of RFC 6749 section 4.1.1 and of its extensions.
pub const AUTHORIZATION_PARAMETERS: &[Param] = &[
    Param::optional("response_type", "string", "`code`"),
    Param::optional(
        "redirect_uri",
        "string",
        "Where the response goes, exactly as registered; it may be left out if only one is",
    ),
    Param::optional("scope", "string", "The scopes asked for, separated by spaces"),
    Param::optional("state", "string", "Comes back with the response"),
    Param::optional("code_challenge", "string", "The SHA-256 digest of the verifier, base64url (RFC 7636)"),
    Param::optional("code_challenge_method", "string", "`S256`"),
    Param::optional("resource", "string[]", "The resources that the token is meant for (RFC 8707)"),
    Param::optional("response_mode", "OAuthResponseMode", "How the response travels"),
    Param::optional("nonce", "string", "Comes back in the ID token"),
    Param::optional(
        "prompt",
        "string",
        "`none`, or some of `login`, `consent` and `select_account`, separated by spaces",
    ),
    Param::optional("max_age", "integer", "How old the login may be, in seconds"),
    Param::optional("login_hint", "string", "The person whom the client expects to log in"),
    Param::optional("id_token_hint", "string", "An ID token of that person"),
    Param::optional("acr_values", "string", "The authentication context classes that the client prefers"),
    Param::optional("ui_locales", "string", "The languages that the client prefers"),
    Param::optional(
        "dpop_jkt",
        "string",
        "The thumbprint of the key that the code will be bound to (RFC 9449 section 10)",
    ),
    Param::optional(
        "request",
        "string",
        "The request itself, signed (RFC 9101); of the other parameters only `client_id` counts then",
    ),
];

/// A request to log a person out (RP-Initiated Logout section 2).
pub const END_SESSION_REQUEST: &[Param] = &[
    Param::optional("id_token_hint", "string", "An ID token of the person; it may have expired"),
    Param::optional("client_id", "string", "The client, unless the hint names it"),
    Param::optional("post_logout_redirect_uri", "string", "Where to go afterwards, exactly as registered"),
    Param::optional("state", "string", "Comes back there"),
];

/// How a client says in a form who it is, unless it does so in the header.
pub const CLIENT_AUTHENTICATION: &[Param] = &[
    Param::optional("client_id", "string", "The client; it may be left out where the header or the assertion names it"),
    Param::optional("client_secret", "string", "Its secret, with `client_secret_post`"),
    Param::optional(
        "client_assertion_type",
        "string",
        "With `private_key_jwt` and `client_secret_jwt`: `urn:ietf:params:oauth:client-assertion-type:jwt-bearer`",
    ),
    Param::optional(
        "client_assertion",
        "string",
        "With them: a signed statement of who the client is (RFC 7523 section 2.2)",
    ),
];

/// A request for tokens (RFC 6749 section 4). Which members are needed depends on the grant.
pub const TOKEN_REQUEST: &[Param] = &[
    Param::required("grant_type", "OAuthGrantType", "How the client comes by the tokens"),
    Param::optional("code", "string", "`authorization_code`: the code"),
    Param::optional(
        "redirect_uri",
        "string",
        "`authorization_code`: where the code went, if the authorization request said so",
    ),
    Param::optional("code_verifier", "string", "`authorization_code`: what the challenge was made of (RFC 7636)"),
    Param::optional("refresh_token", "string", "`refresh_token`: the refresh token"),
    Param::optional("device_code", "string", "Device grant: the device code (RFC 8628)"),
    Param::optional("subject_token", "string", "Token exchange: the access token that is exchanged (RFC 8693)"),
    Param::optional("subject_token_type", "string", "Token exchange: `urn:ietf:params:oauth:token-type:access_token`"),
    Param::optional("actor_token", "string", "Token exchange: an access token of the party that acts for the person"),
    Param::optional(
        "actor_token_type",
        "string",
        "Token exchange, with `actor_token`: `urn:ietf:params:oauth:token-type:access_token`",
    ),
    Param::optional(
        "requested_token_type",
        "string",
        "Token exchange: `urn:ietf:params:oauth:token-type:access_token`, which is also the default",
    ),
    Param::optional("audience", "string[]", "Token exchange: the same as `resource`"),
    Param::optional(
        "assertion",
        "string",
        "JWT bearer: what a trusted server signed about a person (RFC 7523 section 2.1)",
    ),
    Param::optional(
        "scope",
        "string",
        "All but `authorization_code` and the device grant: fewer scopes than may be granted, separated by spaces",
    ),
    Param::optional("resource", "string[]", "The resources that the token is meant for (RFC 8707)"),
];

/// A token to ask about or to revoke.
pub const PRESENTED_TOKEN: &[Param] = &[
    Param::required("token", "string", "The access token or refresh token"),
    Param::optional("token_type_hint", "string", "Not needed: the token itself says what it is"),
];

/// A device's request for codes (RFC 8628 section 3.1).
pub const DEVICE_AUTHORIZATION_REQUEST: &[Param] = &[
    Param::optional("scope", "string", "The scopes asked for, separated by spaces"),
    Param::optional("resource", "string[]", "The resources that the token is meant for (RFC 8707)"),
    Param::optional("dpop_jkt", "string", "The thumbprint of the key that the code will be bound to (RFC 9449)"),
];

/// A proof of a key at the token endpoint.
pub const TOKEN_PROOF: &[Param] = &[Param::optional(
    "DPoP",
    "string",
    "A proof that the client holds the key to which the tokens are to be bound (RFC 9449)",
)];

/// A proof of a key beside an access token.
pub const ACCESS_PROOF: &[Param] = &[Param::optional(
    "DPoP",
    "string",
    "With a token that is bound to a key, sent as `Authorization: DPoP`: the proof (RFC 9449 section 7)",
)];

/// What an answer holds that registers a client or reads its registration, beside the metadata (RFC 7591 section 3.2.1).
pub const CLIENT_INFORMATION: &[Param] = &[
    Param::required("client_id", "string", "The client ID"),
    Param::required("client_id_issued_at", "integer", "When it was registered, in seconds since 1970"),
    Param::optional("client_secret", "string", "The secret, shown only in the response that makes it"),
    Param::optional(
        "client_secret_expires_at",
        "integer",
        "When the secret expires, 0 for never; there whenever the secret is",
    ),
    Param::optional("registration_access_token", "string", "The token to manage the registration with"),
    Param::optional("registration_client_uri", "string", "Where to manage it"),
];

/// What an update holds beside the metadata (RFC 7592 section 2.2).
pub const CLIENT_UPDATE: &[Param] = &[
    Param::required("client_id", "string", "The client ID, the same as in the path"),
    Param::optional("client_secret", "string", "The current secret; another one is refused"),
];

/// The public keys that this site signs with (RFC 7517 section 5).
pub const KEY_SET: &[Param] = &[Param::required(
    "keys",
    "OAuthKey[]",
    "The keys: those that sign now, those that come next, and older ones whose signatures may still be about",
)];

/// A public key (RFC 7517 section 4, RFC 7518 section 6, RFC 8037).
pub const KEY: &[Param] = &[
    Param::required("kty", "string", "`EC`, `RSA` or `OKP`"),
    Param::required("kid", "string", "Its name: the thumbprint (RFC 7638)"),
    Param::required("alg", "string", "The algorithm that it signs with"),
    Param::required("use", "string", "`sig`"),
    Param::optional("crv", "string", "`EC` and `OKP`: the curve"),
    Param::optional("x", "string", "`EC` and `OKP`: the x coordinate, or the key itself"),
    Param::optional("y", "string", "`EC`: the y coordinate"),
    Param::optional("n", "string", "`RSA`: the modulus"),
    Param::optional("e", "string", "`RSA`: the exponent"),
];

/// Client metadata (RFC 7591 section 2). What is not known here is left out of the response.
pub const CLIENT_METADATA: &[Param] = &[
    Param::optional("client_name", "string", "The name that people read"),
    Param::optional(
        "redirect_uris",
        "string[]",
        "Where responses may go, exactly; needed for the grant `authorization_code`",
    ),
    Param::optional(
        "token_endpoint_auth_method",
        "OAuthClientAuthenticationMethod",
        "How the client authenticates; `client_secret_basic` if left out. Applications that register themselves cannot use `client_secret_jwt`",
    ),
    Param::optional("grant_types", "string[]", "How it gets tokens; `authorization_code` if left out"),
    Param::optional("response_types", "string[]", "`code`"),
    Param::optional(
        "application_type",
        "OAuthApplicationType",
        "Whether it runs in a browser or is installed on a device",
    ),
    Param::optional("scope", "string", "The most it may ask for, separated by spaces"),
    Param::optional("client_uri", "string", "Its home page"),
    Param::optional("logo_uri", "string", "Its logo"),
    Param::optional("tos_uri", "string", "Its terms of service"),
    Param::optional("policy_uri", "string", "Its privacy policy"),
    Param::optional("contacts", "string[]", "The people responsible for it, usually by email address"),
    Param::optional("software_id", "string", "An identifier of the software, the same for all its versions"),
    Param::optional("software_version", "string", "The version of the software"),
    Param::optional("jwks_uri", "string", "Where its public keys are"),
    Param::optional("jwks", "any", "Its public keys, as a JSON Web Key Set (RFC 7517), in place of `jwks_uri`"),
    Param::optional(
        "tls_client_auth_subject_dn",
        "string",
        "The subject of its certificates (RFC 4514), with `tls_client_auth`: this or one of the four names below",
    ),
    Param::optional("tls_client_auth_san_dns", "string", "A domain in its certificates"),
    Param::optional("tls_client_auth_san_uri", "string", "A URI in its certificates"),
    Param::optional("tls_client_auth_san_ip", "string", "A network address in its certificates"),
    Param::optional("tls_client_auth_san_email", "string", "An email address in its certificates"),
    Param::optional("id_token_signed_response_alg", "string", "How its ID tokens are signed; `RS256` if left out"),
    Param::optional(
        "introspection_signed_response_alg",
        "string",
        "How introspection responses are signed, if it asks for that; `RS256` if left out (RFC 9701)",
    ),
    Param::optional("post_logout_redirect_uris", "string[]", "Where it may send people after a logout"),
    Param::optional("backchannel_logout_uri", "string", "Where it is told of logouts"),
    Param::optional("dpop_bound_access_tokens", "switch", "Whether its tokens are always bound to a key (RFC 9449)"),
    Param::optional(
        "tls_client_certificate_bound_access_tokens",
        "switch",
        "Whether its tokens are always bound to its certificate (RFC 8705)",
    ),
    Param::optional(
        "require_pushed_authorization_requests",
        "switch",
        "Whether it always pushes its requests (RFC 9126)",
    ),
    Param::optional("require_signed_request_object", "switch", "Whether it always signs its requests (RFC 9101)"),
];

/// What every registered client has of it.
pub const ALWAYS_REGISTERED: [&str; 5] =
    ["token_endpoint_auth_method", "grant_types", "response_types", "application_type", "scope"];
