//! A program as the plan for a Basic OP has it, the way it takes, and what is checked of every id token.

use doctyped::testing::id_token::half_hash;
use doctyped::testing::jwt::Claims;
use serde_json::{Value as Json, json};

use crate::oauth::openid_connect::verified;
use crate::oauth::support::{BASE, Program, REDIRECT_URI, answer, bearer, hidden, parameter};
use crate::support::client::Response;
use crate::support::{Client, PASSWORD, TestSite};

/// Who signs in.
pub const ALICE: &str = "alice@example.com";
/// What every request carries.
pub const NONCE: &str = "the nonce of this request";

/// A site, somebody who is logged in, and a program with a secret that knows no PKCE.
pub struct Basic {
    /// The site.
    pub site: TestSite,
    /// Who is logged in.
    pub alice: Client,
    /// The program.
    pub program: Program,
}

/// What a sign-in brought, checked.
pub struct SignedIn {
    /// The answer of the token endpoint.
    pub tokens: Json,
    /// The claims of its id token.
    pub claims: Claims,
}

impl Basic {
    /// Consent is asked for each time.
    pub async fn new() -> Self {
        let site = TestSite::new().await;
        let alice = site.user(ALICE, &[]).await;
        let mut program = Program::new(&site, json!({"require_pkce": 0})).await;
        "openid".clone_into(&mut program.scope);
        Self { site, alice, program }
    }

    /// Consent is remembered, and the program has signed in once.
    pub async fn signed_in() -> (Self, SignedIn) {
        let basic = Self::new().await;
        basic.site.db_update("OAuth Settings", "OAuth Settings", json!({"skip_authorization": 1})).await;
        let first = basic.sign_in(&[]).await;
        (basic, first)
    }

    /// The address of a request with changes; an empty value leaves a parameter out.
    pub fn request(&self, changes: &[(&str, &str)]) -> String {
        let mut all = vec![("code_challenge", ""), ("code_challenge_method", ""), ("nonce", NONCE)];
        all.extend(changes);
        self.program.authorize_uri(&all)
    }

    /// Where the browser goes with the answer; the person allows if they are asked.
    pub async fn authorize(&self, changes: &[(&str, &str)]) -> String {
        self.go_on(self.alice.get(&self.request(changes)).await).await
    }

    /// The same from an answer on.
    pub async fn go_on(&self, answered: Response) -> String {
        let to = answered.redirect();
        if !to.starts_with('/') {
            return to;
        }
        let page = self.alice.get(&to).await.status(200);
        answer(&self.alice, &page, "allow").await.redirect()
    }

    /// Exchanges the code in an answer.
    pub async fn exchange(&self, answered: &str) -> Response {
        let code = parameter(answered, "code").unwrap_or_else(|| panic!("no code in {answered}"));
        let fields = [("grant_type", "authorization_code"), ("code", &*code), ("redirect_uri", REDIRECT_URI)];
        self.program.post("get_token", &fields).await
    }

    /// The whole way, with the checks that every module makes.
    pub async fn sign_in(&self, changes: &[(&str, &str)]) -> SignedIn {
        self.finish(&self.authorize(changes).await).await
    }

    /// The end of the way.
    pub async fn finish(&self, answered: &str) -> SignedIn {
        assert!(answered.starts_with(&format!("{REDIRECT_URI}?")), "{answered}");
        assert_eq!(parameter(answered, "state").as_deref(), Some("the state"));
        assert_eq!(parameter(answered, "iss").as_deref(), Some(self.site.documents().site_url()));
        let tokens = self.exchange(answered).await.status(200).json();
        assert_eq!(tokens["token_type"], "Bearer");
        assert!(tokens["expires_in"].as_i64().is_some_and(|seconds| seconds > 0), "{tokens}");
        let claims = self.check_id_token(&tokens, Some(NONCE)).await;
        SignedIn { tokens, claims }
    }

