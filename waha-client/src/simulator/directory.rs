//! Who is on WhatsApp, and under which ids: numbers, chat ids and hidden ids.
//!
//! Nothing here is stored for the many: the rules compute every number's chat id and hidden id,
//! so the simulator knows the whole world and still has bounded memory. Only exceptions are kept,
//! in [`RecipientScript`](super::RecipientScript)s.

use super::knobs::Knobs;

/// Hidden ids are numbers multiplied by this, modulo 10^15; it has no factor in common with ten,
/// so the step can be taken back.
const SCATTER: u128 = 726_411_593_280_417;
/// The other factor: `SCATTER * GATHER` leaves 1 modulo 10^15.
const GATHER: u128 = inverse(SCATTER);
const MODULUS: u128 = 1_000_000_000_000_000;

/// A chat id in the one form the simulator stores: no device part, `@c.us` for people, also for
/// those addressed by a hidden id that belongs to a known number.
pub(super) fn canonical_chat(knobs: &Knobs, chat_id: &str) -> String {
    let Some((user, server)) = chat_id.split_once('@') else {
        return format!("{chat_id}@c.us");
    };
    let user = user.split_once(':').map_or(user, |(user, _device)| user);
    match server {
        "lid" => number_of_lid(knobs, user)
            .map_or_else(|| format!("{user}@lid"), |number| format!("{number}@c.us")),
        "c.us" | "s.whatsapp.net" => format!("{user}@c.us"),
        _ => format!("{user}@{server}"),
    }
}

/// A person's chat id as the web socket engines write it inside.
pub(super) fn internal_jid(chat_id: &str) -> String {
    chat_id
        .strip_suffix("@c.us")
        .map_or_else(|| chat_id.to_owned(), |user| format!("{user}@s.whatsapp.net"))
}

/// The same chat under its hidden id, where it is a person's.
pub(super) fn lid_chat(knobs: &Knobs, chat: &str) -> String {
    chat.strip_suffix("@c.us")
        .map_or_else(|| chat.to_owned(), |number| format!("{}@lid", lid_of(knobs, number)))
}

pub(super) fn is_group(chat: &str) -> bool {
    chat.ends_with("@g.us")
}

/// The digits in a number however it is written; empty where there are none.
pub(super) fn digits(number: &str) -> String {
    let user = number.split_once('@').map_or(number, |(user, _server)| user);
    user.chars().filter(char::is_ascii_digit).collect()
}

/// The number under which WhatsApp knows a phone.
///
/// Brazil gave mobile numbers a ninth digit, and which form WhatsApp knows depends on when the
/// account was made; here it goes by area code (21 to 28 have the digit), so that both happen and
/// each can be foretold. Mexico's and Argentina's mobiles carry a 1 and a 9 that people leave out.
pub(super) fn registered_number(number: &str) -> String {
    let bytes = number.as_bytes();
    if number.starts_with("55") && number.len() >= 12 {
        let keeps_nine = (*b"21"..=*b"28").contains(&[bytes[2], bytes[3]]);
        let is_mobile = bytes[number.len() - 8] >= b'6';
        return match number.len() {
            13 if !keeps_nine && bytes[4] == b'9' => format!("{}{}", &number[..4], &number[5..]),
            12 if keeps_nine && is_mobile => format!("{}9{}", &number[..4], &number[4..]),
            _ => number.to_owned(),
        };
    }
    match (number.len(), number.get(..2)) {
        (12, Some("52")) => format!("521{}", &number[2..]),
        (12, Some("54")) => format!("549{}", &number[2..]),
        _ => number.to_owned(),
    }
}

/// The number as its script's key writes it.
pub(super) fn script_key(number: &str) -> String {
    registered_number(&digits(number))
}

/// What check-exists knows about a number.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Lookup {
    pub(super) exists: bool,
    pub(super) chat_id: Option<String>,
}

pub(super) fn look_up(knobs: &Knobs, number: &str) -> Lookup {
    let number = digits(number);
    let registered = registered_number(&number);
    // E.164 allows 15 digits, and no country has numbers of fewer than 7.
    if !(7..=15).contains(&number.len()) || number.starts_with('0') {
        return Lookup { exists: false, chat_id: None };
    }
    let script = knobs.recipients.get(&registered);
    if script.is_some_and(|script| !script.exists) {
        return Lookup { exists: false, chat_id: None };
    }
    let chat_id = match script {
        Some(script) if script.hides_chat_id => None,
        Some(script) if script.chat_id.is_some() => script.chat_id.clone(),
        _ => Some(format!("{registered}@c.us")),
    };
    Lookup { exists: true, chat_id }
}

