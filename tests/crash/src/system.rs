//! What this program asks of the system: processes that are made, stopped and killed, and memory that they share.

use std::fs::File;
use std::os::fd::AsRawFd;
use std::sync::atomic::AtomicU64;

/// A process that does nothing new for so long is stuck: it ends by SIGALRM.
pub const WATCHDOG_SECONDS: u32 = 90;

/// How a child process stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    Runs,
    Stopped,
    Killed(i32),
    Exited(i32),
}

/// Gives the calling process the time of the watchdog anew.
pub fn still_alive() {
    // SAFETY: the call has no preconditions.
    unsafe { libc::alarm(WATCHDOG_SECONDS) };
}

/// Ends the calling process when its parent ends.
pub fn die_with_parent() {
    // SAFETY: changes what happens to this process only.
    unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) };
}

/// Stops the calling process with all its threads, until somebody continues it.
pub fn stop() {
    let own = std::process::id() as libc::pid_t;
    // SAFETY: a signal to the caller.
    unsafe { libc::kill(own, libc::SIGSTOP) };
}

/// Lets a child that has stopped go on.
pub fn go_on(pid: libc::pid_t) {
    // SAFETY: a child of this process that was not waited for.
    unsafe { libc::kill(pid, libc::SIGCONT) };
}

/// Runs `child` in a process forked off. It never returns, and ends without running anything of its parent's.
pub fn fork_off(child: impl FnOnce()) -> libc::pid_t {
    // SAFETY: this process has one thread, so the child finds everything as it stands.
    match unsafe { libc::fork() } {
        0 => {
            die_with_parent();
            let ended = std::panic::catch_unwind(std::panic::AssertUnwindSafe(child));
            // SAFETY: ends the child at once.
            unsafe { libc::_exit(if ended.is_ok() { 0 } else { 101 }) }
        }
        pid => {
            assert!(pid > 0, "fork failed");
            pid
        }
    }
}

/// Looks at a child without waiting. One that ended is gone after that.
pub fn standing_of(pid: libc::pid_t) -> Standing {
    wait(pid, libc::WUNTRACED | libc::WNOHANG)
}

/// Kills a child and waits for its end.
pub fn kill(pid: libc::pid_t) -> Standing {
    send_kill(pid);
    wait(pid, 0)
}

/// Kills a child, which is waited for later.
pub fn send_kill(pid: libc::pid_t) {
    // SAFETY: a child of this process that was not waited for.
    unsafe { libc::kill(pid, libc::SIGKILL) };
}

pub fn wait_for_end(pid: libc::pid_t) -> Standing {
    wait(pid, 0)
}

fn wait(pid: libc::pid_t, flags: libc::c_int) -> Standing {
    let mut status = 0;
    // SAFETY: `status` is a valid place for the answer.
    let waited = unsafe { libc::waitpid(pid, &raw mut status, flags) };
    if waited == 0 {
        Standing::Runs
    } else if waited != pid {
        Standing::Exited(-1)
    } else if libc::WIFSTOPPED(status) {
        Standing::Stopped
    } else if libc::WIFSIGNALED(status) {
        Standing::Killed(libc::WTERMSIG(status))
    } else {
        Standing::Exited(libc::WEXITSTATUS(status))
    }
}

/// The words of a file, shared with every process that maps it. Mapped until the process ends.
pub fn map_words(file: &File, words: usize) -> &'static [AtomicU64] {
    let (prot, flags) = (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_SHARED);
    // SAFETY: a fresh mapping replaces nothing; the file has this length, its caller sees to that.
    let base = unsafe { libc::mmap(std::ptr::null_mut(), words * 8, prot, flags, file.as_raw_fd(), 0) };
    assert_ne!(base, libc::MAP_FAILED, "the journal cannot be mapped");
    // SAFETY: mapped for ever, aligned to a page, and valid for any content.
    unsafe { std::slice::from_raw_parts(base.cast(), words) }
}
