//! API keys: the admin key from the configuration, and narrower ones made by `POST /api/keys`.

use serde::{Deserialize, Serialize};

use crate::redaction::debug_shows;

/// What a call does, as far as rights go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Action {
    Read,
    Send,
    Control,
    Setting,
    Delete,
    /// Provisioning: new sessions, keys, the server itself.
    Admin,
}

/// What a key may do; null for all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Actions {
    pub(super) read: bool,
    pub(super) send: bool,
    pub(super) control: bool,
    pub(super) setting: bool,
    pub(super) app: bool,
    pub(super) delete: bool,
}

/// A key as it is asked for and answered.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ApiKey {
    #[serde(default)]
    pub(super) id: String,
    #[serde(default)]
    pub(super) key: String,
    #[serde(default = "active")]
    pub(super) is_active: bool,
    #[serde(default)]
    pub(super) is_admin: bool,
    #[serde(default)]
    pub(super) session: Option<String>,
    #[serde(default)]
    pub(super) actions: Option<Actions>,
}

const fn active() -> bool {
    true
}

debug_shows!(ApiKey { id, is_active, is_admin, session, actions });

impl ApiKey {
    /// Whether the key allows an action on a session (or on none in particular).
    pub(super) fn allows(&self, action: Action, session: Option<&str>) -> bool {
        if self.is_admin {
            return true;
        }
        if session.is_none() || session != self.session.as_deref() {
            return false;
        }
        let Some(actions) = self.actions else { return action != Action::Admin };
        match action {
            Action::Read => actions.read,
            Action::Send => actions.send,
            Action::Control => actions.control,
            Action::Setting => actions.setting,
            Action::Delete => actions.delete,
            Action::Admin => false,
        }
    }
}

/// The keys made so far.
#[derive(Default)]
pub(super) struct KeyRing {
    pub(super) keys: Vec<ApiKey>,
}

impl KeyRing {
    pub(super) fn find(&self, key: &str) -> Option<&ApiKey> {
        self.keys.iter().find(|it| it.is_active && it.key == key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(actions: Option<Actions>) -> ApiKey {
        ApiKey {
            id: "key_id_1".into(),
            key: "key_1".into(),
            is_active: true,
            is_admin: false,
            session: Some("main".into()),
            actions,
        }
    }

    #[test]
    fn a_session_key_opens_its_own_session_only() {
        assert!(key(None).allows(Action::Send, Some("main")));
        assert!(!key(None).allows(Action::Send, Some("other")));
        assert!(!key(None).allows(Action::Admin, None));
    }

    #[test]
    fn a_key_does_what_its_actions_say() {
        let key = key(Some(Actions { read: true, ..Actions::default() }));
        assert!(key.allows(Action::Read, Some("main")));
        assert!(!key.allows(Action::Send, Some("main")));
    }

    #[test]
    fn debug_output_hides_the_key() {
        assert!(!format!("{:?}", key(None)).contains("key_1\""));
    }
}
