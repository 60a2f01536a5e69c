//! Runs the built binary as a person would, with an environment of its own.

use std::path::Path;
use std::process::{Command, Output, Stdio};

/// One run of `holdall`, in a fresh directory unless told otherwise.
pub struct Holdall {
    command: Command,
    home: tempfile::TempDir,
}

/// What it left behind.
#[derive(Debug)]
pub struct Done {
    pub code: i32,
    pub out: String,
    pub err: String,
}

impl Holdall {
    /// `line` is split at spaces.
    pub fn new(line: &str) -> Self {
        let home = tempfile::tempdir().expect("a directory can be made");
        let mut command = Command::new(env!("CARGO_BIN_EXE_holdall"));
        command.args(line.split_whitespace()).env_clear().current_dir(home.path());
        command.env("PATH", std::env::var_os("PATH").unwrap_or_default());
        command.stdin(Stdio::null());
        Self { command, home }
    }

    /// More of the line, split at spaces.
    pub fn line(mut self, line: &str) -> Self {
        self.command.args(line.split_whitespace());
        self
    }

    pub fn arg(mut self, arg: &str) -> Self {
        self.command.arg(arg);
        self
    }

    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.command.env(name, value);
        self
    }

    /// Puts a file into the working directory.
    pub fn file(self, name: &str, content: &str) -> Self {
        std::fs::write(self.home.path().join(name), content).expect("the directory is ours");
        self
    }

    pub fn home(&self) -> &Path {
        self.home.path()
    }

    pub fn run(mut self) -> Done {
        Done::of(self.command.output().expect("the binary runs"))
    }

    /// The command itself, for whoever needs more than its end.
    pub fn into_command(self) -> (Command, tempfile::TempDir) {
        (self.command, self.home)
    }
}

impl Done {
    pub fn of(output: Output) -> Self {
        let text = |bytes| String::from_utf8(bytes).expect("text");
        Self {
            code: output.status.code().unwrap_or(-1),
            out: text(output.stdout),
            err: text(output.stderr),
        }
    }
}
