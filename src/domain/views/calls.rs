//! Calls in a SELECT: functions, aggregates, windows.

use sqlparser::ast::{
    DuplicateTreatment, Expr as Sql, Function as Call, FunctionArg, FunctionArgExpr,
    FunctionArguments, ObjectName, Value as Literal, WindowType,
};

use crate::domain::views::functions;
use crate::domain::views::parse::{Answer, Reader, refuse};
use crate::domain::views::plan::{Aggregate, Expr, Function, Ranking, Window};

impl Reader<'_> {
    pub fn call(&mut self, call: &Call) -> Answer<Expr> {
        let name = plain_name(&call.name).unwrap_or_default();
        let FunctionArguments::List(list) = &call.args else { return refuse(&name, call) };
        if !call.within_group.is_empty() || !list.clauses.is_empty() {
            return refuse("an order in a call", call);
        }
        let distinct = matches!(list.duplicate_treatment, Some(DuplicateTreatment::Distinct));
        let mut operands = Vec::new();
        let mut star = false;
        for operand in &list.args {
            match operand {
                FunctionArg::Unnamed(FunctionArgExpr::Expr(sql)) => operands.push(sql),
                FunctionArg::Unnamed(FunctionArgExpr::Wildcard) => star = true,
                _ => return refuse("this operand", call),
            }
        }
        let ranking = match (name.as_str(), operands.len(), star) {
            ("row_number", 0, false) => Some(Ranking::RowNumber),
            ("rank", 0, false) => Some(Ranking::Rank),
            ("dense_rank", 0, false) => Some(Ranking::DenseRank),
            _ => None,
        };
        if let (Some(ranking), Some(over)) = (ranking, &call.over) {
            return self.window(ranking, over, call);
        }
        let Some(function) = aggregate(&name, &operands, star) else {
            let scalar = functions::find(&name, operands.len());
            let odd = star || distinct || call.over.is_some() || call.filter.is_some();
            return match scalar.filter(|_| !odd) {
                Some(function) => {
                    let operands = operands.into_iter().map(|sql| self.expr(sql));
                    Ok(Expr::Call(function, operands.collect::<Answer<_>>()?))
                }
                None => refuse(&format!("{name}()"), call),
            };
        };
        let of = operands.first().map(|sql| self.expr(sql)).transpose()?;
        let filter = call.filter.as_ref().map(|sql| self.plain(sql)).transpose()?;
        let has = |test: &dyn Fn(&Expr) -> bool| of.as_ref().is_some_and(|expr| expr.any(test));
        if has(&|expr| matches!(expr, Expr::Window(_))) {
            return refuse("an aggregate of a window", call);
        }
        let nested = has(&|expr| matches!(expr, Expr::Aggregate(_)));
        let aggregate = Aggregate { function, of, distinct, filter };
        if let Some(over) = &call.over {
            return self.window(Ranking::Aggregate(aggregate), over, call);
        }
        if nested {
            return refuse("an aggregate of an aggregate", call);
        }
        let aggregates = &mut self.scope().aggregates;
        aggregates.push(aggregate);
        Ok(Expr::Aggregate(aggregates.len() - 1))
    }

    fn window(&mut self, function: Ranking, over: &WindowType, call: &Call) -> Answer<Expr> {
        let WindowType::WindowSpec(spec) = over else { return refuse("a named window", call) };
        if spec.window_name.is_some() || spec.window_frame.is_some() {
            return refuse("a named window or a frame", call);
        }
        let mut window = Window { function, partition: Vec::new(), order: Vec::new() };
        for sql in &spec.partition_by {
            window.partition.push(self.expr(sql)?);
        }
        for item in &spec.order_by {
            window.order.push(self.key(item, false)?);
        }
        let windows = &mut self.scope().windows;
        windows.push(window);
        Ok(Expr::Window(windows.len() - 1))
    }
}

fn aggregate(name: &str, operands: &[&Sql], star: bool) -> Option<Function> {
    Some(match (name, operands, star) {
        ("count", [], _) | ("count", [_], false) => Function::Count,
        ("sum", [_], false) => Function::Sum,
        ("total", [_], false) => Function::Total,
        ("min", [_], false) => Function::Min,
        ("max", [_], false) => Function::Max,
        ("avg", [_], false) => Function::Average,
        ("json_group_array", [_], false) => Function::Array,
        ("group_concat", [_], false) => Function::Concat(",".to_owned()),
        ("group_concat" | "string_agg", [_, Sql::Value(between)], false) => match &between.value {
            Literal::SingleQuotedString(text) => Function::Concat(text.clone()),
            _ => return None,
        },
        _ => return None,
    })
}

fn plain_name(name: &ObjectName) -> Option<String> {
    match &name.0[..] {
        [only] => only.as_ident().map(|name| name.value.to_lowercase()),
        _ => None,
    }
}
