//! What must hold whatever anybody sends, and the test that shows it.
//!
//! | No. | What must hold | Test |
//! |---|---|---|
//! | 1 | A code is for the person of the session | [`consent::a_code_is_for_the_person_of_the_session_whatever_else_names_one`] |
//! | 2 | Only the person's own form allows, and only what was shown | [`consent::what_is_granted_is_what_was_shown_whatever_the_form_adds`], [`consent::a_page_elsewhere_cannot_allow`], `oauth::consent::{opening_a_page_never_grants, a_consent_needs_the_token_of_the_form, a_request_is_answered_by_the_person_it_was_shown_to_and_once}` |
//! | 3 | A client is who proves it | [`clients::no_token_says_who_the_client_is`], `oauth::authorization_code::{a_wrong_secret_and_an_unknown_client_get_the_same_answer, the_method_of_authentication_is_exactly_the_registered_one}` |
//! | 4 | A consent counts for its own client | `oauth::consent::a_consent_is_remembered_for_the_same_client_and_not_more_than_it_covers` |
//! | 5 | Client secrets have 256 bits and sign nothing unless made for it | `oauth::client::a_client_secret_is_shown_once_and_has_256_bits` |
//! | 6 | A login elsewhere comes back to the browser and request that began it, and leads to this site only | `oauth_client::social_login::{what_does_not_belong_to_this_browser_and_request_logs_nobody_in, a_login_elsewhere_leads_back_to_pages_of_this_site_only}` |
//! | 7 | An account elsewhere is its provider and subject; an address links only if it is verified and that is allowed | `oauth_client::social_login::{a_stranger_signs_up_and_comes_back_by_subject_and_not_by_address, an_existing_account_is_linked_by_a_verified_address_only_where_that_is_allowed, a_key_for_all_organisations_at_once_is_refused}` |
//! | 8, 9 | A connection is made by the answer to one's own request, for oneself | `oauth_client::connected_app::an_answer_without_its_state_of_another_person_or_used_before_connects_nobody`, `oauth_client::provider::connected_app::an_answer_from_another_server_or_for_another_person_connects_nobody` |
//! | 10 | A code ends after a minute | `oauth::authorization_code::a_code_expires_after_a_minute` |
//! | 11 | A code is used once, and its second use ends what came of it | `oauth::authorization_code::a_code_cannot_be_used_twice_and_its_tokens_end_with_the_second_use`, `oauth::races` |
//! | 12 | PKCE is S256, and public clients cannot do without it | [`codes::a_public_client_cannot_do_without_pkce`], [`codes::a_verifier_without_a_challenge_is_refused`], `oauth::authorization_code::pkce_is_required_and_s256_only` |
//! | 13 | A code goes to the address that it was made for | [`codes::a_code_works_for_the_one_address_that_it_was_sent_to`] |
//! | 14 | A refresh token is its client's, works once and ends | [`tokens::a_sign_in_ends_after_a_year_however_often_it_was_renewed`], `oauth::refresh::{a_refresh_token_belongs_to_its_client, each_renewal_replaces_both_tokens, an_unused_refresh_token_expires}` |
//! | 15 | A scope limits everywhere | [`tokens::no_address_of_the_site_forgets_the_scopes`], `oauth::bearer_rfc6750::{a_scope_limits_a_token_to_a_doctype_and_a_right, a_token_with_openid_alone_opens_no_data}`; none but `all` reaches what would widen it: [`escalation`] |
//! | 16 | Who is disabled is out | `oauth::bearer_rfc6750::a_disabled_user_or_client_is_out_at_once`, [`codes::a_code_of_somebody_who_was_disabled_is_worth_nothing`] |
//! | 17 | Introspection tells its own clients, and only about what works now | `oauth::introspection_rfc7662` |
//! | 18 | Nothing that opens a door can be read back | [`tokens::not_even_an_administrator_reads_a_secret_back`], `secrets` |
//! | 19 | There is no password grant | [`clients::the_password_of_a_person_is_no_grant`] |
//! | 20 | Every registered redirect URI works, also of a program that registered itself | `oauth::registration_rfc7591::every_redirect_uri_that_was_registered_works` |
//! | 21 | Programs on a person's computer can register | `oauth::registration_rfc7591::a_program_on_a_persons_computer_registers_its_address_there`, `oauth::mcp_client` |
//! | 22 | A redirect URI is kept letter by letter, whatever its scheme | `oauth::registration_rfc7591::redirect_uris_are_kept_letter_by_letter` |
//! | 23 | A registration is answered with all that was registered, or with the error that fits | `oauth::registration_rfc7591::{the_answer_echoes_every_field_that_was_registered_and_has_no_nulls, errors_have_the_code_of_the_rfc_and_say_what_is_wrong}` |
//! | 24 | Registration has limits, its scopes are safe, and what nobody uses goes | `oauth::registration_rfc7591::{without_naming_scopes_a_program_gets_the_safe_ones_and_never_all, one_address_registers_as_often_in_a_minute_as_the_settings_say, only_as_many_programs_register_as_the_settings_allow}`, `oauth::unused_clients` |
//! | 25 | `client_secret_basic` works as it is announced | [`clients::basic_credentials_are_decoded_as_forms_are`], [`clients::an_api_key_is_no_client_and_a_client_no_api_key`] |
//! | 26 | Each refusal has its code, its status and nothing around it | [`answers::each_refusal_has_its_code_and_status_and_is_plain_json`] |
//! | 27 | Errors go back to the program, with state and issuer | [`answers::errors_travel_to_the_program_with_state_and_issuer`], [`answers::an_address_with_a_query_keeps_it`] |
//! | 28 | Revocation finds both kinds of token, and never tells what it does not know | `oauth::revocation_rfc7009` |
//! | 31 | What is announced is what there is | [`answers::what_is_announced_is_there`] |
//! | 32 | A subject is never missing, and claims follow the scopes that were granted | `oauth::userinfo::the_scopes_decide_what_is_told` |
//! | 35 | A client's name is text on every page | `oauth::consent::the_page_says_who_asks_for_what_and_where_the_answer_goes` |
//! | 36 | Nobody's tokens outlive their account or password | [`tokens::nothing_is_left_of_a_deleted_person`], `oauth::bearer_rfc6750::a_new_password_ends_the_tokens_of_the_person` |
//! | 37 | A provider's token ends when the provider said | `oauth_client::connected_app::saving_a_connection_makes_its_token_live_no_longer` |

mod answers;
mod clients;
mod codes;
mod consent;
mod escalation;
mod tokens;
