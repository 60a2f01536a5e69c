//! What signals mean to a server: to stop in order, to stop at once, or nothing.

use std::future::poll_fn;
use std::io;
use std::process;
use std::task::Poll;

use tokio::signal::unix::{Signal, SignalKind, signal};

/// What asks the server to stop. SIGHUP does when its terminal goes away.
const STOPPING: [i32; 4] = [libc::SIGTERM, libc::SIGINT, libc::SIGQUIT, libc::SIGHUP];
/// What other servers reopen their logs for. Ours go to standard error, so there is nothing to do,
/// but whoever rotates logs should not end a server by it.
const MEANINGLESS: [(i32, &str); 2] = [(libc::SIGUSR1, "SIGUSR1"), (libc::SIGUSR2, "SIGUSR2")];

/// The signals that ask a server to stop, caught: the first is a request, the second an order.
pub struct Stop(Vec<(i32, Signal)>);

impl Stop {
    pub fn listen() -> io::Result<Self> {
        for (number, name) in MEANINGLESS {
            let mut caught = signal(SignalKind::from_raw(number))?;
            tokio::spawn(async move {
                while caught.recv().await.is_some() {
                    tracing::info!("{name} means nothing here and is passed over");
                }
            });
        }
        let numbers = STOPPING.into_iter().filter(|number| !is_to_be_ignored(*number));
        let caught = numbers.map(|number| Ok((number, signal(SignalKind::from_raw(number))?)));
        Ok(Self(caught.collect::<io::Result<_>>()?))
    }

    /// Returns when the server is to stop. Whoever asks a second time has no more patience, but for
    /// `leave`, which takes the server's traces away.
    pub async fn asked(&mut self, leave: impl FnOnce() + Send + 'static) {
        self.next().await;
        tracing::info!("stopping: finishing what is under way; a second signal ends at once");
        let mut rest = Self(std::mem::take(&mut self.0));
        // Of a terminal that goes away, both kernel and shell may tell.
        rest.0.retain(|(number, _)| *number != libc::SIGHUP);
        tokio::spawn(async move {
            let number = rest.next().await;
            leave();
            process::exit(128 + number)
        });
    }

    async fn next(&mut self) -> i32 {
        poll_fn(|context| {
            let mut caught = self.0.iter_mut();
            match caught.find_map(|(number, signal)| {
                signal.poll_recv(context).is_ready().then_some(*number)
            }) {
                Some(number) => Poll::Ready(number),
                None => Poll::Pending,
            }
        })
        .await
    }
}

/// Whether whoever started us wants the signal to mean nothing: nohup(1) does that with SIGHUP.
/// Shells without job control do it with SIGINT and SIGQUIT to what runs in the background, which
/// is no wish of anybody's.
pub fn is_to_be_ignored(number: i32) -> bool {
    if number != libc::SIGHUP {
        return false;
    }
    // SAFETY: a zeroed sigaction is one; the kernel writes to a local that lives across the call.
    unsafe {
        let mut found: libc::sigaction = std::mem::zeroed();
        libc::sigaction(number, std::ptr::null(), &raw mut found) == 0
            && found.sa_sigaction == libc::SIG_IGN
    }
}
