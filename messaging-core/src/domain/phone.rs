//! Telephone numbers in international form (E.164).

use std::fmt;

use serde::{Deserialize, Serialize};

/// A number in E.164: a plus sign, a country calling code and the national number, 15 digits at
/// the most. Debug shows none of its digits.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PhoneNumber(String);

/// How strictly a number is judged before a message to it is accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum PhoneValidation {
    /// A plus sign and 7 to 15 digits, whatever they are.
    Lenient,
    /// A plus sign, a country calling code that is in use, 7 to 15 digits in all.
    #[default]
    E164,
    /// As `E164`, and libphonenumber holds the number to be one that can be assigned.
    Strict,
}

/// Why a text is no telephone number we would send to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidPhone {
    /// It does not begin with a plus sign.
    #[error(
        "must be in international form: a plus sign, the country code and the number, such as +14155550123"
    )]
    NoPlus,
    /// Something other than digits follows the plus sign.
    #[error("may hold only digits after the plus sign: no spaces, brackets or dashes")]
    NotDigits,
    /// Fewer than 7 or more than 15 digits.
    #[error("must have 7 to 15 digits after the plus sign")]
    Length,
    /// No country has this calling code.
    #[error("does not begin with a country calling code that is in use")]
    CountryCode,
    /// libphonenumber holds that this number cannot be assigned.
    #[error("is not a number that can be assigned in its country")]
    NotAssignable,
}

impl PhoneNumber {
    /// Reads a number in international form.
    ///
    /// # Errors
    /// [`InvalidPhone`], whose text completes the sentence "the number …" and repeats no digit.
    pub fn parse(text: &str, validation: PhoneValidation) -> Result<Self, InvalidPhone> {
        let digits = text.strip_prefix('+').ok_or(InvalidPhone::NoPlus)?;
        if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(InvalidPhone::NotDigits);
        }
        if !(7..=15).contains(&digits.len()) {
            return Err(InvalidPhone::Length);
        }
        let number = Self(text.to_owned());
        if validation != PhoneValidation::Lenient && number.calling_code().is_none() {
            return Err(InvalidPhone::CountryCode);
        }
        if validation == PhoneValidation::Strict {
            let parsed = phonenumber::parse(None, text).map_err(|_| InvalidPhone::NotAssignable)?;
            if !phonenumber::is_valid(&parsed) {
                return Err(InvalidPhone::NotAssignable);
            }
        }
        Ok(number)
    }

    /// A number from the digits a provider names a person by; `None` when they cannot be one.
    pub fn from_digits(digits: &str) -> Option<Self> {
        Self::parse(&format!("+{digits}"), PhoneValidation::Lenient).ok()
    }

    /// The number with its plus sign.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The number without its plus sign.
    pub fn digits(&self) -> &str {
        &self.0[1..]
    }

    /// The same line as WhatsApp's users write it, where their country has two ways: mobiles of Brazil
    /// with the ninth digit that came in 2012, of Mexico without the `1` that went in 2019, of Argentina
    /// with their `9`. WhatsApp names the same account by either.
    #[must_use]
    pub fn line(&self) -> Self {
        let digits = self.digits();
        let national = |from: usize| digits.get(from..).unwrap_or_default();
        let line = match digits.get(..2) {
            Some("55") if digits.len() == 12 && national(4).starts_with(['6', '7', '8', '9']) => {
                format!("+{}9{}", &digits[..4], national(4))
            }
            Some("52") if digits.len() == 13 && national(2).starts_with('1') => {
                format!("+52{}", national(3))
            }
            Some("54") if digits.len() == 12 && !national(2).starts_with('9') => {
                format!("+549{}", national(2))
            }
            _ => return self.clone(),
        };
        Self(line)
    }

    /// Every way in which the same line is written, this one first.
    pub fn spellings(&self) -> Vec<Self> {
        let line = self.line();
        let digits = line.digits();
        let other = match digits.get(..2) {
            Some("55") if digits.len() == 13 && digits[4..].starts_with('9') => {
                format!("+{}{}", &digits[..4], &digits[5..])
            }
            Some("52") if digits.len() == 12 => format!("+521{}", &digits[2..]),
            Some("54") if digits.len() == 13 && digits[2..].starts_with('9') => {
                format!("+54{}", &digits[3..])
            }
            _ => return vec![self.clone()],
        };
        let other = Self(other);
        // Where the other form is no form of this line, there is just this one.
        if other.line() != line {
            return vec![self.clone()];
        }
        if *self == line { vec![line, other] } else { vec![other, line] }
    }

    /// The country calling code, such as 49; `None` when none in use begins the number.
    pub fn calling_code(&self) -> Option<u16> {
        // No calling code begins with 0, and "098" read as a number would be Iran's 98. They are
        // prefix-free, so at most one length can match.
        (1..=3).find_map(|length| {
            let digits = self.digits().get(..length)?;
            let code: u16 = digits.parse().ok().filter(|_| !digits.starts_with('0'))?;
            phonenumber::metadata::DATABASE.region(&code).is_some().then_some(code)
        })
    }
}

