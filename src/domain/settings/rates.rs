//! Which rate limits a request falls under.

use crate::domain::settings::RateLimit;

/// What the limits are looked up by.
#[derive(Debug, Clone, Copy)]
pub struct Asked<'a> {
    pub method: &'a str,
    pub path: &'a str,
    /// Name of the collection and what is done with it, where the path says so.
    pub action: Option<(&'a str, &'a [&'a str])>,
    pub signed_in: bool,
}

/// The limits that hold for `asked`: at most one of its path and one of its action, the most
/// specific of each.
pub fn limits<'a>(rules: &'a [RateLimit], asked: &Asked) -> impl Iterator<Item = &'a RateLimit> {
    let for_caller = |rule: &&RateLimit| match rule.audience.as_str() {
        "@guest" => !asked.signed_in,
        "@auth" => asked.signed_in,
        _ => true,
    };
    let find = |label: &str| rules.iter().filter(for_caller).find(|rule| rule.label == label);
    let action = asked.action.and_then(|(collection, names)| {
        // `posts:create` before `*:create`; of the names of an action the more specific is first.
        [collection, "*"]
            .iter()
            .find_map(|place| names.iter().find_map(|name| find(&format!("{place}:{name}"))))
    });
    let path = rules
        .iter()
        .filter(for_caller)
        .filter_map(|rule| Some((specificity(&rule.label, asked)?, rule)))
        .max_by_key(|(specificity, _)| *specificity)
        .map(|(_, rule)| rule);
    action.into_iter().chain(path)
}

/// Whether a label that is a path holds for `asked`, and how closely: an exact one before a prefix,
/// a longer before a shorter, one with a method before one without.
fn specificity(label: &str, asked: &Asked) -> Option<(bool, usize, bool)> {
    let (method, path) = match label.split_once(' ') {
        Some((method, path)) => (Some(method), path),
        None => (None, label),
    };
    if !path.starts_with('/') || method.is_some_and(|method| method != asked.method) {
        return None;
    }
    let exact = path == asked.path;
    let prefix = path.ends_with('/') && asked.path.starts_with(path);
    (exact || prefix).then_some((exact, path.len(), method.is_some()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(asked: Asked, labels: &[(&str, &str)], expected: &[usize]) {
        let rule = |(position, (label, audience)): (usize, &(&str, &str))| RateLimit {
            label: (*label).to_owned(),
            audience: (*audience).to_owned(),
            duration: i64::try_from(position).unwrap(),
            max_requests: 1,
        };
        let rules: Vec<_> = labels.iter().enumerate().map(rule).collect();
        let found: Vec<_> = limits(&rules, &asked).map(|rule| rule.duration as usize).collect();
        assert_eq!(found, expected, "{asked:?}");
    }

    #[test]
    fn the_most_specific_label_of_each_kind_holds() {
        let sign_in = Asked {
            method: "POST",
            path: "/api/collections/users/auth-with-password",
            action: Some(("users", &["authWithPassword", "auth"])),
            signed_in: false,
        };
        check(sign_in, &[("*:auth", ""), ("/api/", ""), ("/api/x", "")], &[0, 1]);
        check(sign_in, &[("*:authWithPassword", ""), ("users:auth", "")], &[1]);
        check(sign_in, &[("users:auth", "@auth"), ("*:auth", "@guest")], &[1]);
        check(sign_in, &[("/api/", ""), ("/api/collections/", ""), ("GET /api/", "")], &[1]);
        check(sign_in, &[("/api/", ""), ("POST /api/", ""), ("posts:auth", "")], &[1]);
        check(Asked { action: None, ..sign_in }, &[("*:auth", "")], &[]);
    }
}
