//! What is wrong with settings, all of it at once, nested as they are.

use std::collections::HashSet;
use std::net::IpAddr;

use crate::domain::Problems;
use crate::domain::fields::email;
use crate::domain::settings::networks;
use crate::domain::settings::{Backups, Batch, Meta, RateLimit, S3, Settings, Smtp, is_cron};

const AUTH_METHODS: &[&str] = &["", "PLAIN", "LOGIN"];
const AUDIENCES: &[&str] = &["", "@guest", "@auth"];
const METHODS: &[&str] = &["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];

pub(super) fn problems(settings: &Settings) -> Problems {
    let mut problems = Problems::new();
    problems.nest("meta", meta(&settings.meta));
    problems.nest("smtp", smtp(&settings.smtp));
    problems.nest("s3", s3(&settings.s3));
    problems.nest("backups", backups(&settings.backups));
    problems.nest("batch", batch(&settings.batch));
    let mut logs = Problems::new();
    at_least(&mut logs, "maxDays", settings.logs.max_days, 0);
    at_least(&mut logs, "maxDataSize", settings.logs.max_data_size, 0);
    problems.nest("logs", logs);
    let limits = &settings.rate_limits;
    let mut found = Problems::new();
    found.nest("excludedIPs", addresses(&limits.excluded_ips));
    if limits.enabled && limits.rules.is_empty() {
        required(&mut found, "rules");
    }
    found.nest("rules", rate_limits(&limits.rules));
    problems.nest("rateLimits", found);
    problems.nest("superuserIPs", addresses(&settings.superuser_ips));
    problems
}

fn meta(meta: &Meta) -> Problems {
    let mut problems = Problems::new();
    not_blank(&mut problems, "appName", &meta.app_name);
    not_blank(&mut problems, "senderName", &meta.sender_name);
    not_blank(&mut problems, "appURL", &meta.app_url);
    url(&mut problems, "appURL", &meta.app_url);
    not_blank(&mut problems, "senderAddress", &meta.sender_address);
    if !meta.sender_address.is_empty() && !email::is_email(&meta.sender_address) {
        problems.add("senderAddress", "validation_is_email", "Must be an e-mail address.");
    }
    if !meta.accent_color.is_empty() && !is_color(&meta.accent_color) {
        let message = "Must be a colour such as #1055c9.";
        problems.add("accentColor", "validation_length_invalid", message);
    }
    problems
}

fn smtp(smtp: &Smtp) -> Problems {
    let mut problems = Problems::new();
    if smtp.enabled {
        not_blank(&mut problems, "host", &smtp.host);
        if smtp.port == 0 {
            required(&mut problems, "port");
        }
    }
    at_least(&mut problems, "port", smtp.port, 0);
    at_most(&mut problems, "port", smtp.port, i64::from(u16::MAX));
    for (name, host) in [("host", &smtp.host), ("localName", &smtp.local_name)] {
        if !host.is_empty() && !is_host(host) {
            problems.add(name, "validation_is_host", "Must be a host name or an IP address.");
        }
    }
    if !AUTH_METHODS.contains(&smtp.auth_method.as_str()) {
        problems.add("authMethod", "validation_in_invalid", "Must be PLAIN or LOGIN.");
    }
    problems
}

fn s3(s3: &S3) -> Problems {
    let mut problems = Problems::new();
    if s3.enabled {
        for (name, value) in [
            ("bucket", &s3.bucket),
            ("region", &s3.region),
            ("endpoint", &s3.endpoint),
            ("accessKey", &s3.access_key),
            ("secret", &s3.secret),
        ] {
            not_blank(&mut problems, name, value);
        }
    }
    url(&mut problems, "endpoint", &s3.endpoint);
    problems
}

fn backups(backups: &Backups) -> Problems {
    let mut problems = Problems::new();
    if !backups.cron.is_empty() {
        if !is_cron(&backups.cron) {
            let message = "Must be five fields such as 0 2 * * *, or a word such as @daily.";
            problems.add("cron", "validation_invalid_cron", message);
        }
        if backups.cron_max_keep == 0 {
            required(&mut problems, "cronMaxKeep");
        }
    }
    if backups.cron_max_keep < 0 {
        at_least(&mut problems, "cronMaxKeep", backups.cron_max_keep, 1);
    }
    problems.nest("s3", s3(&backups.s3));
    problems
}

fn batch(batch: &Batch) -> Problems {
    let mut problems = Problems::new();
    for (name, value) in [("maxRequests", batch.max_requests), ("timeout", batch.timeout)] {
        if batch.enabled && value == 0 {
            required(&mut problems, name);
        }
        at_least(&mut problems, name, value, 0);
    }
    at_least(&mut problems, "maxBodySize", batch.max_body_size, 0);
    problems
}

fn rate_limits(rules: &[RateLimit]) -> Problems {
    let mut problems = Problems::new();
    let mut known = HashSet::new();
    for (position, rule) in rules.iter().enumerate() {
        let mut found = Problems::new();
        not_blank(&mut found, "label", &rule.label);
        if !rule.label.is_empty() && !is_label(&rule.label) {
            let message = "Must be a path, or an action such as posts:create.";
            found.add("label", "validation_match_invalid", message);
        }
        if !AUDIENCES.contains(&rule.audience.as_str()) {
            found.add("audience", "validation_in_invalid", "Must be @guest, @auth or blank.");
        }
        for (name, value) in [("duration", rule.duration), ("maxRequests", rule.max_requests)] {
            if value == 0 {
                required(&mut found, name);
            }
            at_least(&mut found, name, value, 1);
        }
        // A rule for everybody is at odds with one for some.
        let conflicts = known.contains(&(rule.label.as_str(), rule.audience.as_str()))
            || known.contains(&(rule.label.as_str(), ""))
            || rule.audience.is_empty() && known.iter().any(|(label, _)| *label == rule.label);
        if conflicts {
            let message = "Another rule limits the same.";
            found.add("label", "validation_conflicting_rate_limit_rule", message);
        }
        known.insert((rule.label.as_str(), rule.audience.as_str()));
        problems.nest(&position.to_string(), found);
    }
    problems
}

fn addresses(listed: &[String]) -> Problems {
    let mut problems = Problems::new();
    for (position, address) in listed.iter().enumerate() {
        if !networks::is_network(address) {
            let message = "Must be an IP address, or a network such as 10.0.0.0/8.";
            // The code has a slip of the pen that clients know by now.
            problems.add(&position.to_string(), "validation_invlaid_ip_or_subnet", message);
        }
    }
    problems
}

fn required(problems: &mut Problems, name: &str) {
    problems.add(name, "validation_required", "Cannot be blank.");
}

fn not_blank(problems: &mut Problems, name: &str, value: &str) {
    if value.trim().is_empty() {
        required(problems, name);
    }
}

fn at_least(problems: &mut Problems, name: &str, value: i64, least: i64) {
    if value < least {
        let code = "validation_min_greater_equal_than_required";
        let params = serde_json::json!({ "threshold": least });
        problems.add_with(name, code, &format!("Must be at least {least}."), params);
    }
}

fn at_most(problems: &mut Problems, name: &str, value: i64, most: i64) {
    if value > most {
        let code = "validation_max_less_equal_than_required";
        let params = serde_json::json!({ "threshold": most });
        problems.add_with(name, code, &format!("Must be at most {most}."), params);
    }
}

fn url(problems: &mut Problems, name: &str, value: &str) {
    if !value.is_empty() && !is_url(value) {
        let message = "Must be a URL such as https://example.com.";
        problems.add(name, "validation_is_url", message);
    }
}

/// `#` and six hexadecimal digits.
fn is_color(text: &str) -> bool {
    let digits = text.strip_prefix('#').unwrap_or_default();
    digits.len() == 6 && digits.bytes().all(|digit| digit.is_ascii_hexdigit())
}

fn is_url(text: &str) -> bool {
    let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    let authority = rest.map(|rest| rest.split(['/', '?', '#']).next().unwrap_or_default());
    let clean = text.chars().all(|character| !character.is_whitespace() && !character.is_control());
    clean && authority.is_some_and(|authority| !authority.is_empty())
}

fn is_host(text: &str) -> bool {
    let label = |label: &str| {
        !label.is_empty()
            && label.len() <= 63
            && label.chars().all(|c| c.is_alphanumeric() || c == '-' || c == '_')
    };
    text.parse::<IpAddr>().is_ok() || text.trim_end_matches('.').split('.').all(label)
}

/// `collection:action`, `*:action`, or a path, the latter with or without a method in front. A word by
/// itself is taken too, as other servers' settings have them; no route here goes by it.
fn is_label(label: &str) -> bool {
    let word = |text: &str| {
        !text.is_empty() && text.chars().all(|c| c.is_alphanumeric() || c == '_' || c == '-')
    };
    let path = match label.split_once(' ') {
        Some((method, path)) if METHODS.contains(&method) => path,
        _ => label,
    };
    if path.starts_with('/') {
        return !path.contains(char::is_whitespace);
    }
    match label.split_once(':') {
        Some((place, action)) => (place == "*" || word(place)) && word(action),
        None => word(label),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn check(settings: Value, expected: Value) {
        let settings: Settings = serde_json::from_value(settings).unwrap();
        let mut found = Value::Object(problems(&settings).into_json());
        strip(&mut found);
        assert_eq!(found, expected);
    }

    /// Leaves of problems become their codes.
    fn strip(found: &mut Value) {
        if let Some(code) = found.get("code").cloned() {
            *found = code;
        } else if let Some(members) = found.as_object_mut() {
            members.values_mut().for_each(strip);
        }
    }

    #[test]
    fn the_defaults_are_fine() {
        check(json!({}), json!({}));
    }

    #[test]
    fn what_is_switched_on_must_be_filled_in() {
        check(
            json!({"smtp": {"enabled": true, "host": "", "port": 0}, "s3": {"enabled": true, "region": "r"},
                "batch": {"enabled": true, "maxRequests": 0, "timeout": -1},
                "rateLimits": {"enabled": true, "rules": []},
                "backups": {"cron": "* * * * *", "cronMaxKeep": 0}}),
            json!({"smtp": {"host": "validation_required", "port": "validation_required"},
                "s3": {"bucket": "validation_required", "endpoint": "validation_required",
                    "accessKey": "validation_required", "secret": "validation_required"},
                "batch": {"maxRequests": "validation_required",
                    "timeout": "validation_min_greater_equal_than_required"},
                "rateLimits": {"rules": "validation_required"},
                "backups": {"cronMaxKeep": "validation_required"}}),
        );
    }

    #[test]
    fn every_value_has_its_form() {
        check(
            json!({"meta": {"appURL": "x y", "senderAddress": "x", "accentColor": "red"},
                "smtp": {"host": "bad host", "port": 70000, "authMethod": "X"},
                "backups": {"cron": "x", "cronMaxKeep": -1}, "logs": {"maxDays": -1},
                "superuserIPs": ["10.0.0.0/8", "x", "::1/129"]}),
            json!({"meta": {"appURL": "validation_is_url", "senderAddress": "validation_is_email",
                    "accentColor": "validation_length_invalid"},
                "smtp": {"host": "validation_is_host", "port": "validation_max_less_equal_than_required",
                    "authMethod": "validation_in_invalid"},
                "backups": {"cron": "validation_invalid_cron",
                    "cronMaxKeep": "validation_min_greater_equal_than_required"},
                "logs": {"maxDays": "validation_min_greater_equal_than_required"},
                "superuserIPs": {"1": "validation_invlaid_ip_or_subnet",
                    "2": "validation_invlaid_ip_or_subnet"}}),
        );
    }

    #[test]
    fn rate_limits_name_what_they_limit_once() {
        let rule = |label: &str, audience: &str| json!({"label": label, "audience": audience, "duration": 1, "maxRequests": 1});
        check(
            json!({"rateLimits": {"rules": [rule("a:b", "@auth"), rule("a:b", "@guest"),
                rule("*:auth", ""), rule("POST /api/x", ""), rule("/api/", ""), rule("tag", "")]}}),
            json!({}),
        );
        check(
            json!({"rateLimits": {"rules": [rule("a:b", ""), rule("a:b", ""), rule("bad label!", "x"),
                {"label": ""}]}}),
            json!({"rateLimits": {"rules": {
                "1": {"label": "validation_conflicting_rate_limit_rule"},
                "2": {"label": "validation_match_invalid", "audience": "validation_in_invalid"},
                "3": {"label": "validation_required", "duration": "validation_required",
                    "maxRequests": "validation_required"}}}}),
        );
    }
}
