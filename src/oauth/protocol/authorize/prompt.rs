//! Whether a request may proceed, or needs a login, a choice or consent first (OpenID Connect Core §3.1.2.1, §3.1.2.3).

use chrono::{DateTime, Duration, Utc};
use serde::{Deserialize, Serialize};

use crate::oauth::protocol::error::{Error, ErrorCode, Result};
use crate::oauth::protocol::serve::resource;
use crate::oauth::protocol::serve::scope::ScopeSet;

/// How long a person has to log in and answer.
pub(crate) const QUESTION_LIFETIME: Duration = Duration::minutes(10);

/// The parameter `prompt`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[expect(clippy::struct_excessive_bools, reason = "the parameter is a set of four words")]
pub(crate) struct Prompt {
    /// No page may be shown.
    pub none: bool,
    /// Log in again.
    pub login: bool,
    /// Ask for consent again.
    pub consent: bool,
    /// Let the person choose an account.
    pub select_account: bool,
}

/// What the request asks of the login.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct LoginRules {
    /// Which pages must or must not be shown.
    #[serde(default)]
    pub prompt: Prompt,
    /// How many seconds ago the login may have been.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_age: Option<u32>,
}

/// The login of the browser session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Login<'a> {
    /// The subject identifier of who is logged in.
    pub subject: &'a str,
    /// When they proved who they are.
    pub auth_time: DateTime<Utc>,
    /// Whether they said on our page that they want to go on with this account.
    pub account_chosen: bool,
}

/// What is known about consent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Consent {
    /// The person has to be asked.
    Missing,
    /// An earlier consent covers the request, or none is needed.
    Remembered,
    /// The person has just said yes to this very request.
    GivenNow,
}

/// What has to happen next.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// Show the login page.
    Login,
    /// Say that the client expects another person than who is logged in.
    OtherAccount,
    /// Show a choice of accounts.
    SelectAccount,
    /// Show the consent page.
    Consent,
    /// Issue the code.
    Proceed,
    /// Tell the client.
    Error(ErrorCode),
}

/// What decides whether a person is asked again.
#[derive(Clone, Copy, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of its own in a DocType")]
pub(crate) struct ConsentFacts<'a> {
    /// The site shows the consent page always (OAuth Provider Settings: Force).
    pub force: bool,
    /// The site lets a consent be remembered (OAuth Settings: Skip Authorization).
    pub may_remember: bool,
    /// The client needs no consent (OAuth Client: Skip Authorization).
    pub client_skips: bool,
    /// An administrator trusts the client (OAuth Client: Trusted).
    pub client_is_trusted: bool,
    /// An administrator made the client or trusts it.
    pub client_is_known: bool,
    /// All its redirect URIs lead to the person's own computer, where any program can listen.
    pub is_loopback_only: bool,
    /// Scopes and resources of the active grant of this user for this very client.
    pub grant: Option<(&'a ScopeSet, &'a [String])>,
    /// The scopes of the request.
    pub scopes: &'a ScopeSet,
    /// The resources of the request.
    pub resources: &'a [String],
}

impl Prompt {
    /// Reads the parameter: words separated by spaces; `none` stands alone.
    pub(crate) fn parse(value: Option<&str>) -> Result<Self> {
        let mut prompt = Self::default();
        for word in value.unwrap_or_default().split_ascii_whitespace() {
            match word {
                "none" => prompt.none = true,
                "login" => prompt.login = true,
                "consent" => prompt.consent = true,
                "select_account" => prompt.select_account = true,
                _ => return Err(Error::invalid_request("prompt may be none, login, consent or select_account")),
            }
        }
        if prompt.none && (prompt.login || prompt.consent || prompt.select_account) {
            return Err(Error::invalid_request("prompt=none may not be combined"));
        }
        Ok(prompt)
    }
}

impl LoginRules {
    /// Reads `prompt` and `max_age`.
    pub(crate) fn parse(prompt: Option<&str>, max_age: Option<&str>) -> Result<Self> {
        let max_age = max_age
            .map(|text| text.parse().map_err(|_| Error::invalid_request("max_age must be a number of seconds")))
            .transpose()?;
        Ok(Self { prompt: Prompt::parse(prompt)?, max_age })
    }

    /// Whether the login is recent enough for `prompt=login` and `max_age`.
    ///
    /// A login that came after the request always is: or else `max_age=0` would never end.
    fn accepts(&self, login: &Login<'_>, requested_at: DateTime<Utc>, now: DateTime<Utc>) -> bool {
        if login.auth_time >= requested_at {
            return true;
        }
        let too_old = self.max_age.is_some_and(|max_age| now - login.auth_time > Duration::seconds(i64::from(max_age)));
        !self.prompt.login && !too_old
    }
}

