//! What a provider's token must say, and who its bearer is then.

use std::time::Duration;

use messaging_core::domain::tenant::{Permission, Rights, Role};
use messaging_core::domain::timestamp::Timestamp;
use serde_json::{Map, Value};

use crate::auth::{TokenError, seconds};

/// What stands before a provider's `sub`, so that nobody's passes for one of ours.
const SUBJECT_PREFIX: &str = "oidc:";

/// The longest `sub` that is kept, in characters; what is longer is cut.
const LONGEST_SUBJECT: usize = 200;

/// The longest name of a tenant, in characters.
const LONGEST_TENANT: usize = 100;

/// What a provider's tokens must say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClaimRules {
    /// Their `iss`, character by character.
    pub issuer: String,
    /// Their `aud` has one of these.
    pub audiences: Vec<String>,
    /// The claim that names the tenant, by id or name: its own name, or a way with dots.
    pub tenant: String,
    /// The claim that names the role, or several of them.
    pub role: String,
    /// Whether it may be the role that runs the deployment.
    pub platform_admin: bool,
    /// By how much clocks may differ.
    pub leeway: Duration,
}

/// Whose token it is.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Judged {
    /// What the token calls the tenant.
    pub(super) tenant: String,
    pub(super) rights: Rights,
    pub(super) subject: String,
}

impl ClaimRules {
    /// Who is meant by claims whose signature is good.
    pub(super) fn judge(
        &self,
        claims: &Map<String, Value>,
        now: Timestamp,
    ) -> Result<Judged, TokenError> {
        if claims.get("iss").and_then(Value::as_str) != Some(self.issuer.as_str()) {
            return Err(TokenError::Invalid);
        }
        self.check_times(claims, seconds(now))?;
        if !texts(claims.get("aud")).any(|each| self.audiences.iter().any(|ours| ours == each)) {
            return Err(TokenError::OtherAudience);
        }
        let subject = claims.get("sub").and_then(Value::as_str).map(tidied);
        let subject = subject.filter(|sub| !sub.is_empty()).ok_or(TokenError::Invalid)?;
        let role = self.role(claims).ok_or(TokenError::NoRole)?;
        let tenant = self.tenant(claims).ok_or(TokenError::NoTenant)?;
        Ok(Judged {
            tenant,
            rights: Rights { role, scope: scope(claims)? },
            subject: format!("{SUBJECT_PREFIX}{subject}"),
        })
    }

    fn check_times(&self, claims: &Map<String, Value>, now: i64) -> Result<(), TokenError> {
        let leeway = i64::try_from(self.leeway.as_secs()).unwrap_or(0);
        let end = instant(claims, "exp")?.ok_or(TokenError::Invalid)?;
        let (from, issued) = (instant(claims, "nbf")?, instant(claims, "iat")?);
        if end.saturating_add(leeway) <= now {
            return Err(TokenError::Expired);
        }
        let latest = now.saturating_add(leeway);
        if from.is_some_and(|from| from > latest) || issued.is_some_and(|issued| issued > latest) {
            return Err(TokenError::NotYetValid);
        }
        if issued.is_some_and(|issued| issued >= end) {
            return Err(TokenError::Invalid);
        }
        Ok(())
    }

    /// Of several that are known the one that may most: each may all that the next one may.
    fn role(&self, claims: &Map<String, Value>) -> Option<Role> {
        // Letter by letter: to the provider `Owner` may be another role.
        let named: Vec<&str> = texts(at(claims, &self.role)).collect();
        let allowed = |role: &Role| *role != Role::PlatformAdmin || self.platform_admin;
        Role::ALL.iter().copied().filter(allowed).find(|role| named.contains(&role.as_str()))
    }

    fn tenant(&self, claims: &Map<String, Value>) -> Option<String> {
        let mut named = texts(at(claims, &self.tenant));
        let (tenant, more) = (named.next()?, named.next());
        let is_name = !tenant.is_empty()
            && tenant.chars().count() <= LONGEST_TENANT
            && !tenant.chars().any(char::is_control);
        // Of two tenants none is meant more than the other.
        (is_name && more.is_none()).then(|| tenant.to_owned())
    }
}

/// The permissions that a token is narrowed to; none where it names none of ours, as where it is for
/// `openid` and `profile`. One that cannot be read may be meant to narrow it, so it is refused.
fn scope(claims: &Map<String, Value>) -> Result<Option<Vec<Permission>>, TokenError> {
    let claims = || ["scope", "scp"].into_iter().filter_map(|name| claims.get(name));
    let is_read = |claim: &Value| match claim {
        Value::Array(list) => list.iter().all(Value::is_string),
        claim => claim.is_string(),
    };
    if !claims().all(is_read) {
        return Err(TokenError::Invalid);
    }
    let named = claims().flat_map(|claim| texts(Some(claim)));
    let ours: Vec<_> = named.flat_map(Permission::read_list).collect();
    Ok((!ours.is_empty()).then_some(ours))
}

