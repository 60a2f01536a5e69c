//! Works out expressions, by SQL's three-valued logic.

use std::cmp::Ordering;
use std::rc::Rc;

use crate::domain::record::Record;
use crate::domain::schema::CollectionKind;
use crate::domain::views::functions;
use crate::domain::views::members;
use crate::domain::views::plan::{Expr, Operator};
use crate::domain::views::run::Run;
use crate::domain::views::value::Value;

/// What a source puts into a row.
#[derive(Debug, Clone)]
pub enum Cell {
    Record(Record),
    /// A row of a query inside.
    Values(Rc<[Value]>),
    /// Of an optional source, where it has nothing that fits.
    Missing,
}

/// One cell of each source.
pub type Row = Vec<Cell>;

/// Where an expression stands: in a row, with what was made of its group, inside other queries.
#[derive(Clone, Copy)]
pub struct Scope<'a> {
    pub run: &'a Run<'a>,
    pub row: &'a [Cell],
    pub aggregates: &'a [Value],
    pub windows: &'a [Value],
    pub outer: Option<&'a Scope<'a>>,
}

impl Cell {
    pub fn value(&self, field: usize) -> Value {
        match self {
            Self::Missing => Value::Null,
            Self::Values(values) => values.get(field).cloned().unwrap_or(Value::Null),
            Self::Record(record) => {
                let collection = record.collection();
                let computed = collection.kind == CollectionKind::View;
                let kind = &collection.fields[field].kind;
                Value::of_field(kind, computed, &record.value(field))
            }
        }
    }
}

/// The value of `expr` where it stands.
pub fn evaluate(expr: &Expr, at: &Scope) -> Value {
    let value = |expr: &Expr| evaluate(expr, at);
    match expr {
        Expr::Field { up, source, field } => {
            let mut scope = at;
            for _ in 0..*up {
                match scope.outer {
                    Some(outer) => scope = outer,
                    None => return Value::Null,
                }
            }
            scope.row.get(*source).map_or(Value::Null, |cell| cell.value(*field))
        }
        Expr::Literal(literal) => literal.clone(),
        Expr::Binary(operator, left, right) => binary(*operator, &value(left), &value(right)),
        Expr::Not(inner) => Value::of_truth(value(inner).truth().map(|truth| !truth)),
        Expr::Negative(inner) => arithmetic(Operator::Subtract, &Value::Integer(0), &value(inner)),
        Expr::IsNull(inner) => Value::from(value(inner).is_null()),
        Expr::In(inner, list) => {
            let inner = value(inner);
            among(&inner, list.iter().map(value))
        }
        Expr::Like { value: text, pattern, escape } => {
            let (text, pattern) = (value(text), value(pattern));
            let known = !text.is_null() && !pattern.is_null();
            Value::of_truth(known.then(|| like(&text.text(), &pattern.text(), *escape)))
        }
        Expr::Case(branches, otherwise) => {
            let taken = branches.iter().find(|(when, _)| value(when).truth() == Some(true));
            value(taken.map_or(otherwise, |(_, then)| then))
        }
        Expr::Cast(inner, to) => value(inner).cast(*to),
        Expr::As(inner, affinity) => affinity.apply(value(inner)),
        Expr::Call(function, operands) => {
            let operands: Vec<Value> = operands.iter().map(value).collect();
            function(&operands, at.run.now_ms)
        }
        Expr::Aggregate(number) => at.aggregates.get(*number).cloned().unwrap_or(Value::Null),
        Expr::Window(number) => at.windows.get(*number).cloned().unwrap_or(Value::Null),
        Expr::Query(query) => {
            let rows = at.run.answer(query, at);
            rows.first().and_then(|row| row.first()).cloned().unwrap_or(Value::Null)
        }
        Expr::Exists(query) => Value::from(!at.run.answer(query, at).is_empty()),
        Expr::InQuery(inner, query) => {
            let (inner, rows) = (value(inner), at.run.answer(query, at));
            among(&inner, rows.iter().map(|row| row.first().cloned().unwrap_or(Value::Null)))
        }
    }
}

/// Whether `expr` is true, not merely not false.
pub fn holds(expr: &Expr, at: &Scope) -> bool {
    evaluate(expr, at).truth() == Some(true)
}

fn among(value: &Value, list: impl Iterator<Item = Value>) -> Value {
    let mut found = Some(false);
    for item in list {
        found = or(found, binary(Operator::Equal, value, &item).truth());
        if found == Some(true) {
            break;
        }
    }
    Value::of_truth(found)
}

fn binary(operator: Operator, left: &Value, right: &Value) -> Value {
    let compared = |wanted: fn(Ordering) -> bool| {
        let known = !left.is_null() && !right.is_null();
        Value::of_truth(known.then(|| wanted(left.order(right))))
    };
    match operator {
        Operator::And => {
            let not = |value: &Value| value.truth().map(|truth| !truth);
            Value::of_truth(or(not(left), not(right)).map(|truth| !truth))
        }
        Operator::Or => Value::of_truth(or(left.truth(), right.truth())),
        Operator::Is => Value::from(left.order(right) == Ordering::Equal),
        Operator::Equal => compared(|order| order == Ordering::Equal),
        Operator::Unequal => compared(|order| order != Ordering::Equal),
        Operator::Less => compared(|order| order == Ordering::Less),
        Operator::LessOrEqual => compared(|order| order != Ordering::Greater),
        Operator::Greater => compared(|order| order == Ordering::Greater),
        Operator::GreaterOrEqual => compared(|order| order != Ordering::Less),
        Operator::Member => members::extract(left, right),
        Operator::MemberJson => members::extract_json(left, right),
        Operator::Concat if left.is_null() || right.is_null() => Value::Null,
        Operator::Concat => functions::limited(left.text() + &right.text()),
        Operator::Add
        | Operator::Subtract
        | Operator::Multiply
        | Operator::Divide
        | Operator::Modulo => arithmetic(operator, left, right),
    }
}

