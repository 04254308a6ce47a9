//! Requests that name a key are done once, however often they are made, and answered alike.

use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;
use uuid::Uuid;

use crate::domain::fingerprint::RequestHash;
use crate::domain::id::TenantId;
use crate::domain::idempotency::{IdempotencyKey, KEPT_FOR, Operation, ScopedKey};
use crate::gateway::Gateway;
use crate::gateway::error::GatewayError;
use crate::ports::idempotency_store::{Begun, Undertaking};
use crate::ports::observer::Observation;

/// How long a request is left to whoever does it. One that takes longer may be done by two, who
/// then make the same thing: it is made once.
const LEASE: Duration = Duration::from_secs(30);

/// What to do with a request that names a key.
pub(super) enum Turn {
    /// Do it.
    First(Undertaking),
    /// Somebody began it and may have done it: look, and do what is left.
    Again(Undertaking),
}

/// What is to be done of a request, or what was answered when it was done.
pub(super) enum Asked<T> {
    /// It is to be done.
    Anew(Turn),
    /// It is done.
    Before(T),
}

impl Turn {
    /// The id of what the request makes.
    pub(super) fn subject(&self) -> Uuid {
        let (Self::First(undertaking) | Self::Again(undertaking)) = self;
        undertaking.subject
    }
}

impl Gateway {
    /// Finds out what a key stands for. `subject` becomes the id of what the request makes, unless
    /// somebody has drawn one before.
    pub(super) async fn take_turn<T: DeserializeOwned>(
        &self,
        tenant: TenantId,
        operation: Operation,
        key: &IdempotencyKey,
        request: RequestHash,
        subject: Uuid,
    ) -> Result<Asked<T>, GatewayError> {
        let now = self.ports().clock.now();
        let undertaking = Undertaking {
            key: ScopedKey::of(tenant, operation, key),
            request,
            subject,
            lease_until: now.plus(LEASE),
            expires_at: now.plus(KEPT_FOR),
        };
        let begun = self.ports().idempotency.begin(&undertaking, now).await;
        let begun = begun.inspect_err(|_| self.observe(Observation::Fault { what: "store" }))?;
        Ok(match begun {
            Begun::New => Asked::Anew(Turn::First(undertaking)),
            Begun::TakenOver { subject } => {
                Asked::Anew(Turn::Again(Undertaking { subject, ..undertaking }))
            }
            Begun::Running { until } => {
                return Err(GatewayError::IdempotencyInFlight { retry_after: until.since(now) });
            }
            Begun::Done { answer } => {
                // What is repeated counts as well.
                self.admit_tenant(tenant).await?;
                let answer = serde_json::from_slice(&answer);
                Asked::Before(answer.map_err(|error| GatewayError::Corrupt(error.into()))?)
            }
            Begun::Mismatch => return Err(GatewayError::IdempotencyKeyReused),
        })
    }

    /// Keeps how a request ended. Where that cannot be kept, whoever makes it again takes it over.
    pub(super) async fn end_turn<T, A: Serialize>(
        &self,
        turn: &Turn,
        ended: &Result<T, GatewayError>,
        answer: impl FnOnce(&T) -> A,
    ) {
        let store = &self.ports().idempotency;
        let kept = match (ended, turn) {
            (Ok(done), Turn::First(undertaking) | Turn::Again(undertaking)) => {
                match serde_json::to_vec(&answer(done)) {
                    Ok(answer) => store.finish(undertaking, &answer).await,
                    Err(_) => return,
                }
            }
            // Nothing was accepted, so it may be asked for anew.
            (Err(refused), Turn::First(undertaking)) if refused.is_final() => {
                store.forget(undertaking).await
            }
            // Whoever began it may come to its end yet.
            (Err(_), Turn::First(undertaking) | Turn::Again(undertaking)) => {
                store.leave(undertaking, self.ports().clock.now()).await
            }
        };
        if let Err(error) = kept {
            self.fault("store", &error);
        }
    }
}
