//! The store in memory must behave like every other.

use messaging_core::conformance;
use messaging_core::memory::store::MemoryStore;

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
