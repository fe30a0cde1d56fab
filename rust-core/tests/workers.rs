//! Workers of a segment: what a process added to gauges counts while it lives, and its slot is used again.
#![cfg(all(target_os = "linux", not(miri)))]
#![allow(clippy::unwrap_used, clippy::panic, clippy::arithmetic_side_effects, clippy::indexing_slicing)]

mod place;

use std::io::{PipeReader, PipeWriter, Read, Write};
use std::path::Path;
use std::thread;

use place::{Place, attach, fork_off, options, scrape, value, wait_for};
use spanpin::{Gauge, Look, Marks, Registry, RegistryOptions, ScrapeRequest, SegmentCopy, WorkerFacts};

fn gauge(registry: &Registry, name: &str) -> Gauge {
    registry.gauge(name, "").register().unwrap().with(&[]).unwrap()
}

/// What a reader sees that has none of the segment's processes as its own.
fn from_outside(path: &str) -> (String, Vec<WorkerFacts>) {
    let copy = SegmentCopy::read(Path::new(path), 1 << 30, Look::Once).unwrap();
    let request = ScrapeRequest { accept: "application/openmetrics-text", ..Default::default() };
    let body = copy.scrape(&request, &mut Marks::new()).unwrap().into_body();
    (String::from_utf8(body).unwrap(), copy.facts().workers.0.clone())
}

fn alive(path: &str) -> Vec<usize> {
    from_outside(path).1.iter().filter(|worker| worker.alive).map(|worker| worker.slot).collect()
}

/// A way for processes to wait for each other.
struct Pipe(PipeReader, PipeWriter);

impl Pipe {
    fn new() -> Pipe {
        let (reader, writer) = std::io::pipe().unwrap();
        Pipe(reader, writer)
    }

    fn tell(&self) {
        (&self.1).write_all(&[1]).unwrap();
    }

    fn hear(&self) {
        (&self.0).read_exact(&mut [0]).unwrap();
    }
}

/// A child that runs `first`, and lives until it is killed.
fn living(first: impl FnOnce()) -> libc::pid_t {
    let ready = Pipe::new();
    let child = fork_off(|| {
        first();
        ready.tell();
        loop {
            thread::park();
        }
    });
    ready.hear();
    child
}

fn kill(pid: libc::pid_t) {
    // SAFETY: a child of this process.
    unsafe { libc::kill(pid, libc::SIGKILL) };
    assert_eq!(wait_for(pid), -libc::SIGKILL);
}

#[test]
fn one_process_alone_sees_a_gauge_as_any_other() {
    let place = Place::in_memory();
    let shared = attach(&place.path("a"));
    let heap = Registry::with_options(&RegistryOptions { self_metrics: false, ..Default::default() }).unwrap();
    for registry in [shared, heap] {
        let gauge = gauge(&registry, "g");
        let shows = |wanted: f64| {
            assert_eq!(gauge.get().to_bits(), wanted.to_bits());
            assert_eq!(value(&scrape(&registry), "g").to_bits(), wanted.to_bits());
        };
        shows(0.0);
        gauge.add(2.0);
        gauge.dec();
        gauge.sub(0.5);
        shows(0.5);
        gauge.set(5.0);
        shows(5.0);
        gauge.inc();
        shows(6.0);
        gauge.set(f64::INFINITY);
        gauge.dec();
        shows(f64::INFINITY);
    }
}

#[test]
fn a_killed_worker_drops_out_and_its_slot_starts_at_zero() {
    let place = Place::in_memory();
    let path = place.path("a");
    let registry = attach(&path);
    let busy = gauge(&registry, "busy");
    let both = |wanted: f64| {
        assert_eq!(value(&scrape(&registry), "busy"), wanted);
        assert_eq!(busy.get(), wanted);
        assert_eq!(value(&from_outside(&path).0, "busy"), wanted);
    };
    busy.add(1.0);
    let workers: Vec<_> = [10.0, 100.0, 1000.0].iter().map(|n| living(|| busy.add(*n))).collect();
    both(1111.0);
    assert_eq!(alive(&path), [0, 1, 2, 3]);
    kill(workers[1]);
    both(1011.0);
    assert_eq!(alive(&path), [0, 1, 3]);
    // Of another program, which finds the slot and the cell of the dead one.
    let next = living(|| gauge_of(&path).add(0.25));
    both(1011.25);
    assert_eq!(alive(&path), [0, 1, 2, 3]);
    [workers[0], workers[2], next].into_iter().for_each(kill);
    both(1.0);
    busy.dec();
    both(0.0);
}

