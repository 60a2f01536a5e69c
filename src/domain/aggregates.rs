//! Numbers about records: counts, sums, averages and extremes, by group.

use serde_json::{Map, Value};

use crate::domain::records::{access, find};
use crate::domain::request::Request;
use crate::domain::{Error, Result};
use crate::query::{self, Aggregate, Groups, Measure};
use crate::store::Read;
use crate::store::codec::Datum;

/// Most paths that groups are made of, and most measures of each.
const PATH_LIMIT: usize = 16;

/// What was asked for, in the words of the request.
#[derive(Debug, Default, Clone)]
pub struct Wanted {
    pub filter: String,
    /// `status,owner.name`
    pub group: String,
    /// `count,sum(price)`; blank means `count`.
    pub select: String,
}

/// The groups of what the caller may list, as they go out, and how they were found.
pub fn find(
    read: &dyn Read,
    request: &Request,
    collection: &str,
    wanted: &Wanted,
) -> Result<(Value, query::Plan)> {
    request.budget.renew();
    let (schema, collection) = find::collection(read, collection)?;
    let rule = access::gate(&collection.rules.list, &request.caller)?;
    let select = if wanted.select.trim().is_empty() { "count" } else { &wanted.select };
    let names: Vec<&str> = select.split(',').map(str::trim).collect();
    let asked = Aggregate {
        rule: rule.map(str::to_owned),
        filter: wanted.filter.clone(),
        group: group(&wanted.group)?,
        measures: names.iter().map(|name| measure(name)).collect::<Result<_>>()?,
    };
    if asked.group.len() > PATH_LIMIT || asked.measures.len() > PATH_LIMIT {
        return Err(Error::Bad(format!("At most {PATH_LIMIT} groups and {PATH_LIMIT} measures.")));
    }
    let scope = query::Scope { read, schema: &schema, request };
    let found = query::aggregate(&scope, &collection, &asked)?;
    Ok((printed(&asked, &names, &found), found.plan))
}

fn group(text: &str) -> Result<Vec<String>> {
    if text.trim().is_empty() {
        return Ok(Vec::new());
    }
    let paths = text.split(',').map(str::trim);
    if paths.clone().any(str::is_empty) {
        return Err(Error::Bad("`group` has an empty path.".to_owned()));
    }
    Ok(paths.map(str::to_owned).collect())
}

/// `count`, `sum(path)`, `min(path)`, `max(path)` or `avg(path)`.
fn measure(text: &str) -> Result<Measure> {
    if text == "count" {
        return Ok(Measure::Count);
    }
    let parts = text.strip_suffix(')').and_then(|text| text.split_once('('));
    let made = parts.and_then(|(name, path)| {
        let path = path.trim().to_owned();
        match name.trim() {
            "sum" => Some(Measure::Sum(path)),
            "min" => Some(Measure::Min(path)),
            "max" => Some(Measure::Max(path)),
            "avg" => Some(Measure::Average(path)),
            _ => None,
        }
    });
    made.ok_or_else(|| {
        Error::Bad(format!("`{text}` is no measure: count, sum(…), min(…), max(…), avg(…)."))
    })
}

fn printed(asked: &Aggregate, names: &[&str], found: &Groups) -> Value {
    let items = found.groups.iter().map(|summary| {
        let common = summary.group.iter().zip(&found.truths);
        let common =
            common.map(|(datum, is_truth)| if *is_truth { truth(datum) } else { value(datum) });
        let group = asked.group.iter().cloned().zip(common);
        let values = names.iter().map(|name| (*name).to_owned());
        let values = values.zip(summary.values.iter().map(value));
        serde_json::json!({
            "group": group.collect::<Map<_, _>>(),
            "values": values.collect::<Map<_, _>>(),
        })
    });
    serde_json::json!({ "items": items.collect::<Vec<_>>() })
}

fn truth(datum: &Datum) -> Value {
    match datum {
        Datum::Number(number) => Value::from(*number != 0.0),
        other => value(other),
    }
}

fn value(datum: &Datum) -> Value {
    match datum {
        Datum::Null => Value::Null,
        Datum::Number(number) => Value::from(*number),
        Datum::Text(text) => Value::from(text.as_ref()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn measures_are_read_strictly() {
        assert_eq!(measure("count").unwrap(), Measure::Count);
        assert_eq!(measure("sum( price )").unwrap(), Measure::Sum("price".to_owned()));
        for text in ["", "sum", "sum(", "median(n)", "count(n)", "(n)", "sum)n("] {
            assert!(measure(text).is_err(), "{text}");
        }
    }

    #[test]
    fn groups_have_no_holes() {
        assert_eq!(group(" a , b.c ").unwrap(), ["a", "b.c"]);
        assert!(group(" ").unwrap().is_empty());
        assert!(group("a,,b").is_err());
    }
}
