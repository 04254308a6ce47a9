//! How every transport must behave.

use async_trait::async_trait;

use crate::conformance::build::at;
use crate::domain::address::Address;
use crate::domain::content::Content;
use crate::domain::failure::FailureCode;
use crate::domain::id::{ProviderMessageId, provider_message_id};
use crate::domain::session::ProviderSession;
use crate::domain::timestamp::Timestamp;
use crate::ports::transport::{
    Envelope, Found, Later, LaterReason, Lookup, Preparation, Route, SendOutcome, Transport,
};

/// A transport under test, and the provider behind it, which a test has do what it needs.
#[async_trait]
pub trait TransportFixture: Send + Sync {
    /// What is tested.
    fn transport(&self) -> &dyn Transport;

    /// An account that is connected.
    fn session(&self) -> ProviderSession;

    /// Somebody who can be reached.
    fn reachable(&self) -> Address;

    /// Somebody who has no account with the provider.
    fn absent(&self) -> Address;

    /// The present, as the provider's messages are stamped.
    fn now(&self) -> Timestamp;

    /// How many messages there are at the provider, sends with the same id being one.
    async fn delivered(&self) -> usize;

    /// The next send arrives and its answer is lost.
    async fn lose_next_answer(&self);

    /// The account is not connected any more.
    async fn disconnect(&self);

    /// Nobody can connect to the provider any more.
    async fn become_unreachable(&self);
}

/// Runs `$test!(name)` for each behavior of a transport. A behavior is an `async fn` that takes a
/// [`&dyn TransportFixture`](TransportFixture).
#[macro_export]
macro_rules! for_each_transport_behavior {
    ($test:ident) => {
        $test!(what_it_accepts_is_there_once);
        $test!(an_id_chosen_by_the_sender_is_the_messages_id);
        $test!(a_repeat_with_the_same_id_is_no_second_message);
        $test!(somebody_without_an_account_is_rejected_before_anything_is_sent);
        $test!(a_lost_answer_is_unknown_and_the_message_is_found);
        $test!(what_was_never_sent_is_not_found);
        $test!(preparing_sends_nothing);
        $test!(an_account_that_is_not_connected_sends_nothing);
        $test!(a_provider_that_cannot_be_reached_is_said_to_be_so);
    };
}

struct Given {
    session: ProviderSession,
    to: Address,
    content: Content,
    id: ProviderMessageId,
}

impl Given {
    fn new(fixture: &dyn TransportFixture) -> Self {
        Self {
            session: fixture.session(),
            to: fixture.reachable(),
            content: Content::text("conformance"),
            id: provider_message_id([at(0).as_micros().unsigned_abs(), 7]),
        }
    }

    fn envelope(&self) -> Envelope<'_> {
        Envelope { session: &self.session, to: &self.to, content: &self.content }
    }

    fn id(&self, route: &Route) -> Option<&ProviderMessageId> {
        route.takes_id.then_some(&self.id)
    }
}

#[expect(clippy::panic, reason = "this is how a test of the suite fails")]
async fn route(fixture: &dyn TransportFixture, given: &Given) -> Route {
    match fixture.transport().prepare(given.envelope()).await {
        Preparation::Ready(route) => route,
        other => panic!("cannot be prepared: {other:?}"),
    }
}

#[expect(clippy::panic, reason = "this is how a test of the suite fails")]
async fn send(
    fixture: &dyn TransportFixture,
    given: &Given,
    route: &Route,
) -> Option<ProviderMessageId> {
    match fixture.transport().send(given.envelope(), route, given.id(route)).await {
        SendOutcome::Accepted { id } => id,
        other => panic!("not accepted: {other:?}"),
    }
}

/// A message that is accepted is at the provider, once, under the id told.
pub async fn what_it_accepts_is_there_once(fixture: &dyn TransportFixture) {
    let given = Given::new(fixture);
    let since = fixture.now();
    let route = route(fixture, &given).await;
    let id = send(fixture, &given, &route).await;
    assert!(id.is_some());
    assert_eq!(fixture.delivered().await, 1);
    let envelope = given.envelope();
    let lookup = Lookup { envelope, route: &route, id: id.as_ref(), since };
    assert_eq!(fixture.transport().find_sent(lookup).await, Found::Sent(id.unwrap_or(given.id)));
}

