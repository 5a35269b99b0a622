//! The device grant: codes for people and for devices, and how often to ask (RFC 8628).

use chrono::{DateTime, Duration, Utc};
use poem_openapi::Object;
use serde::{Deserialize, Serialize};

use crate::oauth::protocol::error::{Error, ErrorCode};
use crate::secret;

/// Letters of user codes: no vowels, so that no words come out, and nothing that looks like a digit (RFC 8628 §6.1).
const ALPHABET: &[u8; 20] = b"BCDFGHJKLMNPQRSTVWXZ";
/// 20^8 codes: 34 bits, enough with a short life and few attempts.
const USER_CODE_LENGTH: usize = 8;
/// How long a person has to type in the code.
pub(crate) const LIFETIME: Duration = Duration::minutes(10);
/// The polling interval to begin with, and the seconds that each impatient question adds to it.
pub(crate) const INTERVAL: u32 = 5;

/// How much too early a question may come and still counts as in time: networks are not even.
const JITTER: Duration = Duration::milliseconds(500);

/// The code that a person types in, in normal form: eight letters.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(crate) struct UserCode(String);

/// The codes of a device (RFC 8628 section 3.2).
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, Object)]
#[oai(rename = "OAuthDeviceAuthorization")]
pub(crate) struct DeviceAuthorizationResponse {
    /// The code that the device keeps.
    pub device_code: String,
    /// The code to show.
    pub user_code: String,
    /// Where to type it in.
    pub verification_uri: String,
    /// The same with the code in it, for a QR code.
    pub verification_uri_complete: String,
    /// For how many seconds both hold.
    pub expires_in: i64,
    /// How many seconds to wait between two questions.
    pub interval: u32,
}

/// How far a device has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum DeviceStatus {
    /// Nobody has answered yet.
    Pending,
    /// The person said yes.
    Approved,
    /// The person said no.
    #[default]
    Denied,
    /// The tokens were fetched.
    Used,
}

impl DeviceStatus {
    /// The option of the field.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "Pending",
            Self::Approved => "Approved",
            Self::Denied => "Denied",
            Self::Used => "Used",
        }
    }
}

/// What is stored about a device code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct DeviceState {
    /// How far it has come.
    pub status: DeviceStatus,
    /// Until when it holds.
    pub expires_at: DateTime<Utc>,
    /// How many seconds the device has to wait between two questions.
    pub interval: u32,
    /// When it asked last.
    pub last_polled: Option<DateTime<Utc>>,
}

/// What the device is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PollDecision {
    /// Mark it used (atomically) and issue tokens.
    Issue,
    /// Ask again after the interval.
    Pending,
    /// Ask again, but less often: the new interval has to be stored.
    SlowDown {
        /// Seconds.
        interval: u32,
    },
    /// The person said no.
    Denied,
    /// Too late.
    Expired,
    /// The tokens were fetched before: a copied device code. Revoke what came from it.
    Reused,
}

impl UserCode {
    /// A new code.
    pub(crate) fn generate() -> Self {
        Self(secret::random_text(ALPHABET, USER_CODE_LENGTH))
    }

    /// Reads what a person typed: case, spaces and dashes do not matter.
    pub(crate) fn parse(typed: &str) -> Option<Self> {
        let letters: String = typed
            .chars()
            .filter(|letter| !letter.is_whitespace() && !matches!(letter, '-' | '\u{2010}'..='\u{2015}'))
            .map(|letter| letter.to_ascii_uppercase())
            .collect();
        let fits = letters.len() == USER_CODE_LENGTH && letters.bytes().all(|letter| ALPHABET.contains(&letter));
        fits.then_some(Self(letters))
    }

    /// The code as it is stored (as a digest) and compared.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// The code as it is shown: `WDJB-MJHT`.
    pub(crate) fn shown(&self) -> String {
        let (left, right) = self.0.split_at(USER_CODE_LENGTH / 2);
        format!("{left}-{right}")
    }
}

/// Shows nothing: whoever sees the code could type it in.
impl std::fmt::Debug for UserCode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("UserCode(..)")
    }
}

impl DeviceAuthorizationResponse {
    /// The answer for a new pair of codes.
    pub(crate) fn new(device_code: String, user_code: &UserCode, verification_uri: &str) -> Self {
        Self {
            device_code,
            user_code: user_code.shown(),
            verification_uri: verification_uri.to_owned(),
            verification_uri_complete: format!("{verification_uri}?user_code={}", user_code.shown()),
            expires_in: LIFETIME.num_seconds(),
            interval: INTERVAL,
        }
    }
}

/// What a device is told that asks now.
pub(crate) fn decide_poll(state: &DeviceState, now: DateTime<Utc>) -> PollDecision {
    if state.status == DeviceStatus::Used {
        return PollDecision::Reused;
    }
    if now >= state.expires_at {
        return PollDecision::Expired;
    }
    let patient = state
        .last_polled
        .is_none_or(|last| now.signed_duration_since(last) + JITTER >= Duration::seconds(state.interval.into()));
    match state.status {
        DeviceStatus::Denied => PollDecision::Denied,
        _ if !patient => PollDecision::SlowDown { interval: state.interval.saturating_add(INTERVAL) },
        DeviceStatus::Approved => PollDecision::Issue,
        DeviceStatus::Pending | DeviceStatus::Used => PollDecision::Pending,
    }
}

