//! Refresh tokens: rotation, lost answers, and reuse (RFC 6749 §6, RFC 9700 §4.14).
//!
//! Each renewal replaces the pair of tokens; all pairs that come from one sign-in are a family. A refresh token that
//! comes back after it was replaced was stolen, or its answer got lost on the way, or two workers of one client
//! renewed at once. Within a few seconds, and as long as the successor itself was not exchanged, everybody who comes
//! with it gets the very same successor, so that there is one line of tokens and the next reuse is noticed; otherwise
//! the whole family dies. The access token beside a refresh token that was exchanged lives to its own end.

use chrono::{DateTime, Duration, Utc};

use crate::oauth::protocol::error::{Error, ErrorCode};

/// What is stored about a refresh token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RefreshState {
    /// Whether the token or its family was revoked (by a person, by reuse, with its user or grant).
    pub revoked: bool,
    /// Until when it may be used: the idle time after its issue.
    pub expires_at: DateTime<Utc>,
    /// Until when the family may be renewed at all.
    pub family_expires_at: DateTime<Utc>,
    /// When it was replaced, if it was.
    pub rotated_at: Option<DateTime<Utc>>,
    /// Whether its successor was exchanged in turn.
    pub successor_rotated: bool,
}

/// What becomes of a refresh token that came in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RefreshDecision {
    /// Replace it by a new pair, atomically: only who marks it rotated may go on.
    Rotate,
    /// The answer was lost, or another worker was first: give the same successor again.
    Repeat,
    /// Somebody else has it: revoke the family, log a security event, answer `invalid_grant`.
    ReuseDetected,
    /// Too old: answer `invalid_grant`.
    Expired,
    /// Revoked before: answer `invalid_grant`.
    Revoked,
}

/// The decision for a refresh token of the authenticated client.
pub(crate) fn decide_refresh(state: &RefreshState, now: DateTime<Utc>, grace: Duration) -> RefreshDecision {
    if state.revoked {
        return RefreshDecision::Revoked;
    }
    match state.rotated_at {
        Some(at) if now - at <= grace && !state.successor_rotated => RefreshDecision::Repeat,
        Some(_) => RefreshDecision::ReuseDetected,
        None if now >= state.expires_at || now >= state.family_expires_at => RefreshDecision::Expired,
        None => RefreshDecision::Rotate,
    }
}

/// Until when a refresh token issued now may be used.
pub(crate) fn expiry(now: DateTime<Utc>, idle: Duration, family_expires_at: DateTime<Utc>) -> DateTime<Utc> {
    now.checked_add_signed(idle).map_or(family_expires_at, |at| at.min(family_expires_at))
}

/// The one answer for a refresh token that is unknown, another client's, expired or revoked.
pub(crate) fn refused() -> Error {
    Error::new(ErrorCode::InvalidGrant, "The refresh token is invalid: start a new authorization request")
}

#[cfg(test)]
mod tests {
    use chrono::TimeZone as _;
    use proptest::prelude::*;

    use super::*;

    fn at(seconds: i64) -> DateTime<Utc> {
        Utc.timestamp_opt(1_800_000_000 + seconds, 0).unwrap()
    }

    fn fresh() -> RefreshState {
        RefreshState {
            revoked: false,
            expires_at: at(1000),
            family_expires_at: at(5000),
            rotated_at: None,
            successor_rotated: false,
        }
    }

    fn decide(state: RefreshState, now: i64) -> RefreshDecision {
        decide_refresh(&state, at(now), Duration::seconds(10))
    }

    #[test]
    fn a_fresh_token_is_rotated() {
        assert_eq!(decide(fresh(), 0), RefreshDecision::Rotate);
    }

    #[test]
    fn a_token_expires_by_idle_time_and_by_the_age_of_the_family() {
        assert_eq!(decide(fresh(), 999), RefreshDecision::Rotate);
        assert_eq!(decide(fresh(), 1000), RefreshDecision::Expired);
        let old_family = RefreshState { family_expires_at: at(500), ..fresh() };
        assert_eq!(decide(old_family, 500), RefreshDecision::Expired);
    }

    #[test]
    fn a_lost_answer_is_given_again() {
        let rotated = RefreshState { rotated_at: Some(at(0)), ..fresh() };
        assert_eq!(decide(rotated, 10), RefreshDecision::Repeat);
    }

    #[test]
    fn a_replaced_token_that_comes_back_later_kills_the_family() {
        let rotated = RefreshState { rotated_at: Some(at(0)), ..fresh() };
        assert_eq!(decide(rotated, 11), RefreshDecision::ReuseDetected);
    }

    #[test]
    fn a_replaced_token_whose_successor_was_exchanged_kills_the_family_at_once() {
        let rotated = RefreshState { rotated_at: Some(at(0)), successor_rotated: true, ..fresh() };
        assert_eq!(decide(rotated, 1), RefreshDecision::ReuseDetected);
    }

    #[test]
    fn without_grace_every_second_use_is_reuse() {
        let rotated = RefreshState { rotated_at: Some(at(0)), ..fresh() };
        assert_eq!(decide_refresh(&rotated, at(1), Duration::zero()), RefreshDecision::ReuseDetected);
    }

    #[test]
    fn a_revoked_token_stays_revoked() {
        for rotated_at in [None, Some(at(0))] {
            assert_eq!(decide(RefreshState { revoked: true, rotated_at, ..fresh() }, 1), RefreshDecision::Revoked);
        }
    }

    #[test]
    fn no_refresh_token_outlives_its_family() {
        assert_eq!(expiry(at(0), Duration::seconds(10), at(100)), at(10));
        assert_eq!(expiry(at(0), Duration::days(30), at(100)), at(100));
        assert_eq!(expiry(at(0), Duration::MAX, at(100)), at(100));
    }

    proptest! {
        #[test]
        fn new_tokens_come_only_from_a_token_that_is_alive(
            revoked: bool, expires in 0_i64..2000, family in 0_i64..2000,
            rotated in proptest::option::of(0_i64..2000), successor_rotated: bool, now in 0_i64..2000,
        ) {
            let state = RefreshState {
                revoked,
                expires_at: at(expires),
                family_expires_at: at(family),
                rotated_at: rotated.map(at),
                successor_rotated,
            };
            match decide(state, now) {
                RefreshDecision::Rotate => prop_assert!(!revoked && rotated.is_none() && now < expires && now < family),
                RefreshDecision::Repeat => {
                    prop_assert!(!revoked && !successor_rotated && rotated.is_some_and(|at| now - at <= 10));
                }
                _ => {}
            }
        }
    }
}
