//! `admin`: the superusers, from the machine that the data is on.

use std::io::Write;
use std::path::PathBuf;

use clap::{Args, Subcommand};

use crate::app::{App, Keys, Options};
use crate::cli::control::{self, Order};
use crate::cli::failure::Failure;
use crate::cli::flags::Flags;
use crate::cli::schema::on_files;
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
        let (Self::Create(account) | Self::Password(account)) = self;
        let email = account.email.clone();
        let config = account.flags.load_with_data()?;
        let secret = password::read(account.password_file.as_deref())?;
        check(&email, &secret)?;
        let password = secret.expose_text().unwrap_or_default().to_owned();
        let order = match self {
            Self::Create(_) => Order::CreateAdmin { email: email.clone(), password },
            Self::Password(_) => Order::ChangeAdminPassword { email: email.clone(), password },
        };
        let words = match control::ask(&config.data, &order)? {
            Some(words) => words,
            None => {
                // SAFETY: asks the kernel for a number.
                let door = unsafe { libc::getuid() }.to_string();
                match self {
                    // A fresh store may begin with its superuser.
                    Self::Create(_) => work(&config, |app| create(app, &door, &email, &secret))?,
                    Self::Password(_) => {
                        on_files(&config, |app| change_password(app, &door, &email, &secret))?
                    }
                }
            }
        };
        Ok(writeln!(out, "{words}")?)
    }
}

/// Creates a superuser if there is none of that address, and says whether it is new.
pub fn create(app: &App, door: &str, email: &str, password: &Secret) -> Result<String> {
    let request = app.operator(door);
    let made = app.store().write(|tx| superusers::ensure(tx, &request, email, password));
    Ok(match made.map_err(untouched)? {
        true => format!("{email} is a superuser now"),
        false => format!("{email} is a superuser already; nothing was changed"),
    })
}

/// Gives a superuser another password; its tokens end.
pub fn change_password(app: &App, door: &str, email: &str, password: &Secret) -> Result<String> {
    let request = app.operator(door);
    app.store()
        .write(|tx| superusers::change_password(tx, &request, email, password))
        .map_err(untouched)?;
    Ok(format!("{email} has another password now"))
}

/// A fresh store would refuse these of its superuser: before there is one.
pub fn check(email: &str, password: &Secret) -> Result {
    let problems = superusers::problems(email, password);
    match problems.is_empty() {
        true => Ok(()),
        false => Err(Failure::refused(problems.to_string())),
    }
}

/// What the rules refuse is not written.
fn untouched(error: Error) -> Failure {
    match error {
        Error::Invalid { .. } | Error::NotFound(_) => Failure::refused(error.in_full()),
        other => in_words(other),
    }
}

/// Does `work` on the files, which no server has open; makes them where there are none.
pub(super) fn work<T>(config: &Config, work: impl FnOnce(&App) -> Result<T>) -> Result<T> {
    let app = open(config)?;
    let done = work(&app);
    app.store().close();
    done
}

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
pub fn in_words(error: Error) -> Failure {
    match error {
        Error::Invalid { .. } => Failure::failed(error.in_full()),
        other => Failure::Failed(other.into()),
    }
}
