//! The behaviours of the OpenID Foundation's plans for providers, each module re-implemented as a test of our own.
//!
//! A test begins with the name of its module. This says nothing about certification.
//!
//! ## Basic OP: 38
//!
//! | Module | Test |
//! |---|---|
//! | oidcc-server | `oidcc::basic_code::oidcc_server_a_code_brings_an_access_token_that_works_and_an_id_token_that_holds` |
//! | oidcc-response-type-missing | `oidcc::basic_code::oidcc_response_type_missing_is_told_to_the_program` |
//! | oidcc-idtoken-signature | `oidcc::basic_code::oidcc_idtoken_signature_is_rs256_and_names_its_key_where_nothing_else_was_registered` |
//! | oidcc-idtoken-unsigned | `oidcc::basic_code::oidcc_idtoken_unsigned_is_neither_offered_nor_registered` |
//! | oidcc-userinfo-get | `oidcc::basic_claims::oidcc_userinfo_get_tells_the_person_to_whoever_shows_the_token_in_the_header` |
//! | oidcc-userinfo-post-header | `oidcc::basic_claims::oidcc_userinfo_post_header_tells_the_same` |
//! | oidcc-userinfo-post-body | `oidcc::basic_claims::oidcc_userinfo_post_body_opens_nothing_until_the_settings_allow_it` |
//! | oidcc-ensure-request-without-nonce-succeeds-for-code-flow | `oidcc::basic_code::oidcc_ensure_request_without_nonce_succeeds_for_code_flow_and_the_id_token_has_none` |
//! | oidcc-scope-profile | `oidcc::basic_claims::oidcc_scope_profile_tells_the_name_and_when_it_changed` |
//! | oidcc-scope-email | `oidcc::basic_claims::oidcc_scope_email_tells_the_address_and_that_nobody_has_verified_it` |
//! | oidcc-scope-address | `oidcc::basic_claims::oidcc_scope_address_is_not_announced_and_does_no_harm` |
//! | oidcc-scope-phone | `oidcc::basic_claims::oidcc_scope_phone_is_not_announced_and_does_no_harm` |
//! | oidcc-scope-all | `oidcc::basic_claims::oidcc_scope_all_tells_all_that_is_announced` |
//! | oidcc-alternate-happy-flow | `oidcc::basic_claims::oidcc_alternate_happy_flow_the_order_of_scopes_and_parameters_does_not_matter` |
//! | oidcc-display-page | `oidcc::basic_login::oidcc_display_page_is_what_everybody_gets` |
//! | oidcc-display-popup | `oidcc::basic_login::oidcc_display_popup_gets_the_same_page` |
//! | oidcc-prompt-login | `oidcc::basic_login::oidcc_prompt_login_asks_for_the_password_although_a_session_is_there` |
//! | oidcc-prompt-none-not-logged-in | `oidcc::basic_login::oidcc_prompt_none_not_logged_in_is_told_so` |
//! | oidcc-prompt-none-logged-in | `oidcc::basic_login::oidcc_prompt_none_logged_in_gets_a_code_without_a_page` |
//! | oidcc-max-age-1 | `oidcc::basic_login::oidcc_max_age_1_asks_again_when_the_login_is_older` |
//! | oidcc-max-age-10000 | `oidcc::basic_login::oidcc_max_age_10000_goes_on_with_the_login_and_tells_its_time` |
//! | oidcc-ensure-request-with-unknown-parameter-succeeds | `oidcc::basic_login::oidcc_ensure_request_with_unknown_parameter_succeeds_all_the_same` |
//! | oidcc-id-token-hint | `oidcc::basic_login::oidcc_id_token_hint_brings_the_same_person_back` |
//! | oidcc-login-hint | `oidcc::basic_login::oidcc_login_hint_fills_in_the_login_page_as_text` |
//! | oidcc-ui-locales | `oidcc::basic_login::oidcc_ui_locales_that_are_not_spoken_here_do_no_harm` |
//! | oidcc-claims-locales | `oidcc::basic_claims::oidcc_claims_locales_are_ignored` |
//! | oidcc-ensure-request-with-acr-values-succeeds | `oidcc::basic_login::oidcc_ensure_request_with_acr_values_succeeds_and_the_id_token_has_one_of_them` |
//! | oidcc-codereuse | `oidcc::basic_code::oidcc_codereuse_is_refused_at_once` |
//! | oidcc-codereuse-30seconds | `oidcc::basic_code::oidcc_codereuse_30seconds_later_is_refused_and_ends_the_tokens` |
//! | oidcc-ensure-registered-redirect-uri | `oidcc::basic_code::oidcc_ensure_registered_redirect_uri_an_answer_goes_nowhere_else` |
//! | oidcc-ensure-post-request-succeeds | `oidcc::basic_code::oidcc_ensure_post_request_succeeds_with_and_without_a_cookie` |
//! | oidcc-server-client-secret-post | `oidcc::basic_code::oidcc_server_client_secret_post_the_secret_may_come_in_the_form_where_that_is_registered` |
//! | oidcc-request-uri-unsigned-supported-correctly-or-rejected-as-unsupported | `oidcc::basic_request::oidcc_request_uri_unsigned_supported_correctly_or_rejected_as_unsupported_it_is_rejected_and_not_fetched` |
//! | oidcc-unsigned-request-object-supported-correctly-or-rejected-as-unsupported | `oidcc::basic_request::oidcc_unsigned_request_object_supported_correctly_or_rejected_as_unsupported_it_is_rejected` |
//! | oidcc-claims-essential | `oidcc::basic_claims::oidcc_claims_essential_single_claims_are_not_offered_and_asking_for_one_does_no_harm` |
//! | oidcc-ensure-request-object-with-redirect-uri | `oidcc::basic_request::oidcc_ensure_request_object_with_redirect_uri_the_one_inside_counts_if_it_is_signed` |
//! | oidcc-refresh-token | `oidcc::basic_code::oidcc_refresh_token_brings_new_tokens_about_the_same_sign_in_and_only_to_its_own_program` |
//! | oidcc-ensure-request-with-valid-pkce-succeeds | `oidcc::basic_code::oidcc_ensure_request_with_valid_pkce_succeeds_and_without_the_verifier_the_code_is_worth_nothing` |
//!
//! ## Config OP: 1
//!
//! | Module | Test |
//! |---|---|
//! | oidcc-discovery-endpoint-verification | `oidcc::config::oidcc_discovery_endpoint_verification_all_members_have_their_form_and_the_keys_are_public` |
//!
//! ## RP-initiated logout: 11
//!
//! | Module | Test |
//! |---|---|
//! | oidcc-rp-initiated-logout-discovery-endpoint-verification | `oidcc::rp_initiated_logout::oidcc_rp_initiated_logout_discovery_endpoint_verification_the_endpoint_is_announced` |
//! | oidcc-rp-initiated-logout | `oidcc::rp_initiated_logout::oidcc_rp_initiated_logout_leads_back_to_the_program_with_its_state` |
//! | oidcc-rp-initiated-logout-bad-post-logout-redirect-uri | `oidcc::rp_initiated_logout::oidcc_rp_initiated_logout_bad_post_logout_redirect_uri_leads_nowhere` |
//! | oidcc-rp-initiated-logout-modified-id-token-hint | `oidcc::rp_initiated_logout::oidcc_rp_initiated_logout_modified_id_token_hint_logs_nobody_out` |
//! | oidcc-rp-initiated-logout-no-id-token-hint | `oidcc::rp_initiated_logout::oidcc_rp_initiated_logout_no_id_token_hint_asks_first` |
//! | oidcc-rp-initiated-logout-no-params | `oidcc::rp_initiated_logout::oidcc_rp_initiated_logout_no_params_asks_first` |
//! | oidcc-rp-initiated-logout-no-post-logout-redirect-uri | `oidcc::rp_initiated_logout::oidcc_rp_initiated_logout_no_post_logout_redirect_uri_ends_here` |
//! | oidcc-rp-initiated-logout-no-state | `oidcc::rp_initiated_logout::oidcc_rp_initiated_logout_no_state_sends_none_back` |
//! | oidcc-rp-initiated-logout-only-state | `oidcc::rp_initiated_logout::oidcc_rp_initiated_logout_only_state_asks_first` |
//! | oidcc-rp-initiated-logout-query-added-to-post-logout-redirect-uri | `oidcc::rp_initiated_logout::oidcc_rp_initiated_logout_query_added_to_post_logout_redirect_uri_is_another_address` |
//! | oidcc-rp-initiated-logout-bad-id-token-hint | `oidcc::rp_initiated_logout::oidcc_rp_initiated_logout_bad_id_token_hint_logs_nobody_out` |
//!
//! ## Back-channel logout: 2
//!
//! | Module | Test |
//! |---|---|
//! | oidcc-backchannel-logout-discovery-endpoint-verification | `back_channel_logout::oidcc_backchannel_logout_discovery_endpoint_verification_it_is_announced` |
//! | oidcc-backchannel-rp-initiated-logout | `back_channel_logout::oidcc_backchannel_rp_initiated_logout_tells_the_program_who_is_gone` |

