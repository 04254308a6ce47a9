//! Whether Redis can be used.

use messaging_core::ports::clock::SystemClock;
use messaging_store_redis::{Cluster, Inspection, Node, RedisFault, Version, inspect};
use tokio::time::timeout;

use crate::config::{Config, RedisConfig};
use crate::doctor::PATIENCE;
use crate::doctor::postgres::{CLOCK_LIMIT, CLOCK_WARNING};
use crate::doctor::report::Findings;
use crate::wiring::storage::redis_options;

/// From here on every message waits noticeably.
const SLOW_MS: u128 = 50;

/// Looks at Redis, where it is configured.
pub(super) async fn check(config: &Config) -> Findings {
    let mut findings = Findings::about("Redis");
    let Some(redis) = &config.redis else {
        if config.postgres.is_none() {
            findings.ok("not configured, nor needed: one node alone, with its queue in memory");
        }
        return findings;
    };
    match timeout(PATIENCE, inspect(&redis_options(redis), &SystemClock)).await {
        Err(_) => findings.problem(format!(
            "does not answer within {} s: see whether it runs, and whether a firewall is in the way",
            PATIENCE.as_secs()
        )),
        Ok(Err(fault)) => findings.problem(format!("{fault}; {}", advice(&fault))),
        Ok(Ok(found)) => judge(&mut findings, redis, &found),
    }
    findings
}

fn judge(findings: &mut Findings, config: &RedisConfig, found: &Inspection) {
    let is_away = found.nodes.iter().all(|(_, node)| node.is_err());
    for (place, node) in &found.nodes {
        match node {
            Ok(node) => judge_node(findings, config, place, node),
            // What a cluster lacks of its nodes is told by its slots.
            Err(fault) if config.cluster && !is_away => {
                findings.warning(format!("{place}: {fault}; {}", advice(fault)));
            }
            Err(fault) => findings.problem(format!("{place}: {fault}; {}", advice(fault))),
        }
    }
    match &found.cluster {
        Some(cluster) => judge_cluster(findings, cluster),
        None if config.cluster && !is_away => findings.problem(
            "what answers is no Redis Cluster: name one server in REDIS_URL, and leave \
             REDIS_CLUSTER out",
        ),
        None => {}
    }
}

fn judge_cluster(findings: &mut Findings, cluster: &Cluster) {
    let (served, slots, primaries) = (cluster.served, Cluster::SLOTS, cluster.primaries());
    if cluster.is_ok && served == slots {
        findings.ok(format!("the cluster serves all {slots} slots, by {primaries} primaries"));
    } else {
        findings.problem(format!(
            "the cluster serves {served} of {slots} slots: bring its nodes back, or see \
             `redis-cli --cluster check`"
        ));
    }
}

fn judge_node(findings: &mut Findings, config: &RedisConfig, place: &str, node: &Node) {
    let version = &node.version;
    let took = node.clock.round_trip().as_millis();
    let (major, minor) = Version::MINIMUM;
    match version.is_supported() {
        Some(false) => findings.problem(format!(
            "{place} is {version}: {major}.{minor} or later is needed, or Valkey"
        )),
        None => findings.warning(format!("{place} does not tell its version")),
        Some(true) if took > SLOW_MS => findings.warning(format!(
            "{place} answers ({version}), but in {took} ms: put it nearer, for each message asks it \
             several times"
        )),
        Some(true) => findings.ok(format!("{place} answers ({version}) in {took} ms")),
    }
    if node.is_in_cluster && !config.cluster {
        findings.problem(format!("{place} belongs to a cluster: set REDIS_CLUSTER=true"));
    }
    // Of a cluster the primaries are found by themselves.
    if !node.is_primary && !config.cluster {
        findings.problem(format!("{place} is a replica and takes no changes: name the primary"));
    }
    match node.memory_policy.as_str() {
        "noeviction" => findings.ok(format!("{place} forgets nothing when its memory is full")),
        "" => {}
        other => findings.warning(format!(
            "{place} has maxmemory-policy {other}: when its memory is full it forgets parts of the \
             queue, which are found again only after a while; set noeviction"
        )),
    }
    findings.clock(place, node.clock, CLOCK_WARNING, CLOCK_LIMIT);
}

fn advice(fault: &RedisFault) -> &'static str {
    match fault {
        RedisFault::Options(_) => "correct REDIS_URL",
        RedisFault::Unreachable(_) | RedisFault::TimedOut => {
            "see whether it runs, and correct REDIS_URL or REDIS_HOST"
        }
        RedisFault::Refused(word) => match word.as_str() {
            "WRONGPASS" | "NOAUTH" => "correct the password in REDIS_URL or REDIS_PASSWORD",
            "NOPERM" => "allow its user INFO, TIME, EVALSHA, EVAL and all keys of REDIS_PREFIX",
            "LOADING" => "it reads what it kept: wait, and ask again",
            "DENIED" => "set a password there (protected-mode), and the same here",
            _ => "see its log",
        },
        _ => "see whether it is a Redis that listens there",
    }
}

#[cfg(test)]
mod tests {
    use messaging_core::domain::clock_offset::ClockOffset;
    use messaging_core::domain::timestamp::Timestamp;

    use super::*;
    use crate::doctor::Report;

    fn said(is_cluster: bool, change: impl FnOnce(&mut Node)) -> String {
        let at = |millis: i64| Timestamp::from_millis(100_000 + millis);
        let mut node = Node {
            version: Version { is_valkey: false, number: "7.0.15".into() },
            is_primary: true,
            is_in_cluster: is_cluster,
            memory_policy: "noeviction".into(),
            clock: ClockOffset::measured(at(0), at(1), at(2)),
        };
        change(&mut node);
        let flag = is_cluster.to_string();
        let variables = [("REDIS_URL", "redis://r"), ("REDIS_CLUSTER", flag.as_str())];
        let config = Config::from_vars(variables).unwrap();
        let mut findings = Findings::about("Redis");
        judge_node(&mut findings, &config.redis.unwrap(), "r:6379", &node);
        let mut report = Report::default();
        report.add(findings);
        let worst = report.findings.iter().max_by_key(|finding| finding.verdict).unwrap();
        format!("{} {}", worst.verdict, worst.says)
    }

    #[test]
    fn each_thing_that_is_wrong_is_said() {
        let check = |said: String, expected: &str| assert!(said.starts_with(expected), "{said}");
        check(said(false, |_| {}), "ok ");
        check(said(true, |_| {}), "ok ");
        check(said(true, |it| it.is_primary = false), "ok ");
        check(said(false, |it| it.is_primary = false), "problem r:6379 is a replica");
        check(said(false, |it| it.is_in_cluster = true), "problem r:6379 belongs to a cluster");
        check(
            said(false, |it| it.version.number = "6.0.1".into()),
            "problem r:6379 is Redis 6.0.1",
        );
        check(said(false, |it| it.memory_policy = "allkeys-lru".into()), "warning r:6379 has max");
        let at = |millis: i64| Timestamp::from_millis(100_000 + millis);
        let slow = ClockOffset::measured(at(0), at(30), at(60));
        check(
            said(false, |it| it.clock = slow),
            "warning r:6379 answers (Redis 7.0.15), but in 60",
        );
        let late = ClockOffset::measured(at(0), at(-6000), at(2));
        check(said(false, |it| it.clock = late), "problem the clock of r:6379 is 6.0 s behind");
    }
}
