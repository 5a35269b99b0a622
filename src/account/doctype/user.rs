//! Behaviour of the DocType User: its name, what must hold, its password, and what ends when it is disabled.

use async_trait::async_trait;
use serde_json::{Map, Value as Json, json};

use crate::account::api_key::{self, KnownKeys};
use crate::account::doctype::social_logins;
use crate::account::password::{self, Passwords};
use crate::account::second_factor;
use crate::clock::Zone;
use crate::document::controller::need;
use crate::document::{Controller, ListRequest, Work};
use crate::error::{Error, FieldProblem, Invalid, Need, ProblemKind, Result};
use crate::meta::{Document, Right, Value};
use crate::permissions::Session;
use crate::permissions::session::{
    ADMINISTRATOR, GUEST, ROLE_ALL, ROLE_DESK_USER, ROLE_GUEST, ROLE_SYSTEM_MANAGER, fold_name,
};
use crate::web::session::end_all;
use crate::web::{LoginSettings, SecurityEvent, Severity};

/// The User Type of people who use the desk.
pub(super) const SYSTEM_USER: &str = "System User";
/// The User Type of all others.
pub(super) const WEBSITE_USER: &str = "Website User";

/// What a User does.
pub(crate) struct UserController {
    passwords: Passwords,
    keys: KnownKeys,
}

impl UserController {
    /// With the queue for hashing and the cache of keys that the rest of the feature uses.
    pub(crate) fn new(passwords: Passwords, keys: KnownKeys) -> Self {
        Self { passwords, keys }
    }

    /// Takes a new password out of the document and stores its hash.
    async fn take_password(&self, work: &mut Work<'_>, user: &mut Document, before: Option<&Document>) -> Result<()> {
        let typed = user.text("new_password").to_owned();
        // It never reaches the row, and stars stand for none.
        user.set("new_password", Value::Null);
        if typed.is_empty() || typed.chars().all(|c| c == '*') {
            return Ok(());
        }
        store_password(work, &self.passwords, &user.name(), typed).await.map_err(|error| match error {
            Error::Validation(mut invalid) => {
                for problem in &mut invalid.problems {
                    problem.field = Some("new_password".to_owned());
                    problem.label = Some("Set New Password".to_owned());
                }
                Error::Validation(invalid)
            }
            other => other,
        })?;
        user.set("last_password_reset_date", work.now()[..10].to_owned());
        if before.is_some() && user.check("logout_all_sessions") {
            let own = work.session.sid.clone().filter(|_| work.session.user() == user.name());
            end_all(work, &user.name(), own.as_deref()).await?;
        }
        if before.is_some() && user.check("revoke_api_key") {
            api_key::revoke(work, user).await?;
        }
        Ok(())
    }
}

/// Checks a new password against the rules, stores its hash and notes that it changed.
pub(crate) async fn store_password(
    work: &mut Work<'_>,
    passwords: &Passwords,
    user: &str,
    password: String,
) -> Result<()> {
    let settings = LoginSettings::load(work.documents).await?;
    password::check_policy(&password, &settings, user)?;
    let hash = passwords.hash(password).await?;
    work.set_hash("User", user, password::FIELD, Some(&hash)).await?;
    let by = work.session.user().to_owned();
    SecurityEvent::new("Password Changed", Severity::Info).user(user).details(json!({"by": by})).record_in(work).await
}

/// Administrator and Guest, which the program itself needs.
pub(crate) fn is_standard(user: &str) -> bool {
    user == ADMINISTRATOR || user == GUEST
}

/// A time zone is one of the IANA database, as it is written there.
pub(super) fn check_time_zone(document: &mut Document, invalid: &mut Invalid) {
    let name = document.text("time_zone").trim().to_owned();
    match Zone::parse(&name) {
        Some(zone) => document.set("time_zone", zone.name()),
        None if name.is_empty() => {}
        None => invalid.push(FieldProblem::at(
            ProblemKind::Validation,
            "time_zone",
            "Time Zone",
            format!("{name} is not a time zone: choose one such as Europe/Vienna"),
        )),
    }
}

#[async_trait]
impl Controller for UserController {
    async fn before_insert(&self, work: &mut Work<'_>, user: &mut Document) -> Result<()> {
        if work.session.is_system() && is_standard(&user.name()) {
            return Ok(());
        }
        user.set_name(fold_name(user.text("email")));
        Ok(())
    }