/// A claim by its name, or else by a way with dots (`realm_access.roles`). Names may have dots
/// themselves (`https://example.com/role`).
fn at<'a>(claims: &'a Map<String, Value>, name: &str) -> Option<&'a Value> {
    if let Some(found) = claims.get(name) {
        return Some(found);
    }
    let (first, rest) = name.split_once('.')?;
    rest.split('.').try_fold(claims.get(first)?, |value, part| value.as_object()?.get(part))
}

/// The texts of a claim that is one or a list. Whatever else is in the list makes it none.
fn texts(claim: Option<&Value>) -> impl Iterator<Item = &str> {
    let (one, list) = match claim {
        Some(Value::String(text)) => (Some(text.as_str()), None),
        Some(Value::Array(list)) => (None, Some(list).filter(|it| it.iter().all(Value::is_string))),
        _ => (None, None),
    };
    one.into_iter().chain(list.into_iter().flatten().filter_map(Value::as_str))
}

/// A number of seconds, which may have a fraction (RFC 7519, section 2).
fn instant(claims: &Map<String, Value>, name: &str) -> Result<Option<i64>, TokenError> {
    let Some(value) = claims.get(name) else { return Ok(None) };
    // A number beyond all bounds becomes the last there is.
    let number = value.as_i64().or_else(|| value.as_f64().map(|number| number as i64));
    number.map(Some).ok_or(TokenError::Invalid)
}

