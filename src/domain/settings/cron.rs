//! Cron expressions: whether a text is one.

/// Words that stand for an expression.
const WORDS: &[&str] =
    &["@yearly", "@annually", "@monthly", "@weekly", "@daily", "@midnight", "@hourly"];

/// Minute, hour, day of month, month, day of week: least and most.
const FIELDS: [(u32, u32); 5] = [(0, 59), (0, 23), (1, 31), (1, 12), (0, 6)];

/// Whether `text` is five fields of `*`, numbers, ranges, lists and steps, or a word like `@daily`.
pub fn is_cron(text: &str) -> bool {
    if WORDS.contains(&text) {
        return true;
    }
    let fields: Vec<_> = text.split(' ').collect();
    fields.len() == FIELDS.len()
        && fields.iter().zip(FIELDS).all(|(field, bounds)| is_field(field, bounds))
}

fn is_field(field: &str, bounds: (u32, u32)) -> bool {
    field.split(',').all(|part| {
        let (range, step) = part.split_once('/').map_or((part, None), |(r, s)| (r, Some(s)));
        let step_fits = step.is_none_or(|step| number(step, (1, bounds.1.max(1))).is_some());
        // A step goes through a range; from a single number there is nothing to go through.
        let steps_through = step.is_none() || range == "*" || range.contains('-');
        is_range(range, bounds) && step_fits && steps_through
    })
}

fn is_range(range: &str, bounds: (u32, u32)) -> bool {
    if range == "*" {
        return true;
    }
    match range.split_once('-') {
        None => number(range, bounds).is_some(),
        Some((from, to)) => match (number(from, bounds), number(to, bounds)) {
            (Some(from), Some(to)) => from <= to,
            _ => false,
        },
    }
}

fn number(text: &str, (least, most): (u32, u32)) -> Option<u32> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let number = text.parse().ok().filter(|_| digits)?;
    (least <= number && number <= most).then_some(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_expressions_from_other_texts() {
        for good in ["* * * * *", "0 2 * * *", "*/5 0-6/2 1,15 1-12 0", "@daily"] {
            assert!(is_cron(good), "{good}");
        }
        for bad in [
            "",
            "x",
            "* * * *",
            "* * * * * *",
            "60 * * * *",
            "* 24 * * *",
            "* * 0 * *",
            "* * * 13 *",
            "* * * * 7",
            "5-1 * * * *",
            "*/0 * * * *",
            "5/2 * * * *",
            "+1 * * * *",
            "1, * * * *",
            "@never",
        ] {
            assert!(!is_cron(bad), "{bad}");
        }
    }
}
