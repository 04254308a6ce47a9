//! Whether every promise was kept, judged by what arrived.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use messaging_core::domain::failure::FailureCode;
use messaging_core::domain::filter::{MessageFilter, Portion};
use messaging_core::domain::message::{Direction, Message, MessageEvent};
use messaging_core::domain::status::{Status, StatusEvent};
use messaging_core::gateway::send::Timing;
use messaging_core::ports::message_store::MessageStore;

use crate::fleet::RESTRICTION;
use crate::story::{Accepted, World};
use crate::waha::Arrival;

/// A promise that was broken, in words.
pub(crate) type Verdict = Result<(), String>;

/// Judges all promises of one world.
pub(crate) async fn judge(world: &World) -> Verdict {
    if world.sim.is_endless() {
        return Err("somebody runs in a circle".into());
    }
    let promised = world.promised.lock().unwrap().accepted.clone();
    let arrivals = world.waha.arrivals();
    let mut by_body: BTreeMap<&str, Vec<&Arrival>> = BTreeMap::new();
    for arrival in &arrivals {
        by_body.entry(&arrival.body).or_default().push(arrival);
    }
    for (body, arrived) in &by_body {
        once(body, arrived)?;
    }
    let mut messages = Vec::new();
    for accepted in &promised {
        let found = MessageStore::find(&*world.backend.store, accepted.tenant, accepted.id).await;
        let Some(message) = found.unwrap() else {
            return Err(format!("P1: {} was accepted and is gone", accepted.body));
        };
        let events = world.backend.store.events(accepted.tenant, accepted.id).await.unwrap();
        history(&accepted.body, &events.unwrap_or_default())?;
        let arrived = by_body.get(accepted.body.as_str()).and_then(|all| all.first()).copied();
        end(&accepted.body, &message, arrived)?;
        if world.sim.plan.clock_leaps == 0 {
            in_time(accepted, arrived)?;
        }
        messages.push((accepted, message, arrived));
    }
    order(&messages)?;
    if world.sim.plan.clock_leaps == 0 {
        stopped(world, &messages)?;
    }
    kept_once(world).await?;
    if world.sim.plan.clock_leaps == 0 {
        quota(world)?;
    }
    if world.sim.plan.is_gentle {
        paced(world)?;
    }
    taken_in(world).await?;
    caught_up(world).await
}

/// Where little goes wrong: to one recipient as slowly as is asked for, new chats as far apart, and
/// none while an account is restricted.
fn paced(world: &World) -> Verdict {
    let plan = &world.sim.plan;
    let letters: Vec<_> = world.waha.letters().into_iter().filter(|it| !it.is_stray).collect();
    let slack = Duration::from_millis(1);
    for (n, earlier) in letters.iter().enumerate() {
        for later in letters[n + 1..].iter().filter(|later| later.place == earlier.place) {
            let between = later.at.since(earlier.at) + slack;
            let name = &earlier.place.name;
            // What other nodes were answered a node does not know.
            if plan.nodes == 1 && earlier.chat == later.chat && between < plan.recipient_spacing {
                return Err(format!("two messages of {name} to one recipient within {between:?}"));
            }
            if earlier.is_refused && later.is_cold && between < RESTRICTION {
                return Err(format!("{name} was restricted and opened a chat after {between:?}"));
            }
            let spacing = plan.new_chat_spacing.map_or(Duration::ZERO, |spacing| spacing.least);
            if earlier.is_cold && !earlier.is_refused && later.is_cold && between < spacing {
                return Err(format!("{name} opened two chats within {between:?}"));
            }
        }
    }
    Ok(())
}

/// P2: nothing arrives twice; but for a request that arrived long after its sender had given up, under
/// the same id, at a provider to which that is another message. No look can see that coming.
fn once(body: &str, arrived: &[&Arrival]) -> Verdict {
    let ids: BTreeSet<_> = arrived.iter().map(|arrival| &arrival.id).collect();
    let in_time = arrived.iter().filter(|arrival| !arrival.is_stray).count();
    if ids.len() > 1 || in_time > 1 {
        return Err(format!("P2: {body} arrived {} times", arrived.len()));
    }
    Ok(())
}

