//! Every input that the fuzz targets start from, or once crashed on, goes through what they check.

use std::path::Path;

#[path = "../fuzz/inputs.rs"]
mod inputs;

fn run(target: &str, check: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz/corpus").join(target);
    let mut seen = 0;
    for file in std::fs::read_dir(&folder).unwrap() {
        let path = file.unwrap().path();
        eprintln!("{}", path.display());
        check(&std::fs::read(&path).unwrap());
        seen += 1;
    }
    assert!(seen > 0, "{} is empty", folder.display());
}

#[test]
fn lists_take_any_filters() {
    run("filters", inputs::filters);
}

#[test]
fn any_condition_is_evaluated_or_refused() {
    run("expression", inputs::expression);
}

#[test]
fn any_yaml_file_is_loaded_or_reported() {
    run("definition_yaml", inputs::definition_yaml);
}

#[test]
fn any_json_file_is_loaded_or_reported() {
    run("definition_json", inputs::definition_json);
}

#[test]
fn any_multipart_body_is_read_or_refused() {
    run("multipart", inputs::multipart);
}

#[test]
fn no_forged_token_verifies() {
    run("jwt", inputs::jwt);
}

#[test]
fn client_metadata_are_echoed_as_taken() {
    run("client_metadata", inputs::client_metadata);
}
