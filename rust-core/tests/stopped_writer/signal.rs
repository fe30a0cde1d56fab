//! Stops a thread of this process at whatever instruction it is, by a signal whose handler does not return until the thread
//! is let go.

use std::sync::atomic::{AtomicI32, AtomicU32, Ordering};

use libc::{c_int, pid_t};

/// Threads that can be stopped.
pub const PLACES: usize = 2;

const RUNS: u32 = 0;
const STOPPED: u32 = 1;

/// A thread that can be stopped.
struct Place {
    tid: AtomicI32,
    state: AtomicU32,
}

static THREADS: [Place; PLACES] = [const { Place { tid: AtomicI32::new(0), state: AtomicU32::new(RUNS) } }; PLACES];

fn own_tid() -> pid_t {
    // SAFETY: always succeeds.
    unsafe { libc::gettid() }
}

/// Calls only what a handler may call: atomics and system calls.
extern "C" fn wait_here(_: c_int) {
    // SAFETY: always succeeds.
    let errno = unsafe { libc::__errno_location() };
    // SAFETY: the thread's own word, which what is interrupted may still want to read.
    let saved = unsafe { *errno };
    let own = own_tid();
    if let Some(place) = THREADS.iter().find(|place| place.tid.load(Ordering::Relaxed) == own) {
        place.state.store(STOPPED, Ordering::SeqCst);
        while place.state.load(Ordering::SeqCst) == STOPPED {
            let word = place.state.as_ptr();
            // SAFETY: the word is a static; the call returns when it no longer holds this value, or is woken.
            unsafe {
                libc::syscall(libc::SYS_futex, word, libc::FUTEX_WAIT, STOPPED, std::ptr::null::<libc::timespec>())
            };
        }
    }
    // SAFETY: as above.
    unsafe { *errno = saved };
}

/// Lets the signal stop threads from now on.
pub fn install() {
    let handler = wait_here as extern "C" fn(c_int);
    // SAFETY: the handler is of the right type, and calls only what a handler may call.
    let before = unsafe { libc::signal(libc::SIGUSR1, handler as libc::sighandler_t) };
    assert_ne!(before, libc::SIG_ERR);
}

/// The calling thread is the one of this place from now on.
pub fn enter(place: usize) {
    THREADS[place].tid.store(own_tid(), Ordering::SeqCst);
}

/// The calling thread is about to end.
pub fn leave(place: usize) {
    THREADS[place].tid.store(0, Ordering::SeqCst);
}

/// Stops the thread of this place, and returns when it is stopped.
pub fn stop(place: usize) {
    let tid = THREADS[place].tid.load(Ordering::SeqCst);
    assert_ne!(tid, 0, "no thread to stop");
    let process = std::process::id();
    // SAFETY: a thread of this process, which does not end before it is let go.
    let sent = unsafe { libc::syscall(libc::SYS_tgkill, process, tid, libc::SIGUSR1) };
    assert_eq!(sent, 0, "{}", std::io::Error::last_os_error());
    for _ in 0..10_000_000_u64 {
        if THREADS[place].state.load(Ordering::SeqCst) == STOPPED {
            return;
        }
        std::thread::yield_now();
    }
    panic!("the thread did not stop");
}

/// Lets the thread of this place go on.
pub fn release(place: usize) {
    let state = &THREADS[place].state;
    state.store(RUNS, Ordering::SeqCst);
    // SAFETY: wakes who waits on a static word.
    unsafe { libc::syscall(libc::SYS_futex, state.as_ptr(), libc::FUTEX_WAKE, 1) };
}
