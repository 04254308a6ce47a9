//! What is kept of one person: to be shown, and to be let go of.

use crate::domain::address::{Address, RecipientKey};
use crate::domain::id::{InboxId, MessageId, TenantId};
use crate::domain::inbox::InboxEntry;
use crate::domain::message::Message;
use crate::domain::opt_out::{OptOut, OptOutRef};
use crate::gateway::error::GatewayError;
use crate::gateway::{Gateway, validation};

/// How many messages are looked at together.
const MESSAGES: u32 = 200;

/// How many webhooks, whosever they are, are looked at together.
const WEBHOOKS: u32 = 500;

/// How many portions of each one step takes.
const PORTIONS: u32 = 10;

/// How far what is kept of a person was let go of.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Erasure {
    /// Messages taken back, which waited for the person.
    pub cancelled: u64,
    /// Messages that say nothing any more.
    pub messages: u64,
    /// Messages that are being sent, and stay as they are until that is over.
    pub under_way: u64,
    /// Webhooks whose bodies are gone.
    pub webhooks: u64,
    /// Webhooks about the person that are still to be applied.
    pub webhooks_pending: u64,
    /// Whether the person stands on the list of those who want no messages, and stays there.
    pub opted_out: bool,
    /// Behind which webhook the next step goes on; `None` where all were looked at.
    pub next: Option<ErasureStep>,
}

/// Where an erasure goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErasureStep {
    /// With more messages.
    Messages,
    /// With the webhooks behind this one.
    Webhooks(InboxId),
}

impl Gateway {
    /// The address of a person by number, or by a hidden id.
    ///
    /// # Errors
    /// [`GatewayError::Invalid`], also for what is no person.
    pub fn person_named(&self, text: &str) -> Result<Address, GatewayError> {
        let address = validation::recipient("/phone", text, self.settings().phone_validation);
        let address = address.map_err(|wrong| GatewayError::Invalid(vec![wrong]))?;
        if address.is_person() {
            Ok(address)
        } else {
            Err(GatewayError::invalid("/phone", "must be a person, not a group or a channel"))
        }
    }

    /// A tenant's messages exchanged with a person behind this one, in order of id, at most 200, however
    /// the person's number is written in them.
    ///
    /// # Errors
    /// Where the store cannot be read.
    pub async fn messages_with(
        &self,
        tenant: TenantId,
        person: &Address,
        after: Option<MessageId>,
    ) -> Result<Vec<Message>, GatewayError> {
        let mut found = Vec::new();
        for spelling in person.spellings() {
            let persons = &self.ports().persons;
            found.extend(persons.messages_with(tenant, &spelling, after, MESSAGES).await?);
        }
        // What one of several spellings has behind the last that is given is found behind that.
        found.sort_unstable_by_key(|message| message.id);
        found.truncate(MESSAGES as usize);
        Ok(found)
    }

    /// A tenant's entry about a person on the list of those who want no messages.
    ///
    /// # Errors
    /// Where the store cannot be read.
    pub async fn opt_out_of(
        &self,
        tenant: TenantId,
        person: &Address,
    ) -> Result<Option<OptOut>, GatewayError> {
        let entry = OptOutRef::Address(person.line());
        Ok(self.ports().opt_outs.find(tenant, &entry).await?)
    }

    /// Of the next kept webhooks behind this one, a tenant's that name a person; and the last that was
    /// looked at, unless there is none left.
    ///
    /// # Errors
    /// Where the store cannot be read.
    pub async fn webhooks_about(
        &self,
        tenant: TenantId,
        person: &Address,
        after: Option<InboxId>,
    ) -> Result<(Vec<InboxEntry>, Option<InboxId>), GatewayError> {
        let seen = self.ports().persons.webhooks(tenant, after, WEBHOOKS).await?;
        let spellings = person.spellings();
        let is_about = |body: &[u8]| spellings.iter().any(|spelling| names(body, spelling));
        let about = seen.entries.into_iter().filter(|entry| is_about(&entry.payload));
        Ok((about.collect(), seen.reached))
    }