/// Where the route takes an id, the message has that id.
pub async fn an_id_chosen_by_the_sender_is_the_messages_id(fixture: &dyn TransportFixture) {
    let given = Given::new(fixture);
    let route = route(fixture, &given).await;
    let id = send(fixture, &given, &route).await;
    if route.takes_id {
        assert_eq!(id, Some(given.id));
    } else {
        assert_ne!(id, Some(given.id));
    }
}

/// Where the route takes an id, sending twice with the same id makes one message.
pub async fn a_repeat_with_the_same_id_is_no_second_message(fixture: &dyn TransportFixture) {
    let given = Given::new(fixture);
    let route = route(fixture, &given).await;
    send(fixture, &given, &route).await;
    send(fixture, &given, &route).await;
    assert_eq!(fixture.delivered().await, if route.takes_id { 1 } else { 2 });
}

/// Who has no account with the provider is told from who has, before anything is sent.
pub async fn somebody_without_an_account_is_rejected_before_anything_is_sent(
    fixture: &dyn TransportFixture,
) {
    let given = Given { to: fixture.absent(), ..Given::new(fixture) };
    let prepared = fixture.transport().prepare(given.envelope()).await;
    let Preparation::Rejected(failure) = &prepared else {
        assert_eq!(format!("{prepared:?}"), "rejected");
        return;
    };
    assert_eq!(failure.code, FailureCode::NotOnWhatsapp);
    assert_eq!(fixture.delivered().await, 0);
}

/// An answer that is lost leaves the outcome unknown; looking finds the message.
pub async fn a_lost_answer_is_unknown_and_the_message_is_found(fixture: &dyn TransportFixture) {
    let given = Given::new(fixture);
    let since = fixture.now();
    let route = route(fixture, &given).await;
    fixture.lose_next_answer().await;
    let id = given.id(&route);
    let outcome = fixture.transport().send(given.envelope(), &route, id).await;
    assert_eq!(outcome, SendOutcome::Unknown);
    assert_eq!(fixture.delivered().await, 1);
    let lookup = Lookup { envelope: given.envelope(), route: &route, id, since };
    let found = fixture.transport().find_sent(lookup).await;
    assert!(matches!(&found, Found::Sent(told) if id.is_none_or(|id| id == told)), "{found:?}");
}

/// A message that was never sent is not found; a provider that cannot tell says so.
pub async fn what_was_never_sent_is_not_found(fixture: &dyn TransportFixture) {
    let given = Given::new(fixture);
    let since = fixture.now();
    let route = route(fixture, &given).await;
    let lookup = Lookup { envelope: given.envelope(), route: &route, id: given.id(&route), since };
    let found = fixture.transport().find_sent(lookup).await;
    assert!(matches!(found, Found::Absent | Found::CannotTell), "{found:?}");
}

/// Finding out the route sends nothing.
pub async fn preparing_sends_nothing(fixture: &dyn TransportFixture) {
    route(fixture, &Given::new(fixture)).await;
    assert_eq!(fixture.delivered().await, 0);
}

/// While the account is not connected nothing is sent, and that is said.
pub async fn an_account_that_is_not_connected_sends_nothing(fixture: &dyn TransportFixture) {
    let given = Given::new(fixture);
    let route = route(fixture, &given).await;
    fixture.disconnect().await;
    let outcome = fixture.transport().send(given.envelope(), &route, given.id(&route)).await;
    let reason = LaterReason::SessionNotWorking;
    assert_eq!(outcome, SendOutcome::TryLater(Later { reason, after: None }));
    assert_eq!(fixture.delivered().await, 0);
}

/// While no connection can be made nothing is sent, and that is said.
pub async fn a_provider_that_cannot_be_reached_is_said_to_be_so(fixture: &dyn TransportFixture) {
    let given = Given::new(fixture);
    let route = route(fixture, &given).await;
    fixture.become_unreachable().await;
    let outcome = fixture.transport().send(given.envelope(), &route, given.id(&route)).await;
    let reason = LaterReason::Unreachable;
    assert_eq!(outcome, SendOutcome::TryLater(Later { reason, after: None }));
}
