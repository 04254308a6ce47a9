//! How PostgreSQL finds what each call asks for: the plans are kept in `plans/`, so that an index
//! that is lost, or no longer used, is noticed. `UPDATE_PLANS=1` writes them anew.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::PathBuf;
use std::time::Duration;

use messaging_core::conformance::build::{self, at, audit_event, inbox_entry, message};
use messaging_core::domain::address::{Address, RecipientKey};
use messaging_core::domain::audit::{AuditFilter, Chain};
use messaging_core::domain::filter::{MessageFilter, Portion};
use messaging_core::domain::id::{
    ApiKeyId, BatchId, InboxId, MessageId, OptOutId, ProviderMessageId, SessionId, TenantId,
    TokenFamilyId,
};
use messaging_core::domain::inbox::InboxEffect;
use messaging_core::domain::message::{
    ChangeOutcome, Direction, Message, MessageRef, StatusChange,
};
use messaging_core::domain::opt_out::OptOutRef;
use messaging_core::domain::portion::PortionBy;
use messaging_core::domain::statistics::StatisticsRange;
use messaging_core::domain::status::{Status, StatusEvent};
use messaging_core::domain::tenant::Tenant;
use messaging_core::domain::timestamp::Timestamp;
use messaging_core::ports::access_store::AccessStore;
use messaging_core::ports::audit_log::AuditLog;
use messaging_core::ports::inbox_store::InboxStore;
use messaging_core::ports::message_store::MessageStore;
use messaging_core::ports::opt_out_store::OptOutStore;
use messaging_core::ports::person_store::PersonStore;
use messaging_core::ports::retention_store::RetentionStore;
use messaging_core::ports::session_store::SessionStore;
use messaging_core::ports::tenant_store::TenantStore;
use messaging_store_postgres::{PostgresOptions, PostgresStore};
use test_services::Postgres;
use uuid::Uuid;

/// Twenty thousand messages of twenty tenants, in the month that begins here: enough for indexes to
/// matter.
const FIRST: &str = "2031-05-01T00:00:00Z";

