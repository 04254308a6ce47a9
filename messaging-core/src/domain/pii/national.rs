//! What states number people by, with each state's check digits. Where a number has the form of any
//! other and one check digit, a word before it must say what it is.

use std::ops::Range;

use super::number::{Written, same};
use super::{begins_word, ends_word, is_named};

/// Numbers of digits alone.
pub(super) fn is_one(written: &Written<'_>) -> bool {
    let Written { text, start, digits, groups, separators, .. } = *written;
    if same(digits) {
        return false;
    }
    let named = |words: &[&str]| is_named(text, start, words);
    let d: Vec<u32> = digits.iter().map(|digit| u32::from(digit - b'0')).collect();
    let uniform = separators.windows(2).all(|pair| pair[0] == pair[1]);
    match (d.len(), groups) {
        // United States.
        (9, [3, 2, 4]) if uniform && matches!(separators, [b'-' | b' ', ..]) => ssn(&d),
        (9, [9]) if named(&["ssn", "social security"]) => ssn(&d),
        // The Netherlands.
        (9, [9] | [4, 2, 3] | [3, 3, 3]) => bsn(&d) && named(&["bsn", "burgerservice", "sofi"]),
        // Brazil: two check digits.
        (11, [3, 3, 3, 2]) if separators == [b'.', b'.', b'-'] => cpf(&d),
        (11, [11] | [9, 2]) => {
            (cpf(&d) && named(&["cpf"]))
                || (pesel(&d) && named(&["pesel"]))
                || (steuer_id(&d) && named(TAX_WORDS))
        }
        // Germany.
        (11, [2, 3, 3, 3]) => steuer_id(&d) && separators.iter().all(|it| *it == b' '),
        // India.
        (12, [4, 4, 4]) if uniform => aadhaar(&d) && matches!(separators, [b'-' | b' ', ..]),
        (12, [12]) => aadhaar(&d) && named(&["aadhaar", "aadhar", "uidai", "आधार"]),
        // France: two check digits over the rest, and a month within.
        (15, [15] | [1, 2, 2, 2, 3, 3, 2] | [13, 2]) => nir(&d),
        _ => false,
    }
}

const TAX_WORDS: &[&str] = &["steuer", "idnr", "id-nr", "tin", "identifikationsnummer"];

fn ssn(d: &[u32]) -> bool {
    let area = d[0] * 100 + d[1] * 10 + d[2];
    let group = d[3] * 10 + d[4];
    let serial = d[5..].iter().sum::<u32>();
    // The one on a wallet's sample card, and the one of an advertisement, are nobody's.
    let sample = matches!(d, [0, 7, 8, 0, 5, 1, 1, 2, 0] | [2, 1, 9, 0, 9, 9, 9, 9, 9]);
    area != 0 && area != 666 && area < 900 && group != 0 && serial != 0 && !sample
}

fn bsn(d: &[u32]) -> bool {
    let sum: u32 = d[..8].iter().zip((2..=9).rev()).map(|(digit, weight)| digit * weight).sum();
    sum >= d[8] && (sum - d[8]).is_multiple_of(11)
}

fn cpf(d: &[u32]) -> bool {
    let check = |count: usize| {
        let weights = (2..=u32::try_from(count).unwrap_or(0) + 1).rev();
        let sum: u32 = d[..count].iter().zip(weights).map(|(digit, weight)| digit * weight).sum();
        sum * 10 % 11 % 10
    };
    check(9) == d[9] && check(10) == d[10]
}

fn pesel(d: &[u32]) -> bool {
    let weights = [1, 3, 7, 9, 1, 3, 7, 9, 1, 3];
    let sum: u32 = d.iter().zip(weights).map(|(digit, weight)| digit * weight).sum();
    let (month, day) = ((d[2] * 10 + d[3]) % 20, d[4] * 10 + d[5]);
    (10 - sum % 10) % 10 == d[10] && (1..=12).contains(&month) && (1..=31).contains(&day)
}

/// ISO 7064, MOD 11,10; of the first ten digits one stands twice or three times.
fn steuer_id(d: &[u32]) -> bool {
    let product = d[..10].iter().fold(10, |product, digit| {
        let sum = (digit + product) % 10;
        (if sum == 0 { 10 } else { sum }) * 2 % 11
    });
    let mut counts = [0_u32; 10];
    for digit in &d[..10] {
        counts[*digit as usize] += 1;
    }
    let repeated: Vec<_> = counts.iter().filter(|count| **count > 1).collect();
    (11 - product) % 10 == d[10] && d[0] != 0 && matches!(repeated[..], [2 | 3])
}

fn nir(d: &[u32]) -> bool {
    let value =
        |digits: &[u32]| digits.iter().fold(0_u64, |value, digit| value * 10 + u64::from(*digit));
    let (month, key) = (d[3] * 10 + d[4], value(&d[13..]));
    matches!(d[0], 1 | 2 | 3 | 4 | 7 | 8)
        && matches!(month, 1..=12 | 20..=42 | 50..=99)
        && 97 - value(&d[..13]) % 97 == key
}

