//! Whether every promise was kept: what arrived, against what the API accepted and says of it.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt::Write as _;
use std::sync::atomic::Ordering;
use std::time::Duration;

use messaging_core::domain::timestamp::Timestamp;
use messaging_core::domain::urgency::AGE;
use serde_json::Value;
use waha_client::Engine;
use waha_client::simulator::{Arrival, Outcome};

use crate::process::Server;
use crate::scale::Scale;
use crate::traffic::{Record, Sent};
use crate::wahas::{ATTEMPTS, Waha};
use crate::witness::Witness;

/// A trial that is over.
pub(crate) struct Trial<'a> {
    pub(crate) scale: &'a Scale,
    pub(crate) wahas: &'a [Waha],
    pub(crate) record: &'a Record,
    pub(crate) witness: &'a Witness,
    pub(crate) server: &'a Server,
    /// How long after its acceptance a message is in its place in the queue, whatever happened.
    pub(crate) known: Duration,
    /// How long a queue that has forgotten everything takes to learn it anew.
    pub(crate) learning: Duration,
}

/// How many messages have arrived so far.
pub(crate) fn arrived(wahas: &[Waha]) -> usize {
    wahas.iter().map(|waha| waha.simulator.deliveries().len()).sum()
}

/// A message that was accepted, and everything that is known of it.
struct Case<'a> {
    sent: &'a Sent,
    /// How often it reached its recipient.
    reached: usize,
    /// When it came to WAHA, however often.
    arrivals: Vec<&'a Arrival>,
    status: String,
    code: Option<String>,
    attempts: u64,
    accepted_at: Timestamp,
    /// When its attempts began.
    begun: Vec<Timestamp>,
    /// When it had its outcome.
    over_at: Option<Timestamp>,
}

/// What is told of one dialect.
#[derive(Default)]
struct Figures {
    accepted: usize,
    arrived: usize,
    duplicates: usize,
    lost: usize,
    unknown: usize,
    unknown_arrived: usize,
    /// Messages of an attempt of which nobody knew the end, at first.
    uncertain: usize,
    over_quota: usize,
    order_breaks: usize,
    priority_breaks: usize,
    /// How often an urgent message overtook one that was accepted before: without that, nothing was
    /// shown of priorities.
    overtaken: usize,
}

const HEAD: &str = "mode dialect accepted arrived duplicates lost outcome-unknown of-them-arrived \
                    uncertain over-quota order-breaks priority-breaks overtaken faults";

