//! What the service tells its operator: logs and metrics. Neither holds a number or a text.

pub mod http_metrics;
pub mod logs;
pub mod metrics;
