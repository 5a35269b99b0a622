//! Definitions that change at random: every step is carried out or refused, and never leaves anything to do.

use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::{Config, TestRng, TestRunner};

use super::*;

const TYPES: [Fieldtype; 14] = [
    Fieldtype::Data,
    Fieldtype::Select,
    Fieldtype::SmallText,
    Fieldtype::Int,
    Fieldtype::LongInt,
    Fieldtype::Check,
    Fieldtype::Float,
    Fieldtype::Rating,
    Fieldtype::Date,
    Fieldtype::Datetime,
    Fieldtype::Time,
    Fieldtype::Json,
    Fieldtype::Link,
    Fieldtype::Password,
];

fn any_field() -> impl Strategy<Value = DocField> {
    let default =
        prop::option::of(prop_oneof![Just("1"), Just("2024-02-29"), Just("x'y"), Just("12:00:00"), Just("Now")]);
    let flags = (any::<bool>(), any::<bool>(), prop::bool::weighted(0.2), 0u32..3);
    let renamed_from = prop::option::weighted(0.3, 0usize..6);
    (prop::sample::select(&TYPES[..]), default, flags, renamed_from).prop_map(
        |(fieldtype, default, (not_nullable, search_index, unique, length), renamed_from)| DocField {
            default: default.map(ToOwned::to_owned),
            not_nullable,
            search_index,
            unique: unique && matches!(fieldtype, Fieldtype::Data | Fieldtype::Int | Fieldtype::Link),
            length: length * 10,
            options: if fieldtype == Fieldtype::Link { "Note".to_owned() } else { String::new() },
            renamed_from: renamed_from.map(|i| format!("f_{i}")),
            ..field("", fieldtype)
        },
    )
}

/// Some of the fields `f_0` to `f_5`.
fn any_note() -> impl Strategy<Value = Vec<Declaration>> {
    prop::collection::vec(prop::option::weighted(0.7, any_field()), 6).prop_map(|fields| {
        let present = fields.into_iter().enumerate().filter_map(|(i, found)| Some((i, found?)));
        note(present.map(|(i, found)| DocField { fieldname: format!("f_{i}"), ..found }).collect())
    })
}

#[tokio::test]
async fn any_definition_becomes_any_other() {
    let rng = TestRng::deterministic_rng(proptest::test_runner::RngAlgorithm::ChaCha);
    let mut runner = TestRunner::new_with_rng(Config::default(), rng);
    for site in Site::each().await {
        let (mut carried_out, mut rows) = (0, 0);
        for step in 0..60 {
            let declarations = any_note().new_tree(&mut runner).unwrap().current();
            let options = MigrateOptions { prune: step % 7 == 6, ..RISKY };
            match site.migrate_with(declarations.clone(), options).await {
                Ok(_) => {
                    let again = MigrateOptions { dry_run: true, ..options };
                    let again = site.migrate_with(declarations.clone(), again).await.unwrap();
                    assert!(again.plan.is_empty(), "{:?}, step {step}, wants\n{}", site.backend, again.plan);
                    carried_out += 1;
                }
                Err(MigrateError::Refused(plan)) => {
                    assert!(plan.refused().all(|change| change.description.contains("unique index")), "{plan}");
                    continue;
                }
                Err(error) => {
                    panic!("{:?}, step {step}: {error} {:?}", site.backend, std::error::Error::source(&error))
                }
            }
            let value = ["'7'", "'2024-02-28'", "'some text'", "'{}'"][step % 4];
            let (mut names, mut values) = (vec!["name".to_owned()], vec![format!("'N-{step}'")]);
            for field in &declarations[0].fields {
                if matches!(field.fieldtype, Fieldtype::Data | Fieldtype::SmallText | Fieldtype::Select) {
                    names.push(field.fieldname.clone());
                    values.push(value.to_owned());
                }
            }
            let sql = format!(r#"INSERT INTO "tabNote" ({}) VALUES ({})"#, names.join(", "), values.join(", "));
            if site.database.execute_script(&sql).await.is_ok() {
                rows += 1;
            }
            let kept = site.texts(r#"SELECT name FROM "tabNote""#).await.len();
            assert_eq!(kept, rows, "{:?}, step {step}: no row is lost", site.backend);
        }
        assert!(carried_out > 20, "{carried_out} steps");
        site.finish().await;
    }
}
