//! Who wants no messages: the list, and what follows from being on it.

use crate::domain::address::Address;
use crate::domain::failure::{Failure, FailureCode};
use crate::domain::id::{OptOutId, TenantId};
use crate::domain::message::{ChangeOutcome, Message, MessageRef, StatusChange};
use crate::domain::opt_out::{MAX_NOTE_CHARS, OptOut, OptOutRef, OptOutSource};
use crate::domain::portion::{Page, PortionBy};
use crate::domain::status::StatusEvent;
use crate::domain::text_safety::TextUse;
use crate::domain::timestamp::Timestamp;
use crate::gateway::cancel::moved;
use crate::gateway::error::{GatewayError, InvalidField};
use crate::gateway::recent::Recent;
use crate::gateway::{Gateway, query, validation};
use crate::ports::observer::{ListChange, Observation};

/// How many messages are ended together.
const PORTION: u32 = 500;

/// Of tenants whose lists were looked at a moment ago, whether they were empty, as most are. That is
/// believed where messages are accepted; where they are sent, the list is looked at.
pub(crate) type EmptyLists = Recent<TenantId, bool>;

impl Gateway {
    /// Puts somebody on a tenant's list: no message to them is accepted, and none that waits is
    /// sent, through whichever of the tenant's sessions. What is under way goes on. Who is on the
    /// list already stays there as they are. Gives the entry, and whether it is new.
    ///
    /// # Errors
    /// [`GatewayError::Invalid`] names what is wrong.
    pub async fn opt_out(
        &self,
        tenant: TenantId,
        number: &str,
        note: Option<String>,
    ) -> Result<(OptOut, bool), GatewayError> {
        let address = self.person("/number", number);
        let note_is_wrong = note.as_deref().and_then(wrong_note);
        let address = match (address, note_is_wrong) {
            (Ok(address), None) => address,
            (address, note) => {
                return Err(GatewayError::Invalid(address.err().into_iter().chain(note).collect()));
            }
        };
        let (since, id) = self.inner.ids.draw();
        let (id, source) = (OptOutId(id), OptOutSource::Api);
        let asked = OptOut { id, tenant, address, since, source, words: None, message: None, note };
        let added = self.ports().opt_outs.add(&asked).await;
        self.inner.empty_lists.forget(&tenant);
        let (kept, is_new) = added?;
        if is_new {
            self.observe(Observation::OptOut { change: ListChange::Added, source });
        }
        // Also where it is not: whoever put it there may not have come to this.
        self.end_what_waits_for(tenant, &kept.address).await?;
        Ok((kept, is_new))
    }

    /// Takes somebody from a tenant's list, by the entry's id or by whom it is about. What was ended
    /// because of it stays so. Gives the entry.
    ///
    /// # Errors
    /// [`GatewayError::OptOutNotFound`], also for another tenant's; [`GatewayError::Invalid`].
    pub async fn take_opt_out_back(
        &self,
        tenant: TenantId,
        entry: &str,
    ) -> Result<OptOut, GatewayError> {
        let entry = self.opt_out_named(entry)?;
        let removed = self.ports().opt_outs.remove(tenant, &entry).await?;
        let removed = removed.ok_or(GatewayError::OptOutNotFound)?;
        let (change, source) = (ListChange::Removed, OptOutSource::Api);
        self.observe(Observation::OptOut { change, source });
        Ok(removed)
    }

    /// One entry of a tenant's list, by its id or by whom it is about.
    ///
    /// # Errors
    /// As [`take_opt_out_back`](Self::take_opt_out_back).
    pub async fn find_opt_out(
        &self,
        tenant: TenantId,
        entry: &str,
    ) -> Result<OptOut, GatewayError> {
        let entry = self.opt_out_named(entry)?;
        let found = self.ports().opt_outs.find(tenant, &entry).await?;
        found.ok_or(GatewayError::OptOutNotFound)
    }

    /// A tenant's list, newest first; of one number alone where that is given.
    ///
    /// # Errors
    /// [`GatewayError::Invalid`], whose pointers are the names of the query's parameters.
    pub async fn list_opt_outs(
        &self,
        tenant: TenantId,
        number: Option<&str>,
        portion: PortionBy<OptOutId>,
    ) -> Result<Page<OptOut>, GatewayError> {
        query::check_portion(portion.page(), portion.limit())?;
        let Some(number) = number else {
            return Ok(self.ports().opt_outs.list(tenant, portion).await?);
        };
        let address =
            self.person("/number", number).map_err(|wrong| GatewayError::Invalid(vec![wrong]))?;
        let found = self.ports().opt_outs.find(tenant, &OptOutRef::Address(address)).await?;
        let total = u64::from(found.is_some());
        let is_before = |entry: &OptOut| {
            portion.skipped() > 0 || portion.last().is_some_and(|last| entry.id >= *last)
        };
        let items = found.into_iter().filter(|entry| !is_before(entry)).collect();
        Ok(Page { items, total, has_more: false })
    }

