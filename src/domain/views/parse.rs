//! SELECT statements: parsed by a SQL parser, taken over into a plan; what is not understood is
//! refused with its place.

use std::cell::{Cell, RefCell};

use sqlparser::ast::{
    Distinct, Expr as Sql, GroupByExpr, Ident, JoinConstraint, JoinOperator, LimitClause,
    OrderByExpr, OrderByKind, OrderBySort, Query, Select as SqlSelect, SelectItem, SetExpr,
    Spanned, TableFactor, UnaryOperator, Value as Literal,
};
use sqlparser::dialect::SQLiteDialect;
use sqlparser::parser::Parser;
use sqlparser::tokenizer::Token;

use crate::domain::schema::Schema;
use crate::domain::views::plan::{Column, Expr, Key, Rows, Select, Source};
use crate::domain::views::renames::{Meaning, Mention};
use crate::domain::views::shapes;

/// Longest statement, deepest nesting, most tables of a query, most queries in each other.
const LENGTH_LIMIT: usize = 10_000;
const DEPTH_LIMIT: usize = 50;
pub const SOURCE_LIMIT: usize = 8;
const QUERY_LIMIT: usize = 40;
/// Most expressions in each other, chains of `or` and `+` included: whoever walks over them needs a stack.
const EXPR_LIMIT: usize = 200;

pub type Answer<T> = Result<T, String>;

/// The plan of `query` over the collections of `schema`.
pub fn parse(schema: &Schema, query: &str) -> Answer<Select> {
    read(schema, query).map(|(select, _)| select)
}

/// The names in `query` that stand for something of `schema`, in their order.
pub fn mentions(schema: &Schema, query: &str) -> Answer<Vec<Mention>> {
    let mut mentions = read(schema, query)?.1;
    // What has a name in `WITH` was read as often as it is used.
    mentions.sort_by_key(Mention::start);
    mentions.dedup_by_key(|mention| mention.start());
    Ok(mentions)
}

fn read(schema: &Schema, query: &str) -> Answer<(Select, Vec<Mention>)> {
    if query.len() > LENGTH_LIMIT {
        return Err(format!("the query is longer than {LENGTH_LIMIT} characters"));
    }
    let parser = Parser::new(&SQLiteDialect {}).with_recursion_limit(DEPTH_LIMIT);
    let mut parser = parser.try_with_sql(query).map_err(|error| error.to_string())?;
    // Not any statement: what creates and alters is most of the parser, and would be of the binary.
    let query = parser.parse_query().map_err(|error| error.to_string())?;
    while parser.consume_token(&Token::SemiColon) {}
    if parser.peek_token_ref().token != Token::EOF {
        return Err("there must be one SELECT".to_owned());
    }
    let (queries, mentions) = (Cell::new(0), RefCell::default());
    let mut reader = Reader {
        schema,
        queries: &queries,
        mentions: &mentions,
        named: &[],
        scopes: Vec::new(),
        depth: 0,
    };
    let select = reader.query(&query)?;
    Ok((select, mentions.into_inner()))
}

/// Reads a query with what is in it.
pub struct Reader<'a> {
    pub schema: &'a Schema,
    /// How many queries were read so far: each name of one reads it again.
    pub queries: &'a Cell<usize>,
    /// The names that were understood so far.
    pub mentions: &'a RefCell<Vec<Mention>>,
    /// What `WITH` gives names to.
    pub named: &'a [(&'a str, &'a Query)],
    /// The query that is being read, last, and those around it.
    pub scopes: Vec<Select>,
    /// How many expressions are being read in each other.
    pub depth: usize,
}

pub fn refuse<T>(what: &str, at: &impl Spanned) -> Answer<T> {
    let start = at.span().start;
    Err(format!("{what} is not understood here (line {}, column {})", start.line, start.column))
}

