//! What people see from outside: the real server on a real port, a file per noun.

mod command;
mod config;
mod assets;
mod front;
mod house;
