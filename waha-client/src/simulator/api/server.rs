//! What the simulated process says about itself, and the files it keeps.

use serde_json::json;

use super::answer::Answer;
use super::call::Call;
use super::no_route;
use crate::simulator::refusal::Refusal;
use crate::simulator::world::World;
use crate::wire::{ErrorBody, Pong, ServerStatus, Worker};

pub(super) fn ping() -> Answer {
    Answer::ok(Pong { message: "pong".to_owned() })
}

pub(super) fn health() -> Answer {
    let looked_at = json!({
        "mediaFiles.space": {"status": "up", "path": "/tmp/whatsapp-files", "threshold": 104_857_600},
        "sessionsFiles.space": {"status": "up", "path": "/app/.sessions", "threshold": 104_857_600},
    });
    Answer::ok(json!({"status": "ok", "info": looked_at, "error": {}, "details": looked_at}))
}

pub(super) fn route(world: &World, call: &Call, path: &[&str]) -> Result<Answer, Refusal> {
    match *path {
        ["version"] | ["server", "version"] if call.is("GET") => {
            Ok(Answer::ok(world.environment(world.knobs().engine)))
        }
        ["server", "status"] if call.is("GET") => {
            let started_at_ms = world.state().started_at_ms;
            Ok(Answer::ok(ServerStatus {
                start_timestamp: started_at_ms,
                uptime: Some((world.clock.now_ms() - started_at_ms).max(0)),
                worker: Some(Worker { id: Some(world.config.worker_id.clone()) }),
            }))
        }
        _ => Err(no_route(call)),
    }
}

/// A media file, as long as it is there.
pub(super) fn file(world: &World, call: &Call) -> Result<Answer, Refusal> {
    let path = format!("/{}", call.path().join("/"));
    let file = world.state().media.find(&path, world.clock.now_ms());
    match file {
        Some(file) if call.is("GET") => Ok(Answer::Bytes(file.mimetype, file.bytes.to_vec())),
        _ => Err(ErrorBody::file_not_found(&path).into()),
    }
}