pub mod basic;
mod basic_claims;
mod basic_code;
mod basic_login;
mod basic_request;
mod config;
mod rp_initiated_logout;

use std::collections::BTreeMap;
use std::path::Path;

/// How many modules each plan has.
const PLANS: [(&str, usize); 4] =
    [("Basic OP", 38), ("Config OP", 1), ("RP-initiated logout", 11), ("Back-channel logout", 2)];

/// The tests below a folder that are named after a module, each with the path of the Rust module that it is in.
fn tests_below(folder: &Path, path: &str, found: &mut BTreeMap<String, String>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let file = entry.unwrap().path();
        let name = file.file_stem().unwrap().to_str().unwrap();
        let inside = if path.is_empty() { name.to_owned() } else { format!("{path}::{name}") };
        if file.is_dir() {
            tests_below(&file, &inside, found);
            continue;
        }
        let source = std::fs::read_to_string(&file).unwrap();
        for rest in source.split("#[tokio::test]\nasync fn ").skip(1) {
            let test = rest.split('(').next().unwrap();
            if test.starts_with("oidcc_") {
                assert_eq!(found.insert(test.to_owned(), inside.clone()), None, "two tests are called {test}");
            }
        }
    }
}

#[test]
fn each_module_of_the_plans_has_its_test_and_each_test_its_module() {
    let mut tests = BTreeMap::new();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/integration/oauth");
    tests_below(&folder, "", &mut tests);
    let table = include_str!("mod.rs").lines().filter_map(|line| line.strip_prefix("//! "));
    let (mut plan, mut modules, mut counts) = ("", Vec::new(), BTreeMap::new());
    for line in table {
        if let Some(heading) = line.strip_prefix("## ") {
            plan = heading.split(':').next().unwrap();
        }
        let Some((module, test)) = line.strip_prefix("| oidcc-").and_then(|row| row.split_once(" | ")) else {
            continue;
        };
        let module = format!("oidcc_{}", module.replace('-', "_"));
        let (place, test) = test.trim_end_matches(" |").trim_matches('`').rsplit_once("::").unwrap();
        assert!(test.starts_with(&format!("{module}_")), "{test} is not named after {module}");
        assert_eq!(tests.remove(test).as_deref(), Some(place), "{test} is not there");
        assert!(!modules.contains(&module), "{module} is listed twice");
        modules.push(module);
        *counts.entry(plan).or_insert(0) += 1;
    }
    assert!(tests.is_empty(), "not in the table: {tests:?}");
    assert_eq!(counts, BTreeMap::from(PLANS));
}