    async fn validate(&self, work: &mut Work<'_>, user: &mut Document, before: Option<&Document>) -> Result<()> {
        let mut invalid = Invalid::default();
        normalize(user, before, &mut invalid);
        check_roles(user, &mut invalid);
        check_username(user, &mut invalid);
        check_time_zone(user, &mut invalid);
        if is_standard(&user.name()) && !user.check("enabled") {
            invalid.push(FieldProblem::at(
                ProblemKind::Validation,
                "enabled",
                "Enabled",
                format!("User {} cannot be disabled", user.name()),
            ));
        }
        // Only `generate_keys` makes secrets; what a form sends back for them does not count, but emptying revokes.
        let secret = user.text("api_secret").to_owned();
        if !secret.is_empty() && before.is_none_or(|before| before.text("api_secret") != secret) {
            user.set("api_secret", before.map_or(Value::Null, |before| before.get("api_secret").clone()));
        }
        // What says so is what is stored beside it.
        user.set("second_factor", before.map_or(Value::from(false), |before| before.get("second_factor").clone()));
        if !is_standard(&user.name()) {
            let roles: Vec<String> = user.rows("roles").iter().map(|row| row.text("role").to_owned()).collect();
            user.set("user_type", user_type(work, &roles).await?);
        }
        invalid.into_result()?;
        social_logins::check(work, user, before).await?;
        self.take_password(work, user, before).await
    }

    async fn on_update(&self, work: &mut Work<'_>, user: &Document, before: Option<&Document>) -> Result<()> {
        let Some(before) = before else { return Ok(()) };
        let by = work.session.user().to_owned();
        if before.check("enabled") && !user.check("enabled") {
            end_all(work, &user.name(), None).await?;
            SecurityEvent::new("User Disabled", Severity::Info)
                .user(user.name())
                .details(json!({"by": by}))
                .record_in(work)
                .await?;
        }
        let roles = |document: &Document| -> Vec<String> {
            let mut roles: Vec<String> = document.rows("roles").iter().map(|row| row.text("role").to_owned()).collect();
            roles.sort();
            roles
        };
        let (old, new) = (roles(before), roles(user));
        if old != new {
            SecurityEvent::new("Roles Changed", Severity::Info)
                .user(user.name())
                .details(json!({"by": by, "before": old, "after": new}))
                .record_in(work)
                .await?;
        }
        Ok(())
    }

    fn forget(&self, _: Option<&str>) {
        self.keys.forget();
    }

    /// Whoever could write the account of somebody with more roles, or give roles away that they do not have, would have
    /// all of them. Administrator itself is out of everybody's reach wherever rights are decided.
    fn has_permission(&self, session: &Session, user: &Document, right: Right) -> bool {
        let changes = matches!(right, Right::Write | Right::Create | Right::Delete | Right::Share);
        !changes
            || session.has_role(ROLE_SYSTEM_MANAGER)
            || user.rows("roles").iter().all(|row| session.has_role(row.text("role")))
    }

    fn permission_rule(&self) -> &'static str {
        "An account is changed by System Managers, and by those who have every role that it has"
    }

    async fn on_trash(&self, _work: &mut Work<'_>, user: &Document) -> Result<()> {
        if is_standard(&user.name()) {
            return Err(Error::invalid(
                ProblemKind::Validation,
                format!("User {} cannot be deleted: the site needs it", user.name()),
            ));
        }
        Ok(())
    }

    async fn before_rename(&self, _work: &mut Work<'_>, old: &str, new: &str, merge: bool) -> Result<()> {
        let refuse = |message: String| Err(Error::invalid(ProblemKind::Validation, message));
        if is_standard(old) || is_standard(new) {
            return refuse(format!("User {old} cannot be renamed to {new}: the site needs its own accounts"));
        }
        if merge {
            return refuse("Users cannot be merged: disable the one that is no longer used".to_owned());
        }
        if new != fold_name(new) || !is_one_address(new) {
            return refuse(format!("{new} is not an email address in lower case: users are named by theirs"));
        }
        Ok(())
    }

    async fn after_rename(&self, work: &mut Work<'_>, _old: &str, new: &str, _merge: bool) -> Result<()> {
        end_all(work, new, None).await?;
        // Nobody knows of the new address yet whose it is.
        work.set_values("User", new, &[("email", Value::from(new)), ("email_verified", Value::from(false))]).await
    }

    async fn call(
        &self,
        work: &mut Work<'_>,
        user: &mut Document,
        method: &str,
        _arguments: &Map<String, Json>,
    ) -> Option<Result<Json>> {
        match method {
            "generate_keys" => Some(api_key::generate(work, &user.name()).await),
            "reset_otp_secret" => Some(reset_second_factor(work, user).await),
            _ => None,
        }
    }

    fn methods(&self) -> Vec<(&'static str, &'static str)> {
        vec![
            ("generate_keys", "Makes a new API secret, and a key if there is none; the secret is shown only here"),
            ("reset_otp_secret", "Takes the person's second factor away: at the next login the password alone counts"),
        ]
    }

    fn needs(&self, doctype: &str, _: &str) -> Vec<Need> {
        vec![need(doctype, Right::Write), Need::Unlimited]
    }
}

