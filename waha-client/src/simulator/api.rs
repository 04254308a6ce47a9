//! The simulator's HTTP side: WAHA's API under `/api`, the simulator's own under `/simulator`.
//!
//! Routing is a `match` over the path's parts rather than a router: WAHA's own answers to unknown
//! routes, wrong methods and odd bodies are part of what is simulated.

mod answer;
mod call;
mod changes;
mod chats;
mod contacts;
mod control;
mod keys;
mod pairing;
mod rights;
mod sends;
mod server;
mod sessions;

use std::sync::Arc;

use poem::{Endpoint, Request, Response};

use self::answer::Answer;
use self::call::Call;
use super::refusal::Refusal;
use super::world::World;
use crate::wire::{ErrorBody, ErrorText, HttpError};

/// All routes of a simulator.
pub(super) struct Api {
    world: Arc<World>,
}

impl Api {
    pub(super) const fn new(world: Arc<World>) -> Self {
        Self { world }
    }
}

impl Endpoint for Api {
    type Output = Response;

    async fn call(&self, request: Request) -> poem::Result<Response> {
        let call = match Call::read(request, self.world.config.limits.body_bytes).await {
            Ok(call) => Arc::new(call),
            Err((call, refusal)) => return Ok(answer::refused(&self.world, &call, refusal)),
        };
        // A caller that hangs up does not stop WAHA from going on, so the work is not tied to
        // the connection. The end of the process stops it.
        let process = self.world.state().process.clone();
        let (world, task_call) = (Arc::clone(&self.world), Arc::clone(&call));
        let work = tokio::spawn(async move {
            tokio::select! {
                biased;
                () = process.cancelled() => Err(Refusal::Dropped),
                answer = route(&world, &task_call) => answer,
            }
        });
        let answered = work.await.unwrap_or_else(|_| Err(Refusal::thrown("unexpected end")));
        Ok(match answered {
            Ok(answer) => answer.into_response(),
            Err(refusal) => answer::refused(&self.world, &call, refusal),
        })
    }
}

async fn route(world: &Arc<World>, call: &Call) -> Result<Answer, Refusal> {
    let path = call.path();
    match path[..] {
        ["ping"] => Ok(server::ping()),
        ["simulator", ref path @ ..] => control::route(world, call, path).await,
        ["health"] => {
            rights::check(world, call)?;
            Ok(server::health())
        }
        ["api", ref path @ ..] => {
            rights::check(world, call)?;
            match sends::kind_of(path) {
                Some(kind) if call.is("POST") => sends::send(world, call, kind).await,
                _ => route_api(world, call, path).await,
            }
        }
        _ => Err(no_route(call)),
    }
}

async fn route_api(world: &Arc<World>, call: &Call, path: &[&str]) -> Result<Answer, Refusal> {
    match *path {
        ["server" | "version", ..] => server::route(world, call, path),
        ["keys", ref path @ ..] => keys::route(world, call, path),
        ["sessions", ref path @ ..] => sessions::route(world, call, path),
        ["files", ..] => server::file(world, call),
        ["contacts" | "checkNumberStatus", ..] => contacts::route(world, call, path).await,
        ["sendSeen" | "startTyping" | "stopTyping"] if call.is("POST") => {
            sends::gesture(world, call, path).await
        }
        ["reaction"] if call.is("PUT") => changes::react(world, call).await,
        ["screenshot"] if call.is("GET") => pairing::screenshot(world, call).await,
        [session, "auth", ref path @ ..] => pairing::route(world, call, session, path).await,
        [session, "new-message-id"] if call.is("GET") => {
            sends::new_message_id(world, session).await
        }
        [session, "presence"] if call.is("POST") => sends::presence(world, call, session).await,
        [session, "lids", ref path @ ..] => contacts::lids(world, call, session, path).await,
        [session, "chats", _, "messages", id] if !call.is("GET") => {
            changes::change(world, call, session, id).await
        }
        [session, "chats", ref path @ ..] => chats::route(world, call, session, path).await,
        _ => Err(no_route(call)),
    }
}

/// WAHA's 404 for what it has no route for.
fn no_route(call: &Call) -> Refusal {
    let sentence = format!("Cannot {} {}", call.method, call.raw_path);
    http_error(404, "Not Found", sentence)
}

/// An error body with a name and one sentence.
fn http_error(status_code: u16, name: &str, sentence: impl Into<String>) -> Refusal {
    ErrorBody::Http(HttpError {
        message: ErrorText::One(sentence.into()),
        error: Some(name.to_owned()),
        status_code,
    })
    .into()
}
