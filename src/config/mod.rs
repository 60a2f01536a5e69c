//! The notice board: every setting, declared once.
