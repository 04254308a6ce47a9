//! Whether numbers are on WhatsApp, and which hidden ids belong to which numbers.

use std::sync::Arc;

use super::answer::Answer;
use super::call::Call;
use super::no_route;
use crate::simulator::directory;
use crate::simulator::refusal::Refusal;
use crate::simulator::world::World;
use crate::wire::{ErrorBody, LidMapping, NumberStatus, SessionStatus};

pub(super) async fn route(
    world: &Arc<World>,
    call: &Call,
    path: &[&str],
) -> Result<Answer, Refusal> {
    match *path {
        ["contacts", "check-exists"] | ["checkNumberStatus"] if call.is("GET") => {
            let session = call.query("session").ok_or_else(ErrorBody::session_name_required)?;
            world.ready(session, SessionStatus::Working).await?;
            let phone = call
                .query("phone")
                .ok_or_else(|| Refusal::thrown("Cannot read properties of undefined"))?;
            let found = directory::look_up(&world.knobs(), phone);
            Ok(Answer::ok(NumberStatus {
                number_exists: found.exists,
                chat_id: found.chat_id,
                pn: None,
            }))
        }
        _ => Err(no_route(call)),
    }
}

pub(super) async fn lids(
    world: &Arc<World>,
    call: &Call,
    session: &str,
    path: &[&str],
) -> Result<Answer, Refusal> {
    if !call.is("GET") {
        return Err(no_route(call));
    }
    world.ready(session, SessionStatus::Working).await?;
    let knobs = world.knobs();
    match *path {
        ["pn", number] => {
            let number = directory::digits(number);
            let exists = directory::look_up(&knobs, &number).exists;
            let lid = exists.then(|| format!("{}@lid", directory::lid_of(&knobs, &number)));
            Ok(Answer::ok(LidMapping { lid, pn: Some(format!("{number}@c.us")) }))
        }
        [lid] => {
            let lid = directory::digits(lid);
            let number = directory::number_of_lid(&knobs, &lid);
            Ok(Answer::ok(LidMapping {
                lid: Some(format!("{lid}@lid")),
                pn: number.map(|number| format!("{number}@c.us")),
            }))
        }
        _ => Err(no_route(call)),
    }
}