/// P1, P2, P7: a message has come to an end, and the end is what happened.
fn end(body: &str, message: &Message, arrived: Option<&Arrival>) -> Verdict {
    let code = message.failure.as_ref().map(|failure| failure.code);
    let is_true = match message.status {
        Status::Sent | Status::Delivered | Status::Read => arrived.is_some(),
        // Taken back when nobody knew whether it had been sent; the message says so.
        _ if code == Some(FailureCode::OutcomeUnknown) => true,
        Status::Cancelled | Status::Expired => arrived.is_none(),
        Status::Failed | Status::Discarded => match code {
            Some(FailureCode::DeliveryError) => arrived.is_some(),
            Some(_) => arrived.is_none(),
            None => return Err(format!("P7: {body} failed for no reason")),
        },
        status => return Err(format!("P1: {body} is still {status} when all is over")),
    };
    if is_true {
        return Ok(());
    }
    let arrived = if arrived.is_some() { "arrived" } else { "did not arrive" };
    Err(format!("P1: {body} is {} ({code:?}) and {arrived}", message.status))
}

/// Nothing is sent before its time, nor after it: an attempt that began in time may take as long as
/// a lease, and clocks differ a little.
fn in_time(accepted: &Accepted, arrived: Option<&Arrival>) -> Verdict {
    let Some(arrival) = arrived.filter(|arrival| !arrival.is_stray) else { return Ok(()) };
    let Timing { send_at, expires_at } = accepted.timing;
    let slack = Duration::from_millis(300);
    if send_at.is_some_and(|at| arrival.at.plus(slack) < at) {
        return Err(format!("{} arrived before its time", accepted.body));
    }
    if expires_at.is_some_and(|at| arrival.at > at.plus(Duration::from_secs(16))) {
        return Err(format!("{} arrived when it was expired", accepted.body));
    }
    Ok(())
}

/// No status goes backwards.
fn history(body: &str, events: &[MessageEvent]) -> Verdict {
    let rank = |status| match status {
        Status::Sent => 1,
        Status::Delivered => 2,
        Status::Read => 3,
        _ => 0,
    };
    let mut last = 0;
    for line in events {
        let now = rank(line.status);
        let may_fall = matches!(line.event, Some(StatusEvent::Replay | StatusEvent::Bounce));
        if now < last && !(may_fall && last < rank(Status::Delivered)) {
            return Err(format!("P3: the status of {body} went backwards to {}", line.status));
        }
        last = now;
    }
    Ok(())
}

/// P6: to one recipient, of equal priority, in the order accepted.
fn order(messages: &[(&Accepted, Message, Option<&Arrival>)]) -> Verdict {
    for (first, one, arrived_first) in messages {
        for (second, _, arrived_second) in messages {
            let same_way = first.session == second.session
                && first.to == second.to
                && first.priority == second.priority;
            // Of two that were accepted at once, or by clocks that differ, nobody knows the order.
            let in_order = first.id < second.id && first.answered_at < second.asked_at;
            // What was given up, or sent by somebody who stood still, arrives whenever it likes, and
            // what is scheduled holds nothing up.
            let comes_late = one.status == Status::Failed || first.timing.send_at.is_some();
            if let (true, Some(earlier), Some(later)) =
                (same_way && in_order && !comes_late, arrived_first, arrived_second)
                && earlier.at > later.at
                && !earlier.is_stray
            {
                return Err(format!("P6: {} overtook {}", second.body, first.body));
            }
        }
    }
    Ok(())
}

/// Nothing leaves through a session that somebody stopped; what had begun may take as long as a lease.
fn stopped(world: &World, messages: &[(&Accepted, Message, Option<&Arrival>)]) -> Verdict {
    let stops = &world.promised.lock().unwrap().stops;
    let begun = Duration::from_secs(16);
    let slack = Duration::from_millis(300);
    for (accepted, _, arrived) in messages {
        let Some(arrival) = arrived.filter(|arrival| !arrival.is_stray) else { continue };
        let is_stopped = stops.iter().any(|stop| {
            stop.session == accepted.session
                && stop.from.plus(begun) < arrival.at
                && arrival.at.plus(slack) < stop.to
        });
        if is_stopped {
            return Err(format!("P6: {} left through a session that was stopped", accepted.body));
        }
    }
    Ok(())
}

