//! Families: a name, its label names, and how its observations are counted.

use spanpin::buffer::filled;
use spanpin::raw::{FamilyOptions, Series};
use spanpin::{Error, ErrorCode, Filter, Kind, Policy};

use crate::boundary::{Array, Out, done, handle, place, spanpin_error, spanpin_family, spanpin_registry, spanpin_str};
use crate::options::{bad_number, spanpin_family_options};
use crate::status::spanpin_status;
use crate::text::Repaired;

/// A total that only rises.
pub const SPANPIN_KIND_COUNTER: u32 = 1;
/// A value that rises and falls.
pub const SPANPIN_KIND_GAUGE: u32 = 2;
/// Observations in buckets, with their sum.
pub const SPANPIN_KIND_HISTOGRAM: u32 = 3;

/// Spans that are sampled may become exemplars. The default.
pub const SPANPIN_FILTER_TRACE_BASED: u32 = 1;
/// Every span with valid ids may become an exemplar.
pub const SPANPIN_FILTER_ALWAYS_ON: u32 = 2;
/// Nothing becomes an exemplar, explicit ones neither.
pub const SPANPIN_FILTER_ALWAYS_OFF: u32 = 3;

/// The greatest value of a window wins. The default of histograms.
pub const SPANPIN_POLICY_SLOWEST: u32 = 1;
/// Every offer of a window wins with equal chance. The default of counters.
pub const SPANPIN_POLICY_UNIFORM: u32 = 2;
/// The first offer of a window wins.
pub const SPANPIN_POLICY_FIRST: u32 = 3;

const _: () = assert!(Kind::Counter as u32 == SPANPIN_KIND_COUNTER);
const _: () = assert!(Kind::Gauge as u32 == SPANPIN_KIND_GAUGE);
const _: () = assert!(Kind::Histogram as u32 == SPANPIN_KIND_HISTOGRAM);
const _: () = assert!(Filter::TraceBased as u32 == SPANPIN_FILTER_TRACE_BASED);
const _: () = assert!(Filter::AlwaysOn as u32 == SPANPIN_FILTER_ALWAYS_ON);
const _: () = assert!(Filter::AlwaysOff as u32 == SPANPIN_FILTER_ALWAYS_OFF);
const _: () = assert!(Policy::Slowest as u32 == SPANPIN_POLICY_SLOWEST);
const _: () = assert!(Policy::Uniform as u32 == SPANPIN_POLICY_UNIFORM);
const _: () = assert!(Policy::First as u32 == SPANPIN_POLICY_FIRST);

/// Registers a family: makes its name known and gives it a place on every page, in the order of registration. A family
/// without labels has its one series from now on. Threads: any. Allocates: yes. Ownership: `*out` lives as long as the
/// registry; `options` is read during the call.
/// Returns: SPANPIN_STATUS_OK, NULL_POINTER, INVALID_UTF8, INVALID_NAME, DUPLICATE_NAME, NAME_CLASH, INVALID_LABEL_NAME,
/// RESERVED_LABEL, DUPLICATE_LABEL, INVALID_BOUNDS, INVALID_UNIT, INVALID_OPTION, SEGMENT_FULL, OUT_OF_MEMORY.
/// Since: 0.1.
#[unsafe(no_mangle)]
pub extern "C" fn spanpin_family_register(
    registry: Option<&spanpin_registry>,
    options: Option<&spanpin_family_options>,
    out: Out<'_, *mut spanpin_family>,
    error: Out<'_, spanpin_error>,
) -> spanpin_status {
    let register = || {
        let registry = &handle(registry, "registry")?.registry;
        let options = handle(options, "options")?;
        let out = place(out, "out")?;
        let given = options.label_names()?;
        let mut label_names = filled("", given.len())?;
        for (to, from) in label_names.iter_mut().zip(given) {
            *to = from.text("a label name")?;
        }
        let kind = Kind::from_u32(options.kind);
        let kind = kind.ok_or_else(|| bad_number("kind", options.kind, "1 (counter), 2 (gauge) or 3 (histogram)"))?;
        let family_options = FamilyOptions {
            kind,
            name: options.name.text("name")?,
            help: options.help.text("help")?,
            unit: options.unit.text("unit")?,
            label_names: &label_names,
            bounds: options.bounds()?,
            rules: options.rules.core()?,
            max_series: Some(options.max_series).filter(|most| *most != 0),
        };
        let family = registry.register_raw(&family_options, options.hooks.core()?)?;
        out.write(spanpin_family::pointer(family));
        Ok(())
    };
    done(register(), error)
}

