//! A command in a process group of its own: started, signalled, ended.

use std::io;
use std::os::unix::process::ExitStatusExt;
use std::process::{ExitCode, ExitStatus};
use std::time::{Duration, Instant};

use tokio::process::{Child, Command};
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::cli::stop;
use crate::telemetry::process;

/// What those who supervise a command send to it, or who give it a terminal.
const PASSED_ON: [i32; 8] = [
    libc::SIGCONT,
    libc::SIGHUP,
    libc::SIGINT,
    libc::SIGQUIT,
    libc::SIGTERM,
    libc::SIGUSR1,
    libc::SIGUSR2,
    libc::SIGWINCH,
];
/// What asks the command to end.
const ENDING: [i32; 4] = [libc::SIGHUP, libc::SIGINT, libc::SIGQUIT, libc::SIGTERM];
/// What the command left running may take to end after SIGTERM.
const GRACE: Duration = Duration::from_millis(200);
const LOOK_AGAIN: Duration = Duration::from_millis(5);

/// The signals that are the command's, caught from before it starts.
pub struct Signals(Vec<(i32, Signal)>);

impl Signals {
    pub fn listen() -> io::Result<Self> {
        // The command ignores what we are to ignore: it inherits that.
        let numbers = PASSED_ON.into_iter().filter(|number| !stop::is_to_be_ignored(*number));
        let caught = numbers.map(|number| Ok((number, signal(SignalKind::from_raw(number))?)));
        Ok(Self(caught.collect::<io::Result<_>>()?))
    }

    /// Sends each one on to `group`, as long as this process runs.
    pub fn pass_on_to(self, group: i32) {
        for (number, mut caught) in self.0 {
            tokio::spawn(async move {
                while caught.recv().await.is_some() {
                    match number {
                        libc::SIGCONT => go_on(group),
                        _ => send(group, number),
                    };
                    // A stopped one gets it too, as it does from timeout(1).
                    if ENDING.contains(&number) {
                        send(group, libc::SIGCONT);
                    }
                }
            });
        }
    }
}

/// Starts `command` as the leader of a group of its own, which has the terminal if we had it, and
/// which the kernel kills when the calling thread ends. `ready` is called in it first: it may only
/// make system calls.
pub fn start(command: &mut Command, ready: impl Fn() + Send + Sync + 'static) -> io::Result<Child> {
    let parent = std::process::id();
    // SAFETY: these only ask the kernel; none of them touches our memory.
    let foreground = unsafe { libc::isatty(0) == 1 && libc::tcgetpgrp(0) == libc::getpgrp() };
    command.process_group(0);
    // SAFETY: between fork and exec only system calls are made, which is what is allowed there.
    unsafe {
        command.pre_exec(move || {
            process::die_with(parent)?;
            ready();
            if foreground {
                // A background group that takes the terminal would be stopped for it.
                libc::signal(libc::SIGTTOU, libc::SIG_IGN);
                libc::tcsetpgrp(0, libc::getpid());
                libc::signal(libc::SIGTTOU, libc::SIG_DFL);
            }
            Ok(())
        });
    }
    command.spawn()
}

/// Waits until the command ends. When it is stopped, by Ctrl-Z or otherwise, this process stops as
/// well: a shell that waits for us has its terminal back, and starts both again.
pub async fn wait(child: &mut Child, group: i32) -> io::Result<ExitStatus> {
    let mut changes = signal(SignalKind::child())?;
    loop {
        // Before any change is awaited: it may have stopped at once.
        if has_stopped(group) {
            // SAFETY: stops this process until somebody sends it SIGCONT.
            unsafe { libc::raise(libc::SIGSTOP) };
            go_on(group);
        }
        tokio::select! {
            ended = child.wait() => return ended,
            _ = changes.recv() => {}
        }
    }
}

/// Whether `process` was stopped since somebody asked last. That it ended is left for others to ask.
fn has_stopped(process: i32) -> bool {
    // SAFETY: a zeroed siginfo is one, and the kernel writes to a local that lives across the call.
    unsafe {
        let mut told: libc::siginfo_t = std::mem::zeroed();
        let asked = libc::WSTOPPED | libc::WNOHANG;
        let id = process.unsigned_abs();
        libc::waitid(libc::P_PID, id, &raw mut told, asked) == 0 && told.si_pid() == process
    }
}

/// Starts the group again, with the terminal if we have it.
fn go_on(group: i32) -> bool {
    // SAFETY: these only ask the kernel; none of them touches our memory.
    unsafe {
        if libc::isatty(0) == 1 && libc::tcgetpgrp(0) == libc::getpgrp() {
            libc::tcsetpgrp(0, group);
        }
    }
    send(group, libc::SIGCONT)
}

/// Ends what the command left running in its group, and takes the terminal back.
pub async fn end(group: i32) {
    let begun = Instant::now();
    send(group, libc::SIGTERM);
    while send(group, 0) && begun.elapsed() < GRACE {
        tokio::time::sleep(LOOK_AGAIN).await;
    }
    send(group, libc::SIGKILL);
    // SAFETY: these only ask the kernel; none of them touches our memory.
    unsafe {
        if libc::isatty(0) == 1 && libc::tcgetpgrp(0) == group {
            libc::signal(libc::SIGTTOU, libc::SIG_IGN);
            libc::tcsetpgrp(0, libc::getpgrp());
        }
    }
}

/// As shells tell it: 128 and the signal's number when a signal ended it.
pub fn exit_code(status: ExitStatus) -> ExitCode {
    let code = status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or(0));
    ExitCode::from(u8::try_from(code).unwrap_or(u8::MAX))
}

/// Whether there is somebody in the group to send it to.
fn send(group: i32, number: i32) -> bool {
    // SAFETY: sends a signal; touches no memory.
    unsafe { libc::kill(-group, number) == 0 }
}
