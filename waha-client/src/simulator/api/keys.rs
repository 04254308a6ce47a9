//! `/api/keys`: making and changing API keys.

use super::answer::Answer;
use super::call::Call;
use super::{http_error, no_route};
use crate::simulator::keys::ApiKey;
use crate::simulator::refusal::Refusal;
use crate::simulator::world::World;
use crate::wire::ErrorBody;

pub(super) fn route(world: &World, call: &Call, path: &[&str]) -> Result<Answer, Refusal> {
    match (call.method.as_str(), path) {
        ("POST", []) => {
            let id = format!("key_id_{}", world.dice.ulid(world.clock.now_ms()));
            let key = format!("key_{}", world.dice.token(33));
            let key = ApiKey { id, key, ..asked(call)? };
            world.state().keys.keys.push(key.clone());
            Ok(Answer::created(key))
        }
        ("GET", []) => Ok(Answer::ok(&world.state().keys.keys)),
        ("PUT", [id]) => {
            let asked = asked(call)?;
            let mut state = world.state();
            let found = state.keys.keys.iter_mut().find(|key| key.id == *id);
            let Some(found) = found else { return Err(unknown()) };
            *found = ApiKey { id: found.id.clone(), key: found.key.clone(), ..asked };
            Ok(Answer::ok(found))
        }
        ("DELETE", [id]) => {
            world.state().keys.keys.retain(|key| key.id != *id);
            Ok(Answer::ok(serde_json::json!({"result": true})))
        }
        _ => Err(no_route(call)),
    }
}

fn asked(call: &Call) -> Result<ApiKey, Refusal> {
    let asked: ApiKey = serde_json::from_value(call.body.clone())
        .map_err(|_| ErrorBody::invalid(vec!["isAdmin must be a boolean value".to_owned()]))?;
    if !asked.is_admin && asked.session.is_none() {
        let sentence = "session must be set for a key that is not admin's".to_owned();
        return Err(ErrorBody::invalid(vec![sentence]).into());
    }
    Ok(asked)
}

fn unknown() -> Refusal {
    http_error(404, "Not Found", "API key not found")
}
