//! Several SELECTs of which one has the rows: `UNION`.

use sqlparser::ast::{Query, SetExpr, SetOperator, SetQuantifier};

use crate::domain::views::parse::{Answer, Reader, SOURCE_LIMIT, refuse};
use crate::domain::views::plan::{Column, Expr, Rows, Select, Shape, Source};

impl Reader<'_> {
    /// Several queries: the rows of all of them are the only source.
    pub fn set(&mut self, set: &SetExpr, query: &Query) -> Answer<()> {
        let mut parts = Vec::new();
        self.parts(set, query, false, &mut parts)?;
        let Some((first, _)) = parts.first() else { return refuse("a set of queries", query) };
        if parts.iter().any(|(part, _)| part.columns.len() != first.columns.len()) {
            return refuse("a UNION of different columns", query);
        }
        let column = |(field, column): (usize, &Column)| Column {
            name: column.name.clone(),
            expr: Expr::Field { up: 0, source: 0, field },
            shape: Shape::Other,
        };
        self.scope().columns = first.columns.iter().enumerate().map(column).collect();
        let rows = Rows::Union(parts);
        self.scope().sources = vec![Source {
            name: String::new(),
            is_aliased: false,
            rows,
            on: None,
            optional: false,
        }];
        Ok(())
    }

    fn parts(
        &mut self,
        set: &SetExpr,
        query: &Query,
        distinct: bool,
        parts: &mut Vec<(Select, bool)>,
    ) -> Answer<()> {
        match set {
            SetExpr::Select(body) => {
                // Each part is read by itself: it sees nothing of the queries around.
                let scopes = vec![Select::default()];
                let mut reader = Reader { scopes, ..*self };
                reader.body(body)?;
                parts.push((reader.scopes.pop().unwrap_or_default(), distinct));
                Ok(())
            }
            SetExpr::SetOperation { left, op: SetOperator::Union, set_quantifier, right } => {
                let all = matches!(set_quantifier, SetQuantifier::All);
                if !all && !matches!(set_quantifier, SetQuantifier::None | SetQuantifier::Distinct)
                {
                    return refuse("this UNION", query);
                }
                self.parts(left, query, distinct, parts)?;
                self.parts(right, query, !all, parts)?;
                match parts.len() > SOURCE_LIMIT {
                    true => Err(format!("more than {SOURCE_LIMIT} queries in a UNION")),
                    false => Ok(()),
                }
            }
            SetExpr::SetOperation { .. } => refuse("a set of queries", query),
            _ => Err("there must be one SELECT".to_owned()),
        }
    }
}