    /// OpenID Connect Core §3.1.3.7: signature, issuer, audience, times, nonce, and the hash of the access token.
    pub async fn check_id_token(&self, tokens: &Json, nonce: Option<&str>) -> Claims {
        let verified = verified(&self.site, tokens).await;
        let (claims, now) = (verified.claims, self.site.clock.now());
        claims.require_issuer(self.site.documents().site_url()).unwrap();
        claims.require_audience(&self.program.id).unwrap();
        claims.require_current(now).unwrap();
        assert_eq!(claims.text("azp"), Some(self.program.id.as_str()));
        assert!((claims.seconds("iat").unwrap() - now.timestamp()).abs() <= 5, "issued now");
        assert!(claims.text("sub").is_some_and(|sub| !sub.is_empty() && sub.is_ascii() && sub.len() <= 255));
        assert_eq!(claims.text("nonce"), nonce);
        let access_token = tokens["access_token"].as_str().unwrap();
        assert_eq!(claims.text("at_hash"), Some(half_hash(verified.header.alg, access_token).as_str()));
        claims
    }

    /// What userinfo says, which is about the same person.
    pub async fn userinfo(&self, signed_in: &SignedIn) -> Json {
        let answer = bearer(&self.site, &signed_in.tokens).get(&format!("{BASE}openid_profile")).await.status(200);
        assert!(answer.header("content-type").starts_with("application/json"));
        let claims = answer.json();
        assert_eq!(claims["sub"].as_str(), signed_in.claims.text("sub"));
        claims
    }
}

/// The error in an answer, which carries the state and no code.
#[track_caller]
pub fn error(answered: &str) -> String {
    assert!(answered.starts_with(&format!("{REDIRECT_URI}?")), "{answered}");
    assert_eq!(parameter(answered, "state").as_deref(), Some("the state"), "{answered}");
    assert!(parameter(answered, "code").is_none(), "{answered}");
    parameter(answered, "error").unwrap_or_else(|| panic!("no error in {answered}"))
}

/// Where a page leads that goes on by itself.
#[track_caller]
pub fn continued(page: &Response) -> String {
    let rest = page.body.split_once("content=\"0;url=").unwrap_or_else(|| panic!("stays: {}", page.body)).1;
    rest.split('"').next().unwrap().replace("&#x3D;", "=").replace("&amp;", "&")
}

/// Types in the password on the login page to which the browser was sent; returns where it goes then.
pub async fn log_in(person: &Client, login_page: &str) -> String {
    log_in_as(person, login_page, ALICE, PASSWORD).await.redirect()
}

/// Types in a name and a password there.
pub async fn log_in_as(person: &Client, login_page: &str, usr: &str, pwd: &str) -> Response {
    let page = person.get(login_page).await.status(200);
    let mut fields = vec![("usr", usr.to_owned()), ("pwd", pwd.to_owned())];
    for name in ["redirect-to", "csrf_token", "prompt"] {
        if page.body.contains(&format!("name=\"{name}\"")) {
            fields.push((name, hidden(&page.body, name)));
        }
    }
    let fields: Vec<(&str, &str)> = fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
    person.form("/login", &fields).await
}

/// The login page to which the page leads that asks for another login.
#[track_caller]
pub fn login_again(page: &Response) -> String {
    assert!(page.body.contains("Log in once more") && !page.body.contains("code="), "{}", page.body);
    let fields = ["redirect-to", "prompt"].map(|name| (name, hidden(&page.body, name)));
    format!("/login?{}", url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish())
}

/// Where a link of a page leads.
#[track_caller]
pub fn link(page: &Response, text: &str) -> String {
    let before =
        page.body.split_once(&format!("\">{text}</a>")).unwrap_or_else(|| panic!("no {text}: {}", page.body)).0;
    before.rsplit_once("href=\"").unwrap().1.replace("&#x3D;", "=").replace("&amp;", "&")
}