/// Of whole numbers the result is whole, unless it is too large for that.
fn arithmetic(operator: Operator, left: &Value, right: &Value) -> Value {
    if left.is_null() || right.is_null() {
        return Value::Null;
    }
    let (left, right) = (left.number(), right.number());
    if operator == Operator::Modulo {
        let rest = match (left.integer(), right.integer()) {
            (_, 0) => return Value::Null,
            (left, right) => left.wrapping_rem(right),
        };
        let whole = matches!((&left, &right), (Value::Integer(_), Value::Integer(_)));
        return if whole { Value::Integer(rest) } else { Value::Real(rest as f64) };
    }
    if let (Value::Integer(left), Value::Integer(right)) = (&left, &right) {
        let whole = match operator {
            Operator::Add => left.checked_add(*right),
            Operator::Subtract => left.checked_sub(*right),
            Operator::Multiply => left.checked_mul(*right),
            _ if *right == 0 => return Value::Null,
            _ => left.checked_div(*right),
        };
        if let Some(whole) = whole {
            return Value::Integer(whole);
        }
    }
    let (left, right) = (left.real(), right.real());
    Value::of_number(match operator {
        Operator::Add => left + right,
        Operator::Subtract => left - right,
        Operator::Multiply => left * right,
        _ => left / right,
    })
}

fn or(left: Option<bool>, right: Option<bool>) -> Option<bool> {
    match (left, right) {
        (Some(true), _) | (_, Some(true)) => Some(true),
        (Some(false), Some(false)) => Some(false),
        _ => None,
    }
}

/// `%` is any text, `_` any letter; ASCII letters match in either case.
fn like(text: &str, pattern: &str, escape: Option<char>) -> bool {
    enum Part {
        Any,
        One,
        Letter(char),
    }
    let mut parts = Vec::new();
    let mut letters = pattern.chars();
    while let Some(letter) = letters.next() {
        parts.push(match letter {
            _ if Some(letter) == escape => match letters.next() {
                Some(next) => Part::Letter(next),
                None => return false,
            },
            '%' => Part::Any,
            '_' => Part::One,
            letter => Part::Letter(letter),
        });
    }
    let text: Vec<char> = text.chars().collect();
    let (mut at, mut part) = (0, 0);
    // Where to go on from if what follows the last `%` turns out not to fit.
    let mut retry = None;
    while at < text.len() {
        match parts.get(part) {
            Some(Part::Any) => {
                retry = Some((at, part));
                part += 1;
                continue;
            }
            Some(Part::One) => {}
            Some(Part::Letter(letter)) if letter.eq_ignore_ascii_case(&text[at]) => {}
            _ => {
                let Some((start, any)) = retry else { return false };
                retry = Some((start + 1, any));
                (at, part) = (start + 1, any + 1);
                continue;
            }
        }
        (at, part) = (at + 1, part + 1);
    }
    parts[part..].iter().all(|part| matches!(part, Part::Any))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_as_in_sql() {
        for (text, pattern, escape, expected) in [
            ("Alpha", "a%", None, true),
            ("Alpha", "%PH%", None, true),
            ("Alpha", "_lph_", None, true),
            ("Alpha", "_lph", None, false),
            ("100%", "100\\%", Some('\\'), true),
            ("1000", "100\\%", Some('\\'), false),
            ("", "%%", None, true),
            ("Ä", "ä", None, false),
            ("aab", "%ab", None, true),
            ("a", "a\\", Some('\\'), false),
        ] {
            assert_eq!(like(text, pattern, escape), expected, "{text} like {pattern}");
        }
        let hard = "a%".repeat(2000) + "b";
        assert!(!like(&"a".repeat(5000), &hard, None));
    }

    #[test]
    fn whole_numbers_stay_whole_while_they_can() {
        let compute = |operator, left, right| arithmetic(operator, &left, &right);
        let whole = Value::Integer;
        assert_eq!(compute(Operator::Divide, whole(7), whole(2)), whole(3));
        assert_eq!(compute(Operator::Divide, whole(7), Value::Real(2.0)), Value::Real(3.5));
        assert_eq!(compute(Operator::Divide, whole(7), whole(0)), Value::Null);
        assert_eq!(compute(Operator::Modulo, whole(i64::MIN), whole(-1)), whole(0));
        assert_eq!(
            compute(Operator::Divide, whole(i64::MIN), whole(-1)),
            Value::Real(9_223_372_036_854_775_808.0)
        );
        assert_eq!(compute(Operator::Add, "5".into(), whole(1)), whole(6));
    }
}
