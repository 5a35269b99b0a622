//! Which of a language's plural forms a number takes.

use intl_pluralrules::{PluralCategory, PluralRuleType, PluralRules};

/// The order in which PO files list the forms.
const ORDER: [PluralCategory; 6] = [
    PluralCategory::ZERO,
    PluralCategory::ONE,
    PluralCategory::TWO,
    PluralCategory::FEW,
    PluralCategory::MANY,
    PluralCategory::OTHER,
];

/// The plural forms of a language (CLDR), in the order of PO files.
#[derive(Debug)]
pub(super) struct Plurals {
    /// By the number itself, from 0 to 999; greater numbers go by their last three digits.
    forms: Vec<usize>,
}

impl Plurals {
    /// Those of a language; of one that is not known, one and more.
    pub(super) fn of(code: &str) -> Self {
        let rules = code
            .parse()
            .ok()
            .and_then(|id| PluralRules::create::<unic_langid::LanguageIdentifier>(id, PluralRuleType::CARDINAL).ok());
        let category = |number: usize| match &rules {
            Some(rules) => rules.select(number).unwrap_or(PluralCategory::OTHER),
            None if number == 1 => PluralCategory::ONE,
            None => PluralCategory::OTHER,
        };
        let categories: Vec<PluralCategory> = (0..1000).map(category).collect();
        let used: Vec<PluralCategory> = ORDER.into_iter().filter(|form| categories.contains(form)).collect();
        let place = |category: &PluralCategory| used.iter().position(|form| form == category).unwrap_or_default();
        Self { forms: categories.iter().map(place).collect() }
    }

    /// The place of the form for a number as people read it, such as `10,000+`, among that many.
    pub(super) fn form_of(&self, number: &str, forms: usize) -> usize {
        let digits: String = number.chars().filter(char::is_ascii_digit).collect();
        // Numbers above 999 follow their end, but are never one, two or few themselves.
        let end = digits.len().saturating_sub(3);
        let number: usize = digits[end..].parse().unwrap_or_default();
        let number = if end > 0 && number < 100 { number + 100 } else { number };
        self.forms.get(number).copied().unwrap_or_default().min(forms.saturating_sub(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_take_the_forms_of_the_language() {
        let forms = |code: &str, numbers: &[&str]| -> Vec<usize> {
            let plurals = Plurals::of(code);
            numbers.iter().map(|number| plurals.form_of(number, 6)).collect()
        };
        assert_eq!(forms("de", &["0", "1", "2", "10,000+", "1001"]), [1, 0, 1, 1, 1]);
        assert_eq!(forms("ar", &["0", "1", "2", "3", "11", "100"]), [0, 1, 2, 3, 4, 5]);
        assert_eq!(forms("ja", &["0", "1", "7"]), [0, 0, 0]);
    }
}
