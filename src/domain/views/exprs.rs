//! Expressions of a SELECT, taken over into a plan.

use sqlparser::ast::{
    BinaryOperator, CaseWhen, CastKind, CeilFloorKind, Expr as Sql, Ident, TrimWhereField,
    UnaryOperator, Value as Literal,
};

use crate::domain::schema::CollectionKind;
use crate::domain::views::functions;
use crate::domain::views::parse::{Answer, Reader, refuse};
use crate::domain::views::plan::{Expr, Operator, Rows, Select, Source, Type};
use crate::domain::views::renames::{Meaning, Mention};
use crate::domain::views::shapes::cast_type;
use crate::domain::views::value::{Affinity, Value};

impl Reader<'_> {
    pub fn any_expr(&mut self, sql: &Sql) -> Answer<Expr> {
        Ok(match sql {
            Sql::Identifier(name) => self.field(None, name)?,
            Sql::CompoundIdentifier(path) => match &path[..] {
                [source, name] => self.field(Some(source), name)?,
                _ => return refuse("this name", sql),
            },
            Sql::Value(value) => Expr::Literal(literal(&value.value, sql)?),
            Sql::Nested(inner) => self.expr(inner)?,
            Sql::UnaryOp { op: UnaryOperator::Not, expr } => Expr::Not(self.boxed(expr)?),
            Sql::UnaryOp { op: UnaryOperator::Minus, expr } => Expr::Negative(self.boxed(expr)?),
            Sql::UnaryOp { op: UnaryOperator::Plus, expr } => self.expr(expr)?,
            Sql::BinaryOp { left, op, right } => {
                let Some(operator) = operator(op) else { return refuse(&op.to_string(), sql) };
                let (left, right) = (self.expr(left)?, self.expr(right)?);
                self.binary(operator, left, right)
            }
            Sql::Cast { kind: CastKind::Cast, expr, data_type, format: None, .. } => {
                let Some(to) = cast_type(data_type) else {
                    return refuse(&format!("a cast to {data_type}"), sql);
                };
                Expr::Cast(self.boxed(expr)?, to)
            }
            Sql::Function(call) => self.call(call)?,
            Sql::Subquery(query) => Expr::Query(self.column_of(query, sql)?),
            Sql::Exists { subquery, negated } => {
                negate(*negated, Expr::Exists(self.query(subquery)?.into()))
            }
            Sql::InSubquery { expr, subquery, negated } => {
                let value = self.boxed(expr)?;
                negate(*negated, Expr::InQuery(value, self.column_of(subquery, sql)?))
            }
            Sql::Case { operand, conditions, else_result, .. } => {
                self.case(operand.as_deref(), conditions, else_result.as_deref())?
            }
            Sql::Trim { trim_where, trim_what, expr, trim_characters } => {
                let name = match trim_where {
                    None | Some(TrimWhereField::Both) => "trim",
                    Some(TrimWhereField::Leading) => "ltrim",
                    Some(TrimWhereField::Trailing) => "rtrim",
                };
                let letters = trim_what.as_deref().into_iter();
                let letters = letters.chain(trim_characters.iter().flatten());
                self.spelled(name, [&**expr].into_iter().chain(letters), sql)?
            }
            Sql::Substring { expr, substring_from, substring_for, .. } => {
                let rest = substring_from.iter().chain(substring_for).map(|part| &**part);
                self.spelled("substr", [&**expr].into_iter().chain(rest), sql)?
            }
            Sql::Ceil { expr, field } if whole(field) => self.spelled("ceil", [&**expr], sql)?,
            Sql::Floor { expr, field } if whole(field) => self.spelled("floor", [&**expr], sql)?,
            other => self.test(other)?,
        })
    }

    /// What is true or false: `IN`, `BETWEEN`, `LIKE`, `IS`.
    fn test(&mut self, sql: &Sql) -> Answer<Expr> {
        Ok(match sql {
            Sql::IsNull(inner) => Expr::IsNull(self.boxed(inner)?),
            Sql::IsNotNull(inner) => negate(true, Expr::IsNull(self.boxed(inner)?)),
            Sql::IsTrue(inner) => self.is(inner, true, false)?,
            Sql::IsNotTrue(inner) => self.is(inner, true, true)?,
            Sql::IsFalse(inner) => self.is(inner, false, false)?,
            Sql::IsNotFalse(inner) => self.is(inner, false, true)?,
            Sql::IsDistinctFrom(left, right) => {
                let (left, right) = (self.expr(left)?, self.expr(right)?);
                negate(true, self.binary(Operator::Is, left, right))
            }
            Sql::IsNotDistinctFrom(left, right) => {
                let (left, right) = (self.expr(left)?, self.expr(right)?);
                self.binary(Operator::Is, left, right)
            }
            Sql::InList { expr, list, negated } => {
                let value = self.expr(expr)?;
                let affinity = self.affinity(&value);
                let mut items = Vec::with_capacity(list.len());
                for item in list {
                    items.push(alike(affinity, self.expr(item)?));
                }
                negate(*negated, Expr::In(value.into(), items))
            }
            Sql::Between { expr, negated, low, high } => {
                let (value, low, high) = (self.expr(expr)?, self.expr(low)?, self.expr(high)?);
                let above = self.binary(Operator::GreaterOrEqual, value.clone(), low);
                let below = self.binary(Operator::LessOrEqual, value, high);
                negate(*negated, Expr::Binary(Operator::And, above.into(), below.into()))
            }
            Sql::Like { negated, any: false, expr, pattern, escape_char } => {
                let escape = match escape_char.as_deref() {
                    None => None,
                    Some(Sql::Value(value)) => match &value.value {
                        Literal::SingleQuotedString(text) if text.chars().count() == 1 => {
                            text.chars().next()
                        }
                        _ => return refuse("an ESCAPE that is not one letter", sql),
                    },
                    Some(_) => return refuse("an ESCAPE that is not one letter", sql),
                };
                let (value, pattern) = (self.boxed(expr)?, self.boxed(pattern)?);
                negate(*negated, Expr::Like { value, pattern, escape })
            }
            _ => return refuse(&format!("{sql}"), sql),
        })
    }

    fn boxed(&mut self, sql: &Sql) -> Answer<Box<Expr>> {
        self.expr(sql).map(Box::new)
    }

    /// A function with a grammar of its own.
    fn spelled<'s>(
        &mut self,
        name: &str,
        operands: impl IntoIterator<Item = &'s Sql>,
        sql: &Sql,
    ) -> Answer<Expr> {
        let operands: Vec<Expr> =
            operands.into_iter().map(|operand| self.expr(operand)).collect::<Answer<_>>()?;
        match functions::find(name, operands.len()) {
            Some(function) => Ok(Expr::Call(function, operands)),
            None => refuse(&format!("{name}()"), sql),
        }
    }

    /// A query that is asked for one column.
    fn column_of(&mut self, query: &sqlparser::ast::Query, sql: &Sql) -> Answer<Box<Select>> {
        let select = self.query(query)?;
        if select.columns.len() != 1 {
            return refuse("a query of more than one column", sql);
        }
        Ok(select.into())
    }

    fn is(&mut self, inner: &Sql, truth: bool, negated: bool) -> Answer<Expr> {
        let inner = self.expr(inner)?;
        let asked = if truth { inner } else { Expr::Not(inner.into()) };
        // What is nothing is neither true nor false.
        let yes = vec![(asked, Expr::Literal(Value::from(true)))];
        let known = Expr::Case(yes, Expr::Literal(Value::from(false)).into());
        Ok(negate(negated, known))
    }

    fn case(
        &mut self,
        operand: Option<&Sql>,
        conditions: &[CaseWhen],
        otherwise: Option<&Sql>,
    ) -> Answer<Expr> {
        let operand = operand.map(|sql| self.expr(sql)).transpose()?;
        let mut branches = Vec::with_capacity(conditions.len());
        for CaseWhen { condition, result } in conditions {
            let mut when = self.expr(condition)?;
            if let Some(operand) = &operand {
                when = self.binary(Operator::Equal, operand.clone(), when);
            }
            branches.push((when, self.expr(result)?));
        }
        let otherwise = match otherwise {
            Some(sql) => self.expr(sql)?,
            None => Expr::Literal(Value::Null),
        };
        Ok(Expr::Case(branches, otherwise.into()))
    }

    /// Puts an operator between operands; those that are compared become alike.
    fn binary(&mut self, operator: Operator, left: Expr, right: Expr) -> Expr {
        let compares = matches!(
            operator,
            Operator::Equal
                | Operator::Unequal
                | Operator::Is
                | Operator::Less
                | Operator::LessOrEqual
                | Operator::Greater
                | Operator::GreaterOrEqual
        );
        let (mine, other) = match compares {
            true => (self.affinity(&left), self.affinity(&right)),
            false => (Affinity::None, Affinity::None),
        };
        let (left, right) = match (mine, other) {
            (Affinity::Numeric, Affinity::Text | Affinity::None) => (left, alike(mine, right)),
            (Affinity::Text | Affinity::None, Affinity::Numeric) => (alike(other, left), right),
            (Affinity::Text, Affinity::None) => (left, alike(mine, right)),
            (Affinity::None, Affinity::Text) => (alike(other, left), right),
            _ => (left, right),
        };
        Expr::Binary(operator, left.into(), right.into())
    }

    /// Remembers what a name stands for, and what the name before its point does.
    fn mention(&self, of: &Source, source: Option<&Ident>, name: &Ident, field: usize) {
        let Rows::Collection(collection) = &of.rows else { return };
        let mut mentions = self.mentions.borrow_mut();
        if let Some(source) = source.filter(|_| !of.is_aliased) {
            mentions.push(Mention::of(source, Meaning::Collection(collection.number)));
        }
        let slot = collection.fields[field].slot;
        mentions.push(Mention::of(name, Meaning::Field(collection.number, slot)));
    }

    fn affinity(&self, expr: &Expr) -> Affinity {
        affinity(expr, &self.scopes)
    }

    /// The field that a name stands for: of the nearest query that has one, a shown column of it
    /// where no source does.
    fn field(&mut self, source: Option<&Ident>, name: &Ident) -> Answer<Expr> {
        for up in 0..self.scopes.len() {
            let at = self.scopes.len() - 1 - up;
            if let Some((of, field)) = find(&self.scopes[at].sources, source, name)? {
                self.mention(&self.scopes[at].sources[of], source, name, field);
                // Whoever stands between the two is answered anew for each row as well.
                self.scopes[at + 1..].iter_mut().for_each(|inner| inner.correlated = true);
                return Ok(Expr::Field { up, source: of, field });
            }
            let same = |column: &&crate::domain::views::plan::Column| {
                column.name.eq_ignore_ascii_case(&name.value)
            };
            if up == 0
                && source.is_none()
                && let Some(column) = self.scopes[at].columns.iter().find(same)
            {
                return Ok(column.expr.clone());
            }
        }
        // Databases take a quoted name that names nothing for a text.
        if source.is_none() && name.quote_style == Some('"') {
            return Ok(Expr::Literal(Value::from(name.value.as_str())));
        }
        let start = name.span.start;
        let (line, column) = (start.line, start.column);
        Err(format!("there is no field {:?} (line {line}, column {column})", name.value))
    }
}

