//! Who logs in: what ID token and provider say about the person, checked, and put into our words.

use serde_json::{Map, Value as Json};

use crate::document::Documents;
use crate::error::Result;
use crate::oauth::client::Providers;
use crate::oauth::client::http::MAX_ANSWER_BYTES;
use crate::oauth::client::provider_error::{ProviderError, clean};
use crate::oauth::client::social::id_token;
use crate::oauth::client::social::provider::Provider;
use crate::oauth::client::token_endpoint::TokenAnswer;
use crate::oauth::doctype::reading::{at, id_text};
use crate::oauth::doctype::social_login_key::SocialLoginKey;

/// A person at a provider.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Identity {
    /// Their id, which never changes.
    pub userid: String,
    /// Their e-mail address in small letters.
    pub email: Option<String>,
    /// Whether the provider has verified it; `None`: it does not say.
    pub email_verified: Option<bool>,
    /// Their first name.
    pub first_name: String,
    /// Their last name.
    pub last_name: String,
    /// How they are called there, to recognise the account.
    pub username: String,
    /// Everything that was said, for role mapping.
    pub claims: Json,
    /// The id of their session there.
    pub sid: Option<String>,
}

/// Finds out who logs in.
pub async fn find(
    providers: &Providers,
    documents: &Documents,
    provider: &Provider,
    answer: &TokenAnswer,
    nonce: &str,
) -> Result<Identity, ProviderError> {
    let host = provider.key.provider_name.as_str();
    let mut claims = Map::new();
    let mut sid = None;
    if let Some(issuer) = &provider.issuer {
        let Some(token) = &answer.id_token else {
            return Err(ProviderError::bad_answer(host, "it holds no ID token: add openid to the Scopes"));
        };
        let address = provider.jwks_uri.as_deref().unwrap_or_default();
        let refuse = |error: crate::oauth::protocol::jwt::JwtError| {
            ProviderError::bad_answer(host, format!("its ID token is refused: {error}"))
        };
        let verified = providers.keys.verify(&providers.outgoing, documents, address, token).await?.map_err(refuse)?;
        let now = documents.clock().now();
        id_token::check(&verified.claims, issuer, &provider.key.client_id, nonce, now).map_err(refuse)?;
        sid = verified.claims.text("sid").map(str::to_owned);
        claims = verified.claims.0;
    }
    if let Some(endpoint) = &provider.userinfo_url {
        let told = userinfo(providers, documents, provider, endpoint, &answer.access_token).await?;
        // OpenID Connect Core §5.3.2: an answer about somebody else must not be used.
        if let Some(subject) = claims.get("sub")
            && told.get("sub").is_some_and(|told| told != subject)
        {
            return Err(ProviderError::bad_answer(
                host,
                "its ID token and its user information are about different people",
            ));
        }
        merge(&mut claims, told);
    }
    if provider.key.preset.is_some_and(|preset| preset.provider == "GitHub") {
        add_github_email(providers, documents, provider, &answer.access_token, &mut claims).await?;
    }
    let mut identity = read(&provider.key, Json::Object(claims))
        .ok_or_else(|| ProviderError::bad_answer(host, format!("it has no {}", provider.key.user_id_property)))?;
    identity.sid = sid;
    Ok(identity)
}

/// Adds what is not known yet; what the signed token says counts. An address and whether it is verified stay together.
fn merge(claims: &mut Map<String, Json>, told: Map<String, Json>) {
    let has_email = claims.contains_key("email");
    for (name, value) in told {
        if !(has_email && name == "email_verified") {
            claims.entry(name).or_insert(value);
        }
    }
}

async fn userinfo(
    providers: &Providers,
    documents: &Documents,
    provider: &Provider,
    endpoint: &str,
    access_token: &str,
) -> Result<Map<String, Json>, ProviderError> {
    let get = |client: &reqwest::Client, mut url: url::Url| {
        if !provider.key.api_endpoint_args.is_empty() {
            url.query_pairs_mut().extend_pairs(&provider.key.api_endpoint_args);
        }
        client.get(url).bearer_auth(access_token).header("accept", "application/json")
    };
    let fetched = providers.outgoing.fetch(documents, endpoint, MAX_ANSWER_BYTES, get).await?.successful()?;
    let mut told: Map<String, Json> = fetched.json()?;
    // Frappe puts the answers of its methods into an envelope.
    if told.len() == 1
        && let Some(Json::Object(inner)) = told.get_mut("message")
    {
        told = std::mem::take(inner);
    }
    Ok(told)
}

