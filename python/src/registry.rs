//! The classes `Registry` and `ScrapeResult`.

use std::path::PathBuf;

use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyString};
use spanpin::{ErrorCode, RegistryOptions, ScrapeRequest, Scraper, ScraperIdentity};

use crate::error::{bad_option, from_core, raise};
use crate::log::segment_notices;
use crate::once::Once;
use crate::variables;
use crate::whole::{Whole, fit};

/// A set of metrics that is scraped together.
///
/// Metrics go to the process-wide `default_registry()` unless they are given
/// another one. `self_metrics=False` leaves out spanpin's own `spanpin_*`
/// metrics. `reserve_bytes` is the address space kept for the registry (256 MiB
/// unless given) and `exemplar_bytes` the memory its exemplars may take (64 MiB).
/// `scraper_identity` is "address" to tell scrapers apart by what their requests say
/// and their address, "given" to leave the address out, "none" to treat all as one.
/// `trace_id_label` and `span_id_label` name the two labels of exemplars, for
/// dashboards that expect other names; with `keep_names` the ids of explicit
/// exemplars keep the names that the caller wrote.
///
/// `trace_url` says where traces are found, such as "https://traces/{trace_id}", for
/// reports of slow requests. With `mark_spans` a span that becomes an exemplar gets
/// the attribute `exemplar="true"`. Both hold for metrics that do not say.
///
/// `segment` is the path of a file in which processes count together: the workers of a
/// service, a program in another language, the next run. Put it on a tmpfs. "" stands
/// for none, whatever the environment says. `segment_mode` is its permission bits
/// (0o600), `reserve_bytes` its greatest size. Whatever is wrong with the file, the
/// registry is made; it then counts elsewhere, as the logger "spanpin" says in one
/// line. With `strict=True` that is a `SegmentError`, and a metric that is in the file in
/// another shape is a `SpanpinError`.
///
/// What is not given comes from the environment (`OTEL_METRICS_EXEMPLAR_FILTER` and
/// the `SPANPIN_*` variables; for `segment` also `metrics.spanpin` in the directory
/// `PROMETHEUS_MULTIPROC_DIR`), read now. A variable with a bad value is ignored, and
/// the logger "spanpin" warns of it once.
///
/// Raises `SpanpinError` for an option that is not allowed and if the system refuses the
/// memory; with `strict` `SegmentError` for a segment that cannot be used.
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
        scraper_identity = None, trace_id_label = None, span_id_label = None, keep_names = None,
        trace_url = None, mark_spans = None, segment = None, segment_mode = None, strict = false,
    ))]
    #[expect(clippy::too_many_arguments, reason = "they are keyword arguments in Python")]
    fn new(
        py: Python<'_>,
        self_metrics: bool,
        reserve_bytes: Option<Whole>,
        exemplar_bytes: Option<Whole>,
        scraper_identity: Option<&str>,
        trace_id_label: Option<&str>,
        span_id_label: Option<&str>,
        keep_names: Option<bool>,
        trace_url: Option<&str>,
        mark_spans: Option<bool>,
        segment: Option<PathBuf>,
        segment_mode: Option<Whole>,
        strict: bool,
    ) -> PyResult<Self> {
        let segment = segment.map(|path| read_path(py, path)).transpose()?;
        let found = variables::found(py)?;
        let mut options = RegistryOptions::default();
        let bad = variables::take(&mut options, &found);
        // What is given here has precedence over the environment.
        let identity = scraper_identity.map(|identity| read_identity(py, identity)).transpose()?;
        options = RegistryOptions {
            self_metrics,
            reserve_bytes: fit(py, "reserve_bytes", reserve_bytes.as_ref(), BYTES)?.unwrap_or(options.reserve_bytes),
            exemplar_bytes: fit(py, "exemplar_bytes", exemplar_bytes.as_ref(), BYTES)?
                .unwrap_or(options.exemplar_bytes),
            scraper_identity: identity.unwrap_or(options.scraper_identity),
            trace_id_label: trace_id_label.unwrap_or(options.trace_id_label),
            span_id_label: span_id_label.unwrap_or(options.span_id_label),
            keep_names: keep_names.unwrap_or(options.keep_names),
            trace_url: trace_url.unwrap_or(options.trace_url),
            mark_spans: mark_spans.unwrap_or(options.mark_spans),
            segment: segment.as_deref().map_or(options.segment, |path| Some(path).filter(|path| !path.is_empty())),
            segment_mode: fit(py, "segment_mode", segment_mode.as_ref(), MODE)?.unwrap_or(options.segment_mode),
            strict,
            ..options
        };
        let core = spanpin::Registry::with_options(&options).map_err(|error| from_core(py, &error))?;
        variables::warn(py, bad)?;
        segment_notices(py, &core)?;
        Ok(Self { core })
    }

    /// The path of the file in which the registry counts, or `None` for one that counts in
    /// the process' own memory. It may be one beside the file that was asked for.
    #[getter]
    fn segment_path(&self) -> Option<&str> {
        self.core.segment_path()
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

    /// Writes every exemplar that the registry holds as JSON, in the shape of Prometheus'
    /// answer to `query_exemplars`.
    ///
    /// For each sample there are its labels and its exemplars, oldest first, whatever
    /// their age. Takes nothing from any scraper. The labels of exemplars are in it, so
    /// serve it to those only who may read them.
    fn exemplars_json<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyBytes>> {
        let json = py.detach(|| self.core.exemplars_json()).map_err(|error| from_core(py, &error))?;
        Ok(PyBytes::new(py, &json))
    }

    /// Puts the registry on a clock of the caller's, for tests.
    ///
    /// From the first call on time stands still between calls: `wall_ms` is what
    /// timestamps are written from, `mono_ms` what windows and ages are counted
    /// by.
    fn set_clock(&self, py: Python<'_>, wall_ms: Whole, mono_ms: Whole) -> PyResult<()> {
        let (wall_ms, mono_ms) = (wall_ms.fit(py, "wall_ms", TIME)?, mono_ms.fit(py, "mono_ms", TIME)?);
        self.core.set_clock(wall_ms, mono_ms);
        Ok(())
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

/// What sizes, modes and times may be.
const BYTES: &str = "from 0 to 18446744073709551615 bytes; leave it out for the default";
const MODE: &str = "permission bits such as 0o600 or 0o640";
const TIME: &str = "from 0 to 18446744073709551615 milliseconds";

fn read_identity(py: Python<'_>, given: &str) -> PyResult<ScraperIdentity> {
    let known = ScraperIdentity::from_name(given);
    known.ok_or_else(|| bad_option(py, "scraper_identity", given, "\"address\", \"given\" or \"none\""))
}

fn read_path(py: Python<'_>, given: PathBuf) -> PyResult<String> {
    given.into_os_string().into_string().map_err(|given| {
        raise(py, ErrorCode::InvalidOption, &format!("segment {given:?} is not UTF-8; give the file another name"))
    })
}

/// Renders without the interpreter lock, so that a large scrape does not hold up
/// the threads that serve requests.
fn render(py: Python<'_>, registry: &spanpin::Registry, request: &ScrapeRequest<'_>) -> PyResult<ScrapeResult> {
    let scrape = py.detach(|| registry.scrape(request));
    segment_notices(py, registry)?;
    let scrape = scrape.map_err(|error| from_core(py, &error))?;
    Ok(ScrapeResult {
        content_type: PyString::new(py, scrape.content_type()).unbind(),
        content_encoding: PyString::new(py, scrape.content_encoding()).unbind(),
        body: PyBytes::new(py, scrape.body()).unbind(),
    })
}

/// The registry of this process, made on first use by the environment of that moment.
#[pyfunction]
pub(crate) fn default_registry(py: Python<'_>) -> PyResult<Py<Registry>> {
    static DEFAULT: Once<Py<Registry>> = Once::new();
    if let Some(registry) = DEFAULT.get(py) {
        return Ok(registry.clone_ref(py));
    }
    let found = variables::found(py)?;
    let mut options = RegistryOptions::default();
    let bad = variables::take(&mut options, &found);
    let core = spanpin::Registry::with_options(&options).map_err(|error| from_core(py, &error))?;
    let made = Py::new(py, Registry { core })?;
    let registry = DEFAULT.get_or_make(py, || Ok(made))?.clone_ref(py);
    // Not before the registry is there: a handler of the log may ask for it.
    variables::warn(py, bad)?;
    segment_notices(py, &registry.get().core)?;
    Ok(registry)
}
