//! A segment in a file: who may attach, what goes on after a restart, what happens when the file is no good.
#![cfg(all(target_os = "linux", not(miri)))]
#![allow(clippy::unwrap_used, clippy::panic, clippy::arithmetic_side_effects, clippy::indexing_slicing)]

mod place;

use std::fs;
use std::os::unix::fs::{FileExt, MetadataExt, PermissionsExt, symlink};

use place::{Place, attach, fork_off, limit_file_size, options, scrape, value, wait_for};
use spanpin::{ErrorCode, Registry, RegistryOptions, ScrapeRequest, SegmentReason, SpanId, TraceContext, TraceId};

fn span(n: u64) -> TraceContext {
    TraceContext::sampled(TraceId::from_u64s(n, n).unwrap(), SpanId::from_u64(n).unwrap())
}

#[test]
fn counts_and_exemplars_go_on_after_a_restart() {
    for place in [Place::on_disk(), Place::in_memory()] {
        let path = place.path("a.spanpin");
        for run in 1..=3_u64 {
            let registry = attach(&path);
            assert!(registry.take_segment_notice().is_none());
            assert_eq!(registry.segment_path(), Some(&*path));
            let counter = registry.counter("c", "").labels(&["l"]).register().unwrap();
            let latency = registry.histogram("h_seconds", "Help.").unit("seconds").register().unwrap();
            counter.with(&["x"]).unwrap().inc();
            if run == 1 {
                latency.with(&[]).unwrap().observe_trace(0.3, span(7));
            }
            let body = scrape(&registry);
            assert_eq!(value(&body, "c_total{l=\"x\"}"), run as f64);
            assert_eq!(value(&body, "h_seconds_bucket{le=\"0.5\"}"), 1.0);
            assert!(body.contains("# {trace_id=\"00000000000000070000000000000007\""), "run {run}:\n{body}");
        }
    }
}

#[test]
fn the_file_is_the_owners_alone_unless_told_otherwise() {
    let place = Place::on_disk();
    for mode in [0o600, 0o640, 0o644] {
        let path = place.path(&format!("m{mode:o}"));
        let options = RegistryOptions { segment_mode: mode, ..options(&path) };
        drop(Registry::with_options(&options).unwrap());
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o7777, mode);
        assert!(Registry::with_options(&options).unwrap().take_segment_notice().is_none());
    }
    // Nothing but the three files is left.
    assert_eq!(fs::read_dir(place.dir()).unwrap().count(), 3);
}

#[test]
fn two_that_attach_count_in_the_same_series() {
    let place = Place::in_memory();
    let path = place.path("a");
    let (one, two) = (attach(&path), attach(&path));
    let of_one = one.counter("c", "").labels(&["l"]).register().unwrap();
    let of_two = two.counter("c", "").labels(&["l"]).register().unwrap();
    let gauge = two.gauge("g", "").register().unwrap();
    for (family, label) in [(&of_one, "a"), (&of_two, "a"), (&of_two, "b"), (&of_one, "b"), (&of_one, "c")] {
        family.with(&[label]).unwrap().inc();
    }
    gauge.with(&[]).unwrap().set(5.0);
    let body = scrape(&one);
    assert_eq!(body, scrape(&two));
    for (label, count) in [("a", 2.0), ("b", 2.0), ("c", 1.0)] {
        assert_eq!(value(&body, &format!("c_total{{l=\"{label}\"}}")), count);
    }
    assert_eq!(value(&body, "g"), 5.0, "a family that this registry has not registered");
}

/// The reason of the one notice that a registry for `path` has, and where it counts instead.
fn fate(options: &RegistryOptions<'_>) -> (SegmentReason, Option<String>) {
    let registry = Registry::with_options(options).unwrap();
    let notice = registry.take_segment_notice().unwrap();
    assert_eq!(&*notice.path, options.segment.unwrap());
    assert!(notice.message.contains(&*notice.path) && notice.message.contains(&*notice.cause), "{}", notice.message);
    assert!(notice.message.contains(notice.reason.remedy()), "{}", notice.message);
    assert!(registry.take_segment_notice().is_none(), "it is said once");
    registry.counter("c", "").register().unwrap().with(&[]).unwrap().inc();
    assert!(scrape(&registry).contains("c_total 1"), "the service works all the same");
    let strict = RegistryOptions { strict: true, ..*options };
    let error = Registry::with_options(&strict).err().unwrap();
    assert_eq!(error.code(), ErrorCode::SegmentUnusable);
    assert!(error.message().contains(&*notice.cause), "{error}");
    (notice.reason, registry.segment_path().map(str::to_owned))
}