/// P4: no more than the quota reaches the provider in any window.
fn quota(world: &World) -> Verdict {
    for place in world.waha.accounts() {
        let requests = world.waha.requests(&place);
        let limit = world.sim.plan.quota as usize;
        for window in requests.windows(limit + 1) {
            let [first, .., last] = window else { continue };
            let span = last.since(*first);
            if span < Duration::from_secs(60) {
                let many = limit + 1;
                return Err(format!("P4: {many} requests of {} within {span:?}", place.name));
            }
        }
    }
    Ok(())
}

/// A request that named a key made one message, whoever was asked how often, and was answered with
/// its id alone.
async fn kept_once(world: &World) -> Verdict {
    if let Some((id, other)) = world.promised.lock().unwrap().renamed.first() {
        return Err(format!("P1: one key was answered with {id} and with {other}"));
    }
    let mut bodies = BTreeSet::new();
    for n in 1..=world.sim.plan.tenants {
        let tenant = messaging_core::conformance::build::tenant_id(n);
        let filter =
            MessageFilter { direction: Some(Direction::Outbound), ..MessageFilter::default() };
        let portion = Portion::Page { page: 1, limit: 100 };
        let page = world.backend.store.list(tenant, &filter, portion).await.unwrap();
        for message in page.messages {
            if let Some(body) = bodies.replace(message.content.body) {
                return Err(format!("P2: {body} was kept twice"));
            }
        }
    }
    Ok(())
}

/// The messages that go this way, of all tenants.
async fn stored(world: &World, direction: Direction) -> Vec<Message> {
    let mut stored = Vec::new();
    for n in 1..=world.sim.plan.tenants {
        let tenant = messaging_core::conformance::build::tenant_id(n);
        let filter = MessageFilter { direction: Some(direction), ..MessageFilter::default() };
        let portion = Portion::Page { page: 1, limit: 100 };
        stored.extend(world.backend.store.list(tenant, &filter, portion).await.unwrap().messages);
    }
    stored
}

/// Whatever became of webhooks: what the provider can be asked about is known as it is there.
pub(crate) async fn caught_up(world: &World) -> Verdict {
    let inbound = stored(world, Direction::Inbound).await;
    for body in world.waha.readable_inbound() {
        let times = inbound.iter().filter(|message| message.content.body == body).count();
        if times != 1 {
            return Err(format!("{body} came in and is there {times} times"));
        }
    }
    let fates = world.waha.readable_fates();
    for message in stored(world, Direction::Outbound).await {
        let fate = message.provider_message_id.as_ref().and_then(|id| fates.get(id));
        let is_told = match fate {
            Some(StatusEvent::Read) => message.status == Status::Read,
            Some(StatusEvent::Deliver) => message.status == Status::Delivered,
            // Given up, and found to have been sent only to be lost: it reached nobody in any case.
            Some(StatusEvent::Bounce) => matches!(
                message.status,
                Status::Failed | Status::Expired | Status::Cancelled | Status::Discarded
            ),
            _ => true,
        };
        if !is_told {
            let (body, status) = (&message.content.body, message.status);
            return Err(format!("{body} is {status}, and what became of it is {fate:?}"));
        }
    }
    Ok(())
}

/// P3: what was taken in is there, once.
async fn taken_in(world: &World) -> Verdict {
    let taken_in = world.promised.lock().unwrap().taken_in.clone();
    let inbound = stored(world, Direction::Inbound).await;
    let stored: Vec<String> = inbound.into_iter().map(|message| message.content.body).collect();
    for body in taken_in {
        let times = stored.iter().filter(|it| **it == body).count();
        if times != 1 {
            return Err(format!("P3: {body} was taken in and is there {times} times"));
        }
    }
    Ok(())
}
