//! Whether the options of an auth collection make sense.

use std::sync::Arc;

use serde_json::{Value, json};

use crate::domain::Problems;
use crate::domain::collections::providers;
use crate::domain::collections::validate;
use crate::domain::fields::AuthOptions;
use crate::domain::fields::options::BELOW_ZERO;
use crate::domain::fields::{Kind, MailTemplate};
use crate::domain::request::SUPERUSERS_ID;
use crate::domain::schema::{Collection, Schema};

/// What the secret of a token may measure.
const SECRET_BOUNDS: std::ops::RangeInclusive<usize> = 30..=255;
/// Three years: longer means never, and a token that never ends is a key.
const DURATION_LIMIT: u64 = 94_670_856;

pub fn problems(
    schema: &Arc<Schema>,
    collection: &Arc<Collection>,
    auth: &AuthOptions,
    problems: &mut Problems,
) {
    validate::check_rule(schema, collection, "authRule", auth.auth_rule.as_deref(), problems);
    if auth.manage_rule.as_deref() == Some("") {
        let message = "Must be a rule, or null: a blank one would let everybody manage accounts.";
        problems.add("manageRule", "validation_nil_or_not_empty_required", message);
    }
    validate::check_rule(schema, collection, "manageRule", auth.manage_rule.as_deref(), problems);
    problems.nest("passwordAuth", password_auth(collection, auth));
    problems.nest("oauth2", oauth2(auth));
    problems.nest("otp", otp(auth));
    problems.nest("mfa", mfa(schema, collection, auth));
    problems.nest("authAlert", alert(auth));
    tokens(auth, problems);
    for (name, template) in [
        ("verificationTemplate", &auth.verification_template),
        ("resetPasswordTemplate", &auth.reset_password_template),
        ("confirmEmailChangeTemplate", &auth.confirm_email_change_template),
    ] {
        problems.nest(name, mail(template));
    }
}

fn password_auth(collection: &Collection, auth: &AuthOptions) -> Problems {
    let mut problems = Problems::new();
    if !auth.password_auth.enabled {
        return problems;
    }
    let names = &auth.password_auth.identity_fields;
    if names.is_empty() {
        problems.add("identityFields", "validation_required", "Cannot be blank.");
    }
    for name in names {
        let params = json!({ "fieldName": name });
        let Some((at, field)) = collection.field(name) else {
            let message = "There is no such field.";
            problems.add_with("identityFields", "validation_missing_field", message, params);
            continue;
        };
        let unique = |index: &crate::domain::schema::Index| {
            index.unique && matches!(&index.columns[..], [only] if only.field == Some(at))
        };
        if field.kind == Kind::Bool || !collection.indexes.iter().any(unique) {
            let message = "The field needs a unique index of its own.";
            let code = "validation_missing_unique_constraint";
            problems.add_with("identityFields", code, message, params);
        }
    }
    problems
}

fn oauth2(auth: &AuthOptions) -> Problems {
    let mut problems = Problems::new();
    if !auth.oauth2.enabled {
        return problems;
    }
    let mut list = Problems::new();
    let mut seen = Vec::new();
    for (at, provider) in auth.oauth2.providers.iter().enumerate() {
        let text = |name| provider.get(name).and_then(Value::as_str).unwrap_or_default();
        let mut own = Problems::new();
        let name = text("name");
        if name.is_empty() {
            own.add("name", "validation_required", "Cannot be blank.");
        } else if !providers::is_known(name) {
            let params = json!({ "name": name });
            own.add_with(
                "name",
                "validation_missing_provider",
                "There is no such provider.",
                params,
            );
        } else if seen.contains(&name) {
            own.add("name", "validation_duplicated_provider", "Stands in the list already.");
        }
        seen.push(name);
        for member in ["clientId", "clientSecret"] {
            if text(member).is_empty() {
                own.add(member, "validation_required", "Cannot be blank.");
            }
        }
        list.nest(&at.to_string(), own);
    }
    problems.nest("providers", list);
    problems
}

