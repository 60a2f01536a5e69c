//! Finds every value that somebody set, and remembers where: file, then environment, then flags.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt;
use std::path::{Path, PathBuf};

use crate::config::closest::closest;
use crate::config::secret::Secret;
use crate::config::secret_file;
use crate::config::settings::{self, Kind, SETTINGS, Setting};
use crate::config::{Error, Result, file, legacy, parse, strength};

/// Variables that are no setting.
const OTHER_VARIABLES: &[&str] = &["HOLDALL_CONFIG"];
/// What our variables begin with.
const PREFIX: &str = "HOLDALL_";

/// All that may hold settings, so that tests need no real environment.
#[derive(Debug, Clone, Default)]
pub struct Sources {
    /// What stands on the line, by key.
    pub flags: BTreeMap<&'static str, String>,
    /// `--config`.
    pub file: Option<PathBuf>,
    pub environment: BTreeMap<String, OsString>,
    /// The working directory: relative paths start here.
    pub working: PathBuf,
}

/// Where a value stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    Default,
    File { path: PathBuf, key: &'static str },
    Variable(String),
    Flag(String),
}

impl fmt::Display for Origin {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => formatter.write_str("default"),
            Self::File { path, key } => write!(formatter, "{} in {}", key, path.display()),
            Self::Variable(name) => formatter.write_str(name),
            Self::Flag(name) => write!(formatter, "--{name}"),
        }
    }
}

/// The values that somebody set, by key. What is missing has its default.
#[derive(Debug, Default)]
pub struct Found {
    values: BTreeMap<&'static str, (String, Origin)>,
    secrets: BTreeMap<&'static str, (Secret, Origin)>,
    /// The file that was read.
    pub file: Option<PathBuf>,
    pub notices: Vec<String>,
    /// PORT or APP_PORT: changes only the port of what `listen` is without it.
    pub port: Option<(String, Origin)>,
    pub working: PathBuf,
}

impl Found {
    /// As if nobody had named a database.
    pub fn without_database(mut self) -> Self {
        self.secrets.remove("database_url");
        self
    }

    pub fn text(&self, key: &str) -> Option<(&str, &Origin)> {
        self.values.get(key).map(|(text, origin)| (text.as_str(), origin))
    }

    pub fn secret(&self, key: &str) -> Option<(&Secret, &Origin)> {
        self.secrets.get(key).map(|(secret, origin)| (secret, origin))
    }

    /// Parses the value under `key`; `None` when nobody set it.
    pub fn parsed<T>(
        &self,
        key: &str,
        parse: impl Fn(&str) -> Result<T, String>,
    ) -> Result<Option<T>> {
        debug_assert!(settings::find(key).is_some(), "{key} is not in the table");
        self.text(key).map(|(text, origin)| parse_at(text, origin, &parse)).transpose()
    }

    /// Parses the value under `key`, or the default that the table has for it.
    pub fn parsed_or_default<T>(
        &self,
        key: &str,
        parse: impl Fn(&str) -> Result<T, String>,
    ) -> Result<T> {
        let default = settings::find(key).map_or("", |setting| setting.default);
        let (text, origin) = self.text(key).unwrap_or((default, &Origin::Default));
        parse_at(text, origin, parse)
    }
}

/// Parses `text`, and blames `origin` when that fails.
pub fn parse_at<T>(
    text: &str,
    origin: &Origin,
    parse: impl Fn(&str) -> Result<T, String>,
) -> Result<T> {
    parse(text).map_err(|problem| Error::Invalid { origin: origin.clone(), problem })
}

pub fn gather(sources: &Sources) -> Result<Found> {
    let mut found = Found { working: sources.working.clone(), ..Found::default() };
    // The data directory decides where the file is, so it is looked up twice. Secrets are not: a FIFO
    // gives its own once.
    let mut ahead = Found::default();
    refuse_unknown(&mut ahead, sources)?;
    add_settings(&mut ahead, sources, |kind| kind != Kind::Secret)?;
    add_flags(&mut ahead, sources);
    let container = ahead.parsed("dockerized", parse::switch)?.unwrap_or(false);
    let data = ahead.text("data").map_or(default_data(container), |(data, _)| data);
    let asked = match (&sources.file, variable(sources, "HOLDALL_CONFIG")?) {
        (Some(flag), _) => Some(flag.clone()),
        (None, variable) => variable.map(PathBuf::from),
    };
    let data = sources.working.join(data);
    if let Some(path) = file::locate(asked.as_deref(), &sources.working, &data) {
        add_file(&mut found, &path)?;
    }
    add_variables(&mut found, sources)?;
    add_flags(&mut found, sources);
    Ok(found)
}

