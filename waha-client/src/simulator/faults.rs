//! What can go wrong with a send, and the rules that say with which one it does.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::dice::Dice;
use super::directory;
use super::knobs::Knobs;
use crate::redaction::debug_shows;

/// Something that goes wrong with a send.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "camelCase", rename_all_fields = "camelCase")]
#[non_exhaustive]
pub enum Fault {
    /// 500 with this exception.
    Thrown {
        /// The exception's message.
        #[serde(default = "something_broke")]
        message: String,
    },
    /// 500 with `463`: the account may not start this chat.
    Restricted,
    /// 500 with `rate-overlimit`.
    RateOverlimit,
    /// 500 as for a body over the limit.
    TooLarge,
    /// 502 with a page of HTML, as from a proxy before WAHA.
    BadGateway,
    /// 422: the session is said to be STARTING.
    NotWorking,
    /// 422: the session is said not to exist.
    SessionMissing,
    /// 400 of validation.
    Invalid,
    /// 401.
    Unauthorized,
    /// 403.
    Forbidden,
    /// 501.
    NotImplemented,
    /// The connection is closed without an answer, and nothing is sent.
    Dropped,
    /// The message is sent, but the connection is closed without an answer.
    AnswerLost,
    /// The message is sent, but the answer comes only after this time.
    AnswerLate {
        /// How long the caller waits.
        after_ms: u64,
    },
    /// The message is accepted, and fails after this time with ack -1.
    FailsLate {
        /// Time from the acceptance.
        #[serde(default)]
        after_ms: u64,
    },
    /// The message is accepted, and nothing is heard of it again.
    NeverAcked,
}

fn something_broke() -> String {
    "Evaluation failed: something broke".to_owned()
}

impl Fault {
    /// 500 with this exception.
    pub fn thrown(message: impl Into<String>) -> Self {
        Self::Thrown { message: message.into() }
    }

    /// Whether the message reaches WhatsApp all the same.
    #[must_use]
    pub const fn is_sent(&self) -> bool {
        matches!(self, Self::AnswerLost | Self::AnswerLate { .. } | Self::NeverAcked)
    }
}

/// Which sends something goes wrong with.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct FaultRule {
    /// What goes wrong.
    pub fault: Fault,
    /// With how many sends it still does; null for all.
    #[serde(default)]
    pub times: Option<u32>,
    /// How likely it does with each, from 0 to 1.
    #[serde(default = "certain")]
    pub chance: f64,
    /// Only with sends of this session.
    #[serde(default)]
    pub session: Option<String>,
    /// Only with sends to this number.
    #[serde(default)]
    pub recipient: Option<String>,
}

const fn certain() -> f64 {
    1.0
}

debug_shows!(FaultRule { fault, times, chance, session });

impl FaultRule {
    /// Goes wrong with every send.
    #[must_use]
    pub const fn always(fault: Fault) -> Self {
        Self { fault, times: None, chance: 1.0, session: None, recipient: None }
    }

    /// Goes wrong with the next few sends.
    #[must_use]
    pub fn next(times: u32, fault: Fault) -> Self {
        Self { times: Some(times), ..Self::always(fault) }
    }

    /// The same, but only in one session.
    #[must_use]
    pub fn in_session(mut self, session: impl Into<String>) -> Self {
        self.session = Some(session.into());
        self
    }

    /// The same, but only to one number.
    #[must_use]
    pub fn to(mut self, number: impl Into<String>) -> Self {
        self.recipient = Some(number.into());
        self
    }

    fn fits(&self, session: &str, chat: &str, dice: &Dice) -> bool {
        self.times != Some(0)
            && self.session.as_deref().is_none_or(|only| only == session)
            && self
                .recipient
                .as_deref()
                .is_none_or(|only| directory::script_key(only) == directory::script_key(chat))
            && dice.happens(self.chance)
    }
}

/// Takes the fault due for one send, counting it off. A recipient's own script goes first.
pub(super) fn take_fault(
    knobs: &mut Arc<Knobs>,
    session: &str,
    chat: &str,
    dice: &Dice,
) -> Option<Fault> {
    if let Some(script) = knobs.recipient(chat)
        && let Some(fault) = script.fault.clone()
        && script.fault_times != Some(0)
    {
        // Copying the knobs is the exception: it happens only while rules are counted down.
        if script.fault_times.is_some()
            && let Some(script) =
                Arc::make_mut(knobs).recipients.get_mut(&directory::script_key(chat))
        {
            script.fault_times = script.fault_times.map(|left| left.saturating_sub(1));
        }
        return Some(fault);
    }
    let place = knobs.faults.iter().position(|rule| rule.fits(session, chat, dice))?;
    let fault = knobs.faults[place].fault.clone();
    if let Some(left) = knobs.faults[place].times {
        let rules = &mut Arc::make_mut(knobs).faults;
        rules[place].times = Some(left.saturating_sub(1));
        rules.retain(|rule| rule.times != Some(0));
    }
    Some(fault)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simulator::RecipientScript;

    const CHAT: &str = "12025550123@c.us";

    fn take(knobs: &mut Arc<Knobs>, chat: &str) -> Option<Fault> {
        take_fault(knobs, "main", chat, &Dice::new(1))
    }

    #[test]
    fn a_rule_is_used_up() {
        let rule = FaultRule::next(2, Fault::RateOverlimit);
        let mut knobs = Arc::new(Knobs { faults: vec![rule], ..Knobs::default() });
        assert_eq!(take(&mut knobs, CHAT), Some(Fault::RateOverlimit));
        assert_eq!(take(&mut knobs, CHAT), Some(Fault::RateOverlimit));
        assert_eq!(take(&mut knobs, CHAT), None);
        assert!(knobs.faults.is_empty());
    }

    #[test]
    fn a_rule_for_another_session_does_not_fit() {
        let rule = FaultRule::always(Fault::Invalid).in_session("other");
        let mut knobs = Arc::new(Knobs { faults: vec![rule], ..Knobs::default() });
        assert_eq!(take(&mut knobs, CHAT), None);
    }

    #[test]
    fn a_rule_for_one_number_spares_the_others() {
        let rule = FaultRule::always(Fault::Invalid).to("+1 202 555 0123");
        let mut knobs = Arc::new(Knobs { faults: vec![rule], ..Knobs::default() });
        assert_eq!(take(&mut knobs, "12025550199@c.us"), None);
        assert_eq!(take(&mut knobs, CHAT), Some(Fault::Invalid));
    }

    #[test]
    fn a_recipient_fails_as_often_as_its_script_says() {
        let mut knobs = Knobs::default();
        let script = RecipientScript::times(Fault::thrown("no"), 1);
        knobs.recipients.insert("12025550123".into(), script);
        let mut knobs = Arc::new(knobs);
        assert_eq!(take(&mut knobs, CHAT), Some(Fault::thrown("no")));
        assert_eq!(take(&mut knobs, CHAT), None);
    }

    #[test]
    fn faults_read_as_json() {
        let rule: FaultRule =
            serde_json::from_str(r#"{"fault":{"kind":"failsLate","afterMs":5},"times":1}"#)
                .unwrap();
        assert_eq!(rule, FaultRule::next(1, Fault::FailsLate { after_ms: 5 }));
    }
}
