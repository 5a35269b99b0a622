//! Tables of input and outcome for every fieldtype.

use proptest::prelude::*;
use serde_json::{Value as Json, json};

use super::{ColumnType, Fieldtype, display, parse, parse_for_column, parse_text, validate};
use crate::clock::Zone;
use crate::error::ProblemKind;
use crate::meta::docfield::DocField;
use crate::meta::value::Value;

fn field(fieldtype: Fieldtype, options: &str) -> DocField {
    DocField {
        fieldname: "published_on".to_owned(),
        label: "Published On".to_owned(),
        fieldtype,
        options: options.to_owned(),
        ..DocField::default()
    }
}

fn column(field: &DocField) -> ColumnType {
    field.fieldtype.column_type(field).expect("the field has a column")
}

/// Parses and validates, as a document does.
fn accept(field: &DocField, input: &Json) -> Result<Value, (ProblemKind, String)> {
    let value = parse(field, column(field), input)?;
    validate(field, column(field), &value)?;
    Ok(value)
}

#[track_caller]
fn accepts(field: &DocField, table: &[(Json, Value)]) {
    for (input, expected) in table {
        assert_eq!(accept(field, input), Ok(expected.clone()), "{:?} {input}", field.fieldtype);
    }
}

#[track_caller]
fn refuses(field: &DocField, kind: ProblemKind, inputs: &[Json]) {
    for input in inputs {
        let (found, message) = accept(field, input).expect_err(&format!("{:?} {input}", field.fieldtype));
        assert_eq!(found, kind, "{input}: {message}");
        assert!(message.starts_with("Published On "), "{message}");
    }
}

fn text(text: &str) -> Value {
    Value::from(text)
}

#[test]
fn numbers() {
    let int = field(Fieldtype::Int, "");
    accepts(
        &int,
        &[
            (json!(12), Value::Int(12)),
            (json!(12.0), Value::Int(12)),
            (json!("12"), Value::Int(12)),
            (json!(" -12 "), Value::Int(-12)),
            (json!("12.0"), Value::Int(12)),
            (json!(true), Value::Int(1)),
            (json!(null), Value::Int(0)),
            (json!(""), Value::Int(0)),
            (json!(2_147_483_647), Value::Int(2_147_483_647)),
        ],
    );
    refuses(
        &int,
        ProblemKind::Type,
        &[
            json!("abc"),
            json!(12.5),
            json!("12.5"),
            json!("1,200"),
            json!([1]),
            json!({}),
            json!("inf"),
            json!("0x1f"),
            json!("1_000"),
        ],
    );
    refuses(
        &int,
        ProblemKind::CharacterLengthExceeded,
        &[json!(2_147_483_648_i64), json!("-2147483649"), json!(u64::MAX), json!(1e30)],
    );
    let long = field(Fieldtype::LongInt, "");
    accepts(&long, &[(json!(i64::MAX), Value::Int(i64::MAX)), (json!(null), Value::Null)]);
    refuses(&long, ProblemKind::CharacterLengthExceeded, &[json!(u64::MAX), json!("9223372036854775808")]);

    let float = field(Fieldtype::Float, "");
    accepts(
        &float,
        &[
            (json!(1), Value::Float(1.0)),
            (json!("1200.5"), Value::Float(1200.5)),
            (json!("1e3"), Value::Float(1000.0)),
            (json!(0.123_456_789_4), Value::Float(0.123_456_789)),
            (json!(-0.0), Value::Float(0.0)),
            (json!(1e-12), Value::Float(0.0)),
            (json!(123_456_789.123_456_78), Value::Float(123_456_789.123_456_78)),
            (json!(null), Value::Float(0.0)),
        ],
    );
    assert_eq!(accept(&float, &json!(-0.0)).unwrap().to_string(), "0");
    refuses(
        &float,
        ProblemKind::Type,
        &[json!("abc"), json!("1,200.5"), json!("NaN"), json!("infinity"), json!("1e999")],
    );
    refuses(&float, ProblemKind::CharacterLengthExceeded, &[json!(1e12), json!(-1e300)]);
    let message = accept(&float, &json!("1,200.5")).unwrap_err().1;
    assert!(message.contains("without commas"), "{message}");

    let price = DocField { non_negative: true, ..field(Fieldtype::Currency, "") };
    refuses(&price, ProblemKind::NonNegative, &[json!(-0.01)]);
    accepts(&price, &[(json!(0), Value::Float(0.0))]);

    accepts(
        &field(Fieldtype::Rating, ""),
        &[
            (json!(0.8), Value::Float(0.8)),
            (json!(4), Value::Float(1.0)),
            (json!(-1), Value::Float(0.0)),
            (json!(0.333), Value::Float(0.33)),
            (json!(null), Value::Null),
        ],
    );
    let check = field(Fieldtype::Check, "");
    for on in [json!(1), json!(true), json!("1"), json!("true"), json!("on"), json!("Yes"), json!(5)] {
        accepts(&check, &[(on, Value::Int(1))]);
    }
    for off in [json!(0), json!(false), json!("0"), json!("false"), json!("off"), json!(""), json!(null)] {
        accepts(&check, &[(off, Value::Int(0))]);
    }
    refuses(&check, ProblemKind::Type, &[json!("maybe"), json!([]), json!({"a": 1})]);
}