fn gauge_of(path: &str) -> Gauge {
    // It stays open as long as the process.
    let registry = Box::leak(Box::new(attach(path)));
    registry.snapshot().unwrap();
    let family = registry.gauge("busy", "").register().unwrap();
    family.with(&[]).unwrap()
}

#[test]
fn what_is_set_stays_when_its_process_ends() {
    let place = Place::in_memory();
    let path = place.path("a");
    let registry = attach(&path);
    let level = gauge(&registry, "level");
    level.add(3.0);
    kill(living(|| {
        level.add(40.0);
        level.set(7.0);
        level.add(1.0);
    }));
    assert_eq!(level.get(), 8.0);
    level.dec();
    assert_eq!(level.get(), 7.0);
    drop((level, registry));
    assert_eq!(value(&from_outside(&path).0, "level"), 7.0);
    assert_eq!(alive(&path), [0_usize; 0]);
}

/// A child must never add to the cell of its parent, whose end would take that away, nor keep the lock of its parent.
#[test]
fn a_forked_child_is_a_worker_of_its_own() {
    let place = Place::in_memory();
    let path = place.path("a");
    let registry = attach(&path);
    let (ready, go) = (Pipe::new(), Pipe::new());
    let parent = fork_off(|| {
        let busy = gauge(&registry, "busy");
        busy.add(10.0);
        let child = fork_off(|| {
            // Before it does anything of its own, and after: its parent dies in between.
            ready.tell();
            go.hear();
            busy.add(1.0);
            ready.tell();
            go.hear();
            true
        });
        ready.tell();
        wait_for(child) == 0
    });
    ready.hear();
    ready.hear();
    assert_eq!(value(&scrape(&registry), "busy"), 10.0);
    kill(parent);
    assert_eq!(value(&scrape(&registry), "busy"), 0.0, "the idle child keeps its parent's slot alive");
    go.tell();
    ready.hear();
    assert_eq!(value(&scrape(&registry), "busy"), 1.0);
    assert_eq!(value(&from_outside(&path).0, "busy"), 1.0);
    go.tell();
    // The child was its parent's; its slot tells when it has ended.
    while alive(&path).len() > 1 {
        thread::yield_now();
    }
    assert_eq!(value(&scrape(&registry), "busy"), 0.0);
}

/// A child that was not made by `fork` keeps its parent's lock: then the process id tells.
#[test]
fn a_child_without_fork_handlers_does_not_keep_its_parent_alive() {
    let place = Place::in_memory();
    let path = place.path("a");
    let registry = attach(&path);
    let busy = gauge(&registry, "busy");
    let (ready, end) = (Pipe::new(), Pipe::new());
    let parent = fork_off(|| {
        busy.add(10.0);
        // SAFETY: as fork, without the handlers; the child only waits and leaves.
        let child = unsafe { libc::syscall(libc::SYS_clone, libc::SIGCHLD, 0, 0, 0, 0) };
        if child == 0 {
            ready.tell();
            end.hear();
            busy.add(1.0);
            ready.tell();
            end.hear();
            // SAFETY: ends the child at once.
            unsafe { libc::_exit(0) }
        }
        loop {
            thread::park();
        }
    });
    ready.hear();
    kill(parent);
    assert_eq!(value(&scrape(&registry), "busy"), 0.0);
    assert_eq!(value(&from_outside(&path).0, "busy"), 0.0);
    end.tell();
    ready.hear();
    assert_eq!(value(&scrape(&registry), "busy"), 1.0, "it is a worker of its own as soon as it adds");
    end.tell();
}

/// As a daemon does, which closes all that it does not know.
#[test]
fn a_worker_that_loses_its_descriptors_gets_another_slot() {
    let place = Place::in_memory();
    let path = place.path("a");
    let registry = attach(&path);
    let busy = gauge(&registry, "busy");
    let child = fork_off(|| {
        busy.add(1.0);
        // SAFETY: of this child alone, which uses none of them but those that the segment has.
        assert_eq!(unsafe { libc::syscall(libc::SYS_close_range, 3, u32::MAX, 0) }, 0);
        busy.add(2.0);
        let lost = busy.get();
        scrape(&registry);
        busy.add(4.0);
        assert_eq!((lost, busy.get()), (0.0, 4.0));
        true
    });
    assert_eq!(wait_for(child), 0);
}

#[test]
fn threads_that_add_first_at_once_lose_nothing() {
    for _ in 0..200 {
        let place = Place::in_memory();
        let registry = attach(&place.path("a"));
        let busy = gauge(&registry, "busy");
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| (0..50).for_each(|_| busy.inc()));
            }
        });
        assert_eq!(busy.get(), 200.0);
    }
}

