//! Errors as answers: the table, the envelopes, and what every answer carries.

use doctyped::testing::error::describe;
use doctyped::testing::error::{AuthenticationError, Conflict, Error, FieldProblem, Invalid, ProblemKind};
use poem::http::Method;
use serde_json::json;

use crate::support::TestSite;

#[test]
fn every_error_has_its_status_and_class() {
    let cases = [
        (Error::does_not_exist("ToDo", "x"), 404, "DoesNotExistError"),
        (Error::NoSuchRoute("x".to_owned()), 404, "DoesNotExistError"),
        (Error::Permission("x".to_owned()), 403, "PermissionError"),
        (Error::InsufficientScope { message: "x".to_owned(), scope: "y".to_owned() }, 403, "PermissionError"),
        (Error::Authentication(AuthenticationError::Missing), 401, "AuthenticationError"),
        (Error::Authentication(AuthenticationError::BadCredentials), 401, "AuthenticationError"),
        (Error::Authentication(AuthenticationError::BadToken("x".to_owned())), 401, "AuthenticationError"),
        (Error::Authentication(AuthenticationError::SessionExpired), 401, "SessionExpired"),
        (
            Error::Conflict(Conflict::DuplicateName { doctype: "ToDo".to_owned(), name: "x".to_owned() }),
            409,
            "DuplicateEntryError",
        ),
        (Error::Conflict(Conflict::Name("x".to_owned())), 409, "NameError"),
        (Error::BadRequest("x".to_owned()), 400, "ValidationError"),
        (Error::CrossSite("x".to_owned()), 400, "CSRFTokenError"),
        (Error::TooLarge("x".to_owned()), 413, "ValidationError"),
        (Error::MethodNotAllowed { allow: "GET".to_owned() }, 405, "MethodNotAllowed"),
        (Error::RateLimited { retry_after: 7 }, 429, "TooManyRequestsError"),
        (Error::Unavailable("x".to_owned()), 503, "SessionStopped"),
        (Error::StorageFull("x".to_owned()), 507, "SessionStopped"),
        (Error::Internal(anyhow::anyhow!("x")), 500, "InternalError"),
    ];
    for (error, status, exc_type) in cases {
        let described = describe(&error);
        assert_eq!((described.status.as_u16(), described.exc_type), (status, exc_type), "{error:?}");
    }
}

#[test]
fn every_problem_is_a_417_of_its_class() {
    use ProblemKind as Kind;
    let cases = [
        (Kind::Validation, "ValidationError"),
        (Kind::Mandatory, "MandatoryError"),
        (Kind::LinkValidation, "LinkValidationError"),
        (Kind::CancelledLink, "CancelledLinkError"),
        (Kind::LinkExists, "LinkExistsError"),
        (Kind::Unique, "UniqueValidationError"),
        (Kind::TimestampMismatch, "TimestampMismatchError"),
        (Kind::DocstatusTransition, "DocstatusTransitionError"),
        (Kind::UpdateAfterSubmit, "UpdateAfterSubmitError"),
        (Kind::CannotChangeConstant, "CannotChangeConstantError"),
        (Kind::CharacterLengthExceeded, "CharacterLengthExceededError"),
        (Kind::NonNegative, "NonNegativeError"),
        (Kind::InvalidEmailAddress, "InvalidEmailAddressError"),
        (Kind::InvalidName, "InvalidNameError"),
        (Kind::InvalidPhoneNumber, "InvalidPhoneNumberError"),
        (Kind::InvalidDates, "InvalidDates"),
        (Kind::Data, "DataError"),
        (Kind::EmptyTable, "EmptyTableError"),
        (Kind::DocumentLocked, "DocumentLockedError"),
        (Kind::AttachmentLimitReached, "AttachmentLimitReached"),
        (Kind::CircularLinking, "CircularLinkingError"),
        (Kind::InvalidNamingSeries, "InvalidNamingSeriesError"),
        (Kind::InvalidUuidValue, "InvalidUUIDValue"),
        (Kind::InvalidColumnName, "InvalidColumnName"),
        (Kind::BaseUrlNotSet, "BaseUrlNotSetError"),
        (Kind::Type, "FrappeTypeError"),
    ];
    for (kind, exc_type) in cases {
        let described = describe(&Error::invalid(kind, "x"));
        assert_eq!((described.status.as_u16(), described.exc_type), (417, exc_type));
    }
}

