//! Sessions that were looked up a moment ago: every message and every webhook names one, and the
//! store need not be asked for each.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::domain::id::{SessionId, TenantId};
use crate::domain::session::{Session, SessionStatus};
use crate::domain::timestamp::Timestamp;
use crate::gateway::SessionRef;

/// How long what another node has changed may go unseen. What this node changes is seen at once.
const BELIEVED_FOR: Duration = Duration::from_secs(1);

/// How many are remembered; then it begins anew.
const CAPACITY: usize = 10_000;

/// By what a session is asked for. An answer to one is none to another: it depends on who asks.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Asked {
    /// By a tenant, for one of its own.
    Own(TenantId, SessionRef),
    /// By its id, whoever's it is.
    Any(SessionId),
    /// By its name at the provider, which must be the only one of all servers.
    Placed(String),
}

/// Sessions that were found working. What else a session may be is not remembered: where it can
/// send again, that must be seen at once.
#[derive(Default)]
pub(crate) struct Directory {
    known: Mutex<Known>,
}

#[derive(Default)]
struct Known {
    sessions: HashMap<Asked, (Arc<Session>, Timestamp)>,
    /// How often something was forgotten.
    changes: u64,
}

impl Directory {
    /// What is known of a session, or how many changes there have been before it is looked up.
    pub(crate) fn get(&self, asked: &Asked, now: Timestamp) -> Result<Arc<Session>, u64> {
        let known = self.lock();
        let found = match asked {
            Asked::Own(tenant, SessionRef::Id(id)) => {
                let whose = known.sessions.get(&Asked::Any(*id));
                whose.filter(|(session, _)| session.tenant == *tenant)
            }
            _ => known.sessions.get(asked),
        };
        match found {
            // A clock that was set back makes nothing young again.
            Some((session, at)) if *at <= now && now.since(*at) < BELIEVED_FOR => {
                Ok(Arc::clone(session))
            }
            _ => Err(known.changes),
        }
    }

    /// Remembers what was found at `now`, unless something has changed since it was asked for.
    pub(crate) fn remember(
        &self,
        asked: Asked,
        session: &Arc<Session>,
        now: Timestamp,
        since: u64,
    ) {
        let mut known = self.lock();
        if session.status != SessionStatus::Working || known.changes != since {
            return;
        }
        if known.sessions.len() + 1 >= CAPACITY {
            known.sessions.clear();
        }
        // However it was asked for, it is asked for by its id next, to send what was accepted.
        known.sessions.insert(Asked::Any(session.id), (Arc::clone(session), now));
        if !matches!(asked, Asked::Own(_, SessionRef::Id(_))) {
            known.sessions.insert(asked, (Arc::clone(session), now));
        }
    }

    /// Such sessions are not, or may not be, what they were.
    pub(crate) fn forget(&self, such: impl Fn(&Session) -> bool) {
        let mut known = self.lock();
        known.changes += 1;
        known.sessions.retain(|_, (session, _)| !such(session));
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        // Nothing panics while holding it, and a map is never half changed.
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conformance::build::{at, session, session_id, tenant_id};

    fn asked() -> Asked {
        Asked::Own(tenant_id(1), session_id(1).into())
    }

    fn found(directory: &Directory, second: u64) -> bool {
        directory.get(&asked(), at(1000 * second)).is_ok()
    }

    fn remembering(second: u64) -> Directory {
        let directory = Directory::default();
        directory.remember(asked(), &Arc::new(session(1)), at(1000 * second), 0);
        directory
    }

    #[test]
    fn a_session_is_known_for_a_second() {
        let directory = remembering(10);
        assert!(found(&directory, 10));
        assert!(!found(&directory, 11));
        assert!(!found(&directory, 9));
    }

    #[test]
    fn a_session_of_another_tenant_is_not_known() {
        let directory = remembering(10);
        let by_another = Asked::Own(tenant_id(2), session_id(1).into());
        assert!(directory.get(&by_another, at(10_000)).is_err());
        let by_name = |tenant| Asked::Own(tenant_id(tenant), "session-1".into());
        directory.remember(by_name(1), &Arc::new(session(1)), at(10_000), 0);
        assert!(directory.get(&by_name(1), at(10_000)).is_ok());
        assert!(directory.get(&by_name(2), at(10_000)).is_err());
    }

    #[test]
    fn what_has_changed_is_forgotten_in_whatever_way_it_was_asked_for() {
        let directory = remembering(10);
        let other = Asked::Any(session_id(2));
        directory.remember(other.clone(), &Arc::new(session(2)), at(10_000), 0);
        directory.forget(|session| session.id == session_id(1));
        assert!(!found(&directory, 10));
        assert!(directory.get(&other, at(10_000)).is_ok());
    }

    #[test]
    fn what_was_read_before_a_change_is_not_remembered_after_it() {
        let directory = Directory::default();
        let before = directory.get(&asked(), at(10_000)).unwrap_err();
        directory.forget(|session| session.id == session_id(1));
        directory.remember(asked(), &Arc::new(session(1)), at(10_000), before);
        assert!(!found(&directory, 10));
    }

    #[test]
    fn a_session_that_cannot_send_is_looked_up_each_time() {
        let directory = Directory::default();
        let stopped = Session { status: SessionStatus::Stopped, ..session(1) };
        directory.remember(asked(), &Arc::new(stopped), at(10_000), 0);
        assert!(!found(&directory, 10));
    }

    #[test]
    fn it_does_not_grow_for_ever() {
        let directory = remembering(10);
        for n in 0..=CAPACITY as u64 {
            let session = session(n);
            let name = SessionRef::Name(session.name.clone());
            directory.remember(Asked::Own(session.tenant, name), &Arc::new(session), at(10_000), 0);
        }
        assert!(directory.lock().sessions.len() <= CAPACITY);
    }
}
