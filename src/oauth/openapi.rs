//! OAuth in the OpenAPI document: the endpoints, the ways to authenticate, and the scopes that each operation needs.

use async_trait::async_trait;
use indexmap::IndexSet;
use serde_json::{Map, Value as Json, json};

use crate::error::Result;
use crate::meta::{Registry, Right};
use crate::oauth::doctype::OAuthSettings;
use crate::oauth::doctype::oauth_scope_definition::{ScopeCatalogue, ScopeDefinitions};
use crate::oauth::protocol::Scope;
use crate::oauth::protocol::metadata::{
    AUTHORIZE, DEVICE_AUTHORIZATION, INTROSPECT, JWKS, REGISTER, REVOKE, TOKEN, USERINFO, WELL_KNOWN_OPENID,
    WELL_KNOWN_RESOURCE, WELL_KNOWN_SERVER,
};
use crate::oauth::protocol::scope::ScopeRight;
use crate::oauth::protocol::scope_rules::missing_for;
use crate::web::plugin::{DescribesApi, NEEDS};
use crate::web::{Plugins, Site};

/// Registers the description.
pub fn register(plugins: &mut Plugins, catalogue: &ScopeCatalogue) {
    plugins.openapi.push(endpoints());
    plugins.describes_api.push(std::sync::Arc::new(Security { catalogue: catalogue.clone() }));
}

struct Security {
    catalogue: ScopeCatalogue,
}

#[async_trait]
impl DescribesApi for Security {
    async fn stamp(&self, site: &Site) -> Result<u64> {
        let settings = OAuthSettings::load(&site.documents).await?;
        Ok(self.catalogue.changes() * 2 + u64::from(settings.device_grant))
    }

    async fn describe(&self, site: &Site, document: &mut Json) -> Result<()> {
        let definitions = self.catalogue.get(&site.documents).await?;
        let settings = OAuthSettings::load(&site.documents).await?;
        let scopes = scopes(&site.documents.registry(), &definitions);
        let schemes = schemes(site.documents.site_url(), scopes, &settings);
        if let Some(known) = document["components"]["securitySchemes"].as_object_mut() {
            known.extend(schemes);
        }
        for operation in document["paths"]
            .as_object_mut()
            .into_iter()
            .flat_map(|paths| paths.values_mut())
            .filter_map(Json::as_object_mut)
            .flat_map(|item| item.values_mut())
        {
            let Some(ways) = operation.get(NEEDS).and_then(Json::as_array) else { continue };
            // Several rights may take one scope.
            let ways: IndexSet<Vec<String>> = ways.iter().filter_map(scopes_for).collect();
            let tokens = ways.iter().flat_map(|scopes| ["oauth2", "openid"].map(|name| json!({ name: scopes })));
            let others = ["session", "api_key", "basic"].map(|name| json!({ name: [] }));
            operation["security"] = others.into_iter().chain(tokens).collect();
        }
        Ok(())
    }
}

/// The scopes that one way into an operation takes, by what the engine asks for it.
fn scopes_for(way: &Json) -> Option<Vec<String>> {
    way.as_array()?.iter().map(scope_for).collect()
}

fn scope_for(need: &Json) -> Option<String> {
    let text = |name: &str| need.get(name).and_then(Json::as_str);
    if let Some(path) = text("method") {
        return Some(Scope::Method(path.to_owned()).to_string());
    }
    let right = Right::ALL.into_iter().find(|right| Some(right.as_str()) == text("right"))?;
    Some(match text("doctype") {
        Some(doctype) => missing_for(doctype, right),
        None if Scope::Read.covers(&Scope::doctype("", ScopeRight::needed_for(right))) => Scope::Read.to_string(),
        None => Scope::Write.to_string(),
    })
}

