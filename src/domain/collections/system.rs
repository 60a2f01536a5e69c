//! What the server defines itself: system fields, and the collections of a fresh store.

use serde_json::{Map, Value, json};

use crate::domain::Result;
use crate::domain::collections;
use crate::domain::fields::define;
use crate::domain::schema::{CollectionKind, Field, Schema};
use crate::store::Tx;

/// The collection of users that a fresh store has; clients know its id.
pub const USERS_ID: &str = "_pb_users_auth_";

/// The `id` field as every collection gets it.
pub fn id_field() -> Value {
    json!({
        "name": "id", "type": "text", "system": true, "required": true, "primaryKey": true,
        "min": 15, "max": 15, "pattern": "^[a-z0-9]+$", "autogeneratePattern": "[a-z0-9]{15}",
    })
}

/// The fields that a collection of this kind cannot be without, in their order.
pub fn fields(kind: CollectionKind) -> Vec<Field> {
    let definitions = match kind {
        CollectionKind::View => vec![],
        CollectionKind::Base => vec![id_field()],
        CollectionKind::Auth => vec![
            id_field(),
            json!({"name": "password", "type": "password", "system": true, "hidden": true,
                "required": true, "min": 8}),
            json!({"name": "tokenKey", "type": "text", "system": true, "hidden": true,
                "required": true, "min": 30, "max": 60, "autogeneratePattern": "[a-zA-Z0-9]{50}"}),
            json!({"name": "email", "type": "email", "system": true, "required": true}),
            json!({"name": "emailVisibility", "type": "bool", "system": true}),
            json!({"name": "verified", "type": "bool", "system": true}),
        ],
    };
    definitions.iter().map(|definition| field(members(definition))).collect()
}

fn field(definition: &Map<String, Value>) -> Field {
    let mut field = define::read(definition).expect("our own definitions are sound");
    field.id = field_id(&field);
    field
}

/// The id that a field gets when it is made.
pub fn field_id(field: &Field) -> String {
    format!("{}{}", field.kind.name(), crc32fast::hash(field.name.as_bytes()))
}

/// The id that a collection gets when it is made.
pub fn collection_id(kind: CollectionKind, name: &str) -> String {
    format!("pbc_{}", crc32fast::hash(format!("{}{name}", kind.name()).as_bytes()))
}

/// Defines what a fresh store has: accounts of superusers, users, and what belongs to accounts.
/// Does nothing where that is there.
pub fn bootstrap(tx: &mut Tx, now_ms: i64) -> Result<()> {
    for definition in definitions() {
        let definition = members(&definition);
        let name = definition["name"].as_str().unwrap_or_default();
        let is_users = name == "users";
        let schema = Schema::load(tx)?;
        // Users are the team's own: whoever renamed or dropped them meant it.
        let fresh = schema.find("_superusers").is_none() || !is_users;
        if schema.find(name).is_none() && fresh {
            collections::define(tx, definition, now_ms)?;
        }
    }
    Ok(())
}

fn definitions() -> Vec<Value> {
    let text = |name: &str| json!({"name": name, "type": "text", "system": true, "required": true});
    let owner = "@request.auth.id != '' && recordRef = @request.auth.id && collectionRef = @request.auth.collectionId";
    let [created, updated] = dates(true);
    let [user_created, user_updated] = dates(false);
    let own = "id = @request.auth.id";
    // `_superusers` comes last: it tells that the store is not fresh any more.
    vec![
        json!({"name": "_mfas", "system": true, "listRule": owner, "viewRule": owner,
            "fields": [text("collectionRef"), text("recordRef"), text("method"), created, updated],
            "indexes": ["CREATE INDEX `idx_mfas_collectionRef_recordRef` ON `_mfas` (collectionRef,recordRef)"]}),
        json!({"name": "_otps", "system": true, "listRule": owner, "viewRule": owner,
            "fields": [text("collectionRef"), text("recordRef"),
                {"name": "password", "type": "password", "system": true, "hidden": true, "required": true},
                {"name": "sentTo", "type": "text", "system": true, "hidden": true}, created, updated],
            "indexes": ["CREATE INDEX `idx_otps_collectionRef_recordRef` ON `_otps` (collectionRef, recordRef)"]}),
        json!({"name": "_externalAuths", "system": true, "listRule": owner, "viewRule": owner, "deleteRule": owner,
            "fields": [text("collectionRef"), text("recordRef"), text("provider"), text("providerId"), created, updated],
            "indexes": [
                "CREATE UNIQUE INDEX `idx_externalAuths_record_provider` ON `_externalAuths` (collectionRef, recordRef, provider)",
                "CREATE UNIQUE INDEX `idx_externalAuths_collection_provider` ON `_externalAuths` (collectionRef, provider, providerId)"]}),
        json!({"name": "_authOrigins", "system": true, "listRule": owner, "viewRule": owner, "deleteRule": owner,
            "fields": [text("collectionRef"), text("recordRef"), text("fingerprint"), created, updated],
            "indexes": ["CREATE UNIQUE INDEX `idx_authOrigins_unique_pairs` ON `_authOrigins` (collectionRef, recordRef, fingerprint)"]}),
        json!({"name": "users", "id": USERS_ID, "type": "auth", "listRule": own, "viewRule": own,
            "createRule": "", "updateRule": own, "deleteRule": own,
            "oauth2": {"mappedFields": {"name": "name", "avatarURL": "avatar"}},
            "fields": [{"name": "name", "type": "text", "max": 255},
                {"name": "avatar", "type": "file", "maxSelect": 1, "mimeTypes": ["image/jpeg", "image/png",
                    "image/svg+xml", "image/gif", "image/webp"]},
                user_created, user_updated]}),
        json!({"name": "_superusers", "type": "auth", "system": true, "authToken": {"duration": 86_400},
            "fields": [created, updated]}),
    ]
}

fn dates(system: bool) -> [Value; 2] {
    [
        json!({"name": "created", "type": "autodate", "system": system, "onCreate": true}),
        json!({"name": "updated", "type": "autodate", "system": system, "onCreate": true, "onUpdate": true}),
    ]
}

fn members(definition: &Value) -> &Map<String, Value> {
    definition.as_object().expect("our own definitions are objects")
}
