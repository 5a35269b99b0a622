//! The layers of `src/README.md`: a file may use those above its own, never those below, and features never meet.

use std::path::Path;

use super::{files_below, root, shown};

/// The layers from the top down; names in one row are siblings that do not use each other, unless they are the same.
const LAYERS: [(&str, &[&str]); 11] = [
    ("ground", &["error", "clock", "secret", "config", "pace", "foreign", "metrics", "traces", "language"]),
    ("meta", &["meta"]),
    ("database", &["database"]),
    ("permissions", &["permissions"]),
    ("document", &["document"]),
    ("outgoing", &["outgoing"]),
    ("files", &["files"]),
    ("spreadsheet", &["spreadsheet"]),
    ("web", &["web"]),
    ("features", &["rest", "desk", "account", "oauth", "jobs", "mcp", "data_import", "webhook", "mail"]),
    ("top", &["app", "cli", "reload"]),
];

fn layer_of(module: &str) -> Option<usize> {
    LAYERS.iter().position(|(_, modules)| modules.contains(&module))
}

/// The top module of a file: `src/rest/v1.rs` is in `rest`.
fn module_of(path: &Path) -> String {
    let inside = path.strip_prefix(root().join("src")).expect("a file of src");
    let first = inside.components().next().expect("a path").as_os_str().to_string_lossy().into_owned();
    first.trim_end_matches(".rs").to_owned()
}

/// The modules that a file names as `crate::module`, outside comments.
fn used_modules(text: &str) -> Vec<String> {
    let code = text.lines().filter(|line| !line.trim_start().starts_with("//"));
    let mut used = Vec::new();
    for line in code {
        for rest in line.split("crate::").skip(1) {
            let names: Vec<&str> = match rest.strip_prefix('{') {
                Some(list) => list.split([',', '}']).map(|item| item.split("::").next().unwrap_or("").trim()).collect(),
                None => vec![rest.split(|c: char| !(c.is_alphanumeric() || c == '_')).next().unwrap_or("")],
            };
            used.extend(names.into_iter().filter(|name| !name.is_empty()).map(str::to_owned));
        }
    }
    used
}

#[test]
fn no_file_uses_a_layer_below_its_own() {
    let mut wrong = Vec::new();
    for path in files_below("src", &["rs"]) {
        let own = module_of(&path);
        if matches!(own.as_str(), "lib" | "main" | "testing") {
            continue;
        }
        let Some(own_layer) = layer_of(&own) else {
            wrong.push(format!("{}: `{own}` is in no layer: add it to LAYERS and to src/README.md", shown(&path)));
            continue;
        };
        for used in used_modules(&std::fs::read_to_string(&path).expect("readable")) {
            let Some(layer) = layer_of(&used) else { continue };
            let sibling_feature = layer == own_layer && used != own && LAYERS[layer].0 == "features";
            if layer > own_layer || sibling_feature {
                wrong.push(format!("{}: `{own}` must not use `{used}`", shown(&path)));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn only_the_database_layer_writes_sql() {
    let mut wrong = Vec::new();
    for path in files_below("src", &["rs"]) {
        if module_of(&path) == "database" {
            continue;
        }
        let text = std::fs::read_to_string(&path).expect("readable");
        for marker in ["\"SELECT ", "\"INSERT INTO ", "\"UPDATE ", "\"DELETE FROM ", "sqlx::", "sea_query"] {
            if text.contains(marker) {
                wrong.push(format!("{}: contains {marker}", shown(&path)));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn only_the_outgoing_layer_calls_other_servers() {
    let mut wrong = Vec::new();
    for path in files_below("src", &["rs"]).into_iter().filter(|path| module_of(path) != "outgoing") {
        let text = std::fs::read_to_string(&path).expect("readable");
        for marker in ["reqwest", "TcpStream::connect", "lookup_host", "hyper_util::client", "SmtpTransport"] {
            if text.contains(marker) {
                wrong.push(format!("{}: contains {marker}", shown(&path)));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The rooms of `oauth` from the top down: a file uses those above its own. Rooms in one row do not use each other.
const ROOMS: [&[&str]; 14] = [
    &["protocol"],
    &["views"],
    &["access_end", "credentials", "provider_error", "subject"],
    &["http", "published_keys", "scopes", "signing_keys"],
    &["api_keys", "client", "resource"],
    &["server"],
    &["registration"],
    &["client_authentication"],
    &["token"],
    &["authorization", "sessions"],
    &["openapi"],
    &["client_form"],
    &["table"],
    &["jobs", "mod"],
];

#[test]
fn rooms_of_oauth_use_those_above_them() {
    let floor_of = |room: &str| ROOMS.iter().position(|rooms| rooms.contains(&room));
    let mut wrong = Vec::new();
    for path in files_below("src/oauth", &["rs"]).into_iter().filter(|path| !path.ends_with("tests.rs")) {
        let inside = path.strip_prefix(root().join("src/oauth")).expect("a file of oauth");
        let first = inside.components().next().expect("a path").as_os_str().to_string_lossy().into_owned();
        let own = first.trim_end_matches(".rs");
        let Some(floor) = floor_of(own) else {
            wrong.push(format!("{}: `{own}` is not in ROOMS: add it there and to src/README.md", shown(&path)));
            continue;
        };
        let text = std::fs::read_to_string(&path).expect("readable");
        let code = text.lines().take_while(|line| !line.contains("#[cfg(test)]"));
        for line in code.filter(|line| !line.trim_start().starts_with("//")) {
            for rest in line.split("crate::oauth::").skip(1) {
                let room = rest.split(|c: char| !(c.is_alphanumeric() || c == '_')).next().unwrap_or("");
                if room != own && floor_of(room).is_none_or(|other| other >= floor) {
                    wrong.push(format!("{}: `{own}` must not use `oauth::{room}`", shown(&path)));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn pure_layers_do_no_input_or_output() {
    let mut wrong = Vec::new();
    for folder in ["src/meta", "src/permissions", "src/oauth/protocol"] {
        for path in files_below(folder, &["rs"]).into_iter().filter(|path| !path.ends_with("tests.rs")) {
            let text = std::fs::read_to_string(&path).expect("readable");
            for marker in
                ["std::fs", "TcpStream", "UdpSocket", "lookup_host", "tokio::", "poem::", "sea_orm", "reqwest"]
            {
                if text.contains(marker) {
                    wrong.push(format!("{}: contains {marker}", shown(&path)));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_engine_has_never_heard_of_oauth() {
    let mut wrong = Vec::new();
    for folder in ["src/meta", "src/database", "src/permissions", "src/document"] {
        for path in files_below(folder, &["rs"]) {
            let text = std::fs::read_to_string(&path).expect("readable");
            let code = text.lines().take_while(|line| !line.contains("#[cfg(test)]"));
            for line in code.filter(|line| !line.trim_start().starts_with("//")) {
                if line.contains("\"OAuth ") || line.contains("oauth::") {
                    wrong.push(format!("{}: {}", shown(&path), line.trim()));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
