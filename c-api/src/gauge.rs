//! Gauges.

use spanpin::Kind;

use crate::boundary::{
    Array, Out, done, handle, place, spanpin_error, spanpin_family, spanpin_gauge, spanpin_series_view, spanpin_str,
};
use crate::family::series;
use crate::status::{SPANPIN_STATUS_NULL_POINTER, SPANPIN_STATUS_OK, spanpin_status};

/// The gauge of these label values, made on the first call: the same values give the same pointer. Values stand
/// in the order of the family's label names; an empty one leaves its label out of the page, invalid UTF-8 is replaced
/// by U+FFFD. When the family has max_series of them, or memory is short, all further ones share the overflow
/// series. Keep the pointer where you can. Threads: any; a known one is found without a lock. Allocates: for new ones.
/// Ownership: `*out` lives as long as the registry. Returns: SPANPIN_STATUS_OK, NULL_POINTER, LABEL_COUNT, WRONG_KIND,
/// OUT_OF_MEMORY. Since: 0.1.
#[unsafe(no_mangle)]
pub extern "C" fn spanpin_gauge_with(
    family: Option<&spanpin_family>,
    values: Array<spanpin_str>,
    values_len: usize,
    out: Out<'_, *mut spanpin_gauge>,
    error: Out<'_, spanpin_error>,
) -> spanpin_status {
    let find = || {
        let out = place(out, "out")?;
        out.write(spanpin_gauge::pointer(series(family, Kind::Gauge, &values, values_len)?));
        Ok(())
    };
    done(find(), error)
}

/// Sets the gauge. Every value is allowed, NaN and infinities too. Threads: any, without a lock. Allocates: never.
/// Returns: SPANPIN_STATUS_OK, NULL_POINTER (`gauge`). Since: 0.1.
#[unsafe(no_mangle)]
pub extern "C" fn spanpin_gauge_set(gauge: Option<&spanpin_gauge>, value: f64) -> spanpin_status {
    match gauge {
        Some(gauge) => {
            gauge.core.set(value);
            SPANPIN_STATUS_OK
        }
        None => SPANPIN_STATUS_NULL_POINTER,
    }
}

/// Adds to the gauge; a negative amount lowers it. Every amount is allowed; a gauge that was set to NaN stays NaN until
/// it is set again. Threads: any, without a lock. Allocates: never. Returns: SPANPIN_STATUS_OK, NULL_POINTER
/// (`gauge`). Since: 0.1.
#[unsafe(no_mangle)]
pub extern "C" fn spanpin_gauge_add(gauge: Option<&spanpin_gauge>, amount: f64) -> spanpin_status {
    match gauge {
        Some(gauge) => {
            gauge.core.shift(amount);
            SPANPIN_STATUS_OK
        }
        None => SPANPIN_STATUS_NULL_POINTER,
    }
}

/// Where the gauge's words lie, for languages that count without a call. Threads: any. Allocates: never.
/// Returns: SPANPIN_STATUS_OK, NULL_POINTER. Since: 0.1.
#[unsafe(no_mangle)]
pub extern "C" fn spanpin_gauge_view(
    gauge: Option<&spanpin_gauge>,
    out: Out<'_, spanpin_series_view>,
) -> spanpin_status {
    let view = || {
        let out = place(out, "out")?;
        out.write(spanpin_series_view::of(&handle(gauge, "gauge")?.core));
        Ok(())
    };
    done(view(), None)
}
