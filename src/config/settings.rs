//! The table of settings. A setting's flag and variable follow from its key.

/// One setting: `log.level` is the key in the file, `--log-level` the flag, and
/// `HOLDALL_LOG_LEVEL` the variable.
#[derive(Debug)]
pub struct Setting {
    pub key: &'static str,
    pub kind: Kind,
    /// How the value is called in help.
    pub value: &'static str,
    /// What is in force when nobody says otherwise, as a person would write it; empty: nothing.
    pub default: &'static str,
    /// Names that deployments of other stacks already set.
    pub legacy: &'static [&'static str],
    /// Shown by `-h`, not only by `--help`.
    pub common: bool,
    /// One paragraph; its first sentence is the short help.
    pub help: &'static str,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Plain,
    /// True or false; the flag needs no value.
    Switch,
    /// No flag, since flags show in `ps`, and no place in the file: a variable or its `_FILE` twin.
    Secret,
}

const PLAIN: Setting = Setting {
    key: "",
    kind: Kind::Plain,
    value: "TEXT",
    default: "",
    legacy: &[],
    common: false,
    help: "",
};
const SWITCH: Setting = Setting { kind: Kind::Switch, value: "BOOL", default: "false", ..PLAIN };
const SECRET: Setting = Setting { kind: Kind::Secret, value: "SECRET", ..PLAIN };

pub static SETTINGS: &[Setting] = &[
    Setting {
        key: "listen",
        value: "ADDR",
        default: "127.0.0.1:8000",
        common: true,
        help: "Address and port to listen on. Port 0 takes a free one. With DOCKERIZED the default \
               is 0.0.0.0:8000. PORT, or else APP_PORT, changes only the port of the default or of \
               the file; HOLDALL_LISTEN and the flag beat both.",
        ..PLAIN
    },
    Setting {
        key: "data",
        value: "DIR",
        default: "./holdall_data",
        common: true,
        help: "Directory that holds everything worth keeping. Made with mode 0700 when missing; \
               one server at a time may use it. With DOCKERIZED the default is /data.",
        ..PLAIN
    },
    Setting {
        key: "public",
        value: "DIR",
        common: true,
        help: "Directory with your own single-page application, served at /. Paths without an \
               extension fall back to its index.html. Unset, / is a small start page.",
        ..PLAIN
    },
    Setting {
        key: "proxy",
        value: "LIST",
        help: "Prefixes that another server answers, separated by commas, such as \
               /legacy=http://10.0.0.7:5000. Only what Holdall itself does not answer is passed on, \
               with its path as it is; a path in the URL takes the place of the prefix.",
        ..PLAIN
    },
    Setting {
        key: "store",
        value: "HOME",
        default: "files",
        common: true,
        help: "Where the journal lives: `files` in the data directory, or `memory`, which keeps \
               nothing.",
        ..PLAIN
    },
    Setting {
        key: "schema",
        value: "PATH",
        help: "Collections as code: a JSON file, or a directory of them. Before anything is served, \
               the collections become what the files say; the log tells what changed. Refused with \
               exit code 2 where that would lose data.",
        ..PLAIN
    },
    Setting {
        key: "schema_allow_data_loss",
        help: "Let `schema` drop collections and fields that hold data, and keep one value where \
               there were several.",
        ..SWITCH
    },
    Setting {
        key: "environment",
        value: "NAME",
        default: "dev",
        legacy: &["ENVIRONMENT"],
        help: "How strict to be: `dev` (or development, local), `ci` (test, testing), `staging` \
               (stage), `production` (prod). Outside dev, weak secrets refuse to start.",
        ..PLAIN
    },
    Setting {
        key: "dockerized",
        legacy: &["DOCKERIZED"],
        help: "Running in a container: listen on every address, keep data in /data.",
        ..SWITCH
    },
    Setting {
        key: "url",
        value: "URL",
        help: "Base URL of a running server, for the commands that speak to one. `exec` sets \
               HOLDALL_URL for its command. Unset, they try the address of `listen`.",
        ..PLAIN
    },
    Setting {
        key: "threads",
        value: "N",
        default: "the CPUs of the cgroup",
        legacy: &["GUNICORN_WORKERS"],
        help: "Worker threads, 1 to 512.",
        ..PLAIN
    },
    Setting {
        key: "cors.origins",
        value: "LIST",
        default: "*",
        legacy: &["CORS_ORIGINS"],
        help: "Origins that browsers may call from, separated by commas: `*`, exact origins such \
               as https://app.example.org, or subdomains as https://*.example.org.",
        ..PLAIN
    },
    Setting {
        key: "jwt.issuer",
        legacy: &["JWT_ISSUER"],
        help: "Name that tokens are signed in (the claim `iss`), for other services that verify \
               them with /.well-known/jwks.json. Unset, tokens name nobody.",
        ..PLAIN
    },
    Setting {
        key: "jwt.audience",
        legacy: &["JWT_AUDIENCE"],
        help: "Whom tokens are for (the claim `aud`), for other services that verify them.",
        ..PLAIN
    },
    Setting {
        key: "log.level",
        value: "LEVEL",
        default: "info",
        legacy: &["LOG_LEVEL"],
        common: true,
        help: "Least important line to write: trace, debug, info, warn or error. `holdall \
               log-level` changes it while the server runs.",
        ..PLAIN
    },
    Setting {
        key: "log.format",
        value: "FORMAT",
        default: "auto",
        help: "`json`, `pretty`, or `auto`: pretty on a terminal, JSON elsewhere.",
        ..PLAIN
    },
    Setting {
        key: "debug",
        legacy: &["DEBUG"],
        help: "Log at debug level unless log.level says otherwise. Refused in production. A DEBUG \
               variable that is neither true nor false belongs to another tool and is passed over.",
        ..SWITCH
    },
    Setting {
        key: "instance_secret",
        legacy: &["SECRET_KEY"],
        help: "Seals what is stored secretly and signs what only this instance reads: at least 32 \
               bytes. Unset, one is made and kept in the data directory (mode 0600). A SECRET_KEY \
               that is too short is passed over in dev.",
        ..SECRET
    },
    Setting {
        key: "admin.email",
        value: "EMAIL",
        help: "Superuser that start-up makes sure of, together with admin.password. An existing \
               account is never changed.",
        ..PLAIN
    },
    Setting { key: "admin.password", help: "Password of that superuser.", ..SECRET },
    Setting {
        key: "database_url",
        legacy: &["DATABASE_URL"],
        help: "Database of the stack before. Holdall needs none: say `store` = files to keep data \
               in the data directory, and this is passed over.",
        ..SECRET
    },
    Setting {
        key: "tls",
        value: "MODE",
        help: "`self-signed` serves HTTPS with a certificate made at every start, for developers. \
               For one of your own set tls_cert and tls_key.",
        ..PLAIN
    },
    Setting {
        key: "tls_cert",
        value: "PATH",
        help: "Serve HTTPS with this certificate chain (PEM). It is read again when the file \
               changes.",
        ..PLAIN
    },
    Setting { key: "tls_key", value: "PATH", help: "The private key (PEM) of tls_cert.", ..PLAIN },
    Setting {
        key: "limits.connections",
        value: "N",
        default: "16384",
        help: "Most connections served at once. Some more wait at the door (a sixteenth, 16 to 512), \
               where only /health and /health/live are answered; further ones are not accepted \
               before there is room.",
        ..PLAIN
    },
    Setting {
        key: "limits.header_bytes",
        value: "SIZE",
        default: "64KiB",
        help: "Most bytes of headers a request may have. Over HTTP/1, they may be 100 lines.",
        ..PLAIN
    },
    Setting {
        key: "limits.header_time",
        value: "TIME",
        default: "10s",
        help: "Longest a client may take to send its headers.",
        ..PLAIN
    },
    Setting {
        key: "limits.url_bytes",
        value: "SIZE",
        default: "32KiB",
        help: "Longest path and query of a request.",
        ..PLAIN
    },
    Setting {
        key: "limits.body_bytes",
        value: "SIZE",
        default: "32MiB",
        help: "Largest body of a request.",
        ..PLAIN
    },
    Setting {
        key: "limits.request_time",
        value: "TIME",
        default: "30s",
        help: "Longest a request may take, from its headers to its answer.",
        ..PLAIN
    },
    Setting {
        key: "limits.row_visits",
        value: "N",
        default: "200000",
        help: "Most row visits of one request, its access rules included: a record that is read is \
               one, an index entry or a value of a list a 64th. Beyond, a query is refused and a rule \
               denies. Superusers have no such limit.",
        ..PLAIN
    },
    Setting {
        key: "limits.keep_alive",
        value: "TIME",
        default: "75s",
        help: "How long an idle connection is kept.",
        ..PLAIN
    },
    Setting {
        key: "shutdown.delay",
        value: "TIME",
        default: "0s",
        help: "After SIGTERM, how long readiness says no before connections are refused, so that a \
               load balancer notices. A few seconds in a cluster.",
        ..PLAIN
    },
    Setting {
        key: "shutdown.deadline",
        value: "TIME",
        default: "10s",
        help: "Longest that requests under way may take after that.",
        ..PLAIN
    },
    Setting {
        key: "ready.strict",
        help: "Answer /health/ready with 503 on any failed check, not only when no request can be \
               answered.",
        ..SWITCH
    },
    Setting {
        key: "metrics.listen",
        value: "ADDR",
        help: "Serve /metrics on an address of its own, and no longer on the main one.",
        ..PLAIN
    },
];

