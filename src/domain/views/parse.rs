//! SELECT statements: parsed by a SQL parser, taken over into a plan; what is not understood is
//! refused with its place.

use serde_json::Value;
use sqlparser::ast::{
    BinaryOperator, CastKind, DataType, DuplicateTreatment, Expr as Sql, Function as Call,
    FunctionArg, FunctionArgExpr, FunctionArguments, GroupByExpr, Ident, JoinConstraint,
    JoinOperator, LimitClause, ObjectName, OrderByKind, OrderBySort, Query, Select as SqlSelect,
    SelectItem, SetExpr, Spanned, Statement, TableFactor, UnaryOperator, Value as Literal,
};
use sqlparser::dialect::SQLiteDialect;
use sqlparser::parser::Parser;

use crate::domain::fields::{Kind, number};
use crate::domain::schema::Schema;
use crate::domain::views::plan::{
    Aggregate, Column, Expr, Function, Operator, Select, Source, Type,
};

/// Longest statement, deepest nesting, most tables.
const LENGTH_LIMIT: usize = 10_000;
const DEPTH_LIMIT: usize = 50;
const SOURCE_LIMIT: usize = 8;

type Answer<T> = Result<T, String>;

/// The plan of `query` over the collections of `schema`.
pub fn parse(schema: &Schema, query: &str) -> Answer<Select> {
    if query.len() > LENGTH_LIMIT {
        return Err(format!("the query is longer than {LENGTH_LIMIT} characters"));
    }
    let parser = Parser::new(&SQLiteDialect {}).with_recursion_limit(DEPTH_LIMIT);
    let statements = parser
        .try_with_sql(query)
        .and_then(|mut parser| parser.parse_statements())
        .map_err(|error| error.to_string())?;
    match &statements[..] {
        [Statement::Query(query)] => Reader { schema, select: Select::default() }.query(query),
        _ => Err("there must be one SELECT".to_owned()),
    }
}

struct Reader<'a> {
    schema: &'a Schema,
    select: Select,
}

fn refuse<T>(what: &str, at: &impl Spanned) -> Answer<T> {
    let start = at.span().start;
    Err(format!("{what} is not understood here (line {}, column {})", start.line, start.column))
}

