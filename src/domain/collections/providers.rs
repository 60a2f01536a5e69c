//! The OAuth2 providers that an auth collection may name.

use serde_json::{Value, json};

/// Name and display name of each, as clients show them.
const PROVIDERS: [(&str, &str); 33] = [
    ("apple", "Apple"),
    ("bitbucket", "Bitbucket"),
    ("box", "Box"),
    ("discord", "Discord"),
    ("facebook", "Facebook"),
    ("gitea", "Gitea"),
    ("gitee", "Gitee"),
    ("github", "GitHub"),
    ("gitlab", "GitLab"),
    ("google", "Google"),
    ("instagram2", "Instagram"),
    ("kakao", "Kakao"),
    ("lark", "Lark"),
    ("linear", "Linear"),
    ("livechat", "LiveChat"),
    ("mailcow", "mailcow"),
    ("microsoft", "Microsoft"),
    ("monday", "monday.com"),
    ("notion", "Notion"),
    ("oidc", "OpenID Connect"),
    ("oidc2", "OpenID Connect (2)"),
    ("oidc3", "OpenID Connect (3)"),
    ("patreon", "Patreon"),
    ("planningcenter", "Planning Center"),
    ("spotify", "Spotify"),
    ("strava", "Strava"),
    ("trakt", "Trakt"),
    ("trello", "Trello"),
    ("twitch", "Twitch"),
    ("twitter", "X/Twitter"),
    ("vk", "VK"),
    ("wakatime", "WakaTime"),
    ("yandex", "Yandex"),
];

/// What may be said of a provider, and what it is when nothing is said.
pub fn blank() -> [(&'static str, Value); 8] {
    let text = || Value::String(String::new());
    [
        ("name", text()),
        ("clientId", text()),
        ("authURL", text()),
        ("tokenURL", text()),
        ("userInfoURL", text()),
        ("displayName", text()),
        ("pkce", Value::Null),
        ("extra", json!({})),
    ]
}

pub fn is_known(name: &str) -> bool {
    PROVIDERS.iter().any(|(known, _)| *known == name)
}

pub fn display_name(name: &str) -> Option<&'static str> {
    PROVIDERS.iter().find(|(known, _)| *known == name).map(|(_, shown)| *shown)
}

/// The list as clients get it.
pub fn list() -> Value {
    let entry = |(name, shown): &(&str, &str)| json!({ "name": name, "displayName": shown, "logo": logo(shown) });
    PROVIDERS.iter().map(entry).collect()
}

/// A badge with the initial: trade marks are not ours to ship.
pub fn logo(shown: &str) -> String {
    let initial = shown.chars().next().unwrap_or('?').to_uppercase();
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 24 24\"><circle cx=\"12\" cy=\"12\" r=\"11\" fill=\"#57606a\"/><text x=\"12\" y=\"16.5\" font-family=\"sans-serif\" font-size=\"13\" text-anchor=\"middle\" fill=\"#fff\">{initial}</text></svg>"
    )
}
