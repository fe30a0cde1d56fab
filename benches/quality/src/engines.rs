//! The engines of the benchmark, by name.

use crate::engine::Engine;
use crate::library::{Library, Spanpin};
use crate::peers::client_golang::{Classic, Native};
use crate::peers::client_java::Sampler;
use crate::peers::opentelemetry::{Aligned, Choice};
use crate::peers::prometheus_net::Gate;
use crate::rule::{Rule, Settings};

pub const SPANPIN: &str = "spanpin";
pub const SPANPIN_IDENTITY_NONE: &str = "spanpin, scraper_identity none";
/// The model of the shipped rule, which must show what the library shows.
pub const MODEL: &str = "model of the rule";

/// The models of other libraries.
pub const PEERS: [&str; 8] = [
    "client_golang, prometheus_client: classic",
    "client_golang: native",
    "client_java",
    "OpenTelemetry: last, cleared (Java, Python)",
    "OpenTelemetry: uniform, cleared",
    "OpenTelemetry: uniform, kept (Go)",
    "prometheus-net",
    "prometheus-net, a gate of 30 s",
];

/// Makes a peer's model. The names are those of `PEERS`.
#[must_use]
pub fn peer(name: &str) -> Option<Box<dyn Engine>> {
    let place = PEERS.iter().position(|known| *known == name)?;
    Some(match place {
        0 => Box::new(Classic::default()),
        1 => Box::new(Native::default()),
        2 => Box::new(Sampler::default()),
        3 => Box::new(Aligned::new(Choice::Last, true)),
        4 => Box::new(Aligned::new(Choice::Uniform, true)),
        5 => Box::new(Aligned::new(Choice::Uniform, false)),
        6 => Box::new(Gate::new(0)),
        _ => Box::new(Gate::new(30)),
    })
}

/// The real library.
///
/// # Errors
/// It refuses to make a registry.
pub fn spanpin(library: Library, identity_none: bool) -> Result<Box<dyn Engine>, String> {
    Ok(Box::new(Spanpin::new(library.open(identity_none)?)))
}

#[must_use]
pub fn model(settings: Settings) -> Box<dyn Engine> {
    Box::new(Rule::new(settings))
}