/// Every scope with its description, for people.
fn scopes(registry: &Registry, definitions: &ScopeDefinitions) -> Map<String, Json> {
    let general = [
        Scope::OpenId,
        Scope::Profile,
        Scope::Email,
        Scope::Roles,
        Scope::OfflineAccess,
        Scope::All,
        Scope::Read,
        Scope::Write,
    ];
    let mut scopes: Map<String, Json> =
        general.iter().map(|scope| (scope.to_string(), Json::from(scope.describe()))).collect();
    scopes.extend(definitions.iter().map(|(name, own)| (name.to_owned(), Json::from(own.description.as_str()))));
    for doctype in registry.iter().filter(|doctype| !doctype.istable) {
        for right in ScopeRight::ALL {
            let applies = match right {
                ScopeRight::Submit => doctype.is_submittable,
                ScopeRight::Create | ScopeRight::Delete => !doctype.issingle,
                ScopeRight::Read | ScopeRight::Write | ScopeRight::Report => true,
            };
            if applies {
                let scope = Scope::doctype(doctype.name.as_str(), right);
                scopes.insert(scope.to_string(), Json::from(scope.describe()));
            }
        }
    }
    scopes
}

fn schemes(site: &str, scopes: Map<String, Json>, settings: &OAuthSettings) -> Map<String, Json> {
    let (token, scopes) = (format!("{site}{TOKEN}"), Json::Object(scopes));
    let code = json!({
        "authorizationUrl": format!("{site}{AUTHORIZE}"), "tokenUrl": token, "refreshUrl": token, "scopes": scopes,
    });
    let mut schemes = Map::new();
    schemes.insert(
        "oauth2".to_owned(),
        json!({
            "type": "oauth2",
            "description": if settings.device_grant {
                "An access token, by authorization code with PKCE, for a program itself, or with a device code (RFC 8628)"
            } else {
                "An access token, by authorization code with PKCE or for a program itself"
            },
            "flows": {
                "authorizationCode": code,
                "clientCredentials": { "tokenUrl": token, "scopes": scopes },
            },
        }),
    );
    schemes.insert(
        "openid".to_owned(),
        json!({
            "type": "openIdConnect", "openIdConnectUrl": format!("{site}{WELL_KNOWN_OPENID}"),
            "description": "An access token of a client that finds everything by discovery",
        }),
    );
    schemes
}

/// A field of a form.
type Field = (&'static str, bool, &'static str);

const CLIENT: [Field; 4] = [
    ("client_id", false, "The client, unless it authenticates by Basic"),
    ("client_secret", false, "Its secret, with `client_secret_post`"),
    ("client_assertion_type", false, "`urn:ietf:params:oauth:client-assertion-type:jwt-bearer` (RFC 7523)"),
    ("client_assertion", false, "A signed statement of who the client is"),
];
const GRANT: [Field; 13] = [
    ("grant_type", true, "One of `grant_types_supported` in the metadata"),
    ("code", false, "The authorization code"),
    ("redirect_uri", false, "Where the code went"),
    ("code_verifier", false, "The number behind the challenge (RFC 7636)"),
    ("refresh_token", false, "The refresh token"),
    ("device_code", false, "The device code (RFC 8628)"),
    ("subject_token", false, "The access token that is exchanged (RFC 8693)"),
    ("subject_token_type", false, "`urn:ietf:params:oauth:token-type:access_token`"),
    ("actor_token", false, "An access token of who acts for the person (RFC 8693)"),
    ("actor_token_type", false, "`urn:ietf:params:oauth:token-type:access_token`"),
    ("audience", false, "In an exchange, the same as `resource`"),
    ("scope", false, "Fewer scopes than were granted, separated by spaces"),
    ("resource", false, "For which resource the token is meant (RFC 8707)"),
];
const REQUEST: [Field; 11] = [
    ("response_type", true, "`code`"),
    ("client_id", true, "Who asks"),
    ("redirect_uri", false, "Where the answer goes: exactly as registered"),
    ("scope", false, "What is asked for, separated by spaces"),
    ("state", false, "Comes back with the answer"),
    ("code_challenge", false, "The SHA-256 digest of the verifier, base64url (RFC 7636)"),
    ("code_challenge_method", false, "`S256`"),
    ("nonce", false, "Comes back in the id token"),
    ("prompt", false, "`none`, `login`, `consent`, `select_account`"),
    ("max_age", false, "How old the login may be, in seconds"),
    ("resource", false, "For which resource the token is meant (RFC 8707)"),
];

