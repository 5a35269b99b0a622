//! Templates: nothing is placed unescaped, nothing needs what the Content-Security-Policy forbids.

use super::{files_below, shown};

#[test]
fn templates_place_everything_escaped() {
    let files = files_below("templates", &["hbs"]);
    assert!(files.len() > 20, "the templates are found");
    for file in files {
        let text = std::fs::read_to_string(&file).unwrap();
        for (number, line) in text.lines().enumerate() {
            let place = format!("{}:{}", shown(&file), number + 1);
            assert!(!line.contains("{{{"), "{place}: `{{{{{{` places text unescaped; use `{{{{`");
            assert!(!line.contains("{{&"), "{place}: `{{{{&` places text unescaped; use `{{{{`");
            assert!(!line.contains(" style="), "{place}: style attributes are forbidden by the policy; use a class");
            for handler in [" onclick=", " onchange=", " onsubmit=", " onload=", "javascript:"] {
                assert!(!line.contains(handler), "{place}: `{handler}` is forbidden by the policy; use a script file");
            }
            let inline = line.contains("<script") && !line.contains(" src=\"");
            assert!(!inline, "{place}: inline scripts are forbidden by the policy; use a script file");
            let unquoted = line.match_indices("={{").any(|(at, _)| line[..at].matches('"').count() % 2 == 0);
            assert!(!unquoted, "{place}: quote the attribute, otherwise a space in the value ends it");
        }
    }
}