/// The next step for a request that came at `requested_at`.
///
/// `hinted_subject` is the `sub` of a verified `id_token_hint`: only that person will do.
pub(crate) fn decide(
    rules: &LoginRules,
    hinted_subject: Option<&str>,
    login: Option<Login<'_>>,
    consent: Consent,
    requested_at: DateTime<Utc>,
    now: DateTime<Utc>,
) -> Step {
    let prompt = rules.prompt;
    let needed = match login {
        None => Some((Step::Login, ErrorCode::LoginRequired)),
        // However fresh their login is, it is not theirs that is wanted.
        Some(login) if hinted_subject.is_some_and(|hinted| hinted != login.subject) => {
            Some((Step::OtherAccount, ErrorCode::LoginRequired))
        }
        Some(login) if !rules.accepts(&login, requested_at, now) => Some((Step::Login, ErrorCode::LoginRequired)),
        Some(login) if prompt.select_account && !login.account_chosen => {
            Some((Step::SelectAccount, ErrorCode::AccountSelectionRequired))
        }
        Some(_) if consent == Consent::Missing || (prompt.consent && consent != Consent::GivenNow) => {
            Some((Step::Consent, ErrorCode::ConsentRequired))
        }
        Some(_) => None,
    };
    match needed {
        None => Step::Proceed,
        Some((_, error)) if prompt.none => Step::Error(error),
        Some((step, _)) => step,
    }
}

/// An account as somebody else may see it: enough to recognise one's own, too little to learn another's.
pub(crate) fn masked(account: &str) -> String {
    let (name, host) = account.split_once('@').map_or((account, None), |(name, host)| (name, Some(host)));
    let first = name.chars().next().map(String::from).unwrap_or_default();
    host.map_or(format!("{first}•••"), |host| format!("{first}•••@{host}"))
}

/// Whether the person has to be asked, as far as earlier answers tell.
pub(crate) fn consent(facts: &ConsentFacts<'_>) -> Consent {
    let covered = facts.grant.is_some_and(|(scopes, resources)| {
        facts.scopes.is_subset_of(scopes)
            && (resources.is_empty()
                || (!facts.resources.is_empty() && facts.resources.iter().all(|uri| resource::covers(resources, uri))))
    });
    let is_safe = facts.client_is_trusted || (facts.client_is_known && !facts.is_loopback_only);
    let remembered = facts.may_remember && is_safe && covered;
    if !facts.force && ((facts.client_skips && facts.client_is_trusted) || remembered) {
        Consent::Remembered
    } else {
        Consent::Missing
    }
}

#[cfg(test)]
mod tests {
    use chrono::TimeZone as _;

    use super::*;

    fn at(seconds: i64) -> DateTime<Utc> {
        Utc.timestamp_opt(1_800_000_000 + seconds, 0).unwrap()
    }

