//! Accounts from outside: signing in, tokens, and what others verify them with.

use crate::house::House;

#[tokio::test]
async fn the_public_keys_are_for_everybody() {
    let house = House::new();

    let answer = house.guest().get("/.well-known/jwks.json").await;

    assert_eq!(answer.status, 200);
    let key = &answer.body["keys"][0];
    assert_eq!(
        (&key["kty"], &key["alg"], &key["use"]),
        (&"RSA".into(), &"RS256".into(), &"sig".into())
    );
    assert_eq!(key.get("d"), None, "nothing private");
}
