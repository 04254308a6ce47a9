//! Posts events to webhooks the way WAHA does: in parallel, unordered, from memory, again and
//! again until somebody answers 2xx or the repeats are used up.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use hmac::{Hmac, KeyInit, Mac};
use reqwest::header::RETRY_AFTER;
use sha2::{Sha256, Sha512};
use tokio_util::sync::CancellationToken;

use super::clock;
use super::dice::Dice;
use super::events::{Event, Origin};
use super::knobs::{Knobs, WebhookDialect};
use super::posts::WebhookPost;
use super::world::World;
use crate::wire::{RetriesConfig, RetryPolicy, WebhookConfig};

/// WAHA's repeats after the first post, unless a webhook says otherwise.
const REPEATS: u32 = 15;
/// WAHA's pause between posts in seconds, unless a webhook says otherwise.
const PAUSE_SECONDS: u32 = 2;

/// One event for one webhook.
#[derive(Clone)]
struct Parcel {
    session: Arc<str>,
    event: String,
    event_id: String,
    request_id: String,
    at_ms: i64,
    body: Arc<str>,
    webhooks: Arc<[WebhookConfig]>,
    webhook: usize,
    knobs: Arc<Knobs>,
}

impl Parcel {
    fn webhook(&self) -> &WebhookConfig {
        &self.webhooks[self.webhook]
    }
}

impl World {
    /// Sends one or several events of one occurrence on their way, and returns at once.
    pub(super) fn emit(self: &Arc<Self>, origin: &Origin, events: &[Event]) {
        let at_ms = self.clock.now_ms();
        let shared_id = self.dice.event_id(at_ms);
        for event in events {
            let id = if origin.knobs.webhooks.shares_event_ids {
                shared_id.clone()
            } else {
                self.dice.event_id(at_ms)
            };
            self.emit_one(origin, event, &id, at_ms);
        }
    }

    fn emit_one(self: &Arc<Self>, origin: &Origin, event: &Event, id: &str, at_ms: i64) {
        let knobs = &origin.knobs.webhooks;
        let wants = |webhook: &WebhookConfig| event.is_wanted_by(&webhook.events, knobs.dialect);
        if !origin.webhooks.iter().any(wants) {
            return;
        }
        let body: Arc<str> = self.envelope(origin, event, id, at_ms).to_string().into();
        for (place, _) in origin.webhooks.iter().enumerate().filter(|(_, it)| wants(it)) {
            let can_get_lost =
                knobs.lost_events.is_empty() || knobs.lost_events.contains(&event.name);
            if can_get_lost && self.dice.happens(knobs.lost_chance) {
                self.state().posts.counts.lost += 1;
                continue;
            }
            let parcel = Parcel {
                session: Arc::clone(&origin.session),
                event: event.name.clone(),
                event_id: id.to_owned(),
                request_id: self.dice.ulid(at_ms),
                at_ms,
                body: Arc::clone(&body),
                webhooks: Arc::clone(&origin.webhooks),
                webhook: place,
                knobs: Arc::clone(&origin.knobs),
            };
            if self.dice.happens(knobs.duplicate_chance) {
                for _ in 0..knobs.duplicates {
                    self.dispatch(self.duplicate(&parcel, origin, event));
                }
            }
            self.dispatch(parcel);
        }
    }

    fn duplicate(&self, parcel: &Parcel, origin: &Origin, event: &Event) -> Parcel {
        if !parcel.knobs.webhooks.duplicates_have_new_ids {
            return parcel.clone();
        }
        let event_id = self.dice.event_id(parcel.at_ms);
        let body = self.envelope(origin, event, &event_id, parcel.at_ms).to_string().into();
        let request_id = self.dice.ulid(parcel.at_ms);
        Parcel { event_id, body, request_id, ..parcel.clone() }
    }

    fn dispatch(self: &Arc<Self>, parcel: Parcel) {
        let waiting = self.waiting_webhooks.fetch_add(1, Ordering::Relaxed);
        let guard = Waiting(Arc::clone(self));
        if waiting >= self.config.limits.waiting_webhooks {
            self.state().posts.counts.lost += 1;
            return;
        }
        let process = self.state().process.clone();
        tokio::spawn(async move {
            let world = &guard.0;
            let delivered = tokio::select! {
                biased;
                () = process.cancelled() => None,
                delivered = deliver(world, &parcel) => Some(delivered),
            };
            let counts = &mut world.state().posts.counts;
            match delivered {
                Some(true) => counts.delivered += 1,
                Some(false) => counts.given_up += 1,
                None => counts.lost += 1,
            }
        });
    }

    /// Forgets all webhooks not delivered yet, as the end of a WAHA process does, and returns the
    /// token of the next one.
    pub(super) fn next_process(&self) -> CancellationToken {
        self.shutdown.child_token()
    }
}

/// Counts one webhook as waiting for as long as it exists.
struct Waiting(Arc<World>);

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.waiting_webhooks.fetch_sub(1, Ordering::Relaxed);
    }
}

