//! The grants: one file for each way to a token, which decides what to issue, and the one place where it is issued.

mod authorization_code;
mod claims;
mod client_credentials;
pub(crate) mod context;
mod device_code;
pub(super) mod issue;
mod jwt_bearer;
pub(crate) mod new_tokens;
mod refresh_token;
mod token_exchange;

use crate::oauth::http::endpoint::Result;
use crate::oauth::protocol::Parameters;
use crate::oauth::protocol::request::GrantType;
use crate::oauth::protocol::token::kind::TokenResponse;
use crate::oauth::token::grant::context::TokenContext;
use crate::oauth::token::grant::new_tokens::Issue;
use crate::oauth::token::grant::refresh_token::Renewal;
use crate::oauth::views::oauth_client::note_use;

/// Issues what the client asks for, if the grant allows that.
pub(crate) async fn tokens(context: &TokenContext, grant_type: GrantType, sent: &Parameters) -> Result<TokenResponse> {
    let issue = match grant_type {
        GrantType::AuthorizationCode => authorization_code::grant(context, sent).await,
        GrantType::RefreshToken => match refresh_token::grant(context, sent).await? {
            Renewal::Issue(issue) => Ok(*issue),
            Renewal::Repeat(answer) => return Ok(*answer),
        },
        GrantType::ClientCredentials => client_credentials::grant(context, sent).await,
        GrantType::DeviceCode => device_code::grant(context, sent).await,
        GrantType::TokenExchange => token_exchange::grant(context, sent).await,
        // On the heap: the others do not need the space of an outgoing request.
        GrantType::JwtBearer => Box::pin(jwt_bearer::grant(context, sent)).await,
    };
    let Issue { mut work, tokens, event } = issue?;
    note_use(&mut work, &context.client, context.now).await?;
    let answer = issue::issue(&mut work, context, grant_type, tokens).await?;
    if let Some(event) = event {
        event.record_in(&mut work).await?;
    }
    work.commit().await?;
    Ok(answer)
}
