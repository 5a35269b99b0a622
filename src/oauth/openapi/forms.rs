//! What the endpoints read, member by member, in the words of the OpenAPI document.

use crate::web::Param;

const fn text(name: &'static str, description: &'static str) -> Param {
    Param::optional(name, "string", description)
}

const fn needed(name: &'static str, description: &'static str) -> Param {
    Param::required(name, "string", description)
}

/// An authorization request that a browser brings: the client, and a pushed request in place of the rest.
pub(crate) const AUTHORIZATION_REQUEST: &[Param] = &[
    needed("client_id", "The client that asks"),
    text("request_uri", "A pushed request (RFC 9126), in place of all but `client_id`"),
];

/// The parameters of RFC 6749 section 4.1.1 and of its extensions.
pub(crate) const AUTHORIZATION_PARAMETERS: &[Param] = &[
    text("response_type", "`code`"),
    text("redirect_uri", "Where the response goes, exactly as registered; it may be left out if only one is"),
    text("scope", "The scopes asked for, separated by spaces"),
    text("state", "Comes back with the response"),
    text("code_challenge", "The SHA-256 digest of the verifier, base64url (RFC 7636)"),
    text("code_challenge_method", "`S256`"),
    Param::optional("resource", "string[]", "The resources that the token is meant for (RFC 8707)"),
    Param::optional("response_mode", "OAuthResponseMode", "How the response travels"),
    text("nonce", "Comes back in the ID token"),
    text("prompt", "`none`, or some of `login`, `consent` and `select_account`, separated by spaces"),
    Param::optional("max_age", "integer", "How old the login may be, in seconds"),
    text("login_hint", "The person whom the client expects to log in"),
    text("id_token_hint", "An ID token of that person"),
    text("acr_values", "The authentication context classes that the client prefers"),
    text("ui_locales", "The languages that the client prefers"),
    text("dpop_jkt", "The thumbprint of the key that the code will be bound to (RFC 9449 section 10)"),
    text("request", "The request itself, signed (RFC 9101); of the other parameters only `client_id` counts then"),
];

/// A request to log a person out (RP-Initiated Logout section 2).
pub(crate) const END_SESSION_REQUEST: &[Param] = &[
    text("id_token_hint", "An ID token of the person; it may have expired"),
    text("client_id", "The client, unless the hint names it"),
    text("post_logout_redirect_uri", "Where to go afterwards, exactly as registered"),
    text("state", "Comes back there"),
];

/// How a client says in a form who it is, unless it does so in the header.
pub(crate) const CLIENT_AUTHENTICATION: &[Param] = &[
    text("client_id", "The client; it may be left out where the header or the assertion names it"),
    text("client_secret", "Its secret, with `client_secret_post`"),
    text(
        "client_assertion_type",
        "With `private_key_jwt` and `client_secret_jwt`: `urn:ietf:params:oauth:client-assertion-type:jwt-bearer`",
    ),
    text("client_assertion", "With them: a signed statement of who the client is (RFC 7523 section 2.2)"),
];

/// A request for tokens (RFC 6749 section 4). Which members are needed depends on the grant.
pub(crate) const TOKEN_REQUEST: &[Param] = &[
    Param::required("grant_type", "OAuthGrantType", "How the client comes by the tokens"),
    text("code", "`authorization_code`: the code"),
    text("redirect_uri", "`authorization_code`: where the code went, if the authorization request said so"),
    text("code_verifier", "`authorization_code`: what the challenge was made of (RFC 7636)"),
    text("refresh_token", "`refresh_token`: the refresh token"),
    text("device_code", "Device grant: the device code (RFC 8628)"),
    text("subject_token", "Token exchange: the access token that is exchanged (RFC 8693)"),
    text("subject_token_type", "Token exchange: `urn:ietf:params:oauth:token-type:access_token`"),
    text("actor_token", "Token exchange: an access token of the party that acts for the person"),
    text("actor_token_type", "Token exchange, with `actor_token`: `urn:ietf:params:oauth:token-type:access_token`"),
    text(
        "requested_token_type",
        "Token exchange: `urn:ietf:params:oauth:token-type:access_token`, which is also the default",
    ),
    Param::optional("audience", "string[]", "Token exchange: the same as `resource`"),
    text("assertion", "JWT bearer: what a trusted server signed about a person (RFC 7523 section 2.1)"),
    text(
        "scope",
        "All but `authorization_code` and the device grant: fewer scopes than may be granted, separated by spaces",
    ),
    Param::optional("resource", "string[]", "The resources that the token is meant for (RFC 8707)"),
];

/// A token to ask about or to revoke.
pub(crate) const PRESENTED_TOKEN: &[Param] = &[
    needed("token", "The access token or refresh token"),
    text("token_type_hint", "Not needed: the token itself says what it is"),
];

/// A device's request for codes (RFC 8628 section 3.1).
pub(crate) const DEVICE_AUTHORIZATION_REQUEST: &[Param] = &[
    text("scope", "The scopes asked for, separated by spaces"),
    Param::optional("resource", "string[]", "The resources that the token is meant for (RFC 8707)"),
    text("dpop_jkt", "The thumbprint of the key that the code will be bound to (RFC 9449)"),
];

/// A proof of a key at the token endpoint.
pub(crate) const TOKEN_PROOF: &[Param] =
    &[text("DPoP", "A proof that the client holds the key to which the tokens are to be bound (RFC 9449)")];

/// A proof of a key beside an access token.
pub(crate) const ACCESS_PROOF: &[Param] = &[text(
    "DPoP",
    "With a token that is bound to a key, sent as `Authorization: DPoP`: the proof (RFC 9449 section 7)",
)];

/// What an answer holds that registers a client or reads its registration, beside the metadata (RFC 7591 section 3.2.1).
pub(crate) const CLIENT_INFORMATION: &[Param] = &[
    needed("client_id", "The client ID"),
    Param::required("client_id_issued_at", "integer", "When it was registered, in seconds since 1970"),
    text("client_secret", "The secret, shown only in the response that makes it"),
    Param::optional(
        "client_secret_expires_at",
        "integer",
        "When the secret expires, 0 for never; there whenever the secret is",
    ),
    text("registration_access_token", "The token to manage the registration with"),
    text("registration_client_uri", "Where to manage it"),
];

/// What an update holds beside the metadata (RFC 7592 section 2.2).
pub(crate) const CLIENT_UPDATE: &[Param] = &[
    needed("client_id", "The client ID, the same as in the path"),
    text("client_secret", "The current secret; another one is refused"),
];

/// The public keys that this site signs with (RFC 7517 section 5).
pub(crate) const KEY_SET: &[Param] = &[Param::required(
    "keys",
    "OAuthKey[]",
    "The keys: those that sign now, those that come next, and older ones whose signatures may still be about",
)];

/// A public key (RFC 7517 section 4, RFC 7518 section 6, RFC 8037).
pub(crate) const KEY: &[Param] = &[
    needed("kty", "`EC`, `RSA` or `OKP`"),
    needed("kid", "Its name: the thumbprint (RFC 7638)"),
    needed("alg", "The algorithm that it signs with"),
    needed("use", "`sig`"),
    text("crv", "`EC` and `OKP`: the curve"),
    text("x", "`EC` and `OKP`: the x coordinate, or the key itself"),
    text("y", "`EC`: the y coordinate"),
    text("n", "`RSA`: the modulus"),
    text("e", "`RSA`: the exponent"),
];

/// The members of client metadata that every registered client has.
pub(crate) const ALWAYS_REGISTERED: [&str; 5] =
    ["token_endpoint_auth_method", "grant_types", "response_types", "application_type", "scope"];
