//! The classes `Registry` and `ScrapeResult`.

use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyBytes, PyString};
use spanpin::{RegistryOptions, ScrapeRequest, Scraper, ScraperIdentity};

use crate::error::{bad_option, from_core};

/// A set of metrics that is scraped together.
///
/// Metrics go to the process-wide `default_registry()` unless they are given
/// another one. `self_metrics=False` leaves out spanpin's own `spanpin_*`
/// metrics. `reserve_bytes` is the address space kept for the registry (256 MiB
/// unless given) and `exemplar_bytes` the memory its exemplars may take (64 MiB).
/// `scraper_identity="none"` treats all scrapers as one instead of telling them
/// apart by what their requests say and their address. `trace_id_label` and
/// `span_id_label` name the two labels of exemplars, for dashboards that expect
/// other names.
///
/// Raises `SpanpinError` for an option that is not allowed or if the system
/// refuses the memory.
///
/// >>> registry = Registry(self_metrics=False)
/// >>> jobs = Counter("jobs_total", "Jobs done.", registry=registry)
/// >>> jobs.inc()
/// >>> content_type, body = registry.scrape()
/// >>> print(body.decode(), end="")
/// # HELP jobs_total Jobs done.
/// # TYPE jobs_total counter
/// jobs_total 1
#[pyclass(frozen, module = "spanpin")]
pub(crate) struct Registry {
    pub(crate) core: spanpin::Registry,
}

#[pymethods]
impl Registry {
    #[new]
    #[pyo3(signature = (
        *, self_metrics = true, reserve_bytes = None, exemplar_bytes = None,
        scraper_identity = "address", trace_id_label = "trace_id", span_id_label = "span_id",
    ))]
    fn new(
        py: Python<'_>,
        self_metrics: bool,
        reserve_bytes: Option<usize>,
        exemplar_bytes: Option<usize>,
        scraper_identity: &str,
        trace_id_label: &str,
        span_id_label: &str,
    ) -> PyResult<Self> {
        let mut options = RegistryOptions {
            self_metrics,
            trace_id_label,
            span_id_label,
            scraper_identity: read_identity(py, scraper_identity)?,
            ..RegistryOptions::default()
        };
        if let Some(bytes) = reserve_bytes {
            options.reserve_bytes = bytes;
        }
        if let Some(bytes) = exemplar_bytes {
            options.exemplar_bytes = bytes;
        }
        let core = spanpin::Registry::with_options(&options);
        Ok(Self { core: core.map_err(|error| from_core(py, &error))? })
    }

    /// Writes all metrics: `(content_type, body)`.
    ///
    /// `accept` is the value of an HTTP `Accept` header. Exemplars are in the
    /// OpenMetrics format only, so ask for
    /// `"application/openmetrics-text; version=1.0.0"` to see them. The body is
    /// gzip-compressed if `accept_encoding` allows it.
    ///
    /// A scrape that names its `scraper` gets the best exemplars since the last
    /// scrape of that name; unnamed scrapes share one such memory.
    #[pyo3(signature = (accept = "", accept_encoding = "", scraper = None))]
    fn scrape<'py>(
        &self,
        py: Python<'py>,
        accept: &str,
        accept_encoding: &str,
        scraper: Option<&str>,
    ) -> PyResult<(Bound<'py, PyString>, Bound<'py, PyBytes>)> {
        let scraper = scraper.map_or_else(Scraper::anonymous, Scraper::named);
        let request = ScrapeRequest { accept, accept_encoding, scraper, ..Default::default() };
        let result = render(py, &self.core, &request)?;
        Ok((result.content_type.into_bound(py), result.body.into_bound(py)))
    }

    /// Answers an HTTP scrape, whose headers also say which scraper is asking.
    ///
    /// `scrape_timeout` is the header `X-Prometheus-Scrape-Timeout-Seconds`,
    /// `path` the path and query, `peer` the client's address without a port.
    /// Headers that were not sent are empty. Raises `SpanpinError` if the time the
    /// scraper waits is over before the answer is ready. Servers for which there is no
    /// ready-made one are built on this.
    #[pyo3(signature = (
        *, accept = "", accept_encoding = "", user_agent = "", scrape_timeout = "", path = "",
        peer = "",
    ))]
    #[expect(clippy::too_many_arguments, reason = "they are keyword arguments in Python")]
    fn scrape_request(
        &self,
        py: Python<'_>,
        accept: &str,
        accept_encoding: &str,
        user_agent: &str,
        scrape_timeout: &str,
        path: &str,
        peer: &str,
    ) -> PyResult<ScrapeResult> {
        let scraper = Scraper::from_request(user_agent, scrape_timeout, path, peer);
        let deadline_ms = milliseconds(scrape_timeout);
        let request = ScrapeRequest { accept, accept_encoding, scraper, deadline_ms };
        render(py, &self.core, &request)
    }

    /// Puts the registry on a clock of the caller's, for tests.
    ///
    /// From the first call on time stands still between calls: `wall_ms` is what
    /// timestamps are written from, `mono_ms` what windows and ages are counted
    /// by.
    fn set_clock(&self, wall_ms: u64, mono_ms: u64) {
        self.core.set_clock(wall_ms, mono_ms);
    }
}