    fn login(auth_time: i64) -> Login<'static> {
        Login { subject: "alice", auth_time: at(auth_time), account_chosen: false }
    }

    fn step(prompt: &str, max_age: Option<&str>, login: Option<Login<'_>>, consent: Consent) -> Step {
        let rules = LoginRules::parse(Some(prompt), max_age).unwrap();
        decide(&rules, None, login, consent, at(0), at(5))
    }

    #[test]
    fn a_guest_logs_in_and_a_known_user_with_consent_proceeds() {
        assert_eq!(step("", None, None, Consent::Remembered), Step::Login);
        assert_eq!(step("", None, Some(login(-100)), Consent::Remembered), Step::Proceed);
        assert_eq!(step("", None, Some(login(-100)), Consent::Missing), Step::Consent);
        assert_eq!(step("", None, Some(login(-100)), Consent::GivenNow), Step::Proceed);
    }

    #[test]
    fn prompt_none_shows_no_page() {
        assert_eq!(step("none", None, None, Consent::Remembered), Step::Error(ErrorCode::LoginRequired));
        let missing = step("none", None, Some(login(-100)), Consent::Missing);
        assert_eq!(missing, Step::Error(ErrorCode::ConsentRequired));
        assert_eq!(step("none", None, Some(login(-100)), Consent::Remembered), Step::Proceed);
        let old = step("none", Some("60"), Some(login(-100)), Consent::Remembered);
        assert_eq!(old, Step::Error(ErrorCode::LoginRequired));
    }

    #[test]
    fn prompt_login_asks_for_the_password_once() {
        assert_eq!(step("login", None, Some(login(-1)), Consent::Remembered), Step::Login);
        assert_eq!(step("login", None, Some(login(2)), Consent::Remembered), Step::Proceed);
    }

    #[test]
    fn max_age_asks_for_a_fresh_login_and_zero_ends() {
        assert_eq!(step("", Some("60"), Some(login(-100)), Consent::Remembered), Step::Login);
        assert_eq!(step("", Some("1000"), Some(login(-100)), Consent::Remembered), Step::Proceed);
        assert_eq!(step("", Some("0"), Some(login(-1)), Consent::Remembered), Step::Login);
        assert_eq!(step("", Some("0"), Some(login(1)), Consent::Remembered), Step::Proceed);
    }

    #[test]
    fn prompt_consent_asks_again_once() {
        assert_eq!(step("consent", None, Some(login(-1)), Consent::Remembered), Step::Consent);
        assert_eq!(step("consent", None, Some(login(-1)), Consent::GivenNow), Step::Proceed);
        assert_eq!(step("login consent", None, Some(login(-1)), Consent::Missing), Step::Login);
    }

    #[test]
    fn prompt_select_account_lets_the_person_choose_once() {
        assert_eq!(step("select_account", None, Some(login(-1)), Consent::Remembered), Step::SelectAccount);
        let chosen = Login { account_chosen: true, ..login(-1) };
        assert_eq!(step("select_account", None, Some(chosen), Consent::Remembered), Step::Proceed);
    }

    #[test]
    fn a_hint_for_someone_else_asks_for_that_person() {
        let decide_hinted = |prompt: &str, hint: &str| {
            let rules = LoginRules::parse(Some(prompt), None).unwrap();
            decide(&rules, Some(hint), Some(login(-1)), Consent::Remembered, at(0), at(5))
        };
        assert_eq!(decide_hinted("", "alice"), Step::Proceed);
        assert_eq!(decide_hinted("", "bob"), Step::OtherAccount);
        assert_eq!(decide_hinted("login", "bob"), Step::OtherAccount);
        assert_eq!(decide_hinted("login", "alice"), Step::Login);
        assert_eq!(decide_hinted("none", "bob"), Step::Error(ErrorCode::LoginRequired));
    }

    #[test]
    fn a_masked_account_shows_its_first_letter_and_its_host() {
        assert_eq!(masked("alice@example.com"), "a•••@example.com");
        assert_eq!(masked("Administrator"), "A•••");
        assert_eq!(masked(""), "•••");
    }

    #[test]
    fn malformed_parameters_are_refused() {
        for (prompt, max_age) in [("none login", None), ("never", None), ("", Some("-1")), ("", Some("soon"))] {
            assert!(LoginRules::parse(Some(prompt), max_age).is_err(), "{prompt} {max_age:?}");
        }
    }

    fn facts<'a>(scopes: &'a ScopeSet, grant: Option<(&'a ScopeSet, &'a [String])>) -> ConsentFacts<'a> {
        ConsentFacts {
            force: false,
            may_remember: true,
            client_skips: false,
            client_is_trusted: false,
            client_is_known: true,
            is_loopback_only: false,
            grant,
            scopes,
            resources: &[],
        }
    }

    #[test]
    fn consent_is_remembered_for_the_scopes_of_the_same_client_only() {
        let (little, much) = (ScopeSet::parse("openid").unwrap(), ScopeSet::parse("openid all").unwrap());
        assert_eq!(consent(&facts(&little, Some((&much, &[])))), Consent::Remembered);
        assert_eq!(consent(&facts(&much, Some((&little, &[])))), Consent::Missing);
        assert_eq!(consent(&facts(&little, None)), Consent::Missing);
    }

    #[test]
    fn consent_for_one_resource_is_none_for_another() {
        let scopes = ScopeSet::parse("openid").unwrap();
        let (mcp, api) = (["https://site.example/mcp".to_owned()], ["https://site.example/api".to_owned()]);
        let with = |resources| ConsentFacts { resources, ..facts(&scopes, Some((&scopes, &mcp))) };
        assert_eq!(consent(&with(&mcp)), Consent::Remembered);
        assert_eq!(consent(&with(&api)), Consent::Missing);
        assert_eq!(consent(&with(&[])), Consent::Missing);
    }

    #[test]
    fn unknown_clients_always_ask_and_loopback_clients_unless_trusted() {
        let scopes = ScopeSet::parse("openid").unwrap();
        let covered = facts(&scopes, Some((&scopes, &[])));
        let loopback = ConsentFacts { is_loopback_only: true, ..covered };
        assert_eq!(consent(&covered), Consent::Remembered);
        assert_eq!(consent(&ConsentFacts { client_is_known: false, ..covered }), Consent::Missing);
        assert_eq!(consent(&loopback), Consent::Missing);
        assert_eq!(consent(&ConsentFacts { client_is_trusted: true, ..loopback }), Consent::Remembered);
        assert_eq!(consent(&ConsentFacts { may_remember: false, ..covered }), Consent::Missing);
        assert_eq!(consent(&ConsentFacts { force: true, ..covered }), Consent::Missing);
    }

    #[test]
    fn only_a_trusted_client_skips_consent() {
        let scopes = ScopeSet::parse("openid").unwrap();
        let skips = ConsentFacts { client_skips: true, ..facts(&scopes, None) };
        let trusted = ConsentFacts { client_is_trusted: true, ..skips };
        assert_eq!(consent(&skips), Consent::Missing);
        assert_eq!(consent(&trusted), Consent::Remembered);
        assert_eq!(consent(&ConsentFacts { force: true, ..trusted }), Consent::Missing);
    }
}
