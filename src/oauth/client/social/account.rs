//! Which account here belongs to an account elsewhere: by provider and id alone, linked once and for all.

use serde_json::json;

use crate::document::view::View as _;
use crate::document::{ListRequest, Work};
use crate::error::{Error, Result};
use crate::meta::{Document, Value};
use crate::oauth::access_end::end_access;
use crate::oauth::client::connected_app::token_cache::TOKEN_CACHE;
use crate::oauth::client::social::identity::Identity;
use crate::oauth::client::social::presets::BelievesEmail;
use crate::oauth::client::social::roles;
use crate::oauth::client::social::social_login_key;
use crate::oauth::client::social::social_login_key::SocialLoginKey;
use crate::oauth::views::oauth_grant;
use crate::oauth::views::user_social_login;
use crate::oauth::views::user_social_login::{SocialAccount, Who, row_provider};
use crate::permissions::session::{ADMINISTRATOR, GUEST};
use crate::web::session::end_all;
use crate::web::{RequestContext, SecurityEvent, Severity};

/// Why nobody is let in; the texts are for the person.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refusal {
    /// No account, and none is made.
    #[error(
        "No account here belongs to this one: if you have an account here, log in with your password and link the other one on your profile"
    )]
    NoAccount,
    /// The address is not proved.
    #[error(
        "The provider does not say that it has verified your email address: verify it there first, or ask its administrators to confirm it"
    )]
    Unverified,
    /// There is no address to make an account with.
    #[error(
        "The provider does not tell your email address, which an account here needs: allow it there, or ask an administrator to add email to the Scopes"
    )]
    NoEmail,
    /// The account here is switched off.
    #[error("Your account here is disabled: ask an administrator")]
    Disabled,
    /// Another account here has it.
    #[error("This account is linked to another person here already")]
    Taken,
}

/// What became of a login.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// This user logs in.
    User(String),
    /// Nobody does.
    Refused(Refusal),
}

/// The user who logs in: the linked one, else one that may be linked or made. Applies the role mapping.
pub(crate) async fn log_in(
    work: &mut Work<'_>,
    key: &SocialLoginKey,
    identity: &Identity,
    context: &RequestContext,
) -> Result<Outcome> {
    // Logins of one provider are taken one after the other, so that nobody is linked or made twice.
    work.get_for_update(social_login_key::DOCTYPE, &key.name).await?;
    let provider = row_provider(&key.name);
    let who = who(&provider, identity);
    let user = match user_social_login::find_user(work, who).await? {
        Some(user) => complete(work, &user, who).await?,
        None => match unlinked(work, key, identity, context).await? {
            Ok(user) => user,
            Err(refusal) => return Ok(Outcome::Refused(refusal)),
        },
    };
    if !user.check("enabled") || user.name() == GUEST {
        return Ok(Outcome::Refused(Refusal::Disabled));
    }
    let name = user.name();
    roles::apply(work, key, identity, user).await?;
    Ok(Outcome::User(name))
}

fn who<'a>(provider: &'a str, identity: &'a Identity) -> Who<'a> {
    let subject = identity.subject.as_deref();
    Who { provider, issuer: &identity.issuer, userid: &identity.userid, subject }
}

/// The linked user, whose row gets what it does not say yet: rows of before issuers and subjects were kept.
async fn complete(work: &mut Work<'_>, user: &str, who: Who<'_>) -> Result<Document> {
    let mut document = work.get_for_update("User", user).await?;
    let mut is_changed = false;
    for row in document.rows_mut("social_logins").into_iter().flatten() {
        if !who.is(row.text("provider"), row.text("issuer"), row.text("userid"), row.text("subject")) {
            continue;
        }
        for (fieldname, value) in [("issuer", Some(who.issuer)), ("subject", who.subject)] {
            if let Some(value) = value.filter(|value| *value != row.text(fieldname)) {
                row.set(fieldname, value);
                is_changed = true;
            }
        }
    }
    if is_changed { work.save(document).await } else { Ok(document) }
}

/// A first login: links to an account with the same verified address if that is allowed, or makes an account.
async fn unlinked(
    work: &mut Work<'_>,
    key: &SocialLoginKey,
    identity: &Identity,
    context: &RequestContext,
) -> Result<Result<Document, Refusal>> {
    let Some(email) = identity.email.clone() else {
        return Ok(Err(if key.allow_sign_ups { Refusal::NoEmail } else { Refusal::NoAccount }));
    };
    let existing = match work.get_for_update("User", &email).await {
        Ok(user) => Some(user),
        Err(Error::DoesNotExist { .. }) => None,
        Err(error) => return Err(error),
    };
    if let Some(mut user) = existing {
        let may_link = key.allow_email_linking && user.name() != ADMINISTRATOR && user.name() != GUEST;
        return Ok(match (may_link, identity.email_verified) {
            (true, Some(true)) => {
                if was_made_unproved(&user) {
                    user = forget_credentials(work, user, context).await?;
                }
                user.set("email_verified", true);
                Ok(link(work, user, key, identity, context).await?)
            }
            (true, _) => Err(Refusal::Unverified),
            (false, _) => Err(Refusal::NoAccount),
        });
    }
    if !key.allow_sign_ups {
        return Ok(Err(Refusal::NoAccount));
    }
    if !may_sign_up(key, identity) {
        return Ok(Err(Refusal::Unverified));
    }
    let mut user = work.new_document("User")?;
    let first_name = match identity.first_name.as_str() {
        "" => email.split('@').next().unwrap_or(&email).to_owned(),
        name => name.to_owned(),
    };
    user.set("email", email.as_str());
    user.set("email_verified", identity.email_verified == Some(true));
    user.set("first_name", first_name);
    user.set("last_name", Some(identity.last_name.as_str()).filter(|name| !name.is_empty()));
    user.set("enabled", true);
    // Whoever comes from outside reaches the desk only if a mapped role leads there.
    user.set("user_type", "Website User");
    add_row(work, &mut user, key, identity, identity.email_verified != Some(true))?;
    let user = work.insert(user).await?;
    note("Account Linked", &user.name(), key, context, true).record_in(work).await?;
    Ok(Ok(user))
}

