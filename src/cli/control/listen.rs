//! The server's end of the control socket.

use std::fs;
use std::io::{self, ErrorKind};
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Context;
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::runtime::Handle;

use crate::app::{App, Condition};
use crate::cli::control::{Answer, LINE_MAX_BYTES, NAME, Order, Socket, ask};
use crate::cli::failure::Failure;
use crate::cli::{Result, admin, erase, keys, log_level, schema};
use crate::config::secret::Secret;

/// A command says its order at once; who does not is not one.
const PATIENCE: Duration = Duration::from_secs(5);

/// A server that has given its lock away is about to end.
const LEAVING: Duration = Duration::from_millis(500);

/// Where commands are listened to: at first without an app, when there is little that can be done.
pub struct Desk {
    socket: PathBuf,
    inode: u64,
    app: Arc<OnceLock<App>>,
}

impl Desk {
    /// Listens in `directory` as long as the runtime runs. No other process may serve there:
    /// `AlreadyExists` where one listens, or where something else has the socket's name.
    pub fn open(directory: &Path) -> io::Result<Self> {
        let path = directory.join(NAME);
        make_room(directory, &path)?;
        let socket = Socket::of(directory)?;
        let listener = UnixListener::bind(&socket.path)?;
        fs::set_permissions(&socket.path, fs::Permissions::from_mode(0o600))?;
        let inode = fs::symlink_metadata(&path)?.ino();
        let app = Arc::new(OnceLock::new());
        tokio::spawn({
            let app = app.clone();
            async move {
                loop {
                    match listener.accept().await {
                        Ok((stream, _)) => drop(tokio::spawn(serve(stream, app.clone()))),
                        // Out of file descriptors, which others have to give back first.
                        Err(_) => tokio::time::sleep(PATIENCE / 50).await,
                    }
                }
            }
        });
        Ok(Self { socket: path, inode, app })
    }

    /// The same for the process that just got the directory's lock: the one before may be about to
    /// take its socket away.
    pub fn take_over(directory: &Path) -> io::Result<Self> {
        let begun = Instant::now();
        loop {
            match Self::open(directory) {
                Err(error)
                    if error.kind() == ErrorKind::AlreadyExists && begun.elapsed() < LEAVING =>
                {
                    thread::sleep(LEAVING / 20);
                }
                opened => return opened,
            }
        }
    }

    /// From now on everything can be done.
    pub fn lead_to(&self, app: &App) {
        let _ = self.app.set(app.clone());
    }

    /// Whether commands still come here, and not to a socket that another process put in its place.
    pub fn is_found(&self) -> bool {
        fs::symlink_metadata(&self.socket).is_ok_and(|found| found.ino() == self.inode)
    }
}

/// Commands shall see at once that nobody listens.
impl Drop for Desk {
    fn drop(&mut self) {
        if self.is_found() {
            let _ = fs::remove_file(&self.socket);
        }
    }
}

/// Removes the socket that a killed server left. Anything else is somebody's, and stays.
fn make_room(directory: &Path, path: &Path) -> io::Result<()> {
    let found = match fs::symlink_metadata(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        found => found?,
    };
    let is_refused = |error: &io::Error| error.kind() == ErrorKind::ConnectionRefused;
    if found.file_type().is_socket()
        && ask::connect(directory, LEAVING).is_err_and(|error| is_refused(&error))
    {
        return fs::remove_file(path);
    }
    let words = format!("{} is there already, and no dead socket", path.display());
    Err(io::Error::new(ErrorKind::AlreadyExists, words))
}

async fn serve(mut stream: UnixStream, app: Arc<OnceLock<App>>) {
    let answer = match tokio::time::timeout(PATIENCE, hear(&mut stream)).await {
        Ok(Ok((order, uid))) => {
            let done = tokio::task::spawn_blocking(move || obey(&app, order, uid)).await;
            match done {
                Ok(Ok(words)) => Answer::Done(words),
                Ok(Err(failure @ Failure::Refused(_))) => Answer::Refused(failure.to_string()),
                Ok(Err(failure)) => Answer::Failed(failure.to_string()),
                Err(_) => {
                    Answer::Failed("the server could not do that; its log says why".to_owned())
                }
            }
        }
        Ok(Err(error)) => Answer::Failed(format!("{error:#}")),
        Err(_) => return,
    };
    let mut line = serde_json::to_vec(&answer).expect("words are JSON");
    line.push(b'\n');
    // A command that was interrupted waits for no answer.
    let _ = stream.write_all(&line).await;
}