impl Trial<'_> {
    /// Waits until everything has come to its end; what has not is judged as it stands.
    pub(crate) async fn settle(&self) {
        let is_settled = async || {
            let stats = self.server.get("/messages/stats?direction=outbound").await;
            let waiting = ["queued", "sending", "retry", "sent"];
            waiting.iter().all(|it| stats["byStatus"][*it].as_u64().unwrap_or(0) == 0)
        };
        let waiting = async {
            while !is_settled().await {
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        };
        let _ = tokio::time::timeout(self.scale.patience(), waiting).await;
    }

    /// Judges all promises, tells the figures, and fails where a promise was broken.
    pub(crate) async fn judge(&self) {
        let mut broken = self.witness.broken.lock().unwrap().clone();
        if self.witness.found_waiting() == 0 {
            broken.push("no message was found waiting: nothing was shown of why they wait".into());
        }
        let accepted = self.record.accepted.lock().unwrap().clone();
        let listed: BTreeSet<String> =
            self.listed("/dead-letters?").await.iter().map(|message| text(message, "id")).collect();
        let unheard = self.unheard(&accepted).await;
        let mut table = String::new();
        for (place, waha) in self.wahas.iter().enumerate() {
            let arrivals = waha.simulator.arrivals();
            let of_it: Vec<&Sent> = accepted.iter().filter(|it| it.account.waha == place).collect();
            let cases = self.cases(waha, &arrivals, &of_it, &mut broken).await;
            let of_it: Vec<&Sent> = unheard.iter().filter(|it| it.account.waha == place).collect();
            let unheard = self.cases(waha, &arrivals, &of_it, &mut broken).await;
            let mut figures = Figures { accepted: cases.len(), ..Figures::default() };
            reached_once(waha, &mut figures, &mut broken);
            for case in &cases {
                end(case, &listed, &mut figures, &mut broken);
            }
            self.quota(&arrivals, &mut figures, &mut broken);
            order(waha, &cases, &mut figures, &mut broken);
            self.priority(&cases, &unheard, &mut figures, &mut broken);
            let row = self.row(waha, &figures);
            writeln!(table, "{row}").unwrap();
        }
        self.tell(&table);
        assert!(accepted.len() >= self.scale.messages, "only {} were accepted", accepted.len());
        assert!(
            broken.is_empty(),
            "{} promises were broken:\n{}\n{HEAD}\n{table}",
            broken.len(),
            broken[..broken.len().min(20)].join("\n"),
        );
    }

    fn row(&self, waha: &Waha, it: &Figures) -> String {
        format!(
            "{} {} {} {} {} {} {} {} {} {} {} {} {} {}",
            self.scale.mode,
            waha.name,
            it.accepted,
            it.arrived,
            it.duplicates,
            it.lost,
            it.unknown,
            it.unknown_arrived,
            it.uncertain,
            it.over_quota,
            it.order_breaks,
            it.priority_breaks,
            it.overtaken,
            self.witness.times(),
        )
    }

    /// Tells the figures, and adds them to a file where somebody wants a table of them.
    fn tell(&self, table: &str) {
        let (seed, limit, window) = (self.scale.seed, self.scale.limit(), self.scale.window);
        eprintln!("seed {seed}, {limit} in {window:?}: {}", self.witness.summary());
        let unanswered = self.record.unanswered.load(Ordering::Relaxed);
        let again = self.record.answered_again.load(Ordering::Relaxed);
        let waiting = self.witness.found_waiting();
        eprintln!("unanswered {unanswered}, answered again {again}, found waiting {waiting}");
        eprintln!("{HEAD}\n{table}");
        if let Ok(path) = std::env::var("TRIAL_TABLE") {
            let mut kept = std::fs::read_to_string(&path).unwrap_or_else(|_| format!("{HEAD}\n"));
            kept.push_str(table);
            std::fs::write(path, kept).unwrap();
        }
    }

    /// Those that were accepted without their senders hearing of it.
    async fn unheard(&self, accepted: &[Sent]) -> Vec<Sent> {
        let heard: BTreeSet<&str> = accepted.iter().map(|sent| sent.id.as_str()).collect();
        let all = self.listed("/messages?direction=outbound&").await;
        let unheard = all.iter().filter(|message| !heard.contains(&*text(message, "id")));
        let of = |message: &Value| {
            let session = text(message, "sessionId");
            let account = accepted.iter().find(|sent| sent.account.id == session)?.account.clone();
            Some(Sent {
                id: text(message, "id"),
                account,
                to: text(message, "to"),
                text: text(message, "body"),
                has_file: message["media"].is_object(),
                is_urgent: message["priority"] == "high",
                told_at: instant(message, "createdAt"),
            })
        };
        unheard.filter_map(of).collect()
    }

    /// All pages of a list.
    async fn listed(&self, list: &str) -> Vec<Value> {
        let mut listed = Vec::new();
        let mut cursor = String::new();
        loop {
            let page = self.server.get(&format!("{list}limit=100{cursor}")).await;
            listed.extend(page["data"].as_array().unwrap().iter().cloned());
            match page["nextCursor"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => return listed,
            }
        }
    }

    /// What the API says of each message, beside what arrived of it.
    async fn cases<'a>(
        &self,
        waha: &Waha,
        arrivals: &'a [Arrival],
        accepted: &[&'a Sent],
        broken: &mut Vec<String>,
    ) -> Vec<Case<'a>> {
        let mut reached: HashMap<String, usize> = HashMap::new();
        for delivery in waha.simulator.deliveries() {
            *reached.entry(delivery.text.unwrap_or_default()).or_default() += 1;
        }
        let mut came: HashMap<&str, Vec<&Arrival>> = HashMap::new();
        for arrival in arrivals {
            came.entry(arrival.text.as_deref().unwrap_or_default()).or_default().push(arrival);
        }
        let mut cases = Vec::new();
        for sent in accepted {
            let message = self.server.get(&format!("/messages/{}", sent.id)).await;
            if message["id"] != sent.id.as_str() {
                broken.push(format!("{} was accepted and is gone: {message}", sent.text));
                continue;
            }
            let history = self.server.get(&format!("/messages/{}/events", sent.id)).await;
            let history = history["data"].as_array().unwrap();
            never_back(&sent.text, history, broken);
            let instants = |holds: &dyn Fn(&Value) -> bool| -> Vec<Timestamp> {
                let held = history.iter().filter(|event| holds(event));
                held.map(|event| instant(event, "at")).collect()
            };
            let is_over = |event: &Value| {
                ["sent", "delivered", "read", "failed"].iter().any(|it| event["status"] == **it)
            };
            cases.push(Case {
                sent,
                reached: reached.get(&sent.text).copied().unwrap_or_default(),
                arrivals: came.get(sent.text.as_str()).cloned().unwrap_or_default(),
                status: text(&message, "status"),
                code: message["error"]["code"].as_str().map(str::to_owned),
                attempts: message["attempts"].as_u64().unwrap(),
                accepted_at: instant(&message, "createdAt"),
                begun: instants(&|event| event["event"] == "begin"),
                over_at: instants(&is_over).first().copied(),
            });
        }
        cases
    }

    /// In no window did more arrive through a session than its quota.
    fn quota(&self, arrivals: &[Arrival], figures: &mut Figures, broken: &mut Vec<String>) {
        let (limit, window) = (self.scale.limit(), self.scale.window);
        let mut by_session: BTreeMap<&str, Vec<Duration>> = BTreeMap::new();
        for arrival in arrivals {
            by_session.entry(&arrival.session).or_default().push(arrival.since_start);
        }
        for (session, times) in by_session {
            for (early, late) in times.iter().zip(times.iter().skip(limit)) {
                let apart = *late - *early;
                if apart < window {
                    figures.over_quota += 1;
                    broken.push(format!("{session}: {} arrived within {apart:?}", limit + 1));
                }
            }
        }
    }

    /// No message is begun to be sent while a more urgent one of its session has been waiting for some
    /// time, could leave, and was never tried; but for one that has waited long enough to be as urgent.
    fn priority(
        &self,
        cases: &[Case<'_>],
        unheard: &[Case<'_>],
        figures: &mut Figures,
        broken: &mut Vec<String>,
    ) {
        let mut by_session: BTreeMap<&str, (Vec<&Case<'_>>, Vec<&Case<'_>>)> = BTreeMap::new();
        for case in cases {
            let (urgent, usual) = by_session.entry(&case.sent.account.name).or_default();
            if case.sent.is_urgent { urgent.push(case) } else { usual.push(case) }
        }
        for (urgent, usual) in by_session.into_values() {
            for first in &urgent {
                let others = urgent.iter().copied().chain(unheard);
                let could_leave = could_leave_at(first, others);
                for second in &usual {
                    let Some(arrival) = second.arrivals.first() else { continue };
                    // It was chosen when the attempt began by which it came, however long that took.
                    let arrived_at = Timestamp::from_millis(arrival.at_ms + 1);
                    let of_it = second.begun.iter().rfind(|began| **began <= arrived_at);
                    let at = of_it.copied().unwrap_or(arrived_at);
                    let waits = first.begun.first().is_none_or(|began| *began > at);
                    if !waits && second.accepted_at < first.accepted_at {
                        figures.overtaken += 1;
                    }
                    let has_aged = at.since(second.accepted_at) >= AGE;
                    let in_line = first.sent.told_at.plus(self.known) < at
                        && could_leave.is_some_and(|could| could.plus(self.known) < at)
                        && self.witness.knew(at, self.learning);
                    if waits && in_line && !has_aged {
                        figures.priority_breaks += 1;
                        let (urgent, left) = (&first.sent.text, &second.sent.text);
                        let waited = at.since(first.sent.told_at);
                        let ready = could_leave.map(|could| at.since(could)).unwrap_or_default();
                        broken.push(format!(
                            "{left} left while {urgent} waited for {waited:?}, which is urgent and \
                             could leave for {ready:?}"
                        ));
                    }
                }
            }
        }
    }
}

/// When nothing to the same recipient had to leave before; `None` for never.
fn could_leave_at<'a>(
    case: &Case<'_>,
    others: impl Iterator<Item = &'a Case<'a>>,
) -> Option<Timestamp> {
    let before = others.filter(|other| {
        let urgent = other.sent.is_urgent;
        urgent && other.sent.to == case.sent.to && other.accepted_at < case.accepted_at
    });
    before.map(|other| other.over_at).try_fold(case.accepted_at, |at, over| Some(at.max(over?)))
}

