//! A directory of a test's own, and what tests of segments ask for again and again.
#![allow(dead_code, reason = "each test program uses a part of it")]

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use spanpin::{Registry, RegistryOptions, ScrapeRequest, Scraper};

/// A directory that goes when this value does.
pub struct Place(PathBuf);

impl Place {
    /// On the disk that holds the build.
    pub fn on_disk() -> Place {
        Place::under(Path::new(env!("CARGO_TARGET_TMPDIR")))
    }

    /// In memory, where services should keep their segments.
    pub fn in_memory() -> Place {
        let shm = Path::new("/dev/shm");
        if shm.is_dir() { Place::under(shm) } else { Place::on_disk() }
    }

    fn under(parent: &Path) -> Place {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let path = parent.join(format!("spanpin-test-{}-{number}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Place(path)
    }

    pub fn dir(&self) -> &Path {
        &self.0
    }

    pub fn path(&self, name: &str) -> String {
        self.0.join(name).to_str().unwrap().to_owned()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A registry in the file at `path`.
pub fn attach(path: &str) -> Registry {
    Registry::with_options(&options(path)).unwrap()
}

pub fn options(path: &str) -> RegistryOptions<'_> {
    RegistryOptions { segment: Some(path), self_metrics: false, ..Default::default() }
}

/// What the scraper of this name is shown.
pub fn scrape_as(registry: &Registry, name: &str) -> String {
    let request =
        ScrapeRequest { accept: "application/openmetrics-text", scraper: Scraper::named(name), ..Default::default() };
    String::from_utf8(registry.scrape(&request).unwrap().into_body()).unwrap()
}

pub fn scrape(registry: &Registry) -> String {
    scrape_as(registry, "test")
}

/// The value of the sample that begins with `start`.
pub fn value(body: &str, start: &str) -> f64 {
    let mut found = body.lines().filter_map(|line| line.strip_prefix(start)?.strip_prefix(' '));
    let first = found.next().unwrap_or_else(|| panic!("no {start} in\n{body}"));
    assert!(found.next().is_none(), "{start} twice in\n{body}");
    first.split(' ').next().unwrap().parse().unwrap()
}

/// Runs `child` in a process forked off, without waiting for it. It ends without running anything of the parent's.
pub fn fork_off(child: impl FnOnce() -> bool) -> libc::pid_t {
    // SAFETY: the child calls async-signal-unsafe code only as far as these tests are about it, and leaves by _exit.
    match unsafe { libc::fork() } {
        0 => {
            // SAFETY: a watchdog for a child that is stuck.
            unsafe { libc::alarm(120) };
            let good = std::panic::catch_unwind(std::panic::AssertUnwindSafe(child)).unwrap_or(false);
            // SAFETY: ends the child at once.
            unsafe { libc::_exit(i32::from(!good)) }
        }
        pid => {
            assert!(pid > 0, "fork failed");
            pid
        }
    }
}

/// How a process ended: its exit code, or minus the signal that ended it.
pub fn wait_for(pid: libc::pid_t) -> i32 {
    let mut status = 0;
    // SAFETY: waits for a child of this process.
    let waited = unsafe { libc::waitpid(pid, &raw mut status, 0) };
    assert_eq!(waited, pid);
    if libc::WIFSIGNALED(status) { -libc::WTERMSIG(status) } else { libc::WEXITSTATUS(status) }
}

/// Lets this process make no file longer than `bytes`, until it is called again.
pub fn limit_file_size(bytes: u64) {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: `limit` is valid.
    assert_eq!(unsafe { libc::getrlimit(libc::RLIMIT_FSIZE, &raw mut limit) }, 0);
    limit.rlim_cur = bytes;
    // SAFETY: `limit` is valid.
    assert_eq!(unsafe { libc::setrlimit(libc::RLIMIT_FSIZE, &raw const limit) }, 0);
}

/// Kills a process that was forked off, and waits for its end.
pub fn kill(pid: libc::pid_t) {
    // SAFETY: a child of this process that was not waited for yet.
    assert_eq!(unsafe { libc::kill(pid, libc::SIGKILL) }, 0);
    assert_eq!(wait_for(pid), -libc::SIGKILL);
}
