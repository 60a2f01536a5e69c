//! `keys`: what tokens are signed with.

use std::io::Write;

use clap::{Args, Subcommand};

use crate::app::App;
use crate::auth::keys::SigningKey;
use crate::cli::control::{self, Order};
use crate::cli::flags::Flags;
use crate::cli::{Result, schema};
use crate::domain::signing;

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Make a key that signs tokens from now on. The three before it go on verifying.
    Rotate(Rotate),
}

#[derive(Debug, Args)]
pub struct Rotate {
    #[command(flatten)]
    flags: Flags,
}

impl Command {
    pub fn run(&self, out: &mut dyn Write) -> Result {
        let Self::Rotate(Rotate { flags }) = self;
        let config = flags.load_with_data()?;
        let words = match control::ask(&config.data, &Order::RotateKeys)? {
            Some(words) => words,
            // A key of a store that is not there yet would be nobody's.
            None => schema::on_files(&config, rotate)?,
        };
        Ok(writeln!(out, "{words}")?)
    }
}

/// Makes a key and puts it first.
pub fn rotate(app: &App) -> Result<String> {
    let key = SigningKey::generate();
    let now_ms = app.clock().now_ms();
    app.store()
        .write(|tx| signing::add(tx, app.safe(), &key, now_ms))
        .map_err(anyhow::Error::new)?;
    app.safe().signing.open();
    tracing::info!(key = key.name(), "tokens are signed with another key now");
    Ok(format!("tokens are signed with key {} from now on", key.name()))
}