fn otp(auth: &AuthOptions) -> Problems {
    let mut problems = Problems::new();
    problems.nest("emailTemplate", mail(&auth.otp.email_template));
    if !auth.otp.enabled {
        return problems;
    }
    if !(10..=86_400).contains(&auth.otp.duration) {
        let code = if auth.otp.duration < 10 || auth.otp.duration == BELOW_ZERO {
            "validation_min_greater_equal_than_required"
        } else {
            "validation_max_less_equal_than_required"
        };
        problems.add("duration", code, "Must be between 10 seconds and a day.");
    }
    if auth.otp.length < 4 || auth.otp.length == BELOW_ZERO {
        let code = "validation_min_greater_equal_than_required";
        problems.add("length", code, "Must be at least 4.");
    }
    problems
}

fn alert(auth: &AuthOptions) -> Problems {
    let mut problems = Problems::new();
    problems.nest("emailTemplate", mail(&auth.auth_alert.email_template));
    problems
}

fn mfa(schema: &Arc<Schema>, collection: &Arc<Collection>, auth: &AuthOptions) -> Problems {
    let mut problems = Problems::new();
    if !auth.mfa.enabled {
        return problems;
    }
    if collection.id == SUPERUSERS_ID {
        let message = "In this version, superusers sign in by their password alone.";
        problems.add("enabled", "validation_mfa_not_enough_auths", message);
    }
    let ways = [auth.password_auth.enabled, auth.oauth2.enabled, auth.otp.enabled];
    if ways.iter().filter(|enabled| **enabled).count() < 2 {
        let message = "At least two ways to sign in must be enabled.";
        problems.add("enabled", "validation_mfa_not_enough_auths", message);
    }
    if auth.mfa.duration < 10 || auth.mfa.duration > 86_400 {
        let code = if auth.mfa.duration < 10 || auth.mfa.duration == BELOW_ZERO {
            "validation_min_greater_equal_than_required"
        } else {
            "validation_max_less_equal_than_required"
        };
        problems.add("duration", code, "Must be between 10 seconds and a day.");
    }
    validate::check_rule(schema, collection, "rule", Some(&auth.mfa.rule), &mut problems);
    problems
}

fn tokens(auth: &AuthOptions, problems: &mut Problems) {
    for (name, token) in [
        ("authToken", &auth.auth_token),
        ("passwordResetToken", &auth.password_reset_token),
        ("emailChangeToken", &auth.email_change_token),
        ("verificationToken", &auth.verification_token),
        ("fileToken", &auth.file_token),
    ] {
        let mut own = Problems::new();
        if token.duration == 0 {
            own.add("duration", "validation_required", "Cannot be blank.");
        } else if token.duration < 10 || token.duration == BELOW_ZERO {
            let code = "validation_min_greater_equal_than_required";
            let params = json!({"threshold": 10});
            own.add_with("duration", code, "Must be at least 10 seconds.", params);
        } else if token.duration > DURATION_LIMIT {
            let code = "validation_max_less_equal_than_required";
            let params = json!({"threshold": DURATION_LIMIT});
            own.add_with("duration", code, "Must be no more than three years.", params);
        }
        if !SECRET_BOUNDS.contains(&token.secret.len()) {
            let params = json!({ "min": SECRET_BOUNDS.start(), "max": SECRET_BOUNDS.end() });
            let message = "Must have between 30 and 255 characters.";
            own.add_with("secret", "validation_length_out_of_range", message, params);
        }
        problems.nest(name, own);
    }
}

fn mail(template: &MailTemplate) -> Problems {
    let mut problems = Problems::new();
    for (name, text) in [("subject", &template.subject), ("body", &template.body)] {
        if text.trim().is_empty() {
            problems.add(name, "validation_required", "Cannot be blank.");
        }
    }
    problems
}