const FILL: &str = "
    SET search_path = messaging;
    CALL make_partitions(1935360000000000, 0);
    INSERT INTO messages (
        id, tenant, session, batch, direction, recipient_key, priority, kind, campaign, status,
        attempts, generation, held_by_batch, due_at, created_at, updated_at, sent_at,
        lines
    )
    SELECT (lpad(to_hex(at / 1000), 12, '0') || '70008000' || lpad(to_hex(n), 12, '0'))::uuid,
        lpad(to_hex(n % 20), 32, '0')::uuid, lpad(to_hex(n % 100), 32, '0')::uuid,
        CASE WHEN n % 10 = 0 THEN lpad(to_hex(n / 1000), 32, '0')::uuid END,
        CASE WHEN n % 5 = 1 THEN 'inbound' ELSE 'outbound' END, n, 'normal', 'text',
        CASE WHEN n % 7 = 0 THEN 'campaign-' || n % 20 END,
        CASE WHEN n % 5 = 1 THEN 'received' WHEN n % 97 = 0 THEN 'failed'
            WHEN n % 89 = 0 THEN 'queued' ELSE 'read' END,
        1, 1, n % 890 = 0, at, at, at, at + n % 1000, 2
    FROM (SELECT n, 1935360000000000 + n * 100000000::bigint AS at
        FROM generate_series(0, 19999) AS n) AS numbers;
    INSERT INTO message_contents (message, tenant, recipient, body)
    SELECT id, tenant, '+5511' || recipient_key, 'Your order ' || recipient_key || ' is on its way'
    FROM messages;
    INSERT INTO message_events (message, number, at, status, attempts)
    SELECT id, n, created_at, status, 1 FROM messages, generate_series(1, 2) AS n;
    INSERT INTO provider_ids SELECT session, id::text, id, direction = 'inbound' FROM messages;
    INSERT INTO attempts SELECT session, created_at FROM messages;
    INSERT INTO chats SELECT session, recipient_key, created_at, true FROM messages;
    INSERT INTO message_counts
    SELECT tenant, created_at - created_at % 3600000000, session, direction, kind, status, count(*)
    FROM messages GROUP BY 1, 2, 3, 4, 5, 6;
    INSERT INTO inbox
    SELECT id, tenant, session, 'message', id::text,
        CASE WHEN direction = 'inbound' AND updated_at % 700 = 0 THEN 'pending' ELSE 'applied' END,
        0, created_at, created_at, ''
    FROM messages;
    INSERT INTO batches
    SELECT lpad(to_hex(n), 32, '0')::uuid, lpad(to_hex(n % 20), 32, '0')::uuid,
        lpad(to_hex(n % 100), 32, '0')::uuid, 20, 100, 0, 0
    FROM generate_series(0, 19) AS n;
    INSERT INTO opt_outs
    SELECT lpad(to_hex(n), 32, '0')::uuid, lpad(to_hex(n % 20), 32, '0')::uuid, '+5511' || n, 0, 'api'
    FROM generate_series(0, 19999) AS n;
    INSERT INTO audit_entries
    SELECT lpad(to_hex(n % 20), 32, '0')::uuid, n / 20 + 1, n, 'token', 'actor ' || n % 1000, 'owner',
        'send_message', 'message', 'target ' || n, '', 202, NULL, '', decode(repeat('00', 32), 'hex'),
        decode(repeat('00', 32), 'hex')
    FROM generate_series(0, 19999) AS n;
    INSERT INTO audit_chains (chain, seq)
    SELECT lpad(to_hex(n), 32, '0')::uuid, 1000 FROM generate_series(0, 19) AS n;
    INSERT INTO api_keys
    SELECT lpad(to_hex(n), 32, '0')::uuid, lpad(to_hex(n % 20), 32, '0')::uuid, 'key ' || n, 'owner', NULL,
        decode(repeat('07', 32), 'hex'), 0
    FROM generate_series(0, 19999) AS n;
    INSERT INTO token_families
    SELECT lpad(to_hex(n), 32, '0')::uuid, lpad(to_hex(n % 20), 32, '0')::uuid, lpad(to_hex(n), 32, '0')::uuid,
        0, 0, 2000000000000000 + n
    FROM generate_series(0, 19999) AS n;
    INSERT INTO sessions
    SELECT lpad(to_hex(n), 32, '0')::uuid, lpad(to_hex(n % 20), 32, '0')::uuid, 's' || n, 'one',
        's' || n, false, 'working', 0, NULL, 'reject', 0, 0
    FROM generate_series(0, 999) AS n;
";

struct Plans {
    postgres: Postgres,
    store: PostgresStore,
    different: Vec<String>,
}

impl Plans {
    async fn start() -> Self {
        let postgres = Postgres::start().await;
        postgres.sql("CREATE DATABASE plans").await;
        let url = postgres.url();
        let url = format!("{}/plans", url.rsplit_once('/').unwrap().0);
        let options = PostgresOptions::default();
        let open = || PostgresStore::open(&url, &options);
        open().await.unwrap().close().await;
        postgres.sql_in("plans", FILL).await;
        // In statements of their own: none may be in a transaction.
        postgres.sql_in("plans", "VACUUM ANALYZE").await;
        for setting in [
            "session_preload_libraries = 'auto_explain'",
            "auto_explain.log_min_duration = 0",
            "auto_explain.log_nested_statements = on",
            // How many workers help is no matter of indexes.
            "max_parallel_workers_per_gather = 0",
        ] {
            postgres.sql(&format!("ALTER DATABASE plans SET {setting}")).await;
        }
        let store = open().await.unwrap();
        Self { postgres, store, different: Vec::new() }
    }

