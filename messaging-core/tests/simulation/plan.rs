//! What goes wrong in one simulation, and how often.

use std::time::Duration;

use messaging_core::domain::new_chats::Spacing;

use crate::dice::Dice;

/// What goes wrong, as shares of the occasions; most of it 0, so that some seeds see much of one
/// fault and others a little of all.
#[derive(Debug)]
pub(crate) struct Plan {
    /// How many nodes there are. A single one may be embedded: its queue and limiter die with it.
    pub(crate) nodes: usize,
    pub(crate) embedded: bool,
    /// How many servers the provider has.
    pub(crate) servers: u64,
    /// Sessions of each tenant.
    pub(crate) tenants: u64,
    pub(crate) sessions: u64,
    /// To how many people each session writes: the fewer, the more must be in order.
    pub(crate) people: u64,
    pub(crate) messages: u64,
    pub(crate) quota: u32,

    /// Messages that are to be sent at a time, or not after one.
    pub(crate) scheduled: f64,
    pub(crate) expiring: f64,
    /// How far apart messages to one recipient, and new chats, are to be.
    pub(crate) recipient_spacing: Duration,
    pub(crate) new_chat_spacing: Option<Spacing>,
    /// Whether little enough goes wrong that what these say, and restrictions, can be judged by what
    /// arrives: nobody dies, stands still or lies, and no outcome is unknown.
    pub(crate) is_gentle: bool,
    /// How often somebody stops a session for a while.
    pub(crate) stops: u64,

    /// A call of a port, before or after its effect, is the last that its node makes.
    pub(crate) crash: f64,
    /// The node stands still there, longer than a lease.
    pub(crate) freeze: f64,
    /// It takes a while.
    pub(crate) slow: f64,
    /// The call is refused, or takes effect and is said to have failed.
    pub(crate) store_fails: f64,
    pub(crate) store_lies: f64,
    pub(crate) queue_fails: f64,
    pub(crate) queue_lies: f64,
    pub(crate) limiter_fails: f64,
    pub(crate) limiter_lies: f64,
    /// How often in the run queue and limiter forget everything.
    pub(crate) losses: u64,
    /// How often they, or the store, are away for a while.
    pub(crate) absences: u64,
    /// How often a node's clock is set, within what is allowed and far beyond.
    pub(crate) clock_steps: u64,
    pub(crate) clock_leaps: u64,

    /// A send's request does not arrive; its answer does not; it arrives, and takes effect long
    /// after the caller has given up.
    pub(crate) request_lost: f64,
    pub(crate) answer_lost: f64,
    pub(crate) late_effect: f64,
    /// An error of the provider's own, nothing sent; too many at present.
    pub(crate) error: f64,
    pub(crate) overloaded: f64,
    /// One of the two before anything is sent, when it is asked how a message will go.
    pub(crate) put_off: f64,
    /// A message that would open a chat is refused: the account is restricted.
    pub(crate) restricted: f64,
    /// It was accepted, and the answer is empty.
    pub(crate) empty_answer: f64,
    /// Accepted, and later said not to have been delivered.
    pub(crate) bounced: f64,
    /// Servers restart; sessions lose their connection.
    pub(crate) restarts: u64,
    pub(crate) flaps: u64,
    /// Webhooks.
    pub(crate) webhook_lost: f64,
    pub(crate) webhook_twice: f64,
    /// How late a webhook may come.
    pub(crate) webhook_delay: Duration,

    /// How often whoever asks breaks off, and so whoever answers, wherever it waits.
    pub(crate) broken_off: f64,
    /// How often a node is told to leave, and is replaced.
    pub(crate) leaves: u64,
}

impl Plan {
    pub(crate) fn draw(dice: &Dice) -> Self {
        let share = |most: f64| {
            let drawn = dice.below(1000) as f64 / 1000.0;
            if dice.chance(0.5) { most * drawn * drawn } else { 0.0 }
        };
        let times = |most: u64| if dice.chance(0.4) { dice.within(1, most) } else { 0 };
        let nodes = dice.within(1, 3) as usize;
        let is_gentle = dice.chance(0.15);
        let rough = |share: f64| if is_gentle { 0.0 } else { share };
        let roughly = |times: u64| if is_gentle { 0 } else { times };
        let new_chat_spacing = dice.chance(0.3).then(|| {
            let least = dice.millis(1_000, 5_000);
            Spacing { least, most: least + dice.millis(0, 5_000) }
        });
        Self {
            nodes,
            recipient_spacing: Duration::from_millis(*dice.pick(&[0, 1_000]).unwrap_or(&0)),
            new_chat_spacing,
            is_gentle,
            restricted: share(0.3),
            embedded: nodes == 1 && dice.chance(0.7),
            servers: dice.within(1, 2),
            tenants: dice.within(1, 2),
            sessions: dice.within(1, 2),
            people: dice.within(1, 3),
            messages: dice.within(5, 30),
            quota: dice.within(2, 20) as u32,
            scheduled: share(0.8),
            expiring: share(0.8),
            stops: times(3),
            crash: rough(share(0.01)),
            freeze: rough(share(0.01)),
            slow: share(0.5),
            store_fails: rough(share(0.1)),
            store_lies: rough(share(0.1)),
            queue_fails: rough(share(0.2)),
            queue_lies: rough(share(0.2)),
            limiter_fails: share(0.2),
            limiter_lies: rough(share(0.2)),
            losses: roughly(times(5)),
            absences: roughly(times(4)),
            clock_steps: roughly(times(4)),
            clock_leaps: roughly(if dice.chance(0.1) { dice.within(1, 3) } else { 0 }),
            request_lost: rough(share(0.3)),
            answer_lost: rough(share(0.3)),
            late_effect: rough(share(0.2)),
            error: rough(share(0.3)),
            overloaded: share(0.2),
            put_off: share(0.1),
            empty_answer: share(0.3),
            bounced: share(0.2),
            restarts: times(3),
            flaps: times(4),
            webhook_lost: share(0.5),
            webhook_twice: share(0.5),
            webhook_delay: Duration::from_millis(*dice.pick(&[20, 500, 20_000]).unwrap_or(&20)),
            broken_off: share(0.4),
            leaves: times(3),
        }
    }
}
