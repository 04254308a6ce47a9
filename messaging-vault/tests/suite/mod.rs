//! The behaviors of every port whose store a vault wraps, for any store in it. A test has
//! `async fn close(store)` at its root, and calls `suite!` with a name for the store and what opens one.
#![expect(clippy::unwrap_used, reason = "in a test, to fail is to tell")]

use std::sync::Arc;

use messaging_core::conformance::clock::FakeClock;
use messaging_core::domain::timestamp::Timestamp;
use messaging_core::ports::entropy::SystemEntropy;
use messaging_core::ports::key_provider::SecretKey;
use messaging_core::ports::key_store::KeyStore;
use messaging_vault::{LocalKeys, Mode, Parts, Vault};

pub(crate) async fn vault(keys: Arc<dyn KeyStore>) -> Arc<Vault> {
    let key = SecretKey::new(Box::new([7; 32]));
    let parts = Parts {
        keys,
        provider: Arc::new(LocalKeys::new(&key, &[], SystemEntropy).unwrap()),
        clock: Arc::new(FakeClock::new(Timestamp::EPOCH)),
        entropy: Arc::new(SystemEntropy),
    };
    Vault::open(parts, Mode::Words).await.unwrap()
}

macro_rules! suite {
    ($adapter:ident, $open:expr) => {
        mod $adapter {
            use messaging_core::conformance;
            use messaging_vault::{
                SealedIdempotency, SealedInbox, SealedMessages, SealedOptOuts, SealedPersons,
                SealedServers, SealedSessions, ShreddedTenants,
            };

            mod message_store {
                use super::*;
                macro_rules! behavior {
                    // What a store does with what a vault made; and by which parts of words a text
                    // is found where it can be read.
                    (gives_back_what_is_sealed) => {};
                    (finds_what_is_sealed_by_all_of_its_words) => {};
                    (knows_whom_a_sealed_message_goes_to) => {};
                    (seals_what_is_kept_and_nothing_else_about_it) => {};
                    (seals_nothing_over_what_somebody_sealed_meanwhile) => {};
                    (seals_nothing_over_what_was_redacted_meanwhile) => {};
                    (knows_a_chat_by_its_new_name_and_since_when_it_is_open) => {};
                    (searches_body_sender_and_recipient) => {};
                    (searches_control_and_private_characters_as_they_are) => {};
                    (searches_special_characters_as_they_are) => {};
                    (searches_text_of_any_script) => {};
                    ($name:ident) => {
                        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                        async fn $name() {
                            let (store, _guard) = $open;
                            let kept = store.clone();
                            let vault = crate::suite::vault(store.clone()).await;
                            let store = SealedMessages::new(store, vault);
                            conformance::message_store::$name(&store).await;
                            crate::close(kept).await;
                        }
                    };
                }
                messaging_core::for_each_message_store_behavior!(behavior);
            }

            mod inbox_store {
                use super::*;
                macro_rules! behavior {
                    ($name:ident) => {
                        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                        async fn $name() {
                            let (store, _guard) = $open;
                            let kept = store.clone();
                            let vault = crate::suite::vault(store.clone()).await;
                            let inbox =
                                SealedInbox::new(store.clone(), store.clone(), vault.clone());
                            let messages = SealedMessages::new(store.clone(), vault.clone());
                            let sessions = SealedSessions::new(store, vault);
                            conformance::inbox_store::$name(&inbox, &messages, &sessions).await;
                            crate::close(kept).await;
                        }
                    };
                }
                messaging_core::for_each_inbox_store_behavior!(behavior);
            }

            mod person_store {
                use super::*;
                macro_rules! behavior {
                    // What a store does with what a vault made.
                    (finds_and_erases_what_is_sealed) => {};
                    (keeps_other_bodies_in_place_of_those_of_webhooks) => {};
                    ($name:ident) => {
                        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                        async fn $name() {
                            let (store, _guard) = $open;
                            let kept = store.clone();
                            let vault = crate::suite::vault(store.clone()).await;
                            let inbox =
                                SealedInbox::new(store.clone(), store.clone(), vault.clone());
                            let messages = SealedMessages::new(store.clone(), vault.clone());
                            let persons = SealedPersons::new(store, vault);
                            conformance::person_store::$name(&messages, &inbox, &persons).await;
                            crate::close(kept).await;
                        }
                    };
                }
                messaging_core::for_each_person_store_behavior!(behavior);
            }

            mod tenant_store {
                use super::*;
                macro_rules! behavior {
                    ($name:ident) => {
                        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                        async fn $name() {
                            let (store, _guard) = $open;
                            let kept = store.clone();
                            let vault = crate::suite::vault(store.clone()).await;
                            let tenants = ShreddedTenants::new(store, vault);
                            conformance::tenant_store::$name(&tenants).await;
                            crate::close(kept).await;
                        }
                    };
                }
                messaging_core::for_each_tenant_store_behavior!(behavior);
            }

            mod opt_out_store {
                use super::*;
                macro_rules! behavior {
                    (takes_an_opt_out_in_another_form) => {};
                    ($name:ident) => {
                        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                        async fn $name() {
                            let (store, _guard) = $open;
                            let kept = store.clone();
                            let vault = crate::suite::vault(store.clone()).await;
                            let store = SealedOptOuts::new(store, vault);
                            conformance::opt_out_store::$name(&store).await;
                            crate::close(kept).await;
                        }
                    };
                }
                messaging_core::for_each_opt_out_store_behavior!(behavior);
            }

            mod wishes {
                use super::*;
                macro_rules! behavior {
                    ($name:ident) => {
                        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                        async fn $name() {
                            let (store, _guard) = $open;
                            let kept = store.clone();
                            let vault = crate::suite::vault(store.clone()).await;
                            let inbox =
                                SealedInbox::new(store.clone(), store.clone(), vault.clone());
                            let messages = SealedMessages::new(store.clone(), vault.clone());
                            let opt_outs = SealedOptOuts::new(store, vault);
                            conformance::wishes::$name(&inbox, &messages, &opt_outs).await;
                            crate::close(kept).await;
                        }
                    };
                }
                messaging_core::for_each_wish_behavior!(behavior);
            }

            mod session_store {
                use super::*;
                macro_rules! behavior {
                    ($name:ident) => {
                        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                        async fn $name() {
                            let (store, _guard) = $open;
                            let kept = store.clone();
                            let vault = crate::suite::vault(store.clone()).await;
                            let store = SealedSessions::new(store, vault);
                            conformance::session_store::$name(&store).await;
                            crate::close(kept).await;
                        }
                    };
                }
                messaging_core::for_each_session_store_behavior!(behavior);
            }

            mod server_store {
                use super::*;
                macro_rules! behavior {
                    ($name:ident) => {
                        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                        async fn $name() {
                            let (store, _guard) = $open;
                            let kept = store.clone();
                            let vault = crate::suite::vault(store.clone()).await;
                            let servers = SealedServers::new(store.clone(), vault.clone());
                            let sessions = SealedSessions::new(store, vault);
                            conformance::server_store::$name(&servers, &sessions).await;
                            crate::close(kept).await;
                        }
                    };
                }
                messaging_core::for_each_server_store_behavior!(behavior);
            }

            mod idempotency_store {
                use super::*;
                macro_rules! behavior {
                    ($name:ident) => {
                        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                        async fn $name() {
                            let (store, _guard) = $open;
                            let kept = store.clone();
                            let vault = crate::suite::vault(store.clone()).await;
                            let keys = SealedIdempotency::new(store.clone(), vault);
                            conformance::idempotency_store::$name(&keys, store.as_ref()).await;
                            crate::close(kept).await;
                        }
                    };
                }
                messaging_core::for_each_idempotency_store_behavior!(behavior);
            }
        }
    };
}
