//! The second factor on `/me`: everybody sets up, renews and ends their own, with their password.

use poem::Response;
use poem::http::StatusCode;
use serde_json::{Value as Json, json};

use crate::account::login;
use crate::account::own_page::{ADDRESS, ONLY_PEOPLE, refuse};
use crate::account::pages::code_page;
use crate::account::password::Passwords;
use crate::account::second_factor::challenge::Challenge;
use crate::account::second_factor::{SecondFactor, is_required, remove};
use crate::error::{AuthenticationError, Error, ProblemKind, Result};
use crate::permissions::Session;
use crate::web::error::see_other;
use crate::web::{Exchange, Plugins, Route, shown_once};

/// The part of the page.
const AT: &str = "second-factor";
/// Where a code confirms it.
pub(in crate::account) const CONFIRM: &str = "/me/second-factor/confirm";

/// Registers the forms.
pub(in crate::account) fn register(plugins: &mut Plugins, passwords: &Passwords) {
    let (first, second, third) = (passwords.clone(), passwords.clone(), passwords.clone());
    plugins.route(Route::new("/me/second-factor").post(move |exchange| begin(exchange, first.clone())));
    plugins.route(Route::new(CONFIRM).post(confirm));
    plugins.route(Route::new("/me/second-factor/codes").post(move |exchange| renew(exchange, second.clone())));
    plugins.route(Route::new("/me/second-factor/end").post(move |exchange| end(exchange, third.clone())));
}

/// What the page shows of it.
pub(in crate::account) async fn view(exchange: &Exchange) -> Result<Json> {
    let (documents, session) = (&exchange.site.documents, exchange.session());
    let factor = SecondFactor::of(&mut documents.reading(&Session::system()), session.user()).await?;
    Ok(json!({ "second_factor": {
        "is_on": factor.is_some(),
        "codes_left": factor.map_or(0, |factor| factor.codes_left()),
        "is_required": is_required(documents, session).await?,
    } }))
}

/// Fails unless the form holds the person's password. Wrong ones are counted as at the login.
async fn check_password(exchange: &mut Exchange, passwords: &Passwords) -> Result<()> {
    let typed = exchange.form().await?.first("password").unwrap_or("").to_owned();
    let (documents, user) = (&exchange.site.documents, exchange.session().user().to_owned());
    let attempt = exchange.site.attempts.begin_login(documents, &exchange.context, user.clone(), true).await?;
    if !login::is_password(documents, passwords, &user, typed).await? {
        attempt.failed(documents, &exchange.context, "Login Failed").await?;
        return Err(Error::invalid(ProblemKind::Validation, "The current password is not right"));
    }
    attempt.succeeded(documents).await
}

async fn begin(mut exchange: Exchange, passwords: Passwords) -> Result<Response> {
    exchange.context.require_browser(ONLY_PEOPLE)?;
    if let Err(error) = check_password(&mut exchange, &passwords).await {
        return refuse(&exchange, AT, error, json!({})).await;
    }
    let documents = &exchange.site.documents;
    let user = exchange.session().user();
    if SecondFactor::of(&mut documents.reading(&Session::system()), user).await?.is_some() {
        return Ok(see_other("/me#second-factor"));
    }
    let challenge = Challenge::set_up(documents, user).await?;
    code_page(&exchange, StatusCode::OK, &challenge, CONFIRM, "", "", "").await
}

async fn confirm(mut exchange: Exchange) -> Result<Response> {
    exchange.context.require_browser(ONLY_PEOPLE)?;
    let form = exchange.form().await?;
    let challenge = match Challenge::open(&exchange.site.documents, form.first("tmp_id").unwrap_or("")) {
        Ok(challenge) if challenge.sets_up() && challenge.is_of(exchange.session().user()) => challenge,
        Ok(_) => return Ok(see_other(ADDRESS)),
        Err(error) => return refuse(&exchange, AT, error, json!({})).await,
    };
    match challenge.take(&exchange.site, &exchange.context, form.first("otp").unwrap_or("")).await {
        Ok(codes) => show_codes(&exchange, codes).await,
        Err(error @ (Error::Authentication(AuthenticationError::WrongCode) | Error::RateLimited { .. })) => {
            let described = crate::web::error::describe(&error);
            code_page(&exchange, described.status, &challenge, CONFIRM, "", "", &described.message).await
        }
        Err(error) => Err(error),
    }
}

async fn renew(mut exchange: Exchange, passwords: Passwords) -> Result<Response> {
    exchange.context.require_browser(ONLY_PEOPLE)?;
    if let Err(error) = check_password(&mut exchange, &passwords).await {
        return refuse(&exchange, AT, error, json!({})).await;
    }
    let user = exchange.session().user();
    let mut work = exchange.site.documents.begin(&Session::system()).await?;
    work.get_for_update("User", user).await?;
    let Some(mut factor) = SecondFactor::of(&mut work, user).await? else { return Ok(see_other(ADDRESS)) };
    let codes = factor.renew_recovery();
    factor.store(&mut work, user).await?;
    work.commit().await?;
    show_codes(&exchange, codes).await
}

async fn end(mut exchange: Exchange, passwords: Passwords) -> Result<Response> {
    exchange.context.require_browser(ONLY_PEOPLE)?;
    if let Err(error) = check_password(&mut exchange, &passwords).await {
        return refuse(&exchange, AT, error, json!({})).await;
    }
    let session = exchange.session();
    let mut work = exchange.site.documents.begin(session).await?;
    remove(&mut work, session.user(), "Second Factor Removed").await?;
    work.commit().await?;
    Ok(see_other("/me?done=second_factor_off#second-factor"))
}

/// Shows recovery codes on the page that follows, once.
async fn show_codes(exchange: &Exchange, codes: Vec<String>) -> Result<Response> {
    let label = exchange.say("Recovery code");
    let values = codes.into_iter().enumerate().map(|(at, code)| (format!("{label} {}", at + 1), code)).collect();
    shown_once::keep(exchange, ADDRESS, values).await?;
    Ok(see_other("/me?done=second_factor"))
}
