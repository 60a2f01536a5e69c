//! What the store survives: killed processes, lost power, damaged files.

// In tests a panic is the answer.
#![allow(clippy::unwrap_used)]

mod faults;
mod full;
mod growth;
mod kill;
mod power;
mod product;
