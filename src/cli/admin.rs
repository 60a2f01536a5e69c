//! `admin`: the superusers, from the machine that the data is on.

use std::io::Write;
use std::path::PathBuf;

use clap::{Args, Subcommand};

use crate::app::{App, Keys, Options};
use crate::cli::failure::Failure;
use crate::cli::flags::Flags;
use crate::cli::{Result, password};
use crate::config;
use crate::config::Config;
use crate::config::secret::Secret;
use crate::domain::Error;
use crate::domain::accounts::superusers;
use crate::store::{Home, OpenError};

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Create a superuser. One that is there already stays as it is.
    Create(Account),
    /// Give a superuser another password, and end what it is signed in to.
    Password(Account),
}

#[derive(Debug, Args)]
pub struct Account {
    /// The address that the superuser signs in with.
    email: String,
    /// Read the password from this file. Else it is asked for, or read from standard input.
    #[arg(long, value_name = "FILE")]
    password_file: Option<PathBuf>,
    #[command(flatten)]
    flags: Flags,
}

impl Command {
    pub fn run(&self, out: &mut dyn Write) -> Result {
        match self {
            Self::Create(account) => {
                let email = &account.email;
                let app = open(&account.flags.load()?)?;
                let password = password::read(account.password_file.as_deref())?;
                let made = create(&app, email, &password)?;
                app.store().close();
                match made {
                    true => writeln!(out, "{email} is a superuser now")?,
                    false => writeln!(out, "{email} is a superuser already; nothing was changed")?,
                }
            }
            Self::Password(account) => {
                let app = open(&account.flags.load()?)?;
                let password = password::read(account.password_file.as_deref())?;
                change_password(&app, &account.email, &password)?;
                app.store().close();
                writeln!(out, "{} has another password now", account.email)?;
            }
        }
        Ok(())
    }
}

/// Creates a superuser if there is none of that address; whether it is new.
pub fn create(app: &App, email: &str, password: &Secret) -> Result<bool> {
    let request = app.operator("admin");
    app.store().write(|tx| superusers::ensure(tx, &request, email, password)).map_err(in_words)
}

/// Gives a superuser another password; its tokens end.
pub fn change_password(app: &App, email: &str, password: &Secret) -> Result {
    let request = app.operator("admin");
    app.store()
        .write(|tx| superusers::change_password(tx, &request, email, password))
        .map_err(in_words)
}

/// Opens the files, which no server has open.
fn open(config: &Config) -> Result<App> {
    if config.store == config::Home::Memory {
        let words = "a store in memory keeps no superusers; set HOLDALL_ADMIN_EMAIL and \
                     HOLDALL_ADMIN_PASSWORD_FILE for the server instead";
        return Err(Failure::refused(words));
    }
    let options = Options {
        home: Home::Files(config.data.clone()),
        keys: Keys { instance_secret: config.instance_secret.clone(), ..Keys::default() },
        ..Options::default()
    };
    App::open(options).map_err(|error| match error.downcast::<OpenError>() {
        Ok(refused) => refused.into(),
        Err(error) => error.into(),
    })
}

/// What a rule said, with the fields it said it of.
fn in_words(error: Error) -> Failure {
    match error {
        Error::Invalid { message, problems } => {
            let problems = problems.into_json();
            let listed: Vec<_> = problems
                .iter()
                .map(|(field, problem)| {
                    format!("{field}: {}", problem["message"].as_str().unwrap_or_default())
                })
                .collect();
            Failure::failed(format!("{message} {}", listed.join(" ")))
        }
        other => Failure::Failed(other.into()),
    }
}
