//! Says which part of an access rule decided about a record: for superusers who ask why.

use crate::domain::record::Record;
use crate::query::ast::Expr;
use crate::query::parser;
use crate::query::{Result, Scope, matches};

/// What became of a rule.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Decision {
    pub granted: bool,
    /// The smallest part of the rule that makes the answer what it is.
    pub decided: String,
    /// The parts that the rule joins at its top, each on its own.
    pub clauses: Vec<Clause>,
}

#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Clause {
    pub clause: String,
    pub holds: bool,
}

/// Evaluates `rule` for `record`, and what decided. Each part is looked at on its own: where parts
/// hold one by one, but for no row together, the whole of them decided.
pub fn decide(scope: &Scope, rule: &str, record: &Record) -> Result<Decision> {
    let granted = matches(scope, rule, record)?;
    let Some(expr) = parser::parse(rule)? else {
        return Ok(Decision { granted, decided: String::new(), clauses: Vec::new() });
    };
    let parts = match &expr {
        Expr::And(list) | Expr::Or(list) => &list[..],
        Expr::Compare(_) => std::slice::from_ref(&expr),
    };
    let clause = |part: &Expr| {
        let clause = part.to_string();
        Ok(Clause { holds: matches(scope, &clause, record)?, clause })
    };
    let clauses = parts.iter().map(clause).collect::<Result<_>>()?;
    Ok(Decision { granted, decided: decisive(scope, &expr, granted, record)?.to_string(), clauses })
}

/// The smallest part of `expr` that makes it `answer`.
fn decisive<'e>(scope: &Scope, expr: &'e Expr, answer: bool, record: &Record) -> Result<&'e Expr> {
    // One part that is false decides an "and", one that is true an "or".
    let (list, deciding) = match expr {
        Expr::And(list) => (list, false),
        Expr::Or(list) => (list, true),
        Expr::Compare(_) => return Ok(expr),
    };
    if answer != deciding {
        return Ok(expr);
    }
    for part in list {
        if matches(scope, &part.to_string(), record)? == deciding {
            return decisive(scope, part, deciding, record);
        }
    }
    Ok(expr)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::domain::samples;
    use crate::query::world::World;

    fn decided(rule: &str) -> (bool, String) {
        let person = samples::collection(
            1,
            "person",
            &[("name", samples::text()), ("n", samples::number())],
        );
        let team = samples::collection(
            2,
            "team",
            &[("name", samples::text()), ("members", samples::relation("person", 9))],
        );
        let records = [
            ("person", json!({"id": "p1", "name": "x", "n": 1})),
            ("person", json!({"id": "p2", "name": "y", "n": 2})),
            ("team", json!({"id": "t1", "name": "red", "members": ["p1", "p2"]})),
        ];
        let world = World::new(vec![person, team], &records);
        let request = World::guest();
        let scope = Scope { read: &world.snapshot, schema: &world.schema, request: &request };
        let decision = decide(&scope, rule, &world.record("team", "t1")).unwrap();
        (decision.granted, decision.decided)
    }

    #[test]
    fn the_smallest_part_that_makes_the_answer_is_named() {
        for (rule, granted, part) in [
            ("name = 'red'", true, "name = 'red'"),
            ("name = 'red' && id = 'zz'", false, "id = 'zz'"),
            ("id = 'zz' || name = 'red'", true, "name = 'red'"),
            ("name = 'red' && (id = 'zz' || id = 'yy')", false, "id = 'zz' || id = 'yy'"),
            ("name = 'red' && id = 't1'", true, "name = 'red' && id = 't1'"),
            (
                "id = 'zz' || (name = 'red' && id = 'yy')",
                false,
                "id = 'zz' || (name = 'red' && id = 'yy')",
            ),
            ("@request.auth.id != '' && name = 'red'", false, "@request.auth.id != ''"),
            // No member has both.
            (
                "members.name ?= 'x' && members.n ?= 2",
                false,
                "members.name ?= 'x' && members.n ?= 2",
            ),
        ] {
            assert_eq!(decided(rule), (granted, part.to_owned()), "{rule}");
        }
    }
}
