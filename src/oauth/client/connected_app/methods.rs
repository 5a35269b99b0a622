//! The document methods of Connected App, under Frappe's names and a few of our own.

use std::sync::Arc;

use serde_json::{Map, Value as Json, json};

use crate::document::controller::need;
use crate::document::{Children, Documents};
use crate::error::{Error, Need, ProblemKind, Result};
use crate::meta::{Document, Right, View};
use crate::oauth::client::Providers;
use crate::oauth::client::connected_app::app::{ConnectedApp, DOCTYPE};
use crate::oauth::client::connected_app::token_cache::{Connection, TOKEN_CACHE};
use crate::oauth::client::connected_app::use_connection;
use crate::oauth::client::connected_app::use_connection::ProviderRequest;
use crate::oauth::client::connected_app::{MODULE, renewal, web_application_flow};
use crate::oauth::client::discovery;
use crate::permissions::Session;
use crate::permissions::session::ROLE_SYSTEM_MANAGER;

/// The methods, with what they do.
pub(crate) const METHODS: [(&str, &str); 8] = [
    (
        "initiate_web_application_flow",
        "Begins connecting the caller's account; answers with the address to send the person to",
    ),
    ("get_user_token", "The caller's connection, or the address at which to begin one"),
    ("get_active_token", "The caller's connection, renewed if need be, without its tokens"),
    ("get_backend_app_token", "Fetches a token for the app itself; for System Managers"),
    ("has_token", "Whether the caller is connected"),
    ("disconnect", "Ends the caller's connection, here and at the provider"),
    ("request", "Calls the provider's API with the caller's connection"),
    ("fill_from_discovery", "Reads the OpenID Configuration and fills in issuer and endpoints"),
];

/// What calling one of them takes: to read the app and to call the method, like any other method; and what it does
/// to documents.
pub(crate) fn needs(method: &str) -> Vec<Need> {
    let right = if method == "fill_from_discovery" { Right::Write } else { Right::Read };
    let mut needs = vec![need(DOCTYPE, right), Need::Method(format!("{MODULE}.{method}"))];
    needs.extend((method == "disconnect").then(|| need(TOKEN_CACHE, Right::Delete)));
    needs
}

/// Answers one of them.
pub(crate) async fn call(
    providers: &Arc<Providers>,
    documents: &Documents,
    session: &Session,
    document: &Document,
    method: &str,
    arguments: &Map<String, Json>,
) -> Result<Json> {
    check_may_call(session, method)?;
    let app = ConnectedApp::from(document);
    let text = |name: &str| arguments.get(name).and_then(Json::as_str).filter(|text| !text.is_empty());
    match method {
        "fill_from_discovery" => fill_from_discovery(providers, documents, session, document).await,
        "get_backend_app_token" => {
            require_system_manager(session, "fetch a token for the app itself")?;
            let connection = web_application_flow::backend_token(providers, documents, &app).await?;
            Ok(shown(documents, &connection.document))
        }
        "request" => {
            let request = ProviderRequest::from_arguments(arguments)?;
            let answer = use_connection::send(providers, documents, session, &app, request).await?;
            answer.into_json().await
        }
        _ => {
            let user = user_of(session, text("user"))?;
            match method {
                "initiate_web_application_flow" => {
                    let success_uri = text("success_uri");
                    web_application_flow::initiate(documents, session, &app, &user, success_uri).await.map(Json::from)
                }
                "get_user_token" => match renewal::active(providers, documents, &app, &user).await {
                    Ok(Some(connection)) => Ok(shown(documents, &connection.document)),
                    Ok(None) | Err(Error::Validation(_)) => {
                        let success_uri = text("success_uri");
                        web_application_flow::initiate(documents, session, &app, &user, success_uri)
                            .await
                            .map(Json::from)
                    }
                    Err(error) => Err(error),
                },
                "get_active_token" => {
                    let connection = renewal::active(providers, documents, &app, &user).await?;
                    Ok(connection.map_or(Json::Null, |connection| shown(documents, &connection.document)))
                }
                "has_token" => Ok(Json::from(has_token(documents, &app, &user).await?)),
                "disconnect" => disconnect(documents, session, &app, &user).await,
                _ => Err(Error::NoSuchRoute(format!("Connected App has no method {method}"))),
            }
        }
    }
}

/// Credentials with a limited scope need the method in it, like any other method.
fn check_may_call(session: &Session, method: &str) -> Result<()> {
    let path = format!("{MODULE}.{method}");
    match &session.limit {
        Some(limit) if !limit.allows_method(&path) => Err(Error::InsufficientScope {
            message: format!("The access token may not call {path}"),
            scope: limit.needed_for_method(&path),
        }),
        _ => Ok(()),
    }
}

fn require_system_manager(session: &Session, what: &str) -> Result<()> {
    if session.has_role(ROLE_SYSTEM_MANAGER) {
        Ok(())
    } else {
        Err(Error::Permission(format!("Only a System Manager may {what}")))
    }
}

