//! The windows: logs, field names, metrics.
