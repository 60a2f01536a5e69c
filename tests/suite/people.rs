//! People who sign up, and what refusals tell them.

use serde_json::{Value, json};

use crate::house::{Answer, Client, House};

pub const USERS: &str = "/api/collections/users/records";
pub const SIGN_IN: &str = "/api/collections/users/auth-with-password";
pub const REFRESH: &str = "/api/collections/users/auth-refresh";
pub const PASSWORD: &str = "correct horse";

/// Signs `email` up and returns its record.
pub async fn sign_up(house: &House, email: &str) -> Value {
    let body = json!({"email": email, "password": PASSWORD, "passwordConfirm": PASSWORD});
    let answer = house.guest().post(USERS, body).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    answer.body
}

/// Signs `email` up and in.
pub async fn user(house: &House, email: &str) -> (Client, String) {
    let record = sign_up(house, email).await;
    let client = house.sign_in("users", email, PASSWORD).await;
    (client, format!("{USERS}/{}", record["id"].as_str().unwrap()))
}

/// Codes by field of a refused request.
pub fn codes(answer: &Answer) -> Value {
    assert_eq!((answer.status, &answer.body["status"]), (400, &json!(400)), "{}", answer.body);
    let data = answer.body["data"].as_object().unwrap();
    data.iter().map(|(field, problem)| (field.clone(), problem["code"].clone())).collect()
}
