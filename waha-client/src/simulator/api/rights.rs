//! Who may do what: every call needs a key, and most keys are for one session.

use super::call::Call;
use crate::simulator::keys::Action;
use crate::simulator::refusal::Refusal;
use crate::simulator::world::World;
use crate::wire::ErrorBody;

/// Lets a call through or refuses it with 401 or 403.
pub(super) fn check(world: &World, call: &Call) -> Result<(), Refusal> {
    let Some(admin_key) = world.config.api_key.as_deref() else { return Ok(()) };
    let Some(key) = call.key() else { return Err(ErrorBody::unauthorized().into()) };
    if key == admin_key {
        return Ok(());
    }
    let state = world.state();
    let Some(key) = state.keys.find(key) else { return Err(ErrorBody::unauthorized().into()) };
    let is_allowed = match needed(call) {
        None => true,
        Some((action, session)) => key.allows(action, session),
    };
    if is_allowed { Ok(()) } else { Err(ErrorBody::forbidden().into()) }
}

/// The session that a key is for, if the call's key is for one.
pub(super) fn session_of_key(world: &World, call: &Call) -> Option<String> {
    let state = world.state();
    let key = state.keys.find(call.key()?)?;
    if key.is_admin { None } else { key.session.clone() }
}

/// What a call does to which session; `None` for what any key may do.
fn needed(call: &Call) -> Option<(Action, Option<&str>)> {
    let path = call.path();
    let reads = call.is("GET");
    Some(match path[1..] {
        ["server", ..] | ["version"] => return None,
        ["sessions"] if reads => return None,
        [] | ["keys", ..] | ["sessions"] => (Action::Admin, None),
        ["sessions", _] if call.is("DELETE") => (Action::Delete, call.part(2)),
        ["sessions", _] if call.is("PUT") => (Action::Setting, call.part(2)),
        ["sessions", ..] if reads => (Action::Read, call.part(2)),
        ["sessions", ..] => (Action::Control, call.part(2)),
        ["files", ..] => (Action::Read, call.part(2)),
        ["contacts", ..] | ["checkNumberStatus"] | ["screenshot"] => {
            (Action::Read, call.query("session"))
        }
        [_] => (Action::Send, call.text("session")),
        [_, "auth", ..] => (Action::Control, call.part(1)),
        [_, ..] if reads => (Action::Read, call.part(1)),
        [_, ..] => (Action::Send, call.part(1)),
    })
}
