//! How a registry comes to its segment: the process' own memory, the file it was told to use, or what serves instead.

use crate::clock::Clock;
use crate::core::{Core, Itself, Settings, WINDOW_LEAST_MS};
use crate::encode::text::ExemplarStart;
use crate::error::{Error, ErrorCode};
use crate::exemplar::priority::epoch_of;
use crate::exemplar::scrapers::lift_floor;
use crate::exemplar::shape::{HEADER_WORDS, SLOT_WORDS, ring_words};
use crate::hooks::TraceUrl;
use crate::memory::{Shared, boxed};
use crate::registry::RegistryOptions;
use crate::segment::layout::{Gate, Header};
use crate::segment::problem::{Fault, Instead, SegmentReason};
use crate::segment::{Birth, FileOptions, Offset, Segment, boot_id, boxed_str};
use crate::sync::atomic::Ordering;

/// Files beside the one asked for that are tried: `path.1` to `path.8`. All processes try them in this order, so those
/// that cannot use the first one meet in the same other one.
const BESIDE_MOST: u64 = 8;
/// A window that was opened later than this from now belongs to another boot whose id is hidden.
const AHEAD_MOST_MS: u64 = 60_000;
/// Numbers of windows have 32 bits; a segment whose number is beyond this one is damaged.
const EPOCH_MOST: u64 = 0xFFF0_0000;

/// The core of a registry with these options.
pub(crate) fn open(options: &RegistryOptions<'_>) -> Result<Shared<Core>, Error> {
    let clock = Clock::new();
    // The first scrape closes the first window however early it comes: there was none before it to share one with.
    let opened_ms = clock.mono_ms().saturating_sub(WINDOW_LEAST_MS);
    let birth = Birth { wall_ms: clock.wall_ms(), opened_ms };
    let on_heap = || build(options, Segment::on_heap(options.reserve_bytes, birth)?);
    let Some(path) = options.segment else { return on_heap() };
    check_path_and_mode(options, path)?;
    let mut first: Option<Fault> = None;
    for number in 0..=BESIDE_MOST {
        let mut other = crate::buffer::Buffer::new();
        other.put_str(path);
        if number != 0 {
            other.put_str(".");
            other.put_u64(number);
        }
        other.finish()?;
        let candidate = core::str::from_utf8(other.as_slice()).unwrap_or_default();
        match in_file(options, candidate, birth) {
            Ok(core) => {
                note(&core, first.as_ref(), path, Instead::File(candidate));
                return Ok(core);
            }
            Err(Refusal::Error(error)) => return Err(error),
            Err(Refusal::Fault(fault)) if options.strict => return Err(fault.into_error(path)),
            Err(Refusal::Fault(fault)) => {
                let go_on = fault.reason.another_file_may_do();
                first.get_or_insert(fault);
                if !go_on {
                    break;
                }
            }
        }
    }
    let core = on_heap()?;
    note(&core, first.as_ref(), path, Instead::Heap);
    Ok(core)
}

fn note(core: &Core, fault: Option<&Fault>, path: &str, instead: Instead<'_>) {
    if let Some(fault) = fault {
        let _held = core.hold();
        core.notices.add(fault, path, instead);
    }
}

fn check_path_and_mode(options: &RegistryOptions<'_>, path: &str) -> Result<(), Error> {
    if path.is_empty() || path.contains('\0') {
        let text = " is no path: give that of a file, such as /dev/shm/my-service.spanpin";
        return Err(Error::quoting(ErrorCode::InvalidOption, "segment ", path, text));
    }
    check_mode(options.segment_mode)
}

/// Fails for permission bits that no segment may have.
pub(crate) fn check_mode(mode: u32) -> Result<(), Error> {
    if mode & 0o600 != 0o600 || mode & !0o666 != 0 {
        let mut message = crate::buffer::Buffer::new();
        message.put_str("segment mode ");
        for shift in [9, 6, 3, 0] {
            message.put_u64(u64::from(mode >> shift & 7));
        }
        message
            .put_str(" is not allowed: it must let the owner read and write, and nobody execute; give 0600, or 0640");
        return Err(Error::new(ErrorCode::InvalidOption, message));
    }
    Ok(())
}

/// Why a file did not serve.
enum Refusal {
    /// It is the file's fault.
    Fault(Fault),
    /// It would have been no better with another one.
    Error(Error),
}