/// Where data goes when nobody says.
pub fn default_data(container: bool) -> &'static str {
    if container { "/data" } else { "./holdall_data" }
}

fn add_file(found: &mut Found, path: &Path) -> Result<()> {
    for (key, text) in file::read(path)? {
        let refuse = |problem: &str| Error::File {
            path: path.to_owned(),
            problem: format!("{key}: {problem}"),
        };
        let secret = key.strip_suffix("_file").and_then(settings::find);
        match (settings::find(&key), secret.filter(|setting| setting.kind == Kind::Secret)) {
            (Some(setting), _) if setting.kind == Kind::Secret => {
                return Err(refuse(&format!(
                    "secrets have no place in this file; put it in a file of its own and name that \
                     as {key}_file, or set {}",
                    setting.variable()
                )));
            }
            (Some(setting), _) => {
                let origin = Origin::File { path: path.to_owned(), key: setting.key };
                found.values.insert(setting.key, (text, origin));
            }
            (None, Some(setting)) => {
                let origin = Origin::File { path: path.to_owned(), key: setting.key };
                let beside = path.parent().unwrap_or(Path::new(".")).join(&text);
                let secret = read_secret(&beside, setting, &origin)?;
                found.secrets.insert(setting.key, (secret, origin));
            }
            (None, None) => {
                let known = SETTINGS.iter().filter(|setting| setting.kind != Kind::Secret);
                let closest = closest(&key, known.map(|setting| setting.key));
                let closest = closest.map(|closest| format!("`{closest}`"));
                let origin = format!("`{key}` in {}", path.display());
                return Err(Error::Unknown { origin, closest });
            }
        }
    }
    found.file = Some(path.to_owned());
    Ok(())
}

fn add_flags(found: &mut Found, sources: &Sources) {
    for (key, text) in &sources.flags {
        let flag = settings::find(key).and_then(Setting::flag).unwrap_or_default();
        found.values.insert(key, (text.clone(), Origin::Flag(flag)));
    }
}

fn add_variables(found: &mut Found, sources: &Sources) -> Result<()> {
    refuse_unknown(found, sources)?;
    add_settings(found, sources, |_| true)?;
    for name in ["APP_PORT", "PORT"] {
        match variable(sources, name)? {
            Some(value) if legacy::is_link_value(&value) => found
                .notices
                .push(format!("{name} is a Kubernetes service link and is passed over")),
            Some(value) => found.port = Some((value, Origin::Variable(name.to_owned()))),
            None => {}
        }
    }
    let meaningless = legacy::PASSED_OVER.iter().map(|(name, _)| *name);
    let meaningless: Vec<&str> =
        meaningless.filter(|name| sources.environment.contains_key(*name)).collect();
    for name in &meaningless {
        let value = sources.environment[*name].to_string_lossy();
        found.notices.extend(legacy::warning(name, &value));
    }
    if !meaningless.is_empty() {
        found
            .notices
            .push(format!("passed over, they mean nothing here: {}", meaningless.join(", ")));
    }
    Ok(())
}

fn add_settings(found: &mut Found, sources: &Sources, is_wanted: fn(Kind) -> bool) -> Result<()> {
    for setting in SETTINGS.iter().filter(|setting| is_wanted(setting.kind)) {
        let own = setting.variable();
        // The legacy name first, so that ours lays itself over it.
        for name in setting.legacy.iter().copied().chain([own.as_str()]) {
            match setting.kind {
                Kind::Secret => add_secret(found, sources, setting, name)?,
                Kind::Plain | Kind::Switch => add_plain(found, sources, setting, name)?,
            }
        }
    }
    Ok(())
}

fn add_plain(
    found: &mut Found,
    sources: &Sources,
    setting: &'static Setting,
    name: &str,
) -> Result<()> {
    let Some(value) = variable(sources, name)? else {
        return Ok(());
    };
    let legacy = setting.legacy.contains(&name);
    if legacy && setting.kind == Kind::Switch && parse::switch(&value).is_err() {
        found.notices.push(format!("{name} is neither true nor false and is passed over"));
        return Ok(());
    }
    // How many processes the stack before had is a hint, and no more.
    if legacy && setting.key == "threads" && parse::threads(&value).is_err() {
        found.notices.push(format!("{name} is no number of threads and is passed over"));
        return Ok(());
    }
    found.values.insert(setting.key, (value, Origin::Variable(name.to_owned())));
    Ok(())
}