#[test]
fn moments() {
    let date = field(Fieldtype::Date, "");
    accepts(
        &date,
        &[
            (json!("2026-03-31"), text("2026-03-31")),
            (json!(" 2026-03-31 "), text("2026-03-31")),
            (json!("2026-03-31 10:00:00"), text("2026-03-31")),
            (json!("0001-01-01"), text("0001-01-01")),
            (json!("9999-12-31"), text("9999-12-31")),
            (json!("2024-02-29"), text("2024-02-29")),
            (json!(""), Value::Null),
            (json!(null), Value::Null),
        ],
    );
    refuses(
        &date,
        ProblemKind::InvalidDates,
        &[
            json!("soon"),
            json!("2026-02-29"),
            json!("31.03.2026"),
            json!("2026-3-1"),
            json!("0000-01-01"),
            json!("10000-01-01"),
            json!("2026-13-01"),
            json!("２０２６-03-31"),
            json!("2026-03-3é"),
            json!(20_260_331),
            json!(["2026-03-31"]),
            json!("2026-03-31\0"),
        ],
    );
    let message = accept(&date, &json!("soon")).unwrap_err().1;
    assert_eq!(message, "Published On must be a date such as 2026-03-31, not `soon`");

    let datetime = field(Fieldtype::Datetime, "");
    accepts(
        &datetime,
        &[
            (json!("2026-03-31 08:30:00.123456"), text("2026-03-31 08:30:00.123456")),
            (json!("2026-03-31 08:30:00"), text("2026-03-31 08:30:00.000000")),
            (json!("2026-03-31T08:30"), text("2026-03-31 08:30:00.000000")),
            (json!("2026-03-31"), text("2026-03-31 00:00:00.000000")),
            (json!("2026-03-31T08:30:00Z"), text("2026-03-31 08:30:00.000000")),
            (json!("2026-03-31T08:30:00.5+02:00"), text("2026-03-31 06:30:00.500000")),
            (json!("2026-03-31T23:30:00-0130"), text("2026-04-01 01:00:00.000000")),
            (json!("2026-03-31 08:30:00.123456789"), text("2026-03-31 08:30:00.123456")),
            (json!(""), Value::Null),
        ],
    );
    refuses(
        &datetime,
        ProblemKind::InvalidDates,
        &[
            json!("2026-03-31 24:00:00"),
            json!("2026-03-31 08:60"),
            json!("2026-03-31 08:30:60"),
            json!("2026-03-31 08:30:00+25:00"),
            json!("2026-03-31 08:30:00."),
            json!("2026-03-31x08:30"),
            json!("9999-12-31T23:59:59-01:00"),
            json!("0001-01-01T00:00:00+01:00"),
            json!("1700000000"),
        ],
    );
    let time = field(Fieldtype::Time, "");
    accepts(
        &time,
        &[
            (json!("8:30"), text("08:30:00")),
            (json!("08:30:15"), text("08:30:15")),
            (json!("23:59:59.5"), text("23:59:59.500000")),
            (json!("0:00:00.000000"), text("00:00:00")),
        ],
    );
    refuses(
        &time,
        ProblemKind::InvalidDates,
        &[json!("24:00"), json!("8"), json!("8:3"), json!("8:30.5"), json!(":30"), json!("8:30:00:00")],
    );

    let duration = field(Fieldtype::Duration, "");
    accepts(
        &duration,
        &[
            (json!(93_600), Value::Float(93_600.0)),
            (json!("1d 2h"), Value::Float(93_600.0)),
            (json!("-90m"), Value::Float(-5400.0)),
            (json!("90"), Value::Float(90.0)),
            (json!(null), Value::Null),
        ],
    );
    refuses(&duration, ProblemKind::Type, &[json!("two hours"), json!("1x"), json!("d")]);
}

