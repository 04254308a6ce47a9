//! Finding a message's id in what a send answered: each engine puts it elsewhere.

use serde_json::Value;

use super::message::{MessageKey, RawMessageId};

/// The raw id of the message an answer is about; see [`key_of_answer`].
#[must_use]
pub fn raw_id_of_answer(answer: &Value) -> Option<RawMessageId> {
    key_of_answer(answer).map(|key| key.raw_id)
}

/// The id of the message an answer is about.
///
/// Looks in every place some version of some engine has put it. `None` where it is in none, as
/// with the empty answers of some versions: the id then comes with the `message.any` event of
/// source `api`.
///
/// | place | who answers so |
/// |---|---|
/// | `id`, a string | GOWS; polls and forwards of NOWEB |
/// | `id._serialized`, `id.$1`, `id.id` | WEBJS, WPP |
/// | `key.id` | NOWEB |
/// | `_data.id.id`, `_data.key.id`, `_data.Info.ID` | the same engines, wrapped |
#[must_use]
pub fn key_of_answer(answer: &Value) -> Option<MessageKey> {
    let data = &answer["_data"];
    of_text(&answer["id"])
        .or_else(|| of_object(&answer["id"]))
        .or_else(|| of_noweb_key(&answer["key"]))
        .or_else(|| of_object(&data["id"]))
        .or_else(|| of_noweb_key(&data["key"]))
        .or_else(|| of_text(&data["Info"]["ID"]))
}

fn of_text(text: &Value) -> Option<MessageKey> {
    MessageKey::parse_or_opaque(text.as_str()?)
}

/// `id` is the surest: `_serialized` of some versions ends in a participant. But only the full
/// form tells the chat, so it is preferred where it agrees.
fn of_object(id: &Value) -> Option<MessageKey> {
    let raw = of_text(&id["id"]);
    let full =
        ["_serialized", "$1"].iter().find_map(|name| MessageKey::parse(id[*name].as_str()?).ok());
    match (raw, full) {
        (Some(raw), Some(full)) if full.raw_id != raw.raw_id => Some(raw),
        (raw, full) => full.or(raw),
    }
}

fn of_noweb_key(key: &Value) -> Option<MessageKey> {
    let mut found = of_text(&key["id"])?;
    found.from_me = found.from_me.or_else(|| key["fromMe"].as_bool());
    let chat = |name: &str| key[name].as_str().and_then(|it| it.parse().ok());
    found.chat = found.chat.or_else(|| chat("remoteJid"));
    found.participant = found.participant.or_else(|| chat("participant"));
    Some(found)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[track_caller]
    fn check(answer: &Value, full: &str) {
        assert_eq!(key_of_answer(answer).map(|key| key.full()).as_deref(), Some(full));
    }

    #[test]
    fn every_place_is_looked_in() {
        check(&json!({"id": "true_1@c.us_3EB0", "_data": null}), "true_1@c.us_3EB0");
        check(&json!({"id": {"id": "3EB0"}}), "3EB0");
        check(&json!({"id": {"_serialized": "true_1@c.us_3EB0"}}), "true_1@c.us_3EB0");
        check(&json!({"id": {"$1": "true_1@c.us_3EB0"}}), "true_1@c.us_3EB0");
        check(&json!({"_data": {"id": {"id": "3EB0"}}}), "3EB0");
        check(&json!({"_data": {"key": {"id": "3EB0"}}}), "3EB0");
        check(&json!({"_data": {"Info": {"ID": "3EB0"}}}), "3EB0");
        check(
            &json!({"key": {"id": "3EB0", "fromMe": true, "remoteJid": "1@s.whatsapp.net"}}),
            "true_1@c.us_3EB0",
        );
    }

    #[test]
    fn a_participant_is_not_taken_for_the_raw_id() {
        let answer = json!({"id": {"_serialized": "true_1@g.us_3EB0_2@c.us", "id": "3EB0"}});
        check(&answer, "true_1@g.us_3EB0_2@c.us");
    }

    #[test]
    fn an_answer_without_an_id_gives_none() {
        for answer in
            [json!(null), json!({}), json!([]), json!("x"), json!({"id": ""}), json!({"id": 7})]
        {
            assert_eq!(raw_id_of_answer(&answer), None, "{answer}");
        }
    }
}