/// Verhoeff's scheme finds every wrong digit and every two that were exchanged.
fn aadhaar(d: &[u32]) -> bool {
    const PERMUTATION: [u32; 10] = [1, 5, 7, 6, 2, 8, 3, 0, 9, 4];
    let mut check = 0;
    for (place, digit) in d.iter().rev().enumerate() {
        let permuted = (0..place % 8).fold(*digit, |digit, _| PERMUTATION[digit as usize]);
        check = dihedral(check, permuted);
    }
    check == 0 && d[0] >= 2
}

/// The multiplication of the symmetries of a pentagon.
fn dihedral(a: u32, b: u32) -> u32 {
    match (a < 5, b < 5) {
        (true, true) => (a + b) % 5,
        (true, false) => 5 + (a + b - 5) % 5,
        (false, true) => 5 + (a - 5 + 5 - b) % 5,
        (false, false) => (a + 5 - b) % 5,
    }
}

/// The longest that is written with letters: Italy's.
const LONGEST: usize = 20;

/// Numbers with letters among them, each one word, or with spaces or hyphens in it.
pub(super) fn find_with_letters(text: &str) -> Vec<Range<usize>> {
    let bytes = text.as_bytes();
    let mut found: Vec<Range<usize>> = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        if !bytes[at].is_ascii_alphanumeric() || !begins_word(text, at) {
            at += 1;
            continue;
        }
        match from(text, at) {
            Some(end) => {
                found.push(at..end);
                at = end;
            }
            None => at += 1,
        }
    }
    found
}

fn from(text: &str, start: usize) -> Option<usize> {
    let bytes = text.as_bytes();
    let mut word = Vec::with_capacity(16);
    let mut longest = None;
    for (offset, byte) in bytes[start..].iter().take(LONGEST + 4).enumerate() {
        let next = bytes.get(start + offset + 1);
        if byte.is_ascii_alphanumeric() {
            word.push(byte.to_ascii_uppercase());
        } else if matches!(byte, b' ' | b'-' | b'.') && next.is_some_and(u8::is_ascii_alphanumeric)
        {
            continue;
        } else {
            break;
        }
        let end = start + offset + 1;
        if !ends_word(text, end) {
            continue;
        }
        let unbroken = word.len() == end - start;
        let is_one = match word.len() {
            9 => {
                (dni(&word) && has_no_space_but_before_the_last(&bytes[start..end])) || nino(&word)
            }
            16 => unbroken && codice_fiscale(&word),
            _ => false,
        };
        if is_one {
            longest = Some(end);
        }
    }
    longest
}

/// 12345678Z, 12345678-Z, X-1234567-L.
fn has_no_space_but_before_the_last(written: &[u8]) -> bool {
    written.iter().filter(|byte| !byte.is_ascii_alphanumeric()).count() <= 2
        && !written.contains(&b' ')
}

/// Spain: DNI, and NIE of foreigners.
fn dni(word: &[u8]) -> bool {
    let (number, letter) = word.split_at(8);
    let first = match number[0] {
        b'X' => b'0',
        b'Y' => b'1',
        b'Z' => b'2',
        digit => digit,
    };
    let digits: Vec<u8> = std::iter::once(first).chain(number[1..].iter().copied()).collect();
    if !digits.iter().all(u8::is_ascii_digit) {
        return false;
    }
    let value = digits.iter().fold(0_usize, |value, digit| value * 10 + usize::from(digit - b'0'));
    letter[0] == b"TRWAGMYFPDXBNJZSQVHLCKE"[value % 23] && !same(&digits)
}

/// United Kingdom: two letters, six digits, a letter from A to D.
fn nino(word: &[u8]) -> bool {
    let letters = word[..2].iter().all(u8::is_ascii_alphabetic)
        && !word[..2].iter().any(|letter| b"DFIQUV".contains(letter))
        && word[1] != b'O';
    let refused = [b"BG", b"GB", b"NK", b"KN", b"TN", b"NT", b"ZZ"];
    letters
        && !refused.iter().any(|prefix| word.starts_with(*prefix))
        && word[2..8].iter().all(u8::is_ascii_digit)
        && matches!(word[8], b'A'..=b'D')
}

/// Italy: letters of the name, the birth, the place, and a check letter.
fn codice_fiscale(word: &[u8]) -> bool {
    let digit = |byte: &u8| byte.is_ascii_digit() || b"LMNPQRSTUV".contains(byte);
    let form = word[..6].iter().all(u8::is_ascii_alphabetic)
        && word[6..8].iter().all(digit)
        && b"ABCDEHLMPRST".contains(&word[8])
        && word[9..11].iter().all(digit)
        && word[11].is_ascii_alphabetic()
        && word[12..15].iter().all(digit)
        && word[15].is_ascii_alphabetic();
    if !form {
        return false;
    }
    const ODD: [u32; 26] = [
        1, 0, 5, 7, 9, 13, 15, 17, 19, 21, 2, 4, 18, 20, 11, 3, 6, 8, 12, 14, 16, 10, 22, 25, 24,
        23,
    ];
    let value =
        |byte: u8| usize::from(if byte.is_ascii_digit() { byte - b'0' } else { byte - b'A' });
    let sum: u32 = word[..15]
        .iter()
        .enumerate()
        .map(|(place, byte)| {
            // The first place is an odd one.
            if place % 2 == 0 { ODD[value(*byte)] } else { value(*byte) as u32 }
        })
        .sum();
    u32::from(word[15] - b'A') == sum % 26
}