impl Reader<'_> {
    /// Reads a query that may look at those around it.
    pub fn query(&mut self, query: &Query) -> Answer<Select> {
        self.queries.set(self.queries.get() + 1);
        if self.queries.get() > QUERY_LIMIT {
            return Err(format!("more than {QUERY_LIMIT} queries in each other"));
        }
        if query.fetch.is_some()
            || !query.locks.is_empty()
            || query.for_clause.is_some()
            || !query.pipe_operators.is_empty()
        {
            return refuse("FETCH or FOR", query);
        }
        let mut named = self.named.to_vec();
        if let Some(with) = &query.with {
            if with.recursive {
                return refuse("RECURSIVE", query);
            }
            for table in &with.cte_tables {
                if !table.alias.columns.is_empty() {
                    return refuse("a name with columns", query);
                }
                named.push((&table.alias.name.value, &table.query));
            }
        }
        let scopes = std::mem::take(&mut self.scopes);
        let mut inner = Reader {
            schema: self.schema,
            queries: self.queries,
            mentions: self.mentions,
            named: &named,
            scopes,
            depth: self.depth,
        };
        inner.scopes.push(Select::default());
        let done = match &*query.body {
            SetExpr::Select(body) => inner.body(body),
            set => inner.set(set, query),
        };
        let done = done.and_then(|()| inner.ends(query));
        let select = inner.scopes.pop().unwrap_or_default();
        self.scopes = inner.scopes;
        done.map(|()| select)
    }

    /// The query that is being read.
    pub fn scope(&mut self) -> &mut Select {
        self.scopes.last_mut().expect("a query is pushed before anything of it is read")
    }

    fn ends(&mut self, query: &Query) -> Answer<()> {
        if let Some(order) = &query.order_by {
            let OrderByKind::Expressions(list) = &order.kind else {
                return refuse("ORDER BY ALL", query);
            };
            for item in list {
                let key = self.key(item, true)?;
                self.scope().order.push(key);
            }
        }
        match &query.limit_clause {
            None => {}
            Some(LimitClause::LimitOffset { limit, offset, limit_by }) if limit_by.is_empty() => {
                self.scope().limit = limit.as_ref().map(count).transpose()?.flatten();
                let offset = offset.as_ref().map(|offset| count(&offset.value)).transpose()?;
                self.scope().offset = offset.flatten().unwrap_or(0);
            }
            Some(_) => return refuse("this LIMIT", query),
        }
        Ok(())
    }

    /// A sort key; that of the query (`outermost`) may be the number of a column or its name.
    pub fn key(&mut self, item: &OrderByExpr, outermost: bool) -> Answer<Key> {
        let expr = match outermost.then(|| self.shown(&item.expr, true)).transpose()?.flatten() {
            Some(expr) => expr,
            None => self.expr(&item.expr)?,
        };
        if item.with_fill.is_some() {
            return refuse("this ORDER BY", &item.expr);
        }
        let descending = match &item.options.sort {
            None | Some(OrderBySort::Asc) => false,
            Some(OrderBySort::Desc) => true,
            Some(OrderBySort::Using(_)) => return refuse("USING", &item.expr),
        };
        Ok(Key { expr, descending, nulls_first: item.options.nulls_first })
    }

    pub fn body(&mut self, body: &SqlSelect) -> Answer<()> {
        let plain = body.top.is_none()
            && body.into.is_none()
            && body.lateral_views.is_empty()
            && body.prewhere.is_none()
            && body.connect_by.is_empty()
            && body.named_window.is_empty()
            && body.qualify.is_none()
            && body.exclude.is_none();
        if !plain {
            return refuse("WINDOW or INTO", body);
        }
        self.scope().distinct = match &body.distinct {
            None | Some(Distinct::All) => false,
            Some(Distinct::Distinct) => true,
            Some(Distinct::On(_)) => return refuse("DISTINCT ON", body),
        };
        self.from(body)?;
        let mut columns = Vec::new();
        for item in &body.projection {
            columns.push(self.column(item, body)?);
        }
        self.scope().columns = columns;
        let filter = body.selection.as_ref().map(|sql| self.plain(sql)).transpose()?;
        self.scope().filter = filter;
        let GroupByExpr::Expressions(groups, modifiers) = &body.group_by else {
            return refuse("GROUP BY ALL", body);
        };
        if !modifiers.is_empty() {
            return refuse("this GROUP BY", body);
        }
        for sql in groups {
            let group = match self.shown(sql, false)? {
                Some(expr) => expr,
                None => self.expr(sql)?,
            };
            if group.any(&|expr| matches!(expr, Expr::Aggregate(_) | Expr::Window(_))) {
                return refuse("an aggregate", sql);
            }
            self.scope().groups.push(group);
        }
        let having = body.having.as_ref().map(|sql| self.expr(sql)).transpose()?;
        self.scope().having = having;
        Ok(())
    }

    fn column(&mut self, item: &SelectItem, body: &SqlSelect) -> Answer<Column> {
        let inner = self.scopes.len() > 1;
        let (sql, name) = match item {
            SelectItem::UnnamedExpr(sql @ Sql::Identifier(name)) => (sql, name.value.clone()),
            SelectItem::UnnamedExpr(sql @ Sql::CompoundIdentifier(path)) => {
                (sql, path.last().map(|name| name.value.clone()).unwrap_or_default())
            }
            SelectItem::ExprWithAlias { expr, alias } => (expr, alias.value.clone()),
            // Nobody asks for the name of a value: `exists (select 1 …)`.
            SelectItem::UnnamedExpr(sql) if inner => (sql, String::new()),
            SelectItem::UnnamedExpr(sql) => return refuse("an expression without a name", sql),
            _ => return refuse("*", body),
        };
        let expr = self.expr(sql)?;
        let shown = match item {
            SelectItem::UnnamedExpr(Sql::Identifier(name)) => Some(name),
            SelectItem::UnnamedExpr(Sql::CompoundIdentifier(path)) => path.last(),
            _ => None,
        };
        if let Some(shown) = shown {
            self.mentions.borrow_mut().iter_mut().for_each(|mention| mention.shows(shown));
        }
        Ok(Column { name, expr, shape: shapes::shape(sql) })
    }

    fn from(&mut self, body: &SqlSelect) -> Answer<()> {
        if body.from.is_empty() {
            return refuse("a SELECT without FROM", body);
        }
        for from in &body.from {
            self.source(&from.relation, None, false)?;
            for join in &from.joins {
                let (constraint, optional) = match &join.join_operator {
                    JoinOperator::Join(on) | JoinOperator::Inner(on) => (on, false),
                    JoinOperator::CrossJoin(on) => (on, false),
                    JoinOperator::Left(on) | JoinOperator::LeftOuter(on) => (on, true),
                    _ => return refuse("this kind of join", join),
                };
                match constraint {
                    JoinConstraint::On(on) => self.source(&join.relation, Some(on), optional)?,
                    JoinConstraint::None => self.source(&join.relation, None, optional)?,
                    _ => return refuse("a join without ON", join),
                }
            }
        }
        Ok(())
    }

    fn source(&mut self, table: &TableFactor, on: Option<&Sql>, optional: bool) -> Answer<()> {
        let (rows, alias, shown) = match table {
            TableFactor::Table { name, alias, args: None, with_ordinality: false, .. } => {
                let parts: Vec<_> = name.0.iter().map(|part| part.as_ident()).collect();
                let [Some(part)] = &parts[..] else { return refuse("this name", name) };
                (self.called(part)?, alias, Some(part.value.clone()))
            }
            TableFactor::Derived { lateral: false, subquery, alias, sample: None } => {
                (self.apart(subquery, self.named)?, alias, None)
            }
            _ => return refuse("anything but a collection or a query", table),
        };
        if alias.as_ref().is_some_and(|alias| !alias.columns.is_empty()) {
            return refuse("an alias with columns", table);
        }
        let name = alias.as_ref().map(|alias| alias.name.value.clone()).or(shown);
        let name = name.unwrap_or_default();
        let sources = &mut self.scope().sources;
        if !name.is_empty() && sources.iter().any(|it| it.name.eq_ignore_ascii_case(&name)) {
            return Err(format!("{name:?} stands for two tables: name one of them otherwise"));
        }
        if sources.len() >= SOURCE_LIMIT {
            return Err(format!("more than {SOURCE_LIMIT} tables"));
        }
        let is_aliased = alias.is_some();
        sources.push(Source { name, is_aliased, rows, on: None, optional });
        if let Some(on) = on {
            let on = self.plain(on)?;
            self.scope().sources.last_mut().expect("pushed above").on = Some(on);
        }
        Ok(())
    }

    /// What `WITH` calls so, or the collection of that name.
    fn called(&self, part: &Ident) -> Answer<Rows> {
        let name = &part.value[..];
        let same = |(other, _): &(&str, &Query)| other.eq_ignore_ascii_case(name);
        if let Some(at) = self.named.iter().rposition(same) {
            // It knows only the names before its own.
            return self.apart(self.named[at].1, &self.named[..at]);
        }
        match self.schema.by_name(name) {
            Some(collection) => {
                let meaning = Meaning::Collection(collection.number);
                self.mentions.borrow_mut().push(Mention::of(part, meaning));
                Ok(Rows::Collection(collection.clone()))
            }
            None => Err(format!("there is no collection {name:?}")),
        }
    }

    /// Reads a query that sees nothing of those around it.
    fn apart(&self, query: &Query, named: &[(&str, &Query)]) -> Answer<Rows> {
        let mut reader = Reader {
            schema: self.schema,
            queries: self.queries,
            mentions: self.mentions,
            named,
            scopes: Vec::new(),
            depth: self.depth,
        };
        Ok(Rows::Query(reader.query(query)?.into()))
    }

    /// The shown column that `sql` names, or numbers. A field of that name comes `first` or not.
    fn shown(&mut self, sql: &Sql, first: bool) -> Answer<Option<Expr>> {
        let columns = &self.scope().columns;
        let column = match sql {
            Sql::Identifier(name) if first => {
                columns.iter().find(|column| column.name.eq_ignore_ascii_case(&name.value))
            }
            Sql::Value(literal) => match &literal.value {
                Literal::Number(text, _) => {
                    let place: Option<usize> = text.parse().ok();
                    let column = place.and_then(|place| columns.get(place.checked_sub(1)?));
                    match column {
                        Some(column) => Some(column),
                        None => return Err(format!("there is no column {text}")),
                    }
                }
                _ => None,
            },
            _ => None,
        };
        Ok(column.map(|column| column.expr.clone()))
    }

    pub fn expr(&mut self, sql: &Sql) -> Answer<Expr> {
        self.depth += 1;
        if self.depth > EXPR_LIMIT {
            return Err(format!("more than {EXPR_LIMIT} expressions in each other"));
        }
        let expr = self.any_expr(sql)?;
        self.depth -= 1;
        Ok(expr)
    }

    /// An expression without aggregates.
    pub fn plain(&mut self, sql: &Sql) -> Answer<Expr> {
        let expr = self.expr(sql)?;
        if expr.any(&|expr| matches!(expr, Expr::Aggregate(_) | Expr::Window(_))) {
            return refuse("an aggregate", sql);
        }
        Ok(expr)
    }
}

/// A limit or an offset; `None` for a negative one, which is none.
fn count(sql: &Sql) -> Answer<Option<usize>> {
    match sql {
        Sql::Value(literal) => match &literal.value {
            Literal::Number(text, _) => {
                text.parse().map(Some).map_err(|_| format!("{text} is no count"))
            }
            _ => refuse("this count", sql),
        },
        Sql::UnaryOp { op: UnaryOperator::Minus, expr } => count(expr).map(|_| None),
        _ => refuse("this count", sql),
    }
}
