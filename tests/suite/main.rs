//! What people see from outside: the real server on a real port, a file per noun.

// In tests a panic is the answer.
#![allow(clippy::unwrap_used)]

mod account_records;
mod accounts;
mod admin;
mod assets;
mod bad_input;
mod command;
mod config;
mod confined;
mod erase;
mod errors;
mod exec;
mod explain;
mod front;
mod fuzz;
mod house;
mod indexes;
mod journal;
mod kept_stores;
mod leaks;
mod manifest;
mod people;
mod proxy;
mod queries;
mod records;
mod reference;
mod saturated;
mod schema;
mod secrets;
mod serve;
mod settings;
mod shutdown;
mod telemetry;
mod tls;
