//! Who logs in: what ID token and provider say about the person, checked, and put into our words.

use poem::http::Method;
use poem::http::header::ACCEPT;
use serde_json::{Map, Value as Json};

use crate::document::Documents;
use crate::error::Result;
use crate::foreign;
use crate::foreign::at;
use crate::oauth::client::Providers;

use crate::oauth::client::social::provider::Provider;
use crate::oauth::client::social::social_login_key::SocialLoginKey;
use crate::oauth::client::token_endpoint::TokenAnswer;
use crate::oauth::protocol::token::id_token;
use crate::oauth::protocol::token::id_token::Expected;
use crate::oauth::provider_error::{ProviderError, clean};
use crate::outgoing::MAX_ANSWER_BYTES;
use crate::outgoing::published::Asked;
use crate::permissions::session::fold_name;

/// A person at a provider.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Identity {
    /// Their id, which never changes.
    pub userid: String,
    /// Whose word it is that this is their id: the issuer of ID tokens, or what stands for one.
    pub issuer: String,
    /// The subject of their ID token, by which the provider speaks of them later; `None` where there is no such token.
    pub subject: Option<String>,
    /// Their email address, its ASCII letters in lower case.
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
pub(crate) async fn find(
    providers: &Providers,
    documents: &Documents,
    provider: &Provider,
    answer: &TokenAnswer,
    nonce: &str,
) -> Result<Identity, ProviderError> {
    let host = provider.key.provider_name.as_str();
    let mut claims = Map::new();
    let (mut sid, mut subject) = (None, None);
    if let Some(issuer) = &provider.issuer {
        let Some(token) = &answer.id_token else {
            return Err(ProviderError::bad_answer(host, "it holds no ID token: add openid to the Scopes"));
        };
        let address = provider.jwks_uri.as_deref().unwrap_or_default();
        let refuse = |error: crate::oauth::protocol::jose::jwt::JwtError| {
            ProviderError::bad_answer(host, format!("its ID token is refused: {error}"))
        };
        let verified = providers
            .keys
            .verify(&providers.outgoing, documents, Asked::by_us(address), token)
            .await?
            .map_err(refuse)?;
        let now = documents.clock().now();
        let expected =
            Expected { issuer, client_id: &provider.key.client_id, nonce, access_token: &answer.access_token };
        id_token::check(&verified, &expected, now).map_err(refuse)?;
        sid = verified.claims.text("sid").map(str::to_owned);
        subject = verified.claims.text("sub").map(str::to_owned);
        claims = verified.claims.0;
    }
    if let Some(endpoint) = &provider.userinfo_url {
        let told = userinfo(providers, documents, provider, endpoint, &answer.access_token).await?;
        // OpenID Connect Core §5.3.2: an answer about somebody else must not be used.
        if let Some(subject) = &subject
            && foreign::get(&told, "sub").is_some_and(|told| foreign::id(told).as_ref() != Some(subject))
        {
            return Err(ProviderError::bad_answer(
                host,
                "its ID token and its user information are about different people",
            ));
        }
        merge(&provider.key.email_property, &mut claims, told);
    }
    if provider.key.preset.is_some_and(|preset| preset.provider == "GitHub") {
        add_github_email(providers, documents, provider, &answer.access_token, &mut claims).await?;
    }
    let mut identity = read(&provider.key, Json::Object(claims))
        .ok_or_else(|| ProviderError::bad_answer(host, format!("it has no {}", provider.key.user_id_property)))?;
    identity.sid = sid;
    identity.subject = subject;
    identity.issuer = provider.authority();
    Ok(identity)
}

/// Adds what is not known yet; what the signed token says counts. An address and whether it is verified come from one
/// answer: who vouches for one address says nothing about another. `place` is where an answer holds the address.
fn merge(place: &str, claims: &mut Map<String, Json>, mut told: Map<String, Json>) {
    claims.retain(|_, value| !foreign::is_void(value));
    told.retain(|_, value| !foreign::is_void(value));
    let root = place.split('.').next().unwrap_or_default();
    let about_email = |name: &str| name == root || name == "email" || name == "email_verified";
    let (signed, unsigned) = (Json::Object(claims.clone()), Json::Object(told.clone()));
    let address = email_of(place, &signed);
    // The token may leave it to the other answer to say more about the same address.
    let is_silent =
        address.is_none() || (email_verified(place, &signed).is_none() && address == email_of(place, &unsigned));
    if is_silent {
        claims.retain(|name, _| !about_email(name));
    } else {
        told.retain(|name, _| !about_email(name));
    }
    for (name, value) in told {
        claims.entry(name).or_insert(value);
    }
}

/// The address in an answer, as it is compared here.
fn email_of(place: &str, answer: &Json) -> Option<String> {
    // What is not an address as it stands is none: nothing is cut off that would make it look like another.
    let email = at(answer, place)?.as_str()?;
    let is_odd = |letter: char| letter.is_whitespace() || letter.is_control() || letter == ',';
    (email.contains('@') && email.len() <= 140 && !email.contains(is_odd)).then(|| fold_name(email))
}

/// Whether the provider says that it has verified the address that it gives: beside the address, or for the whole answer.
fn email_verified(place: &str, answer: &Json) -> Option<bool> {
    // Some providers send it as text. Whatever else it may be, it is not a yes.
    let says = |value: &Json| (!foreign::is_void(value)).then(|| foreign::flag(value) == Some(true));
    let beside = place.rsplit_once('.').and_then(|(parent, _)| at(answer, &format!("{parent}.email_verified")));
    if let Some(beside) = beside.and_then(says) {
        return Some(beside);
    }
    // The claim is about `email`, which need not be the address that is used here.
    let claimed = answer.get("email").filter(|email| !foreign::is_void(email));
    let is_about_it = claimed.is_none() || email_of("email", answer) == email_of(place, answer);
    answer.get("email_verified").and_then(says).filter(|verified| is_about_it || !verified)
}

