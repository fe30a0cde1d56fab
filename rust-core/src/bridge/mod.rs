//! Other libraries that a service has already: the span of OpenTelemetry as the source of exemplars, the registry of
//! the crate prometheus-client as the place to be scraped, the log of tracing for slow requests.

#[cfg(feature = "opentelemetry")]
pub(crate) mod opentelemetry;
#[cfg(feature = "prometheus-client")]
mod prometheus_client;
#[cfg(feature = "tracing")]
pub(crate) mod tracing;