impl Reader<'_> {
    fn query(mut self, query: &Query) -> Answer<Select> {
        let plain = query.with.is_none()
            && query.fetch.is_none()
            && query.locks.is_empty()
            && query.for_clause.is_none()
            && query.pipe_operators.is_empty();
        let SetExpr::Select(body) = &*query.body else {
            return refuse("a set of queries", query);
        };
        if !plain {
            return refuse("WITH, FETCH or FOR", query);
        }
        self.body(body)?;
        if let Some(order) = &query.order_by {
            let OrderByKind::Expressions(list) = &order.kind else {
                return refuse("ORDER BY ALL", query);
            };
            for item in list {
                let expr = self.shown_or_own(&item.expr)?;
                if item.options.nulls_first.is_some() || item.with_fill.is_some() {
                    return refuse("this ORDER BY", &item.expr);
                }
                let descending = match &item.options.sort {
                    None | Some(OrderBySort::Asc) => false,
                    Some(OrderBySort::Desc) => true,
                    Some(OrderBySort::Using(_)) => return refuse("USING", &item.expr),
                };
                self.select.order.push((expr, descending));
            }
        }
        match &query.limit_clause {
            None => {}
            Some(LimitClause::LimitOffset { limit, offset, limit_by }) if limit_by.is_empty() => {
                self.select.limit = limit.as_ref().map(count).transpose()?;
                let offset = offset.as_ref().map(|offset| count(&offset.value)).transpose()?;
                self.select.offset = offset.unwrap_or(0);
            }
            Some(_) => return refuse("this LIMIT", query),
        }
        Ok(self.select)
    }

    fn body(&mut self, body: &SqlSelect) -> Answer<()> {
        let plain = body.distinct.is_none()
            && body.top.is_none()
            && body.into.is_none()
            && body.lateral_views.is_empty()
            && body.prewhere.is_none()
            && body.connect_by.is_empty()
            && body.having.is_none()
            && body.named_window.is_empty()
            && body.qualify.is_none()
            && body.exclude.is_none();
        if !plain {
            return refuse("DISTINCT, HAVING, WINDOW or INTO", body);
        }
        let [from] = &body.from[..] else {
            return refuse("anything but one FROM with joins", body);
        };
        self.source(&from.relation, None, false)?;
        for join in &from.joins {
            let (constraint, optional) = match &join.join_operator {
                JoinOperator::Join(on) | JoinOperator::Inner(on) => (on, false),
                JoinOperator::Left(on) | JoinOperator::LeftOuter(on) => (on, true),
                _ => return refuse("this kind of join", join),
            };
            let JoinConstraint::On(on) = constraint else {
                return refuse("a join without ON", join);
            };
            self.source(&join.relation, Some(on), optional)?;
        }
        self.select.filter = body.selection.as_ref().map(|sql| self.plain(sql)).transpose()?;
        for item in &body.projection {
            let (sql, name) = match item {
                SelectItem::UnnamedExpr(sql @ Sql::Identifier(name)) => (sql, name.value.clone()),
                SelectItem::UnnamedExpr(sql @ Sql::CompoundIdentifier(path)) => {
                    (sql, path.last().map(|name| name.value.clone()).unwrap_or_default())
                }
                SelectItem::ExprWithAlias { expr, alias } => (expr, alias.value.clone()),
                SelectItem::UnnamedExpr(sql) => return refuse("an expression without a name", sql),
                _ => return refuse("*", body),
            };
            let expr = self.expr(sql)?;
            self.select.columns.push(Column { name, expr });
        }
        let GroupByExpr::Expressions(groups, modifiers) = &body.group_by else {
            return refuse("GROUP BY ALL", body);
        };
        if !modifiers.is_empty() {
            return refuse("this GROUP BY", body);
        }
        for sql in groups {
            let group = self.shown_or_own(sql)?;
            if contains_aggregate(&group) {
                return refuse("an aggregate", sql);
            }
            self.select.groups.push(group);
        }
        Ok(())
    }

    fn source(&mut self, table: &TableFactor, on: Option<&Sql>, optional: bool) -> Answer<()> {
        let TableFactor::Table { name, alias, args: None, with_ordinality: false, .. } = table
        else {
            return refuse("anything but a collection", table);
        };
        let [Some(part)] = &name.0.iter().map(|part| part.as_ident()).collect::<Vec<_>>()[..]
        else {
            return refuse("this name", name);
        };
        let Some(collection) = self.schema.by_name(&part.value) else {
            return Err(format!("there is no collection {:?}", part.value));
        };
        if alias.as_ref().is_some_and(|alias| !alias.columns.is_empty()) {
            return refuse("an alias with columns", name);
        }
        let shown = alias.as_ref().map_or(&part.value, |alias| &alias.name.value).clone();
        if self.select.sources.iter().any(|other| other.name.eq_ignore_ascii_case(&shown)) {
            return Err(format!("{shown:?} stands for two tables: name one of them otherwise"));
        }
        if self.select.sources.len() >= SOURCE_LIMIT {
            return Err(format!("more than {SOURCE_LIMIT} tables"));
        }
        let collection = collection.clone();
        self.select.sources.push(Source { name: shown, collection, on: None, optional });
        if let Some(on) = on {
            let on = self.plain(on)?;
            self.select.sources.last_mut().expect("pushed above").on = Some(on);
        }
        Ok(())
    }

    /// An expression that may be the name of a shown column.
    fn shown_or_own(&mut self, sql: &Sql) -> Answer<Expr> {
        if let Sql::Identifier(name) = sql {
            let same = |column: &&Column| column.name.eq_ignore_ascii_case(&name.value);
            if let Some(column) = self.select.columns.iter().find(same) {
                return Ok(column.expr.clone());
            }
        }
        self.expr(sql)
    }

    /// An expression without aggregates.
    fn plain(&mut self, sql: &Sql) -> Answer<Expr> {
        let before = self.select.aggregates.len();
        let expr = self.expr(sql)?;
        if self.select.aggregates.len() > before {
            return refuse("an aggregate", sql);
        }
        Ok(expr)
    }

    fn expr(&mut self, sql: &Sql) -> Answer<Expr> {
        let boxed = |reader: &mut Self, sql: &Sql| reader.expr(sql).map(Box::new);
        Ok(match sql {
            Sql::Identifier(name) => self.field(None, name)?,
            Sql::CompoundIdentifier(path) => match &path[..] {
                [source, name] => self.field(Some(source), name)?,
                _ => return refuse("this name", sql),
            },
            Sql::Value(literal) => Expr::Literal(match &literal.value {
                Literal::Number(text, _) => {
                    number::from(text.parse().map_err(|_| format!("{text} is no number"))?)
                }
                Literal::SingleQuotedString(text) => Value::from(text.as_str()),
                Literal::Boolean(truth) => Value::Bool(*truth),
                Literal::Null => Value::Null,
                _ => return refuse("this literal", sql),
            }),
            Sql::Nested(inner) => self.expr(inner)?,
            Sql::UnaryOp { op: UnaryOperator::Not, expr } => Expr::Not(boxed(self, expr)?),
            Sql::UnaryOp { op: UnaryOperator::Minus, expr } => Expr::Negative(boxed(self, expr)?),
            Sql::UnaryOp { op: UnaryOperator::Plus, expr } => self.expr(expr)?,
            Sql::IsNull(inner) => Expr::IsNull(boxed(self, inner)?),
            Sql::IsNotNull(inner) => Expr::Not(Box::new(Expr::IsNull(boxed(self, inner)?))),
            Sql::InList { expr, list, negated } => {
                let inner = boxed(self, expr)?;
                let list = list.iter().map(|item| self.expr(item)).collect::<Answer<_>>()?;
                negate(*negated, Expr::In(inner, list))
            }
            Sql::Between { expr, negated, low, high } => {
                let (value, low, high) = (self.expr(expr)?, boxed(self, low)?, boxed(self, high)?);
                let above = Expr::Binary(Operator::GreaterOrEqual, value.clone().into(), low);
                let below = Expr::Binary(Operator::LessOrEqual, value.into(), high);
                negate(*negated, Expr::Binary(Operator::And, above.into(), below.into()))
            }
            Sql::BinaryOp { left, op, right } => {
                let Some(operator) = operator(op) else { return refuse(&op.to_string(), sql) };
                Expr::Binary(operator, boxed(self, left)?, boxed(self, right)?)
            }
            Sql::Cast { kind: CastKind::Cast, expr, data_type, format: None } => {
                let Some(to) = cast_type(data_type) else {
                    return refuse(&format!("a cast to {data_type}"), sql);
                };
                Expr::Cast(boxed(self, expr)?, to)
            }
            Sql::Function(call) => self.call(call)?,
            _ => return refuse(&format!("{sql}"), sql),
        })
    }

    fn field(&self, source: Option<&Ident>, name: &Ident) -> Answer<Expr> {
        let mut found = None;
        for (at, candidate) in self.select.sources.iter().enumerate() {
            if source.is_some_and(|source| !source.value.eq_ignore_ascii_case(&candidate.name)) {
                continue;
            }
            let field = candidate
                .collection
                .fields
                .iter()
                .position(|field| field.name.eq_ignore_ascii_case(&name.value));
            let Some(field) = field else { continue };
            let secret = candidate.collection.is_auth() && name.value == "tokenKey";
            if secret || matches!(candidate.collection.fields[field].kind, Kind::Password(_)) {
                return Err(format!("{:?} is a secret", name.value));
            }
            if found.is_some() {
                return Err(format!("{:?} could be of several tables: say of which", name.value));
            }
            found = Some(Expr::Field { source: at, field });
        }
        found.ok_or_else(|| {
            let start = name.span.start;
            format!(
                "there is no field {:?} (line {}, column {})",
                name.value, start.line, start.column
            )
        })
    }

    fn call(&mut self, call: &Call) -> Answer<Expr> {
        let name = plain_name(&call.name).unwrap_or_default();
        let FunctionArguments::List(list) = &call.args else { return refuse(&name, call) };
        let odd = call.over.is_some() || call.filter.is_some() || !call.within_group.is_empty();
        if odd || !list.clauses.is_empty() {
            return refuse("a window, a filter or an order in a call", call);
        }
        let distinct = matches!(list.duplicate_treatment, Some(DuplicateTreatment::Distinct));
        let mut operands = Vec::new();
        let mut star = false;
        let before = self.select.aggregates.len();
        for operand in &list.args {
            match operand {
                FunctionArg::Unnamed(FunctionArgExpr::Expr(sql)) => operands.push(self.expr(sql)?),
                FunctionArg::Unnamed(FunctionArgExpr::Wildcard) => star = true,
                _ => return refuse("this operand", call),
            }
        }
        let function = match (name.as_str(), &operands[..], star) {
            ("coalesce" | "ifnull", [_, _, ..], false) => return Ok(Expr::Coalesce(operands)),
            ("count", [], _) | ("count", [_], false) => Function::Count,
            ("sum", [_], false) => Function::Sum,
            ("min", [_], false) => Function::Min,
            ("max", [_], false) => Function::Max,
            ("avg", [_], false) => Function::Average,
            _ => return refuse(&format!("{name}()"), call),
        };
        if self.select.aggregates.len() > before {
            return refuse("an aggregate of an aggregate", call);
        }
        self.select.aggregates.push(Aggregate { function, of: operands.pop(), distinct });
        Ok(Expr::Aggregate(before))
    }
}