#[test]
fn texts() {
    let data = field(Fieldtype::Data, "");
    accepts(
        &data,
        &[
            (json!("  kept as it is "), text("  kept as it is ")),
            (json!(12), text("12")),
            (json!("ä".repeat(140)), text(&"ä".repeat(140))),
            (json!(""), text("")),
            (json!(null), Value::Null),
        ],
    );
    refuses(&data, ProblemKind::CharacterLengthExceeded, &[json!("ä".repeat(141))]);
    refuses(&data, ProblemKind::Validation, &[json!(["a"]), json!({"a": 1})]);
    refuses(&data, ProblemKind::Type, &[json!(true)]);
    refuses(&data, ProblemKind::Data, &[json!("a\0b")]);
    refuses(&field(Fieldtype::LongText, ""), ProblemKind::Data, &[json!("\0")]);
    accepts(&DocField { length: 2, ..data.clone() }, &[(json!("ab"), text("ab"))]);
    refuses(&DocField { length: 2, ..data.clone() }, ProblemKind::CharacterLengthExceeded, &[json!("abc")]);
    // Only Null may be there many times.
    accepts(&DocField { unique: true, ..data }, &[(json!(""), Value::Null)]);

    let email = field(Fieldtype::Data, "Email");
    let addresses = "ada@example.com, bob@example.org\ncy@localhost";
    accepts(&email, &[(json!(addresses), text(addresses)), (json!(""), text(""))]);
    refuses(
        &email,
        ProblemKind::InvalidEmailAddress,
        &[json!("ada"), json!("ada@"), json!("a@b.c, d"), json!(","), json!("a b@c.d")],
    );

    let phone = field(Fieldtype::Data, "Phone");
    accepts(&phone, &[(json!("+49 (30) 123-456"), text("+49 (30) 123-456"))]);
    refuses(&phone, ProblemKind::InvalidPhoneNumber, &[json!("call me"), json!("1".repeat(21))]);
    let phone = field(Fieldtype::Phone, "");
    accepts(&phone, &[(json!("+91-9876543210"), text("+91-9876543210"))]);
    refuses(
        &phone,
        ProblemKind::InvalidPhoneNumber,
        &[json!("9876543210"), json!("+0-123456789"), json!("+1"), json!("+1234567890123456")],
    );

    let name = field(Fieldtype::Data, "Name");
    accepts(&name, &[(json!("Ada O'Neil-Søren"), text("Ada O'Neil-Søren"))]);
    refuses(&name, ProblemKind::InvalidName, &[json!("<script>"), json!("a  b"), json!("-")]);

    let url = field(Fieldtype::Data, "URL");
    for good in ["https://example.com/x?y#z", "/app/book", "mailto:ada@example.com", "myapp://callback"] {
        accepts(&url, &[(json!(good), text(good))]);
    }
    refuses(&url, ProblemKind::Validation, &[json!("example.com"), json!("https://"), json!("no url"), json!("/a b")]);
    for active in [
        "javascript:alert(1)",
        "JavaScript://example.com/%0aalert(1)",
        " \u{1}javascript:x",
        "java\nscript:x",
        "java\tscript:x",
        "vbscript:x",
        "data:text/html,x",
        "blob:https://example.com/x",
    ] {
        refuses(&url, ProblemKind::Validation, &[json!(active)]);
        for fieldtype in [Fieldtype::Attach, Fieldtype::AttachImage] {
            refuses(&field(fieldtype, ""), ProblemKind::Validation, &[json!(active)]);
        }
    }
    let picture = "data:image/png;base64,iVBORw0KGgo=";
    accepts(
        &field(Fieldtype::AttachImage, ""),
        &[(json!(picture), text(picture)), (json!("/files/a.png"), text("/files/a.png"))],
    );
    refuses(&field(Fieldtype::AttachImage, ""), ProblemKind::Validation, &[json!("data:image/svg+xml,<svg/>")]);

    let color = field(Fieldtype::Color, "");
    accepts(&color, &[(json!("#2490ef"), text("#2490ef"))]);
    refuses(&color, ProblemKind::Validation, &[json!("red"), json!("#12345"), json!("#12345g")]);
}

