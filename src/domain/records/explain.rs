//! Which part of an access rule decided: for superusers who ask on behalf of somebody.

use std::sync::Arc;

use serde_json::{Map, Value, json};

use crate::domain::record::Record;
use crate::domain::records::Draft;
use crate::domain::records::find;
use crate::domain::request::{Caller, Request};
use crate::domain::schema::Collection;
use crate::domain::views::Overlay;
use crate::domain::{Error, Result, collections};
use crate::query::{self, Decision, Scope};
use crate::store::Read;

/// Most records that a rule is tried on when none is named.
const TRIED_LIMIT: u64 = 1000;

/// What is asked: would this action have been allowed to this caller?
#[derive(Debug, Default, Clone)]
pub struct Question {
    pub action: String,
    /// The record; none for `create`, and for lists as a whole.
    pub id: String,
    /// Collection and id of the account that acts; none is a guest.
    pub account: Option<(String, String)>,
    /// What the request would have brought along.
    pub body: Map<String, Value>,
    pub query: Map<String, Value>,
    pub headers: Map<String, Value>,
    /// For lists as a whole: which records the rule is tried on.
    pub filter: String,
}

/// Answers a question about a rule of `collection`, and changes nothing.
pub fn explain(
    read: &dyn Read,
    request: &Request,
    collection: &str,
    question: &Question,
) -> Result<Value> {
    collections::guard(&request.caller)?;
    let (schema, collection) = find::collection(read, collection)?;
    let overlay = Overlay::over(read, &schema, request.now_ms);
    let read = overlay.as_ref().map_or(read, |overlay| overlay as &dyn Read);
    let (name, rule) = rule(&collection, &question.action)?;
    let asked = asked(read, request, question)?;
    let answer = |granted: bool, decided: &str| {
        Ok(json!({ "rule": name, "text": rule, "granted": granted, "decided": decided,
            "clauses": [] }))
    };
    let Some(text) = &rule else {
        return match asked.caller.is_superuser() {
            true => answer(true, "superusers pass"),
            false => answer(false, "no rule: superusers only"),
        };
    };
    match (name, text.trim()) {
        _ if asked.caller.is_superuser() => return answer(true, "superusers pass"),
        ("manageRule", "") => return answer(false, "a blank manage rule names nobody"),
        ("manageRule", _) if asked.caller.is_guest() => {
            return answer(false, "guests never manage");
        }
        (_, "") => return answer(true, "a blank rule: everybody"),
        _ => {}
    }
    if name == "listRule" && question.id.is_empty() {
        let scope = Scope { read, schema: &schema, request: &asked };
        return tried(&scope, request, &collection, text, &question.filter);
    }
    let (asked, record) = subject(read, &asked, &collection, name, question)?;
    let scope = Scope { read, schema: &schema, request: &asked };
    match query::decide(&scope, text, &record) {
        Ok(Decision { granted, decided, clauses }) => Ok(json!({ "rule": name, "text": text,
            "granted": granted, "decided": decided, "clauses": clauses })),
        Err(query::Error::TooExpensive { budget, .. }) => {
            answer(false, &format!("it needs more than {budget} row visits"))
        }
        Err(error) => Err(error.into()),
    }
}

fn rule(collection: &Collection, action: &str) -> Result<(&'static str, Option<String>)> {
    let rules = &collection.rules;
    let auth = collection.auth.as_deref();
    Ok(match (action, auth) {
        ("list", _) => ("listRule", rules.list.clone()),
        ("view", _) => ("viewRule", rules.view.clone()),
        ("create", _) => ("createRule", rules.create.clone()),
        ("update", _) => ("updateRule", rules.update.clone()),
        ("delete", _) => ("deleteRule", rules.delete.clone()),
        ("manage", Some(auth)) => ("manageRule", auth.manage_rule.clone()),
        ("auth", Some(auth)) => ("authRule", auth.auth_rule.clone()),
        _ => {
            let words =
                "`action` is list, view, create, update, delete, and of accounts manage, auth.";
            return Err(Error::Bad(words.to_owned()));
        }
    })
}

/// The request that the question is about.
fn asked(read: &dyn Read, request: &Request, question: &Question) -> Result<Request> {
    let caller = match &question.account {
        None => Caller::Guest,
        Some((collection, id)) => {
            let (_, collection) = find::collection(read, collection)?;
            let account = find::record(read, &collection, id)?.filter(|_| collection.is_auth());
            Caller::Account(account.ok_or(Error::NotFound("account"))?)
        }
    };
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let name = |key: &str| key.to_lowercase().replace('-', "_");
    let method = match question.action.as_str() {
        "create" | "auth" => "POST",
        "update" | "manage" => "PATCH",
        "delete" => "DELETE",
        _ => "GET",
    };
    Ok(Request {
        caller,
        method: method.to_owned(),
        context: if question.action == "auth" { "password" } else { "default" },
        query: question.query.iter().map(|(key, value)| (key.clone(), text(value))).collect(),
        headers: question.headers.iter().map(|(key, value)| (name(key), text(value))).collect(),
        body: question.body.clone(),
        now_ms: request.now_ms,
        budget: request.budget.clone(),
        ..Request::default()
    })
}

/// The record that the rule is about, and the request as the rule sees it.
fn subject(
    read: &dyn Read,
    asked: &Request,
    collection: &Arc<Collection>,
    rule: &str,
    question: &Question,
) -> Result<(Request, Record)> {
    if rule == "createRule" {
        let draft = Draft::of_new(collection, asked, &question.body);
        let record = Record::encode(collection, u64::MAX, &draft.values);
        return Ok((draft.asked(asked), record));
    }
    let found = find::record(read, collection, &question.id)?;
    let record = found.ok_or(Error::NotFound("record"))?;
    if rule == "updateRule" {
        let draft = Draft::of_change(&record, asked, &question.body);
        return Ok((draft.asked(asked), record));
    }
    Ok((asked.clone(), record))
}

/// How often which part of a list rule decided, of the first records that the filter finds.
fn tried(
    scope: &Scope,
    superuser: &Request,
    collection: &Arc<Collection>,
    rule: &str,
    filter: &str,
) -> Result<Value> {
    let list = query::List { filter: filter.to_owned(), limit: TRIED_LIMIT, ..Default::default() };
    let everything = Scope { request: superuser, ..*scope };
    let page = query::list(&everything, collection, &list)?;
    let mut granted = 0;
    let mut decided: Vec<(String, u64)> = Vec::new();
    for record in &page.records {
        scope.request.budget.renew();
        let decision = query::decide(scope, rule, record)?;
        if decision.granted {
            granted += 1;
            continue;
        }
        match decided.iter_mut().find(|(part, _)| *part == decision.decided) {
            Some((_, count)) => *count += 1,
            None => decided.push((decision.decided, 1)),
        }
    }
    decided.sort_by(|(a, _), (b, _)| a.cmp(b));
    let denied: Vec<Value> = decided
        .into_iter()
        .map(|(part, count)| json!({ "decided": part, "records": count }))
        .collect();
    Ok(json!({ "rule": "listRule", "text": rule, "tried": page.records.len(),
        "granted": granted, "denied": denied }))
}
