//! Whether the options of a field make sense together.

use serde_json::{Value, json};

use crate::domain::Problems;
use crate::domain::fields::options::BELOW_ZERO;
use crate::domain::fields::{DomainOptions, Kind, PasswordOptions, SelectOptions, TextOptions};
use crate::domain::fields::{date, number, pattern};

/// The largest whole number that every JSON reader keeps.
const SIZE_MAX: u64 = (1 << 53) - 1;
const TOO_SMALL: &str = "validation_min_greater_equal_than_required";
const TOO_LARGE: &str = "validation_max_less_equal_than_required";

/// Bounds of what hashing a password may be asked to cost, where a field says so.
const COST_BOUNDS: std::ops::RangeInclusive<u64> = 4..=31;
/// Tries at making a text that its own field would accept.
const GENERATE_TRIES: usize = 10;

/// What is wrong with the options of `kind`, by option.
pub fn options(kind: &Kind) -> Problems {
    let mut problems = sizes(kind);
    match kind {
        Kind::Text(options) => text(options, &mut problems),
        Kind::Number(options) => {
            let bounds = [("min", options.min), ("max", options.max)];
            for (name, _) in bounds.iter().filter(|(_, bound)| {
                options.only_int && bound.is_some_and(|bound| bound.fract() != 0.0)
            }) {
                let message = "Must be a whole number.";
                problems.add(name, "validation_only_int_constraint", message);
            }
            if let (Some(min), Some(max)) = (options.min, options.max)
                && max < min
            {
                let params = serde_json::json!({ "min": number::from(min) });
                let message = "Must not be below min.";
                problems.add_with("max", "validation_min_number_constraint", message, params);
            }
        }
        Kind::Email(options) | Kind::Url(options) => domains(options, &mut problems),
        Kind::Date(options) => {
            for (name, bound) in [("min", &options.min), ("max", &options.max)] {
                if !bound.is_empty() && date::parse(bound).is_none() {
                    problems.add(name, "validation_invalid_date", "Must be a date.");
                }
            }
            if let (Some(min), Some(max)) = (date::parse(&options.min), date::parse(&options.max))
                && max < min
            {
                problems.add("max", TOO_SMALL, "Must not be before min.");
            }
        }
        Kind::Autodate(options) => {
            if !options.on_create && !options.on_update {
                for name in ["onCreate", "onUpdate"] {
                    problems.add(
                        name,
                        "validation_required",
                        "One of onCreate and onUpdate is needed.",
                    );
                }
            }
        }
        Kind::Select(options) => select(options, &mut problems),
        Kind::File(options) => {
            let message = "Sizes look like 100x100, 100x0 or 0x100, with t, b or f behind.";
            let bad = |size: &String| !is_thumb(size);
            problems
                .nest("thumbs", each(&options.thumbs, bad, "validation_match_invalid", message));
        }
        Kind::Relation(options) => {
            if options.collection_id.is_empty() {
                problems.add("collectionId", "validation_required", "Cannot be blank.");
            }
            if problems.has("minSelect") || options.min_select == 0 {
            } else if options.max_select == 0 {
                problems.add("maxSelect", "validation_required", "Cannot be blank.");
            } else if options.max_select < options.min_select {
                let message = "Must not be below minSelect.";
                problems.add_with("maxSelect", TOO_SMALL, message, threshold(options.min_select));
            }
        }
        Kind::Password(options) => password(options, &mut problems),
        Kind::Bool | Kind::Editor(_) | Kind::Json(_) | Kind::GeoPoint => {}
    }
    problems
}

fn text(options: &TextOptions, problems: &mut Problems) {
    if options.max != 0 && options.max < options.min && !problems.has("min") {
        let params = serde_json::json!({ "threshold": options.min });
        problems.add_with("max", TOO_SMALL, "Must not be below min.", params);
    }
    if !options.pattern.is_valid() {
        problems.add("pattern", "validation_invalid_regex", "Is not a regular expression.");
    }
    if options.primary_key && options.pattern.is_empty() {
        problems.add("pattern", "validation_required", "A primary key needs a pattern.");
    }
    if options.autogenerate_pattern.is_empty() || !problems.is_empty() {
        return;
    }
    let fits = |_| {
        let made = pattern::generate(&options.autogenerate_pattern);
        made.is_some_and(|made| super::text::problem(options, &made).is_none())
    };
    if pattern::generate(&options.autogenerate_pattern).is_none() {
        let message = "Only literals, classes and counted repetition can be generated.";
        problems.add("autogeneratePattern", "validation_invalid_regex", message);
    } else if !(0..GENERATE_TRIES).all(fits) {
        let message = "Makes texts that the field itself would refuse.";
        problems.add(
            "autogeneratePattern",
            "validation_invalid_autogenerate_pattern_value",
            message,
        );
    }
}

