//! `config`: what is in force and who said so, whether it would do, and what there is.

use std::io::Write;

use clap::{Args, Subcommand};

use crate::cli::Result;
use crate::cli::flags::Flags;
use crate::cli::surroundings;
use crate::config::canonical::canonical;
use crate::config::settings::{Kind, SETTINGS, Setting};
use crate::config::{Config, Found, reference};

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Print every setting in force, as it was understood, with where its value comes from. Secrets
    /// print as ***.
    Show(Settings),
    /// Say whether a server would start with these settings, here and now: exit code 0 or 2.
    ///
    /// Beside the server that they are of, it would not: port and directory are taken.
    Check(Settings),
    /// Print the reference of all settings, as Markdown.
    Reference,
}

#[derive(Debug, Args)]
pub struct Settings {
    #[command(flatten)]
    flags: Flags,
}

impl Command {
    pub fn run(&self, out: &mut dyn Write) -> Result {
        match self {
            Self::Show(settings) => {
                let (config, found) = Config::load_with_origins(&settings.flags.sources())?;
                show(&config, &found, out)
            }
            Self::Check(settings) => {
                let config = settings.flags.load()?;
                for notice in &config.notices {
                    writeln!(out, "note: {notice}")?;
                }
                surroundings::check(&config)?;
                surroundings::check_free(&config)?;
                for doubt in surroundings::doubts(&config) {
                    writeln!(out, "warning: {doubt}")?;
                }
                writeln!(out, "the settings are fine")?;
                Ok(())
            }
            Self::Reference => Ok(reference::write(out)?),
        }
    }
}

/// Aligned for people, and still one setting a line for `grep`.
fn show(config: &Config, found: &Found, out: &mut dyn Write) -> Result {
    let rows: Vec<_> = SETTINGS.iter().map(|setting| row(setting, config, found)).collect();
    let width =
        |pick: fn(&(&str, String, String)) -> usize| rows.iter().map(pick).max().unwrap_or(0);
    let (keys, values) = (width(|row| row.0.len()), width(|row| row.1.chars().count()));
    for (key, value, origin) in &rows {
        let value = if value.is_empty() { "-" } else { value };
        writeln!(out, "{key:keys$}  {value:values$}  {origin}")?;
    }
    if let Some(file) = &found.file {
        writeln!(out, "# read {}", file.display())?;
    }
    for notice in &config.notices {
        writeln!(out, "# {notice}")?;
    }
    Ok(())
}

/// A setting's key, its value as it was understood, and where that comes from.
fn row(setting: &Setting, config: &Config, found: &Found) -> (&'static str, String, String) {
    let set = found.text(setting.key).map(|(text, origin)| (text, origin.to_string()));
    let (mut value, mut origin) = match (setting.kind, found.secret(setting.key), set) {
        (Kind::Secret, Some((secret, origin)), _) => (secret.to_string(), origin.to_string()),
        (_, _, Some((text, origin))) => (canonical(setting, text, &found.working), origin),
        (_, _, None) => (setting.default.to_owned(), "default".to_owned()),
    };
    match setting.key {
        "listen" => {
            value = config.listen.to_string();
            if let Some((port, from)) = &found.port
                && port.parse() == Ok(config.listen.port())
            {
                origin = format!("{origin}, port from {from}");
            }
        }
        "data" => value = config.data.display().to_string(),
        "threads" => value = config.threads.to_string(),
        "log.level" if found.text("log.level").is_none() => {
            config.log_level.word().clone_into(&mut value);
            if let Some((_, from)) = found.text("debug").filter(|_| config.debug) {
                origin = format!("default, debug from {from}");
            }
        }
        "instance_secret" if value.is_empty() => "made at first start".clone_into(&mut value),
        _ => {}
    }
    (setting.key, value, origin)
}
