//! The userinfo endpoint.
#![expect(clippy::unused_async, reason = "the macro wants every operation to be async")]

use poem_openapi::param::Header;
use poem_openapi::payload::Json;
use poem_openapi::{ApiResponse, OpenApi};

use super::parts::{AccessToken, SiteError, Tag, answered_elsewhere};
use crate::oauth::protocol::error::ErrorBody;
use crate::oauth::protocol::userinfo::UserInfo as Claims;

#[derive(ApiResponse)]
#[expect(dead_code, clippy::large_enum_variant, reason = "the handlers answer; this describes them")]
enum Told {
    /// What the scopes of the token tell about the person.
    #[oai(status = 200)]
    Claims(Json<Claims>),
    /// There is no token, or it does not hold.
    #[oai(
        status = 401,
        header(
            name = "WWW-Authenticate",
            ty = "String",
            description = "`Bearer` and `DPoP`, each with what is wrong and where the resource describes itself"
        ),
        header(
            name = "DPoP-Nonce",
            ty = "Option<String>",
            description = "What the next proof must contain, if OAuth Settings asks for it (RFC 9449 section 9)"
        )
    )]
    NoToken(Json<SiteError>),
    /// The token holds, but has not the scope `openid`.
    #[oai(
        status = 403,
        header(
            name = "WWW-Authenticate",
            ty = "String",
            description = "The scheme of the token, with the scope needed"
        )
    )]
    NoScope(Json<ErrorBody>),
}

/// The endpoint.
pub(super) struct UserInfo;

#[OpenApi(tag = "Tag::OAuth")]
impl UserInfo {
    /// Learn who the person behind a token is (OpenID Connect Core section 5.3).
    #[oai(
        path = "/api/method/frappe.integrations.oauth2.openid_profile",
        method = "get",
        operation_id = "openid_profile"
    )]
    async fn openid_profile(
        &self,
        _token: AccessToken,
        /// With a token that is bound to a key, sent as `Authorization: DPoP`: the proof (RFC 9449 section 7).
        #[oai(name = "DPoP")]
        _proof: Header<Option<String>>,
    ) -> Told {
        answered_elsewhere()
    }

    /// The same by POST.
    #[oai(
        path = "/api/method/frappe.integrations.oauth2.openid_profile",
        method = "post",
        operation_id = "openid_profile_by_post"
    )]
    async fn openid_profile_by_post(
        &self,
        _token: AccessToken,
        /// With a token that is bound to a key, sent as `Authorization: DPoP`: the proof (RFC 9449 section 7).
        #[oai(name = "DPoP")]
        _proof: Header<Option<String>>,
    ) -> Told {
        answered_elsewhere()
    }
}
