//! The map of the house: which room does what. Links are compiled, so the map can't go stale.
//!
//! | room | what happens there |
//! |---|---|
//! | [`cli`] | side door: one file per command; wires the program |
//! | [`http`] | front door: routes, extractors, errors to statuses, a file per noun |
//! | [`app`] | fuse box: joins the rooms; `read`, `write`, the lanes, the clock |
//! | [`domain`] | work floor: plain synchronous rules on a transaction, a file per noun |
//! | [`query`] | the filter language: lexer, parser, typed tree, planner, evaluator |
//! | [`store`] | cellar: transactions, journal, window, state |
//! | [`auth`] | safe: passwords, tokens, keys, secrets |
//! | [`config`] | notice board: every setting, declared once |
//! | [`telemetry`] | windows: logs, field names, metrics |
//! | `memory` | how bytes are copied and compared in the static binary |
//! | [`clock`] | the one clock, which tests set by hand |

pub mod app;
pub mod auth;
pub mod cli;
pub mod clock;
pub mod config;
pub mod domain;
pub mod http;
#[cfg(all(target_arch = "x86_64", any(target_env = "musl", test)))]
mod memory;
pub mod query;
pub mod store;
pub mod telemetry;
