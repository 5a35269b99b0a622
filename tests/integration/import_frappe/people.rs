//! Who gets in, and what they see.

use crate::support::ServerProcess;

use super::support::by_key;

/// Everybody with a password; whether it lets them in.
const PASSWORDS: [(&str, &str, bool); 9] = [
    ("Administrator", "admin-Pw-2025", true),
    ("mira.holt@example.com", "mira-Pw-5821", true),
    ("jonas.weide@example.com", "jonas-Pw-4417", true),
    ("aiko.tanabe@example.com", "aiko-Pw-9034", true),
    ("omar.ferris@example.com", "omar-Pw-2268", true),
    ("lena.quist@example.com", "lena-Pw-7750", true),
    ("zoe.arnaud@example.com", "zoe-Pw-3391", true),
    ("sam.integration@example.com", "sam-Pw-6602", true),
    ("old.clerk@example.com", "otto-Pw-1189", false),
];

const DOCTYPES: [&str; 13] = [
    "Library Book",
    "Library Author",
    "Library Genre",
    "Library Loan",
    "Library Visit",
    "Library Shelf",
    "Library Notice",
    "Note",
    "Contact",
    "Address",
    "ToDo",
    "File",
    "User",
];

/// How many documents Frappe showed to whom, in the order of [`DOCTYPES`]; 403 where it refused.
const SEEN: [(&str, &str, [usize; 13]); 7] = [
    ("mira.holt", "5d67c4ade2db038:afe64887a8affbf", [493, 60, 17, 116, 24, 9, 6, 3, 0, 0, 9, 34, 8]),
    ("jonas.weide", "e5e9fc36701044e:8db2ac4ac9441b6", [260, 60, 5, 116, 24, 9, 6, 3, 0, 0, 13, 34, 8]),
    ("aiko.tanabe", "85289109c36ecf5:62759f937fc0d4c", [493, 60, 17, 116, 24, 9, 6, 3, 0, 0, 12, 34, 8]),
    ("omar.ferris", "aace5484c182a11:111b9f5ce59cd18", [493, 13, 17, 116, 24, 9, 6, 3, 38, 0, 0, 34, 8]),
    ("lena.quist", "99635be2a8e7083:f8768e46b3d34ee", [493, 60, 17, 1, 24, 9, 6, 403, 0, 0, 0, 0, 1]),
    ("zoe.arnaud", "e091517c479e0bf:483126a5fe9d1e0", [76, 60, 17, 1, 24, 9, 6, 403, 0, 0, 0, 0, 1]),
    ("sam.integration", "17aac2a80643fec:dfb5eef9b13757b", [493, 60, 17, 116, 24, 9, 6, 3, 38, 15, 34, 34, 8]),
];

/// Passwords work, and are hashed anew when they do.
pub async fn everybody_gets_in_as_before(site: &ServerProcess) {
    let hash = |user: &str| format!("SELECT password FROM \"__Auth\" WHERE fieldname = 'password' AND name = '{user}'");
    for (user, password, lets_in) in PASSWORDS {
        let before = site.database.ask(&hash(user)).await.remove(0);
        assert!(before.starts_with("$pbkdf2-sha256$"), "{user}");
        site.guest().log_in(user, "wrong-Pw-0000").await.status(401);
        assert_eq!(site.database.ask(&hash(user)).await, [before.as_str()], "{user}");
        site.guest().log_in(user, password).await.status(if lets_in { 200 } else { 401 });
        let after = site.database.ask(&hash(user)).await.remove(0);
        assert_eq!(after.starts_with("$argon2id$"), lets_in, "{user}");
        // With the new hash too.
        site.guest().log_in(user, password).await.status(if lets_in { 200 } else { 401 });
    }
}

/// With their API keys, everybody sees the documents that Frappe showed them.
pub async fn everybody_sees_as_many_documents_as_before(site: &ServerProcess) {
    let mut wrong = Vec::new();
    for (user, key, seen) in SEEN {
        let client = by_key(site, key);
        assert_eq!(client.logged_user().await, format!("{user}@example.com"));
        for (doctype, expected) in DOCTYPES.into_iter().zip(seen) {
            let answer = client.list(doctype, "limit_page_length=0").await;
            let found = if answer.status == 200 {
                answer.ok().as_array().unwrap().len()
            } else {
                usize::from(answer.status.as_u16())
            };
            if found != expected {
                wrong.push(format!("{user} sees {found} of {doctype}, not {expected}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    // What is not listed cannot be read either: a note of others, somebody else's task, a private file of nobody's.
    let jonas = by_key(site, SEEN[1].1);
    let administrator = site.guest();
    administrator.log_in(PASSWORDS[0].0, PASSWORDS[0].1).await.ok();
    for (doctype, filters) in [
        ("Note", r#"{"public": 0}"#),
        ("ToDo", r#"{"allocated_to": "mira.holt@example.com"}"#),
        ("File", r#"{"file_name": "same-c.png"}"#),
    ] {
        let list = administrator.list(doctype, &format!("filters={filters}&limit=1")).await.ok();
        let name = list[0]["name"].as_str().unwrap();
        administrator.read(doctype, name).await.ok();
        jonas.read(doctype, name).await.status(403);
    }
    jonas.get("/private/files/same-c.png").await.status(404);
}

/// Bearer tokens are as good as they were, and clients prove themselves with their secrets.
pub async fn clients_keep_their_tokens_and_secrets(site: &ServerProcess) {
    let tokens = [
        ("at00787e0b934b75a48de2a2ce044f7", 200),
        ("at1da40650fd920bb54e0b11ea918d4", 401),
        ("at2fa4a5e33a7a473e0095e82e90fbb", 401),
    ];
    for (token, status) in tokens {
        let bearer = site.guest().with_header("authorization", &format!("Bearer {token}"));
        let answer = bearer.get("/api/method/frappe.auth.get_logged_user").await.status(status);
        assert_eq!(answer.body.contains("mira.holt@example.com"), status == 200, "{}", answer.body);
    }
    let stored = site.database.ask("SELECT name FROM \"tabOAuth Bearer Token\"").await;
    assert!(
        stored.len() == 3 && tokens.iter().all(|(token, _)| !stored.iter().any(|name| name == token)),
        "{stored:?}"
    );
    let refresh = [("grant_type", "refresh_token"), ("refresh_token", "rt06df5d2dd03ac8734b388a47cbb1f")];
    let uri = "/api/method/frappe.integrations.oauth2.get_token";
    for (secret, status) in [("62d0d2735e", 401), ("62d0d2735d", 200)] {
        let client = doctyped::testing::client_authentication::basic_header("ktplrfk284", secret);
        site.guest().with_header("authorization", &client).form(uri, &refresh).await.status(status);
    }
}
