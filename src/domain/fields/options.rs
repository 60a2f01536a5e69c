//! The options of each kind of field, named and defaulted as clients see them.

use serde::{Deserialize, Serialize, Serializer};

use crate::domain::fields::Pattern;
use crate::domain::fields::templates;

/// Stands for a size below zero, for the checks to refuse by its name.
pub const BELOW_ZERO: u64 = u64::MAX;

/// A size as clients write it: those below zero are kept until the checks see them.
mod size {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    use super::BELOW_ZERO;

    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<u64, D::Error> {
        let number = serde_json::Number::deserialize(from)?;
        let below = || number.as_i64().map(|_| BELOW_ZERO);
        let size = number.as_u64().or_else(below);
        size.ok_or_else(|| serde::de::Error::custom("a size must be a whole number"))
    }

    pub fn serialize<S: Serializer>(size: &u64, to: S) -> Result<S::Ok, S::Error> {
        match *size {
            BELOW_ZERO => (-1).serialize(to),
            size => size.serialize(to),
        }
    }
}

/// Whole numbers have no fraction, as in records.
fn bound<S: Serializer>(bound: &Option<f64>, to: S) -> Result<S::Ok, S::Error> {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    match *bound {
        Some(number) if number.fract() == 0.0 && number.abs() < EXACT => {
            (number as i64).serialize(to)
        }
        other => other.serialize(to),
    }
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct TextOptions {
    #[serde(with = "size")]
    pub min: u64,
    /// 0 means 5000.
    #[serde(with = "size")]
    pub max: u64,
    pub pattern: Pattern,
    pub autogenerate_pattern: String,
    pub primary_key: bool,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct NumberOptions {
    #[serde(serialize_with = "bound")]
    pub min: Option<f64>,
    #[serde(serialize_with = "bound")]
    pub max: Option<f64>,
    pub only_int: bool,
}

/// Of email and url fields.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct DomainOptions {
    pub only_domains: Vec<String>,
    pub except_domains: Vec<String>,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct EditorOptions {
    /// Bytes; 0 means 5 MiB.
    #[serde(with = "size")]
    pub max_size: u64,
    #[serde(rename = "convertURLs")]
    pub convert_urls: bool,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct DateOptions {
    pub min: String,
    pub max: String,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct AutodateOptions {
    pub on_create: bool,
    pub on_update: bool,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct SelectOptions {
    pub values: Vec<String>,
    #[serde(with = "size")]
    pub max_select: u64,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct FileOptions {
    #[serde(with = "size")]
    pub max_select: u64,
    /// Bytes; 0 means 5 MiB.
    #[serde(with = "size")]
    pub max_size: u64,
    pub mime_types: Vec<String>,
    pub thumbs: Vec<String>,
    pub protected: bool,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct RelationOptions {
    pub collection_id: String,
    #[serde(with = "size")]
    pub min_select: u64,
    #[serde(with = "size")]
    pub max_select: u64,
    pub cascade_delete: bool,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct JsonOptions {
    /// Bytes; 0 means 1 MiB.
    #[serde(with = "size")]
    pub max_size: u64,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct PasswordOptions {
    #[serde(with = "size")]
    pub min: u64,
    /// 0 means 71.
    #[serde(with = "size")]
    pub max: u64,
    pub pattern: Pattern,
    #[serde(with = "size")]
    pub cost: u64,
}

/// What only auth collections have.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct AuthOptions {
    pub auth_rule: Option<String>,
    pub manage_rule: Option<String>,
    pub password_auth: PasswordAuth,
    pub oauth2: OAuth2,
    pub otp: Otp,
    pub mfa: Mfa,
    pub auth_alert: AuthAlert,
    pub auth_token: TokenSettings,
    pub password_reset_token: TokenSettings,
    pub email_change_token: TokenSettings,
    pub verification_token: TokenSettings,
    pub file_token: TokenSettings,
    pub verification_template: MailTemplate,
    pub reset_password_template: MailTemplate,
    pub confirm_email_change_template: MailTemplate,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct PasswordAuth {
    pub enabled: bool,
    pub identity_fields: Vec<String>,
}

#[derive(Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct OAuth2 {
    pub enabled: bool,
    pub mapped_fields: MappedFields,
    /// Providers as they were given, `clientSecret` included: never sent out unmasked.
    pub providers: Vec<serde_json::Value>,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct MappedFields {
    pub id: String,
    pub name: String,
    pub username: String,
    #[serde(rename = "avatarURL")]
    pub avatar_url: String,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Otp {
    pub enabled: bool,
    #[serde(with = "size")]
    pub duration: u64,
    #[serde(with = "size")]
    pub length: u64,
    pub email_template: MailTemplate,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Mfa {
    pub enabled: bool,
    #[serde(with = "size")]
    pub duration: u64,
    pub rule: String,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct AuthAlert {
    pub enabled: bool,
    pub email_template: MailTemplate,
}

#[derive(Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct TokenSettings {
    #[serde(with = "size")]
    pub duration: u64,
    /// Mixed into the signature's key epoch: changing it revokes. Write-only.
    pub secret: String,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct MailTemplate {
    pub subject: String,
    pub body: String,
}

impl std::fmt::Debug for OAuth2 {
    fn fmt(&self, out: &mut std::fmt::Formatter) -> std::fmt::Result {
        let name = |provider: &serde_json::Value| provider.get("name").cloned();
        out.debug_struct("OAuth2")
            .field("enabled", &self.enabled)
            .field("mapped_fields", &self.mapped_fields)
            .field("providers", &self.providers.iter().map(name).collect::<Vec<_>>())
            .finish()
    }
}

impl std::fmt::Debug for TokenSettings {
    fn fmt(&self, out: &mut std::fmt::Formatter) -> std::fmt::Result {
        out.debug_struct("TokenSettings").field("duration", &self.duration).finish_non_exhaustive()
    }
}

impl Default for PasswordAuth {
    fn default() -> Self {
        Self { enabled: true, identity_fields: vec!["email".into()] }
    }
}

impl Default for Otp {
    fn default() -> Self {
        Self {
            enabled: false,
            duration: 180,
            length: 8,
            email_template: templates::one_time_password(),
        }
    }
}

impl Default for Mfa {
    fn default() -> Self {
        Self { enabled: false, duration: 600, rule: String::new() }
    }
}

impl Default for AuthAlert {
    fn default() -> Self {
        Self { enabled: true, email_template: templates::sign_in_alert() }
    }
}

impl Default for AuthOptions {
    fn default() -> Self {
        let token = |duration| TokenSettings { duration, secret: String::new() };
        Self {
            auth_rule: Some(String::new()),
            manage_rule: None,
            password_auth: PasswordAuth::default(),
            oauth2: OAuth2::default(),
            otp: Otp::default(),
            mfa: Mfa::default(),
            auth_alert: AuthAlert::default(),
            auth_token: token(432_000),
            password_reset_token: token(1800),
            email_change_token: token(1800),
            verification_token: token(86_400),
            file_token: token(180),
            verification_template: templates::verification(),
            reset_password_template: templates::password_reset(),
            confirm_email_change_template: templates::email_change(),
        }
    }
}