async fn deliver(world: &World, parcel: &Parcel) -> bool {
    clock::pause(world.dice.delay(parcel.knobs.webhooks.latency)).await;
    let retries = parcel.webhook().retries.unwrap_or_default();
    let repeats = retries.attempts.unwrap_or(REPEATS);
    for attempt in 0..=repeats {
        let answer = post(world, parcel).await;
        let status = answer.as_ref().map(|answer| answer.status().as_u16());
        world.state().posts.record(WebhookPost {
            at_ms: world.clock.now_ms(),
            session: parcel.session.to_string(),
            event: parcel.event.clone(),
            event_id: parcel.event_id.clone(),
            attempt,
            status,
        });
        if answer.as_ref().is_some_and(|answer| answer.status().is_success()) {
            return true;
        }
        if attempt < repeats {
            let wait = answer
                .as_ref()
                .and_then(retry_after)
                .unwrap_or_else(|| pause(retries, attempt + 1, &world.dice));
            clock::pause(wait.mul_f64(parcel.knobs.webhooks.retry_scale.max(0.0))).await;
        }
    }
    tracing::debug!(session = %parcel.session, event = %parcel.event, "webhook given up");
    false
}

async fn post(world: &World, parcel: &Parcel) -> Option<reqwest::Response> {
    let webhook = parcel.webhook();
    let mut request = world
        .http()
        .post(&webhook.url)
        .header("content-type", "application/json")
        .header("user-agent", format!("WAHA/{}", world.config.version))
        .header("x-webhook-request-id", &parcel.request_id)
        .header("x-webhook-timestamp", parcel.at_ms);
    for header in webhook.custom_headers.iter().flatten() {
        request = request.header(&header.name, &header.value);
    }
    if let Some(key) = webhook.hmac.as_ref().and_then(|hmac| hmac.key.as_deref()) {
        let body = parcel.body.as_bytes();
        request = match parcel.knobs.webhooks.dialect {
            WebhookDialect::Waha => request
                .header("x-webhook-hmac", sha512_signature(key, body))
                .header("x-webhook-hmac-algorithm", "sha512"),
            WebhookDialect::Simple => request
                .header("x-waha-signature", format!("sha256={}", sha256_signature(key, body))),
        };
    }
    let _permit = world.webhook_permits.acquire().await.ok()?;
    // Redirects are followed, and a POST redirected by 301 or 302 becomes an empty GET: WAHA's
    // HTTP client does so, and counts the GET's answer.
    request.body(parcel.body.to_string()).send().await.ok()
}

fn retry_after(answer: &reqwest::Response) -> Option<Duration> {
    let seconds = answer.headers().get(RETRY_AFTER)?.to_str().ok()?;
    seconds.parse().ok().map(Duration::from_secs)
}

/// The pause before a repeat; the first repeat is number 1.
fn pause(retries: RetriesConfig, repeat: u32, dice: &Dice) -> Duration {
    let seconds = f64::from(retries.delay_seconds.unwrap_or(PAUSE_SECONDS));
    let factor = match retries.policy.unwrap_or(RetryPolicy::Constant) {
        RetryPolicy::Constant => 1.0,
        RetryPolicy::Linear => f64::from(repeat),
        RetryPolicy::Exponential => f64::from(repeat.min(30)).exp2() * (1.0 + 0.2 * dice.unit()),
    };
    Duration::from_secs_f64(seconds * factor)
}

// The signatures are computed here, apart from the code that verifies them, so that a mistake
// there cannot hide behind the same mistake here.

fn sha512_signature(key: &str, body: &[u8]) -> String {
    let mac = Hmac::<Sha512>::new_from_slice(key.as_bytes());
    mac.map(|mac| hex::encode(mac.chain_update(body).finalize().into_bytes())).unwrap_or_default()
}

fn sha256_signature(key: &str, body: &[u8]) -> String {
    let mac = Hmac::<Sha256>::new_from_slice(key.as_bytes());
    mac.map(|mac| hex::encode(mac.chain_update(body).finalize().into_bytes())).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "test-hmac-key";
    const BODY: &[u8] = br#"{"id":"evt_01k3m8x2c7r5t9v1w4y6z8a0b2","timestamp":1785000000123,"event":"message.ack","session":"t_acme_01","payload":{"id":"true_5511988887777@c.us_3EB0C1D2E3F4A5B6C7D8E9","ack":2,"ackName":"DEVICE"}}"#;

    #[test]
    fn signatures_match_the_test_vector() {
        assert_eq!(
            sha512_signature(KEY, BODY),
            "b4b479d5c7b04e0df4c4b004d7ca2a3c7bc0341ef957986837da5b74e2c15ef7\
             2aacc1b6c1974089b666a4fbbbdca80d0ca71d73f7abedcdf2a592902c7334d3"
        );
        assert_eq!(
            sha256_signature(KEY, BODY),
            "ef11cf57119f3bd605c73c26c15ae5b8d5f75afd669ecdd3e9aa9682b8834bc1"
        );
    }

    fn seconds(policy: Option<RetryPolicy>, repeat: u32) -> u64 {
        let retries = RetriesConfig { policy, delay_seconds: Some(3), attempts: None };
        pause(retries, repeat, &Dice::new(1)).as_secs()
    }

    #[test]
    fn constant_pauses_stay_the_same() {
        assert_eq!((seconds(None, 1), seconds(Some(RetryPolicy::Constant), 9)), (3, 3));
    }

    #[test]
    fn linear_pauses_grow_by_the_first() {
        assert_eq!(seconds(Some(RetryPolicy::Linear), 4), 12);
    }

    #[test]
    fn exponential_pauses_double_and_vary_by_a_fifth() {
        assert!((24..=28).contains(&seconds(Some(RetryPolicy::Exponential), 3)));
    }

    #[test]
    fn the_default_pause_is_two_seconds() {
        let default = pause(RetriesConfig::default(), 1, &Dice::new(1));
        assert_eq!(default, Duration::from_secs(2));
    }
}
