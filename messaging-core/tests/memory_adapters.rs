//! The store in memory must behave like every other.

use messaging_core::conformance::message_store;
use messaging_core::memory::store::MemoryStore;

macro_rules! message_store_behavior {
    ($name:ident) => {
        #[tokio::test]
        async fn $name() {
            message_store::$name(&MemoryStore::new()).await;
        }
    };
}
messaging_core::for_each_message_store_behavior!(message_store_behavior);