/// Reads the order, and who gives it: the server's own user, or root.
async fn hear(stream: &mut UnixStream) -> anyhow::Result<(Order, u32)> {
    let uid = stream.peer_cred().context("it is not known who asks")?.uid();
    // SAFETY: asks the kernel for a number.
    let own = unsafe { libc::geteuid() };
    anyhow::ensure!(uid == own || uid == 0, "only the server's own user and root may ask");
    let mut line = String::new();
    BufReader::new(stream.take(LINE_MAX_BYTES)).read_line(&mut line).await?;
    // What serde would say of it may quote a password.
    let order = serde_json::from_str(&line).ok();
    Ok((order.context("the order is not understood: is the command of another version?")?, uid))
}

/// The same that `/health/ready` says.
fn ready(app: &App) -> Result<String> {
    let (condition, checks) = Handle::current().block_on(app.readiness());
    match condition {
        Condition::Up | Condition::Degraded => Ok(condition.word().to_owned()),
        Condition::Down => {
            let failed: Vec<_> = checks.iter().filter_map(failed).collect();
            Err(Failure::failed(format!("the server is not ready: {}", failed.join("; "))))
        }
    }
}

/// `database: the store does not answer`, of a check that failed.
fn failed((name, check): (&String, &Value)) -> Option<String> {
    check["error"].as_str().map(|error| format!("{name}: {error}"))
}

fn obey(app: &OnceLock<App>, order: Order, uid: u32) -> Result<String> {
    let door = uid.to_string();
    let opened = || {
        let words = "the server is starting: its store is being opened";
        app.get().ok_or_else(|| Failure::refused(words))
    };
    match order {
        Order::Live => Ok("UP".to_owned()),
        Order::Ready => ready(opened()?),
        Order::LogLevel { level } => log_level::set(level.as_deref(), &door),
        Order::CreateAdmin { email, password } => {
            admin::create(opened()?, &door, &email, &Secret::new(password))
        }
        Order::RotateKeys => keys::rotate(opened()?),
        Order::ExportSchema => Ok(serde_json::json!(schema::export(opened()?)?).to_string()),
        Order::ApplySchema { definitions, may_lose, dry } => {
            let plan = schema::apply(opened()?, &definitions, may_lose, dry)?;
            Ok(serde_json::json!([plan.lines, plan.losses]).to_string())
        }
        Order::EraseRecords { collection, who, dry } => {
            let taken = erase::erase(opened()?, &door, &collection, &who, dry)?;
            Ok(serde_json::json!(taken).to_string())
        }
        Order::PrintTypes => schema::types(opened()?),
        Order::ChangeAdminPassword { email, password } => {
            admin::change_password(opened()?, &door, &email, &Secret::new(password))
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_checks_that_failed_are_told() {
        let checks = json!({
            "database": {"status": "DOWN", "details": {}, "error": "the store does not answer"},
            "memory": {"status": "UP", "details": {"percent": 3}},
        });
        let told: Vec<_> = checks.as_object().unwrap().iter().filter_map(failed).collect();
        assert_eq!(told, ["database: the store does not answer"]);
    }

    #[tokio::test]
    async fn only_a_socket_without_a_listener_makes_room() {
        let home = tempfile::tempdir().unwrap();
        let name = home.path().join(NAME);
        let refused = || Desk::open(home.path()).err().map(|error| error.kind());

        fs::write(&name, "mine").unwrap();
        assert_eq!(refused(), Some(ErrorKind::AlreadyExists));
        assert_eq!(fs::read(&name).unwrap(), b"mine");
        fs::remove_file(&name).unwrap();
        let other = std::os::unix::net::UnixListener::bind(&name).unwrap();
        assert_eq!(refused(), Some(ErrorKind::AlreadyExists));
        drop(other);
        let desk = Desk::open(home.path()).unwrap();
        assert!(desk.is_found());
        drop(desk);
        assert!(!name.exists());
    }
}
