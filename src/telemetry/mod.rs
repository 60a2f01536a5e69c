//! The windows: logs, field names, metrics.

pub mod trip;
