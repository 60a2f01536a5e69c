//! The windows: logs, field names, metrics.

pub mod line;
pub mod logs;
pub mod metrics;
pub mod process;
pub mod series;
pub mod trip;
mod writer;