    fn opt_out_named(&self, entry: &str) -> Result<OptOutRef, GatewayError> {
        if let Ok(id) = entry.parse() {
            return Ok(OptOutRef::Id(id));
        }
        let address = self.person("/id", entry);
        address.map(OptOutRef::Address).map_err(|_| {
            GatewayError::invalid("/id", "must be the id of an entry, a number or a chat id")
        })
    }

    fn person(&self, pointer: &str, text: &str) -> Result<Address, InvalidField> {
        let person = validation::recipient(pointer, text, self.settings().phone_validation);
        // A list has each line once, however it is written.
        person.map(|person| person.line())
    }

    /// Whether a message to this recipient is not to be sent.
    pub(crate) async fn has_opted_out(
        &self,
        tenant: TenantId,
        to: &Address,
    ) -> Result<bool, GatewayError> {
        let told = self.ports().opt_outs.opted_out(tenant, &[to.line()]).await?;
        Ok(told.first().copied().unwrap_or(false))
    }

    /// Whether no message to this recipient is to be accepted, as far as is known: what another node
    /// has just put on an empty list may not be yet.
    pub(super) async fn is_to_be_refused(
        &self,
        tenant: TenantId,
        to: &Address,
    ) -> Result<bool, GatewayError> {
        let empty = &self.inner.empty_lists;
        let now = self.ports().clock.now();
        let known = empty.get(&tenant, now);
        if known == Ok(true) {
            return Ok(false);
        }
        let is_on_it = self.has_opted_out(tenant, to).await?;
        if let Err(changes) = known {
            // To count a list is dear, so it is done once for many messages.
            let is_empty = !is_on_it && {
                let first = PortionBy::Page { page: 1, limit: 1 };
                self.ports().opt_outs.list(tenant, first).await?.total == 0
            };
            empty.remember(tenant, is_empty, now, changes);
        }
        Ok(is_on_it)
    }

    /// Of each of these, whether no message to it is to be sent; where an instant is given, whether it
    /// was so then.
    pub(super) async fn who_opted_out(
        &self,
        tenant: TenantId,
        addresses: &[Address],
        by: Option<Timestamp>,
    ) -> Result<Vec<bool>, GatewayError> {
        let opt_outs = &self.ports().opt_outs;
        let lines: Vec<_> = addresses.iter().map(Address::line).collect();
        let mut told = opt_outs.opted_out(tenant, &lines).await?;
        let Some(by) = by else { return Ok(told) };
        for (told, line) in told.iter_mut().zip(lines).filter(|(told, _)| **told) {
            let entry = OptOutRef::Address(line);
            let entry = opt_outs.find(tenant, &entry).await?;
            *told = entry.is_some_and(|entry| entry.since <= by);
        }
        Ok(told)
    }

    /// Ends what waits for somebody who is on the list, so that it is seen at once. Where this does
    /// not come to its end, or a message is accepted in this very moment, the worker finds it out:
    /// it looks at the list before every attempt.
    pub(crate) async fn end_what_waits_for(
        &self,
        tenant: TenantId,
        to: &Address,
    ) -> Result<(), GatewayError> {
        let ports = self.ports();
        let sessions = ports.sessions.list(tenant).await?;
        let sessions: Vec<_> = sessions.iter().map(|session| session.id).collect();
        for to in to.spellings() {
            loop {
                let waiting = ports.messages.waiting_to(&sessions, &to, PORTION).await?;
                let ended = self.end_as_opted_out(&waiting).await?;
                // None is ended where all of them have moved meanwhile, which others see to.
                if ended == 0 || waiting.len() < PORTION as usize {
                    break;
                }
            }
        }
        Ok(())
    }

    async fn end_as_opted_out(&self, waiting: &[Message]) -> Result<usize, GatewayError> {
        let now = self.ports().clock.now();
        let changes: Vec<_> = waiting
            .iter()
            .map(|message| {
                let failure = Failure::new(FailureCode::OptedOut);
                StatusChange {
                    generation: Some(message.generation),
                    failure: Some(failure.after(message.failure.as_ref())),
                    ..StatusChange::new(MessageRef::Id(message.id), StatusEvent::Fail, now)
                }
            })
            .collect();
        let mut batches = Vec::new();
        let mut ended = 0;
        for outcome in self.ports().messages.change(&changes).await? {
            let ChangeOutcome::Moved { from, message } = outcome else { continue };
            self.observe(moved(from, &message));
            // The worker would find it ended, too; this only spares it the look.
            self.queued(self.ports().queue.forget(message.session, &[message.id]).await);
            batches.extend(message.batch);
            ended += 1;
        }
        batches.sort_unstable();
        batches.dedup();
        for batch in batches {
            self.refill_bulk(batch).await?;
        }
        Ok(ended)
    }
}

fn wrong_note(note: &str) -> Option<InvalidField> {
    if note.chars().count() > MAX_NOTE_CHARS {
        let detail = format!("may have at most {MAX_NOTE_CHARS} characters");
        return Some(InvalidField::new("/note", "invalid-request", detail));
    }
    validation::text_field("/note", note, TextUse::Prose)
}