#[test]
fn the_cause_of_an_internal_error_stays_inside() {
    let described = describe(&Error::Internal(anyhow::anyhow!("password of the database: geheim")));
    assert!(!described.message.contains("geheim"));
}

#[test]
fn problems_come_with_their_place() {
    let mut invalid = Invalid::default();
    invalid.push(FieldProblem::at(ProblemKind::Mandatory, "title", "Title", "Title is required"));
    invalid.push(FieldProblem::at(ProblemKind::Data, "qty", "Quantity", "Not a number").in_row("items", 2));
    assert_eq!(
        doctyped::testing::error::problems(&invalid, &doctyped::testing::language::Language::english()),
        json!([
            {"field": "title", "label": "Title", "table": null, "row": null, "kind": "MandatoryError", "message": "Title is required"},
            {"field": "qty", "label": "Quantity", "table": "items", "row": 2, "kind": "DataError", "message": "Not a number"},
        ])
    );
}

#[tokio::test]
async fn an_unknown_path_speaks_the_language_of_its_place() {
    let site = TestSite::new().await;
    let guest = site.guest();
    let answer = guest.get("/api/nothing/here").await;
    assert_eq!(answer.header("content-type"), "application/json");
    assert_eq!(answer.server_messages().len(), 1);
    answer.error(404, "DoesNotExistError");
    let body = guest.get("/api/v2/nothing").await.error(404, "DoesNotExistError");
    assert_eq!(body["errors"][0]["indicator"], "red");
    let page = guest.get("/nothing").await.status(404);
    assert!(page.header("content-type").starts_with("text/html"));
    assert!(page.body.contains("Not Found") && page.body.contains(page.header("x-request-id")));
    guest.with_header("accept", "application/json").get("/nothing").await.error(404, "DoesNotExistError");
}

#[tokio::test]
async fn a_wrong_method_is_told_the_right_ones() {
    let site = TestSite::new().await;
    let answer = site.guest().delete("/health/live").await.status(405);
    assert_eq!(answer.header("allow"), "GET, HEAD, OPTIONS");
    let answer = site.guest().send(Method::OPTIONS, "/login", "", "").await.status(200);
    assert_eq!(answer.header("allow"), "GET, POST, HEAD, OPTIONS");
    assert!(answer.body.is_empty());
}