/// GitHub names the public address in the profile; which is verified stands elsewhere.
async fn add_github_email(
    providers: &Providers,
    documents: &Documents,
    provider: &Provider,
    access_token: &str,
    claims: &mut Map<String, Json>,
) -> Result<(), ProviderError> {
    claims.remove("email");
    claims.remove("email_verified");
    let endpoint = format!("{}/emails", provider.userinfo_url.as_deref().unwrap_or_default());
    let get = |client: &reqwest::Client, url| {
        client.get(url).bearer_auth(access_token).header("accept", "application/vnd.github+json")
    };
    let fetched = providers.outgoing.fetch(documents, &endpoint, MAX_ANSWER_BYTES, get).await?;
    // Without the scope for it there is no address, which need not keep a linked account out.
    let Ok(fetched) = fetched.successful() else { return Ok(()) };
    let emails: Vec<Json> = fetched.json()?;
    let primary = emails.iter().find(|entry| entry["primary"] == true && entry["verified"] == true);
    if let Some(email) = primary.and_then(|entry| entry["email"].as_str()) {
        claims.insert("email".to_owned(), Json::from(email));
        claims.insert("email_verified".to_owned(), Json::from(true));
    }
    Ok(())
}

/// The id by which accounts of the provider are linked, as its key says where it stands; `None` if there is none.
pub fn user_id(key: &SocialLoginKey, claims: &Json) -> Option<String> {
    at(claims, &key.user_id_property).and_then(id_text)
}

/// Puts what was said into our words; `None` if it does not say who it is.
pub fn read(key: &SocialLoginKey, claims: Json) -> Option<Identity> {
    let userid = user_id(key, &claims)?;
    if userid.chars().count() > 140 || userid.chars().any(char::is_control) {
        return None;
    }
    let text = |names: &[&str]| -> String {
        let found = names.iter().find_map(|name| at(&claims, name)?.as_str().filter(|text| !text.trim().is_empty()));
        clean(found.unwrap_or_default()).chars().take(140).collect()
    };
    let email = at(&claims, &key.email_property)
        .and_then(Json::as_str)
        .map(|email| email.trim().to_lowercase())
        .filter(|email| email.contains('@') && email.len() <= 140 && !email.contains(char::is_whitespace));
    // Some providers send it as text.
    let email_verified = match claims.get("email_verified") {
        Some(Json::Bool(verified)) => Some(*verified),
        Some(Json::String(text)) => Some(text == "true"),
        Some(Json::Null) | None => None,
        Some(_) => Some(false),
    };
    let (first, last) = match (text(&["given_name", "first_name"]), text(&["family_name", "last_name"])) {
        (first, last) if !first.is_empty() => (first, last),
        (_, last) if !last.is_empty() => (last, String::new()),
        _ => {
            let whole = text(&["name", "display_name", "preferred_username", "login"]);
            match whole.split_once(' ') {
                Some((first, last)) => (first.to_owned(), last.trim().to_owned()),
                None => (whole, String::new()),
            }
        }
    };
    let username = text(&["preferred_username", "login", "email", "name"]);
    Some(Identity { userid, email, email_verified, first_name: first, last_name: last, username, claims, sid: None })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_address_and_its_being_verified_come_from_the_same_place() {
        let mut claims = json!({"sub": "a", "email": "a@x.example"}).as_object().unwrap().clone();
        merge(
            &mut claims,
            json!({"email": "b@x.example", "email_verified": true, "name": "A"}).as_object().unwrap().clone(),
        );
        assert_eq!(Json::Object(claims), json!({"sub": "a", "email": "a@x.example", "name": "A"}));
    }
}
