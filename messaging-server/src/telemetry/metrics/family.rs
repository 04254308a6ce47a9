//! A registry that knows what it holds, so that the documentation can be compared with it.

use prometheus::core::Collector;
use prometheus::proto::MetricFamily;
use prometheus::{
    Error, Gauge, GaugeVec, HistogramOpts, HistogramVec, IntCounterVec, Opts, Registry,
};

/// What one metric is called and means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Family {
    /// Its name, with its unit at the end.
    pub name: &'static str,
    /// `counter`, `gauge` or `histogram`.
    pub kind: &'static str,
    /// Its labels.
    pub labels: &'static [&'static str],
    /// What it counts or measures.
    pub help: &'static str,
}

impl Family {
    /// Its line in the table of the documentation.
    pub fn markdown(&self) -> String {
        let labels: Vec<String> = self.labels.iter().map(|label| format!("`{label}`")).collect();
        format!("| `{}` | {} | {} | {} |", self.name, self.kind, labels.join(", "), self.help)
    }
}

/// Makes metrics, registers them and remembers what they are.
#[derive(Default)]
pub(crate) struct FamilyRegistry {
    registry: Registry,
    families: Vec<Family>,
}

impl FamilyRegistry {
    pub(crate) fn counters(
        &mut self,
        name: &'static str,
        help: &'static str,
        labels: &'static [&'static str],
    ) -> Result<IntCounterVec, Error> {
        let family = Family { name, kind: "counter", labels, help };
        self.register(family, IntCounterVec::new(Opts::new(name, help), labels)?)
    }

    pub(crate) fn histograms(
        &mut self,
        name: &'static str,
        help: &'static str,
        labels: &'static [&'static str],
        buckets: &[f64],
    ) -> Result<HistogramVec, Error> {
        let options = HistogramOpts::new(name, help).buckets(buckets.to_vec());
        let family = Family { name, kind: "histogram", labels, help };
        self.register(family, HistogramVec::new(options, labels)?)
    }

    pub(crate) fn gauge(&mut self, name: &'static str, help: &'static str) -> Result<Gauge, Error> {
        let family = Family { name, kind: "gauge", labels: &[], help };
        self.register(family, Gauge::new(name, help)?)
    }

    pub(crate) fn gauges(
        &mut self,
        name: &'static str,
        help: &'static str,
        labels: &'static [&'static str],
    ) -> Result<GaugeVec, Error> {
        let family = Family { name, kind: "gauge", labels, help };
        self.register(family, GaugeVec::new(Opts::new(name, help), labels)?)
    }

    fn register<C: Collector + Clone + 'static>(
        &mut self,
        family: Family,
        metric: C,
    ) -> Result<C, Error> {
        self.registry.register(Box::new(metric.clone()))?;
        self.families.push(family);
        Ok(metric)
    }

    pub(crate) fn gather(&self) -> Vec<MetricFamily> {
        self.registry.gather()
    }

    pub(crate) fn families(&self) -> &[Family] {
        &self.families
    }
}
