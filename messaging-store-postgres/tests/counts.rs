//! Counts that are kept as messages change are those of the messages, at any moment.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::time::Duration;

use messaging_core::conformance::build::{at, inbound, message, message_id, session_id, tenant_id};
use messaging_core::domain::filter::{MessageFilter, Portion};
use messaging_core::domain::id::{MessageId, uuid_v7};
use messaging_core::domain::message::{Direction, Message, MessageRef, StatusChange};
use messaging_core::domain::statistics::StatisticsRange;
use messaging_core::domain::status::{Status, StatusEvent};
use messaging_core::domain::timestamp::Timestamp;
use messaging_core::memory::store::MemoryStore;
use messaging_core::ports::message_store::MessageStore;
use messaging_core::ports::upkeep::Upkeep;
use messaging_store_postgres::PostgresStore;
use support::{Database, count};

/// Numbers that look drawn, and are the same each time.
struct Drawn(u64);

impl Drawn {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963);
        (self.0 >> 33) % end
    }

    fn of<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[usize::try_from(self.below(choices.len() as u64)).unwrap()]
    }
}

/// Within six hours, often at the very beginning or end of one.
fn instant(drawn: &mut Drawn) -> Timestamp {
    let hour = Duration::from_secs(3600);
    let within = [0, 1, 1_800_000_000, 3_599_999_999];
    let within = Duration::from_micros(drawn.of(&within));
    at(0).plus(hour * u32::try_from(drawn.below(6)).unwrap()).plus(within)
}

fn any_message(n: u64, drawn: &mut Drawn) -> Message {
    let made = if drawn.below(4) == 0 { inbound(n) } else { message(n) };
    let created_at = instant(drawn);
    Message {
        id: MessageId(uuid_v7(created_at, n << 2)),
        tenant: tenant_id(1 + drawn.below(2)),
        session: session_id(1 + drawn.below(3)),
        created_at,
        ..made
    }
}

const EVENTS: [StatusEvent; 7] = [
    StatusEvent::Begin,
    StatusEvent::Accept,
    StatusEvent::Deliver,
    StatusEvent::Read,
    StatusEvent::Fail,
    StatusEvent::Cancel,
    StatusEvent::Replay,
];

async fn compare(store: &PostgresStore, model: &MemoryStore, drawn: &mut Drawn) {
    for _ in 0..10 {
        let tenant = tenant_id(1 + drawn.below(2));
        let ends = [None, Some(instant(drawn)), Some(instant(drawn))];
        let (from, to) = (drawn.of(&ends), drawn.of(&ends));
        let session = drawn.of(&[None, Some(session_id(1)), Some(session_id(2))]);
        let range = StatisticsRange { from, to, session };
        let (ours, theirs) =
            (store.statistics(tenant, &range).await, model.statistics(tenant, &range).await);
        assert_eq!(ours.unwrap(), theirs.unwrap(), "{range:?}");
        let direction = drawn.of(&[None, Some(Direction::Outbound), Some(Direction::Inbound)]);
        let status = drawn.of(&[None, Some(Status::Sent), Some(Status::Queued)]);
        let filter =
            MessageFilter { from, to, session, direction, status, ..MessageFilter::default() };
        let page = Portion::Page { page: 1, limit: 100 };
        let ours = MessageStore::list(store, tenant, &filter, page).await.unwrap();
        let theirs = MessageStore::list(model, tenant, &filter, page).await.unwrap();
        assert_eq!(ours, theirs, "{range:?} {direction:?} {status:?}");
    }
}

#[tokio::test]
async fn whatever_happens_they_are_those_of_a_full_count() {
    let database = Database::new().await;
    let store = database.store().await;
    let model = MemoryStore::new();
    let mut drawn = Drawn(7);
    // One that nobody has, too.
    let mut ids = vec![message_id(9_999_999)];
    for round in 0..12 {
        let new: Vec<Message> = (0..20).map(|n| any_message(round * 20 + n, &mut drawn)).collect();
        ids.extend(new.iter().map(|message| message.id));
        MessageStore::insert(&store, &new).await.unwrap();
        MessageStore::insert(&model, &new).await.unwrap();
        let changes: Vec<StatusChange> = (0..60)
            .map(|_| {
                let message = MessageRef::Id(drawn.of(&ids));
                StatusChange::new(message, drawn.of(&EVENTS), instant(&mut drawn))
            })
            .collect();
        let ours = store.change(&changes).await.unwrap();
        assert_eq!(ours, model.change(&changes).await.unwrap());
        if round % 3 == 2 {
            store.upkeep(at(0)).await.unwrap();
        }
        compare(&store, &model, &mut drawn).await;
    }
    let mut connection = database.connection().await;
    store.upkeep(at(0)).await.unwrap();
    let left = "SELECT count(*) FROM message_count_changes";
    assert_eq!(count(&mut connection, left).await, 0);
    compare(&store, &model, &mut drawn).await;
}

/// Adding up beside writers neither loses nor repeats a change.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn they_are_exact_while_they_are_added_up() {
    let database = Database::new().await;
    let store = database.store().await;
    let write = async {
        for n in 0..40 {
            let new: Vec<Message> = (1..=5).map(|each| message(n * 5 + each)).collect();
            MessageStore::insert(&store, &new).await.unwrap();
        }
    };
    let add_up = async {
        for _ in 0..40 {
            store.upkeep(at(0)).await.unwrap();
        }
    };
    tokio::join!(write, add_up, add_up_again(&store));
    let range = StatisticsRange::default();
    assert_eq!(store.statistics(tenant_id(1), &range).await.unwrap().total, 200);
}

async fn add_up_again(store: &PostgresStore) {
    for _ in 0..40 {
        store.upkeep(at(0)).await.unwrap();
    }
}
