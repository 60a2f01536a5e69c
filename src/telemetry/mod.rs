//! The windows: logs, field names, metrics.

pub mod line;
pub mod logs;
pub mod trip;
mod writer;