/// An address that is not proved would let somebody sit in an account before its owner comes.
fn may_sign_up(key: &SocialLoginKey, identity: &Identity) -> bool {
    let believes = key.preset.map_or_else(
        || {
            // Without OpenID Connect there is no standard way to say it: there, allowing sign-ups is the say-so.
            let is_openid = key.issuer.is_some() || key.openid_configuration.is_some();
            if is_openid { BelievesEmail::IfVerified } else { BelievesEmail::UnlessUnverified }
        },
        |preset| preset.believes_email,
    );
    believes.believes(identity.email_verified)
}

/// Whether whoever made the account had not proved that the address is theirs, and nobody has since.
fn was_made_unproved(user: &Document) -> bool {
    !user.check("email_verified") && user_social_login::of(user).iter().any(|account| account.unproved)
}

/// Takes an account away from whoever made it with an address that they had not proved: the owner of the address has come.
///
/// Nothing with which they could come back stays: linked accounts, password, API key, sessions, tokens and consents of
/// clients, connections, and the id under which clients know them.
async fn forget_credentials(work: &mut Work<'_>, mut user: Document, context: &RequestContext) -> Result<Document> {
    let name = user.name();
    if let Some(rows) = user.rows_mut("social_logins") {
        rows.clear();
    }
    user.set("api_key", Value::Null);
    user.set("api_secret", Value::Null);
    let user = work.save(user).await?;
    work.set_hash("User", &name, "password", None).await?;
    end_all(work, &name, None).await?;
    end_access(work, &name).await?;
    for doctype in [oauth_grant::OAUTH_GRANT, TOKEN_CACHE] {
        let list = work.list(&ListRequest::new(doctype).filters(json!({"user": name})).all()).await?;
        for row in 0..list.rows.len() {
            work.delete(doctype, list.text(row, "name")).await?;
        }
    }
    SecurityEvent::new("Account Reclaimed", Severity::Warning)
        .user(&name)
        .during(context)
        .details(json!({"reason": "a provider has verified the address, and who made the account had not proved it"}))
        .record_in(work)
        .await?;
    Ok(user)
}

/// Links an account elsewhere to a user, who is told of by a Security Event.
pub(crate) async fn link(
    work: &mut Work<'_>,
    mut user: Document,
    key: &SocialLoginKey,
    identity: &Identity,
    context: &RequestContext,
) -> Result<Document> {
    add_row(work, &mut user, key, identity, false)?;
    let user = work.save(user).await?;
    note("Account Linked", &user.name(), key, context, false).record_in(work).await?;
    Ok(user)
}

/// Links an account to the person who is logged in.
pub(crate) async fn link_own(
    work: &mut Work<'_>,
    user: &str,
    key: &SocialLoginKey,
    identity: &Identity,
    context: &RequestContext,
) -> Result<Result<(), Refusal>> {
    work.get_for_update(social_login_key::DOCTYPE, &key.name).await?;
    match user_social_login::find_user(work, who(&row_provider(&key.name), identity)).await? {
        Some(owner) if owner == user => Ok(Ok(())),
        Some(_) => Ok(Err(Refusal::Taken)),
        None => {
            let document = work.get_for_update("User", user).await?;
            link(work, document, key, identity, context).await?;
            Ok(Ok(()))
        }
    }
}

/// Takes an account elsewhere away from a user. Fails if nothing would be left to log in with.
pub(crate) async fn unlink(
    work: &mut Work<'_>,
    user: &str,
    provider: &str,
    userid: &str,
    context: &RequestContext,
) -> Result<Result<(), &'static str>> {
    let mut document = work.get_for_update("User", user).await?;
    let accounts = user_social_login::of(&document);
    let is_it = |account: &SocialAccount| account.provider == provider && account.userid == userid;
    if !accounts.iter().any(is_it) {
        return Ok(Ok(()));
    }
    let has_password = work.get_hash("User", user, "password").await?.is_some();
    if accounts.len() == 1 && !has_password {
        return Ok(Err("This is your only way to log in: set a password first, or link another account"));
    }
    if let Some(rows) = document.rows_mut("social_logins") {
        rows.retain(|row| !is_it(&SocialAccount::from(row)));
    }
    work.save(document).await?;
    SecurityEvent::new("Account Unlinked", Severity::Info)
        .user(user)
        .during(context)
        .details(json!({"provider": provider}))
        .record_in(work)
        .await?;
    Ok(Ok(()))
}

fn add_row(
    work: &Work<'_>,
    user: &mut Document,
    key: &SocialLoginKey,
    identity: &Identity,
    unproved: bool,
) -> Result<()> {
    let account = SocialAccount {
        provider: row_provider(&key.name),
        userid: identity.userid.clone(),
        username: identity.username.clone(),
        linked_at: work.now().to_owned(),
        issuer: identity.issuer.clone(),
        subject: identity.subject.clone(),
        unproved,
    };
    let row = account.new_document(work)?;
    if let Some(rows) = user.rows_mut("social_logins") {
        rows.push(row);
    }
    Ok(())
}

fn note(event: &'static str, user: &str, key: &SocialLoginKey, context: &RequestContext, made: bool) -> SecurityEvent {
    SecurityEvent::new(event, Severity::Info)
        .user(user)
        .during(context)
        .details(json!({"provider": key.name, "account_made": made}))
}
