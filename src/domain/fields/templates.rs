//! The mails of a new auth collection, until somebody writes better ones.

use crate::domain::fields::MailTemplate;

fn mail(subject: &str, paragraphs: &[&str]) -> MailTemplate {
    let body: Vec<String> = paragraphs.iter().map(|text| format!("<p>{text}</p>")).collect();
    MailTemplate { subject: subject.to_owned(), body: body.join("\n") }
}

pub fn verification() -> MailTemplate {
    mail(
        "Is this your address? ({APP_NAME})",
        &[
            "Somebody, probably you, gave this address to {APP_NAME}.",
            r#"<a href="{APP_URL}/_/#/auth/confirm-verification/{TOKEN}" target="_blank" rel="noopener">Yes, it is mine</a>"#,
            "If it was not you, there is nothing to do.",
        ],
    )
}

pub fn password_reset() -> MailTemplate {
    mail(
        "A new password for {APP_NAME}",
        &[
            "Here you can choose a new password:",
            r#"<a href="{APP_URL}/_/#/auth/confirm-password-reset/{TOKEN}" target="_blank" rel="noopener">Choose a password</a>"#,
            "If you did not ask for this, keep the one you have.",
        ],
    )
}

pub fn email_change() -> MailTemplate {
    mail(
        "Your new address at {APP_NAME}",
        &[
            "From now on {APP_NAME} would write to this address, once you agree:",
            r#"<a href="{APP_URL}/_/#/auth/confirm-email-change/{TOKEN}" target="_blank" rel="noopener">Use this address</a>"#,
            "If you did not ask for this, leave it be.",
        ],
    )
}

pub fn one_time_password() -> MailTemplate {
    mail(
        "{OTP} is your code for {APP_NAME}",
        &[
            "Enter this code to sign in: <strong>{OTP}</strong>",
            "It is good once, and for a short while. If you did not ask for it, somebody else tried.",
        ],
    )
}

pub fn sign_in_alert() -> MailTemplate {
    mail(
        "A sign-in to {APP_NAME} from somewhere new",
        &[
            "Your account was used from a place that we don't know yet:",
            "<em>{ALERT_INFO}</em>",
            "If that was you, all is well. If not, change your password now: it signs everybody else out.",
        ],
    )
}