async fn userinfo(
    providers: &Providers,
    documents: &Documents,
    provider: &Provider,
    endpoint: &str,
    access_token: &str,
) -> Result<Map<String, Json>, ProviderError> {
    let mut url = providers.outgoing.check(documents, endpoint).await?;
    if !provider.key.api_endpoint_args.is_empty() {
        url.query_pairs_mut().extend_pairs(&provider.key.api_endpoint_args);
    }
    let fetched = providers.outgoing.fetch(documents, Method::GET, url.as_str(), MAX_ANSWER_BYTES, |get| {
        get.bearer_auth(access_token).header(ACCEPT, "application/json")
    });
    let mut told: Map<String, Json> = fetched.await?.successful()?.json()?;
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
    let fetched = providers.outgoing.fetch(documents, Method::GET, &endpoint, MAX_ANSWER_BYTES, |get| {
        get.bearer_auth(access_token).header(ACCEPT, "application/vnd.github+json")
    });
    // Without the scope for it there is no address, which need not keep a linked account out.
    let Ok(fetched) = fetched.await?.successful() else { return Ok(()) };
    let emails: Vec<Json> = fetched.json()?;
    let primary = emails.iter().find(|entry| entry["primary"] == true && entry["verified"] == true);
    if let Some(email) = primary.and_then(|entry| entry["email"].as_str()) {
        claims.insert("email".to_owned(), Json::from(email));
        claims.insert("email_verified".to_owned(), Json::from(true));
    }
    Ok(())
}

/// The id by which accounts of the provider are linked, as its key says where it stands; `None` if there is none.
pub(crate) fn user_id(key: &SocialLoginKey, claims: &Json) -> Option<String> {
    at(claims, &key.user_id_property).and_then(foreign::id)
}

/// Puts what was said into our words; `None` if it does not say who it is.
pub(crate) fn read(key: &SocialLoginKey, claims: Json) -> Option<Identity> {
    let userid = user_id(key, &claims)?;
    if userid.chars().count() > 140 || userid.chars().any(char::is_control) {
        return None;
    }
    let text = |names: &[&str]| -> String {
        let found = names.iter().find_map(|name| at(&claims, name)?.as_str().filter(|text| !text.trim().is_empty()));
        clean(found.unwrap_or_default()).chars().take(140).collect()
    };
    let email = email_of(&key.email_property, &claims);
    // Where a provider has no word for it, an administrator may have given theirs.
    let vouched = (key.vouches_for_email && email.is_some()).then_some(true);
    let email_verified = email_verified(&key.email_property, &claims).or(vouched);
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
    Some(Identity {
        userid,
        email,
        email_verified,
        first_name: first,
        last_name: last,
        username,
        claims,
        ..Identity::default()
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_address_and_its_being_verified_come_from_one_answer() {
        for (place, signed, told, expected) in [
            // Each of the two knows one half.
            ("email", json!({"email": "a@x.example"}), json!({"email": "b@x.example", "email_verified": true}), None),
            ("email", json!({"email_verified": true}), json!({"email": "b@x.example"}), None),
            ("email", json!({"email": "", "email_verified": true}), json!({"email": "b@x.example"}), None),
            (
                "email",
                json!({"email": "a@x.example", "email_verified": true}),
                json!({"email": "b@x.example"}),
                Some(true),
            ),
            (
                "email",
                json!({"email": "a@x.example", "email_verified": false}),
                json!({"email": "a@x.example", "email_verified": true}),
                Some(false),
            ),
            // The other answer says more about the same address.
            (
                "email",
                json!({"email": "a@x.example"}),
                json!({"email": "A@x.example", "email_verified": "true"}),
                Some(true),
            ),
            ("email", json!({}), json!({"email": "a@x.example", "email_verified": true}), Some(true)),
            // The claim is about `email`, and another address is used.
            ("upn", json!({"email": "a@x.example", "email_verified": true, "upn": "b@x.example"}), json!({}), None),
            ("upn", json!({"email_verified": true}), json!({"upn": "b@x.example"}), None),
            ("data.mail", json!({}), json!({"data": {"mail": "b@x.example", "email_verified": true}}), Some(true)),
            ("data.mail", json!({}), json!({"data": {"mail": "b@x.example"}, "email_verified": 1}), Some(false)),
        ] {
            let mut claims = signed.as_object().unwrap().clone();
            merge(place, &mut claims, told.as_object().unwrap().clone());
            let merged = Json::Object(claims);
            assert!(email_of(place, &merged).is_some(), "{merged}");
            assert_eq!(email_verified(place, &merged), expected, "{signed} and {told} make {merged}");
        }
    }

    #[test]
    fn only_ascii_letters_of_an_address_are_folded_and_nothing_is_cut_off() {
        let email = |text: &str| email_of("email", &json!({"email": text}));
        assert_eq!(email("Kim@Example.COM").as_deref(), Some("kim@example.com"));
        for other in ["\u{212a}im@example.com", "kim@example.com\u{130}", "\u{17f}im@example.com"] {
            assert_eq!(email(other).as_deref(), Some(other));
        }
        for none in [" kim@example.com", "kim@example.com\u{a0}", "kim@example.com\0", "a@x.example,kim@example.com"] {
            assert_eq!(email(none), None, "{none:?}");
        }
    }
}
