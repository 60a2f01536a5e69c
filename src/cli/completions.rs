//! `completions`: a script that completes commands and flags in a shell.

use std::io::Write;

use clap::Args;
use clap_complete::Shell;

use crate::cli::{Result, command};

#[derive(Debug, Args)]
pub struct Completions {
    /// The shell to write for.
    shell: Shell,
}

impl Completions {
    pub fn run(&self, out: &mut dyn Write) -> Result {
        // Written in one go, because the generator panics when its reader has left.
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut command(), "holdall", &mut script);
        out.write_all(&script)?;
        Ok(())
    }
}
