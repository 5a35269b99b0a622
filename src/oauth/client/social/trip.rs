//! A login under way, sealed into a cookie of the browser that began it: strangers who begin logins leave nothing here.

use std::time::Duration as StdDuration;

use poem::Request;
use poem::http::header;
use serde::{Deserialize, Serialize};

use crate::error::Result;
use crate::oauth::client::oauth_client_state::{Begun, Kind, LIFETIME, Returned, StateError};
use crate::oauth::protocol::authorize::pkce;
use crate::oauth::views::oauth_replay_guard::{Purpose, remember};
use crate::secret;
use crate::web::session_cookie::{cookie, own_name};
use crate::web::{Exchange, Site};

/// How the cookies of logins under way begin; each has a part of its state in its name, so that several tabs work.
const COOKIE: &str = "doctyped-login-";
/// How many letters of the state's digest follow.
const NAME_LETTERS: usize = 12;
/// How many logins may be under way in one browser; beginning another one ends them.
const AT_ONCE: usize = 5;

#[derive(Deserialize, Serialize)]
struct Trip {
    key: String,
    code_verifier: String,
    nonce: String,
    redirect_to: String,
    /// In seconds since 1970.
    expires_at: i64,
}

/// Begins a login with a key: the cookie goes into the answer.
pub(crate) fn begin(exchange: &Exchange, key: &str, redirect_to: &str) -> Result<Begun> {
    let site = &exchange.site;
    let documents = &site.documents;
    let begun = Begun { state: secret::random_id(), code_verifier: pkce::new_verifier(), nonce: secret::random_id() };
    let trip = Trip {
        key: key.to_owned(),
        code_verifier: begun.code_verifier.clone(),
        nonce: begun.nonce.clone(),
        redirect_to: redirect_to.to_owned(),
        expires_at: (documents.clock().now() + LIFETIME).timestamp(),
    };
    let text = serde_json::to_vec(&trip).map_err(crate::error::Error::internal)?;
    let sealed = documents.site_key().seal(text, &place(&begun.state));
    let under_way = under_way(&exchange.request);
    if under_way.len() >= AT_ONCE {
        for name in under_way {
            exchange.context.set_cookie(&cookie(site, &name, "", Some(StdDuration::ZERO)));
        }
    }
    let max_age = StdDuration::from_secs(u64::try_from(LIFETIME.num_seconds()).unwrap_or(600));
    exchange.context.set_cookie(&cookie(site, &name_of(site, &begun.state), &sealed, Some(max_age)));
    Ok(begun)
}

/// Takes the answer of a login: it has to be of this browser, with this key, in time and once.
pub(crate) async fn take(exchange: &Exchange, state: Option<&str>, key: &str) -> Result<Result<Returned, StateError>> {
    let Some(state) = state.filter(|state| !state.is_empty()) else { return Ok(Err(StateError::Missing)) };
    let (site, documents) = (&exchange.site, &exchange.site.documents);
    let name = name_of(site, state);
    let Some(sealed) = crate::web::pipeline::cookie(&exchange.request, &name) else {
        return Ok(Err(StateError::Foreign));
    };
    exchange.context.set_cookie(&cookie(site, &name, "", Some(StdDuration::ZERO)));
    let opened = documents.site_key().open(sealed, &place(state)).ok();
    let Some(trip) = opened.and_then(|text| serde_json::from_slice::<Trip>(&text).ok()) else {
        return Ok(Err(StateError::Foreign));
    };
    if trip.key != key {
        return Ok(Err(StateError::Foreign));
    }
    let now = documents.clock().now();
    if trip.expires_at <= now.timestamp() {
        return Ok(Err(StateError::Expired));
    }
    // Whoever keeps a copy of the cookie must not come twice.
    if !remember(documents, Purpose::Login, key, state, now + LIFETIME).await? {
        return Ok(Err(StateError::Used));
    }
    Ok(Ok(Returned {
        user: None,
        redirect_to: trip.redirect_to,
        code_verifier: trip.code_verifier,
        nonce: trip.nonce,
        kind: Kind::SocialLogin,
    }))
}

/// What a sealed trip is tied to.
fn place(state: &str) -> String {
    format!("login under way {state}")
}

fn name_of(site: &Site, state: &str) -> String {
    let letters: String = secret::digest(format!("login:{state}")).chars().take(NAME_LETTERS).collect();
    own_name(site, &format!("{COOKIE}{letters}"))
}

/// The cookies of logins under way that a browser has.
fn under_way(request: &Request) -> Vec<String> {
    let pairs = request.headers().get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    let names = pairs.flat_map(|value| value.split(';')).filter_map(|pair| Some(pair.trim().split_once('=')?.0));
    names.filter(|name| name.trim_start_matches("__Host-").starts_with(COOKIE)).map(str::to_owned).collect()
}
