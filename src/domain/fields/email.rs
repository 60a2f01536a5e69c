//! `email`: one address.

use crate::domain::fields::DomainOptions;
use crate::domain::fields::Problem;

/// Longest address, as RFC 5321 has it.
const LENGTH_LIMIT: usize = 254;
const LOCAL_LIMIT: usize = 64;

pub fn problem(options: &DomainOptions, text: &str) -> Option<Problem> {
    if text.is_empty() {
        return None;
    }
    if !is_email(text) {
        return Some(Problem::new("validation_is_email", "Must be an e-mail address."));
    }
    let domain = text.rsplit('@').next().unwrap_or_default();
    let refused = !super::domain_allowed(options, domain);
    refused.then(|| {
        Problem::new("validation_email_domain_not_allowed", "The e-mail's domain is not allowed.")
    })
}

/// Whether `text` is an address with a dot in its domain.
pub fn is_email(text: &str) -> bool {
    let Some((local, domain)) = text.rsplit_once('@') else { return false };
    let atom = |letter: char| {
        letter.is_ascii_alphanumeric()
            || "!#$%&'*+/=?^_`{|}~-.".contains(letter)
            || !letter.is_ascii() && !letter.is_control() && !letter.is_whitespace()
    };
    let label = |label: &str| {
        !label.is_empty()
            && label.len() <= 63
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.chars().all(|letter| {
                letter.is_ascii_alphanumeric() || letter == '-' || is_letter_beyond_ascii(letter)
            })
    };
    text.len() <= LENGTH_LIMIT
        && !local.is_empty()
        && local.len() <= LOCAL_LIMIT
        && local.chars().all(atom)
        && !local.starts_with('.')
        && !local.ends_with('.')
        && !local.contains("..")
        && domain.contains('.')
        && domain.split('.').all(label)
}

fn is_letter_beyond_ascii(letter: char) -> bool {
    !letter.is_ascii() && letter.is_alphanumeric()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_need_a_dot_in_their_domain() {
        for good in ["a@b.co", "a.b+c@sub.example.com", "o'neil@x-y.org", "ü@exämple.de"] {
            assert!(is_email(good), "{good}");
        }
        for bad in
            ["a", "a@b", "@b.co", "a@", "a b@c.de", "a@b..co", "a@-b.co", ".a@b.co", "a@b.co "]
        {
            assert!(!is_email(bad), "{bad}");
        }
    }

    #[test]
    fn domains_are_compared_whole() {
        let only = DomainOptions { only_domains: vec!["a.com".into()], ..Default::default() };
        assert_eq!(problem(&only, "x@a.com"), None);
        let code = problem(&only, "x@sub.a.com").map(|found| found.code);
        assert_eq!(code, Some("validation_email_domain_not_allowed"));
    }
}
