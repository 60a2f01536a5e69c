//! The settings as flags, made of the table in `config`.

use std::collections::BTreeMap;
use std::path::PathBuf;

use clap::{Arg, ArgMatches, Args, Command, Error, FromArgMatches, value_parser};

use crate::cli::failure::Failure;
use crate::config::settings::{Kind, SETTINGS, Setting};
use crate::config::{Config, Sources};

pub const HEADING: &str = "Settings (also in holdall.toml and the environment)";

/// What stands on the line, by key; nothing is checked yet.
#[derive(Debug, Clone, Default)]
pub struct Flags {
    values: BTreeMap<&'static str, String>,
    file: Option<PathBuf>,
}

impl Flags {
    /// Adds to what stands on the line, as `exec` does for its throw-away instance.
    pub fn set(&mut self, key: &'static str, value: &str) {
        self.values.insert(key, value.to_owned());
    }

    pub fn has(&self, key: &str) -> bool {
        self.values.contains_key(key)
    }

    /// Everything of this process that may hold settings.
    pub fn sources(&self) -> Sources {
        let environment = std::env::vars_os();
        Sources {
            flags: self.values.clone(),
            file: self.file.clone(),
            environment: environment
                .filter_map(|(name, value)| Some((name.into_string().ok()?, value)))
                .collect(),
            working: std::env::current_dir().unwrap_or_else(|_| PathBuf::from(".")),
        }
    }

    pub fn load(&self) -> crate::config::Result<Config> {
        Config::load(&self.sources())
    }

    /// The same for a command that asks a running server.
    pub fn load_to_ask(&self) -> crate::config::Result<Config> {
        Config::load_to_ask(&self.sources())
    }

    /// The same for what has to do with a data directory, and reaches a server by nothing else.
    pub fn load_with_data(&self) -> crate::cli::Result<Config> {
        self.refuse_url()?;
        Ok(self.load()?)
    }

    pub fn refuse_url(&self) -> crate::cli::Result<()> {
        if self.has("url") {
            let words = "--url has no place here: this goes by the data directory, --data";
            return Err(Failure::refused(words));
        }
        Ok(())
    }
}

impl Args for Flags {
    fn augment_args(command: Command) -> Command {
        let file = Arg::new("config")
            .long("config")
            .value_name("FILE")
            .value_parser(value_parser!(PathBuf))
            .help_heading(HEADING)
            .help("Read the settings from this file")
            .long_help(
                "Read the settings from this file. Unset, ./holdall.toml is read, else \
                 holdall.toml in the data directory. [env: HOLDALL_CONFIG]",
            );
        SETTINGS.iter().filter_map(arg).fold(command.arg(file), Command::arg)
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for Flags {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, Error> {
        let mut flags = Self::default();
        flags.update_from_arg_matches(matches)?;
        Ok(flags)
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), Error> {
        for setting in SETTINGS.iter().filter(|setting| setting.flag().is_some()) {
            if let Some(value) = matches.get_one::<String>(setting.key) {
                self.values.insert(setting.key, value.clone());
            }
        }
        if let Some(file) = matches.get_one::<PathBuf>("config") {
            self.file = Some(file.clone());
        }
        Ok(())
    }
}

/// Leaves only `settings`, by key, in the help of `command` and of those below it.
pub fn show_only(settings: &[&str], command: Command) -> Command {
    let is_other = |arg: &Arg| {
        let key = arg.get_id().as_str();
        SETTINGS.iter().any(|setting| setting.key == key) && !settings.contains(&key)
    };
    let shown = |arg: Arg| {
        let is_hidden = is_other(&arg);
        arg.hide(is_hidden).hide_short_help(false)
    };
    command.mut_args(shown).mut_subcommands(|inner| show_only(settings, inner))
}

/// Leaves `settings`, by key, out of the help of `command`.
pub fn hide(settings: &[&str], command: Command) -> Command {
    command.mut_args(|arg| match settings.contains(&arg.get_id().as_str()) {
        true => arg.hide(true),
        false => arg,
    })
}

fn arg(setting: &'static Setting) -> Option<Arg> {
    let default = match setting.default {
        "" => String::new(),
        default => format!(" [default: {default}]"),
    };
    let arg = Arg::new(setting.key)
        .long(setting.flag()?)
        .value_name(setting.value)
        .help_heading(HEADING)
        .hide_short_help(!setting.common)
        .help(format!("{}{default}", setting.short_help()))
        .long_help(format!("{}{default} [env: {}]", setting.help, setting.variable()));
    Some(match setting.kind {
        Kind::Switch => arg.num_args(0..=1).require_equals(true).default_missing_value("true"),
        Kind::Plain | Kind::Secret => arg,
    })
}
