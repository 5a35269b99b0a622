//! Logging out: asked for by a client, and told to clients (OpenID Connect RP-Initiated and Back-Channel Logout).

use chrono::{DateTime, Duration, Utc};
use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::oauth::protocol::authorize::authorization_response::append_query;
use crate::oauth::protocol::error::{Error, Result};
use crate::oauth::protocol::jose::jwt::{Claims, JwtError, LEEWAY, Verified};
use crate::oauth::protocol::request::Parameters;
use crate::oauth::protocol::serve::scope::{Scope, ScopeSet};
use crate::oauth::protocol::token::id_token;
use crate::secret;

/// The `typ` of logout tokens.
pub(crate) const TYPE: &str = "logout+jwt";
/// The event that a logout token carries.
const EVENT: &str = "http://schemas.openid.net/event/backchannel-logout";
/// A logout token is delivered at once or made anew.
const LIFETIME: Duration = Duration::minutes(2);

/// How old a logout token of a provider may be.
pub(crate) const MAX_AGE: Duration = Duration::minutes(10);

/// A client's wish that the person be logged out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct EndSessionRequest {
    /// An id token of the person, not verified yet.
    pub id_token_hint: Option<String>,
    /// The client.
    pub client_id: Option<String>,
    /// Where to go afterwards.
    pub post_logout_redirect_uri: Option<String>,
    /// Returned there.
    pub state: Option<String>,
}

/// What a verified `id_token_hint` says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Hint<'a> {
    /// The person.
    pub subject: &'a str,
    /// The client that it was issued to.
    pub client_id: &'a str,
    /// The session in which it was issued.
    pub sid: Option<&'a str>,
}

/// Who is logged in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LoggedIn<'a> {
    /// The person, as clients know them.
    pub subject: &'a str,
    /// The session.
    pub sid: &'a str,
}

/// Where the person goes after the logout.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum AfterLogout {
    /// To our own page that says so.
    OwnPage,
    /// Back to the client.
    Redirect(String),
}

/// What happens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct LogoutDecision {
    /// Whether the person has to confirm first: anybody can send them here with a link.
    pub confirm: bool,
    /// Where they go afterwards.
    pub after: AfterLogout,
}

impl<'a> Hint<'a> {
    /// What an id token of ours says whose signature was verified. It may have expired (RP-Initiated Logout §2).
    pub(crate) fn of(token: &'a Verified, issuer: &str) -> Result<Self, JwtError> {
        if !token.header.typ.as_deref().is_some_and(|typ| typ.eq_ignore_ascii_case(id_token::TYPE)) {
            return Err(JwtError::Type);
        }
        let claims = &token.claims;
        let subject = id_token::check_hint(claims, issuer, None)?;
        let audience = claims.audience().into_iter().next();
        let client_id = claims.text("azp").or(audience).ok_or(JwtError::Claim("aud"))?;
        Ok(Self { subject, client_id, sid: claims.text("sid") })
    }

    /// Whether it is about the person who is logged in, and about their session if it names one.
    fn is_about(&self, session: &LoggedIn<'_>) -> bool {
        self.subject == session.subject && self.sid.is_none_or(|sid| sid == session.sid)
    }
}

impl EndSessionRequest {
    /// Reads the parameters, by GET or POST.
    pub(crate) fn parse(parameters: &Parameters) -> Result<Self> {
        parameters.refuse_repeated()?;
        let text = |name: &str| parameters.get(name).map(str::to_owned);
        Ok(Self {
            id_token_hint: text("id_token_hint"),
            client_id: text("client_id"),
            post_logout_redirect_uri: text("post_logout_redirect_uri"),
            state: text("state"),
        })
    }

    /// The client that the request is about: named by the hint or by the parameter, which must not contradict.
    pub(crate) fn client<'a>(&'a self, hint: Option<&Hint<'a>>) -> Result<Option<&'a str>> {
        match (hint.map(|hint| hint.client_id), self.client_id.as_deref()) {
            (Some(hinted), Some(named)) if hinted != named => {
                Err(Error::invalid_request("client_id is not the one of id_token_hint"))
            }
            (hinted, named) => Ok(hinted.or(named)),
        }
    }

