//! What may be exchanged for what.

use chrono::TimeZone as _;
use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::oauth::protocol::serve::scope::tests::any_set;

const SITE: &str = "https://site.example";
const MCP: &str = "https://site.example/mcp";
const API: &str = "https://site.example/api";

fn at(seconds: i64) -> DateTime<Utc> {
    Utc.timestamp_opt(1_800_000_000 + seconds, 0).unwrap()
}

fn scopes(text: &str) -> ScopeSet {
    ScopeSet::parse(text).unwrap()
}

fn list(uris: &[&str]) -> Vec<String> {
    uris.iter().map(|uri| (*uri).to_owned()).collect()
}

/// An exchange that is about to be decided: the server `tools` has got a token of the client `assistant`.
struct Case {
    subject_client: &'static str,
    subject_scopes: ScopeSet,
    subject_resources: Vec<String>,
    subject_jkt: Option<&'static str>,
    subject_certificate: Option<&'static str>,
    subject_act: Option<Actor>,
    actor: Option<(&'static str, Option<&'static str>, Option<Actor>)>,
    scopes: ScopeSet,
    own_resources: Vec<String>,
    targets: Vec<String>,
    may_impersonate: bool,
    jkt: Option<&'static str>,
    certificate: Option<&'static str>,
}

impl Case {
    fn new() -> Self {
        Self {
            subject_client: "assistant",
            subject_scopes: scopes("openid read doctype:Book:write"),
            subject_resources: list(&[MCP]),
            subject_jkt: None,
            subject_certificate: None,
            subject_act: None,
            actor: Some(("tools", None, None)),
            scopes: scopes("all"),
            own_resources: list(&[MCP]),
            targets: list(&[API]),
            may_impersonate: false,
            jkt: None,
            certificate: None,
        }
    }

    /// The client narrows what it holds itself.
    fn own() -> Self {
        Self { subject_client: "tools", actor: None, own_resources: vec![], targets: vec![], ..Self::new() }
    }

    fn decide(&self, scope: Option<&str>, targets: &[&str]) -> Result<ExchangedToken> {
        let none = ScopeSet::default();
        let subject = PresentedToken {
            client: self.subject_client,
            scopes: &self.subject_scopes,
            resources: &self.subject_resources,
            expires_at: at(100),
            jkt: self.subject_jkt,
            x5t_s256: self.subject_certificate,
            act: self.subject_act.as_ref(),
        };
        let actor = self.actor.as_ref().map(|(client, jkt, act)| ActorToken {
            token: PresentedToken {
                client,
                scopes: &none,
                resources: &[],
                expires_at: at(50),
                jkt: *jkt,
                x5t_s256: None,
                act: act.as_ref(),
            },
            sub: "robot",
        });
        let exchanger = Exchanger {
            client: "tools",
            client_id: "tools",
            scopes: &self.scopes,
            own_resources: &self.own_resources,
            targets: &self.targets,
            may_impersonate: self.may_impersonate,
            jkt: self.jkt,
            x5t_s256: self.certificate,
        };
        decide(subject, actor, &exchanger, scope, &(), list(targets))
    }

    #[track_caller]
    fn refused(&self, scope: Option<&str>, targets: &[&str], code: ErrorCode) {
        assert_eq!(self.decide(scope, targets).unwrap_err().code(), code);
    }
}

fn actor(client: &str, act: Option<Actor>) -> Actor {
    Actor { sub: "robot".to_owned(), client_id: client.to_owned(), act: act.map(Box::new) }
}

#[test]
fn a_server_calls_on_for_the_person_whose_token_it_was_sent() {
    let token = Case::new().decide(Some("doctype:Book:read"), &[API]).unwrap();
    assert_eq!(token.scopes.to_string(), "doctype:Book:read");
    assert_eq!((token.resources, token.expires_at), (list(&[API]), at(100)));
    assert_eq!((token.act, token.impersonates), (Some(actor("tools", None)), false));
}

