//! How every file begins, and what none contains.

use super::{files_below, root, shown};

#[test]
fn every_rust_file_says_first_what_lives_in_it() {
    let mut wrong = Vec::new();
    for path in files_below("src", &["rs"]).into_iter().chain(files_below("tests/integration", &["rs"])) {
        let text = std::fs::read_to_string(&path).expect("readable");
        if !text.starts_with("//! ") && !text.starts_with("#![doc") {
            wrong.push(shown(&path));
        }
    }
    assert!(wrong.is_empty(), "these files do not begin with `//! `:\n{}", wrong.join("\n"));
}

#[test]
fn no_file_is_left_unfinished() {
    let marks =
        [["TO", "DO"].concat(), ["FIX", "ME"].concat(), ["to", "do!("].concat(), ["unimpl", "emented!("].concat()];
    let mut wrong = Vec::new();
    for path in files_below("src", &["rs"]) {
        let text = std::fs::read_to_string(&path).expect("readable");
        for mark in &marks {
            // The DocType ToDo is a word of the field.
            if text.contains(mark.as_str()) {
                wrong.push(format!("{}: {mark}", shown(&path)));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn templates_never_write_unescaped_values() {
    let mut wrong = Vec::new();
    for path in files_below("templates", &["hbs"]) {
        let text = std::fs::read_to_string(&path).expect("readable");
        if text.contains("{{{") || text.contains("{{&") {
            wrong.push(format!("{}: writes a value unescaped", shown(&path)));
        }
        for marker in ["<script>", " onclick=", " onload=", " style=", "javascript:"] {
            if text.contains(marker) {
                wrong.push(format!("{}: contains {marker}, which the Content-Security-Policy forbids", shown(&path)));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn what_comments_cite_stands_in_the_repository() {
    let mut wrong = Vec::new();
    for path in files_below("src", &["rs"]).into_iter().chain(files_below("tests/integration", &["rs"])) {
        let text = std::fs::read_to_string(&path).expect("readable");
        for citation in text.split("(`docs/").skip(1).filter_map(|rest| rest.split_once(')')).map(|(inside, _)| inside)
        {
            let Some((file, headings)) = citation.split_once("`: ") else { continue };
            let page = std::fs::read_to_string(root().join("docs").join(file)).unwrap_or_default();
            for heading in headings.split(", ") {
                if !page.lines().any(|line| line.strip_prefix("## ") == Some(heading)) {
                    wrong.push(format!("{}: docs/{file} has no heading {heading:?}", shown(&path)));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_documentation_has_every_setting_as_the_program_explains_it() {
    let page = std::fs::read_to_string(root().join("docs/running.md")).expect("readable");
    let table = doctyped::testing::config::Settings::table();
    assert!(page.contains(&table), "the table of settings in docs/running.md should be:\n{table}");
}
