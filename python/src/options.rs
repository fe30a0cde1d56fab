//! The arguments of a family that say which exemplars are kept and what goes with them.

use std::sync::Arc;

use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyString};
use spanpin::raw::check_baggage_key;
use spanpin::{ErrorCode, FamilyBuilder, FamilyHandle, Filter, Policy};

use crate::adaptive::Adaptive;
use crate::callbacks;
use crate::error::{bad_option, from_core, raise};
use crate::family::read_names;
use crate::whole::{Whole, fit};

/// The arguments as Python gave them.
pub(crate) struct ExemplarOptions<'a, 'py> {
    pub(crate) filter: Option<&'a str>,
    pub(crate) policy: Option<&'a str>,
    pub(crate) minimum_value: Option<f64>,
    pub(crate) probability: Option<f64>,
    pub(crate) adaptive: Option<&'a Bound<'py, PyAny>>,
    pub(crate) slots: Option<Whole>,
    pub(crate) max_age: Option<Whole>,
    pub(crate) exemplar_filter: Option<&'a Bound<'py, PyAny>>,
    pub(crate) exemplar_labels: Option<&'a Bound<'py, PyAny>>,
    pub(crate) baggage_keys: Option<&'a Bound<'py, PyAny>>,
    pub(crate) mark_spans: Option<bool>,
    pub(crate) slow_request_threshold: Option<f64>,
    pub(crate) on_slow_request: Option<&'a Bound<'py, PyAny>>,
    pub(crate) trace_url: Option<&'a str>,
}

/// What a family does about an exemplar here, beside what the core does.
pub(crate) struct Attached {
    /// A function that returns further labels.
    pub(crate) labels: Option<Py<PyAny>>,
    /// The entries of the baggage that become labels.
    pub(crate) baggage_keys: Vec<Py<PyString>>,
    pub(crate) mark_spans: bool,
    /// Whether the core calls functions that may raise.
    pub(crate) called_by_core: bool,
}

impl ExemplarOptions<'_, '_> {
    /// Hands the options to the core's builder. What is left to do at each call is
    /// `None` for a family that asks for nothing of it, and costs that nothing.
    pub(crate) fn apply<'b, F: FamilyHandle>(
        &self,
        py: Python<'_>,
        registry: &spanpin::Registry,
        builder: FamilyBuilder<'b, F>,
    ) -> PyResult<(FamilyBuilder<'b, F>, Option<Arc<Attached>>)> {
        let attached = self.attached(registry)?;
        let builder = set(builder, self.filter, |b, name| Ok(b.filter(read_filter(py, name)?)))?;
        let builder = set(builder, self.policy, |b, name| Ok(b.policy(read_policy(py, name)?)))?;
        let builder = set(builder, self.minimum_value, |b, least| Ok(b.minimum_value(least)))?;
        let builder = set(builder, self.probability, |b, part| Ok(b.probability(part)))?;
        let slots = fit(py, "slots", self.slots.as_ref(), "from 4 to 19")?;
        let builder = set(builder, slots, |b, slots| Ok(b.slots(slots)))?;
        let max_age = fit(py, "max_age", self.max_age.as_ref(), "from 1 to 86400 seconds")?;
        let builder = set(builder, max_age, |b, age| Ok(b.max_age(age)))?;
        let builder = set(builder, self.adaptive, |b, adaptive| {
            Ok(match read_adaptive(adaptive)? {
                Some(adaptive) => b.adaptive(adaptive),
                None => b.not_adaptive(),
            })
        })?;
        let filter = self.exemplar_filter.map(|filter| callable("exemplar_filter", filter)).transpose()?;
        let builder = set(builder, filter, |b, filter| Ok(b.exemplar_filter(callbacks::filter(filter))))?;
        let builder = self.apply_slow(py, builder)?;
        Ok((builder, attached))
    }

    fn apply_slow<'b, F: FamilyHandle>(
        &self,
        py: Python<'_>,
        builder: FamilyBuilder<'b, F>,
    ) -> PyResult<FamilyBuilder<'b, F>> {
        let function = self.on_slow_request.map(|function| callable("on_slow_request", function)).transpose()?;
        let Some(threshold) = self.slow_request_threshold else {
            for (name, given) in [("on_slow_request", function.is_some()), ("trace_url", self.trace_url.is_some())] {
                if given {
                    let message = format!(
                        "{name} is given without slow_request_threshold: give a threshold, in the unit of the metric, \
                         above which a request is slow"
                    );
                    return Err(raise(py, ErrorCode::InvalidOption, &message));
                }
            }
            return Ok(builder);
        };
        let told = callbacks::slow_request(callbacks::logger(py)?, function);
        Ok(builder.on_slow_request(threshold, self.trace_url.unwrap_or_default(), told))
    }

    fn attached(&self, registry: &spanpin::Registry) -> PyResult<Option<Arc<Attached>>> {
        let attached = Attached {
            labels: self.exemplar_labels.map(|labels| callable("exemplar_labels", labels)).transpose()?,
            baggage_keys: self.baggage_keys.map_or(Ok(Vec::new()), read_baggage_keys)?,
            mark_spans: self.mark_spans.unwrap_or_else(|| registry.marks_spans()),
            called_by_core: self.exemplar_filter.is_some() || self.slow_request_threshold.is_some(),
        };
        let nothing = attached.labels.is_none()
            && attached.baggage_keys.is_empty()
            && !attached.mark_spans
            && !attached.called_by_core;
        Ok(if nothing { None } else { Some(Arc::new(attached)) })
    }
}

/// Sets an option that was given.
fn set<B, T>(builder: B, given: Option<T>, set: impl FnOnce(B, T) -> PyResult<B>) -> PyResult<B> {
    match given {
        Some(value) => set(builder, value),
        None => Ok(builder),
    }
}

fn callable(option: &str, given: &Bound<'_, PyAny>) -> PyResult<Py<PyAny>> {
    if given.is_callable() {
        return Ok(given.clone().unbind());
    }
    Err(PyTypeError::new_err(format!("{option} must be a function, not {}", given.get_type())))
}

fn read_baggage_keys(given: &Bound<'_, PyAny>) -> PyResult<Vec<Py<PyString>>> {
    let (keys, texts) = read_names("baggage_keys", given)?;
    for key in &texts {
        check_baggage_key(key).map_err(|error| from_core(given.py(), &error))?;
    }
    Ok(keys)
}

fn read_adaptive(given: &Bound<'_, PyAny>) -> PyResult<Option<spanpin::Adaptive>> {
    if let Ok(adaptive) = given.cast::<Adaptive>() {
        return Ok(Some(adaptive.get().core));
    }
    match given.cast::<PyBool>() {
        Ok(on) => Ok(on.is_true().then(spanpin::Adaptive::default)),
        Err(_) => {
            let class = given.get_type();
            Err(PyTypeError::new_err(format!("adaptive must be True, False or a spanpin.Adaptive, not {class}")))
        }
    }
}

fn read_filter(py: Python<'_>, given: &str) -> PyResult<Filter> {
    let known = Filter::from_name(given);
    known.ok_or_else(|| bad_option(py, "filter", given, "\"trace_based\", \"always_on\" or \"always_off\""))
}

fn read_policy(py: Python<'_>, given: &str) -> PyResult<Policy> {
    let known = Policy::from_name(given);
    known.ok_or_else(|| bad_option(py, "policy", given, "\"slowest\", \"uniform\" or \"first\""))
}