#[test]
fn more_processes_than_slots_are_counted_together() {
    let place = Place::in_memory();
    let path = place.path("a");
    let registries: Vec<_> = (0..50).map(|_| attach(&path)).collect();
    let gauges: Vec<_> = registries.iter().map(|registry| family_gauge(registry).unwrap()).collect();
    gauges.iter().for_each(Gauge::inc);
    let children: Vec<_> = (0..5).map(|_| living(|| gauges.iter().for_each(Gauge::inc))).collect();
    // 256 slots are taken, 44 registries have none.
    assert_eq!(alive(&path).len(), 256);
    assert_eq!(gauges[0].get(), 300.0);
    children.into_iter().for_each(kill);
    assert_eq!(gauges[0].get(), 50.0 + 44.0, "without a slot nothing is kept apart");
    assert_eq!(alive(&path).len(), 50);
}

fn family_gauge(registry: &Registry) -> Option<Gauge> {
    registry.gauge("busy", "").register().ok()?.with(&[]).ok()
}

/// Whose rights were taken away after the fork cannot open the file any more.
#[test]
fn a_worker_that_gives_up_its_rights_after_the_fork_is_one_all_the_same() {
    // SAFETY: the call has no preconditions.
    if unsafe { libc::geteuid() } != 0 {
        return println!("only root can become another user");
    }
    let place = Place::in_memory();
    let path = place.path("a");
    let registry = attach(&path);
    let busy = gauge(&registry, "busy");
    let worker = living(|| {
        // SAFETY: of this child alone.
        assert_eq!(unsafe { libc::setgid(65534) }, 0);
        // SAFETY: as above.
        assert_eq!(unsafe { libc::setuid(65534) }, 0);
        assert!(std::fs::File::open(&path).is_err());
        busy.add(2.0);
    });
    assert_eq!(busy.get(), 2.0);
    kill(worker);
    assert_eq!(busy.get(), 0.0);
}

/// Runs this program's test of that name in other namespaces.
fn unshared(arguments: &[&str], test: &str, path: &str) -> Option<std::process::Child> {
    let possible = std::process::Command::new("unshare").args(arguments).arg("true").output();
    match possible {
        Ok(output) if output.status.success() => {}
        Ok(output) => {
            println!("skipped, the kernel forbids unshare {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
            return None;
        }
        Err(error) => {
            println!("skipped, there is no command unshare (package util-linux): {error}");
            return None;
        }
    }
    let mut command = std::process::Command::new("unshare");
    command.args(arguments).arg(std::env::current_exe().unwrap()).args(["--exact", test, "--nocapture"]);
    command.env("SPANPIN_TEST_SEGMENT", path).stdin(std::process::Stdio::piped()).stdout(std::process::Stdio::piped());
    Some(command.spawn().unwrap())
}

#[test]
fn workers_in_other_namespaces_are_told_apart_by_their_locks() {
    const TEST: &str = "workers_in_other_namespaces_are_told_apart_by_their_locks";
    if let Ok(path) = std::env::var("SPANPIN_TEST_SEGMENT") {
        let busy = gauge_of(&path);
        busy.add(1.0);
        println!("sum {}", busy.get());
        // Until the other side ends it.
        let _ = std::io::stdin().read(&mut [0]);
        return;
    }
    for arguments in [
        &["--pid", "--fork", "--kill-child"][..],
        &["--user", "--map-root-user"],
        &["--user", "--map-root-user", "--pid", "--fork", "--kill-child", "--mount-proc"],
    ] {
        let place = Place::in_memory();
        let path = place.path("a");
        let registry = Registry::with_options(&RegistryOptions { strict: true, ..options(&path) }).unwrap();
        let busy = family_gauge(&registry).unwrap();
        busy.add(10.0);
        let Some(mut other) = unshared(arguments, TEST, &path) else { continue };
        let mut said = Vec::new();
        let mut byte = [0];
        while !String::from_utf8_lossy(&said).contains("sum ") || said.last() != Some(&b'\n') {
            assert_eq!(other.stdout.as_mut().unwrap().read(&mut byte).unwrap(), 1, "{arguments:?}");
            said.push(byte[0]);
        }
        assert!(String::from_utf8_lossy(&said).contains("sum 11\n"), "{arguments:?}: the other sees both");
        assert_eq!(busy.get(), 11.0);
        assert_eq!(value(&from_outside(&path).0, "busy"), 11.0);
        other.kill().unwrap();
        other.wait().unwrap();
        // What unshare has forked is killed by the kernel when unshare is.
        while alive(&path).len() > 1 {
            thread::yield_now();
        }
        assert_eq!(busy.get(), 10.0);
    }
}