/// The endpoints, as an OpenAPI document of their own.
fn endpoints() -> Json {
    let post = |id: &str, summary: &str, fields: &[Field], answer: Option<&str>| {
        let all: Vec<Field> = fields.iter().chain(&CLIENT).copied().collect();
        json!({ "post": operation(id, summary, answer, Some(("application/x-www-form-urlencoded", &form(&all)))) })
    };
    let get = |id: &str, summary: &str, answer: &str| json!({ "get": operation(id, summary, Some(answer), None) });
    let token = [("token", true, "The token"), ("token_type_hint", false, "Not needed: the prefix says what it is")];
    let scope = [("scope", false, "What is asked for, separated by spaces")];
    let mut authorize = operation("authorize", "Ask a person for access; opened in their browser", None, None);
    authorize["parameters"] = REQUEST
        .iter()
        .map(|(name, required, description)| {
            let schema = json!({ "type": "string" });
            json!({ "name": name, "in": "query", "required": required, "description": description, "schema": schema })
        })
        .collect();
    authorize["responses"] = json!({
        "303": { "description": "To the login, to the consent page, or back to the client with `code` or `error`" },
        "400": { "description": "A page: the client or the redirect URI cannot be told" },
    });
    let mut userinfo = operation("openid_profile", "Who the person behind a token is", Some("OAuthUserInfo"), None);
    userinfo["security"] = json!([{ "oauth2": ["openid"] }, { "openid": ["openid"] }, { "bearer": [] }]);
    let client = json!({ "$ref": "#/components/schemas/OAuthClientMetadata" });
    let mut register = operation(
        "register_client",
        "Register a program",
        Some("OAuthClientMetadata"),
        Some(("application/json", &client)),
    );
    if let Some(responses) = register["responses"].as_object_mut()
        && let Some(made) = responses.shift_remove("200")
    {
        responses.insert("201".to_owned(), made);
    }
    let device =
        post("device_authorization", "Get a code for another device", &scope, Some("OAuthDeviceAuthorization"));
    json!({
        "tags": [{ "name": "OAuth", "description": "Access for programs: tokens, and what is to be known about them" }],
        "paths": {
            AUTHORIZE: { "get": authorize },
            TOKEN: post("get_token", "Get tokens", &GRANT, Some("OAuthTokens")),
            REVOKE: post("revoke_token", "Give a token back (RFC 7009)", &token, None),
            INTROSPECT: post("introspect_token", "Ask about a token (RFC 7662)", &token, Some("OAuthIntrospection")),
            DEVICE_AUTHORIZATION: device,
            USERINFO: { "get": userinfo },
            REGISTER: { "post": register },
            JWKS: get("jwks", "The keys that this site signs with (RFC 7517)", "OAuthKeys"),
            WELL_KNOWN_SERVER: get("authorization_server_metadata", "What is offered here (RFC 8414)", "OAuthMetadata"),
            WELL_KNOWN_OPENID: get("openid_configuration", "The same for OpenID Connect", "OAuthMetadata"),
            WELL_KNOWN_RESOURCE: get("protected_resource_metadata", "What is protected here (RFC 9728)", "OAuthMetadata"),
        },
        "components": { "schemas": schemas() },
    })
}

fn operation(id: &str, summary: &str, answer: Option<&str>, body: Option<(&str, &Json)>) -> Json {
    let content = |schema: &Json| json!({ "application/json": { "schema": schema } });
    let reference = |name: &str| json!({ "$ref": format!("#/components/schemas/{name}") });
    let mut done = json!({ "description": "Done" });
    if let Some(answer) = answer {
        done = json!({ "description": "The answer, not wrapped", "content": content(&reference(answer)) });
    }
    let refused = json!({ "description": "Why not", "content": content(&reference("OAuthError")) });
    let mut operation = json!({
        "operationId": id, "summary": summary, "tags": ["OAuth"], "security": [{}],
        "responses": { "200": done, "400": refused, "401": refused },
    });
    if let Some((media_type, schema)) = body {
        operation["requestBody"] = json!({ "required": true, "content": { media_type: { "schema": schema } } });
        // A client may show who it is in the header.
        operation["security"] = json!([{}, { "basic": [] }]);
    }
    operation
}

