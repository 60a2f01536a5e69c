//! Makes the typed `Config` of what was found: one line a setting, then the rules between them.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use crate::config::gather::{Found, Origin, default_data, parse_at};
use crate::config::secret::Secret;
use crate::config::{Admin, Config, Environment, Error, Home, Limits, LogLevel, Result, Tls};
use crate::config::{parse, strength};

/// More connections than this are a slip of the finger: no process may have as many files open.
const CONNECTIONS_MAX: usize = 1 << 20;

pub fn resolve(found: &Found) -> Result<Config> {
    let environment = found.parsed("environment", parse::environment)?.unwrap_or(Environment::Dev);
    let container = found.parsed("dockerized", parse::switch)?.unwrap_or(false);
    let mut notices = found.notices.clone();
    let store = home(found, &mut notices)?;
    let debug = debug(found, environment)?;
    let default_level = if debug { LogLevel::Debug } else { LogLevel::Info };
    let data = path(found, "data")?.unwrap_or_else(|| found.working.join(default_data(container)));
    Ok(Config {
        environment,
        store,
        // Put together anew: `./` in the middle of a path helps nobody.
        data: data.components().collect(),
        listen: listen(found, container)?,
        public: path(found, "public")?,
        upstreams: found.parsed("proxy", parse::upstreams)?.unwrap_or_default(),
        url: found.parsed("url", parse::url)?,
        cors_origins: found.parsed("cors.origins", parse::origins)?.unwrap_or(vec!["*".to_owned()]),
        log_level: found.parsed("log.level", parse::log_level)?.unwrap_or(default_level),
        log_format: found.parsed("log.format", parse::log_format)?.flatten(),
        debug,
        threads: match found.parsed("threads", parse::threads)? {
            Some(threads) => threads,
            // Counts the quota of the cgroup, not only the machine's processors.
            None => std::thread::available_parallelism().map_or(1, |threads| threads.get()),
        },
        instance_secret: instance_secret(found, environment, &mut notices)?,
        admin: admin(found, environment, &mut notices)?,
        jwt_issuer: found.text("jwt.issuer").map(|(issuer, _)| issuer.to_owned()),
        jwt_audience: found.text("jwt.audience").map(|(audience, _)| audience.to_owned()),
        schema: path(found, "schema")?,
        schema_allow_data_loss: found
            .parsed("schema_allow_data_loss", parse::switch)?
            .unwrap_or(false),
        limits: limits(found)?,
        ready_strict: found.parsed("ready.strict", parse::switch)?.unwrap_or(false),
        metrics_listen: found.parsed("metrics.listen", parse::address)?,
        tls: tls(found)?,
        notices,
    })
}

/// Relative paths start at the working directory.
fn path(found: &Found, key: &str) -> Result<Option<PathBuf>> {
    Ok(found.parsed(key, parse::path)?.map(|path| found.working.join(path)))
}

/// Half of what TLS takes would be plain HTTP where somebody thought otherwise.
fn tls(found: &Found) -> Result<Option<Tls>> {
    let mode = found.parsed("tls", parse::tls)?;
    match (mode, path(found, "tls_cert")?, path(found, "tls_key")?) {
        (None, None, None) => Ok(None),
        (Some(()), None, None) => Ok(Some(Tls::SelfSigned)),
        (None, Some(cert), Some(key)) => Ok(Some(Tls::Files { cert, key })),
        (Some(()), _, _) => Err(Error::Conflict(
            "tls = self-signed is set together with tls_cert or tls_key: choose one".to_owned(),
        )),
        (None, _, _) => Err(Error::Conflict(
            "tls_cert and tls_key belong together, and only one of them is set".to_owned(),
        )),
    }
}

/// The defaults stand in the table, and nowhere else.
pub fn limits(found: &Found) -> Result<Limits> {
    let time = |key| found.parsed_or_default(key, parse::duration);
    let limit = |key| found.parsed_or_default(key, parse::limit);
    let size = |key| found.parsed_or_default(key, parse::size);
    Ok(Limits {
        connections: found
            .parsed_or_default("limits.connections", parse::count(1, CONNECTIONS_MAX))?,
        header_bytes: size("limits.header_bytes")?,
        header_time: limit("limits.header_time")?,
        url_bytes: size("limits.url_bytes")?,
        body_bytes: size("limits.body_bytes")?,
        request_time: limit("limits.request_time")?,
        row_visits: found
            .parsed_or_default("limits.row_visits", parse::count(1, 1 << 40))
            .map(|rows| rows as u64)?,
        keep_alive: limit("limits.keep_alive")?,
        shutdown_delay: time("shutdown.delay")?,
        shutdown_deadline: time("shutdown.deadline")?,
    })
}

