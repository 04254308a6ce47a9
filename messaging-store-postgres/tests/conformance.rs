//! PostgreSQL must behave like every other store.

mod support;

macro_rules! suite {
    // `$store` stands for the store, as often as the behaviors take it.
    ($module:ident, $($for_each:ident),+, |$store:ident| ($($taken:expr),*)) => {
        mod $module {
            macro_rules! behavior {
                ($name:ident) => {
                    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                    async fn $name() {
                        let database = crate::support::Database::new().await;
                        let $store = database.store().await;
                        messaging_core::conformance::$module::$name($($taken),*).await;
                        $store.close().await;
                    }
                };
            }
            $(messaging_core::$for_each!(behavior);)+
        }
    };
}

suite!(message_store, for_each_message_store_behavior, |store| (&store));
suite!(
    session_store,
    for_each_session_store_behavior,
    for_each_tenants_session_behavior,
    |store| (&store)
);
suite!(server_store, for_each_server_store_behavior, |store| (&store, &store));
suite!(key_store, for_each_key_store_behavior, |store| (&store));
suite!(tenant_store, for_each_tenant_store_behavior, |store| (&store));
suite!(inbox_store, for_each_inbox_store_behavior, |store| (&store, &store, &store));
suite!(opt_out_store, for_each_opt_out_store_behavior, |store| (&store));
suite!(audit_log, for_each_audit_log_behavior, |store| (&store));
suite!(person_store, for_each_person_store_behavior, |store| (&store, &store, &store));
suite!(retention_store, for_each_retention_store_behavior, |store| (&store, &store, &store));
suite!(erasure, for_each_erasure_behavior, |store| (&store));
suite!(access_store, for_each_access_store_behavior, |store| (&store));
suite!(wishes, for_each_wish_behavior, |store| (&store, &store, &store));
suite!(idempotency_store, for_each_idempotency_store_behavior, |store| (&store, &store));
suite!(duty_roster, for_each_duty_roster_behavior, |store| (&store));
