//! Gauges.

use spanpin::Kind;

use crate::boundary::{
    Array, Handle, Out, done, place, pointer, spanpin_error, spanpin_family, spanpin_gauge, spanpin_series_view,
    spanpin_str, spanpin_worker_cell,
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
        out.write(pointer(series(family, Kind::Gauge, &values, values_len)?)?);
        Ok(())
    };
    done(find(), error)
}

/// Sets the gauge. Every value is allowed, NaN and infinities too. Threads: any, without a lock. Allocates: never.
/// Returns: SPANPIN_STATUS_OK, NULL_POINTER (`gauge`). Since: 0.1.
#[unsafe(no_mangle)]
pub extern "C" fn spanpin_gauge_set(gauge: Handle<spanpin_gauge>, value: f64) -> spanpin_status {
    match gauge.series() {
        Some(gauge) => {
            gauge.set(value);
            SPANPIN_STATUS_OK
        }
        None => SPANPIN_STATUS_NULL_POINTER,
    }
}

/// Adds to the gauge; a negative amount lowers it. Every amount is allowed; a gauge that was set to NaN stays NaN until
/// it is set again. Threads: any, without a lock. Allocates: never. Returns: SPANPIN_STATUS_OK, NULL_POINTER
/// (`gauge`). Since: 0.1.
#[unsafe(no_mangle)]
pub extern "C" fn spanpin_gauge_add(gauge: Handle<spanpin_gauge>, amount: f64) -> spanpin_status {
    match gauge.series() {
        Some(gauge) => {
            gauge.shift(amount);
            SPANPIN_STATUS_OK
        }
        None => SPANPIN_STATUS_NULL_POINTER,
    }
}

/// The gauge's value. In a segment in a file, while nothing but adding has been done: the sum of what the living processes
/// added, which asks the system about each of them. Threads: any, without a lock. Allocates: never. Returns:
/// SPANPIN_STATUS_OK, NULL_POINTER. Since: 0.1.
#[unsafe(no_mangle)]
pub extern "C" fn spanpin_gauge_value(gauge: Handle<spanpin_gauge>, out: Out<'_, f64>) -> spanpin_status {
    let value = || {
        let out = place(out, "out")?;
        out.write(gauge.get("gauge")?.value());
        Ok(())
    };
    done(value(), None)
}

/// Where this process adds to the gauge, for languages that count without a call. Such a caller sets a gauge by a store to
/// the value word, then, unless the mode word holds SPANPIN_LAYOUT_GAUGE_MODE_SHARED, one of that number to the mode word. It
/// adds to the value word while the mode word holds that number; else to the second word of this cell while its first
/// word holds `generation`; else by spanpin_gauge_add, whereupon it may ask again. Threads: any. Allocates: in the segment
/// only. Returns: 1 if `*out` was written; 0 if there is no such cell, or for NULL. Since: 0.1.
#[unsafe(no_mangle)]
pub extern "C" fn spanpin_gauge_cell(gauge: Handle<spanpin_gauge>, out: Out<'_, spanpin_worker_cell>) -> i32 {
    let (Some(gauge), Some(out)) = (gauge.series(), out) else { return 0 };
    let found = spanpin_worker_cell::of(&gauge);
    found.map(|cell| out.write(cell)).is_some().into()
}

/// Where the gauge's words lie, for languages that count without a call. Threads: any. Allocates: never.
/// Returns: SPANPIN_STATUS_OK, NULL_POINTER. Since: 0.1.
#[unsafe(no_mangle)]
pub extern "C" fn spanpin_gauge_view(
    gauge: Handle<spanpin_gauge>,
    out: Out<'_, spanpin_series_view>,
) -> spanpin_status {
    let view = || {
        let out = place(out, "out")?;
        out.write(spanpin_series_view::of(&gauge.get("gauge")?));
        Ok(())
    };
    done(view(), None)
}