/// A flag or HOLDALL_LISTEN is the whole truth; otherwise PORT changes the port of the rest.
fn listen(found: &Found, container: bool) -> Result<SocketAddr> {
    let default = if container { [0, 0, 0, 0] } else { [127, 0, 0, 1] };
    let mut listen = found
        .parsed("listen", parse::address)?
        .unwrap_or_else(|| SocketAddr::new(IpAddr::from(default), 8000));
    let from = found.text("listen").map_or(&Origin::Default, |(_, origin)| origin);
    if let (Some((port, origin)), Origin::Default | Origin::File { .. }) = (&found.port, from) {
        listen.set_port(parse_at(port, origin, parse::port)?);
    }
    Ok(listen)
}

/// A database that is named but not used would be a surprise: somebody has to say so.
fn home(found: &Found, notices: &mut Vec<String>) -> Result<Home> {
    let store = found.parsed("store", parse::home)?;
    let Some((_, origin)) = found.secret("database_url") else {
        return Ok(store.unwrap_or(Home::Files));
    };
    let Some(store) = store else {
        return Err(Error::Conflict(format!(
            "{origin} is set, but it is not said where data shall live. Set HOLDALL_STORE=files to \
             keep it in the data directory (the one line that an existing ConfigMap needs), or \
             HOLDALL_STORE=mysql to keep it in that database, which a later version can"
        )));
    };
    notices.push(format!("{origin} is passed over: the store is not a database"));
    Ok(store)
}

fn debug(found: &Found, environment: Environment) -> Result<bool> {
    let debug = found.parsed("debug", parse::switch)?.unwrap_or(false);
    match found.text("debug") {
        Some((_, origin)) if debug && environment == Environment::Production => {
            let problem = "debugging is refused in production".to_owned();
            Err(Error::Invalid { origin: origin.clone(), problem })
        }
        _ => Ok(debug),
    }
}

fn instance_secret(
    found: &Found,
    environment: Environment,
    notices: &mut Vec<String>,
) -> Result<Option<Secret>> {
    let Some((secret, origin)) = found.secret("instance_secret") else {
        return Ok(None);
    };
    // A short one protects nothing, in dev either.
    let short = secret.len() < strength::INSTANCE_SECRET_MIN_BYTES;
    judge(strength::weakness(secret), origin, environment, short, notices)?;
    Ok(Some(secret.clone()))
}

fn admin(
    found: &Found,
    environment: Environment,
    notices: &mut Vec<String>,
) -> Result<Option<Admin>> {
    let (email, password) = match (found.text("admin.email"), found.secret("admin.password")) {
        (None, None) => return Ok(None),
        (Some(email), Some(password)) => (email, password),
        (Some((_, origin)), None) | (None, Some((_, origin))) => {
            return Err(Error::Conflict(format!(
                "{origin} is set alone: HOLDALL_ADMIN_EMAIL and HOLDALL_ADMIN_PASSWORD_FILE (or \
                 HOLDALL_ADMIN_PASSWORD) go together"
            )));
        }
    };
    let (email, origin) = email;
    if !email.contains('@') {
        let problem = format!("`{email}` is not an e-mail address");
        return Err(Error::Invalid { origin: origin.clone(), problem });
    }
    let (password, origin) = password;
    judge(strength::password_weakness(password), origin, environment, false, notices)?;
    Ok(Some(Admin { email: email.to_owned(), password: password.clone() }))
}

/// Outside dev a weak secret stops the start; in dev it leaves a line.
fn judge(
    weakness: Option<&str>,
    origin: &Origin,
    environment: Environment,
    always: bool,
    notices: &mut Vec<String>,
) -> Result<()> {
    let Some(weakness) = weakness else {
        return Ok(());
    };
    if always || environment != Environment::Dev {
        let problem = format!("{weakness}; `openssl rand -hex 32` makes a good one");
        return Err(Error::Invalid { origin: origin.clone(), problem });
    }
    notices.push(format!("{origin} {weakness}; outside dev it will be refused"));
    Ok(())
}