/// The digits of a number's hidden id.
pub(super) fn lid_of(knobs: &Knobs, number: &str) -> String {
    let script = knobs.recipients.get(&registered_number(number));
    if let Some(lid) = script.and_then(|script| script.lid.as_deref()) {
        return digits(lid);
    }
    number
        .parse::<u128>()
        .map_or_else(|_| number.to_owned(), |n| format!("1{:015}", n % MODULUS * SCATTER % MODULUS))
}

/// The number behind a hidden id, where it is known.
pub(super) fn number_of_lid(knobs: &Knobs, lid: &str) -> Option<String> {
    let lid = digits(lid);
    let listed = knobs
        .recipients
        .iter()
        .find(|(_, script)| script.lid.as_deref().is_some_and(|listed| digits(listed) == lid));
    if let Some((number, _)) = listed {
        return Some(number.clone());
    }
    if lid.len() != 16 {
        return None;
    }
    let scattered: u128 = lid.strip_prefix('1')?.parse().ok()?;
    let number = (scattered * GATHER % MODULUS).to_string();
    // Real numbers are rarely longer than 13 digits, so nearly all invented ids stay unknown.
    (8..=13).contains(&number.len()).then_some(number)
}

/// The multiplicative inverse modulo 10^15, by Newton's iteration for the factors of two and of
/// five at once: each step doubles the digits that are right.
const fn inverse(number: u128) -> u128 {
    // The last digit first: 7 * 3 = 21, 3 * 7 = 21, 9 * 9 = 81, 1 * 1 = 1.
    let mut guess = match number % 10 {
        3 => 7,
        7 => 3,
        last => last,
    };
    let mut right_digits = 1;
    while right_digits < 15 {
        let error = (2 + MODULUS - number * guess % MODULUS) % MODULUS;
        guess = guess * error % MODULUS;
        right_digits *= 2;
    }
    guess
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simulator::RecipientScript;

    #[track_caller]
    fn registers(asked: &str, expected: &str) {
        assert_eq!(registered_number(asked), expected);
    }

    #[test]
    fn brazil_drops_the_ninth_digit_in_most_area_codes() {
        registers("5511988887777", "551188887777");
    }

    #[test]
    fn brazil_adds_the_ninth_digit_in_the_others() {
        registers("552188887777", "5521988887777");
    }

    #[test]
    fn brazilian_landlines_stay_as_they_are() {
        registers("552133334444", "552133334444");
    }

    #[test]
    fn mexico_and_argentina_get_their_extra_digit() {
        registers("525512345678", "5215512345678");
        registers("541112345678", "5491112345678");
    }

    #[test]
    fn other_numbers_stay_as_they_are() {
        registers("4915112345678", "4915112345678");
    }

    #[test]
    fn hidden_ids_lead_back_to_their_numbers() {
        let knobs = Knobs::default();
        for number in ["5511988887777", "12025550123", "4915112345678", "33612345678"] {
            let lid = lid_of(&knobs, number);
            assert_ne!(lid, number);
            assert_eq!(number_of_lid(&knobs, &lid).as_deref(), Some(number));
        }
    }

    #[test]
    fn an_invented_hidden_id_is_unknown() {
        assert_eq!(number_of_lid(&Knobs::default(), "199887766554433"), None);
    }

    #[test]
    fn a_listed_hidden_id_wins() {
        let mut knobs = Knobs::default();
        let script =
            RecipientScript { lid: Some("199887766554433@lid".into()), ..Default::default() };
        knobs.recipients.insert("12025550123".into(), script);
        assert_eq!(lid_chat(&knobs, "12025550123@c.us"), "199887766554433@lid");
        assert_eq!(canonical_chat(&knobs, "199887766554433@lid"), "12025550123@c.us");
    }

    #[test]
    fn device_parts_and_internal_servers_are_dropped() {
        let knobs = Knobs::default();
        assert_eq!(canonical_chat(&knobs, "12025550123:12@s.whatsapp.net"), "12025550123@c.us");
        assert_eq!(canonical_chat(&knobs, "1203630@g.us"), "1203630@g.us");
    }

    #[test]
    fn what_is_no_number_does_not_exist() {
        let knobs = Knobs::default();
        assert!(!look_up(&knobs, "abc").exists);
        assert!(!look_up(&knobs, "+0123456789").exists);
        assert!(look_up(&knobs, "+1 202 555 0123").exists);
    }
}