#[test]
fn choices_and_structures() {
    let select = field(Fieldtype::Select, "\nOpen\nIn Progress\n");
    accepts(&select, &[(json!(" Open "), text("Open")), (json!(""), text("")), (json!(null), Value::Null)]);
    refuses(&select, ProblemKind::Validation, &[json!("open"), json!("Closed"), json!(1)]);
    let message = accept(&select, &json!("Closed")).unwrap_err().1;
    assert_eq!(message, "Published On must be one of Open, In Progress, not `Closed`");
    accepts(&field(Fieldtype::Select, ""), &[(json!("anything"), text("anything"))]);
    let series = DocField { fieldname: "naming_series".to_owned(), ..field(Fieldtype::Select, "A-.##") };
    accepts(&series, &[(json!("B-.##"), text("B-.##"))]);

    let structure = field(Fieldtype::Json, "");
    accepts(
        &structure,
        &[
            (json!({"a": [1, null]}), text(r#"{"a":[1,null]}"#)),
            (json!("{ \"a\": 1 }"), text("{ \"a\": 1 }")),
            (json!([1]), text("[1]")),
            (json!(5), text("5")),
            (json!(""), Value::Null),
            (json!(null), Value::Null),
        ],
    );
    refuses(&structure, ProblemKind::Validation, &[json!("{a: 1}"), json!("[".repeat(100_000)), json!("{} x")]);
    refuses(&field(Fieldtype::Code, "JSON"), ProblemKind::Validation, &[json!("{")]);
    accepts(&field(Fieldtype::Code, "JSON"), &[(json!({"a": 1}), text(r#"{"a":1}"#)), (json!(""), text(""))]);
    accepts(&field(Fieldtype::Code, "Python"), &[(json!("x = {"), text("x = {"))]);
    refuses(&field(Fieldtype::Code, ""), ProblemKind::Validation, &[json!({"a": 1})]);
}

#[test]
fn stored_values_of_the_wrong_shape_are_found() {
    let wrong = [(Fieldtype::Int, text("12")), (Fieldtype::Data, Value::Int(1)), (Fieldtype::Float, text("x"))];
    for (fieldtype, value) in wrong {
        let field = field(fieldtype, "");
        assert_eq!(validate(&field, column(&field), &value).unwrap_err().0, ProblemKind::Type);
    }
    let date = field(Fieldtype::Date, "");
    for value in [text(""), text("soon")] {
        assert_eq!(validate(&date, column(&date), &value).unwrap_err().0, ProblemKind::InvalidDates);
    }
    let float = field(Fieldtype::Float, "");
    assert!(validate(&float, column(&float), &Value::Float(f64::NAN)).is_err());
}

#[test]
fn filters_are_read_by_column() {
    use ColumnType as C;
    let table = [
        (C::Int, json!("3"), Value::Int(3)),
        (C::SmallInt, json!("2"), Value::Int(2)),
        (C::SmallInt, json!(true), Value::Int(1)),
        (C::SmallInt, json!("on"), Value::Int(1)),
        (C::Decimal, json!("1.5"), Value::Float(1.5)),
        (C::Datetime, json!("2026-03-31"), text("2026-03-31 00:00:00.000000")),
        (C::Date, json!("2026-03-31"), text("2026-03-31")),
        (C::Varchar(140), json!(5), text("5")),
        (C::Varchar(140), json!(true), text("1")),
        (C::Json, json!({"a": 1}), text(r#"{"a":1}"#)),
        (C::Int, json!(null), Value::Null),
    ];
    for (column, input, expected) in table {
        assert_eq!(parse_for_column(column, &input, Zone::UTC), Ok(expected), "{column:?} {input}");
    }
    assert_eq!(
        parse_for_column(C::Date, &json!("soon"), Zone::UTC).unwrap_err(),
        "Value must be a date such as 2026-03-31, not `soon`"
    );
    assert!(parse_for_column(C::SmallInt, &json!("x"), Zone::UTC).is_err());
    assert!(parse_for_column(C::Varchar(140), &json!([1]), Zone::UTC).is_err());
}

#[test]
fn forms_send_text() {
    let notes = field(Fieldtype::SmallText, "");
    assert_eq!(parse_text(&notes, column(&notes), "a\r\nb"), Ok(text("a\nb")));
    let check = field(Fieldtype::Check, "");
    assert_eq!(parse_text(&check, column(&check), "on"), Ok(Value::Int(1)));
}

#[test]
fn people_read_values() {
    let table = [
        (field(Fieldtype::Check, ""), Value::Int(1), "Yes"),
        (field(Fieldtype::Check, ""), Value::Int(0), "No"),
        (field(Fieldtype::Float, ""), Value::Float(1200.50), "1200.5"),
        (DocField { precision: Some(2), ..field(Fieldtype::Currency, "") }, Value::Float(1.005_5), "1.01"),
        (field(Fieldtype::Percent, ""), Value::Float(12.0), "12%"),
        (field(Fieldtype::Rating, ""), Value::Float(0.6), "3/5"),
        (field(Fieldtype::Rating, "10"), Value::Float(0.65), "6.5/10"),
        (field(Fieldtype::Duration, ""), Value::Float(93_605.0), "1d 2h 5s"),
        (field(Fieldtype::Duration, ""), Value::Float(-60.0), "-1m"),
        (field(Fieldtype::Duration, ""), Value::Float(0.0), "0s"),
        (field(Fieldtype::Datetime, ""), text("2026-03-31 08:30:00.000000"), "2026-03-31 08:30:00"),
        (field(Fieldtype::Datetime, ""), text("2026-03-31 08:30:00.120000"), "2026-03-31 08:30:00.120000"),
        (field(Fieldtype::Date, ""), Value::Null, ""),
        (field(Fieldtype::Password, ""), text("secret"), "******"),
        (field(Fieldtype::Data, ""), text("as it is"), "as it is"),
    ];
    for (field, value, expected) in table {
        assert_eq!(display(&field, &value), expected, "{:?}", field.fieldtype);
    }
}

#[test]
fn messages_show_input_in_one_short_line() {
    let date = field(Fieldtype::Date, "");
    let message = accept(&date, &json!(format!("x\n{}", "y".repeat(500)))).unwrap_err().1;
    assert!(!message.contains('\n') && message.chars().count() < 120, "{message}");
}

fn any_json() -> impl Strategy<Value = Json> {
    let number = prop_oneof![
        any::<i64>().prop_map(Json::from),
        any::<u64>().prop_map(Json::from),
        any::<f64>().prop_map(Json::from),
    ];
    let written = prop_oneof![
        any::<String>(),
        "[0-9:. T+Z-]{0,30}",
        "[+-]?[0-9]{1,25}([.][0-9]{0,12})?(e[0-9]{1,3})?",
        "([0-9]{1,3}[dhms] ?){1,5}",
    ];
    let leaf = prop_oneof![Just(Json::Null), any::<bool>().prop_map(Json::from), number, written.prop_map(Json::from)];
    leaf.prop_recursive(3, 12, 4, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Json::from),
            proptest::collection::btree_map("[a-z]{1,3}", inner, 0..4)
                .prop_map(|map| Json::Object(map.into_iter().collect())),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    /// Whatever comes in: no panic, and what is accepted is accepted unchanged when it comes back.
    #[test]
    fn accepted_values_are_stable(
        index in 0..Fieldtype::ALL.len(),
        options in prop::sample::select(vec!["", "Email", "Phone", "URL", "Name", "JSON", "a\nb", "5"]),
        input in any_json(),
        unique in any::<bool>(),
    ) {
        let field = DocField { unique, ..field(Fieldtype::ALL[index].0, options) };
        let Some(column_type) = field.fieldtype.column_type(&field) else { return Ok(()) };
        let _ = parse_for_column(column_type, &input, Zone::UTC);
        match accept(&field, &input) {
            Ok(value) => {
                let _ = display(&field, &value);
                let again = accept(&field, &value.to_json());
                prop_assert_eq!(again, Ok(value));
            }
            Err((_, message)) => prop_assert!(message.starts_with("Published On ")),
        }
    }

    #[test]
    fn durations_read_what_they_show(seconds in -10_000_000_i32..10_000_000) {
        let field = field(Fieldtype::Duration, "");
        let shown = display(&field, &Value::Float(f64::from(seconds)));
        prop_assert_eq!(accept(&field, &json!(shown)), Ok(Value::Float(f64::from(seconds))));
    }
}