/// A rendered scrape.
#[pyclass(frozen, module = "spanpin")]
pub(crate) struct ScrapeResult {
    content_type: Py<PyString>,
    content_encoding: Py<PyString>,
    body: Py<PyBytes>,
}

#[pymethods]
impl ScrapeResult {
    /// The value of the `Content-Type` header.
    #[getter]
    fn content_type(&self, py: Python<'_>) -> Py<PyString> {
        self.content_type.clone_ref(py)
    }

    /// The value of the `Content-Encoding` header: "gzip", or "" for none.
    #[getter]
    fn content_encoding(&self, py: Python<'_>) -> Py<PyString> {
        self.content_encoding.clone_ref(py)
    }

    /// The bytes to send.
    #[getter]
    fn body(&self, py: Python<'_>) -> Py<PyBytes> {
        self.body.clone_ref(py)
    }
}

/// The time a scraper says it waits, or 0 for none.
fn milliseconds(seconds: &str) -> u32 {
    let seconds: f64 = seconds.trim().parse().unwrap_or(0.0);
    // Saturates; negative ones and NaN become 0.
    (seconds * 1000.0) as u32
}

fn read_identity(py: Python<'_>, given: &str) -> PyResult<ScraperIdentity> {
    match given {
        "address" => Ok(ScraperIdentity::Address),
        "none" => Ok(ScraperIdentity::None),
        _ => Err(bad_option(py, "scraper_identity", given, "\"address\" or \"none\"")),
    }
}

/// Renders without the interpreter lock, so that a large scrape does not hold up
/// the threads that serve requests.
fn render(py: Python<'_>, registry: &spanpin::Registry, request: &ScrapeRequest<'_>) -> PyResult<ScrapeResult> {
    let scrape = py.detach(|| registry.scrape(request)).map_err(|error| from_core(py, &error))?;
    Ok(ScrapeResult {
        content_type: PyString::new(py, scrape.content_type()).unbind(),
        content_encoding: PyString::new(py, scrape.content_encoding()).unbind(),
        body: PyBytes::new(py, scrape.body()).unbind(),
    })
}

/// The registry of this process, made on first use.
#[pyfunction]
pub(crate) fn default_registry(py: Python<'_>) -> PyResult<Py<Registry>> {
    static DEFAULT: PyOnceLock<Py<Registry>> = PyOnceLock::new();
    let registry = DEFAULT.get_or_try_init(py, || {
        let core = spanpin::Registry::new().map_err(|error| from_core(py, &error))?;
        Py::new(py, Registry { core })
    })?;
    Ok(registry.clone_ref(py))
}
