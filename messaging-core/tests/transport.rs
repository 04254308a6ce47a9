//! The provider that other tests lean on behaves like every other transport.

use std::sync::Arc;

use async_trait::async_trait;
use messaging_core::conformance::build::{address, at, session};
use messaging_core::conformance::clock::FakeClock;
use messaging_core::conformance::provider::{FakeProvider, Script};
use messaging_core::conformance::transport::{self, TransportFixture};
use messaging_core::domain::address::Address;
use messaging_core::domain::session::{ProviderSession, SessionStatus};
use messaging_core::domain::timestamp::Timestamp;
use messaging_core::ports::clock::Clock;
use messaging_core::ports::transport::Transport;

struct InMemory {
    clock: Arc<FakeClock>,
    provider: FakeProvider,
}

impl InMemory {
    fn new() -> Self {
        let clock = Arc::new(FakeClock::new(at(0)));
        let provider = FakeProvider::new(Arc::clone(&clock) as Arc<dyn Clock>);
        provider.set_session(&session(1).place, SessionStatus::Working);
        provider.set_absent(&address(2));
        Self { clock, provider }
    }
}

#[async_trait]
impl TransportFixture for InMemory {
    fn transport(&self) -> &dyn Transport {
        &self.provider
    }

    fn session(&self) -> ProviderSession {
        session(1).place
    }

    fn reachable(&self) -> Address {
        address(1)
    }

    fn absent(&self) -> Address {
        address(2)
    }

    fn now(&self) -> Timestamp {
        self.clock.now()
    }

    async fn delivered(&self) -> usize {
        self.provider.arrivals().iter().filter(|it| !it.repeat).count()
    }

    async fn lose_next_answer(&self) {
        self.provider.script([Script::LoseAnswer]);
    }

    async fn disconnect(&self) {
        self.provider.set_session(&session(1).place, SessionStatus::Stopped);
    }

    async fn become_unreachable(&self) {
        self.provider.set_unreachable(true);
    }
}

macro_rules! behavior {
    ($name:ident) => {
        #[tokio::test]
        async fn $name() {
            transport::$name(&InMemory::new()).await;
        }

        mod $name {
            use super::*;

            #[tokio::test]
            async fn where_the_provider_chooses_the_ids() {
                let fixture = InMemory::new();
                fixture.provider.take_no_ids();
                transport::$name(&fixture).await;
            }
        }
    };
}
messaging_core::for_each_transport_behavior!(behavior);
