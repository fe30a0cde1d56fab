//! What the registry says of itself, as the families `spanpin_*`.

use super::number::put_float;
use super::text::{Head, put_head, put_sample_name};
use crate::buffer::Buffer;
use crate::core::Core;
use crate::family::Kind;
use crate::negotiate::Format;
use crate::segment::problem::SegmentReason;
use crate::sync::atomic::Ordering;
use crate::tally::{DropReason, Tally};

/// Names of this start are reserved.
pub(crate) const RESERVED: &str = "spanpin_";

/// Writes the self-metrics.
pub(crate) fn put_self_metrics(out: &mut Buffer, format: Format, core: &Core) {
    let header = &*core.header;
    let count = |out: &mut Buffer, name, help, value| {
        put_head(out, format, &Head { name, kind: Kind::Counter, unit: "", help });
        put_sample_name(out, name, "_total", &[]);
        out.put_u64(value);
        out.put_str("\n");
    };
    let offered = header.tally(Tally::Offered);
    count(out, "spanpin_exemplars_offered", "Offers that were looked at: their window had none as good.", offered);
    count(out, "spanpin_exemplars_admitted", "Exemplars written.", header.tally(Tally::Admitted));
    let name = "spanpin_exemplars_dropped";
    let help = "Offers that did not become exemplars, and labels left out of one, by reason.";
    put_head(out, format, &Head { name, kind: Kind::Counter, unit: "", help });
    for reason in DropReason::ALL {
        put_labelled(out, name, "_total", "reason", reason.as_str());
        out.put_u64(header.dropped(reason));
        out.put_str("\n");
    }
    let taken_over = header.tally(Tally::TakenOver);
    count(out, "spanpin_exemplars_taken_over", "Exemplars whose writer was stopped for long.", taken_over);
    count(out, "spanpin_nan_observations", "Observations of NaN, which are not counted.", header.tally(Tally::Nan));
    let invalid = header.tally(Tally::InvalidIncrement);
    count(out, "spanpin_invalid_increments", "Counter increments that were negative, NaN or infinite.", invalid);
    let help = "Slow requests told of, once per window and series.";
    count(out, "spanpin_slow_requests", help, header.tally(Tally::SlowRequests));
    let help = "Failed calls of functions given to a family: filter, labels, marking, slow requests.";
    count(out, "spanpin_callback_errors", help, header.tally(Tally::CallbackErrors));
    let help = "Observations counted by an overflow series, for want of a series of their own.";
    count(out, "spanpin_overflow_observations", help, header.tally(Tally::Overflow));

    let gauge = |out: &mut Buffer, name, unit, help, value: f64| {
        put_head(out, format, &Head { name, kind: Kind::Gauge, unit, help });
        put_sample_name(out, name, "", &[]);
        put_float(out, value);
        out.put_str("\n");
    };
    let (name, help) = ("spanpin_segment_bytes", "Memory of the segment that holds the metrics.");
    put_head(out, format, &Head { name, kind: Kind::Gauge, unit: "bytes", help });
    for (state, word) in
        [("used", &header.tail), ("allocated", &header.allocated), ("reserved", &header.reserved_bytes)]
    {
        put_labelled(out, name, "", "state", state);
        put_float(out, word.load(Ordering::Relaxed) as f64);
        out.put_str("\n");
    }
    let bytes = header.exemplar_bytes.load(Ordering::Relaxed) as f64;
    gauge(out, "spanpin_exemplar_bytes", "bytes", "Memory of the segment that holds exemplars.", bytes);
    gauge(out, "spanpin_series", "", "Series, overflow series left out.", core.label_sets() as f64);
    let ahead = header.greatest_stamp_ms.load(Ordering::Relaxed).saturating_sub(core.clock.wall_ms());
    let help = "How far the newest exemplar's timestamp is ahead of the wall clock, after that was set back.";
    gauge(out, "spanpin_stamp_ahead_seconds", "seconds", help, ahead as f64 / 1000.0);
    put_degraded(out, format, core);
    count(out, "spanpin_scrapes", "Expositions encoded.", header.tally(Tally::Encodes));
    let (name, help) = ("spanpin_encode_seconds", "Time spent on encoding expositions.");
    put_head(out, format, &Head { name, kind: Kind::Counter, unit: "seconds", help });
    put_sample_name(out, name, "_total", &[]);
    put_float(out, header.tally(Tally::EncodeNs) as f64 / 1e9);
    out.put_str("\n");
}

/// Whether the segment in a file is what was asked for; nothing for a registry that was to have none.
fn put_degraded(out: &mut Buffer, format: Format, core: &Core) {
    if !core.tells_degraded() {
        return;
    }
    let name = "spanpin_segment_degraded";
    let help = "1 while this process does not count in the segment file it was told to use, or not as told, by reason.";
    put_head(out, format, &Head { name, kind: Kind::Gauge, unit: "", help });
    for reason in SegmentReason::ALL {
        put_labelled(out, name, "", "reason", reason.as_str());
        put_float(out, if core.notices.is_degraded(reason) { 1.0 } else { 0.0 });
        out.put_str("\n");
    }
}

fn put_labelled(out: &mut Buffer, name: &str, suffix: &str, label: &str, value: &str) {
    out.put_str(name);
    out.put_str(suffix);
    out.put_str("{");
    out.put_str(label);
    out.put_str("=\"");
    out.put_str(value);
    out.put_str("\"} ");
}
