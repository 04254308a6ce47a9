//! Redis must behave like every other queue: on one server with one partition and with many, and on
//! a cluster.

mod support;

use messaging_core::conformance::queue;
use messaging_store_redis::RedisQueue;

mod in_one_partition {
    macro_rules! behavior {
        ($name:ident) => {
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                let redis = super::support::single(concat!("q1-", stringify!($name)), 1).await;
                super::queue::$name(&super::RedisQueue::new(&redis)).await;
            }
        };
    }
    messaging_core::for_each_queue_behavior!(behavior);
}

mod in_many_partitions {
    macro_rules! behavior {
        ($name:ident) => {
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                let redis = super::support::single(concat!("q16-", stringify!($name)), 16).await;
                super::queue::$name(&super::RedisQueue::new(&redis)).await;
            }
        };
    }
    messaging_core::for_each_queue_behavior!(behavior);
}

mod on_a_cluster {
    macro_rules! behavior {
        ($name:ident) => {
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                let redis = super::support::cluster(concat!("qc-", stringify!($name)), 16).await;
                super::queue::$name(&super::RedisQueue::new(&redis)).await;
            }
        };
    }
    messaging_core::for_each_queue_behavior!(behavior);
}
