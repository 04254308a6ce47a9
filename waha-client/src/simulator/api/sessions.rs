//! `/api/sessions`: making sessions, changing them, and telling how they are.

use std::sync::Arc;

use serde_json::Value;

use super::answer::Answer;
use super::call::Call;
use super::{http_error, no_route, rights};
use crate::simulator::events::KNOWN_EVENTS;
use crate::simulator::refusal::Refusal;
use crate::simulator::world::World;
use crate::wire::{ErrorBody, SessionConfig, SessionStatus};

/// The longest name WAHA takes.
const MAX_NAME: usize = 54;

pub(super) fn route(world: &Arc<World>, call: &Call, path: &[&str]) -> Result<Answer, Refusal> {
    match (call.method.as_str(), path) {
        ("GET", []) => Ok(list(world, call)),
        ("POST", []) => create(world, call),
        ("DELETE", [name]) => {
            // Gone is gone: deleting what is not there is no mistake.
            world.delete_session(name);
            Ok(Answer::ok(Value::Null))
        }
        (_, [name, ..]) if world.summary(name).is_none() => {
            Err(ErrorBody::session_not_found().into())
        }
        ("GET", [name]) => {
            let state = world.state();
            let (engine, worker) = (state.knobs.engine, &world.config.worker_id);
            Ok(Answer::ok(state.sessions.get(*name).map(|session| session.info(engine, worker))))
        }
        ("PUT", [name]) => {
            let config = config_of(&call.body)?;
            world.reconfigure(name, config);
            Ok(Answer::ok(world.summary(name)))
        }
        ("GET", [name, "me"]) => {
            let state = world.state();
            Ok(Answer::ok(state.sessions.get(*name).and_then(|session| session.account())))
        }
        ("POST", [name, order]) => {
            obey(world, call, name, order)?;
            Ok(Answer::created(world.summary(name)))
        }
        _ => Err(no_route(call)),
    }
}

fn obey(world: &Arc<World>, call: &Call, name: &str, order: &str) -> Result<(), Refusal> {
    match order {
        "start" => {
            let (is_running, refuses) = {
                let state = world.state();
                let session = state.sessions.get(name);
                let status = session.map_or(SessionStatus::Stopped, |session| session.status());
                let is_running = !matches!(status, SessionStatus::Stopped | SessionStatus::Failed);
                (is_running, state.knobs.refuses_double_start)
            };
            if is_running && refuses {
                let sentence = format!("Session '{name}' is already started.");
                return Err(http_error(422, "Unprocessable Entity", sentence));
            }
            if !is_running {
                world.launch(name);
            }
        }
        "stop" => world.stop_session(name),
        "restart" => world.launch(name),
        "logout" => world.log_out(name),
        _ => return Err(no_route(call)),
    }
    Ok(())
}

fn list(world: &World, call: &Call) -> Answer {
    let lists_stopped = call.query("all") == Some("true");
    let only = rights::session_of_key(world, call);
    let state = world.state();
    let sessions = state.sessions.values().filter(|session| {
        (lists_stopped || session.status() != SessionStatus::Stopped)
            && only.as_deref().is_none_or(|only| only == &*session.name)
    });
    let (engine, worker) = (state.knobs.engine, &world.config.worker_id);
    Answer::ok(sessions.map(|session| session.info(engine, worker)).collect::<Vec<_>>())
}

fn create(world: &Arc<World>, call: &Call) -> Result<Answer, Refusal> {
    let drawn;
    let name = match call.body.get("name") {
        None | Some(Value::Null) => {
            drawn = format!("session_{}", world.dice.ulid(world.clock.now_ms()));
            &drawn
        }
        Some(name) => name.as_str().unwrap_or("."),
    };
    let problems = name_problems(name);
    if !problems.is_empty() {
        return Err(ErrorBody::invalid(problems).into());
    }
    let config = config_of(&call.body)?;
    if !world.create_session(name, None, config) {
        return Err(ErrorBody::session_exists(name).into());
    }
    if call.body.get("start").and_then(Value::as_bool).unwrap_or(true) {
        world.launch(name);
    }
    Ok(Answer::created(world.summary(name)))
}

fn name_problems(name: &str) -> Vec<String> {
    let mut problems = Vec::new();
    if name.len() > MAX_NAME {
        problems.push(format!("name must be shorter than or equal to {MAX_NAME} characters"));
    }
    if !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-') {
        problems.push("name must match /^[a-zA-Z0-9_-]*$/ regular expression".to_owned());
    }
    problems
}

/// The configuration in a body, if WAHA would take it.
fn config_of(body: &Value) -> Result<SessionConfig, Refusal> {
    let config: SessionConfig = match body.get("config") {
        None | Some(Value::Null) => SessionConfig::default(),
        Some(config) => serde_json::from_value(config.clone())
            .map_err(|_| ErrorBody::invalid(vec!["config is not valid".to_owned()]))?,
    };
    let is_known = |name: &String| name == "*" || KNOWN_EVENTS.contains(&name.as_str());
    let problems: Vec<String> = config
        .webhooks
        .iter()
        .flatten()
        .enumerate()
        .filter(|(_, webhook)| !webhook.events.iter().all(is_known))
        .map(|(place, _)| {
            let known = KNOWN_EVENTS.join(", ");
            format!(
                "config.webhooks.{place}.each value in events must be one of the following \
                 values: *, {known}"
            )
        })
        .collect();
    if problems.is_empty() { Ok(config) } else { Err(ErrorBody::invalid(problems).into()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_letters_digits_dashes_and_underscores() {
        assert!(name_problems("t_acme-01").is_empty());
        assert_eq!(name_problems("a b").len(), 1);
        assert_eq!(name_problems(&"ä".repeat(60)).len(), 2);
    }

    #[test]
    fn a_name_of_54_characters_is_the_longest() {
        assert!(name_problems(&"a".repeat(54)).is_empty());
        assert_eq!(name_problems(&"a".repeat(55)).len(), 1);
    }
}