fn form(fields: &[Field]) -> Json {
    let required: Vec<&str> = fields.iter().filter(|(_, required, _)| *required).map(|(name, ..)| *name).collect();
    let properties: Map<String, Json> = fields
        .iter()
        .map(|(name, _, description)| ((*name).to_owned(), json!({ "type": "string", "description": description })))
        .collect();
    let mut schema = json!({ "type": "object", "properties": properties });
    if !required.is_empty() {
        schema["required"] = json!(required);
    }
    schema
}

fn schemas() -> Json {
    let text = |description: &str| json!({ "type": "string", "description": description });
    let number = |description: &str| json!({ "type": "integer", "description": description });
    let list =
        |description: &str| json!({ "type": "array", "items": { "type": "string" }, "description": description });
    let object = |description: &str, required: &[&str], properties: Json| json!({ "type": "object", "description": description, "required": required, "properties": properties });
    json!({
        "OAuthError": object("An error as RFC 6749 section 5.2 writes it", &["error"], json!({
            "error": text("The code, for programs"), "error_description": text("What is wrong, for people"),
        })),
        "OAuthTokens": object("Tokens (RFC 6749 section 5.1)", &["access_token", "token_type", "expires_in"], json!({
            "access_token": text("Opens the API"), "token_type": text("`Bearer` or `DPoP`"),
            "expires_in": number("For how many seconds"), "refresh_token": text("Renews the access, once"),
            "scope": text("What was granted, separated by spaces"),
            "id_token": text("Who the person is, signed (OpenID Connect Core)"),
            "issued_token_type": text("After an exchange: what the token is (RFC 8693)"),
        })),
        "OAuthIntrospection": object("What is known of a token (RFC 7662)", &["active"], json!({
            "active": { "type": "boolean", "description": "Whether it opens anything now" },
            "scope": text("Its scopes"), "client_id": text("Its client"), "username": text("Its person"),
            "token_type": text("`Bearer` or `DPoP`"), "exp": number("Until when, in seconds since 1970"),
            "iat": number("Since when"), "sub": text("The person, as clients know them"),
            "aud": list("The resources it is meant for"), "iss": text("This site"),
            "act": { "type": "object", "description": "Who acts for the person (RFC 8693)" },
        })),
        "OAuthUserInfo": object("Claims that the token's scopes open", &["sub"], json!({
            "sub": text("The person, the same for every client and for ever"), "name": text("The whole name"),
            "given_name": text("The first name"), "family_name": text("The last name"),
            "email": text("The e-mail address"), "picture": text("The address of a picture"),
            "roles": list("The roles, with the scope `roles`"),
        })),
        "OAuthDeviceAuthorization": object(
            "A code for another device (RFC 8628)",
            &["device_code", "user_code", "verification_uri", "expires_in"],
            json!({
                "device_code": text("For the program"), "user_code": text("For the person to type in"),
                "verification_uri": text("Where they type it in"), "expires_in": number("For how many seconds"),
                "verification_uri_complete": text("The same with the code in it"),
                "interval": number("How many seconds to wait between two questions"),
            }),
        ),
        "OAuthClientMetadata": object("A program, as it describes itself (RFC 7591)", &["redirect_uris"], json!({
            "redirect_uris": list("Where answers may go"), "client_name": text("What people read"),
            "scope": text("What it may ask for"), "grant_types": list("How it gets tokens"),
            "token_endpoint_auth_method": text("How it shows who it is"), "jwks_uri": text("Where its keys are"),
            "client_uri": text("Its home page"), "logo_uri": text("Its logo"),
            "client_id": text("In the answer: its id"), "client_secret": text("In the answer, once: its secret"),
        })),
        "OAuthKeys": object("A JSON Web Key Set", &["keys"], json!({
            "keys": { "type": "array", "items": { "type": "object" }, "description": "Public keys" },
        })),
        "OAuthMetadata": { "type": "object", "description": "Addresses and abilities", "additionalProperties": true },
    })
}
