//! The notice board: every setting, declared once.

pub mod secret;