impl Setting {
    /// `None` for secrets: flags show in `ps`.
    pub fn flag(&self) -> Option<String> {
        match self.kind {
            Kind::Plain | Kind::Switch => Some(self.key.replace(['.', '_'], "-")),
            Kind::Secret => None,
        }
    }

    pub fn variable(&self) -> String {
        format!("HOLDALL_{}", self.key.replace('.', "_").to_ascii_uppercase())
    }

    /// Its first sentence.
    pub fn short_help(&self) -> &'static str {
        let end = self.help.find(". ").map_or(self.help.len() - 1, |end| end);
        &self.help[..end]
    }
}

/// Returns the setting with `key`.
pub fn find(key: &str) -> Option<&'static Setting> {
    SETTINGS.iter().find(|setting| setting.key == key)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_belongs_to_one_setting() {
        let mut names: Vec<String> = SETTINGS
            .iter()
            .flat_map(|setting| {
                let legacy = setting.legacy.iter().map(|name| (*name).to_owned());
                legacy.chain([setting.variable(), setting.key.to_owned()])
            })
            .collect();
        let all = names.len();

        names.sort();
        names.dedup();

        assert_eq!(names.len(), all);
    }

    #[test]
    fn help_is_whole_sentences() {
        for setting in SETTINGS {
            assert!(setting.help.ends_with('.'), "{}", setting.key);
            assert!(!setting.help.contains("  "), "{}", setting.key);
        }
    }
}