/// Takes away the second factor of somebody who has lost it.
async fn reset_second_factor(work: &mut Work<'_>, user: &Document) -> Result<Json> {
    work.documents.check_unlimited(&work.session, "reset a second factor")?;
    if !work.session.has_role(ROLE_SYSTEM_MANAGER) && !work.session.is_system() {
        return Err(Error::Permission("Only a System Manager may reset a second factor".to_owned()));
    }
    if !user.check("second_factor") {
        return Err(Error::misuse(format!("{} has no second factor", user.name())));
    }
    second_factor::remove(work, &user.name(), "Second Factor Reset").await?;
    Ok(Json::from("The second factor is reset"))
}

/// What kind of account these roles make: one of the desk if any of them opens it.
pub(super) async fn user_type(work: &mut Work<'_>, roles: &[String]) -> Result<&'static str> {
    if roles.is_empty() {
        return Ok(WEBSITE_USER);
    }
    let mut request = ListRequest::new("Role");
    request.filters = json!([["name", "in", roles], ["desk_access", "=", 1], ["disabled", "=", 0]]);
    request.limit = Some(1);
    let caller = work.become_system();
    let found = work.list(&request).await;
    work.session = caller;
    Ok(if found?.rows.is_empty() { WEBSITE_USER } else { SYSTEM_USER })
}

/// Email, full name and username in the form in which they are compared.
fn normalize(user: &mut Document, before: Option<&Document>, invalid: &mut Invalid) {
    let email = fold_name(user.text("email"));
    if !email.is_empty() && !is_standard(&user.name()) && !is_one_address(&email) {
        invalid.push(FieldProblem::at(
            ProblemKind::InvalidEmailAddress,
            "email",
            "Email",
            format!("{email} is not one email address such as ada@example.com: it names the account"),
        ));
    }
    if before.is_some() && !is_standard(&user.name()) && !email.is_empty() && email != user.name() {
        invalid.push(FieldProblem::at(
            ProblemKind::CannotChangeConstant,
            "email",
            "Email",
            "The email address names the account: rename the user to change it",
        ));
    }
    user.set("email", email);
    let part = |fieldname: &str| user.text(fieldname).trim().to_owned();
    let names = [part("first_name"), part("last_name")];
    let full_name = names.iter().filter(|name| !name.is_empty()).map(String::as_str).collect::<Vec<_>>().join(" ");
    // Two long names may not fit into one field.
    user.set("full_name", full_name.chars().take(140).collect::<String>());
    let username = user.text("username").trim().trim_start_matches('@').to_owned();
    user.set("username", Some(username).filter(|username| !username.is_empty()));
}

fn check_username(user: &Document, invalid: &mut Invalid) {
    let username = user.text("username");
    // Whoever types them means the accounts of the program.
    if [ADMINISTRATOR, GUEST].iter().any(|name| name.eq_ignore_ascii_case(username)) && !is_standard(&user.name()) {
        invalid.push(FieldProblem::at(
            ProblemKind::Validation,
            "username",
            "Username",
            format!("{username} is an account of the program: choose another username"),
        ));
    }
    if username.chars().any(char::is_whitespace) || username.contains('@') {
        invalid.push(FieldProblem::at(
            ProblemKind::Validation,
            "username",
            "Username",
            format!("{username} cannot be a username: leave out spaces and @"),
        ));
    }
}

/// Whether a text is one address without anything around it, so that no two names of accounts look alike by a space.
pub(super) fn is_one_address(text: &str) -> bool {
    let (local, domain) = text.rsplit_once('@').unwrap_or_default();
    let is_odd = |letter: char| letter.is_whitespace() || letter.is_control() || letter == ',';
    !local.is_empty() && !domain.is_empty() && !text.contains(is_odd)
}

/// The automatic roles cannot be given, and none twice.
pub(super) fn check_roles(user: &Document, invalid: &mut Invalid) {
    let mut seen: Vec<&str> = Vec::new();
    for (index, row) in user.rows("roles").iter().enumerate() {
        let role = row.text("role");
        let message = if [ADMINISTRATOR, ROLE_ALL, ROLE_GUEST, ROLE_DESK_USER].contains(&role) {
            format!("{role} is given automatically: remove the row")
        } else if !role.is_empty() && seen.contains(&role) {
            format!("{role} is here twice: remove one of the rows")
        } else {
            seen.push(role);
            continue;
        };
        invalid.push(FieldProblem::at(ProblemKind::Validation, "role", "Role", message).in_row("roles", index + 1));
    }
}
