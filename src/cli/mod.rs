//! The side door: a file per command.
