//! `types`: the collections as types of a programming language.

use std::io::Write;

use clap::{Args, Subcommand};

use crate::app::{App, Options};
use crate::cli::Result;
use crate::cli::control::{self, Order};
use crate::cli::definitions;
use crate::cli::flags::Flags;
use crate::cli::schema;

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Print TypeScript: what records hold, what may be written, what expands, and a typed client
    /// for the PocketBase SDK. With --schema, of those files; else of the server or its data.
    Ts(Ts),
}

#[derive(Debug, Args)]
pub struct Ts {
    #[command(flatten)]
    flags: Flags,
}

impl Command {
    pub fn run(&self, out: &mut dyn Write) -> Result {
        let Self::Ts(Ts { flags }) = self;
        let config = flags.load_with_data()?;
        let text = match &config.schema {
            Some(path) => {
                // A throw-away instance: what the files make of a fresh store.
                let app = App::open(Options::default())?;
                schema::apply(&app, &definitions::read(path)?, false, false)?;
                schema::types(&app)?
            }
            None => match control::ask(&config.data, &Order::PrintTypes)? {
                Some(text) => text,
                None => schema::on_files(&config, schema::types)?,
            },
        };
        Ok(out.write_all(text.as_bytes())?)
    }
}