#[test]
fn a_client_narrows_its_own_token_and_nobody_acts_for_anybody() {
    let token = Case::own().decide(Some("doctype:Book:read"), &[]).unwrap();
    assert_eq!((token.act, token.impersonates, token.resources), (None, false, list(&[MCP])));
}

#[test]
fn another_clients_token_that_is_not_meant_for_this_one_is_refused() {
    let elsewhere = Case { subject_resources: list(&[API]), ..Case::new() };
    let bound_to_nothing = Case { subject_resources: vec![], ..Case::new() };
    let no_server = Case { own_resources: vec![], ..Case::new() };
    let below = Case { own_resources: list(&[SITE]), ..Case::new() };
    for case in [elsewhere, bound_to_nothing, no_server, below] {
        case.refused(None, &[], ErrorCode::InvalidRequest);
    }
}

#[test]
fn nobody_is_impersonated_unless_an_administrator_allowed_it() {
    let silent = Case { actor: None, ..Case::new() };
    silent.refused(None, &[], ErrorCode::InvalidRequest);
    let token = Case { may_impersonate: true, ..silent }.decide(None, &[]).unwrap();
    assert!(token.impersonates && token.act.is_none());
}

#[test]
fn scopes_are_those_that_subject_and_client_share_or_fewer() {
    let case = Case { scopes: scopes("doctype:Book:write email"), ..Case::new() };
    assert_eq!(case.decide(None, &[]).unwrap().scopes.to_string(), "openid doctype:Book:write");
    assert_eq!(case.decide(Some("doctype:Book:read"), &[]).unwrap().scopes.to_string(), "doctype:Book:read");
    for beyond in
        ["all", "write", "read", "email", "doctype:Book:delete", "doctype:Shelf:read", "a\"b", "offline_access"]
    {
        case.refused(Some(beyond), &[], ErrorCode::InvalidScope);
    }
    let nothing =
        Case { subject_scopes: scopes("email offline_access"), scopes: scopes("offline_access"), ..Case::new() };
    nothing.refused(None, &[], ErrorCode::InvalidScope);
    nothing.refused(Some("offline_access"), &[], ErrorCode::InvalidScope);
}

#[test]
fn resources_are_those_of_the_subject_or_those_that_an_administrator_named() {
    let case = Case::new();
    assert_eq!(case.decide(None, &[]).unwrap().resources, [MCP]);
    assert_eq!(case.decide(None, &[MCP, API]).unwrap().resources, [MCP, API]);
    case.refused(None, &[SITE], ErrorCode::InvalidTarget);
    case.refused(None, &[API, SITE], ErrorCode::InvalidTarget);
    Case { targets: vec![], ..Case::new() }.refused(None, &[API], ErrorCode::InvalidTarget);
    let unbound = Case { subject_resources: vec![], ..Case::own() };
    assert_eq!(unbound.decide(None, &[API]).unwrap().resources, [API]);
    assert!(unbound.decide(None, &[]).unwrap().resources.is_empty());
}

#[test]
fn chains_of_actors_are_told_whole_and_end() {
    let before = actor("gateway", None);
    let chained = Case { subject_act: Some(before.clone()), ..Case::new() };
    let act = chained.decide(None, &[]).unwrap().act.unwrap();
    assert_eq!(act, actor("tools", Some(before.clone())));
    assert_eq!(
        serde_json::to_value(&act).unwrap(),
        json!({"sub": "robot", "client_id": "tools", "act": {"sub": "robot", "client_id": "gateway"}})
    );
    assert_eq!(serde_json::from_value::<Actor>(serde_json::to_value(&act).unwrap()).unwrap(), act);
    // Whoever narrows such a token cannot lose them on the way.
    let narrowed = Case { subject_act: Some(before.clone()), ..Case::own() };
    assert_eq!(narrowed.decide(None, &[]).unwrap().act, Some(before));
    let long = (1..MAX_ACTORS).fold(actor("a", None), |act, _| actor("b", Some(act)));
    Case { subject_act: Some(long), ..Case::new() }.refused(None, &[], ErrorCode::InvalidRequest);
}

