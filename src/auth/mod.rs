//! The safe: passwords, tokens, keys, secrets.
