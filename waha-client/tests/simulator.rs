//! The simulator does what WAHA does, over real HTTP.
#![expect(clippy::unwrap_used, reason = "in a test, what is missing should fail it")]

#[path = "simulator/harness.rs"]
mod harness;

#[path = "simulator/answers.rs"]
mod answers;
#[path = "simulator/chats.rs"]
mod chats;
#[path = "simulator/client.rs"]
mod client;
#[path = "simulator/contacts.rs"]
mod contacts;
#[path = "simulator/errors.rs"]
mod errors;
#[path = "simulator/faults.rs"]
mod faults;
#[path = "simulator/following.rs"]
mod following;
#[path = "simulator/inbound.rs"]
mod inbound;
#[path = "simulator/keys.rs"]
mod keys;
#[path = "simulator/knobs.rs"]
mod knobs;
#[path = "simulator/outages.rs"]
mod outages;
#[path = "simulator/sends.rs"]
mod sends;
#[path = "simulator/sessions.rs"]
mod sessions;
#[path = "simulator/webhooks.rs"]
mod webhooks;
