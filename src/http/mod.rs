//! The front door: the one list of routes.
