//! The store in memory must behave like every other.

use std::sync::Arc;

use messaging_core::conformance;
use messaging_core::conformance::build::{at, message, message_id};
use messaging_core::domain::message::{ChangeOutcome, MessageRef, StatusChange};
use messaging_core::domain::status::StatusEvent;
use messaging_core::memory::duty_roster::MemoryDutyRoster;
use messaging_core::memory::store::MemoryStore;
use messaging_core::ports::message_store::MessageStore;

mod message_store {
    macro_rules! behavior {
        ($name:ident) => {
            #[tokio::test]
            async fn $name() {
                super::conformance::message_store::$name(&super::MemoryStore::new()).await;
            }
        };
    }
    messaging_core::for_each_message_store_behavior!(behavior);
}

mod session_store {
    macro_rules! behavior {
        ($name:ident) => {
            #[tokio::test]
            async fn $name() {
                super::conformance::session_store::$name(&super::MemoryStore::new()).await;
            }
        };
    }
    messaging_core::for_each_session_store_behavior!(behavior);
    messaging_core::for_each_tenants_session_behavior!(behavior);
}

mod server_store {
    macro_rules! behavior {
        ($name:ident) => {
            #[tokio::test]
            async fn $name() {
                let store = super::MemoryStore::new();
                super::conformance::server_store::$name(&store, &store).await;
            }
        };
    }
    messaging_core::for_each_server_store_behavior!(behavior);
}

mod tenant_store {
    macro_rules! behavior {
        ($name:ident) => {
            #[tokio::test]
            async fn $name() {
                super::conformance::tenant_store::$name(&super::MemoryStore::new()).await;
            }
        };
    }
    messaging_core::for_each_tenant_store_behavior!(behavior);
}

mod key_store {
    macro_rules! behavior {
        ($name:ident) => {
            #[tokio::test]
            async fn $name() {
                super::conformance::key_store::$name(&super::MemoryStore::new()).await;
            }
        };
    }
    messaging_core::for_each_key_store_behavior!(behavior);
}

mod duty_roster {
    macro_rules! behavior {
        ($name:ident) => {
            #[tokio::test]
            async fn $name() {
                super::conformance::duty_roster::$name(&super::MemoryDutyRoster::default()).await;
            }
        };
    }
    messaging_core::for_each_duty_roster_behavior!(behavior);
}

mod idempotency_store {
    macro_rules! behavior {
        ($name:ident) => {
            #[tokio::test]
            async fn $name() {
                let store = super::MemoryStore::new();
                super::conformance::idempotency_store::$name(&store, &store).await;
            }
        };
    }
    messaging_core::for_each_idempotency_store_behavior!(behavior);
}

mod opt_out_store {
    macro_rules! behavior {
        ($name:ident) => {
            #[tokio::test]
            async fn $name() {
                super::conformance::opt_out_store::$name(&super::MemoryStore::new()).await;
            }
        };
    }
    messaging_core::for_each_opt_out_store_behavior!(behavior);
}

mod audit_log {
    macro_rules! behavior {
        ($name:ident) => {
            #[tokio::test]
            async fn $name() {
                super::conformance::audit_log::$name(&super::MemoryStore::new()).await;
            }
        };
    }
    messaging_core::for_each_audit_log_behavior!(behavior);
}

mod person_store {
    macro_rules! behavior {
        ($name:ident) => {
            #[tokio::test]
            async fn $name() {
                let store = super::MemoryStore::new();
                super::conformance::person_store::$name(&store, &store, &store).await;
            }
        };
    }
    messaging_core::for_each_person_store_behavior!(behavior);
}

mod retention_store {
    macro_rules! behavior {
        ($name:ident) => {
            #[tokio::test]
            async fn $name() {
                let store = super::MemoryStore::new();
                super::conformance::retention_store::$name(&store, &store, &store).await;
            }
        };
    }
    messaging_core::for_each_retention_store_behavior!(behavior);
}

mod erasure {
    macro_rules! behavior {
        ($name:ident) => {
            #[tokio::test]
            async fn $name() {
                super::conformance::erasure::$name(&super::MemoryStore::new()).await;
            }
        };
    }
    messaging_core::for_each_erasure_behavior!(behavior);
}

mod access_store {
    macro_rules! behavior {
        ($name:ident) => {
            #[tokio::test]
            async fn $name() {
                super::conformance::access_store::$name(&super::MemoryStore::new()).await;
            }
        };
    }
    messaging_core::for_each_access_store_behavior!(behavior);
}

mod wishes {
    macro_rules! behavior {
        ($name:ident) => {
            #[tokio::test]
            async fn $name() {
                let store = super::MemoryStore::new();
                super::conformance::wishes::$name(&store, &store, &store).await;
            }
        };
    }
    messaging_core::for_each_wish_behavior!(behavior);
}

mod inbox_store {
    macro_rules! behavior {
        ($name:ident) => {
            #[tokio::test]
            async fn $name() {
                let store = super::MemoryStore::new();
                super::conformance::inbox_store::$name(&store, &store, &store).await;
            }
        };
    }
    messaging_core::for_each_inbox_store_behavior!(behavior);
}

/// The suites' callers take turns wherever a call waits, and calls of this store never wait: only
/// threads bring two of them together.
#[tokio::test(flavor = "multi_thread", worker_threads = 8)]
async fn an_attempt_begins_once_on_however_many_threads() {
    let store: Arc<dyn MessageStore> = Arc::new(MemoryStore::new());
    let messages: Vec<_> = (1..=200).map(message).collect();
    store.insert(&messages).await.unwrap();
    let begin = |n| StatusChange {
        generation: Some(0),
        ..StatusChange::new(MessageRef::Id(message_id(n)), StatusEvent::Begin, at(500))
    };
    let workers: Vec<_> = (0..16)
        .map(|_| {
            let store = Arc::clone(&store);
            tokio::spawn(async move {
                let mut begun = 0;
                for n in 1..=200 {
                    let outcomes = store.change(&[begin(n)]).await.unwrap();
                    begun += usize::from(matches!(outcomes[0], ChangeOutcome::Moved { .. }));
                }
                begun
            })
        })
        .collect();
    let mut begun = 0;
    for worker in workers {
        begun += worker.await.unwrap();
    }
    assert_eq!(begun, 200);
}