    /// What happens. `registered` are the post-logout redirect URIs of the client, `session` is who is logged in.
    ///
    /// An address that is not registered is an error for a page: nobody is sent there.
    pub(crate) fn decide(
        &self,
        hint: Option<&Hint<'_>>,
        registered: Option<&[String]>,
        session: Option<&LoggedIn<'_>>,
    ) -> Result<LogoutDecision> {
        let after = match (&self.post_logout_redirect_uri, registered) {
            (None, _) => AfterLogout::OwnPage,
            (Some(uri), Some(registered)) if registered.iter().any(|own| own == uri) => {
                AfterLogout::Redirect(match &self.state {
                    Some(state) => append_query(uri, &[("state", state)]),
                    None => uri.clone(),
                })
            }
            (Some(_), Some(_)) => {
                return Err(Error::invalid_request("post_logout_redirect_uri is not registered for this client"));
            }
            (Some(_), None) => {
                return Err(Error::invalid_request("post_logout_redirect_uri needs id_token_hint or client_id"));
            }
        };
        let confirm = match (session, hint) {
            (None, _) => false,
            (Some(session), Some(hint)) => !hint.is_about(session),
            (Some(_), None) => true,
        };
        Ok(LogoutDecision { confirm, after })
    }
}

/// Whether what a client was allowed ends with the session in which the person signed in to it.
///
/// A sign-in (`openid`) does, unless the person allowed the client to go on without them (`offline_access`, Back-Channel
/// Logout §2.7). Access to data alone, without `openid`, is no sign-in: it lasts as long as the consent.
pub(crate) fn ends_with_session(scopes: &ScopeSet) -> bool {
    scopes.contains(&Scope::OpenId) && !scopes.contains(&Scope::OfflineAccess)
}

/// How long to wait before a logout token is sent again; `None` once it has been tried in vain for more than a day.
pub(crate) fn retry_after(attempts: i64) -> Option<Duration> {
    match attempts {
        ..=1 => Some(Duration::seconds(30)),
        2 => Some(Duration::minutes(2)),
        3 => Some(Duration::minutes(10)),
        4 => Some(Duration::minutes(30)),
        5 => Some(Duration::hours(2)),
        6..=9 => Some(Duration::hours(6)),
        _ => None,
    }
}

/// The claims of a logout token.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct LogoutTokenClaims {
    /// Our issuer.
    pub iss: String,
    /// The client.
    pub aud: String,
    /// When it was made, in seconds.
    pub iat: i64,
    /// When it ends, in seconds.
    pub exp: i64,
    /// Its name.
    pub jti: String,
    /// The person.
    pub sub: String,
    /// The session that ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sid: Option<String>,
    /// That it is about a logout.
    pub events: Map<String, Value>,
}

impl LogoutTokenClaims {
    /// A token that tells this client that this session of this person has ended.
    pub(crate) fn new(issuer: &str, client_id: &str, subject: &str, sid: Option<&str>, now: DateTime<Utc>) -> Self {
        Self {
            iss: issuer.to_owned(),
            aud: client_id.to_owned(),
            iat: now.timestamp(),
            exp: (now + LIFETIME).timestamp(),
            jti: secret::random_id(),
            sub: subject.to_owned(),
            sid: sid.map(str::to_owned),
            events: Map::from_iter([(EVENT.to_owned(), json!({}))]),
        }
    }
}

/// Whom a provider has logged out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct LoggedOut {
    /// The person: all their sessions, if no session is named.
    pub subject: Option<String>,
    /// The session.
    pub sid: Option<String>,
    /// The token's name: refuse it a second time.
    pub jti: String,
}