/// A `sub` as a log may hold it: without what cannot be seen or turns the line around.
fn tidied(subject: &str) -> String {
    let is_hidden = |c: char| {
        c.is_control()
            || matches!(c, '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}'
                | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}'
                | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
    };
    subject.trim().chars().filter(|c| !is_hidden(*c)).take(LONGEST_SUBJECT).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use messaging_core::conformance::build::at as instant_at;
    use serde_json::json;

    fn rules() -> ClaimRules {
        ClaimRules {
            issuer: "https://id.example/".to_owned(),
            audiences: vec!["gateway".to_owned(), "urn:gateway".to_owned()],
            tenant: "tenant".to_owned(),
            role: "role".to_owned(),
            platform_admin: false,
            leeway: Duration::from_secs(30),
        }
    }

    fn now() -> Timestamp {
        instant_at(0)
    }

    /// Good claims, some of which are others. One that is to be `null` is left out.
    fn claims(changes: Value) -> Map<String, Value> {
        let end = seconds(now()) + 300;
        let mut claims = json!({
            "iss": "https://id.example/", "aud": "gateway", "sub": "alice", "exp": end,
            "tenant": "acme", "role": "sender",
        });
        let map = claims.as_object_mut().unwrap();
        if let Value::Object(changes) = changes {
            map.extend(changes);
        }
        map.retain(|_, value| !value.is_null());
        map.clone()
    }

    #[track_caller]
    fn check(changes: Value, expected: Result<(), TokenError>) {
        let shown = changes.to_string();
        let judged = rules().judge(&claims(changes), now());
        assert_eq!(judged.map(|_| ()), expected, "{shown}");
    }

    #[track_caller]
    fn check_role(rules: &ClaimRules, changes: Value, expected: Option<Role>) {
        let shown = changes.to_string();
        let judged = rules.judge(&claims(changes), now());
        let role = judged.as_ref().map(|judged| judged.rights.role);
        assert_eq!(role, expected.ok_or(&TokenError::NoRole), "{shown}");
    }

    #[test]
    fn a_token_that_says_all_it_must_is_believed() {
        let judged = rules().judge(&claims(json!({})), now()).unwrap();
        let rights = Rights::of(Role::Sender);
        let (tenant, subject) = ("acme".to_owned(), "oidc:alice".to_owned());
        assert_eq!(judged, Judged { tenant, rights, subject });
    }

    #[test]
    fn its_issuer_and_audience_are_compared_character_by_character() {
        for issuer in ["https://id.example", "https://ID.example/", "https://id.example//", ""] {
            check(json!({ "iss": issuer }), Err(TokenError::Invalid));
        }
        check(json!({ "iss": ["https://id.example/"] }), Err(TokenError::Invalid));
        for audience in [json!(null), json!("Gateway"), json!(["other"]), json!([]), json!(1)] {
            check(json!({ "aud": audience }), Err(TokenError::OtherAudience));
        }
        check(json!({ "aud": ["gateway", 1] }), Err(TokenError::OtherAudience));
        check(json!({ "aud": ["account", "urn:gateway"] }), Ok(()));
    }

    #[test]
    fn its_times_are_judged_with_some_leeway_and_it_has_an_end() {
        let now = seconds(now());
        for end in [json!(null), json!("soon"), json!([now + 60]), json!({})] {
            check(json!({ "exp": end }), Err(TokenError::Invalid));
        }
        for end in [json!(now - 30), json!(0), json!(-1e300), json!(i64::MIN)] {
            check(json!({ "exp": end }), Err(TokenError::Expired));
        }
        for end in [json!(now - 29), json!(now as f64 + 0.5), json!(u64::MAX), json!(1e300)] {
            check(json!({ "exp": end }), Ok(()));
        }
        for claim in ["nbf", "iat"] {
            check(json!({ claim: now + 31 }), Err(TokenError::NotYetValid));
            check(json!({ claim: now + 30 }), Ok(()));
            check(json!({ claim: "now" }), Err(TokenError::Invalid));
            check(json!({ claim: u64::MAX }), Err(TokenError::NotYetValid));
        }
        // One that was over before it was made.
        check(json!({ "iat": now, "exp": now - 1 }), Err(TokenError::Invalid));
    }

    #[test]
    fn a_role_is_one_of_ours_and_runs_the_deployment_only_where_that_is_allowed() {
        let rules = rules();
        for unknown in [
            json!(null),
            json!(""),
            json!("root"),
            json!("Owner"),
            json!(7),
            json!(true),
            json!([]),
            json!({ "owner": true }),
            json!(["owner", 7]),
            json!("owner sender"),
            json!("platform-admin"),
            json!(["platform-admin"]),
        ] {
            check_role(&rules, json!({ "role": unknown }), None);
        }
        check_role(&rules, json!({ "role": ["offline_access", "viewer"] }), Some(Role::Viewer));
        // Of several the mightiest, but for what is not allowed at all.
        let several = json!({ "role": ["viewer", "platform-admin", "operator", "sender"] });
        check_role(&rules, several.clone(), Some(Role::Operator));
        let mighty = ClaimRules { platform_admin: true, ..rules };
        check_role(&mighty, several, Some(Role::PlatformAdmin));
    }

    #[test]
    fn each_role_may_all_that_the_next_one_may() {
        for pair in Role::ALL.windows(2) {
            assert_eq!(Rights::of(pair[0]).lack_of(&Rights::of(pair[1])), None, "{pair:?}");
        }
    }

    #[test]
    fn claims_are_found_by_their_name_or_by_a_way_to_them() {
        let nested = |role: &str| ClaimRules { role: role.to_owned(), ..rules() };
        let roles = json!({ "realm_access": { "roles": ["uma_authorization", "admin"] } });
        check_role(&nested("realm_access.roles"), roles.clone(), Some(Role::Admin));
        for elsewhere in ["realm_access", "realm_access.roles.0", "realm_access.", ".", "a.b"] {
            check_role(&nested(elsewhere), roles.clone(), None);
        }
        let namespaced = json!({ "https://example.com/role": "viewer" });
        check_role(&nested("https://example.com/role"), namespaced, Some(Role::Viewer));
    }

    #[test]
    fn a_tenant_is_one_name() {
        for tenant in [
            json!(null),
            json!(""),
            json!(7),
            json!([]),
            json!(["acme", "other"]),
            json!({ "name": "acme" }),
            json!("a\u{0}b"),
            json!("x".repeat(101)),
        ] {
            check(json!({ "tenant": tenant }), Err(TokenError::NoTenant));
        }
        check(json!({ "tenant": ["acme"] }), Ok(()));
    }

    #[test]
    fn a_scope_that_names_our_permissions_narrows_the_role() {
        let may = |changes: Value| {
            let rights = rules().judge(&claims(changes), now()).unwrap().rights;
            Permission::write_list(&rights.permissions().collect::<Vec<_>>())
        };
        assert_eq!(may(json!({ "scope": "openid messages:read data:erase" })), "messages:read");
        assert_eq!(may(json!({ "scp": ["sessions:read"] })), "sessions:read");
        let all = may(json!({}));
        assert_eq!(may(json!({ "scope": "openid profile" })), all);
    }

    /// To pass over what cannot be read would give all that the role does.
    #[test]
    fn a_scope_that_cannot_be_read_is_refused() {
        for scope in [json!(["messages:read", 7]), json!(7), json!({}), json!([["a"]]), json!(true)]
        {
            for claim in ["scope", "scp"] {
                check(json!({ claim: scope.clone() }), Err(TokenError::Invalid));
            }
        }
        let mut null = claims(json!({}));
        null.insert("scp".to_owned(), Value::Null);
        assert_eq!(rules().judge(&null, now()), Err(TokenError::Invalid));
        check(json!({ "scope": "openid", "scp": [] }), Ok(()));
    }

    #[test]
    fn a_subject_can_be_read_in_a_log_and_passes_for_none_of_ours() {
        let subject = |sub: &str| {
            rules().judge(&claims(json!({ "sub": sub })), now()).map(|judged| judged.subject)
        };
        assert_eq!(subject("api-key:1"), Ok("oidc:api-key:1".to_owned()));
        assert_eq!(subject(" a\r\nb\u{202e}c\u{200b}\u{7f} "), Ok("oidc:abc".to_owned()));
        assert_eq!(subject(&"ä".repeat(5000)), Ok(format!("oidc:{}", "ä".repeat(200))));
        assert_eq!(subject("\u{200b}\u{0}"), Err(TokenError::Invalid));
        for sub in [json!(null), json!(7), json!(["a"]), json!("")] {
            check(json!({ "sub": sub }), Err(TokenError::Invalid));
        }
    }
}
