//! Pushes, and ends of claims, of many callers at once.

use std::marker::PhantomData;
use std::sync::Arc;

use async_trait::async_trait;
use futures::future::try_join_all;
use redis::Value;

use crate::fault::RedisFault;
use crate::lane::Work;
use crate::queue::shared::{MOST, Scripts, Shared};
use crate::queue::wire;
use crate::script::Script;

/// Changing partitions by one script.
pub(super) struct Change<K> {
    shared: Arc<Shared>,
    kind: PhantomData<K>,
}

/// One caller's part of a change.
pub(super) struct Request {
    pub(super) partition: usize,
    pub(super) body: Vec<u8>,
}

/// What is changed.
pub(super) trait Kind: Send + Sync + 'static {
    /// What each caller is answered.
    type Answer: Clone + Default + Send;

    fn script(scripts: &Scripts) -> &Script;

    /// The answers to `count` callers.
    fn read(answer: &Value, count: usize) -> Result<Vec<Self::Answer>, RedisFault>;
}

/// Adding messages.
pub(super) struct Pushes;

/// Completing messages, and putting them back. Whether the claim was good is answered.
pub(super) struct Ends;

impl Kind for Pushes {
    type Answer = ();

    fn script(scripts: &Scripts) -> &Script {
        &scripts.push
    }

    fn read(_: &Value, count: usize) -> Result<Vec<()>, RedisFault> {
        Ok(vec![(); count])
    }
}

impl Kind for Ends {
    type Answer = bool;

    fn script(scripts: &Scripts) -> &Script {
        &scripts.finish
    }

    fn read(answer: &Value, count: usize) -> Result<Vec<bool>, RedisFault> {
        wire::flags(answer, count)
    }
}

impl<K> Change<K> {
    pub(super) fn new(shared: &Arc<Shared>) -> Self {
        Self { shared: Arc::clone(shared), kind: PhantomData }
    }
}

#[async_trait]
impl<K: Kind> Work for Change<K> {
    type Request = Request;
    type Answer = K::Answer;

    const MOST: usize = MOST;
    const AT_ONCE: usize = 2;

    async fn run(&self, requests: &[Request]) -> Result<Vec<K::Answer>, RedisFault> {
        let mut parts: Vec<(usize, Vec<usize>)> = Vec::new();
        for (nth, request) in requests.iter().enumerate() {
            match parts.iter_mut().find(|(partition, _)| *partition == request.partition) {
                Some((_, of_part)) => of_part.push(nth),
                None => parts.push((request.partition, vec![nth])),
            }
        }
        // All at once: what is written together is one packet.
        let answers = try_join_all(parts.iter().map(|(partition, of_part)| async move {
            let bodies: Vec<&[u8]> = of_part.iter().map(|nth| &*requests[*nth].body).collect();
            let script = K::script(&self.shared.scripts);
            let answer = self.shared.change(*partition, script, &bodies).await?;
            K::read(&answer, of_part.len())
        }))
        .await?;
        let mut in_order = vec![K::Answer::default(); requests.len()];
        for ((_, of_part), answers) in parts.iter().zip(answers) {
            for (nth, answer) in of_part.iter().zip(answers) {
                in_order[*nth] = answer;
            }
        }
        Ok(in_order)
    }
}