    /// Lets go of what is kept of a person, as much as one step may: takes back what waits for it,
    /// takes from messages what they say and with whom they were exchanged, and from webhooks their
    /// bodies. An entry on the list of those who want no messages stays: without it the person would
    /// be written to again.
    ///
    /// # Errors
    /// Where the store cannot be used; what was done by then stays done, and the same call goes on.
    pub async fn erase_person(
        &self,
        tenant: TenantId,
        person: &Address,
        step: ErasureStep,
    ) -> Result<Erasure, GatewayError> {
        let mut erasure = Erasure {
            opted_out: self.opt_out_of(tenant, person).await?.is_some(),
            ..Erasure::default()
        };
        let mut webhooks_after = match step {
            ErasureStep::Messages => {
                if !self.erase_messages(tenant, person, &mut erasure).await? {
                    erasure.next = Some(ErasureStep::Messages);
                    return Ok(erasure);
                }
                self.forget_chats_with(tenant, person).await?;
                None
            }
            ErasureStep::Webhooks(after) => Some(after),
        };
        for _ in 0..PORTIONS {
            let (about, reached) = self.webhooks_about(tenant, person, webhooks_after).await?;
            let ids: Vec<_> = about.iter().map(|entry| entry.id).collect();
            if !ids.is_empty() {
                let erased = self.ports().persons.erase_webhooks(tenant, &ids).await?;
                erasure.webhooks += erased;
                erasure.webhooks_pending += (ids.len() as u64).saturating_sub(erased);
            }
            let Some(reached) = reached else { return Ok(erasure) };
            webhooks_after = Some(reached);
        }
        erasure.next = webhooks_after.map(ErasureStep::Webhooks);
        Ok(erasure)
    }

    /// Whether all were looked at.
    async fn erase_messages(
        &self,
        tenant: TenantId,
        person: &Address,
        erasure: &mut Erasure,
    ) -> Result<bool, GatewayError> {
        let mut after = None;
        for _ in 0..PORTIONS {
            let found = self.messages_with(tenant, person, after).await?;
            after = found.last().map(|last| last.id);
            if after.is_none() {
                return Ok(true);
            }
            for waiting in found.iter().filter(|message| message.status.is_waiting()) {
                match self.cancel(tenant, waiting.id).await {
                    Ok(_) => erasure.cancelled += 1,
                    // It has moved meanwhile: it is being sent, or over.
                    Err(GatewayError::WrongStatus { .. } | GatewayError::MessageNotFound) => {}
                    Err(error) => return Err(error),
                }
            }
            let ids: Vec<_> = found.iter().map(|message| message.id).collect();
            let erased = self.ports().persons.erase_messages(tenant, &ids).await?;
            erasure.messages += erased;
            erasure.under_way += (ids.len() as u64).saturating_sub(erased);
        }
        Ok(false)
    }

    async fn forget_chats_with(
        &self,
        tenant: TenantId,
        person: &Address,
    ) -> Result<(), GatewayError> {
        let sessions = self.ports().sessions.list(tenant).await?;
        let pseudonyms = &self.settings().pseudonyms;
        let spellings = person.spellings();
        // Also those of before there was a key.
        let keys = |session| {
            spellings.iter().flat_map(move |person| {
                [Some(RecipientKey::of(session, person)), pseudonyms.recipient(session, person)]
            })
        };
        let chats: Vec<_> = sessions
            .iter()
            .flat_map(|session| keys(session.id).flatten().map(|key| (session.id, key)))
            .collect();
        Ok(self.ports().persons.forget_chats(&chats).await?)
    }
}

/// Whether a webhook's body names a person: its digits stand in it, and no more digits beside them.
fn names(body: &[u8], person: &Address) -> bool {
    let named = person.as_str().trim_start_matches('+');
    let digits = named.split('@').next().unwrap_or(named).as_bytes();
    if digits.is_empty() {
        return false;
    }
    body.windows(digits.len()).enumerate().any(|(at, window)| {
        let is_digit =
            |at: Option<usize>| at.and_then(|at| body.get(at)).is_some_and(u8::is_ascii_digit);
        window == digits && !is_digit(at.checked_sub(1)) && !is_digit(Some(at + digits.len()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(body: &str, person: &str, expected: bool) {
        assert_eq!(names(body.as_bytes(), &Address::from_stored(person)), expected, "{body}");
    }

    #[test]
    fn a_body_names_a_person_by_its_digits_and_no_others() {
        let person = "+5511988887777";
        check(r#"{"from":"5511988887777@c.us"}"#, person, true);
        check(r#"{"id":"false_5511988887777@c.us_3EB0"}"#, person, true);
        check("5511988887777", person, true);
        check(r#"{"from":"15511988887777@c.us"}"#, person, false);
        check(r#"{"from":"55119888877770@c.us"}"#, person, false);
        check("155119888877770 and 5511988887777:3", person, true);
        check("", person, false);
        check(r#"{"from":"199887766554433@lid"}"#, "199887766554433@lid", true);
    }
}