impl PollDecision {
    /// The error to answer with; none if tokens are issued.
    pub(crate) fn error(self) -> Option<Error> {
        Some(match self {
            Self::Issue => return None,
            Self::Pending => Error::new(ErrorCode::AuthorizationPending, "The person has not answered yet"),
            Self::SlowDown { interval } => {
                Error::new(ErrorCode::SlowDown, format!("Wait {interval} seconds between two requests"))
            }
            Self::Denied => Error::new(ErrorCode::AccessDenied, "The person refused"),
            Self::Expired => Error::new(ErrorCode::ExpiredToken, "The code has expired: start again"),
            Self::Reused => Error::invalid_grant("The device code is invalid: start again"),
        })
    }
}

#[cfg(test)]
mod tests {
    use chrono::TimeZone as _;
    use proptest::prelude::*;

    use super::*;

    fn at(seconds: i64) -> DateTime<Utc> {
        Utc.timestamp_opt(1_800_000_000 + seconds, 0).unwrap()
    }

    fn state(status: DeviceStatus, last_polled: Option<i64>) -> DeviceState {
        DeviceState { status, expires_at: at(600), interval: 5, last_polled: last_polled.map(at) }
    }

    #[test]
    fn a_user_code_has_no_vowels_and_reads_back_however_it_is_typed() {
        let code = UserCode::generate();
        assert!(code.as_str().bytes().all(|letter| ALPHABET.contains(&letter)));
        assert_eq!(code.shown().len(), 9);
        for typed in
            [code.shown(), code.shown().to_lowercase(), code.as_str().to_owned(), format!(" {} ", code.shown())]
        {
            assert_eq!(UserCode::parse(&typed).as_ref(), Some(&code), "{typed}");
        }
        assert!(!format!("{code:?}").contains(code.as_str()));
    }

    #[test]
    fn what_is_no_user_code_is_refused() {
        for typed in ["", "WDJB-MJH", "WDJB-MJHTT", "ADJB-MJHT", "WDJB_MJHT", "1DJB-MJHT"] {
            assert_eq!(UserCode::parse(typed), None, "{typed}");
        }
    }

    #[test]
    fn a_device_waits_until_the_person_has_answered() {
        assert_eq!(decide_poll(&state(DeviceStatus::Pending, None), at(0)), PollDecision::Pending);
        assert_eq!(decide_poll(&state(DeviceStatus::Approved, Some(0)), at(5)), PollDecision::Issue);
        assert_eq!(decide_poll(&state(DeviceStatus::Denied, Some(0)), at(5)), PollDecision::Denied);
    }

    #[test]
    fn an_impatient_device_is_slowed_down_each_time() {
        let impatient = state(DeviceStatus::Pending, Some(0));
        assert_eq!(decide_poll(&impatient, at(4)), PollDecision::SlowDown { interval: 10 });
        assert_eq!(
            decide_poll(&DeviceState { interval: 10, ..impatient }, at(9)),
            PollDecision::SlowDown { interval: 15 }
        );
        assert_eq!(decide_poll(&impatient, at(5)), PollDecision::Pending);
        let approved = decide_poll(&state(DeviceStatus::Approved, Some(0)), at(1));
        assert_eq!(approved, PollDecision::SlowDown { interval: 10 });
    }

    #[test]
    fn a_question_that_the_network_brought_a_little_early_is_in_time() {
        let early = |milliseconds| {
            decide_poll(&state(DeviceStatus::Pending, Some(0)), at(5) - Duration::milliseconds(milliseconds))
        };
        assert_eq!(early(500), PollDecision::Pending);
        assert_eq!(early(501), PollDecision::SlowDown { interval: 10 });
    }

    #[test]
    fn codes_expire_and_serve_once() {
        for status in [DeviceStatus::Pending, DeviceStatus::Approved, DeviceStatus::Denied] {
            assert_eq!(decide_poll(&state(status, None), at(600)), PollDecision::Expired);
        }
        assert_eq!(decide_poll(&state(DeviceStatus::Used, None), at(1)), PollDecision::Reused);
    }

    #[test]
    fn every_decision_but_issuing_is_an_error_of_the_rfc() {
        let code = |decision: PollDecision| decision.error().map(|error| error.code());
        assert_eq!(code(PollDecision::Issue), None);
        assert_eq!(code(PollDecision::Pending), Some(ErrorCode::AuthorizationPending));
        assert_eq!(code(PollDecision::SlowDown { interval: 10 }), Some(ErrorCode::SlowDown));
        assert_eq!(code(PollDecision::Denied), Some(ErrorCode::AccessDenied));
        assert_eq!(code(PollDecision::Expired), Some(ErrorCode::ExpiredToken));
        assert_eq!(code(PollDecision::Reused), Some(ErrorCode::InvalidGrant));
    }

    #[test]
    fn the_answer_names_both_addresses() {
        let code = UserCode::parse("WDJBMJHT").unwrap();
        let response = DeviceAuthorizationResponse::new("dt_dc_x".to_owned(), &code, "https://site.example/device");
        assert_eq!(response.verification_uri_complete, "https://site.example/device?user_code=WDJB-MJHT");
        assert_eq!((response.expires_in, response.interval), (600, 5));
    }

    proptest! {
        #[test]
        fn nothing_that_is_typed_panics(typed in ".*") {
            if let Some(code) = UserCode::parse(&typed) {
                prop_assert_eq!(UserCode::parse(&code.shown()), Some(code));
            }
        }
    }
}