/// Nothing reached anybody twice, whether or not it was answered as accepted.
fn reached_once(waha: &Waha, figures: &mut Figures, broken: &mut Vec<String>) {
    let mut times: BTreeMap<String, usize> = BTreeMap::new();
    for delivery in waha.simulator.deliveries() {
        *times.entry(delivery.text.unwrap_or_default()).or_default() += 1;
    }
    for (text, times) in times.into_iter().filter(|(_, times)| *times > 1) {
        figures.duplicates += 1;
        broken.push(format!("{text} arrived {times} times"));
    }
}

/// A message has come to an end, and the end is what happened.
fn end(
    case: &Case<'_>,
    listed: &BTreeSet<String>,
    figures: &mut Figures,
    broken: &mut Vec<String>,
) {
    let Case { sent, reached, status, code, attempts, .. } = case;
    let has_arrived = *reached > 0;
    figures.arrived += usize::from(has_arrived);
    let is_unclear = |arrival: &&Arrival| {
        matches!(arrival.outcome, Outcome::AnswerLost | Outcome::Dropped | Outcome::Refused(500..))
    };
    figures.uncertain += usize::from(case.arrivals.iter().any(is_unclear));
    let text = &sent.text;
    match (status.as_str(), code.as_deref()) {
        ("delivered" | "read", None) if has_arrived => {}
        ("failed", Some("outcome-unknown")) => {
            figures.unknown += 1;
            figures.unknown_arrived += usize::from(has_arrived);
            let takes_id = sent.account.engine != Engine::Webjs && !sent.has_file;
            if takes_id && *attempts < ATTEMPTS {
                broken.push(format!("{text} was given up after {attempts} attempts"));
            }
            if !listed.contains(&sent.id) {
                broken.push(format!("{text} has failed and is no dead letter"));
            }
        }
        // That it was delivered has been told, and is to be known.
        ("sent", None) if has_arrived => {
            broken.push(format!("{text} was delivered and is still sent"));
        }
        _ => {
            figures.lost += 1;
            let arrived = if has_arrived { "arrived" } else { "did not arrive" };
            broken.push(format!("{text} is {status} ({code:?}) and {arrived}"));
        }
    }
}

