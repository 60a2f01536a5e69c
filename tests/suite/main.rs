//! What people see from outside: the real server on a real port, a file per noun.

mod assets;
mod command;
mod config;
mod front;
mod house;
mod manifest;