/// Checks a logout token of a provider whose signature was verified (Back-Channel Logout §2.6).
pub(crate) fn check(
    token: &Verified,
    issuer: &str,
    client_id: &str,
    now: DateTime<Utc>,
) -> Result<LoggedOut, JwtError> {
    // The type is recommended, not required; an id token is told apart by its nonce and its lack of events.
    if !matches!(token.header.typ.as_deref(), None | Some("jwt" | TYPE)) {
        return Err(JwtError::Type);
    }
    let claims: &Claims = &token.claims;
    claims.require_issuer(issuer)?;
    claims.require_audience(client_id)?;
    if claims.get("exp").is_some() {
        claims.require_current(now)?;
    }
    let issued_at = claims.time("iat").ok_or(JwtError::Claim("iat"))?;
    if issued_at > now + LEEWAY {
        return Err(JwtError::NotYetValid);
    }
    if now - issued_at > MAX_AGE {
        return Err(JwtError::Expired);
    }
    if claims.get("nonce").is_some() {
        return Err(JwtError::Claim("nonce"));
    }
    if !claims.0.get("events").and_then(|events| events.get(EVENT)).is_some_and(Value::is_object) {
        return Err(JwtError::Claim("events"));
    }
    let text = |name: &str| claims.text(name).filter(|text| !text.is_empty()).map(str::to_owned);
    let (subject, sid) = (text("sub"), text("sid"));
    if subject.is_none() && sid.is_none() {
        return Err(JwtError::Claim("sub"));
    }
    Ok(LoggedOut { subject, sid, jti: claims.require_text("jti")?.to_owned() })
}

#[cfg(test)]
mod tests {
    use chrono::TimeZone as _;

    use super::*;
    use crate::oauth::protocol::jose::jwk::JwkSet;
    use crate::oauth::protocol::jose::jwt::{SigningKey, Unverified};
    use crate::secret::SigningAlgorithm;

    const HINT: Hint<'_> = Hint { subject: "alice", client_id: "app", sid: Some("s1") };
    const ALICE: LoggedIn<'_> = LoggedIn { subject: "alice", sid: "s1" };
    const BOB: LoggedIn<'_> = LoggedIn { subject: "bob", sid: "s2" };

    fn now() -> DateTime<Utc> {
        Utc.timestamp_opt(1_800_000_000, 0).unwrap()
    }

    fn request(query: &str) -> EndSessionRequest {
        EndSessionRequest::parse(&Parameters::parse(query).unwrap()).unwrap()
    }

    fn registered() -> Vec<String> {
        vec!["https://app.example/bye?x=1".to_owned()]
    }

    #[test]
    fn with_a_valid_hint_the_person_goes_straight_back_with_state() {
        let request = request("post_logout_redirect_uri=https%3A%2F%2Fapp.example%2Fbye%3Fx%3D1&state=s");
        let decision = request.decide(Some(&HINT), Some(&registered()), Some(&ALICE)).unwrap();
        assert!(!decision.confirm);
        assert_eq!(decision.after, AfterLogout::Redirect("https://app.example/bye?x=1&state=s".to_owned()));
    }

    #[test]
    fn without_a_hint_or_with_someone_elses_the_person_confirms() {
        let nothing = request("");
        assert!(nothing.decide(None, None, Some(&ALICE)).unwrap().confirm);
        assert!(nothing.decide(Some(&HINT), None, Some(&BOB)).unwrap().confirm);
        let later = LoggedIn { sid: "s2", ..ALICE };
        assert!(nothing.decide(Some(&HINT), None, Some(&later)).unwrap().confirm, "it is about another session");
        let any = Hint { sid: None, ..HINT };
        assert!(!nothing.decide(Some(&any), None, Some(&later)).unwrap().confirm);
        assert!(!nothing.decide(None, None, None).unwrap().confirm);
        assert_eq!(nothing.decide(None, None, None).unwrap().after, AfterLogout::OwnPage);
    }

    #[test]
    fn nobody_is_sent_to_an_address_that_is_not_registered() {
        for uri in ["https://evil.example", "https://app.example/bye", "https://app.example/bye?x=1&y=2"] {
            let request =
                EndSessionRequest { post_logout_redirect_uri: Some(uri.to_owned()), ..EndSessionRequest::default() };
            assert!(request.decide(Some(&HINT), Some(&registered()), Some(&ALICE)).is_err(), "{uri}");
            assert!(request.decide(None, None, None).is_err(), "{uri}");
        }
    }

