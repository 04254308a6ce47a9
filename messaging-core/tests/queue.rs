//! The queue in memory must behave like every other queue.

use messaging_core::conformance::queue;
use messaging_core::memory::queue::MemoryQueue;

macro_rules! behavior {
    ($name:ident) => {
        #[tokio::test]
        async fn $name() {
            queue::$name(&MemoryQueue::new()).await;
        }
    };
}

messaging_core::for_each_queue_behavior!(behavior);