#[test]
fn what_is_no_file_of_the_services_own_is_left_alone() {
    let place = Place::on_disk();
    let beside = |path: &str| Some(format!("{path}.1"));

    let target = place.path("target");
    drop(attach(&target));
    let link = place.path("link");
    symlink(&target, &link).unwrap();
    let before = fs::read(&target).unwrap();
    assert_eq!(fate(&options(&link)), (SegmentReason::Refused, beside(&link)));
    assert_eq!(fs::read(&target).unwrap(), before, "the link was followed");

    let pipe = place.path("pipe");
    let c_pipe = std::ffi::CString::new(&*pipe).unwrap();
    // SAFETY: a C string.
    assert_eq!(unsafe { libc::mkfifo(c_pipe.as_ptr(), 0o600) }, 0);
    assert_eq!(fate(&options(&pipe)), (SegmentReason::Refused, beside(&pipe)));

    let directory = place.path("directory");
    fs::create_dir(&directory).unwrap();
    assert_eq!(fate(&options(&directory)), (SegmentReason::Refused, beside(&directory)));

    let open = place.path("open");
    drop(attach(&open));
    fs::set_permissions(&open, fs::Permissions::from_mode(0o604)).unwrap();
    assert_eq!(fate(&options(&open)), (SegmentReason::Refused, beside(&open)));

    let missing = place.path("no/such/directory");
    assert_eq!(fate(&options(&missing)), (SegmentReason::Unwritable, None));
    assert_eq!(fate(&options("/proc/self/spanpin")), (SegmentReason::Unwritable, None));
}

/// Gives up root's rights, if this process has them.
fn become_nobody() {
    // SAFETY: changes this process' own rights.
    unsafe { libc::setgid(65_534) };
    // SAFETY: as above.
    unsafe { libc::setuid(65_534) };
}

#[test]
fn what_may_not_be_written_is_left_alone() {
    let place = Place::in_memory();
    let set = |path: &str, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    let (free, closed) = (place.path("free"), place.path("closed"));
    for directory in [&free, &closed] {
        fs::create_dir(directory).unwrap();
        set(directory, 0o777);
    }
    set(place.dir().to_str().unwrap(), 0o755);
    let child = fork_off(|| {
        become_nobody();
        for directory in [&free, &closed] {
            drop(attach(&format!("{directory}/a")));
            set(&format!("{directory}/a"), 0o400);
        }
        true
    });
    assert_eq!(wait_for(child), 0);
    set(&closed, 0o555);
    let child = fork_off(|| {
        become_nobody();
        let beside = Some(format!("{free}/a.1"));
        fate(&options(&format!("{free}/a"))) == (SegmentReason::Unwritable, beside)
            && fate(&options(&format!("{closed}/a"))) == (SegmentReason::Unwritable, None)
    });
    assert_eq!(wait_for(child), 0);
    set(&closed, 0o755);
}

#[test]
fn a_file_of_another_user_is_left_alone() {
    let place = Place::on_disk();
    let path = place.path("theirs");
    drop(attach(&path));
    // Only root can give a file away; anybody else finds one of root's.
    if std::os::unix::fs::chown(&path, Some(12_345), None).is_ok() {
        assert_eq!(fate(&options(&path)), (SegmentReason::Refused, Some(format!("{path}.1"))));
    } else {
        assert_eq!(fate(&options("/etc/hostname")).1, None);
    }
}