/// Sets the p99 of adaptive sampling in place of that of the buckets, which comes back with NaN or an infinity. A family
/// that does not sample adaptively is left as it is. Threads: any. Allocates: never.
/// Returns: SPANPIN_STATUS_OK, NULL_POINTER. Since: 0.1.
#[unsafe(no_mangle)]
pub extern "C" fn spanpin_family_set_p99(family: Option<&spanpin_family>, p99: f64) -> spanpin_status {
    let set = || {
        handle(family, "family")?.core.set_p99(p99);
        Ok(())
    };
    done(set(), None)
}

/// The series of a family with these label values.
pub(crate) fn series<'a>(
    family: Option<&'a spanpin_family>,
    kind: Kind,
    values: &Array<spanpin_str>,
    values_len: usize,
) -> Result<Series<'a>, Error> {
    let family = &handle(family, "family")?.core;
    if family.kind() != kind {
        let is = " family is not one of this kind: use the spanpin_..._with function of its own kind";
        return Err(Error::quoting(ErrorCode::WrongKind, "the ", family.kind().as_str(), is));
    }
    family.child_raw(Values::read(values, values_len)?.texts())
}

/// Label values as texts.
struct Values<'a> {
    given: &'a [spanpin_str],
    repaired: Repaired,
}

impl<'a> Values<'a> {
    /// Looks at every value once, so that walking them cannot fail.
    fn read(values: &'a Array<spanpin_str>, len: usize) -> Result<Self, Error> {
        let given = values.elements(len, "values")?;
        for value in given {
            value.bytes("a label value")?;
        }
        let repaired = Repaired::of(given.iter().map(|value| value.bytes("").unwrap_or_default()))?;
        Ok(Self { given, repaired })
    }

    /// What is no UTF-8 in them is replaced.
    fn texts(&self) -> impl Iterator<Item = &str> + Clone {
        let mut walk = self.repaired.walk();
        self.given.iter().map(move |value| walk.next(value.bytes("").unwrap_or_default()))
    }
}

/// Removes the series of these label values from the page, with all that it has counted and its exemplars. `*removed` is 1 if
/// there was one, else 0; the overflow series stays, and so does that of a family without labels. Pointers to it stay valid as
/// long as the registry: what is recorded through them from here on goes to the overflow series, without exemplars. The same
/// values begin anew, with another pointer. The memory of a removed series is used again for others of its family, ten
/// seconds later, or sooner when there is no other space; a pointer takes no memory. Threads: any. Allocates: seldom.
/// Ownership: `values` are read during the call; `removed` may be NULL. Returns: SPANPIN_STATUS_OK, NULL_POINTER,
/// LABEL_COUNT, OUT_OF_MEMORY. Since: 0.1.
#[unsafe(no_mangle)]
pub extern "C" fn spanpin_family_remove(
    family: Option<&spanpin_family>,
    values: Array<spanpin_str>,
    values_len: usize,
    removed: Out<'_, i32>,
    error: Out<'_, spanpin_error>,
) -> spanpin_status {
    let remove = || {
        let family = &handle(family, "family")?.core;
        let gone = family.remove(Values::read(&values, values_len)?.texts())?;
        if let Some(removed) = removed {
            removed.write(gone.into());
        }
        Ok(())
    };
    done(remove(), error)
}

/// Removes all series of a family, as spanpin_family_remove does. Threads: any. Allocates: seldom.
/// Returns: SPANPIN_STATUS_OK, NULL_POINTER, OUT_OF_MEMORY. Since: 0.1.
#[unsafe(no_mangle)]
pub extern "C" fn spanpin_family_clear(
    family: Option<&spanpin_family>,
    error: Out<'_, spanpin_error>,
) -> spanpin_status {
    let clear = || handle(family, "family")?.core.clear();
    done(clear(), error)
}