    #[test]
    fn hint_and_client_must_not_contradict() {
        assert_eq!(request("client_id=app").client(Some(&HINT)).unwrap(), Some("app"));
        assert_eq!(request("").client(Some(&HINT)).unwrap(), Some("app"));
        assert_eq!(request("client_id=x").client(None).unwrap(), Some("x"));
        assert!(request("client_id=x").client(Some(&HINT)).is_err());
    }

    fn verified(typ: &str, claims: &Value) -> Verified {
        let key = SigningKey::generate(SigningAlgorithm::Es256);
        let keys = JwkSet { keys: vec![key.jwk()] };
        Unverified::parse(&key.sign(typ, claims)).unwrap().verify(&keys, &[SigningAlgorithm::Es256]).unwrap()
    }

    #[test]
    fn only_an_id_token_of_ours_is_a_hint_and_it_may_have_expired() {
        let claims = json!({ "iss": "https://idp.example", "sub": "alice", "aud": "app", "sid": "s1", "exp": 1 });
        let ours = verified("JWT", &claims);
        assert_eq!(Hint::of(&ours, "https://idp.example").unwrap(), HINT);
        assert_eq!(Hint::of(&ours, "https://other.example"), Err(JwtError::Claim("iss")));
        for typ in ["at+jwt", TYPE] {
            assert_eq!(Hint::of(&verified(typ, &claims), "https://idp.example"), Err(JwtError::Type), "{typ}");
        }
    }

    #[test]
    fn a_sign_in_ends_with_the_session_and_access_that_was_given_for_longer_does_not() {
        let ends = |scopes: &str| ends_with_session(&ScopeSet::parse(scopes).unwrap());
        assert!(ends("openid all"));
        assert!(!ends("openid all offline_access"));
        assert!(!ends("read doctype:Book:write"));
    }

    #[test]
    fn a_notice_is_repeated_ever_more_rarely_and_given_up_after_a_day() {
        let pauses: Vec<Duration> = (1..).map_while(retry_after).collect();
        assert!(pauses.is_sorted(), "{pauses:?}");
        let all: Duration = pauses.iter().sum();
        assert!(all > Duration::days(1) && all < Duration::days(2), "{all}");
    }

    fn token(changes: &Value) -> Value {
        let claims = LogoutTokenClaims::new("https://idp.example", "app", "alice", Some("s1"), now());
        let mut claims = serde_json::to_value(claims).unwrap();
        for (name, value) in changes.as_object().unwrap() {
            claims[name] = value.clone();
        }
        claims
    }

    fn checked(typ: &str, changes: &Value) -> Result<LoggedOut, JwtError> {
        check(&verified(typ, &token(changes)), "https://idp.example", "app", now())
    }

    #[test]
    fn what_we_tell_clients_is_what_we_accept_from_providers() {
        let logged_out = checked(TYPE, &json!({})).unwrap();
        assert_eq!((logged_out.subject.as_deref(), logged_out.sid.as_deref()), (Some("alice"), Some("s1")));
        assert!(checked("JWT", &json!({ "sid": "" })).unwrap().sid.is_none());
    }

    #[test]
    fn an_id_token_is_no_logout_token() {
        assert_eq!(checked(TYPE, &json!({ "nonce": "n" })), Err(JwtError::Claim("nonce")));
        assert_eq!(checked(TYPE, &json!({ "events": {} })), Err(JwtError::Claim("events")));
        assert_eq!(checked("at+jwt", &json!({})), Err(JwtError::Type));
    }

    #[test]
    fn a_foreign_old_or_empty_logout_token_is_refused() {
        for (changes, expected) in [
            (json!({ "iss": "https://evil.example" }), JwtError::Claim("iss")),
            (json!({ "aud": "other" }), JwtError::Claim("aud")),
            (json!({ "iat": null }), JwtError::Claim("iat")),
            (json!({ "iat": now().timestamp() - 1000, "exp": now().timestamp() + 60 }), JwtError::Expired),
            (json!({ "exp": now().timestamp() - 60 }), JwtError::Expired),
            (json!({ "jti": "" }), JwtError::Claim("jti")),
            (json!({ "sub": "", "sid": "" }), JwtError::Claim("sub")),
        ] {
            assert_eq!(checked(TYPE, &changes), Err(expected), "{changes}");
        }
    }
}