/// The source and the field in it that a name stands for.
fn find(
    sources: &[Source],
    source: Option<&Ident>,
    name: &Ident,
) -> Answer<Option<(usize, usize)>> {
    let mut found = None;
    for (at, candidate) in sources.iter().enumerate() {
        if source.is_some_and(|source| !source.value.eq_ignore_ascii_case(&candidate.name)) {
            continue;
        }
        let same = |other: &str| other.eq_ignore_ascii_case(&name.value);
        let field = match &candidate.rows {
            rows @ (Rows::Query(_) | Rows::Union(_)) => {
                rows.columns().iter().position(|column| same(&column.name))
            }
            Rows::Collection(collection) => {
                let field = collection.fields.iter().position(|field| same(&field.name));
                if field.is_some_and(|field| collection.is_secret(&collection.fields[field])) {
                    return Err(format!("{:?} is a secret", name.value));
                }
                field
            }
        };
        let Some(field) = field else { continue };
        if found.is_some() {
            return Err(format!("{:?} could be of several tables: say of which", name.value));
        }
        found = Some((at, field));
    }
    Ok(found)
}

/// What an expression makes of values that it is compared with.
fn affinity(expr: &Expr, scopes: &[Select]) -> Affinity {
    match expr {
        Expr::Field { up, source, field } => {
            let scope = scopes.len().checked_sub(up + 1).and_then(|at| scopes.get(at));
            match scope.and_then(|scope| scope.sources.get(*source)).map(|source| &source.rows) {
                Some(Rows::Collection(collection)) => {
                    let computed = collection.kind == CollectionKind::View;
                    Affinity::of(&collection.fields[*field].kind, computed)
                }
                Some(Rows::Query(inner)) => {
                    let inner = std::slice::from_ref(&**inner);
                    inner[0]
                        .columns
                        .get(*field)
                        .map_or(Affinity::None, |it| affinity(&it.expr, inner))
                }
                Some(Rows::Union(_)) | None => Affinity::None,
            }
        }
        Expr::Cast(_, Type::Text) => Affinity::Text,
        Expr::Cast(..) => Affinity::Numeric,
        _ => Affinity::None,
    }
}

