//! The RPC methods about the site and about users that Frappe's clients call.

use serde_json::{Value as Json, json};

use crate::account::api_key;
use crate::account::doctype::user::store_password;
use crate::account::login;
use crate::account::password::Passwords;
use crate::document::ListRequest;
use crate::error::{AuthenticationError, Error, ProblemKind, Result};
use crate::meta::{Right, Value};
use crate::permissions::Session;
use crate::permissions::session::{ADMINISTRATOR, ROLE_ALL, ROLE_DESK_USER, ROLE_GUEST};
use crate::web::session::end_all;
use crate::web::{Answer, Call, Method, Param, Plugins, Verbs, handler};

/// The version of this program.
pub(super) const VERSION: &str = env!("CARGO_PKG_VERSION");

const GENERATE_KEYS: &[Param] = &[Param::required("user", "string", "The user")];
const SWITCH_THEME: &[Param] = &[Param::required("theme", "string", "`Light`, `Dark` or `Automatic`")];
const UPDATE_PASSWORD: &[Param] = &[
    Param::required("new_password", "string", "The new password"),
    Param::required("old_password", "string", "The password so far"),
    Param::optional("logout_all_sessions", "boolean", "Ends the caller's other sessions; on unless said otherwise"),
    Param::optional(
        "revoke_api_key",
        "boolean",
        "Ends the caller's API keys too; off unless said otherwise. Access tokens of programs end in any case; linked \
         accounts and connections stay",
    ),
];

/// Registers the methods.
pub(super) fn register(plugins: &mut Plugins, passwords: &Passwords) {
    let read = |path: &'static str, guest: bool, summary: &'static str, answer: fn(&Call) -> Json| Method {
        path,
        verbs: Verbs::ANY,
        guest,
        guarded: false,
        summary,
        params: &[],
        handler: handler(move |call: Call| std::future::ready(Ok(Answer::message(answer(&call))))),
    };
    plugins.method(read("ping", true, "Answers pong", |_| json!("pong")));
    plugins.method(read("frappe.ping", true, "Answers pong", |_| json!("pong")));
    plugins.method(read("version", true, "The version of this program", |_| json!(VERSION)));
    plugins.method(read("frappe.utils.change_log.get_versions", false, "The versions of what is installed", |_| {
        json!({"doctyped": {"title": "Doctyped", "description": "DocTypes as tables, REST, forms and OAuth", "version": VERSION}})
    }));
    plugins.method(read("frappe.auth.get_logged_user", false, "Who calls", |call| json!(call.session().user())));
    plugins.method(Method {
        path: "frappe.core.doctype.user.user.switch_theme",
        verbs: Verbs::WRITE,
        guest: false,
        guarded: false,
        summary: "Chooses the colours of the desk for the caller",
        params: SWITCH_THEME,
        handler: handler(switch_theme),
    });
    plugins.method(Method {
        path: "frappe.core.doctype.user.user.generate_keys",
        verbs: Verbs::WRITE,
        guest: false,
        guarded: true,
        summary: "Makes a new API secret for a user, and a key if there is none; the secret is shown only here",
        params: GENERATE_KEYS,
        handler: handler(generate_keys),
    });
    plugins.method(Method {
        path: "frappe.core.doctype.user.user.get_all_roles",
        verbs: Verbs::READ,
        guest: false,
        guarded: false,
        summary: "The roles that can be given to users",
        params: &[],
        handler: handler(get_all_roles),
    });
    let passwords = passwords.clone();
    plugins.method(Method {
        path: "frappe.core.doctype.user.user.update_password",
        verbs: Verbs::POST,
        guest: false,
        guarded: true,
        summary: "Changes the caller's password, who must know the old one",
        params: UPDATE_PASSWORD,
        handler: handler(move |call| update_password(call, passwords.clone())),
    });
}

async fn switch_theme(call: Call) -> Result<Answer> {
    let theme = call.args().required("theme")?;
    if !["Light", "Dark", "Automatic"].contains(&theme.as_str()) {
        let message = format!("theme is Light, Dark or Automatic, not {theme}");
        return Err(Error::invalid(ProblemKind::Validation, message));
    }
    let mut work = call.site.documents.begin(&Session::system()).await?;
    work.set_values("User", call.session().user(), &[("desk_theme", Value::from(theme))]).await?;
    work.commit().await?;
    Ok(Answer::nothing())
}

async fn generate_keys(call: Call) -> Result<Answer> {
    let user = call.args().required("user")?;
    let mut work = call.site.documents.begin(call.session()).await?;
    let made = api_key::generate(&mut work, &user).await?;
    work.commit().await?;
    Ok(Answer::message(made))
}

async fn get_all_roles(call: Call) -> Result<Answer> {
    let documents = &call.site.documents;
    // Whoever manages users sees what can be given to them.
    let user = documents.doctype("User")?;
    documents.check_permission(call.session(), &user, None, Right::Write)?;
    let automatic = [ADMINISTRATOR, ROLE_ALL, ROLE_GUEST, ROLE_DESK_USER];
    let request = ListRequest::new("Role")
        .filters(json!([["disabled", "=", 0], ["name", "not in", automatic]]))
        .order_by("name asc")
        .all();
    let list = documents.list(&Session::system(), &request).await?;
    Ok(Answer::message((0..list.rows.len()).map(|row| list.text(row, "name")).collect::<Json>()))
}

async fn update_password(call: Call, passwords: Passwords) -> Result<Answer> {
    let documents = &call.site.documents;
    let user = call.session().user().to_owned();
    // Somebody at an unlocked screen must not be able to guess.
    let attempt = call.site.attempts.begin_login(documents, &call.context, user.clone(), true).await?;
    if !login::is_password(documents, &passwords, &user, call.args().required("old_password")?).await? {
        attempt.failed(documents, &call.context, "Login Failed").await?;
        return Err(Error::Authentication(AuthenticationError::BadCredentials));
    }
    attempt.succeeded(documents).await?;
    let mut work = documents.begin(&Session::system()).await?;
    store_password(&mut work, &passwords, &user, call.args().required("new_password")?).await?;
    if call.args().flag("logout_all_sessions")?.unwrap_or(true) {
        end_all(&mut work, &user, call.session().sid.as_deref()).await?;
    }
    if call.args().flag("revoke_api_key")?.unwrap_or(false) {
        let mut document = work.get_for_update("User", &user).await?;
        api_key::revoke(&mut work, &mut document).await?;
        work.save(document).await?;
    }
    work.commit().await?;
    Ok(Answer::message(login::home_page(documents, call.session()).await?))
}
