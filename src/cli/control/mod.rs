//! The control socket: how a command reaches the server that holds the data directory.
//!
//! One order, one answer, each a line of JSON, on a socket in the data directory. It works inside a
//! pod, where the directory is locked, and needs neither port nor password: whoever may open the
//! socket (mode 0600) and runs as the server's user or as root counts as superuser.

use std::fs::File;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::store;
use crate::telemetry::process;

mod ask;
mod listen;

pub use ask::{ask, ask_patiently, ask_within};
pub use listen::Desk;

const NAME: &str = "control.sock";
/// What fits into a `sockaddr_un`, with its final zero.
const PATH_MAX_BYTES: usize = 108;
/// The largest order, and the largest answer, is a schema: as large as the body of an import may be.
const LINE_MAX_BYTES: u64 = 32 << 20;

/// What a command may want of a running server. Never printed: it may hold a password.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Order {
    /// Tell whether anybody is there.
    Live,
    /// Tell whether requests are served.
    Ready,
    /// Tell the log level, or change it first.
    LogLevel {
        level: Option<String>,
    },
    CreateAdmin {
        email: String,
        password: String,
    },
    ChangeAdminPassword {
        email: String,
        password: String,
    },
    RotateKeys,
    /// Tell the collections, as JSON.
    ExportSchema,
    /// Make the collections what these are, or tell what that would change.
    ApplySchema {
        definitions: Vec<Map<String, Value>>,
        may_lose: bool,
        dry: bool,
    },
    /// Delete records and all history before now, or tell what would go.
    EraseRecords {
        collection: String,
        /// Ids, or addresses of accounts.
        who: Vec<String>,
        dry: bool,
    },
    /// Tell the collections, as TypeScript.
    PrintTypes,
}

/// What came of it, in words for a person.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Answer {
    Done(String),
    Failed(String),
    /// Nothing was touched.
    Refused(String),
}

/// Why no order reaches anybody in `directory`.
pub fn why_nobody(directory: &Path) -> String {
    let place = directory.display();
    let holder = match store::directory::holder(directory) {
        None => return format!("no server runs in {place}"),
        Some(0) => "a process".to_owned(),
        Some(process) => format!("process {process}"),
    };
    format!(
        "{holder} holds {place}, but its {NAME} is gone; if it is a server, a restart brings it back"
    )
}

/// A name of the socket that is short enough, and what keeps that name good.
struct Socket {
    path: PathBuf,
    _directory: Option<File>,
}

impl Socket {
    fn of(directory: &Path) -> std::io::Result<Self> {
        let path = directory.join(NAME);
        if path.as_os_str().len() < PATH_MAX_BYTES {
            return Ok(Self { path, _directory: None });
        }
        let opened = File::open(directory)?;
        let path = process::path_of(&opened).join(NAME);
        Ok(Self { path, _directory: Some(opened) })
    }
}
