//! `geoPoint`: a longitude and a latitude.

use serde_json::{Value, json};

use crate::domain::fields::Problem;
use crate::domain::fields::number;

/// An object, or its JSON text; missing or non-numeric parts are 0.
pub fn cast(value: &Value) -> Value {
    if let Value::String(text) = value {
        return match serde_json::from_str::<Value>(text) {
            Ok(parsed @ Value::Object(_)) => cast(&parsed),
            _ => cast(&Value::Null),
        };
    }
    let part = |name| number::from(value.get(name).and_then(Value::as_f64).unwrap_or(0.0));
    json!({ "lon": part("lon"), "lat": part("lat") })
}

pub fn problem(value: &Value) -> Option<Problem> {
    let beyond = |name, limit: f64| {
        value.get(name).and_then(Value::as_f64).is_some_and(|degrees| degrees.abs() > limit)
    };
    if beyond("lat", 90.0) {
        let message = "The latitude must be between -90 and 90.";
        return Some(Problem::new("validation_invalid_latitude", message));
    }
    let message = "The longitude must be between -180 and 180.";
    beyond("lon", 180.0).then(|| Problem::new("validation_invalid_longitude", message))
}

pub fn is_blank(value: &Value) -> bool {
    let zero = |name| value.get(name).and_then(Value::as_f64).is_none_or(|degrees| degrees == 0.0);
    zero("lon") && zero("lat")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_that_are_no_numbers_are_zero() {
        for (given, cast_to) in [
            (json!({"lon": 1.5, "lat": -2}), json!({"lon": 1.5, "lat": -2})),
            (json!("{\"lon\":1,\"lat\":\"2\"}"), json!({"lon": 1, "lat": 0})),
            (json!([1, 2]), json!({"lon": 0, "lat": 0})),
            (json!("x"), json!({"lon": 0, "lat": 0})),
        ] {
            assert_eq!(cast(&given), cast_to, "{given}");
        }
    }

    #[test]
    fn points_off_the_globe_are_refused() {
        let code = |point| problem(&point).map(|found| found.code);
        assert_eq!(code(json!({"lon": 180, "lat": 90})), None);
        assert_eq!(code(json!({"lon": 181, "lat": 0})), Some("validation_invalid_longitude"));
        assert_eq!(code(json!({"lon": 0, "lat": -91})), Some("validation_invalid_latitude"));
        assert_eq!(code(json!({"lon": 181, "lat": 91})), Some("validation_invalid_latitude"));
    }
}
