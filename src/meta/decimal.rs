//! Arithmetic with numbers as they are written: 0.1 + 0.2 is 0.3, and half a cent is half a cent. Floats hold the numbers,
//! their shortest decimals are what is reckoned with; `templates/assets/desk/decimal.js` does the same in the form.

/// Floats hold every whole number up to this one.
const EXACT: f64 = 9_007_199_254_740_992.0;
/// How far apart the last places of two numbers may be; beyond, floats are as good.
const FARTHEST: u32 = 20;
/// From here on floats are so far apart that two of the shortest decimals can be equally near to one.
const TIES: f64 = 562_949_953_421_312.0;
/// The digits of a dividend.
const DIVIDEND: usize = 37;

/// `units` times ten to the power of `exponent`.
#[derive(Clone, Copy)]
struct Decimal {
    units: i128,
    exponent: i32,
}

impl Decimal {
    /// `None` if the number is not finite.
    fn of(number: f64) -> Option<Self> {
        if !number.is_finite() {
            return None;
        }
        let text = scientific(number);
        let (digits, exponent) = text.split_once('e')?;
        let places = digits.split_once('.').map_or(0, |(_, places)| places.len());
        let exponent = exponent.parse::<i32>().ok()? - i32::try_from(places).ok()?;
        Some(Self { units: digits.replace('.', "").parse().ok()?, exponent })
    }

    /// The nearest float.
    fn number(self) -> f64 {
        format!("{}e{}", self.units, self.exponent).parse().unwrap_or(f64::NAN)
    }
}

/// The shortest decimal that stands for a number, with an exponent. Of two that are equally near it is the even one, as in
/// JavaScript; below `TIES` there are no such two.
fn scientific(number: f64) -> String {
    let text = format!("{number:e}");
    if number.abs() < TIES {
        return text;
    }
    let even = || {
        let (digits, exponent) = text.trim_start_matches('-').split_once('e')?;
        let length = digits.len() - usize::from(digits.contains('.'));
        let exact = format!("{:.40e}", number.abs()).split_once('e')?.0.replace('.', "");
        let (kept, rest) = exact.split_at(length);
        let kept = kept.parse::<u64>().ok().filter(|_| rest.trim_end_matches('0') == "5")?;
        let mut digits = (kept + kept % 2).to_string();
        if length > 1 {
            digits.insert(1, '.');
        }
        let found = format!("{}{digits}e{exponent}", if number < 0.0 { "-" } else { "" });
        (found.parse() == Ok(number)).then_some(found)
    };
    even().unwrap_or(text)
}