fn threshold(bound: u64) -> Value {
    json!({ "threshold": bound })
}

fn password(options: &PasswordOptions, problems: &mut Problems) {
    if options.max != 0 && options.max < options.min && !problems.has("min") {
        problems.add_with("max", TOO_SMALL, "Must not be below min.", threshold(options.min));
    }
    if options.min > 71 {
        problems.add_with("min", TOO_LARGE, "Must be no more than 71.", threshold(71));
    }
    if options.max > 71 {
        problems.add_with("max", TOO_LARGE, "Must be no more than 71.", threshold(71));
    }
    if options.cost != 0 && !COST_BOUNDS.contains(&options.cost) {
        let (code, bound) = if options.cost < 4 { (TOO_SMALL, 4) } else { (TOO_LARGE, 31) };
        problems.add_with("cost", code, "Must be between 4 and 31.", threshold(bound));
    }
    if !options.pattern.is_valid() {
        problems.add("pattern", "validation_invalid_regex", "Is not a regular expression.");
    }
}

fn select(options: &SelectOptions, problems: &mut Problems) {
    let values = &options.values;
    let twice = |(at, value): (usize, &String)| values[..at].contains(value);
    if values.is_empty() || values.iter().any(String::is_empty) {
        problems.add("values", "validation_required", "There must be values to choose from.");
    } else if values.iter().enumerate().any(twice) {
        problems.add("values", "validation_duplicated_value", "Values must be distinct.");
    }
    if options.max_select > values.len() as u64 && !values.is_empty() {
        let message = "Must not be more than there are values.";
        problems.add_with("maxSelect", TOO_LARGE, message, threshold(values.len() as u64));
    }
}

fn domains(options: &DomainOptions, problems: &mut Problems) {
    if !options.only_domains.is_empty() && !options.except_domains.is_empty() {
        for name in ["onlyDomains", "exceptDomains"] {
            let message = "Only one of onlyDomains and exceptDomains may be set.";
            problems.add(name, "validation_empty", message);
        }
    }
    let bad = |domain: &String| !domain.contains('.') || domain.contains([' ', '/', '@', ':']);
    let message = "Must be a domain.";
    for (name, list) in
        [("onlyDomains", &options.only_domains), ("exceptDomains", &options.except_domains)]
    {
        problems.nest(name, each(list, bad, "validation_is_domain", message));
    }
}

/// The problem of every member of `list` that is bad, by its place.
fn each(list: &[String], bad: impl Fn(&String) -> bool, code: &str, message: &str) -> Problems {
    let mut problems = Problems::new();
    for (at, _) in list.iter().enumerate().filter(|(_, item)| bad(item)) {
        problems.add(&at.to_string(), code, message);
    }
    problems
}

/// Sizes that no JavaScript client could read back, or below zero.
fn sizes(kind: &Kind) -> Problems {
    let named: &[(&str, u64)] = match kind {
        Kind::Text(options) => &[("min", options.min), ("max", options.max)],
        Kind::Editor(options) => &[("maxSize", options.max_size)],
        Kind::Json(options) => &[("maxSize", options.max_size)],
        Kind::Select(options) => &[("maxSelect", options.max_select)],
        Kind::File(options) => &[("maxSelect", options.max_select), ("maxSize", options.max_size)],
        Kind::Relation(options) => {
            &[("minSelect", options.min_select), ("maxSelect", options.max_select)]
        }
        Kind::Password(options) => {
            &[("min", options.min), ("max", options.max), ("cost", options.cost)]
        }
        _ => &[],
    };
    let mut problems = Problems::new();
    for (name, size) in named {
        if *size == BELOW_ZERO {
            problems.add_with(name, TOO_SMALL, "Must not be below zero.", threshold(0));
        } else if *size > SIZE_MAX {
            problems.add_with(
                name,
                TOO_LARGE,
                "Must be no more than 2^53 - 1.",
                threshold(SIZE_MAX),
            );
        }
    }
    problems
}

/// `WxH`, one of them may be 0, and how to crop.
fn is_thumb(size: &str) -> bool {
    let size = size.strip_suffix(['t', 'b', 'f']).unwrap_or(size);
    let Some((width, height)) = size.split_once('x') else { return false };
    let number = |text: &str| {
        text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse::<u16>().ok())
    };
    match (number(width).flatten(), number(height).flatten()) {
        (Some(width), Some(height)) => width > 0 || height > 0,
        _ => false,
    }
}
