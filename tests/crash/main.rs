//! What the store survives: killed processes, lost power, damaged files.

mod kill;
mod product;