    /// Compares the plans of a call with those that are kept.
    async fn check(&mut self, name: &'static str, call: impl Future) {
        let before = self.postgres.log().len();
        call.await;
        let plans = shapes(&self.postgres.log()[before..]);
        assert!(!plans.is_empty(), "{name}: nothing was asked");
        let file = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("plans").join(name);
        let file = file.with_extension("txt");
        if std::env::var_os("UPDATE_PLANS").is_some() {
            std::fs::write(&file, &plans).unwrap();
        }
        if std::fs::read_to_string(&file).ok().as_deref() != Some(&plans) {
            self.different.push(format!("{name} is now\n{plans}"));
        }
    }
}

/// The plans in a log, without what differs from run to run.
fn shapes(log: &str) -> String {
    let mut shapes = String::new();
    let mut in_plan = false;
    for line in log.lines() {
        let Some(line) = line.strip_prefix('\t') else {
            in_plan = false;
            continue;
        };
        // What stands before is the statement.
        in_plan |= line.contains("  (cost=");
        if !in_plan {
            continue;
        }
        let (node, _) = line.split_once("  (cost=").unwrap_or((line, ""));
        let is_detail = [" Filter:", " Output:", "Query Text:"].iter().any(|it| node.contains(it));
        if !is_detail {
            shapes.push_str(&without_values(node));
            shapes.push('\n');
        }
    }
    shapes
}

/// A line without its literals, and with every month alike.
fn without_values(line: &str) -> String {
    let mut parts = line.split('\'');
    let mut kept = parts.next().unwrap_or_default().to_owned();
    while let (Some(_), Some(after)) = (parts.next(), parts.next()) {
        kept.push('?');
        kept.push_str(after);
    }
    let is_month = |text: &str| {
        text.len() == "_2031_05".len()
            && text.chars().enumerate().all(|(n, character)| match n {
                0 | 5 => character == '_',
                _ => character.is_ascii_digit(),
            })
    };
    let mut at = 0;
    while at < kept.len() {
        if kept.get(at..at + 8).is_some_and(is_month) {
            kept.replace_range(at..at + 8, "_month");
        }
        at += 1;
    }
    kept
}