#[test]
fn an_actor_token_is_the_clients_own_and_of_nobody_who_acts_for_others() {
    for wrong in [("other", None, None), ("tools", None, Some(actor("x", None)))] {
        Case { actor: Some(wrong), ..Case::new() }.refused(None, &[], ErrorCode::InvalidRequest);
    }
}

#[test]
fn a_bound_token_is_exchanged_by_who_holds_its_key() {
    let with = |certificate| Case { subject_certificate: Some("certificate"), certificate, ..Case::own() };
    with(None).refused(None, &[], ErrorCode::InvalidRequest);
    with(Some("another")).refused(None, &[], ErrorCode::InvalidRequest);
    assert!(with(Some("certificate")).decide(None, &[]).is_ok());
    let by = |jkt| Case { subject_jkt: Some("key"), jkt, ..Case::own() };
    by(None).refused(None, &[], ErrorCode::InvalidDpopProof);
    by(Some("other")).refused(None, &[], ErrorCode::InvalidDpopProof);
    assert!(by(Some("key")).decide(None, &[]).is_ok());
    assert!(Case { jkt: Some("new"), ..Case::own() }.decide(None, &[]).is_ok());
    let actor = |jkt| Case { actor: Some(("tools", Some("key"), None)), jkt, ..Case::new() };
    actor(None).refused(None, &[], ErrorCode::InvalidDpopProof);
    assert!(actor(Some("key")).decide(None, &[]).is_ok());
}

#[test]
fn the_parameters_are_read_and_other_types_refused_by_name() {
    let parse = |body: &str| ExchangeRequest::parse(&Parameters::parse(body).unwrap());
    let access = format!("subject_token=dt_at_x&subject_token_type={ACCESS_TOKEN}");
    let request =
        parse(&format!("{access}&audience={MCP}&resource={API}&requested_token_type={ACCESS_TOKEN}")).unwrap();
    assert_eq!(request.targets, [API, MCP]);
    assert!(!format!("{request:?}").contains("dt_at_x"));
    for body in [
        "subject_token=dt_at_x".to_owned(),
        format!("subject_token_type={ACCESS_TOKEN}"),
        format!("{access}&actor_token=dt_at_y"),
        format!("{access}&actor_token_type={ACCESS_TOKEN}"),
        format!("{access}&actor_token=dt_at_y&actor_token_type={}", OTHER_TYPES[1]),
    ] {
        assert_eq!(parse(&body).unwrap_err().code(), ErrorCode::InvalidRequest, "{body}");
    }
    for known in OTHER_TYPES {
        let error = parse(&format!("subject_token=x&subject_token_type={known}")).unwrap_err();
        assert!(error.description().contains(known), "{error}");
        let error = parse(&format!("{access}&requested_token_type={known}")).unwrap_err();
        assert!(error.description().contains(known), "{error}");
    }
    let swapped = parse("subject_token=x&subject_token_type=dt_at_secret").unwrap_err();
    assert!(!swapped.description().contains("dt_at_secret"), "{swapped}");
}

proptest! {
    #[test]
    fn no_exchange_gives_more_than_the_subject_token_and_the_client_have(
        subject in any_set(), registered in any_set(), requested in proptest::option::of(any_set()),
    ) {
        let case = Case { subject_scopes: subject.clone(), scopes: registered.clone(), ..Case::own() };
        let requested = requested.map(|set| set.to_string());
        if let Ok(token) = case.decide(requested.as_deref(), &[]) {
            prop_assert!(token.scopes.is_subset_of(&subject) && !token.scopes.is_empty());
            prop_assert!(token.scopes.is_subset_of(&registered.union(&scopes("openid profile"))));
        }
    }
}
