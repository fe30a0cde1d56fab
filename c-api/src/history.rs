//! All that the rings hold, for people who look at a process without a Prometheus.

use crate::boundary::{
    Handle, Out, done, handle, place, spanpin_counter, spanpin_error, spanpin_exemplar_list, spanpin_histogram,
    spanpin_registry, spanpin_scrape_result,
};
use crate::status::spanpin_status;

/// Every exemplar that the histogram's buckets hold, newest first: up to `slots` winners for each bucket, whatever their age.
/// Takes nothing from any scraper. Threads: any. Allocates: the list. Ownership: release `*out` with
/// spanpin_exemplar_list_free. Returns: SPANPIN_STATUS_OK, NULL_POINTER, OUT_OF_MEMORY. Since: 0.1.
#[unsafe(no_mangle)]
pub extern "C" fn spanpin_histogram_exemplars(
    histogram: Handle<spanpin_histogram>,
    out: Out<'_, spanpin_exemplar_list>,
    error: Out<'_, spanpin_error>,
) -> spanpin_status {
    let list = || {
        let histogram = histogram.get("histogram")?;
        place(out, "out")?.write(spanpin_exemplar_list::of(histogram.exemplars()?)?);
        Ok(())
    };
    done(list(), error)
}

/// Every exemplar that the counter holds, newest first. All else: as spanpin_histogram_exemplars. Since: 0.1.
#[unsafe(no_mangle)]
pub extern "C" fn spanpin_counter_exemplars(
    counter: Handle<spanpin_counter>,
    out: Out<'_, spanpin_exemplar_list>,
    error: Out<'_, spanpin_error>,
) -> spanpin_status {
    let list = || {
        let counter = counter.get("counter")?;
        place(out, "out")?.write(spanpin_exemplar_list::of(counter.exemplars()?)?);
        Ok(())
    };
    done(list(), error)
}

/// Releases a list and clears `*list`, so a second call does nothing; NULL is allowed. Threads: any, one at a time for one
/// list. Ownership: takes the list. Since: 0.1.
#[unsafe(no_mangle)]
pub extern "C" fn spanpin_exemplar_list_free(list: Option<&mut spanpin_exemplar_list>) {
    if let Some(list) = list {
        list.clear();
    }
}

/// Writes every exemplar that the registry holds as JSON, in the shape of Prometheus' answer to query_exemplars: for each
/// sample its labels and its exemplars, oldest first. Takes nothing from any scraper. Threads: any. Allocates: the page.
/// Ownership: release `*out` with spanpin_scrape_result_free.
/// Returns: SPANPIN_STATUS_OK, NULL_POINTER, OUT_OF_MEMORY. Since: 0.1.
#[unsafe(no_mangle)]
pub extern "C" fn spanpin_exemplars_json(
    registry: Option<&spanpin_registry>,
    out: Out<'_, spanpin_scrape_result>,
    error: Out<'_, spanpin_error>,
) -> spanpin_status {
    let write = || {
        let registry = &handle(registry, "registry")?.registry;
        let out = place(out, "out")?;
        out.write(spanpin_scrape_result::of(registry.exemplars_json()?, "application/json", "")?);
        Ok(())
    };
    done(write(), error)
}
