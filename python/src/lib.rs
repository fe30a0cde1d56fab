//! The native module of the Python package: a thin layer over the crate
//! `spanpin`. It turns Python values into the core's and finds the active span;
//! every rule about counting, exemplars and output is the core's.

mod adaptive;
mod callbacks;
mod counter;
mod error;
mod exemplar;
mod family;
mod gauge;
mod histogram;
mod history;
mod labels;
mod log;
mod once;
mod options;
mod registry;
mod slow_request;
mod span;
mod text;
mod trace;
mod variables;
mod whole;

use pyo3::prelude::*;

/// Everything here works without the interpreter lock: the core is lock-free,
/// the classes are frozen and the label caches are insert-only.
#[pymodule(gil_used = false)]
mod _native {
    #[pymodule_export]
    use crate::adaptive::Adaptive;
    #[pymodule_export]
    use crate::counter::{Counter, CounterSeries};
    #[pymodule_export]
    use crate::gauge::{Gauge, GaugeSeries};
    #[pymodule_export]
    use crate::histogram::{Histogram, HistogramSeries, exponential_buckets, linear_buckets};
    #[pymodule_export]
    use crate::history::Exemplar;
    #[pymodule_export]
    use crate::registry::{Registry, ScrapeResult, default_registry};
    #[pymodule_export]
    use crate::slow_request::SlowRequest;
    #[pymodule_export]
    use crate::trace::TraceContext;

    use pyo3::prelude::*;
    use pyo3::types::PyTuple;

    #[pymodule_init]
    fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
        let py = module.py();
        module.add("SpanpinError", crate::error::spanpin_error(py)?)?;
        module.add("SegmentError", crate::error::segment_error(py)?)?;
        module.add("DEFAULT_BUCKETS", PyTuple::new(py, spanpin::buckets::DEFAULT_BOUNDS)?)?;
        module.add("__version__", env!("CARGO_PKG_VERSION"))?;
        crate::labels::install::<crate::histogram::HistogramKind>(py)?;
        crate::labels::install::<crate::counter::CounterKind>(py)?;
        crate::labels::install::<crate::gauge::GaugeKind>(py)
    }
}