#[tokio::test]
async fn bodies_that_do_not_parse_are_the_senders_mistake() {
    let site = TestSite::new().await;
    let guest = site.guest();
    guest.send(Method::POST, "/api/method/version", "application/json", "{no json").await.error(400, "ValidationError");
    guest.send(Method::POST, "/api/method/version", "application/json", "7").await.error(417, "ValidationError");
    guest.send(Method::POST, "/api/method/login", "application/json", "{no json").await.status(400);
    guest.send(Method::POST, "/api/method/login", "application/json", r#"{"usr": 1}"#).await.status(400);
    guest
        .send(Method::POST, "/api/method/version", "multipart/form-data; boundary=x", "--x\r\nbroken")
        .await
        .error(400, "ValidationError");
}

#[tokio::test]
async fn a_body_has_a_limit() {
    let site = TestSite::new().with_config(|config| config.max_body_bytes = 1000).await;
    let guest = site.guest();
    guest.send(Method::POST, "/api/method/version", "text/plain", "x".repeat(1001)).await.error(413, "ValidationError");
    guest.send(Method::POST, "/api/method/version", "text/plain", "x".repeat(1000)).await.ok();
}

#[tokio::test]
async fn every_answer_carries_its_id_and_the_headers_that_protect() {
    let site = TestSite::new().await;
    for uri in ["/api/method/ping", "/login", "/nothing", "/api/nothing"] {
        let answer = site.guest().get(uri).await;
        let id = answer.header("x-request-id");
        assert_eq!(id.len(), 16, "{uri}");
        assert_eq!(answer.header("x-frappe-request-id"), id);
        assert_eq!(answer.header("x-content-type-options"), "nosniff");
        assert_eq!(answer.header("cache-control"), "no-store,no-cache,must-revalidate,max-age=0");
        let policy = answer.header("content-security-policy");
        assert!(policy.contains("default-src 'self'") && policy.contains("frame-ancestors 'none'"), "{policy}");
        assert!(!policy.contains("unsafe"), "{policy}");
    }
}

#[tokio::test]
async fn a_request_id_is_taken_only_from_a_proxy_that_is_trusted() {
    let site = TestSite::new().await;
    let answer = site.guest().with_header("x-request-id", "chosen-outside").get("/api/method/ping").await;
    assert_ne!(answer.header("x-request-id"), "chosen-outside");
    let site = TestSite::new().with_config(|config| config.trusted_proxies = 1).await;
    let answer = site.guest().with_header("x-request-id", "chosen-outside").get("/api/method/ping").await;
    assert_eq!(answer.header("x-request-id"), "chosen-outside");
}

#[tokio::test]
async fn slashes_v1_and_head_change_nothing() {
    let site = TestSite::new().await;
    let guest = site.guest();
    for uri in ["/api/method/ping/", "/api/v1/method/ping", "/api/v1/method/frappe.ping/"] {
        assert_eq!(guest.get(uri).await.ok(), "pong", "{uri}");
    }
    assert_eq!(guest.get("/api/v2/method/ping").await.ok(), "pong");
    guest.send(Method::HEAD, "/api/method/ping", "", "").await.status(200);
    guest.send(Method::HEAD, "/login", "", "").await.status(200);
}

#[tokio::test]
async fn a_method_answers_in_both_envelopes() {
    let site = TestSite::new().await;
    let guest = site.guest();
    assert_eq!(guest.get("/api/method/version").await.json(), json!({"message": env!("CARGO_PKG_VERSION")}));
    assert_eq!(guest.get("/api/v2/method/version").await.json(), json!({"data": env!("CARGO_PKG_VERSION")}));
    guest.get("/api/method/no.such.method").await.error(404, "DoesNotExistError");
    let answer = guest.get("/api/method/frappe.utils.change_log.get_versions").await;
    assert_eq!(
        answer.header("www-authenticate"),
        "Bearer scope=\"method:frappe.utils.change_log.get_versions\", \
         resource_metadata=\"http://127.0.0.1:8000/.well-known/oauth-protected-resource/api\""
    );
    answer.error(401, "AuthenticationError");
}

#[tokio::test]
async fn assets_are_cached_by_their_version() {
    let site = TestSite::new().await;
    let page = site.guest().get("/login").await.status(200);
    let mut hrefs = page.body.split("href=\"").skip(1).map(|rest| rest.split('"').next().unwrap());
    let href = hrefs.find(|href| href.starts_with("/assets/~")).expect("the page names the version of its style");
    let (_, path) = href["/assets/~".len()..].split_once('/').unwrap();
    let style = site.guest().get(href).await.status(200);
    assert_eq!(style.header("content-type"), "text/css; charset=utf-8");
    assert!(style.header("cache-control").contains("immutable"));
    let etag = style.header("etag").to_owned();
    let again = site.guest().with_header("if-none-match", &etag).get(&format!("/assets/{path}")).await.status(304);
    assert!(again.body.is_empty());
    site.guest().get("/assets/../Cargo.toml").await.status(404);
    site.guest().get("/assets/..%2f..%2fCargo.toml").await.status(404);
    site.guest().get("/assets/%2e%2e/%2e%2e/Cargo.toml").await.status(404);
}