#[test]
fn paths_and_modes_that_are_none_are_errors() {
    let code = |options: &RegistryOptions<'_>| {
        let error = Registry::with_options(options).err().unwrap();
        (error.code(), error.message().to_owned())
    };
    for path in ["", "a\0b"] {
        assert_eq!(code(&options(path)).0, ErrorCode::InvalidOption);
    }
    for mode in [0, 0o400, 0o700, 0o4600, 0o1777] {
        let (code, message) = code(&RegistryOptions { segment_mode: mode, ..options("/dev/shm/x") });
        assert_eq!(code, ErrorCode::InvalidOption);
        assert!(message.contains(&format!("{mode:04o}")), "{message}");
    }
}

fn patch(path: &str, at: u64, bytes: &[u8]) {
    fs::OpenOptions::new().write(true).open(path).unwrap().write_all_at(bytes, at).unwrap();
}

#[test]
fn another_layout_leads_to_a_file_beside_that_all_find() {
    let place = Place::in_memory();
    let path = place.path("a");
    drop(attach(&path));
    patch(&path, 8, &77_u32.to_ne_bytes());
    let (one, two) = (attach(&path), attach(&path));
    for registry in [&one, &two] {
        let notice = registry.take_segment_notice().unwrap();
        assert_eq!(notice.reason, SegmentReason::Layout);
        assert!(notice.cause.contains("layout version 77"), "{}", notice.cause);
        registry.counter("c", "").register().unwrap().with(&[]).unwrap().inc();
    }
    assert_eq!(value(&scrape(&one), "c_total"), 2.0, "both count in the file beside");

    // A third layout finds its own.
    let beside = format!("{path}.1");
    patch(&beside, 8, &78_u32.to_ne_bytes());
    let three = attach(&path);
    assert_eq!(three.segment_path(), Some(&*format!("{path}.2")));
    let strict = Registry::with_options(&RegistryOptions { strict: true, ..options(&path) }).err().unwrap();
    assert_eq!(strict.code(), ErrorCode::SegmentUnusable);
    assert!(strict.message().contains("version 77"), "{strict}");

    // And when all names are taken, the process' own memory.
    for n in 1..=8 {
        fs::write(format!("{path}.{n}"), "no segment").unwrap();
        fs::set_permissions(format!("{path}.{n}"), fs::Permissions::from_mode(0o600)).unwrap();
    }
    assert_eq!(attach(&path).segment_path(), None);
}

