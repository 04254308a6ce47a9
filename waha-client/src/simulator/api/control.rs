//! `/simulator`: the knobs over HTTP. No key is needed, since none of this exists in WAHA.

use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::answer::Answer;
use super::call::Call;
use super::no_route;
use crate::simulator::refusal::Refusal;
use crate::simulator::world::World;
use crate::simulator::{
    Arrival, FaultRule, Inbound, Knobs, RecipientScript, SeededSession, clock, directory,
};
use crate::wire::{ErrorBody, SessionStatus};

/// Time for an answer to leave before the door is shut behind it.
const ANSWER_LEAVES: Duration = Duration::from_millis(50);

pub(super) async fn route(
    world: &Arc<World>,
    call: &Call,
    path: &[&str],
) -> Result<Answer, Refusal> {
    match (call.method.as_str(), path) {
        ("GET", []) => Ok(overview(world)),
        ("POST", ["reset"]) => {
            world.reset();
            Ok(done())
        }
        ("POST", ["restart"]) => {
            let downtime = pause_of(call, "downtimeMs").unwrap_or_default();
            later(world, move |world| async move {
                world.shut_door(None).await;
                world.restart_process();
                clock::pause(downtime).await;
                world.open_door().await;
            });
            Ok(done())
        }
        ("POST", ["unreachable"]) => {
            let time = pause_of(call, "forMs").unwrap_or(Duration::from_secs(10));
            later(world, move |world| async move { world.shut_door(Some(time)).await });
            Ok(done())
        }
        ("GET" | "PUT" | "PATCH", ["knobs"]) => knobs(world, call),
        ("POST", ["faults"]) => {
            let rule: FaultRule = read(&call.body)?;
            world.turn_knobs(|knobs| knobs.faults.push(rule));
            Ok(done())
        }
        ("DELETE", ["faults"]) => {
            world.turn_knobs(|knobs| knobs.faults.clear());
            Ok(done())
        }
        ("PUT", ["recipients", number]) => {
            let script: RecipientScript = read(&call.body)?;
            let number = directory::script_key(number);
            world.turn_knobs(|knobs| {
                knobs.recipients.insert(number, script);
            });
            Ok(done())
        }
        ("DELETE", ["recipients", number]) => {
            let number = directory::script_key(number);
            world.turn_knobs(|knobs| {
                knobs.recipients.remove(&number);
            });
            Ok(done())
        }
        ("GET", ["arrivals"]) => Ok(arrivals(world, call)),
        ("GET", ["deliveries"]) => {
            let mut deliveries = world.deliveries();
            if let Some(session) = call.query("session") {
                deliveries.retain(|delivery| delivery.session == session);
            }
            Ok(Answer::ok(deliveries))
        }
        ("GET", ["webhooks"]) => Ok(Answer::ok(world.state().posts.all())),
        ("POST", ["sessions"]) => {
            let session: SeededSession = read(&call.body)?;
            if world.add_session(&session) {
                return Ok(Answer::created(world.summary(&session.name)));
            }
            Err(ErrorBody::session_exists(&session.name).into())
        }
        ("POST", ["sessions", name, order]) => session(world, call, name, order),
        _ => Err(no_route(call)),
    }
}

fn done() -> Answer {
    Answer::ok(json!({"done": true}))
}

fn read<T: DeserializeOwned>(body: &Value) -> Result<T, Refusal> {
    serde_json::from_value(body.clone())
        .map_err(|error| ErrorBody::invalid(vec![error.to_string()]).into())
}

fn pause_of(call: &Call, field: &str) -> Option<Duration> {
    call.body.get(field).and_then(Value::as_u64).map(Duration::from_millis)
}

/// Does something once the answer had time to leave.
fn later<F: Future<Output = ()> + Send + 'static>(
    world: &Arc<World>,
    work: impl FnOnce(Arc<World>) -> F,
) {
    let work = work(Arc::clone(world));
    tokio::spawn(async move {
        tokio::time::sleep(ANSWER_LEAVES).await;
        work.await;
    });
}