fn alike(affinity: Affinity, expr: Expr) -> Expr {
    if affinity == Affinity::None { expr } else { Expr::As(expr.into(), affinity) }
}

fn negate(negated: bool, expr: Expr) -> Expr {
    if negated { Expr::Not(Box::new(expr)) } else { expr }
}

fn whole(kind: &CeilFloorKind) -> bool {
    matches!(kind, CeilFloorKind::DateTimeField(sqlparser::ast::DateTimeField::NoDateTime))
}

fn literal(literal: &Literal, sql: &Sql) -> Answer<Value> {
    Ok(match literal {
        Literal::Number(text, _) => match text.parse() {
            Ok(whole) => Value::Integer(whole),
            Err(_) => Value::Real(text.parse().map_err(|_| format!("{text} is no number"))?),
        },
        Literal::SingleQuotedString(text) => Value::from(text.as_str()),
        Literal::DoubleQuotedString(text) => Value::from(text.as_str()),
        Literal::Boolean(truth) => Value::from(*truth),
        Literal::Null => Value::Null,
        _ => return refuse("this literal", sql),
    })
}

fn operator(op: &BinaryOperator) -> Option<Operator> {
    Some(match op {
        BinaryOperator::And => Operator::And,
        BinaryOperator::Or => Operator::Or,
        BinaryOperator::Eq => Operator::Equal,
        BinaryOperator::NotEq => Operator::Unequal,
        BinaryOperator::Lt => Operator::Less,
        BinaryOperator::LtEq => Operator::LessOrEqual,
        BinaryOperator::Gt => Operator::Greater,
        BinaryOperator::GtEq => Operator::GreaterOrEqual,
        BinaryOperator::Plus => Operator::Add,
        BinaryOperator::Minus => Operator::Subtract,
        BinaryOperator::Multiply => Operator::Multiply,
        BinaryOperator::Divide => Operator::Divide,
        BinaryOperator::Modulo => Operator::Modulo,
        BinaryOperator::StringConcat => Operator::Concat,
        BinaryOperator::LongArrow => Operator::Member,
        BinaryOperator::Arrow => Operator::MemberJson,
        _ => return None,
    })
}