fn plain_name(name: &ObjectName) -> Option<String> {
    match &name.0[..] {
        [only] => only.as_ident().map(|name| name.value.to_lowercase()),
        _ => None,
    }
}

fn negate(negated: bool, expr: Expr) -> Expr {
    if negated { Expr::Not(Box::new(expr)) } else { expr }
}

fn contains_aggregate(expr: &Expr) -> bool {
    match expr {
        Expr::Aggregate(_) => true,
        Expr::Field { .. } | Expr::Literal(_) => false,
        Expr::Binary(_, left, right) => contains_aggregate(left) || contains_aggregate(right),
        Expr::Not(inner) | Expr::Negative(inner) | Expr::IsNull(inner) | Expr::Cast(inner, _) => {
            contains_aggregate(inner)
        }
        Expr::In(inner, list) => contains_aggregate(inner) || list.iter().any(contains_aggregate),
        Expr::Coalesce(list) => list.iter().any(contains_aggregate),
    }
}

fn count(sql: &Sql) -> Answer<usize> {
    match sql {
        Sql::Value(literal) => match &literal.value {
            Literal::Number(text, _) => text.parse().map_err(|_| format!("{text} is no count")),
            _ => refuse("this count", sql),
        },
        _ => refuse("this count", sql),
    }
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
        _ => return None,
    })
}

fn cast_type(data_type: &DataType) -> Option<Type> {
    match data_type.to_string().to_lowercase().split('(').next().unwrap_or_default() {
        "text" | "varchar" | "char" => Some(Type::Text),
        "real" | "double" | "float" | "numeric" | "decimal" => Some(Type::Real),
        "int" | "integer" | "bigint" => Some(Type::Integer),
        "bool" | "boolean" => Some(Type::Bool),
        _ => None,
    }
}
