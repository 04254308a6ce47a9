//! What waits in the queue, session by session, and what for.

use crate::domain::filter::MAX_PAGE_LIMIT;
use crate::domain::id::{SessionId, TenantId, instant_of_v7};
use crate::domain::session::Session;
use crate::domain::timestamp::Timestamp;
use crate::domain::urgency::Lane;
use crate::gateway::error::GatewayError;
use crate::gateway::{Gateway, SessionRef};
use crate::ports::queue::{HeldBy, Pause, Standing};

/// How many sessions the queue is asked about at once.
const AT_ONCE: usize = 100;

/// How many sessions one call asks about at the most; most of them may have nothing waiting.
const MOST_LOOKED_AT: usize = 1000;

/// One session of which messages wait.
#[derive(Debug, Clone, PartialEq)]
pub struct WaitingSession {
    /// The session.
    pub session: Session,
    /// How many messages wait or are being sent.
    pub waiting: u64,
    /// Whether one is being sent.
    pub sending: bool,
    /// When the first of them was accepted.
    pub oldest_at: Option<Timestamp>,
    /// What of them waits in each lane; lanes in which nothing waits are left out.
    pub lanes: Vec<WaitingLane>,
}

/// What waits in one lane of a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WaitingLane {
    /// The lane.
    pub lane: Lane,
    /// How many messages stand in it, one that is being sent included.
    pub waiting: u64,
    /// What holds all of it, where something does.
    pub held_by: Option<HeldBy>,
    /// Until when, where that is known.
    pub until: Option<Timestamp>,
}

/// Some of a tenant's sessions of which messages wait.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct WaitingPage {
    /// The sessions, in order of id.
    pub sessions: Vec<WaitingSession>,
    /// Behind which session the next page begins; `None` at the end.
    pub next: Option<SessionId>,
}

impl Gateway {
    /// At most `limit` of the tenant's sessions of which messages wait, with ids above `after`; or the
    /// one that is named, whether any do or not.
    ///
    /// It looks at no message, but asks the queue about its sessions, a thousand of them at the most: a
    /// page may be shorter than `limit`, or empty, and not be the last.
    ///
    /// # Errors
    /// [`GatewayError::Invalid`] of `/limit`; [`GatewayError::SessionNotFound`]; [`GatewayError::Unavailable`] where the store or the queue
    /// does not answer.
    pub async fn waiting(
        &self,
        tenant: TenantId,
        named: Option<&SessionRef>,
        after: Option<SessionId>,
        limit: u32,
    ) -> Result<WaitingPage, GatewayError> {
        if !(1..=MAX_PAGE_LIMIT).contains(&limit) {
            let detail = format!("must lie within 1 and {MAX_PAGE_LIMIT}");
            return Err(GatewayError::invalid("/limit", detail));
        }
        let now = self.ports().clock.now();
        if let Some(named) = named {
            let session = self.session(tenant, named).await?;
            let standing = self.standings(std::slice::from_ref(&session)).await?.pop();
            let sessions = standing.map(|standing| told(session, standing, now));
            return Ok(WaitingPage { sessions: sessions.into_iter().collect(), next: None });
        }
        let all = self.ports().sessions.list(tenant).await?;
        let left: Vec<Session> =
            all.into_iter().filter(|session| Some(session.id) > after).collect();
        let mut page = WaitingPage::default();
        for chunk in left.chunks(AT_ONCE).take(MOST_LOOKED_AT / AT_ONCE) {
            let standings = self.standings(chunk).await?;
            for (session, standing) in chunk.iter().zip(standings) {
                if page.sessions.len() == limit as usize {
                    return Ok(page);
                }
                page.next = Some(session.id);
                if standing.depth > 0 {
                    page.sessions.push(told(session.clone(), standing, now));
                }
            }
        }
        if left.len() <= MOST_LOOKED_AT {
            page.next = None;
        }
        Ok(page)
    }

    async fn standings(&self, sessions: &[Session]) -> Result<Vec<Standing>, GatewayError> {
        let ids: Vec<SessionId> = sessions.iter().map(|session| session.id).collect();
        let standings = self.ports().queue.standings(&ids).await;
        standings.map_err(|error| GatewayError::Unavailable(Box::new(error)))
    }
}

/// What there is to tell of a session.
fn told(session: Session, standing: Standing, now: Timestamp) -> WaitingSession {
    let holds = |pause: Option<Pause>| pause.filter(|pause| pause.until > now);
    let of_session = holds(standing.pause);
    let of_new_chats = of_session
        .into_iter()
        .chain(holds(standing.new_chats_pause))
        .max_by_key(|pause| pause.until);
    let known = standing.depth.saturating_sub(standing.new_chats);
    let all = [(Lane::Known, known, of_session), (Lane::New, standing.new_chats, of_new_chats)];
    let lanes = all.into_iter().filter(|(_, waiting, _)| *waiting > 0);
    let lanes = lanes.map(|(lane, waiting, pause)| WaitingLane {
        lane,
        waiting,
        held_by: pause.map(|pause| pause.why),
        until: pause.and_then(|pause| match pause.why {
            // The pause is shorter than what it is for.
            HeldBy::Suspended => session.stopped_by(now).and_then(|stopped| stopped.until),
            _ => Some(pause.until),
        }),
    });
    WaitingSession {
        waiting: standing.depth,
        sending: standing.claimed,
        oldest_at: standing.oldest.map(|message| instant_of_v7(message.0)),
        lanes: lanes.collect(),
        session,
    }
}

#[cfg(all(test, feature = "testing"))]
mod tests {
    use super::*;
    use crate::conformance::build::{at, message_id, session};

    fn pause(until: u64, why: HeldBy) -> Option<Pause> {
        Some(Pause { until: at(until), why })
    }

    /// What holds each lane at 1000.
    #[track_caller]
    fn check(pauses: [Option<Pause>; 2], expected: [(Lane, u64, Option<HeldBy>); 2]) {
        let [pause, new_chats_pause] = pauses;
        let oldest = Some(message_id(3));
        let standing =
            Standing { depth: 5, new_chats: 2, claimed: true, oldest, pause, new_chats_pause };
        let told = told(session(1), standing, at(1000));
        assert_eq!((told.waiting, told.sending, told.oldest_at), (5, true, Some(at(3))));
        let lanes: Vec<_> = told.lanes.iter().map(|it| (it.lane, it.waiting, it.held_by)).collect();
        assert_eq!(lanes, expected);
    }

    #[test]
    fn each_lane_says_what_holds_it() {
        let lanes = |known, new| [(Lane::Known, 3, known), (Lane::New, 2, new)];
        let (rate, new_chats) = (Some(HeldBy::Rate), Some(HeldBy::NewChats));
        check([None, None], lanes(None, None));
        check([pause(2000, HeldBy::Rate), None], lanes(rate, rate));
        check([None, pause(2000, HeldBy::NewChats)], lanes(None, new_chats));
        check([pause(2000, HeldBy::Rate), pause(3000, HeldBy::NewChats)], lanes(rate, new_chats));
        check([pause(3000, HeldBy::Rate), pause(2000, HeldBy::NewChats)], lanes(rate, rate));
        check([pause(1000, HeldBy::Rate), pause(500, HeldBy::NewChats)], lanes(None, None));
    }

    #[test]
    fn a_lane_in_which_nothing_waits_is_left_out() {
        let standing = Standing { depth: 2, new_chats: 2, ..Standing::default() };
        let told = told(session(1), standing, at(0));
        assert_eq!(told.lanes.iter().map(|lane| lane.lane).collect::<Vec<_>>(), [Lane::New]);
    }
}
