//! Collections: what may be defined, changed and dropped.

mod stored;
