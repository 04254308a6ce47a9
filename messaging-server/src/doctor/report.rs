//! What was found, a line for each thing.

use std::error::Error;
use std::fmt;
use std::time::Duration;

use messaging_core::domain::clock_offset::ClockOffset;

/// How bad something is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    /// As it should be.
    Ok,
    /// The service works, but not in every way or not for ever.
    Warning,
    /// The service cannot work, or may lose what it accepted.
    Problem,
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Ok => "ok",
            Self::Warning => "warning",
            Self::Problem => "problem",
        })
    }
}

/// What was found about one thing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// How bad it is.
    pub verdict: Verdict,
    /// What it is about.
    pub about: String,
    /// What was found, and what to do about it; one line.
    pub says: String,
}

/// Everything that was found.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Report {
    /// In the order of the checks.
    pub findings: Vec<Finding>,
}

impl Report {
    pub(super) fn add(&mut self, findings: Findings) {
        self.findings.extend(findings.findings);
    }

    /// How many problems there are.
    pub fn problems(&self) -> usize {
        self.findings.iter().filter(|finding| finding.verdict == Verdict::Problem).count()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for Finding { verdict, about, says } in &self.findings {
            writeln!(f, "{verdict:<7}  {about}: {says}")?;
        }
        Ok(())
    }
}

/// What was found about one thing, as long as it is being looked at.
pub(super) struct Findings {
    about: String,
    findings: Vec<Finding>,
}

impl Findings {
    pub(super) fn about(thing: impl Into<String>) -> Self {
        Self { about: thing.into(), findings: Vec::new() }
    }

    pub(super) fn ok(&mut self, says: impl AsRef<str>) {
        self.add(Verdict::Ok, says);
    }

    pub(super) fn warning(&mut self, says: impl AsRef<str>) {
        self.add(Verdict::Warning, says);
    }

    pub(super) fn problem(&mut self, says: impl AsRef<str>) {
        self.add(Verdict::Problem, says);
    }

    fn add(&mut self, verdict: Verdict, says: impl AsRef<str>) {
        let says = says.as_ref().split_whitespace().collect::<Vec<_>>().join(" ");
        self.findings.push(Finding { verdict, about: self.about.clone(), says });
    }

    /// Compares a clock with ours.
    pub(super) fn clock(
        &mut self,
        whose: &str,
        offset: ClockOffset,
        warn: Duration,
        limit: Duration,
    ) {
        let apart = offset.at_least();
        let direction = if offset.is_ahead() { "ahead of" } else { "behind" };
        let by = format!("{:.1} s {direction} this machine's", offset.about().as_secs_f64());
        let advice = "let both follow the same time (chrony, systemd-timesyncd)";
        if apart > limit {
            self.problem(format!("the clock of {whose} is {by}: {advice}"));
        } else if apart > warn {
            let warn = warn.as_millis();
            self.warning(format!("the clock of {whose} is {by}, more than {warn} ms: {advice}"));
        } else {
            let within = warn.as_millis();
            self.ok(format!("the clock of {whose} agrees with this machine's within {within} ms"));
        }
    }
}

/// An error and what is beneath it, in one line.
pub(super) fn in_full(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let says = error.to_string();
        // Some repeat what is beneath them.
        if !text.ends_with(&says) {
            text = format!("{text}: {says}");
        }
        cause = error.source();
    }
    text
}

/// What is at the bottom of an error, which says most of calls over a network.
pub(super) fn at_bottom(error: &dyn Error) -> String {
    let mut bottom = error;
    while let Some(cause) = bottom.source() {
        bottom = cause;
    }
    bottom.to_string()
}

#[cfg(test)]
mod tests {
    use messaging_core::domain::timestamp::Timestamp;

    use super::*;

    #[test]
    fn a_finding_is_one_line() {
        let mut findings = Findings::about("a thing");
        findings.ok("well");
        findings.problem("two\n  lines");
        let mut report = Report::default();
        report.add(findings);
        assert_eq!(report.to_string(), "ok       a thing: well\nproblem  a thing: two lines\n");
        assert_eq!(report.problems(), 1);
    }

    #[test]
    fn a_clock_is_judged_by_how_far_off_it_is() {
        let verdict = |micros| {
            let (ours, theirs) =
                (Timestamp::from_micros(10_000_000), Timestamp::from_micros(micros));
            let mut findings = Findings::about("a thing");
            let offset = ClockOffset::measured(ours, theirs, ours);
            let (warn, limit) = (Duration::from_millis(250), Duration::from_secs(5));
            findings.clock("the server", offset, warn, limit);
            findings.findings.remove(0).verdict
        };
        assert_eq!(verdict(10_250_000), Verdict::Ok);
        assert_eq!(verdict(10_250_001), Verdict::Warning);
        assert_eq!(verdict(9_000_000), Verdict::Warning);
        assert_eq!(verdict(15_000_001), Verdict::Problem);
        assert_eq!(verdict(4_000_000), Verdict::Problem);
    }
}