#[test]
fn degraded_reasons_are_metrics() {
    let place = Place::in_memory();
    let path = place.path("a");
    let seen = |path: &str| {
        let registry = Registry::with_options(&RegistryOptions { self_metrics: true, ..options(path) }).unwrap();
        let body = scrape(&registry);
        SegmentReason::ALL
            .map(|reason| value(&body, &format!("spanpin_segment_degraded{{reason=\"{}\"}}", reason.as_str())) as u32)
    };
    assert_eq!(seen(&path), [0; 10]);
    patch(&path, 8, &77_u32.to_ne_bytes());
    assert_eq!(seen(&path), [1, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    let heap = Registry::new().unwrap();
    assert!(!scrape(&heap).contains("spanpin_segment_degraded"), "nobody asked for a file");
}

#[test]
fn a_changed_shape_is_counted_beside_the_old_one_and_stops_nobody() {
    let place = Place::in_memory();
    let path = place.path("a");
    let old = attach(&path);
    let of_old = old.histogram("h", "").bounds(&[1.0, 2.0]).register().unwrap().with(&[]).unwrap();
    of_old.observe(1.5);

    for restart in 1..=2 {
        let new = attach(&path);
        let of_new = new.histogram("h", "").bounds(&[1.0, 4.0]).register().unwrap().with(&[]).unwrap();
        let notice = new.take_segment_notice().unwrap();
        assert_eq!(notice.reason, SegmentReason::Shape);
        assert!(notice.message.contains("\"h\""), "{}", notice.message);
        of_new.observe(3.0);
        let body = scrape(&new);
        assert_eq!(value(&body, "h_bucket{le=\"4.0\"}"), f64::from(restart), "{body}");
        assert!(!body.contains("le=\"2.0\""), "{body}");
    }
    of_old.observe(1.5);
    let body = scrape(&old);
    assert_eq!(value(&body, "h_bucket{le=\"2.0\"}"), 2.0, "{body}");
    assert!(!body.contains("le=\"4.0\""), "{body}");

    // Somebody who has registered neither is shown the newer one, and one of them only.
    let reader = attach(&path);
    let body = scrape(&reader);
    assert!(body.contains("le=\"4.0\"") && !body.contains("le=\"2.0\""), "{body}");
    // A sample name that another family would have counts as another shape too.
    reader.gauge("h_count", "").register().unwrap().with(&[]).unwrap().set(9.0);
    let body = scrape(&reader);
    assert_eq!(value(&body, "h_count"), 9.0, "{body}");

    // Back to the old shape: its counts go on.
    let back = attach(&path);
    back.histogram("h", "").bounds(&[1.0, 2.0]).register().unwrap();
    assert_eq!(value(&scrape(&back), "h_bucket{le=\"2.0\"}"), 2.0);

    let strict = Registry::with_options(&RegistryOptions { strict: true, ..options(&path) }).unwrap();
    let error = strict.histogram("h", "").bounds(&[8.0]).register().err().unwrap();
    assert_eq!(error.code(), ErrorCode::ShapeMismatch);
    // Within one process another shape stays an error.
    assert_eq!(back.histogram("h", "").bounds(&[8.0]).register().err().unwrap().code(), ErrorCode::ShapeMismatch);
}

#[test]
fn the_file_grows_in_steps_that_are_really_there() {
    let place = Place::in_memory();
    let path = place.path("a");
    let bytes = || {
        let status = fs::metadata(&path).unwrap();
        assert!(status.blocks() * 512 >= status.len(), "{} bytes in {} blocks", status.len(), status.blocks());
        assert!(status.len().is_multiple_of(256 * 1024), "{}", status.len());
        status.len()
    };
    let registry = attach(&path);
    let reader = attach(&path);
    let family = registry.histogram("h", "").labels(&["l"]).max_series(20_000).register().unwrap();
    let at_first = bytes();
    assert!(at_first <= 512 * 1024, "{at_first}");
    for i in 0..5000 {
        family.with(&[&format!("{i}")]).unwrap().observe_trace(0.1, span(i + 1));
    }
    assert!(bytes() > 2 << 20, "{}", bytes());
    // One that mapped the file when it was small reads what lies behind its old end.
    let body = scrape(&reader);
    assert_eq!(body.lines().filter(|line| line.starts_with("h_count")).count(), 5000);
    assert!(!body.contains("spanpin_overflow"));
}

/// A process that has not looked for long finds what others have created, also when there is no room for more.
#[test]
fn what_others_created_up_to_the_limit_is_found() {
    let place = Place::in_memory();
    for (name, most, reserve_bytes) in [("limit", 3, 1 << 20), ("full", 5000, 0)] {
        let path = place.path(name);
        let options = RegistryOptions { reserve_bytes, ..options(&path) };
        let (one, two) = (Registry::with_options(&options).unwrap(), Registry::with_options(&options).unwrap());
        let of_one = one.counter("c", "").labels(&["l"]).max_series(most).register().unwrap();
        let of_two = two.counter("c", "").labels(&["l"]).max_series(most).register().unwrap();
        let label = |n: u32| format!("{n}");
        let made = (0..).find(|n| of_one.with(&[&label(*n)]).unwrap().is_overflow()).unwrap();
        assert!(made >= 3);
        for n in (0..made).rev() {
            assert!(!of_two.with(&[&label(n)]).unwrap().is_overflow(), "{name}: {n} of {made}");
        }
        assert!(of_two.with(&[&label(made)]).unwrap().is_overflow());
    }
}

#[test]
fn a_segment_at_its_greatest_size_counts_in_the_overflow() {
    let place = Place::in_memory();
    let path = place.path("a");
    let registry = Registry::with_options(&RegistryOptions { reserve_bytes: 0, ..options(&path) }).unwrap();
    let family = registry.counter("c", "").labels(&["l"]).register().unwrap();
    (0..1900).for_each(|i| family.with(&[&format!("{i}")]).unwrap().inc());
    assert_eq!(fs::metadata(&path).unwrap().len(), 256 * 1024);
    let total: f64 = scrape(&registry)
        .lines()
        .filter(|l| l.starts_with("c_total"))
        .map(|l| value(l, l.split(' ').next().unwrap()))
        .sum();
    assert_eq!(total, 1900.0);
    assert!(value(&scrape(&registry), "c_total{l=\"spanpin_overflow\"}") > 0.0);
}

#[test]
fn a_limit_of_file_sizes_sends_no_signal() {
    let place = Place::in_memory();
    let (none, some) = (place.path("none"), place.path("some"));
    let child = fork_off(|| {
        limit_file_size(256 * 1024);
        let registry = attach(&some);
        let family = registry.counter("c", "").labels(&["l"]).register().unwrap();
        (0..1900).for_each(|i| family.with(&[&format!("{i}")]).unwrap().inc());
        assert_eq!(registry.take_segment_notice().unwrap().reason, SegmentReason::NoSpace);
        assert!(value(&scrape(&registry), "c_total{l=\"spanpin_overflow\"}") > 0.0);
        limit_file_size(1000);
        fate(&options(&none)) == (SegmentReason::NoSpace, None)
    });
    assert_eq!(wait_for(child), 0);
}

/// Mounts a file system of `kib` KiB at a directory, in a mount namespace of this process' own.
fn mount_small(dir: &str, kib: u32) -> bool {
    // SAFETY: the call has no preconditions.
    let user = unsafe { libc::geteuid() };
    // SAFETY: as above.
    let group = unsafe { libc::getegid() };
    let own = || {
        // SAFETY: changes this process' own namespaces only.
        unsafe { libc::unshare(libc::CLONE_NEWNS) == 0 }
    };
    let own_as_user = || {
        // SAFETY: as above.
        let made = unsafe { libc::unshare(libc::CLONE_NEWUSER | libc::CLONE_NEWNS) == 0 };
        made && fs::write("/proc/self/setgroups", "deny").is_ok()
            && fs::write("/proc/self/uid_map", format!("0 {user} 1")).is_ok()
            && fs::write("/proc/self/gid_map", format!("0 {group} 1")).is_ok()
    };
    let c = |text: &str| std::ffi::CString::new(text).unwrap();
    let (tmpfs, root, dir, data) = (c("tmpfs"), c("/"), c(dir), c(&format!("size={kib}k")));
    (own() || own_as_user()) && {
        let flags = libc::MS_REC | libc::MS_PRIVATE;
        // SAFETY: C strings; null where mount(2) ignores the argument.
        let private =
            unsafe { libc::mount(std::ptr::null(), root.as_ptr(), std::ptr::null(), flags, std::ptr::null()) };
        // SAFETY: C strings.
        let made = unsafe { libc::mount(tmpfs.as_ptr(), dir.as_ptr(), tmpfs.as_ptr(), 0, data.as_ptr().cast()) };
        private == 0 && made == 0
    }
}

#[test]
fn a_full_file_system_is_told_and_sends_no_signal() {
    let place = Place::in_memory();
    let dir = place.path("small");
    fs::create_dir(&dir).unwrap();
    let child = fork_off(|| {
        if !mount_small(&dir, 768) {
            eprintln!("no right to mount a file system: a full one was not tried");
            return true;
        }
        let path = format!("{dir}/a");
        let filler = format!("{dir}/filler");
        fs::write(&filler, vec![1; 300 << 10]).unwrap();
        let registry = Registry::with_options(&RegistryOptions { self_metrics: true, ..options(&path) }).unwrap();
        let family = registry.counter("c", "").labels(&["l"]).register().unwrap();
        (0..1900).for_each(|i| family.with(&[&format!("{i}")]).unwrap().inc());
        let body = scrape(&registry);
        assert!(value(&body, "c_total{l=\"spanpin_overflow\"}") > 0.0);
        assert_eq!(value(&body, "spanpin_segment_degraded{reason=\"no_space\"}"), 1.0);
        let notice = registry.take_segment_notice().unwrap();
        assert_eq!(notice.reason, SegmentReason::NoSpace);
        // One more file finds no room at all.
        fs::write(format!("{dir}/rest"), vec![1; 256 << 10]).err();
        assert_eq!(fate(&options(&format!("{dir}/b"))), (SegmentReason::NoSpace, None));
        // Room again: after a second the next scrape lets the file grow.
        fs::remove_file(&filler).unwrap();
        std::thread::sleep(std::time::Duration::from_millis(1100));
        let body = scrape(&registry);
        assert_eq!(value(&body, "spanpin_segment_degraded{reason=\"no_space\"}"), 0.0);
        family.with(&["one more"]).unwrap().inc();
        assert_eq!(value(&scrape(&registry), "c_total{l=\"one more\"}"), 1.0);
        true
    });
    assert_eq!(wait_for(child), 0);
}

#[test]
fn a_daemon_that_closed_its_descriptors_grows_its_own_file_only() {
    let place = Place::in_memory();
    let (path, other) = (place.path("a"), place.path("other"));
    fs::write(&other, "x").unwrap();
    let registry = attach(&path);
    let family = registry.counter("c", "").labels(&["l"]).max_series(10_000).register().unwrap();
    let child = fork_off(|| {
        for fd in 3..64 {
            // SAFETY: closes what this child has; the numbers are then used again by another file.
            unsafe { libc::close(fd) };
        }
        let files: Vec<_> = (3..64).map(|_| fs::OpenOptions::new().write(true).open(&other).unwrap()).collect();
        (0..8000).for_each(|i| family.with(&[&format!("{i}")]).unwrap().inc());
        drop(registry.clone());
        files.iter().all(|file| file.metadata().is_ok_and(|status| status.len() == 1))
    });
    assert_eq!(wait_for(child), 0);
    assert!(fs::metadata(&path).unwrap().len() > 512 * 1024);
    let body = scrape(&registry);
    assert_eq!(body.lines().filter(|line| line.starts_with("c_total")).count(), 8000);
}

#[test]
fn after_a_boot_counts_go_on_and_exemplars_begin_anew() {
    let place = Place::on_disk();
    let path = place.path("a");
    {
        let registry = attach(&path);
        let latency = registry.histogram("h", "").register().unwrap().with(&[]).unwrap();
        for n in 1..=4 {
            latency.observe_trace(0.3, span(n));
            scrape(&registry);
        }
        latency.observe_trace(0.3, span(5));
    }
    // What a machine that was up for long leaves to one that has just begun: another id, later times, a held lock.
    patch(&path, 32, &[7; 16]);
    for at in [136, 256] {
        patch(&path, at, &(u64::MAX / 4).to_ne_bytes());
    }
    let registry = attach(&path);
    assert!(registry.take_segment_notice().is_none());
    let latency = registry.histogram("h", "").register().unwrap().with(&[]).unwrap();
    let body = scrape(&registry);
    assert_eq!(value(&body, "h_bucket{le=\"0.5\"}"), 5.0);
    assert!(!body.contains(" # {"), "an exemplar of the last boot: {body}");
    latency.observe_trace(0.3, span(9));
    std::thread::sleep(std::time::Duration::from_millis(30));
    let body = scrape(&registry);
    assert!(body.contains("00000000000000090000000000000009"), "{body}");
    // Another process of this boot leaves it all alone.
    assert!(scrape(&attach(&path)).contains("00000000000000090000000000000009"));
}

#[test]
fn text_without_exemplars_and_snapshots_work_on_files_too() {
    let place = Place::in_memory();
    let registry = attach(&place.path("a"));
    registry.counter("c", "").register().unwrap().with(&[]).unwrap().add(2.5);
    let page = registry.scrape(&ScrapeRequest::default()).unwrap();
    assert!(std::str::from_utf8(page.body()).unwrap().contains("c_total 2.5"));
    assert_eq!(registry.snapshot().unwrap().families.len(), 1);
}