/// A finite number as JavaScript writes it.
pub(crate) fn text(number: f64) -> String {
    let size = number.abs();
    if size != 0.0 && !(1e-6..1e21).contains(&size) {
        let text = scientific(number);
        return if text.contains("e-") { text } else { text.replace('e', "e+") };
    }
    if size < TIES {
        return (number + 0.0).to_string();
    }
    let text = scientific(number);
    let (digits, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let places = exponent.parse().unwrap_or(0_usize);
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    match fraction.get(places..).filter(|rest| !rest.is_empty()) {
        Some(rest) => format!("{whole}{}.{rest}", &fraction[..places]),
        None => format!("{whole}{fraction:0<places$}"),
    }
}

/// Both numbers in units of the last place of either, and its exponent.
fn aligned(a: f64, b: f64) -> Option<(i128, i128, i32)> {
    let (a, b) = (Decimal::of(a)?, Decimal::of(b)?);
    let exponent = a.exponent.min(b.exponent);
    let units = |number: Decimal| {
        let places = u32::try_from(number.exponent - exponent).ok().filter(|places| *places <= FARTHEST)?;
        number.units.checked_mul(10_i128.pow(places))
    };
    Some((units(a)?, units(b)?, exponent))
}

/// Whether floats say the same without rounding.
fn is_exact(a: f64, b: f64, result: f64) -> bool {
    a.fract() == 0.0 && b.fract() == 0.0 && result.abs() <= EXACT
}

/// `a + b`
pub(crate) fn add(a: f64, b: f64) -> f64 {
    let plain = a + b;
    if is_exact(a, b, plain) {
        return plain;
    }
    aligned(a, b).map_or(plain, |(a, b, exponent)| Decimal { units: a + b, exponent }.number())
}

/// `a - b`
pub(crate) fn subtract(a: f64, b: f64) -> f64 {
    add(a, -b)
}

/// `a * b`
pub(crate) fn multiply(a: f64, b: f64) -> f64 {
    let plain = a * b;
    if is_exact(a, b, plain) {
        return plain;
    }
    match (Decimal::of(a), Decimal::of(b)) {
        (Some(a), Some(b)) => Decimal { units: a.units * b.units, exponent: a.exponent + b.exponent }.number(),
        _ => plain,
    }
}

/// `a / b`; by zero as floats have it.
pub(crate) fn divide(a: f64, b: f64) -> f64 {
    let plain = a / b;
    if b == 0.0 || is_exact(a, b, plain) && plain.fract() == 0.0 {
        return plain;
    }
    let (Some(a), Some(b)) = (Decimal::of(a), Decimal::of(b)) else { return plain };
    let length = a.units.unsigned_abs().to_string().len();
    let places = u32::try_from(DIVIDEND - length.min(DIVIDEND)).unwrap_or(0);
    let units = a.units * 10_i128.pow(places) / b.units;
    Decimal { units, exponent: a.exponent - b.exponent - i32::try_from(places).unwrap_or(0) }.number()
}

/// What `a / b` leaves over, with the sign of `a`.
pub(crate) fn remainder(a: f64, b: f64) -> f64 {
    let plain = a % b;
    if b == 0.0 || is_exact(a, b, plain) {
        return plain;
    }
    aligned(a, b).map_or(plain, |(a, b, exponent)| Decimal { units: a % b, exponent }.number())
}

/// Rounded to so many places, a half to the even digit, as Frappe's banker's rounding does. Never -0, which databases cannot
/// tell from 0.
pub(crate) fn round(number: f64, places: i32) -> f64 {
    let Some(decimal) = Decimal::of(number) else { return number };
    let Ok(cut) = u32::try_from(-places - decimal.exponent) else { return number + 0.0 };
    // More digits than there are.
    if cut == 0 || cut > 37 {
        return if cut == 0 { number + 0.0 } else { 0.0 };
    }
    let unit = 10_i128.pow(cut);
    let (whole, rest) = (decimal.units / unit, (decimal.units % unit).abs() * 2);
    let away = rest > unit || rest == unit && whole % 2 != 0;
    let whole = if away { whole + decimal.units.signum() } else { whole };
    Decimal { units: whole, exponent: -places }.number() + 0.0
}

#[cfg(test)]
#[expect(clippy::float_cmp, reason = "exact results are the point")]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_reckoned_with_as_they_are_written() {
        assert_eq!(add(0.1, 0.2), 0.3);
        assert_eq!(subtract(0.3, 0.1), 0.2);
        assert_eq!(multiply(1.1, 3.0), 3.3);
        assert_eq!(divide(0.3, 0.1), 3.0);
        assert_eq!(divide(1.0, 3.0), 1.0 / 3.0);
        assert_eq!(remainder(0.3, 0.1), 0.0);
        assert_eq!(remainder(-7.5, 2.0), -1.5);
        assert_eq!(add(1e300, 1.0), 1e300);
        assert_eq!(divide(1.0, 0.0), f64::INFINITY);
        assert!(divide(0.0, 0.0).is_nan() && add(f64::NAN, 1.0).is_nan());
    }

    #[test]
    fn halves_go_to_the_even_digit() {
        let table = [
            (2.5, 0, 2.0),
            (3.5, 0, 4.0),
            (-2.5, 0, -2.0),
            (1.005, 2, 1.0),
            (1.015, 2, 1.02),
            (2.675, 2, 2.68),
            (1.23, 5, 1.23),
            (1234.0, -2, 1200.0),
            (0.000_000_000_4, 9, 0.0),
            (1e-60, 2, 0.0),
            (-0.001, 2, 0.0),
            (f64::MAX, 2, f64::MAX),
        ];
        for (number, places, rounded) in table {
            assert_eq!(round(number, places), rounded, "{number} to {places}");
            assert!(!round(number, places).is_sign_negative() || rounded < 0.0, "{number}");
        }
    }
}