fn overview(world: &World) -> Answer {
    let waiting = world.waiting_webhooks.load(std::sync::atomic::Ordering::Relaxed);
    let state = world.state();
    let sessions = state.sessions.values().map(|session| {
        json!({
            "name": &*session.name,
            "status": session.status(),
            "zombie": session.is_zombie,
            "mayNotStartChats": session.may_not_start_chats,
        })
    });
    Answer::ok(json!({
        "engine": state.knobs.engine,
        "startTimestamp": state.started_at_ms,
        "sessions": sessions.collect::<Vec<_>>(),
        "arrivals": state.arrivals.total(),
        "messages": state.messages.all().count(),
        "webhooks": state.posts.counts,
        "waitingWebhooks": waiting,
    }))
}

fn knobs(world: &World, call: &Call) -> Result<Answer, Refusal> {
    let changed = match call.method.as_str() {
        "PUT" => Some(read::<Knobs>(&call.body)?),
        "PATCH" => {
            let mut knobs = json!(*world.knobs());
            merge(&mut knobs, &call.body);
            Some(read::<Knobs>(&knobs)?)
        }
        _ => None,
    };
    if let Some(changed) = changed {
        world.turn_knobs(|knobs| *knobs = changed);
    }
    Ok(Answer::ok(&*world.knobs()))
}

/// Replaces what is named, object by object; a whole latency counts as one value, since its
/// two forms do not mix.
fn merge(into: &mut Value, changes: &Value) {
    match (into, changes) {
        (Value::Object(into), Value::Object(changes)) if !changes.contains_key("minMs") => {
            for (name, change) in changes {
                merge(into.entry(name).or_insert(Value::Null), change);
            }
        }
        (into, change) => *into = change.clone(),
    }
}

fn arrivals(world: &World, call: &Call) -> Answer {
    let number = |name| call.number(name).and_then(|number| u64::try_from(number).ok());
    let limit = number("limit").and_then(|limit| usize::try_from(limit).ok()).unwrap_or(1_000);
    let mut arrivals: Vec<Arrival> =
        world.state().arrivals.after(number("after").unwrap_or(0), limit);
    if let Some(session) = call.query("session") {
        arrivals.retain(|arrival| arrival.session == session);
    }
    Answer::ok(arrivals)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct StatusOrder {
    status: SessionStatus,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TimelockOrder {
    ends: Option<Value>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SwitchOrder {
    on: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct AckOrder {
    raw_id: String,
    ack: i64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct EventOrder {
    event: String,
    payload: Value,
}

/// What can be done to one session.
fn session(world: &Arc<World>, call: &Call, name: &str, order: &str) -> Result<Answer, Refusal> {
    if world.summary(name).is_none() {
        return Err(ErrorBody::session_not_found().into());
    }
    let worked = match order {
        "scan" => world.scan(name),
        "status" => world.force_status(name, read::<StatusOrder>(&call.body)?.status),
        "flap" => {
            let down = pause_of(call, "downMs").unwrap_or(Duration::from_secs(5));
            world.flap(name, down)
        }
        "zombie" => world.set_zombie(name, read::<SwitchOrder>(&call.body)?.on),
        "restricted" => world.forbid_new_chats(name, read::<SwitchOrder>(&call.body)?.on),
        "timelock" => world.lock_new_chats(name, read::<TimelockOrder>(&call.body)?.ends),
        "capping" => world.cap_new_chats(name, read(&call.body)?),
        "ack" => {
            let order: AckOrder = read(&call.body)?;
            world.acknowledge_now(name, &order.raw_id, order.ack)
        }
        "event" => {
            let order: EventOrder = read(&call.body)?;
            world.raise_event(name, &order.event, order.payload)
        }
        "inbound" => {
            let inbound: Inbound = read(&call.body)?;
            return match world.inject(name, &inbound) {
                Some(receipt) => Ok(Answer::created(receipt)),
                None => {
                    Err(ErrorBody::invalid(vec!["the session ignores such chats".to_owned()])
                        .into())
                }
            };
        }
        _ => return Err(no_route(call)),
    };
    Ok(Answer::ok(json!({"done": worked})))
}
