//! A value as it was understood, in the one spelling that we would use for it.

use std::path::{Path, PathBuf};

use crate::config::settings::{Kind, Setting};
use crate::config::{Environment, LogLevel, parse};

/// Units that a size or a time is written in, the largest first.
const SIZES: [(&str, u128); 4] = [("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10), ("", 1)];
const TIMES: [(&str, u128); 4] = [("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1)];

/// Returns `text`, a value of `setting`, as it was understood; relative paths start at `working`.
/// What is no value is returned as it is, such as words that stand for a default.
pub fn canonical(setting: &Setting, text: &str, working: &Path) -> String {
    if text.is_empty() {
        return String::new();
    }
    let understood = match (setting.kind, setting.value) {
        (Kind::Switch, _) => parse::switch(text).map(|truth| truth.to_string()),
        (_, "ADDR") => parse::address(text).map(|address| address.to_string()),
        (_, "DIR" | "PATH") => Ok(path(&working.join(text))),
        (_, "LEVEL") => parse::log_level(text).map(|level| level.word().to_owned()),
        (_, "LIST") if setting.key == "cors.origins" => {
            parse::origins(text).map(|origins| origins.join(","))
        }
        (_, "N") => parse::count(0, usize::MAX)(text).map(|number| number.to_string()),
        (_, "NAME") => parse::environment(text).map(|name| name.word().to_owned()),
        (_, "SIZE") => parse::size(text).map(|bytes| in_units(bytes as u128, SIZES)),
        (_, "TIME") => parse::duration(text).map(|time| in_units(time.as_millis(), TIMES)),
        _ => Ok(text.to_owned()),
    };
    understood.unwrap_or_else(|_| text.to_owned())
}

/// Put together anew: `./` in the middle of a path helps nobody.
fn path(path: &Path) -> String {
    path.components().collect::<PathBuf>().display().to_string()
}

/// In the largest unit that leaves no rest.
fn in_units(number: u128, units: [(&str, u128); 4]) -> String {
    // A size is never nothing.
    if number == 0 {
        return "0s".to_owned();
    }
    let fits = units.into_iter().find(|(_, size)| number.is_multiple_of(*size));
    let (unit, size) = fits.unwrap_or(("", 1));
    format!("{}{unit}", number / size)
}

impl LogLevel {
    pub fn word(self) -> &'static str {
        match self {
            Self::Trace => "trace",
            Self::Debug => "debug",
            Self::Info => "info",
            Self::Warn => "warn",
            Self::Error => "error",
        }
    }
}

impl Environment {
    pub fn word(self) -> &'static str {
        match self {
            Self::Dev => "dev",
            Self::Ci => "ci",
            Self::Staging => "staging",
            Self::Production => "production",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::settings::{self, SETTINGS};

    #[test]
    fn spelt_as_we_would() {
        for (key, text, understood) in [
            ("limits.body_bytes", "10MB", "10MiB"),
            ("limits.body_bytes", "10485760", "10MiB"),
            ("limits.body_bytes", "1000", "1000"),
            ("limits.keep_alive", "120", "2m"),
            ("limits.keep_alive", "90s", "90s"),
            ("shutdown.delay", "0ms", "0s"),
            ("shutdown.delay", "1500ms", "1500ms"),
            ("debug", "Yes", "true"),
            ("environment", "Prod", "production"),
            ("log.level", "WARNING", "warn"),
            ("metrics.listen", "localhost:90", "127.0.0.1:90"),
            ("threads", "04", "4"),
            ("public", "./site/", "/srv/site"),
            ("public", "", ""),
            ("cors.origins", "HTTPS://A.example , *", "HTTPS://A.example , *"),
            ("cors.origins", "https://A.example, *", "https://a.example,*"),
        ] {
            let setting = settings::find(key).unwrap();
            assert_eq!(canonical(setting, text, Path::new("/srv")), understood, "{key} = {text}");
        }
    }

    #[test]
    fn defaults_are_spelt_as_we_would() {
        let is_path = |setting: &&Setting| matches!(setting.value, "DIR" | "PATH");
        for setting in SETTINGS.iter().filter(|setting| !is_path(setting)) {
            let understood = canonical(setting, setting.default, Path::new("/"));
            assert_eq!(understood, setting.default, "{}", setting.key);
        }
    }
}