impl fmt::Debug for PhoneNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PhoneNumber(hidden)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(validation: PhoneValidation, text: &str, expected: Result<(), InvalidPhone>) {
        assert_eq!(PhoneNumber::parse(text, validation).map(|_| ()), expected, "{text}");
    }

    #[test]
    fn a_line_has_one_form_however_it_is_written() {
        let check = |written: &str, line: &str, spellings: &[&str]| {
            let number = PhoneNumber::parse(written, PhoneValidation::Lenient).unwrap();
            assert_eq!(number.line().as_str(), line);
            let known = number.spellings();
            assert_eq!(known.iter().map(PhoneNumber::as_str).collect::<Vec<_>>(), spellings);
        };
        check("+551188887700", "+5511988887700", &["+551188887700", "+5511988887700"]);
        check("+5511988887700", "+5511988887700", &["+5511988887700", "+551188887700"]);
        check("+5215512345678", "+525512345678", &["+5215512345678", "+525512345678"]);
        check("+525512345678", "+525512345678", &["+525512345678", "+5215512345678"]);
        check("+541123456789", "+5491123456789", &["+541123456789", "+5491123456789"]);
        check("+5491123456789", "+5491123456789", &["+5491123456789", "+541123456789"]);
        // A landline of São Paulo, a mobile whose ninth digit is its own, and other countries.
        check("+551133334444", "+551133334444", &["+551133334444"]);
        check("+5511933334444", "+5511933334444", &["+5511933334444"]);
        check("+14155550123", "+14155550123", &["+14155550123"]);
        check("+5512345", "+5512345", &["+5512345"]);
    }

    proptest::proptest! {
        #[test]
        fn all_spellings_of_a_line_agree(digits in "5[245][0-9]{5,13}") {
            let number = PhoneNumber::from_digits(&digits).unwrap();
            let spellings = number.spellings();
            proptest::prop_assert_eq!(&spellings[0], &number);
            for spelling in &spellings {
                proptest::prop_assert_eq!(spelling.line(), number.line());
                proptest::prop_assert_eq!(spelling.spellings().len(), spellings.len());
            }
        }
    }

    #[test]
    fn a_number_needs_a_plus_sign_and_nothing_but_digits() {
        use PhoneValidation::E164;
        check(E164, "+1234567890", Ok(()));
        check(E164, "1234567890", Err(InvalidPhone::NoPlus));
        check(E164, "", Err(InvalidPhone::NoPlus));
        check(E164, "+", Err(InvalidPhone::Length));
        check(E164, "+1 (234) 567-8900", Err(InvalidPhone::NotDigits));
        check(E164, "+49\u{661}23456789", Err(InvalidPhone::NotDigits));
    }

    #[test]
    fn a_number_has_seven_to_fifteen_digits() {
        use PhoneValidation::E164;
        check(E164, "+1", Err(InvalidPhone::Length));
        check(E164, "+491234", Err(InvalidPhone::Length));
        check(E164, "+4912345", Ok(()));
        check(E164, "+491234567890123", Ok(()));
        check(E164, "+4912345678901234", Err(InvalidPhone::Length));
    }

    #[test]
    fn a_country_must_have_the_calling_code() {
        check(PhoneValidation::E164, "+0987654321", Err(InvalidPhone::CountryCode));
        check(PhoneValidation::E164, "+9991234567", Err(InvalidPhone::CountryCode));
        check(PhoneValidation::Lenient, "+0987654321", Ok(()));
    }

    #[test]
    fn strict_asks_whether_the_number_can_be_assigned() {
        check(PhoneValidation::Strict, "+1234567890", Err(InvalidPhone::NotAssignable));
        check(PhoneValidation::Strict, "+14155552671", Ok(()));
        check(PhoneValidation::Strict, "+5511988887777", Ok(()));
    }

    #[test]
    fn the_calling_code_is_told_from_the_number() {
        for (text, code) in [("+14155552671", 1), ("+491711234567", 49), ("+351912345678", 351)] {
            let number = PhoneNumber::parse(text, PhoneValidation::E164).unwrap();
            assert_eq!(number.calling_code(), Some(code));
        }
    }

    #[test]
    fn debug_shows_no_digit() {
        let number = PhoneNumber::from_digits("14155552671").unwrap();
        assert!(!format!("{number:?}").contains(|c: char| c.is_ascii_digit()));
    }
}