fn add_secret(
    found: &mut Found,
    sources: &Sources,
    setting: &'static Setting,
    name: &str,
) -> Result<()> {
    let twin = format!("{name}_FILE");
    let secret = match (variable(sources, name)?, variable(sources, &twin)?) {
        (Some(_), Some(_)) => {
            return Err(Error::Conflict(format!("{name} and {twin} are both set; keep one")));
        }
        (Some(value), None) => (Secret::new(value), Origin::Variable(name.to_owned())),
        (None, Some(path)) => {
            let origin = Origin::Variable(twin);
            (read_secret(&sources.working.join(path), setting, &origin)?, origin)
        }
        (None, None) => return Ok(()),
    };
    let legacy_short = setting.key == "instance_secret"
        && name != setting.variable()
        && secret.0.len() < strength::INSTANCE_SECRET_MIN_BYTES;
    if legacy_short && is_dev(sources) {
        found.notices.push(format!("{} is shorter than 32 bytes and is passed over", secret.1));
        return Ok(());
    }
    found.secrets.insert(setting.key, secret);
    Ok(())
}

/// Only the environment tells: the file of a deployment that sets SECRET_KEY comes with neither.
fn is_dev(sources: &Sources) -> bool {
    let name = ["HOLDALL_ENVIRONMENT", "ENVIRONMENT"];
    let name = name.iter().find_map(|name| sources.environment.get(*name)?.to_str());
    let name = sources.flags.get("environment").map(String::as_str).or(name);
    name.is_none_or(|name| parse::environment(name) == Ok(crate::config::Environment::Dev))
}

/// One newline at the end belongs to the editor, not to the secret. Of all secrets only the
/// instance's may be any bytes.
fn read_secret(path: &Path, setting: &Setting, origin: &Origin) -> Result<Secret> {
    let read = match setting.key {
        "instance_secret" => secret_file::read(path),
        _ => secret_file::read_text(path).map(String::into_bytes),
    };
    let mut bytes = read.map_err(|error| Error::Invalid {
        origin: origin.clone(),
        problem: format!("cannot read {}: {error}", path.display()),
    })?;
    if bytes.last() == Some(&b'\n') {
        bytes.pop();
    }
    if bytes.last() == Some(&b'\r') {
        bytes.pop();
    }
    let is_text = setting.key != "instance_secret";
    let wrong = if bytes.is_empty() {
        "is empty"
    } else if is_text && bytes.contains(&b'\n') {
        // Two passwords, or a comment: neither would be what anybody types.
        "holds more than one line"
    } else {
        return Ok(Secret::new(bytes));
    };
    let problem = format!("{} {wrong}", path.display());
    Err(Error::Invalid { origin: origin.clone(), problem })
}

/// An empty variable counts as unset, as in most of a ConfigMap's templates.
fn variable(sources: &Sources, name: &str) -> Result<Option<String>> {
    match sources.environment.get(name).map(|value| value.to_str()) {
        None | Some(Some("")) => Ok(None),
        Some(Some(value)) => Ok(Some(value.to_owned())),
        Some(None) => Err(Error::Invalid {
            origin: Origin::Variable(name.to_owned()),
            problem: "is not UTF-8 text".to_owned(),
        }),
    }
}

fn refuse_unknown(found: &mut Found, sources: &Sources) -> Result<()> {
    let mut known: Vec<String> = OTHER_VARIABLES.iter().map(|name| (*name).to_owned()).collect();
    for setting in SETTINGS {
        known.push(setting.variable());
        if setting.kind == Kind::Secret {
            known.push(format!("{}_FILE", setting.variable()));
        }
    }
    let mut links = 0;
    for (name, value) in &sources.environment {
        let Some(bare) = name.strip_prefix(PREFIX).filter(|_| !known.contains(name)) else {
            continue;
        };
        if legacy::is_service_link(name, &value.to_string_lossy()) {
            links += 1;
            continue;
        }
        let closest = match bare {
            // People expect it, and Kubernetes makes it useless.
            "PORT" => Some("PORT or HOLDALL_LISTEN".to_owned()),
            // What all have in common makes none of them likelier.
            _ => closest(bare, known.iter().filter_map(|name| name.strip_prefix(PREFIX)))
                .map(|bare| format!("{PREFIX}{bare}")),
        };
        return Err(Error::Unknown { origin: format!("the variable {name}"), closest });
    }
    if links > 0 {
        let links = match links {
            1 => {
                "1 variable is a Kubernetes service link of a Service called holdall and is".into()
            }
            _ => format!(
                "{links} variables are Kubernetes service links of a Service called holdall and are"
            ),
        };
        let remedy = "enableServiceLinks: false keeps them away";
        found.notices.push(format!("{links} passed over; {remedy}"));
    }
    Ok(())
}