/// An id that is a number.
fn id<T>(number: u128, id: impl Fn(Uuid) -> T) -> T {
    id(Uuid::from_u128(number))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_call_is_served_by_the_index_it_was_made_for() {
    let mut plans = Plans::start().await;
    let store = plans.store.clone();
    let store = &store;
    let (tenant, session) = (id(7, TenantId), id(27, SessionId));
    let first = Timestamp::parse(FIRST).unwrap();
    let day = |day: u64| Some(first.plus(Duration::from_secs(86_400 * day + 7)));
    // As the statement that fills draws them.
    let nth = |n: u128| {
        let millis = u128::from(first.as_micros().cast_unsigned()) / 1000 + n * 100_000;
        id((millis << 80) + (0x7000_8000_u128 << 48) + n, MessageId)
    };
    let (some, queued) = (nth(10_007), nth(8_989));
    assert_eq!(store.load(&[some]).await.unwrap().len(), 1);

    let none = MessageFilter::default();
    let page = Portion::Page { page: 1, limit: 20 };
    let filters = [
        ("list_all", none.clone()),
        ("list_session", MessageFilter { session: Some(session), ..none.clone() }),
        ("list_status", MessageFilter { status: Some(Status::Failed), ..none.clone() }),
        ("list_direction", MessageFilter { direction: Some(Direction::Inbound), ..none.clone() }),
        ("list_month", MessageFilter { from: day(3), to: day(9), ..none.clone() }),
        ("list_campaign", MessageFilter { campaign: Some("campaign-7".into()), ..none.clone() }),
        ("list_batch", MessageFilter { batch: Some(id(7, BatchId)), ..none.clone() }),
        ("list_search", MessageFilter { search: Some("order 4007".into()), ..none.clone() }),
        (
            "list_unconfirmed",
            MessageFilter {
                session: Some(session),
                direction: Some(Direction::Outbound),
                status: Some(Status::Sent),
                from: day(3),
                to: day(4),
                ..none.clone()
            },
        ),
        (
            "list_search_status",
            MessageFilter {
                search: Some("order".into()),
                status: Some(Status::Failed),
                ..none.clone()
            },
        ),
    ];
    for (name, filter) in &filters {
        plans.check(name, MessageStore::list(store, tenant, filter, page)).await;
    }
    let deep = Portion::OlderThan { message: some, limit: 20 };
    plans.check("list_deep", MessageStore::list(store, tenant, &none, deep)).await;
    plans.check("find", MessageStore::find(store, tenant, some)).await;
    plans.check("events", store.events(tenant, some)).await;
    let range = StatisticsRange { from: day(3), to: day(9), session: None };
    plans.check("statistics", store.statistics(tenant, &range)).await;
    plans.check("find_batch", store.find_batch(tenant, id(7, BatchId))).await;

    let page = PortionBy::Page { page: 1, limit: 20 };
    plans.check("batches", store.batches(tenant, page)).await;
    let page = PortionBy::Page { page: 1, limit: 20 };
    plans.check("opt_outs", OptOutStore::list(store, tenant, page)).await;
    let deep = PortionBy::OlderThan { last: id(10_007, OptOutId), limit: 20 };
    plans.check("opt_outs_deep", OptOutStore::list(store, tenant, deep)).await;
    let (person, by_id) = (Address::from_stored("+551110007"), id(10_007, OptOutId));
    let entry = OptOutRef::Address(person.clone());
    plans.check("opt_out", OptOutStore::find(store, tenant, &entry)).await;
    plans.check("opt_out_by_id", OptOutStore::find(store, tenant, &OptOutRef::Id(by_id))).await;
    plans.check("opted_out", store.opted_out(tenant, std::slice::from_ref(&person))).await;
    plans.check("opt_out_removed", OptOutStore::remove(store, tenant, &entry)).await;
    let (chain, none) = (Chain::Tenant(tenant), AuditFilter::default());
    plans.check("audit", AuditLog::list(store, chain, &none, None, 20)).await;
    let of_target = AuditFilter { target: Some("target 4007".into()), ..none.clone() };
    plans.check("audit_of_target", AuditLog::list(store, chain, &of_target, None, 20)).await;
    let of_actor = AuditFilter { actor: Some("actor 27".into()), ..none };
    plans.check("audit_of_actor", AuditLog::list(store, chain, &of_actor, None, 20)).await;
    plans.check("audit_walk", store.walk(chain, 500, 20)).await;
    plans.check("audit_append", store.append(&[audit_event(1)])).await;
    plans.check("audit_forget", store.forget(chain, at(0), 20)).await;
    plans.check("messages_with", store.messages_with(tenant, &person, None, 20)).await;
    plans.check("erase_messages", store.erase_messages(tenant, &[some])).await;
    plans.check("webhooks", store.webhooks(tenant, None, 20)).await;
    plans.check("erase_webhooks", store.erase_webhooks(tenant, &[InboxId(some.0)])).await;
    plans.check("forget_messages", store.forget_messages(tenant, first, 20)).await;
    plans.check("forget_webhooks", store.forget_webhooks(tenant, first, 20)).await;
    plans.check("waiting_to", store.waiting_to(&[session], &person, 500)).await;

    let key = id(10_007, ApiKeyId);
    plans.check("api_key", store.key(key)).await;
    plans.check("api_key_of_tenant", store.find_key(tenant, key)).await;
    let page = PortionBy::Page { page: 1, limit: 20 };
    plans.check("api_keys", store.list_keys(tenant, page)).await;
    plans.check("api_key_used", store.touch_key(key, Timestamp::from_micros(1))).await;
    plans.check("api_key_revoked", store.revoke_key(tenant, key, Timestamp::from_micros(1))).await;
    let family = id(10_007, TokenFamilyId);
    let (now, until) = (Timestamp::from_micros(1), Timestamp::from_micros(2_000_000_000_000_000));
    plans.check("token_family", store.family(family)).await;
    plans.check("token_family_rotated", store.rotate(family, 0, until, now)).await;
    plans.check("token_family_revoked", store.revoke_family(family, now)).await;

    plans.check("load", store.load(&[some])).await;
    let name = [ProviderMessageId(some.to_string())];
    let known = async {
        assert_eq!(store.known_at_provider(id(7, SessionId), &name).await.unwrap().len(), 0);
    };
    plans.check("known_at_provider", known).await;
    plans.check("held_before", store.held_before(id(7, BatchId), some)).await;
    plans.check("behind", store.behind(&[some])).await;
    plans.check("pending", store.pending(None, 1000)).await;
    plans.check("batches_holding", store.batches_holding(None, 100)).await;
    plans.check("release", store.release_from_batch(id(7, BatchId), at(0))).await;
    plans.check("batch", store.batch(tenant, id(7, BatchId))).await;
    plans.check("release_scheduled", store.release_scheduled(first, 1000)).await;
    plans.check("overdue", store.overdue(first, 1000)).await;
    plans.check("attempts", store.attempts_since(session, first, first)).await;
    let chats = [(session, RecipientKey(7)), (id(28, SessionId), RecipientKey(8))];
    plans.check("open_chats", store.open_chats(&chats)).await;
    let opened = store.chats_opened(session, first, RecipientKey(7), first);
    plans.check("chats_opened", opened).await;
    let change = [StatusChange::new(MessageRef::Id(queued), StatusEvent::Begin, first)];
    let changed = async {
        let outcome = store.change(&change).await.unwrap();
        assert!(matches!(outcome[..], [ChangeOutcome::Moved { .. }]), "{outcome:?}");
    };
    plans.check("change", changed).await;
    plans.check("insert", MessageStore::insert(store, &[message(1)])).await;

    plans.check("session_of_tenant", SessionStore::find(store, tenant, session)).await;
    plans.check("session_by_name", SessionStore::find_named(store, tenant, "s27")).await;
    plans.check("session_of_webhook", store.find_any(session)).await;
    plans.check("session_by_place", store.find_placed("s27")).await;

    plans.check("keep", store.keep(&[inbox_entry(1)])).await;
    plans.check("inbox_due", store.due(first, 100)).await;
    plans.check("inbox_next_due", store.next_due()).await;
    plans.check("inbox_depth", store.depth()).await;
    let received = Message { direction: Direction::Inbound, ..message(2) };
    let effect = InboxEffect::Receive(Box::new(received));
    let effects = [(inbox_entry(1).id, effect)];
    plans.check("apply_receive", store.apply(&effects)).await;

    // Last, for little of the tenant is there then: each step finds nothing of those before it.
    let leaving = Tenant { id: tenant, ..build::tenant(7) };
    TenantStore::insert(store, &leaving).await.unwrap();
    plans.check("tenant_leaves", store.begin_deletion(tenant, first)).await;
    plans.check("erase_tenant_messages", store.erase(tenant, 20)).await;
    assert!(store.erase(tenant, 5000).await.unwrap() > 500);
    for name in ["erase_tenant_of_sessions", "erase_tenant_webhooks", "erase_tenant_rest"] {
        let step = async { assert!(store.erase(tenant, 5000).await.unwrap() > 0, "{name}") };
        plans.check(name, step).await;
    }
    plans.check("erase_tenant_sessions", store.erase(tenant, 5000)).await;
    plans.check("tenant_let_go", store.let_go(tenant)).await;

    let different = plans.different.join("\n");
    assert!(different.is_empty(), "other plans than in plans/ (UPDATE_PLANS=1):\n{different}");
}