/// To one recipient, of equal priority, in the order accepted. What was given up may have arrived
/// whenever it liked.
fn order(waha: &Waha, cases: &[Case<'_>], figures: &mut Figures, broken: &mut Vec<String>) {
    let mut places: HashMap<String, usize> = HashMap::new();
    for (place, delivery) in waha.simulator.deliveries().into_iter().enumerate() {
        places.entry(delivery.text.unwrap_or_default()).or_insert(place);
    }
    let mut lines: BTreeMap<(&str, &str, bool), Vec<&str>> = BTreeMap::new();
    for Case { sent, .. } in cases.iter().filter(|case| case.status != "failed") {
        let line = (sent.account.name.as_str(), sent.to.as_str(), sent.is_urgent);
        lines.entry(line).or_default().push(&sent.text);
    }
    for texts in lines.into_values() {
        for pair in texts.windows(2) {
            if let (Some(first), Some(second)) = (places.get(pair[0]), places.get(pair[1]))
                && first > second
            {
                figures.order_breaks += 1;
                broken.push(format!("{} overtook {}", pair[1], pair[0]));
            }
        }
    }
}

/// No status goes backwards.
fn never_back(text: &str, history: &[Value], broken: &mut Vec<String>) {
    let rank = |event: &Value| match event["status"].as_str() {
        Some("sent") => 1,
        Some("delivered") => 2,
        Some("read") => 3,
        _ => 0,
    };
    if !history.iter().map(rank).is_sorted() {
        let statuses: Vec<_> = history.iter().map(|event| event["status"].as_str()).collect();
        broken.push(format!("the status of {text} went backwards: {statuses:?}"));
    }
}

fn text(message: &Value, field: &str) -> String {
    message[field].as_str().unwrap_or_else(|| panic!("{message} has no {field}")).to_owned()
}

fn instant(message: &Value, field: &str) -> Timestamp {
    Timestamp::parse(&text(message, field)).unwrap()
}
