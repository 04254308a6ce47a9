//! Reading chats: lists of messages, single ones, and the overview.

use std::sync::Arc;

use serde_json::{Value, json};

use super::answer::Answer;
use super::call::Call;
use super::{http_error, no_route};
use crate::simulator::directory;
use crate::simulator::messages::StoredMessage;
use crate::simulator::refusal::Refusal;
use crate::simulator::sending::raw_id_of;
use crate::simulator::view::{self, View};
use crate::simulator::world::{State, World};
use crate::wire::{ErrorBody, SessionStatus};

/// In place of a chat id: every chat.
const ALL: &str = "all";

pub(super) async fn route(
    world: &Arc<World>,
    call: &Call,
    session: &str,
    path: &[&str],
) -> Result<Answer, Refusal> {
    let is_known = matches!(*path, ["overview"] | [_, "messages"] | [_, "messages", _]);
    if !is_known || !call.is("GET") {
        return Err(no_route(call));
    }
    world.ready(session, SessionStatus::Working).await?;
    let state = world.state();
    let view = reader(world, &state, session)?;
    match *path {
        [chat, "messages"] => messages(&state, &view, call, session, chat),
        [chat, "messages", id] => message(&state, &view, call, session, chat, id),
        _ => Ok(overview(&state, &view, call, session)),
    }
}

/// The eyes to read with, if the session keeps anything to read.
fn reader(world: &World, state: &State, session: &str) -> Result<View, Refusal> {
    let Some(reader) = state.sessions.get(session) else {
        return Err(ErrorBody::session_does_not_exist(session).into());
    };
    if !reader.has_store(state.knobs.engine) {
        let sentence = "Enable NOWEB store \"config.noweb.store.enabled=True\" and \
                        \"config.noweb.store.full_sync=True\" when starting a new session to get \
                        contacts, chats and messages.";
        return Err(http_error(400, "Bad Request", sentence));
    }
    Ok(world.view(state, reader.me.clone()))
}

/// The chat a path names; `None` for all of them.
fn chat_of(view: &View, chat: &str) -> Result<Option<String>, Refusal> {
    if chat != ALL {
        return Ok(Some(directory::canonical_chat(&view.knobs, chat)));
    }
    if !view.knobs.engine.reads_all_chats() {
        let sentence = format!("'{ALL}' is not supported by '{}' engine", view.knobs.engine);
        return Err(http_error(422, "Unprocessable Entity", sentence));
    }
    Ok(None)
}

fn messages(
    state: &State,
    view: &View,
    call: &Call,
    session: &str,
    chat: &str,
) -> Result<Answer, Refusal> {
    let chat = chat_of(view, chat)?;
    let (offset, limit) = page(call, 10);
    let filter = Filter::of(call);
    let newest_first =
        state.messages.newest_first(session, chat.as_deref()).filter(|it| filter.fits(it));
    let show = |message: &StoredMessage| shown(view, call, message);
    let page: Vec<Value> = if call.query("sortOrder") == Some("asc") {
        newest_first.rev().skip(offset).take(limit).map(show).collect()
    } else {
        newest_first.skip(offset).take(limit).map(show).collect()
    };
    Ok(Answer::ok(page))
}

/// A message as it is read; its media are named but not offered if the caller wants no download.
fn shown(view: &View, call: &Call, message: &StoredMessage) -> Value {
    let mut shown = view.message(message);
    if call.query("downloadMedia") == Some("false") && message.content.attachment.is_some() {
        shown["media"]["url"] = Value::Null;
        shown["mediaUrl"] = Value::Null;
    }
    shown
}

fn page(call: &Call, default_limit: usize) -> (usize, usize) {
    let number = |name| call.number(name).and_then(|number| usize::try_from(number).ok());
    (number("offset").unwrap_or(0), number("limit").unwrap_or(default_limit))
}

/// Which messages a list asks for.
struct Filter<'call> {
    from_second: Option<i64>,
    to_second: Option<i64>,
    from_me: Option<bool>,
    ack: Option<&'call str>,
}

impl<'call> Filter<'call> {
    fn of(call: &'call Call) -> Self {
        Self {
            from_second: call.number("filter.timestamp.gte"),
            to_second: call.number("filter.timestamp.lte"),
            from_me: call.query("filter.fromMe").map(|value| value == "true"),
            ack: call.query("filter.ack"),
        }
    }

    fn fits(&self, message: &StoredMessage) -> bool {
        let second = message.at_ms / 1_000;
        self.from_second.is_none_or(|from| second >= from)
            && self.to_second.is_none_or(|to| second <= to)
            && self.from_me.is_none_or(|from_me| message.from_me == from_me)
            && self.ack.is_none_or(|name| view::ack_name(message.ack) == name)
    }
}

fn message(
    state: &State,
    view: &View,
    call: &Call,
    session: &str,
    chat: &str,
    id: &str,
) -> Result<Answer, Refusal> {
    let chat = chat_of(view, chat)?;
    let raw_id = raw_id_of(id);
    let found = raw_id
        .and_then(|raw_id| state.messages.find(session, &raw_id))
        .filter(|found| chat.is_none_or(|chat| chat == found.chat));
    match found {
        Some(found) => Ok(Answer::ok(shown(view, call, found))),
        None => Err(ErrorBody::message_not_found().into()),
    }
}

fn overview(state: &State, view: &View, call: &Call, session: &str) -> Answer {
    let (offset, limit) = page(call, 20);
    let chats = state.messages.chats(session).into_iter().skip(offset).take(limit);
    let shown = chats.map(|last| {
        json!({
            "id": view.chat(&last.chat),
            "name": last.chat.split('@').next(),
            "picture": null,
            "lastMessage": view.message(last),
            "_chat": {},
        })
    });
    Answer::ok(shown.collect::<Vec<_>>())
}
