//! Variables that are not ours: names other stacks leave in a ConfigMap, and those Kubernetes puts
//! into a pod for every Service.

/// Names that existing deployments set and that mean nothing here, each with why.
pub const PASSED_OVER: &[(&str, &str)] = &[
    ("ALERT_THRESHOLD", "alerts are not configured by variables"),
    ("API_BASE_URL", "the page and the API have one origin"),
    ("API_TEST_MODE", "`holdall exec` makes throw-away instances"),
    ("API_TOKEN", "tokens are made by signing in"),
    ("AWS_REGION", "nothing is kept outside the data directory"),
    ("BACKUP_BUCKET", "nothing is kept outside the data directory"),
    ("CACHE_DEFAULT_TIMEOUT", "caches follow the journal and need no time-out"),
    ("CACHE_REDIS_URL", "caches are in the process"),
    ("CACHE_TYPE", "caches are in the process"),
    ("DB_FALLBACK_TO_SQLITE_IN_MEMORY", "a store that fails must be seen; say store = memory"),
    ("FLASK_APP", "there is no Flask"),
    ("FLASK_ENV", "ENVIRONMENT says it"),
    ("GUNICORN_TIMEOUT", "limits.request_time says it"),
    ("JWT_ALGORITHM", "tokens are RS256"),
    ("MONITORING_ENABLED", "/metrics is always there"),
    ("PROFILING", "nothing has to be switched on: /metrics has the times of every route"),
    ("REDIS_URL", "caches are in the process"),
    ("SQLALCHEMY_DATABASE_URI", "data is in the data directory"),
    ("SQLALCHEMY_TRACK_MODIFICATIONS", "there is no SQLAlchemy"),
];

/// What has to be said of a value that somebody may rely on, though its name means nothing here.
pub fn warning(name: &str, value: &str) -> Option<String> {
    let is_other = name == "JWT_ALGORITHM" && !value.eq_ignore_ascii_case("RS256");
    is_other.then(|| {
        format!(
            "JWT_ALGORITHM is {value}, but tokens are signed with RS256; who verifies them takes \
             the keys from /.well-known/jwks.json"
        )
    })
}

/// Whether Kubernetes made this variable for a Service called `holdall` or `holdall-…`.
pub fn is_service_link(name: &str, value: &str) -> bool {
    let Some(rest) = name.strip_prefix("HOLDALL_") else {
        return false;
    };
    let rest = format!("_{rest}");
    rest.ends_with("_SERVICE_HOST")
        || rest.ends_with("_SERVICE_PORT")
        || rest.contains("_SERVICE_PORT_")
        || (rest.ends_with("_PORT") && is_link_value(value))
        || has_port_part(&rest)
}

/// Whether the value is what a service link puts where a port number is expected.
pub fn is_link_value(value: &str) -> bool {
    ["tcp://", "udp://", "sctp://"].iter().any(|scheme| value.starts_with(scheme))
}

/// `_PORT_80_TCP`, `_PORT_80_TCP_ADDR` and so on.
fn has_port_part(name: &str) -> bool {
    name.match_indices("_PORT_").any(|(start, found)| {
        let mut parts = name[start + found.len()..].split('_');
        let number = parts.next().is_some_and(|part| part.parse::<u16>().is_ok());
        number && matches!(parts.next(), Some("TCP" | "UDP" | "SCTP"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn service_links_are_recognised() {
        for (name, value) in [
            ("HOLDALL_PORT", "tcp://10.0.0.1:80"),
            ("HOLDALL_SERVICE_HOST", "10.0.0.1"),
            ("HOLDALL_SERVICE_PORT", "80"),
            ("HOLDALL_SERVICE_PORT_HTTP", "80"),
            ("HOLDALL_PORT_80_TCP", "tcp://10.0.0.1:80"),
            ("HOLDALL_PORT_80_TCP_PROTO", "tcp"),
            ("HOLDALL_HEADLESS_PORT_80_TCP_ADDR", "10.0.0.1"),
        ] {
            assert!(is_service_link(name, value), "{name}");
        }
    }

    #[test]
    fn misspelt_settings_are_not_service_links() {
        for (name, value) in
            [("HOLDALL_PORT", "8000"), ("HOLDALL_LISTN", "tcp://x"), ("PORT", "80")]
        {
            assert!(!is_service_link(name, value), "{name}");
        }
    }
}