/// Whose connection is meant: the caller's own, unless a System Manager names another.
pub(crate) fn user_of(session: &Session, user: Option<&str>) -> Result<String> {
    match user {
        Some(user) if user != session.user() => {
            require_system_manager(session, "use the connection of somebody else")?;
            Ok(user.to_owned())
        }
        _ => Ok(session.user().to_owned()),
    }
}

/// Whether a person is connected, now or after a renewal.
async fn has_token(documents: &Documents, app: &ConnectedApp, user: &str) -> Result<bool> {
    let now = documents.clock().now();
    let connection = Connection::find(documents, &app.name, user).await?;
    Ok(connection.is_some_and(|known| !known.is_over() && (known.is_valid(now) || known.refresh_token.is_some())))
}

/// Ends a person's connection; deleting it tells the provider.
pub(crate) async fn disconnect(
    documents: &Documents,
    session: &Session,
    app: &ConnectedApp,
    user: &str,
) -> Result<Json> {
    let name = Connection::name_of(&app.name, user);
    match documents.delete(session, TOKEN_CACHE, &name).await {
        Ok(()) => Ok(Json::from("disconnected")),
        // There is none, which is what was wanted.
        Err(Error::DoesNotExist { .. }) => Ok(Json::from("not connected")),
        Err(error @ Error::Permission(_)) => match Connection::find(documents, &app.name, user).await? {
            None => Ok(Json::from("not connected")),
            Some(_) => Err(error),
        },
        Err(error) => Err(error),
    }
}

/// A connection as it leaves the site: never with its tokens.
pub(crate) fn shown(documents: &Documents, document: &Document) -> Json {
    let mut json = document.to_json(View { zone: documents.site_zone(), ..View::WHOLE });
    for fieldname in ["access_token", "refresh_token", "state", "refresh_started_at"] {
        json.shift_remove(fieldname);
    }
    Json::Object(json)
}

/// Reads what the provider says about itself and enters it; what stands in the fields is replaced.
async fn fill_from_discovery(
    providers: &Arc<Providers>,
    documents: &Documents,
    session: &Session,
    document: &Document,
) -> Result<Json> {
    documents.check_permission(session, &document.doctype, Some(document), Right::Write)?;
    let app = ConnectedApp::from(document);
    let Some(address) = &app.openid_configuration else {
        return Err(Error::invalid(
            ProblemKind::Validation,
            "OpenID Configuration is empty: enter the address at which the provider describes itself",
        ));
    };
    let metadata = match discovery::read(&providers.outgoing, documents, address, None).await {
        Ok(metadata) => metadata,
        // An issuer that somebody entered may describe itself elsewhere.
        Err(error) => match &app.issuer {
            Some(issuer) => discovery::read(&providers.outgoing, documents, address, Some(issuer)).await?,
            None => return Err(error.into()),
        },
    };
    let found = ConnectedApp {
        authorization_uri: metadata.authorization_endpoint.clone(),
        token_uri: metadata.token_endpoint.clone(),
        userinfo_uri: metadata.userinfo_endpoint.clone(),
        revocation_uri: metadata.revocation_endpoint.clone(),
        ..app.clone()
    };
    let mut values = Map::new();
    values.insert("issuer".to_owned(), Json::from(metadata.issuer));
    values.insert("authorization_uri".to_owned(), Json::from(metadata.authorization_endpoint));
    values.insert("token_uri".to_owned(), Json::from(metadata.token_endpoint));
    for (fieldname, endpoint) in [
        ("userinfo_uri", metadata.userinfo_endpoint),
        ("revocation_uri", metadata.revocation_endpoint),
        ("introspection_uri", metadata.introspection_endpoint),
    ] {
        values.insert(fieldname.to_owned(), endpoint.map_or(Json::Null, Json::from));
    }
    if app.has_secret && found.goes_elsewhere(&app).is_some() {
        let message = "The provider's addresses differ from those here: enter them by hand, with the Client Secret";
        return Err(Error::invalid(ProblemKind::Validation, message));
    }
    // Only before somebody has entered a secret: then the way of proving it is theirs to choose.
    if !app.has_secret
        && let Some(methods) = &metadata.token_endpoint_auth_methods_supported
    {
        let known = [
            ("client_secret_basic", "Client Secret Basic"),
            ("client_secret_post", "Client Secret Post"),
            ("private_key_jwt", "Private Key JWT"),
            ("none", "None"),
        ];
        if let Some((_, label)) = known.iter().find(|(name, _)| methods.iter().any(|method| method == name)) {
            values.insert("token_endpoint_auth_method".to_owned(), Json::from(*label));
        }
    }
    // The connection needs an id to be complete; until then the address of the provider is all there is to save.
    let filled_in = json!(values);
    if app.client_id.is_empty() {
        let mut work = documents.begin(&Session::system()).await?;
        let columns: Vec<(&str, crate::meta::Value)> = values
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str().map_or(crate::meta::Value::Null, Into::into)))
            .collect();
        work.set_values(DOCTYPE, &document.name(), &columns).await?;
        work.commit().await?;
    } else {
        documents.update(session, DOCTYPE, &document.name(), &values, Children::Patch).await?;
    }
    Ok(filled_in)
}