fn in_file(options: &RegistryOptions<'_>, path: &str, birth: Birth) -> Result<Shared<Core>, Refusal> {
    let file = FileOptions { path, mode: options.segment_mode, bytes: options.reserve_bytes, birth };
    let segment = Segment::in_file(&file).map_err(Refusal::Fault)?;
    let core = build(options, segment).map_err(Refusal::Error)?;
    let damaged = |error: Error| match error.code() {
        ErrorCode::OutOfMemory => Refusal::Error(error),
        _ => Refusal::Fault(Fault::new(SegmentReason::Damaged, error.message())),
    };
    core.take_up_strictly().map_err(damaged)?;
    check_windows(&core).map_err(damaged)?;
    let header = &*core.header;
    let boot = boot_id();
    let now_ms = core.clock.mono_ms();
    let opened_ms = header.window.opened_ms.load(Ordering::Relaxed);
    let [high, low] = &header.boot_id;
    let stored = [high.load(Ordering::Relaxed), low.load(Ordering::Relaxed)];
    // Where the id is hidden, as in some containers, it tells nothing.
    let is_other = stored != boot && stored != [0, 0] && boot != [0, 0];
    if is_other || opened_ms > now_ms.saturating_add(AHEAD_MOST_MS) {
        begin_boot(&core, now_ms);
    }
    if stored != boot && boot != [0, 0] {
        // Last: whoever died in the middle left the old id, and the next one begins again.
        for (word, id) in header.boot_id.iter().zip(boot) {
            word.store(id, Ordering::Relaxed);
            #[cfg(spanpin_stops)]
            crate::stops::at("other-boot: in its id");
        }
    }
    core.be_worker();
    Ok(core)
}

pub(crate) fn build(options: &RegistryOptions<'_>, segment: Segment) -> Result<Shared<Core>, Error> {
    let settings = Settings {
        exemplar_bytes: options.exemplar_bytes as u64,
        self_metrics: options.self_metrics,
        scraper_identity: options.scraper_identity,
        rules: options.rules,
        keep_names: options.keep_names,
        trace_url: TraceUrl::given(options.trace_url)?,
        mark_spans: options.mark_spans,
        strict: options.strict,
        asked_for_file: options.segment.is_some(),
        trace_id_label: boxed_str(options.trace_id_label)?,
        span_id_label: boxed_str(options.span_id_label)?,
        exemplar_start: ExemplarStart::new(options.trace_id_label, options.span_id_label)?,
    };
    let core = Shared::new(Core::new(segment, Clock::new(), settings)?)?;
    core.itself.set(boxed(Itself(core.pin()))?);
    Ok(core)
}

/// Every gate of every series, with the number of slots that its ring has.
pub(crate) fn for_each_gate(core: &Core, mut what: impl FnMut(usize, &Gate)) {
    for family in core.families.iter() {
        for series in family.series.iter() {
            series.gates().iter().for_each(|gate| what(family.slots(), gate));
        }
    }
}

/// Fails if a bucket has seen a window that is still to come: it would take no exemplar for a long time.
pub(crate) fn check_windows(core: &Core) -> Result<(), Error> {
    let mut greatest = 0;
    for_each_gate(core, |_, gate| greatest = greatest.max(epoch_of(gate.head.load(Ordering::Relaxed))));
    // After the heads: others may close windows meanwhile.
    let epoch = core.header.window.epoch.load(Ordering::Relaxed);
    if epoch == 0 || epoch > EPOCH_MOST || greatest > epoch {
        return Err(Error::fixed(ErrorCode::SegmentFull, "the number of its open window does not fit its exemplars"));
    }
    Ok(())
}

/// Makes a segment of an earlier boot fit for this one. Counts go on. The monotonic clock began anew, so nothing that
/// carries its time means anything any more: exemplars, the beats of scrapers, a lock. Several processes may do this at
/// once; at worst they lose an exemplar.
fn begin_boot(core: &Core, now_ms: u64) {
    let header: &Header = &core.header;
    for entry in &header.scrapers {
        // Whoever comes now is new, and is shown nothing that was shown before.
        lift_floor(header, entry);
        for word in [&entry.id, &entry.class, &entry.last_ms, &entry.gap, &entry.trust, &entry.lo, &entry.join_lo] {
            word.store(0, Ordering::Relaxed);
        }
    }
    #[cfg(spanpin_stops)]
    crate::stops::at("other-boot: scrapers forgotten");
    header.scraper_lock.store(0, Ordering::Relaxed);
    header.window.opened_ms.store(now_ms, Ordering::Relaxed);
    let open = header.window.epoch.fetch_add(1, Ordering::Relaxed).saturating_add(1);
    for_each_gate(core, |slots, gate| {
        #[cfg(spanpin_stops)]
        crate::stops::at("ring-publish: of another boot");
        // SYNC(ring-publish): Acquire, as every reader of a ring.
        let ring = Offset::from_lines(gate.ring.load(Ordering::Acquire));
        let Some(words) = core.segment.words(ring, ring_words(slots)) else { return };
        let (slots, _) = words.get(HEADER_WORDS..).unwrap_or_default().as_chunks::<SLOT_WORDS>();
        for [admission, ..] in slots {
            let seen = admission.load(Ordering::Relaxed);
            if seen != 0 && epoch_of(seen) < open {
                let _ = admission.compare_exchange(seen, 0, Ordering::Relaxed, Ordering::Relaxed);
            }
        }
    });
}
